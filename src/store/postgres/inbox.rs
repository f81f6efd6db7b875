//! Somebody's list of conversations, newest activity first.
//!
//! Those of one person lie side by side; their activity is in the conversation's row, so that a message costs one
//! write however many people see it move up. The price is a join and a sort of all of a person's conversations.

use std::sync::Arc;

use super::{
    connection::{Connection, Done},
    conversations, messages, participation,
    text::text_or_null,
};
use crate::{
    model::{ConversationKey, Entry, Timestamp, UserKey},
    store::{Inbox, InboxCursor},
};

/// The activity is `Participation::activity_at` in SQL.
const PAGE: &str = "
    SELECT conversation FROM (
        SELECT p.conversation,
               CASE WHEN p.to_seq IS NULL AND c.last_seq > p.from_seq THEN c.last_message_at
                    ELSE coalesce(p.kept_at, p.joined_at) END AS activity_at
        FROM doorbell.participant p JOIN doorbell.conversation c ON c.key = p.conversation
        WHERE p.user_key = $1
    ) entry
    WHERE (activity_at, conversation) < ($2, $3)
    ORDER BY activity_at DESC, conversation DESC
    LIMIT $4";

pub(super) async fn inbox(
    connection: &Connection,
    viewer: UserKey,
    cursor: Option<InboxCursor>,
    limit: usize,
) -> Done<Inbox> {
    let below = cursor.unwrap_or(InboxCursor {
        activity_at: Timestamp(i64::MAX),
        conversation: ConversationKey(i64::MAX),
    });
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let rows = connection
        .rows(PAGE, &[&viewer.0, &below.activity_at.0, &below.conversation.0, &wanted])
        .await?;
    let mut entries = Vec::with_capacity(rows.len().min(limit));
    for row in rows.iter().take(limit) {
        entries.extend(entry(connection, ConversationKey(row.try_get(0)?), viewer).await?);
    }
    Ok(Inbox {
        entries,
        has_more: rows.len() > limit,
    })
}

pub(super) async fn entry(
    connection: &Connection,
    conversation: ConversationKey,
    viewer: UserKey,
) -> Done<Option<Entry>> {
    let Some(participation) = participation::find(connection, viewer, conversation).await? else {
        return Ok(None);
    };
    let Some(mut loaded) = conversations::find(connection, conversation).await? else {
        return Ok(None);
    };
    if participation.has_left() {
        // Who has left is told nothing of what came after, not even a new title.
        let kept = connection
            .one(
                "SELECT kept_title FROM doorbell.participant WHERE user_key = $1 AND conversation = $2",
                &[&viewer.0, &conversation.0],
            )
            .await?;
        loaded.conversation.title = text_or_null(&kept, 0)?;
    }
    Ok(Some(Entry {
        conversation: Arc::new(loaded.conversation),
        last_message: messages::find(connection, conversation, participation.newest_seq()).await?,
        activity_at: participation.activity_at(),
        updated_at: participation.updated_at,
        unread: participation.unread(),
        last_read_at: loaded.last_read_at,
    }))
}
