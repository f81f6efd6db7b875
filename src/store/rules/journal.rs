//! The notes of a batch as bytes: one row of `journal`.
//!
//! A byte that names the format, then [`Batch`] as [postcard](https://postcard.jamesmunns.com/wire-format) writes it:
//! whole numbers in as few bytes as they need, lists and texts after their length. What is stored is told apart here
//! from what it means in the model, so that a name that changes there changes no byte.

use serde::{Deserialize, Serialize};

use crate::model::{ConversationKey, ListingKey, Note, Origin, Position, Timestamp, UserKey, conversation::Read};

/// A note, and the change in another slot that its own builds on.
pub(in crate::store) type Placed = (Option<Position>, Note);

/// The format that is written, and the only one so far. It rises with every change of the types below that is no new
/// variant at the end.
const FORMAT: u8 = 1;

/// Why notes cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum JournalError {
    #[error(
        "the journal's notes are in format {0}, which this binary does not know: run the newest of the versions in use"
    )]
    Format(u8),
    #[error("the journal's notes are damaged ({0}): check the disk and the database")]
    Damaged(&'static str),
    #[error("the journal's notes cannot be written: {0}")]
    Unwritable(postcard::Error),
}

#[derive(Serialize, Deserialize)]
struct Batch<'a> {
    /// Which notes build on another slot's. Few do, and most batches have none: a list beside the notes costs those
    /// nothing.
    after: Vec<After>,
    #[serde(borrow)]
    notes: Vec<StoredNote<'a>>,
}

#[derive(Serialize, Deserialize)]
struct After {
    /// Of the note, from 0. They ascend.
    index: u32,
    slot: i64,
    number: i64,
}

/// The order of the variants is part of the format.
#[derive(Serialize, Deserialize)]
enum StoredNote<'a> {
    /// Most messages come from a socket; those that do not have a variant of their own, which saves the others a byte.
    Message {
        conversation: i64,
        seq: i64,
        origin: StoredOrigin,
    },
    MessageOfNoSocket {
        conversation: i64,
        seq: i64,
    },
    Read {
        conversation: i64,
        reader: i64,
        from: i64,
        to: i64,
        at: i64,
        updated: i64,
        newest: i64,
        origin: Option<StoredOrigin>,
    },
    Opened(i64),
    MembershipChanged {
        conversation: i64,
        user: i64,
        is_member: bool,
    },
    ConversationChanged(i64),
    CommentAdded(&'a str),
    UserChanged(i64),
    ListingChanged(i64),
    SessionsEnded {
        user: i64,
        at: i64,
    },
}

/// All 64 bits are random: as a number of varying length they would take ten bytes.
type StoredOrigin = [u8; 8];

fn stored_origin(origin: Origin) -> StoredOrigin {
    origin.0.to_le_bytes()
}

fn origin_of(stored: StoredOrigin) -> Origin {
    Origin(u64::from_le_bytes(stored))
}

impl<'a> StoredNote<'a> {
    fn of(note: &'a Note) -> Self {
        match note {
            Note::MessageStored {
                conversation,
                seq,
                origin: Some(origin),
            } => StoredNote::Message {
                conversation: conversation.0,
                seq: *seq,
                origin: stored_origin(*origin),
            },
            Note::MessageStored {
                conversation,
                seq,
                origin: None,
            } => StoredNote::MessageOfNoSocket {
                conversation: conversation.0,
                seq: *seq,
            },
            Note::Read { read, origin } => StoredNote::Read {
                conversation: read.conversation.0,
                reader: read.reader.0,
                from: read.from,
                to: read.to,
                at: read.at.0,
                updated: read.updated,
                newest: read.newest,
                origin: origin.map(stored_origin),
            },
            Note::Opened(conversation) => StoredNote::Opened(conversation.0),
            Note::MembershipChanged {
                conversation,
                user,
                is_member,
            } => StoredNote::MembershipChanged {
                conversation: conversation.0,
                user: user.0,
                is_member: *is_member,
            },
            Note::ConversationChanged(conversation) => StoredNote::ConversationChanged(conversation.0),
            Note::CommentAdded { post_id } => StoredNote::CommentAdded(post_id),
            Note::UserChanged(user) => StoredNote::UserChanged(user.0),
            Note::ListingChanged(listing) => StoredNote::ListingChanged(listing.0),
            Note::SessionsEnded { user, at } => StoredNote::SessionsEnded { user: user.0, at: at.0 },
        }
    }

    fn note(self) -> Note {
        match self {
            StoredNote::Message {
                conversation,
                seq,
                origin,
            } => Note::MessageStored {
                conversation: ConversationKey(conversation),
                seq,
                origin: Some(origin_of(origin)),
            },
            StoredNote::MessageOfNoSocket { conversation, seq } => Note::MessageStored {
                conversation: ConversationKey(conversation),
                seq,
                origin: None,
            },
            StoredNote::Read {
                conversation,
                reader,
                from,
                to,
                at,
                updated,
                newest,
                origin,
            } => Note::Read {
                read: Read {
                    conversation: ConversationKey(conversation),
                    reader: UserKey(reader),
                    from,
                    to,
                    at: Timestamp(at),
                    updated,
                    newest,
                },
                origin: origin.map(origin_of),
            },
            StoredNote::Opened(conversation) => Note::Opened(ConversationKey(conversation)),
            StoredNote::MembershipChanged {
                conversation,
                user,
                is_member,
            } => Note::MembershipChanged {
                conversation: ConversationKey(conversation),
                user: UserKey(user),
                is_member,
            },
            StoredNote::ConversationChanged(conversation) => Note::ConversationChanged(ConversationKey(conversation)),
            StoredNote::CommentAdded(post_id) => Note::CommentAdded {
                post_id: post_id.to_owned(),
            },
            StoredNote::UserChanged(user) => Note::UserChanged(UserKey(user)),
            StoredNote::ListingChanged(listing) => Note::ListingChanged(ListingKey(listing)),
            StoredNote::SessionsEnded { user, at } => Note::SessionsEnded {
                user: UserKey(user),
                at: Timestamp(at),
            },
        }
    }
}

/// The notes of a batch, in commit order.
pub(in crate::store) fn encode(notes: &[Placed]) -> Result<Vec<u8>, JournalError> {
    let after = (0..).zip(notes).filter_map(|(index, (after, _))| {
        after.map(|position| After {
            index,
            slot: position.slot,
            number: position.number,
        })
    });
    let batch = Batch {
        after: after.collect(),
        notes: notes.iter().map(|(_, note)| StoredNote::of(note)).collect(),
    };
    let mut bytes = Vec::with_capacity(4 + 16 * notes.len());
    bytes.push(FORMAT);
    postcard::to_extend(&batch, bytes).map_err(JournalError::Unwritable)
}

/// Reads what [`encode`] writes, and refuses anything else.
pub(in crate::store) fn decode(bytes: &[u8]) -> Result<Vec<Placed>, JournalError> {
    let batch = match bytes {
        [FORMAT, batch @ ..] => batch,
        [format, ..] => return Err(JournalError::Format(*format)),
        [] => return Err(JournalError::Damaged("there are none")),
    };
    let (batch, rest): (Batch<'_>, _) =
        postcard::take_from_bytes(batch).map_err(|_| JournalError::Damaged("they are cut off or garbled"))?;
    if !rest.is_empty() {
        return Err(JournalError::Damaged("more follows than belongs there"));
    }
    let mut notes: Vec<Placed> = batch.notes.into_iter().map(|stored| (None, stored.note())).collect();
    for After { index, slot, number } in batch.after {
        let Some((after, _)) = notes.get_mut(index as usize) else {
            return Err(JournalError::Damaged("one that is not there builds on another"));
        };
        *after = Some(Position { slot, number });
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn any_note() -> impl Strategy<Value = Note> {
        let key = || any::<i64>().prop_map(ConversationKey);
        let user = || any::<i64>().prop_map(UserKey);
        let origin = || option::of(any::<u64>().prop_map(Origin));
        let read = (key(), user(), any::<[i64; 5]>()).prop_map(|(conversation, reader, numbers)| Read {
            conversation,
            reader,
            from: numbers[0],
            to: numbers[1],
            at: Timestamp(numbers[2]),
            updated: numbers[3],
            newest: numbers[4],
        });
        prop_oneof![
            (key(), any::<i64>(), origin()).prop_map(|(conversation, seq, origin)| Note::MessageStored {
                conversation,
                seq,
                origin,
            }),
            (read, origin()).prop_map(|(read, origin)| Note::Read { read, origin }),
            key().prop_map(Note::Opened),
            (key(), user(), any::<bool>()).prop_map(|(conversation, user, is_member)| Note::MembershipChanged {
                conversation,
                user,
                is_member,
            }),
            key().prop_map(Note::ConversationChanged),
            any::<String>().prop_map(|post_id| Note::CommentAdded { post_id }),
            user().prop_map(Note::UserChanged),
            any::<i64>().prop_map(|listing| Note::ListingChanged(ListingKey(listing))),
            (user(), any::<i64>()).prop_map(|(user, at)| Note::SessionsEnded {
                user,
                at: Timestamp(at)
            }),
        ]
    }

    fn any_notes() -> impl Strategy<Value = Vec<Placed>> {
        let position = (any::<i64>(), any::<i64>()).prop_map(|(slot, number)| Position { slot, number });
        vec((option::of(position), any_note()), 0..20)
    }

    fn messages(count: i64) -> Vec<Placed> {
        let message = |number: i64| Note::MessageStored {
            conversation: ConversationKey(100_000 + number),
            seq: 1_000 + number,
            origin: Some(Origin(u64::MAX / 3)),
        };
        (0..count).map(|number| (None, message(number))).collect()
    }

    #[test]
    fn a_message_takes_about_a_dozen_bytes() {
        let bytes = encode(&messages(500)).unwrap();
        assert!(bytes.len() <= 14 * 500 + 5, "{}", bytes.len());
    }

    #[test]
    fn what_was_written_once_reads_for_ever() {
        let notes = [
            (
                Some(Position { slot: 2, number: 300 }),
                Note::MembershipChanged {
                    conversation: ConversationKey(7),
                    user: UserKey(9),
                    is_member: true,
                },
            ),
            (None, Note::CommentAdded { post_id: "p1".into() }),
            (
                None,
                Note::MessageStored {
                    conversation: ConversationKey(7),
                    seq: 1,
                    origin: Some(Origin(1)),
                },
            ),
        ];
        let bytes = [
            // Format; one of them builds on slot 2's number 300: index, slot, number.
            &[1, 1, 0, 4, 0xd8, 4][..],
            // Three notes: the membership, the comment, the message.
            &[3, 4, 14, 18, 1, 6, 2, b'p', b'1', 0, 14, 2, 1, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(encode(&notes).unwrap(), bytes);
        assert_eq!(decode(&bytes).unwrap(), notes);
    }

    #[test]
    fn a_format_of_a_later_version_is_refused() {
        let mut bytes = encode(&messages(1)).unwrap();
        bytes[0] = 2;
        assert_eq!(decode(&bytes), Err(JournalError::Format(2)));
    }

    #[test]
    fn notes_that_build_on_others_and_are_not_there_are_refused() {
        // One that builds on slot 0's number 1, at index 0, and no notes.
        assert!(matches!(decode(&[1, 1, 0, 0, 2, 0]), Err(JournalError::Damaged(_))));
    }

    proptest! {
        #[test]
        fn notes_read_back(notes in any_notes()) {
            prop_assert_eq!(decode(&encode(&notes).unwrap()), Ok(notes));
        }

        #[test]
        fn cut_off_notes_and_longer_ones_are_refused(notes in any_notes(), extra in any::<u8>()) {
            let mut bytes = encode(&notes).unwrap();
            for length in 0..bytes.len() {
                prop_assert!(decode(&bytes[..length]).is_err(), "{length} bytes of {bytes:?}");
            }
            bytes.push(extra);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(mut bytes in vec(any::<u8>(), 0..200), is_known: bool) {
            if is_known && let Some(format) = bytes.first_mut() {
                *format = FORMAT;
            }
            if let Ok(notes) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&notes).unwrap()), Ok(notes));
            }
        }
    }
}
