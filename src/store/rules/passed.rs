//! When a message was first read by somebody else: told by rows of who passed which messages in which turn.

use super::participation::Span;
use crate::model::{Message, Timestamp, UserKey};

/// Who passed some messages, and when.
pub(in crate::store) struct Passed {
    pub(in crate::store) span: Span,
    pub(in crate::store) user: UserKey,
    pub(in crate::store) at: Timestamp,
}

/// The rows that an advance adds, each with its turn: of the messages that nobody had passed before (turn 1), and of those
/// that one other had (turn 2). `first` and `second` are the rows of either turn that touch the advance, ascending.
pub(in crate::store) fn added(advance: Span, first: &[Passed], second: &[Passed]) -> Vec<(i64, Span)> {
    let untouched = gaps(advance, first.iter().map(|passed| passed.span));
    let mut added: Vec<_> = untouched.iter().map(|span| (1, *span)).collect();
    if !first.is_empty() {
        let mut taken: Vec<Span> = second.iter().map(|passed| passed.span).chain(untouched).collect();
        taken.sort_unstable_by_key(|span| span.to);
        added.extend(gaps(advance, taken.into_iter()).into_iter().map(|span| (2, span)));
    }
    added
}

/// What of `whole` none of `taken` covers. Those ascend and do not overlap.
fn gaps(whole: Span, taken: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut gaps = Vec::new();
    let mut from = whole.from;
    for span in taken {
        let before = Span { from, to: span.from };
        gaps.extend(before.within(whole));
        from = from.max(span.to);
    }
    gaps.extend(Span { from, to: whole.to }.within(whole));
    gaps
}

/// The messages as a span; `None` when there are none.
pub(in crate::store) fn span_of(messages: &[Message]) -> Option<Span> {
    let (oldest, newest) = (messages.first()?, messages.last()?);
    Some(Span {
        from: oldest.seq - 1,
        to: newest.seq,
    })
}

/// Fills in when each of these ascending messages was passed by another than its sender, as far as `passed`, the rows of
/// one turn that touch them, ascending, tells. Turn 1 comes first.
pub(in crate::store) fn fill_from(passed: &[Passed], messages: &mut [Message]) {
    let mut rows = passed.iter().peekable();
    for message in messages.iter_mut().filter(|message| message.read_at.is_none()) {
        while rows.next_if(|row| row.span.to < message.seq).is_some() {}
        if let Some(row) = rows.peek()
            && row.span.contains(message.seq)
            && row.user != message.sender
        {
            message.read_at = Some(row.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seq;

    fn span(from: Seq, to: Seq) -> Span {
        Span { from, to }
    }

    #[test]
    fn what_is_not_taken_is_a_gap() {
        let gaps_of = |taken: &[Span]| gaps(span(2, 8), taken.iter().copied());
        assert_eq!(gaps_of(&[]), [span(2, 8)]);
        assert_eq!(gaps_of(&[span(0, 9)]), []);
        assert_eq!(gaps_of(&[span(0, 3), span(5, 6)]), [span(3, 5), span(6, 8)]);
        assert_eq!(gaps_of(&[span(2, 4), span(4, 8)]), []);
        assert_eq!(gaps_of(&[span(0, 2), span(7, 12)]), [span(2, 7)]);
    }
}
