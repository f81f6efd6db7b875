//! All live sockets of this node, by person.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use super::LiveSocket;
use crate::model::UserKey;

/// Shards of the register, so that connecting and delivering seldom wait for each other.
const SHARDS: usize = 64;

type Shard = RwLock<HashMap<UserKey, Vec<Arc<LiveSocket>>>>;

pub struct Hub {
    shards: Vec<Shard>,
}

impl Default for Hub {
    fn default() -> Self {
        Hub {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
        }
    }
}

impl Hub {
    fn shard(&self, user: UserKey) -> &Shard {
        &self.shards[user.0 as usize % SHARDS]
    }

    pub fn add(&self, socket: Arc<LiveSocket>) {
        let mut shard = self
            .shard(socket.user)
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let sockets = shard.entry(socket.user).or_insert_with(|| Vec::with_capacity(1));
        sockets.push(socket);
    }

    pub fn remove(&self, user: UserKey, number: i64) {
        let mut shard = self
            .shard(user)
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(sockets) = shard.get_mut(&user) {
            sockets.retain(|socket| socket.number != number);
            if sockets.is_empty() {
                shard.remove(&user);
            }
        }
    }

    /// Is nobody connected?
    pub fn is_empty(&self) -> bool {
        self.shards
            .iter()
            .all(|shard| shard.read().unwrap_or_else(|poisoned| poisoned.into_inner()).is_empty())
    }

    pub fn is_connected(&self, user: UserKey) -> bool {
        self.shard(user)
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .contains_key(&user)
    }

    /// How many sockets a person has.
    pub fn count_of(&self, user: UserKey) -> usize {
        let shard = self.shard(user).read().unwrap_or_else(|poisoned| poisoned.into_inner());
        shard.get(&user).map_or(0, Vec::len)
    }

    /// Calls `visit` with each socket of a person. The register is locked meanwhile: `visit` must not connect anyone.
    pub fn each_of(&self, user: UserKey, mut visit: impl FnMut(&Arc<LiveSocket>)) {
        let shard = self.shard(user).read().unwrap_or_else(|poisoned| poisoned.into_inner());
        for socket in shard.get(&user).into_iter().flatten() {
            visit(socket);
        }
    }

    /// Calls `visit` with every socket, as [`each_of`](Self::each_of) does: one part of the register after the other.
    pub fn each(&self, mut visit: impl FnMut(&Arc<LiveSocket>)) {
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            shard.values().flatten().for_each(&mut visit);
        }
    }
}
