//! Identifiers. Outside they are opaque texts, inside they are integers: a key is never shown, an id is never joined on.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

use super::error::{Error, Result};

/// Position of a message in its conversation: 1, 2, 3, ... without gaps, in commit order. 0 is "before the first".
pub type Seq = i64;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);
    };
}

key!(
    /// A user's row in the store.
    UserKey
);
key!(
    /// A conversation's row in the store.
    ConversationKey
);
key!(
    /// A listing's row in the store.
    ListingKey
);
key!(
    /// An attachment's row in the store.
    AttachmentKey
);

/// Longest id that a host application may give, in characters.
pub const ID_MAX_CHARS: usize = 128;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts 1 to 128 characters out of `A-Za-z0-9_.:@-`.
            pub fn parse(text: &str) -> Result<Self> {
                if is_id(text) {
                    Ok($name(text.into()))
                } else {
                    Err(Error::invalid(concat!($what, " must have 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -")))
                }
            }

            /// Takes a text that was checked before it was stored.
            pub fn trusted(text: impl Into<Arc<str>>) -> Self {
                $name(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

id!(
    /// A user's id, given by the host application.
    UserId,
    "a user id"
);
id!(
    /// A listing's id, given by the host application.
    ListingId,
    "a listing id"
);
id!(
    /// A conversation's id, given by Doorbell: the same in every contract.
    ConversationId,
    "a conversation id"
);

id!(
    /// An attachment's id, given by Doorbell. It cannot be guessed: who knows it was told.
    AttachmentId,
    "an attachment id"
);

impl AttachmentId {
    /// The id made of these random bits: 26 digits and small letters.
    pub fn of_random(bits: u128) -> Self {
        AttachmentId::trusted(ulid::Ulid(bits).to_string().to_ascii_lowercase())
    }
}

/// Does `text` have the form of an id?
pub fn is_id(text: &str) -> bool {
    (1..=ID_MAX_CHARS).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'@' | b'-'))
}

/// A message's public id: its conversation's id and its `seq`, so that it need not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId {
    pub conversation: ConversationId,
    pub seq: Seq,
}

impl MessageId {
    /// `NOT_FOUND` for a text that no message has, `INVALID` for one that is no id at all.
    pub fn parse(text: &str) -> Result<Self> {
        if !is_id(text) {
            return Err(Error::invalid(
                "a message id must have 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -",
            ));
        }
        Self::split(text).ok_or_else(|| Error::not_found("message"))
    }

    fn split(text: &str) -> Option<Self> {
        let (conversation, seq) = text.rsplit_once('-')?;
        if seq.starts_with('0') || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(MessageId {
            conversation: ConversationId::parse(conversation).ok()?,
            seq: seq.parse().ok()?,
        })
    }
}

impl MessageId {
    /// Its `seq`, if it is of this conversation.
    pub fn seq_in(&self, conversation: &ConversationId) -> Result<Seq> {
        if self.conversation == *conversation {
            Ok(self.seq)
        } else {
            Err(Error::not_found("message"))
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.conversation, self.seq)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_survives_the_way_there_and_back() {
        let id = MessageId {
            conversation: ConversationId::trusted("01j-x"),
            seq: 42,
        };
        assert_eq!(MessageId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn what_was_never_given_out_is_no_message_id() {
        for text in [
            "",
            "-",
            "x",
            "x-",
            "-1",
            "x-0",
            "x-01",
            "x-1e3",
            "x-99999999999999999999",
            "a b-1",
            "x-１",
        ] {
            assert!(MessageId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_attachment_id_holds_all_of_its_random_bits() {
        let ids = [0, 1, 1 << 127, u128::MAX].map(AttachmentId::of_random);
        for id in &ids {
            assert_eq!(id.as_str().len(), 26);
            assert_eq!(AttachmentId::parse(id.as_str()).as_ref(), Ok(id));
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{id}");
        }
    }

    #[test]
    fn an_id_is_refused_for_each_reason() {
        for text in ["", " ", "a b", "é", "a/b", &"x".repeat(129), "a\0"] {
            assert!(UserId::parse(text).is_err(), "{text:?}");
        }
        assert!(UserId::parse(&"x".repeat(128)).is_ok());
        assert!(UserId::parse("Aa0_.:@-").is_ok());
    }
}
