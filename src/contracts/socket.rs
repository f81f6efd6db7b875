//! Live sockets: who connects, which contract they speak, and what becomes of their events.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use doorbell_socketio::{Accept, Connecting, Event, Frame, Handler, Reason, Refusal, Refused, Socket, Turn};
use futures_util::future::BoxFuture;
use http::request::Parts;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    event::{self, Command, Name},
    json,
    shape::{Person, View},
    wire::{ToRaw, message_json},
};
use crate::{
    chat::{Caller, Chat, history::MessagePage, send::Sent},
    fanout::{LiveSocket, Outlet},
    model::{
        Clock, Code, Contract, Conversation, ConversationId, Error, Message, Origin, Result, User, UserId, limits,
        rate::RetryAfter,
    },
    transport::{
        auth::Authenticator,
        metrics::Metrics,
        origin::{OriginPolicy, OriginVerdict},
        token::TokenFault,
    },
};

/// Everything that connects by Socket.IO.
pub struct Sockets {
    pub chat: Arc<Chat>,
    pub authenticator: Arc<Authenticator>,
    pub origins: Arc<OriginPolicy>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// One contract for every socket, whatever it says.
    pub fixed_contract: Option<Contract>,
    pub show_email: bool,
    pub numbers: AtomicU64,
    pub endings: Endings,
}

/// What is kept of a handshake: which contract its address tells.
pub struct Handshake {
    contract: Option<String>,
    is_api_path: bool,
}

/// What is kept for a connected socket.
pub struct Connected {
    live: Arc<LiveSocket>,
    user_id: UserId,
    /// When its token ends, in milliseconds since the epoch.
    ends_at_ms: i64,
}

impl Handler for Sockets {
    type Session = Handshake;
    type Socket = Connected;

    fn handshake(self: &Arc<Self>, request: &Parts, _peer: SocketAddr) -> std::result::Result<Handshake, Refusal> {
        if self.origins.judge_request(&request.headers) == OriginVerdict::Foreign {
            return Err(Refusal::forbidden(
                "This origin is not allowed; the server's FRONTEND_URL names those that are.",
            ));
        }
        let query = request.uri.query().unwrap_or_default();
        Ok(Handshake {
            contract: super::query::parse(query)
                .ok()
                .and_then(|query| query.get("contract").map(str::to_owned)),
            is_api_path: request.uri.path().starts_with("/api/"),
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
        connected.live.attach(Box::new(Way(socket.clone())));
        self.endings.add(connected);
        self.chat.connected(Arc::clone(&connected.live));
    }

    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn {
        let asked = Asked {
            sockets: Arc::clone(self),
            live: Arc::clone(&socket.state().live),
            user_id: socket.state().user_id.clone(),
            contract: Contract::MediaChat,
            ack: event.ack,
            event: event.name,
            client_message_id: None,
        };
        asked.begin(&event.args)
    }

    fn disconnected(self: &Arc<Self>, socket: &Socket<Self>, reason: Reason) {
        let connected = socket.state();
        connected.live.detach();
        self.endings.remove(connected);
        tracing::debug!(user = %connected.user_id, %reason, "a socket has gone");
        self.chat.disconnected(&connected.live);
    }
}

struct Way(Socket<Sockets>);

impl Outlet for Way {
    fn push(&self, frame: &Frame) -> usize {
        self.0.push(frame);
        self.0.waiting_push_bytes()
    }

    fn answer(&self, frame: Frame) {
        self.0.answer(frame);
    }

    fn close(&self) {
        self.0.close();
    }
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
            Some(Value::String(token)) => token.strip_prefix("Bearer ").unwrap_or(token),
            _ => "",
        };
        let now = self.clock.now();
        let claims = self
            .authenticator
            .verify(token, now.as_millis())
            .map_err(|fault| unauthenticated(&fault))?;
        let contract = self.contract(&auth, &connecting.session)?;
        let ends_at_ms = match claims.expires_at_ms {
            // Taken within the leeway: it ends with it, or the client would come back at once, again and again.
            ended if ended <= now.as_millis() => ended + limits::TOKEN_LEEWAY.as_millis() as i64,
            ends => ends,
        };
        let user = self
            .chat
            .sign_in(&super::claims(&claims))
            .await
            .map_err(|error| match error.code {
                Code::Unavailable | Code::RateLimited => Refused::CloseTransport,
                _ => refused(&error.message, error.code.as_str()),
            })?;
        // Waiting helps: so the transport is closed, and the stock client comes back by itself.
        self.chat
            .count_connection(user.key)
            .map_err(|_| Refused::CloseTransport)?;
        let number = Origin(self.numbers.fetch_add(1, Ordering::Relaxed));
        let live = LiveSocket::new(number, user.key, connecting.socket_id.clone(), contract);
        Ok(Accept {
            greeting: greeting(contract, &user, &connecting.socket_id),
            fields: serde_json::Map::new(),
            state: Connected {
                live: Arc::new(live),
                user_id: user.id.clone(),
                ends_at_ms,
            },
        })
    }

    /// The contract that the configuration fixes, else that the client names, else that the path tells.
    fn contract(&self, auth: &Value, handshake: &Handshake) -> std::result::Result<Option<Contract>, Refused> {
        if self.fixed_contract.is_some() {
            return Ok(self.fixed_contract);
        }
        let named = match auth.get("contract") {
            None | Some(Value::Null) => handshake.contract.as_deref(),
            Some(Value::String(name)) => Some(name.as_str()),
            Some(_) => return Err(refused("auth.contract must be the name of a contract", "INVALID")),
        };
        match named {
            Some(name) => match Contract::parse(name) {
                Some(contract) => Ok(Some(contract)),
                None => Err(refused("There is no contract of this name", "INVALID")),
            },
            None if handshake.is_api_path => Ok(Some(Contract::Conversations)),
            None => Ok(None),
        }
    }
}

/// For what waiting will not change: the stock client stays away.
fn refused(message: &str, code: &str) -> Refused {
    Refused::Error {
        message: message.to_owned(),
        data: Some(json!({ "code": code, "message": message })),
    }
}

fn unauthenticated(fault: &TokenFault) -> Refused {
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

/// An event on its way through.
struct Asked {
    sockets: Arc<Sockets>,
    live: Arc<LiveSocket>,
    user_id: UserId,
    /// Whose event it is: the acknowledgement is in its shape.
    contract: Contract,
    ack: Option<u64>,
    event: String,
    client_message_id: Option<String>,
}

impl Asked {
    fn begin(mut self, args: &[Box<RawValue>]) -> Turn {
        let payload = match args.first() {
            Some(text) => json::parse(text.get().as_bytes()),
            None => Ok(Value::Null),
        };
        let nothing = Value::Null;
        let Some(known) = event::recognise(&self.event, payload.as_ref().unwrap_or(&nothing)) else {
            self.sockets.metrics.unknown_events.inc();
            return match self.ack {
                Some(id) => Turn::Answer(vec![ack_error(id, &Error::invalid("There is no event of this name."))]),
                None => Turn::Done,
            };
        };
        match known.contract {
            Some(contract) => {
                self.contract = contract;
                self.tell(contract);
            }
            None => self.contract = self.live.spoken(),
        }
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return Turn::Answer(self.refuse(&error)),
        };
        self.client_message_id = payload
            .get("clientMessageId")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let is_counted = !matches!(
            known.name,
            Name::Send | Name::Typing | Name::TypingStart | Name::TypingStop
        );
        if is_counted && let Err(error) = self.sockets.chat.count_request(self.live.user) {
            return Turn::Answer(self.refuse(&error));
        }
        match event::decode(known.name, self.contract, payload, &self.user_id) {
            Ok(command) => self.run(command),
            Err(error) => Turn::Answer(self.refuse(&error)),
        }
    }

    /// The first event of a contract tells an untold socket what to speak from then on.
    fn tell(&self, contract: Contract) {
        if self.live.tell(contract) && contract == Contract::Conversations {
            // What it was told of its peers so far was in another contract's words.
            let (chat, live) = (Arc::clone(&self.sockets.chat), Arc::clone(&self.live));
            tokio::spawn(async move { chat.push_online_peers(&live).await });
        }
    }

    fn caller(&self) -> Caller {
        Caller::User(self.live.user)
    }

    fn run(self, command: Command) -> Turn {
        match command {
            Command::Send(mut request) => {
                request.origin = Some(self.live.number);
                Turn::Prepare(Box::pin(async move {
                    match self.sockets.chat.submit(self.live.user, request).await {
                        Ok(submitted) => Turn::Alongside(Box::pin(async move {
                            match self.sockets.chat.stored(submitted).await {
                                Ok(sent) => self.sent(&sent),
                                Err(error) => self.refuse(&error),
                            }
                        })),
                        Err(error) => Turn::Answer(self.refuse(&error)),
                    }
                }))
            }
            Command::Typing { target, is_typing } => Turn::Prepare(Box::pin(async move {
                let outcome = self.sockets.chat.typing(self.caller(), target, is_typing).await;
                Turn::Answer(self.done(outcome.map(|()| json!({ "ok": true }))))
            })),
            Command::JoinUserRoom { user } => Turn::Prepare(Box::pin(async move {
                let outcome = self.sockets.chat.join_user_room(&self.live, &user).await;
                Turn::Answer(self.done(outcome.map(|()| json!({ "ok": true, "userId": user }))))
            })),
            Command::Leave { conversation } => Turn::Prepare(Box::pin(async move {
                let outcome = self.sockets.chat.leave_room(&self.live, &conversation).await;
                let answer = outcome.map(|conversation| json!({ "ok": true, "conversationId": conversation.id }));
                Turn::Answer(self.done(answer))
            })),
            Command::MarkRead(target) => Turn::Barrier(Box::pin(async move {
                let origin = Some(self.live.number);
                let outcome = self.sockets.chat.mark_read(self.caller(), target, origin).await;
                self.done(outcome.map(|updated| json!({ "ok": true, "updated": updated })))
            })),
            Command::Join { conversation, after } => Turn::Barrier(Box::pin(async move {
                let shows_history = self.contract == Contract::Conversations || self.ack.is_some();
                let outcome = match shows_history {
                    true => self.join_with_history(&conversation, after).await,
                    false => self
                        .sockets
                        .chat
                        .joinable(&self.live, &conversation)
                        .await
                        .map(|conversation| {
                            self.live.join(conversation.key);
                        }),
                };
                match outcome {
                    Ok(()) => Vec::new(),
                    Err(error) => self.refuse(&error),
                }
            })),
        }
    }

    /// Queues the answer itself, so that the messages that came meanwhile follow it.
    async fn join_with_history(&self, conversation: &str, after: Option<i64>) -> Result<()> {
        let (page, mut guard) = self.sockets.chat.join(&self.live, conversation, after).await?;
        let messages = self.messages(&page, after.is_some());
        if self.contract == Contract::Conversations {
            self.live.answer(Frame::event("conversation:messages", &messages));
        }
        if let Some(id) = self.ack {
            self.live.answer(Frame::ack(
                id,
                &Joined {
                    ok: true,
                    messages: &messages,
                },
            ));
        }
        guard.answered_up_to(page.last_seq);
        Ok(())
    }

    /// As many of a page as an answer may hold, from the end that the client asked for.
    fn messages<'a>(&self, page: &'a MessagePage, from_oldest: bool) -> Messages<'a> {
        let render = |message: &Message| self.render(&page.conversation, message, &page.people);
        let mut bytes = 0;
        let mut messages = Vec::with_capacity(page.messages.len());
        let mut fits = |message: &Message| {
            let json = render(message);
            bytes += json.get().len() + 1;
            (bytes <= limits::JOIN_MESSAGES_BYTES || messages.is_empty()).then(|| messages.push(json))
        };
        if from_oldest {
            page.messages.iter().map_while(&mut fits).for_each(drop);
        } else {
            page.messages.iter().rev().map_while(&mut fits).for_each(drop);
            messages.reverse();
        }
        let has_more = page.has_more || messages.len() < page.messages.len();
        Messages {
            conversation_id: &page.conversation.id,
            messages,
            has_more,
        }
    }

    fn render(&self, conversation: &Conversation, message: &Message, people: &crate::chat::People) -> Box<RawValue> {
        let view = View {
            people,
            viewer: Some(self.live.user),
            show_email: self.sockets.show_email,
        };
        message_json(self.contract, conversation, message, view, ToRaw)
    }

    fn sent(&self, sent: &Sent) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(2);
        let message = self.render(&sent.conversation, &sent.message, &sent.people);
        if self.live.spoken() == Contract::MediaChat {
            let view = View {
                people: &sent.people,
                viewer: Some(self.live.user),
                show_email: self.sockets.show_email,
            };
            let message = message_json(Contract::MediaChat, &sent.conversation, &sent.message, view, ToRaw);
            frames.push(Frame::event("message_sent", &message));
        }
        if let Some(id) = self.ack {
            frames.push(Frame::ack(
                id,
                &SentAck {
                    ok: true,
                    message: &message,
                },
            ));
        }
        frames
    }

    fn done(&self, outcome: Result<Value>) -> Vec<Frame> {
        match outcome {
            Ok(answer) => self.ack.map(|id| Frame::ack(id, &answer)).into_iter().collect(),
            Err(error) => self.refuse(&error),
        }
    }

    /// The refusal as acknowledgement, and as the error event that the socket's contract has.
    fn refuse(&self, error: &Error) -> Vec<Frame> {
        let name = match self.live.spoken() {
            Contract::MediaChat | Contract::TenantChat => "message_error",
            Contract::Conversations | Contract::PropertyChat | Contract::ListingChat => "error",
        };
        let event = Frame::event(
            name,
            &ErrorEvent {
                code: error.code,
                message: &error.message,
                event: &self.event,
                client_message_id: self.client_message_id.as_deref(),
                retry_after_ms: retry_after_ms(error),
            },
        );
        self.ack
            .map(|id| ack_error(id, error))
            .into_iter()
            .chain([event])
            .collect()
    }
}

fn ack_error(id: u64, error: &Error) -> Frame {
    let error = AckError {
        code: error.code,
        message: &error.message,
        retry_after_ms: retry_after_ms(error),
    };
    Frame::ack(id, &Refusing { ok: false, error })
}

fn retry_after_ms(error: &Error) -> Option<u64> {
    error.retry_after.map(|time| RetryAfter(time).milliseconds())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Messages<'a> {
    conversation_id: &'a ConversationId,
    messages: Vec<Box<RawValue>>,
    has_more: bool,
}

#[derive(Serialize)]
struct Joined<'a> {
    ok: bool,
    #[serde(flatten)]
    messages: &'a Messages<'a>,
}

#[derive(Serialize)]
struct SentAck<'a> {
    ok: bool,
    message: &'a RawValue,
}

#[derive(Serialize)]
struct Refusing<'a> {
    ok: bool,
    error: AckError<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AckError<'a> {
    code: Code,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorEvent<'a> {
    code: Code,
    message: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// Live sockets by the time at which their tokens end.
#[derive(Default)]
pub struct Endings(Mutex<BTreeMap<(i64, Origin), Arc<LiveSocket>>>);

/// How often sockets are looked for whose token has ended.
const ENDINGS_TICK: Duration = Duration::from_secs(1);

impl Endings {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(i64, Origin), Arc<LiveSocket>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn add(&self, connected: &Connected) {
        self.lock().insert(
            (connected.ends_at_ms, connected.live.number),
            Arc::clone(&connected.live),
        );
    }

    fn remove(&self, connected: &Connected) {
        self.lock().remove(&(connected.ends_at_ms, connected.live.number));
    }

    fn take_ended(&self, now_ms: i64) -> Vec<Arc<LiveSocket>> {
        let mut endings = self.lock();
        let later = endings.split_off(&(now_ms + 1, Origin(0)));
        std::mem::replace(&mut *endings, later).into_values().collect()
    }
}

/// Closes each socket when its token ends. The stock client then comes back with the token that it has, and is told
/// why it is refused.
pub async fn close_ended(sockets: Arc<Sockets>) {
    loop {
        tokio::time::sleep(ENDINGS_TICK).await;
        for live in sockets.endings.take_ended(sockets.clock.now().as_millis()) {
            live.close();
        }
    }
}
