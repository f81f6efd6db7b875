//! Those who write: a few tasks, each with a connection of its own. All writes of a conversation go to the same one, in
//! the order of their calls. It takes whatever waits, puts it into one transaction, and answers after the commit is on
//! the disk: the more wait, the cheaper each becomes. It never lingers for more to come.
//!
//! When the database is gone, what waits is answered `Unavailable`, and so is what comes until the next try to connect,
//! which the next write makes after a pause. A commit whose answer was lost may stand all the same: that is settled by
//! the client's id when the message is sent again.

use std::{
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
    batch,
    connection::{Config, Connection, Done, Failure, TRANSACTION_TIME},
    news::News,
    outgrown::Outgrown,
    queue::{Job, Order, Queues},
    sessions::{self, SessionWrite},
    slots::Lease,
    trouble::Trouble,
};
use crate::{
    model::{Clock, Session, Timestamp},
    store::{Draft, Facts, Result, StoreError, sqlite::Stats},
};

/// Between two tries to connect, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Writes other than sends and those of sessions in one transaction. Each takes several ways to the server: with more of
/// them a slow one could not end in time, and all would be refused.
const SINGLES_MAX: usize = 64;
/// How often a write is applied again that another node's write made impossible (a deadlock).
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

struct Writer {
    work: Work,
    line: Line,
    lease: Lease,
}

impl Writer {
    async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut open = true;
        while open {
            // All ways in are gone: the store was dropped without being closed.
            let Some(first) = orders.recv().await else { break };
            let mut batch = Vec::new();
            let mut singles = 0;
            let mut next = Some(first);
            while let Some(order) = next {
                if matches!(order, Order::Close) {
                    open = false;
                    break;
                }
                singles += usize::from(matches!(order, Order::Other(..)));
                batch.push(order);
                self.work.stats.queued.fetch_sub(1, Relaxed);
                if batch.len() >= self.work.batch_max || singles >= SINGLES_MAX {
                    break;
                }
                next = orders.try_recv().ok();
            }
            if !batch.is_empty() {
                self.commit(batch).await;
            }
            if matches!(self.line, Line::Down { .. }) {
                // Nobody waits behind a database that is gone.
                while let Ok(order) = orders.try_recv() {
                    match order {
                        Order::Close => open = false,
                        order => {
                            self.work.stats.queued.fetch_sub(1, Relaxed);
                            let failure = self.down().failure;
                            self.work.trouble.failed(&failure, 1);
                            order.answer(Err(failure.into()));
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

    /// Stores a batch and answers it. When it fails, its writes are tried one by one, in order, so that one bad write
    /// fails alone.
    async fn commit(&mut self, mut batch: Vec<Order>) {
        let outcome = self.transaction(&mut batch).await;
        match outcome {
            Ok(()) => answer_all(batch, &Ok(())),
            Err(broken) if broken.may_go_again => {
                if batch.len() > 1 {
                    tracing::debug!(writes = batch.len(), error = %broken.failure, "a batch failed and is tried one by one");
                }
                self.work.stats.retried.fetch_add(batch.len() as u64, Relaxed);
                for order in batch {
                    self.commit_alone(order).await;
                }
            }
            Err(broken) => {
                self.work.trouble.failed(&broken.failure, batch.len() as u64);
                answer_all(batch, &Err(broken.into()));
            }
        }
    }

    async fn commit_alone(&mut self, order: Order) {
        let mut order = [order];
        let mut outcome = self.transaction(&mut order).await;
        for _ in 0..COLLISIONS_MAX {
            match &outcome {
                Err(broken) if is_collision(&broken.failure) => outcome = self.transaction(&mut order).await,
                _ => break,
            }
        }
        if let Err(broken) = &outcome {
            self.work.trouble.failed(&broken.failure, 1);
        }
        let [order] = order;
        order.answer(outcome.map_err(StoreError::from));
    }

    /// One transaction; its facts are handed on before this returns.
    async fn transaction(&mut self, orders: &mut [Order]) -> Result<(), Broken> {
        self.connect().await?;
        let Line::Up(connection) = &mut self.line else {
            return Err(self.down());
        };
        let started = Instant::now();
        let applied = apply(connection, &mut self.lease, &self.work, orders).await;
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
        stats.batch_writes.observe(orders.len() as u64);
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

fn answer_all(orders: Vec<Order>, committed: &Result<()>) {
    for order in orders {
        order.answer(committed.clone());
    }
}

/// Begins a transaction and applies the writes, in an order that keeps that of each conversation and each session: many
/// sends in one statement, then the rest, and the sessions at last. Its news, and the statement that ends it.
async fn apply(
    connection: &mut Connection,
    lease: &mut Lease,
    work: &Work,
    orders: &mut [Order],
) -> Done<(News, String)> {
    connection.allow(TRANSACTION_TIME);
    let slot = lease.slot(connection).await?;
    connection.allow(TRANSACTION_TIME);
    let mut news = if orders.iter().any(Order::has_news) {
        let last = lease.begin(connection, work.begin, slot).await?;
        News::new(slot, Some(last))
    } else {
        connection.run(work.begin).await?;
        News::new(slot, None)
    };
    let connection = &*connection;
    let clock = &*work.clock;
    let together = sends_that_go_together(orders);
    if !together.is_empty() {
        let now = clock.now();
        let drafts: Vec<&Draft> = together
            .iter()
            .filter_map(|place| match &orders[*place] {
                Order::Append(queued) => Some(&queued.write),
                _ => None,
            })
            .collect();
        let outcomes = batch::append(connection, &mut news, &drafts, now).await?;
        for (place, outcome) in together.iter().zip(outcomes) {
            if let Order::Append(queued) = &mut orders[*place] {
                queued.outcome = Some(outcome);
            }
        }
    }
    for (place, order) in orders.iter_mut().enumerate() {
        let mut writing = Writing {
            connection,
            now: clock.now(),
            news: &mut news,
        };
        match order {
            Order::Append(_) if together.binary_search(&place).is_ok() => {}
            Order::Append(queued) => queued.apply(&mut writing).await?,
            Order::Other(_, job) => job.apply(&mut writing).await?,
            Order::Session(_) | Order::Close => {}
        }
    }
    let mut of_sessions: Vec<(&SessionWrite, &mut Option<Session>)> = orders
        .iter_mut()
        .filter_map(|order| match order {
            Order::Session(queued) => {
                let queued = &mut **queued;
                Some((&queued.write, &mut queued.outcome))
            }
            _ => None,
        })
        .collect();
    if !of_sessions.is_empty() {
        sessions::apply(connection, &mut of_sessions).await?;
    }
    let end = news.commit(lease.is_held())?;
    Ok((news, end))
}

/// The places of the sends before which nothing else of their conversation waits, if there are enough of them. Those with
/// attachments, which are few, go by themselves.
fn sends_that_go_together(orders: &[Order]) -> Vec<usize> {
    let mut touched = std::collections::HashSet::new();
    let mut places = Vec::new();
    for (place, order) in orders.iter().enumerate() {
        match order {
            Order::Append(queued) if !queued.write.attachments.is_empty() => {
                touched.insert(queued.write.conversation);
            }
            Order::Append(queued) if !touched.contains(&queued.write.conversation) => places.push(place),
            Order::Other(Some(conversation), _) => drop(touched.insert(*conversation)),
            _ => {}
        }
    }
    if places.len() < batch::WORTH_IT {
        places.clear();
    }
    places
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
