//! What a live socket is tied to, under its one lock: its way out, what it has joined, and what waits meanwhile.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use doorbell_socketio::Frame;

use super::{super::Farewell, Audience, Outlet, Pushed, patience::Patience};
use crate::model::{ConversationKey, Cut, Position, Seq, limits};

#[derive(Default)]
pub(super) struct Ties {
    /// Taken away when the connection ends: the connection keeps this socket, and this socket the way to it.
    pub(super) outlet: Option<Box<dyn Outlet>>,
    /// The way out was there once.
    pub(super) was_attached: bool,
    /// The connection is to end, if need be as soon as it gets its way out.
    pub(super) is_given_up: Option<Farewell>,
    /// Bytes of news that were pushed in all.
    pushed_bytes: u64,
    patience: Patience,
    /// With the end of the history that was answered to the join: what lies below is no news, however late it comes.
    pub(super) joined: HashMap<ConversationKey, Seq>,
    pub(super) user_room: bool,
    /// Joins whose answer is still being read. What comes meanwhile waits behind it, of every conversation: offsets
    /// must rise on each connection.
    pub(super) joining: u32,
    pub(super) held: VecDeque<Held>,
    pub(super) held_bytes: usize,
    /// What this socket is replayed: no news any more.
    pub(super) replayed: Option<Cut>,
    /// What its client had for certain when it came.
    pub(super) received: Cut,
}

/// What waits for the way out, or behind the answer to a join.
pub(super) enum Held {
    Fact {
        audience: Audience,
        conversation: ConversationKey,
        seq: Option<Seq>,
        position: Position,
        frame: Frame,
    },
    Other(Frame),
}

/// So much waiting for one socket is more than a burst of messages: a quarter of what closes it.
const CROWDED_BYTES: usize = limits::WAITING_PUSH_BYTES / 4;

impl Ties {
    pub(super) fn push(&mut self, frame: &Frame) -> Pushed {
        let Some(outlet) = &self.outlet else { return Pushed::Not };
        outlet.push(frame);
        self.pushed_bytes += frame.len() as u64;
        match self.is_to_be_waited_for(Duration::ZERO) {
            true => Pushed::Crowded,
            false => Pushed::Queued,
        }
    }

    /// Does much wait for a reader who takes it? `waited`: how long it was waited for just now.
    pub(super) fn is_to_be_waited_for(&mut self, waited: Duration) -> bool {
        let Some(outlet) = &self.outlet else { return false };
        let waiting = outlet.waiting();
        if waiting < CROWDED_BYTES {
            self.patience.rest();
            return false;
        }
        let taken = self.pushed_bytes.saturating_sub(waiting as u64);
        self.patience.lasts(Instant::now(), taken, waited)
    }

    /// As if it waited in the connection's own queue: over the bound the connection is closed.
    pub(super) fn hold(&mut self, held: Held, bytes: usize) {
        self.held_bytes += bytes;
        if self.held_bytes <= limits::WAITING_PUSH_BYTES {
            self.held.push_back(held);
        } else if self.outlet.is_some() {
            self.give_up(Farewell::SlowConsumer);
        }
    }

    /// The connection ends, once, and for the first reason.
    pub(super) fn give_up(&mut self, farewell: Farewell) {
        if self.is_given_up.is_some() {
            return;
        }
        self.is_given_up = Some(farewell);
        if let Some(outlet) = &self.outlet {
            outlet.close(farewell);
        }
    }

    pub(super) fn let_go(&mut self) {
        if self.joining > 0 || !self.was_attached {
            return;
        }
        if self.held_bytes > limits::WAITING_PUSH_BYTES {
            // Something was not held: there is no way on but to come back.
            self.give_up(Farewell::SlowConsumer);
        }
        self.held_bytes = 0;
        for held in std::mem::take(&mut self.held) {
            match held {
                Held::Other(frame) => drop(self.push(&frame)),
                Held::Fact {
                    audience,
                    conversation,
                    seq,
                    position,
                    frame,
                } => {
                    let is_replayed = self.replayed.as_ref().is_some_and(|cut| cut.holds(position));
                    if !is_replayed && self.hears(audience, conversation, seq) {
                        self.push(&frame);
                    }
                }
            }
        }
    }

    pub(super) fn hears(&self, audience: Audience, conversation: ConversationKey, seq: Option<Seq>) -> bool {
        let joined = self.joined.get(&conversation);
        let is_reached = match audience {
            Audience::Joined => joined.is_some(),
            Audience::JoinedOrUserRoom => self.user_room || joined.is_some(),
            Audience::Every => true,
            Audience::Nobody => false,
        };
        let is_in_history = joined.is_some_and(|end| seq.is_some_and(|seq| seq <= *end));
        is_reached && !is_in_history
    }
}
