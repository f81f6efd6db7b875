//! What has happened: news of rows that are already committed, in the order in which they were.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{
    clock::Timestamp,
    conversation::{Conversation, Read},
    id::{ListingKey, UserKey},
    message::Message,
};

/// The session of the live socket that a change came from. Its own contract may answer it otherwise than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(pub u64);

impl Origin {
    /// Of the live socket with this id, on whichever node it is. Told by somebody else than its owner it means nothing.
    pub fn of_socket(id: &str) -> Self {
        let digest = Sha256::digest(id);
        Origin(u64::from_be_bytes(std::array::from_fn(|index| digest[index])))
    }
}

/// One committed change. Whoever delivers it may lose it: every gap can be closed from the store.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A new message, never a repeat.
    MessageStored {
        message: Arc<Message>,
        origin: Option<Origin>,
    },
    /// A mark that has risen.
    Read {
        read: Read,
        origin: Option<Origin>,
    },
    /// A conversation that did not exist before.
    Opened(Arc<Conversation>),
    /// Somebody was added, brought back, removed or given another role. `conversation` is how it stands after, or later
    /// still; `is_member` is whether they were in it right after.
    MembershipChanged {
        conversation: Arc<Conversation>,
        user: UserKey,
        is_member: bool,
    },
    /// Title or `isActive` changed.
    ConversationChanged(Arc<Conversation>),
    /// Under the post with this id.
    CommentAdded(String),
    /// An entry of the directory says something else now.
    UserChanged(UserKey),
    ListingChanged(ListingKey),
    /// All sessions of a user were ended: what was issued up to this time identifies nobody.
    SessionsEnded {
        user: UserKey,
        at: Timestamp,
    },
}
