//! Socket events: which contract a name belongs to, and what it asks for.

use serde_json::Value;

use super::json::{Fields, id_of};
use crate::{
    chat::{read::ReadTarget, send::SendRequest, typing::TypingTarget},
    config::Secret,
    contracts::draft,
    model::{Contract, Error, MessageId, Result, Seq, UserId},
};

/// An event's name, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Join,
    Leave,
    JoinUserRoom,
    Send,
    /// `typing:start`, `typing:stop`.
    TypingStart,
    TypingStop,
    /// `typing` with `isTyping`.
    Typing,
    MarkRead,
    Refresh,
}

/// What an event asks for.
#[derive(Debug)]
pub enum Command {
    Join {
        conversation: String,
        after: Option<Seq>,
    },
    Leave {
        conversation: String,
    },
    JoinUserRoom {
        user: String,
    },
    Send(SendRequest),
    Typing {
        target: TypingTarget,
        is_typing: bool,
    },
    MarkRead(ReadTarget),
    /// Goes on with this token.
    Refresh(Secret),
}

/// A known event, before its payload is judged.
#[derive(Debug)]
pub struct Known {
    pub name: Name,
    /// The contract whose event it is; `None` when it is every contract's, or names no side at all, and so tells nothing.
    pub contract: Option<Contract>,
}

/// Which contract an event belongs to, in the order that the contracts give. `None` for an unknown name.
pub fn recognise(name: &str, payload: &Value) -> Option<Known> {
    let known = |name, contract| {
        Some(Known {
            name,
            contract: Some(contract),
        })
    };
    let has = |field: &str| payload.get(field).is_some_and(|value| !value.is_null());
    match name {
        "conversation:join" => known(Name::Join, Contract::Conversations),
        "conversation:leave" => known(Name::Leave, Contract::Conversations),
        "message:send" => known(Name::Send, Contract::Conversations),
        "typing:start" => known(Name::TypingStart, Contract::Conversations),
        "typing:stop" => known(Name::TypingStop, Contract::Conversations),
        "message:read" => known(Name::MarkRead, Contract::Conversations),
        // Every contract's, so it tells nothing, though it has a colon.
        "auth:refresh" => Some(Known {
            name: Name::Refresh,
            contract: None,
        }),
        "join-conversation" => known(Name::Join, Contract::PropertyChat),
        "leave-conversation" => known(Name::Leave, Contract::PropertyChat),
        "join_user_room" => known(Name::JoinUserRoom, Contract::MediaChat),
        "join_conversation" => known(Name::Join, Contract::MediaChat),
        "send_message" | "typing" | "mark_read" => {
            let contract = if has("recipientId") || (name == "mark_read" && has("messageId")) {
                Some(Contract::TenantChat)
            } else if has("conversationId") || has("receiverId") {
                Some(Contract::MediaChat)
            } else {
                None
            };
            let name = match name {
                "send_message" => Name::Send,
                "typing" => Name::Typing,
                _ => Name::MarkRead,
            };
            Some(Known { name, contract })
        }
        _ => None,
    }
}

/// The conversation that a payload names, by itself or by one of its messages, whatever else is in it.
pub fn named_conversation(payload: &Value) -> Option<String> {
    let id = |value: &Value| id_of(value, "conversationId").ok();
    match payload {
        Value::Object(fields) => fields.get("conversationId").and_then(id).or_else(|| {
            let message = fields.get("messageId").and_then(id)?;
            MessageId::parse(&message)
                .ok()
                .map(|message| message.conversation.to_string())
        }),
        _ => id(payload),
    }
}

/// Judges a payload. `caller` is who the token says it is: another identity in the payload is refused before
/// anything else.
pub fn decode(name: Name, contract: Contract, payload: Value, caller: &UserId) -> Result<Command> {
    // Several events take a bare id in place of an object.
    let bare_id = match &payload {
        Value::String(_) | Value::Number(_) => Some(id_of(&payload, "conversationId")?),
        _ => None,
    };
    if let (Some(id), Name::JoinUserRoom) = (&bare_id, name) {
        return Ok(Command::JoinUserRoom { user: id.clone() });
    }
    let takes_bare_id = matches!(name, Name::Join | Name::Leave | Name::TypingStart | Name::TypingStop)
        || (name == Name::MarkRead && contract == Contract::Conversations);
    let fields = match payload {
        Value::Object(_) => Fields::from_json(payload)?,
        _ if bare_id.is_some() && takes_bare_id => Fields::default(),
        _ => return Err(Error::invalid("The event's payload must be an object.")),
    };
    draft::must_be_caller(&fields, caller)?;
    let conversation = || match &bare_id {
        Some(id) => Ok(id.clone()),
        None => fields.required_id("conversationId"),
    };
    let person = draft::person(&fields)?;
    match name {
        Name::Join => Ok(Command::Join {
            conversation: conversation()?,
            after: fields.seq("afterSeq")?,
        }),
        Name::Leave => Ok(Command::Leave {
            conversation: conversation()?,
        }),
        Name::JoinUserRoom => Ok(Command::JoinUserRoom {
            user: fields.required_id("userId")?,
        }),
        Name::Refresh => fields
            .required_text("token")
            .map(|token| Command::Refresh(Secret::new(token))),
        Name::Send => draft::decode_fields(&fields).map(Command::Send),
        Name::TypingStart | Name::TypingStop => Ok(Command::Typing {
            target: TypingTarget::Conversation {
                id: conversation()?,
                person: None,
            },
            is_typing: name == Name::TypingStart,
        }),
        Name::Typing => {
            let is_typing = fields
                .boolean("isTyping")?
                .ok_or_else(|| Error::invalid("isTyping is missing."))?;
            let target = match (fields.id("conversationId")?, person) {
                (Some(id), person) => TypingTarget::Conversation { id, person },
                (None, Some(person)) => TypingTarget::Person(person),
                (None, None) => return Err(Error::invalid("Name a conversation or a person to type to.")),
            };
            Ok(Command::Typing { target, is_typing })
        }
        Name::MarkRead => {
            let message = fields.id("messageId")?;
            let named = match &bare_id {
                Some(id) => Some(id.clone()),
                None => fields.id("conversationId")?,
            };
            let target = match (named, message, person) {
                (Some(id), up_to, person) => ReadTarget::Conversation { id, up_to, person },
                (None, Some(message), _) => ReadTarget::Message(message),
                (None, None, Some(person)) => ReadTarget::Person(person),
                (None, None, None) => {
                    return Err(Error::invalid(
                        "Name a conversation, a message or a person to mark as read.",
                    ));
                }
            };
            Ok(Command::MarkRead(target))
        }
    }
}
