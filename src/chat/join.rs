//! Joining a conversation's room with a live socket: from then on its news come.

use std::sync::Arc;

use super::{Chat, counters::Bounded, history::MessagePage};
use crate::{
    fanout::{LiveSocket, live::JoinGuard},
    model::{Conversation, ConversationKey, Error, Result, Seq, UserId, limits, session::SessionChange},
    store::Window,
};

impl Chat {
    /// The conversation that `socket` may join now.
    async fn joinable(&self, socket: &LiveSocket, id: &str) -> Result<Arc<Conversation>> {
        let conversation = self.conversation_open_to(socket.user, id).await?;
        let most = self.policy.joined_conversations.unwrap_or(usize::MAX);
        if socket.is_full(conversation.key, most) {
            self.counters.count_over(Bounded::JoinedConversations);
            return Err(Error::invalid(
                "This connection has joined as many conversations as it may; leave one first.",
            ));
        }
        Ok(conversation)
    }

    /// Joins, and returns the newest of its history, or what comes after `after`.
    ///
    /// The guard holds the conversation's messages back until the answer is queued.
    pub async fn join<'a>(
        &self,
        socket: &'a LiveSocket,
        id: &str,
        after: Option<Seq>,
    ) -> Result<(MessagePage, JoinGuard<'a>)> {
        let conversation = self.joinable(socket, id).await?;
        let key = conversation.key;
        let was_joined = socket.has_joined(key);
        let guard = socket.join_with_history(key);
        let window = match after {
            Some(seq) => Window::After {
                seq,
                limit: limits::JOIN_MESSAGES_AFTER,
            },
            None => Window::Newest {
                limit: limits::JOIN_MESSAGES,
            },
        };
        match self.page(conversation, socket.user, window).await {
            Ok(page) => Ok((page, guard)),
            Err(error) => {
                if !was_joined {
                    socket.leave(key);
                }
                Err(error)
            }
        }
    }

    /// Joins without history: news flow from here on.
    pub async fn join_room(&self, socket: &LiveSocket, id: &str) -> Result<Arc<Conversation>> {
        let conversation = self.joinable(socket, id).await?;
        let end = socket.join(conversation.key, self.recent.newest(conversation.key));
        self.note_joined(socket, conversation.key, end).await;
        Ok(conversation)
    }

    /// Keeps a join, with the end of the history that the client has, so that it holds when the client comes back. It is
    /// acknowledged afterwards.
    pub async fn note_joined(&self, socket: &LiveSocket, conversation: ConversationKey, end: Seq) {
        self.note_session(socket, SessionChange::Joined { conversation, end })
            .await;
    }

    /// Leaves the room. A conversation that the caller cannot see is as if it did not exist.
    pub async fn leave_room(&self, socket: &LiveSocket, id: &str) -> Result<Arc<Conversation>> {
        let conversation = self.conversation_seen_by(socket.user, id).await?;
        socket.leave(conversation.key);
        self.note_session(socket, SessionChange::Left(conversation.key)).await;
        Ok(conversation)
    }

    /// A user's own room: nobody joins another's.
    pub async fn join_user_room(&self, socket: &LiveSocket, user_id: &str) -> Result<()> {
        UserId::parse(user_id)?;
        if self.user(socket.user).await?.id.as_str() != user_id {
            return Err(Error::forbidden("You can only join your own room."));
        }
        socket.join_user_room();
        self.note_session(socket, SessionChange::JoinedUserRoom).await;
        Ok(())
    }
}
