//! Those who write: a few tasks, each with a connection of its own. All writes of a conversation go to the same one, in
//! the order of their calls. It takes whatever waits, puts it into one transaction, and answers after the commit is on
//! the disk: the more wait, the cheaper each becomes. It never lingers for more to come.
//!
//! When the database is gone, what waits is answered `Unavailable`, and so is what comes until the next try to connect,
//! which the next write makes after a pause. A commit whose answer was lost may stand all the same: that is settled by
//! the client's id when the message is sent again.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_postgres::error::SqlState;

use super::{
    connection::{Config, Connection, Done, Failure, TRANSACTION_TIME},
    news::News,
    outgrown::Outgrown,
    queue::{Keyed, Order, Queues},
    slots::Lease,
    transaction::Transaction,
    trouble::Trouble,
};
use crate::{
    model::{Clock, Timestamp},
    store::{Facts, Result, StoreError, sqlite::Stats},
};

/// Between two tries to connect, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Writes that take statements of their own, in one transaction: it locks what all of them write in.
const SINGLES_MAX: usize = 64;
/// How often a transaction is applied again that another's made impossible (a deadlock).
const COLLISIONS_MAX: usize = 5;

/// A change of the database, told apart from how it is queued and answered.
///
/// Applied against the open transaction of a batch; when that batch fails it is applied again, alone, so it takes
/// nothing with it and keeps nothing.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    type Outcome: Send + 'static;
    /// It has news whenever it changes anything, and its transaction begins with the lock of the slot. Others lock it
    /// when they find that they have news, before anything else ([`News::lock_slot`]).
    const HAS_NEWS: bool = true;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Self::Outcome>;
}

/// What a write works with: the open transaction, the present, and where its news go.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) news: &'a mut News,
}

/// What every writer works with.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) config: Config,
    /// The statement that begins a transaction.
    pub(super) begin: &'static str,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) facts: Facts,
    pub(super) stats: Arc<Stats>,
    pub(super) trouble: Arc<Trouble>,
    pub(super) outgrown: Arc<Outgrown>,
    pub(super) queue_max: usize,
    pub(super) batch_max: usize,
}

impl Work {
    /// Starts a writer for each of these connections, with the number that it is known by in the database.
    pub(super) fn start(&self, connections: Vec<(i64, Connection)>) -> Queues {
        let mut queues = Queues {
            writers: Vec::new(),
            ended: Vec::new(),
            stats: self.stats.clone(),
            outgrown: self.outgrown.clone(),
        };
        for (holder, connection) in connections {
            let (orders, receiver) = mpsc::channel(self.queue_max);
            let (end, ended) = watch::channel(false);
            let writer = Writer {
                work: self.clone(),
                line: Line::Up(connection),
                lease: Lease::new(holder),
                pace: Pace {
                    orders: self.batch_max,
                    singles: SINGLES_MAX,
                },
                put_off: VecDeque::new(),
            };
            tokio::spawn(async move {
                writer.work(receiver).await;
                let _ = end.send(true);
            });
            queues.writers.push(orders);
            queues.ended.push(ended);
        }
        queues
    }
}

/// The line to the database.
enum Line {
    Up(Connection),
    Down {
        reason: String,
        next_try: Instant,
        pause: Duration,
    },
}

/// How a transaction went wrong.
struct Broken {
    failure: Failure,
    /// The connection was lost before the commit was asked for: nothing was stored.
    may_go_again: bool,
    /// The commit was asked for and not answered: nobody knows what was stored.
    is_uncertain: bool,
}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        match broken.is_uncertain {
            true => StoreError::Uncertain(broken.failure.to_string()),
            false => broken.failure.into(),
        }
    }
}

/// How much goes into one transaction: less once there was too much, more again when all is well.
struct Pace {
    orders: usize,
    singles: usize,
}

impl Pace {
    fn slow_down(&mut self, too_much: &Transaction) {
        self.orders = (too_much.len() / 2).max(1);
        self.singles = (too_much.singles() / 2).max(1);
    }

    fn speed_up(&mut self, orders_max: usize) {
        self.orders = (self.orders * 2).min(orders_max);
        self.singles = (self.singles * 2).min(SINGLES_MAX);
    }
}

struct Writer {
    work: Work,
    line: Line,
    lease: Lease,
    pace: Pace,
    /// Taken from the queue, and put off until the next transaction: fewer than go into one.
    put_off: VecDeque<Keyed>,
}

impl Writer {
    async fn work(mut self, mut queue: mpsc::Receiver<Keyed>) {
        let mut open = true;
        while open || !self.put_off.is_empty() {
            let mut orders = Vec::new();
            while orders.len() < self.pace.orders {
                let next = match self.put_off.pop_front() {
                    Some(next) => next,
                    None if !open => break,
                    None => {
                        let next = match orders.is_empty() {
                            true => queue.recv().await,
                            false => queue.try_recv().ok(),
                        };
                        // All ways in are gone: the store was dropped without being closed.
                        open = next.is_some() || !orders.is_empty();
                        let Some(next) = next else { break };
                        if matches!(next.order, Order::Close) {
                            open = false;
                            break;
                        }
                        self.work.stats.queued.fetch_sub(1, Relaxed);
                        next
                    }
                };
                orders.push(next);
            }
            if !orders.is_empty() {
                self.commit(orders).await;
            }
            if matches!(self.line, Line::Down { .. }) {
                // Nobody waits behind a database that is gone.
                for keyed in std::mem::take(&mut self.put_off) {
                    self.refuse(keyed.order);
                }
                while let Ok(keyed) = queue.try_recv() {
                    match keyed.order {
                        Order::Close => open = false,
                        order => {
                            self.work.stats.queued.fetch_sub(1, Relaxed);
                            self.refuse(order);
                        }
                    }
                }
            }
        }
        if let Line::Up(connection) = &mut self.line {
            connection.allow(TRANSACTION_TIME);
            // An error means that the slot is free a little later, by itself.
            let _ = self.lease.end(connection).await;
        }
    }

    fn refuse(&self, order: Order) {
        let failure = self.down().failure;
        self.work.trouble.failed(&failure, 1);
        order.answer(Err(failure.into()));
    }

    /// Stores these orders, or as many as there is time for, and answers them. When that fails, they are tried one by one,
    /// so that one bad write fails alone.
    async fn commit(&mut self, orders: Vec<Keyed>) {
        let (mut transaction, put_off) = Transaction::of(orders, self.pace.singles);
        self.put_off = put_off.into_iter().chain(std::mem::take(&mut self.put_off)).collect();
        let outcome = self.persist(&mut transaction).await;
        match outcome {
            Ok(()) => {
                let late = transaction.take_late();
                self.pace.speed_up(self.work.batch_max);
                if !late.is_empty() {
                    self.pace.singles = transaction.singles();
                }
                self.put_off = late.into_iter().chain(std::mem::take(&mut self.put_off)).collect();
                transaction.answer(&Ok(()));
            }
            Err(broken) if broken.may_go_again => {
                if transaction.len() > 1 {
                    tracing::debug!(writes = transaction.len(), error = %broken.failure, "a batch failed and is tried one by one");
                }
                self.work.stats.retried.fetch_add(transaction.len() as u64, Relaxed);
                for keyed in transaction.into_orders() {
                    self.commit_alone(keyed).await;
                }
            }
            Err(broken) => {
                if matches!(broken.failure, Failure::TooLate) {
                    self.pace.slow_down(&transaction);
                }
                self.work.trouble.failed(&broken.failure, transaction.len() as u64);
                transaction.answer(&Err(broken.into()));
            }
        }
    }

    async fn commit_alone(&mut self, keyed: Keyed) {
        let (mut transaction, _) = Transaction::of(vec![keyed], 1);
        let outcome = self.persist(&mut transaction).await;
        if let Err(broken) = &outcome {
            self.work.trouble.failed(&broken.failure, 1);
        }
        transaction.answer(&outcome.map_err(StoreError::from));
    }

    /// Again, where another's transaction made it impossible.
    async fn persist(&mut self, transaction: &mut Transaction) -> Result<(), Broken> {
        let mut outcome = self.transaction(transaction).await;
        for _ in 0..COLLISIONS_MAX {
            match &outcome {
                Err(broken) if is_collision(&broken.failure) => outcome = self.transaction(transaction).await,
                _ => break,
            }
        }
        outcome
    }

    /// One transaction; its facts are handed on before this returns.
    async fn transaction(&mut self, transaction: &mut Transaction) -> Result<(), Broken> {
        self.connect().await?;
        let Line::Up(connection) = &mut self.line else {
            return Err(self.down());
        };
        let started = Instant::now();
        let applied = transaction.apply(connection, &mut self.lease, &self.work).await;
        let mut lost_answer = false;
        let outcome = match applied {
            Ok((news, end)) => match connection.run(&end).await {
                Ok(()) => Ok(news),
                Err(failure) => {
                    // What the server itself says of a commit is certain; silence is not.
                    lost_answer = !matches!(&failure, Failure::Database(error) if error.as_db_error().is_some());
                    Err(failure)
                }
            },
            Err(failure) => Err(failure),
        };
        let outcome = match outcome {
            Ok(news) => Ok(news),
            Err(failure) => {
                if !connection.is_lost() {
                    // An error means that the connection is lost, which is seen below.
                    let _ = connection.run("ROLLBACK").await;
                }
                let may_go_again = !lost_answer && !matches!(failure, Failure::TooLate);
                Err(Broken {
                    failure,
                    may_go_again,
                    is_uncertain: lost_answer,
                })
            }
        };
        if let Err(broken) = &outcome {
            self.work.stats.failed.fetch_add(1, Relaxed);
            let is_fatal = matches!(&broken.failure, Failure::Database(error) if is_ending(error));
            if connection.is_lost() || is_fatal {
                tracing::debug!(error = %broken.failure, "a writer lost its connection to PostgreSQL");
                self.line = Line::Down {
                    reason: broken.failure.to_string(),
                    next_try: Instant::now(),
                    pause: PAUSE_MIN,
                };
            }
        }
        let facts = outcome?.into_facts();
        self.work.trouble.succeeded();
        let stats = &self.work.stats;
        stats.commit_microseconds.observe(started.elapsed().as_micros() as u64);
        stats.batch_writes.observe(transaction.applied() as u64);
        if !facts.is_empty() {
            // Waits while the receiver is slow. Without a receiver nobody wants to know.
            let _ = self.work.facts.send(facts).await;
        }
        Ok(())
    }

    /// Connects anew where the connection is lost and the pause is over.
    async fn connect(&mut self) -> Result<(), Broken> {
        if let Line::Up(connection) = &self.line {
            if !connection.is_lost() {
                return Ok(());
            }
            self.line = Line::Down {
                reason: "the connection was lost".into(),
                next_try: Instant::now(),
                pause: PAUSE_MIN,
            };
        }
        let Line::Down { next_try, pause, .. } = &self.line else {
            return Ok(());
        };
        if Instant::now() < *next_try {
            return Err(self.down());
        }
        let pause = *pause;
        match Connection::open(&self.work.config).await {
            Ok(connection) => {
                tracing::debug!("a writer is connected to PostgreSQL again");
                self.line = Line::Up(connection);
                Ok(())
            }
            Err(failure) => {
                self.line = Line::Down {
                    reason: failure.to_string(),
                    next_try: Instant::now() + pause,
                    pause: (pause * 2).min(PAUSE_MAX),
                };
                Err(Broken {
                    failure,
                    may_go_again: false,
                    is_uncertain: false,
                })
            }
        }
    }

    fn reason(&self) -> String {
        match &self.line {
            Line::Up(_) => "the connection was lost".into(),
            Line::Down { reason, .. } => reason.clone(),
        }
    }

    fn down(&self) -> Broken {
        Broken {
            failure: Failure::Gone(self.reason()),
            may_go_again: false,
            is_uncertain: false,
        }
    }
}

/// Did another transaction make this one impossible?
fn is_collision(failure: &Failure) -> bool {
    matches!(failure, Failure::Database(error)
        if matches!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE)))
}

/// Does the server end the connection with this error?
fn is_ending(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || matches!(
            error.code(),
            Some(&SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::CANNOT_CONNECT_NOW)
        )
}
