//! Files that the binary carries: pages, and what they are made of.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use axum::body::Body;
use bytes::Bytes;
use doorbell_pages::File;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Page,
    Style,
    Script,
    Picture,
    Photo,
    Font,
    Json,
    Text,
}

impl Kind {
    /// By the ending of its name; whatever is not known is text, and runs nowhere.
    fn of(path: &str) -> Self {
        match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "html" => Kind::Page,
            "css" => Kind::Style,
            "js" | "mjs" => Kind::Script,
            "svg" => Kind::Picture,
            "webp" => Kind::Photo,
            "woff2" => Kind::Font,
            "json" | "webmanifest" => Kind::Json,
            _ => Kind::Text,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Kind::Page => "text/html; charset=utf-8",
            Kind::Style => "text/css; charset=utf-8",
            Kind::Script => "text/javascript; charset=utf-8",
            Kind::Picture => "image/svg+xml",
            Kind::Photo => "image/webp",
            Kind::Font => "font/woff2",
            Kind::Json => "application/json; charset=utf-8",
            Kind::Text => "text/plain; charset=utf-8",
        }
    }
}

/// Whatever is no page and is opened by itself can do nothing at all.
const NO_PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";

/// A page loads from its own server alone, and nothing that stands inside it is run. Pictures may come from anywhere by
/// https: those of people and listings are the host application's.
///
/// `files`: the origin that links to uploaded files begin with, where the page may have been opened at another address of
/// this server.
fn page_policy(files: &str) -> String {
    let sockets = files.replacen("http", "ws", 1);
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob: https: {files}; \
         media-src 'self' blob: {files}; connect-src 'self' {files} {sockets}; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The script that other sites have in their pages, and below which path it finds its parts. Any page may load them: they
/// hold nothing of anybody's, and it is the server's answers that are not for every origin.
const WIDGET_LOADER: &str = "/widget.js";
const WIDGET_PARTS: &str = "/widget/";
/// Leads loaders of an older binary, on pages that have been open for long, to the panel of this one.
const WIDGET_PANEL_OF_NOW: &str = "/widget/panel.js";
/// For pages that isolate themselves from everything that does not say this.
const CROSS_ORIGIN_RESOURCE_POLICY: header::HeaderName =
    header::HeaderName::from_static("cross-origin-resource-policy");

/// How long a file may be used without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It is asked for again with its tag: a new binary may bring another.
    WhileCurrent,
    /// A few minutes without asking: other sites have it on each of their pages.
    Shortly,
    /// Its name has a digest of its content, so there will never be another.
    ForEver,
}

/// A page as the answer to a GET, with `files` as in [`page_policy`].
pub fn page(request: &HeaderMap, content: Bytes, files: &str) -> Response<Body> {
    let tag = tag(&content);
    let mut response = tagged(request, Kind::Page, &tag, Kept::WhileCurrent, content);
    if let Ok(policy) = HeaderValue::from_str(&page_policy(files)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A file as the answer to a GET. It may be kept, and is asked for again with its tag.
pub fn file(request: &HeaderMap, kind: Kind, content: impl Into<Bytes>) -> Response<Body> {
    let content: Bytes = content.into();
    let tag = tag(&content);
    tagged(request, kind, &tag, Kept::WhileCurrent, content)
}

/// A file of the built pages, compressed as the client wants it.
pub fn built(request: &HeaderMap, file: &'static File) -> Response<Body> {
    let accepted = Accepted::of(request);
    let (content, encoding) = match (file.brotli, file.gzip) {
        (Some(brotli), _) if accepted.brotli => (brotli, Some("br")),
        (_, Some(gzip)) if accepted.gzip => (gzip, Some("gzip")),
        _ => (file.plain, None),
    };
    let kept = match file.path {
        WIDGET_LOADER => Kept::Shortly,
        WIDGET_PANEL_OF_NOW => Kept::WhileCurrent,
        path if path.starts_with("/assets/") || path.starts_with(WIDGET_PARTS) => Kept::ForEver,
        _ => Kept::WhileCurrent,
    };
    // Each encoding is a representation of its own, with a strong tag of its own (RFC 9110, section 8.8.3.3).
    let tag = match encoding {
        Some(encoding) => Cow::Owned(format!("\"{}-{encoding}\"", file.tag)),
        None => Cow::Owned(format!("\"{}\"", file.tag)),
    };
    let mut response = tagged(request, Kind::of(file.path), &tag, kept, Bytes::from_static(content));
    let headers = response.headers_mut();
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.path == WIDGET_LOADER || file.path.starts_with(WIDGET_PARTS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    }
    response
}

/// Which compressions a client takes (RFC 9110, section 12.5.3). It never has to take any, so `*` is of no interest.
#[derive(Debug, Default, PartialEq, Eq)]
struct Accepted {
    brotli: bool,
    gzip: bool,
}

impl Accepted {
    fn of(request: &HeaderMap) -> Self {
        let mut accepted = Accepted::default();
        let values = request.get_all(header::ACCEPT_ENCODING).iter();
        for coding in values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = parameters
                .trim()
                .strip_prefix("q=")
                .and_then(|weight| weight.parse::<f32>().ok());
            let is_taken = weight.unwrap_or(1.0) > 0.0;
            match name.trim().to_ascii_lowercase().as_str() {
                "br" => accepted.brotli = is_taken,
                "gzip" | "x-gzip" => accepted.gzip = is_taken,
                _ => {}
            }
        }
        accepted
    }
}

fn tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn tagged(request: &HeaderMap, kind: Kind, tag: &str, kept: Kept, content: Bytes) -> Response<Body> {
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
    put(header::CONTENT_SECURITY_POLICY, NO_PAGE_POLICY);
    put(header::ETAG, tag);
    put(
        header::CACHE_CONTROL,
        match kept {
            Kept::WhileCurrent => "no-cache",
            Kept::Shortly => "public, max-age=300",
            Kept::ForEver => "public, max-age=31536000, immutable",
        },
    );
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "same-origin");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    const SCRIPT: File = File {
        path: "/assets/index-1.js",
        tag: "0123456789abcdef",
        plain: b"plain",
        gzip: Some(b"gzip"),
        brotli: Some(b"brotli"),
    };

    const LOADER: File = File {
        path: "/widget.js",
        ..SCRIPT
    };

    #[test]
    fn pages_of_any_site_may_load_the_widget_and_nothing_else() {
        let allowed = |file| {
            let response = built(&HeaderMap::new(), file);
            response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        assert_eq!(allowed(&LOADER), Some(HeaderValue::from_static("*")));
        assert_eq!(allowed(&SCRIPT), None);
    }

    #[test]
    fn a_client_gets_the_compression_that_it_takes() {
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip, br;q=0", Some("gzip")),
            ("GZIP;q=0.5", Some("gzip")),
            ("identity", None),
            ("br; q=0, gzip;q=0.0", None),
            ("*", None),
            ("", None),
        ] {
            let response = built(&asking(header::ACCEPT_ENCODING, accepted), &SCRIPT);
            let told = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(told.and_then(|told| told.to_str().ok()), encoding, "{accepted}");
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
        }
    }

    #[test]
    fn what_has_a_digest_in_its_name_is_kept_for_ever_and_the_rest_is_asked_for_again() {
        let kept = |response: Response<Body>| response.headers()[header::CACHE_CONTROL].clone();
        assert_eq!(
            kept(built(&HeaderMap::new(), &SCRIPT)),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(kept(built(&HeaderMap::new(), &LOADER)), "public, max-age=300");
        const PANEL: File = File {
            path: "/widget/panel-1.js",
            ..SCRIPT
        };
        assert_eq!(
            kept(built(&HeaderMap::new(), &PANEL)),
            "public, max-age=31536000, immutable"
        );
        const PANEL_OF_NOW: File = File {
            path: "/widget/panel.js",
            ..SCRIPT
        };
        assert_eq!(kept(built(&HeaderMap::new(), &PANEL_OF_NOW)), "no-cache");
        const FAVICON: File = File {
            path: "/favicon.svg",
            ..SCRIPT
        };
        assert_eq!(kept(built(&HeaderMap::new(), &FAVICON)), "no-cache");
        let held = asking(header::IF_NONE_MATCH, "\"0123456789abcdef\"");
        assert_eq!(built(&held, &LOADER).status(), StatusCode::NOT_MODIFIED);
        let other = asking(header::IF_NONE_MATCH, "\"0123456789abcdef-br\"");
        assert_eq!(
            built(&other, &LOADER).status(),
            StatusCode::OK,
            "another encoding is another text"
        );
    }

    #[test]
    fn a_page_runs_nothing_that_stands_inside_it() {
        let response = page(&HeaderMap::new(), Bytes::new(), "http://127.0.0.1:5544");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(
            policy.contains("connect-src 'self' http://127.0.0.1:5544 ws://127.0.0.1:5544;"),
            "{policy}"
        );
        assert!(page_policy("https://chat.example").contains(" wss://chat.example;"));
    }
}
