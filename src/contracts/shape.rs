//! The JSON shapes. Each contract's stands under its name; those under `/api` share one.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    chat::People,
    model::{
        Comment, Conversation, ConversationId, Entry, Listing, ListingId, Member, Message, MessageId, MessageKind, Seq,
        Timestamp, User, UserId, UserKey,
    },
};

/// For whose eyes something is rendered.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub people: &'a People,
    /// `None`: for everyone who may see it.
    pub viewer: Option<UserKey>,
    /// The deployment shows e-mail addresses to conversation partners.
    pub show_email: bool,
}

impl<'a> View<'a> {
    fn email(&self, user: &'a User) -> Option<&'a str> {
        let may_see = self.show_email || self.viewer == Some(user.key);
        user.email.as_deref().filter(|_| may_see)
    }

    fn user_id(&self, user: UserKey) -> Option<&'a UserId> {
        self.people.id(user)
    }

    fn other_id(&self, conversation: &Conversation, user: UserKey) -> Option<&'a UserId> {
        conversation.other(user).and_then(|other| self.user_id(other))
    }

    fn person(&self, user: UserKey) -> Option<Person<'a>> {
        self.people.user(user).map(|user| Person::new(user, self.email(user)))
    }

    /// (owner, renter) of a one-to-one conversation.
    fn owner_and_renter(&self, conversation: &Conversation) -> (Option<UserKey>, Option<UserKey>) {
        let listing_owner = self.people.listing_of(conversation).and_then(|listing| listing.owner);
        match conversation.owner_and_renter(listing_owner) {
            Some((owner, renter)) => (Some(owner), Some(renter)),
            None => (None, None),
        }
    }
}

fn message_id(conversation: &Conversation, seq: Seq) -> MessageId {
    MessageId {
        conversation: conversation.id.clone(),
        seq,
    }
}

/// What a list shows of a message: its text, or what it carries.
fn preview(message: &Message) -> &str {
    match message.kind {
        _ if !message.content.is_empty() => &message.content,
        MessageKind::Text => "",
        MessageKind::Image => "Photo",
        MessageKind::Video => "Video",
        MessageKind::File => "File",
    }
}

// ---- shared by the three contracts under /api

/// A person (contracts §6).
#[derive(Serialize)]
pub struct Person<'a> {
    id: &'a UserId,
    _id: &'a UserId,
    name: Option<&'a str>,
    email: Option<&'a str>,
    image: Option<&'a str>,
    role: Option<&'a str>,
}

impl<'a> Person<'a> {
    pub fn new(user: &'a User, email: Option<&'a str>) -> Self {
        Person {
            id: &user.id,
            _id: &user.id,
            name: user.name.as_deref(),
            email,
            image: user.image.as_deref(),
            role: user.role.as_deref(),
        }
    }

    /// With everything that is known: for the person alone, and for the host application.
    pub fn full(user: &'a User) -> Self {
        Self::new(user, user.email.as_deref())
    }
}

/// A listing (contracts §6).
#[derive(Serialize)]
pub struct ListingShape<'a> {
    id: &'a ListingId,
    _id: &'a ListingId,
    title: Option<&'a str>,
    image: Option<&'a str>,
    url: Option<&'a str>,
    price: Option<&'a RawValue>,
}

impl<'a> ListingShape<'a> {
    pub fn new(listing: &'a Listing) -> Self {
        ListingShape {
            id: &listing.id,
            _id: &listing.id,
            title: listing.title.as_deref(),
            image: listing.image.as_deref(),
            url: listing.url.as_deref(),
            price: listing
                .price
                .as_deref()
                .and_then(|json| serde_json::from_str(json).ok()),
        }
    }

    fn of(conversation: &Conversation, view: View<'a>) -> Option<Self> {
        view.people.listing_of(conversation).map(ListingShape::new)
    }
}

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
    #[serde(flatten)]
    file: File,
    read: bool,
    read_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    seq: Seq,
    client_message_id: Option<&'a str>,
}

impl<'a> SharedMessage<'a> {
    pub fn new(conversation: &'a Conversation, message: &'a Message, view: View<'a>) -> Self {
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
            file: File::default(),
            read: message.read_at.is_some(),
            read_at: message.read_at,
            created_at: message.created_at,
            updated_at: message.created_at,
            seq: message.seq,
            client_message_id: message.client_message_id.as_deref(),
        }
    }
}

/// The file that a message carries. Text messages carry none.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct File {
    file_url: Option<String>,
    file_name: Option<String>,
    file_size: Option<u64>,
    file_type: Option<String>,
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

// ---- property-chat

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

// ---- media-chat

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
    #[serde(flatten)]
    file: File,
    read: bool,
    read_at: Option<Timestamp>,
    created_at: Timestamp,
    seq: Seq,
    client_message_id: Option<&'a str>,
}

impl<'a> MediaMessage<'a> {
    pub fn new(conversation: &'a Conversation, message: &'a Message, view: View<'a>) -> Self {
        MediaMessage {
            id: message_id(conversation, message.seq),
            conversation_id: &conversation.id,
            sender_id: view.user_id(message.sender),
            receiver_id: view.other_id(conversation, message.sender),
            content: &message.content,
            r#type: message.kind.as_str(),
            file: File::default(),
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

// ---- tenant-chat

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

// ---- comments

#[derive(Serialize)]
struct Author<'a> {
    id: &'a UserId,
    name: Option<&'a str>,
    image: Option<&'a str>,
}

/// A comment (contracts §6).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentShape<'a> {
    #[serde(rename = "_id")]
    id: String,
    post_id: &'a str,
    author: Option<Author<'a>>,
    text: &'a str,
    created_at: Timestamp,
}

impl<'a> CommentShape<'a> {
    pub fn new(comment: &'a Comment, people: &'a People) -> Self {
        CommentShape {
            id: format!("{}-{}", comment.post_id, comment.seq),
            post_id: &comment.post_id,
            author: people.user(comment.author).map(|user| Author {
                id: &user.id,
                name: user.name.as_deref(),
                image: user.image.as_deref(),
            }),
            text: &comment.text,
            created_at: comment.created_at,
        }
    }
}

/// A list that is written as a JSON array while it is made.
pub struct Each<F>(pub F);

impl<F, I, T> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator<Item = T>,
    T: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
