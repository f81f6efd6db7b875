//! What is a token, and what is none.

use futures_util::FutureExt;

use super::*;
use proptest::prelude::*;
use serde_json::json;

const NOW_MS: i64 = 1_800_000_000_000;
const NOW: i64 = NOW_MS / 1000;
const SECRET: &str = "a secret that is long enough for the test";

fn verifier() -> TokenVerifier {
    verifier_with([SECRET], JwtSettings::default())
}

fn verifier_with<'a>(secrets: impl IntoIterator<Item = &'a str>, settings: JwtSettings) -> TokenVerifier {
    TokenVerifier::new(secrets.into_iter().map(Secret::new), &settings).unwrap()
}

fn verified(verifier: &TokenVerifier, token: &str, now_ms: i64) -> Result<Claims, TokenFault> {
    let verified = verifier.verify(token, now_ms).now_or_never();
    verified.expect("no issuer is asked")
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
    verified(&verifier(), token, NOW_MS).map_or_else(|fault| fault.code(), |_| "ok")
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
    let claims = verified(&verifier(), &token, NOW_MS).unwrap();
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
        let claims = verified(&verifier(), &signed(&payload.to_string()), NOW_MS).unwrap();
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
        (json!(253_402_207_199_i64), "ok"),
        (json!(253_402_207_200_i64), "TOKEN_INVALID"),
        (json!(NOW_MS + 60_000), "TOKEN_INVALID"),
        (json!(1e300), "TOKEN_INVALID"),
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
    let token = signed(&json!({ "sub": "u", "exp": NOW + 90_000, "iat": NOW + 20 }).to_string());
    assert_eq!(
        verified(&verifier(), &token, NOW_MS).unwrap().issued_at_ms,
        Some(NOW_MS)
    );
    let token = signed(&json!({ "sub": "u", "exp": NOW + 90_000, "iat": NOW + 80_000 }).to_string());
    assert_eq!(verified(&verifier(), &token, NOW_MS).unwrap().issued_at_ms, None);
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
        r#"{"alg":"HS256","kid":["a"]}"#,
        r#"{"alg":"HS256","kid":null}"#,
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
    let verifier = verifier_with(
        [SECRET],
        JwtSettings {
            issuers: vec!["https://other".into(), "https://id".into()],
            audiences: vec!["talk".into(), "chat".into()],
            ..JwtSettings::default()
        },
    );
    for (iss, aud, is_good) in [
        (json!("https://id"), json!("chat"), true),
        (json!("https://id"), json!(["mail", "chat"]), true),
        (json!("https://other"), json!(["talk"]), true),
        (json!("https://id"), json!(["mail"]), false),
        (json!("https://id"), json!("Chat"), false),
        (json!("https://id"), json!(null), false),
        (json!("https://id/"), json!("chat"), false),
        (json!(["https://id"]), json!("chat"), false),
        (json!(null), json!("chat"), false),
    ] {
        let token = signed(&json!({ "sub": "u", "exp": NOW + 60, "iss": iss, "aud": aud }).to_string());
        assert_eq!(verified(&verifier, &token, NOW_MS).is_ok(), is_good, "{iss} {aud}");
    }
}

#[test]
fn any_of_several_secrets_will_do_but_an_empty_one_never() {
    let verifier = verifier_with(["first", "second", ""], JwtSettings::default());
    let payload = json!({ "sub": "u", "exp": NOW + 60 }).to_string();
    let header = r#"{"alg":"HS256"}"#;
    assert!(verified(&verifier, &signed_with("first", header, &payload), NOW_MS).is_ok());
    assert!(verified(&verifier, &signed_with("second", header, &payload), NOW_MS).is_ok());
    assert!(verified(&verifier, &signed_with("", header, &payload), NOW_MS).is_err());
    assert!(verified(&verifier_with([], JwtSettings::default()), &signed(&payload), NOW_MS).is_err());
}

#[test]
fn a_minted_token_is_taken_and_lasts_as_long_as_it_says() {
    let day = limits::TOKEN_LIFETIME;
    let profile = [("name", "Ann".to_owned()), ("sub", "somebody-else".to_owned())];
    let (token, expires_at_ms) = mint(&Secret::new(SECRET), "u-1", profile, NOW_MS, day).unwrap();
    let claims = verified(&verifier(), &token, NOW_MS).unwrap();
    assert_eq!((claims.user_id.as_str(), claims.name.as_deref()), ("u-1", Some("Ann")));
    assert_eq!(claims.expires_at_ms, expires_at_ms);
    assert_eq!(expires_at_ms, NOW_MS + 86_400_000);
    assert_eq!(
        verified(&verifier(), &token, expires_at_ms + 30_000),
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
        prop_assert!(verified(&verifier(), &token, NOW_MS).is_err());
    }

    #[test]
    fn a_token_with_any_character_changed_is_refused(position in 0usize..1000, replacement in "[A-Za-z0-9_.=-]") {
        let token = signed(&json!({ "sub": "u", "exp": NOW + 60 }).to_string());
        let position = position % token.len();
        let mut changed = token.clone();
        changed.replace_range(position..=position, &replacement);
        prop_assume!(changed != token);
        prop_assert!(verified(&verifier(), &changed, NOW_MS).is_err());
    }
}
