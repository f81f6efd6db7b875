//! The events and shapes of the contracts that the clients of a run speak, as a front end sees them.

use serde_json::{Map, Value, json};

use super::{ledger::Seen, plan::Speaks, text};

/// A conversation as a front end knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub id: String,
    /// The other person of a one-to-one conversation.
    pub other: Option<String>,
}

/// What a push says, as far as a run is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    Message {
        conversation: String,
        message: Seen,
    },
    Mark {
        conversation: String,
        user: String,
        seq: i64,
    },
    /// Something about a conversation has changed.
    Changed {
        conversation: String,
    },
    Other,
}

impl Speaks {
    pub fn path(self) -> &'static str {
        match self {
            Speaks::Conversations => "/api/socketio",
            Speaks::MediaChat | Speaks::TenantChat => "/socket.io",
        }
    }

    /// The event that joins a conversation's room, and its payload. Tenant-chat has none: everything comes by itself.
    pub fn join(self, room: &Room, after: i64) -> Option<(&'static str, Value)> {
        let payload = json!({ "conversationId": room.id, "afterSeq": after });
        match self {
            Speaks::Conversations => Some(("conversation:join", payload)),
            Speaks::MediaChat => Some(("join_conversation", payload)),
            Speaks::TenantChat => None,
        }
    }

    pub fn send(self, room: &Room, draft: &str, text: &str) -> (&'static str, Value) {
        let mut payload = Map::new();
        payload.insert("conversationId".to_owned(), json!(room.id));
        payload.insert("content".to_owned(), json!(text));
        payload.insert("clientMessageId".to_owned(), json!(draft));
        if self != Speaks::Conversations {
            payload.insert("type".to_owned(), json!("text"));
        }
        if let (Speaks::TenantChat, Some(other)) = (self, &room.other) {
            payload.insert("recipientId".to_owned(), json!(other));
        }
        let event = if self == Speaks::Conversations {
            "message:send"
        } else {
            "send_message"
        };
        (event, Value::Object(payload))
    }

    pub fn read(self, room: &Room, message: &str) -> (&'static str, Value) {
        match self {
            Speaks::TenantChat => ("mark_read", json!({ "messageId": message })),
            _ => (
                "message:read",
                json!({ "conversationId": room.id, "messageId": message }),
            ),
        }
    }

    /// The page of history after a `seq`.
    pub fn history_path(self, conversation: &str, after: i64, limit: usize) -> String {
        match self {
            Speaks::TenantChat => format!("/api/chat/messages/{conversation}?after={after}&limit={limit}"),
            _ => format!("/api/messages?conversationId={conversation}&after={after}&limit={limit}&markRead=false"),
        }
    }

    pub fn push(self, event: &str, payload: &Value) -> Push {
        let text = |name: &str| payload[name].as_str().map(str::to_owned);
        let found = match event {
            "message:received" | "new_message" | "receive_message" => text("conversationId")
                .zip(seen(payload))
                .map(|(conversation, message)| Push::Message { conversation, message }),
            "message:read_update" => mark(text("conversationId"), text("userId"), payload["seq"].as_i64()),
            "messages_read" => mark(text("conversationId"), text("userId"), payload["upToSeq"].as_i64()),
            "conversation:updated" => {
                let id = payload["conversation"]["id"].as_str();
                id.map(|id| Push::Changed {
                    conversation: id.to_owned(),
                })
            }
            _ => None,
        };
        found.unwrap_or(Push::Other)
    }
}

fn mark(conversation: Option<String>, user: Option<String>, seq: Option<i64>) -> Option<Push> {
    Some(Push::Mark {
        conversation: conversation?,
        user: user?,
        seq: seq?,
    })
}

/// A message of whatever contract.
pub fn seen(message: &Value) -> Option<Seen> {
    let field = |names: [&str; 2]| names.iter().find_map(|name| message[*name].as_str());
    let (draft, intact) = text::draft_of(message["content"].as_str()?);
    Some(Seen {
        seq: message["seq"].as_i64()?,
        id: field(["id", "_id"])?.to_owned(),
        draft,
        // In the shape that three contracts share, `sender` is a whole person.
        sender: field(["senderId", "sender"])?.to_owned(),
        intact,
    })
}

/// The messages of a list. `None` when one of them cannot be read: then it is no history.
pub fn all_seen(messages: &Value) -> Option<Vec<Seen>> {
    messages.as_array()?.iter().map(seen).collect()
}
