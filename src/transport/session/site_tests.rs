//! A site that is asked, over real connections.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    Sessions,
    forge::{NOW_MS, named, settings},
    site::{Answer, Site},
    vectors::{self, AUTH_JS_5},
};
use crate::{
    config::SessionSettings,
    transport::{
        explain::Explanation,
        token::{Claims, TokenFault},
    },
};

const COOKIE: &str = "authjs.session-token=0b6e4a8e";

/// Answers each request with the same bytes, and remembers what came.
struct TestSite {
    address: String,
    asked: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestSite {
    async fn answering(response: impl Into<Vec<u8>>, after: Duration) -> Self {
        let response: Vec<u8> = response.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, seen) = (Arc::clone(&asked), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (response, count, seen) = (response.clone(), Arc::clone(&count), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        let mut bytes = [0; 4096];
                        match connection.read(&mut bytes).await {
                            Ok(0) | Err(_) => return,
                            Ok(read) => request.extend_from_slice(&bytes[..read]),
                        }
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    seen.lock().unwrap().push(String::from_utf8(request).unwrap());
                    tokio::time::sleep(after).await;
                    let _ = connection.write_all(&response).await;
                });
            }
        });
        TestSite {
            address,
            asked,
            requests,
        }
    }

    async fn saying(body: &str) -> Self {
        Self::answering(http_answer("200 OK", body), Duration::ZERO).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn as_site(&self) -> Site {
        Site::with_patience(&self.address, "sub", Duration::from_secs(2)).unwrap()
    }
}

fn http_answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn ann() -> String {
    let expires = jiff::Timestamp::from_millisecond(NOW_MS + 3_600_000).unwrap();
    format!(r#"{{"user":{{"id":"ann","name":"Ann"}},"expires":"{expires}"}}"#)
}

fn sessions_of(site: &TestSite, secrets: &[(&str, &str)]) -> Sessions {
    Sessions::new(SessionSettings {
        site: Some(site.address.clone()),
        secrets: secrets.iter().map(|(name, secret)| named(name, secret)).collect(),
        ..settings()
    })
    .unwrap()
}

async fn read(sessions: &Sessions, line: &str, now_ms: i64) -> Option<Result<Claims, TokenFault>> {
    let mut headers = HeaderMap::new();
    headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
    sessions.read(&headers, now_ms, true).await
}

#[tokio::test]
async fn the_site_says_who_its_cookie_belongs_to() {
    let site = TestSite::saying(&ann()).await;
    let sessions = sessions_of(&site, &[]);
    let line = format!("theme=dark; {COOKIE}; authjs.csrf-token=secret");
    let claims = read(&sessions, &line, NOW_MS).await.unwrap().unwrap();
    assert_eq!((claims.user_id.as_str(), claims.name.as_deref()), ("ann", Some("Ann")));
    assert_eq!(claims.expires_at_ms, NOW_MS + 3_600_000);
    let request = site.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /api/auth/session http/1.1\r\n"), "{request}");
    // That cookie, and no other one.
    assert!(request.contains(&format!("\r\ncookie: {COOKIE}\r\n")), "{request}");
    assert!(!request.contains("x-forwarded-proto"), "{request}");
}

#[tokio::test]
async fn a_cookie_of_https_is_asked_for_as_one() {
    let site = TestSite::saying(&ann()).await;
    let sessions = sessions_of(&site, &[]);
    let line = "__Secure-authjs.session-token.0=a; __Secure-authjs.session-token.1=b";
    assert!(read(&sessions, line, NOW_MS).await.unwrap().is_ok());
    let request = site.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(
        request.contains(&format!("\r\ncookie: {}\r\n", line.to_ascii_lowercase())),
        "{request}"
    );
    assert!(request.contains("\r\nx-forwarded-proto: https\r\n"), "{request}");
}

#[tokio::test]
async fn an_address_that_ends_in_session_is_asked_as_it_is() {
    let site = TestSite::saying(&ann()).await;
    let own_route = Site::new(&format!("{}/auth/session", site.address), "sub").unwrap();
    assert!(matches!(own_route.ask(COOKIE, NOW_MS).await, Answer::SignedIn(_)));
    assert!(site.requests.lock().unwrap()[0].starts_with("GET /auth/session "));
}

#[tokio::test]
async fn many_who_bring_one_cookie_cause_one_question_a_minute() {
    let site = TestSite::answering(http_answer("200 OK", &ann()), Duration::from_millis(50)).await;
    let asked = Arc::new(site.as_site());
    let many: Vec<_> = (0..100)
        .map(|number| {
            let site = Arc::clone(&asked);
            // Their clocks were not read at the same moment, and not in the order in which they come.
            tokio::spawn(async move { site.ask(COOKIE, NOW_MS - number % 7).await })
        })
        .collect();
    for one in many {
        assert!(matches!(one.await.unwrap(), Answer::SignedIn(_)));
    }
    assert_eq!(site.asked(), 1);
    asked.ask(COOKIE, NOW_MS + 59_000).await;
    assert_eq!(site.asked(), 1);
    asked.ask(COOKIE, NOW_MS + 60_000).await;
    assert_eq!(site.asked(), 2);
    asked.ask("authjs.session-token=another", NOW_MS + 60_000).await;
    assert_eq!(site.asked(), 3);
}

#[tokio::test]
async fn a_question_whose_client_has_gone_is_not_asked_again() {
    let site = TestSite::answering(http_answer("200 OK", &ann()), Duration::from_millis(100)).await;
    let asked = site.as_site();
    let gone = tokio::time::timeout(Duration::from_millis(20), asked.ask(COOKIE, NOW_MS)).await;
    assert!(gone.is_err(), "it went before the answer came");
    assert!(matches!(asked.ask(COOKIE, NOW_MS).await, Answer::SignedIn(_)));
    assert_eq!(site.asked(), 1);
    // But an answer that nobody has seen for a minute is an old one all the same.
    let other = "authjs.session-token=other";
    let _ = tokio::time::timeout(Duration::from_millis(20), asked.ask(other, NOW_MS)).await;
    asked.ask(other, NOW_MS + 61_000).await;
    assert_eq!(site.asked(), 3);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_five_seconds() {
    for body in ["null", "{}", r#"{"user":{"name":"Ann"}}"#, "<html>"] {
        let site = TestSite::saying(body).await;
        let asked = site.as_site();
        for _ in 0..20 {
            assert!(!matches!(asked.ask(COOKIE, NOW_MS).await, Answer::SignedIn(_)));
        }
        assert_eq!(site.asked(), 1, "{body}");
        asked.ask(COOKIE, NOW_MS + 5_000).await;
        assert_eq!(site.asked(), 2, "{body}");
    }
}

#[tokio::test]
async fn whoever_is_signed_out_at_the_site_is_nobody_here() {
    for body in ["null", "{}"] {
        let site = TestSite::saying(body).await;
        let read = read(&sessions_of(&site, &[]), COOKIE, NOW_MS).await.unwrap();
        assert_eq!(read.unwrap_err().code(), "TOKEN_INVALID", "{body}");
    }
}

#[tokio::test]
async fn a_site_without_a_clear_answer_lets_nobody_in() {
    let elsewhere = TestSite::saying(&ann()).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/api/auth/session\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.address
    );
    let endless = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}{}",
        " ".repeat(70_000),
        ann()
    );
    let cut_off = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n{}",
        ann()
    );
    for response in [
        redirect,
        endless,
        cut_off,
        http_answer("401 Unauthorized", &ann()),
        http_answer("500 Internal Server Error", &ann()),
        http_answer("204 No Content", ""),
        http_answer("200 OK", "<html>"),
        http_answer("200 OK", ""),
        "rubbish".to_owned(),
        String::new(),
    ] {
        let site = TestSite::answering(response.clone(), Duration::ZERO).await;
        let read = read(&sessions_of(&site, &[]), COOKIE, NOW_MS).await.unwrap();
        assert!(
            matches!(read, Err(TokenFault::Unavailable(_))),
            "{response:.60}: {read:?}"
        );
    }
    assert_eq!(elsewhere.asked(), 0, "a redirection is not followed");

    let slow = TestSite::answering(http_answer("200 OK", &ann()), Duration::from_secs(60)).await;
    let impatient = Site::with_patience(&slow.address, "sub", Duration::from_millis(100)).unwrap();
    assert!(matches!(impatient.ask(COOKIE, NOW_MS).await, Answer::Failed(_)));
    let nobody = Site::new("http://127.0.0.1:1", "sub").unwrap();
    assert!(matches!(nobody.ask(COOKIE, NOW_MS).await, Answer::Failed(_)));
}

#[tokio::test]
async fn a_session_of_the_site_ends_when_the_site_has_said() {
    let site = TestSite::saying(&ann()).await;
    let sessions = sessions_of(&site, &[]);
    let expires = jiff::Timestamp::from_millisecond(NOW_MS + 30_000).unwrap();
    let soon = TestSite::saying(&format!(r#"{{"user":{{"id":"ann"}},"expires":"{expires}"}}"#)).await;
    let soon = sessions_of(&soon, &[]);
    for (sessions, later_ms, is_read) in [
        (&sessions, 0, true),
        (&soon, 0, true),
        (&soon, 29_000, true),
        // The answer is kept for a minute; the session is not.
        (&soon, 30_000, false),
    ] {
        let read = read(sessions, COOKIE, NOW_MS + later_ms).await.unwrap();
        assert_eq!(read.is_ok(), is_read, "{later_ms}");
    }
}

#[tokio::test]
async fn a_session_that_a_secret_decrypts_is_not_asked_for() {
    let site = TestSite::saying(&ann()).await;
    let both = sessions_of(&site, &[("AUTH_SECRET", vectors::SECRET)]);
    let encrypted = format!("authjs.session-token={AUTH_JS_5}");
    assert_eq!(
        read(&both, &encrypted, NOW_MS).await.unwrap().unwrap().user_id,
        "user-17"
    );
    assert_eq!(site.asked(), 0);
    // Nor is one that no secret decrypts: with a secret set, the site's word does not replace it.
    let wrong = sessions_of(&site, &[("AUTH_SECRET", "another secret")]);
    assert!(read(&wrong, &encrypted, NOW_MS).await.unwrap().is_err());
    assert_eq!(site.asked(), 0);
    assert_eq!(read(&both, COOKIE, NOW_MS).await.unwrap().unwrap().user_id, "ann");
    let without = sessions_of(&site, &[]);
    assert_eq!(
        read(&without, &encrypted, NOW_MS).await.unwrap().unwrap().user_id,
        "ann"
    );
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn an_operator_is_told_what_the_site_says() {
    for (body, rule, expected) in [
        ("null", "site", "nobody is signed in by authjs.session-token"),
        (
            r#"{"user":{"name":"Ann"},"expires":"2099-01-01T00:00:00.000Z"}"#,
            "user",
            "session callback",
        ),
        (
            r#"{"user":{"id":"ann"},"expires":"2001-01-01T00:00:00.000Z"}"#,
            "end",
            "has ended",
        ),
        ("<html>", "site", "not one of NextAuth or Auth.js"),
    ] {
        let site = TestSite::saying(body).await;
        let mut told = Explanation::default();
        sessions_of(&site, &[]).explain(COOKIE, &mut told, NOW_MS).await;
        let last = told.steps.last().unwrap();
        assert_eq!((last.rule, last.passed), (rule, false), "{told:?}");
        assert!(last.sentence.contains(expected), "{}", last.sentence);
    }
    let site = TestSite::saying(&ann()).await;
    let mut told = Explanation::default();
    sessions_of(&site, &[]).explain(COOKIE, &mut told, NOW_MS).await;
    assert_eq!(told.claims.unwrap().user_id, "ann");
}
