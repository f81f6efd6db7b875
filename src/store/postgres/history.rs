//! Parts of a conversation's history, through what the viewer may see of it.

use super::{
    connection::{Connection, Done},
    messages::{fill, message_columns, message_of},
    participation,
};
use crate::{
    model::{ConversationKey, Message, UserKey},
    store::{History, Window, rules::page::Page},
};

const DESCENDING: &str = concat!(
    message_columns!(),
    " WHERE conversation = $1 AND seq > $2 AND seq <= $3 ORDER BY seq DESC LIMIT $4"
);
const ASCENDING: &str = concat!(
    message_columns!(),
    " WHERE conversation = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4"
);

pub(super) async fn history(
    connection: &Connection,
    conversation: ConversationKey,
    viewer: UserKey,
    window: Window,
) -> Done<Option<History>> {
    let Some(participation) = participation::find(connection, viewer, conversation).await? else {
        return Ok(None);
    };
    let page = Page::of(window);
    let mut spans = participation::spans(connection, &participation).await?;
    if !page.newest_first {
        spans.reverse();
    }
    let statement = if page.newest_first { DESCENDING } else { ASCENDING };
    let mut messages: Vec<Message> = Vec::new();
    for span in spans.into_iter().filter_map(|span| span.within(page.range)) {
        let wanted = page.wanted() - messages.len();
        if wanted == 0 {
            break;
        }
        let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
        let rows = connection
            .rows(statement, &[&conversation.0, &span.from, &span.to, &limit])
            .await?;
        for row in &rows {
            messages.push(message_of(conversation, row)?);
        }
    }
    let has_more = page.finish(&mut messages);
    fill(connection, conversation, &mut messages).await?;
    Ok(Some(History {
        messages,
        has_more,
        last_seq: participation.newest_seq(),
    }))
}
