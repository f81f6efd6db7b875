//! Opening the database: who may be asked, how, and in what state it must be.

use tokio_postgres::{config::Host, error::SqlState};

use super::{
    connection::{Config, Connection, Done, Failure},
    tls::{self, Wish},
};

/// The oldest PostgreSQL that is supported upstream.
const OLDEST_VERSION: i32 = 13;
/// Parameters of the URL that are PostgreSQL's and understood here; all others are another product's, and ignored.
const PARAMETERS: &[&str] = &[
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "application_name",
    "options",
    "target_session_attrs",
    "channel_binding",
];

/// Why a database cannot be opened: one sentence that names it, without its password, and the mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database URL cannot be read ({reason}): write postgres://user:password@host:5432/database")]
    WrongUrl { reason: String },
    #[error(
        "{database} cannot be reached ({reason}): start PostgreSQL, or correct the host and port of the database URL"
    )]
    Unreachable { database: String, reason: String },
    #[error("{database} refuses the sign-in ({reason}): correct the user and password of the database URL")]
    Refused { database: String, reason: String },
    #[error("{database} does not exist: create it (createdb), or correct the name in the database URL")]
    Missing { database: String },
    #[error(
        "{database} is PostgreSQL {found}, and Doorbell needs {OLDEST_VERSION} or later: upgrade it, or name another"
    )]
    TooOld { database: String, found: i32 },
    #[error("{database} keeps texts as {found}, and Doorbell needs UTF8: create a database with that encoding")]
    NoUnicode { database: String, found: String },
    #[error("{database} can only be read (a standby?): name the primary server in the database URL")]
    ReadOnly { database: String },
    #[error(
        "{database} speaks no TLS, and the database URL asks for it: turn ssl on in the server, or write sslmode=disable where the network is private"
    )]
    NoTls { database: String },
    #[error(
        "{database} takes no such connection without TLS ({reason}): leave sslmode=disable out of the database URL, or let host and user in by pg_hba.conf"
    )]
    WantsTls { database: String, reason: String },
    #[error(
        "{database} shows a certificate that cannot be trusted ({reason}): name the file of the certificate that signed it as sslrootcert in the database URL, and the host as the certificate does"
    )]
    Untrusted { database: String, reason: String },
    #[error(
        "{roots} cannot be used to verify {database} ({reason}): name a file with certificates in PEM as sslrootcert"
    )]
    WrongRoots {
        database: String,
        roots: String,
        reason: String,
    },
    #[error(
        "{database} has schema {found}, and this Doorbell knows those up to {known}: start the newer Doorbell that wrote it, or restore a backup"
    )]
    Newer { database: String, found: u32, known: u32 },
    #[error(
        "{database} has a copy of {source_name} that is not finished: run doorbell copy once more, which goes on where it stopped"
    )]
    Unfinished { database: String, source_name: String },
    #[error(
        "{database} is behind a PgBouncer in statement mode, which takes no transactions: set pool_mode=transaction for it, or name the server itself"
    )]
    StatementPool { database: String },
    #[error("{database} has a schema \"doorbell\" of another program: name another database")]
    Foreign { database: String },
    #[error(
        "{database} does not let this user make the schema \"doorbell\" or use it: GRANT CREATE ON DATABASE to the user"
    )]
    Forbidden { database: String },
    #[error("{database} has no room ({reason}): free some space or connections, then start again")]
    Full { database: String, reason: String },
    #[error("{database} cannot be used ({reason}): look into the server's log")]
    Broken { database: String, reason: String },
}

impl OpenError {
    pub(super) fn new(database: &str, failure: &Failure) -> Self {
        let database = database.to_owned();
        let reason = failure.to_string();
        let Failure::Database(error) = failure else {
            return OpenError::Unreachable { database, reason };
        };
        match tls::trouble(error) {
            Some(tls::Trouble::Refused) => return OpenError::NoTls { database },
            Some(tls::Trouble::Certificate) => return OpenError::Untrusted { database, reason },
            Some(tls::Trouble::Other) | None => {}
        }
        // PgBouncer's own words, under the code of any breach of the protocol.
        if reason.contains("statement pooling mode") {
            return OpenError::StatementPool { database };
        }
        match error.code() {
            // The one thing by which the server tells it from a wrong name; the second before version 14.
            Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
                if reason.ends_with("no encryption") || reason.ends_with("SSL off") =>
            {
                OpenError::WantsTls { database, reason }
            }
            Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                OpenError::Refused { database, reason }
            }
            Some(&SqlState::INVALID_CATALOG_NAME) => OpenError::Missing { database },
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => OpenError::Forbidden { database },
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => OpenError::ReadOnly { database },
            Some(&SqlState::DISK_FULL | &SqlState::TOO_MANY_CONNECTIONS) => OpenError::Full { database, reason },
            Some(&SqlState::CANNOT_CONNECT_NOW | &SqlState::ADMIN_SHUTDOWN) => {
                OpenError::Unreachable { database, reason }
            }
            Some(_) => OpenError::Broken { database, reason },
            // Without a code nobody answered; a password that is missing is found out here.
            None if reason.contains("password") => OpenError::Refused { database, reason },
            None => OpenError::Unreachable { database, reason },
        }
    }
}

/// Where the database is, and its name as it may be shown.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) shown: String,
}

impl Address {
    /// Reads `postgres://user:password@host:port/database`.
    pub(super) fn read(url: &str) -> Result<Self, OpenError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let wish = Wish::read(query).map_err(|reason| OpenError::WrongUrl { reason })?;
        let name_of = |parameter: &str| parameter.split('=').next().unwrap_or_default().to_owned();
        let kept: Vec<&str> = query
            .split('&')
            .filter(|parameter| PARAMETERS.contains(&name_of(parameter).as_str()))
            .collect();
        let url = match kept.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", kept.join("&")),
        };
        let mut config: tokio_postgres::Config = url.parse().map_err(|error| OpenError::WrongUrl {
            reason: super::connection::sentence(&error),
        })?;
        if config.get_hosts().is_empty() {
            return Err(OpenError::WrongUrl {
                reason: "it names no host".into(),
            });
        }
        if config.get_application_name().is_none() {
            config.application_name("doorbell");
        }
        config.ssl_mode(wish.negotiation());
        let shown = shown(&config);
        let tls = wish.connector().map_err(|(roots, reason)| OpenError::WrongRoots {
            database: shown.clone(),
            roots,
            reason,
        })?;
        let config = Config { postgres: config, tls };
        Ok(Address { config, shown })
    }

    /// Connects, and looks whether the server is one that Doorbell can work with.
    pub(super) async fn connect(&self) -> Result<Connection, OpenError> {
        let connection = self.connect_any().await?;
        let broken = |failure: Failure| OpenError::new(&self.shown, &failure);
        let state = state(&connection).await.map_err(broken)?;
        let database = self.shown.clone();
        if state.version < OLDEST_VERSION {
            return Err(OpenError::TooOld {
                database,
                found: state.version,
            });
        }
        if state.encoding != "UTF8" {
            return Err(OpenError::NoUnicode {
                database,
                found: state.encoding,
            });
        }
        if state.is_standby {
            return Err(OpenError::ReadOnly { database });
        }
        if !state.is_flushed {
            tracing::warn!(database = %self.shown, "PostgreSQL runs with fsync = off: a power cut may take acknowledged messages");
        }
        Ok(connection)
    }

    pub(super) async fn connect_any(&self) -> Result<Connection, OpenError> {
        let connection = Connection::open(&self.config).await;
        connection.map_err(|failure| OpenError::new(&self.shown, &failure))
    }
}

fn shown(config: &tokio_postgres::Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{host}:{port}/{name}")
}

struct State {
    version: i32,
    encoding: String,
    is_standby: bool,
    is_flushed: bool,
}

async fn state(connection: &Connection) -> Done<State> {
    let row = connection
        .one(
            "SELECT current_setting('server_version_num')::bigint / 10000, current_setting('server_encoding'),
                    pg_is_in_recovery(), current_setting('fsync') = 'on'",
            &[],
        )
        .await?;
    Ok(State {
        version: row.try_get::<_, i64>(0)? as i32,
        encoding: row.try_get(1)?,
        is_standby: row.try_get(2)?,
        is_flushed: row.try_get(3)?,
    })
}

/// Does the server flush a commit before it answers, unless it is told to?
pub(super) async fn flushes(connection: &Connection) -> Done<bool> {
    let row = connection
        .one("SELECT current_setting('synchronous_commit') <> 'off'", &[])
        .await?;
    Ok(row.try_get(0)?)
}
