//! The bus over Redis or Valkey: one channel, one connection (RESP3, which lets one connection publish and subscribe).
//!
//! A connection is trusted for as long as it answers within [`ANSWER_TIME`]; it is asked every second. One that is lost
//! is made anew for ever. Nothing is kept in Redis, so it may forget everything at any time.

use std::{
    error::Error as StdError,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisError, Value,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use tokio::{sync::Notify, time::MissedTickBehavior};

use super::{BusError, Link, outbox};

/// To connect and sign in, and for every answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
const PING_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// The system asks a silent connection, too, so that one whose other end vanished does not stay for ever.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// The first version that is supported. RESP3 came with 6.0; 6.2 is the oldest that anybody still mends.
const OLDEST: (u32, u32) = (6, 2);
/// Behind the prefix.
const CHANNEL: &str = "bus";

pub(super) struct Redis {
    client: Client,
    channel: String,
    /// `host:port`, for sentences.
    place: String,
    has_tls: bool,
}

/// A connection that hears the channel and may publish to it.
pub(super) struct Session {
    connection: MultiplexedConnection,
    lost: Arc<Notify>,
}

/// How a session came to its end.
enum Ended {
    Closed,
    Lost(String),
}

impl Redis {
    pub(super) fn new(url: &str, prefix: &str) -> Result<Self, BusError> {
        let wrong = |error: RedisError| {
            let reason = reason(&error);
            BusError::lasting(format!(
                "DOORBELL_REDIS_URL has a value that is not the URL of a Redis server ({reason}); write \
                 redis://user:password@host:6379, with rediss:// for TLS"
            ))
        };
        let info = url.into_connection_info().map_err(wrong)?;
        let (place, has_tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (format!("{host}:{port}"), false),
            ConnectionAddr::TcpTls { host, port, .. } => (format!("{host}:{port}"), true),
            other => (other.to_string(), false),
        };
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        // Channels are the same in each of Redis' numbered databases.
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(0);
        let info = info
            .set_tcp_settings(tcp)
            .set_redis_settings(settings.set_skip_set_lib_name());
        Ok(Redis {
            client: Client::open(info).map_err(wrong)?,
            channel: format!("{prefix}{CHANNEL}"),
            place,
            has_tls,
        })
    }

    /// Connects, signs in, looks at the version, and hears the channel from then on.
    pub(super) async fn connect(&self, link: &Link) -> Result<Session, BusError> {
        let lost = Arc::new(Notify::new());
        let (inbox, ended) = (Link(Arc::clone(&link.0)), Arc::clone(&lost));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIME))
            .set_response_timeout(Some(ANSWER_TIME))
            .set_push_sender(move |push: PushInfo| -> Result<(), redis::aio::SendError> {
                match (push.kind, push.data.get(1)) {
                    (PushKind::Message, Some(Value::BulkString(bytes))) => inbox.receive(bytes),
                    (PushKind::Disconnection, _) => ended.notify_one(),
                    _ => {}
                }
                Ok(())
            });
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(|error| self.trouble(&error))?;
        let hello: Value = redis::cmd("HELLO")
            .query_async(&mut connection)
            .await
            .map_err(|error| self.trouble(&error))?;
        self.judge(&hello)?;
        connection
            .subscribe(&self.channel)
            .await
            .map_err(|error| self.trouble(&error))?;
        // Whether it may speak shows now, and not at the first message.
        let spoken: Result<(), RedisError> = redis::cmd("PUBLISH")
            .arg(&self.channel)
            .arg(link.greeting())
            .query_async(&mut connection)
            .await;
        spoken.map_err(|error| self.trouble(&error))?;
        Ok(Session { connection, lost })
    }

    /// Carries frames until the bus is closed. `first`: none where the server could not be reached yet.
    pub(super) async fn run(self, link: Link, first: Option<Session>) {
        let mut next = first;
        loop {
            let session = match next.take() {
                Some(session) => session,
                None => {
                    let since = Instant::now();
                    let Some(session) = self.connect_again(&link).await else {
                        return;
                    };
                    let seconds = since.elapsed().as_secs_f32();
                    tracing::warn!(server = self.place, seconds, "the bus is back");
                    link.up();
                    session
                }
            };
            let reason = match self.carry(&link, session).await {
                Ended::Closed => return,
                Ended::Lost(reason) => reason,
            };
            link.down();
            link.0.stats.lost.fetch_add(1, Relaxed);
            tracing::warn!(
                %reason,
                server = self.place,
                "the bus is lost; this node goes on, and learns of other nodes' messages from the database"
            );
        }
    }

    /// Tries until it works; `None` when the bus is closed.
    async fn connect_again(&self, link: &Link) -> Option<Session> {
        let mut backoff = FIRST_BACKOFF;
        let mut warned = None;
        while !link.is_closed() {
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            match self.connect(link).await {
                Ok(session) => return Some(session),
                // Nobody would wait for this at a start; here somebody may mend it. Said once.
                Err(error) if !error.is_passing && warned.as_ref() != Some(&error) => {
                    tracing::warn!(reason = %error, "the bus is still lost, and will be until this is mended");
                    warned = Some(error);
                }
                Err(error) => tracing::debug!(%error, "the bus is still lost"),
            }
        }
        None
    }

    async fn carry(&self, link: &Link, session: Session) -> Ended {
        let Session { mut connection, lost } = session;
        let mut ping = tokio::time::interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer: Result<(), RedisError> = tokio::select! {
                () = lost.notified() => return Ended::Lost("the connection was closed".into()),
                _ = ping.tick() => {
                    link.tick();
                    redis::cmd("PING").query_async(&mut connection).await
                }
                frame = link.frame() => {
                    let Some(frame) = frame else { return Ended::Closed };
                    let mut publish = redis::cmd("PUBLISH");
                    publish.arg(&self.channel).arg(frame);
                    let answer = publish.query_async(&mut connection).await;
                    match &answer {
                        Ok(()) => link.0.stats.frames_out.fetch_add(1, Relaxed),
                        Err(_) => link.0.stats.dropped.fetch_add(1, Relaxed),
                    };
                    tokio::time::sleep(outbox::PAUSE).await;
                    answer
                }
            };
            if let Err(error) = answer {
                return Ended::Lost(reason(&error));
            }
        }
    }

    /// Is it new enough, and one that passes messages on?
    fn judge(&self, hello: &Value) -> Result<(), BusError> {
        let field = |name: &str| {
            let pairs = hello.as_map_iter()?;
            let mut found = pairs.filter(|(key, _)| text(key) == Some(name));
            found.next().and_then(|(_, value)| text(value))
        };
        let place = &self.place;
        let version = field("version").unwrap_or("0");
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            return Err(BusError::lasting(format!(
                "The server of DOORBELL_REDIS_URL, {place}, has version {version}, and Doorbell needs Redis 6.2 or Valkey \
                 7.2 or later; update it"
            )));
        }
        if field("role") == Some("replica") && field("mode") == Some("standalone") {
            return Err(BusError::lasting(format!(
                "The server of DOORBELL_REDIS_URL, {place}, is a replica, from which nothing reaches the other nodes; name \
                 the primary"
            )));
        }
        Ok(())
    }

    /// The sentence for whoever runs the server.
    fn trouble(&self, error: &RedisError) -> BusError {
        let place = &self.place;
        let said = reason(error);
        if is_passing(error) {
            let mend = match error.code() {
                Some(code) => format!("does not serve now ({code}: {said}); wait until it does"),
                None if error.is_timeout() => format!(
                    "did not answer within {} seconds; is it a Redis server that runs, with TLS where the URL says rediss: \
                     and without where it says redis:?",
                    ANSWER_TIME.as_secs()
                ),
                None => format!("cannot be reached ({said}); start it, or mend the address"),
            };
            return BusError::passing(format!("The server of DOORBELL_REDIS_URL, {place}, {mend}"));
        }
        let sentence = match error.code() {
            Some("NOAUTH") => format!(
                "The Redis server {place} wants a password; write it into DOORBELL_REDIS_URL, as in \
                 redis://:password@host:6379"
            ),
            Some("WRONGPASS") => format!(
                "The Redis server {place} does not accept the user and password of DOORBELL_REDIS_URL; mend them, with %XX \
                 for characters that have a meaning in URLs"
            ),
            Some("NOPERM") => format!(
                "The user of DOORBELL_REDIS_URL may not do what the bus needs at {place} ({said}); give it the commands \
                 HELLO, PING, SUBSCRIBE and PUBLISH and the channel {}",
                self.channel
            ),
            Some(code) => {
                format!("The Redis server {place} refuses the bus ({code}: {said}); mend it, then start again")
            }
            None if error.kind() == ErrorKind::RESP3NotSupported => format!(
                "The server of DOORBELL_REDIS_URL, {place}, is older than 6.0, and Doorbell needs Redis 6.2 or Valkey 7.2 or \
                 later; update it"
            ),
            None if self.has_tls => format!(
                "TLS with the Redis server {place} failed ({said}); the certificate must be for this host and from an \
                 authority that the system knows, or that the file in SSL_CERT_FILE holds"
            ),
            None => format!("The server of DOORBELL_REDIS_URL, {place}, is not Redis ({said}); mend the address"),
        };
        BusError::lasting(sentence)
    }
}

/// May it be over by itself: nobody there, nobody answers, or a server that is only starting?
fn is_passing(error: &RedisError) -> bool {
    match error.code() {
        Some(code) => matches!(code, "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY"),
        None if error.is_timeout() || error.is_connection_refusal() => true,
        None => error
            .source()
            .and_then(|source| source.downcast_ref::<Arc<dyn StdError + Send + Sync>>())
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
                )
            }),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// What went wrong, in the words of whoever said it first. No URL is among them.
fn reason(error: &RedisError) -> String {
    let source = error.source().map(ToString::to_string);
    let said = error
        .detail()
        .map(str::to_owned)
        .or(source)
        .unwrap_or_else(|| error.to_string());
    said.replace(['\r', '\n'], " ")
}
