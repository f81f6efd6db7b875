//! A message to send, as any of the contracts writes it: over a socket, as JSON, as a form.

use http::HeaderMap;

use super::{json::Fields, rest::Call};
use crate::{
    chat::{attachment::FileReference, send::SendRequest},
    model::{Error, MessageKind, Result, UserId},
};

/// Refuses a payload that names somebody else as the one who acts.
pub fn must_be_caller(fields: &Fields, caller: &UserId) -> Result<()> {
    for name in ["senderId", "userId", "sender"] {
        if let Some(id) = fields.id(name)?
            && id != caller.as_str()
        {
            return Err(Error::forbidden(format!(
                "{name} is not you: who acts is who the token says."
            )));
        }
    }
    Ok(())
}

/// A conversation that the payload names must be the caller's to see before anything else in it is judged.
pub async fn must_see_named(call: &Call, fields: &Fields) -> Result<()> {
    match fields.id("conversationId") {
        Ok(Some(id)) => call.chat().must_see(call.caller, &id).await,
        _ => Ok(()),
    }
}

/// The other side, under the name that any of the contracts has for it.
pub fn person(fields: &Fields) -> Result<Option<String>> {
    match (fields.id("recipientId")?, fields.id("receiverId")?) {
        (Some(recipient), Some(receiver)) if recipient != receiver => {
            Err(Error::invalid("recipientId and receiverId name two people."))
        }
        (recipient, receiver) => Ok(recipient.or(receiver)),
    }
}

/// A message sent over REST, where `Idempotency-Key` is another name of `clientMessageId`.
pub fn decode(fields: &Fields, headers: &HeaderMap) -> Result<SendRequest> {
    let mut request = decode_fields(fields)?;
    if let Some(key) = headers.get("idempotency-key") {
        let key = key
            .to_str()
            .map_err(|_| Error::invalid("Idempotency-Key must be visible ASCII."))?;
        if request.client_message_id.as_ref().is_some_and(|id| id != key) {
            return Err(Error::invalid("Idempotency-Key and clientMessageId differ."));
        }
        request.client_message_id = Some(key.to_owned());
    }
    Ok(request)
}

/// The files that a message names: in `attachmentIds`, as `conversations` has them, and as the `fileUrl` of the others.
fn files(fields: &Fields) -> Result<Vec<FileReference>> {
    let ids = fields.ids("attachmentIds")?.unwrap_or_default();
    let mut files: Vec<FileReference> = ids.into_iter().map(FileReference::Id).collect();
    if let Some(url) = fields.text("fileUrl")?.filter(|url| !url.trim().is_empty()) {
        let file = FileReference::Url {
            url: url.trim().to_owned(),
            name: fields.text("fileName")?.map(str::to_owned),
            size: fields.size("fileSize")?,
            file_type: fields.text("fileType")?.map(str::to_owned),
        };
        files.push(file);
    }
    Ok(files)
}

/// A message sent over a socket.
pub fn decode_fields(fields: &Fields) -> Result<SendRequest> {
    let conversation = fields.id("conversationId")?;
    let files = files(fields)?;
    let kind = match fields.text("type")? {
        None => MessageKind::Text,
        Some(name) => MessageKind::parse(name)
            .ok_or_else(|| Error::invalid("type must be one of text, image, video and file."))?,
    };
    let content = match fields.text("content")? {
        Some(content) => content,
        None => fields.text("text")?.unwrap_or_default(),
    };
    Ok(SendRequest {
        conversation,
        person: person(fields)?,
        content: content.to_owned(),
        kind,
        files,
        client_message_id: fields.id("clientMessageId")?,
        reply_to: fields.id("replyToId")?,
        origin: None,
    })
}
