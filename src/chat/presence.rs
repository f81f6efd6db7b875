//! Who is online: whoever has a live socket or has just made a request.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::Chat;
use crate::{
    fanout::LiveSocket,
    model::{Contract, ConversationKey, Result, Timestamp, UserKey, limits},
};

#[derive(Default)]
pub struct Presence {
    state: Mutex<State>,
    /// Somebody came or went.
    news: Notify,
}

#[derive(Default)]
struct State {
    people: HashMap<UserKey, Person>,
    /// Who came or went, in this order. One task tells it: were each told by a task of its own, "gone" could overtake
    /// "back again".
    changed: VecDeque<UserKey>,
}

struct Person {
    sockets: usize,
    /// When somebody without a socket is offline.
    until: Instant,
    last_seen_at: Timestamp,
    is_online: bool,
    /// As their peers were told.
    told_online: bool,
}

/// How a live socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    MayReturn,
    ForGood,
    /// This server stops: its sessions ended with its last sign of life, and none is noted by itself.
    WithTheNode,
}

const AFTER_SOCKET: Duration = limits::PRESENCE_GRACE;
const AFTER_REQUEST: Duration = limits::PRESENCE_REST;
/// How often people are looked for who have gone.
const TICK: Duration = Duration::from_millis(250);

impl Presence {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn is_online(&self, user: UserKey) -> bool {
        self.lock().people.get(&user).is_some_and(|person| person.is_online)
    }

    /// A sign of life.
    fn seen(&self, user: UserKey, at: Timestamp, now: Instant, stays: Duration, new_sockets: usize) {
        let mut state = self.lock();
        let person = state.people.entry(user).or_insert(Person {
            sockets: 0,
            until: now,
            last_seen_at: at,
            is_online: false,
            told_online: false,
        });
        person.sockets += new_sockets;
        person.until = person.until.max(now + stays);
        person.last_seen_at = at;
        if !person.is_online {
            person.is_online = true;
            state.changed.push_back(user);
            drop(state);
            self.news.notify_one();
        }
    }

    fn socket_gone(&self, user: UserKey, at: Timestamp, now: Instant) {
        if let Some(person) = self.lock().people.get_mut(&user) {
            person.sockets = person.sockets.saturating_sub(1);
            person.until = person.until.max(now + AFTER_SOCKET);
            person.last_seen_at = at;
        }
    }

    /// Those who have gone by now, with when they were last seen.
    fn note_gone(&self, now: Instant) -> Vec<(UserKey, Timestamp)> {
        let mut gone = Vec::new();
        let mut state = self.lock();
        for (user, person) in &mut state.people {
            if person.is_online && person.sockets == 0 && person.until <= now {
                person.is_online = false;
                gone.push((*user, person.last_seen_at));
            }
        }
        state.changed.extend(gone.iter().map(|(user, _)| *user));
        drop(state);
        if !gone.is_empty() {
            self.news.notify_one();
        }
        gone
    }

    /// The next change that somebody's peers have not been told: who, whether they are online, when last seen.
    fn next_change(&self) -> Option<(UserKey, bool, Timestamp)> {
        let mut state = self.lock();
        while let Some(user) = state.changed.pop_front() {
            let Some(person) = state.people.get_mut(&user) else {
                continue;
            };
            let change = (user, person.is_online, person.last_seen_at);
            // Gone and back again in the meantime is no change.
            let is_news = person.is_online != person.told_online;
            person.told_online = person.is_online;
            if !person.is_online {
                state.people.remove(&user);
            }
            if is_news {
                return Some(change);
            }
        }
        None
    }
}

impl Chat {
    pub fn is_online(&self, user: UserKey) -> bool {
        self.presence.is_online(user)
    }

    /// A live socket that has [arrived](Chat::arrive) got its way out: it hears who of its peers is online, and how those
    /// conversations stand that have `changed` without it.
    pub fn connected(self: &Arc<Self>, socket: Arc<LiveSocket>, changed: &[ConversationKey]) {
        self.presence
            .seen(socket.user, self.clock.now(), Instant::now(), AFTER_SOCKET, 1);
        for conversation in changed {
            self.update_list(socket.user, *conversation, true, None);
        }
        let chat = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = chat.push_online_peers(&socket).await {
                tracing::debug!(%error, "online peers could not be told");
            }
        });
    }

    pub fn disconnected(&self, socket: &LiveSocket, departure: Departure) {
        self.hub.remove(socket.user, socket.number);
        match departure {
            Departure::MayReturn => self.suspend(socket),
            Departure::ForGood => self.forget(socket),
            Departure::WithTheNode => {}
        }
        self.presence.socket_gone(socket.user, self.clock.now(), Instant::now());
    }

    /// A request with somebody's identity counts as being online for a while.
    pub fn requested(&self, user: UserKey) {
        self.presence
            .seen(user, self.clock.now(), Instant::now(), AFTER_REQUEST, 0);
    }

    /// Tells a socket, in its contract, which of its peers are online.
    pub async fn push_online_peers(&self, socket: &LiveSocket) -> Result<()> {
        let contract = socket.spoken();
        for peer in self.peers(socket.user).await? {
            if self.is_online(peer) {
                let peer = self.user(peer).await?;
                match self.render.presence(contract, &peer, true, Some(self.clock.now())) {
                    // An answer to its coming, however many there are: paced, and no reason to close it for.
                    Some(frame) => socket.answer(frame),
                    None => return Ok(()),
                }
            }
        }
        Ok(())
    }

    /// Tells everyone who shares a conversation with somebody that they came or went.
    async fn announce(&self, user: UserKey, online: bool, last_seen_at: Timestamp) {
        let (peers, user) = match (self.peers(user).await, self.user(user).await) {
            (Ok(peers), Ok(user)) => (peers, user),
            (Err(error), _) | (_, Err(error)) => return tracing::debug!(%error, "presence could not be told"),
        };
        let frames = Contract::ALL.map(|contract| self.render.presence(contract, &user, online, Some(last_seen_at)));
        for peer in peers {
            self.hub.each_of(peer, |socket| {
                if let Some(frame) = &frames[socket.spoken() as usize] {
                    socket.push(frame);
                }
            });
        }
    }

    /// Everyone who is in a conversation with somebody now.
    async fn peers(&self, user: UserKey) -> Result<HashSet<UserKey>> {
        let mut peers = HashSet::new();
        for key in self.store.conversations_of(user).await? {
            let conversation = self.conversation(key).await?;
            peers.extend(conversation.current_members().map(|member| member.user));
        }
        peers.remove(&user);
        Ok(peers)
    }
}

/// Notices who has gone.
pub(super) async fn run(chat: Arc<Chat>) {
    loop {
        tokio::time::sleep(TICK).await;
        let gone = chat.presence.note_gone(Instant::now());
        // All at once: each waits for a commit, and a commit takes many.
        let writes: Vec<_> = gone
            .into_iter()
            .map(|(user, at)| (user, chat.store.put_last_seen(user, at)))
            .collect();
        for (user, write) in writes {
            if let Err(error) = write.await {
                tracing::warn!(%error, "when somebody was last seen could not be stored");
            }
            chat.directory_changed(user);
        }
    }
}

/// Tells the peers, one change after the other.
pub(super) async fn tell(chat: Arc<Chat>) {
    loop {
        while let Some((user, online, last_seen_at)) = chat.presence.next_change() {
            chat.announce(user, online, last_seen_at).await;
        }
        chat.presence.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: UserKey = UserKey(1);
    const AT: Timestamp = Timestamp(0);

    #[test]
    fn who_comes_back_before_being_told_gone_is_told_nothing() {
        let presence = Presence::default();
        let start = Instant::now();
        presence.seen(ANA, AT, start, AFTER_SOCKET, 1);
        assert_eq!(presence.next_change(), Some((ANA, true, AT)));
        presence.socket_gone(ANA, AT, start);
        assert_eq!(presence.note_gone(start + AFTER_SOCKET / 2), []);
        assert_eq!(presence.note_gone(start + AFTER_SOCKET), [(ANA, AT)]);
        assert!(!presence.is_online(ANA));
        presence.seen(ANA, AT, start + AFTER_SOCKET, AFTER_SOCKET, 1);
        assert_eq!(presence.next_change(), None);
        assert!(presence.is_online(ANA));
    }

    #[test]
    fn who_has_gone_leaves_nothing_behind() {
        let presence = Presence::default();
        let start = Instant::now();
        presence.seen(ANA, AT, start, AFTER_REQUEST, 0);
        assert_eq!(presence.next_change(), Some((ANA, true, AT)));
        presence.note_gone(start + AFTER_REQUEST);
        assert_eq!(presence.next_change(), Some((ANA, false, AT)));
        assert!(presence.lock().people.is_empty());
    }
}
