//! Places for the uploads of a node. There are so many, each person has a few, and while all are taken they are shared out by
//! address, so that nobody holds them all by uploads that hardly come.
//!
//! By address, since a person may have many accounts; by what is slow, since an upload at full speed makes room by itself. Who
//! has many addresses and the bandwidth to keep every place busy can still take them all: that is a load to be met before
//! this server.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, oneshot},
    time::{Instant, timeout},
};

use super::shares::PerPerson;
use crate::model::{Error, Result, UserKey, limits};

/// Who uploads, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploader {
    pub user: UserKey,
    /// As rates have it (`address_key`); `None` where it is not known, and then the person counts in its place.
    pub address: Option<IpAddr>,
}

impl From<UserKey> for Uploader {
    fn from(user: UserKey) -> Self {
        Uploader { user, address: None }
    }
}

/// By whom places are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sharer {
    Address(IpAddr),
    User(UserKey),
}

impl From<Uploader> for Sharer {
    fn from(uploader: Uploader) -> Self {
        match uploader.address {
            Some(address) => Sharer::Address(address),
            None => Sharer::User(uploader.user),
        }
    }
}

/// Bounds of the places. The default is the product's; tests take shorter times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub at_once: usize,
    pub of_user: usize,
    /// Longest wait for a place.
    pub wait: Duration,
    /// Who waits looks so often for somebody who has to give way.
    pub look: Duration,
    /// How long an upload is watched before its speed is known.
    pub speed_time: Duration,
    /// What comes faster, in bytes a second, keeps its place.
    pub gives_way: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            at_once: limits::UPLOADS_AT_ONCE,
            of_user: limits::UPLOADS_PER_USER,
            wait: limits::UPLOAD_PLACE_TIME,
            look: limits::UPLOAD_PLACE_LOOK,
            speed_time: limits::UPLOAD_SPEED_TIME,
            gives_way: limits::UPLOAD_GIVES_WAY_BYTES,
        }
    }
}

pub(super) struct Places {
    bounds: Bounds,
    of_users: PerPerson,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    taken: HashMap<u64, Taken>,
    /// In the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    gave_way: u64,
}

struct Taken {
    sharer: Sharer,
    upload: Arc<Watched>,
    gives_way: bool,
}

struct Waiting {
    sharer: Sharer,
    grant: oneshot::Sender<Granted>,
}

/// One of the node's places. Dropped, it is somebody else's.
struct Granted {
    places: Arc<Places>,
    number: u64,
    upload: Arc<Watched>,
}

/// A place among the uploads.
pub(super) struct Place {
    granted: Granted,
    _of_user: OwnedSemaphorePermit,
}

impl State {
    /// The places of each, without those that are about to be free.
    fn shares(&self) -> HashMap<Sharer, usize> {
        let mut shares = HashMap::new();
        for taken in self.taken.values().filter(|taken| !taken.gives_way) {
            *shares.entry(taken.sharer).or_insert(0) += 1;
        }
        shares
    }

    fn take(&mut self, places: &Arc<Places>, sharer: Sharer) -> Granted {
        self.next += 1;
        let upload = Arc::new(Watched::new(places.bounds.speed_time));
        let taken = Taken {
            sharer,
            upload: Arc::clone(&upload),
            gives_way: false,
        };
        self.taken.insert(self.next, taken);
        Granted {
            places: Arc::clone(places),
            number: self.next,
            upload,
        }
    }
}

impl Places {
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Places {
            bounds,
            of_users: PerPerson::new(bounds.of_user, bounds.at_once),
            state: Mutex::default(),
        })
    }

    /// Uploads that were ended for others since the start.
    pub fn gave_way(&self) -> u64 {
        self.lock().gave_way
    }

    /// A place; waits for one, within a bound.
    pub async fn take(self: &Arc<Self>, uploader: Uploader) -> Result<Place> {
        let taken = timeout(self.bounds.wait, async {
            // In this order: who waits for places of one's own holds none of the others'.
            let of_user = self.of_users.take(uploader.user).await?;
            let granted = self.granted(uploader.into()).await;
            Some(Place {
                granted,
                _of_user: of_user,
            })
        });
        taken
            .await
            .ok()
            .flatten()
            .ok_or_else(|| Error::unavailable("Too many files are being uploaded at the moment. Try again."))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn granted(self: &Arc<Self>, sharer: Sharer) -> Granted {
        let (grant, mut granted) = oneshot::channel();
        let waiting = {
            let mut state = self.lock();
            if state.taken.len() < self.bounds.at_once && state.waiting.is_empty() {
                return state.take(self, sharer);
            }
            state.next += 1;
            let number = state.next;
            state.waiting.insert(number, Waiting { sharer, grant });
            InLine { places: self, number }
        };
        loop {
            self.share_out();
            self.ask_for_room();
            // Who is slow shows only after a while.
            if let Ok(Ok(granted)) = timeout(self.bounds.look, &mut granted).await {
                drop(waiting);
                return granted;
            }
        }
    }

    /// Gives what is free to those who wait: who has least first.
    fn share_out(self: &Arc<Self>) {
        loop {
            let (waiting, granted) = {
                let mut state = self.lock();
                if state.taken.len() >= self.bounds.at_once {
                    return;
                }
                let shares = state.shares();
                let share = |waiting: &Waiting| shares.get(&waiting.sharer).copied().unwrap_or(0);
                let first = state
                    .waiting
                    .iter()
                    .min_by_key(|(number, waiting)| (share(waiting), **number));
                let Some(number) = first.map(|(number, _)| *number) else {
                    return;
                };
                let Some(waiting) = state.waiting.remove(&number) else {
                    return;
                };
                let granted = state.take(self, waiting.sharer);
                (waiting, granted)
            };
            // Whoever has gone meanwhile gives it back at once, which needs the lock.
            drop(waiting.grant.send(granted));
        }
    }

    /// Ends an upload for somebody who waits: one of those who have most, and more than who waits; the slowest of theirs, and
    /// only a slow one unless they have more than half of all.
    fn ask_for_room(&self) {
        let mut state = self.lock();
        let going = state.taken.values().filter(|taken| taken.gives_way).count();
        let shares = state.shares();
        let share = |sharer: &Sharer| shares.get(sharer).copied().unwrap_or(0);
        let Some(least) = state.waiting.values().map(|waiting| share(&waiting.sharer)).min() else {
            return;
        };
        if going >= state.waiting.len() || state.taken.len() < self.bounds.at_once {
            return;
        }
        let candidates = state.taken.iter().filter_map(|(number, taken)| {
            let (share, speed) = (share(&taken.sharer), taken.upload.speed()?);
            let may_end = share > least && (speed < self.bounds.gives_way || share > self.bounds.at_once / 2);
            (may_end && !taken.gives_way).then_some((share, std::cmp::Reverse(speed), *number))
        });
        if let Some((.., number)) = candidates.max()
            && let Some(taken) = state.taken.get_mut(&number)
        {
            taken.gives_way = true;
            taken.upload.end.notify_one();
            state.gave_way += 1;
        }
    }
}

/// A place in the line, until it is left.
struct InLine<'a> {
    places: &'a Places,
    number: u64,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let waiting = self.places.lock().waiting.remove(&self.number);
        // With a place that was granted just now, if so: not under the lock.
        drop(waiting);
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let taken = self.places.lock().taken.remove(&self.number);
        drop(taken);
        self.places.share_out();
    }
}

impl Place {
    /// The bytes of the upload that has this place. They end with an error when it has to give way.
    pub fn watched<S>(&self, bytes: S) -> impl Stream<Item = Result<Bytes>> + Send + use<S>
    where
        S: Stream<Item = Result<Bytes>> + Send,
    {
        let upload = Arc::clone(&self.granted.upload);
        stream::unfold(Some((Box::pin(bytes), upload)), |under_way| async {
            let (mut bytes, upload) = under_way?;
            upload.waits();
            let next = tokio::select! {
                biased;
                () = upload.end.notified() => Some(Err(gave_way())),
                next = futures_util::StreamExt::next(&mut bytes) => next,
            };
            upload.got(next.as_ref().and_then(|piece| piece.as_ref().ok()).map(Bytes::len));
            let next = next?;
            let rest = next.is_ok().then_some((bytes, upload));
            Some((next, rest))
        })
    }
}

fn gave_way() -> Error {
    Error::unavailable(
        "All places for uploads are taken, and this one came too slowly to keep its own. Try again, or go on with it, in a while.",
    )
}

/// How fast an upload comes.
struct Watched {
    end: Notify,
    speed: Mutex<Speed>,
    /// As [`Bounds`] have it.
    speed_time: Duration,
}

/// Only the time in which the client is waited for counts.
#[derive(Default)]
struct Speed {
    /// Since when it is waited for now.
    since: Option<Instant>,
    waited: Duration,
    came: u64,
    /// Of the last whole stretch of time, in bytes a second.
    last: Option<u64>,
}

impl Speed {
    fn of(came: u64, waited: Duration) -> u64 {
        (came as f64 / waited.as_secs_f64()) as u64
    }
}

impl Watched {
    fn new(speed_time: Duration) -> Self {
        Watched {
            end: Notify::new(),
            speed: Mutex::default(),
            speed_time,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Speed> {
        self.speed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) {
        self.lock().since = Some(Instant::now());
    }

    /// `None`: there is no more, and what is left to do is the server's.
    fn got(&self, bytes: Option<usize>) {
        let mut speed = self.lock();
        let since = speed.since.take();
        let Some(bytes) = bytes else {
            speed.last = None;
            (speed.came, speed.waited) = (0, Duration::ZERO);
            return;
        };
        speed.came += bytes as u64;
        speed.waited += since.map_or(Duration::ZERO, |since| since.elapsed());
        if speed.waited >= self.speed_time {
            speed.last = Some(Speed::of(speed.came, speed.waited));
            (speed.came, speed.waited) = (0, Duration::ZERO);
        }
    }

    /// Bytes a second of late; `None` where it cannot be told yet, or nothing is waited for.
    fn speed(&self) -> Option<u64> {
        let speed = self.lock();
        let waited = speed.waited + speed.since?.elapsed();
        match waited >= self.speed_time {
            true => Some(Speed::of(speed.came, waited)),
            false => speed.last,
        }
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
