//! Conversations as they stand, in memory: who is in them decides who hears of what, and that is asked for each message.
//!
//! Every change passes through [`crate::chat::publish`] in commit order and replaces the entry, so that an entry is
//! never older than the last fact that was published. A reading that began before a change cannot overwrite it: the
//! cache drops the placeholder under which the reading would have been put.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::Chat;
use crate::model::{Conversation, ConversationId, ConversationKey, Error, Result, UserKey};

/// Conversations kept, when all are one-to-one: those in use on a busy node.
const CAPACITY: usize = 100_000;

/// A conversation weighs as many members as it has: at some 100 bytes each, all that is kept stays below 30 MB.
#[derive(Clone)]
struct ByMembers;

impl Weighter<ConversationKey, Arc<Conversation>> for ByMembers {
    fn weight(&self, _: &ConversationKey, conversation: &Arc<Conversation>) -> u64 {
        conversation.members.len().max(1) as u64
    }
}

pub struct Conversations {
    by_key: Cache<ConversationKey, Arc<Conversation>, ByMembers>,
    /// Never changes for an id.
    keys: Cache<ConversationId, ConversationKey>,
}

impl Default for Conversations {
    fn default() -> Self {
        Conversations {
            by_key: Cache::with_weighter(CAPACITY, 2 * CAPACITY as u64, ByMembers),
            keys: Cache::new(CAPACITY),
        }
    }
}

impl Conversations {
    pub fn put(&self, conversation: &Arc<Conversation>) {
        self.by_key.insert(conversation.key, Arc::clone(conversation));
    }

    /// What is in memory may be older than what others have been told.
    pub(super) fn clear(&self) {
        self.by_key.clear();
    }
}

impl Chat {
    pub async fn conversation(&self, key: ConversationKey) -> Result<Arc<Conversation>> {
        self.conversations
            .by_key
            .get_or_insert_async(&key, async {
                self.store
                    .conversation(key)
                    .await?
                    .ok_or_else(|| Error::not_found("conversation"))
            })
            .await
    }

    /// The conversation, if `allows` says so. Before it refuses, it looks at how the conversation stands in the store: what
    /// allows it may be another node's change that has not been told here yet.
    pub(super) async fn conversation_where(
        &self,
        id: &str,
        allows: impl Fn(&Conversation) -> Result<()>,
    ) -> Result<Arc<Conversation>> {
        let conversation = self.conversation_by_id(id).await?;
        match allows(&conversation) {
            Ok(()) => return Ok(conversation),
            Err(error) if !self.store.is_shared() => return Err(error),
            Err(_) => {}
        }
        self.conversations.by_key.remove(&conversation.key);
        let conversation = self.conversation(conversation.key).await?;
        allows(&conversation)?;
        Ok(conversation)
    }

    /// The conversation, if `viewer` is or was in it: to anyone else it does not exist.
    pub async fn conversation_seen_by(&self, viewer: UserKey, id: &str) -> Result<Arc<Conversation>> {
        let is_in = |conversation: &Conversation| match conversation.member(viewer) {
            Some(_) => Ok(()),
            None => Err(Error::not_found("conversation")),
        };
        self.conversation_where(id, is_in).await
    }

    /// The conversation, if `user` may write, join, mark or type in it now.
    pub async fn conversation_open_to(&self, user: UserKey, id: &str) -> Result<Arc<Conversation>> {
        self.conversation_where(id, |conversation| may_take_part(conversation, user))
            .await
    }

    /// For callers that judge visibility themselves.
    pub(crate) async fn conversation_by_id(&self, id: &str) -> Result<Arc<Conversation>> {
        let id = ConversationId::parse(id)?;
        if let Some(key) = self.conversations.keys.get(&id) {
            return self.conversation(key).await;
        }
        let conversation = self
            .store
            .conversation_by_id(&id)
            .await?
            .ok_or_else(|| Error::not_found("conversation"))?;
        self.conversations.keys.insert(id, conversation.key);
        // Through the guarded way: what was read here may be older than a change that has been published meanwhile.
        self.conversation(conversation.key).await
    }
}

/// `FORBIDDEN` for who has left; `NOT_FOUND` for who never was there.
pub(crate) fn may_take_part(conversation: &Conversation, user: UserKey) -> Result<()> {
    match conversation.member(user) {
        None => Err(Error::not_found("conversation")),
        Some(member) if member.left_at.is_some() => Err(left()),
        Some(_) => Ok(()),
    }
}

pub(crate) fn left() -> Error {
    Error::forbidden("You have left this conversation; you can read it up to then.")
}

pub(crate) fn closed() -> Error {
    Error::forbidden("This conversation is closed; it can be read, and not written.")
}
