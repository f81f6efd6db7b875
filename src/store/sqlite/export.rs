//! Reading a whole database for `doorbell copy`: from one moment, with the file held so that no server writes meanwhile.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params_from_iter, types::ValueRef};

use super::{
    migrate::{self, KNOWN},
    open::{FileLock, OpenError, connect_reading},
};
use crate::store::copy::{
    row::{Row, RowDigest, Value},
    tables::{Kind, Table},
};

/// Everything that follows is read from one moment, whoever writes beside it. The moment is that of the first reading, so
/// one is done at once.
const BEGIN: &str = "BEGIN; SELECT count(*) FROM sqlite_schema";

/// Why a database cannot be copied from: one sentence that names the file and the mend.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{} is not there: name the database that the server used, by --database-url or --data-dir", path.display())]
    Missing { path: PathBuf },
    #[error(
        "{} has schema {found}, and this Doorbell copies schema {KNOWN}: run doorbell migrate, then copy",
        path.display()
    )]
    Older { path: PathBuf, found: u32 },
    #[error(transparent)]
    Unusable(#[from] OpenError),
    #[error("{} cannot be read ({reason}): check the disk, or copy from a backup", path.display())]
    Unreadable { path: PathBuf, reason: String },
}

/// A database that is read, and held for as long.
pub(in crate::store) struct Export {
    connection: Connection,
    path: PathBuf,
    version: i64,
    _lock: FileLock,
}

impl Export {
    pub(in crate::store) fn open(path: &Path) -> Result<Self, ExportError> {
        // The lock would make the folder of a path that is only mistyped.
        if !path.is_file() {
            return Err(ExportError::Missing {
                path: path.to_path_buf(),
            });
        }
        let lock = FileLock::take(path)?;
        let connection = connect_reading(path)?;
        let broken = |error: rusqlite::Error| OpenError::new(path, &error);
        if !migrate::is_ours(&connection).map_err(broken)? {
            return Err(OpenError::Foreign {
                path: path.to_path_buf(),
            }
            .into());
        }
        let found = migrate::version(&connection).map_err(broken)?;
        if found > KNOWN {
            return Err(OpenError::Newer {
                path: path.to_path_buf(),
                found,
                known: KNOWN,
            }
            .into());
        }
        if found < KNOWN {
            return Err(ExportError::Older {
                path: path.to_path_buf(),
                found,
            });
        }
        let version = data_version(&connection).map_err(broken)?;
        connection.execute_batch(BEGIN).map_err(broken)?;
        Ok(Export {
            connection,
            path: path.to_path_buf(),
            version,
            _lock: lock,
        })
    }

    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::store) fn count(&self, table: &Table) -> Result<u64, ExportError> {
        let sql = format!("SELECT count(*) FROM {} WHERE {}", table.sqlite, table.only);
        let count: i64 = self
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| self.unreadable(&error))?;
        Ok(count.unsigned_abs())
    }

    /// Names the installation and what is in it, without reading the messages: everything that is written raises one of
    /// these numbers. Whatever escapes it is found when the copy is verified.
    pub(in crate::store) fn fingerprint(&self) -> Result<String, ExportError> {
        const PARTS: &[&str] = &[
            "SELECT name, value FROM setting WHERE name <> 'probe' ORDER BY name",
            // Sums of remainders, since sums of times would not fit into 64 bits.
            "SELECT count(*), min(id), max(id), sum(last_seen_at % 1000003), sum(host_put_at % 1000003),
                    sum(claims_issued_at % 1000003), sum(sessions_ended_at % 1000003) FROM user",
            "SELECT count(*), min(id), max(id) FROM listing",
            "SELECT count(*), min(id), max(id), sum(last_seq), sum(arrivals), sum(updated_at % 1000003) FROM conversation",
            "SELECT count(*), sum(read_seq), sum(sent), sum(kept_seq), sum(is_admin), sum(left_at % 1000003)
             FROM participant",
            "SELECT count(*), min(id), max(id), sum(last_seq) FROM post",
            "SELECT count(*), min(key), max(key), sum(is_used), sum(state = 'ready') FROM attachment",
        ];
        let mut digest = RowDigest::default();
        for sql in PARTS {
            let mut read = || -> rusqlite::Result<()> {
                let mut statement = self.connection.prepare(sql)?;
                let columns = statement.column_count();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let values: Row = (0..columns).map(|at| any(row.get_ref(at)?)).collect::<Result<_, _>>()?;
                    digest.add(&values);
                }
                Ok(())
            };
            read().map_err(|error| self.unreadable(&error))?;
        }
        Ok(digest.finish())
    }

    /// Hands the rows with a key behind `after` over in the order of their keys, until `each` says no.
    pub(in crate::store) fn read(
        &self,
        table: &Table,
        after: Option<&[Value]>,
        mut each: impl FnMut(Row) -> bool,
    ) -> Result<(), ExportError> {
        let sql = select(table, after.is_some());
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&sql)?;
            let bound = after.unwrap_or_default().iter().map(bound);
            let mut rows = statement.query(params_from_iter(bound))?;
            while let Some(row) = rows.next()? {
                let values = table.columns.iter().enumerate();
                let values = values
                    .map(|(at, column)| value(row.get_ref(at)?, column.kind))
                    .collect::<Result<Row, _>>()?;
                if !each(values) {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| self.unreadable(&error))
    }

    /// Did another program write to the file since it was opened?
    pub(in crate::store) fn was_written(&self) -> Result<bool, ExportError> {
        let look = || -> rusqlite::Result<i64> {
            self.connection.execute_batch("COMMIT")?;
            let version = data_version(&self.connection)?;
            self.connection.execute_batch(BEGIN)?;
            Ok(version)
        };
        Ok(look().map_err(|error| self.unreadable(&error))? != self.version)
    }

    fn unreadable(&self, error: &rusqlite::Error) -> ExportError {
        ExportError::Unreadable {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn select(table: &Table, is_behind: bool) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.sqlite).collect();
    let (order, behind) = match table.packed {
        Some(packed) => (packed.column.to_owned(), packed.behind.to_owned()),
        None => {
            let key = columns[..table.key].join(", ");
            let places: Vec<String> = (1..=table.key).map(|place| format!("?{place}")).collect();
            let behind = format!("({key}) > ({})", places.join(", "));
            (key, behind)
        }
    };
    let behind = if is_behind { behind.as_str() } else { "true" };
    format!(
        "SELECT {} FROM {} WHERE {} AND {behind} ORDER BY {order}",
        columns.join(", "),
        table.sqlite,
        table.only,
    )
}

fn bound(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Boolean(value) => rusqlite::types::Value::Integer(i64::from(*value)),
        Value::Integer(value) => rusqlite::types::Value::Integer(*value),
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
        Value::Bytes(bytes) => rusqlite::types::Value::Blob(bytes.clone()),
    }
}

fn value(found: ValueRef<'_>, kind: Kind) -> rusqlite::Result<Value> {
    match (any(found)?, kind) {
        (Value::Integer(value), Kind::Boolean) => Ok(Value::Boolean(value != 0)),
        (value, _) => Ok(value),
    }
}

fn any(found: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Bytes(value.to_be_bytes().to_vec()),
        ValueRef::Text(_) => Value::Text(found.as_str()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        copy::tables::TABLES,
        sqlite::tests::plans::{empty_database, plan},
    };

    #[test]
    fn what_another_program_writes_meanwhile_is_noticed_and_not_copied() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("doorbell.db");
        migrate::migrate(&path).unwrap();
        let settings = |export: &Export| export.count(&TABLES[0]).unwrap();
        let export = Export::open(&path).unwrap();
        let before = export.fingerprint().unwrap();
        assert!(!export.was_written().unwrap());
        let other = Connection::open(&path).unwrap();
        other.execute_batch("INSERT INTO setting VALUES ('a', 'b')").unwrap();
        assert_eq!((settings(&export), export.fingerprint().unwrap()), (0, before.clone()));
        assert!(export.was_written().unwrap());
        assert_eq!(settings(&export), 1);
        assert_ne!(export.fingerprint().unwrap(), before);
    }

    #[test]
    fn a_copy_that_goes_on_finds_its_place_by_the_key_and_sorts_nothing() {
        let database = empty_database();
        for table in TABLES {
            let steps = plan(&database, &select(table, true));
            assert!(
                steps.len() == 1 && steps[0].starts_with("SEARCH"),
                "{}: {steps:?}",
                table.sqlite
            );
        }
    }
}
