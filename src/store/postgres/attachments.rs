//! Attachments: uploads that come and go, what messages name of them, and who may see which.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    connection::{Connection, Done, Failure},
    participation,
    text::{text, text_or_null},
    writer::{Write, Writing},
};
use crate::{
    model::{
        Attachment, AttachmentId, AttachmentKey, ConversationKey, FileFacts, Message, MessageKind, Seq, Timestamp,
        UserKey, attachment::Upload,
    },
    store::{
        Completed, Draft, DraftAttachment,
        rules::{
            attachments::{AttachmentRow, SourceColumns, attachment_columns, signed},
            participation::Participation,
        },
    },
};

const FIND: &str = concat!(
    "SELECT ",
    attachment_columns!(),
    " FROM doorbell.attachment a WHERE a.key = ANY ($1) AND a.state = 'ready' ORDER BY a.key"
);

fn attachment_of(row: &Row) -> Done<Attachment> {
    let found = AttachmentRow {
        key: row.try_get(0)?,
        id: row.try_get(1)?,
        owner: row.try_get(2)?,
        name: text(row, 3)?,
        created_at: row.try_get(4)?,
        columns: SourceColumns {
            media_type: text_or_null(row, 5)?,
            size: row.try_get(6)?,
            width: row.try_get(7)?,
            height: row.try_get(8)?,
            duration_ms: row.try_get(9)?,
            thumbnail: text_or_null(row, 10)?,
            poster: text_or_null(row, 11)?,
            preview: text_or_null(row, 12)?,
            url: text_or_null(row, 13)?,
            kind: text_or_null(row, 14)?,
        },
    };
    found
        .attachment()
        .map_err(|error| Failure::Unexpected(error.to_string()))
}

fn upload_of(row: &Row) -> Done<Upload> {
    Ok(Upload {
        key: AttachmentKey(row.try_get(0)?),
        id: AttachmentId::trusted(row.try_get::<_, String>(1)?),
        owner: UserKey(row.try_get(2)?),
        name: text(row, 3)?,
        created_at: Timestamp(row.try_get(4)?),
    })
}

pub(super) async fn find_by_id(connection: &Connection, ids: &[AttachmentId]) -> Done<Vec<Attachment>> {
    let ids: Vec<&str> = ids.iter().map(AttachmentId::as_str).collect();
    let rows = connection
        .rows(
            concat!(
                "SELECT ",
                attachment_columns!(),
                " FROM doorbell.attachment a WHERE a.id = ANY ($1) AND a.state = 'ready'"
            ),
            &[&ids],
        )
        .await?;
    rows.iter().map(attachment_of).collect()
}

pub(super) async fn find_for(
    connection: &Connection,
    id: &AttachmentId,
    viewer: UserKey,
) -> Done<Option<(Attachment, Option<ConversationKey>)>> {
    let Some(attachment) = find_by_id(connection, std::slice::from_ref(id)).await?.pop() else {
        return Ok(None);
    };
    if attachment.owner == viewer {
        return Ok(Some((attachment, None)));
    }
    let places = connection
        .rows(
            "SELECT m.conversation, m.seq FROM doorbell.message_attachment m
             JOIN doorbell.participant p ON p.user_key = $2 AND p.conversation = m.conversation
             WHERE m.attachment = $1 ORDER BY m.conversation, m.seq",
            &[&attachment.key.0, &viewer.0],
        )
        .await?;
    let mut known: Option<Participation> = None;
    for place in places {
        let (conversation, seq) = (ConversationKey(place.try_get(0)?), place.try_get(1)?);
        if known.as_ref().is_none_or(|known| known.conversation != conversation) {
            known = participation::find(connection, viewer, conversation).await?;
        }
        if let Some(participation) = &known
            && participation::sees(connection, participation, seq).await?
        {
            return Ok(Some((attachment, Some(conversation))));
        }
    }
    Ok(None)
}

/// Puts what each of these messages carries into it. Texts carry nothing, and cost nothing.
pub(super) async fn fill(connection: &Connection, messages: &mut [Message]) -> Done<()> {
    let with_files = || messages.iter().filter(|message| message.kind != MessageKind::Text);
    let conversations: Vec<i64> = with_files().map(|message| message.conversation.0).collect();
    let seqs: Vec<i64> = with_files().map(|message| message.seq).collect();
    if seqs.is_empty() {
        return Ok(());
    }
    let rows = connection
        .rows(
            concat!(
                "SELECT ",
                attachment_columns!(),
                ", m.conversation, m.seq
                 FROM unnest($1::bigint[], $2::bigint[]) AS place (conversation, seq)
                 JOIN doorbell.message_attachment m ON m.conversation = place.conversation AND m.seq = place.seq
                 JOIN doorbell.attachment a ON a.key = m.attachment
                 ORDER BY m.conversation, m.seq, m.ordinal"
            ),
            &[&conversations, &seqs],
        )
        .await?;
    let mut found: HashMap<(ConversationKey, Seq), Vec<Attachment>> = HashMap::new();
    for row in &rows {
        let place = (ConversationKey(row.try_get(15)?), row.try_get(16)?);
        found.entry(place).or_default().push(attachment_of(row)?);
    }
    for message in messages {
        if let Some(attachments) = found.remove(&(message.conversation, message.seq)) {
            message.attachments = attachments.into();
        }
    }
    Ok(())
}

fn uploaded(draft: &Draft) -> Vec<i64> {
    let keys = draft.attachments.iter().filter_map(|attachment| match attachment {
        DraftAttachment::Uploaded(key) => Some(key.0),
        DraftAttachment::External { .. } => None,
    });
    let mut keys: Vec<i64> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// May the sender send all that the draft names? Until the transaction ends nobody gives it up.
pub(super) async fn may_be_sent(connection: &Connection, draft: &Draft) -> Done<bool> {
    let keys = uploaded(draft);
    if keys.is_empty() {
        return Ok(true);
    }
    // In the order of their keys, as every such statement locks them: two of them never wait for each other.
    let rows = connection
        .rows(
            "SELECT key FROM doorbell.attachment WHERE key = ANY ($1) AND state = 'ready' AND owner = $2
             ORDER BY key FOR NO KEY UPDATE",
            &[&keys, &draft.sender.0],
        )
        .await?;
    Ok(rows.len() == keys.len())
}

/// Names what the draft carries in the message that it has become, and returns it.
pub(super) async fn name_in(connection: &Connection, draft: &Draft, message: &Message) -> Done<Arc<[Attachment]>> {
    let mut keys = Vec::with_capacity(draft.attachments.len());
    for attachment in &draft.attachments {
        keys.push(match attachment {
            DraftAttachment::Uploaded(key) => key.0,
            DraftAttachment::External { id, name, file } => {
                let columns = SourceColumns::from(file);
                let made = connection
                    .one(
                        "INSERT INTO doorbell.attachment (id, owner, state, created_at, name, media_type, size, url, kind)
                         VALUES ($1, $2, 'ready', $3, $4, $5, $6, $7, $8) RETURNING key",
                        &[
                            &id.as_str(),
                            &draft.sender.0,
                            &message.created_at.0,
                            &name.as_str(),
                            &columns.media_type.as_deref(),
                            &columns.size,
                            &columns.url.as_deref(),
                            &columns.kind.as_deref(),
                        ],
                    )
                    .await?;
                made.try_get(0)?
            }
        });
    }
    connection
        .execute(
            "WITH used AS (
                 UPDATE doorbell.attachment SET is_used = true WHERE key = ANY ($3) AND NOT is_used
             )
             INSERT INTO doorbell.message_attachment (conversation, seq, ordinal, attachment)
             SELECT $1, $2, named.place - 1, named.key FROM unnest($3::bigint[]) WITH ORDINALITY AS named (key, place)",
            &[&message.conversation.0, &message.seq, &keys],
        )
        .await?;
    let mut found = HashMap::with_capacity(keys.len());
    for row in connection.rows(FIND, &[&keys]).await? {
        let attachment = attachment_of(&row)?;
        found.insert(attachment.key.0, attachment);
    }
    let named = keys.iter().map(|key| found.get(key).cloned());
    let named: Option<Vec<Attachment>> = named.collect();
    let missing = || Failure::Unexpected("an attachment that must be there is missing".into());
    Ok(named.ok_or_else(missing)?.into())
}

pub(super) async fn unused(
    connection: &Connection,
    before: Timestamp,
    after: Option<(Timestamp, AttachmentKey)>,
    limit: usize,
) -> Done<Vec<Upload>> {
    let (at, key) = after.unwrap_or((Timestamp(i64::MIN), AttachmentKey(i64::MIN)));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = connection
        .rows(
            "SELECT key, id, owner, name, created_at FROM doorbell.attachment
             WHERE NOT is_used AND created_at < $1 AND (created_at, key) > ($2, $3)
             ORDER BY created_at, key LIMIT $4",
            &[&before.0, &at.0, &key.0, &limit],
        )
        .await?;
    rows.iter().map(upload_of).collect()
}

pub(super) async fn bytes_of(connection: &Connection, owner: UserKey) -> Done<u64> {
    let found = connection
        .row(
            "SELECT bytes FROM doorbell.attachment_usage WHERE user_key = $1",
            &[&owner.0],
        )
        .await?;
    let bytes: Option<i64> = found.map(|row| row.try_get(0)).transpose()?;
    Ok(bytes.unwrap_or_default().unsigned_abs())
}

pub(super) struct Begin {
    pub(super) id: AttachmentId,
    pub(super) owner: UserKey,
    pub(super) name: String,
}

#[async_trait]
impl Write for Begin {
    type Outcome = Upload;
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Upload> {
        let made = writing
            .connection
            .one(
                "INSERT INTO doorbell.attachment (id, owner, state, created_at, name)
                 VALUES ($1, $2, 'pending', $3, $4) RETURNING key",
                &[&self.id.as_str(), &self.owner.0, &writing.now.0, &self.name.as_str()],
            )
            .await?;
        Ok(Upload {
            key: AttachmentKey(made.try_get(0)?),
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

#[async_trait]
impl Write for Complete {
    type Outcome = Completed;
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Completed> {
        let connection = writing.connection;
        let pending = connection
            .row(
                "SELECT owner FROM doorbell.attachment WHERE key = $1 AND state = 'pending' FOR NO KEY UPDATE",
                &[&self.key.0],
            )
            .await?;
        let Some(pending) = pending else {
            return Ok(Completed::Discarded);
        };
        let owner: i64 = pending.try_get(0)?;
        // Locks the sum, so that two uploads that finish together do not both find room for themselves.
        connection
            .execute(
                "INSERT INTO doorbell.attachment_usage (user_key, bytes) VALUES ($1, 0)
                 ON CONFLICT (user_key) DO UPDATE SET bytes = doorbell.attachment_usage.bytes",
                &[&owner],
            )
            .await?;
        let bytes = bytes_of(connection, UserKey(owner))
            .await?
            .saturating_add(self.facts.size);
        if self.quota.is_some_and(|quota| bytes > quota) {
            return Ok(Completed::OverQuota);
        }
        let columns = SourceColumns::from(&self.facts);
        connection
            .execute(
                "WITH counted AS (
                     UPDATE doorbell.attachment_usage SET bytes = $10 WHERE user_key = $11
                 )
                 UPDATE doorbell.attachment
                 SET state = 'ready', media_type = $2, size = $3, width = $4, height = $5, duration_ms = $6,
                     thumbnail = $7, poster = $8, preview = $9
                 WHERE key = $1",
                &[
                    &self.key.0,
                    &columns.media_type.as_deref(),
                    &columns.size,
                    &columns.width,
                    &columns.height,
                    &columns.duration_ms,
                    &columns.thumbnail.as_deref(),
                    &columns.poster.as_deref(),
                    &columns.preview.as_deref(),
                    &signed(bytes),
                    &owner,
                ],
            )
            .await?;
        let ready = connection.one(FIND, &[&vec![self.key.0]]).await?;
        Ok(Completed::Ready(attachment_of(&ready)?))
    }
}

pub(super) struct Discard {
    pub(super) key: AttachmentKey,
}

#[async_trait]
impl Write for Discard {
    type Outcome = bool;
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<bool> {
        let connection = writing.connection;
        // Locked first: a message that names it at the same time is waited for, and seen by the next statements.
        let found = connection
            .row(
                "SELECT state, is_used, owner, CASE WHEN url IS NULL THEN size END FROM doorbell.attachment
                 WHERE key = $1 FOR NO KEY UPDATE",
                &[&self.key.0],
            )
            .await?;
        let Some(found) = found else { return Ok(false) };
        let (state, is_used): (&str, bool) = (found.try_get(0)?, found.try_get(1)?);
        if is_used {
            return Ok(false);
        }
        let size: Option<i64> = found.try_get(3)?;
        if let ("ready", Some(size)) = (state, size) {
            connection
                .execute(
                    "UPDATE doorbell.attachment_usage SET bytes = greatest(bytes - $2, 0) WHERE user_key = $1",
                    &[&found.try_get::<_, i64>(2)?, &size],
                )
                .await?;
        }
        connection
            .execute(
                "UPDATE doorbell.attachment SET state = 'discarded' WHERE key = $1",
                &[&self.key.0],
            )
            .await?;
        Ok(true)
    }
}

pub(super) struct Forget {
    pub(super) key: AttachmentKey,
}

#[async_trait]
impl Write for Forget {
    type Outcome = ();
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        writing
            .connection
            .execute(
                "DELETE FROM doorbell.attachment WHERE key = $1 AND state = 'discarded'",
                &[&self.key.0],
            )
            .await
    }
}
