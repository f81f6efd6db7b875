//! Every setting once: its names, default and meaning. Flags, variables, keys of the file, `--help`, `check-config` and
//! the annotated file are all made from this list.

/// A setting. Its flag is its key with hyphens (`--database-url`), its key stands in `doorbell.toml` as it is.
#[derive(Debug)]
pub struct Setting {
    pub key: &'static str,
    /// The environment variable, then those of other products that stand in for it, in the order in which they count.
    pub variables: &'static [&'static str],
    /// As it would be written; empty where there is none.
    pub default: &'static str,
    pub example: &'static str,
    pub group: Group,
    pub is_secret: bool,
    pub meaning: &'static str,
}

/// Headings of `--help` and of the annotated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Addresses,
    Nodes,
    Storage,
    Identity,
    Conversations,
    Limits,
    Logs,
}

impl Group {
    pub const ALL: [Group; 7] = [
        Group::Addresses,
        Group::Nodes,
        Group::Storage,
        Group::Identity,
        Group::Conversations,
        Group::Limits,
        Group::Logs,
    ];

    pub fn heading(self) -> &'static str {
        match self {
            Group::Addresses => "Addresses",
            Group::Nodes => "Several nodes",
            Group::Storage => "Storage",
            Group::Identity => "Who is who",
            Group::Conversations => "Conversations",
            Group::Limits => "Limits",
            Group::Logs => "Logs",
        }
    }
}

impl Setting {
    /// The flag without its two hyphens.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

/// The setting with this key. The keys in the code are all in the list, which a test makes sure of.
pub fn setting(key: &str) -> &'static Setting {
    SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .unwrap_or_else(|| panic!("no setting is called {key}"))
}

const fn plain(
    group: Group,
    key: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        key,
        variables,
        default,
        example,
        group,
        is_secret: false,
        meaning,
    }
}

const fn secret(
    group: Group,
    key: &'static str,
    variables: &'static [&'static str],
    example: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        key,
        variables,
        default: "",
        example,
        group,
        is_secret: true,
        meaning,
    }
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    plain(
        Group::Addresses,
        "listen",
        &["DOORBELL_LISTEN", "SOCKET_PORT", "PORT"],
        "127.0.0.1:5544",
        "0.0.0.0:5544",
        "Addresses to listen on, with commas between them. SOCKET_PORT or PORT alone mean that port on all interfaces, \
         as with Node.",
    ),
    plain(
        Group::Addresses,
        "public_url",
        &["DOORBELL_PUBLIC_URL"],
        "",
        "https://chat.example.com",
        "Where browsers reach this server: links to files begin with it, and pages from there are never foreign. \
         Without it, the first listen address.",
    ),
    plain(
        Group::Addresses,
        "frontend_url",
        &["FRONTEND_URL"],
        "",
        "https://www.example.com",
        "Origins of the pages that may use this server, with commas between them. Without it, pages from this machine \
         alone (localhost, any port).",
    ),
    plain(
        Group::Addresses,
        "tls_cert",
        &["DOORBELL_TLS_CERT"],
        "",
        "/etc/letsencrypt/live/chat.example.com/fullchain.pem",
        "File of the certificate, with those between it and a root, in PEM: every listen address then speaks TLS (HTTP/1.1). \
         It is read again when it changes. Without it, TLS is your proxy's business.",
    ),
    plain(
        Group::Addresses,
        "tls_key",
        &["DOORBELL_TLS_KEY"],
        "",
        "/etc/letsencrypt/live/chat.example.com/privkey.pem",
        "File of the certificate's private key, in PEM.",
    ),
    plain(
        Group::Addresses,
        "trusted_proxies",
        &["DOORBELL_TRUSTED_PROXIES"],
        "127.0.0.0/8,::1",
        "10.0.0.0/8,2001:db8::/32",
        "Proxies that are believed what they say of a client's address (X-Forwarded-For, else Forwarded), as addresses and \
         networks with commas between them; none: nobody. Limits by address do not hold for these themselves.",
    ),
    plain(
        Group::Nodes,
        "node_url",
        &["DOORBELL_NODE_URL"],
        "",
        "http://10.0.0.5:5544",
        "Where the other nodes reach this one, in a network of your own: http://host:port, another one for each. It makes \
         this one of several nodes, which share one PostgreSQL and need no sticky sessions. Without it, the first listen \
         address where DOORBELL_REDIS_URL is set; else this is the only node.",
    ),
    plain(
        Group::Nodes,
        "node_listen",
        &["DOORBELL_NODE_LISTEN"],
        "",
        "10.0.0.5:5545",
        "Further addresses to listen on, without TLS, in a network of your own: DOORBELL_NODE_URL names one of them where \
         DOORBELL_TLS_CERT is set.",
    ),
    plain(
        Group::Storage,
        "data_dir",
        &["DOORBELL_DATA_DIR"],
        "doorbell-data",
        "/var/lib/doorbell",
        "Folder in which database and media lie by default.",
    ),
    plain(
        Group::Storage,
        "database_url",
        &["DOORBELL_DATABASE_URL", "DATABASE_URL"],
        "sqlite://doorbell-data/doorbell.db",
        "sqlite:///var/lib/doorbell/doorbell.db",
        "The database: sqlite://path (relative), sqlite:///path (absolute) or postgres://user:password@host:5432/database \
         (13 or later; Doorbell keeps to a schema \"doorbell\" of its own). A DATABASE_URL of \
         another product's database, as mongodb: or Prisma's file:, is passed over; Prisma's parameters are ignored.",
    ),
    plain(
        Group::Storage,
        "media_url",
        &["DOORBELL_MEDIA_URL"],
        "file://doorbell-data/media",
        "file:///var/lib/doorbell/media",
        "Where uploaded files lie: file://path, or s3://bucket/prefix with the usual AWS_ACCESS_KEY_ID, \
         AWS_SECRET_ACCESS_KEY, AWS_REGION and, for other servers than Amazon's, AWS_ENDPOINT_URL.",
    ),
    plain(
        Group::Storage,
        "media_shared",
        &["DOORBELL_MEDIA_SHARED"],
        "off",
        "on",
        "on: the folder of DOORBELL_MEDIA_URL is one and the same for all nodes. Several nodes need that, or a bucket.",
    ),
    secret(
        Group::Storage,
        "redis_url",
        &["DOORBELL_REDIS_URL"],
        "redis://127.0.0.1:6379",
        "The bus between several nodes on one PostgreSQL: Redis 6.2, Valkey 7.2 or later, as redis://user:password@host:6379, \
         with rediss:// for TLS. Without it, this is the only node.",
    ),
    plain(
        Group::Storage,
        "redis_prefix",
        &["DOORBELL_REDIS_PREFIX"],
        "doorbell:",
        "shop-2:",
        "Begins the name of the channel on the bus: one and the same for all nodes of an installation, and another one \
         for each installation that shares the server.",
    ),
    secret(
        Group::Identity,
        "jwt_secret",
        &["DOORBELL_JWT_SECRET"],
        "the secret that your application signs its tokens with",
        "Shared secret of the tokens (HS256). Without it, one is made at the first start and kept in the database.",
    ),
    plain(
        Group::Identity,
        "jwks_url",
        &["DOORBELL_JWKS_URL"],
        "",
        "https://id.example.com/.well-known/jwks.json",
        "Where the public keys are of those who sign tokens with RS256, ES256 or EdDSA (docs/tokens.md); several with commas \
         between them, in the order of their issuers in DOORBELL_JWT_ISSUER.",
    ),
    plain(
        Group::Identity,
        "jwt_issuer",
        &["DOORBELL_JWT_ISSUER"],
        "",
        "https://id.example.com",
        "When set, a token's iss must be one of these, with commas between them.",
    ),
    plain(
        Group::Identity,
        "jwt_audience",
        &["DOORBELL_JWT_AUDIENCE"],
        "",
        "chat",
        "When set, a token's aud must hold one of these, with commas between them.",
    ),
    secret(
        Group::Identity,
        "nextauth_secret",
        &["NEXTAUTH_SECRET"],
        "the NEXTAUTH_SECRET of your application",
        "Secret of your application's sign-in by NextAuth: its session cookies are then taken here (docs/sessions.md). It is \
         taken as it stands, commas included.",
    ),
    secret(
        Group::Identity,
        "auth_secret",
        &["AUTH_SECRET"],
        "the AUTH_SECRET of your application",
        "The same of Auth.js. Where both are set, sessions of either secret are taken.",
    ),
    secret(
        Group::Identity,
        "auth_secret_1",
        &["AUTH_SECRET_1"],
        "a further AUTH_SECRET of your application",
        "A further secret of Auth.js, while an old one is replaced: sessions of each are taken.",
    ),
    secret(
        Group::Identity,
        "auth_secret_2",
        &["AUTH_SECRET_2"],
        "a further AUTH_SECRET of your application",
        "As auth_secret_1.",
    ),
    secret(
        Group::Identity,
        "auth_secret_3",
        &["AUTH_SECRET_3"],
        "a further AUTH_SECRET of your application",
        "As auth_secret_1.",
    ),
    plain(
        Group::Identity,
        "session_url",
        &["DOORBELL_SESSION_URL"],
        "",
        "https://www.example.com",
        "Address of your application, where its sessions are in a database: its /api/auth/session is asked who a session \
         cookie belongs to, at most once a minute for each. An address that ends in /session is asked as it is.",
    ),
    plain(
        Group::Identity,
        "session_cookie",
        &["DOORBELL_SESSION_COOKIE"],
        "",
        "__Secure-example.session-token",
        "Names of the session cookie, with commas between them. Without it, the defaults of Auth.js and NextAuth, on https \
         and on http.",
    ),
    plain(
        Group::Identity,
        "session_salt",
        &["DOORBELL_SESSION_SALT"],
        "",
        "__Secure-example.session-token",
        "Salt with which Auth.js encrypts sessions, where the site has chosen another one than the cookie's name.",
    ),
    plain(
        Group::Identity,
        "session_user_id",
        &["DOORBELL_SESSION_USER_ID"],
        "sub",
        "id",
        "The claim of a session that is the user's id; for a session in a database the member of its user, where sub means \
         id. email makes whoever gets an address at your application the user of that address.",
    ),
    secret(
        Group::Identity,
        "api_key",
        &["DOORBELL_API_KEY"],
        "a long random text",
        "Key of your own servers' calls (X-API-Key); several with commas between them, each alone or with what it may do \
         before it, as directory+sessions:KEY (directory, conversations, tokens, sessions). Without any, such calls are off.",
    ),
    plain(
        Group::Identity,
        "api_keys_file",
        &["DOORBELL_API_KEYS_FILE"],
        "",
        "/etc/doorbell/api-keys",
        "File with further keys, one a line, as in DOORBELL_API_KEY. It is read again when it changes and on SIGHUP, so that \
         keys are replaced without a restart.",
    ),
    plain(
        Group::Identity,
        "directory",
        &["DOORBELL_DIRECTORY"],
        "open",
        "closed",
        "open: an unknown user or listing id is accepted. closed: only those that your application has put there.",
    ),
    plain(
        Group::Identity,
        "show_email",
        &["DOORBELL_SHOW_EMAIL"],
        "off",
        "on",
        "on: conversation partners see each other's e-mail address.",
    ),
    plain(
        Group::Conversations,
        "contract",
        &["DOORBELL_CONTRACT"],
        "",
        "tenant-chat",
        "One contract for every socket: property-chat, conversations, media-chat, tenant-chat or listing-chat. Without \
         it each socket tells by what it does.",
    ),
    plain(
        Group::Conversations,
        "recovery_window",
        &["DOORBELL_RECOVERY_WINDOW"],
        "2m",
        "10m",
        "How long a lost connection may come back into its rooms.",
    ),
    plain(
        Group::Conversations,
        "group_max",
        &["DOORBELL_GROUP_MAX"],
        "500",
        "1000",
        "Most people in a group.",
    ),
    plain(
        Group::Limits,
        "rate_limits",
        &["DOORBELL_RATE_LIMITS"],
        "sends=20/s:60,uploads=30/m,conversations=60/h,connections=10/s:50,requests=50/s:200,handshakes=50/s:1000,\
         failures=60/m:100",
        "sends=50/s:100,uploads=off",
        "How fast a user may be, and an address before sign-in (handshakes; failures: credentials that are none): count/unit \
         (s, m, h) and, after a colon, how many at once. What is not named keeps its default; off for one, or for all.",
    ),
    plain(
        Group::Limits,
        "sockets_per_user",
        &["DOORBELL_SOCKETS_PER_USER"],
        "100",
        "20",
        "Sockets that a user may have open at once on one node; off: without limit.",
    ),
    plain(
        Group::Limits,
        "joined_conversations",
        &["DOORBELL_JOINED_CONVERSATIONS"],
        "1000",
        "5000",
        "Conversations that one socket may have joined; off: without limit.",
    ),
    plain(
        Group::Limits,
        "connections_per_address",
        &["DOORBELL_CONNECTIONS_PER_ADDRESS"],
        "10000",
        "500",
        "Connections of whatever kind that one address (of IPv6: its /64) may have open at once, and never more than half of \
         all; off: without limit. A trusted proxy may have as many as there is room for.",
    ),
    plain(
        Group::Limits,
        "max_image",
        &["DOORBELL_MAX_IMAGE"],
        "10MiB",
        "20MiB",
        "Largest image or file that may be uploaded.",
    ),
    plain(
        Group::Limits,
        "max_video",
        &["DOORBELL_MAX_VIDEO"],
        "100MiB",
        "500MiB",
        "Largest video that may be uploaded.",
    ),
    plain(
        Group::Limits,
        "media_quota",
        &["DOORBELL_MEDIA_QUOTA"],
        "5GiB",
        "off",
        "How much of uploaded files one person may have here; off: without limit.",
    ),
    plain(
        Group::Limits,
        "media_hosts",
        &["DOORBELL_MEDIA_HOSTS"],
        "",
        "images.example.com",
        "Hosts whose https: addresses a message may carry as its file, with commas between them.",
    ),
    plain(
        Group::Logs,
        "log",
        &["DOORBELL_LOG", "RUST_LOG"],
        "info",
        "info,doorbell::transport=debug",
        "What is logged: error, warn, info, debug, trace, also for a part of the program.",
    ),
];
