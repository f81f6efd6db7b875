//! Files that the binary carries: pages, and what they are made of.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Page,
    Style,
    Script,
    Picture,
    Json,
}

impl Kind {
    fn content_type(self) -> &'static str {
        match self {
            Kind::Page => "text/html; charset=utf-8",
            Kind::Style => "text/css; charset=utf-8",
            Kind::Script => "text/javascript; charset=utf-8",
            Kind::Picture => "image/svg+xml",
            Kind::Json => "application/json; charset=utf-8",
        }
    }

    /// Pages load from this server alone, and nothing that stands inside them is run. Whatever else is opened by
    /// itself can do nothing at all.
    fn policy(self) -> &'static str {
        match self {
            Kind::Page => {
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            }
            _ => "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
        }
    }
}

/// A file as the answer to a GET. It may be kept, and is asked for again with its tag: a new binary may bring another.
pub fn file(request: &HeaderMap, kind: Kind, content: impl Into<Bytes>) -> Response<Body> {
    let content: Bytes = content.into();
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let held = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let is_held = held
        .flat_map(|value| value.split(','))
        .any(|held| held.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if is_held { Body::empty() } else { Body::from(content) });
    if is_held {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    let mut put = |name, value: &str| {
        HeaderValue::from_str(value)
            .map(|value| headers.insert(name, value))
            .is_ok()
    };
    put(header::CONTENT_TYPE, kind.content_type());
    put(header::CONTENT_SECURITY_POLICY, kind.policy());
    put(header::ETAG, &tag);
    put(header::CACHE_CONTROL, "no-cache");
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "same-origin");
    response
}
