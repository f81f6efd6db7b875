//! `property-chat`: one chat for a person, an agent, and a property or none (contracts §2).

use super::{
    draft,
    history::{HistoryShape, array_body, history},
    rest::{Call, Reply, Route, route, to_json},
    shape::{Each, PropertyConversation, PropertyMessage, View},
};
use crate::{
    chat::history::MessagePage,
    model::{Conversation, Error, Result, limits},
};

pub fn routes() -> Vec<Route> {
    vec![
        route!(POST "/chat" AsRequest open),
        route!(GET "/chat" AsRequest list),
        route!(GET "/chat/{id}/messages" AsRequest messages),
        route!(POST "/chat/{id}/messages" AsSend send),
    ]
}

async fn open(mut call: Call) -> Result<Reply> {
    let fields = call.own_fields().await?;
    let (agent, property) = (fields.required_id("agentId")?, fields.id("propertyId")?);
    let opened = call
        .chat()
        .open_one_to_one(call.caller, &agent, property.as_deref(), false)
        .await?;
    let (entry, people) = call.chat().entry_for(call.caller, &opened.conversation).await?;
    Ok(Reply::made(
        opened.created,
        &PropertyConversation::new(&entry, call.view(&people)),
    ))
}

async fn list(call: Call) -> Result<Reply> {
    let page = call.query()?.page().inbox_page(limits::HISTORY_PAGE)?;
    let page = call.chat().inbox(call.caller, page).await?;
    let view = call.view(&page.people);
    let body = to_json(&Each(|| {
        page.entries.iter().map(|entry| PropertyConversation::new(entry, view))
    }));
    Ok(call.tagged(body, call.next_link(page.next_cursor.as_deref())))
}

struct Messages;

impl HistoryShape for Messages {
    // The contract has no other way to mark.
    fn marks(&self, _: &Conversation) -> bool {
        true
    }

    fn body(&self, page: &MessagePage, view: View<'_>) -> Vec<u8> {
        array_body(page, |message| PropertyMessage::new(&page.conversation, message, view))
    }

    fn has_link(&self) -> bool {
        true
    }
}

async fn messages(call: Call) -> Result<Reply> {
    history(&call, call.path("id"), Messages).await
}

async fn send(mut call: Call) -> Result<Reply> {
    let sender = call.caller.user()?;
    let fields = call.fields_to_judge().await?;
    if let Ok(fields) = &fields {
        draft::must_be_caller(fields, &call.person()?.id)?;
    }
    let id = call.path("id").to_owned();
    call.chat().must_see(call.caller, &id).await?;
    let mut request = draft::decode(&fields?, &call.headers)?;
    if request.conversation.as_ref().is_some_and(|named| *named != id) {
        return Err(Error::invalid(
            "conversationId is not the conversation of this address.",
        ));
    }
    request.conversation = Some(id);
    request.origin = call.origin();
    let sent = call.chat().send(sender, request).await?;
    Ok(Reply::made(
        !sent.repeated,
        &PropertyMessage::new(&sent.conversation, &sent.message, call.view(&sent.people)),
    ))
}
