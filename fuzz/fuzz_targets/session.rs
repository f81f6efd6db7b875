//! Any text as a session, any bytes as a `Cookie` header, as header and contents of a session with the right key, and as a
//! site's answer.
#![no_main]

use std::sync::LazyLock;

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorbell::{
    config::{NamedSecret, Secret, SessionSettings},
    model::{UserId, limits},
    transport::{
        session::{
            Sessions,
            claims::{SiteVerdict, of_answer},
            cookie,
        },
        token::{Claims, TokenFault},
    },
};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const SECRET: &str = "a secret that is long enough for the fuzzer";
const NOW_MS: i64 = 1_800_000_000_000;
const NAME: &str = "next-auth.session-token";

static SESSIONS: LazyLock<Sessions> = LazyLock::new(|| {
    Sessions::new(SessionSettings {
        secrets: vec![NamedSecret {
            name: "NEXTAUTH_SECRET".into(),
            secret: Secret::new(SECRET),
        }],
        site: None,
        cookie_names: Vec::new(),
        salt: None,
        user_id: "sub".into(),
    })
    .expect("settings without a site")
});

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut key = [0; 32];
    hkdf::Hkdf::<Sha256>::new(Some(b""), SECRET.as_bytes())
        .expand(b"NextAuth.js Generated Encryption Key", &mut key)
        .expect("a key");
    key
});

/// As NextAuth 4 encrypts.
fn sealed(header: &[u8], contents: &[u8]) -> String {
    let protected = URL_SAFE_NO_PAD.encode(header);
    let payload = Payload {
        msg: contents,
        aad: protected.as_bytes(),
    };
    let cipher = Aes256Gcm::new_from_slice(&*KEY).expect("a key");
    let nonce = Nonce::try_from([7; 12].as_slice()).expect("12 bytes");
    let mut ciphertext = cipher.encrypt(&nonce, payload).expect("contents");
    let tag = ciphertext.split_off(ciphertext.len() - 16);
    let [nonce, ciphertext, tag] = [nonce.to_vec(), ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{protected}..{nonce}.{ciphertext}.{tag}")
}

fn read(cookie_line: &[u8], now_ms: i64) -> Option<Result<Claims, TokenFault>> {
    let mut headers = HeaderMap::new();
    headers.append(header::COOKIE, HeaderValue::from_bytes(cookie_line).ok()?);
    for name in cookie::DEFAULT_NAMES {
        let found = cookie::candidates(name, cookie::pairs(&headers));
        assert!(found.len() <= limits::SESSION_TWINS + 1);
        assert!(found.iter().flatten().all(|one| one.value().len() <= limits::SESSION_BYTES));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(SESSIONS.read(&headers, now_ms, true))
}

fn must_be_a_person(claims: &Claims, now_ms: i64) {
    assert!(UserId::parse(&claims.user_id).is_ok());
    assert!(claims.issued_at_ms.is_none_or(|at| at <= now_ms));
    let day = limits::TOKEN_LIFETIME.as_millis() as i64;
    let leeway = limits::TOKEN_LEEWAY.as_millis() as i64;
    assert!(claims.expires_at_ms <= now_ms.saturating_add(day));
    assert!(claims.expires_at_ms.saturating_add(leeway) > now_ms);
}

fuzz_target!(|data: (&str, &[u8], &[u8], &[u8], Option<i64>)| {
    let (text, cookie_line, header, contents, now_ms) = data;
    let now_ms = now_ms.unwrap_or(NOW_MS);
    let _ = Sessions::is_session(text);
    assert!(SESSIONS.read_token(text, now_ms).is_err(), "nobody guesses a tag");
    assert!(read(cookie_line, now_ms).is_none_or(|read| read.is_err()));

    let plain = br#"{"alg":"dir","enc":"A256GCM"}"#;
    for header in [header, plain.as_slice()] {
        let session = sealed(header, contents);
        let as_token = SESSIONS.read_token(&session, now_ms);
        if let Ok(claims) = &as_token {
            must_be_a_person(claims, now_ms);
        }
        if session.len() <= limits::SESSION_BYTES {
            assert_eq!(read(format!("{NAME}={session}").as_bytes(), now_ms), Some(as_token));
        }
    }
    if let SiteVerdict::SignedIn(claims) = of_answer(contents, "sub", now_ms) {
        must_be_a_person(&claims, now_ms);
    }
});
