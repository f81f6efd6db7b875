//! The routes under `/api` that `conversations`, `media-chat` and `listing-chat` share: one reading of what each of
//! them sends, and one JSON that carries each one's fields (contracts §3, §4, §6).

use serde::Serialize;
use serde_json::json;

use super::{
    draft,
    history::{HistoryShape, history, object_body},
    rest::{Call, Reply, Route, route, to_json},
    shape::{Each, MediaConversation, SharedConversation, SharedMessage, View},
    upload::{self, Purpose},
};
use crate::{
    chat::{history::MessagePage, inbox::EntryPage, open::Opened, read::ReadTarget},
    model::{Code, Conversation, Entry, Error, Result, limits},
};

pub fn routes() -> Vec<Route> {
    vec![
        route!(GET "/api/conversations" AsRequest list),
        route!(POST "/api/conversations" AsRequest open),
        route!(GET "/api/messages" AsRequest messages),
        route!(POST "/api/messages" AsSend send),
        route!(PUT "/api/messages" AsRequest mark),
        route!(GET "/api/messages/conversations" AsRequest media_list),
    ]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConversationsBody<'a, C> {
    conversations: C,
    has_more: bool,
    next_cursor: Option<&'a str>,
}

fn list_body<'a, T: Serialize>(page: &'a EntryPage, shape: impl Fn(&'a Entry) -> T) -> Vec<u8> {
    to_json(&ConversationsBody {
        conversations: Each(|| page.entries.iter().map(&shape)),
        has_more: page.has_more,
        next_cursor: page.next_cursor.as_deref(),
    })
}

#[derive(Serialize)]
pub struct ConversationBody<'a> {
    pub conversation: SharedConversation<'a>,
}

#[derive(Serialize)]
struct MessageBody<'a> {
    message: SharedMessage<'a>,
}

async fn list(call: Call) -> Result<Reply> {
    let page = call.query()?.page().inbox_page(limits::HISTORY_PAGE)?;
    let page = call.chat().inbox(call.caller, page).await?;
    let view = call.view(&page.people);
    Ok(call.tagged(list_body(&page, |entry| SharedConversation::new(entry, view)), None))
}

async fn media_list(call: Call) -> Result<Reply> {
    let query = call.query()?;
    let page = call
        .chat()
        .inbox(call.caller, query.page().inbox_page(limits::HISTORY_PAGE)?)
        .await?;
    let view = call.view(&page.people);
    Ok(call.tagged(list_body(&page, |entry| MediaConversation::new(entry, view)), None))
}

async fn open(mut call: Call) -> Result<Reply> {
    let fields = call.own_fields().await?;
    let chat = call.chat();
    let opened = if fields.boolean("isGroup")? == Some(true) {
        let others = fields
            .ids("participantIds")?
            .ok_or_else(|| Error::invalid("participantIds is missing."))?;
        chat.open_group(call.caller, fields.text("title")?.map(str::to_owned), &others)
            .await?
    } else if fields.has("listingId") || fields.has("ownerId") {
        let (listing, owner) = (fields.required_id("listingId")?, fields.required_id("ownerId")?);
        chat.open_one_to_one(call.caller, &owner, Some(&listing), true).await?
    } else {
        chat.open_one_to_one(call.caller, &fields.required_id("otherUserId")?, None, false)
            .await?
    };
    let Opened { conversation, created } = opened;
    let (entry, people) = chat.entry_for(call.caller, &conversation).await?;
    let conversation = SharedConversation::new(&entry, call.view(&people));
    Ok(Reply::made(created, &ConversationBody { conversation }))
}

struct Messages {
    /// `markRead`, where it is given.
    marks: Option<bool>,
}

impl HistoryShape for Messages {
    // A listing's front end (seed 004) has no other way to mark.
    fn marks(&self, conversation: &Conversation) -> bool {
        self.marks.unwrap_or(conversation.listing().is_some())
    }

    fn body(&self, page: &MessagePage, view: View<'_>) -> Vec<u8> {
        object_body(page, |message| SharedMessage::new(&page.conversation, message, view))
    }

    fn has_link(&self) -> bool {
        false
    }
}

async fn messages(call: Call) -> Result<Reply> {
    let query = call.query()?;
    let id = query.required("conversationId")?;
    call.chat().must_see(call.caller, id).await?;
    history(
        &call,
        id,
        Messages {
            marks: query.boolean("markRead")?,
        },
    )
    .await
}

async fn send(mut call: Call) -> Result<Reply> {
    let sender = call.caller.user()?;
    let mut received = upload::receive(&mut call, Purpose::Message).await?;
    let fields = &received.fields;
    draft::must_be_caller(fields, &call.person()?.id)?;
    draft::must_see_named(&call, fields).await?;
    let mut request = draft::decode(fields, &call.headers)?;
    request.files.extend(received.references());
    request.origin = call.origin();
    let sent = match call.chat().send(sender, request.clone()).await {
        Err(error) if error.code == Code::Conflict && !received.attachments.is_empty() => {
            // A form that is sent again brings its files again, and they have become other attachments.
            let uploads = &call.api.uploads;
            match uploads.as_sent_before(sender, request, &received.attachments).await? {
                Some(again) => call.chat().send(sender, again).await?,
                None => return Err(error),
            }
        }
        sent => sent?,
    };
    if !sent.repeated {
        received.keep();
    }
    let message = SharedMessage::new(&sent.conversation, &sent.message, call.view(&sent.people));
    Ok(Reply::made(!sent.repeated, &MessageBody { message }))
}

async fn mark(mut call: Call) -> Result<Reply> {
    let fields = call.own_fields().await?;
    draft::must_see_named(&call, &fields).await?;
    let target = ReadTarget::Conversation {
        id: fields.required_id("conversationId")?,
        up_to: fields.id("messageId")?,
        person: draft::person(&fields)?,
    };
    let updated = call.chat().mark_read(call.caller, target, call.origin()).await?;
    Ok(Reply::ok(&json!({ "updated": updated })))
}
