//! The end of a token is the end of its socket.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::{Connected, Sockets};
use crate::fanout::LiveSocket;

/// Live sockets by the time at which their tokens end: by a clock that never jumps, whatever the machine's date does.
#[derive(Default)]
pub struct Endings(Mutex<BTreeMap<(Instant, i64), Arc<LiveSocket>>>);

/// How often sockets are looked for whose token has ended.
const ENDINGS_TICK: Duration = Duration::from_secs(1);

impl Endings {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, i64), Arc<LiveSocket>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn add(&self, connected: &Connected) {
        self.lock()
            .insert((connected.ends_at, connected.live.number), Arc::clone(&connected.live));
    }

    pub(super) fn remove(&self, connected: &Connected) {
        self.lock().remove(&(connected.ends_at, connected.live.number));
    }

    fn take_ended(&self, now: Instant) -> Vec<Arc<LiveSocket>> {
        let mut endings = self.lock();
        let later = endings.split_off(&(now, i64::MAX));
        std::mem::replace(&mut *endings, later).into_values().collect()
    }
}

/// Closes each socket when its token ends. The stock client then comes back with the token that it has, and is told
/// why it is refused.
pub async fn close_ended(sockets: Arc<Sockets>) {
    loop {
        tokio::time::sleep(ENDINGS_TICK).await;
        for live in sockets.endings.take_ended(Instant::now()) {
            live.close();
        }
    }
}
