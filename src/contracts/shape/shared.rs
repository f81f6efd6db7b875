//! What the three contracts under `/api` share: one JSON that carries each one's fields.

use serde::Serialize;

use super::{
    ListingShape, Person, View,
    file::{AttachmentShape, FirstFile},
    message_id, preview,
};
use crate::model::{Conversation, ConversationId, Entry, Member, Message, MessageId, Seq, Timestamp, UserId};

/// A message (contracts §6).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedMessage<'a> {
    id: MessageId,
    #[serde(rename = "_id")]
    underscore_id: MessageId,
    conversation_id: &'a ConversationId,
    conversation: &'a ConversationId,
    sender_id: Option<&'a UserId>,
    sender: Option<Person<'a>>,
    receiver_id: Option<&'a UserId>,
    content: &'a str,
    text: &'a str,
    r#type: &'static str,
    file_url: Option<String>,
    file_name: Option<&'a str>,
    file_size: Option<u64>,
    file_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<AttachmentShape<'a>>>,
    read: bool,
    read_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    seq: Seq,
    client_message_id: Option<&'a str>,
}

impl<'a> SharedMessage<'a> {
    pub fn new(conversation: &'a Conversation, message: &'a Message, view: View<'a>) -> Self {
        let file = FirstFile::of(conversation, message, view);
        SharedMessage {
            id: message_id(conversation, message.seq),
            underscore_id: message_id(conversation, message.seq),
            conversation_id: &conversation.id,
            conversation: &conversation.id,
            sender_id: view.user_id(message.sender),
            sender: view.person(message.sender),
            receiver_id: view.other_id(conversation, message.sender),
            content: &message.content,
            text: &message.content,
            r#type: message.kind.as_str(),
            file_url: file.url,
            file_name: file.name,
            file_size: file.size,
            file_type: file.media_type,
            attachments: AttachmentShape::all(conversation, message, view),
            read: message.read_at.is_some(),
            read_at: message.read_at,
            created_at: message.created_at,
            updated_at: message.created_at,
            seq: message.seq,
            client_message_id: message.client_message_id.as_deref(),
        }
    }
}

/// A conversation (contracts §6).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedConversation<'a> {
    id: &'a ConversationId,
    #[serde(rename = "_id")]
    underscore_id: &'a ConversationId,
    title: Option<&'a str>,
    is_group: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<Participant<'a>>>,
    messages: Vec<SharedMessage<'a>>,
    last_message: Option<&'a str>,
    last_message_at: Option<Timestamp>,
    unread_count: i64,
    listing: Option<ListingShape<'a>>,
    renter: Option<Person<'a>>,
    owner: Option<Person<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Participant<'a> {
    id: String,
    conversation_id: &'a ConversationId,
    user_id: Option<&'a UserId>,
    joined_at: Timestamp,
    left_at: Option<Timestamp>,
    role: &'static str,
    last_read_at: Option<Timestamp>,
    user: Option<Person<'a>>,
}

impl<'a> Participant<'a> {
    fn new(conversation: &'a Conversation, member: &Member, last_read_at: Option<Timestamp>, view: View<'a>) -> Self {
        let user_id = view.user_id(member.user);
        Participant {
            id: format!("{}:{}", conversation.id, user_id.map_or("", UserId::as_str)),
            conversation_id: &conversation.id,
            user_id,
            joined_at: member.joined_at,
            left_at: member.left_at,
            role: member.role.as_str(),
            last_read_at,
            user: view.person(member.user),
        }
    }
}

impl<'a> SharedConversation<'a> {
    pub fn new(entry: &'a Entry, view: View<'a>) -> Self {
        let conversation = &*entry.conversation;
        let (owner, renter) = view.owner_and_renter(conversation);
        let last = entry.last_message.as_ref();
        let marks = entry.last_read_at.iter().copied().chain(std::iter::repeat(None));
        SharedConversation {
            id: &conversation.id,
            underscore_id: &conversation.id,
            title: conversation.title.as_deref(),
            is_group: conversation.is_group(),
            created_at: conversation.created_at,
            updated_at: entry.updated_at,
            participants: Some(
                conversation
                    .members
                    .iter()
                    .zip(marks)
                    .map(|(member, last_read_at)| Participant::new(conversation, member, last_read_at, view))
                    .collect(),
            ),
            messages: last
                .into_iter()
                .map(|message| SharedMessage::new(conversation, message, view))
                .collect(),
            last_message: last.map(preview),
            last_message_at: last.map(|message| message.created_at),
            unread_count: entry.unread,
            listing: ListingShape::of(conversation, view),
            renter: renter.and_then(|renter| view.person(renter)),
            owner: owner.and_then(|owner| view.person(owner)),
        }
    }

    /// For the host application, who reads nothing and so has nothing unread.
    pub fn forget_viewer(&mut self) {
        self.unread_count = 0;
    }

    /// As an update: a group's participants are left out, who may be hundreds.
    pub fn update(entry: &'a Entry, view: View<'a>) -> Self {
        let mut shape = Self::new(entry, view);
        if shape.is_group {
            shape.participants = None;
        }
        shape
    }
}
