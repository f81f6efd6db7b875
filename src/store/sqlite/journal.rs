//! The journal: what happened, in the order of the commits. One writer, so one slot, and nothing builds on another's.

use rusqlite::{Connection, OptionalExtension, params, types::Type};

use super::{
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{Cut, Fact, Note, Position, Recorded, journal::Slot},
    store::{
        JournalEnds,
        rules::journal::{JournalError, Placed, decode, encode},
    },
};

/// The slot of the one writer.
const SLOT: Slot = 0;

fn position(number: i64) -> Position {
    Position { slot: SLOT, number }
}

/// The number of the last change; 0 when there was none.
pub(super) fn last_number(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .statement("SELECT number FROM journal WHERE number > 0 ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Notes the facts of a transaction, the numbers after `last`. None leave no row.
pub(super) fn record(connection: &Connection, last: i64, facts: &[Fact]) -> rusqlite::Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let notes: Vec<Placed> = facts.iter().map(|fact| (None, fact.note())).collect();
    let notes = encode(&notes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let count = facts.len() as i64;
    connection
        .statement("INSERT INTO journal (number, count, notes) VALUES (?1, ?2, ?3)")?
        .execute(params![last + count, count, notes])?;
    Ok(())
}

/// The facts of a transaction with their places, the numbers after `last`.
pub(super) fn recorded(last: i64, facts: Vec<Fact>) -> Vec<Recorded<Fact>> {
    let with_place = |(number, what)| Recorded {
        position: position(number),
        after: None,
        what,
    };
    (last + 1..).zip(facts).map(with_place).collect()
}

pub(super) fn journal(connection: &Connection, from: &Cut, limit: usize) -> rusqlite::Result<Vec<Recorded<Note>>> {
    let from = from.number(SLOT);
    let mut statement =
        connection.statement("SELECT number, count, notes FROM journal WHERE number > ?1 ORDER BY number")?;
    let mut rows = statement.query([from])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let (last, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        let notes = decode(row.get_ref(2)?.as_blob()?).and_then(|notes| match notes.len() as i64 == count {
            true => Ok(notes),
            false => Err(JournalError::Damaged("there are not as many as were written")),
        });
        let notes = notes.map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Blob, Box::new(error)))?;
        let placed = (last - count + 1..).zip(notes).filter(|(number, _)| *number > from);
        let room = limit - found.len();
        found.extend(placed.take(room).map(|(number, (after, what))| Recorded {
            position: position(number),
            after,
            what,
        }));
    }
    Ok(found)
}

pub(super) fn ends(connection: &Connection) -> rusqlite::Result<JournalEnds> {
    let pruned = connection
        .statement("SELECT number - count FROM journal WHERE number > 0 ORDER BY number LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let cut = |number| Cut::from_iter([position(number)]);
    Ok(JournalEnds {
        pruned: cut(pruned),
        recorded: cut(last_number(connection)?),
    })
}

/// Takes whole rows, and never the newest.
pub(super) struct Prune {
    pub(super) up_to: Cut,
}

impl Write for Prune {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        writing
            .connection
            .statement("DELETE FROM journal WHERE number <= ?1 AND number < (SELECT max(number) FROM journal)")?
            .execute([self.up_to.number(SLOT)])?;
        Ok(())
    }
}
