//! Who is online: whoever has a live socket or has just made a request, on this node or another.
//!
//! Each node tells the others who comes to it and who leaves it, and its whole list every ten seconds. Nothing of it is
//! stored but when somebody was last seen, by the node that they left last.

mod people;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use doorbell_socketio::Frame;
use tokio::sync::Notify;

use super::{Chat, arrive::Absence};
use crate::{
    fanout::{
        Bus, LiveSocket,
        bus::{NodeId, Signal},
    },
    model::{Contract, Conversation, ConversationKey, Result, Timestamp, User, UserKey, limits},
};
use people::{Gone, News, People};

pub struct Presence {
    people: Mutex<People>,
    bus: Bus,
    /// Lists of this node's people that were told.
    rounds: AtomicU64,
    /// There is something to tell.
    news: Notify,
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
    pub(super) fn new(bus: Bus) -> Self {
        Presence {
            people: Mutex::new(People::new(bus.node())),
            bus,
            rounds: AtomicU64::new(0),
            news: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sign of life on this node.
    fn seen(&self, user: UserKey, at: Timestamp, stays: Duration, new_sockets: usize) {
        let mut people = self.lock();
        if people.seen(user, at, Instant::now(), stays, new_sockets) {
            self.tell_nodes(user, true, at);
            drop(people);
            self.news.notify_one();
        }
    }

    /// To be called while `people` is locked, so that "gone" cannot overtake "back again".
    fn tell_nodes(&self, user: UserKey, is_here: bool, last_seen_at: Timestamp) {
        self.bus.tell(Signal::Presence {
            user,
            is_here,
            last_seen_at,
        });
    }

    /// Notes who has gone by now, from this node and with nodes that are silent, and tells the other nodes. Returns who is
    /// offline by it and was last seen when, for this node to store.
    fn note_gone(&self, now: Instant) -> Vec<(UserKey, Timestamp)> {
        let mut people = self.lock();
        let mut to_store = people.note_silent(now);
        for Gone {
            user,
            last_seen_at,
            is_last,
        } in people.note_gone(now)
        {
            self.tell_nodes(user, false, last_seen_at);
            if is_last {
                to_store.push((user, last_seen_at));
            }
        }
        to_store
    }

    /// Tells the other nodes everyone who is online on this one.
    pub(super) fn tell_list(&self) {
        if self.bus.is_alone() {
            return;
        }
        // Nobody may come or go between the making of the list and its telling.
        let people = self.lock();
        let here = people.here();
        let round = self.rounds.fetch_add(1, Relaxed) + 1;
        let mut parts: Vec<Vec<UserKey>> = here.chunks(limits::BUS_PEOPLE_PART).map(<[UserKey]>::to_vec).collect();
        if parts.is_empty() {
            // An empty list says that the node lives, and that nobody is on it.
            parts.push(Vec::new());
        }
        let count = parts.len() as u32;
        for (part, users) in (0..count).zip(parts) {
            self.bus.tell(Signal::People {
                round,
                part,
                parts: count,
                users,
            });
        }
    }

    #[cfg(test)]
    pub(super) fn is_here(&self, user: UserKey) -> bool {
        self.lock().is_here(user)
    }

    /// What another node tells of its people. Returns when somebody was last seen, where that is for this node to store.
    pub(super) fn heard(&self, node: NodeId, signal: &Signal, wall: Timestamp) -> Option<Timestamp> {
        let now = (Instant::now(), wall);
        let mut people = self.lock();
        let to_store = match signal {
            Signal::Presence {
                user,
                is_here,
                last_seen_at,
            } => people.heard_presence(node, *user, *is_here, *last_seen_at, now),
            Signal::People {
                round,
                part,
                parts,
                users,
            } => {
                people.heard_people(node, (*round, *part, *parts), users, now);
                None
            }
            Signal::Leaving => {
                people.leaving(node, AFTER_SOCKET, now.0);
                None
            }
            _ => None,
        };
        drop(people);
        self.news.notify_one();
        to_store
    }
}

impl Chat {
    pub fn is_online(&self, user: UserKey) -> bool {
        self.presence.lock().is_online(user)
    }

    /// A live socket that has [arrived](Chat::arrive) got its way out: it hears who of its peers is online, and how those
    /// conversations stand that have changed in its absence, and who types.
    pub fn connected(self: &Arc<Self>, socket: Arc<LiveSocket>, absence: &Absence) {
        for conversation in &absence.changed {
            self.update_list(socket.user, *conversation, true, None);
        }
        self.presence.seen(socket.user, self.clock.now(), AFTER_SOCKET, 1);
        let (chat, typing) = (Arc::clone(self), absence.typing.clone());
        tokio::spawn(async move {
            if let Err(error) = chat.push_online_peers(&socket).await {
                tracing::debug!(%error, "online peers could not be told");
            }
            if let Err(error) = chat.push_typing(&socket, typing).await {
                tracing::debug!(%error, "who is typing could not be told");
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
        let (at, now) = (self.clock.now(), Instant::now());
        self.presence.lock().socket_gone(socket.user, at, now, AFTER_SOCKET);
    }

    /// A request with somebody's identity counts as being online for a while.
    pub fn requested(&self, user: UserKey) {
        self.presence.seen(user, self.clock.now(), AFTER_REQUEST, 0);
    }

    /// To be called when a conversation was opened: its members' sockets on this node are told who of the others is
    /// online, after everything that was to be told before. Those who were each other's peers already hear it again.
    pub fn became_peers(&self, conversation: ConversationKey) {
        self.presence.lock().became_peers(conversation, None);
        self.presence.news.notify_one();
    }

    /// As [`became_peers`](Self::became_peers), when this member was added to the others, or brought back.
    pub fn became_peer(&self, conversation: ConversationKey, newcomer: UserKey) {
        self.presence.lock().became_peers(conversation, Some(newcomer));
        self.presence.news.notify_one();
    }

    /// Tells a socket, in its contract, which of its peers are online.
    pub async fn push_online_peers(&self, socket: &LiveSocket) -> Result<()> {
        let contract = socket.spoken();
        for peer in self.peers(socket.user).await? {
            if self.is_online(peer) {
                let user = self.user(peer).await?;
                let Some(frame) = self.render.presence(contract, &user, true, Some(self.clock.now())) else {
                    return Ok(());
                };
                // As it was told to others: what has changed since is told to this socket, too, and must not be overtaken.
                let people = self.presence.lock();
                if people.is_told_online(peer) {
                    // An answer to its coming, however many there are: paced, and no reason to close it for.
                    socket.answer(frame);
                }
            }
        }
        Ok(())
    }

    /// Tells everyone who shares a conversation with somebody that they came or went.
    async fn announce(&self, user: UserKey, online: bool, last_seen_at: Timestamp) -> Result<()> {
        let (peers, user) = (self.peers(user).await?, self.user(user).await?);
        let frames = self.presence_frames(&user, online, last_seen_at);
        for peer in peers {
            self.hub.each_of(peer, |socket| {
                if let Some(frame) = &frames[socket.spoken() as usize] {
                    socket.push(frame);
                }
            });
        }
        Ok(())
    }

    /// Tells members of a conversation who of the others is online.
    async fn introduce(&self, conversation: ConversationKey, newcomer: Option<UserKey>) -> Result<()> {
        let conversation = self.conversation(conversation).await?;
        let shown: Vec<UserKey> = {
            // As it was told: whatever has changed since is told after this.
            let people = self.presence.lock();
            let members = conversation.current_members().map(|member| member.user);
            members.filter(|member| people.is_told_online(*member)).collect()
        };
        for user in shown {
            self.introduce_one(&conversation, user, newcomer).await?;
            // A large group is many frames.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn introduce_one(&self, conversation: &Conversation, user: UserKey, newcomer: Option<UserKey>) -> Result<()> {
        let shown = self.user(user).await?;
        let frames = self.presence_frames(&shown, true, self.clock.now());
        for member in conversation.current_members().map(|member| member.user) {
            let is_new = newcomer.is_none_or(|newcomer| member == newcomer || user == newcomer);
            if member != user && is_new {
                self.hub.each_of(member, |socket| {
                    if let Some(frame) = &frames[socket.spoken() as usize] {
                        // Asked for by nobody, but as many as the conversation has members: paced, as on connecting.
                        socket.answer(frame.clone());
                    }
                });
            }
        }
        Ok(())
    }

    fn presence_frames(&self, user: &User, online: bool, at: Timestamp) -> [Option<Frame>; Contract::ALL.len()] {
        Contract::ALL.map(|contract| self.render.presence(contract, user, online, Some(at)))
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

    /// Stores when people were last seen.
    pub(super) async fn store_last_seen(&self, people: Vec<(UserKey, Timestamp)>) {
        // All at once: each waits for a commit, and a commit takes many.
        let writes: Vec<_> = people
            .into_iter()
            .map(|(user, at)| (user, at, self.store.put_last_seen(user, at)))
            .collect();
        for (user, at, write) in writes {
            if let Err(error) = write.await {
                tracing::warn!(%error, "when somebody was last seen could not be stored");
            }
            self.directory_changed(user);
            // The others may have read it in the meantime, as it was before.
            let people = self.presence.lock();
            if !people.is_here(user) {
                self.presence.tell_nodes(user, false, at);
            }
        }
    }
}

/// Notices who has gone.
pub(super) async fn run(chat: Arc<Chat>) {
    loop {
        tokio::time::sleep(TICK).await;
        let to_store = chat.presence.note_gone(Instant::now());
        chat.presence.news.notify_one();
        chat.store_last_seen(to_store).await;
    }
}

/// Tells the peers, one thing after the other.
pub(super) async fn tell(chat: Arc<Chat>) {
    loop {
        loop {
            let next = chat.presence.lock().next_news();
            let told = match next {
                None => break,
                Some((News::Person(user), online, last_seen_at)) => chat.announce(user, online, last_seen_at).await,
                Some((News::Peers(conversation, newcomer), ..)) => chat.introduce(conversation, newcomer).await,
            };
            if let Err(error) = told {
                tracing::debug!(%error, "presence could not be told");
            }
        }
        chat.presence.news.notified().await;
    }
}
