//! An event of a live socket on its way through: decoded, judged, done, answered.

use std::sync::Arc;

use doorbell_socketio::{Frame, Socket, Turn};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::Sockets;
use crate::{
    chat::{Caller, People, history::MessagePage, send::Sent},
    contracts::{
        event::{self, Command, Name},
        json::{self, id_of},
        shape::View,
        wire::{ToRaw, message_json},
    },
    fanout::LiveSocket,
    model::{
        Code, Contract, Conversation, ConversationId, Error, Message, Result, UserId, limits, rate::RetryAfter,
        session::SessionChange,
    },
};

/// An event on its way through.
pub(super) struct Asked {
    pub(super) sockets: Arc<Sockets>,
    pub(super) socket: Socket<Sockets>,
    pub(super) live: Arc<LiveSocket>,
    pub(super) user_id: UserId,
    /// Whose event it is: the acknowledgement is in its shape.
    pub(super) contract: Contract,
    /// Its refusal is that of a send.
    pub(super) is_send: bool,
    pub(super) ack: Option<u64>,
    pub(super) event: String,
    pub(super) client_message_id: Option<String>,
}

impl Asked {
    pub(super) fn begin(mut self, args: &[Box<RawValue>]) -> Turn {
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
        self.is_send = known.name == Name::Send;
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
            .and_then(|id| id_of(id, "clientMessageId").ok());
        let is_counted = !matches!(
            known.name,
            Name::Send | Name::Typing | Name::TypingStart | Name::TypingStop
        );
        if is_counted && let Err(error) = self.sockets.chat.count_request(self.live.user) {
            return Turn::Answer(self.refuse(&error));
        }
        // A token names no conversation, whatever it looks like.
        let named = (known.name != Name::Refresh)
            .then(|| event::named_conversation(&payload))
            .flatten();
        match event::decode(known.name, self.contract, payload, &self.user_id) {
            Ok(command) => self.run(command),
            Err(error) if error.code == Code::Forbidden => Turn::Answer(self.refuse(&error)),
            Err(error) => self.refuse_after_visibility(error, named),
        }
    }

    /// What the caller cannot see does not exist, whatever else is wrong with the event.
    fn refuse_after_visibility(self, error: Error, named: Option<String>) -> Turn {
        let Some(conversation) = named else {
            return Turn::Answer(self.refuse(&error));
        };
        Turn::Prepare(Box::pin(async move {
            let seen = self.sockets.chat.must_see(self.caller(), &conversation).await;
            Turn::Answer(self.refuse(&seen.err().unwrap_or(error)))
        }))
    }

    /// The first event of a contract tells an untold socket what to speak from then on.
    fn tell(&self, contract: Contract) {
        if !self.live.tell(contract) {
            return;
        }
        let (chat, live) = (Arc::clone(&self.sockets.chat), Arc::clone(&self.live));
        tokio::spawn(async move {
            chat.note_session(&live, SessionChange::Contract(contract)).await;
            if contract == Contract::Conversations {
                // What it was told of its peers so far was in another contract's words.
                if let Err(error) = chat.push_online_peers(&live).await {
                    tracing::debug!(%error, "online peers could not be told");
                }
            }
        });
    }

    fn caller(&self) -> Caller {
        Caller::User(self.live.user)
    }

    fn run(self, command: Command) -> Turn {
        match command {
            Command::Send(mut request) => {
                request.origin = Some(self.live.origin);
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
            Command::Refresh(token) => Turn::Prepare(Box::pin(async move {
                let refreshed = self.sockets.refresh(&self.socket, &token).await;
                let answer = refreshed.map(|ends_at| json!({ "ok": true, "expiresAt": ends_at }));
                Turn::Answer(self.done(answer))
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
                let origin = Some(self.live.origin);
                let outcome = self.sockets.chat.mark_read(self.caller(), target, origin).await;
                self.done(outcome.map(|updated| json!({ "ok": true, "updated": updated })))
            })),
            Command::Join { conversation, after } => Turn::Barrier(Box::pin(async move {
                let shows_history = self.contract == Contract::Conversations || self.ack.is_some();
                let outcome = match shows_history {
                    true => self.join_with_history(&conversation, after).await,
                    false => self.sockets.chat.join_room(&self.live, &conversation).await.map(drop),
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
        guard.answered_up_to(page.last_seq);
        let key = page.conversation.key;
        self.sockets.chat.note_joined(&self.live, key, page.last_seq).await;
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

    fn render(&self, conversation: &Conversation, message: &Message, people: &People) -> Box<RawValue> {
        let view = View {
            people,
            viewer: Some(self.live.user),
            show_email: self.sockets.show_email,
            links: self.sockets.chat.links(),
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
                links: self.sockets.chat.links(),
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
        if self.is_send {
            self.sockets.chat.count_refused_send(error.code);
        }
        tracing::debug!(user = %self.user_id, event = self.event, code = error.code.as_str(), "an event was refused");
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
