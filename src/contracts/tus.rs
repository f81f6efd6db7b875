//! Resumable uploads: tus 1.0 (<https://tus.io/protocols/resumable-upload>), with creation, termination and expiration,
//! under `/v1/uploads`.
//!
//! An upload that is whole has become an attachment: `Upload-Attachment` names it, for `attachmentIds` and
//! `/v1/attachments/{id}`.

use std::sync::Arc;

use axum::{Router, body::Body, middleware::map_response, routing::options};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, future, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::rest::{self, Api, Call, Content, Reply, Route, body_error, route};
use crate::{
    chat::resume::Resumed,
    model::{Error, Result, Timestamp, limits},
    transport::paced::{Pace, paced},
};

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_ATTACHMENT: HeaderName = HeaderName::from_static("upload-attachment");

pub const PATH: &str = "/v1/uploads";

pub fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/uploads" ByVerb create),
        route!(HEAD "/v1/uploads/{id}" AsRequest look),
        route!(PATCH "/v1/uploads/{id}" AsRequest append),
        route!(DELETE "/v1/uploads/{id}" AsRequest terminate),
    ]
}

/// The routes, every answer of which names the version of the protocol.
pub fn router(api: &Arc<Api>) -> Router {
    let most = HeaderValue::from(api.uploads.limits().most());
    let told = move || {
        let most = most.clone();
        async move {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            headers.insert(TUS_VERSION, VERSION);
            headers.insert(
                TUS_EXTENSION,
                HeaderValue::from_static("creation,termination,expiration"),
            );
            headers.insert(TUS_MAX_SIZE, most);
            response
        }
    };
    // What this server can do is nobody's secret: no credentials.
    let capabilities = Router::new()
        .route(PATH, options(told.clone()))
        .route("/v1/uploads/{id}", options(told));
    rest::router(Arc::clone(api), routes())
        .merge(capabilities)
        .layer(map_response(|mut response: Response<Body>| async {
            response.headers_mut().insert(TUS_RESUMABLE, VERSION);
            response
        }))
}

/// Names the version of the protocol in an answer of these routes that is not made here.
pub fn name_version(path: &str, headers: &mut HeaderMap) {
    let below = path.strip_prefix(PATH);
    if below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
        headers.insert(TUS_RESUMABLE, VERSION);
    }
}

/// `Some`: the answer to a client of another version.
fn other_version(call: &Call) -> Option<Reply> {
    if call.headers.get(TUS_RESUMABLE) == Some(&VERSION) {
        return None;
    }
    Some(Reply::Bare {
        status: StatusCode::PRECONDITION_FAILED,
        headers: HeaderMap::from_iter([(TUS_VERSION, VERSION)]),
    })
}

async fn create(call: Call) -> Result<Reply> {
    let user = call.caller.user()?;
    if let Some(refused) = other_version(&call) {
        return Ok(refused);
    }
    let length = number(&call, &UPLOAD_LENGTH)?
        .ok_or_else(|| Error::invalid("Upload-Length is missing: say how many bytes will come."))?;
    let metadata = match call.headers.get(UPLOAD_METADATA) {
        Some(metadata) => metadata
            .to_str()
            .map_err(|_| Error::invalid("Upload-Metadata must be ASCII: names, and values in base64."))?,
        None => "",
    };
    if metadata.len() > limits::RESUMABLE_METADATA_BYTES {
        return Err(Error::invalid("Upload-Metadata is longer than 4096 bytes."));
    }
    let name = file_name(metadata)?;
    let begun = call
        .api
        .uploads
        .begin_resumable(user, &name, length, metadata.to_owned())
        .await?;
    let mut headers = progress(&begun);
    let location = format!("{}{PATH}/{}", call.api.settings.base_url(), begun.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    Ok(Reply::Bare {
        status: StatusCode::CREATED,
        headers,
    })
}

async fn look(call: Call) -> Result<Reply> {
    let user = call.caller.user()?;
    if let Some(refused) = other_version(&call) {
        return Ok(refused);
    }
    let resumed = call.api.uploads.look_at_resumable(user, call.path("id")).await?;
    let mut headers = progress(&resumed);
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(resumed.length));
    if let (false, Ok(metadata)) = (resumed.metadata.is_empty(), HeaderValue::from_str(&resumed.metadata)) {
        headers.insert(UPLOAD_METADATA, metadata);
    }
    Ok(Reply::Bare {
        status: StatusCode::OK,
        headers,
    })
}

async fn append(call: Call) -> Result<Reply> {
    let uploader = call.uploader()?;
    if let Some(refused) = other_version(&call) {
        return Ok(refused);
    }
    let content_type = call.headers.get(header::CONTENT_TYPE);
    if content_type.is_none_or(|content_type| content_type != "application/offset+octet-stream") {
        return Err(Error::unsupported_media(
            "The bytes of an upload come as application/offset+octet-stream.",
        ));
    }
    let offset = number(&call, &UPLOAD_OFFSET)?
        .ok_or_else(|| Error::invalid("Upload-Offset is missing: say from where these bytes are."))?;
    let pieces = paced(call.lend_body(), Pace::default()).map(|piece| piece.map_err(body_error));
    let call = Arc::new(call);
    let caller = Arc::clone(&call);
    // What came is kept, for whoever signs in again; but nothing is made of it.
    let judged = stream::once(async move { caller.judge_again(Content::File).await })
        .filter_map(|judged| future::ready(judged.err().map(Err)));
    let resumed = call
        .api
        .uploads
        .resume(uploader, call.path("id"), offset, Box::pin(pieces.chain(judged)))
        .await?;
    Ok(Reply::Bare {
        status: StatusCode::NO_CONTENT,
        headers: progress(&resumed),
    })
}

async fn terminate(call: Call) -> Result<Reply> {
    let user = call.caller.user()?;
    if let Some(refused) = other_version(&call) {
        return Ok(refused);
    }
    call.api.uploads.end_resumable(user, call.path("id")).await?;
    Ok(Reply::NoContent)
}

fn progress(resumed: &Resumed) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(resumed.offset));
    // No cache may tell of an offset that was.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(expires) = http_date(resumed.expires_at) {
        headers.insert(UPLOAD_EXPIRES, expires);
    }
    let attachment = resumed.attachment.as_ref();
    if let Some(Ok(id)) = attachment.map(|id| HeaderValue::from_str(id.as_str())) {
        headers.insert(UPLOAD_ATTACHMENT, id);
    }
    headers
}

/// A time as HTTP writes it (RFC 9110, section 5.6.7).
fn http_date(time: Timestamp) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&time)
        .ok()?;
    HeaderValue::from_str(&text).ok()
}

fn number(call: &Call, name: &HeaderName) -> Result<Option<u64>> {
    let Some(value) = call.headers.get(name) else {
        return Ok(None);
    };
    let digits = value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(Error::invalid(format!("{name} must be a whole number of bytes."))),
    }
}

/// The file's name out of `Upload-Metadata`: pairs with commas between them, each a key and a value in base64.
fn file_name(metadata: &str) -> Result<String> {
    let broken = || Error::invalid("Upload-Metadata must be names, each with its value in base64 behind a blank.");
    let mut name = None;
    for pair in metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).map_err(|_| broken())?;
        if matches!(key, "filename" | "name") && name.is_none() {
            name = Some(String::from_utf8(value).map_err(|_| broken())?);
        }
    }
    Ok(name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_s_name_is_found_among_what_else_a_client_tells() {
        for (metadata, name) in [
            ("", ""),
            ("filename cGxhbi5wZGY=", "plan.pdf"),
            ("filetype aW1hZ2UvcG5n,filename S8O8Y2hlLnBuZw==", "K\u{fc}che.png"),
            ("name YQ==, is_confidential", "a"),
        ] {
            assert_eq!(file_name(metadata).unwrap(), name, "{metadata}");
        }
        for broken in ["filename *", "filename /w==", "filename YQ== x"] {
            assert!(file_name(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_time_is_written_as_http_wants_it() {
        let time = http_date(Timestamp(784_111_777_000)).unwrap();
        assert_eq!(time, "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
