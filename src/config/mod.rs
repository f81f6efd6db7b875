//! Configuration: from flags, environment variables and `doorbell.toml` to checked values.
//!
//! [`catalogue`] lists every setting once; [`sources`] finds its text; [`values`] turns the text into a value or says what
//! is wrong with it; [`mod@print`] shows it all. A wrong configuration is one sentence, a [`ConfigFault`].

pub mod api_keys;
pub mod catalogue;
pub mod media;
pub mod network;
mod nodes;
pub mod print;
mod secret;
mod sessions;
pub mod sources;
mod tokens;
pub mod values;

#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

pub use api_keys::{ApiKey, ApiKeySettings, Scope, Scopes};
pub use media::MediaUrl;
pub use network::{TlsSettings, TrustedProxies};
pub use secret::Secret;
pub use sessions::{NamedSecret, OTHER_KINDS, SessionSettings, is_of_another_kind};
pub use sources::Sources;
pub use tokens::{JwtSettings, KeySetSettings};
pub use values::{DatabaseUrl, Directory, ListenAddr, WebOrigin};

use crate::model::{
    ContractName,
    limits::{self, RateLimits},
};
use catalogue::{SETTINGS, setting};
use sources::{Found, Place};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use values::{DatabaseScheme, Wrong};

/// Every setting, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At least one.
    pub listen: Vec<ListenAddr>,
    /// Without TLS, for the other nodes; may be empty.
    pub node_listen: Vec<ListenAddr>,
    /// `None`: no TLS.
    pub tls: Option<TlsSettings>,
    /// Who is believed what it says of a client's address.
    pub trusted_proxies: TrustedProxies,
    /// Where browsers reach this server, without a slash at its end; see also [`Settings::base_url`].
    pub public_url: Option<String>,
    /// `None`: pages from this machine alone.
    pub frontend_origins: Option<Vec<WebOrigin>>,
    /// Where other nodes reach this one, `http://host:port`; only with PostgreSQL. `None`: it is the only node.
    pub node_url: Option<String>,
    pub data_dir: PathBuf,
    pub database: DatabaseUrl,
    pub media: MediaUrl,
    pub media_shared: bool,
    /// `None`: the only node.
    pub redis: Option<RedisSettings>,
    pub jwt: JwtSettings,
    pub sessions: SessionSettings,
    pub api_keys: ApiKeySettings,
    pub directory: Directory,
    pub show_email: bool,
    /// One contract for every socket.
    pub contract: Option<ContractName>,
    pub recovery_window: Duration,
    /// Most people in a group.
    pub group_max: usize,
    pub rates: RateLimits,
    /// Most sockets of a user on this node; `None`: without limit.
    pub sockets_per_user: Option<usize>,
    /// Most conversations that a socket has joined; `None`: without limit.
    pub joined_conversations: Option<usize>,
    /// Most connections of an address; `None`: without limit.
    pub connections_per_address: Option<usize>,
    /// Largest image or file, in bytes.
    pub max_image: u64,
    /// Largest video, in bytes.
    pub max_video: u64,
    /// Bytes of files that one person may have here; `None`: without limit.
    pub media_quota: Option<u64>,
    /// Lower case.
    pub media_hosts: Vec<String>,
    /// A filter as `tracing` has them.
    pub log: String,
    /// What an operator should know, though it is no fault: to be logged once logging is on.
    pub notes: Vec<String>,
}

/// The bus to the other nodes.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// May hold a password.
    pub url: Secret,
    /// Begins the names of its channels.
    pub prefix: String,
}

impl Settings {
    /// Where browsers reach this server, as far as the configuration tells: the public URL, else the first listen
    /// address. Without a slash at its end.
    pub fn base_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.public_url
            .clone()
            .or_else(|| self.listen.first().map(|address| address.url(scheme)))
            .unwrap_or_default()
    }

    /// Whether somebody can be signed in at all: by sessions of the host application, or by tokens that it makes or asks for.
    pub fn can_sign_in(&self) -> bool {
        !self.sessions.secrets.is_empty()
            || self.sessions.site.is_some()
            || self.jwt.secret.is_some()
            || !self.jwt.key_sets.is_empty()
            || !self.api_keys.fixed.is_empty()
            || self.api_keys.file.is_some()
    }
}

/// Why the configuration is refused: one sentence that names setting, value (a secret's never) and mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigFault(String);

impl ConfigFault {
    pub fn new(sentence: impl Into<String>) -> Self {
        ConfigFault(sentence.into())
    }
}

/// What the settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Serve,
    /// The sample marketplace lets anybody sign in as anybody. So it listens on loopback alone, and keeps to a database
    /// of its own, whatever database the environment names.
    Demo,
}

/// The settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    pub in_force: Vec<InForce>,
}

/// A setting as `check-config` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    pub key: &'static str,
    /// A secret's is `set`; one that is not set is empty.
    pub value: String,
    /// `default`, or the flag, variable or key in the user's words.
    pub from: String,
}

/// Reads and checks every setting.
pub fn load(sources: &Sources, purpose: Purpose) -> Result<Loaded, ConfigFault> {
    let mut reader = Reader {
        sources,
        purpose,
        in_force: Vec::new(),
        notes: Vec::new(),
    };
    for (name, nearest) in sources.misspelt_variables() {
        reader.notes.push(format!(
            "{name} is not a setting and is ignored; did you mean {nearest}?"
        ));
    }
    let listen = reader.listen()?;
    let public_url = reader.optional("public_url", values::base_url)?;
    let frontend_origins = reader.optional("frontend_url", values::origins)?;
    let node_url = reader.node_url()?;
    let data_dir = reader.data_dir()?;
    let database = reader.database(&data_dir)?;
    let media = reader.media(&data_dir)?;
    let media_shared = reader.with_default("media_shared", values::switch)?;
    let node_url = among_several(node_url, &database, |node_url| {
        media::must_be_shared(&media, media_shared, node_url)
    })?;
    let redis = reader.redis(&database)?;
    let tls = reader.tls()?;
    let node_listen = reader.node_listen(tls.as_ref(), &database, node_url.is_some() || redis.is_some())?;
    let node_url = match (node_url, &redis) {
        (None, Some(_)) => {
            let for_nodes = if node_listen.is_empty() { &listen } else { &node_listen };
            reader.node_url_by_default(for_nodes, &media, media_shared)
        }
        (node_url, _) => node_url,
    };
    let is_plain = |origin: &WebOrigin| !origin.is_https() && !origin.is_loopback();
    if tls.is_some() && frontend_origins.iter().flatten().any(is_plain) {
        reader.notes.push(
            "FRONTEND_URL names a page with http://, and this server speaks TLS: the page of the same name with https:// is \
             another origin, and foreign; write https:// if that is meant."
                .to_owned(),
        );
    }
    let trusted_proxies = reader.with_default("trusted_proxies", network::trusted_proxies)?;
    let jwt = reader.jwt()?;
    let sessions = reader.sessions()?;
    let api_keys = reader.api_keys()?;
    let settings = Settings {
        listen,
        node_listen,
        tls,
        trusted_proxies,
        public_url,
        frontend_origins,
        node_url,
        data_dir,
        database,
        media,
        media_shared,
        redis,
        jwt,
        sessions,
        api_keys,
        directory: reader.with_default("directory", values::directory)?,
        show_email: reader.with_default("show_email", values::switch)?,
        contract: reader.optional("contract", values::contract)?,
        recovery_window: reader.with_default(
            "recovery_window",
            values::duration(Duration::ZERO, limits::RECOVERY_WINDOW_MAX),
        )?,
        group_max: reader.with_default(
            "group_max",
            values::whole_number(limits::GROUP_MIN, limits::GROUP_MAX_HIGHEST),
        )?,
        rates: reader.with_default("rate_limits", values::rate_limits)?,
        sockets_per_user: reader.with_default("sockets_per_user", values::most)?,
        joined_conversations: reader.with_default("joined_conversations", values::most)?,
        connections_per_address: reader.with_default("connections_per_address", values::most)?,
        max_image: reader.with_default("max_image", values::upload_bytes)?,
        max_video: reader.with_default("max_video", values::upload_bytes)?,
        media_quota: reader.with_default("media_quota", values::quota)?,
        media_hosts: reader.optional("media_hosts", values::hosts)?.unwrap_or_default(),
        log: reader.with_default("log", log_filter)?,
        notes: reader.notes,
    };
    let place_in_list = |key: &str| SETTINGS.iter().position(|setting| setting.key == key);
    reader.in_force.sort_by_key(|shown| place_in_list(shown.key));
    Ok(Loaded {
        settings,
        in_force: reader.in_force,
    })
}

/// Several nodes share one database, and a SQLite file has one writer; `and_files` says whether they share the files.
fn among_several(
    node_url: Option<(String, Found)>,
    database: &DatabaseUrl,
    and_files: impl Fn(Option<&(String, Found)>) -> Result<(), ConfigFault>,
) -> Result<Option<String>, ConfigFault> {
    match (node_url, database) {
        (Some((_, found)), DatabaseUrl::Sqlite(_)) => Err(ConfigFault::new(format!(
            "{} is {:?}, but several nodes need PostgreSQL and the store is {database}; set DOORBELL_DATABASE_URL to \
             postgres://user:password@host:5432/database, or leave {} out to run one node.",
            found.name, found.text, found.name
        ))),
        (node_url, _) => {
            and_files(node_url.as_ref())?;
            Ok(node_url.map(|(url, _)| url))
        }
    }
}

fn advice_on_length(name: &str) -> String {
    format!(
        "{name} is shorter than {} bytes and may be guessed; openssl rand -hex 32 makes a good one.",
        limits::SECRET_BYTES_ADVISED
    )
}

fn log_filter(text: &str) -> Result<String, Wrong> {
    let text = text.trim();
    // A lone word that is no level would be the name of some crate, of which alone everything were logged: that is a
    // mistyped level, and a server that logs nothing.
    let is_mistyped = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && part.parse::<LevelFilter>().is_err()
    };
    if text.split(',').map(str::trim).any(is_mistyped) || EnvFilter::try_new(text).is_err() {
        return Err(Wrong {
            why: "is not a filter of logs".into(),
            mend: "write error, warn, info, debug or trace, for a part of the program as in info,doorbell::transport=debug"
                .into(),
        });
    }
    Ok(text.to_owned())
}

struct Reader<'a> {
    sources: &'a Sources,
    purpose: Purpose,
    in_force: Vec<InForce>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn optional<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<Option<T>, ConfigFault> {
        Ok(self.optional_found(key, check)?.map(|(value, _)| value))
    }

    fn with_default<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<T, ConfigFault> {
        if let Some(value) = self.optional(key, &check)? {
            return Ok(value);
        }
        let default = setting(key).default;
        self.show_default(key, default);
        check(default).map_err(|wrong| ConfigFault::new(format!("The default of {key} {}; {}.", wrong.why, wrong.mend)))
    }

    /// The checked value and where it was found. What is not found is shown as not set, until a default is.
    fn optional_found<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Result<Option<(T, Found)>, ConfigFault> {
        let Some(found) = self.sources.find(setting(key)) else {
            self.show_default(key, "");
            return Ok(None);
        };
        let value = checked(key, &found, check)?;
        self.show(key, &found);
        Ok(Some((value, found)))
    }

    fn listen(&mut self) -> Result<Vec<ListenAddr>, ConfigFault> {
        let Some(found) = self.sources.find(setting("listen")) else {
            return self.with_default("listen", values::listen);
        };
        let is_port = matches!(found.place, Place::Variable(name) if name != setting("listen").variables[0]);
        let mut addresses = if is_port {
            checked("listen", &found, values::port_on_all_interfaces)?
        } else {
            checked("listen", &found, values::listen)?
        };
        if self.purpose == Purpose::Demo {
            for address in &mut addresses {
                if let (true, ListenAddr::AllInterfaces(port)) = (is_port, *address) {
                    *address = ListenAddr::Exactly((Ipv4Addr::LOCALHOST, port).into());
                }
            }
            if !addresses.iter().all(|address| address.is_loopback()) {
                return Err(ConfigFault::new(format!(
                    "{} is {:?}, but the demo lets anybody sign in as anybody and listens on this machine alone; write \
                     127.0.0.1:5544, or use doorbell serve.",
                    found.name, found.text
                )));
            }
        }
        let shown = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        self.in_force.push(InForce {
            key: "listen",
            value: shown,
            from: found.name,
        });
        Ok(addresses)
    }

    /// The demo is a node of its own.
    fn node_url(&mut self) -> Result<Option<(String, Found)>, ConfigFault> {
        if self.keeps_to_itself("node_url") {
            self.show_default("node_url", "");
            return Ok(None);
        }
        self.optional_found("node_url", values::node_url)
    }

    fn data_dir(&mut self) -> Result<PathBuf, ConfigFault> {
        if self.keeps_to_itself("data_dir") {
            let default = format!("{}/demo", setting("data_dir").default);
            self.show_default("data_dir", &default);
            return Ok(default.into());
        }
        self.with_default("data_dir", values::path)
    }

    fn database(&mut self, data_dir: &std::path::Path) -> Result<DatabaseUrl, ConfigFault> {
        let key = "database_url";
        let default = data_dir.join("doorbell.db");
        if !self.keeps_to_itself(key)
            && let Some(found) = self.sources.find(setting(key))
        {
            let is_from_elsewhere = found.place == Place::Variable("DATABASE_URL");
            let what = if is_from_elsewhere && !found.text.contains(':') {
                DatabaseScheme::Foreign("no scheme".into())
            } else {
                checked(key, &found, values::database_url)?
            };
            match what {
                DatabaseScheme::Ours(database) => {
                    self.in_force.push(InForce { key, value: database.to_string(), from: found.name });
                    return Ok(database);
                }
                DatabaseScheme::Foreign(scheme) if is_from_elsewhere => self.notes.push(format!(
                    "DATABASE_URL ({scheme}) is another product's database and is passed over; the store is sqlite://{}.",
                    default.display()
                )),
                DatabaseScheme::Foreign(scheme) => {
                    return Err(ConfigFault::new(format!(
                        "{} is {:?}, and {scheme:?} is no database of Doorbell's; write \
                         sqlite://doorbell-data/doorbell.db or postgres://user:password@host:5432/database.",
                        found.name,
                        values::without_parameters(&values::without_credentials(&found.text))
                    )));
                }
            }
        }
        self.show_default(key, &format!("sqlite://{}", default.display()));
        Ok(DatabaseUrl::Sqlite(default))
    }

    fn redis(&mut self, database: &DatabaseUrl) -> Result<Option<RedisSettings>, ConfigFault> {
        let prefix = self.with_default("redis_prefix", values::redis_prefix)?;
        if self.keeps_to_itself("redis_url") {
            self.show_default("redis_url", "");
            return Ok(None);
        }
        let Some((url, found)) = self.optional_found("redis_url", values::redis_url)? else {
            return Ok(None);
        };
        if matches!(database, DatabaseUrl::Sqlite(_)) {
            return Err(ConfigFault::new(format!(
                "{} is set, but the database is SQLite, which has room for one node, and one node needs no bus; leave it \
                 out, or set DOORBELL_DATABASE_URL to the PostgreSQL that all nodes share.",
                found.name
            )));
        }
        Ok(Some(RedisSettings { url, prefix }))
    }

    fn media(&mut self, data_dir: &std::path::Path) -> Result<MediaUrl, ConfigFault> {
        if !self.keeps_to_itself("media_url")
            && let Some(media) = self.optional("media_url", media::media_url)?
        {
            if matches!(media, MediaUrl::Bucket { .. }) {
                media::judge_servers(&self.sources.environment)?;
            }
            return Ok(media);
        }
        let default = MediaUrl::Folder(data_dir.join("media"));
        self.show_default("media_url", &default.to_string());
        Ok(default)
    }

    /// Is this the demo, and the setting found elsewhere than in a flag?
    fn keeps_to_itself(&mut self, key: &'static str) -> bool {
        if self.purpose != Purpose::Demo {
            return false;
        }
        let found = self.sources.find(setting(key));
        if let Some(found) = &found
            && found.place != Place::Flag
        {
            self.notes.push(format!(
                "{} is for doorbell serve; the demo is one node and keeps to a folder of its own.",
                found.name
            ));
        }
        found.is_none_or(|found| found.place != Place::Flag)
    }

    fn show(&mut self, key: &'static str, found: &Found) {
        let value = if setting(key).is_secret {
            "set".to_owned()
        } else {
            values::without_parameters(&found.text)
        };
        self.replace_shown(InForce {
            key,
            value,
            from: found.name.clone(),
        });
    }

    fn show_default(&mut self, key: &'static str, value: &str) {
        self.replace_shown(InForce {
            key,
            value: value.to_owned(),
            from: "default".to_owned(),
        });
    }

    fn replace_shown(&mut self, shown: InForce) {
        self.in_force.retain(|other| other.key != shown.key);
        self.in_force.push(shown);
    }
}

fn checked<T>(key: &str, found: &Found, check: impl Fn(&str) -> Result<T, Wrong>) -> Result<T, ConfigFault> {
    let name = &found.name;
    if found.text.is_empty() {
        return Err(ConfigFault::new(format!(
            "{name} is empty; give it a value or leave it out."
        )));
    }
    check(&found.text).map_err(|wrong| told(name, &found.text, setting(key).is_secret, wrong))
}

/// What is wrong with a value. One that is secret, or may hold a secret, is not shown.
fn told(name: &str, text: &str, is_secret: bool, Wrong { why, mend }: Wrong) -> ConfigFault {
    ConfigFault::new(match !is_secret && values::is_shown(text) {
        true => format!("{name} is {text:?}, which {why}; {mend}."),
        false => format!("{name} has a value that {why}; {mend}."),
    })
}
