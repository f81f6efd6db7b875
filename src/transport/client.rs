//! Where a client is: the address of its connection, or what a trusted proxy says of it.
//!
//! Each proxy on the way writes behind what it was given whom it was asked by, so the list is read from its end, as far as
//! those who wrote are trusted. What stands further left is the client's own word, and counts for nothing.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::config::TrustedProxies;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where the client of a request is, in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Where the client is whose request came from `peer`. Port 0 where a proxy has named an address alone; the proxy's own
/// address where it has named nobody.
pub fn client_address(proxies: &TrustedProxies, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    let mut client = peer;
    if !proxies.holds(peer.ip()) {
        return client;
    }
    // The newer header counts only where the usual one is missing: most proxies write that alone, and pass on whatever the
    // client has put into the other.
    let named = match headers.contains_key(FORWARDED_FOR) {
        true => last_to_first(headers, FORWARDED_FOR, address),
        false => last_to_first(headers, header::FORWARDED, of_forwarded),
    };
    for address in named {
        // Hidden, or none at all: whoever wrote it is the last one that is known.
        let Some(address) = address else { break };
        client = SocketAddr::new(address.to_canonical(), 0);
        if !proxies.holds(client.ip()) {
            break;
        }
    }
    client
}

/// Does somebody name clients in this request?
pub fn names_clients(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED_FOR) || headers.contains_key(header::FORWARDED)
}

/// What each entry of a list says, from its end. A header that is no text says nothing.
fn last_to_first(headers: &HeaderMap, name: HeaderName, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let mut entries: Vec<Option<IpAddr>> = Vec::new();
    for value in headers.get_all(name) {
        match value.to_str() {
            Ok(value) => entries.extend(value.split(',').map(read)),
            Err(_) => entries.push(None),
        }
    }
    entries.reverse();
    entries
}

/// The `for` of an element of `Forwarded` (RFC 7239, section 4).
fn of_forwarded(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs
        .into_iter()
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node.trim().trim_matches('"'))
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::network::trusted_proxies;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn client(peer: &str, pairs: &[(&'static str, &str)]) -> String {
        let proxies = trusted_proxies("127.0.0.0/8,::1,10.0.0.0/8").unwrap();
        let peer = SocketAddr::new(peer.parse().unwrap(), 1_234);
        client_address(&proxies, peer, &headers(pairs)).ip().to_string()
    }

    #[test]
    fn what_anybody_else_than_a_trusted_proxy_says_is_not_believed() {
        for name in ["x-forwarded-for", "forwarded"] {
            assert_eq!(client("203.0.113.9", &[(name, "for=192.0.2.1")]), "203.0.113.9");
            assert_eq!(client("203.0.113.9", &[(name, "192.0.2.1")]), "203.0.113.9");
        }
        assert_eq!(client("203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn the_nearest_address_that_is_no_proxy_of_ours_is_the_client() {
        for (named, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("6.6.6.6,192.0.2.1 ,10.0.0.2,127.0.0.1", "192.0.2.1"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            // Nobody but proxies: the farthest of them.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // What cannot be read ends the walk.
            ("6.6.6.6, unknown", "10.0.0.1"),
            ("6.6.6.6, _hidden, 10.0.0.2", "10.0.0.2"),
            ("6.6.6.6, ", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", named)]), expected, "{named}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let both = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
        ];
        assert_eq!(client("10.0.0.1", &both), "192.0.2.1");
        let last_is_ours = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(client("10.0.0.1", &last_is_ours), "192.0.2.1");
    }

    #[test]
    fn the_newer_header_is_read_where_it_stands_alone() {
        for (named, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8::7]:4711\";proto=https;by=203.0.113.43", "2001:db8::7"),
            (
                "for=6.6.6.6, proto=https;FOR=\"192.0.2.1:80\", for=10.0.0.2",
                "192.0.2.1",
            ),
            ("for=6.6.6.6, for=unknown", "10.0.0.1"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", named)]), expected, "{named}");
        }
        let both = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client("10.0.0.1", &both), "192.0.2.1");
    }
}
