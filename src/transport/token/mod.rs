//! Bearer tokens: who is this, and until when?
//!
//! A token is a JWT (RFC 7519), signed with HMAC-SHA-256 by a shared secret, or with RS256, ES256 or EdDSA by a key whose
//! public half its issuer publishes ([`jwks`](super::jwks)). The signature is checked by `jsonwebtoken`; header and claims
//! are read here, since that library of itself neither honours `nbf`, nor refuses a claim that stands there twice, nor
//! knows which claims this product takes. What is refused, and why, is one table in the tests beside this.

mod explain;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Map, Value};

use super::{
    claim::{ObjectWithoutRepeats, Profile, id_of, issued_at_ms, judge_times, profile},
    jwks::KeySet,
};
use crate::config::{JwtSettings, Secret};
use crate::model::limits;

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The first present of `sub`, `userId`, `id`: 1 to 128 characters out of `A-Za-z0-9_.:@-`.
    pub user_id: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// `picture`, else `image`.
    pub image: Option<String>,
    pub role: Option<String>,
    /// `iat` in milliseconds since the epoch; never later than now, so that no token outlives the host's own `PUT`. One
    /// from the future, beyond what clocks may differ, says nothing.
    pub issued_at_ms: Option<i64>,
    /// `exp` in milliseconds since the epoch, without leeway.
    pub expires_at_ms: i64,
}

/// Why a token does not identify anybody. Each sentence is fit for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("There is no token.")]
    Missing,
    #[error("The token has expired.")]
    Expired,
    #[error("The token is not valid: {0}.")]
    Invalid(&'static str),
    /// The site whose session it is, or the issuer whose keys it needs, does not answer now; waiting helps.
    #[error("Nobody can be signed in now: {0}.")]
    Unavailable(&'static str),
}

impl TokenFault {
    /// As `err.data.code` carries it.
    pub fn code(&self) -> &'static str {
        match self {
            TokenFault::Missing => "TOKEN_MISSING",
            TokenFault::Expired => "TOKEN_EXPIRED",
            TokenFault::Invalid(_) => "TOKEN_INVALID",
            TokenFault::Unavailable(_) => "UNAVAILABLE",
        }
    }
}

/// Verifies tokens.
pub struct TokenVerifier {
    secrets: Vec<DecodingKey>,
    key_sets: Vec<Arc<KeySet>>,
    issuers: Vec<String>,
    audiences: Vec<String>,
}

impl TokenVerifier {
    /// A token may be signed with any of `secrets`, or with a key of an issuer that `settings` names. Fails where an
    /// issuer could never be asked from here, in a sentence for the operator.
    pub fn new(secrets: impl IntoIterator<Item = Secret>, settings: &JwtSettings) -> Result<Self, String> {
        let secrets = secrets
            .into_iter()
            // An empty key would verify whatever anybody signs with nothing.
            .filter(|secret| !secret.expose().is_empty())
            .map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()))
            .collect();
        let key_sets = settings.key_sets.iter().map(|set| KeySet::new(set).map(Arc::new));
        Ok(TokenVerifier {
            secrets,
            key_sets: key_sets.collect::<Result<_, _>>()?,
            issuers: settings.issuers.clone(),
            audiences: settings.audiences.clone(),
        })
    }

    /// The issuers whose keys are to be kept fresh.
    pub fn key_sets(&self) -> &[Arc<KeySet>] {
        &self.key_sets
    }

    /// Checks signature, time, issuer and audience, in this order; `now_ms` is milliseconds since the epoch. Waits for the
    /// issuer only where its keys are not known yet, or not that one.
    pub async fn verify(&self, token: &str, now_ms: i64) -> Result<Claims, TokenFault> {
        if token.is_empty() {
            return Err(TokenFault::Missing);
        }
        let unverified = Unverified::read(token)?;
        match unverified.algorithm {
            Algorithm::HS256 => {
                self.check_secrets(&unverified)?;
                self.judge_issuer_of_secret(&unverified.claims()?)?;
            }
            _ => self.check_key_sets(&unverified).await?,
        }
        self.judge(&unverified.claims()?, now_ms)
    }

    fn judge(&self, claims: &Map<String, Value>, now_ms: i64) -> Result<Claims, TokenFault> {
        let expires_at_ms = judge_times(claims, limits::TOKEN_LEEWAY, now_ms)?;
        self.judge_issuer(claims)?;
        self.judge_audience(claims)?;
        let Profile {
            name,
            email,
            image,
            role,
        } = profile(claims);
        Ok(Claims {
            user_id: user_id(claims)?,
            name,
            email,
            image,
            role,
            issued_at_ms: issued_at_ms(claims, now_ms)?,
            expires_at_ms,
        })
    }

    fn judge_issuer(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        let named = issuer(claims);
        let is_known = |known: &String| named == Some(known.as_str());
        match self.issuers.is_empty() || self.issuers.iter().any(is_known) {
            true => Ok(()),
            false => Err(TokenFault::Invalid("it comes from another issuer")),
        }
    }

    /// Where an issuer is configured for the shared secret, nobody else's name is signed with it.
    fn judge_issuer_of_secret(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        let has_own = self.issuers.len() > self.key_sets.len();
        let named = issuer(claims);
        let is_of_keys = named.is_some() && self.key_sets.iter().any(|set| set.issuer() == named);
        match has_own && is_of_keys {
            true => Err(TokenFault::Invalid(
                "its issuer signs with keys of its own, and not with the shared secret",
            )),
            false => Ok(()),
        }
    }

    fn judge_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        let is_named = |audience: &String| names_audience(claims.get("aud"), audience);
        match self.audiences.is_empty() || self.audiences.iter().any(is_named) {
            true => Ok(()),
            false => Err(TokenFault::Invalid("it is meant for another audience")),
        }
    }

    fn check_secrets(&self, token: &Unverified<'_>) -> Result<(), TokenFault> {
        match self.secrets.iter().any(|key| token.is_signed_with(key)) {
            true => Ok(()),
            false => Err(TokenFault::Invalid(WRONG_SIGNATURE)),
        }
    }

    /// The keys of the issuer that the token names are tried, and no others: what one issuer signs in another's name is
    /// signed by nobody.
    async fn check_key_sets(&self, token: &Unverified<'_>) -> Result<(), TokenFault> {
        let claims = token.claims()?;
        let mut sets = self.sets_of(issuer(&claims)).peekable();
        if sets.peek().is_none() {
            return Err(TokenFault::Invalid(match self.key_sets.is_empty() {
                true => "it is signed with a public key, and this server was given no DOORBELL_JWKS_URL",
                false => "it comes from another issuer",
            }));
        }
        let mut fault = TokenFault::Invalid(WRONG_SIGNATURE);
        for set in sets {
            match set.check(token).await {
                Ok(()) => return Ok(()),
                // Where one issuer cannot be asked, nobody knows whether it would have been its token.
                Err(found) if !matches!(fault, TokenFault::Unavailable(_)) => fault = found,
                Err(_) => {}
            }
        }
        Err(fault)
    }

    fn sets_of<'a>(&'a self, issuer: Option<&'a str>) -> impl Iterator<Item = &'a Arc<KeySet>> {
        self.key_sets
            .iter()
            .filter(move |set| set.issuer().is_none() || set.issuer() == issuer)
    }
}

/// Whoever made the token, it is not to be believed.
pub(super) const WRONG_SIGNATURE: &str = "its signature is wrong";

/// A token whose form is right. Nothing in it is to be believed yet.
pub(super) struct Unverified<'a> {
    pub(super) algorithm: Algorithm,
    /// Names a key and proves nothing. It is compared, and never looked up anywhere.
    pub(super) key_id: Option<String>,
    /// What is signed.
    message: &'a [u8],
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    fn read(token: &'a str) -> Result<Self, TokenFault> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(TokenFault::Invalid("it is too long"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Invalid("it does not have three parts"));
        };
        let header = decode_object(header).ok_or(TokenFault::Invalid("its header cannot be read"))?;
        // What is taken is ours to say, not the token's: with its own choice it could be "none". Keys that it brings along
        // or names by an address (jwk, jku, x5c, x5u) are not looked at.
        let algorithm = match header.get("alg").and_then(Value::as_str) {
            Some("HS256") => Algorithm::HS256,
            Some("RS256") => Algorithm::RS256,
            Some("ES256") => Algorithm::ES256,
            Some("EdDSA") => Algorithm::EdDSA,
            _ => {
                return Err(TokenFault::Invalid(
                    "it is not signed with HS256, RS256, ES256 or EdDSA",
                ));
            }
        };
        // RFC 7515, section 4.1.11: what must be understood, and is not, is refused. We understand no extension.
        if header.contains_key("crit") {
            return Err(TokenFault::Invalid("it asks for an extension"));
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(TokenFault::Invalid("its kid is not a text")),
        };
        Ok(Unverified {
            algorithm,
            key_id,
            message: &token.as_bytes()[..token.len() - signature.len() - 1],
            payload,
            signature,
        })
    }

    /// With the algorithm that the header names, which must be the key's own.
    pub(super) fn is_signed_with(&self, key: &DecodingKey) -> bool {
        jsonwebtoken::crypto::verify(self.signature, self.message, key, self.algorithm).is_ok_and(|is_right| is_right)
    }

    fn claims(&self) -> Result<Map<String, Value>, TokenFault> {
        decode_object(self.payload).ok_or(TokenFault::Invalid("its claims cannot be read"))
    }
}

fn issuer(claims: &Map<String, Value>) -> Option<&str> {
    claims.get("iss").and_then(Value::as_str)
}

/// Signs a token for `user_id` that Doorbell's own verifier takes; answers it with its `exp` in milliseconds.
///
/// `profile` holds further claims: `name`, `email`, `picture`, `role`, `iss`, `aud`. Those that Doorbell sets itself
/// (`sub`, `iat`, `exp`) cannot be overridden by it.
pub fn mint(
    secret: &Secret,
    user_id: &str,
    profile: impl IntoIterator<Item = (&'static str, String)>,
    now_ms: i64,
    lifetime: Duration,
) -> Result<(String, i64), MintFault> {
    if !is_user_id(user_id) {
        return Err(MintFault::UserId);
    }
    let expires_at = now_ms
        .div_euclid(1000)
        .saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 1000));
    let mut claims: Map<String, Value> = profile
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    claims.insert("sub".to_owned(), user_id.into());
    // With its milliseconds (RFC 7519, section 2): whoever was signed out a moment ago may sign in anew in the same second.
    let issued_at = match now_ms.rem_euclid(1000) {
        0 => Value::from(now_ms.div_euclid(1000)),
        _ => Value::from(now_ms as f64 / 1000.0),
    };
    claims.insert("iat".to_owned(), issued_at);
    claims.insert("exp".to_owned(), expires_at.into());
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(secret.expose().as_bytes()),
    )
    .map_err(|_| MintFault::Signing)?;
    Ok((token, expires_at.saturating_mul(1000)))
}

/// Why no token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintFault {
    #[error("a user id must have 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -")]
    UserId,
    #[error("the token could not be signed")]
    Signing,
}

fn decode_object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let object: ObjectWithoutRepeats = serde_json::from_slice(&bytes).ok()?;
    Some(object.0)
}

fn names_audience(claim: Option<&Value>, audience: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

fn user_id(claims: &Map<String, Value>) -> Result<String, TokenFault> {
    let claim = ["sub", "userId", "id"]
        .into_iter()
        .find_map(|name| claims.get(name).filter(|value| !value.is_null()))
        .ok_or(TokenFault::Invalid("it names no user (sub, userId or id)"))?;
    id_of(claim)
}

/// Does the text have the form of a user id?
pub fn is_user_id(text: &str) -> bool {
    (1..=limits::ID_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:@-".contains(&b))
}
