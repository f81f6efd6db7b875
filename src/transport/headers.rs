//! What every answer tells browsers, whatever it is.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// No answer is taken for something else than it says, runs anything or is framed, or tells other sites where its reader
/// was. What has a policy of its own keeps it. No `Strict-Transport-Security`: that is about the whole host, which is the
/// operator's.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Puts them on an answer.
pub fn protect(answer: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        answer.entry(name).or_insert(value);
    }
}
