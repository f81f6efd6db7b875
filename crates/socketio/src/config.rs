//! Limits and intervals. Every default is the reference's where the reference has one.

use crate::IdSuffix;
use std::time::Duration;

/// What a server allows, and how long it waits.
///
/// The defaults of the first five fields are those of the reference implementation (engine.io 6, socket.io 4).
#[derive(Clone, Debug)]
pub struct Config {
    /// Time from one answered ping to the next, and from the handshake to the first. Sent to clients in the handshake.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping before its session is closed. Sent to clients in the handshake.
    pub ping_timeout: Duration,
    /// A session that has not been accepted in any namespace this long after its handshake is closed.
    pub connect_timeout: Duration,
    /// How long the probe of a transport upgrade may take.
    pub upgrade_timeout: Duration,
    /// Largest message, in bytes: a WebSocket message, or the body of one POST. Sent to clients in the handshake.
    pub max_payload: usize,
    /// Most binary attachments in one packet.
    pub max_attachments: usize,
    /// Most bytes of one packet: its text and all its attachments together.
    pub max_packet: usize,
    /// Bytes of pushes that may wait for one connection. Over it that connection is closed.
    pub push_queue_bytes: usize,
    /// How long a push may wait for its connection. Over it that connection is closed.
    pub push_queue_age: Duration,
    /// With more bytes of answers than this waiting, no more is read from the connection until they have drained.
    pub answer_pause_bytes: usize,
    /// How long the body of a POST may take to arrive.
    pub body_timeout: Duration,
    /// Bytes of POST bodies that may be buffered at one time, over all sessions. Over it a POST gets 503.
    pub max_buffered_bodies: usize,
    /// Events of one session that may be unanswered. At this many no more is read from it until some are.
    pub max_pending_turns: usize,
    /// Namespaces that one session may be in at one time.
    pub max_namespaces: usize,
    /// How long a connection that this side closes may take to drain what is queued for it.
    pub close_timeout: Duration,
    /// The same once [`Server::close_all`](crate::Server::close_all) was called, for a client that has been sent all that waited
    /// for it, and does not say goodbye, or polls no more: it need not hold up the end of the process.
    pub goodbye_timeout: Duration,
    /// From telling a client of long-polling why its POST was refused to the refusal, which the stock client ends on.
    pub farewell_time: Duration,
    /// How long events that have begun may run on after their connection is gone, before they are dropped.
    pub turn_timeout: Duration,
    /// `Retry-After` of the answer to new sessions once the server is closing.
    pub retry_after: Duration,
    /// What stands behind each session id, for servers that hand each other's requests over; see
    /// [`Server::owner`](crate::Server::owner).
    pub id_suffix: IdSuffix,
    /// Engine.IO alone: every message goes back as it came, and there is no Socket.IO. For the suite of that protocol.
    #[doc(hidden)]
    pub engine_echo: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(10),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            max_attachments: 10,
            max_packet: 2_000_000,
            push_queue_bytes: 1 << 20,
            push_queue_age: Duration::from_secs(10),
            answer_pause_bytes: 256 << 10,
            body_timeout: Duration::from_secs(30),
            max_buffered_bodies: 64 << 20,
            max_pending_turns: 256,
            max_namespaces: 16,
            close_timeout: Duration::from_secs(5),
            goodbye_timeout: Duration::from_secs(1),
            farewell_time: Duration::from_millis(100),
            turn_timeout: Duration::from_secs(30),
            retry_after: Duration::from_secs(1),
            id_suffix: IdSuffix::default(),
            engine_echo: false,
        }
    }
}
