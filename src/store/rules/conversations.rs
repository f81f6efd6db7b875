//! Conversations, as an engine makes and loads them.

use ulid::Ulid;

use crate::model::{Conversation, ConversationId, Timestamp};

/// A conversation, and when each of its members last moved their mark, in the order of `members`.
pub(in crate::store) struct Loaded {
    pub(in crate::store) conversation: Conversation,
    pub(in crate::store) last_read_at: Vec<Option<Timestamp>>,
}

/// A new public id: rises with time, so that their index grows at its end; lower-case, as all of them are.
pub(in crate::store) fn new_id(now: Timestamp) -> ConversationId {
    let mut random = [0; 16];
    // Linux answers always, once the machine has started; an id of zeros would be refused by the unique index.
    let _ = getrandom::fill(&mut random);
    let ulid = Ulid::from_parts(now.0.max(0) as u64, u128::from_ne_bytes(random));
    ConversationId::trusted(ulid.to_string().to_ascii_lowercase())
}
