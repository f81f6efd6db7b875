//! Who was in a conversation when, as far as that can be known from outside.
//!
//! A change takes effect somewhere between the request and its answer. Between the two nothing is said about anybody. An
//! attempt that was given up may take effect later still, behind one that was answered: a node that stood still finds the
//! request when it goes on.

use crate::torture::ledger::Change;

/// One person and one conversation. Times are microseconds of the run.
#[derive(Debug, Clone, Default)]
pub struct Membership {
    was_in: bool,
    changes: Vec<Changed>,
}

#[derive(Debug, Clone, Copy)]
struct Changed {
    asked: u64,
    answered: Option<u64>,
    change: Change,
    /// The last attempt but the answered one; 0 where there was none.
    given_up: u64,
    last_asked: u64,
}

const EVER: u64 = u64::MAX;
/// How long a request may lie in a node that stands still (20 s at most) and then wait for the database.
const LINGERS_US: u64 = 40_000_000;

impl Membership {
    pub fn from_the_start() -> Self {
        Membership {
            was_in: true,
            changes: Vec::new(),
        }
    }

    pub fn asked(&mut self, at: u64, change: Change) {
        // A retry: it may have been the first that took effect.
        if let Some(last) = self.changes.last_mut()
            && last.answered.is_none()
            && last.change == change
        {
            last.given_up = last.last_asked;
            last.last_asked = at;
            return;
        }
        if let Some(last) = self.changes.last_mut()
            && last.answered.is_none()
        {
            last.given_up = last.last_asked;
        }
        self.changes.push(Changed {
            asked: at,
            answered: None,
            change,
            given_up: 0,
            last_asked: at,
        });
    }

    pub fn answered(&mut self, at: u64) {
        if let Some(last) = self.changes.last_mut() {
            last.answered = Some(at);
        }
    }

    pub fn ever_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Times in which the person surely was in it (`true`) or was not (`false`).
    fn spans(&self) -> impl Iterator<Item = (u64, u64, bool)> {
        let first_end = self.changes.first().map_or(EVER, |changed| changed.asked);
        let first = (0, first_end, self.was_in);
        let later = self.changes.iter().enumerate().filter_map(|(index, changed)| {
            let end = self.changes.get(index + 1).map_or(EVER, |next| next.asked);
            let answered = changed.answered?;
            let may_be_undone = self.changes[..index].iter().any(|earlier| {
                earlier.change != changed.change && earlier.given_up > 0 && earlier.given_up + LINGERS_US > answered
            });
            (!may_be_undone).then_some((answered, end, changed.change == Change::Added))
        });
        std::iter::once(first).chain(later)
    }

    /// All of the time from `from` to `to`.
    pub fn surely_in(&self, from: u64, to: u64) -> bool {
        self.spans()
            .any(|(start, end, is_in)| is_in && start <= from && to <= end)
    }

    pub fn surely_out(&self, from: u64, to: u64) -> bool {
        self.spans()
            .any(|(start, end, is_in)| !is_in && start <= from && to <= end)
    }

    /// Since when the person has surely been in it without a break; `None` when that is not so at the end.
    pub fn in_since(&self) -> Option<u64> {
        self.spans()
            .find(|(_, end, is_in)| *is_in && *end == EVER)
            .map(|(start, ..)| start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_about_the_time_between_a_request_and_its_answer() {
        let mut ann = Membership::from_the_start();
        ann.asked(100, Change::Removed);
        ann.answered(110);
        ann.asked(200, Change::Added);
        assert!(ann.surely_in(0, 100) && !ann.surely_in(0, 101) && !ann.surely_in(105, 106));
        assert!(ann.surely_out(110, 200) && !ann.surely_out(109, 150) && !ann.surely_out(150, 201));
        assert_eq!(ann.in_since(), None);
        ann.answered(210);
        assert_eq!(ann.in_since(), Some(210));
        assert!(ann.surely_in(210, u64::MAX));
    }

    #[test]
    fn an_attempt_that_was_given_up_may_undo_what_was_answered_behind_it() {
        let mut ann = Membership::from_the_start();
        ann.asked(100, Change::Removed);
        ann.asked(105, Change::Removed);
        ann.answered(110);
        ann.asked(200, Change::Added);
        ann.answered(210);
        assert!(ann.surely_out(110, 200) && !ann.surely_in(210, 220) && ann.in_since().is_none());
        let later = LINGERS_US + 300;
        ann.asked(later, Change::Removed);
        ann.answered(later + 1);
        ann.asked(later + 2, Change::Added);
        ann.answered(later + 3);
        assert!(ann.surely_out(later + 1, later + 2) && ann.surely_in(later + 3, EVER));
    }

    #[test]
    fn who_never_was_in_it_is_out_for_ever() {
        assert!(Membership::default().surely_out(0, u64::MAX) && !Membership::default().surely_in(5, 5));
    }
}
