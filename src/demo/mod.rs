//! The sample marketplace of `doorbell demo`: people to sign in as, conversations to look into, and a page that shows
//! two of the people side by side, each on a live socket.
//!
//! Nothing of it is there under `doorbell serve`. Whoever reaches the demo may sign in as anybody, so it listens on
//! loopback alone (`config::Purpose::Demo`).

pub mod clock;
mod draw;
mod fill;
mod sample;
mod talks;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, Response, header};
use serde::Serialize;

pub use clock::SampleClock;

use crate::{
    contracts::{
        json::{self, Fields},
        rest::{self, Api, Reply},
        shape::Person,
    },
    model::{Error, Result, User, limits},
    transport::{
        auth::SESSION_COOKIE,
        http::read_body,
        origin::{OriginVerdict, request_scheme},
        web::{self, Kind},
    },
};

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/demo.css");
const SCRIPT: &str = include_str!("page/demo.js");

/// Fills an empty marketplace; one that is filled stays as it is.
pub async fn fill(api: &Api, clock: &SampleClock) -> Result<()> {
    fill::fill(&api.chat, clock).await
}

/// The page, its pictures, and how to become one of the sample people.
pub fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { web::file(&headers, Kind::Page, PAGE) }),
        )
        .route(
            "/demo/demo.css",
            get(|headers: HeaderMap| async move { web::file(&headers, Kind::Style, STYLE) }),
        )
        .route(
            "/demo/demo.js",
            get(|headers: HeaderMap| async move { web::file(&headers, Kind::Script, SCRIPT) }),
        )
        .route("/demo/people/{name}", get(portrait))
        .route("/demo/listings/{name}", get(illustration))
        .route("/api/demo/users", get(users))
        .route("/api/demo/sign-in", post(sign_in))
        .with_state(Arc::clone(api))
}

async fn portrait(Path(name): Path<String>, headers: HeaderMap) -> Response<Body> {
    match name.strip_suffix(".svg").and_then(sample::person) {
        Some(person) => web::file(&headers, Kind::Picture, draw::portrait(&person.face)),
        None => rest::error_response(&Error::not_found("picture")),
    }
}

async fn illustration(Path(name): Path<String>, headers: HeaderMap) -> Response<Body> {
    match name.strip_suffix(".svg").and_then(sample::listing) {
        Some(listing) => web::file(&headers, Kind::Picture, listing.picture),
        None => rest::error_response(&Error::not_found("picture")),
    }
}

#[derive(Serialize)]
struct Users<'a> {
    users: Vec<Person<'a>>,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    user: Person<'a>,
}

async fn users(State(api): State<Arc<Api>>) -> Response<Body> {
    let answer = async {
        let mut known = Vec::with_capacity(sample::PEOPLE.len());
        for person in &sample::PEOPLE {
            known.extend(api.chat.known_user(person.id).await?);
        }
        // E-mail addresses are shown to their owners alone, here as everywhere.
        Ok(Reply::ok(&Users {
            users: known.iter().map(|user| Person::new(user, None)).collect(),
        }))
    };
    rest::respond(answer.await)
}

async fn sign_in(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let answer = async {
        let (parts, body) = request.into_parts();
        must_be_own_page(&api, &parts.headers)?;
        let body = read_body(body, limits::BODY_BYTES, limits::BODY_TIME)
            .await
            .map_err(rest::body_error)?;
        let id = Fields::from_json(json::parse(&body)?)?.required_id("userId")?;
        let user = match sample::person(&id) {
            Some(person) => api.chat.known_user(person.id).await?,
            None => None,
        };
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        let cookie = Some(session_cookie(&api, &user, &parts.headers)?);
        let body = rest::to_json(&SignedIn {
            user: Person::full(&user),
        });
        Ok(Reply::Json {
            status: http::StatusCode::OK,
            body,
            link: None,
            cookie,
        })
    };
    rest::respond(answer.await)
}

/// A foreign page must not sign its visitor in as somebody. What comes without `Origin` is no browser's, unless it
/// brings a cookie along: then the rule of every change by cookie holds.
fn must_be_own_page(api: &Api, headers: &HeaderMap) -> Result<()> {
    let is_allowed = match api.origins.judge_request(headers) {
        OriginVerdict::None => !headers.contains_key(header::COOKIE) || api.origins.may_change_by_cookie(headers),
        verdict => verdict != OriginVerdict::Foreign,
    };
    match is_allowed {
        true => Ok(()),
        false => Err(Error::forbidden(
            "A request by cookie must come from an allowed origin.",
        )),
    }
}

fn session_cookie(api: &Api, user: &User, headers: &HeaderMap) -> Result<HeaderValue> {
    let (token, _) = api.issue_token(user)?;
    let is_https = request_scheme(headers) == "https" || api.settings.base_url().starts_with("https:");
    let secure = if is_https { "; Secure" } else { "" };
    let lifetime = limits::TOKEN_LIFETIME.as_secs();
    let cookie = format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).map_err(|_| Error::invalid("This user's token does not fit into a cookie."))
}
