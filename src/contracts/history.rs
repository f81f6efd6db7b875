//! Histories over REST: one way for all contracts, each with its own shape of a message.

use http::HeaderValue;
use serde::Serialize;

use super::{
    rest::{Call, Reply, entity_tag, to_json},
    shape::{Each, View},
};
use crate::{
    chat::{history::MessagePage, page::SeqPage},
    model::{Conversation, Message, Result, limits},
};

/// How a contract writes a page of messages.
pub trait HistoryShape {
    /// Does reading this conversation mark it?
    fn marks(&self, conversation: &Conversation) -> bool;
    fn body(&self, page: &MessagePage, view: View<'_>) -> Vec<u8>;
    /// Bare arrays carry their cursor in a header.
    fn has_link(&self) -> bool;
}

struct Rendered {
    tag: HeaderValue,
    body: Vec<u8>,
    link: Option<String>,
}

/// A page of a history, marked as read where the contract has it so and the page that asks is known, and then answered.
pub async fn history(call: &Call, id: &str, shape: impl HistoryShape) -> Result<Reply> {
    // What the caller cannot see does not exist, whatever else is wrong with the request.
    call.chat().must_see(call.caller, id).await?;
    let page = call.query()?.page().seq_page(limits::HISTORY_PAGE)?;
    let read = call.chat().history(call.caller, id, page).await?;
    let rendered = render(call, &read, &shape);
    // Compared before marking: an unchanged poll marks nothing.
    if call.has(&rendered.tag) {
        return Ok(Reply::NotModified { tag: rendered.tag });
    }
    let rendered = match shape.marks(&read.conversation) && call.may_mark() && mark(call, &read).await? {
        true => {
            let again = SeqPage { wait: None, ..page };
            render(call, &call.chat().history(call.caller, id, again).await?, &shape)
        }
        false => rendered,
    };
    Ok(Reply::Tagged {
        tag: rendered.tag,
        body: rendered.body,
        link: rendered.link,
    })
}

fn render(call: &Call, page: &MessagePage, shape: &impl HistoryShape) -> Rendered {
    let link = shape
        .has_link()
        .then(|| call.next_link(page.next_cursor.as_deref()))
        .flatten();
    let body = shape.body(page, call.view(&page.people));
    Rendered {
        tag: entity_tag(&body, link.as_deref()),
        body,
        link,
    }
}

/// Marks what is about to be answered; `true` if that changed anything.
async fn mark(call: &Call, page: &MessagePage) -> Result<bool> {
    let reader = call.caller.user()?;
    let Some(last) = page.messages.last() else {
        return Ok(false);
    };
    // Who has left reads, and marks nothing.
    if !page.conversation.is_current_member(reader) {
        return Ok(false);
    }
    Ok(call
        .chat()
        .mark_page(&page.conversation, reader, last.seq, call.origin())
        .await?
        > 0)
}

/// `{ messages, hasMore, nextCursor }`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagesBody<'a, M> {
    messages: M,
    has_more: bool,
    next_cursor: Option<&'a str>,
}

/// A page as an object that carries its cursor.
pub fn object_body<'a, T: Serialize>(page: &'a MessagePage, shape: impl Fn(&'a Message) -> T) -> Vec<u8> {
    to_json(&MessagesBody {
        messages: Each(|| page.messages.iter().map(&shape)),
        has_more: page.has_more,
        next_cursor: page.next_cursor.as_deref(),
    })
}

/// A page as a bare array.
pub fn array_body<'a, T: Serialize>(page: &'a MessagePage, shape: impl Fn(&'a Message) -> T) -> Vec<u8> {
    to_json(&Each(|| page.messages.iter().map(&shape)))
}
