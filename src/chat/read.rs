//! Marking as read: a mark "up to this message" that only rises.

use std::sync::Arc;

use super::{
    Caller, Chat, People,
    cache::{left, may_take_part},
};
use crate::{
    model::{Conversation, Error, Message, MessageId, Origin, Result, Seq, UserKey},
    store::Marked,
};

/// What is to be marked.
#[derive(Debug, Clone)]
pub enum ReadTarget {
    /// A conversation: all of it, or up to a message. With a person named beside it, they must be in it.
    Conversation {
        id: String,
        up_to: Option<String>,
        person: Option<String>,
    },
    /// Up to this message, in its conversation.
    Message(String),
    /// All one-to-one conversations with this person.
    Person(String),
}

impl Chat {
    /// Raises the caller's mark, and says how many messages of others are read by it that were not before.
    pub async fn mark_read(&self, caller: Caller, target: ReadTarget, origin: Option<Origin>) -> Result<i64> {
        let reader = caller.user()?;
        match target {
            ReadTarget::Conversation { id, up_to, person } => {
                let conversation = self.conversation_open_to(reader, &id).await?;
                self.may_be_beside(&conversation, reader, person.as_deref()).await?;
                let up_to = match up_to {
                    None => None,
                    Some(message) => Some(MessageId::parse(&message)?.seq_in(&conversation.id)?),
                };
                self.mark(&conversation, reader, up_to, origin).await
            }
            ReadTarget::Message(message) => {
                let id = MessageId::parse(&message)?;
                let no_message = |error: Error| match error.code {
                    crate::model::Code::NotFound => Error::not_found("message"),
                    _ => error,
                };
                let conversation = self.conversation_seen_by(reader, id.conversation.as_str()).await;
                let conversation = conversation.map_err(no_message)?;
                may_take_part(&conversation, reader)?;
                self.mark(&conversation, reader, Some(id.seq), origin).await
            }
            ReadTarget::Person(person) => {
                if self.user(reader).await?.id.as_str() == person {
                    return Err(Error::invalid("You have no conversation with yourself."));
                }
                let Some(person) = self.known_user(&person).await? else {
                    return self.unknown_person();
                };
                let mut updated = 0;
                for key in self.store.one_to_ones(reader, person.key).await? {
                    let conversation = self.conversation(key).await?;
                    updated += self.mark(&conversation, reader, None, origin).await?;
                }
                Ok(updated)
            }
        }
    }

    /// Nobody has a conversation with a person who does not exist: nothing is marked, unless the directory is closed.
    fn unknown_person(&self) -> Result<i64> {
        if self.policy.open_directory {
            Ok(0)
        } else {
            Err(Error::not_found("user"))
        }
    }

    pub(crate) async fn mark(
        &self,
        conversation: &Conversation,
        reader: UserKey,
        up_to: Option<Seq>,
        origin: Option<Origin>,
    ) -> Result<i64> {
        match self.store.mark(conversation.key, reader, up_to, origin).await? {
            Marked::Advanced(read) => Ok(read.updated),
            Marked::Unchanged => Ok(0),
            Marked::NotParticipant => Err(Error::not_found("conversation")),
            Marked::Left => Err(left()),
            Marked::NoSuchMessage => Err(Error::not_found("message")),
        }
    }

    /// Marks what a history is about to show.
    pub async fn mark_page(
        &self,
        conversation: &Conversation,
        reader: UserKey,
        up_to: Seq,
        origin: Option<Origin>,
    ) -> Result<i64> {
        self.mark(conversation, reader, Some(up_to), origin).await
    }

    /// One message is read by its recipient; its sender may not say so.
    pub async fn mark_message_read(
        &self,
        caller: Caller,
        message: &str,
        origin: Option<Origin>,
    ) -> Result<(Arc<Conversation>, Message, People)> {
        let reader = caller.user()?;
        let id = MessageId::parse(message)?;
        let conversation = self.conversation_by_id(id.conversation.as_str()).await;
        let conversation = conversation.map_err(|_| Error::not_found("message"))?;
        let found = self.store.message(conversation.key, reader, id.seq).await?;
        let found = found.ok_or_else(|| Error::not_found("message"))?;
        if found.sender == reader {
            return Err(Error::forbidden("Only the recipient of a message can mark it as read."));
        }
        may_take_part(&conversation, reader)?;
        self.mark(&conversation, reader, Some(id.seq), origin).await?;
        let message = self.store.message(conversation.key, reader, id.seq).await?;
        let message = message.ok_or_else(|| Error::not_found("message"))?;
        let people = self.people_of(&conversation, &[message.sender]).await?;
        Ok((conversation, message, people))
    }
}
