//! What somebody who configures the server notices.

use std::collections::BTreeMap;

use super::{
    print,
    sources::SettingsFile,
    values::{duration_text, listen},
    *,
};
use crate::model::limits::Rate;

fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Sources {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let file = (!file.is_empty()).then(|| SettingsFile::parse("doorbell.toml", file).unwrap());
    Sources {
        flags: map(flags),
        environment: map(environment),
        file,
    }
}

fn load_env(environment: &[(&str, &str)]) -> Result<Loaded, ConfigFault> {
    load(&sources(&[], environment, ""), Purpose::Serve)
}

fn settings(environment: &[(&str, &str)]) -> Settings {
    load_env(environment).unwrap().settings
}

fn fault(environment: &[(&str, &str)]) -> String {
    load_env(environment)
        .map(|loaded| loaded.settings)
        .unwrap_err()
        .to_string()
}

#[test]
fn without_any_configuration_the_defaults_of_the_manual_hold() {
    let settings = settings(&[]);
    assert_eq!(settings.listen, listen("127.0.0.1:5544").unwrap());
    assert_eq!(
        settings.database,
        DatabaseUrl::Sqlite("doorbell-data/doorbell.db".into())
    );
    assert_eq!(settings.media, MediaUrl::Folder("doorbell-data/media".into()));
    assert_eq!(settings.rates, RateLimits::default());
    assert_eq!(settings.recovery_window, Duration::from_secs(120));
    assert_eq!(
        (settings.max_image, settings.max_video),
        (limits::IMAGE_BYTES, limits::VIDEO_BYTES)
    );
    assert_eq!(settings.media_quota, Some(limits::MEDIA_QUOTA_BYTES));
    assert_eq!(settings.group_max, limits::GROUP_MAX);
    assert_eq!(
        (settings.directory, settings.contract, settings.show_email),
        (Directory::Open, None, false)
    );
    assert_eq!(
        (settings.frontend_origins.is_none(), settings.api_keys.fixed.is_empty()),
        (true, true)
    );
    assert!(settings.jwt.secret.is_none() && settings.jwt.issuers.is_empty() && settings.jwt.audiences.is_empty());
    assert_eq!(settings.base_url(), "http://127.0.0.1:5544");
    assert_eq!(settings.notes, Vec::<String>::new());
}

#[test]
fn a_flag_counts_before_a_variable_before_the_file_before_the_default() {
    let file = "group_max = 10\nmax_image = \"1MiB\"\ndirectory = \"closed\"";
    let environment = [("DOORBELL_GROUP_MAX", "20"), ("DOORBELL_MAX_IMAGE", "2MiB")];
    let loaded = load(&sources(&[("group_max", "30")], &environment, file), Purpose::Serve).unwrap();
    assert_eq!(loaded.settings.group_max, 30);
    assert_eq!(loaded.settings.max_image, 2 << 20);
    assert_eq!(loaded.settings.directory, Directory::Closed);
    let from = |key: &str| {
        loaded
            .in_force
            .iter()
            .find(|shown| shown.key == key)
            .unwrap()
            .from
            .clone()
    };
    assert_eq!(from("group_max"), "--group-max");
    assert_eq!(from("max_image"), "DOORBELL_MAX_IMAGE");
    assert_eq!(from("directory"), "directory (in doorbell.toml)");
    assert_eq!(from("max_video"), "default");
}

#[test]
fn the_port_of_a_node_server_is_taken_on_all_interfaces() {
    assert_eq!(settings(&[("PORT", "8080")]).listen, [ListenAddr::AllInterfaces(8080)]);
    assert_eq!(
        settings(&[("PORT", "8080"), ("SOCKET_PORT", "3001")]).listen,
        [ListenAddr::AllInterfaces(3001)]
    );
    assert_eq!(
        settings(&[("PORT", "8080"), ("DOORBELL_LISTEN", "[::1]:1")]).listen,
        listen("[::1]:1").unwrap()
    );
    assert_eq!(settings(&[("PORT", "")]).listen, listen("127.0.0.1:5544").unwrap());
    let in_file = load(
        &sources(&[], &[("PORT", "8080")], "listen = \"127.0.0.1:1\""),
        Purpose::Serve,
    )
    .unwrap();
    assert_eq!(in_file.settings.listen, listen("127.0.0.1:1").unwrap());
    assert_eq!(settings(&[("PORT", "8080")]).base_url(), "http://localhost:8080");
}

#[test]
fn a_database_url_of_another_product_is_passed_over_with_a_note() {
    for url in [
        "mongodb://user:pass@host/db",
        "mongodb+srv://host/db",
        "file:./dev.db",
        "mysql://host/db",
        "nonsense",
    ] {
        let settings = settings(&[("DATABASE_URL", url)]);
        assert_eq!(
            settings.database,
            DatabaseUrl::Sqlite("doorbell-data/doorbell.db".into()),
            "{url}"
        );
        assert_eq!(settings.notes.len(), 1, "{url}");
        assert!(!settings.notes[0].contains("pass@"), "{}", settings.notes[0]);
    }
    let url = "sqlite:///srv/chat.db?schema=public&connection_limit=5";
    assert_eq!(
        settings(&[("DATABASE_URL", url)]).database,
        DatabaseUrl::Sqlite("/srv/chat.db".into())
    );
    let both = [
        ("DATABASE_URL", "postgres://u:hush@h/d"),
        ("DOORBELL_DATABASE_URL", "sqlite://chat.db"),
    ];
    assert_eq!(settings(&both).database, DatabaseUrl::Sqlite("chat.db".into()));
}

#[test]
fn a_postgres_url_is_used_and_shown_without_its_password() {
    for name in ["DOORBELL_DATABASE_URL", "DATABASE_URL"] {
        let url = "postgresql://u:hush@h:5433/d?schema=public&password=hush";
        let loaded = load(&sources(&[], &[(name, url)], ""), Purpose::Serve).unwrap();
        assert_eq!(loaded.settings.database, DatabaseUrl::Postgres(Secret::new(url)));
        let shown = loaded.in_force.iter().find(|setting| setting.key == "database_url");
        assert_eq!(shown.unwrap().value, "postgresql://...@h:5433/d");
        assert!(!format!("{:?}", loaded.settings).contains("hush"));
    }
    let sentence = fault(&[("DOORBELL_DATABASE_URL", "postgres:///d")]);
    assert!(sentence.contains("names no PostgreSQL server"), "{sentence}");
}

#[test]
fn one_of_several_nodes_says_where_the_others_reach_it() {
    let several = |url: &str| {
        settings(&[
            ("DOORBELL_NODE_URL", url),
            ("DOORBELL_DATABASE_URL", "postgres://u:hush@h/d"),
            ("DOORBELL_MEDIA_SHARED", "on"),
        ])
    };
    for url in [
        "http://10.0.0.5:5544",
        "http://node-1.chat.svc.cluster.local:80",
        "http://[fd00::5]:5544",
        "http://127.0.0.1:1",
    ] {
        for written in [url.to_owned(), format!(" {url}/ ")] {
            assert_eq!(several(&written).node_url.as_deref(), Some(url));
        }
    }
    assert_eq!(settings(&[]).node_url, None);
    let sentence = fault(&[("DOORBELL_NODE_URL", "http://10.0.0.5:5544")]);
    assert!(sentence.contains("several nodes need PostgreSQL"), "{sentence}");
    let demo = load(
        &sources(&[], &[("DOORBELL_NODE_URL", "http://10.0.0.5:5544")], ""),
        Purpose::Demo,
    );
    assert_eq!(demo.unwrap().settings.node_url, None, "the demo is one node");
}

#[test]
fn with_a_bus_the_others_reach_a_node_where_it_listens_first() {
    let with = |listen: &'static str| {
        let redis = ("DOORBELL_REDIS_URL", "redis://h:6379");
        let several = [
            ("DOORBELL_DATABASE_URL", "postgres://h/d"),
            ("DOORBELL_MEDIA_SHARED", "on"),
            ("DOORBELL_LISTEN", listen),
            redis,
        ];
        load_env(&several).unwrap()
    };
    for (listen, url) in [
        ("10.0.0.5:5544", "http://10.0.0.5:5544"),
        ("[fd00::5]:80,0.0.0.0:81", "http://[fd00::5]:80"),
        ("127.0.0.1:5544", "http://127.0.0.1:5544"),
    ] {
        let loaded = with(listen);
        assert_eq!(loaded.settings.node_url.as_deref(), Some(url));
        assert_eq!(loaded.settings.notes, Vec::<String>::new());
        let shown = loaded
            .in_force
            .iter()
            .find(|setting| setting.key == "node_url")
            .unwrap();
        assert_eq!((shown.value.as_str(), shown.from.as_str()), (url, "default"));
    }
    for listen in ["*:5544", "0.0.0.0:5544", "[::]:5544", "10.0.0.5:0"] {
        let loaded = with(listen);
        assert_eq!(loaded.settings.node_url, None, "{listen}");
        let [note] = &loaded.settings.notes[..] else {
            panic!("{listen}: {:?}", loaded.settings.notes)
        };
        assert!(
            note.contains("no other node can hand requests over to this one"),
            "{note}"
        );
        assert!(note.contains("set DOORBELL_NODE_URL to http://"), "{note}");
        assert!(print::in_force(&loaded).contains(note));
    }
    let own_files = [
        ("DOORBELL_DATABASE_URL", "postgres://h/d"),
        ("DOORBELL_REDIS_URL", "redis://h:6379"),
    ];
    let notes = settings(&own_files).notes;
    assert!(
        notes.iter().any(|note| note.contains("DOORBELL_MEDIA_SHARED")),
        "{notes:?}"
    );
}

#[test]
fn one_of_several_nodes_needs_files_that_the_others_see() {
    let node = [
        ("DOORBELL_NODE_URL", "http://10.0.0.5:5544"),
        ("DOORBELL_DATABASE_URL", "postgres://u:hush@h/d"),
    ];
    let with = |more: &[(&'static str, &'static str)]| load_env(&[&node[..], more].concat());
    let sentence = with(&[]).unwrap_err().to_string();
    for part in [
        "DOORBELL_NODE_URL",
        "file://doorbell-data/media",
        "s3://bucket/prefix",
        "DOORBELL_MEDIA_SHARED",
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert!(with(&[("DOORBELL_MEDIA_SHARED", "on")]).is_ok());
    assert!(with(&[("DOORBELL_MEDIA_URL", "s3://photos/shop")]).is_ok());
    assert!(
        with(&[
            ("DOORBELL_MEDIA_URL", "file:///mnt/share"),
            ("DOORBELL_MEDIA_SHARED", "off")
        ])
        .is_err()
    );
}

#[test]
fn the_data_folder_moves_what_lies_in_it_by_default() {
    let moved = settings(&[("DOORBELL_DATA_DIR", "/srv/doorbell")]);
    assert_eq!(moved.database, DatabaseUrl::Sqlite("/srv/doorbell/doorbell.db".into()));
    assert_eq!(moved.media, MediaUrl::Folder("/srv/doorbell/media".into()));
    let media = settings(&[
        ("DOORBELL_DATA_DIR", "/srv/doorbell"),
        ("DOORBELL_MEDIA_URL", "file:///media"),
    ]);
    assert_eq!(media.media, MediaUrl::Folder("/media".into()));
}

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
    let notes = settings(&[("DOORBELL_JWKS_URL", "https://id.example/jwks")]).notes;
    assert!(
        notes.iter().any(|note| note.contains("DOORBELL_JWT_ISSUER")),
        "{notes:?}"
    );
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
fn the_bus_is_for_nodes_that_share_a_database() {
    let postgres = ("DOORBELL_DATABASE_URL", "postgres://h/d");
    let url = "rediss://ann:hush@redis.example:6380";
    let loaded = load_env(&[postgres, ("DOORBELL_REDIS_URL", url)]).unwrap();
    let redis = loaded.settings.redis.as_ref().unwrap();
    assert_eq!((redis.url.expose(), redis.prefix.as_str()), (url, "doorbell:"));
    let prefix = ("DOORBELL_REDIS_PREFIX", "shop-2:");
    let named = settings(&[postgres, ("DOORBELL_REDIS_URL", url), prefix]);
    assert_eq!(named.redis.unwrap().prefix, "shop-2:");
    assert!(settings(&[postgres, prefix]).redis.is_none());
    let alone = fault(&[("DOORBELL_REDIS_URL", url)]);
    assert!(
        alone.starts_with("DOORBELL_REDIS_URL is set, but the database is SQLite"),
        "{alone}"
    );
    let shown = print::in_force(&loaded) + &format!("{loaded:?}") + &alone;
    assert!(!shown.contains("hush"), "{shown}");
    let demo = load(&sources(&[], &[("DOORBELL_REDIS_URL", url)], ""), Purpose::Demo).unwrap();
    assert!(demo.settings.redis.is_none());
}

#[test]
fn what_is_no_address_of_a_bus_is_refused_and_not_shown() {
    let postgres = ("DOORBELL_DATABASE_URL", "postgres://h/d");
    for (value, expected) in [
        ("hush.example:6379", "not the URL of a Redis server"),
        ("https://:hush@h", "not the URL of a Redis server"),
        ("redis://:hush@", "names no host"),
        ("redis:///hush", "names no host"),
        ("rediss://:hush@h#insecure", "behind #"),
    ] {
        let sentence = fault(&[postgres, ("DOORBELL_REDIS_URL", value)]);
        assert!(
            sentence.starts_with("DOORBELL_REDIS_URL") && sentence.contains(expected),
            "{sentence}"
        );
        assert!(!sentence.contains("hush") && sentence.ends_with('.'), "{sentence}");
    }
}

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
        (
            "DOORBELL_SESSION_URL",
            "https://example.com/?x=y",
            "https://www.example.com",
        ),
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
fn rates_that_are_not_named_keep_their_defaults() {
    let rates = settings(&[("DOORBELL_RATE_LIMITS", "sends=5/m, uploads = off ,requests=9/h:3")]).rates;
    let minute = Duration::from_secs(60);
    assert_eq!(rates.sends, Some(Rate::new(5, minute, 5)));
    assert_eq!(rates.uploads, None);
    assert_eq!(rates.requests, Some(Rate::new(9, 60 * minute, 3)));
    assert_eq!(rates.connections, RateLimits::default().connections);
    assert_eq!(settings(&[("DOORBELL_RATE_LIMITS", "off")]).rates, RateLimits::OFF);
    // The default that is shown is the one that holds.
    assert_eq!(
        values::rate_limits(setting("rate_limits").default).unwrap(),
        RateLimits::default()
    );
}

#[test]
fn a_misspelt_variable_is_noted() {
    let notes = settings(&[("DOORBELL_GROUPMAX", "5"), ("DOORBELL_PORT", "tcp://10.0.0.1:1")]).notes;
    assert_eq!(
        notes,
        ["DOORBELL_GROUPMAX is not a setting and is ignored; did you mean DOORBELL_GROUP_MAX?"]
    );
}

#[test]
fn the_demo_keeps_to_this_machine_and_to_its_own_folder() {
    let demo = |flags: &[(&str, &str)], environment: &[(&str, &str)]| {
        load(&sources(flags, environment, ""), Purpose::Demo).map(|loaded| loaded.settings)
    };
    let own = demo(
        &[],
        &[("PORT", "80"), ("DOORBELL_DATABASE_URL", "sqlite:///srv/production.db")],
    )
    .unwrap();
    assert_eq!(own.listen, listen("127.0.0.1:80").unwrap());
    assert_eq!(
        own.database,
        DatabaseUrl::Sqlite("doorbell-data/demo/doorbell.db".into())
    );
    assert_eq!(own.notes.len(), 1);
    assert!(demo(&[], &[("DATABASE_URL", "postgres://h/d")]).is_ok());
    let moved = demo(&[("data_dir", "/tmp/x")], &[]).unwrap();
    assert_eq!(moved.database, DatabaseUrl::Sqlite("/tmp/x/doorbell.db".into()));
    assert!(
        demo(&[("listen", "0.0.0.0:80")], &[])
            .unwrap_err()
            .to_string()
            .contains("this machine alone")
    );
}

#[test]
fn the_annotated_file_is_a_file_of_defaults() {
    let text = print::default_file();
    assert!(SettingsFile::parse("doorbell.toml", &text).is_ok());
    // Uncommented, every line is taken.
    let uncommented: String = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' ') && !rest.is_empty())
        })
        // There is no such file.
        .filter(|line| !line.starts_with("api_keys_file"))
        // Both need another database than the default.
        .filter(|line| !line.starts_with("redis_url"))
        // One node of several needs another database than the default.
        .filter(|line| !line.starts_with("node_url"))
        .map(|line| format!("{line}\n"))
        .collect();
    let loaded = load(
        &sources(
            &[],
            &[],
            &uncommented.replace("a long random text", "a-long-random-text"),
        ),
        Purpose::Serve,
    );
    assert_eq!(loaded.unwrap().settings.group_max, limits::GROUP_MAX);
    for setting in SETTINGS {
        assert!(text.contains(&format!("\n#{} = ", setting.key)), "{}", setting.key);
    }
}

#[test]
fn every_setting_is_read_and_shown_once() {
    let shown: Vec<&str> = load_env(&[]).unwrap().in_force.iter().map(|shown| shown.key).collect();
    let listed: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    assert_eq!(shown, listed);
}

#[test]
fn durations_are_written_as_they_are_read() {
    for text in ["0s", "90s", "2m", "1h", "1d"] {
        let read = values::duration(Duration::ZERO, limits::RECOVERY_WINDOW_MAX)(text).unwrap();
        assert_eq!(duration_text(read), text);
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

#[test]
fn a_certificate_needs_its_key_and_several_nodes_a_way_around_it() {
    let (certificate, key) = (("DOORBELL_TLS_CERT", "cert.pem"), ("DOORBELL_TLS_KEY", "key.pem"));
    for (alone, missing) in [(certificate, "DOORBELL_TLS_KEY"), (key, "DOORBELL_TLS_CERT")] {
        let fault = fault(&[alone]);
        assert!(fault.starts_with(alone.0) && fault.contains(missing), "{fault}");
    }
    let alone = settings(&[certificate, key]);
    assert_eq!(alone.base_url(), "https://127.0.0.1:5544");
    assert_eq!(
        alone.tls,
        Some(TlsSettings {
            certificate: "cert.pem".into(),
            key: "key.pem".into()
        })
    );
    let several = [
        ("DOORBELL_DATABASE_URL", "postgres://u@db/d"),
        ("DOORBELL_REDIS_URL", "redis://bus"),
        ("DOORBELL_MEDIA_SHARED", "on"),
        certificate,
        key,
    ];
    let fault = fault(&several);
    assert!(fault.contains("DOORBELL_NODE_LISTEN"), "{fault}");
    let with_listener = settings(&[&several[..], &[("DOORBELL_NODE_LISTEN", "10.0.0.5:5545")]].concat());
    assert_eq!(with_listener.node_url.as_deref(), Some("http://10.0.0.5:5545"));
    assert_eq!(with_listener.node_listen, listen("10.0.0.5:5545").unwrap());
}

#[test]
fn limits_of_addresses_and_sockets_are_settings_and_can_be_off() {
    let defaults = settings(&[]);
    assert_eq!(
        (
            defaults.sockets_per_user,
            defaults.joined_conversations,
            defaults.connections_per_address
        ),
        (
            Some(limits::SOCKETS_PER_USER),
            Some(limits::JOINED_CONVERSATIONS),
            Some(limits::CONNECTIONS_PER_ADDRESS)
        )
    );
    assert_eq!(defaults.trusted_proxies.to_string(), "127.0.0.0/8,::1/128");
    let chosen = settings(&[
        ("DOORBELL_SOCKETS_PER_USER", "off"),
        ("DOORBELL_JOINED_CONVERSATIONS", "7"),
        ("DOORBELL_CONNECTIONS_PER_ADDRESS", "off"),
        ("DOORBELL_TRUSTED_PROXIES", "none"),
        ("DOORBELL_RATE_LIMITS", "handshakes=5/s:7,failures=off"),
    ]);
    assert_eq!(
        (
            chosen.sockets_per_user,
            chosen.joined_conversations,
            chosen.connections_per_address
        ),
        (None, Some(7), None)
    );
    assert_eq!(chosen.trusted_proxies, TrustedProxies::default());
    assert_eq!(chosen.rates.handshakes, Some(Rate::new(5, Duration::from_secs(1), 7)));
    assert_eq!(chosen.rates.failures, None);
    assert_eq!(chosen.rates.sends, RateLimits::default().sends);
    for (name, value) in [
        ("DOORBELL_SOCKETS_PER_USER", "0"),
        ("DOORBELL_JOINED_CONVERSATIONS", "-1"),
        ("DOORBELL_CONNECTIONS_PER_ADDRESS", "many"),
        ("DOORBELL_TRUSTED_PROXIES", "0.0.0.0/0"),
    ] {
        let fault = fault(&[(name, value)]);
        assert!(fault.starts_with(name) && fault.contains(value), "{fault}");
    }
}
