//! Somebody's place in a conversation: what they may see of it, and how far they have read.

use crate::model::{ConversationKey, Seq, Timestamp, UserKey};

/// A row of `participant`, with what of its conversation changes with every message.
pub(in crate::store) struct Participation {
    pub(in crate::store) user: UserKey,
    pub(in crate::store) conversation: ConversationKey,
    pub(in crate::store) from_seq: Seq,
    pub(in crate::store) to_seq: Option<Seq>,
    pub(in crate::store) read_seq: Seq,
    pub(in crate::store) sent: i64,
    pub(in crate::store) sent_at_read: i64,
    pub(in crate::store) kept_seq: Seq,
    pub(in crate::store) kept_at: Option<Timestamp>,
    pub(in crate::store) returns: i64,
    /// The conversation's, not only what this person may see.
    pub(in crate::store) last_seq: Seq,
    pub(in crate::store) last_message_at: Option<Timestamp>,
    pub(in crate::store) latest_at: Timestamp,
    pub(in crate::store) is_active: bool,
    pub(in crate::store) joined_at: Timestamp,
    /// For someone who left, the leaving was the last change.
    pub(in crate::store) updated_at: Timestamp,
}

/// Messages above `from`, up to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Span {
    pub(in crate::store) from: Seq,
    pub(in crate::store) to: Seq,
}

impl Span {
    pub(in crate::store) fn contains(self, seq: Seq) -> bool {
        self.from < seq && seq <= self.to
    }

    /// The part of it in `other`, if there is one.
    pub(in crate::store) fn within(self, other: Span) -> Option<Span> {
        let common = Span {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        };
        (common.from < common.to).then_some(common)
    }
}

impl Participation {
    pub(in crate::store) fn has_left(&self) -> bool {
        self.to_seq.is_some()
    }

    /// Does anything of the current membership, or of the last one, show?
    pub(in crate::store) fn sees_last_span(&self) -> bool {
        self.last_span().from < self.last_span().to
    }

    /// What the current membership, or the last one, shows.
    pub(in crate::store) fn last_span(&self) -> Span {
        Span {
            from: self.from_seq,
            to: self.to_seq.unwrap_or(self.last_seq),
        }
    }

    /// The newest message that this person may see; 0 when there is none.
    pub(in crate::store) fn newest_seq(&self) -> Seq {
        if self.sees_last_span() {
            self.last_span().to
        } else {
            self.kept_seq
        }
    }

    /// When the newest message that this person may see came, else when they came in: for the first members that is when the
    /// conversation was made, and who joins later finds it where new things are.
    pub(in crate::store) fn activity_at(&self) -> Timestamp {
        let newest = match self.to_seq {
            None if self.sees_last_span() => self.last_message_at,
            _ => self.kept_at,
        };
        newest.unwrap_or(self.joined_at)
    }

    /// What `kept_seq` and `kept_at` become when the membership ends now.
    pub(in crate::store) fn to_keep(&self) -> (Seq, Option<Timestamp>) {
        match self.newest_seq() {
            0 => (0, None),
            newest => (newest, Some(self.activity_at())),
        }
    }

    /// Messages of others above the mark.
    pub(in crate::store) fn unread(&self) -> i64 {
        (self.last_span().to - self.read_seq) - self.sent_since_read()
    }

    pub(in crate::store) fn sent_since_read(&self) -> i64 {
        self.sent - self.sent_at_read
    }
}
