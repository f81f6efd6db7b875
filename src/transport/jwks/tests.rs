//! Which published keys verify tokens, and how often an issuer is asked. That real keys verify real tokens is tested with
//! another library's, in tests/clients.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn of_bytes(count: usize, first: u8) -> String {
    let mut bytes = vec![0xa5; count];
    bytes[0] = first;
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(more: Value) -> Value {
    let mut key = json!({ "kty": "RSA", "kid": "a", "n": of_bytes(256, 0x80), "e": "AQAB" });
    for (name, value) in more.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn read(keys: Value) -> Result<PublicKeys, &'static str> {
    PublicKeys::read(json!({ "keys": keys }).to_string().as_bytes())
}

#[test]
fn a_key_counts_for_the_one_algorithm_of_its_type_or_not_at_all() {
    let point = of_bytes(32, 1);
    for (key, expected) in [
        (rsa(json!({})), "RS256"),
        (
            rsa(json!({ "use": "sig", "alg": "RS256", "key_ops": ["verify"] })),
            "RS256",
        ),
        (rsa(json!({ "use": null, "alg": null })), "RS256"),
        (json!({ "kty": "EC", "crv": "P-256", "x": point, "y": point }), "ES256"),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": point, "alg": "EdDSA" }),
            "EdDSA",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": point, "alg": "Ed25519" }),
            "EdDSA",
        ),
        (rsa(json!({ "n": of_bytes(256, 0x7f) })), "too short"),
        (rsa(json!({ "n": of_bytes(128, 0x80) })), "too short"),
        (rsa(json!({ "n": of_bytes(1025, 0x80) })), "too long"),
        (rsa(json!({ "e": "AQ" })), "exponent"),
        (rsa(json!({ "e": "" })), "exponent"),
        (rsa(json!({ "e": "AQAA" })), "exponent"),
        (rsa(json!({ "n": "not base64!" })), "cannot be read"),
        (rsa(json!({ "n": 7 })), "missing"),
        (rsa(json!({ "d": "AQAB" })), "secret"),
        (rsa(json!({ "use": "enc" })), "not for signatures"),
        (rsa(json!({ "key_ops": ["encrypt"] })), "not for verifying"),
        (rsa(json!({ "alg": "RS512" })), "another algorithm"),
        (rsa(json!({ "alg": "HS256" })), "another algorithm"),
        (rsa(json!({ "kid": ["a"] })), "kid"),
        (json!({ "kty": "oct", "k": "c2VjcmV0" }), "secret"),
        (json!({ "kty": "EC", "crv": "P-384", "x": point, "y": point }), "type"),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": point, "y": of_bytes(31, 1) }),
            "curve",
        ),
        (json!({ "kty": "OKP", "crv": "X25519", "x": point }), "type"),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": of_bytes(33, 1) }), "curve"),
        (json!("RSA"), "no object"),
    ] {
        let keys = read(json!([key])).unwrap();
        let told = match (keys.keys.as_slice(), keys.passed_over.as_slice()) {
            ([key], []) => format!("{:?}", key.algorithm),
            ([], [(0, reason)]) => (*reason).to_owned(),
            _ => panic!("{key}"),
        };
        assert!(told.contains(expected), "{key}: {told}");
    }
}

#[test]
fn a_document_that_is_no_set_of_keys_is_refused_whole() {
    assert!(PublicKeys::read(b"<html>").is_err());
    assert!(PublicKeys::read(b"{}").is_err());
    assert!(PublicKeys::read(b"[]").is_err());
    assert!(PublicKeys::read(br#"{"keys":{}}"#).is_err());
    assert!(read(json!(vec![rsa(json!({})); limits::JWKS_KEYS + 1])).is_err());
    assert_eq!(read(json!([])).unwrap().keys.len(), 0);
}

#[test]
fn a_token_is_tried_with_the_key_that_it_names_and_with_no_other_that_has_a_name() {
    let keys = read(json!([
        rsa(json!({})),
        rsa(json!({ "kid": "b" })),
        rsa(json!({ "kid": "b" }))
    ]))
    .unwrap();
    let places = |id| keys.for_id(id).map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(places(Some("a")), [0]);
    assert_eq!(places(Some("b")), [1, 2]);
    assert!(places(Some("c")).is_empty());
    assert!(places(Some("")).is_empty());
    assert_eq!(places(None), [0, 1, 2]);
    let mut nameless = rsa(json!({}));
    nameless.as_object_mut().unwrap().remove("kid");
    let keys = read(json!([nameless, rsa(json!({}))])).unwrap();
    let places = |id| keys.for_id(id).map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(places(Some("a")), [1]);
    assert_eq!(places(Some("c")), [0]);
}

#[test]
fn the_issuer_says_how_long_its_keys_hold_within_bounds() {
    for (header, seconds) in [
        (None, 3_600),
        (Some("public, max-age=900, must-revalidate"), 900),
        (Some("Max-Age=\"900\""), 900),
        (Some("max-age=0"), 300),
        (Some("max-age=99999999"), 86_400),
        (Some("max-age=soon"), 3_600),
        (Some("no-store"), 3_600),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(header));
        }
        assert_eq!(kept_for(&headers).as_secs(), seconds, "{header:?}");
    }
}

async fn issuer(answer: String) -> (KeySetSettings, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (answer, count) = (answer.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while connection.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = connection.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (KeySetSettings { url, issuer: None }, asked)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn many_who_name_unknown_keys_cause_one_question_in_a_pause() {
    let (settings, asked) = issuer(ok(&json!({ "keys": [rsa(json!({}))] }).to_string())).await;
    let set = Arc::new(KeySet::with_pause(&settings, Duration::from_millis(200)).unwrap());
    let storm = || async {
        let looks = (0..100).map(|_| {
            let set = Arc::clone(&set);
            tokio::spawn(async move { set.look_again().await })
        });
        for look in looks.collect::<Vec<_>>() {
            look.await.unwrap();
        }
    };
    storm().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_millis(250)).await;
    storm().await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn keys_that_are_known_outlive_an_issuer_that_answers_with_nonsense() {
    for nonsense in [
        "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ok("no JSON"),
        ok(&format!("{{\"keys\":[],\"x\":\"{}\"}}", "y".repeat(limits::JWKS_BYTES))),
    ] {
        let (settings, asked) = issuer(nonsense).await;
        let set = KeySet::with_pause(&settings, Duration::ZERO).unwrap();
        let known = Arc::new(read(json!([rsa(json!({}))])).unwrap());
        set.known.write().unwrap().keys = Some(Arc::clone(&known));
        set.look_again().await;
        set.look_again().await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert!(Arc::ptr_eq(&set.known().keys.unwrap(), &known));
        assert_eq!(set.known().failures, 2);
        assert_eq!(set.known().look_after, Duration::from_secs(2));
    }
}
