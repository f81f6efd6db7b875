//! A live socket: one person's one connection, the contract that it speaks, and what it has joined.

mod patience;
mod ties;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use doorbell_socketio::Frame;

use super::Farewell;
use crate::model::{Contract, ConversationKey, Cut, Origin, Position, Seq, SessionId, Timestamp, UserKey};
pub use patience::Budget;
use ties::{Held, Ties};

/// Where a live socket's frames go. Implemented by the transport.
pub trait Outlet: Send + Sync {
    /// News: counted against the bound of a slow reader, who is closed when it is passed.
    fn push(&self, frame: &Frame);
    /// Bytes of news that wait.
    fn waiting(&self) -> usize;
    /// What was asked for: never dropped while the connection lives.
    fn answer(&self, frame: Frame);
    /// Tells the client why this side is about to end the connection. Not dropped, but where the connection takes nothing.
    fn announce(&self, farewell: Farewell);
    /// Tells it, and ends the connection: so that the client comes back by itself, or for good.
    fn close(&self, farewell: Farewell);
}

/// Which of a person's sockets hear of something, by how they are tied to the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Sockets that joined the conversation.
    Joined,
    /// Sockets that joined the conversation or their user's own room.
    JoinedOrUserRoom,
    /// Every socket.
    Every,
    Nobody,
}

/// What became of a message for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The socket is not in the audience, or has gone.
    Not,
    Queued,
    /// Queued; and much waits for this socket, which takes it: see [`LiveSocket::is_to_be_waited_for`].
    Crowded,
}

/// News of a stored fact, on the way to a socket.
#[derive(Debug, Clone, Copy)]
pub struct News {
    pub audience: Audience,
    pub conversation: ConversationKey,
    /// Of a message.
    pub seq: Option<Seq>,
    pub position: Position,
}

/// Whose connection a live socket is.
#[derive(Debug, Clone)]
pub struct Who {
    /// Of this connection: unique on this node.
    pub number: i64,
    pub user: UserKey,
    /// When the token was issued by which it came.
    pub issued_at: Option<Timestamp>,
    /// `socket.id`, by which a REST request names the socket that it comes from.
    pub socket_id: String,
    /// What the changes that come from here are known by.
    pub origin: Origin,
    /// `None` for clients that do not recover.
    pub session: Option<SessionId>,
}

pub struct LiveSocket {
    pub number: i64,
    pub user: UserKey,
    pub socket_id: String,
    pub origin: Origin,
    pub session: Option<SessionId>,
    /// When it came.
    pub since: Instant,
    contract: AtomicU8,
    /// In milliseconds since the epoch, or [`NOT_TOLD`].
    issued_at: AtomicI64,
    ties: Mutex<Ties>,
}

/// Its token does not say when it was issued, and counts as older than any that does.
const NOT_TOLD: i64 = i64::MIN;

/// No contract was named and no event has told one yet.
const UNTOLD: u8 = u8::MAX;

impl LiveSocket {
    /// What is pushed waits until the socket is [attached](Self::attach).
    pub fn new(who: Who, contract: Option<Contract>) -> Self {
        LiveSocket {
            number: who.number,
            user: who.user,
            socket_id: who.socket_id,
            origin: who.origin,
            session: who.session,
            since: Instant::now(),
            contract: AtomicU8::new(contract.map_or(UNTOLD, |contract| contract as u8)),
            issued_at: AtomicI64::new(who.issued_at.map_or(NOT_TOLD, Timestamp::as_millis)),
            ties: Mutex::default(),
        }
    }

    /// Puts a session back where it was, before anything is pushed. `joined` is with the end of each history that the
    /// client has.
    pub fn put_back(&self, joined: impl IntoIterator<Item = (ConversationKey, Seq)>, user_room: bool) {
        let mut ties = self.ties();
        ties.joined.extend(joined);
        ties.user_room = user_room;
    }

    /// Facts up to here are replayed to the client by other means.
    pub fn replayed_up_to(&self, cut: Cut) {
        self.ties().replayed = Some(cut);
    }

    /// Its client has everything up to here.
    pub fn received_up_to(&self, cut: Cut) {
        self.ties().received = cut;
    }

    /// What its client had for certain when it came.
    pub fn received(&self) -> Cut {
        self.ties().received.clone()
    }

    /// Gives the socket its way out, and lets go what waited for it.
    pub fn attach(&self, outlet: Box<dyn Outlet>) {
        let mut ties = self.ties();
        if let Some(farewell) = ties.is_given_up {
            outlet.close(farewell);
        }
        ties.outlet = Some(outlet);
        ties.was_attached = true;
        ties.let_go();
    }

    /// Takes the way out away: the connection has ended.
    pub fn detach(&self) {
        let mut ties = self.ties();
        ties.outlet = None;
        ties.was_attached = true;
        ties.held = VecDeque::new();
    }

    /// The contract that this socket has been told to speak.
    pub fn told(&self) -> Option<Contract> {
        let number = self.contract.load(Ordering::Relaxed);
        Contract::ALL.into_iter().find(|contract| *contract as u8 == number)
    }

    /// Fixes the contract if none is fixed yet; `true` if this call did it.
    pub fn tell(&self, contract: Contract) -> bool {
        self.contract
            .compare_exchange(UNTOLD, contract as u8, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// The contract in which this socket is spoken to: `tenant-chat`, whose clients listen without asking first, until
    /// one is told.
    pub fn spoken(&self) -> Contract {
        self.told().unwrap_or(Contract::TenantChat)
    }

    /// Do the frames of stored facts carry an offset for it?
    pub fn recovers(&self) -> bool {
        self.session.is_some()
    }

    pub fn answer(&self, frame: Frame) {
        if let Some(outlet) = &self.ties().outlet {
            outlet.answer(frame);
        }
    }

    /// News that are no stored fact.
    pub fn push(&self, frame: &Frame) {
        let mut ties = self.ties();
        if ties.was_attached {
            ties.push(frame);
        } else {
            ties.hold(Held::Other(frame.clone()), frame.len());
        }
    }

    /// Ends the connection; one that has no way out yet as soon as it gets it.
    pub fn close(&self, farewell: Farewell) {
        self.ties().give_up(farewell);
    }

    /// Tells why this connection is about to end, for somebody else to end it.
    pub fn announce(&self, farewell: Farewell) {
        let ties = self.ties();
        if let (Some(outlet), None) = (&ties.outlet, ties.is_given_up) {
            outlet.announce(farewell);
        }
    }

    /// When the token was issued by which its client is known.
    pub fn issued_at(&self) -> Option<Timestamp> {
        let at = self.issued_at.load(Ordering::Relaxed);
        (at != NOT_TOLD).then_some(Timestamp(at))
    }

    /// Its client is known by another token from now on.
    pub fn reissued(&self, at: Option<Timestamp>) {
        let at = at.map_or(NOT_TOLD, Timestamp::as_millis);
        self.issued_at.store(at, Ordering::Relaxed);
    }

    pub fn has_joined(&self, conversation: ConversationKey) -> bool {
        self.ties().joined.contains_key(&conversation)
    }

    /// Would it hear of this? The end of the history that it has counts, too.
    pub fn hears(&self, audience: Audience, conversation: ConversationKey, seq: Option<Seq>) -> bool {
        self.ties().hears(audience, conversation, seq)
    }

    /// Would a join be one more than `most`?
    pub fn is_full(&self, conversation: ConversationKey, most: usize) -> bool {
        let ties = self.ties();
        ties.joined.len() >= most && !ties.joined.contains_key(&conversation)
    }

    pub fn join_user_room(&self) {
        self.ties().user_room = true;
    }

    /// Leaves the conversation's room alone.
    pub fn leave(&self, conversation: ConversationKey) {
        self.ties().joined.remove(&conversation);
    }

    /// Joins without an answer that holds history: news flow from here on. `end` is the newest message that was told
    /// already. Returns from where on they do.
    pub fn join(&self, conversation: ConversationKey, end: Seq) -> Seq {
        *self.ties().joined.entry(conversation).or_insert(end)
    }

    /// Joins, and holds news back until the answer with its history has been given.
    ///
    /// Joining first and reading then leaves no hole: what is committed before the reading is in the history, what
    /// comes after is held here. The joiner must drop the guard when the answer is queued, or has failed.
    pub fn join_with_history(&self, conversation: ConversationKey) -> JoinGuard<'_> {
        let mut ties = self.ties();
        ties.joined.entry(conversation).or_insert(0);
        ties.joining += 1;
        JoinGuard {
            socket: self,
            conversation,
            last_seq: 0,
        }
    }

    /// News of a stored fact, if this socket is to hear of it.
    pub fn push_fact(&self, news: News, frame: &Frame) -> Pushed {
        let mut ties = self.ties();
        let is_replayed = ties.replayed.as_ref().is_some_and(|cut| cut.holds(news.position));
        if is_replayed || !ties.hears(news.audience, news.conversation, news.seq) {
            return Pushed::Not;
        }
        if ties.joining == 0 && ties.was_attached {
            // Inside the lock, so that nothing overtakes what was held and is let go at this moment.
            return ties.push(frame);
        }
        let held = Held::Fact {
            audience: news.audience,
            conversation: news.conversation,
            seq: news.seq,
            position: news.position,
            frame: frame.clone(),
        };
        ties.hold(held, frame.len());
        Pushed::Queued
    }

    /// Should the publisher wait, before it tells more, until less waits for this socket? `waited`: how long it has waited
    /// for it just now. A reader who is slow is not waited for.
    pub fn is_to_be_waited_for(&self, waited: Duration) -> bool {
        self.ties().is_to_be_waited_for(waited)
    }

    /// Other news of a conversation, if this socket is in the audience.
    pub fn push_news(&self, audience: Audience, conversation: ConversationKey, frame: &Frame) {
        let mut ties = self.ties();
        if ties.hears(audience, conversation, None) && ties.was_attached {
            ties.push(frame);
        }
    }

    fn ties(&self) -> MutexGuard<'_, Ties> {
        self.ties.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// While it lives, news wait; when it is dropped, those that the answered history does not hold go out.
pub struct JoinGuard<'a> {
    socket: &'a LiveSocket,
    conversation: ConversationKey,
    last_seq: Seq,
}

impl JoinGuard<'_> {
    /// The history that was answered ends here: messages up to it are no news any more.
    pub fn answered_up_to(&mut self, seq: Seq) {
        self.last_seq = seq;
    }
}

impl Drop for JoinGuard<'_> {
    fn drop(&mut self) {
        let mut ties = self.socket.ties();
        if let Some(end) = ties.joined.get_mut(&self.conversation) {
            *end = self.last_seq.max(*end);
        }
        ties.joining -= 1;
        ties.let_go();
    }
}

#[cfg(test)]
mod tests;
