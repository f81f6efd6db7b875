//! The schema's numbered steps, embedded in the binary. Each is one transaction: killed in the middle it leaves the old
//! schema, never a part of the new.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::open::{APPLICATION_ID, FileLock, OpenError, connect_writing};

/// Step `n` is at `n - 1`. A step that was released is never changed; there is no way down.
pub(super) const STEPS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_first.sql"),
    include_str!("../../../migrations/sqlite/0002_journal_and_sessions.sql"),
    include_str!("../../../migrations/sqlite/0003_attachments.sql"),
    include_str!("../../../migrations/sqlite/0004_ended_sessions.sql"),
];
/// The schema of this binary.
pub(super) const KNOWN: u32 = STEPS.len() as u32;

/// From which schema to which a database was brought. 0 is an empty file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: u32,
    pub to: u32,
}

/// Brings the database at `path` to this binary's schema, making it where there is none. No server may have it open.
pub fn migrate(path: &Path) -> Result<Migrated, OpenError> {
    let _lock = FileLock::take(path)?;
    let mut connection = connect_writing(path)?;
    run(path, &mut connection)
}

pub(super) fn run(path: &Path, connection: &mut Connection) -> Result<Migrated, OpenError> {
    run_steps(path, connection, STEPS)
}

pub(super) fn run_steps(path: &Path, connection: &mut Connection, steps: &[&str]) -> Result<Migrated, OpenError> {
    let broken = |error: rusqlite::Error| OpenError::new(path, &error);
    let from = version(connection).map_err(broken)?;
    let known = steps.len() as u32;
    if !is_ours(connection).map_err(broken)? {
        return Err(OpenError::Foreign {
            path: path.to_path_buf(),
        });
    }
    if from > known {
        return Err(OpenError::Newer {
            path: path.to_path_buf(),
            found: from,
            known,
        });
    }
    for (step, number) in steps.iter().zip(1..).skip(from as usize) {
        take_step(connection, step, number).map_err(broken)?;
    }
    Ok(Migrated { from, to: known })
}

fn take_step(connection: &mut Connection, step: &str, number: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    // Both stand in the file's header, which is part of the transaction.
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Ours by its header, or empty.
pub(super) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(id == APPLICATION_ID || (id == 0 && tables == 0 && version(connection)? == 0))
}
