//! What somebody who gives the server its database, its files and its neighbours notices.

use super::*;

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
fn pages_without_tls_before_a_server_with_it_are_noted() {
    let notes = |frontend: &'static str, tls: bool| {
        let mut environment = vec![("FRONTEND_URL", frontend)];
        if tls {
            environment.extend([("DOORBELL_TLS_CERT", "/c.pem"), ("DOORBELL_TLS_KEY", "/k.pem")]);
        }
        settings(&environment).notes
    };
    assert!(notes("https://a.example,http://www.example.com", true)[0].contains("write https://"));
    for (frontend, tls) in [
        ("https://www.example.com", true),
        ("http://localhost:3000", true),
        ("http://www.example.com", false),
    ] {
        assert_eq!(notes(frontend, tls), Vec::<String>::new(), "{frontend}");
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
