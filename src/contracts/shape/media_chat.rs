//! The shapes of `media-chat`.

use serde::Serialize;

use super::{ListingShape, Person, View, file::FirstFile, message_id};
use crate::model::{Conversation, ConversationId, Entry, Message, MessageId, Seq, Timestamp, UserId};

/// A message of `media-chat`'s events (contracts §4).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaMessage<'a> {
    id: MessageId,
    conversation_id: &'a ConversationId,
    sender_id: Option<&'a UserId>,
    receiver_id: Option<&'a UserId>,
    content: &'a str,
    r#type: &'static str,
    file_url: Option<String>,
    file_name: Option<&'a str>,
    file_size: Option<u64>,
    file_type: Option<&'a str>,
    read: bool,
    read_at: Option<Timestamp>,
    created_at: Timestamp,
    seq: Seq,
    client_message_id: Option<&'a str>,
}

impl<'a> MediaMessage<'a> {
    pub fn new(conversation: &'a Conversation, message: &'a Message, view: View<'a>) -> Self {
        let file = FirstFile::of(conversation, message, view);
        MediaMessage {
            id: message_id(conversation, message.seq),
            conversation_id: &conversation.id,
            sender_id: view.user_id(message.sender),
            receiver_id: view.other_id(conversation, message.sender),
            content: &message.content,
            r#type: message.kind.as_str(),
            file_url: file.url,
            file_name: file.name,
            file_size: file.size,
            file_type: file.media_type,
            read: message.read_at.is_some(),
            read_at: message.read_at,
            created_at: message.created_at,
            seq: message.seq,
            client_message_id: message.client_message_id.as_deref(),
        }
    }
}

/// A conversation of `media-chat` (contracts §4).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaConversation<'a> {
    id: &'a ConversationId,
    user1_id: Option<&'a UserId>,
    user2_id: Option<&'a UserId>,
    last_message_at: Option<Timestamp>,
    other_user: Option<Person<'a>>,
    last_message: Option<MediaMessage<'a>>,
    unread_count: i64,
    title: Option<&'a str>,
    is_group: bool,
    listing: Option<ListingShape<'a>>,
}

impl<'a> MediaConversation<'a> {
    pub fn new(entry: &'a Entry, view: View<'a>) -> Self {
        let conversation = &*entry.conversation;
        let mut pair: Vec<&UserId> = match conversation.is_group() {
            true => Vec::new(),
            false => conversation
                .members
                .iter()
                .filter_map(|member| view.user_id(member.user))
                .collect(),
        };
        // By bytes: the smaller id is always `user1Id`.
        pair.sort();
        let other = view.viewer.and_then(|viewer| conversation.other(viewer));
        let last = entry.last_message.as_ref();
        MediaConversation {
            id: &conversation.id,
            user1_id: pair.first().copied(),
            user2_id: pair.get(1).copied(),
            last_message_at: last.map(|message| message.created_at),
            other_user: other.and_then(|other| view.person(other)),
            last_message: last.map(|message| MediaMessage::new(conversation, message, view)),
            unread_count: entry.unread,
            title: conversation.title.as_deref(),
            is_group: conversation.is_group(),
            listing: ListingShape::of(conversation, view),
        }
    }
}
