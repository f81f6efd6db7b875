//! Messages: how one comes in, and how a known one is found again.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    attachments, marks,
    row_key::{row_key, seq_of},
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{ConversationKey, Fact, Message, MessageKind, Seq, Timestamp, UserKey},
    store::{Appended, Draft, rules::participation::Participation},
};

/// The columns in the order that [`message_of`] expects.
macro_rules! message_columns {
    () => {
        "SELECT key, sender, created_at, reply_to, kind, client_message_id, content FROM message"
    };
}
pub(super) use message_columns;

/// Without what lies elsewhere: [`fill`].
pub(super) fn message_of(conversation: ConversationKey, row: &Row<'_>) -> rusqlite::Result<Message> {
    let kind = row.get_ref(4)?.as_str()?;
    Ok(Message {
        conversation,
        seq: seq_of(row.get(0)?),
        sender: UserKey(row.get(1)?),
        created_at: Timestamp(row.get(2)?),
        reply_to: row.get(3)?,
        kind: MessageKind::parse(kind)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(4, kind.to_owned(), Type::Text))?,
        client_message_id: row.get(5)?,
        content: row.get(6)?,
        attachments: Arc::default(),
        read_at: None,
    })
}

/// Puts in what lies in other tables than the messages' own, of messages of one conversation.
pub(super) fn fill(
    connection: &Connection,
    conversation: ConversationKey,
    messages: &mut [Message],
) -> rusqlite::Result<()> {
    attachments::fill(connection, conversation, messages)?;
    marks::fill_read_at(connection, conversation, messages)
}

/// As it stands now. Whether the caller may see it is the caller's to know.
pub(super) fn find(
    connection: &Connection,
    conversation: ConversationKey,
    seq: Seq,
) -> rusqlite::Result<Option<Message>> {
    let found = connection
        .statement(concat!(message_columns!(), " WHERE key = ?1"))?
        .query_row([row_key(conversation.0, seq)], |row| message_of(conversation, row))
        .optional()?;
    let Some(mut message) = found else { return Ok(None) };
    fill(connection, conversation, std::slice::from_mut(&mut message))?;
    Ok(Some(message))
}

/// Those that there are. For no viewer.
pub(super) fn find_all(connection: &Connection, places: &[(ConversationKey, Seq)]) -> rusqlite::Result<Vec<Message>> {
    let found = places
        .iter()
        .map(|(conversation, seq)| find(connection, *conversation, *seq));
    found.filter_map(Result::transpose).collect()
}

pub(super) fn find_for(
    connection: &Connection,
    conversation: ConversationKey,
    viewer: UserKey,
    seq: Seq,
) -> rusqlite::Result<Option<Message>> {
    let Some(participation) = Participation::find(connection, viewer, conversation)? else {
        return Ok(None);
    };
    if !participation.sees(connection, seq)? {
        return Ok(None);
    }
    find(connection, conversation, seq)
}

pub(super) fn find_sent(
    connection: &Connection,
    sender: UserKey,
    client_message_id: &str,
    among: &[ConversationKey],
) -> rusqlite::Result<Option<ConversationKey>> {
    let mut statement = connection
        .statement("SELECT 1 FROM client_message WHERE client_message_id = ?1 AND sender = ?2 AND conversation = ?3")?;
    for conversation in among {
        if statement.exists(params![client_message_id, sender.0, conversation.0])? {
            return Ok(Some(*conversation));
        }
    }
    Ok(None)
}

/// Who leaves, and a conversation that closes, do not turn a retry into a refusal: repeats are looked for first.
impl Write for Draft {
    type Outcome = Appended;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Appended> {
        let connection = writing.connection;
        let Some(participation) = Participation::find(connection, self.sender, self.conversation)? else {
            return Ok(Appended::NotParticipant);
        };
        if let Some(client_message_id) = &self.client_message_id
            && let Some(known) = self.find_known(connection, client_message_id)?
        {
            return Ok(known);
        }
        if participation.has_left() {
            return Ok(Appended::Left);
        }
        if !participation.is_active {
            return Ok(Appended::Closed);
        }
        if let Some(reply_to) = self.reply_to
            && !participation.sees(connection, reply_to)?
        {
            return Ok(Appended::NoSuchReply);
        }
        if !attachments::may_be_sent(connection, self)? {
            return Ok(Appended::NoSuchAttachment);
        }
        let message = Arc::new(self.insert(connection, &participation, writing.now)?);
        writing.facts.push(Fact::MessageStored {
            message: message.clone(),
            origin: self.origin,
        });
        Ok(Appended::Stored(message))
    }
}

impl Draft {
    fn find_known(&self, connection: &Connection, client_message_id: &str) -> rusqlite::Result<Option<Appended>> {
        let known = connection
            .statement(
                "SELECT seq, digest FROM client_message
                 WHERE client_message_id = ?1 AND sender = ?2 AND conversation = ?3",
            )?
            .query_row(params![client_message_id, self.sender.0, self.conversation.0], |row| {
                Ok((row.get::<_, Seq>(0)?, row.get_ref(1)?.as_blob()? == self.digest))
            })
            .optional()?;
        Ok(match known {
            None => None,
            Some((_, false)) => Some(Appended::Conflict),
            Some((seq, true)) => {
                find(connection, self.conversation, seq)?.map(|message| Appended::Repeat(message.into()))
            }
        })
    }

    fn insert(
        &self,
        connection: &Connection,
        participation: &Participation,
        now: Timestamp,
    ) -> rusqlite::Result<Message> {
        let mut message = Message {
            conversation: self.conversation,
            seq: participation.last_seq + 1,
            sender: self.sender,
            kind: self.kind,
            content: self.content.clone(),
            attachments: Arc::default(),
            client_message_id: self.client_message_id.clone(),
            reply_to: self.reply_to,
            created_at: now.max(participation.latest_at),
            read_at: None,
        };
        connection
            .statement(
                "UPDATE conversation SET last_seq = ?2, last_message_at = ?3, latest_at = ?3, updated_at = ?3
                 WHERE key = ?1",
            )?
            .execute([message.conversation.0, message.seq, message.created_at.0])?;
        connection
            .statement("UPDATE participant SET sent = ?3 WHERE user = ?1 AND conversation = ?2")?
            .execute([message.sender.0, message.conversation.0, participation.sent + 1])?;
        connection
            .statement(
                "INSERT INTO message (key, sender, created_at, reply_to, kind, client_message_id, content)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                row_key(message.conversation.0, message.seq),
                message.sender.0,
                message.created_at.0,
                message.reply_to,
                message.kind.as_str(),
                message.client_message_id,
                message.content,
            ])?;
        if !self.attachments.is_empty() {
            message.attachments = attachments::name_in(connection, self, &message)?;
        }
        if let Some(client_message_id) = &message.client_message_id {
            connection
                .statement(
                    "INSERT INTO client_message (client_message_id, sender, conversation, seq, digest)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    client_message_id,
                    message.sender.0,
                    message.conversation.0,
                    message.seq,
                    self.digest,
                ])?;
        }
        Ok(message)
    }
}
