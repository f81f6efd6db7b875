//! Somebody's list of conversations, newest activity first.
//!
//! Those of one person lie side by side; their activity is in the conversation's row, so that a message costs one
//! write however many people see it move up. The price is a join and a sort of all of a person's conversations.

use std::sync::Arc;

use rusqlite::Connection;

use super::{conversations, messages, statement::Statements};
use crate::{
    model::{ConversationKey, Entry, Timestamp, UserKey},
    store::{Inbox, InboxCursor, rules::participation::Participation},
};

/// The activity is [`Participation::activity_at`] in SQL.
pub(super) const PAGE: &str = "
    SELECT p.conversation,
           CASE WHEN p.to_seq IS NULL AND c.last_seq > p.from_seq THEN c.last_message_at
                ELSE ifnull(p.kept_at, p.joined_at) END AS activity_at
    FROM participant p JOIN conversation c ON c.key = p.conversation
    WHERE p.user = ?1 AND (activity_at < ?2 OR (activity_at = ?2 AND p.conversation < ?3))
    ORDER BY activity_at DESC, p.conversation DESC
    LIMIT ?4";

pub(super) fn inbox(
    connection: &Connection,
    viewer: UserKey,
    cursor: Option<InboxCursor>,
    limit: usize,
) -> rusqlite::Result<Inbox> {
    let below = cursor.unwrap_or(InboxCursor {
        activity_at: Timestamp(i64::MAX),
        conversation: ConversationKey(i64::MAX),
    });
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut keys: Vec<ConversationKey> = connection
        .statement(PAGE)?
        .query_map([viewer.0, below.activity_at.0, below.conversation.0, wanted], |row| {
            row.get(0).map(ConversationKey)
        })?
        .collect::<rusqlite::Result<_>>()?;
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let entries = keys.into_iter().map(|key| entry(connection, key, viewer));
    Ok(Inbox {
        entries: entries.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?,
        has_more,
    })
}

pub(super) fn entry(
    connection: &Connection,
    conversation: ConversationKey,
    viewer: UserKey,
) -> rusqlite::Result<Option<Entry>> {
    let Some(participation) = Participation::find(connection, viewer, conversation)? else {
        return Ok(None);
    };
    let Some(mut loaded) = conversations::find(connection, conversation)? else {
        return Ok(None);
    };
    if participation.has_left() {
        // Who has left is told nothing of what came after, not even a new title.
        loaded.conversation.title = connection
            .statement("SELECT kept_title FROM participant WHERE user = ?1 AND conversation = ?2")?
            .query_row([viewer.0, conversation.0], |row| row.get(0))?;
    }
    Ok(Some(Entry {
        conversation: Arc::new(loaded.conversation),
        last_message: messages::find(connection, conversation, participation.newest_seq())?,
        activity_at: participation.activity_at(),
        updated_at: participation.updated_at,
        unread: participation.unread(),
        last_read_at: loaded.last_read_at,
    }))
}
