//! How a node knows that a request comes from another node, and no client.
//!
//! Requests are handed over on the port that clients use as well. So a node writes the client's address into a header, with
//! a proof that only nodes can make: an HMAC (RFC 2104, with SHA-256) over the request by the key that they share in their
//! database. What it covers names the session, so a proof that somebody overheard serves for that session alone.

use std::{fmt, net::SocketAddr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac, digest::Key};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use sha2::{Digest, Sha256};

/// Carries the address of the client and the proof, with a semicolon between them.
pub const HANDED_OVER: HeaderName = HeaderName::from_static("doorbell-handed-over");

/// What the nodes of a cluster know, and nobody else.
#[derive(Clone)]
pub struct ClusterKey(Hmac<Sha256>);

impl ClusterKey {
    /// A key from the text that all nodes read in their database.
    pub fn new(secret: &str) -> Self {
        // The digest is shorter than the hash's block, so it is a key as it is, filled up with zeros (RFC 2104, section 2).
        let digest = Sha256::digest(secret);
        let mut key = Key::<Hmac<Sha256>>::default();
        for (place, byte) in key.iter_mut().zip(digest) {
            *place = byte;
        }
        ClusterKey(Hmac::new(&key))
    }

    /// The value of [`HANDED_OVER`] for a request of the client at `peer`.
    pub fn prove(&self, method: &Method, uri: &Uri, peer: SocketAddr) -> Option<HeaderValue> {
        let proof = self.over(method, uri, peer).finalize().into_bytes();
        HeaderValue::try_from(format!("{peer};{}", URL_SAFE_NO_PAD.encode(proof))).ok()
    }

    /// The client's address, if a node has proved it.
    pub fn verify(&self, method: &Method, uri: &Uri, value: &HeaderValue) -> Option<SocketAddr> {
        let (peer, proof) = value.to_str().ok()?.split_once(';')?;
        let peer = peer.parse().ok()?;
        let proof = URL_SAFE_NO_PAD.decode(proof).ok()?;
        // In constant time.
        self.over(method, uri, peer).verify_slice(&proof).ok()?;
        Some(peer)
    }

    fn over(&self, method: &Method, uri: &Uri, peer: SocketAddr) -> Hmac<Sha256> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        // None of the three can hold a line break.
        let proven = format!("{method}\n{target}\n{peer}");
        self.0.clone().chain_update(proven)
    }
}

/// Takes every copy of the header out of a request, and answers the client's address if there was one copy, from a node.
pub fn received(key: &ClusterKey, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Option<SocketAddr> {
    let mut copies = headers.get_all(HANDED_OVER).iter();
    let peer = match (copies.next(), copies.next()) {
        (Some(only), None) => key.verify(method, uri, only),
        _ => None,
    };
    headers.remove(HANDED_OVER);
    peer
}

/// No log shows it.
impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn peer() -> SocketAddr {
        "203.0.113.5:4711".parse().unwrap()
    }

    #[test]
    fn the_address_that_a_node_has_proved_is_believed_and_no_other() {
        let key = ClusterKey::new("shared");
        let uri = target("/socket.io/?EIO=4&transport=polling&sid=x");
        let value = key.prove(&Method::GET, &uri, peer()).unwrap();
        assert_eq!(key.verify(&Method::GET, &uri, &value), Some(peer()));
        assert_eq!(ClusterKey::new("other").verify(&Method::GET, &uri, &value), None);
        assert_eq!(key.verify(&Method::POST, &uri, &value), None);
        assert_eq!(key.verify(&Method::GET, &target("/socket.io/?sid=y"), &value), None);
        let proof = value.to_str().unwrap().split_once(';').unwrap().1.to_owned();
        for forged in [
            String::new(),
            "203.0.113.5:4711".to_owned(),
            "203.0.113.5:4711;".to_owned(),
            format!("203.0.113.6:4711;{proof}"),
            format!("203.0.113.5:4711;{}", &proof[1..]),
            format!("203.0.113.5:4711;{proof}AAAA"),
            format!("203.0.113.5;{proof}"),
            proof,
        ] {
            let forged = HeaderValue::try_from(forged).unwrap();
            assert_eq!(key.verify(&Method::GET, &uri, &forged), None, "{forged:?}");
        }
    }

    #[test]
    fn an_address_of_ipv6_is_carried_too() {
        let (key, uri) = (ClusterKey::new("shared"), target("/socket.io/?sid=x"));
        let peer = "[2001:db8::1]:80".parse().unwrap();
        let value = key.prove(&Method::GET, &uri, peer).unwrap();
        assert_eq!(key.verify(&Method::GET, &uri, &value), Some(peer));
    }

    #[test]
    fn of_two_headers_none_is_believed_and_none_is_left() {
        let (key, uri) = (ClusterKey::new("shared"), target("/socket.io/?sid=x"));
        let value = key.prove(&Method::GET, &uri, peer()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(HANDED_OVER, value.clone());
        assert_eq!(received(&key, &Method::GET, &uri, &mut headers.clone()), Some(peer()));
        headers.append(HANDED_OVER, value);
        assert_eq!(received(&key, &Method::GET, &uri, &mut headers), None);
        assert!(headers.is_empty());
    }

    #[test]
    fn the_key_shows_itself_nowhere() {
        assert_eq!(format!("{:?}", ClusterKey::new("shared")), "ClusterKey(..)");
    }
}
