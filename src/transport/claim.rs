//! Claims about a person, as JSON holds them: what signed tokens and sign-in sessions have in common.

use std::time::Duration;

use serde_json::{Map, Value};

use super::token::TokenFault;
use crate::model::{UserId, address, limits};

/// A JSON object in which no name stands twice: of two `sub`, this verifier and another one may take different ones.
pub struct ObjectWithoutRepeats(pub Map<String, Value>);

impl<'de> serde::Deserialize<'de> for ObjectWithoutRepeats {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ObjectWithoutRepeats;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a repeated name"));
                    }
                }
                Ok(ObjectWithoutRepeats(object))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Later than any time that can be written, at the end of the year 9999: who gives one means milliseconds, and would be let
/// in for good.
const NO_TIME_MS: i64 = 253_402_207_200_000;

pub const EXP_IN_MILLISECONDS: &str = "its exp looks like milliseconds; it is in seconds (RFC 7519)";

/// Judges `exp`, which is required, and `nbf`, by clocks that may differ by `leeway`; answers `exp` in milliseconds.
pub fn judge_times(claims: &Map<String, Value>, leeway: Duration, now_ms: i64) -> Result<i64, TokenFault> {
    let leeway_ms = i64::try_from(leeway.as_millis()).unwrap_or(i64::MAX);
    let expires_at_ms = match claims.get("exp") {
        None | Some(Value::Null) => return Err(TokenFault::Invalid("it has no exp")),
        Some(exp) => milliseconds(exp).ok_or(TokenFault::Invalid("its exp is not a number"))?,
    };
    if expires_at_ms >= NO_TIME_MS {
        return Err(TokenFault::Invalid(EXP_IN_MILLISECONDS));
    }
    if expires_at_ms.saturating_add(leeway_ms) <= now_ms {
        return Err(TokenFault::Expired);
    }
    if let Some(not_before_ms) = optional_time(claims, "nbf", "its nbf is not a number")?
        && not_before_ms > now_ms.saturating_add(leeway_ms)
    {
        return Err(TokenFault::Invalid("it is not valid yet"));
    }
    Ok(expires_at_ms)
}

/// `iat` in milliseconds, never later than now. One that is later than clocks may differ is none: whoever was signed out
/// would come back with it as soon as its time had come.
pub fn issued_at_ms(claims: &Map<String, Value>, now_ms: i64) -> Result<Option<i64>, TokenFault> {
    let issued_at_ms = optional_time(claims, "iat", "its iat is not a number")?;
    let latest_ms = now_ms.saturating_add(limits::TOKEN_LEEWAY.as_millis() as i64);
    Ok(issued_at_ms.filter(|at| *at <= latest_ms).map(|at| at.min(now_ms)))
}

fn optional_time(claims: &Map<String, Value>, name: &str, otherwise: &'static str) -> Result<Option<i64>, TokenFault> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => milliseconds(value).map(Some).ok_or(TokenFault::Invalid(otherwise)),
    }
}

/// A `NumericDate` (RFC 7519, section 2), which may have a fraction; a text is none (CVE-2026-25537 was such a text).
fn milliseconds(value: &Value) -> Option<i64> {
    // `as` saturates, so that no number, however large, wraps around into the past.
    value.as_f64().map(|seconds| (seconds * 1000.0) as i64)
}

/// A user id as a claim holds it: a text, or a whole number.
pub fn id_of(claim: &Value) -> Result<String, TokenFault> {
    let id = match claim {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return Err(TokenFault::Invalid("its user id is neither a text nor a whole number")),
    };
    match UserId::parse(&id) {
        Ok(_) => Ok(id),
        Err(_) => Err(TokenFault::Invalid("its user id has a form that ids do not have")),
    }
}

/// What is told of a person beside the id, for display.
pub struct Profile {
    pub name: Option<String>,
    pub email: Option<String>,
    pub image: Option<String>,
    pub role: Option<String>,
}

/// The claims that update the directory.
pub fn profile(claims: &Map<String, Value>) -> Profile {
    Profile {
        name: text(claims, "name", limits::NAME_CHARS),
        email: text(claims, "email", limits::EMAIL_CHARS),
        image: picture(claims, "picture").or_else(|| picture(claims, "image")),
        role: text(claims, "role", limits::ROLE_CHARS),
    }
}

/// The address of a picture; anything else that pages would take for one is left out like what cannot be shown.
fn picture(claims: &Map<String, Value>, name: &str) -> Option<String> {
    text(claims, name, limits::URL_CHARS).filter(|address| address::is_of_picture(address))
}

/// A claim for display. One that cannot be shown, or is longer than such a text may be, is left out whole: it is no
/// reason to lock its bearer out, who did not write the token. The host, which can mend what it sends, is answered 413
/// for the same length by `PUT /v1/users/{id}`.
fn text(claims: &Map<String, Value>, name: &str, most_chars: usize) -> Option<String> {
    let clean: String = claims
        .get(name)?
        .as_str()?
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let clean = clean.trim();
    (!clean.is_empty() && clean.chars().count() <= most_chars).then(|| clean.to_owned())
}
