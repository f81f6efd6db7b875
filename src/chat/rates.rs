//! How fast a person may do what, and the sentence for who is faster.

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
    pub fn new(settings: &RateLimits) -> Self {
        Rates {
            sends: Limiter::new("messages", settings.sends),
            conversations: Limiter::new("new conversations", settings.conversations),
            connections: Limiter::new("connections", settings.connections),
            requests: Limiter::new("requests", settings.requests),
        }
    }
}

/// One kind of thing, counted for each person.
pub struct Limiter {
    what: &'static str,
    people: rate::Limiter<UserKey>,
}

impl Limiter {
    fn new(what: &'static str, rate: Option<Rate>) -> Self {
        Limiter {
            what,
            people: rate::Limiter::new(rate),
        }
    }

    /// Takes one, or says when to come again (`RATE_LIMITED`).
    pub fn take(&self, user: UserKey) -> Result<()> {
        self.people
            .check(&user)
            .map_err(|wait| Error::rate_limited(self.what, wait.0))
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
        let limiter = Limiter::new("messages", Some(Rate::new(2, Duration::from_secs(3600), 3)));
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
        limiter.give_back(UserKey(1));
        assert_eq!(limiter.take(UserKey(1)), Ok(()));
    }

    #[test]
    fn each_kind_has_its_own_rate() {
        let once = Some(Rate::new(1, Duration::from_secs(3600), 1));
        let rates = Rates::new(&RateLimits {
            sends: once,
            requests: once,
            ..RateLimits::OFF
        });
        assert_eq!(rates.sends.take(UserKey(1)), Ok(()));
        assert!(rates.sends.take(UserKey(1)).is_err());
        assert_eq!(rates.requests.take(UserKey(1)), Ok(()));
        for _ in 0..100 {
            assert_eq!(rates.connections.take(UserKey(1)), Ok(()));
            assert_eq!(rates.conversations.take(UserKey(1)), Ok(()));
        }
    }
}
