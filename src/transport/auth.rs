//! Who makes a request: its API key, its bearer token, its own session cookie, or that of the host application's sign-in, in
//! this order.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq;

use super::{
    jwks::KeySet,
    limit::{AddressLimits, Credentials},
    session::{Sessions, cookie},
    token::{Claims, TokenFault, TokenVerifier},
};
use crate::{
    config::{ApiKey, Scopes},
    model::{Error, Result, rate::RetryAfter},
};

/// The cookie of a session that Doorbell itself has opened.
pub const SESSION_COOKIE: &str = "doorbell_session";

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How a request says who makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The host application, by an API key that may do so much.
    ApiKey(Scopes),
    /// Somebody, by `Authorization: Bearer`.
    Bearer(Claims),
    /// Somebody, by a session cookie: sent by browsers unasked, so a change needs a known origin, too.
    Cookie(Claims),
}

/// Why nobody is signed in by a token or session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    Fault(TokenFault),
    /// Its address has shown too many that are none.
    TooMany(RetryAfter),
}

pub struct Authenticator {
    verifier: TokenVerifier,
    sessions: Sessions,
    api_keys: RwLock<Arc<[ApiKey]>>,
    limits: Arc<AddressLimits>,
}

impl Authenticator {
    pub fn new(verifier: TokenVerifier, sessions: Sessions, api_keys: Vec<ApiKey>, limits: Arc<AddressLimits>) -> Self {
        Authenticator {
            verifier,
            sessions,
            api_keys: RwLock::new(api_keys.into()),
            limits,
        }
    }

    /// From now on these keys count, and no others. `false`: they are those that counted before.
    pub fn replace_api_keys(&self, keys: Vec<ApiKey>) -> bool {
        let mut known = self.api_keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = known[..] != keys[..];
        *known = keys.into();
        is_new
    }

    /// The issuers whose public keys are to be kept fresh.
    pub fn key_sets(&self) -> &[Arc<KeySet>] {
        self.verifier.key_sets()
    }

    pub(super) fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// A signed token, or a session in its place, from a client at this address. `now_ms`: milliseconds since the epoch.
    pub async fn verify(&self, token: &str, now_ms: i64, client: IpAddr) -> std::result::Result<Claims, Denied> {
        let verified = match Sessions::is_session(token) {
            true => self.sessions.read_token(token, now_ms),
            false => self.verifier.verify(token, now_ms).await,
        };
        verified.map_err(|fault| {
            tracing::debug!(code = fault.code(), reason = %fault, "a token was refused");
            self.denied(fault, client)
        })
    }

    /// Counts what may be a guess. An expired token was a good one, nobody's is no guess, and a site that is away is nobody's
    /// fault here.
    fn denied(&self, fault: TokenFault, client: IpAddr) -> Denied {
        match fault {
            TokenFault::Invalid(_) => match self.limits.take_failure(Credentials::Session, client) {
                Ok(()) => Denied::Fault(fault),
                Err(wait) => Denied::TooMany(wait),
            },
            TokenFault::Missing | TokenFault::Expired | TokenFault::Unavailable(_) => Denied::Fault(fault),
        }
    }

    /// The first kind of credential that is present decides; a bad one is not made good by another.
    pub async fn identify(&self, headers: &HeaderMap, now_ms: i64, client: IpAddr) -> Result<Credential> {
        for name in [&X_API_KEY, &header::AUTHORIZATION] {
            // Of two, another program on the way may take the other one.
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(Error::invalid(format!(
                    "The header {name} is there twice; send it once."
                )));
            }
        }
        if let Some(key) = headers.get(&X_API_KEY) {
            // It can be guessed: whoever has guessed too often is not told of a right one.
            if let Err(wait) = self.limits.may_try(Credentials::ApiKey, client) {
                self.limits.count_not_tried();
                return Err(too_many_failures(wait));
            }
            if let Some((_, scopes)) = key.to_str().ok().and_then(|key| self.api_key(key)) {
                return Ok(Credential::ApiKey(scopes));
            }
            self.limits
                .take_failure(Credentials::ApiKey, client)
                .map_err(too_many_failures)?;
            return Err(Error::unauthenticated("This API key is not valid."));
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(bearer_token);
            let token = token.ok_or_else(|| Error::unauthenticated("Authorization must be a Bearer token."))?;
            return Ok(Credential::Bearer(self.verify(token, now_ms, client).await?));
        }
        let own = cookie::pairs(headers).find(|(name, _)| *name == SESSION_COOKIE);
        let session = match own {
            Some((_, token)) => Some(self.verify(token, now_ms, client).await),
            None => {
                // The site is not asked for whoever makes cookies up; what it has said is still known.
                let may_ask = self.limits.may_try(Credentials::Session, client);
                let read = self.sessions.read(headers, now_ms, may_ask.is_ok()).await;
                read.map(|read| {
                    read.map_err(|fault| match (fault, may_ask) {
                        (TokenFault::Unavailable(_), Err(wait)) => {
                            self.limits.count_not_tried();
                            Denied::TooMany(wait)
                        }
                        (fault, _) => self.denied(fault, client),
                    })
                })
            }
        };
        match session {
            Some(session) => Ok(Credential::Cookie(session?)),
            None => Err(Error::unauthenticated(
                "Sign in first: there is no token, session or API key.",
            )),
        }
    }

    /// The place of an API key among all, from 1, and what it may do.
    pub(super) fn api_key(&self, key: &str) -> Option<(usize, Scopes)> {
        let known = Arc::clone(&self.api_keys.read().unwrap_or_else(PoisonError::into_inner));
        // Every key is compared, so that the time tells nothing of which one is near.
        (1..).zip(known.iter()).fold(None, |found, (place, known)| {
            let is_equal = bool::from(known.key.expose().as_bytes().ct_eq(key.as_bytes()));
            if is_equal { Some((place, known.scopes)) } else { found }
        })
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::TooMany(wait) => too_many_failures(wait),
            Denied::Fault(fault @ TokenFault::Unavailable(_)) => Error::unavailable(fault.to_string()),
            Denied::Fault(fault) => Error::unauthenticated(fault.to_string()),
        }
    }
}

fn too_many_failures(wait: RetryAfter) -> Error {
    Error::rate_limited("failed sign-ins from this address", wait.0)
}

/// RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
