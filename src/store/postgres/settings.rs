//! What belongs to the installation as a whole.

use async_trait::async_trait;

use super::{
    connection::{Connection, Done},
    writer::{Write, Writing},
};

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

/// Writes a row and flushes it, to see whether that works.
pub(super) struct Probe;

#[async_trait]
impl Write for Probe {
    type Outcome = ();

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        writing
            .connection
            .execute(
                "INSERT INTO doorbell.probe (only_one, written_at) VALUES (1, $1)
                 ON CONFLICT (only_one) DO UPDATE SET written_at = excluded.written_at",
                &[&writing.now.0],
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
