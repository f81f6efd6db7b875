//! Somebody's place in a conversation: what they may see of it, and how far they have read. Every statement for a
//! person starts here; that there is a row is the check of membership.

use rusqlite::{Connection, OptionalExtension, Row};

use super::statement::Statements;
use crate::model::{ConversationKey, Seq, Timestamp, UserKey};

/// A row of `participant`, with what of its conversation changes with every message.
pub(super) struct Participation {
    pub(super) user: UserKey,
    pub(super) conversation: ConversationKey,
    from_seq: Seq,
    to_seq: Option<Seq>,
    pub(super) read_seq: Seq,
    pub(super) sent: i64,
    pub(super) sent_at_read: i64,
    kept_seq: Seq,
    kept_at: Option<Timestamp>,
    returns: i64,
    /// The conversation's, not only what this person may see.
    pub(super) last_seq: Seq,
    last_message_at: Option<Timestamp>,
    pub(super) latest_at: Timestamp,
    pub(super) is_active: bool,
    joined_at: Timestamp,
    /// For someone who left, the leaving was the last change.
    pub(super) updated_at: Timestamp,
}

/// Messages above `from`, up to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Seq,
    pub(super) to: Seq,
}

impl Span {
    pub(super) fn contains(self, seq: Seq) -> bool {
        self.from < seq && seq <= self.to
    }

    /// The part of it in `other`, if there is one.
    pub(super) fn within(self, other: Span) -> Option<Span> {
        let common = Span {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        };
        (common.from < common.to).then_some(common)
    }
}

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

    pub(super) fn has_left(&self) -> bool {
        self.to_seq.is_some()
    }

    /// Does anything of the current membership, or of the last one, show?
    fn sees_last_span(&self) -> bool {
        self.last_span().from < self.last_span().to
    }

    /// What the current membership, or the last one, shows.
    fn last_span(&self) -> Span {
        Span {
            from: self.from_seq,
            to: self.to_seq.unwrap_or(self.last_seq),
        }
    }

    /// The newest message that this person may see; 0 when there is none.
    pub(super) fn newest_seq(&self) -> Seq {
        if self.sees_last_span() {
            self.last_span().to
        } else {
            self.kept_seq
        }
    }

    /// When the newest message that this person may see came, else when they came in: for the first members that is when the
    /// conversation was made, and who joins later finds it where new things are.
    pub(super) fn activity_at(&self) -> Timestamp {
        let newest = match self.to_seq {
            None if self.sees_last_span() => self.last_message_at,
            _ => self.kept_at,
        };
        newest.unwrap_or(self.joined_at)
    }

    /// What `kept_seq` and `kept_at` become when the membership ends now.
    pub(super) fn to_keep(&self) -> (Seq, Option<Timestamp>) {
        match self.newest_seq() {
            0 => (0, None),
            newest => (newest, Some(self.activity_at())),
        }
    }

    /// Messages of others above the mark.
    pub(super) fn unread(&self) -> i64 {
        (self.last_span().to - self.read_seq) - self.sent_since_read()
    }

    pub(super) fn sent_since_read(&self) -> i64 {
        self.sent - self.sent_at_read
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
