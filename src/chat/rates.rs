//! How fast a person may do what. A token bucket a person and kind: it refills steadily and holds a burst.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::model::{
    Error, Result, UserKey,
    limits::{Rate, RateLimits},
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

const SHARDS: usize = 16;
/// A shard looks for full buckets, which say nothing, when it has grown to this many.
const SWEEP_AT: usize = 4_096;

pub struct Limiter {
    what: &'static str,
    rate: Option<Refill>,
    shards: Vec<Mutex<HashMap<UserKey, Bucket>>>,
}

#[derive(Clone, Copy)]
struct Refill {
    per_second: f64,
    burst: f64,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, rate: Refill, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate.per_second).min(rate.burst);
        self.at = now;
    }
}

impl Limiter {
    fn new(what: &'static str, rate: Option<Rate>) -> Self {
        let rate = rate.map(|rate| Refill {
            per_second: f64::from(rate.count) / rate.per.as_secs_f64(),
            burst: f64::from(rate.burst),
        });
        Limiter {
            what,
            rate,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Takes one, or says when to come again.
    pub fn take(&self, user: UserKey) -> Result<()> {
        self.take_at(user, Instant::now())
    }

    /// Gives one back that turned out not to count.
    pub fn give_back(&self, user: UserKey) {
        self.with_bucket(user, Instant::now(), |rate, bucket| {
            bucket.tokens = (bucket.tokens + 1.0).min(rate.burst)
        });
    }

    /// Is there one to take? Takes none.
    pub fn has(&self, user: UserKey) -> bool {
        self.with_bucket(user, Instant::now(), |_, bucket| bucket.tokens >= 1.0)
            .unwrap_or(true)
    }

    fn take_at(&self, user: UserKey, now: Instant) -> Result<()> {
        let wait = self.with_bucket(user, now, |rate, bucket| {
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
                None
            } else {
                Some(Duration::from_secs_f64((1.0 - bucket.tokens) / rate.per_second))
            }
        });
        match wait.flatten() {
            None => Ok(()),
            Some(wait) => Err(Error::rate_limited(self.what, wait)),
        }
    }

    fn with_bucket<T>(&self, user: UserKey, now: Instant, act: impl FnOnce(Refill, &mut Bucket) -> T) -> Option<T> {
        let rate = self.rate?;
        let shard = &self.shards[user.0 as usize % SHARDS];
        let mut buckets = shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if buckets.len() >= SWEEP_AT && !buckets.contains_key(&user) {
            buckets.retain(|_, bucket| {
                bucket.refill(rate, now);
                bucket.tokens < rate.burst
            });
        }
        let bucket = buckets.entry(user).or_insert(Bucket {
            tokens: rate.burst,
            at: now,
        });
        bucket.refill(rate, now);
        Some(act(rate, bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_steady_rate() {
        let limiter = Limiter::new("messages", Some(Rate::new(2, Duration::from_secs(1), 3)));
        let start = Instant::now();
        for _ in 0..3 {
            assert!(limiter.take_at(UserKey(1), start).is_ok());
        }
        let refused = limiter.take_at(UserKey(1), start).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_millis(500)));
        assert!(
            limiter.take_at(UserKey(2), start).is_ok(),
            "another person has their own"
        );
        assert!(limiter.take_at(UserKey(1), start + Duration::from_millis(500)).is_ok());
        assert!(limiter.take_at(UserKey(1), start + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn people_who_have_gone_quiet_take_no_memory() {
        let limiter = Limiter::new("messages", Some(Rate::new(1, Duration::from_secs(1), 1)));
        let start = Instant::now();
        for user in 0..(SWEEP_AT * SHARDS * 2) as i64 {
            let now = start + Duration::from_secs(user as u64);
            let _ = limiter.take_at(UserKey(user), now);
        }
        let kept: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SWEEP_AT * SHARDS);
    }
}
