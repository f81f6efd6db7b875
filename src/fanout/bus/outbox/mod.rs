//! What waits for the other nodes: bounded, and made less where news makes older news void.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Signal, Stats};
use crate::model::{ConversationKey, Cut, Position, UserKey, limits, rate::RateKind};

pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    news: Notify,
    /// Frames that were made.
    frames: AtomicU64,
    stats: Arc<Stats>,
}

#[derive(Default)]
struct Waiting {
    is_linked: bool,
    is_closed: bool,
    /// How far this node's own slots have come; kept after it was told, and told again to whoever may have missed it.
    recorded: Cut,
    /// Not told yet.
    recorded_is_news: bool,
    /// Told so often since it rose last.
    recorded_told: u32,
    /// The last state alone.
    typing: HashMap<(ConversationKey, UserKey), bool>,
    /// Presence and what belongs to it: its order counts.
    people: VecDeque<Signal>,
    /// Users in `people`.
    people_weight: usize,
    taken: HashMap<(RateKind, UserKey), i32>,
    taken_told_at: Option<Instant>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Frame(Vec<Signal>),
    /// Nothing before this time, unless something else comes.
    At(Instant),
    Nothing,
    /// There will be nothing more.
    Over,
}

/// Of one signal on its way out, in users or pairs of numbers.
fn weight(signal: &Signal) -> usize {
    match signal {
        Signal::People { users, .. } => 1 + users.len(),
        Signal::Taken { counts, .. } => 1 + counts.len(),
        Signal::Recorded(positions) => 1 + positions.len(),
        _ => 1,
    }
}

/// A frame is full at this weight: with some 60 bytes for each, below half of what a frame may have.
const FRAME_WEIGHT: usize = limits::BUS_FRAME_BYTES / 128;
/// How often the last hint is told once more, a second apart: one that got lost is then missed for a second, not until
/// the sweep.
const RECORDED_AGAIN: u32 = 2;

impl Outbox {
    pub(super) fn new(stats: Arc<Stats>) -> Self {
        Outbox {
            waiting: Mutex::default(),
            news: Notify::new(),
            frames: AtomicU64::new(0),
            stats,
        }
    }

    pub(super) fn recorded(&self, position: Position) {
        let mut waiting = self.lock();
        if waiting.recorded.holds(position) {
            return;
        }
        waiting.recorded.advance(position);
        waiting.recorded_told = 0;
        let was_news = std::mem::replace(&mut waiting.recorded_is_news, true);
        let wakes = waiting.is_linked && !was_news;
        drop(waiting);
        if wakes {
            self.news.notify_one();
        }
    }

    pub(super) fn add(&self, signal: Signal) {
        let mut waiting = self.lock();
        // What nobody can be told now is old when they can.
        if !waiting.is_linked || waiting.is_closed {
            return;
        }
        let has_room = waiting.add(signal);
        drop(waiting);
        if has_room {
            self.news.notify_one();
        } else {
            self.stats.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn link_up(&self) {
        let mut waiting = self.lock();
        waiting.is_linked = true;
        waiting.recorded_is_news = !waiting.recorded.positions().is_empty();
        drop(waiting);
        self.news.notify_one();
    }

    pub(super) fn link_down(&self) {
        let mut waiting = self.lock();
        waiting.is_linked = false;
        let lost = waiting.typing.len() + waiting.people.len() + waiting.taken.len();
        waiting.typing.clear();
        waiting.people.clear();
        waiting.people_weight = 0;
        waiting.taken.clear();
        drop(waiting);
        self.stats.dropped.fetch_add(lost as u64, Relaxed);
    }

    /// After what waits, that this node goes; then nothing more.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        if !waiting.is_closed {
            waiting.is_closed = true;
            waiting.people.push_back(Signal::Leaving);
            waiting.people_weight += 1;
        }
        drop(waiting);
        self.news.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// To be called every second: tells the last hint again for a while.
    pub(super) fn tick(&self) {
        let mut waiting = self.lock();
        if waiting.recorded_is_news || waiting.recorded_told > RECORDED_AGAIN || waiting.recorded.positions().is_empty()
        {
            return;
        }
        waiting.recorded_is_news = true;
        drop(waiting);
        self.news.notify_one();
    }

    /// The signals of the next frame, as soon as there are any; `None` when there will be no more. For one caller.
    pub(super) async fn next(&self) -> Option<Vec<Signal>> {
        loop {
            let next = self.lock().next(Instant::now());
            match next {
                Next::Frame(signals) => return Some(signals),
                Next::Over => return None,
                Next::Nothing => self.news.notified().await,
                Next::At(time) => {
                    // Woken early or not: what there is to tell is judged anew.
                    let _ = tokio::time::timeout_at(time.into(), self.news.notified()).await;
                }
            }
        }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.frames.fetch_add(1, Relaxed) + 1
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// `false` where there is no room.
    fn add(&mut self, signal: Signal) -> bool {
        match signal {
            Signal::Recorded(positions) => {
                positions
                    .into_iter()
                    .for_each(|position| self.recorded.advance(position));
                self.recorded_is_news = true;
                true
            }
            Signal::Typing {
                conversation,
                user,
                is_typing,
            } => put(&mut self.typing, (conversation, user), |state| *state = is_typing),
            Signal::Taken { kind, counts } => counts
                .into_iter()
                .all(|(user, count)| put(&mut self.taken, (kind, user), |all| *all = all.saturating_add(count))),
            signal => {
                let weight = weight(&signal);
                let has_room = self.people_weight + weight <= limits::BUS_PEOPLE;
                if has_room {
                    self.people_weight += weight;
                    self.people.push_back(signal);
                }
                has_room
            }
        }
    }

    fn next(&mut self, now: Instant) -> Next {
        if !self.is_linked {
            return if self.is_closed { Next::Over } else { Next::Nothing };
        }
        let mut signals = Vec::new();
        let mut room = FRAME_WEIGHT;
        if std::mem::take(&mut self.recorded_is_news) {
            self.recorded_told += 1;
            let positions = self.recorded.positions().to_vec();
            room = room.saturating_sub(positions.len());
            signals.push(Signal::Recorded(positions));
        }
        let some: Vec<_> = self.typing.keys().take(room).copied().collect();
        for key in some {
            if let Some(is_typing) = self.typing.remove(&key) {
                let (conversation, user) = key;
                room -= 1;
                signals.push(Signal::Typing {
                    conversation,
                    user,
                    is_typing,
                });
            }
        }
        let may_tell_taken = self.is_closed
            || self
                .taken_told_at
                .is_none_or(|at| now.saturating_duration_since(at) >= limits::BUS_RATES_INTERVAL);
        if may_tell_taken && !self.taken.is_empty() && room > 0 {
            self.take_taken(&mut room, &mut signals);
            // What is left of a full frame goes with the next one.
            self.taken_told_at = self.taken.is_empty().then_some(now);
        }
        while let Some(signal) = self.people.front() {
            let weight = weight(signal);
            if weight > room && !signals.is_empty() {
                break;
            }
            room = room.saturating_sub(weight);
            self.people_weight = self.people_weight.saturating_sub(weight);
            signals.extend(self.people.pop_front());
        }
        if !signals.is_empty() {
            return Next::Frame(signals);
        }
        match self.taken_told_at {
            _ if self.is_closed => Next::Over,
            Some(at) if !self.taken.is_empty() => Next::At(at + limits::BUS_RATES_INTERVAL),
            _ => Next::Nothing,
        }
    }

    fn take_taken(&mut self, room: &mut usize, signals: &mut Vec<Signal>) {
        let mut counts: [Vec<(UserKey, i32)>; RateKind::ALL.len()] = Default::default();
        let some: Vec<_> = self.taken.keys().take(*room).copied().collect();
        *room -= some.len();
        for (kind, user) in some {
            // Taken and given back again is nothing to tell.
            if let Some(count) = self.taken.remove(&(kind, user)).filter(|count| *count != 0) {
                counts[kind as usize].push((user, count));
            }
        }
        for (kind, counts) in RateKind::ALL.into_iter().zip(counts) {
            if !counts.is_empty() {
                signals.push(Signal::Taken { kind, counts });
            }
        }
    }
}

/// Changes an entry, or a new one if there is room for it.
fn put<K: std::hash::Hash + Eq, V: Default>(map: &mut HashMap<K, V>, key: K, change: impl FnOnce(&mut V)) -> bool {
    if map.len() >= limits::BUS_SIGNALS && !map.contains_key(&key) {
        return false;
    }
    change(map.entry(key).or_default());
    true
}

/// Between two frames: news that come meanwhile share the next one.
pub(super) const PAUSE: Duration = Duration::from_millis(1);
