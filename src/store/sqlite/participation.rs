//! Somebody's place in a conversation, as it lies in the file. Every statement for a person starts here; that there is a
//! row is the check of membership.

use rusqlite::{Connection, OptionalExtension, Row};

use super::statement::Statements;
use crate::{
    model::{ConversationKey, Seq, Timestamp, UserKey},
    store::rules::participation::{Participation, Span},
};

const FIND: &str = "
    SELECT p.from_seq, p.to_seq, p.read_seq, p.sent, p.sent_at_read, p.kept_seq, p.kept_at, p.returns,
           c.last_seq, c.last_message_at, c.latest_at, c.is_active, p.joined_at,
           ifnull(p.left_at, c.updated_at)
    FROM participant p JOIN conversation c ON c.key = p.conversation
    WHERE p.user = ?1 AND p.conversation = ?2";

impl Participation {
    /// `None` for someone who never was in it, and for a conversation that does not exist.
    pub(super) fn find(
        connection: &Connection,
        user: UserKey,
        conversation: ConversationKey,
    ) -> rusqlite::Result<Option<Self>> {
        connection
            .statement(FIND)?
            .query_row([user.0, conversation.0], |row| Self::of(row, user, conversation))
            .optional()
    }

    fn of(row: &Row<'_>, user: UserKey, conversation: ConversationKey) -> rusqlite::Result<Self> {
        Ok(Participation {
            user,
            conversation,
            from_seq: row.get(0)?,
            to_seq: row.get(1)?,
            read_seq: row.get(2)?,
            sent: row.get(3)?,
            sent_at_read: row.get(4)?,
            kept_seq: row.get(5)?,
            kept_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            returns: row.get(7)?,
            last_seq: row.get(8)?,
            last_message_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
            latest_at: Timestamp(row.get(10)?),
            is_active: row.get(11)?,
            joined_at: Timestamp(row.get(12)?),
            updated_at: Timestamp(row.get(13)?),
        })
    }

    /// All that this person may see, newest first.
    pub(super) fn spans(&self, connection: &Connection) -> rusqlite::Result<Vec<Span>> {
        let mut spans = Vec::with_capacity(1);
        if self.sees_last_span() {
            spans.push(self.last_span());
        }
        if self.returns > 0 {
            let mut statement = connection.statement(
                "SELECT from_seq, to_seq FROM earlier_span WHERE user = ?1 AND conversation = ?2
                 ORDER BY from_seq DESC",
            )?;
            let rows = statement.query_map([self.user.0, self.conversation.0], |row| {
                Ok(Span {
                    from: row.get(0)?,
                    to: row.get(1)?,
                })
            })?;
            for span in rows {
                spans.push(span?);
            }
        }
        Ok(spans)
    }

    /// May this person see the message?
    pub(super) fn sees(&self, connection: &Connection, seq: Seq) -> rusqlite::Result<bool> {
        if self.last_span().contains(seq) {
            return Ok(true);
        }
        Ok(self.returns > 0 && self.spans(connection)?.into_iter().any(|span| span.contains(seq)))
    }
}
