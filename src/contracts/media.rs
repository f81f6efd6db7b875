//! `GET /media/{id}/{variant}`: the bytes of a file, for whoever has its signed link.
//!
//! A link is made for `<img>` and `<video>` of a page, which send no credentials: so none are asked for. What a file could
//! do to whoever opens it by itself is taken from it by headers: its type is told and not guessed, scripts and frames are
//! off, and what browsers would show as a page is offered for saving.

use std::{ops::Range, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, State},
    routing::get,
};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    range::{Wanted, wanted},
    rest::{Api, error_response},
};
use crate::{
    chat::{attachment::Linked, serve::Served, upload::Uploads},
    model::{MediaType, Result},
};

/// The one route, as metrics and `openapi.json` call it.
pub const ROUTE: &str = "/media/{id}/{variant}";

pub fn router(api: Arc<Api>) -> Router {
    Router::new().route(ROUTE, get(answer)).with_state(api)
}

async fn answer(
    State(api): State<Arc<Api>>,
    params: RawPathParams,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let param = |name| {
        params
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    };
    let served = serve(&api, param("id"), param("variant"), &uri, &headers, &method).await;
    let response = served.unwrap_or_else(|error| error_response(&error));
    api.metrics
        .http_answered(&format!("GET {ROUTE}"), response.status().as_u16());
    response
}

async fn serve(
    api: &Api,
    id: &str,
    variant: &str,
    uri: &Uri,
    headers: &HeaderMap,
    method: &Method,
) -> Result<Response<Body>> {
    let linked = api
        .chat
        .judge_link(id, variant, uri.query().unwrap_or_default())
        .await?;
    let served = api.uploads.serve(&linked.attachment, linked.variant).await?;
    let tag = format!("\"{}.{}\"", linked.attachment.id, linked.variant.as_str());
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    let mut response = if is_held(headers, &tag) {
        with_status(StatusCode::NOT_MODIFIED)
    } else {
        body(api, served, headers, method, &tag).await?
    };
    let lasts = linked.expires_at.as_millis() - api.clock.now().as_millis();
    put_headers(response.headers_mut(), &linked, tag, lasts.max(0) / 1_000);
    Ok(response)
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Is this what the browser has already (RFC 9110, section 13.1.2)?
fn is_held(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let held = headers.get_all(header::IF_NONE_MATCH).iter();
    let tag = tag.to_str().unwrap_or_default();
    held.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.trim_start_matches("W/") == tag)
}

async fn body(
    api: &Api,
    served: Served,
    headers: &HeaderMap,
    method: &Method,
    tag: &HeaderValue,
) -> Result<Response<Body>> {
    let size = served.size;
    let (status, range, content_range) = match wanted(headers, size, tag) {
        Wanted::Whole => (StatusCode::OK, 0..size, None),
        Wanted::Part(part) => {
            let told = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            (StatusCode::PARTIAL_CONTENT, part, Some(told))
        }
        Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0, Some(format!("bytes */{size}"))),
    };
    let length = range.end - range.start;
    let mut response = with_status(status);
    // HEAD ignores ranges only in what it sends: nothing. Its headers are those of the GET.
    if *method != Method::HEAD && length > 0 {
        *response.body_mut() = stream(&api.uploads, served, range).await?;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(range) = content_range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// The first piece is read before the answer begins: a file that cannot be read is an error then, not a broken answer.
async fn stream(uploads: &Arc<Uploads>, served: Served, range: Range<u64>) -> Result<Body> {
    let mut pieces = Box::pin(served.pieces(range));
    let first = pieces.next().await.transpose()?;
    let counted = Arc::clone(uploads);
    let pieces = futures_util::stream::iter(first.map(Ok)).chain(pieces);
    Ok(Body::from_stream(pieces.inspect(move |piece| {
        if let Ok(bytes) = piece {
            counted.counters().count_served(bytes.len());
        }
    })))
}

fn put_headers(headers: &mut HeaderMap, linked: &Linked, tag: HeaderValue, lasts_seconds: i64) {
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, content_type(linked.media_type));
    put(
        header::CONTENT_DISPOSITION,
        &disposition(&linked.attachment.name, linked.media_type),
    );
    // Links of one file change with the hours; what a browser has under one is good as long as that.
    put(
        header::CACHE_CONTROL,
        &format!("private, max-age={lasts_seconds}, immutable"),
    );
    put(header::ACCEPT_RANGES, "bytes");
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::CONTENT_SECURITY_POLICY, policy(linked.media_type));
    put(header::REFERRER_POLICY, "no-referrer");
    // An <img> on the marketplace's page is another site's to the browser.
    if let Ok(name) = header::HeaderName::from_bytes(b"cross-origin-resource-policy") {
        headers.insert(name, HeaderValue::from_static("cross-origin"));
    }
    headers.insert(header::ETAG, tag);
}

/// What a browser does with a file that is opened by itself.
enum Shown {
    Seen,
    Played,
    Saved,
}

fn shown(media_type: MediaType) -> Shown {
    match media_type {
        MediaType::Jpeg | MediaType::Png | MediaType::Gif | MediaType::Webp => Shown::Seen,
        MediaType::Mp4 | MediaType::Webm | MediaType::Quicktime | MediaType::Mp4Audio | MediaType::WebmAudio => {
            Shown::Played
        }
        MediaType::Pdf | MediaType::Text => Shown::Saved,
    }
}

/// What a file may do that is opened by itself: nothing, but to be seen by what the browser builds around it. Scripts, forms
/// and frames are off for all.
fn policy(media_type: MediaType) -> &'static str {
    match shown(media_type) {
        // The player asks for the file once more, as a page of this server would (`crossorigin`), and a sandbox without an
        // origin may not.
        Shown::Played => "sandbox allow-same-origin; default-src 'none'; media-src 'self'",
        // The picture is there already; it is centred by inline styles.
        Shown::Seen => "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        Shown::Saved => "sandbox; default-src 'none'",
    }
}

fn content_type(media_type: MediaType) -> &'static str {
    match media_type {
        // What is stored is UTF-8; without saying so, browsers guess.
        MediaType::Text => "text/plain; charset=utf-8",
        other => other.as_str(),
    }
}

/// What RFC 8187 lets stand in an extended value as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` (RFC 6266): shown in place, or offered for saving; under which name in either case.
fn disposition(name: &str, media_type: MediaType) -> String {
    let name = media_type.fitting_name(name);
    let kind = match shown(media_type) {
        Shown::Seen | Shown::Played => "inline",
        Shown::Saved => "attachment",
    };
    // For what knows no extended value: letters that mean something in quotes or folders are replaced.
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    if plain == name {
        return format!("{kind}; filename=\"{plain}\"");
    }
    // The name itself, but for what would be a folder.
    let whole: String = name
        .chars()
        .map(|c| match c {
            '/' | '\\' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    let encoded = utf8_percent_encode(&whole, PLAIN);
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_whatever_characters_makes_one_header_and_no_folder() {
        for (name, expected) in [
            ("plan.pdf", "attachment; filename=\"plan.pdf\""),
            (
                "K\u{fc}che.pdf",
                "attachment; filename=\"K_che.pdf\"; filename*=UTF-8''K%C3%BCche.pdf",
            ),
            (
                "a\"; x=\"b.pdf",
                "attachment; filename=\"a_; x=_b.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%22b.pdf",
            ),
            (
                "../a\\b/c\r\nSet-Cookie: d.pdf",
                "attachment; filename=\".._a_b_c__Set-Cookie: d.pdf\"; filename*=UTF-8''.._a_b_c__Set-Cookie%3A%20d.pdf",
            ),
            (
                "100%.pdf",
                "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf",
            ),
        ] {
            let header = disposition(name, MediaType::Pdf);
            assert_eq!(header, expected);
            assert!(HeaderValue::from_str(&header).is_ok());
        }
    }

    #[test]
    fn what_a_page_shows_is_shown_and_the_rest_is_offered_for_saving() {
        for media_type in MediaType::ALL {
            let is_offered = disposition("x", media_type).starts_with("attachment");
            assert_eq!(
                is_offered,
                matches!(media_type, MediaType::Pdf | MediaType::Text),
                "{media_type:?}"
            );
        }
    }
}
