//! Messages.

use std::sync::Arc;

use super::{
    attachment::Attachment,
    clock::Timestamp,
    id::{ConversationKey, Seq, UserKey},
};

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub conversation: ConversationKey,
    pub seq: Seq,
    pub sender: UserKey,
    pub kind: MessageKind,
    /// Data, not markup: every renderer escapes it. Empty only where there are attachments.
    pub content: String,
    /// In the sender's order. A message of kind text has none.
    pub attachments: Arc<[Attachment]>,
    /// What the sender called it, so that a retry is known again.
    pub client_message_id: Option<String>,
    /// The message of the same conversation that this one answers.
    pub reply_to: Option<Seq>,
    /// Never before that of an earlier message of the conversation.
    pub created_at: Timestamp,
    /// When the first other participant's mark passed it.
    pub read_at: Option<Timestamp>,
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    Text,
    Image,
    Video,
    File,
}

impl MessageKind {
    pub fn as_str(self) -> &'static str {
        match self {
            MessageKind::Text => "text",
            MessageKind::Image => "image",
            MessageKind::Video => "video",
            MessageKind::File => "file",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(MessageKind::Text),
            "image" => Some(MessageKind::Image),
            "video" => Some(MessageKind::Video),
            "file" => Some(MessageKind::File),
            _ => None,
        }
    }
}
