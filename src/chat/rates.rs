//! How fast a person may do what, and the sentence for who is faster.

use std::sync::Arc;

use super::counters::{Counters, RateKind};
use crate::model::{
    Error, Result, UserKey,
    limits::{Rate, RateLimits},
    rate,
};

pub struct Rates {
    pub sends: Limiter,
    pub conversations: Limiter,
    pub connections: Limiter,
    pub requests: Limiter,
}

impl Rates {
    /// What is refused is counted in `counters`.
    pub fn new(settings: &RateLimits, counters: &Arc<Counters>) -> Self {
        let limiter = |kind, rate| Limiter::new(kind, rate, Arc::clone(counters));
        Rates {
            sends: limiter(RateKind::Sends, settings.sends),
            conversations: limiter(RateKind::Conversations, settings.conversations),
            connections: limiter(RateKind::Connections, settings.connections),
            requests: limiter(RateKind::Requests, settings.requests),
        }
    }
}

/// One kind of thing, counted for each person.
pub struct Limiter {
    kind: RateKind,
    people: rate::Limiter<UserKey>,
    counters: Arc<Counters>,
}

impl Limiter {
    fn new(kind: RateKind, rate: Option<Rate>, counters: Arc<Counters>) -> Self {
        Limiter {
            kind,
            people: rate::Limiter::new(rate),
            counters,
        }
    }

    /// Takes one, or says when to come again (`RATE_LIMITED`).
    pub fn take(&self, user: UserKey) -> Result<()> {
        self.people.check(&user).map_err(|wait| {
            self.counters.count_limited(self.kind);
            let what = match self.kind {
                RateKind::Sends => "messages",
                RateKind::Conversations => "new conversations",
                RateKind::Connections => "connections",
                RateKind::Requests => "requests",
            };
            Error::rate_limited(what, wait.0)
        })
    }

    /// Gives one back that turned out not to count.
    pub fn give_back(&self, user: UserKey) {
        self.people.give_back(&user);
    }

    /// Is there one to take? Takes none.
    pub fn has(&self, user: UserKey) -> bool {
        self.people.peek(&user).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Code;

    #[test]
    fn who_is_too_fast_is_told_what_and_for_how_long() {
        let rate = Some(Rate::new(2, Duration::from_secs(3600), 3));
        let counters = Arc::default();
        let limiter = Limiter::new(RateKind::Sends, rate, Arc::clone(&counters));
        for _ in 0..3 {
            assert!(limiter.has(UserKey(1)));
            assert_eq!(limiter.take(UserKey(1)), Ok(()));
        }
        assert!(!limiter.has(UserKey(1)));
        let refused = limiter.take(UserKey(1)).unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(
            refused.message.starts_with("Too many messages; try again in 1"),
            "{refused}"
        );
        let wait = refused.retry_after.unwrap();
        assert!(
            wait <= Duration::from_secs(1800) && wait > Duration::from_secs(1700),
            "{wait:?}"
        );
        assert_eq!(limiter.take(UserKey(2)), Ok(()), "another person has their own");
        assert_eq!(
            counters.limited()[0],
            (RateKind::Sends, 1),
            "asking whether there is one counts nothing"
        );
        limiter.give_back(UserKey(1));
        assert_eq!(limiter.take(UserKey(1)), Ok(()));
    }

    #[test]
    fn each_kind_has_its_own_rate() {
        let once = Some(Rate::new(1, Duration::from_secs(3600), 1));
        let settings = RateLimits {
            sends: once,
            requests: once,
            ..RateLimits::OFF
        };
        let rates = Rates::new(&settings, &Arc::default());
        assert_eq!(rates.sends.take(UserKey(1)), Ok(()));
        assert!(rates.sends.take(UserKey(1)).is_err());
        assert_eq!(rates.requests.take(UserKey(1)), Ok(()));
        for _ in 0..100 {
            assert_eq!(rates.connections.take(UserKey(1)), Ok(()));
            assert_eq!(rates.conversations.take(UserKey(1)), Ok(()));
        }
    }
}
