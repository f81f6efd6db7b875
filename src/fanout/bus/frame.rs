//! Signals as bytes: a version, then JSON, which can be read in Redis' own monitor and passes over what it does not know.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{NodeId, Signal};
use crate::model::{ConversationKey, Position, Timestamp, UserKey, limits, rate::RateKind};

/// What stands before the JSON. Another version is another language, of which nothing is understood.
const VERSION: u8 = b'1';

/// A frame as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub node: NodeId,
    /// Rises with each frame of a node.
    pub number: u64,
    pub signals: Vec<Signal>,
    /// Signals of kinds that are not known here.
    pub unknown: u64,
}

/// Why bytes are no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFrame {
    #[error("it is longer than any frame")]
    TooLong,
    #[error("it is of another version")]
    Version,
    #[error("it is not the JSON of a frame")]
    Malformed,
}

#[derive(Serialize)]
struct Out<'a> {
    node: u64,
    number: u64,
    signals: &'a [Kind],
}

#[derive(Deserialize)]
struct In<'a> {
    node: u64,
    number: u64,
    #[serde(borrow)]
    signals: Vec<&'a RawValue>,
}

/// The names of the kinds and their fields. A name that was used once keeps its meaning for good.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Recorded(Vec<(i64, i64)>),
    Typing {
        conversation: i64,
        user: i64,
        is_typing: bool,
    },
    Presence {
        user: i64,
        is_here: bool,
        last_seen_at: i64,
    },
    People {
        round: u64,
        part: u32,
        parts: u32,
        users: Vec<i64>,
    },
    PeopleAsked {},
    Taken {
        rate: String,
        counts: Vec<(i64, i32)>,
    },
    Leaving {},
}

/// The bytes of a frame.
pub fn encode(node: NodeId, number: u64, signals: &[Signal]) -> Vec<u8> {
    let kinds: Vec<Kind> = signals.iter().map(Kind::from).collect();
    let mut bytes = vec![VERSION];
    let frame = Out {
        node: node.0,
        number,
        signals: &kinds,
    };
    if let Err(error) = serde_json::to_writer(&mut bytes, &frame) {
        // Numbers and texts: nothing in it can fail to be JSON. What were written all the same is no frame.
        tracing::error!(%error, "a frame of the bus could not be written");
    }
    bytes
}

/// Reads what [`encode`] wrote, here or in a newer version of this program.
pub fn decode(bytes: &[u8]) -> Result<Frame, NoFrame> {
    if bytes.len() > limits::BUS_FRAME_BYTES {
        return Err(NoFrame::TooLong);
    }
    let Some((&VERSION, json)) = bytes.split_first() else {
        return Err(NoFrame::Version);
    };
    let read: In<'_> = serde_json::from_slice(json).map_err(|_| NoFrame::Malformed)?;
    let all = read.signals.len();
    let signals: Vec<Signal> = read
        .signals
        .into_iter()
        .filter_map(|raw| serde_json::from_str::<Kind>(raw.get()).ok()?.into_signal())
        .collect();
    Ok(Frame {
        node: NodeId(read.node),
        number: read.number,
        unknown: (all - signals.len()) as u64,
        signals,
    })
}

impl From<&Signal> for Kind {
    fn from(signal: &Signal) -> Self {
        match signal {
            Signal::Recorded(positions) => Kind::Recorded(
                positions
                    .iter()
                    .map(|position| (position.slot, position.number))
                    .collect(),
            ),
            Signal::Typing {
                conversation,
                user,
                is_typing,
            } => Kind::Typing {
                conversation: conversation.0,
                user: user.0,
                is_typing: *is_typing,
            },
            Signal::Presence {
                user,
                is_here,
                last_seen_at,
            } => Kind::Presence {
                user: user.0,
                is_here: *is_here,
                last_seen_at: last_seen_at.as_millis(),
            },
            Signal::People {
                round,
                part,
                parts,
                users,
            } => Kind::People {
                round: *round,
                part: *part,
                parts: *parts,
                users: users.iter().map(|user| user.0).collect(),
            },
            Signal::PeopleAsked => Kind::PeopleAsked {},
            Signal::Taken { kind, counts } => Kind::Taken {
                rate: kind.as_str().to_owned(),
                counts: counts.iter().map(|(user, count)| (user.0, *count)).collect(),
            },
            Signal::Leaving => Kind::Leaving {},
        }
    }
}

impl Kind {
    /// `None` for a rate that a newer node has and this one does not.
    fn into_signal(self) -> Option<Signal> {
        Some(match self {
            Kind::Recorded(positions) => Signal::Recorded(
                positions
                    .into_iter()
                    .map(|(slot, number)| Position { slot, number })
                    .collect(),
            ),
            Kind::Typing {
                conversation,
                user,
                is_typing,
            } => Signal::Typing {
                conversation: ConversationKey(conversation),
                user: UserKey(user),
                is_typing,
            },
            Kind::Presence {
                user,
                is_here,
                last_seen_at,
            } => Signal::Presence {
                user: UserKey(user),
                is_here,
                last_seen_at: Timestamp(last_seen_at),
            },
            Kind::People {
                round,
                part,
                parts,
                users,
            } => Signal::People {
                round,
                part,
                parts,
                users: users.into_iter().map(UserKey).collect(),
            },
            Kind::PeopleAsked {} => Signal::PeopleAsked,
            Kind::Taken { rate, counts } => Signal::Taken {
                kind: RateKind::ALL.into_iter().find(|kind| kind.as_str() == rate)?,
                counts: counts.into_iter().map(|(user, count)| (UserKey(user), count)).collect(),
            },
            Kind::Leaving {} => Signal::Leaving,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn signal() -> impl Strategy<Value = Signal> {
        let user = || any::<i64>().prop_map(UserKey);
        prop_oneof![
            vec((any::<i64>(), any::<i64>()), 0..5).prop_map(|pairs| {
                let position = |(slot, number)| Position { slot, number };
                Signal::Recorded(pairs.into_iter().map(position).collect())
            }),
            (any::<i64>(), user(), any::<bool>()).prop_map(|(conversation, user, is_typing)| Signal::Typing {
                conversation: ConversationKey(conversation),
                user,
                is_typing,
            }),
            (user(), any::<bool>(), any::<i64>()).prop_map(|(user, is_here, at)| Signal::Presence {
                user,
                is_here,
                last_seen_at: Timestamp(at),
            }),
            (any::<u64>(), any::<u32>(), any::<u32>(), vec(user(), 0..20)).prop_map(|(round, part, parts, users)| {
                Signal::People {
                    round,
                    part,
                    parts,
                    users,
                }
            }),
            Just(Signal::PeopleAsked),
            (0..RateKind::ALL.len(), vec((user(), any::<i32>()), 0..20)).prop_map(|(kind, counts)| Signal::Taken {
                kind: RateKind::ALL[kind],
                counts,
            }),
            Just(Signal::Leaving),
        ]
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(node: u64, number: u64, signals in vec(signal(), 0..8)) {
            let bytes = encode(NodeId(node), number, &signals);
            let frame = Frame { node: NodeId(node), number, signals, unknown: 0 };
            prop_assert_eq!(decode(&bytes), Ok(frame));
        }

        #[test]
        fn nothing_that_arrives_can_do_harm(bytes in vec(any::<u8>(), 0..200), at in 0..200usize, signals in vec(signal(), 0..4)) {
            let _ = decode(&bytes);
            // A frame that was cut, and one that was changed in the middle.
            let mut frame = encode(NodeId(1), 1, &signals);
            prop_assert!(decode(&frame[..frame.len() - 1]).is_err());
            let at = at % frame.len();
            frame[at] ^= 0x15;
            let _ = decode(&frame);
        }
    }

    #[test]
    fn what_a_newer_node_tells_is_passed_over_and_the_rest_is_heard() {
        let newer = br#"1{"node":7,"number":2,"since":5,"signals":[{"revoked":{"user":5}},"drained",
            {"typing":{"conversation":1,"user":2,"is_typing":true,"device":"phone"}},
            {"taken":{"rate":"searches","counts":[[1,1]]}},{"leaving":{}}]}"#;
        let frame = decode(newer).unwrap();
        assert_eq!((frame.node, frame.number, frame.unknown), (NodeId(7), 2, 3));
        let typing = Signal::Typing {
            conversation: ConversationKey(1),
            user: UserKey(2),
            is_typing: true,
        };
        assert_eq!(frame.signals, [typing, Signal::Leaving]);
    }

    #[test]
    fn what_is_no_frame_is_said_to_be_none() {
        let long = vec![VERSION; limits::BUS_FRAME_BYTES + 1];
        assert_eq!(decode(&long), Err(NoFrame::TooLong));
        assert_eq!(decode(b""), Err(NoFrame::Version));
        assert_eq!(decode(b"2{}"), Err(NoFrame::Version));
        for wrong in ["1", "1{}", "1[]", r#"1{"node":-1,"number":1,"signals":[]}"#, "1\u{e9}"] {
            assert_eq!(decode(wrong.as_bytes()), Err(NoFrame::Malformed), "{wrong}");
        }
    }
}
