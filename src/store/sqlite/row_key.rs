//! Rows that are numbered under something else (messages, comments) lie beside each other in the file by one integer
//! key: what they are under in the upper 32 bits, their `seq` in the lower.

use crate::{model::Seq, store::rules::participation::Span};

const SEQ_BITS: u32 = 32;
const SEQ_MAX: Seq = (1 << SEQ_BITS) - 1;

/// The key of a row that exists, or a bound of a range: a `seq` out of range becomes the first or last of its parent.
pub(super) fn row_key(parent: i64, seq: Seq) -> i64 {
    (parent << SEQ_BITS) | seq.clamp(0, SEQ_MAX)
}

pub(super) fn seq_of(key: i64) -> Seq {
    key & SEQ_MAX
}

/// Keys above the first, up to the second.
pub(super) fn key_range(parent: i64, span: Span) -> (i64, i64) {
    (row_key(parent, span.from), row_key(parent, span.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_never_leaves_its_parent() {
        let everything = Span { from: 0, to: Seq::MAX };
        let (from, to) = key_range(7, everything);
        assert_eq!((from, to), (7 << 32, (8 << 32) - 1));
        assert!(row_key(6, SEQ_MAX) <= from && row_key(8, 1) > to);
        assert_eq!(seq_of(row_key((1 << 31) - 1, 42)), 42);
        assert_eq!(row_key(7, -3), row_key(7, 0));
    }
}
