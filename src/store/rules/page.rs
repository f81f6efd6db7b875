//! A window of rows that are numbered under something, as a range.

use super::participation::Span;
use crate::{model::Seq, store::Window};

/// A window as a range, its direction and its limit.
pub(in crate::store) struct Page {
    pub(in crate::store) range: Span,
    pub(in crate::store) newest_first: bool,
    pub(in crate::store) limit: usize,
}

impl Page {
    pub(in crate::store) fn of(window: Window) -> Self {
        let (range, newest_first, limit) = match window {
            Window::Newest { limit } => (Span { from: 0, to: Seq::MAX }, true, limit),
            Window::Before { seq, limit } => (
                Span {
                    from: 0,
                    to: seq.saturating_sub(1),
                },
                true,
                limit,
            ),
            Window::After { seq, limit } => (
                Span {
                    from: seq.max(0),
                    to: Seq::MAX,
                },
                false,
                limit,
            ),
        };
        Page {
            range,
            newest_first,
            limit,
        }
    }

    /// One more than the limit, to see whether there is more.
    pub(in crate::store) fn wanted(&self) -> usize {
        self.limit.saturating_add(1)
    }

    /// Cuts what was found down to the limit, and brings it into ascending order. `true`: there is more.
    pub(in crate::store) fn finish<T>(&self, found: &mut Vec<T>) -> bool {
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.newest_first {
            found.reverse();
        }
        has_more
    }
}
