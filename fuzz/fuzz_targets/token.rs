//! Any text as a token, as the header and claims of an unsigned one, and as those of one that is signed.
#![no_main]

use std::{
    future::Future,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorbell::{
    config::{JwtSettings, Secret},
    model::{UserId, limits},
    transport::token::{Claims, TokenFault, TokenVerifier, mint},
};
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "a secret that is long enough for the fuzzer";
const NOW_MS: i64 = 1_800_000_000_000;

fn verifier(settings: JwtSettings) -> TokenVerifier {
    TokenVerifier::new([Secret::new(SECRET)], &settings).expect("a verifier")
}

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| verifier(JwtSettings::default()));
static STRICT: LazyLock<TokenVerifier> = LazyLock::new(|| {
    verifier(JwtSettings {
        issuers: vec!["issuer".into()],
        audiences: vec!["audience".into()],
        ..JwtSettings::default()
    })
});

fn verify(verifier: &TokenVerifier, token: &str, now_ms: i64) -> Result<Claims, TokenFault> {
    match pin!(verifier.verify(token, now_ms)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verified) => verified,
        Poll::Pending => panic!("there is no issuer to wait for"),
    }
}

fuzz_target!(|data: (&str, &[u8], &[u8], Option<i64>)| {
    let (text, header, claims, now_ms) = data;
    assert!(verify(&VERIFIER, text, NOW_MS).is_err(), "nobody guesses a signature");

    let now_ms = now_ms.unwrap_or(NOW_MS);
    let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let plain_header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    for header in [&header, &plain_header] {
        let message = format!("{header}.{claims}");
        assert!(
            verify(&VERIFIER, &format!("{message}."), now_ms).is_err(),
            "an empty signature"
        );
        assert!(
            verify(&VERIFIER, &format!("{message}.AAAA"), now_ms).is_err(),
            "a wrong signature"
        );
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
        let token = format!("{message}.{signature}");
        let verified = verify(&VERIFIER, &token, now_ms);
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
        assert!(verify(&STRICT, &token, now_ms).is_err() || verified.is_ok());
    }

    match mint(&Secret::new(SECRET), text, [], NOW_MS, Duration::from_secs(60)) {
        Ok((token, expires_at_ms)) => {
            let claims = verify(&VERIFIER, &token, NOW_MS).expect("its own token");
            assert_eq!((claims.user_id.as_str(), claims.expires_at_ms), (text, expires_at_ms));
        }
        Err(_) => assert!(UserId::parse(text).is_err()),
    }
});
