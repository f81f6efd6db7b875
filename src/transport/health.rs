//! What operators' machines ask: is the process up, can it work, what has it counted.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

use super::metrics;

/// What is counted is written as OpenMetrics, which scrapers that ask for it get under its name; to others it is the
/// older text format, in which the same lines mean the same.
const OPEN_METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);
const PLAIN_METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /healthz`: the process answers.
pub fn healthz() -> Response<Body> {
    answer(StatusCode::OK, JSON, r#"{"status":"up"}"#)
}

/// `GET /readyz`: `fault` says in a sentence why this node should get no traffic now. `is_linked`: whether the bus can be
/// used, where there is one; without it a node works on, so that alone takes no traffic from it.
pub fn readyz(fault: Option<&str>, is_linked: Option<bool>) -> Response<Body> {
    let mut body = serde_json::Map::new();
    let status = match fault {
        None => {
            body.insert("status".to_owned(), "ready".into());
            StatusCode::OK
        }
        Some(fault) => {
            body.insert("status".to_owned(), "not ready".into());
            body.insert("error".to_owned(), fault.into());
            body.insert("code".to_owned(), "UNAVAILABLE".into());
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    if let Some(is_linked) = is_linked {
        body.insert("bus".to_owned(), if is_linked { "up" } else { "away" }.into());
    }
    answer(status, JSON, serde_json::Value::Object(body).to_string())
}

/// `GET /metrics`. `accept`: the request's header of this name.
pub fn metrics(page: String, accept: Option<&str>) -> Response<Body> {
    let asks = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
    answer(StatusCode::OK, if asks { OPEN_METRICS } else { PLAIN_METRICS }, page)
}
