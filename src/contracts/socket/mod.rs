//! Live sockets: who connects, and which contract they speak. What becomes of their events stands in [`asked`].

mod asked;
mod endings;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use doorbell_socketio::{Accept, Connecting, Event, Frame, Handler, Reason, Refusal, Refused, Socket, Turn};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::endings::{Endings, close_ended};
use self::{asked::Asked, endings::End};
use super::{json, shape::Person};
use crate::{
    chat::{
        Chat,
        arrive::{Absence, Coming, Past},
        presence::Departure,
    },
    config::Secret,
    fanout::{Farewell, LiveSocket, Outlet},
    model::{Clock, Code, Contract, Cut, Error, Result, SessionId, Timestamp, User, UserId, limits, rate::RetryAfter},
    transport::{
        auth::{Authenticator, Denied},
        http::ConnectionPlace,
        limit::{AddressLimits, OpenConnection},
        metrics::Metrics,
        origin::{OriginPolicy, OriginVerdict},
        token::{Claims, TokenFault},
    },
};

/// Everything that connects by Socket.IO.
pub struct Sockets {
    pub chat: Arc<Chat>,
    pub authenticator: Arc<Authenticator>,
    pub addresses: Arc<AddressLimits>,
    pub origins: Arc<OriginPolicy>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// One contract for every socket, whatever it says.
    pub fixed_contract: Option<Contract>,
    pub show_email: bool,
    pub endings: Endings,
}

/// What is kept of a handshake: which contract its address tells.
pub struct Handshake {
    contract: Option<String>,
    is_api_path: bool,
    /// Its handlers take the arguments of the contract, and not one more.
    is_strict: bool,
    /// Where the client is.
    client: IpAddr,
    /// Its place among the connections of its address, where its connection has none: a proxy's carry those of many.
    _open: Option<OpenConnection>,
}

/// What is kept for a connected socket.
pub struct Connected {
    live: Arc<LiveSocket>,
    user_id: UserId,
    /// When its token ends.
    end: End,
    /// What it is told beside what is replayed.
    absence: Absence,
    connected: AtomicBool,
    chat: Arc<Chat>,
}

impl Drop for Connected {
    /// The connection went before it was told that it may come in.
    fn drop(&mut self) {
        if !self.connected.load(Ordering::Relaxed) {
            self.chat.gone_before_connecting(&self.live);
        }
    }
}

impl Handler for Sockets {
    type Session = Handshake;
    type Socket = Connected;

    fn handshake(self: &Arc<Self>, request: &Parts, peer: SocketAddr) -> std::result::Result<Handshake, Refusal> {
        let client = peer.ip();
        self.addresses
            .take_handshake(client)
            .map_err(|wait| too_many_of_address("new connections", wait))?;
        if self.origins.judge_request(&request.headers) == OriginVerdict::Foreign {
            return Err(Refusal::forbidden(
                "This origin is not allowed; the server's FRONTEND_URL names those that are.",
            ));
        }
        let place = request.extensions.get::<ConnectionPlace>();
        let open = match place.is_some_and(ConnectionPlace::is_counted) {
            true => None,
            false => Some(
                self.addresses
                    .open(client)
                    .ok_or_else(|| too_many_of_address("connections", RetryAfter(limits::CONNECTION_RETRY_TIME)))?,
            ),
        };
        let query = request.uri.query().unwrap_or_default();
        Ok(Handshake {
            _open: open,
            contract: super::query::parse(query)
                .ok()
                .and_then(|query| query.get("contract").map(str::to_owned)),
            is_api_path: request.uri.path().starts_with("/api/"),
            is_strict: is_strict(&request.headers),
            client,
        })
    }

    fn connect(
        self: &Arc<Self>,
        connecting: Connecting<Handshake>,
    ) -> BoxFuture<'static, std::result::Result<Accept<Connected>, Refused>> {
        let sockets = Arc::clone(self);
        Box::pin(async move { sockets.accept(connecting).await })
    }

    fn connected(self: &Arc<Self>, socket: &Socket<Self>) {
        let connected = socket.state();
        tracing::debug!(user = %connected.user_id, "a socket has come");
        connected.connected.store(true, Ordering::Relaxed);
        connected.live.attach(Box::new(Way(socket.clone())));
        self.endings.add(connected);
        self.chat.connected(Arc::clone(&connected.live), &connected.absence);
    }

    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn {
        let asked = Asked {
            sockets: Arc::clone(self),
            socket: socket.clone(),
            live: Arc::clone(&socket.state().live),
            user_id: socket.state().user_id.clone(),
            contract: Contract::MediaChat,
            is_send: false,
            ack: event.ack,
            event: event.name,
            client_message_id: None,
        };
        asked.begin(&event.args)
    }

    fn farewell(self: &Arc<Self>, _socket: &Socket<Self>, reason: Reason) -> Option<Frame> {
        let farewell = match reason {
            Reason::PacketTooLarge => Farewell::PacketTooLarge,
            Reason::TooManyAttachments => Farewell::TooManyAttachments,
            Reason::BadPacket => Farewell::BadPacket,
            Reason::SlowConsumer => Farewell::SlowConsumer,
            _ => return None,
        };
        Some(told(farewell))
    }

    fn disconnected(self: &Arc<Self>, socket: &Socket<Self>, reason: Reason) {
        let connected = socket.state();
        connected.live.detach();
        self.endings.remove(connected);
        tracing::debug!(user = %connected.user_id, %reason, "a socket has gone");
        let departure = match reason {
            Reason::ClientLeft | Reason::ServerLeft => Departure::ForGood,
            Reason::ShuttingDown => Departure::WithTheNode,
            _ => Departure::MayReturn,
        };
        self.chat.disconnected(&connected.live, departure);
    }
}

struct Way(Socket<Sockets>);

impl Outlet for Way {
    fn push(&self, frame: &Frame) {
        self.0.push(frame);
    }

    fn waiting(&self) -> usize {
        self.0.waiting_push_bytes()
    }

    fn answer(&self, frame: Frame) {
        self.0.answer(frame);
    }

    fn announce(&self, farewell: Farewell) {
        self.0.answer(told(farewell));
    }

    fn close(&self, farewell: Farewell) {
        self.announce(farewell);
        match farewell.is_for_good() {
            true => self.0.disconnect(),
            false => {
                let socket = self.0.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(limits::FAREWELL_TIME).await;
                    socket.close();
                });
            }
        }
    }
}

/// What a socket hears before it ends.
fn told(farewell: Farewell) -> Frame {
    let (code, message) = (farewell.code(), farewell.message());
    Frame::event("disconnect:reason", &json!({ "code": code, "message": message }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionSuccess<'a> {
    user_id: &'a UserId,
    user: Person<'a>,
    session_id: &'a str,
    contract: Option<&'static str>,
}

impl Sockets {
    async fn accept(&self, connecting: Connecting<Handshake>) -> std::result::Result<Accept<Connected>, Refused> {
        if connecting.namespace != "/" {
            return Err(refused("Invalid namespace", "INVALID"));
        }
        let auth = match &connecting.auth {
            Some(auth) => {
                json::parse(auth.get().as_bytes()).map_err(|_| refused("auth is not valid JSON", "INVALID"))?
            }
            None => Value::Null,
        };
        let token = match auth.get("token") {
            Some(Value::String(token)) => bare(token),
            _ => "",
        };
        let client = connecting.session.client;
        let (claims, ends_at) = self.verify(token, client).await.map_err(|denied| match denied {
            Denied::Fault(fault) => unauthenticated(&fault),
            Denied::TooMany(wait) => closed_for(&Error::rate_limited("failed sign-ins from this address", wait.0)),
        })?;
        let claims = super::claims(&claims);
        let contract = self.contract(&auth, &connecting.session)?;
        let user = self.chat.sign_in(&claims).await.map_err(|error| match error.code {
            Code::Unauthenticated => unauthenticated(&SESSIONS_ENDED),
            Code::Unavailable | Code::RateLimited => closed_for(&error),
            _ => refused(&error.message, error.code.as_str()),
        })?;
        // Waiting helps: so the transport is closed, and the stock client comes back by itself.
        self.chat
            .count_connection(user.key)
            .map_err(|error| closed_for(&error))?;
        if !self.chat.has_room_for_socket(user.key) {
            return Err(closed_for(&too_many_of_user()));
        }
        let coming = Coming {
            user: user.key,
            issued_at: claims.issued_at,
            contract,
            socket_id: connecting.socket_id,
            recovery: past(&auth, &connecting.session),
        };
        // Only where the store does not answer, which waiting helps as well.
        let arrived = self.chat.arrive(coming).await.map_err(|error| closed_for(&error))?;
        let live = arrived.live;
        if !self.chat.has_room_for_sockets(user.key) {
            self.chat.gone_before_connecting(&live);
            return Err(closed_for(&too_many_of_user()));
        }
        self.chat.judge_again(&live).await;
        let mut greeting = greeting(live.told(), &user, &live.socket_id);
        let mut fields = serde_json::Map::new();
        if let (Some(session), Some(offset)) = (live.session, &arrived.offset) {
            fields.insert("pid".to_owned(), session.to_string().into());
            for frame in &mut greeting {
                *frame = frame.with_last_argument(offset);
            }
        }
        greeting.extend(arrived.missed);
        Ok(Accept {
            socket_id: Some(live.socket_id.clone()),
            greeting,
            fields,
            state: Connected {
                live,
                user_id: user.id.clone(),
                end: End::at(ends_at),
                absence: arrived.absence,
                connected: AtomicBool::new(false),
                chat: Arc::clone(&self.chat),
            },
        })
    }

    /// What a token says, and when the socket ends that goes by it: without the leeway that requests have, since a socket is
    /// closed at the end of its token, and would come straight back.
    async fn verify(&self, token: &str, client: IpAddr) -> std::result::Result<(Claims, Instant), Denied> {
        let now_ms = self.clock.now().as_millis();
        let claims = self.authenticator.verify(token, now_ms, client).await?;
        let left_ms = claims.expires_at_ms - now_ms;
        if left_ms <= 0 {
            return Err(Denied::Fault(TokenFault::Expired));
        }
        let left = Duration::from_millis(left_ms.unsigned_abs()).min(limits::TOKEN_LIFETIME_MAX);
        Ok((claims, Instant::now() + left))
    }

    /// Lets a socket go on by another token of the same user, whose end it has from then on.
    async fn refresh(&self, socket: &Socket<Sockets>, token: &Secret) -> Result<Timestamp> {
        let connected = socket.state();
        let (claims, ends_at) = self.verify(bare(token.expose()), socket.session().client).await?;
        // First, so that nobody gets an entry, or is told whether there is one, by somebody else's socket.
        if claims.user_id != connected.user_id.as_str() {
            return Err(Error::forbidden(
                "This token is another user's; connect anew to be somebody else.",
            ));
        }
        let expires_at = Timestamp(claims.expires_at_ms);
        let claims = super::claims(&claims);
        self.chat.sign_in(&claims).await?;
        self.endings.move_to(connected, ends_at);
        connected.live.reissued(claims.issued_at);
        self.chat.judge_again(&connected.live).await;
        Ok(expires_at)
    }

    /// The contract that the configuration fixes, else that the client names, else that the path tells.
    fn contract(&self, auth: &Value, handshake: &Handshake) -> std::result::Result<Option<Contract>, Refused> {
        let named = match auth.get("contract") {
            None | Some(Value::Null) => handshake.contract.as_deref(),
            Some(Value::String(name)) => Some(name.as_str()),
            Some(_) => return Err(refused("auth.contract must be the name of a contract", "INVALID")),
        };
        match named {
            Some(name) => match Contract::parse(name) {
                Some(contract) => Ok(Some(self.fixed_contract.unwrap_or(contract))),
                None => Err(refused("There is no contract of this name", "INVALID")),
            },
            None if self.fixed_contract.is_some() => Ok(self.fixed_contract),
            None if handshake.is_api_path => Ok(Some(Contract::Conversations)),
            None => Ok(None),
        }
    }
}

/// What the client says of its past; `None` for one that is not to be recovered.
fn past(auth: &Value, handshake: &Handshake) -> Option<Past> {
    if handshake.is_strict || auth.get("recovery") == Some(&Value::Bool(false)) {
        return None;
    }
    let text = |name| auth.get(name).and_then(Value::as_str);
    Some(Past {
        session: text("pid").and_then(SessionId::parse),
        offset: text("offset").and_then(Cut::parse),
    })
}

/// Is this a client whose handlers would fail on one more argument? python-socketio is; it comes with the User-Agent of
/// requests or aiohttp, or with none at all: then it has an Origin, as a browser has, and offers no compression, as
/// Node's clients do.
fn is_strict(headers: &HeaderMap) -> bool {
    match headers.get(header::USER_AGENT).map(|value| value.as_bytes()) {
        Some(agent) => agent
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"python")),
        None => headers.contains_key(header::ORIGIN) && !headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS),
    }
}

/// The answer to a handshake, from which the stock client comes back by itself.
fn too_many_of_address(what: &str, wait: RetryAfter) -> Refusal {
    let error = Error::rate_limited(&format!("{what} from this address"), wait.0);
    let body = json!({ "error": error.message, "code": error.code, "retryAfterMs": wait.milliseconds() });
    Refusal::json(StatusCode::TOO_MANY_REQUESTS, &body)
        .with_header(header::RETRY_AFTER, HeaderValue::from(wait.seconds()))
}

/// For what waiting helps with. The transport is closed, since a stock client stays away after a `connect_error`, and hears no
/// event before it is connected; what it would show stands in the close frame.
fn closed_for(error: &Error) -> Refused {
    let wait = error.retry_after.map(|wait| RetryAfter(wait).milliseconds());
    let reason = json!({ "code": error.code, "message": error.message, "retryAfterMs": wait });
    Refused::CloseTransportFor(reason.to_string())
}

fn too_many_of_user() -> Error {
    Error::rate_limited("connections of this user", limits::CONNECTION_RETRY_TIME)
}

/// For what waiting will not change: the stock client stays away.
fn refused(message: &str, code: &str) -> Refused {
    Refused::Error {
        message: message.to_owned(),
        data: Some(json!({ "code": code, "message": message })),
    }
}

/// As the chat says it of a person whom the token names, in the words of a handshake.
const SESSIONS_ENDED: TokenFault = TokenFault::Invalid("all sessions of its user were ended after it was issued");

fn bare(token: &str) -> &str {
    token.strip_prefix("Bearer ").unwrap_or(token)
}

fn unauthenticated(fault: &TokenFault) -> Refused {
    // Waiting helps: so the stock client must come back by itself.
    if let TokenFault::Unavailable(_) = fault {
        return Refused::CloseTransport;
    }
    Refused::Error {
        message: "Authentication error".to_owned(),
        data: Some(json!({ "code": fault.code(), "message": fault.to_string() })),
    }
}

/// What a contract's clients wait for before they begin; both of them where no contract is told yet.
fn greeting(contract: Option<Contract>, user: &User, socket_id: &str) -> Vec<Frame> {
    let connected = || Frame::event("connected", &json!({ "userId": user.id, "socketId": socket_id }));
    let success = || {
        Frame::event(
            "connection:success",
            &ConnectionSuccess {
                user_id: &user.id,
                user: Person::full(user),
                session_id: socket_id,
                contract: contract.map(Contract::as_str),
            },
        )
    };
    match contract {
        None => vec![connected(), success()],
        Some(Contract::MediaChat) => vec![connected()],
        Some(Contract::Conversations) => vec![success()],
        Some(Contract::PropertyChat | Contract::TenantChat | Contract::ListingChat) => Vec::new(),
    }
}
