//! The sample marketplace of `doorbell demo`: people to sign in as, listings to look at, and conversations to look into. Its
//! pages are those of the binary (`server/pages.rs`), which ask here for what is on offer.
//!
//! Nothing of it is there under `doorbell serve`. Whoever reaches the demo may sign in as anybody, so it listens on
//! loopback alone (`config::Purpose::Demo`).

pub mod clock;
mod draw;
mod fill;
mod interior;
mod offers;
mod sample;
mod shop;
mod talks;

use std::{sync::Arc, time::Duration};

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
    model::{Error, Result, Timestamp, User, limits},
    transport::{
        auth::{Credential, SESSION_COOKIE},
        http::read_body,
        origin::{OriginVerdict, request_scheme},
        web::{self, Kind},
    },
};

/// Fills an empty marketplace; one that is filled stays as it is.
pub async fn fill(api: &Api, clock: &SampleClock) -> Result<()> {
    fill::fill(&api.chat, &api.uploads, clock).await
}

/// What is on offer, its pictures, and how to become one of the sample people.
pub fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/demo/people/{name}", get(portrait))
        .route("/demo/listings/{name}", get(illustration))
        .route("/demo/listings/{listing}/{name}", get(interior))
        .route("/api/demo/listings", get(listings))
        .route("/api/demo/listings/{id}", get(listing))
        .route("/api/demo/users", get(users))
        .route("/api/demo/session", get(session))
        .route("/api/demo/sign-in", post(sign_in))
        .route("/api/demo/sign-out", post(sign_out))
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

async fn interior(Path((listing, name)): Path<(String, String)>, headers: HeaderMap) -> Response<Body> {
    let drawn = name
        .strip_suffix(".svg")
        .and_then(|name| shop::interior(&listing, name));
    match drawn {
        Some(drawn) => web::file(&headers, Kind::Picture, drawn),
        None => rest::error_response(&Error::not_found("picture")),
    }
}

async fn listings(State(api): State<Arc<Api>>) -> Response<Body> {
    let answer = async { Ok(Reply::ok(&shop::listings(&people(&api).await?))) };
    rest::respond(answer.await)
}

async fn listing(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Response<Body> {
    let answer = async {
        let people = people(&api).await?;
        let listing = shop::listing(&id, &people).ok_or_else(|| Error::not_found("listing"))?;
        Ok(Reply::ok(&listing))
    };
    rest::respond(answer.await)
}

/// The sample people as the directory knows them.
async fn people(api: &Api) -> Result<Vec<Arc<User>>> {
    let mut known = Vec::with_capacity(sample::PEOPLE.len());
    for person in &sample::PEOPLE {
        known.extend(api.chat.known_user(person.id).await?);
    }
    Ok(known)
}

#[derive(Serialize)]
struct Users<'a> {
    users: Vec<Person<'a>>,
}

async fn users(State(api): State<Arc<Api>>) -> Response<Body> {
    let answer = async {
        let people = people(&api).await?;
        // E-mail addresses are shown to their owners alone, here as everywhere.
        Ok(Reply::ok(&Users {
            users: people.iter().map(|user| Person::new(user, None)).collect(),
        }))
    };
    rest::respond(answer.await)
}

#[derive(Serialize)]
struct Session<'a> {
    /// `None`: nobody is signed in.
    user: Option<Person<'a>>,
}

/// Whose the cookie is. To be nobody is no fault here, where visitors begin as nobody.
async fn session(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let answer = async {
        let (parts, _) = request.into_parts();
        let user = match &rest::credential(&api, &parts).await {
            Ok(Credential::Cookie(claims) | Credential::Bearer(claims)) => api.chat.known_user(&claims.user_id).await?,
            Ok(Credential::ApiKey(_)) | Err(_) => None,
        };
        Ok(Reply::ok(&Session {
            user: user.as_deref().map(Person::full),
        }))
    };
    rest::respond(answer.await)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedIn<'a> {
    user: Person<'a>,
    /// For one tab alone, so that two people can be looked at in one browser, which has one cookie.
    token: String,
    expires_at: Timestamp,
}

async fn sign_in(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let answer = async {
        let (parts, body) = request.into_parts();
        must_be_own_page(&api, &parts.headers)?;
        let body = read_body(body, limits::BODY_BYTES, limits::BODY_TIME)
            .await
            .map_err(rest::body_error)?;
        let fields = Fields::from_json(json::parse(&body)?)?;
        let id = fields.required_id("userId")?;
        let wants_cookie = fields.boolean("cookie")?.unwrap_or(true);
        let user = match sample::person(&id) {
            Some(person) => api.chat.known_user(person.id).await?,
            None => None,
        };
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        let (token, expires_at) = api.issue_token(&user)?;
        let cookie = match wants_cookie {
            true => Some(session_cookie(&api, &token, limits::TOKEN_LIFETIME, &parts.headers)?),
            false => None,
        };
        let body = rest::to_json(&SignedIn {
            user: Person::full(&user),
            token,
            expires_at,
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

/// Ends the cookie. Tabs that have a token of their own go on.
async fn sign_out(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response<Body> {
    let answer = must_be_own_page(&api, &headers).and_then(|()| {
        Ok(Reply::Json {
            status: http::StatusCode::OK,
            body: rest::to_json(&Session { user: None }),
            link: None,
            cookie: Some(session_cookie(&api, "", Duration::ZERO, &headers)?),
        })
    });
    rest::respond(answer)
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

/// A `lifetime` of nothing removes the cookie.
fn session_cookie(api: &Api, token: &str, lifetime: Duration, headers: &HeaderMap) -> Result<HeaderValue> {
    let is_https = request_scheme(headers) == "https" || api.settings.base_url().starts_with("https:");
    let secure = if is_https { "; Secure" } else { "" };
    let lifetime = lifetime.as_secs();
    let cookie = format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).map_err(|_| Error::invalid("This user's token does not fit into a cookie."))
}
