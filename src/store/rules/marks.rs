//! How far a mark goes, and what there is to count for it.

use super::participation::{Participation, Span};
use crate::{
    model::{ConversationKey, Origin, Seq, Timestamp, UserKey, conversation::Read},
    store::Marked,
};

/// Somebody has read up to a message, or all.
pub(in crate::store) struct Mark {
    pub(in crate::store) conversation: ConversationKey,
    pub(in crate::store) reader: UserKey,
    pub(in crate::store) up_to: Option<Seq>,
    pub(in crate::store) origin: Option<Origin>,
}

impl Mark {
    /// The messages that the mark passes; `Err`: none, and why. `sees`: may the reader see the message that is named?
    pub(in crate::store) fn advance(&self, participation: &Participation, sees: bool) -> Result<Span, Marked> {
        if participation.has_left() {
            return Err(Marked::Left);
        }
        if self.up_to.is_some() && !sees {
            return Err(Marked::NoSuchMessage);
        }
        let span = Span {
            from: participation.read_seq,
            to: self.up_to.unwrap_or(participation.newest_seq()),
        };
        if span.to > span.from {
            Ok(span)
        } else {
            Err(Marked::Unchanged)
        }
    }

    /// The mark after its advance at this time, of which so many messages were the reader's own. `newest` is of others, or 0.
    pub(in crate::store) fn read(&self, advance: Span, own: i64, newest: Seq, at: Timestamp) -> Read {
        Read {
            conversation: self.conversation,
            reader: self.reader,
            from: advance.from,
            to: advance.to,
            at,
            updated: advance.to - advance.from - own,
            newest,
        }
    }
}

/// How many of the reader's own messages an advance passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Own {
    Known(i64),
    /// As many as are in this span.
    Within(Span),
    /// So many but for those in this span.
    AllBut(i64, Span),
}

impl Own {
    /// What is to be counted, if anything: the shorter side of the mark, since both together are known.
    pub(in crate::store) fn of(participation: &Participation, advance: Span) -> Own {
        let all = participation.sent_since_read();
        if all == 0 || advance.to == participation.last_seq {
            return Own::Known(all);
        }
        let rest = Span {
            from: advance.to,
            to: participation.last_seq,
        };
        if rest.to - rest.from < advance.to - advance.from {
            Own::AllBut(all, rest)
        } else {
            Own::Within(advance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody in a conversation of 100 messages who has read 40 of them, and has sent 5 since.
    fn participation() -> Participation {
        Participation {
            user: UserKey(1),
            conversation: ConversationKey(1),
            from_seq: 0,
            to_seq: None,
            read_seq: 40,
            sent: 12,
            sent_at_read: 7,
            kept_seq: 0,
            kept_at: None,
            returns: 0,
            last_seq: 100,
            last_message_at: None,
            latest_at: Timestamp(0),
            is_active: true,
            joined_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn mark(up_to: Option<Seq>) -> Mark {
        Mark {
            conversation: ConversationKey(1),
            reader: UserKey(1),
            up_to,
            origin: None,
        }
    }

    fn span(from: Seq, to: Seq) -> Span {
        Span { from, to }
    }

    #[test]
    fn a_mark_passes_what_lies_between_and_never_goes_back() {
        let advance = |up_to, sees| mark(up_to).advance(&participation(), sees);
        assert!(matches!(advance(None, true), Ok(passed) if passed == span(40, 100)));
        assert!(matches!(advance(Some(41), true), Ok(passed) if passed == span(40, 41)));
        for up_to in [1, 39, 40] {
            assert!(matches!(advance(Some(up_to), true), Err(Marked::Unchanged)), "{up_to}");
        }
        assert!(matches!(advance(Some(101), false), Err(Marked::NoSuchMessage)));
    }

    #[test]
    fn who_has_left_marks_nothing() {
        let left = Participation {
            to_seq: Some(80),
            ..participation()
        };
        for (up_to, sees) in [(None, true), (Some(50), true), (Some(90), false)] {
            assert!(matches!(mark(up_to).advance(&left, sees), Err(Marked::Left)));
        }
    }

    #[test]
    fn the_shorter_side_of_the_mark_is_counted() {
        assert_eq!(Own::of(&participation(), span(40, 50)), Own::Within(span(40, 50)));
        assert_eq!(Own::of(&participation(), span(40, 90)), Own::AllBut(5, span(90, 100)));
        assert_eq!(Own::of(&participation(), span(40, 100)), Own::Known(5), "all of them");
        let silent = Participation {
            sent: 7,
            ..participation()
        };
        assert_eq!(Own::of(&silent, span(40, 50)), Own::Known(0));
    }

    #[test]
    fn what_was_read_of_others_is_what_was_not_ones_own() {
        let read = mark(None).read(span(40, 100), 5, 99, Timestamp(7));
        assert_eq!(
            (read.from, read.to, read.updated, read.newest, read.at),
            (40, 100, 55, 99, Timestamp(7))
        );
    }
}
