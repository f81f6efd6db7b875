//! What somebody who says whom the server is to believe notices.

use super::*;

#[test]
fn each_set_of_public_keys_is_one_issuers() {
    let jwt = |jwks: &str, issuers: &str| {
        let mut environment = vec![("DOORBELL_JWKS_URL", jwks), ("DOORBELL_JWT_AUDIENCE", "chat, mail")];
        if !issuers.is_empty() {
            environment.push(("DOORBELL_JWT_ISSUER", issuers));
        }
        load_env(&environment).map(|loaded| loaded.settings.jwt)
    };
    let one = jwt("https://id.example/jwks", "").unwrap();
    assert_eq!(one.audiences, ["chat", "mail"]);
    let pairs = |jwt: &JwtSettings| {
        let pair = |set: &KeySetSettings| format!("{} {}", set.url, set.issuer.as_deref().unwrap_or("any"));
        jwt.key_sets.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&one), ["https://id.example/jwks any"]);
    let two = jwt("https://a.example/k, http://127.0.0.1:9/k", "a,b,own").unwrap();
    assert_eq!(pairs(&two), ["https://a.example/k a", "http://127.0.0.1:9/k b"]);
    assert_eq!(
        two.party()[0].1.as_deref(),
        Some("own"),
        "the issuer without public keys"
    );
    assert_eq!(two.party()[1].1.as_deref(), Some("chat"));
    for (jwks, issuers, expected) in [
        ("http://id.example/jwks", "a", "without TLS"),
        ("https://user:hush@id.example/jwks", "a", "is not the address"),
        ("id.example", "a", "is not the address"),
        ("https://a.example,https://b.example", "a", "in the same order"),
        ("https://a.example,https://b.example", "", "in the same order"),
        ("https://a.example,https://a.example", "a,b", "twice"),
        (",", "a", "names none"),
    ] {
        let sentence = jwt(jwks, issuers).unwrap_err().to_string();
        assert!(
            sentence.contains(expected) && sentence.contains("DOORBELL_JWKS_URL"),
            "{sentence}"
        );
    }
    for (issuers, expected) in [
        ("a", "DOORBELL_JWT_ISSUER 1 issuer,"),
        ("", "DOORBELL_JWT_ISSUER no issuer,"),
    ] {
        let sentence = jwt("https://a.example,https://b.example", issuers)
            .unwrap_err()
            .to_string();
        assert!(
            sentence.contains("2 sets of keys") && sentence.contains(expected),
            "{sentence}"
        );
    }
    let notes = settings(&[("DOORBELL_JWKS_URL", "https://id.example/jwks")]).notes;
    assert!(
        notes.iter().any(|note| note.contains("DOORBELL_JWT_ISSUER")),
        "{notes:?}"
    );
}

#[test]
fn a_file_of_api_keys_that_everybody_can_read_is_noted() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, "an-api-key-that-is-long-enough-for-anyone\n").unwrap();
    for (mode, is_noted) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let notes = settings(&[("DOORBELL_API_KEYS_FILE", path.to_str().unwrap())]).notes;
        let noted = notes
            .iter()
            .any(|note| note.contains("DOORBELL_API_KEYS_FILE") && note.contains("chmod"));
        assert_eq!(noted, is_noted, "{mode:o}: {notes:?}");
    }
}

#[test]
fn a_file_of_api_keys_that_cannot_be_read_is_refused() {
    let sentence = fault(&[("DOORBELL_API_KEYS_FILE", "/nowhere/keys")]);
    assert!(
        sentence.starts_with("DOORBELL_API_KEYS_FILE") && sentence.contains("/nowhere/keys"),
        "{sentence}"
    );
}

#[test]
fn sessions_of_the_host_application_are_read_with_each_of_its_secrets() {
    let long = |name: &str| format!("hush, {name}, taken as it stands, commas included");
    let [first, second, third, plain, next_auth] = ["1", "2", "3", "plain", "next"].map(long);
    let loaded = load_env(&[
        ("NEXTAUTH_SECRET", &next_auth),
        ("AUTH_SECRET", &plain),
        ("AUTH_SECRET_1", &first),
        ("AUTH_SECRET_2", &second),
        ("AUTH_SECRET_3", &third),
    ])
    .unwrap();
    let sessions = &loaded.settings.sessions;
    let secrets: Vec<_> = sessions
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), secret.secret.expose()))
        .collect();
    // The newest first, as Auth.js tries them.
    assert_eq!(
        secrets,
        [
            ("AUTH_SECRET_3", third.as_str()),
            ("AUTH_SECRET_2", &second),
            ("AUTH_SECRET_1", &first),
            ("AUTH_SECRET", &plain),
            ("NEXTAUTH_SECRET", &next_auth)
        ]
    );
    assert_eq!(
        (sessions.user_id.as_str(), &sessions.site, &sessions.salt),
        ("sub", &None, &None)
    );
    assert_eq!(loaded.settings.notes, Vec::<String>::new());
    let shown = print::in_force(&loaded) + &format!("{loaded:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(settings(&[]).sessions.secrets, []);
}

#[test]
fn where_sessions_come_from_can_be_said() {
    let sessions = settings(&[
        ("DOORBELL_SESSION_URL", "https://www.example.com/"),
        ("DOORBELL_SESSION_COOKIE", "__Secure-example.session, example.session"),
        ("DOORBELL_SESSION_SALT", "example.session"),
        ("DOORBELL_SESSION_USER_ID", "https://example.com/user_id"),
    ])
    .sessions;
    assert_eq!(sessions.site.as_deref(), Some("https://www.example.com"));
    assert_eq!(sessions.cookie_names, ["__Secure-example.session", "example.session"]);
    assert_eq!(sessions.salt.as_deref(), Some("example.session"));
    assert_eq!(sessions.user_id, "https://example.com/user_id");
}

#[test]
fn settings_of_sessions_that_most_likely_are_mistakes_are_noted() {
    let long = "a secret that is long enough, 32 bytes";
    let quoted = format!("\"{long}\"");
    let blank = format!("{long} ");
    for (environment, expected) in [
        (
            vec![("AUTH_SECRET", "hush-hush")],
            "AUTH_SECRET is shorter than 32 bytes",
        ),
        (
            vec![("AUTH_SECRET_2", quoted.as_str())],
            "AUTH_SECRET_2 begins or ends with",
        ),
        (
            vec![("NEXTAUTH_SECRET", blank.as_str())],
            "NEXTAUTH_SECRET begins or ends with",
        ),
        (
            vec![("DOORBELL_SESSION_COOKIE", "a")],
            "DOORBELL_SESSION_COOKIE is set, but no session is read",
        ),
        (
            vec![("DOORBELL_SESSION_SALT", "a")],
            "DOORBELL_SESSION_SALT is set, but no session is read",
        ),
        (
            vec![("DOORBELL_SESSION_USER_ID", "id")],
            "DOORBELL_SESSION_USER_ID is set, but no session is read",
        ),
        (
            vec![("DOORBELL_SESSION_URL", "http://web.example:3000")],
            "DOORBELL_SESSION_URL is not https",
        ),
    ] {
        let notes = settings(&environment).notes;
        assert!(
            notes.len() == 1 && notes[0].starts_with(expected),
            "{environment:?}: {notes:?}"
        );
        assert!(!notes[0].contains("hush") && !notes[0].contains(long), "{notes:?}");
    }
    for environment in [
        [("AUTH_SECRET", long), ("DOORBELL_SESSION_COOKIE", "a")],
        [("AUTH_SECRET", long), ("NEXTAUTH_SECRET", long)],
        [
            ("DOORBELL_SESSION_URL", "http://localhost:3000"),
            ("DOORBELL_SESSION_USER_ID", "email"),
        ],
    ] {
        assert_eq!(settings(&environment).notes, Vec::<String>::new(), "{environment:?}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let environment = [
        ("DOORBELL_JWT_SECRET", "hush-1"),
        ("DOORBELL_API_KEY", "hush-2,hush-3"),
        ("NEXTAUTH_SECRET", "hush-4"),
    ];
    let loaded = load_env(&environment).unwrap();
    assert_eq!(loaded.settings.jwt.secret.as_ref().unwrap().expose(), "hush-1");
    assert_eq!(loaded.settings.api_keys.fixed.len(), 2);
    for text in [print::in_force(&loaded), format!("{loaded:?}")] {
        assert!(!text.contains("hush"), "{text}");
    }
    assert!(print::in_force(&loaded).contains("DOORBELL_JWT_SECRET is shorter than 32 bytes"));
    for (name, value) in [("DOORBELL_API_KEY", "hush hush"), ("DOORBELL_JWT_SECRET", "   ")] {
        let sentence = fault(&[(name, value)]);
        assert!(
            sentence.starts_with(name) && !sentence.contains("hush") && !sentence.contains('"'),
            "{sentence}"
        );
    }
}

#[test]
fn what_is_shown_of_a_url_holds_no_password() {
    for (url, shown) in [
        ("mysql://db.example/chat", "mysql://db.example/chat"),
        ("mysql://root:password@db.example/chat", "mysql://...@db.example/chat"),
        ("mysql://root:pass@word@db.example", "mysql://...@db.example"),
        ("mysql://root:pass/word@db.example", "mysql://..."),
        ("mysql://root:p@ss/word@db.example", "mysql://..."),
        ("mysql://root:p@ss#word@db.example", "mysql://..."),
        ("mysql:root:password@db.example", "mysql:..."),
        ("mysql:root:pass://word@db.example", "mysql:..."),
        ("password@db.example", "..."),
        ("a sentence", "a sentence"),
    ] {
        assert_eq!(values::without_credentials(url), shown, "{url}");
    }
}
