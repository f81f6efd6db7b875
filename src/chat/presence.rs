//! Who is online: whoever has a live socket or has just made a request.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::Chat;
use crate::{
    fanout::LiveSocket,
    model::{Contract, Result, Timestamp, UserKey, limits},
};

#[derive(Default)]
pub struct Presence {
    people: Mutex<HashMap<UserKey, Person>>,
}

struct Person {
    sockets: usize,
    /// When somebody without a socket is offline.
    until: Instant,
    last_seen_at: Timestamp,
}

const AFTER_SOCKET: Duration = limits::PRESENCE_GRACE;
const AFTER_REQUEST: Duration = limits::PRESENCE_REST;
/// How often the worker looks for people who have gone.
const TICK: Duration = Duration::from_millis(250);

impl Presence {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserKey, Person>> {
        self.people.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn is_online(&self, user: UserKey) -> bool {
        self.lock().contains_key(&user)
    }

    /// A sign of life. `true` if the person was offline until now.
    fn seen(&self, user: UserKey, at: Timestamp, now: Instant, stays: Duration, new_sockets: usize) -> bool {
        let mut people = self.lock();
        let mut came = false;
        let person = people.entry(user).or_insert_with(|| {
            came = true;
            Person {
                sockets: 0,
                until: now,
                last_seen_at: at,
            }
        });
        person.sockets += new_sockets;
        person.until = person.until.max(now + stays);
        person.last_seen_at = at;
        came
    }

    fn socket_gone(&self, user: UserKey, at: Timestamp, now: Instant) {
        if let Some(person) = self.lock().get_mut(&user) {
            person.sockets = person.sockets.saturating_sub(1);
            person.until = person.until.max(now + AFTER_SOCKET);
            person.last_seen_at = at;
        }
    }

    fn take_gone(&self, now: Instant) -> Vec<(UserKey, Timestamp)> {
        let mut gone = Vec::new();
        self.lock().retain(|user, person| {
            let is_gone = person.sockets == 0 && person.until <= now;
            if is_gone {
                gone.push((*user, person.last_seen_at));
            }
            !is_gone
        });
        gone
    }
}

impl Chat {
    pub fn is_online(&self, user: UserKey) -> bool {
        self.presence.is_online(user)
    }

    /// A live socket has come: takes part in the fan-out from now on, and hears who of its peers is online.
    pub fn connected(self: &Arc<Self>, socket: Arc<LiveSocket>) {
        self.hub.add(Arc::clone(&socket));
        let came = self
            .presence
            .seen(socket.user, self.clock.now(), Instant::now(), AFTER_SOCKET, 1);
        let chat = Arc::clone(self);
        tokio::spawn(async move {
            if came {
                chat.announce(socket.user, true, chat.clock.now()).await;
            }
            if let Err(error) = chat.push_online_peers(&socket).await {
                tracing::debug!(%error, "online peers could not be told");
            }
        });
    }

    pub fn disconnected(&self, socket: &LiveSocket) {
        self.hub.remove(socket.user, socket.number);
        self.presence.socket_gone(socket.user, self.clock.now(), Instant::now());
    }

    /// A request with somebody's identity counts as being online for a while.
    pub fn requested(self: &Arc<Self>, user: UserKey) {
        if self
            .presence
            .seen(user, self.clock.now(), Instant::now(), AFTER_REQUEST, 0)
        {
            let chat = Arc::clone(self);
            tokio::spawn(async move { chat.announce(user, true, chat.clock.now()).await });
        }
    }

    /// Tells a socket, in its contract, which of its peers are online.
    pub async fn push_online_peers(&self, socket: &LiveSocket) -> Result<()> {
        let contract = socket.spoken();
        for peer in self.peers(socket.user).await? {
            if self.is_online(peer) {
                let peer = self.user(peer).await?;
                match self.render.presence(contract, &peer, true, Some(self.clock.now())) {
                    Some(frame) => socket.push(&frame),
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
        for (user, last_seen_at) in chat.presence.take_gone(Instant::now()) {
            if let Err(error) = chat.store.put_last_seen(user, last_seen_at).await {
                tracing::warn!(%error, "when somebody was last seen could not be stored");
            }
            chat.directory_changed(user);
            chat.announce(user, false, last_seen_at).await;
        }
    }
}
