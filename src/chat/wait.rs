//! Requests that are held until something new arrives.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::model::{ConversationKey, Error, Result, UserKey, limits};

/// Those who wait, by what they wait for.
#[derive(Default)]
pub struct Waiting {
    stopping: AtomicBool,
    /// How many requests of each person are held.
    held: Arc<Mutex<HashMap<UserKey, usize>>>,
    pub conversations: Bells<ConversationKey>,
    pub posts: Bells<String>,
}

/// A request that is held.
pub struct Held {
    held: Arc<Mutex<HashMap<UserKey, usize>>>,
    user: UserKey,
}

impl Waiting {
    /// Answers everything that is held, with what there is: the server stops.
    pub fn let_go(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.conversations.ring_all();
        self.posts.ring_all();
    }

    /// Is nothing to be held any longer?
    pub fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Counts a request that is about to be held; refuses one too many.
    pub fn hold(&self, user: UserKey) -> Result<Held> {
        let mut held = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let count = held.entry(user).or_insert(0);
        if *count >= limits::LONG_POLLS_PER_USER {
            return Err(Error::rate_limited("requests held with wait", Duration::from_secs(1)));
        }
        *count += 1;
        Ok(Held {
            held: Arc::clone(&self.held),
            user,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = held.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.user);
            }
        }
    }
}

/// One bell for each thing that somebody waits for.
pub struct Bells<K>(Mutex<HashMap<K, Arc<Notify>>>);

impl<K> Default for Bells<K> {
    fn default() -> Self {
        Bells(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone> Bells<K> {
    /// Starts listening: what rings after this call is heard by [`Bell::rung_within`].
    pub fn listen(&self, key: &K) -> Bell<'_, K> {
        let notify = Arc::clone(self.lock().entry(key.clone()).or_default());
        let mut heard = Box::pin(Arc::clone(&notify).notified_owned());
        heard.as_mut().enable();
        Bell {
            bells: self,
            key: key.clone(),
            heard: Some(heard),
            notify: Some(notify),
        }
    }

    /// Lets everybody go who waits.
    fn ring_all(&self) {
        self.lock().values().for_each(|notify| notify.notify_waiters());
    }

    pub fn ring<Q>(&self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(notify) = self.lock().get(key) {
            notify.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

pub struct Bell<'a, K: Hash + Eq> {
    bells: &'a Bells<K>,
    key: K,
    heard: Option<std::pin::Pin<Box<tokio::sync::futures::OwnedNotified>>>,
    notify: Option<Arc<Notify>>,
}

impl<K: Hash + Eq> Bell<'_, K> {
    /// Waits until it rings; `false` if it has not until then.
    pub async fn rung_before(mut self, until: Instant) -> bool {
        match self.heard.take() {
            Some(heard) => tokio::time::timeout_at(until.into(), heard).await.is_ok(),
            None => false,
        }
    }
}

impl<K: Hash + Eq> Drop for Bell<'_, K> {
    fn drop(&mut self) {
        self.heard = None;
        self.notify = None;
        let mut bells = self.bells.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // The last listener takes the bell down.
        if bells
            .get(&self.key)
            .is_some_and(|notify| Arc::strong_count(notify) == 1)
        {
            bells.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_between_listening_and_waiting_is_heard() {
        let bells = Bells::<u32>::default();
        let bell = bells.listen(&1);
        bells.ring(&1);
        assert!(bell.rung_before(Instant::now() + Duration::from_secs(60)).await);
        assert!(bells.lock().is_empty(), "nobody listens any more");
    }
}
