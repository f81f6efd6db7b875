//! Sessions of live sockets, kept beyond the connection: a client that comes back is put where it was.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{
    contract::Contract,
    id::{ConversationKey, Seq, UserKey},
    journal::{Cut, write_number},
};

/// The private id of a session (`pid` of Socket.IO's connection state recovery): 128 random bits. It opens nothing by
/// itself: who names it must have a token of the session's own user, too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u128);

impl SessionId {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(SessionId(u128::from_be_bytes(bytes)))
    }

    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 18];
        let length = URL_SAFE_NO_PAD
            .decode_slice(text.as_bytes().get(..22)?, &mut bytes)
            .ok()?;
        (text.len() == 22 && length == 16)
            .then(|| SessionId(u128::from_be_bytes(std::array::from_fn(|index| bytes[index]))))
    }

    /// `socket.id` of its live socket: the same whenever it comes back, and no way to the session.
    pub fn socket_id(self) -> String {
        let digest = Sha256::digest(self.0.to_be_bytes());
        URL_SAFE_NO_PAD.encode(&digest[..16])
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()))
    }
}

/// It is as good as half of a key, so no log shows it.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// A node's number, given by the store at each start and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub i64);

/// Base 36: short, since it stands in the id of each of the node's Socket.IO sessions.
impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.0)
    }
}

/// A node that has entered the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub key: NodeKey,
    /// Where the other nodes reach it (`http://host:port`), if it said so.
    pub address: Option<String>,
    /// Time since its last sign of life.
    pub silent: Duration,
}

/// Which connection has a session: no other may end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub node: NodeKey,
    /// Unique on its node.
    pub connection: i64,
}

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub user: UserKey,
    pub contract: Option<Contract>,
    pub holder: Holder,
    /// Nothing up to here is missed.
    pub received: Cut,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserKey,
    pub contract: Option<Contract>,
    /// What it had joined, in any order, with the end of the history that it was given. Whether the user may still see it
    /// is to be judged anew.
    pub joined: Vec<(ConversationKey, Seq)>,
    /// It had joined its user's own room.
    pub user_room: bool,
    /// Everything up to here has reached the client for certain.
    pub received: Cut,
    /// Time since it was last known to be connected; none while its connection lives.
    pub away: Duration,
}

/// What becomes of a session while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// It was told which contract to speak.
    Contract(Contract),
    JoinedUserRoom,
    /// Again: the later end counts.
    Joined {
        conversation: ConversationKey,
        end: Seq,
    },
    Left(ConversationKey),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_s_name_is_its_number_in_base_36() {
        for (key, name) in [(1, "1"), (35, "z"), (36, "10"), (i64::MAX, "1y2p0ij32e8e7")] {
            assert_eq!(NodeKey(key).to_string(), name);
        }
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_reads_as_one() {
        let id = SessionId::random().unwrap();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for wrong in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAA=",
            "éééééééééééAAAAAAAAAAA",
        ] {
            assert_eq!(SessionId::parse(wrong), None, "{wrong:?}");
        }
    }
}
