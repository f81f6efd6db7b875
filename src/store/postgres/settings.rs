//! What belongs to the installation as a whole.

use async_trait::async_trait;

use super::{
    connection::{Connection, Done, Failure},
    writer::{Write, Writing},
};
use crate::model::limits;

const VALUE: &str = "SELECT value FROM doorbell.setting WHERE name = $1";

pub(super) struct KeepSetting {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[async_trait]
impl Write for KeepSetting {
    type Outcome = String;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<String> {
        let connection = writing.connection;
        connection
            .execute(
                "INSERT INTO doorbell.setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                &[&self.name, &self.value.as_str()],
            )
            .await?;
        Ok(connection.one(VALUE, &[&self.name]).await?.try_get(0)?)
    }
}

pub(super) async fn find(connection: &Connection, name: &str) -> Done<Option<String>> {
    let found = connection.row(VALUE, &[&name]).await?;
    found.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Writes as much as a long message does, and flushes it, to see whether that works. A small row would often still fit
/// where no message does: into what is left of a page that is there.
pub(super) struct Probe;

/// Random bytes that the probe writes, twice as many as digits: the longest message, in characters of four bytes.
const PROBE_BYTES: usize = limits::CONTENT_CHARS * 4 / 2;

#[async_trait]
impl Write for Probe {
    type Outcome = ();
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        writing
            .connection
            .execute(
                "INSERT INTO doorbell.probe (only_one, written_at) VALUES (1, $1)
                 ON CONFLICT (only_one) DO UPDATE SET written_at = excluded.written_at",
                &[&writing.now.0],
            )
            .await?;
        // Random, since PostgreSQL compresses what repeats itself.
        let mut bytes = vec![0_u8; PROBE_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::Unexpected(format!("the system gives no random numbers: {error}")))?;
        writing
            .connection
            .execute(
                "INSERT INTO doorbell.setting (name, value) VALUES ('probe', encode($1, 'hex'))
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                &[&bytes.as_slice()],
            )
            .await
    }
}

/// Reads what [`Probe`] has written.
pub(super) async fn see_probe(connection: &Connection) -> Done<()> {
    connection
        .one("SELECT 1 FROM doorbell.probe WHERE only_one = 1", &[])
        .await
        .map(drop)
}
