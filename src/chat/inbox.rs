//! Somebody's list of conversations.

use super::{
    Caller, Chat, People,
    page::{InboxPage, next_inbox_cursor},
};
use crate::{
    model::{Conversation, ConversationKey, Entry, Error, Result, UserKey},
    store::InboxCursor,
};

/// Part of a list, newest activity first.
#[derive(Debug, Clone)]
pub struct EntryPage {
    pub entries: Vec<Entry>,
    pub has_more: bool,
    pub next_cursor: Option<String>,
    pub people: People,
}

impl Chat {
    pub async fn inbox(&self, caller: Caller, page: InboxPage) -> Result<EntryPage> {
        let viewer = caller.user()?;
        let inbox = self.store.inbox(viewer, page.cursor, page.limit).await?;
        let next_cursor = match inbox.entries.last() {
            Some(last) if inbox.has_more => Some(next_inbox_cursor(InboxCursor {
                activity_at: last.activity_at,
                conversation: last.conversation.key,
            })),
            _ => None,
        };
        let entries: Vec<_> = inbox
            .entries
            .into_iter()
            .map(|entry| entry.frozen_for(viewer))
            .collect();
        let people = self.people_in(&entries).await?;
        Ok(EntryPage {
            entries,
            has_more: inbox.has_more,
            next_cursor,
            people,
        })
    }

    /// One conversation as it stands in somebody's list.
    pub async fn entry(&self, viewer: UserKey, conversation: ConversationKey) -> Result<(Entry, People)> {
        let entry = self.store.entry(conversation, viewer).await?;
        let entry = entry
            .ok_or_else(|| Error::not_found("conversation"))?
            .frozen_for(viewer);
        let people = self.people_in(std::slice::from_ref(&entry)).await?;
        Ok((entry, people))
    }

    /// A conversation as the caller sees it after a change; to the host as one of its participants would.
    pub async fn entry_for(&self, caller: Caller, conversation: &Conversation) -> Result<(Entry, People)> {
        let viewer = match caller {
            Caller::User(user) => Some(user),
            Caller::Host => conversation.members.first().map(|member| member.user),
        };
        let viewer = viewer.ok_or_else(|| Error::not_found("conversation"))?;
        self.entry(viewer, conversation.key).await
    }

    async fn people_in(&self, entries: &[Entry]) -> Result<People> {
        let mut users = Vec::new();
        let mut listings = Vec::new();
        for entry in entries {
            users.extend(entry.conversation.members.iter().map(|member| member.user));
            users.extend(entry.last_message.as_ref().map(|message| message.sender));
            listings.extend(entry.conversation.listing());
        }
        self.people(&users, &listings).await
    }
}
