//! Messages: how one comes in, and how a known one is found again. How many come in at once: [`super::batch`].

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    attachments,
    connection::{Connection, Done, Failure},
    marks, participation,
    text::{text, text_or_null},
    writer::{Write, Writing},
};
use crate::{
    model::{ConversationKey, Fact, Message, MessageKind, Position, Seq, Timestamp, UserKey},
    store::{Appended, Draft, rules::participation::Participation},
};

/// The columns in the order that [`message_of`] expects.
macro_rules! message_columns {
    () => {
        "SELECT seq, sender, created_at, reply_to, kind, client_message_id, content FROM doorbell.message"
    };
}
pub(super) use message_columns;

/// Without what lies elsewhere: [`fill`].
pub(super) fn message_of(conversation: ConversationKey, row: &Row) -> Done<Message> {
    let kind: &str = row.try_get(4)?;
    Ok(Message {
        conversation,
        seq: row.try_get(0)?,
        sender: UserKey(row.try_get(1)?),
        created_at: Timestamp(row.try_get(2)?),
        reply_to: row.try_get(3)?,
        kind: MessageKind::parse(kind)
            .ok_or_else(|| Failure::Unexpected(format!("a message is of the unknown kind {kind:?}")))?,
        client_message_id: text_or_null(row, 5)?,
        content: text(row, 6)?,
        attachments: Arc::default(),
        read_at: None,
    })
}

/// Puts in what lies in other tables than the messages' own, of messages of one conversation.
pub(super) async fn fill(connection: &Connection, conversation: ConversationKey, messages: &mut [Message]) -> Done<()> {
    attachments::fill(connection, messages).await?;
    marks::fill_read_at(connection, conversation, messages).await
}

/// As it stands now. Whether the caller may see it is the caller's to know.
pub(super) async fn find(connection: &Connection, conversation: ConversationKey, seq: Seq) -> Done<Option<Message>> {
    let found = connection
        .row(
            concat!(message_columns!(), " WHERE conversation = $1 AND seq = $2"),
            &[&conversation.0, &seq],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let mut message = message_of(conversation, &row)?;
    fill(connection, conversation, std::slice::from_mut(&mut message)).await?;
    Ok(Some(message))
}

pub(super) async fn find_for(
    connection: &Connection,
    conversation: ConversationKey,
    viewer: UserKey,
    seq: Seq,
) -> Done<Option<Message>> {
    let Some(participation) = participation::find(connection, viewer, conversation).await? else {
        return Ok(None);
    };
    if !participation::sees(connection, &participation, seq).await? {
        return Ok(None);
    }
    find(connection, conversation, seq).await
}

/// Those of these messages that there are, as they stand now. For no viewer.
pub(super) async fn messages(connection: &Connection, places: &[(ConversationKey, Seq)]) -> Done<Vec<Message>> {
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    let conversations: Vec<i64> = places.iter().map(|(conversation, _)| conversation.0).collect();
    let seqs: Vec<i64> = places.iter().map(|(_, seq)| *seq).collect();
    let rows = connection
        .rows(
            "SELECT m.seq, m.sender, m.created_at, m.reply_to, m.kind, m.client_message_id, m.content, m.conversation,
                    coalesce(first.at, second.at)
             FROM unnest($1::bigint[], $2::bigint[]) AS place (conversation, seq)
             JOIN doorbell.message m ON m.conversation = place.conversation AND m.seq = place.seq
             LEFT JOIN LATERAL (
                 SELECT * FROM doorbell.passed p
                 WHERE p.conversation = m.conversation AND p.turn = 1 AND p.to_seq >= m.seq ORDER BY p.to_seq LIMIT 1
             ) first ON first.from_seq < m.seq AND first.user_key <> m.sender
             LEFT JOIN LATERAL (
                 SELECT * FROM doorbell.passed p
                 WHERE p.conversation = m.conversation AND p.turn = 2 AND p.to_seq >= m.seq ORDER BY p.to_seq LIMIT 1
             ) second ON first.at IS NULL AND second.from_seq < m.seq AND second.user_key <> m.sender",
            &[&conversations, &seqs],
        )
        .await?;
    let found = rows.iter().map(|row| {
        let read_at = row.try_get::<_, Option<i64>>(8)?.map(Timestamp);
        let message = message_of(ConversationKey(row.try_get(7)?), row)?;
        Ok(Message { read_at, ..message })
    });
    let mut found = found.collect::<Done<Vec<_>>>()?;
    attachments::fill(connection, &mut found).await?;
    Ok(found)
}

/// The first of `among` in which the sender used this id.
pub(super) async fn find_sent(
    connection: &Connection,
    sender: UserKey,
    client_message_id: &str,
    among: &[ConversationKey],
) -> Done<Option<ConversationKey>> {
    let keys: Vec<i64> = among.iter().map(|conversation| conversation.0).collect();
    let rows = connection
        .rows(
            "SELECT conversation FROM doorbell.client_message
             WHERE client_message_id = $1 AND sender = $2 AND conversation = ANY ($3)",
            &[&client_message_id, &sender.0, &keys],
        )
        .await?;
    let mut used = Vec::with_capacity(rows.len());
    for row in rows {
        used.push(ConversationKey(row.try_get(0)?));
    }
    Ok(among.iter().copied().find(|conversation| used.contains(conversation)))
}

/// Who leaves, and a conversation that closes, do not turn a retry into a refusal: repeats are looked for first.
#[async_trait]
impl Write for Draft {
    type Outcome = Appended;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Appended> {
        let connection = writing.connection;
        let (locked, participation) = participation::lock(connection, self.sender, self.conversation).await?;
        let Some(participation) = participation else {
            return Ok(Appended::NotParticipant);
        };
        if let Some(client_message_id) = &self.client_message_id
            && let Some(known) = find_known(connection, self, client_message_id).await?
        {
            return Ok(known);
        }
        if let Some(refusal) = refusal(connection, self, &participation).await? {
            return Ok(refusal);
        }
        let mut message = message(self, &participation, writing.now);
        insert(connection, &message, &self.digest, writing.news.upcoming(0)?).await?;
        if !self.attachments.is_empty() {
            message.attachments = attachments::name_in(connection, self, &message).await?;
        }
        let message = Arc::new(message);
        let fact = Fact::MessageStored {
            message: message.clone(),
            origin: self.origin,
        };
        writing.news.tell(locked.and_then(|locked| locked.last_news), fact)?;
        Ok(Appended::Stored(message))
    }
}

async fn find_known(connection: &Connection, draft: &Draft, client_message_id: &str) -> Done<Option<Appended>> {
    let known = connection
        .row(
            "SELECT seq, digest FROM doorbell.client_message
             WHERE client_message_id = $1 AND sender = $2 AND conversation = $3",
            &[&client_message_id, &draft.sender.0, &draft.conversation.0],
        )
        .await?;
    let Some(row) = known else { return Ok(None) };
    if row.try_get::<_, &[u8]>(1)? != draft.digest {
        return Ok(Some(Appended::Conflict));
    }
    let message = find(connection, draft.conversation, row.try_get(0)?).await?;
    Ok(message.map(|message| Appended::Repeat(message.into())))
}

/// Why a draft that is no repeat cannot be stored, if there is a reason.
pub(super) async fn refusal(
    connection: &Connection,
    draft: &Draft,
    participation: &Participation,
) -> Done<Option<Appended>> {
    if participation.has_left() {
        return Ok(Some(Appended::Left));
    }
    if !participation.is_active {
        return Ok(Some(Appended::Closed));
    }
    if let Some(reply_to) = draft.reply_to
        && !participation::sees(connection, participation, reply_to).await?
    {
        return Ok(Some(Appended::NoSuchReply));
    }
    if !attachments::may_be_sent(connection, draft).await? {
        return Ok(Some(Appended::NoSuchAttachment));
    }
    Ok(None)
}

/// What is stored of a draft that may be, but for its attachments.
pub(super) fn message(draft: &Draft, participation: &Participation, now: Timestamp) -> Message {
    Message {
        conversation: draft.conversation,
        seq: participation.last_seq + 1,
        sender: draft.sender,
        kind: draft.kind,
        content: draft.content.clone(),
        attachments: Arc::default(),
        client_message_id: draft.client_message_id.clone(),
        reply_to: draft.reply_to,
        created_at: now.max(participation.latest_at),
        read_at: None,
    }
}

/// One statement for all four tables: each would be a way to the server and back.
async fn insert(connection: &Connection, message: &Message, digest: &[u8], news: Position) -> Done<()> {
    connection
        .execute(
            "WITH counted AS (
                 UPDATE doorbell.conversation
                 SET last_seq = $2, last_message_at = $4, latest_at = $4, updated_at = $4,
                     news_slot = $10, news_number = $11
                 WHERE key = $1
             ), sent AS (
                 UPDATE doorbell.participant SET sent = sent + 1 WHERE user_key = $3 AND conversation = $1
             ), named AS (
                 INSERT INTO doorbell.client_message (client_message_id, sender, conversation, seq, digest)
                 SELECT $7, $3, $1, $2, $9 WHERE $7 IS NOT NULL
             )
             INSERT INTO doorbell.message
                 (conversation, seq, sender, created_at, reply_to, kind, client_message_id, content)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &message.conversation.0,
                &message.seq,
                &message.sender.0,
                &message.created_at.0,
                &message.reply_to,
                &message.kind.as_str(),
                &message.client_message_id.as_deref(),
                &message.content.as_str(),
                &digest,
                &news.slot,
                &news.number,
            ],
        )
        .await
}
