//! `tenant-chat`: people write to people, and the conversation follows (contracts §5).

use super::{
    draft,
    history::{HistoryShape, array_body, history},
    rest::{Call, Reply, Route, route, to_json},
    shape::{Each, TenantConversation, TenantMessage, View},
};
use crate::{
    chat::history::MessagePage,
    model::{Conversation, Result, limits},
};

pub fn routes() -> Vec<Route> {
    vec![
        route!(GET "/api/chat/conversations" AsRequest list),
        route!(GET "/api/chat/messages/{conversation_id}" AsRequest messages),
        route!(POST "/api/chat/messages" AsSend send),
        route!(PUT "/api/chat/messages/{message_id}/read" AsRequest mark),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let page = call.query()?.page().inbox_page(limits::HISTORY_PAGE)?;
    let page = call.chat().inbox(call.caller, page).await?;
    let view = call.view(&page.people);
    let chat = call.chat();
    let body = to_json(&Each(|| {
        page.entries.iter().map(move |entry| {
            // Who has left is told nothing of the others any more.
            let takes_part = view
                .viewer
                .is_some_and(|viewer| entry.conversation.is_current_member(viewer));
            TenantConversation::new(entry, view, move |user| takes_part && chat.is_online(user))
        })
    }));
    Ok(call.tagged(body, call.next_link(page.next_cursor.as_deref())))
}

struct Messages;

impl HistoryShape for Messages {
    // `PUT .../read` and `mark_read` mark.
    fn marks(&self, _: &Conversation) -> bool {
        false
    }

    fn body(&self, page: &MessagePage, view: View<'_>) -> Vec<u8> {
        array_body(page, |message| TenantMessage::new(&page.conversation, message, view))
    }

    fn has_link(&self) -> bool {
        true
    }
}

async fn messages(call: Call) -> Result<Reply> {
    history(&call, call.path("conversation_id"), Messages).await
}

async fn send(mut call: Call) -> Result<Reply> {
    let sender = call.caller.user()?;
    let fields = call.own_fields().await?;
    draft::must_see_named(&call, &fields).await?;
    let mut request = draft::decode(&fields, &call.headers)?;
    request.origin = call.origin();
    let sent = call.chat().send(sender, request).await?;
    Ok(Reply::made(
        !sent.repeated,
        &TenantMessage::new(&sent.conversation, &sent.message, call.view(&sent.people)),
    ))
}

async fn mark(mut call: Call) -> Result<Reply> {
    call.caller.user()?;
    // Most clients send no body here.
    if let Some(fields) = call.optional_fields().await? {
        draft::must_be_caller(&fields, &call.person()?.id)?;
    }
    let message = call.path("message_id");
    let (conversation, message, people) = call
        .chat()
        .mark_message_read(call.caller, message, call.origin())
        .await?;
    Ok(Reply::ok(&TenantMessage::new(
        &conversation,
        &message,
        call.view(&people),
    )))
}
