//! Joining and leaving a group for good: memberships, not rooms.

use std::sync::Arc;

use super::{Caller, Chat, conversation::changed};
use crate::model::{Code, Conversation, Error, Result, Role};

impl Chat {
    /// An admin adds somebody, brings somebody back, or changes a role.
    pub async fn put_member(
        &self,
        caller: Caller,
        id: &str,
        user_id: &str,
        role: Option<Role>,
    ) -> Result<Arc<Conversation>> {
        let conversation = self.conversation_seen_by_caller(caller, id).await?;
        self.must_be_admin(caller, &conversation)?;
        let user = self.mentioned_user(user_id).await?;
        let change = self
            .store
            .put_member(caller.into(), conversation.key, user.key, role, self.policy.group_max);
        let conversation = changed(change.await?, "user")?;
        self.settled().await;
        Ok(conversation)
    }

    /// Ends a membership: one's own, or another's as an admin.
    pub async fn remove_member(&self, caller: Caller, id: &str, user_id: &str) -> Result<()> {
        let conversation = self.conversation_seen_by_caller(caller, id).await?;
        let user = match self.known_user(user_id).await {
            // Whether there is such a person cannot be told now, so nobody is told that there is none.
            Err(error) if error.code == Code::Unavailable => return Err(error),
            found => found.ok().flatten(),
        };
        let own = matches!((caller, &user), (Caller::User(caller), Some(user)) if caller == user.key);
        if own {
            super::cache::may_take_part(&conversation, caller.user()?)?;
        } else {
            self.must_be_admin(caller, &conversation)?;
        }
        if !conversation.is_group() {
            return Err(Error::invalid("A one-to-one conversation cannot be left."));
        }
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        changed(
            self.store
                .remove_member(caller.into(), conversation.key, user.key)
                .await?,
            "user",
        )?;
        self.settled().await;
        Ok(())
    }

    /// Judges visibility before a request's fields are judged.
    pub async fn must_see(&self, caller: Caller, id: &str) -> Result<()> {
        self.conversation_seen_by_caller(caller, id).await.map(drop)
    }

    async fn conversation_seen_by_caller(&self, caller: Caller, id: &str) -> Result<Arc<Conversation>> {
        match caller {
            Caller::Host => self.conversation_by_id(id).await,
            Caller::User(user) => self.conversation_seen_by(user, id).await,
        }
    }

    /// Judged before the person who is named, so that a member learns nothing of the directory.
    fn must_be_admin(&self, caller: Caller, conversation: &Conversation) -> Result<()> {
        let Caller::User(user) = caller else { return Ok(()) };
        super::cache::may_take_part(conversation, user)?;
        if !conversation.is_group() {
            return Err(Error::invalid("A one-to-one conversation has its two people for good."));
        }
        match conversation.member(user) {
            Some(member) if member.role == Role::Admin => Ok(()),
            _ => Err(Error::forbidden("Only an admin of this group may do this.")),
        }
    }
}
