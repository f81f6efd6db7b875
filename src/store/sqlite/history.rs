//! Parts of a conversation's history, through what the viewer may see of it.

use rusqlite::Connection;

use super::{
    marks,
    messages::{message_columns, message_of},
    participation::{Participation, Span},
    row_key::key_range,
    statement::Statements,
};
use crate::{
    model::{ConversationKey, Message, Seq, UserKey},
    store::{History, Window},
};

pub(super) const DESCENDING: &str = concat!(
    message_columns!(),
    " WHERE key > ?1 AND key <= ?2 ORDER BY key DESC LIMIT ?3"
);
const ASCENDING: &str = concat!(
    message_columns!(),
    " WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3"
);

/// A window as a range, its direction and its limit.
pub(super) struct Page {
    pub(super) range: Span,
    pub(super) newest_first: bool,
    pub(super) limit: usize,
}

impl Page {
    pub(super) fn of(window: Window) -> Self {
        let (range, newest_first, limit) = match window {
            Window::Newest { limit } => (Span { from: 0, to: Seq::MAX }, true, limit),
            Window::Before { seq, limit } => (
                Span {
                    from: 0,
                    to: seq.saturating_sub(1),
                },
                true,
                limit,
            ),
            Window::After { seq, limit } => (
                Span {
                    from: seq.max(0),
                    to: Seq::MAX,
                },
                false,
                limit,
            ),
        };
        Page {
            range,
            newest_first,
            limit,
        }
    }

    /// One more than the limit, to see whether there is more.
    pub(super) fn wanted(&self) -> usize {
        self.limit.saturating_add(1)
    }

    /// Cuts what was found down to the limit, and brings it into ascending order. `true`: there is more.
    pub(super) fn finish<T>(&self, found: &mut Vec<T>) -> bool {
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.newest_first {
            found.reverse();
        }
        has_more
    }
}

pub(super) fn history(
    connection: &Connection,
    conversation: ConversationKey,
    viewer: UserKey,
    window: Window,
) -> rusqlite::Result<Option<History>> {
    let Some(participation) = Participation::find(connection, viewer, conversation)? else {
        return Ok(None);
    };
    let page = Page::of(window);
    let mut spans = participation.spans(connection)?;
    if !page.newest_first {
        spans.reverse();
    }
    let mut statement = connection.statement(if page.newest_first { DESCENDING } else { ASCENDING })?;
    let mut messages: Vec<Message> = Vec::new();
    for span in spans.into_iter().filter_map(|span| span.within(page.range)) {
        let wanted = page.wanted() - messages.len();
        if wanted == 0 {
            break;
        }
        let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
        let (from, to) = key_range(conversation.0, span);
        let rows = statement.query_map([from, to, limit], |row| message_of(conversation, row))?;
        for message in rows {
            messages.push(message?);
        }
    }
    let has_more = page.finish(&mut messages);
    marks::fill_read_at(connection, conversation, &mut messages)?;
    Ok(Some(History {
        messages,
        has_more,
        last_seq: participation.newest_seq(),
    }))
}
