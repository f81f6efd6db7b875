//! The shapes of `tenant-chat`.

use serde::Serialize;

use super::{ListingShape, View, file::FirstFile, message_id};
use crate::model::{
    Conversation, ConversationId, Entry, Message, MessageId, MessageKind, Seq, Timestamp, UserId, UserKey,
};

/// A message of `tenant-chat` (contracts §5).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantMessage<'a> {
    #[serde(rename = "_id")]
    id: MessageId,
    conversation_id: &'a ConversationId,
    sender: Option<&'a UserId>,
    recipient: Option<&'a UserId>,
    content: &'a str,
    r#type: &'static str,
    #[serde(flatten)]
    file: FirstFile<'a>,
    read: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    seq: Seq,
}

impl<'a> TenantMessage<'a> {
    pub fn new(conversation: &'a Conversation, message: &'a Message, view: View<'a>) -> Self {
        TenantMessage {
            id: message_id(conversation, message.seq),
            conversation_id: &conversation.id,
            sender: view.user_id(message.sender),
            recipient: view.other_id(conversation, message.sender),
            content: &message.content,
            r#type: match message.kind {
                MessageKind::Text => "text",
                MessageKind::Image => "image",
                MessageKind::Video | MessageKind::File => "file",
            },
            file: FirstFile::of(conversation, message, view),
            read: message.read_at.is_some(),
            created_at: message.created_at,
            updated_at: message.created_at,
            seq: message.seq,
        }
    }
}

#[derive(Serialize)]
struct TenantPerson<'a> {
    _id: &'a UserId,
    name: Option<&'a str>,
    email: Option<&'a str>,
    avatar: Option<&'a str>,
    online: bool,
}

/// A conversation of `tenant-chat` (contracts §5).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantConversation<'a> {
    #[serde(rename = "_id")]
    id: &'a ConversationId,
    participants: Vec<TenantPerson<'a>>,
    last_message: Option<TenantMessage<'a>>,
    unread_count: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    title: Option<&'a str>,
    is_group: bool,
    listing: Option<ListingShape<'a>>,
}

impl<'a> TenantConversation<'a> {
    pub fn new(entry: &'a Entry, view: View<'a>, is_online: impl Fn(UserKey) -> bool) -> Self {
        let conversation = &*entry.conversation;
        TenantConversation {
            id: &conversation.id,
            participants: conversation
                .current_members()
                .filter_map(|member| view.people.user(member.user))
                .map(|user| TenantPerson {
                    _id: &user.id,
                    name: user.name.as_deref(),
                    email: view.email(user),
                    avatar: user.image.as_deref(),
                    online: is_online(user.key),
                })
                .collect(),
            last_message: entry
                .last_message
                .as_ref()
                .map(|message| TenantMessage::new(conversation, message, view)),
            unread_count: entry.unread,
            created_at: conversation.created_at,
            updated_at: entry.updated_at,
            title: conversation.title.as_deref(),
            is_group: conversation.is_group(),
            listing: ListingShape::of(conversation, view),
        }
    }
}
