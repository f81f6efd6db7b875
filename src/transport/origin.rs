//! Which pages may use this server: origins, the answers of CORS, and the guard of cookies.
//!
//! A browser names the page that makes a request in `Origin`. A foreign page gets no CORS headers, no socket, and cannot
//! change anything with the cookies of its visitor. Whoever sends no `Origin` is no browser on another site, and shows
//! who it is by a token or key.

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::config::WebOrigin;

/// What the origin of a request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginVerdict {
    /// The request names none: no browser, or a page's own plain GET.
    None,
    /// This server's own pages.
    Own,
    /// A page that the configuration allows.
    Allowed,
    /// Every other page; `null`, and what cannot be read.
    Foreign,
}

/// Methods that the routes use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Headers that the routes read, and two that common HTTP clients add of themselves. `X-API-Key` is missing on purpose:
/// a key that a page knows is no secret.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Range, X-Socket-Id, Cache-Control, X-Requested-With, \
     Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata",
);
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Retry-After, Location, Tus-Resumable, Tus-Version, Upload-Offset, Upload-Length, Upload-Metadata, \
     Upload-Expires, Upload-Attachment",
);
/// Ten minutes: longer, and a changed `FRONTEND_URL` would be noticed late; shorter, and each call is two.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// The origins that a deployment allows.
#[derive(Debug, Clone)]
pub struct OriginPolicy {
    /// `None`: loopback origins.
    allowed: Option<Vec<WebOrigin>>,
    public: Option<WebOrigin>,
}

impl OriginPolicy {
    /// `allowed` as `FRONTEND_URL` gives it (`None` when it is unset: loopback origins); `public_url` is this server's own
    /// address.
    pub fn new(allowed: Option<Vec<WebOrigin>>, public_url: Option<&str>) -> Self {
        OriginPolicy {
            allowed,
            public: public_url.and_then(WebOrigin::of_page),
        }
    }

    /// The pages that are allowed beside the server's own, for a sentence.
    pub fn pages(&self) -> String {
        match &self.allowed {
            Some(allowed) => {
                let origins: Vec<String> = allowed.iter().map(WebOrigin::to_string).collect();
                format!("FRONTEND_URL ({})", origins.join(", "))
            }
            None => "this machine (localhost on any port, since FRONTEND_URL is not set)".to_owned(),
        }
    }

    /// Judges the header `Origin` of a request that came to `host` (the header) by `scheme` (`http` or `https`).
    pub fn judge(&self, origin: Option<&str>, host: Option<&str>, scheme: &str) -> OriginVerdict {
        let Some(origin) = origin else {
            return OriginVerdict::None;
        };
        // `parse` takes a slash at the end, which settings have and browsers never send.
        match WebOrigin::parse(origin).filter(|_| !origin.ends_with('/')) {
            Some(origin) => self.judge_origin(&origin, host, scheme),
            None => OriginVerdict::Foreign,
        }
    }

    /// Judges a request by its headers. Of several `Origin`s none is believed.
    pub fn judge_request(&self, headers: &HeaderMap) -> OriginVerdict {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => OriginVerdict::None,
            (Some(origin), None) => match origin.to_str() {
                Ok(origin) => self.judge(Some(origin), host(headers), request_scheme(headers)),
                Err(_) => OriginVerdict::Foreign,
            },
            _ => OriginVerdict::Foreign,
        }
    }

    /// May a request that shows who it is by a cookie alone change something? Browsers send cookies along for any page
    /// that asks them to, so the page must be known: by `Origin`, else by `Referer`.
    pub fn may_change_by_cookie(&self, headers: &HeaderMap) -> bool {
        let verdict = match self.judge_request(headers) {
            OriginVerdict::None => headers
                .get(header::REFERER)
                .and_then(|referer| referer.to_str().ok())
                .and_then(WebOrigin::of_page)
                .map_or(OriginVerdict::None, |page| {
                    self.judge_origin(&page, host(headers), request_scheme(headers))
                }),
            verdict => verdict,
        };
        matches!(verdict, OriginVerdict::Own | OriginVerdict::Allowed)
    }

    /// May a GET that shows who it is by a cookie alone mark as read what it shows? A page's own GET names no `Origin`, and
    /// no `Referer` where its policy is to send none: then the browser's own word counts, which no page can set.
    pub fn may_mark_by_cookie(&self, headers: &HeaderMap) -> bool {
        let is_own_page =
            !headers.contains_key(header::ORIGIN) && headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin");
        is_own_page || self.may_change_by_cookie(headers)
    }

    /// Puts the CORS headers on an answer. `Vary` also goes to those who get none: caches must tell them apart.
    pub fn decorate(&self, request_headers: &HeaderMap, answer: &mut HeaderMap) {
        let verdict = self.judge_request(request_headers);
        answer.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
        if let (OriginVerdict::Own | OriginVerdict::Allowed, Some(origin)) =
            (verdict, request_headers.get(header::ORIGIN))
        {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }

    /// The answer to a preflight, or `None` when the request is none. A foreign page is refused with 403.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
        let asks = headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if method != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = Response::new(Body::empty());
        let is_foreign = self.judge_request(headers) == OriginVerdict::Foreign;
        *response.status_mut() = if is_foreign {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::NO_CONTENT
        };
        let answer = response.headers_mut();
        self.decorate(headers, answer);
        if !is_foreign {
            answer.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
            answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
        }
        Some(response)
    }

    fn judge_origin(&self, origin: &WebOrigin, host: Option<&str>, scheme: &str) -> OriginVerdict {
        let arrived_at = host.and_then(|host| WebOrigin::parse(&format!("{scheme}://{host}")));
        if self.public.as_ref() == Some(origin) || arrived_at.as_ref() == Some(origin) {
            return OriginVerdict::Own;
        }
        let is_allowed = match &self.allowed {
            Some(allowed) => allowed.contains(origin),
            None => origin.is_loopback(),
        };
        if is_allowed {
            OriginVerdict::Allowed
        } else {
            OriginVerdict::Foreign
        }
    }
}

/// What a browser says of the page that asks (Fetch Metadata Request Headers, section 2.3).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Says by which scheme a browser reached the proxy in front, or this server's own TLS.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The scheme by which a browser reached us: a proxy that ends TLS says so in `X-Forwarded-Proto`. Nobody gains by
/// inventing it: it only ever tells `https` from `http` of the same host, and pages cannot set it.
pub fn request_scheme(headers: &HeaderMap) -> &'static str {
    let first = headers
        .get(FORWARDED_PROTO)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(',').next());
    match first {
        Some(scheme) if scheme.trim().eq_ignore_ascii_case("https") => "https",
        _ => "http",
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).and_then(|host| host.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::OriginVerdict::{Allowed, Foreign, None as Nobody, Own};
    use super::*;
    use crate::config::values;

    fn policy(frontend_url: Option<&str>, public_url: Option<&str>) -> OriginPolicy {
        OriginPolicy::new(frontend_url.map(|text| values::origins(text).unwrap()), public_url)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn without_configuration_pages_of_this_machine_alone_are_allowed() {
        let policy = policy(None, None);
        for (origin, expected) in [
            ("http://localhost", Allowed),
            ("http://localhost:3000", Allowed),
            ("https://LOCALHOST:3000", Allowed),
            ("http://127.0.0.1:8080", Allowed),
            ("http://127.9.8.7", Allowed),
            ("http://[::1]:3000", Allowed),
            ("http://[0:0:0:0:0:0:0:1]:3000", Allowed),
            ("http://localhost.evil.example", Foreign),
            ("http://evil-localhost", Foreign),
            ("http://127.0.0.1.evil.example", Foreign),
            ("http://128.0.0.1", Foreign),
            ("http://0.0.0.0:3000", Foreign),
            ("http://[::2]", Foreign),
            ("ftp://localhost", Foreign),
            ("https://example.com", Foreign),
            ("null", Foreign),
            ("", Foreign),
            ("localhost:3000", Foreign),
            ("http://localhost:3000/", Foreign),
            ("http://localhost:3000/path", Foreign),
            ("http://user@localhost", Foreign),
            ("http://localhost:", Foreign),
            ("http://localhost:+80", Foreign),
            ("http://localhost:99999", Foreign),
            ("http://localhost http://evil.example", Foreign),
            ("http://localhost, http://evil.example", Foreign),
            ("http://localhost\\@evil.example", Foreign),
        ] {
            assert_eq!(
                policy.judge(Some(origin), Some("chat.example:5544"), "http"),
                expected,
                "{origin}"
            );
        }
        assert_eq!(policy.judge(None, None, "http"), Nobody);
    }

    #[test]
    fn once_configured_only_those_are_allowed_whatever_their_case_or_slash() {
        let policy = policy(
            Some("https://WWW.Example.com/, https://app.example.com:443,http://dev.example:3000/app"),
            None,
        );
        for (origin, expected) in [
            ("https://www.example.com", Allowed),
            ("HTTPS://www.EXAMPLE.com", Allowed),
            ("https://www.example.com:443", Allowed),
            ("https://app.example.com", Allowed),
            ("http://dev.example:3000", Allowed),
            ("http://www.example.com", Foreign),
            ("https://www.example.com:8443", Foreign),
            ("https://www.example.com.evil.example", Foreign),
            ("https://example.com", Foreign),
            ("https://x.www.example.com", Foreign),
            ("http://dev.example", Foreign),
            ("http://localhost:3000", Foreign),
            ("null", Foreign),
        ] {
            assert_eq!(
                policy.judge(Some(origin), Some("chat.example.com"), "https"),
                expected,
                "{origin}"
            );
        }
    }

    #[test]
    fn the_server_s_own_pages_are_never_foreign() {
        let policy = policy(Some("https://www.example.com"), Some("https://chat.example.com/base"));
        for (origin, host, scheme, expected) in [
            ("https://chat.example.com", Some("10.0.0.5:5544"), "http", Own),
            ("http://10.0.0.5:5544", Some("10.0.0.5:5544"), "http", Own),
            ("http://10.0.0.5", Some("10.0.0.5:80"), "http", Own),
            ("http://Shop.example", Some("shop.EXAMPLE"), "http", Own),
            ("https://10.0.0.5:5544", Some("10.0.0.5:5544"), "http", Foreign),
            ("http://10.0.0.5", Some("10.0.0.5:5544"), "http", Foreign),
            ("http://chat.example.com", None, "http", Foreign),
            ("null", Some("null"), "http", Foreign),
        ] {
            assert_eq!(
                policy.judge(Some(origin), host, scheme),
                expected,
                "{origin} at {host:?}"
            );
        }
        let behind_tls = headers(&[
            ("origin", "https://shop.example"),
            ("host", "shop.example"),
            ("x-forwarded-proto", "HTTPS, http"),
        ]);
        assert_eq!(policy.judge_request(&behind_tls), Own);
    }

    #[test]
    fn a_get_by_cookie_marks_for_pages_that_are_known_and_for_no_others() {
        let policy = policy(Some("https://www.example.com"), None);
        for (pairs, expected) in [
            (&[][..], false),
            (&[("origin", "https://www.example.com")], true),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("referer", "https://www.example.com/messages")], true),
            (&[("referer", "https://chat.example/messages")], true),
            (&[("referer", "https://evil.example/x")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (
                &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
                false,
            ),
        ] {
            let mut headers = headers(pairs);
            headers.insert(header::HOST, HeaderValue::from_static("chat.example"));
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
            assert_eq!(policy.may_mark_by_cookie(&headers), expected, "{pairs:?}");
        }
    }

    #[test]
    fn of_two_origins_or_an_unreadable_one_none_is_believed() {
        let policy = policy(None, None);
        let mut two = headers(&[("origin", "http://localhost")]);
        two.append(header::ORIGIN, HeaderValue::from_static("http://localhost"));
        assert_eq!(policy.judge_request(&two), Foreign);
        let mut unreadable = HeaderMap::new();
        unreadable.insert(
            header::ORIGIN,
            HeaderValue::from_bytes(b"http://localhost\xff").unwrap(),
        );
        assert_eq!(policy.judge_request(&unreadable), Foreign);
    }

    #[test]
    fn an_allowed_page_may_read_the_answer_and_a_foreign_one_may_not() {
        let policy = policy(None, None);
        let mut answer = HeaderMap::new();
        policy.decorate(
            &headers(&[("origin", "http://localhost:3000"), ("host", "x")]),
            &mut answer,
        );
        assert_eq!(answer["access-control-allow-origin"], "http://localhost:3000");
        assert_eq!(answer["access-control-allow-credentials"], "true");
        let exposed = answer["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.starts_with("ETag, Link, Retry-After, "), "{exposed}");
        assert!(exposed.contains("Upload-Offset"), "{exposed}");
        assert_eq!(answer["vary"], "origin");
        for origin in ["https://evil.example", "null"] {
            let mut answer = HeaderMap::new();
            policy.decorate(&headers(&[("origin", origin), ("host", "x")]), &mut answer);
            assert_eq!(
                answer.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
                ["vary"],
                "{origin}"
            );
        }
    }

    #[test]
    fn a_preflight_is_answered_for_those_who_may() {
        let policy = policy(None, None);
        let ask = |origin: &str| {
            let headers = headers(&[
                ("origin", origin),
                ("access-control-request-method", "PUT"),
                ("host", "x"),
            ]);
            policy.preflight(&Method::OPTIONS, &headers).unwrap()
        };
        let allowed = ask("http://localhost:3000");
        assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            allowed.headers()["access-control-allow-origin"],
            "http://localhost:3000"
        );
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(
                allowed.headers()["access-control-allow-methods"]
                    .to_str()
                    .unwrap()
                    .contains(method)
            );
        }
        for name in [
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-None-Match",
            "X-Socket-Id",
        ] {
            assert!(
                allowed.headers()["access-control-allow-headers"]
                    .to_str()
                    .unwrap()
                    .contains(name)
            );
        }
        let foreign = ask("https://evil.example");
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
        assert!(!foreign.headers().contains_key("access-control-allow-origin"));
        assert!(!foreign.headers().contains_key("access-control-allow-methods"));
        assert!(
            policy
                .preflight(&Method::OPTIONS, &headers(&[("origin", "http://localhost")]))
                .is_none()
        );
        assert!(
            policy
                .preflight(&Method::GET, &headers(&[("origin", "http://localhost")]))
                .is_none()
        );
    }

    #[test]
    fn a_cookie_changes_something_only_for_a_page_that_is_known() {
        let policy = policy(Some("https://www.example.com"), None);
        for (pairs, may) in [
            (&[("origin", "https://www.example.com")][..], true),
            (&[("origin", "http://chat.example")], true),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[], false),
            (&[("referer", "https://www.example.com/listing/5?a=b#c")], true),
            (&[("referer", "http://chat.example/messages")], true),
            (&[("referer", "https://evil.example/https://www.example.com/")], false),
            (&[("referer", "https://www.example.com@evil.example/")], false),
            (&[("referer", "nonsense")], false),
            (
                &[
                    ("origin", "https://evil.example"),
                    ("referer", "https://www.example.com/"),
                ],
                false,
            ),
            (&[("origin", "null"), ("referer", "https://www.example.com/")], false),
        ] {
            let mut headers = headers(pairs);
            headers.insert(header::HOST, HeaderValue::from_static("chat.example"));
            assert_eq!(policy.may_change_by_cookie(&headers), may, "{pairs:?}");
        }
    }
}
