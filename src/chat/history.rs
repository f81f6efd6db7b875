//! Reading a conversation.

use std::{sync::Arc, time::Instant};

use super::{
    Caller, Chat, People,
    page::{SeqPage, next_cursor},
};
use crate::{
    model::{Conversation, Error, Message, Result, Seq, UserKey},
    store::{History, Window},
};

/// Part of a conversation as somebody may see it.
#[derive(Debug, Clone)]
pub struct MessagePage {
    pub conversation: Arc<Conversation>,
    pub messages: Vec<Message>,
    pub has_more: bool,
    pub next_cursor: Option<String>,
    /// The newest that the viewer may see, in this page or not.
    pub last_seq: Seq,
    pub people: People,
}

impl Chat {
    /// A page of a history. Marks nothing.
    pub async fn history(&self, caller: Caller, id: &str, page: SeqPage) -> Result<MessagePage> {
        let viewer = caller.user()?;
        let conversation = self.conversation_seen_by(viewer, id).await?;
        let Some(wait) = page.wait else {
            return self.page(conversation, viewer, page.window).await;
        };
        let _held = self.waiting.hold(viewer)?;
        let until = Instant::now() + wait;
        loop {
            // Listening begins before reading, so that nothing falls between the two.
            let bell = self.waiting.conversations.listen(&conversation.key);
            let read = self.page(Arc::clone(&conversation), viewer, page.window).await?;
            // It also rings for what lies before the page, whose news may still have been under way.
            if !read.messages.is_empty() || self.waiting.is_over() || !bell.rung_before(until).await {
                return Ok(read);
            }
        }
    }

    pub(crate) async fn page(
        &self,
        conversation: Arc<Conversation>,
        viewer: UserKey,
        window: Window,
    ) -> Result<MessagePage> {
        let history = self.store.history(conversation.key, viewer, window).await?;
        let History {
            mut messages,
            has_more,
            last_seq,
        } = history.ok_or_else(|| Error::not_found("conversation"))?;
        if let Some(left_at) = conversation.member(viewer).and_then(|member| member.left_at) {
            // What was read after somebody left is not for them to know.
            for message in &mut messages {
                message.read_at = message.read_at.filter(|at| *at <= left_at);
            }
        }
        let senders: Vec<_> = messages.iter().map(|message| message.sender).collect();
        let people = self.people_of(&conversation, &senders).await?;
        let (first, last) = (messages.first().map(|m| m.seq), messages.last().map(|m| m.seq));
        Ok(MessagePage {
            next_cursor: next_cursor(window, first, last, has_more),
            conversation,
            messages,
            has_more,
            last_seq,
            people,
        })
    }
}
