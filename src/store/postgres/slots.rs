//! Slots of the journal: which one a writer counts in.
//!
//! A writer leases the lowest that nobody uses, so that few are in use and cuts stay short. A lease keeps writers from
//! waiting for each other, and no more: where all are taken two of them share one, and the lock of its row keeps their
//! numbers in the order of their commits.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Done, Failure};
use crate::model::journal::Slot;

/// The database's own time in milliseconds since the Unix epoch.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}
pub(super) use now;

/// Unused for so long a slot is free: its writer is gone, or has nothing to write.
macro_rules! unused_millis {
    () => {
        "30000"
    };
}
/// Whoever shares a slot looks for a free one this often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A writer's claim to a slot.
pub(super) struct Lease {
    /// By which the writer is known in the database: nobody else's number.
    holder: i64,
    claim: Option<Claim>,
}

struct Claim {
    slot: Slot,
    is_shared: bool,
    made: Instant,
}

impl Lease {
    pub(super) fn new(holder: i64) -> Self {
        Lease { holder, claim: None }
    }

    /// The slot to write in: the one that it has, else one that it leases now, outside of any transaction.
    pub(super) async fn slot(&mut self, connection: &Connection) -> Done<Slot> {
        if let Some(claim) = &self.claim
            && !(claim.is_shared && claim.made.elapsed() >= LOOK_AGAIN)
        {
            return Ok(claim.slot);
        }
        let free = connection
            .row(
                concat!(
                    "UPDATE doorbell.writer_slot SET holder = $1, used_at = ",
                    now!(),
                    " WHERE slot = (SELECT slot FROM doorbell.writer_slot
                                    WHERE holder IS NULL OR holder = $1 OR used_at < ",
                    now!(),
                    " - ",
                    unused_millis!(),
                    "               ORDER BY slot LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
                      RETURNING slot"
                ),
                &[&self.holder],
            )
            .await?;
        let is_shared = free.is_none();
        let found = match free {
            Some(row) => row,
            None => {
                connection
                    .one("SELECT slot FROM doorbell.writer_slot ORDER BY random() LIMIT 1", &[])
                    .await?
            }
        };
        let slot = found.try_get(0)?;
        self.claim = Some(Claim {
            slot,
            is_shared,
            made: Instant::now(),
        });
        Ok(slot)
    }

    /// Begins a transaction with the slot locked: its last number.
    pub(super) async fn begin(&mut self, connection: &Connection, begin: &str, slot: Slot) -> Done<i64> {
        let line = connection
            .first_line(&format!(
                "{begin}; SELECT number, holder FROM doorbell.writer_slot WHERE slot = {slot} FOR NO KEY UPDATE"
            ))
            .await?;
        let number = |column| line.as_ref()?.try_get(column).ok()??.parse::<i64>().ok();
        let last = number(0).ok_or_else(|| Failure::Unexpected("a slot of the journal is missing".into()))?;
        if let Some(claim) = &mut self.claim {
            // It may have been given to somebody else while this writer was idle.
            claim.is_shared = number(1) != Some(self.holder);
        }
        Ok(last)
    }

    /// Is the slot this writer's alone, as far as it knows?
    pub(super) fn is_held(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| !claim.is_shared)
    }

    /// Gives the slot back.
    pub(super) async fn end(&mut self, connection: &Connection) -> Done<()> {
        let Some(claim) = self.claim.take() else {
            return Ok(());
        };
        connection
            .execute(
                "UPDATE doorbell.writer_slot SET holder = NULL, used_at = NULL WHERE slot = $1 AND holder = $2",
                &[&claim.slot, &self.holder],
            )
            .await
    }
}

/// Keeps the leases of writers that have nothing to write. Slots that are locked at the moment are in use.
pub(super) async fn keep_leases(connection: &Connection, holders: &Vec<i64>) -> Done<()> {
    connection
        .execute(
            concat!(
                "UPDATE doorbell.writer_slot SET used_at = ",
                now!(),
                " WHERE slot IN (SELECT slot FROM doorbell.writer_slot WHERE holder = ANY ($1)
                                 ORDER BY slot FOR NO KEY UPDATE SKIP LOCKED)"
            ),
            &[holders],
        )
        .await
}
