//! News in the words of each contract, and who of its sockets hears them.

use std::sync::Arc;

use doorbell_socketio::Frame;
use serde::Serialize;

use super::shape::{MediaMessage, Person, PropertyMessage, SharedConversation, SharedMessage, TenantMessage, View};
use crate::{
    chat::{
        People, Render,
        attachment::Links,
        render::{News, Whose},
    },
    fanout::Audience,
    model::{
        Contract, Conversation, ConversationId, Entry, Message, MessageId, Seq, Timestamp, User, UserId, UserKey,
        conversation::Read,
    },
};

/// The contracts' side of the fan-out.
pub struct Wire {
    pub show_email: bool,
    pub links: Arc<Links>,
}

impl Wire {
    fn view<'a>(&'a self, people: &'a People, viewer: Option<UserKey>) -> View<'a> {
        View {
            people,
            viewer,
            show_email: self.show_email,
            links: &self.links,
        }
    }
}

/// A message in the shape of a contract's events.
pub fn message_json<T>(
    contract: Contract,
    conversation: &Conversation,
    message: &Message,
    view: View<'_>,
    with: impl SerializeWith<T>,
) -> T {
    match contract {
        Contract::PropertyChat => with.call(&PropertyMessage::new(conversation, message, view)),
        Contract::MediaChat => with.call(&MediaMessage::new(conversation, message, view)),
        Contract::TenantChat => with.call(&TenantMessage::new(conversation, message, view)),
        Contract::Conversations | Contract::ListingChat => with.call(&SharedMessage::new(conversation, message, view)),
    }
}

/// What is done with a shape whose type depends on the contract.
pub trait SerializeWith<T> {
    fn call<S: Serialize>(self, shape: &S) -> T;
}

/// Makes a value that is written into other JSON.
pub struct ToRaw;

impl SerializeWith<Box<serde_json::value::RawValue>> for ToRaw {
    fn call<S: Serialize>(self, shape: &S) -> Box<serde_json::value::RawValue> {
        // The shapes are structs of texts, numbers and times: writing them cannot fail.
        serde_json::value::to_raw_value(shape).unwrap_or_default()
    }
}

struct ToFrame {
    event: &'static str,
}

impl SerializeWith<Frame> for ToFrame {
    fn call<S: Serialize>(self, shape: &S) -> Frame {
        Frame::event(self.event, shape)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewMessage<'a> {
    message: PropertyMessage<'a>,
    conversation_id: &'a ConversationId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypingUpdate<'a> {
    conversation_id: &'a ConversationId,
    user_id: Option<&'a UserId>,
    user: Option<Person<'a>>,
    is_typing: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTyping<'a> {
    conversation_id: &'a ConversationId,
    user_id: Option<&'a UserId>,
    is_typing: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadUpdate<'a> {
    conversation_id: &'a ConversationId,
    user_id: Option<&'a UserId>,
    message_id: MessageId,
    seq: Seq,
    read_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessagesRead<'a> {
    conversation_id: &'a ConversationId,
    user_id: Option<&'a UserId>,
    read_at: Timestamp,
    up_to_seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageRead<'a> {
    message_id: MessageId,
    conversation_id: &'a ConversationId,
    read_by: Option<&'a UserId>,
    read_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PresenceUpdate<'a> {
    user_id: &'a UserId,
    status: &'static str,
    last_seen_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct ConversationUpdated<'a> {
    conversation: SharedConversation<'a>,
}

impl Render for Wire {
    fn audience(&self, contract: Contract, news: News, whose: Whose) -> Audience {
        use Contract::*;
        match (contract, news, whose) {
            (ListingChat, _, _) => Audience::Nobody,

            (Conversations | PropertyChat, News::Message, _) => Audience::Joined,
            // The sending socket has `message_sent`, or the acknowledgement.
            (MediaChat | TenantChat, News::Message, Whose::Origin) => Audience::Nobody,
            (MediaChat, News::Message, _) => Audience::JoinedOrUserRoom,
            (TenantChat, News::Message, _) => Audience::Every,

            (PropertyChat, News::Read | News::Typing, _) => Audience::Nobody,
            (Conversations, News::Read, _) => Audience::Joined,
            (MediaChat, News::Read, Whose::Origin | Whose::Own) => Audience::Joined,
            (MediaChat, News::Read, Whose::Others) => Audience::JoinedOrUserRoom,
            (TenantChat, News::Read, Whose::Origin) => Audience::Nobody,
            (TenantChat, News::Read, _) => Audience::Every,

            (_, News::Typing, Whose::Origin | Whose::Own) => Audience::Nobody,
            (Conversations, News::Typing, Whose::Others) => Audience::Joined,
            (MediaChat, News::Typing, Whose::Others) => Audience::JoinedOrUserRoom,
            (TenantChat, News::Typing, Whose::Others) => Audience::Every,
        }
    }

    fn message(
        &self,
        contract: Contract,
        conversation: &Conversation,
        message: &Message,
        people: &People,
        viewer: Option<UserKey>,
    ) -> Frame {
        let view = self.view(people, viewer);
        let event = match contract {
            Contract::PropertyChat => {
                let message = PropertyMessage::new(conversation, message, view);
                return Frame::event(
                    "new-message",
                    &NewMessage {
                        message,
                        conversation_id: &conversation.id,
                    },
                );
            }
            Contract::Conversations | Contract::ListingChat => "message:received",
            Contract::MediaChat => "new_message",
            Contract::TenantChat => "receive_message",
        };
        message_json(contract, conversation, message, view, ToFrame { event })
    }

    fn read(&self, contract: Contract, conversation: &Conversation, read: &Read, people: &People) -> Frame {
        let message_id = |seq| MessageId {
            conversation: conversation.id.clone(),
            seq,
        };
        let (conversation_id, user_id) = (&conversation.id, people.id(read.reader));
        match contract {
            Contract::MediaChat => Frame::event(
                "messages_read",
                &MessagesRead {
                    conversation_id,
                    user_id,
                    read_at: read.at,
                    up_to_seq: read.to,
                },
            ),
            Contract::TenantChat => Frame::event(
                "message_read",
                &MessageRead {
                    // Such a client ticks this one message off, so it must be one that was sent to the reader.
                    message_id: message_id(read.newest),
                    conversation_id,
                    read_by: user_id,
                    read_at: read.at,
                },
            ),
            Contract::Conversations | Contract::PropertyChat | Contract::ListingChat => Frame::event(
                "message:read_update",
                &ReadUpdate {
                    conversation_id,
                    user_id,
                    message_id: message_id(read.to),
                    seq: read.to,
                    read_at: read.at,
                },
            ),
        }
    }

    fn typing(
        &self,
        contract: Contract,
        conversation: &Conversation,
        user: UserKey,
        people: &People,
        is_typing: bool,
    ) -> Frame {
        let (conversation_id, user_id) = (&conversation.id, people.id(user));
        match contract {
            Contract::MediaChat | Contract::TenantChat => Frame::event(
                "user_typing",
                &UserTyping {
                    conversation_id,
                    user_id,
                    is_typing,
                },
            ),
            Contract::Conversations | Contract::PropertyChat | Contract::ListingChat => {
                let user = people
                    .user(user)
                    .map(|user| Person::new(user, user.email.as_deref().filter(|_| self.show_email)));
                Frame::event(
                    "typing:update",
                    &TypingUpdate {
                        conversation_id,
                        user_id,
                        user,
                        is_typing,
                    },
                )
            }
        }
    }

    fn presence(
        &self,
        contract: Contract,
        user: &User,
        online: bool,
        last_seen_at: Option<Timestamp>,
    ) -> Option<Frame> {
        let event = match contract {
            Contract::Conversations => "presence:update",
            Contract::TenantChat => "user_status",
            Contract::PropertyChat | Contract::MediaChat | Contract::ListingChat => return None,
        };
        let status = if online { "online" } else { "offline" };
        Some(Frame::event(
            event,
            &PresenceUpdate {
                user_id: &user.id,
                status,
                last_seen_at,
            },
        ))
    }

    fn list_contract(&self) -> Contract {
        Contract::Conversations
    }

    fn entry(&self, entry: &Entry, viewer: UserKey, people: &People) -> Frame {
        let conversation = SharedConversation::update(entry, self.view(people, Some(viewer)));
        Frame::event("conversation:updated", &ConversationUpdated { conversation })
    }
}
