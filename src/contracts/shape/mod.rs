//! The JSON shapes. Each contract's stands under its name; those under `/api` share one.

mod comment;
mod file;
mod media_chat;
mod property_chat;
mod shared;
mod tenant_chat;

pub use comment::CommentShape;
pub use file::AttachmentShape;
pub use media_chat::{MediaConversation, MediaMessage};
pub use property_chat::{PropertyConversation, PropertyMessage};
pub use shared::{SharedConversation, SharedMessage};
pub use tenant_chat::{TenantConversation, TenantMessage};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    chat::{People, attachment::Links},
    model::{Conversation, Listing, ListingId, Message, MessageId, MessageKind, Seq, User, UserId, UserKey},
};

/// For whose eyes something is rendered.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub people: &'a People,
    /// `None`: for everyone who may see it.
    pub viewer: Option<UserKey>,
    /// The deployment shows e-mail addresses to conversation partners.
    pub show_email: bool,
    /// Makes the links to files.
    pub links: &'a Links,
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
