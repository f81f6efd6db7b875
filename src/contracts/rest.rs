//! What all REST routes have in common: who calls, how fast, what they send, and how they are answered.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, State},
    routing::{MethodFilter, on},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header, request::Parts};
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    draft,
    form::{self, Form},
    json::{self, Fields},
    query::{self, Query},
    shape::View,
};
use crate::{
    chat::{
        Caller, Chat, People,
        upload::{Uploader, Uploads},
    },
    config::{Scope, Settings},
    model::{Clock, Code, Error, Origin, Result, Timestamp, User, UserId, limits, rate::RetryAfter},
    transport::{
        auth::{Authenticator, Credential},
        client::ClientAddress,
        http::{BodyFault, discard_unread, read_body},
        limit::AddressLimits,
        metrics::Metrics,
        origin::OriginPolicy,
        token,
    },
};

/// What the routes share.
pub struct Api {
    pub chat: Arc<Chat>,
    pub uploads: Arc<Uploads>,
    pub authenticator: Arc<Authenticator>,
    pub origins: Arc<OriginPolicy>,
    pub addresses: Arc<AddressLimits>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub settings: Settings,
    /// Signs the tokens that Doorbell issues.
    pub secret: crate::config::Secret,
}

impl Api {
    /// A token of Doorbell's own for this person, and when it ends.
    pub fn issue_token(&self, user: &User) -> Result<(String, Timestamp)> {
        self.sign_token(user, &[], limits::TOKEN_LIFETIME)
    }

    /// The same for somebody who shows a session, with what is known of the person. It does not outlive the session, which
    /// ends at `session_ends_ms`, in milliseconds since the epoch.
    pub fn issue_session_token(&self, user: &User, session_ends_ms: i64) -> Result<(String, Timestamp)> {
        let left_ms = session_ends_ms.saturating_sub(self.clock.now().as_millis());
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
        let profile = [("name", &user.name), ("email", &user.email), ("picture", &user.image)];
        self.sign_token(user, &profile, left.min(limits::TOKEN_LIFETIME))
    }

    fn sign_token(
        &self,
        user: &User,
        profile: &[(&'static str, &Option<String>)],
        lifetime: Duration,
    ) -> Result<(String, Timestamp)> {
        let party = self.settings.jwt.party();
        let claims = party
            .into_iter()
            .chain(profile.iter().map(|(name, value)| (*name, (*value).clone())))
            .filter_map(|(name, value)| Some((name, value?)));
        let now = self.clock.now().as_millis();
        let minted = token::mint(&self.secret, user.id.as_str(), claims, now, lifetime);
        let (token, ends_at) = minted.map_err(|fault| Error::invalid(fault.to_string()))?;
        Ok((token, Timestamp(ends_at)))
    }
}

/// How a route's requests are counted against a person's rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The verb counts it itself.
    ByVerb,
    /// As one that is a send: its refusals are counted as those of sends, whoever makes them.
    AsSend,
    AsRequest,
}

/// A route: what `openapi.json` describes, and what the router serves.
pub struct Route {
    pub method: Method,
    /// In the router's words: `/chat/{id}/messages`.
    pub path: &'static str,
    pub counted: Counted,
    /// What an API key needs for it; `None`: no key is asked for its scopes, and most such routes are for people alone.
    pub scope: Option<Scope>,
    pub verb: Verb,
}

pub type Answer = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;
pub type Verb = fn(Call) -> Answer;

/// Makes a route of an async function; with the scope that an API key needs for it, where the host application may call it.
macro_rules! route {
    ($method:ident $path:literal $counted:ident $verb:path) => {
        $crate::contracts::rest::Route {
            scope: None,
            ..$crate::contracts::rest::route!($method $path $counted $verb, scope Directory)
        }
    };
    ($method:ident $path:literal $counted:ident $verb:path, scope $scope:ident) => {
        $crate::contracts::rest::Route {
            method: http::Method::$method,
            path: $path,
            counted: $crate::contracts::rest::Counted::$counted,
            scope: Some($crate::config::Scope::$scope),
            verb: |call| Box::pin($verb(call)),
        }
    };
}
pub(super) use route;

/// One request, with a known caller.
pub struct Call {
    pub api: Arc<Api>,
    pub caller: Caller,
    pub credential: Credential,
    /// The person who calls; `None` for the host application.
    pub user: Option<Arc<User>>,
    pub headers: HeaderMap,
    pub uri: Uri,
    client: IpAddr,
    /// What an API key needs for this route.
    scope: Option<Scope>,
    /// When it was last judged who calls.
    judged_at: Instant,
    path: Vec<(String, String)>,
    /// Behind a lock only so that a call may be lent to several tasks, and what was not read be thrown away; nobody ever
    /// waits for it.
    body: Arc<Mutex<Body>>,
}

/// What a route answers.
pub enum Reply {
    Json {
        status: StatusCode,
        body: Vec<u8>,
        link: Option<String>,
        cookie: Option<HeaderValue>,
    },
    /// Can be asked for again with its entity tag.
    Tagged {
        tag: HeaderValue,
        body: Vec<u8>,
        link: Option<String>,
    },
    NotModified {
        tag: HeaderValue,
    },
    NoContent,
    /// To an address that is good for this answer alone.
    Redirect(HeaderValue),
    /// What there is to say stands in its headers.
    Bare {
        status: StatusCode,
        headers: HeaderMap,
    },
}

impl Reply {
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Reply::Json {
            status,
            body: to_json(body),
            link: None,
            cookie: None,
        }
    }

    /// 201 for what was made, 200 for what was there.
    pub fn made(created: bool, body: &impl Serialize) -> Self {
        Self::json(if created { StatusCode::CREATED } else { StatusCode::OK }, body)
    }

    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }
}

pub fn to_json(body: &impl Serialize) -> Vec<u8> {
    // The shapes are structs of texts, numbers and times: writing them cannot fail.
    serde_json::to_vec(body).unwrap_or_default()
}

/// A strong entity tag over everything that is shown (RFC 9110, section 8.8.3).
///
/// The signatures of links need not be left out of it: they follow from the rest of the link, which is the same for
/// hours. What is left is a tag that changes when links would run out, or have died; so a client that is told that nothing
/// has changed holds links that work.
pub fn entity_tag(body: &[u8], link: Option<&str>) -> HeaderValue {
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(link.unwrap_or_default());
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &hash.finalize()[..16] {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

impl Call {
    pub fn query(&self) -> Result<Query> {
        query::parse(self.uri.query().unwrap_or_default())
    }

    /// A part of the path, decoded.
    pub fn path(&self, name: &str) -> &str {
        self.path
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// May this request, a GET, mark what it shows? Browsers send cookies along for any page that asks them to.
    pub fn may_mark(&self) -> bool {
        !matches!(self.credential, Credential::Cookie(_)) || self.api.origins.may_mark_by_cookie(&self.headers)
    }

    pub fn chat(&self) -> &Arc<Chat> {
        &self.api.chat
    }

    pub fn view<'a>(&'a self, people: &'a People) -> View<'a> {
        let viewer = match self.caller {
            Caller::User(user) => Some(user),
            Caller::Host => None,
        };
        View {
            people,
            viewer,
            show_email: self.api.settings.show_email || self.caller == Caller::Host,
            links: self.chat().links(),
        }
    }

    /// The person who calls, and from where, for what is shared out by address.
    pub fn uploader(&self) -> Result<Uploader> {
        Ok(Uploader {
            user: self.caller.user()?,
            address: self.api.addresses.key(self.client),
        })
    }

    /// The person who calls, for payloads that name who acts.
    pub fn person(&self) -> Result<&Arc<User>> {
        self.caller.user()?;
        self.user
            .as_ref()
            .ok_or_else(|| Error::unauthenticated("Sign in first."))
    }

    /// To be called by whatever reads a body, once it has come, and before anything is made of it: whoever was shut out in
    /// the meantime must gain nothing by having kept a request open.
    ///
    /// The end of all sessions is known in memory and always counts. A body that took its time is judged as if the request
    /// came only now: a token that has ended, a key that was taken back, a site that was signed out of. Not so the end of
    /// the token alone during an upload, which shows nobody anything: a large video on a slow line would never arrive by
    /// tokens that live for minutes, and the message that names it needs a good one.
    pub async fn judge_again(&self, content: Content) -> Result<()> {
        if let (Some(user), Credential::Bearer(claims) | Credential::Cookie(claims)) = (&self.user, &self.credential) {
            self.chat()
                .must_still_be_honoured(user.key, claims.issued_at_ms.map(Timestamp))
                .await?;
            if content == Content::File && claims.expires_at_ms <= self.api.clock.now().as_millis() {
                return Ok(());
            }
        }
        if self.judged_at.elapsed() < limits::IDENTITY_STANDS {
            return Ok(());
        }
        let credential = verified(&self.api, &self.headers, self.client).await?;
        person_of(&self.api, &credential, self.scope).await.map(|_| ())
    }

    /// The body, which is then gone.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut *self.body.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// The body, for a verb that may refuse it before its end: what was not read of it by then is thrown away within a bound,
    /// so that the refusal arrives.
    pub fn lend_body(&self) -> Body {
        Body::new(Lent(Arc::clone(&self.body)))
    }

    /// The body as fields: a JSON object, or a form without files.
    pub async fn fields(&mut self) -> Result<Fields> {
        self.fields_to_judge().await?
    }

    /// The same, for a verb that judges what its caller may see before what they wrote: the inner result is the latter.
    pub async fn fields_to_judge(&mut self) -> Result<Result<Fields>> {
        let fields = self.read_fields().await;
        self.judge_again(Content::Words).await?;
        Ok(fields)
    }

    async fn read_fields(&mut self) -> Result<Fields> {
        let boundary = form::boundary(&self.headers)?;
        let body = self.take_body();
        let Some(boundary) = boundary else {
            let read = read_body(body, limits::BODY_BYTES, limits::BODY_TIME).await;
            let read = read.map_err(body_error)?;
            if read.is_empty() {
                return Err(Error::invalid("The request has no body: send a JSON object."));
            }
            // Many clients send JSON and call it something else.
            let parsed = json::parse(&read).map_err(|error| form::as_other_type(&self.headers).unwrap_or(error));
            return Fields::from_json(parsed?);
        };
        Form::new(body, boundary).without_files().await
    }

    /// The body of a person's request. Another identity in it is refused before anything else is judged.
    pub async fn own_fields(&mut self) -> Result<Fields> {
        self.caller.user()?;
        let fields = self.fields().await?;
        draft::must_be_caller(&fields, &self.person()?.id)?;
        Ok(fields)
    }

    /// The body as fields, where there is one.
    pub async fn optional_fields(&mut self) -> Result<Option<Fields>> {
        use axum::body::HttpBody;
        let is_empty = self
            .body
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .is_end_stream();
        if is_empty {
            return Ok(None);
        }
        self.fields().await.map(Some)
    }

    /// The live socket that the request says it comes from, which then hears nothing of it.
    pub fn origin(&self) -> Option<Origin> {
        let socket_id = self.headers.get("x-socket-id")?.to_str().ok()?;
        Some(Origin::of_socket(socket_id))
    }

    /// What the client has already, if it still is what would be sent.
    pub fn has(&self, tag: &HeaderValue) -> bool {
        let held = self
            .headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let tag = tag.to_str().unwrap_or_default();
        // Compared weakly, as RFC 9110, section 13.1.2, wants it.
        held.flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|held| held == "*" || held.trim_start_matches("W/") == tag)
    }

    /// An answer that can be asked for again with its tag.
    pub fn tagged(&self, body: Vec<u8>, link: Option<String>) -> Reply {
        let tag = entity_tag(&body, link.as_deref());
        match self.has(&tag) {
            true => Reply::NotModified { tag },
            false => Reply::Tagged { tag, body, link },
        }
    }

    /// This request's address with another cursor, for `Link: <...>; rel="next"` (RFC 8288).
    pub fn next_link(&self, cursor: Option<&str>) -> Option<String> {
        let cursor = cursor?;
        let kept = self.uri.query().unwrap_or_default().split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !matches!(name, "" | "cursor" | "before" | "after" | "wait")
        });
        let query: Vec<&str> = kept.collect();
        let separator = if query.is_empty() { "" } else { "&" };
        Some(format!(
            "<{}?{}{separator}cursor={cursor}>; rel=\"next\"",
            self.uri.path(),
            query.join("&")
        ))
    }
}

/// What a body brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Something that others will see, or that changes what is there; also with files beside it.
    Words,
    /// A file alone, of which nobody learns until it is named.
    File,
}

/// A body that stays with its request.
struct Lent(Arc<Mutex<Body>>);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }
}

pub(crate) fn body_error(fault: BodyFault) -> Error {
    match fault {
        BodyFault::TooLarge => Error::too_large(fault.to_string()),
        BodyFault::TooSlow | BodyFault::Stalled | BodyFault::Broken => Error::invalid(fault.to_string()),
    }
}

/// A router of these routes. What is not among them does not exist.
pub fn router(api: Arc<Api>, routes: impl IntoIterator<Item = Route>) -> Router {
    let mut router = Router::new();
    for Route {
        method,
        path,
        counted,
        scope,
        verb,
    } in routes
    {
        let Ok(filter) = MethodFilter::try_from(method) else {
            continue;
        };
        let handler = move |State(api): State<Arc<Api>>, params: RawPathParams, request: Request| async move {
            let (started, method) = (Instant::now(), request.method().clone());
            let path_parameters = params
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let is_held = is_held(request.uri());
            let (parts, body) = request.into_parts();
            // Who waits to be asked for the body has sent none.
            let (is_sent, body) = (!parts.headers.contains_key(header::EXPECT), Arc::new(Mutex::new(body)));
            let outcome = answer(
                Arc::clone(&api),
                path_parameters,
                (parts, Arc::clone(&body)),
                (counted, scope),
                verb,
            )
            .await;
            if let Err(Error { code, .. }) = &outcome {
                if counted == Counted::AsSend {
                    api.chat.count_refused_send(*code);
                }
                tracing::debug!(%method, route = path, code = code.as_str(), "a request was refused");
                let unread = std::mem::take(&mut *body.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
                if is_sent {
                    discard_unread(unread).await;
                }
            }
            let response = respond(outcome);
            api.metrics
                .http_answered(&format!("{method} {path}"), response.status().as_u16());
            if !is_held {
                api.metrics.http_took(started.elapsed());
            }
            response
        };
        router = router.route(path, on(filter, handler));
    }
    router.with_state(api)
}

/// Who makes a request.
pub async fn credential(api: &Api, request: &Parts) -> Result<Credential> {
    verified(api, &request.headers, client_of(request)).await
}

async fn verified(api: &Api, headers: &HeaderMap, client: IpAddr) -> Result<Credential> {
    let now_ms = api.clock.now().as_millis();
    api.authenticator.identify(headers, now_ms, client).await
}

/// The person whom this is, or `None` for the host application, whose key may do what the route needs.
async fn person_of(api: &Api, credential: &Credential, scope: Option<Scope>) -> Result<Option<Arc<User>>> {
    match credential {
        Credential::ApiKey(scopes) => match scope.filter(|scope| !scopes.contains(*scope)) {
            Some(scope) => Err(Error::forbidden(format!(
                "This API key may not do this: it needs the scope {}.",
                scope.as_str()
            ))),
            None => Ok(None),
        },
        Credential::Bearer(claims) | Credential::Cookie(claims) => {
            api.chat.sign_in(&super::claims(claims)).await.map(Some)
        }
    }
}

/// Where it comes from.
fn client_of(request: &Parts) -> IpAddr {
    match request.extensions.get::<ClientAddress>() {
        Some(ClientAddress(client)) => *client,
        // Whoever calls the router itself is this machine.
        None => Ipv4Addr::LOCALHOST.into(),
    }
}

async fn answer(
    api: Arc<Api>,
    path: Vec<(String, String)>,
    (parts, body): (Parts, Arc<Mutex<Body>>),
    (counted, scope): (Counted, Option<Scope>),
    verb: Verb,
) -> Result<Reply> {
    let judged_at = Instant::now();
    let credential = credential(&api, &parts).await?;
    let is_change = !matches!(parts.method, Method::GET | Method::HEAD);
    if matches!(credential, Credential::Cookie(_)) && is_change && !api.origins.may_change_by_cookie(&parts.headers) {
        return Err(Error::forbidden(
            "A request by cookie must come from an allowed origin.",
        ));
    }
    let user = person_of(&api, &credential, scope).await?;
    let caller = user.as_ref().map_or(Caller::Host, |user| Caller::User(user.key));
    if let Some(user) = &user {
        api.chat.requested(user.key);
        must_be_caller_in_query(&parts.uri, &user.id)?;
    }
    if let (Caller::User(user), Counted::AsRequest) = (caller, counted) {
        api.chat.count_request(user)?;
    }
    let held = is_held(&parts.uri).then(|| (Arc::clone(&api), credential.clone()));
    let reply = verb(Call {
        client: client_of(&parts),
        api,
        caller,
        credential,
        user,
        headers: parts.headers,
        uri: parts.uri,
        scope,
        judged_at,
        path,
        body,
    })
    .await;
    if let Some((api, Credential::Bearer(claims) | Credential::Cookie(claims))) = &held {
        // While it was held their sessions may have been ended: what has come since is not for them.
        api.chat.sign_in(&super::claims(claims)).await?;
    }
    reply
}

/// May this request be held until something new arrives?
fn is_held(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("wait="))
}

/// A query that names somebody else as the one who asks is refused, on whatever route.
fn must_be_caller_in_query(uri: &Uri, caller: &UserId) -> Result<()> {
    // A query that cannot be read is for the route to refuse.
    let Ok(query) = query::parse(uri.query().unwrap_or_default()) else {
        return Ok(());
    };
    match query.get("userId") {
        Some(id) if id != caller.as_str() => {
            Err(Error::forbidden("userId is not you: who asks is who the token says."))
        }
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    code: Code,
    #[serde(rename = "retryAfterMs", skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// An error as every route answers it.
pub fn error_response(error: &Error) -> Response<Body> {
    let retry_after = error.retry_after.map(RetryAfter);
    let body = to_json(&ErrorBody {
        error: &error.message,
        code: error.code,
        retry_after_ms: retry_after.map(RetryAfter::milliseconds),
    });
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, body);
    if let Some(time) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(time.seconds()));
    }
    response
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer to a request.
pub fn respond(outcome: Result<Reply>) -> Response<Body> {
    let with_link = |mut response: Response<Body>, link: Option<String>| {
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    };
    match outcome {
        Ok(Reply::Json {
            status,
            body,
            link,
            cookie,
        }) => {
            let mut response = with_link(json_response(status, body), link);
            if let Some(cookie) = cookie {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Reply::Tagged { tag, body, link }) => {
            let mut response = with_link(json_response(StatusCode::OK, body), link);
            response.headers_mut().insert(header::ETAG, tag);
            response
        }
        Ok(Reply::NotModified { tag }) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().insert(header::ETAG, tag);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            response
        }
        Ok(Reply::NoContent) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Ok(Reply::Redirect(location)) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::FOUND;
            let headers = response.headers_mut();
            headers.insert(header::LOCATION, location);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Reply::Bare { status, headers }) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) => error_response(&error),
    }
}
