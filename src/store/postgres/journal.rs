//! The journal: what all writers have recorded, read as of one moment.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    connection::{Connection, Done, Failure},
    writer::{Write, Writing},
};
use crate::{
    model::{Cut, Note, Position, Recorded, journal::Slot},
    store::{JournalEnds, rules},
};

type Recordeds = VecDeque<Recorded<Note>>;

/// The notes above `from`, at most `limit`: of each slot the oldest, and none before one that it builds on. So whoever
/// asks again from where they have come to comes further each time, whatever the limit.
pub(super) async fn journal(connection: &Connection, from: &Cut, limit: usize) -> Done<Vec<Recorded<Note>>> {
    let (slots, numbers) = columns(from);
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX / 2);
    // Of each slot the rows up to the one that reaches the limit, found in the index.
    let rows = connection
        .rows(
            "SELECT j.slot, j.number, j.count, j.notes
             FROM doorbell.writer_slot s
             LEFT JOIN unnest($1::bigint[], $2::bigint[]) AS f (slot, number) ON f.slot = s.slot
             CROSS JOIN LATERAL (
                 SELECT coalesce(f.number, 0) AS number,
                        (SELECT min(number - count) FROM (
                             SELECT number, count FROM doorbell.journal
                             WHERE slot = s.slot AND number > coalesce(f.number, 0) ORDER BY number LIMIT 1) oldest
                        ) AS start
             ) base
             JOIN doorbell.journal j
               ON j.slot = s.slot AND j.number > base.number
              AND j.number <= coalesce((SELECT min(r.number) FROM doorbell.journal r
                                        WHERE r.slot = s.slot AND r.number >= greatest(base.number, base.start) + $3),
                                       9223372036854775807)
             ORDER BY j.slot, j.number",
            &[&slots, &numbers, &wanted],
        )
        .await?;
    let mut queues: BTreeMap<Slot, Recordeds> = BTreeMap::new();
    for row in &rows {
        let notes = notes_of(row)?;
        let slot = row.try_get(0)?;
        queues
            .entry(slot)
            .or_default()
            .extend(notes.into_iter().filter(|note| !from.holds(note.position)));
    }
    Ok(merge(queues, limit))
}

/// The slots of a cut and their numbers, as two columns.
fn columns(cut: &Cut) -> (Vec<i64>, Vec<i64>) {
    let positions = cut.positions().iter();
    positions.map(|position| (position.slot, position.number)).unzip()
}

/// The notes of a row, each with its place.
fn notes_of(row: &Row) -> Done<Vec<Recorded<Note>>> {
    let (slot, last, count): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let notes = rules::journal::decode(row.try_get(3)?).map_err(|error| Failure::Unexpected(error.to_string()))?;
    if notes.len() as i64 != count {
        return Err(Failure::Unexpected(
            "the journal has another number of notes than it says".into(),
        ));
    }
    let places = (last - count + 1..).zip(notes);
    let recorded = places.map(|(number, (after, what))| Recorded {
        position: Position { slot, number },
        after,
        what,
    });
    Ok(recorded.collect())
}

/// One order of all, in which nothing comes before what it builds on, cut off at the limit.
fn merge(mut queues: BTreeMap<Slot, Recordeds>, limit: usize) -> Vec<Recorded<Note>> {
    let mut merged = Vec::new();
    while merged.len() < limit {
        // A note waits only while what it builds on is in another queue: what is in none was told before, or pruned.
        let is_free = |note: &Recorded<Note>| {
            note.after.is_none_or(|after| {
                let first = queues.get(&after.slot).and_then(VecDeque::front);
                first.is_none_or(|first| first.position.number > after.number)
            })
        };
        let free: Option<Slot> = queues
            .iter()
            .find_map(|(slot, queue)| queue.front().is_some_and(is_free).then_some(*slot));
        // Nothing waits in a circle, since what a note builds on was committed before it.
        let Some(queue) = free.and_then(|slot| queues.get_mut(&slot)) else {
            break;
        };
        merged.extend(queue.pop_front());
    }
    merged
}

/// Numbers rise without gaps in each slot, so what is pruned is what comes before the oldest row.
pub(super) async fn ends(connection: &Connection) -> Done<JournalEnds> {
    let rows = connection
        .rows(
            "SELECT s.slot, s.number,
                    coalesce((SELECT j.number - j.count FROM doorbell.journal j WHERE j.slot = s.slot
                              ORDER BY j.number LIMIT 1), s.number)
             FROM doorbell.writer_slot s",
            &[],
        )
        .await?;
    let mut ends = JournalEnds::default();
    for row in rows {
        let slot = row.try_get(0)?;
        let at = |number| Position { slot, number };
        ends.recorded.advance(at(row.try_get(1)?));
        ends.pruned.advance(at(row.try_get(2)?));
    }
    Ok(ends)
}

/// Takes whole rows away: one that reaches beyond the cut stays.
pub(super) struct Prune {
    pub(super) up_to: Cut,
}

#[async_trait]
impl Write for Prune {
    type Outcome = ();
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        let (slots, numbers) = columns(&self.up_to);
        writing
            .connection
            .execute(
                "DELETE FROM doorbell.journal j USING unnest($1::bigint[], $2::bigint[]) AS up_to (slot, number)
                 WHERE j.slot = up_to.slot AND j.number <= up_to.number",
                &[&slots, &numbers],
            )
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConversationKey;

    fn note(slot: Slot, number: i64, after: Option<(Slot, i64)>) -> Recorded<Note> {
        Recorded {
            position: Position { slot, number },
            after: after.map(|(slot, number)| Position { slot, number }),
            what: Note::Opened(ConversationKey(1)),
        }
    }

    fn merged(notes: Vec<Recorded<Note>>, limit: usize) -> Vec<(Slot, i64)> {
        let mut queues: BTreeMap<Slot, Recordeds> = BTreeMap::new();
        for note in notes {
            queues.entry(note.position.slot).or_default().push_back(note);
        }
        let merged = merge(queues, limit);
        merged
            .iter()
            .map(|note| (note.position.slot, note.position.number))
            .collect()
    }

    #[test]
    fn what_builds_on_another_slots_news_comes_after_them() {
        let notes = || {
            vec![
                note(0, 7, Some((1, 3))),
                note(0, 8, None),
                note(1, 2, None),
                note(1, 3, Some((2, 1))),
                note(2, 1, None),
            ]
        };
        let all = [(1, 2), (2, 1), (1, 3), (0, 7), (0, 8)];
        assert_eq!(merged(notes(), 100), all);
        for limit in 0..all.len() {
            assert_eq!(merged(notes(), limit), all[..limit]);
        }
    }

    #[test]
    fn what_was_told_before_or_pruned_holds_nobody_up() {
        assert_eq!(
            merged(vec![note(0, 7, Some((1, 3))), note(1, 4, None)], 9),
            [(0, 7), (1, 4)]
        );
        assert_eq!(merged(vec![note(0, 7, Some((5, 3)))], 9), [(0, 7)]);
    }
}
