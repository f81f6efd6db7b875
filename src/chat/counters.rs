//! What the chat counts, for whoever serves the metrics: plain atomics, from the start of the process on.
//!
//! What was stored is counted by the store's news, so that nothing is missed of which the caller went before the answer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use crate::model::rate::RateKind;
use crate::model::{Code, Contract, Fact};

/// Messages handed to sockets of each contract, counted by one delivery and added up at its end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivered([u64; Contract::ALL.len()]);

impl Delivered {
    pub(super) fn one_more(&mut self, contract: Contract) {
        self.0[contract as usize] += 1;
    }
}

/// What there may be only so many of at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded {
    /// Of a user.
    Sockets,
    /// Of a socket.
    JoinedConversations,
    /// Of a user: begun, and to go on.
    UnfinishedUploads,
}

impl Bounded {
    pub const ALL: [Bounded; 3] = [
        Bounded::Sockets,
        Bounded::JoinedConversations,
        Bounded::UnfinishedUploads,
    ];

    /// As metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Bounded::Sockets => "sockets",
            Bounded::JoinedConversations => "joined_conversations",
            Bounded::UnfinishedUploads => "unfinished_uploads",
        }
    }
}

#[derive(Debug, Default)]
pub struct Counters {
    stored: AtomicU64,
    repeated: AtomicU64,
    refused: [AtomicU64; Code::ALL.len()],
    delivered: [AtomicU64; Contract::ALL.len()],
    limited: [AtomicU64; RateKind::ALL.len()],
    over: [AtomicU64; Bounded::ALL.len()],
    opened: AtomicU64,
    advanced: AtomicU64,
    recovered: AtomicU64,
    not_recovered: AtomicU64,
}

impl Counters {
    /// Messages stored, each once.
    pub fn stored(&self) -> u64 {
        self.stored.load(Relaxed)
    }

    /// Sends whose message was stored already.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Relaxed)
    }

    /// Sends refused, by what the sender was told.
    pub fn refused(&self) -> [(Code, u64); Code::ALL.len()] {
        Code::ALL.map(|code| (code, self.refused[code as usize].load(Relaxed)))
    }

    /// Messages handed to live sockets, by the contract that the socket was spoken to in.
    pub fn delivered(&self) -> [(Contract, u64); Contract::ALL.len()] {
        Contract::ALL.map(|contract| (contract, self.delivered[contract as usize].load(Relaxed)))
    }

    /// Refusals of what came too fast.
    pub fn limited(&self) -> [(RateKind, u64); RateKind::ALL.len()] {
        RateKind::ALL.map(|kind| (kind, self.limited[kind as usize].load(Relaxed)))
    }

    /// Refusals of one more than there may be.
    pub fn over(&self) -> [(Bounded, u64); Bounded::ALL.len()] {
        Bounded::ALL.map(|bounded| (bounded, self.over[bounded as usize].load(Relaxed)))
    }

    /// Conversations that did not exist before.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Marks "read up to here" that rose.
    pub fn advanced(&self) -> u64 {
        self.advanced.load(Relaxed)
    }

    /// Clients that came back into their session, and those that had to begin a new one.
    pub fn recoveries(&self) -> (u64, u64) {
        (self.recovered.load(Relaxed), self.not_recovered.load(Relaxed))
    }

    pub(super) fn count_recovery(&self, is_recovered: bool) {
        let counter = if is_recovered {
            &self.recovered
        } else {
            &self.not_recovered
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Of this node's own writers.
    pub(super) fn count_fact(&self, fact: &Fact) {
        let counter = match fact {
            Fact::MessageStored { .. } => &self.stored,
            Fact::Opened(_) => &self.opened,
            Fact::Read { .. } => &self.advanced,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn count_repeat(&self) {
        self.repeated.fetch_add(1, Relaxed);
    }

    pub(super) fn count_refusal(&self, code: Code) {
        self.refused[code as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_delivered(&self, delivered: Delivered) {
        for (counter, count) in self.delivered.iter().zip(delivered.0) {
            if count > 0 {
                counter.fetch_add(count, Relaxed);
            }
        }
    }

    pub(super) fn count_over(&self, bounded: Bounded) {
        self.over[bounded as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_limited(&self, kind: RateKind) {
        self.limited[kind as usize].fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_kind_and_contract_has_its_own_count() {
        let counters = Counters::default();
        for (n, code) in Code::ALL.into_iter().enumerate() {
            (0..n).for_each(|_| counters.count_refusal(code));
        }
        for (n, kind) in RateKind::ALL.into_iter().enumerate() {
            (0..n).for_each(|_| counters.count_limited(kind));
        }
        for (n, bounded) in Bounded::ALL.into_iter().enumerate() {
            (0..n).for_each(|_| counters.count_over(bounded));
            assert_eq!(counters.over()[n], (bounded, n as u64));
        }
        let mut delivered = Delivered::default();
        for (n, contract) in Contract::ALL.into_iter().enumerate() {
            (0..n).for_each(|_| delivered.one_more(contract));
        }
        counters.count_delivered(delivered);
        counters.count_delivered(delivered);
        for (n, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(counters.refused()[n], (code, n as u64));
        }
        for (n, kind) in RateKind::ALL.into_iter().enumerate() {
            assert_eq!(counters.limited()[n], (kind, n as u64));
        }
        for (n, contract) in Contract::ALL.into_iter().enumerate() {
            assert_eq!(counters.delivered()[n], (contract, 2 * n as u64));
        }
    }
}
