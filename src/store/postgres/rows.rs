//! Whole rows of the tables that `doorbell copy` fills: many in one statement, and back again.

use super::{
    connection::{Connection, Done, Parameter},
    text::text_or_null,
};
use crate::store::copy::{
    row::{Row, Value},
    tables::{Kind, Table},
};

/// Adds rows, with the keys that they bring.
pub(super) async fn insert(connection: &Connection, table: &Table, rows: &[Row]) -> Done<()> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.postgres).collect();
    let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO doorbell.{} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({})",
        table.postgres,
        names.join(", "),
        places.join(", ")
    );
    let columns: Vec<Box<dyn Parameter + Send + '_>> = (0..names.len())
        .map(|place| column(rows, place, table.columns[place].kind))
        .collect();
    let columns: Vec<&dyn Parameter> = columns.iter().map(|column| &**column as &dyn Parameter).collect();
    connection.execute(&sql, &columns).await
}

/// At most `limit` rows with a key behind `after`, in the order of their keys.
pub(super) async fn read(
    connection: &Connection,
    table: &Table,
    after: Option<&[Value]>,
    limit: usize,
) -> Done<Vec<Row>> {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.postgres).collect();
    let key = columns[..table.key].join(", ");
    let behind = match after {
        None => "true".to_owned(),
        Some(after) => {
            let places: Vec<String> = (1..=after.len()).map(|place| format!("${place}")).collect();
            format!("({key}) > ({})", places.join(", "))
        }
    };
    let sql = format!(
        "SELECT {} FROM doorbell.{} WHERE {} AND {behind} ORDER BY {key} LIMIT {limit}",
        columns.join(", "),
        table.postgres,
        table.only
    );
    let bound: Vec<Box<dyn Parameter + Send + '_>> = after.unwrap_or_default().iter().map(one).collect();
    let bound: Vec<&dyn Parameter> = bound.iter().map(|value| &**value as &dyn Parameter).collect();
    let rows = connection.rows(&sql, &bound).await?;
    let of = |row: &tokio_postgres::Row| {
        let values = table.columns.iter().enumerate();
        values.map(|(place, column)| value(row, place, column.kind)).collect()
    };
    rows.iter().map(of).collect()
}

fn one(value: &Value) -> Box<dyn Parameter + Send + '_> {
    match value {
        Value::Null => Box::new(None::<i64>),
        Value::Boolean(value) => Box::new(*value),
        Value::Integer(value) => Box::new(*value),
        Value::Text(text) => Box::new(text.as_str()),
        Value::Bytes(bytes) => Box::new(bytes.as_slice()),
    }
}

/// A column of many rows, as one array.
fn column(rows: &[Row], place: usize, kind: Kind) -> Box<dyn Parameter + Send + '_> {
    macro_rules! array {
        ($variant:ident($value:ident) => $sent:expr) => {
            Box::new(
                rows.iter()
                    .map(|row| match &row[place] {
                        Value::$variant($value) => Some($sent),
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            )
        };
    }
    match kind {
        Kind::Integer => array!(Integer(value) => *value),
        Kind::Boolean => array!(Boolean(value) => *value),
        Kind::Text => array!(Text(value) => value.as_str()),
        Kind::Bytes => array!(Bytes(value) => value.as_slice()),
    }
}

fn value(row: &tokio_postgres::Row, place: usize, kind: Kind) -> Done<Value> {
    let found = match kind {
        Kind::Integer => row.try_get::<_, Option<i64>>(place)?.map(Value::Integer),
        Kind::Boolean => row.try_get::<_, Option<bool>>(place)?.map(Value::Boolean),
        Kind::Text => text_or_null(row, place)?.map(Value::Text),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(place)?.map(Value::Bytes),
    };
    Ok(found.unwrap_or(Value::Null))
}
