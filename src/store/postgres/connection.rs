//! One connection, and the one way to a statement.
//!
//! No statement is prepared under a name and no setting is made for a session: every statement stands for itself, so
//! that a PgBouncer in transaction mode may lie between. Whatever is asked has a deadline; a connection that missed one
//! is given up, since nobody knows what it is doing.

use std::{
    error::Error,
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};
use tokio_postgres::{
    Client, Row, SimpleQueryMessage, SimpleQueryRow,
    config::SslMode,
    error::SqlState,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{text::escaped, tls};
use crate::store::StoreError;

/// To connect, agree on TLS and sign in.
pub(super) const CONNECT_TIME: Duration = Duration::from_millis(1_500);
/// For a transaction, from its begin to its end. With the time to connect it stays below 5 s: nobody waits longer to
/// learn that the database is gone.
pub(super) const TRANSACTION_TIME: Duration = Duration::from_secs(3);

/// What a transaction that writes begins with. A node that stops in the middle (a machine that sleeps), or gave up waiting,
/// must not keep the others from what it has locked: the server gives up after [`TRANSACTION_TIME`] as well.
macro_rules! begin_writing {
    () => {
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = 3000; \
         SET LOCAL statement_timeout = 3000"
    };
}
pub(super) const BEGIN_WRITING: &str = begin_writing!();
/// For a database that does not flush its commits by itself: an acknowledgement means flushed to the disk.
pub(super) const BEGIN_WRITING_FLUSHED: &str = concat!(begin_writing!(), "; SET LOCAL synchronous_commit = on");
pub(super) const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", sentence(.0))]
    Database(#[from] tokio_postgres::Error),
    #[error("the database did not answer in time")]
    TooLate,
    /// There is no connection at the moment; why the last one ended.
    #[error("{0}")]
    Gone(String),
    #[error("{0}")]
    Unexpected(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        StoreError::Unavailable(failure.to_string())
    }
}

pub(super) type Done<T> = Result<T, Failure>;

/// TLS failed, or the server takes nobody in who comes with it (`hostnossl` in pg_hba.conf).
fn is_of_tls(error: &tokio_postgres::Error) -> bool {
    tls::trouble(error).is_some() || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// What the server said, else what the library did.
pub(super) fn sentence(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// A value that is bound, and the type that it is sent as: unnamed statements name the types of their parameters.
pub(super) trait Parameter: Sync {
    fn bound(&self) -> Bound<'_>;
}

type Bound<'a> = (Box<dyn ToSql + Sync + Send + 'a>, Type);

macro_rules! parameters {
    ($($rust:ty, $sql:ident, $value:ident => $sent:expr;)*) => {
        $(impl Parameter for $rust {
            fn bound(&self) -> Bound<'_> {
                let $value = self;
                (Box::new($sent), Type::$sql)
            }
        })*
    };
}

parameters! {
    i64, INT8, value => *value;
    Option<i64>, INT8, value => *value;
    bool, BOOL, value => *value;
    &str, TEXT, value => escaped(value);
    Option<&str>, TEXT, value => value.map(escaped);
    &[u8], BYTEA, value => *value;
    Vec<i64>, INT8_ARRAY, value => &value[..];
    Vec<Option<i64>>, INT8_ARRAY, value => &value[..];
    Vec<&str>, TEXT_ARRAY, value => value.iter().map(|text| escaped(text)).collect::<Vec<_>>();
    Vec<Option<&str>>, TEXT_ARRAY, value => value.iter().map(|text| text.map(escaped)).collect::<Vec<_>>();
    Vec<&[u8]>, BYTEA_ARRAY, value => &value[..];
    Vec<Option<&[u8]>>, BYTEA_ARRAY, value => &value[..];
    Vec<Option<bool>>, BOOL_ARRAY, value => &value[..];
}

/// Where to connect, and how.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) postgres: tokio_postgres::Config,
    pub(super) tls: MakeRustlsConnect,
}

pub(super) struct Connection {
    client: Client,
    /// Moves the bytes.
    task: JoinHandle<()>,
    deadline: Instant,
    /// Something was not answered in time.
    is_late: AtomicBool,
}

impl Connection {
    pub(super) async fn open(config: &Config) -> Done<Self> {
        let connecting = tokio::time::timeout(CONNECT_TIME, Self::connect(config));
        connecting.await.map_err(|_| Failure::TooLate)?
    }

    async fn connect(config: &Config) -> Done<Self> {
        let first = config.postgres.connect(config.tls.clone()).await;
        let (client, bytes) = match first {
            // TLS was preferred and no more: as libpq does, without it then.
            Err(error) if config.postgres.get_ssl_mode() == SslMode::Prefer && is_of_tls(&error) => {
                let mut plain = config.postgres.clone();
                plain.ssl_mode(SslMode::Disable).connect(config.tls.clone()).await?
            }
            first => first?,
        };
        let task = tokio::spawn(async move {
            // Whoever waits for an answer is told of the error, too.
            if let Err(error) = bytes.await {
                tracing::debug!(error = sentence(&error), "a connection to PostgreSQL ended");
            }
        });
        Ok(Connection {
            client,
            task,
            deadline: Instant::now() + TRANSACTION_TIME,
            is_late: AtomicBool::new(false),
        })
    }

    /// Begins a transaction that must end within [`TRANSACTION_TIME`], and before `latest`.
    pub(super) async fn begin_before(&mut self, how: &'static str, latest: Instant) -> Done<()> {
        self.allow_until(latest);
        self.run(how).await
    }

    /// What follows must end within [`TRANSACTION_TIME`], and before `latest`.
    pub(super) fn allow_until(&mut self, latest: Instant) {
        self.deadline = latest.min(Instant::now() + TRANSACTION_TIME);
    }

    /// What follows must end within this time.
    pub(super) fn allow(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    /// Is the connection of no further use?
    pub(super) fn is_lost(&self) -> bool {
        self.is_late.load(Ordering::Relaxed) || self.client.is_closed() || self.task.is_finished()
    }

    /// Statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Done<()> {
        self.in_time(self.client.batch_execute(sql)).await
    }

    /// Statements without parameters, in one go. The first row that any of them returns, as texts.
    pub(super) async fn first_line(&self, sql: &str) -> Done<Option<SimpleQueryRow>> {
        let answers = self.in_time(self.client.simple_query(sql)).await?;
        Ok(answers.into_iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        }))
    }

    /// Statements are texts of this program alone; whatever comes from outside is bound.
    pub(super) async fn rows(&self, sql: &str, parameters: &[&dyn Parameter]) -> Done<Vec<Row>> {
        let bound: Vec<Bound<'_>> = parameters.iter().map(|parameter| parameter.bound()).collect();
        let bound: Vec<(&(dyn ToSql + Sync), Type)> = bound
            .iter()
            .map(|(value, sql)| (&**value as &(dyn ToSql + Sync), sql.clone()))
            .collect();
        self.in_time(self.client.query_typed(sql, &bound)).await
    }

    /// The first row, if there is one.
    pub(super) async fn row(&self, sql: &str, parameters: &[&dyn Parameter]) -> Done<Option<Row>> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    /// The one row that there must be.
    pub(super) async fn one(&self, sql: &str, parameters: &[&dyn Parameter]) -> Done<Row> {
        let found = self.row(sql, parameters).await?;
        found.ok_or_else(|| Failure::Unexpected("a row that must be there is missing".into()))
    }

    /// A statement whose rows nobody wants.
    pub(super) async fn execute(&self, sql: &str, parameters: &[&dyn Parameter]) -> Done<()> {
        self.rows(sql, parameters).await.map(drop)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Done<T> {
        match tokio::time::timeout_at(self.deadline, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                self.is_late.store(true, Ordering::Relaxed);
                Err(Failure::TooLate)
            }
        }
    }
}

impl Drop for Connection {
    /// Ends the connection at once, whatever it was doing: the server rolls back what was not committed.
    fn drop(&mut self) {
        self.task.abort();
    }
}
