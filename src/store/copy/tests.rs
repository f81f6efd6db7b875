//! That no table and no column is forgotten, and that two runs do not mix.

use std::collections::BTreeSet;

use super::{
    row::Value,
    tables::{NOT_COPIED, TABLES, Table},
};
use crate::store::{
    postgres::{
        self,
        import::{Claim, Import, ImportError, Position},
        tests::server,
    },
    sqlite,
};

/// What must be there: each table that is copied with its columns, in words of one engine.
fn listed(names: impl Fn(&Table) -> (&'static str, Vec<String>)) -> BTreeSet<String> {
    let columns = |table: &Table| {
        let (name, columns) = names(table);
        columns.into_iter().map(move |column| format!("{name}.{column}"))
    };
    TABLES.iter().flat_map(columns).collect()
}

/// The columns that are not said to stay behind, by themselves or with their table.
fn without_those_that_stay(columns: impl Iterator<Item = (String, String)>) -> BTreeSet<String> {
    let stays = |name: &str| NOT_COPIED.iter().any(|(stays, _)| *stays == name);
    columns
        .filter(|(table, _)| !stays(table))
        .map(|(table, column)| format!("{table}.{column}"))
        .filter(|column| !stays(column))
        .collect()
}

#[test]
fn every_table_and_column_of_sqlite_is_copied_or_named_as_staying_behind() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("doorbell.db");
    sqlite::migrate(&path).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    let mut statement = database
        .prepare("SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'")
        .unwrap();
    let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let columns = without_those_that_stay(columns.map(Result::unwrap));
    let of = |table: &Table| {
        let names = table.columns.iter().map(|column| column.sqlite);
        // Of the packed key, both parts come from one column.
        let first_words = names.map(|name| name.split(' ').next().unwrap().to_owned());
        (table.sqlite, first_words.collect())
    };
    assert_eq!(columns, listed(of));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_of_postgresql_is_filled_or_named_as_staying_behind() {
    let (url, printed) = tokio::task::spawn_blocking(|| {
        let url = server::new_database();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(postgres::migrate(&url)).unwrap();
        let sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'doorbell'";
        let printed = server::sql_at(&url, sql);
        (url, printed)
    })
    .await
    .unwrap();
    let columns = printed.lines().map(|line| {
        let (table, column) = line.split_once('|').unwrap_or_else(|| panic!("{line} of {url}"));
        (table.to_owned(), column.to_owned())
    });
    let of = |table: &Table| {
        let names = table.columns.iter().map(|column| column.postgres.to_owned());
        (table.postgres, names.collect())
    };
    assert_eq!(without_those_that_stay(columns), listed(of));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_of_one_copy_the_later_goes_on_and_the_earlier_stops() {
    let url = tokio::task::spawn_blocking(server::new_database).await.unwrap();
    let setting = |name: &str| vec![Value::Text(name.into()), Value::Text("value".into())];
    let at = |rows: u64, name: &str| Position {
        table: 0,
        rows,
        after: Some(vec![Value::Text(name.into())]),
    };
    let mut first = Import::open(&url, "first".into()).await.unwrap();
    assert!(matches!(first.claim("a.db", "print").await.unwrap(), Claim::Begun));
    first.load(&TABLES[0], &[setting("a")], &at(1, "a")).await.unwrap();
    let mut second = Import::open(&url, "second".into()).await.unwrap();
    let Claim::Resumed(position) = second.claim("a.db", "print").await.unwrap() else {
        panic!("the second run does not go on");
    };
    assert_eq!((position.rows, position.after), (1, Some(setting("a")[..1].to_vec())));
    let stopped = first.load(&TABLES[0], &[setting("b")], &at(2, "b")).await;
    assert!(matches!(stopped, Err(ImportError::TakenOver { .. })), "{stopped:?}");
    second.load(&TABLES[0], &[setting("b")], &at(2, "b")).await.unwrap();
    let rows = second.page(&TABLES[0], None, 10).await.unwrap();
    assert_eq!(rows, [setting("a"), setting("b")]);
}
