//! The news of a transaction, each with its place in the journal; and the row that keeps them there.
//!
//! Both ways to the server that this takes are ways that the transaction needs anyway: the slot is locked along with
//! BEGIN, and the row is written along with COMMIT. These statements consist of numbers and hexadecimal digits alone,
//! so they are put together as text: several in one go is what bound parameters cannot do.

use std::fmt::Write;

use super::{
    connection::{Connection, Done, Failure},
    slots::now,
};
use crate::{
    model::{Fact, Position, Recorded, journal::Slot},
    store::rules,
};

/// What a transaction has to tell, in the order in which it becomes true.
pub(super) struct News {
    slot: Slot,
    /// The slot's last number, once its row is locked: from then on nobody else counts on.
    locked_at: Option<i64>,
    told: Vec<Recorded<Fact>>,
}

impl News {
    pub(super) fn new(slot: Slot, locked_at: Option<i64>) -> Self {
        News {
            slot,
            locked_at,
            told: Vec::new(),
        }
    }

    /// Locks the slot if it is not locked yet. Every transaction with news does so before it locks anything else: with
    /// one order for all, nobody waits in a circle.
    pub(super) async fn lock_slot(&mut self, connection: &Connection) -> Done<()> {
        if self.locked_at.is_none() {
            let row = connection
                .one(
                    "SELECT number FROM doorbell.writer_slot WHERE slot = $1 FOR NO KEY UPDATE",
                    &[&self.slot],
                )
                .await?;
            self.locked_at = Some(row.try_get(0)?);
        }
        Ok(())
    }

    /// The place that the next fact gets, or one some facts after it.
    pub(super) fn upcoming(&self, later: usize) -> Done<Position> {
        let locked_at = self
            .locked_at
            .ok_or_else(|| Failure::Unexpected("there is news, and the writer's slot was not locked".into()))?;
        Ok(Position {
            slot: self.slot,
            number: locked_at + 1 + (self.told.len() + later) as i64,
        })
    }

    /// Adds a fact. `builds_on` is the last one about the same conversation: in the same slot it is told first anyway.
    pub(super) fn tell(&mut self, builds_on: Option<Position>, what: Fact) -> Done<()> {
        let position = self.upcoming(0)?;
        self.told.push(Recorded {
            position,
            after: builds_on.filter(|before| before.slot != position.slot),
            what,
        });
        Ok(())
    }

    /// The statements that end the transaction. `holds_lease`: the slot is this writer's alone, and is kept that way.
    pub(super) fn commit(&self, holds_lease: bool) -> Done<String> {
        let Some(last) = self.told.last() else {
            return Ok("COMMIT".into());
        };
        let notes: Vec<_> = self.told.iter().map(|fact| (fact.after, fact.what.note())).collect();
        let encoded = rules::journal::encode(&notes).map_err(|error| Failure::Unexpected(error.to_string()))?;
        let mut digits = String::with_capacity(encoded.len() * 2);
        for byte in encoded {
            // A string takes whatever is written to it.
            let _ = write!(digits, "{byte:02x}");
        }
        let Position { slot, number } = last.position;
        let count = notes.len();
        let used_at = if holds_lease { now!() } else { "used_at" };
        // When the first of them fails the server does not come to the second.
        Ok(format!(
            "WITH noted AS (
                 INSERT INTO doorbell.journal (slot, number, count, notes)
                 VALUES ({slot}, {number}, {count}, decode('{digits}', 'hex'))
             )
             UPDATE doorbell.writer_slot SET number = {number}, used_at = {used_at} WHERE slot = {slot};
             COMMIT"
        ))
    }

    pub(super) fn into_facts(self) -> Vec<Recorded<Fact>> {
        self.told
    }
}
