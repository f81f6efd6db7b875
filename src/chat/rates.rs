//! How fast a person may do what, and the sentence for who is faster.
//!
//! Each node counts for itself, refuses by its own count, and tells the others what it let pass; they count it as well.
//! So a rate holds over all nodes but for what passes on two of them within some 20 ms and the way between, and that is
//! made up for by waiting longer after it. Nothing here waits for the bus. While the bus is lost each node counts alone:
//! with n nodes, somebody who spreads over them may be up to n times as fast. That holds for each kind alike: none
//! refuses because the bus is gone (they fail open towards the other nodes), and none stops to limit on its own node.

use std::sync::Arc;

use super::counters::{Counters, RateKind};
use crate::{
    fanout::{Bus, bus::Signal},
    model::{
        Error, Result, UserKey,
        limits::{Rate, RateLimits},
        rate,
    },
};

pub struct Rates {
    pub sends: Limiter,
    pub uploads: Limiter,
    pub conversations: Limiter,
    pub connections: Limiter,
    pub requests: Limiter,
}

impl Rates {
    /// What is refused is counted in `counters`, what passes is told on the bus.
    pub fn new(settings: &RateLimits, counters: &Arc<Counters>, bus: &Bus) -> Self {
        let limiter = |kind, rate| Limiter::new(kind, rate, Arc::clone(counters), bus.clone());
        Rates {
            sends: limiter(RateKind::Sends, settings.sends),
            uploads: limiter(RateKind::Uploads, settings.uploads),
            conversations: limiter(RateKind::Conversations, settings.conversations),
            connections: limiter(RateKind::Connections, settings.connections),
            requests: limiter(RateKind::Requests, settings.requests),
        }
    }

    /// Counts what another node let pass.
    pub fn count_elsewhere(&self, kind: RateKind, counts: &[(UserKey, i32)]) {
        let limiter = match kind {
            RateKind::Sends => &self.sends,
            RateKind::Uploads => &self.uploads,
            RateKind::Conversations => &self.conversations,
            RateKind::Connections => &self.connections,
            RateKind::Requests => &self.requests,
        };
        for (user, count) in counts {
            limiter.people.count_elsewhere(user, *count);
        }
    }
}

/// One kind of thing, counted for each person.
pub struct Limiter {
    kind: RateKind,
    people: rate::Limiter<UserKey>,
    counters: Arc<Counters>,
    bus: Bus,
}

impl Limiter {
    fn new(kind: RateKind, rate: Option<Rate>, counters: Arc<Counters>, bus: Bus) -> Self {
        Limiter {
            kind,
            people: rate::Limiter::new(rate),
            counters,
            bus,
        }
    }

    fn tell_nodes(&self, user: UserKey, count: i32) {
        if !self.bus.is_alone() && !self.people.is_off() {
            self.bus.tell(Signal::Taken {
                kind: self.kind,
                counts: vec![(user, count)],
            });
        }
    }

    /// Takes one, or says when to come again (`RATE_LIMITED`).
    pub fn take(&self, user: UserKey) -> Result<()> {
        self.people.check(&user).map_err(|wait| {
            self.counters.count_limited(self.kind);
            let what = match self.kind {
                RateKind::Sends => "messages",
                RateKind::Uploads => "uploads",
                RateKind::Conversations => "new conversations",
                RateKind::Connections => "connections",
                RateKind::Requests => "requests",
            };
            Error::rate_limited(what, wait.0)
        })?;
        self.tell_nodes(user, 1);
        Ok(())
    }

    /// Gives one back that turned out not to count.
    pub fn give_back(&self, user: UserKey) {
        self.people.give_back(&user);
        self.tell_nodes(user, -1);
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
        let limiter = Limiter::new(RateKind::Sends, rate, Arc::clone(&counters), Bus::alone());
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
        let rates = Rates::new(&settings, &Arc::default(), &Bus::alone());
        assert_eq!(rates.sends.take(UserKey(1)), Ok(()));
        assert!(rates.sends.take(UserKey(1)).is_err());
        assert_eq!(rates.requests.take(UserKey(1)), Ok(()));
        for _ in 0..100 {
            assert_eq!(rates.connections.take(UserKey(1)), Ok(()));
            assert_eq!(rates.conversations.take(UserKey(1)), Ok(()));
        }
    }
}
