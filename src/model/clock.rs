//! Points in time, and a clock that tests can move.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A point in time: milliseconds since the Unix epoch, UTC.
///
/// On the wire it is ISO 8601 with milliseconds and `Z` (`2026-03-01T09:30:00.000Z`), as JavaScript's
/// `Date.prototype.toISOString` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Later by `millis` milliseconds.
    pub fn plus_millis(self, millis: i64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A time that does not exist in the calendar can only come from a clock gone mad, since those of tokens are judged;
        // the epoch is then as good.
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the present comes from. The order of messages never depends on it; their `createdAt` does.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since_epoch.as_millis() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_javascript_writes_it() {
        assert_eq!(Timestamp(1_772_357_400_000).to_string(), "2026-03-01T09:30:00.000Z");
        assert_eq!(Timestamp(1_772_357_400_007).to_string(), "2026-03-01T09:30:00.007Z");
    }
}
