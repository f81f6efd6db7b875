//! What an address may do before anybody has signed in. By users it is the chat that limits.
//!
//! Each node counts for itself. Trusted proxies are never limited: whom they do not name, nobody can tell from others.
//! A good token or cookie passes whatever its address has done, since neither can be guessed and a whole office may be
//! behind the address; what can be guessed (an API key) or costs others something (asking a site) is not even looked at.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use http::HeaderMap;

use super::{
    client::{client_address, names_clients},
    metrics::{AddressLimit, Metrics},
};
use crate::{
    config::TrustedProxies,
    model::{
        limits::{self, RateLimits},
        rate::{Limiter, RetryAfter, address_key},
    },
};

/// What a failed sign-in was made with. Each is counted for itself: a page whose tokens are none does not keep the
/// application on the same machine from using its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credentials {
    ApiKey,
    /// A token or a cookie.
    Session,
}

/// The limits by address of one node.
pub struct AddressLimits {
    proxies: TrustedProxies,
    handshakes: Limiter<IpAddr>,
    failures: Limiter<(Credentials, IpAddr)>,
    /// Most connections of one address.
    most_open: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
    metrics: Arc<Metrics>,
    /// When it was last said that a proxy is not named.
    warned_at: Mutex<Option<Instant>>,
}

impl AddressLimits {
    /// `most_open`: connections of one address at once.
    pub fn new(proxies: TrustedProxies, rates: &RateLimits, most_open: usize, metrics: Arc<Metrics>) -> Self {
        AddressLimits {
            proxies,
            handshakes: Limiter::new(rates.handshakes),
            failures: Limiter::new(rates.failures),
            most_open,
            open: Mutex::default(),
            metrics,
            warned_at: Mutex::default(),
        }
    }

    /// Where the client of a request is.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.proxies.holds(peer.ip()) && names_clients(headers) && self.may_warn(Instant::now()) {
            tracing::warn!(
                proxy = %peer.ip(),
                "somebody names clients in X-Forwarded-For and is not believed, so all that comes from there counts as one \
                 client; if it is a proxy of yours, name it in DOORBELL_TRUSTED_PROXIES"
            );
        }
        client_address(&self.proxies, peer, headers)
    }

    /// By what a client is counted; `None` for a trusted proxy that names nobody.
    pub fn key(&self, client: IpAddr) -> Option<IpAddr> {
        (!self.proxies.holds(client)).then(|| address_key(client))
    }

    fn may_warn(&self, now: Instant) -> bool {
        let mut warned_at = self.warned_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = warned_at.is_none_or(|at| now.saturating_duration_since(at) >= limits::PROXY_WARNING_PAUSE);
        if is_due {
            *warned_at = Some(now);
        }
        is_due
    }

    /// Counts a handshake, or says when there is room for it.
    pub fn take_handshake(&self, client: IpAddr) -> Result<(), RetryAfter> {
        let Some(key) = self.key(client) else {
            return Ok(());
        };
        let taken = self.handshakes.check(&key);
        taken.inspect_err(|_| self.metrics.address_limited(AddressLimit::Handshakes))
    }

    /// May credentials of this kind be looked at that can be guessed, or cost somebody else something?
    pub fn may_try(&self, credentials: Credentials, client: IpAddr) -> Result<(), RetryAfter> {
        match self.key(client) {
            Some(key) => self.failures.peek(&(credentials, key)),
            None => Ok(()),
        }
    }

    /// Counts a refusal of what was not even looked at.
    pub fn count_not_tried(&self) {
        self.metrics.address_limited(AddressLimit::Failures);
    }

    /// Counts a failed sign-in, or says that there were too many.
    pub fn take_failure(&self, credentials: Credentials, client: IpAddr) -> Result<(), RetryAfter> {
        let Some(key) = self.key(client) else {
            return Ok(());
        };
        let taken = self.failures.check(&(credentials, key));
        taken.inspect_err(|_| self.metrics.address_limited(AddressLimit::Failures))
    }

    /// A place for a connection of a client; `None` when its address has too many.
    pub fn open(self: &Arc<Self>, client: IpAddr) -> Option<OpenConnection> {
        let Some(key) = self.key(client) else {
            return Some(OpenConnection(None));
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_insert(0);
        if *count >= self.most_open {
            drop(open);
            self.metrics.address_limited(AddressLimit::Connections);
            return None;
        }
        *count += 1;
        Some(OpenConnection(Some((Arc::clone(self), key))))
    }

    /// Connections that count by their address now.
    #[cfg(test)]
    pub fn open_connections(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    fn close(&self, key: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&key);
            }
        }
        // A table that has grown in a flood gives its memory back.
        if open.capacity() > 1_024 && open.len() < open.capacity() / 8 {
            open.shrink_to_fit();
        }
    }
}

/// A connection counts by its address as long as this lives.
pub struct OpenConnection(Option<(Arc<AddressLimits>, IpAddr)>);

impl OpenConnection {
    /// Not so the connections of a proxy, which carry the requests of many.
    pub fn is_counted(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some((limits, key)) = self.0.take() {
            limits.close(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{config::network::trusted_proxies, model::limits::Rate, transport::metrics::Page};

    fn limits(most_open: usize) -> (Arc<AddressLimits>, Page) {
        let mut page = Page::new();
        let metrics = Arc::new(Metrics::new(&mut page));
        let rate = Some(Rate::new(1, Duration::from_secs(3600), 3));
        let rates = RateLimits {
            handshakes: rate,
            failures: rate,
            ..RateLimits::OFF
        };
        let proxies = trusted_proxies("127.0.0.0/8,::1").unwrap();
        (Arc::new(AddressLimits::new(proxies, &rates, most_open, metrics)), page)
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_limited_whichever_of_its_network_it_uses_and_its_neighbours_are_not() {
        let (limits, page) = limits(10);
        for n in 0..3 {
            assert_eq!(limits.take_handshake(at(&format!("2001:db8:1:2::{n}"))), Ok(()));
        }
        assert!(limits.take_handshake(at("2001:db8:1:2:ffff::")).is_err());
        assert_eq!(limits.take_handshake(at("2001:db8:1:3::")), Ok(()));
        assert_eq!(limits.take_handshake(at("192.0.2.1")), Ok(()));
        assert!(
            page.render()
                .contains("doorbell_address_limited_total{kind=\"handshakes\"} 1\n")
        );
    }

    #[test]
    fn guesses_at_a_key_do_not_keep_a_session_out_nor_the_other_way_round() {
        let (limits, page) = limits(10);
        let client = at("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(limits.may_try(Credentials::Session, client), Ok(()));
            assert_eq!(limits.take_failure(Credentials::Session, client), Ok(()));
        }
        assert!(limits.may_try(Credentials::Session, client).is_err());
        assert!(limits.take_failure(Credentials::Session, client).is_err());
        assert_eq!(limits.may_try(Credentials::ApiKey, client), Ok(()));
        assert_eq!(limits.may_try(Credentials::Session, at("192.0.2.2")), Ok(()));
        assert!(
            page.render()
                .contains("doorbell_address_limited_total{kind=\"failures\"} 1\n")
        );
    }

    #[test]
    fn an_unnamed_proxy_is_told_of_once_an_hour_and_not_only_at_the_first_request() {
        let (limits, _page) = limits(1);
        let start = Instant::now();
        let warned = |seconds| limits.may_warn(start + Duration::from_secs(seconds));
        assert_eq!(
            [0, 1, 3_599, 3_600, 3_601, 7_200].map(warned),
            [true, false, false, true, false, true]
        );
    }

    #[test]
    fn a_proxy_that_names_nobody_is_not_limited() {
        let (limits, _page) = limits(1);
        let places: Vec<_> = (0..100).map(|_| limits.open(at("127.0.0.1"))).collect();
        assert!(places.iter().all(Option::is_some));
        for _ in 0..100 {
            assert_eq!(limits.take_handshake(at("127.0.0.1")), Ok(()));
            assert_eq!(limits.take_failure(Credentials::ApiKey, at("::1")), Ok(()));
        }
    }

    #[test]
    fn an_address_has_so_many_connections_and_a_new_one_when_one_has_ended() {
        let (limits, page) = limits(2);
        let one = limits.open(at("192.0.2.1")).unwrap();
        let two = limits.open(at("::ffff:192.0.2.1")).unwrap();
        assert!(limits.open(at("192.0.2.1")).is_none());
        assert!(limits.open(at("192.0.2.2")).is_some());
        drop(one);
        assert!(limits.open(at("192.0.2.1")).is_some());
        assert!(
            page.render()
                .contains("doorbell_address_limited_total{kind=\"connections\"} 1\n")
        );
        drop(two);
        assert!(
            limits.open.lock().unwrap().is_empty(),
            "nobody is remembered who has none"
        );
    }
}
