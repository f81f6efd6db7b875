//! Any text as a token, as the header and claims of an unsigned one, and as those of one that is signed.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorbell::{
    config::Secret,
    model::{UserId, limits},
    transport::token::{TokenVerifier, mint},
};
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "a secret that is long enough for the fuzzer";
const NOW_MS: i64 = 1_800_000_000_000;

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| TokenVerifier::new([Secret::new(SECRET)], None, None));
static STRICT: LazyLock<TokenVerifier> =
    LazyLock::new(|| TokenVerifier::new([Secret::new(SECRET)], Some("issuer".into()), Some("audience".into())));

fuzz_target!(|data: (&str, &[u8], &[u8], Option<i64>)| {
    let (text, header, claims, now_ms) = data;
    assert!(VERIFIER.verify(text, NOW_MS).is_err(), "nobody guesses a signature");

    let now_ms = now_ms.unwrap_or(NOW_MS);
    let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let plain_header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    for header in [&header, &plain_header] {
        let message = format!("{header}.{claims}");
        assert!(
            VERIFIER.verify(&format!("{message}."), now_ms).is_err(),
            "an empty signature"
        );
        assert!(
            VERIFIER.verify(&format!("{message}.AAAA"), now_ms).is_err(),
            "a wrong signature"
        );
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
        let token = format!("{message}.{signature}");
        let verified = VERIFIER.verify(&token, now_ms);
        if let Ok(claims) = &verified {
            assert!(UserId::parse(&claims.user_id).is_ok());
            let latest = claims
                .expires_at_ms
                .saturating_add(limits::TOKEN_LEEWAY.as_millis() as i64);
            assert!(latest > now_ms);
            assert!(claims.issued_at_ms.is_none_or(|at| at <= now_ms));
            for (shown, most) in [
                (&claims.name, limits::NAME_CHARS),
                (&claims.email, limits::EMAIL_CHARS),
                (&claims.image, limits::URL_CHARS),
                (&claims.role, limits::ROLE_CHARS),
            ] {
                let is_fit =
                    |text: &String| (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                assert!(shown.as_ref().is_none_or(is_fit));
            }
        }
        // Who asks for more takes less.
        assert!(STRICT.verify(&token, now_ms).is_err() || verified.is_ok());
    }

    match mint(&Secret::new(SECRET), text, [], NOW_MS, Duration::from_secs(60)) {
        Ok((token, expires_at_ms)) => {
            let claims = VERIFIER.verify(&token, NOW_MS).expect("its own token");
            assert_eq!((claims.user_id.as_str(), claims.expires_at_ms), (text, expires_at_ms));
        }
        Err(_) => assert!(UserId::parse(text).is_err()),
    }
});
