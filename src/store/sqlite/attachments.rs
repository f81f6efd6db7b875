//! Attachments: uploads that come and go, what messages name of them, and who may see which.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{
        Attachment, AttachmentId, AttachmentKey, ConversationKey, FileFacts, Message, MessageKind, Timestamp, UserKey,
        attachment::Upload,
    },
    store::{
        Completed, Draft, DraftAttachment,
        rules::{
            attachments::{AttachmentRow, SourceColumns, attachment_columns, signed},
            participation::Participation,
        },
    },
};

fn attachment_of(row: &Row<'_>) -> rusqlite::Result<Attachment> {
    let found = AttachmentRow {
        key: row.get(0)?,
        id: row.get(1)?,
        owner: row.get(2)?,
        name: row.get(3)?,
        created_at: row.get(4)?,
        columns: SourceColumns {
            media_type: row.get(5)?,
            size: row.get(6)?,
            width: row.get(7)?,
            height: row.get(8)?,
            duration_ms: row.get(9)?,
            thumbnail: row.get(10)?,
            poster: row.get(11)?,
            preview: row.get(12)?,
            url: row.get(13)?,
            kind: row.get(14)?,
        },
    };
    let damaged = |error| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, Box::new(error));
    found.attachment().map_err(damaged)
}

fn upload_of(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        key: AttachmentKey(row.get(0)?),
        id: AttachmentId::trusted(row.get::<_, String>(1)?),
        owner: UserKey(row.get(2)?),
        name: row.get(3)?,
        created_at: Timestamp(row.get(4)?),
    })
}

fn find(connection: &Connection, key: AttachmentKey) -> rusqlite::Result<Option<Attachment>> {
    connection
        .statement(concat!(
            "SELECT ",
            attachment_columns!(),
            " FROM attachment a WHERE a.key = ?1 AND a.state = 'ready'"
        ))?
        .query_row([key.0], attachment_of)
        .optional()
}

pub(super) fn find_by_id(connection: &Connection, ids: &[AttachmentId]) -> rusqlite::Result<Vec<Attachment>> {
    let mut statement = connection.statement(concat!(
        "SELECT ",
        attachment_columns!(),
        " FROM attachment a WHERE a.id = ?1 AND a.state = 'ready'"
    ))?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(statement.query_row([id.as_str()], attachment_of).optional()?);
    }
    Ok(found)
}

pub(super) fn find_for(
    connection: &Connection,
    id: &AttachmentId,
    viewer: UserKey,
) -> rusqlite::Result<Option<(Attachment, Option<ConversationKey>)>> {
    let Some(attachment) = find_by_id(connection, std::slice::from_ref(id))?.pop() else {
        return Ok(None);
    };
    if attachment.owner == viewer {
        return Ok(Some((attachment, None)));
    }
    let mut statement = connection.statement(
        "SELECT m.conversation, m.seq FROM message_attachment m
         JOIN participant p ON p.user = ?2 AND p.conversation = m.conversation
         WHERE m.attachment = ?1 ORDER BY m.conversation, m.seq",
    )?;
    let mut rows = statement.query([attachment.key.0, viewer.0])?;
    let mut participation: Option<Participation> = None;
    while let Some(row) = rows.next()? {
        let conversation = ConversationKey(row.get(0)?);
        if participation
            .as_ref()
            .is_none_or(|known| known.conversation != conversation)
        {
            participation = Participation::find(connection, viewer, conversation)?;
        }
        let seq = row.get(1)?;
        let sees = participation.as_ref().map(|known| known.sees(connection, seq));
        if sees.transpose()? == Some(true) {
            return Ok(Some((attachment, Some(conversation))));
        }
    }
    Ok(None)
}

/// Puts what each of these messages of one conversation carries into it. Texts carry nothing, and cost nothing.
pub(super) fn fill(
    connection: &Connection,
    conversation: ConversationKey,
    messages: &mut [Message],
) -> rusqlite::Result<()> {
    for message in messages.iter_mut().filter(|message| message.kind != MessageKind::Text) {
        message.attachments = connection
            .statement(concat!(
                "SELECT ",
                attachment_columns!(),
                " FROM message_attachment m JOIN attachment a ON a.key = m.attachment
                  WHERE m.conversation = ?1 AND m.seq = ?2 ORDER BY m.ordinal"
            ))?
            .query_map([conversation.0, message.seq], attachment_of)?
            .collect::<rusqlite::Result<Arc<[_]>>>()?;
    }
    Ok(())
}

/// May the sender send all that the draft names?
pub(super) fn may_be_sent(connection: &Connection, draft: &Draft) -> rusqlite::Result<bool> {
    for attachment in &draft.attachments {
        if let DraftAttachment::Uploaded(key) = attachment
            && find(connection, *key)?.is_none_or(|found| found.owner != draft.sender)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Names what the draft carries in the message that it has become, and returns it.
pub(super) fn name_in(
    connection: &Connection,
    draft: &Draft,
    message: &Message,
) -> rusqlite::Result<Arc<[Attachment]>> {
    let mut named = Vec::with_capacity(draft.attachments.len());
    for attachment in &draft.attachments {
        let key = match attachment {
            DraftAttachment::Uploaded(key) => *key,
            DraftAttachment::External { id, name, file } => {
                let columns = SourceColumns::from(file);
                connection
                    .statement(
                        "INSERT INTO attachment (id, owner, state, created_at, name, media_type, size, url, kind)
                         VALUES (?1, ?2, 'ready', ?3, ?4, ?5, ?6, ?7, ?8)",
                    )?
                    .execute(params![
                        id.as_str(),
                        draft.sender.0,
                        message.created_at.0,
                        name,
                        columns.media_type,
                        columns.size,
                        columns.url,
                        columns.kind,
                    ])?;
                AttachmentKey(connection.last_insert_rowid())
            }
        };
        connection
            .statement("UPDATE attachment SET is_used = 1 WHERE key = ?1 AND is_used = 0")?
            .execute([key.0])?;
        connection
            .statement(
                "INSERT INTO message_attachment (conversation, seq, ordinal, attachment) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute([message.conversation.0, message.seq, named.len() as i64, key.0])?;
        named.push(find(connection, key)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?);
    }
    Ok(named.into())
}

pub(super) fn unused(
    connection: &Connection,
    before: Timestamp,
    after: Option<(Timestamp, AttachmentKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<Upload>> {
    let (at, key) = after.unwrap_or((Timestamp(i64::MIN), AttachmentKey(i64::MIN)));
    connection
        .statement(
            "SELECT key, id, owner, name, created_at FROM attachment
             WHERE is_used = 0 AND created_at < ?1 AND (created_at, key) > (?2, ?3)
             ORDER BY created_at, key LIMIT ?4",
        )?
        .query_map(
            [before.0, at.0, key.0, i64::try_from(limit).unwrap_or(i64::MAX)],
            upload_of,
        )?
        .collect()
}

pub(super) fn bytes_of(connection: &Connection, owner: UserKey) -> rusqlite::Result<u64> {
    let bytes: Option<i64> = connection
        .statement("SELECT bytes FROM attachment_usage WHERE user = ?1")?
        .query_row([owner.0], |row| row.get(0))
        .optional()?;
    Ok(bytes.unwrap_or_default().unsigned_abs())
}

/// The state in which a row is, if there is one.
fn state_of(connection: &Connection, key: AttachmentKey) -> rusqlite::Result<Option<(String, UserKey)>> {
    connection
        .statement("SELECT state, owner FROM attachment WHERE key = ?1")?
        .query_row([key.0], |row| Ok((row.get(0)?, UserKey(row.get(1)?))))
        .optional()
}

pub(super) struct Begin {
    pub(super) id: AttachmentId,
    pub(super) owner: UserKey,
    pub(super) name: String,
}

impl Write for Begin {
    type Outcome = Upload;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Upload> {
        writing
            .connection
            .statement(
                "INSERT INTO attachment (id, owner, state, created_at, name) VALUES (?1, ?2, 'pending', ?3, ?4)",
            )?
            .execute(params![self.id.as_str(), self.owner.0, writing.now.0, self.name])?;
        Ok(Upload {
            key: AttachmentKey(writing.connection.last_insert_rowid()),
            id: self.id.clone(),
            owner: self.owner,
            name: self.name.clone(),
            created_at: writing.now,
        })
    }
}

pub(super) struct Complete {
    pub(super) key: AttachmentKey,
    pub(super) facts: FileFacts,
    pub(super) quota: Option<u64>,
}

impl Write for Complete {
    type Outcome = Completed;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Completed> {
        let connection = writing.connection;
        let owner = match state_of(connection, self.key)? {
            Some((state, owner)) if state == "pending" => owner,
            _ => return Ok(Completed::Discarded),
        };
        let bytes = bytes_of(connection, owner)?.saturating_add(self.facts.size);
        if self.quota.is_some_and(|quota| bytes > quota) {
            return Ok(Completed::OverQuota);
        }
        connection
            .statement(
                "INSERT INTO attachment_usage (user, bytes) VALUES (?1, ?2)
                 ON CONFLICT (user) DO UPDATE SET bytes = excluded.bytes",
            )?
            .execute([owner.0, signed(bytes)])?;
        let columns = SourceColumns::from(&self.facts);
        connection
            .statement(
                "UPDATE attachment SET state = 'ready', media_type = ?2, size = ?3, width = ?4, height = ?5,
                        duration_ms = ?6, thumbnail = ?7, poster = ?8, preview = ?9
                 WHERE key = ?1",
            )?
            .execute(params![
                self.key.0,
                columns.media_type,
                columns.size,
                columns.width,
                columns.height,
                columns.duration_ms,
                columns.thumbnail,
                columns.poster,
                columns.preview,
            ])?;
        let ready = find(connection, self.key)?;
        Ok(Completed::Ready(ready.ok_or(rusqlite::Error::QueryReturnedNoRows)?))
    }
}

pub(super) struct Discard {
    pub(super) key: AttachmentKey,
}

impl Write for Discard {
    type Outcome = bool;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<bool> {
        let connection = writing.connection;
        // Before its state is: afterwards nobody knows that it was counted.
        connection
            .statement(
                "UPDATE attachment_usage SET bytes = max(bytes - a.size, 0) FROM attachment a
                 WHERE a.key = ?1 AND a.is_used = 0 AND a.state = 'ready' AND a.url IS NULL
                   AND attachment_usage.user = a.owner",
            )?
            .execute([self.key.0])?;
        connection
            .statement("UPDATE attachment SET state = 'discarded' WHERE key = ?1 AND is_used = 0")?
            .execute([self.key.0])?;
        Ok(state_of(connection, self.key)?.is_some_and(|(state, _)| state == "discarded"))
    }
}

pub(super) struct Forget {
    pub(super) key: AttachmentKey,
}

impl Write for Forget {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        writing
            .connection
            .statement("DELETE FROM attachment WHERE key = ?1 AND state = 'discarded'")?
            .execute([self.key.0])?;
        Ok(())
    }
}
