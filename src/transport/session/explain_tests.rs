//! What an operator is told of a session that is refused.

use super::{
    super::explain::Explanation,
    Sessions,
    forge::{AUTH_JS, NEXT_AUTH, NOW, NOW_MS, Recipe, named, person, sessions, settings},
    vectors::{self, AUTH_JS_5, AUTH_JS_5_SECURE, NEXT_AUTH_4},
};
use crate::config::SessionSettings;
use serde_json::json;

fn explain_with(sessions: &Sessions, text: &str) -> Explanation {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut told = Explanation::default();
    runtime.block_on(sessions.explain(text, &mut told, NOW_MS));
    told
}

fn explain(text: &str) -> Explanation {
    explain_with(&sessions(), text)
}

/// The rule that refuses, and what is said of it.
fn refusal(told: &Explanation) -> (&'static str, &str) {
    let last = told.steps.last().unwrap();
    assert!(!last.passed && told.claims.is_none(), "{told:?}");
    assert!(
        last.sentence.ends_with('.') && !last.sentence.contains('\n'),
        "{}",
        last.sentence
    );
    let whole = format!("{told:?}");
    assert!(!whole.contains(vectors::SECRET), "{whole}");
    (last.rule, &last.sentence)
}

#[test]
fn a_good_session_is_told_rule_by_rule() {
    for text in [
        AUTH_JS_5.to_owned(),
        AUTH_JS_5_SECURE.to_owned(),
        NEXT_AUTH_4.to_owned(),
        format!("theme=dark; authjs.session-token={AUTH_JS_5}"),
        format!("Cookie: __Secure-authjs.session-token={AUTH_JS_5_SECURE}"),
        format!("next-auth.session-token={NEXT_AUTH_4}"),
    ] {
        let told = explain(&text);
        assert_eq!(told.claims.as_ref().unwrap().user_id, "user-17", "{told:?}");
        let rules: Vec<_> = told.steps.iter().map(|step| (step.rule, step.passed)).collect();
        assert_eq!(
            rules,
            ["cookie", "header", "key", "end", "user"].map(|rule| (rule, true))
        );
    }
    let key = explain(&format!("authjs.session-token={AUTH_JS_5}")).steps[2]
        .sentence
        .clone();
    assert_eq!(
        key,
        "AUTH_SECRET decrypts it, as Auth.js 5 encrypts for the cookie authjs.session-token."
    );
}

#[test]
fn each_trouble_has_a_sentence_of_its_own() {
    let secured_as_plain = format!("authjs.session-token={AUTH_JS_5_SECURE}");
    let cut_off = format!("authjs.session-token={}", &AUTH_JS_5[..AUTH_JS_5.len() - 3]);
    let (before, contents) = AUTH_JS_5.split_at(AUTH_JS_5.len() - 100);
    let changed = format!("{before}{}", contents.replacen(|c: char| c.is_ascii_digit(), "x", 1));
    let zip = NEXT_AUTH.sealed(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#, b"x");
    let wrong_alg = NEXT_AUTH.sealed(r#"{"alg":"A256KW","enc":"A256GCM"}"#, b"x");
    let expired = AUTH_JS.session(&json!({ "sub": "u", "exp": NOW - 60 }));
    let endless = AUTH_JS.session(&json!({ "sub": "u" }));
    let nobody = AUTH_JS.session(&json!({ "email": "ann@example.com", "exp": NOW + 60 }));
    let foreign = Recipe {
        secret: "another",
        ..NEXT_AUTH
    }
    .session(&person());
    for (text, rule, expected) in [
        (
            secured_as_plain.as_str(),
            "key",
            "was made for the cookie __Secure-authjs.session-token",
        ),
        (&AUTH_JS_5_SECURE[..200], "form", "copy all of it"),
        (&cut_off, "header", "copy all of it"),
        (&changed, "key", "changed or cut off"),
        (&zip, "header", "compressed"),
        (&wrong_alg, "header", "alg is not dir"),
        (&expired, "end", "sign in again"),
        (&endless, "end", "no exp"),
        (&nobody, "user", "has email, exp"),
        (&foreign, "key", "another secret than AUTH_SECRET"),
        (
            vectors::NEXT_AUTH_4_STATE,
            "key",
            "next-auth.state cookie and no session",
        ),
        (vectors::AUTH_JS_5_STATE, "key", "authjs.state cookie and no session"),
        (vectors::NEXT_AUTH_4_OLD_STATE, "user", "has exp, iat, jti, value"),
        (
            "0b6e4a8e-5a8f-4d0c-9d8b-2f1f6f0f5a11",
            "form",
            "keeps its sessions in a database",
        ),
        ("Hello, is the flat free?", "form", "no token, no cookie and no API key"),
        ("authjs.csrf-token=a; theme=dark", "cookie", "sign in first"),
        (
            "example.session-token=a",
            "cookie",
            "name it in DOORBELL_SESSION_COOKIE",
        ),
        ("theme=dark", "cookie", "the site gives its cookie a Domain"),
        ("authjs.session-token.1=a", "cookie", "a piece of its cookie is missing"),
        ("", "form", "database"),
    ] {
        let told = explain(text);
        let (refusing, sentence) = refusal(&told);
        assert_eq!(refusing, rule, "{text:.60}: {sentence}");
        assert!(sentence.contains(expected), "{text:.60}: {sentence}");
    }
}

#[test]
fn what_is_no_credential_at_all_is_told_in_one_sentence() {
    for text in ["Hello, is the flat free?", "0b6e4a8e-5a8f-4d0c-9d8b-2f1f6f0f5a11"] {
        assert_eq!(explain(text).steps.len(), 1, "{text}");
    }
}

#[test]
fn what_no_setting_reads_is_told_so() {
    let none = SessionSettings {
        secrets: Vec::new(),
        ..settings()
    };
    let told = explain_with(&Sessions::new(none).unwrap(), AUTH_JS_5);
    let (rule, sentence) = refusal(&told);
    assert!(rule == "settings" && sentence.contains("NEXTAUTH_SECRET"), "{sentence}");
    let other = SessionSettings {
        secrets: vec![named("NEXTAUTH_SECRET", "other")],
        ..settings()
    };
    let told = explain_with(&Sessions::new(other).unwrap(), AUTH_JS_5);
    assert!(refusal(&told).1.contains("another secret than NEXTAUTH_SECRET"));
}
