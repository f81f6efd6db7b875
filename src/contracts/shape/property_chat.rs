//! The shapes of `property-chat`.

use serde::Serialize;

use super::{ListingShape, View, file::FirstFile, message_id};
use crate::model::{
    Conversation, ConversationId, Entry, ListingId, Message, MessageId, MessageKind, Seq, Timestamp, UserId, UserKey,
};

/// A person of `property-chat` (contracts §2).
#[derive(Serialize)]
struct PropertyPerson<'a> {
    id: &'a UserId,
    name: Option<&'a str>,
    email: Option<&'a str>,
    image: Option<&'a str>,
    role: Option<&'a str>,
}

impl<'a> PropertyPerson<'a> {
    fn of(user: UserKey, view: View<'a>) -> Option<Self> {
        view.people.user(user).map(|user| PropertyPerson {
            id: &user.id,
            name: user.name.as_deref(),
            email: view.email(user),
            image: user.image.as_deref(),
            role: user.role.as_deref(),
        })
    }
}

#[derive(Serialize)]
struct Property<'a> {
    id: &'a ListingId,
    title: Option<&'a str>,
    image: Option<&'a str>,
    url: Option<&'a str>,
}

/// A message of `property-chat` (contracts §2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyMessage<'a> {
    id: MessageId,
    chat_id: &'a ConversationId,
    sender_id: Option<&'a UserId>,
    content: &'a str,
    message_type: &'static str,
    #[serde(flatten)]
    file: FirstFile<'a>,
    is_read: bool,
    created_at: Timestamp,
    sender: Option<PropertyPerson<'a>>,
    seq: Seq,
}

impl<'a> PropertyMessage<'a> {
    pub fn new(conversation: &'a Conversation, message: &'a Message, view: View<'a>) -> Self {
        PropertyMessage {
            id: message_id(conversation, message.seq),
            chat_id: &conversation.id,
            sender_id: view.user_id(message.sender),
            content: &message.content,
            message_type: match message.kind {
                MessageKind::Text => "TEXT",
                MessageKind::Image => "IMAGE",
                MessageKind::Video => "VIDEO",
                MessageKind::File => "FILE",
            },
            file: FirstFile::of(conversation, message, view),
            is_read: message.read_at.is_some(),
            created_at: message.created_at,
            sender: PropertyPerson::of(message.sender, view),
            seq: message.seq,
        }
    }
}

/// A chat of `property-chat` (contracts §2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyConversation<'a> {
    id: &'a ConversationId,
    user_id: Option<&'a UserId>,
    agent_id: Option<&'a UserId>,
    property_id: Option<&'a ListingId>,
    is_active: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    user: Option<PropertyPerson<'a>>,
    agent: Option<PropertyPerson<'a>>,
    property: Option<Property<'a>>,
    title: Option<&'a str>,
    is_group: bool,
    listing: Option<ListingShape<'a>>,
    messages: Vec<PropertyMessage<'a>>,
    last_message: Option<PropertyMessage<'a>>,
    other_participant: Option<PropertyPerson<'a>>,
    unread_count: i64,
}

impl<'a> PropertyConversation<'a> {
    pub fn new(entry: &'a Entry, view: View<'a>) -> Self {
        let conversation = &*entry.conversation;
        let (agent, user) = view.owner_and_renter(conversation);
        let listing = view.people.listing_of(conversation);
        let last = || {
            entry
                .last_message
                .as_ref()
                .map(|message| PropertyMessage::new(conversation, message, view))
        };
        let other = view.viewer.and_then(|viewer| conversation.other(viewer));
        PropertyConversation {
            id: &conversation.id,
            user_id: user.and_then(|user| view.user_id(user)),
            agent_id: agent.and_then(|agent| view.user_id(agent)),
            property_id: listing.map(|listing| &listing.id),
            is_active: conversation.is_active,
            created_at: conversation.created_at,
            updated_at: entry.updated_at,
            user: user.and_then(|user| PropertyPerson::of(user, view)),
            agent: agent.and_then(|agent| PropertyPerson::of(agent, view)),
            property: listing.map(|listing| Property {
                id: &listing.id,
                title: listing.title.as_deref(),
                image: listing.image.as_deref(),
                url: listing.url.as_deref(),
            }),
            title: conversation.title.as_deref(),
            is_group: conversation.is_group(),
            listing: ListingShape::of(conversation, view),
            messages: last().into_iter().collect(),
            last_message: last(),
            other_participant: other.and_then(|other| PropertyPerson::of(other, view)),
            unread_count: entry.unread,
        }
    }
}
