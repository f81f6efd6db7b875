//! Marks: how far each has read, and when a message was first read by somebody else.
//!
//! A mark is one row of its reader. When a message was read is told by `passed`: an advance adds rows for the
//! messages that nobody had passed before (turn 1) or one other had (turn 2), and none for the rest. So a message has
//! at most two rows over it, whatever the size of the group, and a page of history reads few.

use rusqlite::{Connection, OptionalExtension};

use super::{
    row_key::{key_range, seq_of},
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{ConversationKey, Fact, Message, Seq, Timestamp, UserKey},
    store::{
        Marked,
        rules::{
            marks::{Mark, Own},
            participation::{Participation, Span},
            passed::{self, Passed},
        },
    },
};

impl Write for Mark {
    type Outcome = Marked;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Marked> {
        let connection = writing.connection;
        let Some(participation) = Participation::find(connection, self.reader, self.conversation)? else {
            return Ok(Marked::NotParticipant);
        };
        let sees = match self.up_to {
            Some(seq) => participation.sees(connection, seq)?,
            None => true,
        };
        let advance = match self.advance(&participation, sees) {
            Ok(advance) => advance,
            Err(marked) => return Ok(marked),
        };
        let own = match Own::of(&participation, advance) {
            Own::Known(own) => own,
            Own::Within(span) => count_own(connection, &participation, span)?,
            Own::AllBut(all, span) => all - count_own(connection, &participation, span)?,
        };
        let at = writing.now.max(participation.latest_at);
        connection
            .statement(
                "UPDATE participant SET read_seq = ?3, sent_at_read = ?4, read_at = ?5
                 WHERE user = ?1 AND conversation = ?2",
            )?
            .execute([
                self.reader.0,
                self.conversation.0,
                advance.to,
                participation.sent_at_read + own,
                at.0,
            ])?;
        // Not `updated_at`: that somebody has read does not change the conversation.
        connection
            .statement("UPDATE conversation SET latest_at = ?2 WHERE key = ?1 AND latest_at < ?2")?
            .execute([self.conversation.0, at.0])?;
        pass(connection, self.conversation, self.reader, advance, at)?;
        let newest = newest_of_others(connection, self.conversation, self.reader, advance)?;
        let read = self.read(advance, own, newest, at);
        writing.facts.push(Fact::Read {
            read: read.clone(),
            origin: self.origin,
        });
        Ok(Marked::Advanced(read))
    }
}

/// The newest message of somebody else that the advance passes; 0 when there is none.
fn newest_of_others(
    connection: &Connection,
    conversation: ConversationKey,
    reader: UserKey,
    advance: Span,
) -> rusqlite::Result<Seq> {
    let (from, to) = key_range(conversation.0, advance);
    connection
        .statement("SELECT key FROM message WHERE key > ?1 AND key <= ?2 AND sender <> ?3 ORDER BY key DESC LIMIT 1")?
        .query_row([from, to, reader.0], |row| row.get(0).map(seq_of))
        .optional()
        .map(Option::unwrap_or_default)
}

/// How many of the reader's own messages are in the span.
fn count_own(connection: &Connection, participation: &Participation, span: Span) -> rusqlite::Result<i64> {
    let (from, to) = key_range(participation.conversation.0, span);
    connection
        .statement("SELECT count(*) FROM message WHERE key > ?1 AND key <= ?2 AND sender = ?3")?
        .query_row([from, to, participation.user.0], |row| row.get(0))
}

/// The rows of one turn that touch `span`, ascending. They never overlap, so that the walk ends at the first one above.
fn passed_within(
    connection: &Connection,
    conversation: ConversationKey,
    turn: i64,
    span: Span,
) -> rusqlite::Result<Vec<Passed>> {
    let mut statement = connection.statement(
        "SELECT from_seq, to_seq, user, at FROM passed WHERE conversation = ?1 AND turn = ?2 AND to_seq > ?3
         ORDER BY to_seq",
    )?;
    let mut rows = statement.query([conversation.0, turn, span.from])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let from: Seq = row.get(0)?;
        if from >= span.to {
            break;
        }
        found.push(Passed {
            span: Span { from, to: row.get(1)? },
            user: UserKey(row.get(2)?),
            at: Timestamp(row.get(3)?),
        });
    }
    Ok(found)
}

/// Notes that `user` passed the messages of `advance`.
fn pass(
    connection: &Connection,
    conversation: ConversationKey,
    user: UserKey,
    advance: Span,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let first = passed_within(connection, conversation, 1, advance)?;
    let second = match first.is_empty() {
        true => Vec::new(),
        false => passed_within(connection, conversation, 2, advance)?,
    };
    let mut statement = connection.statement(
        "INSERT INTO passed (conversation, turn, to_seq, from_seq, user, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (turn, span) in passed::added(advance, &first, &second) {
        statement.execute([conversation.0, turn, span.to, span.from, user.0, at.0])?;
    }
    Ok(())
}

/// Fills in when each of these ascending messages of one conversation was first passed by another than its sender.
pub(super) fn fill_read_at(
    connection: &Connection,
    conversation: ConversationKey,
    messages: &mut [Message],
) -> rusqlite::Result<()> {
    let Some(page) = passed::span_of(messages) else {
        return Ok(());
    };
    for turn in [1, 2] {
        passed::fill_from(&passed_within(connection, conversation, turn, page)?, messages);
    }
    Ok(())
}
