//! Filling an empty database for `doorbell copy`, a batch a transaction, and reading it back.
//!
//! The table `doorbell.copy` has one row, the marker: whose copy this is and how far it is. It moves in the transaction
//! of the batch, so a kill leaves whole batches. It stays when all is done, for whoever wonders later.

use std::time::Duration;

use super::{
    connection::{Connection, Done, Failure},
    migrate,
    open::{Address, OpenError},
    rows,
    text::{text, text_or_null},
};
use crate::store::copy::{
    row::{Row, Value},
    tables::{TABLES, Table},
};

/// For one batch, or one page read back: a copy is in no hurry, but a server that is gone is noticed.
const BATCH_TIME: Duration = Duration::from_secs(60);
/// For what goes over a whole table.
const TABLE_TIME: Duration = Duration::from_secs(3_600);
/// By this name a copy is told from a server among the connections.
const APPLICATION: &str = "doorbell copy";

/// Why a database cannot be copied into: one sentence that names it and the mend.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Unusable(#[from] OpenError),
    #[error(
        "{database} has data already (in {table}), and nothing is ever overwritten: name an empty database, or, if nobody needs what is there, run DROP SCHEMA doorbell CASCADE in it"
    )]
    NotEmpty { database: String, table: &'static str },
    #[error(
        "{database} has a copy of another installation ({source_name}): name an empty database, or, if nobody needs what is there, run DROP SCHEMA doorbell CASCADE in it"
    )]
    OtherCopy { database: String, source_name: String },
    #[error(
        "{source_name} was written since its copy into {database} began: run DROP SCHEMA doorbell CASCADE in the target, then copy again, with the server stopped"
    )]
    SourceMoved { database: String, source_name: String },
    #[error("{database} is in use by a Doorbell server: stop that one, then copy")]
    InUse { database: String },
    #[error("another copy into {database} goes on: let it end")]
    TakenOver { database: String },
    #[error(
        "the copy into {database} stopped ({reason}): mend that, then run the same command again; it goes on where it stopped"
    )]
    Stopped { database: String, reason: String },
}

impl ImportError {
    /// Was nothing begun, since the database is not one to copy into?
    pub fn is_refusal(&self) -> bool {
        !matches!(self, ImportError::TakenOver { .. } | ImportError::Stopped { .. })
    }
}

/// How far a copy is.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Position {
    /// The place in `TABLES` of the table that is being copied; those before it are done.
    pub(in crate::store) table: usize,
    /// Rows of that table that are there, and the key of the last of them in the order of the source.
    pub(in crate::store) rows: u64,
    pub(in crate::store) after: Option<Row>,
}

/// What a copy that is allowed to go on finds.
pub(in crate::store) enum Claim {
    Begun,
    Resumed(Position),
    /// It was finished and verified at this time.
    Finished(String),
}

struct Marker {
    source_name: String,
    fingerprint: String,
    position: Position,
    finished_at: Option<String>,
}

pub(in crate::store) struct Import {
    connection: Connection,
    database: String,
    /// Of this run alone: a run that another one has replaced finds that its name is gone from the marker.
    run: String,
}

impl Import {
    pub(in crate::store) async fn open(url: &str, run: String) -> Result<Self, ImportError> {
        let mut address = Address::read(url)?;
        address.config.postgres.application_name(APPLICATION);
        Ok(Import {
            connection: address.connect().await?,
            database: address.shown,
            run,
        })
    }

    /// The database, without its password.
    pub(in crate::store) fn database(&self) -> &str {
        &self.database
    }

    /// Makes the database that of this copy, if it is empty or was before. What belongs to somebody else is left as it is.
    pub(in crate::store) async fn claim(&mut self, source: &str, fingerprint: &str) -> Result<Claim, ImportError> {
        // Before the schema is brought up to date: somebody else's may be of an older one.
        let found = self.look().await;
        if let Some(claim) = self.judge(found, source, fingerprint)? {
            if let Claim::Finished(_) = claim {
                return Ok(claim);
            }
            self.connection.allow(BATCH_TIME);
            if self.has_server().await.map_err(|failure| self.unusable(&failure))? {
                return Err(ImportError::InUse {
                    database: self.database.clone(),
                });
            }
        }
        migrate::run(&self.database, &mut self.connection).await?;
        self.connection.allow(BATCH_TIME);
        self.connection
            .run("BEGIN; SELECT pg_advisory_xact_lock(x'446f6f72'::bigint)")
            .await
            .map_err(|failure| self.unusable(&failure))?;
        let found = self.look().await;
        let claim = match self.judge(found, source, fingerprint) {
            Ok(claim) => claim.unwrap_or(Claim::Begun),
            Err(refused) => {
                let _ = self.connection.run("ROLLBACK").await;
                return Err(refused);
            }
        };
        let mark = self.mark(source, fingerprint).await;
        mark.map_err(|failure| self.unusable(&failure))?;
        Ok(claim)
    }

    /// What stands against the claim; `None`: the database has no schema yet.
    fn judge(&self, found: Done<Found>, source: &str, fingerprint: &str) -> Result<Option<Claim>, ImportError> {
        let database = self.database.clone();
        let marker = match found.map_err(|failure| self.unusable(&failure))? {
            Found::NoSchema => return Ok(None),
            Found::Empty => return Ok(Some(Claim::Begun)),
            Found::Data(table) => return Err(ImportError::NotEmpty { database, table }),
            Found::Marked(marker) => marker,
        };
        let source_name = marker.source_name;
        match (marker.fingerprint == fingerprint, marker.finished_at) {
            (true, Some(at)) => Ok(Some(Claim::Finished(at))),
            (true, None) => Ok(Some(Claim::Resumed(marker.position))),
            (false, _) if source_name == source => Err(ImportError::SourceMoved { database, source_name }),
            (false, _) => Err(ImportError::OtherCopy { database, source_name }),
        }
    }

    async fn look(&mut self) -> Done<Found> {
        self.connection.allow(BATCH_TIME);
        if !self.has_table("schema_step").await? {
            return Ok(Found::NoSchema);
        }
        if self.has_table("copy").await?
            && let Some(marker) = self.marker().await?
        {
            return Ok(Found::Marked(marker));
        }
        for table in TABLES {
            if !self.has_table(table.postgres).await? {
                continue;
            }
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM doorbell.{} WHERE {})",
                table.postgres, table.only
            );
            if self.connection.one(&sql, &[]).await?.try_get(0)? {
                return Ok(Found::Data(table.postgres));
            }
        }
        Ok(Found::Empty)
    }

    async fn has_table(&self, name: &str) -> Done<bool> {
        let name = format!("doorbell.{name}");
        let row = self
            .connection
            .one("SELECT to_regclass($1) IS NOT NULL", &[&name.as_str()])
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn marker(&self) -> Done<Option<Marker>> {
        let found = self
            .connection
            .row(
                "SELECT source, fingerprint, current_table, rows, after,
                        to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"')
                 FROM doorbell.copy",
                &[],
            )
            .await?;
        let Some(row) = found else { return Ok(None) };
        let current: String = text(&row, 2)?;
        let table = TABLES.iter().position(|table| table.postgres == current);
        let after = text_or_null(&row, 4)?
            .map(|after| serde_json::from_str(&after))
            .transpose();
        let (Some(table), Ok(after)) = (table, after) else {
            return Err(Failure::Unexpected(
                "the marker of the copy in doorbell.copy is of another version of Doorbell".into(),
            ));
        };
        Ok(Some(Marker {
            source_name: text(&row, 0)?,
            fingerprint: text(&row, 1)?,
            position: Position {
                table,
                rows: row.try_get::<_, i64>(3)?.unsigned_abs(),
                after,
            },
            finished_at: row.try_get(5)?,
        }))
    }

    /// Is a server connected? Only those of the same user, or all to a superuser, are told; that is as far as it can be
    /// known.
    async fn has_server(&self) -> Done<bool> {
        let row = self
            .connection
            .one(
                "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                                WHERE datname = current_database() AND application_name = 'doorbell')",
                &[],
            )
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn mark(&self, source: &str, fingerprint: &str) -> Done<()> {
        self.connection
            .run(
                "CREATE TABLE IF NOT EXISTS doorbell.copy (
                     only_one      bigint PRIMARY KEY CHECK (only_one = 1),
                     source        text NOT NULL,
                     fingerprint   text NOT NULL,
                     run           text NOT NULL,
                     current_table text NOT NULL,
                     rows          bigint NOT NULL DEFAULT 0,
                     after         text,
                     begun_at      timestamptz NOT NULL DEFAULT now(),
                     finished_at   timestamptz
                 )",
            )
            .await?;
        self.connection
            .execute(
                "INSERT INTO doorbell.copy (only_one, source, fingerprint, run, current_table) VALUES (1, $1, $2, $3, $4)
                 ON CONFLICT (only_one) DO UPDATE SET run = excluded.run",
                &[&source, &fingerprint, &self.run.as_str(), &TABLES[0].postgres],
            )
            .await?;
        self.connection.run("COMMIT").await
    }

    /// Stores rows of a table, and that the copy is at `position` then.
    pub(in crate::store) async fn load(
        &mut self,
        table: &Table,
        rows: &[Row],
        position: &Position,
    ) -> Result<(), ImportError> {
        // Without waiting for the disk: should the server lose the last batches, it has lost the marker's move with them.
        self.begin("BEGIN; SET LOCAL synchronous_commit = off").await?;
        self.move_marker(position).await?;
        let stored = rows::insert(&self.connection, table, rows).await;
        stored.map_err(|failure| self.stopped(&failure))?;
        self.run("COMMIT").await
    }

    async fn move_marker(&self, position: &Position) -> Result<(), ImportError> {
        let after = position.after.as_ref().map(serde_json::to_string).transpose();
        let after = after.map_err(|error| self.stopped(&Failure::Unexpected(error.to_string())))?;
        let moved = self
            .connection
            .row(
                "UPDATE doorbell.copy SET current_table = $2, rows = $3, after = $4 WHERE run = $1 RETURNING 1",
                &[
                    &self.run.as_str(),
                    &TABLES[position.table].postgres,
                    &position.rows.cast_signed(),
                    &after.as_deref(),
                ],
            )
            .await;
        self.still_ours(moved)
    }

    fn still_ours(&self, moved: Done<Option<tokio_postgres::Row>>) -> Result<(), ImportError> {
        match moved {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(ImportError::TakenOver {
                database: self.database.clone(),
            }),
            Err(failure) => Err(self.stopped(&failure)),
        }
    }

    /// After the last row: later rows are numbered behind those that are there, and the planner knows how many there are.
    pub(in crate::store) async fn settle(&mut self) -> Result<(), ImportError> {
        self.connection.allow(TABLE_TIME);
        for table in TABLES {
            let name = table.postgres;
            if table.is_numbered {
                let key = table.columns[0].postgres;
                let sql = format!(
                    "SELECT setval(pg_get_serial_sequence('doorbell.{name}', '{key}'), max({key})) FROM doorbell.{name}"
                );
                let set = self.connection.execute(&sql, &[]).await;
                set.map_err(|failure| self.stopped(&failure))?;
            }
            self.run(&format!("ANALYZE doorbell.{name}")).await?;
        }
        Ok(())
    }

    /// At most `limit` rows with a key behind `after`, in the order of their keys.
    pub(in crate::store) async fn page(
        &mut self,
        table: &Table,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<Row>, ImportError> {
        self.connection.allow(BATCH_TIME);
        let read = rows::read(&self.connection, table, after, limit).await;
        read.map_err(|failure| self.stopped(&failure))
    }

    /// Says that all is there and verified. From then on a server may open the database.
    pub(in crate::store) async fn finish(&mut self) -> Result<(), ImportError> {
        self.begin("BEGIN; SET LOCAL synchronous_commit = on").await?;
        let moved = self
            .connection
            .row(
                "UPDATE doorbell.copy SET finished_at = now() WHERE run = $1 RETURNING 1",
                &[&self.run.as_str()],
            )
            .await;
        self.still_ours(moved)?;
        self.run("COMMIT").await
    }

    async fn begin(&mut self, how: &str) -> Result<(), ImportError> {
        self.connection.allow(BATCH_TIME);
        self.run(how).await
    }

    async fn run(&self, sql: &str) -> Result<(), ImportError> {
        let done = self.connection.run(sql).await;
        done.map_err(|failure| self.stopped(&failure))
    }

    fn unusable(&self, failure: &Failure) -> ImportError {
        OpenError::new(&self.database, failure).into()
    }

    fn stopped(&self, failure: &Failure) -> ImportError {
        ImportError::Stopped {
            database: self.database.clone(),
            reason: failure.to_string(),
        }
    }
}

/// What is in a database that somebody wants to copy into.
enum Found {
    NoSchema,
    Empty,
    Data(&'static str),
    Marked(Marker),
}

/// The source whose copy into this database has begun and is not finished.
pub(super) async fn unfinished_source(connection: &Connection) -> Done<Option<String>> {
    let made = connection
        .one("SELECT to_regclass('doorbell.copy') IS NOT NULL", &[])
        .await?;
    if !made.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let found = connection
        .row("SELECT source FROM doorbell.copy WHERE finished_at IS NULL", &[])
        .await?;
    found.map(|row| text(&row, 0)).transpose()
}
