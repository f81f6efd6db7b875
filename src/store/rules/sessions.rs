//! How long somebody has been away.

use std::time::Duration;

use crate::model::{Timestamp, limits};

/// Time from `then` to `now`; none where the clock was set back between.
pub(in crate::store) fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(then.0).max(0) as u64)
}

/// Time since a session was last known to be connected. `ended_at`: when its connection ended, if that was noted;
/// `node_seen_at`: the last sign of life of the node that has it. `None` when nothing is known of either.
pub(in crate::store) fn away(
    ended_at: Option<Timestamp>,
    node_seen_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    match (ended_at, node_seen_at) {
        (Some(ended_at), _) => Some(since(ended_at, now)),
        (None, Some(seen_at)) => {
            let silent = since(seen_at, now);
            let is_alive = silent <= limits::NODE_SILENCE;
            Some(if is_alive { Duration::ZERO } else { silent })
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_000 * seconds)
    }

    #[test]
    fn away_is_counted_from_the_end_or_from_the_nodes_last_sign_of_life() {
        let away = |ended_at: Option<i64>, seen_at: Option<i64>| {
            away(ended_at.map(at), seen_at.map(at), at(100)).map(|away| away.as_secs())
        };
        assert_eq!(away(Some(98), Some(10)), Some(2));
        assert_eq!(away(Some(98), None), Some(2));
        assert_eq!(away(None, Some(90)), Some(0));
        assert_eq!(away(None, Some(89)), Some(11));
        assert_eq!(away(None, None), None);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_away() {
        assert_eq!(away(Some(at(9)), None, at(5)), Some(Duration::ZERO));
        assert_eq!(away(None, Some(at(9)), at(5)), Some(Duration::ZERO));
        assert_eq!(since(Timestamp(i64::MAX), Timestamp(i64::MIN)), Duration::ZERO);
    }
}
