//! Requests of the protocol, and what happens to them.

use crate::{
    Config, Handler, Owner, Reason, Refusal,
    engine::{Id, ProtocolError, Query},
    frame::Frame,
    polling,
    session::Shared,
    task::Task,
    upgrade,
    wire::{Hold, WebSocket, Wire},
};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, request::Parts};
use http_body_util::Full;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Body of an answer.
pub type Body = Full<Bytes>;

/// A Socket.IO server. Clones are the same server.
pub struct Server<H: Handler> {
    shared: Arc<Shared<H>>,
}

impl<H: Handler> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// What a server has counted since it was made.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Sessions that were opened.
    pub sessions_opened: AtomicU64,
    /// Sessions that moved from long-polling to a WebSocket.
    pub upgrades: AtomicU64,
    /// Socket.IO packets that came in.
    pub packets_in: AtomicU64,
    /// Packets that went out, heartbeats included. A packet with attachments is one.
    pub packets_out: AtomicU64,
    /// Writes to WebSockets, each of one or more packets.
    pub writes: AtomicU64,
    /// Connections closed for packets that are none.
    pub bad_packets: AtomicU64,
    /// Connections closed because pushes waited too long or were too many.
    pub slow_consumers: AtomicU64,
    /// Requests refused with an error of the protocol or by the handler.
    pub refused: AtomicU64,
}

impl<H: Handler> Server<H> {
    /// A server without connections. It needs a Tokio runtime from the first [`serve`](Self::serve) on.
    pub fn new(config: Config, handler: Arc<H>) -> Self {
        Self {
            shared: Arc::new(Shared::new(config, handler)),
        }
    }

    /// The application.
    pub fn handler(&self) -> &Arc<H> {
        &self.shared.handler
    }

    /// Whose request this is, where several servers stand behind one address and [`Config::id_suffix`] tells them apart.
    ///
    /// To be asked before [`serve`](Self::serve) by whoever can pass a request on to another server; what is
    /// [`Owner::Elsewhere`] would only be refused here. Without a suffix nothing is elsewhere. Of the request nothing but
    /// its `sid` is looked at: whether it is right in all else is its owner's to say.
    pub fn owner<'a>(&self, uri: &'a Uri) -> Owner<'a> {
        self.shared.config.owner(uri)
    }

    /// Answers one request. The caller has matched its path, and adds CORS headers to the answer.
    ///
    /// The future must be dropped when the client goes, as hyper does: that is how a cancelled poll is noticed.
    pub async fn serve<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Body>
    where
        B: hyper::body::Body<Data: Buf>,
    {
        let (parts, body) = request.into_parts();
        let response = self.route(parts, body, peer).await;
        if response.status().is_client_error() || response.status().is_server_error() {
            self.shared.counters.refused.fetch_add(1, Relaxed);
        }
        response
    }

    async fn route<B>(&self, parts: Parts, body: B, peer: SocketAddr) -> Response<Body>
    where
        B: hyper::body::Body<Data: Buf>,
    {
        // The order of the checks is the reference's.
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let websocket = match query.transport {
            Some("polling") => false,
            Some("websocket") => true,
            _ => return protocol_error(ProtocolError::UnknownTransport),
        };
        let switches = upgrade::asked(&parts);
        if switches && !websocket {
            return protocol_error(ProtocolError::BadRequest);
        }
        if let Some(sid) = query.sid {
            let suffix = self.shared.config.id_suffix.as_str();
            let id = sid.strip_suffix(suffix).and_then(Id::parse);
            let Some(session) = id.and_then(|id| self.shared.find(id)) else {
                return protocol_error(ProtocolError::UnknownSession);
            };
            return match (websocket, &parts.method) {
                (true, _) if switches => self.upgrade(&session, parts),
                (true, _) => protocol_error(ProtocolError::BadRequest),
                (false, &Method::GET) => polling::poll(&session).await,
                (false, &Method::POST) => polling::post(&session, &parts.headers, body).await,
                (false, _) => protocol_error(ProtocolError::BadMethod),
            };
        }
        if parts.method != Method::GET {
            return protocol_error(ProtocolError::BadMethod);
        }
        if websocket && !switches {
            return protocol_error(ProtocolError::BadRequest);
        }
        if query.version != Some("4") {
            return protocol_error(ProtocolError::UnsupportedVersion);
        }
        if self.shared.closing.load(Relaxed) {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(self.shared.config.retry_after.as_secs().max(1)),
            );
            return answer(StatusCode::SERVICE_UNAVAILABLE, headers, Bytes::new());
        }
        let data = match self.shared.handler.handshake(&parts, peer) {
            Ok(data) => data,
            Err(Refusal { status, headers, body }) => return answer(status, headers.into_iter().collect(), body),
        };
        if websocket {
            self.open_websocket(data, parts)
        } else {
            self.open_polling(data)
        }
    }

    fn open_polling(&self, data: H::Session) -> Response<Body> {
        match self.shared.open(data, Some(Box::default())) {
            Ok(session) => {
                let packet = polling::open_packet(&session, &["websocket"]);
                tokio::spawn(Task::new(session, Wire::Polling));
                polling::opened(packet)
            }
            Err(error) => no_random(&error),
        }
    }

    fn open_websocket(&self, data: H::Session, parts: Parts) -> Response<Body> {
        let response = match upgrade::switch(&parts) {
            Ok(response) => response,
            Err(refused) => return *refused,
        };
        let hold = parts.extensions.get::<Hold>().cloned();
        let upgrade = hyper::upgrade::on(Request::from_parts(parts, ()));
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            // Opened only now, so that an upgrade that never comes about leaves nothing.
            let Ok(upgraded) = upgrade.await else { return };
            match shared.open(data, None) {
                Ok(session) => {
                    drop(shared);
                    let packet = polling::open_packet(&session, &[]);
                    session.answer(Frame::text("", &packet));
                    Task::new(session, Wire::WebSocket(WebSocket::new(upgraded, hold))).await;
                }
                Err(error) => drop(no_random(&error)),
            }
        });
        response
    }

    fn upgrade(&self, session: &Arc<crate::session::Session<H>>, parts: Parts) -> Response<Body> {
        let response = match upgrade::switch(&parts) {
            Ok(response) => response,
            Err(refused) => return *refused,
        };
        let hold = parts.extensions.get::<Hold>().cloned();
        let upgrade = hyper::upgrade::on(Request::from_parts(parts, ()));
        let session = Arc::clone(session);
        if upgrade::claim(&session) {
            tokio::spawn(upgrade::probe(session, upgrade, hold));
        } else {
            tokio::spawn(upgrade::turn_away(session, upgrade, hold));
        }
        response
    }

    /// Closes every transport, without DISCONNECT packets, so that clients come back by themselves (elsewhere, or when
    /// the server is up again); answers new handshakes with 503 and `Retry-After` from now on. Returns at once:
    /// [`connections`](Self::connections) tells when all are gone. Who has been sent everything and says no goodbye is waited
    /// for no longer than [`Config::goodbye_timeout`].
    pub fn close_all(&self) {
        self.shared.closing.store(true, Relaxed);
        for session in self.shared.all() {
            session.close(Reason::ShuttingDown);
        }
    }

    /// Sessions, on whichever transport.
    pub fn connections(&self) -> usize {
        self.shared.sessions.load(Relaxed)
    }

    /// What the server has counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }
}

pub(crate) fn answer(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The reference's answer to a request that is not right: 400, and its number and words.
pub(crate) fn protocol_error(error: ProtocolError) -> Response<Body> {
    let body = serde_json::json!({ "code": error.code(), "message": error.to_string() });
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer(StatusCode::BAD_REQUEST, headers, body.to_string().into())
}

fn no_random(error: &getrandom::Error) -> Response<Body> {
    tracing::error!(%error, "no random numbers");
    answer(StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), Bytes::new())
}
