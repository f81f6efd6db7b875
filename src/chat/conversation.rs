//! Changing a conversation itself: its title, and whether it is open.

use std::sync::Arc;

use super::{Caller, Chat, open::checked_title};
use crate::{
    model::{Conversation, Error, Result, Role},
    store::Changed,
};

impl Chat {
    /// `title` by the host or a group's admin, `is_active` by the host alone.
    pub async fn change_conversation(
        &self,
        caller: Caller,
        id: &str,
        title: Option<Option<String>>,
        is_active: Option<bool>,
    ) -> Result<Arc<Conversation>> {
        let may_change = |conversation: &Conversation| {
            let Caller::User(user) = caller else { return Ok(()) };
            let Some(member) = conversation.member(user) else {
                return Err(Error::not_found("conversation"));
            };
            if is_active.is_some() {
                return Err(Error::forbidden(
                    "Only the host application opens and closes a conversation.",
                ));
            }
            let is_admin = member.left_at.is_none() && member.role == Role::Admin;
            if !conversation.is_group() || !is_admin {
                return Err(Error::forbidden("Only an admin of a group may change its title."));
            }
            Ok(())
        };
        let conversation = self.conversation_where(id, may_change).await?;
        let title = match title {
            Some(Some(title)) => Some(Some(checked_title(&title)?)),
            other => other,
        };
        if title.is_none() && is_active.is_none() {
            return Err(Error::invalid("Nothing to change: give title or isActive."));
        }
        let conversation = changed(
            self.store
                .change_conversation(caller.into(), conversation.key, title, is_active)
                .await?,
            "conversation",
        )?;
        self.settled().await;
        Ok(conversation)
    }
}

/// What a change to a conversation answers.
pub(super) fn changed(outcome: Changed, what: &'static str) -> Result<Arc<Conversation>> {
    match outcome {
        Changed::Done { conversation, .. } => Ok(conversation),
        Changed::NotFound => Err(Error::not_found("conversation")),
        Changed::Forbidden => Err(Error::forbidden("Only an admin of this group may do this.")),
        Changed::NoSuchMember => Err(Error::not_found(what)),
        Changed::NotAGroup => Err(Error::invalid("A one-to-one conversation has its two people for good.")),
        Changed::Full => Err(Error::invalid("This group has as many participants as it may have.")),
    }
}
