//! How fast is too fast: a token bucket for each key, which may be a user's or an address.
//!
//! A bucket is one number, the time at which it will be full again (the generic cell rate algorithm), so a full bucket
//! need not be kept at all. Memory is bounded: buckets that are full again are dropped, and when too many are in use
//! at once, those nearest to full. That forgives some, and refuses nobody who is within the rate.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::limits::{self, Rate};

/// What may be done so fast and no faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateKind {
    Sends,
    Uploads,
    Conversations,
    Connections,
    Requests,
}

impl RateKind {
    pub const ALL: [RateKind; 5] = [
        RateKind::Sends,
        RateKind::Uploads,
        RateKind::Conversations,
        RateKind::Connections,
        RateKind::Requests,
    ];

    /// As the setting of the rates names it.
    pub fn as_str(self) -> &'static str {
        match self {
            RateKind::Sends => "sends",
            RateKind::Uploads => "uploads",
            RateKind::Conversations => "conversations",
            RateKind::Connections => "connections",
            RateKind::Requests => "requests",
        }
    }
}

/// Too fast: try again after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// For the header `Retry-After`: whole seconds, at least one, never too few.
    pub fn seconds(self) -> u64 {
        (self.0.as_nanos().div_ceil(1_000_000_000) as u64).max(1)
    }

    /// For `retryAfterMs`: at least one.
    pub fn milliseconds(self) -> u64 {
        (self.0.as_nanos().div_ceil(1_000_000) as u64).max(1)
    }
}

/// Time since some fixed moment. Tests give their own.
pub type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

const SHARDS: usize = 16;
const SHARD_KEYS: usize = limits::RATE_KEYS / SHARDS;
/// Below so many buckets a shard is not searched for full ones.
const SWEEP_FROM: usize = 64;

/// Counts events by key (a user's, or an [`address_key`]). May be shared between threads.
pub struct Limiter<K> {
    spacing: Option<Spacing>,
    elapsed: Elapsed,
    hasher: RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
}

#[derive(Clone, Copy)]
struct Spacing {
    /// Nanoseconds from one event to the next at the steady rate.
    interval: u64,
    /// How far ahead of the steady rate a burst may run, in nanoseconds.
    tolerance: u64,
}

struct Shard<K> {
    /// When each bucket is full again, in nanoseconds of the clock.
    full_at: HashMap<K, u64>,
    sweep_at: usize,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// `None` limits nothing.
    pub fn new(rate: Option<Rate>) -> Self {
        let start = Instant::now();
        Self::with_clock(rate, Arc::new(move || start.elapsed()))
    }

    pub fn with_clock(rate: Option<Rate>, elapsed: Elapsed) -> Self {
        let spacing = rate.map(|rate| {
            let interval =
                (rate.per.as_nanos() / u128::from(rate.count.max(1))).clamp(1, u128::from(u64::MAX / 4)) as u64;
            Spacing {
                interval,
                tolerance: interval.saturating_mul(u64::from(rate.burst.max(1)) - 1),
            }
        });
        Limiter {
            spacing,
            elapsed,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    full_at: HashMap::new(),
                    sweep_at: SWEEP_FROM,
                })
            }),
        }
    }

    /// Counts one event of `key`, or says when there is room for it. What is refused is not counted.
    pub fn check(&self, key: &K) -> Result<(), RetryAfter> {
        let Some(spacing) = self.spacing else { return Ok(()) };
        let now = self.now();
        let mut shard = self.shard(key);
        match shard.full_at.get_mut(key) {
            Some(full_at) => {
                *full_at = spacing.after_one_more(*full_at, now)?;
            }
            None => {
                shard.make_room(now);
                shard.full_at.insert(key.clone(), now.saturating_add(spacing.interval));
            }
        }
        Ok(())
    }

    /// As [`check`](Self::check), without counting.
    pub fn peek(&self, key: &K) -> Result<(), RetryAfter> {
        let Some(spacing) = self.spacing else { return Ok(()) };
        let now = self.now();
        match self.shard(key).full_at.get(key) {
            Some(full_at) => spacing.after_one_more(*full_at, now).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Takes back one counted event, which turned out to be a repeat of an earlier one.
    pub fn give_back(&self, key: &K) {
        let Some(spacing) = self.spacing else { return };
        if let Some(full_at) = self.shard(key).full_at.get_mut(key) {
            *full_at = full_at.saturating_sub(spacing.interval);
        }
    }

    /// Counts events that another node let pass, however many: for what is too much the key has to wait, at most as long
    /// as a whole burst takes to come back. Below 0 they are given back.
    pub fn count_elsewhere(&self, key: &K, count: i32) {
        let Some(spacing) = self.spacing else { return };
        let now = self.now();
        let time = spacing.interval.saturating_mul(u64::from(count.unsigned_abs()));
        let mut shard = self.shard(key);
        let full_at = shard.full_at.get(key).copied();
        if count < 0 {
            if let Some(full_at) = shard.full_at.get_mut(key) {
                *full_at = full_at.saturating_sub(time);
            }
            return;
        }
        if full_at.is_none() {
            shard.make_room(now);
        }
        let burst = spacing.tolerance.saturating_add(spacing.interval);
        let latest = now.saturating_add(burst.saturating_mul(2));
        let counted = full_at.unwrap_or(0).max(now).saturating_add(time);
        // Never earlier than it was: what is told from elsewhere frees nobody.
        let full_at = counted.min(latest.max(full_at.unwrap_or(0)));
        shard.full_at.insert(key.clone(), full_at);
    }

    /// Is anything limited at all?
    pub fn is_off(&self) -> bool {
        self.spacing.is_none()
    }

    /// Keys that are remembered now.
    pub fn remembered(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).full_at.len()).sum()
    }

    fn now(&self) -> u64 {
        (self.elapsed)().as_nanos() as u64
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        lock(&self.shards[self.hasher.hash_one(key) as usize % SHARDS])
    }
}

impl Spacing {
    fn after_one_more(self, full_at: u64, now: u64) -> Result<u64, RetryAfter> {
        let allowed_until = now.saturating_add(self.tolerance);
        if full_at > allowed_until {
            return Err(RetryAfter(Duration::from_nanos(full_at - allowed_until)));
        }
        Ok(full_at.max(now).saturating_add(self.interval))
    }
}

impl<K: Hash + Eq> Shard<K> {
    fn make_room(&mut self, now: u64) {
        if self.full_at.len() < self.sweep_at {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= SHARD_KEYS {
            let mut times: Vec<u64> = self.full_at.values().copied().collect();
            let (_, median, _) = times.select_nth_unstable(SHARD_KEYS / 2);
            let median = *median;
            self.full_at.retain(|_, full_at| *full_at > median);
        }
        self.sweep_at = (self.full_at.len() * 2).clamp(SWEEP_FROM, SHARD_KEYS);
    }
}

/// A panic elsewhere cannot leave a bucket half written: each is one number.
fn lock<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key of somebody who has not signed in. An IPv6 customer has a network of 2^64 addresses: the network counts.
pub fn address_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn limiter(rate: Rate) -> (Limiter<String>, Arc<AtomicU64>) {
        let milliseconds = Arc::new(AtomicU64::new(1_000));
        let clock = Arc::clone(&milliseconds);
        let clock: Elapsed = Arc::new(move || Duration::from_millis(clock.load(Ordering::Relaxed)));
        (Limiter::with_clock(Some(rate), clock), milliseconds)
    }

    fn key(name: &str) -> String {
        name.to_owned()
    }

    const TWENTY_A_SECOND: Rate = Rate::new(20, Duration::from_secs(1), 60);

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let (limiter, clock) = limiter(TWENTY_A_SECOND);
        for n in 0..60 {
            assert_eq!(limiter.check(&key("ann")), Ok(()), "send {n}");
        }
        assert_eq!(limiter.peek(&key("ann")), Err(RetryAfter(Duration::from_millis(50))));
        assert_eq!(limiter.check(&key("ann")), Err(RetryAfter(Duration::from_millis(50))));
        assert_eq!(
            limiter.check(&key("bob")),
            Ok(()),
            "another user's bucket is another one"
        );
        clock.fetch_add(49, Ordering::Relaxed);
        assert_eq!(limiter.check(&key("ann")), Err(RetryAfter(Duration::from_millis(1))));
        clock.fetch_add(1, Ordering::Relaxed);
        assert_eq!(limiter.peek(&key("ann")), Ok(()));
        assert_eq!(limiter.check(&key("ann")), Ok(()));
        assert!(
            limiter.check(&key("ann")).is_err(),
            "peeking had not counted, the check has"
        );
        clock.fetch_add(10_000, Ordering::Relaxed);
        assert_eq!(
            (0..100).filter(|_| limiter.check(&key("ann")).is_ok()).count(),
            60,
            "no more than a burst after a rest"
        );
    }

    #[test]
    fn over_an_hour_exactly_the_rate_passes() {
        let (limiter, clock) = limiter(Rate::new(60, Duration::from_secs(3600), 60));
        let mut passed = 0;
        for _ in 0..3600 {
            passed += u32::from(limiter.check(&key("ann")).is_ok());
            clock.fetch_add(1_000, Ordering::Relaxed);
        }
        assert!(
            (119..=120).contains(&passed),
            "{passed}: the burst of 60 and one a minute"
        );
    }

    #[test]
    fn a_repeat_costs_nothing_once_it_is_given_back() {
        let (limiter, _clock) = limiter(Rate::new(1, Duration::from_secs(1), 1));
        for _ in 0..10 {
            assert_eq!(limiter.check(&key("ann")), Ok(()));
            limiter.give_back(&key("ann"));
        }
        assert_eq!(limiter.check(&key("ann")), Ok(()));
        assert!(limiter.check(&key("ann")).is_err());
        limiter.give_back(&key("nobody"));
    }

    #[test]
    fn without_a_rate_nothing_is_limited_or_remembered() {
        let limiter = Limiter::new(None);
        assert!((0..10_000).all(|_| limiter.check(&key("ann")).is_ok() && limiter.peek(&key("ann")).is_ok()));
        assert_eq!(limiter.remembered(), 0);
    }

    #[test]
    fn what_passes_elsewhere_counts_here() {
        let (limiter, clock) = limiter(TWENTY_A_SECOND);
        let ann = key("ann");
        limiter.count_elsewhere(&ann, 50);
        assert_eq!((0..60).filter(|_| limiter.check(&ann).is_ok()).count(), 10);
        limiter.count_elsewhere(&ann, -2);
        assert_eq!((0..60).filter(|_| limiter.check(&ann).is_ok()).count(), 2);
        limiter.count_elsewhere(&ann, 20);
        assert_eq!(
            limiter.peek(&ann),
            Err(RetryAfter(Duration::from_millis(1_050))),
            "what was too much is waited for"
        );
        limiter.count_elsewhere(&ann, i32::MAX);
        let RetryAfter(longest) = limiter.peek(&ann).unwrap_err();
        assert_eq!(
            longest,
            Duration::from_millis(3_050),
            "a burst of 60 more, whatever is told"
        );
        clock.fetch_add(1_000, Ordering::Relaxed);
        limiter.count_elsewhere(&ann, 1);
        assert!(limiter.peek(&ann).is_err());
        limiter.count_elsewhere(&key("nobody"), -5);
        assert_eq!(limiter.remembered(), 1);
    }

    #[test]
    fn users_who_went_away_are_forgotten() {
        let (limiter, clock) = limiter(TWENTY_A_SECOND);
        for n in 0..10_000 {
            limiter.check(&format!("user-{n}")).unwrap();
            clock.fetch_add(10, Ordering::Relaxed);
        }
        assert!(limiter.remembered() <= SHARDS * SWEEP_FROM, "{}", limiter.remembered());
    }

    #[test]
    fn a_flood_of_users_fills_no_more_than_its_room_and_frees_no_fast_one() {
        let (limiter, _clock) = limiter(Rate::new(1, Duration::from_secs(60), 3));
        for _ in 0..3 {
            limiter.check(&key("flooder")).unwrap();
        }
        for n in 0..2 * limits::RATE_KEYS {
            limiter.check(&format!("user-{n}")).unwrap();
        }
        assert!(limiter.remembered() <= limits::RATE_KEYS);
        assert!(
            limiter.check(&key("flooder")).is_err(),
            "who is at the limit is forgotten last"
        );
    }

    #[test]
    fn threads_together_get_no_more_than_one_would() {
        let (limiter, _clock) = limiter(TWENTY_A_SECOND);
        let passed: usize = std::thread::scope(|scope| {
            let count = || (0..1_000).filter(|_| limiter.check(&key("ann")).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 60);
    }

    #[test]
    fn the_time_to_wait_is_never_told_too_short() {
        assert_eq!(RetryAfter(Duration::from_nanos(1)).seconds(), 1);
        assert_eq!(RetryAfter(Duration::from_millis(1001)).seconds(), 2);
        assert_eq!(RetryAfter(Duration::from_nanos(1)).milliseconds(), 1);
        assert_eq!(RetryAfter(Duration::from_micros(1001)).milliseconds(), 2);
        let a_little_more = Duration::from_secs(1) + Duration::from_nanos(1);
        assert_eq!(RetryAfter(a_little_more).seconds(), 2);
        assert_eq!(RetryAfter(a_little_more).milliseconds(), 1001);
    }

    #[test]
    fn an_address_counts_by_its_customer() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }
}
