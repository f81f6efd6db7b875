//! A message that is sent again together with its files. The files were uploaded again and are other attachments now; by
//! their bytes they are known as those that the first message named.

use futures_util::StreamExt;

use super::{Caller, attachment::FileReference, page::SeqPage, send::SendRequest, upload::Uploads};
use crate::{
    model::{Attachment, Message, Result, UserKey, Variant, limits},
    store::Window,
};

impl Uploads {
    /// The request as it was the first time, if `uploaded`, the last of its files, are those of the message that the sender
    /// has stored under its `clientMessageId`.
    pub async fn as_sent_before(
        &self,
        sender: UserKey,
        mut request: SendRequest,
        uploaded: &[Attachment],
    ) -> Result<Option<SendRequest>> {
        let Some(first) = self.first_of(sender, &request).await? else {
            return Ok(None);
        };
        let others = request.files.len().saturating_sub(uploaded.len());
        if first.attachments.len() != request.files.len() {
            return Ok(None);
        }
        request.files.truncate(others);
        for (before, now) in first.attachments[others..].iter().zip(uploaded) {
            if !self.is_same(before, now).await? {
                return Ok(None);
            }
            request.files.push(FileReference::Id(before.id.to_string()));
        }
        Ok(Some(request))
    }

    /// The message itself. One that has a thousand after it is no message that is just being sent again.
    async fn first_of(&self, sender: UserKey, request: &SendRequest) -> Result<Option<Message>> {
        let Some(conversation) = self.chat().place_of_first(sender, request).await? else {
            return Ok(None);
        };
        let newest = SeqPage {
            window: Window::Newest {
                limit: limits::HISTORY_PAGE_MAX,
            },
            wait: None,
        };
        let page = self
            .chat()
            .history(Caller::User(sender), conversation.id.as_str(), newest)
            .await?;
        let is_first =
            |message: &Message| message.sender == sender && message.client_message_id == request.client_message_id;
        Ok(page.messages.into_iter().rev().find(is_first))
    }

    async fn is_same(&self, one: &Attachment, other: &Attachment) -> Result<bool> {
        let (Some(facts), Some(other_facts)) = (one.facts(), other.facts()) else {
            return Ok(false);
        };
        if one.name != other.name || facts.media_type != other_facts.media_type || facts.size != other_facts.size {
            return Ok(false);
        }
        let all = 0..facts.size;
        let mut one = Box::pin(self.serve(one, Variant::File).await?.pieces(all.clone()));
        let mut other = Box::pin(self.serve(other, Variant::File).await?.pieces(all));
        // Both come in pieces of the same length.
        loop {
            match (one.next().await.transpose()?, other.next().await.transpose()?) {
                (None, None) => return Ok(true),
                (one, other) if one == other => {}
                _ => return Ok(false),
            }
        }
    }
}
