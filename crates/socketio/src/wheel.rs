//! One timer for all sessions: a wheel of slots, each a tick wide, walked by one task.
//!
//! A session is in the wheel once for its next due time. When it needs to be looked at earlier, it is put in again, and
//! the later entry is passed over when its time comes, since the session's own note of its next check differs.

/// Slots of the wheel. Later than a whole turn is put in the last slot, and moved on from there.
const SLOTS: usize = 512;

#[derive(Debug)]
pub(crate) struct Wheel<T> {
    slots: Vec<Vec<(u64, T)>>,
    /// The tick that was walked last.
    walked: u64,
}

impl<T> Wheel<T> {
    pub fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            walked: 0,
        }
    }

    /// Puts an entry in for the given tick, at the earliest the next one to be walked.
    pub fn insert(&mut self, tick: u64, entry: T) {
        let slot = tick.clamp(self.walked + 1, self.walked + SLOTS as u64 - 1);
        self.slots[slot as usize % SLOTS].push((tick, entry));
    }

    /// Takes all entries that are due up to `tick` into `due`.
    pub fn advance(&mut self, tick: u64, due: &mut Vec<(u64, T)>) {
        let first = self.walked + 1;
        // After a long sleep one turn passes every slot.
        let last = tick.min(self.walked + SLOTS as u64);
        // First of all, so that what is put back goes where the next walks will find it in time.
        self.walked = self.walked.max(tick);
        for step in first..=last {
            for (at, entry) in std::mem::take(&mut self.slots[step as usize % SLOTS]) {
                if at <= tick {
                    due.push((at, entry))
                } else {
                    self.insert(at, entry)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_when_they_are_due() {
        let mut wheel = Wheel::new();
        for tick in [1, 3, 600, 5_000, 0] {
            wheel.insert(tick, tick);
        }
        let mut seen = Vec::new();
        for tick in 1..6_000 {
            let mut due = Vec::new();
            wheel.advance(tick, &mut due);
            seen.extend(due.into_iter().map(|(_, entry)| (tick, entry)));
        }
        assert_eq!(seen, [(1, 1), (1, 0), (3, 3), (600, 600), (5_000, 5_000)]);
    }

    #[test]
    fn nothing_is_passed_over_after_a_long_sleep() {
        let mut wheel = Wheel::new();
        for tick in 1..2_000 {
            wheel.insert(tick, tick);
        }
        let mut due = Vec::new();
        wheel.advance(1_999, &mut due);
        let mut seen: Vec<u64> = due.into_iter().map(|(_, entry)| entry).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..2_000).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_from_before_a_long_sleep_is_in_time_after_it() {
        let mut wheel = Wheel::new();
        wheel.insert(2_030, "later");
        for tick in [2_000, 2_001, 2_029] {
            let mut due = Vec::new();
            wheel.advance(tick, &mut due);
            assert!(due.is_empty(), "{tick}");
        }
        let mut due = Vec::new();
        wheel.advance(2_030, &mut due);
        assert_eq!(due, [(2_030, "later")]);
    }
}
