//! A message to send, as any of the contracts writes it: over a socket, as JSON, as a form.

use super::json::Fields;
use crate::{
    chat::send::SendRequest,
    model::{Error, MessageKind, Result, UserId},
};

/// Refuses a payload that names somebody else as the one who acts.
pub fn must_be_caller(fields: &Fields, caller: &UserId) -> Result<()> {
    for name in ["senderId", "userId", "sender"] {
        if let Some(id) = fields.id(name)?
            && id != caller.as_str()
        {
            return Err(Error::forbidden(format!("{name} is not you: who acts is who the token says.")));
        }
    }
    Ok(())
}

/// `person` is the other side in the words of the contract.
pub fn decode(fields: &Fields, person: Option<String>) -> Result<SendRequest> {
    let conversation = fields.id("conversationId")?;
    if fields.text("fileUrl")?.is_some_and(|url| !url.is_empty()) {
        return Err(Error::invalid("fileUrl names no file that you have uploaded."));
    }
    if fields.ids("attachmentIds")?.is_some_and(|ids| !ids.is_empty()) {
        return Err(Error::invalid("attachmentIds names no file that you have uploaded."));
    }
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
        person,
        content: content.to_owned(),
        kind,
        client_message_id: fields.id("clientMessageId")?,
        reply_to: fields.id("replyToId")?,
        origin: None,
    })
}
