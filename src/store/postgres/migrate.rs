//! The schema's numbered steps, embedded in the binary. All that are missing are taken in one transaction: killed in the
//! middle it leaves the old schema, never a part of the new. Of nodes that start together one takes them, the others wait.

use std::time::Duration;

use super::{
    connection::{Connection, Done},
    open::{Address, OpenError},
};
use crate::store::sqlite::Migrated;

/// Step `n` is at `n - 1`. A step that was released is never changed; there is no way down.
pub(super) const STEPS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_first.sql"),
    include_str!("../../../migrations/postgres/0002_journal.sql"),
    include_str!("../../../migrations/postgres/0003_attachments.sql"),
    include_str!("../../../migrations/postgres/0004_ended_sessions.sql"),
];

/// For all steps together, and for waiting until another node has taken them.
const STEPS_TIME: Duration = Duration::from_secs(600);

/// Brings the database to this binary's schema, making it where there is none.
pub async fn migrate(url: &str) -> Result<Migrated, OpenError> {
    let address = Address::read(url)?;
    let mut connection = address.connect().await?;
    run(&address.shown, &mut connection).await
}

pub(super) async fn run(database: &str, connection: &mut Connection) -> Result<Migrated, OpenError> {
    run_steps(database, connection, STEPS).await
}

pub(super) async fn run_steps(
    database: &str,
    connection: &mut Connection,
    steps: &[&str],
) -> Result<Migrated, OpenError> {
    let database = database.to_owned();
    connection.allow(STEPS_TIME);
    let found = lock_and_look(connection).await;
    let known = steps.len() as u32;
    match found.map_err(|failure| OpenError::new(&database, &failure))? {
        None => Err(OpenError::Foreign { database }),
        Some(found) if found > known => Err(OpenError::Newer { database, found, known }),
        Some(from) => match take(connection, steps, from).await {
            Ok(()) => Ok(Migrated { from, to: known }),
            Err(failure) => Err(OpenError::new(&database, &failure)),
        },
    }
}

/// The schema's number, 0 where there is none; `None`: the schema is another program's. The lock ends with the
/// transaction, so that it holds behind a PgBouncer, too.
async fn lock_and_look(connection: &Connection) -> Done<Option<u32>> {
    connection
        .run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(x'446f6f72'::bigint)")
        .await?;
    let row = connection
        .one(
            "SELECT to_regclass('doorbell.schema_step') IS NOT NULL,
                    EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname = 'doorbell')",
            &[],
        )
        .await?;
    match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => {
            let last = connection
                .one("SELECT coalesce(max(number), 0) FROM doorbell.schema_step", &[])
                .await?;
            Ok(Some(last.try_get::<_, i64>(0)? as u32))
        }
        (false, false) => Ok(Some(0)),
        (false, true) => Ok(None),
    }
}

async fn take(connection: &Connection, steps: &[&str], from: u32) -> Done<()> {
    if from == 0 {
        connection
            .run(
                "CREATE SCHEMA IF NOT EXISTS doorbell;
                 CREATE TABLE doorbell.schema_step (
                     number   bigint PRIMARY KEY,
                     taken_at timestamptz NOT NULL DEFAULT now()
                 )",
            )
            .await?;
    }
    for (step, number) in steps.iter().zip(1_i64..).skip(from as usize) {
        connection.run(step).await?;
        connection
            .execute("INSERT INTO doorbell.schema_step (number) VALUES ($1)", &[&number])
            .await?;
    }
    connection.run("COMMIT").await
}
