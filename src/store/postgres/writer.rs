//! Those who write: a few tasks, each with a connection of its own. All writes of a conversation go to the same one, in
//! the order of their calls. It takes whatever waits, puts it into one transaction, and answers after the commit is on
//! the disk: the more wait, the cheaper each becomes. It never lingers for more to come.
//!
//! When the database is gone, what waits is answered `Unavailable`, and so is what comes until the next try to connect,
//! which the next write makes after a pause. A commit whose answer was lost may stand all the same: that is settled by
//! the client's id when the message is sent again.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::Instant,
};
use tokio_postgres::error::SqlState;

use super::{
    batch,
    connection::{Config, Connection, Done, Failure},
};
use crate::{
    model::{Clock, ConversationKey, Fact, Timestamp},
    store::{Appended, Draft, Facts, Pending, Result, StoreError, sqlite::Stats},
};

/// Between two tries to connect, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often a write is applied again that another node's write made impossible (a deadlock).
const COLLISIONS_MAX: usize = 5;

/// A change of the database, told apart from how it is queued and answered.
///
/// Applied against the open transaction of a batch; when that batch fails it is applied again, alone, so it takes
/// nothing with it and keeps nothing.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    type Outcome: Send + 'static;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Self::Outcome>;
}

/// What a write works with: the open transaction, the present, and where its news go.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) facts: &'a mut Vec<Fact>,
}

/// A write with the place where its outcome goes.
#[async_trait]
trait Job: Send {
    async fn apply(&mut self, writing: &mut Writing<'_>) -> Done<()>;
    /// After the commit, or after it failed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Queued<W: Write> {
    write: W,
    outcome: Option<W::Outcome>,
    reply: oneshot::Sender<Result<W::Outcome>>,
}

impl<W: Write> Queued<W> {
    fn settle(self, committed: Result<()>) {
        // Whoever asked may have gone: the write stands all the same.
        let _ = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => self.reply.send(Ok(outcome)),
            (Err(error), _) => self.reply.send(Err(error)),
            (Ok(()), None) => return,
        };
    }
}

#[async_trait]
impl<W: Write> Job for Queued<W> {
    async fn apply(&mut self, writing: &mut Writing<'_>) -> Done<()> {
        self.outcome = Some(self.write.apply(writing).await?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        self.settle(committed);
    }
}

enum Order {
    /// Told apart from the rest, since many go in one statement.
    Append(Box<Queued<Draft>>),
    /// Another write, and the conversation that it is bound to.
    Other(Option<ConversationKey>, Box<dyn Job>),
    Close,
}

impl Order {
    fn answer(self, committed: Result<()>) {
        match self {
            Order::Append(queued) => queued.settle(committed),
            Order::Other(_, job) => job.answer(committed),
            Order::Close => {}
        }
    }
}

/// The ways in to the writers.
pub(super) struct Queues {
    writers: Vec<mpsc::Sender<Order>>,
    /// True when the writer has ended.
    ended: Vec<watch::Receiver<bool>>,
    stats: Arc<Stats>,
}

impl Queues {
    pub(super) fn append(&self, draft: Draft) -> Pending<Appended> {
        let key = draft.conversation;
        let (queued, pending) = queued(draft);
        self.put(key, Order::Append(Box::new(queued)), pending)
    }

    /// Queues a write behind those of the same conversation.
    pub(super) fn put_for<W: Write>(&self, conversation: ConversationKey, write: W) -> Pending<W::Outcome> {
        let (queued, pending) = queued(write);
        self.put(
            conversation,
            Order::Other(Some(conversation), Box::new(queued)),
            pending,
        )
    }

    /// Queues a write behind those with the same key.
    pub(super) fn put_by<W: Write>(&self, key: impl Hash, write: W) -> Pending<W::Outcome> {
        let (queued, pending) = queued(write);
        self.put(key, Order::Other(None, Box::new(queued)), pending)
    }

    fn put<T>(&self, key: impl Hash, order: Order, pending: Pending<T>) -> Pending<T> {
        // The same in every process, though nothing depends on it.
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let writer = &self.writers[(hash % self.writers.len() as u64) as usize];
        // Counted first: the writer may take it before this goes on.
        self.stats.queued.fetch_add(1, Relaxed);
        let refusal = match writer.try_send(order) {
            Ok(()) => return pending,
            Err(TrySendError::Full(_)) => {
                self.stats.refused.fetch_add(1, Relaxed);
                StoreError::Overloaded
            }
            Err(TrySendError::Closed(_)) => StoreError::Closed,
        };
        self.stats.queued.fetch_sub(1, Relaxed);
        Pending::refused(refusal)
    }

    /// Ends when all that was queued before is committed and answered, and the connections are closed.
    pub(super) async fn close(&self) {
        for writer in &self.writers {
            // An error means that it has ended already.
            let _ = writer.send(Order::Close).await;
        }
        for ended in &self.ended {
            // An error means that the other end is gone, and the task with it.
            let _ = ended.clone().wait_for(|ended| *ended).await;
        }
    }
}

fn queued<W: Write>(write: W) -> (Queued<W>, Pending<W::Outcome>) {
    let (reply, pending) = Pending::channel();
    let queued = Queued {
        write,
        outcome: None,
        reply,
    };
    (queued, pending)
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
    pub(super) queue_max: usize,
    pub(super) batch_max: usize,
}

impl Work {
    /// Starts a writer for each of these connections.
    pub(super) fn start(&self, connections: Vec<Connection>) -> Queues {
        let mut queues = Queues {
            writers: Vec::new(),
            ended: Vec::new(),
            stats: self.stats.clone(),
        };
        for connection in connections {
            let (orders, receiver) = mpsc::channel(self.queue_max);
            let (end, ended) = watch::channel(false);
            let writer = Writer {
                work: self.clone(),
                line: Line::Up(connection),
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
}

struct Writer {
    work: Work,
    line: Line,
}

impl Writer {
    async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut open = true;
        while open {
            // All ways in are gone: the store was dropped without being closed.
            let Some(first) = orders.recv().await else { break };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(order) = next {
                if matches!(order, Order::Close) {
                    open = false;
                    break;
                }
                batch.push(order);
                self.work.stats.queued.fetch_sub(1, Relaxed);
                if batch.len() >= self.work.batch_max {
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
                            order.answer(Err(self.unavailable()));
                        }
                    }
                }
            }
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
                    tracing::warn!(writes = batch.len(), error = %broken.failure, "a batch failed and is tried one by one");
                }
                self.work.stats.retried.fetch_add(batch.len() as u64, Relaxed);
                for order in batch {
                    self.commit_alone(order).await;
                }
            }
            Err(broken) => answer_all(batch, &Err(broken.failure.into())),
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
        let [order] = order;
        order.answer(outcome.map_err(|broken| broken.failure.into()));
    }

    /// One transaction; its facts are handed on before this returns.
    async fn transaction(&mut self, orders: &mut [Order]) -> Result<(), Broken> {
        self.connect().await?;
        let Line::Up(connection) = &mut self.line else {
            return Err(self.down());
        };
        let started = Instant::now();
        let mut facts = Vec::with_capacity(orders.len());
        let applied = async {
            connection.begin(self.work.begin).await?;
            apply(connection, &*self.work.clock, orders, &mut facts).await
        };
        let outcome = match applied.await {
            Ok(()) => connection.run("COMMIT").await.map_err(|failure| Broken {
                // What the server itself says of a commit is certain; silence is not.
                may_go_again: matches!(&failure, Failure::Database(error) if error.as_db_error().is_some()),
                failure,
            }),
            Err(failure) => {
                if !connection.is_lost() {
                    // An error means that the connection is lost, which is seen below.
                    let _ = connection.run("ROLLBACK").await;
                }
                let may_go_again = !matches!(failure, Failure::TooLate);
                Err(Broken { failure, may_go_again })
            }
        };
        if let Err(broken) = &outcome {
            self.work.stats.failed.fetch_add(1, Relaxed);
            let is_fatal = matches!(&broken.failure, Failure::Database(error) if is_ending(error));
            if connection.is_lost() || is_fatal {
                tracing::warn!(error = %broken.failure, "a writer lost its connection to PostgreSQL");
                self.line = Line::Down {
                    reason: broken.failure.to_string(),
                    next_try: Instant::now(),
                    pause: PAUSE_MIN,
                };
            }
        }
        outcome?;
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
                tracing::info!("a writer is connected to PostgreSQL again");
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

    fn unavailable(&self) -> StoreError {
        StoreError::Unavailable(self.reason())
    }

    fn down(&self) -> Broken {
        Broken {
            failure: Failure::Unexpected(self.reason()),
            may_go_again: false,
        }
    }
}

fn answer_all(orders: Vec<Order>, committed: &Result<()>) {
    for order in orders {
        order.answer(committed.clone());
    }
}

/// Applies the writes in an order that keeps that of each conversation: many sends in one statement, then the rest.
async fn apply(connection: &Connection, clock: &dyn Clock, orders: &mut [Order], facts: &mut Vec<Fact>) -> Done<()> {
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
        let mut writing = Writing { connection, now, facts };
        let outcomes = batch::append(&mut writing, &drafts, now).await?;
        for (place, outcome) in together.iter().zip(outcomes) {
            if let Order::Append(queued) = &mut orders[*place] {
                queued.outcome = Some(outcome);
            }
        }
    }
    for (place, order) in orders.iter_mut().enumerate() {
        let now = clock.now();
        let mut writing = Writing { connection, now, facts };
        match order {
            Order::Append(_) if together.binary_search(&place).is_ok() => {}
            Order::Append(queued) => queued.apply(&mut writing).await?,
            Order::Other(_, job) => job.apply(&mut writing).await?,
            Order::Close => {}
        }
    }
    Ok(())
}

/// The places of the sends before which nothing else of their conversation waits, if there are enough of them.
fn sends_that_go_together(orders: &[Order]) -> Vec<usize> {
    let mut touched = std::collections::HashSet::new();
    let mut places = Vec::new();
    for (place, order) in orders.iter().enumerate() {
        match order {
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
