//! What somebody who writes a setting in another way than it is meant notices.

use super::*;

#[test]
fn a_wrong_value_is_refused_with_its_name_itself_and_the_mend() {
    for (name, value, mend) in [
        ("DOORBELL_LISTEN", "5544", "*:5544"),
        ("DOORBELL_LISTEN", "localhost", "127.0.0.1:5544"),
        ("DOORBELL_LISTEN", "127.0.0.1:99999", "127.0.0.1:5544"),
        ("DOORBELL_LISTEN", "127.0.0.1:1,127.0.0.1:1", "once"),
        ("DOORBELL_LISTEN", ",", "127.0.0.1:5544"),
        ("SOCKET_PORT", "abc", "65535"),
        ("PORT", "tcp://10.0.0.1:80", "DOORBELL_LISTEN"),
        ("DOORBELL_PUBLIC_URL", "chat.example.com", "https://"),
        ("DOORBELL_PUBLIC_URL", "https://", "https://"),
        ("DOORBELL_NODE_URL", "ftp://x", "http://10.0.0.5:5544"),
        ("DOORBELL_NODE_URL", "10.0.0.5:5544", "http://10.0.0.5:5544"),
        ("DOORBELL_NODE_URL", "http://10.0.0.5", "with the port"),
        ("DOORBELL_NODE_URL", "http://10.0.0.5:0", "with the port"),
        ("DOORBELL_NODE_URL", "http://[::1]", "with the port"),
        ("DOORBELL_NODE_URL", "http://10.0.0.5:99999", "with the port"),
        ("DOORBELL_NODE_URL", "https://10.0.0.5:5544", "http://10.0.0.5:5544"),
        ("DOORBELL_NODE_URL", "http://10.0.0.5:5544/node", "with the port"),
        ("DOORBELL_NODE_URL", "http://0.0.0.0:5544", "http://10.0.0.5:5544"),
        ("DOORBELL_NODE_URL", "http://[::]:5544", "http://10.0.0.5:5544"),
        (
            "DOORBELL_NODE_URL",
            "http://10.0.0.5:5544",
            "or leave DOORBELL_NODE_URL out",
        ),
        ("DOORBELL_SESSION_URL", "www.example.com", "https://www.example.com"),
        ("DOORBELL_SESSION_COOKIE", "two words", "session cookie"),
        ("DOORBELL_SESSION_COOKIE", ",", "session cookie"),
        ("DOORBELL_SESSION_COOKIE", "doorbell_session", "session cookie"),
        (
            "DOORBELL_SESSION_COOKIE",
            "a,__Secure-next-auth.state",
            "session cookie",
        ),
        ("DOORBELL_SESSION_COOKIE", "a,b,c,d,e,f,g,h,i", "session cookie"),
        ("DOORBELL_SESSION_SALT", "authjs.pkce.code_verifier", "session cookie"),
        ("DOORBELL_SESSION_USER_ID", "exp", "sub, id, email"),
        ("DOORBELL_SESSION_USER_ID", "user id", "sub, id, email"),
        ("FRONTEND_URL", "*", "https://www.example.com"),
        ("FRONTEND_URL", "www.example.com", "https://www.example.com"),
        ("FRONTEND_URL", "null", "https://www.example.com"),
        ("DOORBELL_DATABASE_URL", "mysql://h/d", "sqlite://"),
        ("DOORBELL_DATABASE_URL", "sqlite::memory:", "sqlite://"),
        ("DOORBELL_DATABASE_URL", "sqlite://", "sqlite://"),
        ("DOORBELL_DATABASE_URL", "doorbell.db", "sqlite://"),
        ("DOORBELL_MEDIA_URL", "media", "file://"),
        ("DOORBELL_MEDIA_URL", "s3://Photos/x", "s3://bucket/prefix"),
        ("DOORBELL_REDIS_PREFIX", "two words", "doorbell:"),
        ("DOORBELL_DIRECTORY", "shut", "open or closed"),
        ("DOORBELL_CONTRACT", "Tenant-Chat", "tenant-chat"),
        ("DOORBELL_RECOVERY_WINDOW", "120", "2m"),
        ("DOORBELL_RECOVERY_WINDOW", "2d", "0s to 1d"),
        ("DOORBELL_RECOVERY_WINDOW", "-1s", "2m"),
        ("DOORBELL_RECOVERY_WINDOW", "99999999999999999999h", "2m"),
        ("DOORBELL_GROUP_MAX", "1", "from 2 to 10000"),
        ("DOORBELL_GROUP_MAX", "many", "from 2 to 10000"),
        ("DOORBELL_MAX_IMAGE", "0", "10MiB"),
        ("DOORBELL_MAX_IMAGE", "10 apples", "10MiB"),
        ("DOORBELL_MAX_VIDEO", "11GiB", "10GiB"),
        ("DOORBELL_MEDIA_QUOTA", "0", "off"),
        ("DOORBELL_MEDIA_QUOTA", "none", "5GiB"),
        ("DOORBELL_MEDIA_QUOTA", "2000000GiB", "out of range"),
        ("DOORBELL_SHOW_EMAIL", "perhaps", "on or off"),
        (
            "DOORBELL_MEDIA_HOSTS",
            "https://images.example.com",
            "images.example.com",
        ),
        ("DOORBELL_RATE_LIMITS", "sends=20", "sends=20/s:60"),
        ("DOORBELL_RATE_LIMITS", "sends=0/s", "sends=20/s:60"),
        ("DOORBELL_RATE_LIMITS", "sends=1/s:0", "sends=20/s:60"),
        ("DOORBELL_RATE_LIMITS", "sends=1/d", "sends=20/s:60"),
        ("DOORBELL_RATE_LIMITS", "mails=1/s", "sends=20/s:60"),
        ("DOORBELL_RATE_LIMITS", "sends=1/s,sends=2/s", "once"),
        ("DOORBELL_LOG", "doorbell=loud", "info"),
        ("DOORBELL_LOG", "loud", "info"),
        ("DOORBELL_LOG", "info,loud", "info"),
    ] {
        let sentence = fault(&[(name, value)]);
        assert!(sentence.starts_with(name) && sentence.ends_with('.'), "{sentence}");
        assert!(sentence.contains(mend), "{value}: {sentence}");
        let shows_it = sentence.contains(&format!("{value:?}")) || sentence.contains("the scheme");
        assert!(shows_it, "{value}: {sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn an_address_that_is_refused_or_shown_gives_away_neither_password_nor_key() {
    for (name, value, mend) in [
        ("FRONTEND_URL", "https://u:hunter2@h", "https://www.example.com"),
        (
            "FRONTEND_URL",
            "https://a.example,https://u:hunt,er2@h",
            "https://www.example.com",
        ),
        ("DOORBELL_DATABASE_URL", "mysql://h/d?password=hunter2", "sqlite://"),
        (
            "DOORBELL_DATABASE_URL",
            "mysql://u:hunter2@h/d?password=hunter2",
            "sqlite://",
        ),
        ("DOORBELL_PUBLIC_URL", "https://u:hunter2@h", "https://chat.example.com"),
        (
            "DOORBELL_SESSION_URL",
            "https://example.com/?key=hunter2",
            "https://www.example.com",
        ),
        (
            "DOORBELL_JWKS_URL",
            "http://id.example/?key=hunter2",
            "https://id.example.com",
        ),
        ("DOORBELL_MEDIA_HOSTS", "https://u:hunter2@h", "images.example.com"),
        ("DOORBELL_MEDIA_URL", "s3://key:hunter2@bucket/x", "s3://bucket/prefix"),
    ] {
        let sentence = fault(&[(name, value)]);
        assert!(sentence.starts_with(name) && sentence.contains(mend), "{sentence}");
        assert!(!sentence.contains("hunt") && !sentence.contains("er2"), "{sentence}");
    }
    let url = "https://a.example/jwks?key=hunter2,https://b.example/jwks?x=1";
    let loaded = load_env(&[
        ("DOORBELL_JWKS_URL", url),
        ("DOORBELL_JWT_ISSUER", "a,b"),
        ("DOORBELL_JWT_AUDIENCE", "c"),
    ])
    .unwrap();
    assert_eq!(
        loaded.settings.jwt.key_sets[0].url,
        "https://a.example/jwks?key=hunter2"
    );
    let shown = print::in_force(&loaded);
    assert!(
        shown.contains("https://a.example/jwks?...,https://b.example/jwks?..."),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_address_of_a_bucket_s_server_is_judged_with_our_own_settings() {
    let with =
        |name: &'static str, value: &'static str| load_env(&[("DOORBELL_MEDIA_URL", "s3://photos"), (name, value)]);
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"] {
        for value in ["", " ", "http://10.0.0.5:9000", "https://s3.example.com/"] {
            assert!(with(name, value).is_ok(), "{name} {value:?}");
        }
        for value in [
            "minio:9000",
            "http://",
            "ftp://s3.example.com",
            "http://a b",
            "http://u:hunter2@s3.example.com",
        ] {
            let sentence = with(name, value).unwrap_err().to_string();
            assert!(
                sentence.starts_with(name) && sentence.contains("http://10.0.0.5:9000"),
                "{sentence}"
            );
            assert_eq!(sentence.contains(value), !value.contains('@'), "{sentence}");
            assert!(!sentence.contains("hunter2"), "{sentence}");
        }
    }
    assert!(
        load_env(&[("AWS_ENDPOINT_URL", "minio:9000")]).is_ok(),
        "no bucket is asked for"
    );
}

#[test]
fn a_fault_uses_the_words_of_whoever_wrote_it() {
    let flag = load(&sources(&[("group_max", "x")], &[], ""), Purpose::Serve)
        .unwrap_err()
        .to_string();
    assert!(flag.starts_with("--group-max is \"x\""), "{flag}");
    let key = load(&sources(&[], &[], "group_max = 1"), Purpose::Serve)
        .unwrap_err()
        .to_string();
    assert!(key.starts_with("group_max (in doorbell.toml) is \"1\""), "{key}");
    let empty = load(&sources(&[("jwt_secret", "")], &[], ""), Purpose::Serve)
        .unwrap_err()
        .to_string();
    assert!(empty.starts_with("--jwt-secret is empty"), "{empty}");
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_line_or_the_nearest_key() {
    for (text, expected) in [
        (
            "grup_max = 5",
            "doorbell.toml has \"grup_max\", which is not a setting; did you mean \"group_max\"?",
        ),
        (
            "jwt-secret = \"hush\"",
            "doorbell.toml has \"jwt-secret\", which is not a setting; did you mean \"jwt_secret\"?",
        ),
        ("jwt_secret = hush-hush", "doorbell.toml, line 1, is not TOML"),
        ("jwt_secret = \"hush", "doorbell.toml, line 1, is not TOML"),
        ("[[hush]]\nhush = hush", "doorbell.toml, line 2, is not TOML"),
        ("\n\nlisten = ", "doorbell.toml, line 3, is not TOML"),
        ("listen = \"a\"\nlisten = \"b\"", "doorbell.toml, line 2, is not TOML"),
        ("group_max = 2.5", "group_max (in doorbell.toml) is a float"),
        ("[listen]\nport = 1", "listen (in doorbell.toml) is a table"),
        ("listen = [1]", "listen (in doorbell.toml) is a array"),
    ] {
        let sentence = SettingsFile::parse("doorbell.toml", text)
            .err()
            .expect(text)
            .to_string();
        assert!(sentence.starts_with(expected), "{sentence}");
        assert!(!sentence.contains("hush") && !sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn the_file_may_write_numbers_switches_and_lists_in_its_own_way() {
    let file = "group_max = 7\nshow_email = true\nmedia_hosts = [\"A.example\", \"b.example\"]\nlisten = [\"127.0.0.1:1\", \"[::1]:1\"]\nfrontend_url = []";
    let settings = load(&sources(&[], &[], file), Purpose::Serve).unwrap().settings;
    assert_eq!((settings.group_max, settings.show_email), (7, true));
    assert_eq!(settings.media_hosts, ["a.example", "b.example"]);
    assert_eq!(settings.listen.len(), 2);
    assert!(settings.frontend_origins.is_none());
}

#[test]
fn a_misspelt_variable_is_noted() {
    let notes = settings(&[("DOORBELL_GROUPMAX", "5"), ("DOORBELL_PORT", "tcp://10.0.0.1:1")]).notes;
    assert_eq!(
        notes,
        ["DOORBELL_GROUPMAX is not a setting and is ignored; did you mean DOORBELL_GROUP_MAX?"]
    );
}
