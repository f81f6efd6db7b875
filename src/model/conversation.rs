//! Conversations and those who take part in them.

use std::sync::Arc;

use super::{
    clock::Timestamp,
    id::{ConversationId, ConversationKey, ListingKey, Seq, UserKey},
    message::Message,
};

/// What of a conversation changes seldom: it is cached and shared by everything that delivers or judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub key: ConversationKey,
    pub id: ConversationId,
    pub shape: Shape,
    /// A group's title; one-to-one conversations have none unless the host gives one.
    pub title: Option<String>,
    /// Ends when the host closes the conversation: it can be read, and not written.
    pub is_active: bool,
    pub created_at: Timestamp,
    /// How many memberships have ended: it only rises. Links to files are signed over it, and die when it does.
    pub departures: i64,
    /// Everyone who is or was in it, longest-standing first. Of a one-to-one conversation always the two.
    pub members: Vec<Member>,
}

/// One-to-one or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one exists for two people, in either order, and a listing or none.
    OneToOne {
        /// Who opened it.
        asker: UserKey,
        /// Who was asked.
        asked: UserKey,
        listing: Option<ListingKey>,
    },
    Group,
}

/// One person's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user: UserKey,
    pub role: Role,
    pub joined_at: Timestamp,
    /// `Some`: keeps the conversation and its history up to then, and gets nothing after.
    pub left_at: Option<Timestamp>,
    /// This membership, not an earlier one, shows the messages above this one,
    pub from_seq: Seq,
    /// and up to this one; `None` while it lasts.
    pub to_seq: Option<Seq>,
}

impl Member {
    /// Was this person in it when the message with this `seq` came? Holds for messages of their last membership; right
    /// also where the conversation has changed since.
    pub fn was_there(&self, seq: Seq) -> bool {
        seq > self.from_seq && self.to_seq.is_none_or(|end| seq <= end)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Member,
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "member" => Some(Role::Member),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

impl Conversation {
    pub fn is_group(&self) -> bool {
        matches!(self.shape, Shape::Group)
    }

    pub fn listing(&self) -> Option<ListingKey> {
        match self.shape {
            Shape::OneToOne { listing, .. } => listing,
            Shape::Group => None,
        }
    }

    /// The membership of someone who is or was in it.
    pub fn member(&self, user: UserKey) -> Option<&Member> {
        self.members.iter().find(|member| member.user == user)
    }

    pub fn is_current_member(&self, user: UserKey) -> bool {
        self.member(user).is_some_and(|member| member.left_at.is_none())
    }

    /// Those who are in it now.
    pub fn current_members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.left_at.is_none())
    }

    /// The other of the two; `None` in a group, and for somebody who is not in it.
    pub fn other(&self, user: UserKey) -> Option<UserKey> {
        match self.shape {
            Shape::OneToOne { asker, asked, .. } if asker == user => Some(asked),
            Shape::OneToOne { asker, asked, .. } if asked == user => Some(asker),
            _ => None,
        }
    }

    /// Who offers and who asks, as (owner, renter): the listing's owner where it is one of the two, else whoever was
    /// asked. `None` for a group.
    pub fn owner_and_renter(&self, listing_owner: Option<UserKey>) -> Option<(UserKey, UserKey)> {
        match self.shape {
            Shape::OneToOne { asker, asked, .. } if listing_owner == Some(asker) => Some((asker, asked)),
            Shape::OneToOne { asker, asked, .. } => Some((asked, asker)),
            Shape::Group => None,
        }
    }
}

/// A conversation as it stands in one person's list.
#[derive(Debug, Clone)]
pub struct Entry {
    pub conversation: Arc<Conversation>,
    /// The newest message that the viewer may see.
    pub last_message: Option<Message>,
    /// When the last message that the viewer may see came, else when the conversation was made: lists go by it.
    pub activity_at: Timestamp,
    /// When anything about the conversation last changed.
    pub updated_at: Timestamp,
    /// Messages of others, above the viewer's mark.
    pub unread: i64,
    /// When each member last moved their mark, in the order of `conversation.members`.
    pub last_read_at: Vec<Option<Timestamp>>,
}

impl Entry {
    /// As it stood when `viewer` left, if they did: who came later, who left later and what was read later is not told.
    pub fn frozen_for(mut self, viewer: UserKey) -> Self {
        let Some(left_at) = self.conversation.member(viewer).and_then(|member| member.left_at) else {
            return self;
        };
        let mut conversation = Conversation::clone(&self.conversation);
        let mut marks = Vec::new();
        let mut members = Vec::new();
        let known_marks = self.last_read_at.iter().copied().chain(std::iter::repeat(None));
        for (mut member, mark) in std::mem::take(&mut conversation.members).into_iter().zip(known_marks) {
            if member.joined_at <= left_at {
                member.left_at = member.left_at.filter(|at| *at <= left_at);
                members.push(member);
                marks.push(mark.filter(|at| *at <= left_at));
            }
        }
        conversation.members = members;
        self.conversation = Arc::new(conversation);
        self.last_read_at = marks;
        if let Some(message) = &mut self.last_message {
            message.read_at = message.read_at.filter(|at| *at <= left_at);
        }
        self
    }
}

/// A reader's mark that has risen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub conversation: ConversationKey,
    pub reader: UserKey,
    /// The mark before: messages after it, up to and including `to`, are read now.
    pub from: Seq,
    pub to: Seq,
    pub at: Timestamp,
    /// How many messages of others that were.
    pub updated: i64,
    /// The newest of them; 0 when there were none.
    pub newest: Seq,
}
