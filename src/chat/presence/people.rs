//! Who is online where, as this node knows it: nothing here waits, looks at a clock or asks anybody.
//!
//! Somebody is online while they are on this node or on any other. What other nodes tell may get lost: each tells its
//! whole list again and again, and one that falls silent has nobody any more.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    fanout::bus::NodeId,
    model::{ConversationKey, Timestamp, UserKey, limits},
};

pub(super) struct People {
    own: NodeId,
    people: HashMap<UserKey, Person>,
    nodes: HashMap<NodeId, Node>,
    /// People in the lists of all other nodes together.
    elsewhere: usize,
    /// What is to be told, in this order. One task tells it: were each told by a task of its own, "gone" could overtake
    /// "back again".
    news: VecDeque<News>,
}

/// Something that is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Person(UserKey),
    /// Members of a conversation have become each other's peers: all of them, or this one and the others.
    Peers(ConversationKey, Option<UserKey>),
}

struct Person {
    sockets: usize,
    /// When somebody without a socket is gone from here.
    until: Instant,
    is_here: bool,
    /// When they went from here while another node had them still.
    left_here: Option<Instant>,
    /// How many other nodes have them.
    nodes: usize,
    last_seen_at: Timestamp,
    /// As their peers were told.
    told_online: bool,
}

impl Person {
    fn is_online(&self) -> bool {
        self.is_here || self.nodes > 0
    }
}

/// Another node.
struct Node {
    /// When it has nobody any more, unless it is heard of.
    until: Instant,
    /// When it was heard of last, by this node's clock.
    heard_at: Timestamp,
    /// Its people, each with the round of the list in which they were told last.
    people: HashMap<UserKey, u64>,
    /// The newest list that began, and how many of its parts have come in order.
    round: u64,
    parts: u32,
}

/// Somebody who has gone from this node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub user: UserKey,
    pub last_seen_at: Timestamp,
    /// No other node has them.
    pub is_last: bool,
}

/// Two nodes that somebody leaves within this time may each think that the other has them still.
const CROSSING: Duration = Duration::from_secs(2);

impl People {
    pub(super) fn new(own: NodeId) -> Self {
        People {
            own,
            people: HashMap::new(),
            nodes: HashMap::new(),
            elsewhere: 0,
            news: VecDeque::new(),
        }
    }

    pub(super) fn is_online(&self, user: UserKey) -> bool {
        self.people.get(&user).is_some_and(Person::is_online)
    }

    pub(super) fn is_here(&self, user: UserKey) -> bool {
        self.people.get(&user).is_some_and(|person| person.is_here)
    }

    /// Who is online on this node.
    pub(super) fn here(&self) -> Vec<UserKey> {
        let here = self.people.iter().filter(|(_, person)| person.is_here);
        here.map(|(user, _)| *user).collect()
    }

    /// A sign of life on this node. `true` where they were not on it before.
    pub(super) fn seen(
        &mut self,
        user: UserKey,
        at: Timestamp,
        now: Instant,
        stays: Duration,
        new_sockets: usize,
    ) -> bool {
        self.change(user, at, now, |person| {
            person.sockets += new_sockets;
            person.until = person.until.max(now + stays);
            person.last_seen_at = at;
            person.left_here = None;
            !std::mem::replace(&mut person.is_here, true)
        })
    }

    pub(super) fn socket_gone(&mut self, user: UserKey, at: Timestamp, now: Instant, stays: Duration) {
        if let Some(person) = self.people.get_mut(&user) {
            person.sockets = person.sockets.saturating_sub(1);
            person.until = person.until.max(now + stays);
            person.last_seen_at = at;
        }
    }

    /// Those who have gone from this node by now.
    pub(super) fn note_gone(&mut self, now: Instant) -> Vec<Gone> {
        let mut gone = Vec::new();
        for (user, person) in &mut self.people {
            if person.is_here && person.sockets == 0 && person.until <= now {
                person.is_here = false;
                let is_last = person.nodes == 0;
                person.left_here = Some(now).filter(|_| !is_last);
                gone.push(Gone {
                    user: *user,
                    last_seen_at: person.last_seen_at,
                    is_last,
                });
            }
        }
        let offline = gone.iter().filter(|gone| gone.is_last);
        self.news.extend(offline.map(|gone| News::Person(gone.user)));
        gone
    }

    /// Another node tells that somebody came to it, or left it. Returns when they were last seen where this node should
    /// store that as well.
    pub(super) fn heard_presence(
        &mut self,
        node: NodeId,
        user: UserKey,
        is_there: bool,
        at: Timestamp,
        (now, wall): (Instant, Timestamp),
    ) -> Option<Timestamp> {
        let known = self.heard(node, now, wall)?;
        if is_there {
            let round = known.round;
            self.add_there(node, user, round, at, now);
            return None;
        }
        if known.people.remove(&user).is_some() {
            self.elsewhere -= 1;
            let crossed = self.gone_there(user, at, now);
            return crossed.then_some(at);
        }
        None
    }

    /// A part of another node's list.
    pub(super) fn heard_people(
        &mut self,
        node: NodeId,
        (round, part, parts): (u64, u32, u32),
        users: &[UserKey],
        (now, wall): (Instant, Timestamp),
    ) {
        let Some(known) = self.heard(node, now, wall) else {
            return;
        };
        if round < known.round {
            return;
        }
        if round > known.round {
            (known.round, known.parts) = (round, 0);
        }
        // After a part that got lost, the list says nothing of who is missing in it.
        known.parts = if part == known.parts { part + 1 } else { 0 };
        let is_whole = known.parts == parts;
        for user in users {
            self.add_there(node, *user, round, wall, now);
        }
        if is_whole {
            self.drop_there(node, now, |last_round| last_round < round);
        }
    }

    /// Another node goes. Its people have this long to come back somewhere else.
    pub(super) fn leaving(&mut self, node: NodeId, stays: Duration, now: Instant) {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.until = known.until.min(now + stays);
        }
    }

    /// People who have gone with a node that is silent by now, and when they were last seen, for this node to store: of
    /// those that are left, it is the one with the lowest id.
    pub(super) fn note_silent(&mut self, now: Instant) -> Vec<(UserKey, Timestamp)> {
        let silent: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.until <= now)
            .map(|(id, _)| *id)
            .collect();
        let mut offline = Vec::new();
        for node in &silent {
            offline.extend(self.drop_there(*node, now, |_| true));
            self.nodes.remove(node);
        }
        if self.nodes.keys().any(|other| *other < self.own) {
            offline.clear();
        }
        offline
    }

    /// To be told when everything before it has been.
    pub(super) fn became_peers(&mut self, conversation: ConversationKey, newcomer: Option<UserKey>) {
        self.news.push_back(News::Peers(conversation, newcomer));
    }

    /// Is somebody online, as their peers were told?
    pub(super) fn is_told_online(&self, user: UserKey) -> bool {
        self.people.get(&user).is_some_and(|person| person.told_online)
    }

    /// The next thing to tell, with whether that person is online and when they were last seen.
    pub(super) fn next_news(&mut self) -> Option<(News, bool, Timestamp)> {
        while let Some(news) = self.news.pop_front() {
            let News::Person(user) = news else {
                return Some((news, false, Timestamp(0)));
            };
            let Some(person) = self.people.get_mut(&user) else {
                continue;
            };
            let is_online = person.is_online();
            // Gone and back again in the meantime is no change.
            let is_news = is_online != person.told_online;
            let last_seen_at = person.last_seen_at;
            person.told_online = is_online;
            if !is_online {
                self.people.remove(&user);
            }
            if is_news {
                return Some((news, is_online, last_seen_at));
            }
        }
        None
    }

    /// A sign of life of another node; `None` where there is no room to know it.
    fn heard(&mut self, node: NodeId, now: Instant, wall: Timestamp) -> Option<&mut Node> {
        if self.nodes.len() >= limits::BUS_NODES && !self.nodes.contains_key(&node) {
            return None;
        }
        let known = self.nodes.entry(node).or_insert_with(|| Node {
            until: now,
            heard_at: wall,
            people: HashMap::new(),
            round: 0,
            parts: 0,
        });
        known.until = now + limits::PRESENCE_SILENCE;
        known.heard_at = wall;
        Some(known)
    }

    fn add_there(&mut self, node: NodeId, user: UserKey, round: u64, at: Timestamp, now: Instant) {
        let Some(known) = self.nodes.get_mut(&node) else { return };
        if let Some(last_round) = known.people.get_mut(&user) {
            *last_round = round;
            return;
        }
        if self.elsewhere >= limits::PRESENCE_ELSEWHERE {
            return;
        }
        known.people.insert(user, round);
        self.elsewhere += 1;
        self.change(user, at, now, |person| {
            person.nodes += 1;
            person.last_seen_at = person.last_seen_at.max(at);
        });
    }

    /// Drops those of a node's people of whose last round this is true; returns who is offline by it, and when they were
    /// last seen.
    fn drop_there(&mut self, node: NodeId, now: Instant, is_gone: impl Fn(u64) -> bool) -> Vec<(UserKey, Timestamp)> {
        let Some(known) = self.nodes.get_mut(&node) else {
            return Vec::new();
        };
        let at = known.heard_at;
        let gone: Vec<UserKey> = known
            .people
            .extract_if(|_, round| is_gone(*round))
            .map(|(user, _)| user)
            .collect();
        self.elsewhere -= gone.len();
        let mut offline = Vec::new();
        for user in gone {
            self.gone_there(user, at, now);
            if let Some(person) = self.people.get(&user)
                && !person.is_online()
            {
                offline.push((user, person.last_seen_at));
            }
        }
        offline
    }

    /// One node less has somebody. `true` where they left this node at about the same time, and are offline now.
    fn gone_there(&mut self, user: UserKey, at: Timestamp, now: Instant) -> bool {
        self.change(user, at, now, |person| {
            person.nodes = person.nodes.saturating_sub(1);
            person.last_seen_at = person.last_seen_at.max(at);
            let left_here = person.left_here.take_if(|_| !person.is_here && person.nodes == 0);
            left_here.is_some_and(|left| now.saturating_duration_since(left) < CROSSING)
        })
    }

    /// Changes a person, and notes it where they came online or went offline by it.
    fn change<T>(&mut self, user: UserKey, at: Timestamp, now: Instant, change: impl FnOnce(&mut Person) -> T) -> T {
        let person = self.people.entry(user).or_insert(Person {
            sockets: 0,
            until: now,
            is_here: false,
            left_here: None,
            nodes: 0,
            last_seen_at: at,
            told_online: false,
        });
        let was_online = person.is_online();
        let outcome = change(person);
        if person.is_online() != was_online {
            self.news.push_back(News::Person(user));
        }
        outcome
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.nodes.is_empty() && self.elsewhere == 0
    }
}
