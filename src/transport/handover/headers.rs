//! Headers that are one connection's business, and not the message's.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Takes away what RFC 9110, section 7.6.1, lets nobody pass on, with all that `Connection` names.
pub(super) fn without_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, header::CONNECTION)
        .filter_map(|token| HeaderName::try_from(token).ok())
        .collect();
    let always = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
    ];
    for name in named.into_iter().chain(always) {
        headers.remove(name);
    }
}

/// Does a request ask for a WebSocket (RFC 6455, section 4.2.1)? What else it needs is the owner's to check.
pub(super) fn asks_for_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let has = |name, wanted: &str| tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted));
    method == Method::GET && has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket")
}

/// Puts on what was taken away of a handshake.
pub(super) fn switch_to_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_belongs_to_one_connection_stays_there_and_the_rest_goes_along() {
        let mut passed = headers(&[
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "close"),
            ("origin", "https://www.example.com"),
            ("cookie", "a=b"),
            ("user-agent", "x"),
            ("host", "chat.example.com"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("x-forwarded-proto", "https"),
        ]);
        without_hop_by_hop(&mut passed);
        let mut left: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "cookie",
                "host",
                "origin",
                "sec-websocket-key",
                "user-agent",
                "x-forwarded-proto"
            ]
        );
    }

    #[test]
    fn a_websocket_is_asked_for_in_whatever_case_and_company() {
        let asking = headers(&[("connection", "keep-alive, UPGRADE"), ("upgrade", "WebSocket")]);
        assert!(asks_for_websocket(&Method::GET, &asking));
        assert!(!asks_for_websocket(&Method::POST, &asking));
        for other in [
            headers(&[("connection", "keep-alive"), ("upgrade", "websocket")]),
            headers(&[("connection", "upgrade"), ("upgrade", "h2c")]),
            headers(&[("connection", "upgrade")]),
        ] {
            assert!(!asks_for_websocket(&Method::GET, &other), "{other:?}");
        }
    }
}
