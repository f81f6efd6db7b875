//! Which sessions identify somebody, and which do not.

use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Sessions,
    forge::{AUTH_JS, AUTH_JS_GCM, NEXT_AUTH, NOW, NOW_MS, Recipe, named, person, sessions, settings},
    key::{Key, Package},
    vectors::{self, AUTH_JS_5, AUTH_JS_5_GCM, AUTH_JS_5_SECURE, MADE_AT_MS, NEXT_AUTH_4},
};
use crate::{
    config::SessionSettings,
    transport::token::{Claims, TokenFault},
};

fn cookies(line: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
    headers
}

fn read_with(sessions: &Sessions, line: &str) -> Option<Result<Claims, TokenFault>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sessions.read(&cookies(line), NOW_MS, true))
}

fn read(line: &str) -> Option<Result<Claims, TokenFault>> {
    read_with(&sessions(), line)
}

fn who(read: Option<Result<Claims, TokenFault>>) -> &'static str {
    match read {
        None => "no session",
        Some(Ok(claims)) if claims.user_id == "user-17" => "user-17",
        Some(Ok(_)) => "somebody else",
        Some(Err(fault)) => fault.code(),
    }
}

fn as_cookie(name: &str, value: &str) -> &'static str {
    who(read(&format!("{name}={value}")))
}

fn as_token(value: &str) -> &'static str {
    who(Some(sessions().read_token(value, NOW_MS)))
}

#[test]
fn a_session_that_the_packages_made_tells_who_its_person_is() {
    for (name, value) in [
        ("next-auth.session-token", NEXT_AUTH_4),
        ("__Secure-next-auth.session-token", NEXT_AUTH_4),
        ("authjs.session-token", AUTH_JS_5),
        ("__Secure-authjs.session-token", AUTH_JS_5_SECURE),
        ("authjs.session-token", AUTH_JS_5_GCM),
    ] {
        let claims = read(&format!("theme=dark; {name}={value}; x=y")).unwrap().unwrap();
        assert_eq!(claims, sessions().read_token(value, NOW_MS).unwrap(), "{name}");
        let issued_at_ms = claims.issued_at_ms.unwrap();
        assert!((MADE_AT_MS - 2_000..=MADE_AT_MS).contains(&issued_at_ms), "{name}");
        let expected = Claims {
            user_id: "user-17".into(),
            name: Some("Ann Example".into()),
            email: Some("ann@example.com".into()),
            image: Some("https://img.example/ann.png".into()),
            role: None,
            issued_at_ms: Some(issued_at_ms),
            // Thirty days by the site, a day here.
            expires_at_ms: NOW_MS + 86_400_000,
        };
        assert_eq!(claims, expected, "{name}");
    }
}

#[test]
fn a_session_in_pieces_is_the_same_as_whole() {
    let pieces = |value: &str| {
        let numbered = value.as_bytes().chunks(100).enumerate();
        let piece = |(n, piece)| format!("authjs.session-token.{n}={}", std::str::from_utf8(piece).unwrap());
        numbered.map(piece).collect::<Vec<_>>()
    };
    let good = pieces(AUTH_JS_5);
    let mut disordered = good.clone();
    disordered.reverse();
    assert_eq!(who(read(&good.join("; "))), "user-17");
    assert_eq!(who(read(&disordered.join("; "))), "user-17");
    // What a session that has grown or shrunk leaves behind spoils nothing.
    assert_eq!(
        who(read(&format!("authjs.session-token=old; {}", good.join("; ")))),
        "user-17"
    );
    assert_eq!(
        who(read(&format!(
            "authjs.session-token.0=old; authjs.session-token={AUTH_JS_5}"
        ))),
        "user-17"
    );
    assert_eq!(who(read(&good[1..].join("; "))), "TOKEN_INVALID");
    assert_eq!(who(read(&good[..good.len() - 1].join("; "))), "TOKEN_INVALID");
}

#[test]
fn a_session_counts_under_the_name_that_it_was_made_for_alone() {
    assert_eq!(as_cookie("__Secure-authjs.session-token", AUTH_JS_5), "TOKEN_INVALID");
    assert_eq!(as_cookie("authjs.session-token", AUTH_JS_5_SECURE), "TOKEN_INVALID");
    assert_eq!(as_cookie("next-auth.session-token", AUTH_JS_5), "TOKEN_INVALID");
    assert_eq!(
        as_cookie("__Secure-authjs.session-token", AUTH_JS_5_GCM),
        "TOKEN_INVALID"
    );
    for name in [
        "session-token",
        "authjs.session",
        "authjs.session-token2",
        "authjs.state",
    ] {
        assert_eq!(as_cookie(name, AUTH_JS_5), "no session", "{name}");
    }
    // A site may have its own name, and its own salt.
    let own_name = SessionSettings {
        cookie_names: vec!["example.session".into()],
        ..settings()
    };
    let own_salt = SessionSettings {
        salt: Some("authjs.session-token".into()),
        ..own_name.clone()
    };
    let [own_name, own_salt] = [own_name, own_salt].map(|settings| Sessions::new(settings).unwrap());
    let line = format!("example.session={AUTH_JS_5}");
    assert_eq!(who(read_with(&own_name, &line)), "TOKEN_INVALID");
    assert_eq!(who(read_with(&own_salt, &line)), "user-17");
    let of_its_name = Recipe {
        salt: "example.session",
        info: "Auth.js Generated Encryption Key (example.session)",
        ..AUTH_JS
    };
    let line = format!("example.session={}", of_its_name.session(&person()));
    assert_eq!(who(read_with(&own_name, &line)), "user-17");
    assert_eq!(who(read_with(&own_salt, &line)), "TOKEN_INVALID");
    assert_eq!(
        who(read_with(&own_name, &format!("authjs.session-token={AUTH_JS_5}"))),
        "no session"
    );
}

#[test]
fn other_cookies_of_the_packages_are_no_sessions() {
    for value in [
        vectors::NEXT_AUTH_4_STATE,
        vectors::NEXT_AUTH_4_OLD_STATE,
        vectors::AUTH_JS_5_STATE,
    ] {
        for name in ["authjs.session-token", "next-auth.session-token"] {
            assert_eq!(as_cookie(name, value), "TOKEN_INVALID", "{name}");
        }
        assert_eq!(as_token(value), "TOKEN_INVALID");
    }
    // Even where one names a user.
    let with_a_user = Recipe {
        salt: "next-auth.nonce",
        info: "NextAuth.js Generated Encryption Key (next-auth.nonce)",
        ..NEXT_AUTH
    };
    assert_eq!(as_token(&with_a_user.session(&person())), "TOKEN_INVALID");
}

#[test]
fn a_forged_header_is_refused_though_the_key_is_right() {
    for recipe in [NEXT_AUTH, AUTH_JS, AUTH_JS_GCM] {
        let contents = person().to_string();
        let enc = recipe.enc;
        let seal = |header: &str| recipe.sealed(header, contents.as_bytes());
        let good = format!(r#"{{"alg":"dir","enc":"{enc}"}}"#);
        assert_eq!(as_token(&seal(&good)), "user-17");
        for header in [
            format!(r#"{{"alg":"dir","enc":"{enc}","zip":"DEF"}}"#),
            format!(r#"{{"alg":"dir","enc":"{enc}","zip":null}}"#),
            format!(r#"{{"alg":"dir","enc":"{enc}","crit":["exp"],"exp":1}}"#),
            format!(r#"{{"alg":"dir","enc":"{enc}","crit":[]}}"#),
            format!(r#"{{"alg":"none","enc":"{enc}"}}"#),
            format!(r#"{{"alg":"DIR","enc":"{enc}"}}"#),
            format!(r#"{{"alg":"A256KW","enc":"{enc}"}}"#),
            format!(r#"{{"alg":"PBES2-HS256+A128KW","enc":"{enc}","p2c":2147483647,"p2s":"AA"}}"#),
            format!(r#"{{"alg":["dir"],"enc":"{enc}"}}"#),
            format!(r#"{{"enc":"{enc}"}}"#),
            format!(r#"{{"alg":"none","alg":"dir","enc":"{enc}"}}"#),
            format!(r#"{{"alg":"dir","enc":"{enc}","kid":"another key"}}"#),
            format!(r#"{{"alg":"dir","enc":"{enc}","kid":7}}"#),
            format!(r#"["dir","{enc}"]"#),
            r#"{"alg":"dir"}"#.to_owned(),
            r#"{"alg":"dir","enc":"A128GCM"}"#.to_owned(),
            r#"{"alg":"dir","enc":"A128CBC-HS256"}"#.to_owned(),
            r#"{"alg":"dir","enc":"A192CBC-HS384"}"#.to_owned(),
            // The other one of the two: lengths and keys are then wrong.
            format!(
                r#"{{"alg":"dir","enc":"{}"}}"#,
                if enc == "A256GCM" { "A256CBC-HS512" } else { "A256GCM" }
            ),
            String::new(),
        ] {
            assert_eq!(as_token(&seal(&header)), "TOKEN_INVALID", "{enc}: {header}");
        }
    }
}

#[test]
fn a_key_of_another_derivation_is_refused() {
    let made = |recipe: Recipe| as_token(&recipe.session(&person()));
    assert_eq!(
        (made(NEXT_AUTH), made(AUTH_JS), made(AUTH_JS_GCM)),
        ("user-17", "user-17", "user-17")
    );
    for recipe in [
        Recipe {
            secret: "another secret",
            ..NEXT_AUTH
        },
        Recipe {
            secret: "another secret",
            ..AUTH_JS
        },
        Recipe {
            secret: "",
            ..NEXT_AUTH
        },
        Recipe { salt: "x", ..NEXT_AUTH },
        Recipe { salt: "x", ..AUTH_JS },
        Recipe { salt: "", ..AUTH_JS },
        Recipe { info: "", ..NEXT_AUTH },
        Recipe {
            info: "Auth.js Generated Encryption Key ()",
            ..AUTH_JS
        },
        // The key of the one package with the encryption of the other.
        Recipe {
            enc: "A256CBC-HS512",
            ..NEXT_AUTH
        },
    ] {
        assert_eq!(
            made(recipe),
            "TOKEN_INVALID",
            "{} {} {}",
            recipe.salt,
            recipe.info,
            recipe.enc
        );
    }
}

#[test]
fn contents_that_name_no_person_or_no_end_are_refused() {
    for recipe in [NEXT_AUTH, AUTH_JS, AUTH_JS_GCM] {
        let with = |name: &str, value: Value| {
            let mut claims = person();
            claims[name] = value;
            as_token(&recipe.session(&claims))
        };
        assert_eq!(with("name", json!("Ann")), "user-17");
        assert_eq!(with("exp", json!(NOW - 10)), "user-17", "clocks may differ by 30 s");
        assert_eq!(with("exp", json!(NOW - 31)), "TOKEN_EXPIRED");
        assert_eq!(with("exp", json!(0)), "TOKEN_EXPIRED");
        assert_eq!(with("exp", Value::Null), "TOKEN_INVALID");
        assert_eq!(with("exp", json!("2099-01-01")), "TOKEN_INVALID");
        assert_eq!(with("nbf", json!(NOW + 60)), "TOKEN_INVALID");
        assert_eq!(with("sub", Value::Null), "TOKEN_INVALID");
        assert_eq!(with("sub", json!("user 17")), "TOKEN_INVALID");
        for contents in [
            "",
            "null",
            "[]",
            r#"{"sub":"user-17"}"#,
            r#"{"sub":"user-17","exp":9e9"#,
        ] {
            let sealed = recipe.sealed(&recipe.header().to_string(), contents.as_bytes());
            assert_eq!(as_token(&sealed), "TOKEN_INVALID", "{contents}");
        }
        let twice = format!(r#"{{"sub":"user-1","sub":"user-17","exp":{}}}"#, NOW + 60);
        let sealed = recipe.sealed(&recipe.header().to_string(), twice.as_bytes());
        assert_eq!(as_token(&sealed), "TOKEN_INVALID");
    }
}

#[test]
fn each_of_several_secrets_counts_and_the_named_key_is_only_a_hint() {
    let several = SessionSettings {
        secrets: vec![
            named("AUTH_SECRET_1", "the next secret of this site, 32 bytes"),
            named("AUTH_SECRET", vectors::SECRET),
        ],
        ..settings()
    };
    let several = Sessions::new(several).unwrap();
    for value in [NEXT_AUTH_4, AUTH_JS_5, AUTH_JS_5_GCM] {
        assert_eq!(who(Some(several.read_token(value, NOW_MS))), "user-17");
    }
    let of_next = Recipe {
        secret: "the next secret of this site, 32 bytes",
        ..AUTH_JS
    };
    assert_eq!(
        who(Some(several.read_token(&of_next.session(&person()), NOW_MS))),
        "user-17"
    );
    // Whoever names a key of ours needs it all the same.
    let header_of_ours = AUTH_JS_5.split('.').next().unwrap();
    let foreign = Recipe {
        secret: "a secret of somebody else",
        ..AUTH_JS
    }
    .session(&person());
    let (_, rest) = foreign.split_once('.').unwrap();
    assert_eq!(as_token(&format!("{header_of_ours}.{rest}")), "TOKEN_INVALID");
    // And a session that names the one secret's key is not tried with the other.
    let secret = named("AUTH_SECRET_1", "the next secret of this site, 32 bytes");
    let only_next = SessionSettings {
        secrets: vec![secret],
        ..settings()
    };
    let only_next = Sessions::new(only_next).unwrap();
    assert_eq!(who(Some(only_next.read_token(AUTH_JS_5, NOW_MS))), "TOKEN_INVALID");
}

#[test]
fn a_stale_cookie_does_not_hide_a_good_one() {
    let old = AUTH_JS.session(&json!({ "sub": "user-17", "exp": NOW - 3_600 }));
    for line in [
        format!("next-auth.session-token=rubbish; authjs.session-token={AUTH_JS_5}"),
        format!("authjs.session-token=rubbish; next-auth.session-token={NEXT_AUTH_4}"),
        format!("__Secure-authjs.session-token={AUTH_JS_5}; authjs.session-token={AUTH_JS_5}"),
        format!("authjs.session-token={old}; authjs.session-token={AUTH_JS_5}"),
    ] {
        assert_eq!(who(read(&line)), "user-17", "{line:.60}");
    }
    // That it has ended tells more than that something else is rubbish.
    assert_eq!(
        who(read(&format!(
            "next-auth.session-token=rubbish; authjs.session-token={old}"
        ))),
        "TOKEN_EXPIRED"
    );
}

#[test]
fn the_cookie_of_https_counts_before_one_that_any_page_could_set() {
    let mallory = AUTH_JS.session(&json!({ "sub": "mallory", "exp": NOW + 60 }));
    let line = format!("authjs.session-token={mallory}; __Secure-authjs.session-token={AUTH_JS_5_SECURE}");
    assert_eq!(who(read(&line)), "user-17");
}

#[test]
fn a_session_comes_as_a_token_plain_or_percent_encoded() {
    let encoded = AUTH_JS_5.replace('.', "%2E");
    assert!(Sessions::is_session(AUTH_JS_5) && Sessions::is_session(&encoded));
    assert_eq!((as_token(AUTH_JS_5), as_token(&encoded)), ("user-17", "user-17"));
    for text in [
        "a.b.c",
        "a.b.c.d.e",
        "....",
        "a..b.c",
        "a..b.c.d.e",
        "%",
        "a%2E.b.c",
        "",
        "%ff%2E%2Eb.c.d",
    ] {
        let is_session = text == "....";
        assert_eq!(Sessions::is_session(text), is_session, "{text}");
        assert!(sessions().read_token(text, NOW_MS).is_err(), "{text}");
    }
    let long = format!("{AUTH_JS_5}{}", "A".repeat(64_000));
    assert_eq!(as_token(&long), "TOKEN_INVALID");
}

#[test]
fn without_a_secret_no_session_is_read() {
    let none = SessionSettings {
        secrets: Vec::new(),
        ..settings()
    };
    let none = Sessions::new(none).unwrap();
    assert_eq!(
        who(read_with(&none, &format!("authjs.session-token={AUTH_JS_5}"))),
        "no session"
    );
    assert_eq!(who(Some(none.read_token(AUTH_JS_5, NOW_MS))), "TOKEN_INVALID");
}

#[test]
fn a_secret_is_taken_as_it_stands() {
    let with_blank = format!("{} ", vectors::SECRET);
    for secret in [
        with_blank.as_str(),
        "a secret of the site",
        " with a comma and 32 bytes",
    ] {
        let other = SessionSettings {
            secrets: vec![named("AUTH_SECRET", secret)],
            ..settings()
        };
        let other = Sessions::new(other).unwrap();
        assert_eq!(
            who(Some(other.read_token(NEXT_AUTH_4, NOW_MS))),
            "TOKEN_INVALID",
            "{secret:?}"
        );
    }
}

#[test]
fn a_key_is_named_as_the_packages_name_it() {
    let header = AUTH_JS_5.split('.').next().unwrap();
    let ring = super::KeyRing::new(&settings().secrets, &["authjs.session-token".to_owned()]);
    let jwe = super::Jwe::parse(AUTH_JS_5).unwrap();
    assert!(jwe.key_id.is_some() && ring.are_named_by(&jwe), "{header}");
    let other = super::KeyRing::new(&settings().secrets, &["authjs.other".to_owned()]);
    assert!(!other.are_named_by(&jwe));
    let key = Key::derive(
        Package::AuthJs,
        jwe.encryption,
        &settings().secrets[0],
        "authjs.session-token",
    );
    assert!(key.open(&jwe).is_some());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_or_believe(text in "\\PC{0,200}|[A-Za-z0-9_%-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,5}") {
        let sessions = sessions();
        let _ = Sessions::is_session(&text);
        prop_assert!(sessions.read_token(&text, NOW_MS).is_err());
        if let Ok(value) = HeaderValue::from_str(&format!("authjs.session-token={text}")) {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, value);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(sessions.read(&headers, NOW_MS, true));
            prop_assert!(read.is_none_or(|read| read.is_err()));
        }
    }

    #[test]
    fn a_session_with_any_character_changed_is_refused(which in 0usize..4, position in 0usize..5000, other in "[A-Za-z0-9_.=-]") {
        let value = [NEXT_AUTH_4, AUTH_JS_5, AUTH_JS_5_SECURE, AUTH_JS_5_GCM][which];
        let position = position % value.len();
        let mut changed = value.to_owned();
        changed.replace_range(position..=position, &other);
        prop_assume!(changed != value);
        prop_assert!(sessions().read_token(&changed, NOW_MS).is_err());
    }

    #[test]
    fn contents_of_any_kind_under_the_right_key_make_nobody_of_a_form_that_ids_do_not_have(
        header in "\\PC{0,80}",
        contents in proptest::collection::vec(any::<u8>(), 0..200),
        sub in prop_oneof!["[a-z0-9]{1,8}".prop_map(Value::from), "\\PC{0,20}".prop_map(Value::from), any::<i64>().prop_map(Value::from)],
        exp in prop_oneof![any::<i64>(), NOW - 100..NOW + 200_000],
    ) {
        let sessions = sessions();
        for recipe in [NEXT_AUTH, AUTH_JS] {
            let _ = sessions.read_token(&recipe.sealed(&header, &contents), NOW_MS);
            let _ = sessions.read_token(&recipe.sealed(&recipe.header().to_string(), &contents), NOW_MS);
            if let Ok(read) = sessions.read_token(&recipe.session(&json!({ "sub": sub, "exp": exp })), NOW_MS) {
                prop_assert!(crate::transport::token::is_user_id(&read.user_id));
                prop_assert!(read.expires_at_ms <= NOW_MS + 86_400_000);
            }
        }
    }
}
