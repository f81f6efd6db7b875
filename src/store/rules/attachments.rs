//! Attachments as an engine keeps them: the columns of a row, and what they mean.

use crate::model::{
    Attachment, AttachmentId, AttachmentKey, FileFacts, MediaKind, MediaType, Timestamp, UserKey,
    attachment::{ExternalFile, Rendition, Source},
};

/// The columns of `attachment` in the order in which both engines read them.
macro_rules! attachment_columns {
    () => {
        "a.key, a.id, a.owner, a.name, a.created_at, a.media_type, a.size, a.width, a.height, a.duration_ms,
         a.thumbnail, a.poster, a.preview, a.url, a.kind"
    };
}
pub(in crate::store) use attachment_columns;

/// A row of an attachment that is ready.
pub(in crate::store) struct AttachmentRow {
    pub(in crate::store) key: i64,
    pub(in crate::store) id: String,
    pub(in crate::store) owner: i64,
    pub(in crate::store) name: String,
    pub(in crate::store) created_at: i64,
    pub(in crate::store) columns: SourceColumns,
}

/// The columns that say where its bytes are and what they are.
#[derive(Default)]
pub(in crate::store) struct SourceColumns {
    pub(in crate::store) media_type: Option<String>,
    pub(in crate::store) size: Option<i64>,
    pub(in crate::store) width: Option<i64>,
    pub(in crate::store) height: Option<i64>,
    pub(in crate::store) duration_ms: Option<i64>,
    pub(in crate::store) thumbnail: Option<String>,
    pub(in crate::store) poster: Option<String>,
    pub(in crate::store) preview: Option<String>,
    pub(in crate::store) url: Option<String>,
    pub(in crate::store) kind: Option<String>,
}

/// Why a row is none that this program wrote.
#[derive(Debug, thiserror::Error)]
#[error("an attachment has a {column} that is not known")]
pub(in crate::store) struct Damaged {
    column: &'static str,
}

fn damaged(column: &'static str) -> Damaged {
    Damaged { column }
}

impl From<&FileFacts> for SourceColumns {
    fn from(facts: &FileFacts) -> Self {
        SourceColumns {
            media_type: Some(facts.media_type.as_str().to_owned()),
            size: Some(signed(facts.size)),
            width: facts.width.map(i64::from),
            height: facts.height.map(i64::from),
            duration_ms: facts.duration_ms.map(signed),
            thumbnail: facts.thumbnail.map(|image| image.to_string()),
            poster: facts.poster.map(|image| image.to_string()),
            preview: facts.preview.clone(),
            url: None,
            kind: None,
        }
    }
}

impl From<&ExternalFile> for SourceColumns {
    fn from(file: &ExternalFile) -> Self {
        SourceColumns {
            media_type: file.file_type.clone(),
            size: file.size.map(signed),
            url: Some(file.url.clone()),
            kind: Some(file.kind.as_str().to_owned()),
            ..Default::default()
        }
    }
}

/// Both engines count up to 2^63 - 1; a file of more bytes does not exist.
pub(in crate::store) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned<T: TryFrom<i64>>(number: Option<i64>, column: &'static str) -> Result<Option<T>, Damaged> {
    let read = number.map(|number| T::try_from(number).map_err(|_| damaged(column)));
    read.transpose()
}

impl AttachmentRow {
    pub(in crate::store) fn attachment(self) -> Result<Attachment, Damaged> {
        Ok(Attachment {
            key: AttachmentKey(self.key),
            id: AttachmentId::trusted(self.id),
            owner: UserKey(self.owner),
            name: self.name,
            source: self.columns.source()?,
            created_at: Timestamp(self.created_at),
        })
    }
}

impl SourceColumns {
    fn source(self) -> Result<Source, Damaged> {
        if let Some(url) = self.url {
            let kind = self.kind.as_deref().and_then(MediaKind::parse);
            return Ok(Source::External(ExternalFile {
                url,
                kind: kind.ok_or_else(|| damaged("kind"))?,
                size: unsigned(self.size, "size")?,
                file_type: self.media_type,
            }));
        }
        let rendition = |text: Option<String>, column| {
            let read = text.map(|text| Rendition::parse(&text).ok_or_else(|| damaged(column)));
            read.transpose()
        };
        let media_type = self.media_type.as_deref().and_then(MediaType::parse);
        Ok(Source::Stored(FileFacts {
            media_type: media_type.ok_or_else(|| damaged("media_type"))?,
            size: unsigned(self.size, "size")?.ok_or_else(|| damaged("size"))?,
            width: unsigned(self.width, "width")?,
            height: unsigned(self.height, "height")?,
            duration_ms: unsigned(self.duration_ms, "duration_ms")?,
            thumbnail: rendition(self.thumbnail, "thumbnail")?,
            poster: rendition(self.poster, "poster")?,
            preview: self.preview,
        }))
    }
}
