//! A session and the table of all sessions.

use crate::{
    Config, Counters, Frame, Handler, Reason,
    engine::Id,
    polling::Polling,
    queue::{Outbox, Phase, Timers},
    wheel::Wheel,
};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
    time::{Duration, Instant},
};

/// Parts of the table, so that connects on several threads seldom meet.
const SHARDS: usize = 16;

/// Ids are random bits already, and only ours get into the table: one word of them is as good as a hash.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Shard<H> = HashMap<Id, Arc<Session<H>>, BuildHasherDefault<IdHasher>>;

/// What all sessions of a server share.
pub(crate) struct Shared<H: Handler> {
    pub config: Config,
    pub handler: Arc<H>,
    pub counters: Arc<Counters>,
    shards: [Mutex<Shard<H>>; SHARDS],
    wheel: Mutex<Wheel<Weak<Session<H>>>>,
    started: Instant,
    /// Milliseconds since `started`, as of the last tick: exact enough for bounds of seconds, and free to read.
    now: AtomicU64,
    pub closing: AtomicBool,
    pub sessions: AtomicUsize,
    /// Bytes of POST bodies that are being read.
    pub buffered_bodies: AtomicUsize,
    sweeping: AtomicBool,
    tick: Duration,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A handler that panics takes its own connection down; what the lock guards is whole between statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

impl<H: Handler> Shared<H> {
    pub fn new(config: Config, handler: Arc<H>) -> Self {
        // A tenth of a second, finer where the heartbeat itself is short.
        let tick = (config.ping_timeout / 20).clamp(Duration::from_millis(5), Duration::from_millis(100));
        Self {
            config,
            handler,
            counters: Arc::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
            wheel: Mutex::new(Wheel::new()),
            started: Instant::now(),
            now: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            sessions: AtomicUsize::new(0),
            buffered_bodies: AtomicUsize::new(0),
            sweeping: AtomicBool::new(false),
            tick,
        }
    }

    /// Milliseconds of the server's clock, as of the last tick.
    pub fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// Milliseconds of the server's clock, exactly.
    pub fn exact_now(&self) -> u64 {
        let now = millis(self.started.elapsed());
        self.now.fetch_max(now, Relaxed);
        now
    }

    fn shard(&self, id: Id) -> &Mutex<Shard<H>> {
        &self.shards[usize::from(id.to_text()[0]) % SHARDS]
    }

    pub fn find(&self, id: Id) -> Option<Arc<Session<H>>> {
        lock(self.shard(id)).get(&id).cloned()
    }

    /// Opens a session that counts from now. Its task is the caller's to start.
    pub fn open(
        self: &Arc<Self>,
        data: H::Session,
        polling: Option<Box<Polling>>,
    ) -> Result<Arc<Session<H>>, getrandom::Error> {
        let id = Id::random()?;
        let now = self.exact_now();
        let config = &self.config;
        let connect_by = if config.engine_echo {
            u64::MAX
        } else {
            now + millis(config.connect_timeout)
        };
        let timers = Timers {
            next_ping: now + millis(config.ping_interval),
            pong_by: u64::MAX,
            connect_by,
            expire_at: u64::MAX,
            expired: 0,
            next_check: u64::MAX,
            paused: false,
            progress: now,
        };
        let session = Arc::new(Session {
            id,
            server: Arc::clone(self),
            data: Arc::new(data),
            open: AtomicBool::new(true),
            answer_bytes: AtomicUsize::new(0),
            push_bytes: AtomicUsize::new(0),
            outbox: Mutex::new(Outbox::new(timers, polling)),
        });
        self.sessions.fetch_add(1, Relaxed);
        self.counters.sessions_opened.fetch_add(1, Relaxed);
        lock(self.shard(id)).insert(id, Arc::clone(&session));
        let next = lock(&session.outbox).timers.next_ping.min(connect_by);
        session.check_at(&mut lock(&session.outbox), next);
        self.sweep();
        if self.closing.load(Relaxed) {
            // `close_all` may have passed over the table just before.
            session.close(Reason::ShuttingDown);
        }
        Ok(session)
    }

    /// Takes a session out of the table, once.
    pub fn remove(&self, id: Id) {
        if lock(self.shard(id)).remove(&id).is_some() {
            self.sessions.fetch_sub(1, Relaxed);
        }
    }

    pub fn all(&self) -> Vec<Arc<Session<H>>> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Starts the task that walks the wheel, if it does not run. It ends with the server.
    fn sweep(self: &Arc<Self>) {
        if self.sweeping.swap(true, Relaxed) {
            return;
        }
        let (server, tick) = (Arc::downgrade(self), self.tick);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(tick);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            let mut due = Vec::new();
            loop {
                interval.tick().await;
                let Some(server) = server.upgrade() else { return };
                let now = server.exact_now();
                lock(&server.wheel).advance(now / millis(tick), &mut due);
                for (at, session) in due.drain(..) {
                    if let Some(session) = session.upgrade() {
                        session.due(at, now);
                    }
                }
            }
        });
    }
}

/// One client's session, on whichever transport.
pub(crate) struct Session<H: Handler> {
    pub id: Id,
    pub server: Arc<Shared<H>>,
    pub data: Arc<H::Session>,
    /// The phase is open. For those who ask without the lock.
    open: AtomicBool,
    /// Copy of the outbox's count, for the task to read without the lock.
    answer_bytes: AtomicUsize,
    /// Likewise, for those who push.
    push_bytes: AtomicUsize,
    outbox: Mutex<Outbox>,
}

impl<H: Handler> Session<H> {
    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes.load(Relaxed)
    }

    pub fn push_bytes(&self) -> usize {
        self.push_bytes.load(Relaxed)
    }

    /// Runs `change` under the lock, then wakes whom it says.
    pub fn with<T>(&self, change: impl FnOnce(&mut Outbox) -> (T, Option<Waker>)) -> T {
        let mut outbox = lock(&self.outbox);
        let (result, waker) = change(&mut outbox);
        self.open.store(outbox.phase == Phase::Open, Relaxed);
        self.answer_bytes.store(outbox.answer_bytes(), Relaxed);
        self.push_bytes.store(outbox.push_bytes(), Relaxed);
        drop(outbox);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Queues a push; `false` if the session is no longer open, or has just been closed for being slow.
    pub fn push(self: &Arc<Self>, frame: &Frame) -> bool {
        let config = &self.server.config;
        let now = self.server.now();
        self.with(|outbox| {
            if outbox.phase != Phase::Open {
                return (false, None);
            }
            let polled = outbox.polling.is_some() && outbox.is_empty();
            match outbox.push(
                frame.0.clone(),
                now,
                config.push_queue_bytes,
                millis(config.push_queue_age),
            ) {
                Ok(()) => {
                    if polled {
                        // Nothing else bounds how long a client takes to come back with a poll.
                        self.check_at(outbox, now + millis(config.push_queue_age));
                    }
                    (true, outbox.wake_for_frames())
                }
                Err(_) => (false, self.shut_slow(outbox)),
            }
        })
    }

    /// Queues an answer, if the session is open, or closes and still answers what had begun.
    pub fn answer(&self, frame: Frame) {
        let now = self.server.now();
        self.with(|outbox| {
            if outbox.phase != Phase::Open && !outbox.settling {
                return ((), None);
            }
            outbox.answer(frame.0, now);
            ((), outbox.wake_for_frames())
        });
    }

    /// Closes the session; what is queued is still written, in bounded time.
    pub fn close(self: &Arc<Self>, reason: Reason) {
        self.with(|outbox| ((), self.shut(outbox, Phase::Closing(reason))));
    }

    /// Closes the session at once.
    pub fn abort(self: &Arc<Self>, reason: Reason) {
        self.with(|outbox| ((), self.shut(outbox, Phase::Closed(reason))));
    }

    /// Moves to a later phase; the reason stays that of the first.
    pub fn shut(self: &Arc<Self>, outbox: &mut Outbox, phase: Phase) -> Option<Waker> {
        match (outbox.phase, phase) {
            (Phase::Open, phase) => {
                outbox.phase = phase;
                outbox.settling = matches!(phase, Phase::Closing(_));
                outbox.timers.expire_at = self.server.exact_now() + millis(self.server.config.close_timeout);
                self.check_at(outbox, outbox.timers.expire_at);
            }
            (Phase::Closing(reason), Phase::Closed(_)) => outbox.phase = Phase::Closed(reason),
            _ => return None,
        }
        outbox.wake()
    }

    /// Waits no longer than so for the client to end the connection, too.
    pub fn hurry(self: &Arc<Self>) {
        let by = self.server.exact_now() + millis(self.server.config.goodbye_timeout);
        self.with(|outbox| {
            if outbox.timers.expired == 0 && by < outbox.timers.expire_at {
                outbox.timers.expire_at = by;
                self.check_at(outbox, by);
            }
            ((), None)
        });
    }

    fn shut_slow(self: &Arc<Self>, outbox: &mut Outbox) -> Option<Waker> {
        if outbox.phase == Phase::Open {
            self.server.counters.slow_consumers.fetch_add(1, Relaxed);
        }
        self.shut(outbox, Phase::Closing(Reason::SlowConsumer))
    }

    /// The client answered a ping.
    pub fn pong(&self) {
        let next = self.server.exact_now() + millis(self.server.config.ping_interval);
        self.with(|outbox| {
            outbox.timers.pong_by = u64::MAX;
            // The check that is due when the answer would have been late finds this and moves on to it.
            outbox.timers.next_ping = next;
            ((), None)
        });
    }

    /// Has the wheel look at the session at the given time, if it would not earlier.
    pub fn check_at(self: &Arc<Self>, outbox: &mut Outbox, at: u64) {
        let tick = at.div_ceil(millis(self.server.tick));
        if tick < outbox.timers.next_check {
            outbox.timers.next_check = tick;
            lock(&self.server.wheel).insert(tick, Arc::downgrade(self));
        }
    }

    /// An entry of the wheel is due.
    fn due(self: &Arc<Self>, tick: u64, now: u64) {
        self.with(|outbox| {
            if outbox.timers.next_check != tick {
                return ((), None);
            }
            outbox.timers.next_check = u64::MAX;
            let waker = self.check(outbox, now);
            if let Some(next) = self.next_check(outbox) {
                self.check_at(outbox, next.max(now + 1));
            }
            ((), waker)
        });
    }

    /// Does what is due: pings, and closes what has run out of time.
    pub fn check(self: &Arc<Self>, outbox: &mut Outbox, now: u64) -> Option<Waker> {
        let config = &self.server.config;
        if outbox.phase != Phase::Open {
            let timers = &mut outbox.timers;
            if now < timers.expire_at {
                return None;
            }
            timers.expired = timers.expired.saturating_add(1);
            timers.expire_at = if timers.expired == 1 {
                now + millis(config.turn_timeout)
            } else {
                u64::MAX
            };
            return outbox.wake();
        }
        if now >= outbox.timers.connect_by {
            return self.shut(outbox, Phase::Closing(Reason::ServerClose));
        }
        if outbox.too_old(now, millis(config.push_queue_age)) {
            return self.shut_slow(outbox);
        }
        if outbox.timers.next_ping <= now {
            // Counted from when it was due, however late this check comes.
            outbox.timers.pong_by = outbox.timers.next_ping + millis(config.ping_timeout);
            outbox.timers.next_ping = u64::MAX;
            outbox.answer(Frame::text("2", b"").0, now);
            return outbox.wake_for_frames();
        }
        if outbox.timers.pong_by <= now {
            let timers = &mut outbox.timers;
            let patience = timers.progress + millis(config.ping_timeout);
            if timers.paused && patience > now {
                timers.pong_by = patience;
                return None;
            }
            return self.shut(outbox, Phase::Closed(Reason::PingTimeout));
        }
        None
    }

    fn next_check(&self, outbox: &Outbox) -> Option<u64> {
        let timers = &outbox.timers;
        let next = match outbox.phase {
            Phase::Open => {
                let oldest = outbox
                    .oldest_push()
                    .map(|at| at + millis(self.server.config.push_queue_age) + 1);
                timers
                    .next_ping
                    .min(timers.pong_by)
                    .min(timers.connect_by)
                    .min(oldest.unwrap_or(u64::MAX))
            }
            Phase::Closing(_) | Phase::Closed(_) => timers.expire_at,
        };
        (next != u64::MAX).then_some(next)
    }
}
