//! How long everybody waits for readers for whom much waits.
//!
//! A node that catches up tells in a moment what was said in seconds, and then much waits also for a reader who is not slow
//! at all. So the publisher waits for readers who take what they are sent. Everybody else waits with it: that has bounds.

use std::time::{Duration, Instant};

use crate::model::limits;

/// Time that may be spent in each period.
#[derive(Default)]
pub struct Budget {
    begun: Option<Instant>,
    spent: Duration,
}

impl Budget {
    /// Is there more of it, when so much has just been spent?
    pub fn spend(&mut self, now: Instant, time: Duration, most: Duration) -> bool {
        if self
            .begun
            .is_none_or(|begun| now.duration_since(begun) > limits::READERS_PERIOD)
        {
            (self.begun, self.spent) = (Some(now), Duration::ZERO);
        }
        self.spent += time;
        self.spent < most
    }
}

/// With one reader.
#[derive(Default)]
pub(super) struct Patience {
    budget: Budget,
    /// When the reader had last taken a good part, and what it had taken in all.
    taken: Option<(Instant, u64)>,
}

impl Patience {
    /// Not much waits for the reader.
    pub(super) fn rest(&mut self) {
        self.taken = None;
    }

    /// Is the reader to be waited for? `taken`: bytes that it has taken in all; `waited`: how long it was waited for just now.
    pub(super) fn lasts(&mut self, now: Instant, taken: u64, waited: Duration) -> bool {
        if !self.budget.spend(now, waited, limits::READER_WAIT) {
            return false;
        }
        match self.taken {
            Some((at, before)) if taken < before + limits::READER_PART_BYTES => {
                now.duration_since(at) < limits::READER_LULL
            }
            _ => {
                self.taken = Some((now, taken));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(1);

    /// Waits for a reader who takes so much in each millisecond: how long, from `now` on, and for how long at most.
    fn waits(patience: &mut Patience, now: &mut Instant, bytes: u64) -> Duration {
        let begun = *now;
        let (mut taken, mut waited) = (0, Duration::ZERO);
        while patience.lasts(*now, taken, waited) && now.duration_since(begun) < limits::READERS_PERIOD {
            waited = LOOK;
            *now += LOOK;
            taken += bytes;
        }
        now.duration_since(begun)
    }

    #[test]
    fn a_reader_who_takes_what_comes_is_waited_for_within_a_bound_in_each_period() {
        let (mut patience, mut now) = (Patience::default(), Instant::now());
        assert_eq!(waits(&mut patience, &mut now, 10_000), limits::READER_WAIT);
        patience.rest();
        assert_eq!(
            waits(&mut patience, &mut now, 10_000),
            Duration::ZERO,
            "it has had its time"
        );
        patience.rest();
        now += limits::READERS_PERIOD;
        assert_eq!(waits(&mut patience, &mut now, 10_000), limits::READER_WAIT);
    }

    #[test]
    fn a_reader_who_takes_nothing_or_next_to_nothing_holds_nobody_up_for_long() {
        for bytes in [0, 100] {
            let (mut patience, mut now) = (Patience::default(), Instant::now());
            assert_eq!(waits(&mut patience, &mut now, bytes), limits::READER_LULL);
            let more = waits(&mut patience, &mut now, 0);
            assert_eq!(more, Duration::ZERO, "not again for the same");
        }
    }
}
