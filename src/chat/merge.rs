//! Facts of several writers, brought into one order that fits all of them.
//!
//! Within a slot the numbers tell the order, and that none is missing; across slots [`Recorded::after`] does. What comes
//! before its turn waits.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::model::{Cut, Position, Recorded};

pub struct Merge<T> {
    /// Everything up to here has been taken out.
    taken: Cut,
    waiting: BTreeMap<i64, BTreeMap<i64, Recorded<T>>>,
    count: usize,
}

impl<T> Merge<T> {
    /// Begins behind this cut.
    pub fn after(taken: Cut) -> Self {
        Merge {
            taken,
            waiting: BTreeMap::new(),
            count: 0,
        }
    }

    pub fn taken(&self) -> &Cut {
        &self.taken
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Puts one in, however late or early, once or again.
    pub fn put(&mut self, recorded: Recorded<T>) {
        let Position { slot, number } = recorded.position;
        if !self.taken.holds(recorded.position)
            && let Entry::Vacant(place) = self.waiting.entry(slot).or_default().entry(number)
        {
            place.insert(recorded);
            self.count += 1;
        }
    }

    /// Goes on behind this cut: what is missing up to it will never come.
    pub fn skip(&mut self, cut: &Cut) {
        self.taken.join(cut);
        let taken = &self.taken;
        for (slot, queue) in &mut self.waiting {
            *queue = queue.split_off(&(taken.number(*slot) + 1));
        }
        self.count = self.waiting.values().map(BTreeMap::len).sum();
    }

    /// Takes out what may be told now, at most so many; nothing, when all that waits builds on something missing.
    pub fn take(&mut self, max: usize) -> Vec<Recorded<T>> {
        let mut taken = Vec::new();
        loop {
            let before = taken.len();
            for (slot, queue) in &mut self.waiting {
                while taken.len() < max
                    && let Some(first) = queue.first_entry()
                    && *first.key() == self.taken.number(*slot) + 1
                    && first.get().after.is_none_or(|after| self.taken.holds(after))
                {
                    let recorded = first.remove();
                    self.taken.advance(recorded.position);
                    taken.push(recorded);
                }
            }
            if taken.len() == before || taken.len() >= max {
                self.count -= taken.len();
                self.waiting.retain(|_, queue| !queue.is_empty());
                return taken;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(slot: i64, number: i64) -> Position {
        Position { slot, number }
    }

    fn fact(position: Position, after: Option<Position>) -> Recorded<()> {
        Recorded {
            position,
            after,
            what: (),
        }
    }

    fn places<T>(taken: &[Recorded<T>]) -> Vec<(i64, i64)> {
        taken
            .iter()
            .map(|recorded| (recorded.position.slot, recorded.position.number))
            .collect()
    }

    #[test]
    fn what_comes_too_early_waits_for_what_it_builds_on() {
        let mut merge = Merge::after([at(1, 7)].into_iter().collect());
        merge.put(fact(at(2, 1), Some(at(1, 8))));
        merge.put(fact(at(1, 9), None));
        assert!(merge.take(100).is_empty());
        merge.put(fact(at(1, 8), None));
        assert_eq!(places(&merge.take(100)), [(1, 8), (1, 9), (2, 1)]);
        assert_eq!(merge.len(), 0);
    }

    #[test]
    fn what_is_skipped_holds_nobody_up() {
        let mut merge = Merge::after([at(1, 7)].into_iter().collect());
        for number in 9..=12 {
            merge.put(fact(at(1, number), None));
        }
        merge.put(fact(at(2, 1), Some(at(1, 8))));
        assert!(merge.take(100).is_empty());
        merge.skip(&[at(1, 10), at(3, 4)].into_iter().collect());
        assert_eq!(merge.len(), 3);
        assert_eq!(places(&merge.take(100)), [(1, 11), (1, 12), (2, 1)]);
        assert_eq!((merge.len(), merge.taken().number(3)), (0, 4));
    }

    #[test]
    fn what_comes_twice_is_taken_once() {
        let mut merge = Merge::after(Cut::default());
        for _ in 0..2 {
            merge.put(fact(at(0, 1), None));
        }
        assert_eq!(places(&merge.take(1)), [(0, 1)]);
        merge.put(fact(at(0, 1), None));
        assert!(merge.take(1).is_empty());
        assert_eq!(merge.len(), 0);
    }

    proptest! {
        /// Conversations are written from several slots; each fact builds on the one before it in its conversation.
        #[test]
        fn every_conversation_keeps_its_order_however_facts_arrive(
            writes in proptest::collection::vec((0..3i64, 0..4usize), 0..60),
            shuffle in any::<u64>(),
            step in 1..5usize,
        ) {
            let (mut numbers, mut last) = ([0i64; 3], [None::<Position>; 4]);
            let mut all = Vec::new();
            for (slot, conversation) in writes {
                numbers[slot as usize] += 1;
                let position = at(slot, numbers[slot as usize]);
                let after = last[conversation].filter(|before| before.slot != slot);
                last[conversation] = Some(position);
                all.push(Recorded { position, after, what: conversation });
            }
            let mut arriving = all.clone();
            // Any fixed disorder will do.
            arriving.sort_by_key(|r| (r.position.slot * 31 + r.position.number).wrapping_mul(shuffle as i64 | 1));
            let mut merge = Merge::after(Cut::default());
            let mut taken = Vec::new();
            for recorded in arriving {
                merge.put(recorded);
                taken.extend(merge.take(step));
            }
            while merge.len() > 0 {
                let more = merge.take(step);
                prop_assert!(!more.is_empty());
                taken.extend(more);
            }
            for conversation in 0..4 {
                let of = |list: &[Recorded<usize>]| -> Vec<Position> {
                    list.iter().filter(|r| r.what == conversation).map(|r| r.position).collect()
                };
                prop_assert_eq!(of(&taken), of(&all));
            }
        }
    }
}
