//! The end of a token is the end of its socket, unless a new token comes before.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Connected, Sockets};
use crate::fanout::{Farewell, LiveSocket};

/// Live sockets by the time at which their tokens end: by a clock that never jumps, whatever the machine's date does.
#[derive(Default)]
pub struct Endings(Mutex<BTreeMap<(Instant, i64), Arc<LiveSocket>>>);

/// When the token of a socket ends; `None` once the socket has gone, or is gone for.
pub(super) struct End(Mutex<Option<Instant>>);

impl End {
    pub(super) fn at(at: Instant) -> Self {
        End(Mutex::new(Some(at)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often sockets are looked for whose token has ended.
const ENDINGS_TICK: Duration = Duration::from_secs(1);

impl Endings {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, i64), Arc<LiveSocket>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, connected: &Connected) {
        if let Some(at) = *connected.end.lock() {
            self.lock()
                .insert((at, connected.live.number), Arc::clone(&connected.live));
        }
    }

    pub(super) fn remove(&self, connected: &Connected) {
        if let Some(at) = connected.end.lock().take() {
            self.lock().remove(&(at, connected.live.number));
        }
    }

    /// The socket's token ends then, and no longer when it would have. A socket that has gone meanwhile stays gone.
    pub(super) fn move_to(&self, connected: &Connected, at: Instant) {
        // Held all the while, so that nobody goes in between and leaves an entry behind.
        let mut end = connected.end.lock();
        if let Some(before) = *end {
            let mut endings = self.lock();
            endings.remove(&(before, connected.live.number));
            endings.insert((at, connected.live.number), Arc::clone(&connected.live));
            *end = Some(at);
        }
    }

    fn take_ended(&self, now: Instant) -> Vec<Arc<LiveSocket>> {
        let mut endings = self.lock();
        let later = endings.split_off(&(now, i64::MAX));
        std::mem::replace(&mut *endings, later).into_values().collect()
    }
}

/// Closes each socket when its token ends. The stock client then comes back by itself: with a new token, where it asks for
/// one at each connection; with the one that it has, it is told why it is refused, and stays away.
pub async fn close_ended(sockets: Arc<Sockets>) {
    loop {
        tokio::time::sleep(ENDINGS_TICK).await;
        for live in sockets.endings.take_ended(Instant::now()) {
            live.close(Farewell::TokenEnded);
        }
    }
}
