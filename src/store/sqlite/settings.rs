//! What belongs to the installation as a whole.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{
    statement::Statements,
    writer::{Write, Writing},
};
use crate::model::{Timestamp, limits};

pub(super) struct KeepSetting {
    pub(super) name: &'static str,
    pub(super) value: String,
}

impl Write for KeepSetting {
    type Outcome = String;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<String> {
        let connection = writing.connection;
        connection
            .statement("INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")?
            .execute(params![self.name, self.value])?;
        connection
            .statement("SELECT value FROM setting WHERE name = ?1")?
            .query_row([self.name], |row| row.get(0))
    }
}

/// The value kept under `name`, read beside whoever has the file open.
pub fn read_setting(path: &Path, name: &str) -> rusqlite::Result<Option<String>> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
        .query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0))
        .optional()
}

/// When all sessions of a user were ended last, read in the same way; `None` also of somebody whom nobody knows, and where
/// the schema is of before sessions could be ended.
pub fn read_sessions_ended(path: &Path, user_id: &str) -> rusqlite::Result<Option<Timestamp>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let knows_ended: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_table_info('user') WHERE name = 'sessions_ended_at')",
        [],
        |row| row.get(0),
    )?;
    if !knows_ended {
        return Ok(None);
    }
    let ended_at = connection
        .query_row("SELECT sessions_ended_at FROM user WHERE id = ?1", [user_id], |row| {
            row.get::<_, Option<i64>>(0)
        })
        .optional()?;
    Ok(ended_at.flatten().map(Timestamp))
}

/// Writes as much as a long message does, and flushes it, to see whether that works.
///
/// A row alone would often still fit where the disk is full and no message does: into what is left of the log's last
/// block. So the probe needs new pages each time, and random ones: SQLite does not write a page that has not changed.
pub(super) struct Probe;

/// Random bytes that the probe writes, twice as many as digits: the longest message, in characters of four bytes.
const PROBE_BYTES: usize = limits::CONTENT_CHARS * 4 / 2;

impl Write for Probe {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        writing
            .connection
            .statement(
                "INSERT INTO probe (only, written_at) VALUES (1, ?1)
                 ON CONFLICT (only) DO UPDATE SET written_at = excluded.written_at",
            )?
            .execute([writing.now.0])?;
        writing
            .connection
            .statement(
                "INSERT INTO setting (name, value) VALUES ('probe', hex(randomblob(?1)))
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute([PROBE_BYTES as i64])?;
        Ok(())
    }
}

/// Reads what [`Probe`] has written.
pub(super) fn see_probe(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .statement("SELECT 1 FROM probe WHERE only = 1")?
        .query_row([], |_| Ok(()))
}
