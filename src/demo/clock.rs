//! A clock for the time in which the sample marketplace is filled: conversations of the last days happened in the last
//! days, though they are written within a second.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Clock, Timestamp, clock::SystemClock};

/// The machine's clock, set back as far as whoever fills the marketplace says.
#[derive(Default)]
pub struct SampleClock {
    /// Zero once the marketplace is filled.
    set_to_ms: AtomicI64,
}

impl SampleClock {
    /// Stops the clock at this time, until it is set again or let go.
    pub fn set(&self, time: Timestamp) {
        self.set_to_ms.store(time.as_millis(), Ordering::Relaxed);
    }

    /// From now on it is the machine's.
    pub fn let_go(&self) {
        self.set_to_ms.store(0, Ordering::Relaxed);
    }
}

impl Clock for SampleClock {
    fn now(&self) -> Timestamp {
        match self.set_to_ms.load(Ordering::Relaxed) {
            0 => SystemClock.now(),
            set_to => Timestamp(set_to),
        }
    }
}
