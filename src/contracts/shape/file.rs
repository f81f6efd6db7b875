//! The shapes of what messages carry.

use serde::Serialize;

use super::View;
use crate::model::{Attachment, AttachmentId, Conversation, Message, Variant};

/// A message's first file, as the contracts with one file a message show it. All are `None` of a message without.
#[derive(Default, Serialize)]
pub struct FirstFile<'a> {
    #[serde(rename = "fileUrl", skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(rename = "fileName", skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(rename = "fileSize", skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(rename = "fileType", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<&'a str>,
}

impl<'a> FirstFile<'a> {
    pub fn of(conversation: &Conversation, message: &'a Message, view: View<'_>) -> Self {
        let Some(attachment) = message.attachments.first() else {
            return Self::default();
        };
        FirstFile {
            url: Some(view.links.of(attachment, Variant::File, conversation)),
            name: Some(&attachment.name),
            size: attachment.size(),
            media_type: attachment.file_type(),
        }
    }
}

/// An attachment of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentShape<'a> {
    id: &'a AttachmentId,
    url: String,
    file_name: &'a str,
    /// In bytes.
    file_size: Option<u64>,
    file_type: Option<&'a str>,
    r#type: &'static str,
    /// In pixels.
    width: Option<u32>,
    height: Option<u32>,
    /// In seconds, as a `<video>` has it.
    duration: Option<f64>,
    thumbnail_url: Option<String>,
    poster_url: Option<String>,
    preview: Option<&'a str>,
}

impl<'a> AttachmentShape<'a> {
    /// All that a message carries; `None` of a message without.
    pub fn all(conversation: &Conversation, message: &'a Message, view: View<'_>) -> Option<Vec<Self>> {
        let link = |attachment: &Attachment, variant| view.links.of(attachment, variant, conversation);
        let all = message.attachments.iter();
        (!message.attachments.is_empty()).then(|| all.map(|attachment| Self::new(attachment, link)).collect())
    }

    /// With links as `link` makes them.
    pub fn new(attachment: &'a Attachment, link: impl Fn(&Attachment, Variant) -> String) -> Self {
        let facts = attachment.facts();
        let part = |variant| {
            let is_there = attachment.variant_type(variant).is_some();
            is_there.then(|| link(attachment, variant))
        };
        AttachmentShape {
            id: &attachment.id,
            url: link(attachment, Variant::File),
            file_name: &attachment.name,
            file_size: attachment.size(),
            file_type: attachment.file_type(),
            r#type: attachment.kind().as_str(),
            width: facts.and_then(|facts| facts.width),
            height: facts.and_then(|facts| facts.height),
            duration: facts
                .and_then(|facts| facts.duration_ms)
                .map(|millis| millis as f64 / 1_000.0),
            thumbnail_url: part(Variant::Thumbnail),
            poster_url: part(Variant::Poster),
            preview: facts.and_then(|facts| facts.preview.as_deref()),
        }
    }
}
