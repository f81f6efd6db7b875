//! This node among others: its signs of life, and what is forgotten when nobody can ask for it any more.

use std::{
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
    /// Every client of this node has got all up to here.
    received: Cut,
    pruned: Option<Instant>,
    /// What was pruned last.
    outdated: Cut,
}

/// How often it is looked at what is due.
const TICK: Duration = Duration::from_secs(1);
/// How often the journal is pruned and sessions that are over are forgotten.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

impl Beating {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Chat {
    /// What every client that is connected here is sure to have got.
    pub(super) fn surely_received(&self) -> Cut {
        self.beating.lock().received.clone()
    }

    /// The time for which what happened is remembered.
    fn memory(&self) -> Duration {
        self.policy.recovery_window + limits::RECOVERY_MARGIN
    }

    /// Notes how far things are. What is outdated is pruned once a minute: by a clock that never jumps, so that no jump of
    /// the machine's date takes away what somebody may still ask for.
    async fn look_after(&self, now: Instant) {
        let sampled = self.recent.sample(now, self.told.begun(), self.memory());
        let outdated = {
            let mut state = self.beating.lock();
            state.received.join(&sampled.received);
            let is_due = state.pruned.is_none_or(|at| now.duration_since(at) >= PRUNE_INTERVAL);
            if is_due {
                state.pruned = Some(now);
            }
            let is_news = |cut: &Cut| is_due && !state.outdated.covers(cut);
            let outdated = sampled.outdated.filter(is_news);
            if let Some(cut) = &outdated {
                state.outdated.join(cut);
            }
            outdated.map(Some).or(is_due.then_some(None))
        };
        let Some(outdated) = outdated else { return };
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

/// Gives a sign of life every few seconds.
pub(super) async fn run(chat: Arc<Chat>) {
    let mut beaten = None::<Instant>;
    loop {
        let now = Instant::now();
        chat.look_after(now).await;
        if beaten.is_none_or(|at| now.duration_since(at) >= limits::NODE_BEAT) {
            beaten = Some(now);
            // Where nobody else looks, an idle machine's disk is left alone.
            if !chat.store.is_shared() && chat.hub.is_empty() {
                tokio::time::sleep(TICK).await;
                continue;
            }
            let received = chat.surely_received();
            if let Err(error) = chat.store.beat(chat.node, received).await {
                tracing::debug!(%error, "no sign of life could be given; tried again soon");
            }
        }
        tokio::time::sleep(TICK).await;
    }
}
