//! Bearer tokens: who is this, and until when?
//!
//! A token is a JWT signed with HMAC-SHA-256 (RFC 7519, RFC 7518 section 3.2). The signature is checked by
//! `jsonwebtoken`; header and claims are read here, since that library of itself neither honours `nbf`, nor refuses a
//! claim that stands there twice, nor knows which claims this product takes. What is refused, and why, is one table in
//! the tests below.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Map, Value};
use std::time::Duration;

use super::claim::{ObjectWithoutRepeats, id_of, issued_at_ms, judge_times, text};
use crate::config::Secret;
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
    /// `iat` in milliseconds since the epoch; never later than now, so that no token outlives the host's own `PUT`.
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
    /// The site whose session it is does not say now whether it is valid; waiting helps.
    #[error("Nobody can be signed in now: {0}.")]
    SiteUnavailable(&'static str),
}

impl TokenFault {
    /// As `err.data.code` carries it.
    pub fn code(&self) -> &'static str {
        match self {
            TokenFault::Missing => "TOKEN_MISSING",
            TokenFault::Expired => "TOKEN_EXPIRED",
            TokenFault::Invalid(_) => "TOKEN_INVALID",
            TokenFault::SiteUnavailable(_) => "UNAVAILABLE",
        }
    }
}

/// Verifies tokens. Cheap to share; keeps no state.
pub struct TokenVerifier {
    keys: Vec<DecodingKey>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl TokenVerifier {
    /// A token may be signed with any of `secrets`. `issuer` and `audience`, where given, must stand in it.
    pub fn new(secrets: impl IntoIterator<Item = Secret>, issuer: Option<String>, audience: Option<String>) -> Self {
        let keys = secrets
            .into_iter()
            // An empty key would verify whatever anybody signs with nothing.
            .filter(|secret| !secret.expose().is_empty())
            .map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()))
            .collect();
        TokenVerifier { keys, issuer, audience }
    }

    /// Checks signature, time, issuer and audience, in this order; `now_ms` is milliseconds since the epoch.
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<Claims, TokenFault> {
        if token.is_empty() {
            return Err(TokenFault::Missing);
        }
        let claims = self.signed_claims(token)?;
        let expires_at_ms = judge_times(&claims, limits::TOKEN_LEEWAY, now_ms)?;
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(TokenFault::Invalid("it comes from another issuer"));
        }
        if let Some(audience) = &self.audience
            && !names_audience(claims.get("aud"), audience)
        {
            return Err(TokenFault::Invalid("it is meant for another audience"));
        }
        let issued_at_ms = issued_at_ms(&claims, now_ms)?;
        Ok(Claims {
            user_id: user_id(&claims)?,
            name: text(&claims, "name", limits::NAME_CHARS),
            email: text(&claims, "email", limits::EMAIL_CHARS),
            image: text(&claims, "picture", limits::URL_CHARS).or_else(|| text(&claims, "image", limits::URL_CHARS)),
            role: text(&claims, "role", limits::ROLE_CHARS),
            issued_at_ms,
            expires_at_ms,
        })
    }

    fn signed_claims(&self, token: &str) -> Result<Map<String, Value>, TokenFault> {
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
        // The algorithm is ours to say, not the token's: with its own choice it could be "none".
        if header.get("alg").and_then(Value::as_str) != Some("HS256") {
            return Err(TokenFault::Invalid("it is not signed with HS256"));
        }
        // RFC 7515, section 4.1.11: what must be understood, and is not, is refused. We understand no extension.
        if header.contains_key("crit") {
            return Err(TokenFault::Invalid("it asks for an extension"));
        }
        let message = &token.as_bytes()[..token.len() - signature.len() - 1];
        let signed = self.keys.iter().any(|key| {
            jsonwebtoken::crypto::verify(signature, message, key, Algorithm::HS256).is_ok_and(|is_right| is_right)
        });
        if !signed {
            return Err(TokenFault::Invalid("its signature is wrong"));
        }
        decode_object(payload).ok_or(TokenFault::Invalid("its claims cannot be read"))
    }
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
    let issued_at = now_ms.div_euclid(1000);
    let expires_at = issued_at.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 1000));
    let mut claims: Map<String, Value> = profile
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    claims.insert("sub".to_owned(), user_id.into());
    claims.insert("iat".to_owned(), issued_at.into());
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW_MS: i64 = 1_800_000_000_000;
    const NOW: i64 = NOW_MS / 1000;
    const SECRET: &str = "a secret that is long enough for the test";

    fn verifier() -> TokenVerifier {
        TokenVerifier::new([Secret::new(SECRET)], None, None)
    }

    fn signed_with(secret: &str, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn signed(payload: &str) -> String {
        signed_with(SECRET, r#"{"alg":"HS256","typ":"JWT"}"#, payload)
    }

    fn code(token: &str) -> &'static str {
        verifier()
            .verify(token, NOW_MS)
            .map_or_else(|fault| fault.code(), |_| "ok")
    }

    fn code_of(payload: Value) -> &'static str {
        code(&signed(&payload.to_string()))
    }

    #[test]
    fn a_good_token_tells_who_its_bearer_is() {
        let token = signed(
            &json!({ "sub": "u-1", "name": " Ann\u{7} ", "email": "ann@example.com", "picture": "https://x/a.png",
                     "image": "https://x/b.png", "role": "owner", "iat": NOW - 5, "exp": NOW + 60 })
            .to_string(),
        );
        let claims = verifier().verify(&token, NOW_MS).unwrap();
        assert_eq!(
            claims,
            Claims {
                user_id: "u-1".into(),
                name: Some("Ann".into()),
                email: Some("ann@example.com".into()),
                image: Some("https://x/a.png".into()),
                role: Some("owner".into()),
                issued_at_ms: Some(NOW_MS - 5_000),
                expires_at_ms: NOW_MS + 60_000,
            }
        );
    }

    #[test]
    fn the_user_is_the_first_present_of_three_claims() {
        for (payload, expected) in [
            (json!({ "sub": "a", "userId": "b", "id": "c" }), "a"),
            (json!({ "userId": "b", "id": "c" }), "b"),
            (json!({ "id": "c" }), "c"),
            (json!({ "sub": null, "userId": 17 }), "17"),
            (json!({ "id": -3 }), "-3"),
            (json!({ "id": 18446744073709551615u64 }), "18446744073709551615"),
            (json!({ "sub": "x".repeat(128) }), &"x".repeat(128)),
        ] {
            let mut payload = payload;
            payload["exp"] = json!(NOW + 60);
            let claims = verifier().verify(&signed(&payload.to_string()), NOW_MS).unwrap();
            assert_eq!(claims.user_id, expected);
        }
    }

    #[test]
    fn a_user_id_of_another_form_is_refused() {
        for id in [
            json!(""),
            json!("a b"),
            json!("é"),
            json!("x".repeat(129)),
            json!(1.5),
            json!(1e30),
            json!(true),
        ] {
            assert_eq!(code_of(json!({ "sub": id, "exp": NOW + 60 })), "TOKEN_INVALID", "{id}");
        }
        // What is present decides, also when it is bad: a later claim is no second chance.
        assert_eq!(
            code_of(json!({ "sub": {}, "userId": "b", "exp": NOW + 60 })),
            "TOKEN_INVALID"
        );
        assert_eq!(code_of(json!({ "exp": NOW + 60 })), "TOKEN_INVALID");
    }

    #[test]
    fn time_is_judged_with_thirty_seconds_of_leeway() {
        for (exp, expected) in [
            (json!(NOW + 60), "ok"),
            (json!(NOW - 29), "ok"),
            (json!(NOW - 30), "TOKEN_EXPIRED"),
            (json!(0), "TOKEN_EXPIRED"),
            (json!(-1e300), "TOKEN_EXPIRED"),
            (json!(1e300), "ok"),
            (json!(NOW as f64 + 0.5), "ok"),
            (json!((NOW + 60).to_string()), "TOKEN_INVALID"),
            (json!(null), "TOKEN_INVALID"),
            (json!([NOW + 60]), "TOKEN_INVALID"),
            (json!(true), "TOKEN_INVALID"),
        ] {
            assert_eq!(code_of(json!({ "sub": "u", "exp": exp })), expected, "exp {exp}");
        }
        assert_eq!(code_of(json!({ "sub": "u" })), "TOKEN_INVALID", "no exp");
        for (nbf, expected) in [
            (json!(NOW + 30), "ok"),
            (json!(NOW + 31), "TOKEN_INVALID"),
            (json!((NOW - 60).to_string()), "TOKEN_INVALID"),
            (json!({}), "TOKEN_INVALID"),
        ] {
            assert_eq!(
                code_of(json!({ "sub": "u", "exp": NOW + 60, "nbf": nbf })),
                expected,
                "nbf {nbf}"
            );
        }
        assert_eq!(
            code_of(json!({ "sub": "u", "exp": NOW + 60, "iat": "now" })),
            "TOKEN_INVALID"
        );
    }

    #[test]
    fn a_token_from_the_future_does_not_outrank_the_host() {
        let token = signed(&json!({ "sub": "u", "exp": NOW + 90_000, "iat": NOW + 80_000 }).to_string());
        assert_eq!(verifier().verify(&token, NOW_MS).unwrap().issued_at_ms, Some(NOW_MS));
    }

    #[test]
    fn only_hs256_with_our_secret_counts() {
        let payload = json!({ "sub": "u", "exp": NOW + 60 }).to_string();
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
            r#"["HS256"]"#,
            "",
        ] {
            assert_eq!(
                code(&signed_with(SECRET, header, &payload)),
                "TOKEN_INVALID",
                "{header}"
            );
        }
        let good = r#"{"alg":"HS256"}"#;
        assert_eq!(code(&signed_with(SECRET, good, &payload)), "ok");
        assert_eq!(code(&signed_with("another secret", good, &payload)), "TOKEN_INVALID");
        // A key that stands in the header is not ours.
        let with_key = r#"{"alg":"HS256","jwk":{"kty":"oct","k":"YW5vdGhlciBzZWNyZXQ"}}"#;
        assert_eq!(
            code(&signed_with("another secret", with_key, &payload)),
            "TOKEN_INVALID"
        );
    }

    #[test]
    fn a_token_without_its_signature_is_refused() {
        let token = signed(&json!({ "sub": "u", "exp": NOW + 60 }).to_string());
        let (message, signature) = token.rsplit_once('.').unwrap();
        for broken in [
            message.to_owned(),
            format!("{message}."),
            format!("{message}.{}", &signature[1..]),
            format!("{message}.{signature}="),
            format!("{token}."),
            format!(".{token}"),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{message}..{signature}"),
        ] {
            assert_eq!(code(&broken), "TOKEN_INVALID", "{broken:?}");
        }
        assert_eq!(code(""), "TOKEN_MISSING");
        assert_eq!(code("null"), "TOKEN_INVALID");
    }

    #[test]
    fn claims_that_are_no_plain_object_are_refused() {
        let exp = NOW + 60;
        for payload in [
            format!(r#"{{"sub":"a","sub":"b","exp":{exp}}}"#),
            format!(r#"{{"sub":"a","exp":1,"exp":{exp}}}"#),
            format!(r#"{{"sub":"a","exp":{exp},"exp":{exp}}}"#),
            format!(r#"{{"sub":"a","\u0073ub":"b","exp":{exp}}}"#),
            format!(r#"{{"sub":"a","exp":{exp}}} {{}}"#),
            format!(r#"{{"sub":"a","exp":{exp},"x":1e400}}"#),
            format!(r#"["a",{exp}]"#),
            format!(
                r#"{{"sub":"a","exp":{exp},"x":{}1{}}}"#,
                "[".repeat(4000),
                "]".repeat(4000)
            ),
            "null".into(),
            String::new(),
        ] {
            assert_eq!(code(&signed(&payload)), "TOKEN_INVALID", "{payload:.60}");
        }
        assert_eq!(
            code(&signed(&format!(
                r#"{{"sub":"a","exp":{exp},"x":"{}"}}"#,
                "y".repeat(20_000)
            ))),
            "TOKEN_INVALID"
        );
    }

    #[test]
    fn issuer_and_audience_count_once_they_are_configured() {
        let verifier = TokenVerifier::new([Secret::new(SECRET)], Some("https://id".into()), Some("chat".into()));
        for (iss, aud, is_good) in [
            (json!("https://id"), json!("chat"), true),
            (json!("https://id"), json!(["mail", "chat"]), true),
            (json!("https://id"), json!(["mail"]), false),
            (json!("https://id"), json!("Chat"), false),
            (json!("https://id"), json!(null), false),
            (json!("https://id/"), json!("chat"), false),
            (json!(["https://id"]), json!("chat"), false),
            (json!(null), json!("chat"), false),
        ] {
            let token = signed(&json!({ "sub": "u", "exp": NOW + 60, "iss": iss, "aud": aud }).to_string());
            assert_eq!(verifier.verify(&token, NOW_MS).is_ok(), is_good, "{iss} {aud}");
        }
    }

    #[test]
    fn any_of_several_secrets_will_do_but_an_empty_one_never() {
        let verifier = TokenVerifier::new(
            [Secret::new("first"), Secret::new("second"), Secret::new("")],
            None,
            None,
        );
        let payload = json!({ "sub": "u", "exp": NOW + 60 }).to_string();
        let header = r#"{"alg":"HS256"}"#;
        assert!(verifier.verify(&signed_with("first", header, &payload), NOW_MS).is_ok());
        assert!(
            verifier
                .verify(&signed_with("second", header, &payload), NOW_MS)
                .is_ok()
        );
        assert!(verifier.verify(&signed_with("", header, &payload), NOW_MS).is_err());
        assert!(
            TokenVerifier::new([], None, None)
                .verify(&signed(&payload), NOW_MS)
                .is_err()
        );
    }

    #[test]
    fn a_minted_token_is_taken_and_lasts_as_long_as_it_says() {
        let day = limits::TOKEN_LIFETIME;
        let profile = [("name", "Ann".to_owned()), ("sub", "somebody-else".to_owned())];
        let (token, expires_at_ms) = mint(&Secret::new(SECRET), "u-1", profile, NOW_MS, day).unwrap();
        let claims = verifier().verify(&token, NOW_MS).unwrap();
        assert_eq!((claims.user_id.as_str(), claims.name.as_deref()), ("u-1", Some("Ann")));
        assert_eq!(claims.expires_at_ms, expires_at_ms);
        assert_eq!(expires_at_ms, NOW_MS + 86_400_000);
        assert_eq!(
            verifier().verify(&token, expires_at_ms + 30_000),
            Err(TokenFault::Expired)
        );
        assert_eq!(
            mint(&Secret::new(SECRET), "a b", [], NOW_MS, day),
            Err(MintFault::UserId)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_verifier_panic_or_believe(token in "\\PC{0,200}|[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,4}") {
            prop_assert!(verifier().verify(&token, NOW_MS).is_err());
        }

        #[test]
        fn a_token_with_any_character_changed_is_refused(position in 0usize..1000, replacement in "[A-Za-z0-9_.=-]") {
            let token = signed(&json!({ "sub": "u", "exp": NOW + 60 }).to_string());
            let position = position % token.len();
            let mut changed = token.clone();
            changed.replace_range(position..=position, &replacement);
            prop_assume!(changed != token);
            prop_assert!(verifier().verify(&changed, NOW_MS).is_err());
        }
    }
}
