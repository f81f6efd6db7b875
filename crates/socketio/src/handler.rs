//! What an application implements, and the types that pass between it and the crate.

use crate::{Frame, Socket};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode, request::Parts};
use serde_json::value::RawValue;
use std::{net::SocketAddr, sync::Arc};

/// An application behind a [`Server`](crate::Server).
///
/// All methods but the futures that they return are called on the task of the connection, so they must not block.
pub trait Handler: Send + Sync + Sized + 'static {
    /// What the caller keeps of the HTTP handshake. The crate keeps no part of the request.
    type Session: Send + Sync + 'static;
    /// What the caller keeps for a connected socket: one namespace of one session.
    type Socket: Send + Sync + 'static;

    /// Called before a session is opened.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] goes back to the client as it is. The stock client retries after any status.
    fn handshake(self: &Arc<Self>, request: &Parts, peer: SocketAddr) -> Result<Self::Session, Refusal>;

    /// Called for a CONNECT packet. The reply leaves when the future has resolved, so the socket can take events from
    /// the first one on. If the connection goes first, the future is dropped.
    fn connect(
        self: &Arc<Self>,
        connecting: Connecting<Self::Session>,
    ) -> BoxFuture<'static, Result<Accept<Self::Socket>, Refused>>;

    /// Called once, when the CONNECT reply and the greeting are queued. From here on the socket takes pushes.
    fn connected(self: &Arc<Self>, socket: &Socket<Self>);

    /// Called in the order in which events came. The [`Turn`] says when the next one may begin, and when the answer
    /// leaves: answers leave in the order of the events.
    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn;

    /// What a socket of the main namespace hears last when this side ends its connection for something that the crate has
    /// noticed ([`Reason::is_noticed_here`]). It is the last that is written, and over long-polling the end comes by a later
    /// poll, so that the client hears it.
    fn farewell(self: &Arc<Self>, socket: &Socket<Self>, reason: Reason) -> Option<Frame> {
        let (_, _) = (socket, reason);
        None
    }

    /// Called once for every socket that [`connected`](Self::connected) was called for, when no turn of it runs any
    /// more.
    ///
    /// Events that had been read when the *client* went are handled first; when this side closed the connection, those
    /// that had not begun are dropped.
    fn disconnected(self: &Arc<Self>, socket: &Socket<Self>, reason: Reason);
}

/// A CONNECT packet.
#[derive(Debug)]
pub struct Connecting<S> {
    /// What [`Handler::handshake`] returned.
    pub session: Arc<S>,
    /// `/`, or the name that the client gave: with its slash, and not checked any further.
    pub namespace: String,
    /// `auth` of the client: a JSON object.
    ///
    /// Connection state recovery sends `pid` and `offset` here.
    pub auth: Option<Box<RawValue>>,
    /// Id of the socket, if it is accepted: 22 characters, and not the session's id, which is a secret.
    pub socket_id: String,
}

/// An accepted CONNECT.
#[derive(Debug)]
pub struct Accept<S> {
    /// Kept with the socket.
    pub state: S,
    /// Another id than the one that was offered: that of a session which goes on. What is none is ignored.
    pub socket_id: Option<String>,
    /// Fields of the CONNECT reply besides `sid`. Connection state recovery has `pid` here.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Sent right behind the CONNECT reply.
    pub greeting: Vec<Frame>,
}

impl<S> Accept<S> {
    /// A socket with this state and no greeting.
    pub fn new(state: S) -> Self {
        Self {
            state,
            socket_id: None,
            fields: serde_json::Map::new(),
            greeting: Vec::new(),
        }
    }
}

/// A refused CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// A CONNECT_ERROR packet. The stock client does not come back by itself, so this is for what waiting will not
    /// change.
    Error {
        /// `err.message` at the client.
        message: String,
        /// `err.data` at the client.
        data: Option<serde_json::Value>,
    },
    /// Closes the transport, after which the stock client comes back by itself.
    CloseTransport,
    /// The same, with a reason in the close frame of a WebSocket: at most 123 bytes, else it is left out. Long-polling has no
    /// place for one.
    CloseTransportFor(String),
}

/// An answer to a handshake that opens no session.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Status of the answer.
    pub status: StatusCode,
    /// Its headers, besides `Content-Length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
}

impl Refusal {
    /// An answer with a body of JSON.
    pub fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let headers = vec![(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Self {
            status,
            headers,
            body: body.to_string().into(),
        }
    }

    /// The reference's answer to a request that is not allowed: 403 and `{"code":4,"message":<message>}`.
    pub fn forbidden(message: &str) -> Self {
        Self::json(
            StatusCode::FORBIDDEN,
            &serde_json::json!({ "code": 4, "message": message }),
        )
    }

    /// The same answer with one more header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// An event from a client.
#[derive(Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its arguments behind the name, each as it stood on the wire.
    pub args: Vec<Box<RawValue>>,
    /// Its binary attachments. In the arguments, `{"_placeholder":true,"num":n}` stands for the nth one.
    pub attachments: Vec<Bytes>,
    /// The client waits for a [`Frame::ack`] with this number.
    pub ack: Option<u64>,
}

/// What is to be done about an event.
pub enum Turn {
    /// Nothing more.
    Done,
    /// These frames are the answer.
    Answer(Vec<Frame>),
    /// The next event waits until this has resolved into another turn.
    Prepare(BoxFuture<'static, Turn>),
    /// Runs beside later events; its answer leaves when those of all earlier events have.
    Alongside(BoxFuture<'static, Vec<Frame>>),
    /// Starts when every earlier event has been answered, and later events wait for it.
    Barrier(BoxFuture<'static, Vec<Frame>>),
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => formatter.write_str("Done"),
            Self::Answer(frames) => formatter.debug_tuple("Answer").field(frames).finish(),
            Self::Prepare(_) => formatter.write_str("Prepare"),
            Self::Alongside(_) => formatter.write_str("Alongside"),
            Self::Barrier(_) => formatter.write_str("Barrier"),
        }
    }
}

/// Why a socket is no more. [`as_str`](Self::as_str) has the reference's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The client left the namespace.
    ClientLeft,
    /// [`Socket::disconnect`].
    ServerLeft,
    /// The client closed the connection, or went away.
    TransportClose,
    /// The connection broke, or its requests overlapped.
    TransportError,
    /// No answer to a ping.
    PingTimeout,
    /// The client sent something that is not the protocol.
    BadPacket,
    /// The client sent a packet over [`Config::max_payload`](crate::Config::max_payload) or
    /// [`Config::max_packet`](crate::Config::max_packet).
    PacketTooLarge,
    /// The client sent a packet with more than [`Config::max_attachments`](crate::Config::max_attachments).
    TooManyAttachments,
    /// Pushes waited too long for this connection, or were too many.
    SlowConsumer,
    /// [`Socket::close`], or no namespace accepted the session in time, or one refused it with
    /// [`Refused::CloseTransport`].
    ServerClose,
    /// [`Server::close_all`](crate::Server::close_all).
    ShuttingDown,
}

impl Reason {
    /// The reference's words, as front ends and logs know them; `slow consumer` is our own.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientLeft => "client namespace disconnect",
            Self::ServerLeft => "server namespace disconnect",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::BadPacket | Self::PacketTooLarge | Self::TooManyAttachments => "parse error",
            Self::SlowConsumer => "slow consumer",
            Self::ServerClose => "forced server close",
            Self::ShuttingDown => "server shutting down",
        }
    }

    /// This side ends the connection, by itself and while the client is there: [`Handler::farewell`] is asked.
    pub fn is_noticed_here(self) -> bool {
        self.is_bad_packet() || self == Self::SlowConsumer
    }

    pub(crate) fn is_bad_packet(self) -> bool {
        matches!(self, Self::BadPacket | Self::PacketTooLarge | Self::TooManyAttachments)
    }

    /// The client or the network ended it: what had been read from it is still handled.
    pub(crate) fn by_peer(self) -> bool {
        matches!(
            self,
            Self::ClientLeft | Self::TransportClose | Self::TransportError | Self::PingTimeout
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
