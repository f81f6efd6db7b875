//! Who makes a request: its API key, its bearer token, its own session cookie, or that of the host application's sign-in, in
//! this order.

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use super::{
    session::{Sessions, cookie},
    token::{Claims, TokenFault, TokenVerifier},
};
use crate::{
    config::Secret,
    model::{Error, Result},
};

/// The cookie of a session that Doorbell itself has opened.
pub const SESSION_COOKIE: &str = "doorbell_session";

/// How a request says who makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The host application, by its API key.
    ApiKey,
    /// Somebody, by `Authorization: Bearer`.
    Bearer(Claims),
    /// Somebody, by a session cookie: sent by browsers unasked, so a change needs a known origin, too.
    Cookie(Claims),
}

pub struct Authenticator {
    verifier: TokenVerifier,
    sessions: Sessions,
    api_keys: Vec<Secret>,
}

impl Authenticator {
    pub fn new(verifier: TokenVerifier, sessions: Sessions, api_keys: Vec<Secret>) -> Self {
        Authenticator {
            verifier,
            sessions,
            api_keys,
        }
    }

    /// A signed token, or a session in its place. `now_ms`: milliseconds since the epoch.
    pub async fn verify(&self, token: &str, now_ms: i64) -> std::result::Result<Claims, TokenFault> {
        let verified = match Sessions::is_session(token) {
            true => self.sessions.read_token(token, now_ms),
            false => self.verifier.verify(token, now_ms),
        };
        verified.inspect_err(|fault| tracing::debug!(code = fault.code(), reason = %fault, "a token was refused"))
    }

    /// The first kind of credential that is present decides; a bad one is not made good by another.
    pub async fn identify(&self, headers: &HeaderMap, now_ms: i64) -> Result<Credential> {
        if let Some(key) = headers.get("x-api-key") {
            return match self.is_api_key(key.as_bytes()) {
                true => Ok(Credential::ApiKey),
                false => Err(Error::unauthenticated("This API key is not valid.")),
            };
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(bearer_token);
            let token = token.ok_or_else(|| Error::unauthenticated("Authorization must be a Bearer token."))?;
            return self
                .verify(token, now_ms)
                .await
                .map(Credential::Bearer)
                .map_err(unauthenticated);
        }
        let own = cookie::pairs(headers).find(|(name, _)| *name == SESSION_COOKIE);
        let session = match own {
            Some((_, token)) => Some(self.verify(token, now_ms).await),
            None => self.sessions.read(headers, now_ms).await,
        };
        match session {
            Some(session) => session.map(Credential::Cookie).map_err(unauthenticated),
            None => Err(Error::unauthenticated(
                "Sign in first: there is no token, session or API key.",
            )),
        }
    }

    fn is_api_key(&self, key: &[u8]) -> bool {
        // Every key is compared, so that the time tells nothing of which one is near.
        self.api_keys.iter().fold(false, |found, known| {
            found | bool::from(known.expose().as_bytes().ct_eq(key))
        })
    }
}

fn unauthenticated(fault: TokenFault) -> Error {
    match fault {
        TokenFault::SiteUnavailable(_) => Error::unavailable(fault.to_string()),
        _ => Error::unauthenticated(fault.to_string()),
    }
}

/// RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
