//! This node among others: its signs of life, and what is forgotten when nobody can ask for it any more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::Chat;
use crate::model::{Cut, limits};

/// What the signs of life go by.
#[derive(Default)]
pub struct Beating(Mutex<State>);

#[derive(Default)]
struct State {
    /// What was told here so long ago that whoever was connected then and still is has got it.
    received: Cut,
    /// Clients that came back lately, and what each had for certain then. What they were replayed is older than it was
    /// sent, so their connections say nothing of it yet. Those of one second count as one.
    returned: VecDeque<(Instant, Cut)>,
}

/// How often it is looked at what is due.
const TICK: Duration = Duration::from_secs(1);
/// How often the journal is pruned and sessions that are over are forgotten.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

impl Beating {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A client has come back that has `received` so much for certain.
    pub(super) fn returned(&self, now: Instant, received: &Cut) {
        let mut state = self.lock();
        match state.returned.back_mut() {
            Some((at, least)) if now.duration_since(*at) < TICK => {
                // As late as the last of them.
                *at = now;
                least.meet(received);
            }
            _ => state.returned.push_back((now, received.clone())),
        }
    }

    fn told_long_ago(&self, received: Cut) {
        self.lock().received = received;
    }

    /// What a client has got that has been connected here since then, beyond what it came with.
    pub(super) fn received_since(&self, connected: Instant, now: Instant) -> Cut {
        match now.duration_since(connected) >= limits::SURELY_RECEIVED {
            true => self.lock().received.clone(),
            false => Cut::default(),
        }
    }

    /// What every client that is connected here has got for certain.
    fn received_by_all(&self, now: Instant) -> Cut {
        let mut state = self.lock();
        while let Some((at, _)) = state.returned.front()
            && now.duration_since(*at) >= limits::SURELY_RECEIVED
        {
            state.returned.pop_front();
        }
        let mut received = state.received.clone();
        for (_, least) in &state.returned {
            received.meet(least);
        }
        received
    }
}

impl Chat {
    /// The time for which what happened is remembered.
    fn memory(&self) -> Duration {
        self.policy.recovery_window + limits::RECOVERY_MARGIN
    }

    async fn beat(&self) {
        // Where nobody else looks, an idle machine's disk is left alone.
        if !self.store.is_shared() && self.hub.is_empty() {
            return;
        }
        let received = self.beating.received_by_all(Instant::now());
        if let Err(error) = self.store.beat(self.node, received).await {
            tracing::debug!(%error, "no sign of life could be given; tried again soon");
        }
    }

    /// Takes away what nobody can ask for any more: by a clock that never jumps, so that no jump of the machine's date
    /// takes away what somebody may still ask for.
    async fn prune(&self, outdated: Option<Cut>) {
        if let Some(cut) = outdated
            && let Err(error) = self.store.prune_journal(cut).await
        {
            tracing::debug!(%error, "the journal could not be pruned; tried again soon");
        }
        // Longer than anyone may come back, so that no difference of clocks matters.
        if let Err(error) = self.store.sweep_sessions(self.memory()).await {
            tracing::debug!(%error, "sessions that are over could not be forgotten; tried again soon");
        }
    }
}

/// Gives a sign of life every few seconds, and forgets what is outdated.
pub(super) async fn run(chat: Arc<Chat>) {
    let mut beaten = None::<Instant>;
    let mut pruned = None::<Instant>;
    let is_due =
        |last: Option<Instant>, now: Instant, interval| last.is_none_or(|at| now.duration_since(at) >= interval);
    loop {
        let now = Instant::now();
        let sampled = chat.recent.sample(now, chat.told.begun(), chat.memory());
        chat.beating.told_long_ago(sampled.received);
        let prunes = is_due(pruned, now, PRUNE_INTERVAL);
        // Also before anything is swept: after a jump of the clock this node's own sessions would look abandoned.
        if prunes || is_due(beaten, now, limits::NODE_BEAT) {
            beaten = Some(now);
            chat.beat().await;
        }
        if prunes {
            pruned = Some(now);
            chat.prune(sampled.outdated).await;
        }
        tokio::time::sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;

    fn cut(number: i64) -> Cut {
        [Position { slot: 0, number }].into_iter().collect()
    }

    #[test]
    fn what_is_replayed_counts_as_received_only_after_a_while() {
        let beating = Beating::default();
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        beating.told_long_ago(cut(50));
        assert_eq!(beating.received_by_all(start), cut(50));
        beating.returned(start, &cut(20));
        beating.returned(start, &cut(10));
        assert_eq!(beating.received_by_all(later(69)), cut(10));
        assert_eq!(beating.received_since(start, later(69)), Cut::default());
        assert_eq!(beating.received_by_all(later(70)), cut(50));
        assert_eq!(beating.received_since(start, later(70)), cut(50));
    }
}
