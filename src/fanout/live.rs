//! A live socket: one person's one connection, the contract that it speaks, and what it has joined.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use doorbell_socketio::Frame;

use crate::model::{Contract, ConversationKey, Origin, Seq, UserKey, limits};

/// Where a live socket's frames go. Implemented by the transport.
pub trait Outlet: Send + Sync {
    /// News: counted against the bound of a slow reader, who is closed when it is passed. Returns how many bytes of
    /// news wait now.
    fn push(&self, frame: &Frame) -> usize;
    /// What was asked for: never dropped while the connection lives.
    fn answer(&self, frame: Frame);
    /// Ends the connection, so that the client comes back by itself.
    fn close(&self);
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
    /// Queued; and much waits for this socket, and has not for long, so that its connection may just not have had its
    /// turn. The publisher should take a breath.
    Crowded,
}

pub struct LiveSocket {
    pub number: Origin,
    pub user: UserKey,
    /// `socket.id`, by which a REST request names the socket that it comes from.
    pub socket_id: String,
    contract: AtomicU8,
    ties: Mutex<Ties>,
}

#[derive(Default)]
struct Ties {
    /// Taken away when the connection ends: the connection keeps this socket, and this socket the way to it.
    outlet: Option<Box<dyn Outlet>>,
    /// Breaths that were taken for this socket, and since when they are counted.
    breaths: u32,
    breaths_since: Option<Instant>,
    /// With the end of the history that was answered to the join: what lies below is no news, however late it comes.
    joined: HashMap<ConversationKey, Seq>,
    user_room: bool,
    /// Joins whose answer is still being read: what comes meanwhile waits behind the answer.
    splices: Vec<Splice>,
}

struct Splice {
    conversation: ConversationKey,
    held: Vec<(Seq, Frame)>,
    held_bytes: usize,
}

/// So much waiting for one socket is more than a burst of messages: a quarter of what closes it.
const CROWDED_BYTES: usize = limits::WAITING_PUSH_BYTES / 4;
/// Breaths for one socket in a period. A reader that needs more is slow itself; the others do not wait for it.
const BREATHS: u32 = 100;
const BREATHS_PERIOD: Duration = Duration::from_secs(10);

/// No contract was named and no event has told one yet.
const UNTOLD: u8 = u8::MAX;

impl LiveSocket {
    pub fn new(number: Origin, user: UserKey, socket_id: String, contract: Option<Contract>) -> Self {
        LiveSocket {
            number,
            user,
            socket_id,
            contract: AtomicU8::new(contract.map_or(UNTOLD, |contract| contract as u8)),
            ties: Mutex::default(),
        }
    }

    /// Gives the socket its way out. Until then nothing reaches it.
    pub fn attach(&self, outlet: Box<dyn Outlet>) {
        self.ties().outlet = Some(outlet);
    }

    /// Takes the way out away: the connection has ended.
    pub fn detach(&self) {
        self.ties().outlet = None;
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

    pub fn answer(&self, frame: Frame) {
        if let Some(outlet) = &self.ties().outlet {
            outlet.answer(frame);
        }
    }

    /// News that are no message of a conversation.
    pub fn push(&self, frame: &Frame) {
        self.ties().push(frame);
    }

    pub fn close(&self) {
        if let Some(outlet) = &self.ties().outlet {
            outlet.close();
        }
    }

    pub fn has_joined(&self, conversation: ConversationKey) -> bool {
        self.ties().joined.contains_key(&conversation)
    }

    /// Would one more join be over the limit?
    pub fn is_full(&self, conversation: ConversationKey) -> bool {
        let ties = self.ties();
        ties.joined.len() >= limits::JOINED_CONVERSATIONS && !ties.joined.contains_key(&conversation)
    }

    pub fn join_user_room(&self) {
        self.ties().user_room = true;
    }

    /// Leaves the conversation's room alone.
    pub fn leave(&self, conversation: ConversationKey) {
        self.ties().joined.remove(&conversation);
    }

    /// Joins without an answer that holds history: news flow from here on.
    pub fn join(&self, conversation: ConversationKey) {
        self.ties().joined.entry(conversation).or_insert(0);
    }

    /// Joins, and holds the conversation's messages back until the answer with its history has been given.
    ///
    /// Joining first and reading then leaves no hole: what is committed before the reading is in the history, what
    /// comes after is held here. The joiner must drop the guard when the answer is queued, or has failed.
    pub fn join_with_history(&self, conversation: ConversationKey) -> JoinGuard<'_> {
        let mut ties = self.ties();
        ties.joined.entry(conversation).or_insert(0);
        ties.splices.push(Splice {
            conversation,
            held: Vec::new(),
            held_bytes: 0,
        });
        JoinGuard {
            socket: self,
            conversation,
            last_seq: 0,
        }
    }

    /// A message of a conversation, if this socket is in the audience.
    pub fn push_message(&self, audience: Audience, conversation: ConversationKey, seq: Seq, frame: &Frame) -> Pushed {
        let mut ties = self.ties();
        if !ties.reached(audience, conversation) || ties.joined.get(&conversation).is_some_and(|end| seq <= *end) {
            return Pushed::Not;
        }
        if let Some(splice) = ties
            .splices
            .iter_mut()
            .find(|splice| splice.conversation == conversation)
        {
            splice.held.push((seq, frame.clone()));
            splice.held_bytes += frame.len();
            if splice.held_bytes > limits::WAITING_PUSH_BYTES
                && let Some(outlet) = &ties.outlet
            {
                // As if they had waited in the connection's own queue.
                outlet.close();
            }
            Pushed::Queued
        } else {
            // Inside the lock, so that nothing overtakes what a splice lets go at this moment.
            ties.push(frame)
        }
    }

    /// Other news of a conversation, if this socket is in the audience.
    pub fn push_news(&self, audience: Audience, conversation: ConversationKey, frame: &Frame) {
        let mut ties = self.ties();
        if ties.reached(audience, conversation) {
            ties.push(frame);
        }
    }

    fn ties(&self) -> MutexGuard<'_, Ties> {
        self.ties.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Ties {
    fn push(&mut self, frame: &Frame) -> Pushed {
        let Some(outlet) = &self.outlet else { return Pushed::Not };
        if outlet.push(frame) < CROWDED_BYTES {
            return Pushed::Queued;
        }
        let now = Instant::now();
        if self
            .breaths_since
            .is_none_or(|since| now.duration_since(since) > BREATHS_PERIOD)
        {
            (self.breaths, self.breaths_since) = (0, Some(now));
        }
        self.breaths += 1;
        match self.breaths <= BREATHS {
            true => Pushed::Crowded,
            false => Pushed::Queued,
        }
    }

    fn reached(&self, audience: Audience, conversation: ConversationKey) -> bool {
        match audience {
            Audience::Joined => self.joined.contains_key(&conversation),
            Audience::JoinedOrUserRoom => self.user_room || self.joined.contains_key(&conversation),
            Audience::Every => true,
            Audience::Nobody => false,
        }
    }
}

/// While it lives, messages of the conversation wait; when it is dropped, those above the history's end go out.
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
        let Some(at) = ties
            .splices
            .iter()
            .position(|splice| splice.conversation == self.conversation)
        else {
            return;
        };
        let splice = ties.splices.remove(at);
        if let Some(end) = ties.joined.get_mut(&self.conversation) {
            *end = self.last_seq.max(*end);
        }
        for (seq, frame) in splice.held {
            if seq > self.last_seq {
                ties.push(&frame);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Default, Clone)]
    struct Recorder(Arc<Mutex<Vec<Frame>>>);

    impl Outlet for Recorder {
        fn push(&self, frame: &Frame) -> usize {
            self.0.lock().unwrap().push(frame.clone());
            0
        }
        fn answer(&self, frame: Frame) {
            self.0.lock().unwrap().push(frame);
        }
        fn close(&self) {}
    }

    const HERE: ConversationKey = ConversationKey(1);
    const ELSEWHERE: ConversationKey = ConversationKey(2);

    fn socket() -> (LiveSocket, Recorder) {
        let recorder = Recorder::default();
        let socket = LiveSocket::new(Origin(1), UserKey(1), "s".into(), None);
        socket.attach(Box::new(recorder.clone()));
        (socket, recorder)
    }

    fn frame(seq: Seq) -> Frame {
        Frame::event("message", &seq)
    }

    #[test]
    fn messages_that_come_during_a_join_follow_the_history_and_repeat_nothing_of_it() {
        let (socket, recorder) = socket();
        let mut guard = socket.join_with_history(HERE);
        for seq in 4..=6 {
            socket.push_message(Audience::Joined, HERE, seq, &frame(seq));
        }
        socket.answer(Frame::event("history", &"up to 5"));
        guard.answered_up_to(5);
        drop(guard);
        let pushed = socket.push_message(Audience::Joined, HERE, 7, &frame(7));
        assert_eq!(pushed, Pushed::Queued);
        assert_eq!(recorder.0.lock().unwrap().len(), 3, "the history, 6 and 7");
    }

    #[test]
    fn a_message_of_the_history_that_is_published_late_is_not_pushed_again() {
        let (socket, recorder) = socket();
        let mut guard = socket.join_with_history(HERE);
        socket.answer(Frame::event("history", &"up to 5"));
        guard.answered_up_to(5);
        drop(guard);
        socket.push_message(Audience::Joined, HERE, 5, &frame(5));
        socket.push_message(Audience::Joined, HERE, 6, &frame(6));
        assert_eq!(recorder.0.lock().unwrap().len(), 2, "the history and 6");
    }

    #[test]
    fn a_join_holds_back_no_other_conversation() {
        let (socket, recorder) = socket();
        socket.join(ELSEWHERE);
        let _guard = socket.join_with_history(HERE);
        socket.push_message(Audience::Joined, ELSEWHERE, 1, &frame(1));
        assert_eq!(recorder.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_failed_join_loses_nothing_that_came_meanwhile() {
        let (socket, recorder) = socket();
        drop({
            let guard = socket.join_with_history(HERE);
            socket.push_message(Audience::Joined, HERE, 1, &frame(1));
            guard
        });
        assert_eq!(recorder.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_reaches_nobody_is_said_to_be_so() {
        let (socket, recorder) = socket();
        let push = || socket.push_message(Audience::Joined, HERE, 1, &frame(1));
        assert_eq!(push(), Pushed::Not, "it has not joined");
        socket.join(HERE);
        assert_eq!(push(), Pushed::Queued);
        socket.detach();
        assert_eq!(push(), Pushed::Not, "it has gone");
        assert_eq!(recorder.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn only_the_first_telling_counts() {
        let (socket, _) = socket();
        assert_eq!(socket.spoken(), Contract::TenantChat);
        assert!(socket.tell(Contract::MediaChat));
        assert!(!socket.tell(Contract::Conversations));
        assert_eq!(socket.told(), Some(Contract::MediaChat));
    }
}
