//! Parts of a conversation's history, through what the viewer may see of it.

use rusqlite::Connection;

use super::{
    messages::{fill, message_columns, message_of},
    row_key::key_range,
    statement::Statements,
};
use crate::{
    model::{ConversationKey, Message, UserKey},
    store::{
        History, Window,
        rules::{page::Page, participation::Participation},
    },
};

pub(super) const DESCENDING: &str = concat!(
    message_columns!(),
    " WHERE key > ?1 AND key <= ?2 ORDER BY key DESC LIMIT ?3"
);
const ASCENDING: &str = concat!(
    message_columns!(),
    " WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3"
);

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
    fill(connection, conversation, &mut messages)?;
    Ok(Some(History {
        messages,
        has_more,
        last_seq: participation.newest_seq(),
    }))
}
