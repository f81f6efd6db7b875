//! Where a committed change stands among all others, so that whoever missed some can be told which.
//!
//! Every writer counts its own changes, in a *slot* that the store gives it: 1, 2, 3, ... in commit order, without gaps.
//! There is no order over all slots, and none is needed: a change that builds on another's names it
//! ([`Recorded::after`]). How far somebody has come is one number for each slot: a [`Cut`].

use std::fmt;

use super::{
    clock::Timestamp,
    conversation::Read,
    event::{Fact, Origin},
    id::{ConversationKey, ListingKey, Seq, UserKey},
};

/// A writer's place in the journal.
pub type Slot = i64;

/// The place of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub slot: Slot,
    /// From 1.
    pub number: i64,
}

/// A change with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<T> {
    pub position: Position,
    /// The change in another slot that this one builds on, which must be told first.
    pub after: Option<Position>,
    pub what: T,
}

/// A change as the journal keeps it: what it was about, and never anybody's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    MessageStored {
        conversation: ConversationKey,
        seq: Seq,
        origin: Option<Origin>,
    },
    Read {
        read: Read,
        origin: Option<Origin>,
    },
    Opened(ConversationKey),
    MembershipChanged {
        conversation: ConversationKey,
        user: UserKey,
        /// They are in it after the change.
        is_member: bool,
    },
    ConversationChanged(ConversationKey),
    CommentAdded {
        post_id: String,
    },
    UserChanged(UserKey),
    ListingChanged(ListingKey),
    SessionsEnded {
        user: UserKey,
        at: Timestamp,
    },
}

impl Fact {
    /// The fact as the journal keeps it.
    pub fn note(&self) -> Note {
        match self {
            Fact::MessageStored { message, origin } => Note::MessageStored {
                conversation: message.conversation,
                seq: message.seq,
                origin: *origin,
            },
            Fact::Read { read, origin } => Note::Read {
                read: read.clone(),
                origin: *origin,
            },
            Fact::Opened(conversation) => Note::Opened(conversation.key),
            Fact::MembershipChanged {
                conversation,
                user,
                is_member,
            } => Note::MembershipChanged {
                conversation: conversation.key,
                user: *user,
                is_member: *is_member,
            },
            Fact::ConversationChanged(conversation) => Note::ConversationChanged(conversation.key),
            Fact::CommentAdded(post_id) => Note::CommentAdded {
                post_id: post_id.clone(),
            },
            Fact::UserChanged(user) => Note::UserChanged(*user),
            Fact::ListingChanged(listing) => Note::ListingChanged(*listing),
            Fact::SessionsEnded { user, at } => Note::SessionsEnded { user: *user, at: *at },
        }
    }
}

/// How far somebody has come: all changes up to a number, in each slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut(
    /// By slot; a slot that is missing stands at 0.
    Vec<Position>,
);

/// Slots in the text of a cut, at most: a store has far fewer.
const SLOTS_MAX: usize = 64;

impl Cut {
    pub fn number(&self, slot: Slot) -> i64 {
        match self.0.binary_search_by_key(&slot, |position| position.slot) {
            Ok(at) => self.0[at].number,
            Err(_) => 0,
        }
    }

    /// Does it hold this change?
    pub fn holds(&self, position: Position) -> bool {
        position.number <= self.number(position.slot)
    }

    /// Does it hold everything that the other holds?
    pub fn covers(&self, other: &Cut) -> bool {
        other.0.iter().all(|position| self.holds(*position))
    }

    /// Moves forward to this change, never back.
    pub fn advance(&mut self, position: Position) {
        match self.0.binary_search_by_key(&position.slot, |known| known.slot) {
            Ok(at) => self.0[at].number = self.0[at].number.max(position.number),
            Err(at) if position.number > 0 => self.0.insert(at, position),
            Err(_) => {}
        }
    }

    /// Moves forward to all that the other holds.
    pub fn join(&mut self, other: &Cut) {
        for position in &other.0 {
            self.advance(*position);
        }
    }

    /// Moves back to what the other holds as well.
    pub fn meet(&mut self, other: &Cut) {
        for position in &mut self.0 {
            position.number = position.number.min(other.number(position.slot));
        }
        self.0.retain(|position| position.number > 0);
    }

    /// The slots in which anything was recorded, and how far.
    pub fn positions(&self) -> &[Position] {
        &self.0
    }

    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut cut = Cut::default();
        if text == NOTHING {
            return Some(cut);
        }
        for (count, pair) in text.split('.').enumerate() {
            let (slot, number) = pair.split_once('-')?;
            let position = Position {
                slot: read_number(slot)?,
                number: read_number(number)?,
            };
            if count == SLOTS_MAX || position.number == 0 || cut.number(position.slot) != 0 {
                return None;
            }
            cut.advance(position);
        }
        Some(cut)
    }
}

impl FromIterator<Position> for Cut {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut cut = Cut::default();
        positions.into_iter().for_each(|position| cut.advance(position));
        cut
    }
}

/// The text of the beginning: an offset that is empty would be none.
const NOTHING: &str = "0";
/// Digits of the numbers in a cut's text: short, since it goes along with every message.
const RADIX: u32 = 36;

fn read_number(text: &str) -> Option<i64> {
    // Nothing but the digits that are written here: no sign, no capitals.
    let is_written = |digit: u8| digit.is_ascii_digit() || digit.is_ascii_lowercase();
    if !text.bytes().all(is_written) {
        return None;
    }
    i64::from_str_radix(text, RADIX).ok()
}

pub(super) fn write_number(f: &mut fmt::Formatter<'_>, mut number: i64) -> fmt::Result {
    let mut digits = [0u8; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number.max(0) % RADIX as i64) as usize];
        number = number.max(0) / RADIX as i64;
        if number == 0 {
            break;
        }
    }
    f.write_str(std::str::from_utf8(&digits[at..]).unwrap_or_default())
}

/// Short enough to go along with every message: `0-1f3a`, and one such pair for each slot, with dots between.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NOTHING);
        }
        for (index, position) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write_number(f, position.slot)?;
            f.write_str("-")?;
            write_number(f, position.number)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(slot: Slot, number: i64) -> Position {
        Position { slot, number }
    }

    #[test]
    fn a_cut_moves_forward_alone() {
        let mut cut: Cut = [at(2, 5), at(0, 1)].into_iter().collect();
        cut.advance(at(2, 3));
        assert_eq!((cut.number(2), cut.number(0), cut.number(1)), (5, 1, 0));
        assert!(cut.holds(at(2, 5)) && !cut.holds(at(2, 6)) && !cut.holds(at(1, 1)));
        let other: Cut = [at(1, 9)].into_iter().collect();
        assert!(!cut.covers(&other));
        cut.join(&other);
        assert!(cut.covers(&other) && cut.covers(&Cut::default()));
        cut.meet(&[at(2, 4), at(1, 10)].into_iter().collect());
        assert_eq!(cut, [at(2, 4), at(1, 9)].into_iter().collect());
    }

    #[test]
    fn the_text_of_a_cut_is_short() {
        assert_eq!(Cut::default().to_string(), "0");
        let cut: Cut = [at(0, 1_000_000), at(17, 35)].into_iter().collect();
        assert_eq!(cut.to_string(), "0-lfls.h-z");
    }

    #[test]
    fn nothing_else_reads_as_a_cut() {
        for wrong in [
            "",
            "-",
            "0-",
            "-1",
            "0-0",
            "0-1.",
            "0-1.0-2",
            "0--1",
            "0-+1",
            "A-1",
            "0-zzzzzzzzzzzzzzzz",
            "0-1 ",
            "é-1",
        ] {
            assert_eq!(Cut::parse(wrong), None, "{wrong:?}");
        }
        let many: Vec<String> = (0..65).map(|slot| format!("{}-1", slot)).collect();
        assert_eq!(Cut::parse(&many.join(".")), None);
    }

    proptest! {
        #[test]
        fn the_text_of_a_cut_reads_back(numbers in proptest::collection::btree_map(0..64i64, 1..i64::MAX, 0..8)) {
            let cut: Cut = numbers.into_iter().map(|(slot, number)| at(slot, number)).collect();
            prop_assert_eq!(Cut::parse(&cut.to_string()), Some(cut));
        }
    }
}
