//! The one thread that writes. It takes whatever waits, puts it into one transaction, and answers after the commit is
//! on the disk: the more wait, the cheaper each becomes. It never lingers for more to come.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError},
    },
    time::Instant,
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{checkpoint::Checkpoints, journal, open::FileLock, statement::Statements, stats::Stats, trouble::Trouble};
use crate::{
    model::{Clock, Fact, Timestamp},
    store::{Facts, Pending, Result, StoreError},
};

/// A change of the database, told apart from how it is queued and answered.
///
/// Applied against the open transaction of a batch; when that batch fails it is applied again, alone, so it takes
/// nothing with it and keeps nothing.
pub(super) trait Write: Send + 'static {
    type Outcome: Send + 'static;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Self::Outcome>;
}

/// What a write works with: the open transaction, the present, and where its news go.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) facts: &'a mut Vec<Fact>,
}

/// A write with the place where its outcome goes.
trait Job: Send {
    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()>;
    /// After the commit, or after it failed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Queued<W: Write> {
    write: W,
    outcome: Option<W::Outcome>,
    reply: oneshot::Sender<Result<W::Outcome>>,
}

impl<W: Write> Job for Queued<W> {
    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        self.outcome = Some(self.write.apply(writing)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        // Whoever asked may have gone: the write stands all the same.
        let _ = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => self.reply.send(Ok(outcome)),
            (Err(error), _) => self.reply.send(Err(error)),
            (Ok(()), None) => return,
        };
    }
}

enum Order {
    Write(Box<dyn Job>),
    Close,
}

/// The way in to the writer's thread.
pub(super) struct Queue {
    orders: SyncSender<Order>,
    stats: Arc<Stats>,
    /// True when the thread has ended.
    ended: watch::Receiver<bool>,
}

impl Queue {
    pub(super) fn put<W: Write>(&self, write: W) -> Pending<W::Outcome> {
        let (reply, pending) = Pending::channel();
        let job = Box::new(Queued {
            write,
            outcome: None,
            reply,
        });
        // Before it is queued: afterwards the writer may have taken it already, and the count would fall below none.
        self.stats.queued.fetch_add(1, Ordering::Relaxed);
        let refused = match self.orders.try_send(Order::Write(job)) {
            Ok(()) => return pending,
            Err(TrySendError::Full(_)) => {
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                StoreError::Overloaded
            }
            Err(TrySendError::Disconnected(_)) => StoreError::Closed,
        };
        self.stats.queued.fetch_sub(1, Ordering::Relaxed);
        Pending::refused(refused)
    }

    /// Ends when all that was queued before is committed and answered, and the file is closed.
    pub(super) async fn close(&self) {
        let mut ended = self.ended.clone();
        loop {
            match self.orders.try_send(Order::Close) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => break,
                // The queue is at its bound; the writer makes room within a batch.
                Err(TrySendError::Full(_)) => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
            }
        }
        // An error means that the other end is gone, and the thread with it.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// What the writer's thread owns.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) facts: Facts,
    /// The number of the last change in the journal.
    pub(super) last_number: i64,
    pub(super) checkpoints: Checkpoints,
    pub(super) stats: Arc<Stats>,
    pub(super) trouble: Trouble,
    pub(super) batch_max: usize,
    pub(super) lock: FileLock,
}

impl Writer {
    /// Starts the thread, with room for `queue_max` writes that wait.
    pub(super) fn start(self, queue_max: usize) -> std::io::Result<Queue> {
        let (orders, receiver) = std::sync::mpsc::sync_channel(queue_max);
        let (end, ended) = watch::channel(false);
        let stats = self.stats.clone();
        std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            self.work(receiver);
            let _ = end.send(true);
        })?;
        Ok(Queue { orders, stats, ended })
    }

    fn work(mut self, orders: Receiver<Order>) {
        let mut batch = Vec::with_capacity(self.batch_max);
        let mut open = true;
        while open {
            // All queues gone: the store was dropped without being closed.
            let Ok(first) = orders.recv() else { break };
            let mut next = Ok(first);
            open = loop {
                match next {
                    Ok(Order::Write(job)) => batch.push(job),
                    Ok(Order::Close) => break false,
                    Err(TryRecvError::Empty) => break true,
                    Err(TryRecvError::Disconnected) => break false,
                }
                if batch.len() == self.batch_max {
                    break true;
                }
                next = orders.try_recv();
            };
            self.stats.queued.fetch_sub(batch.len() as u64, Ordering::Relaxed);
            self.commit(&mut batch);
            self.checkpoints.after_batch(&self.connection);
        }
        drop(orders);
        self.checkpoints.stop();
        // Before anybody learns that the store is closed, so that it can be opened again at once.
        drop(self.connection);
        drop(self.lock);
    }

    /// Stores a batch and answers it. When it fails, its writes are tried one by one, in order, so that one bad write
    /// fails alone.
    fn commit(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        if batch.is_empty() {
            return;
        }
        #[cfg(feature = "plant")]
        if crate::model::plant::is(crate::model::plant::Bug::AckBeforeCommit) {
            return self.commit_too_late(batch);
        }
        match self.transaction(batch) {
            Err(error) if batch.len() > 1 => {
                // At debug: what fails alone as well is told by `Trouble`, and not once a batch.
                tracing::debug!(writes = batch.len(), %error, "a batch failed and is tried one by one");
                self.stats.retried.fetch_add(batch.len() as u64, Ordering::Relaxed);
                for mut job in batch.drain(..) {
                    let committed = self.transaction(std::slice::from_mut(&mut job));
                    job.answer(committed);
                }
            }
            committed => {
                for job in batch.drain(..) {
                    job.answer(committed.clone());
                }
            }
        }
    }

    /// The planted bug of a test build: the senders of messages are answered, and the commit follows a moment later, as
    /// with a cache that writes behind.
    #[cfg(feature = "plant")]
    #[allow(
        clippy::disallowed_methods,
        reason = "the writer's thread is its own, not the runtime's"
    )]
    fn commit_too_late(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        let mut facts = Vec::new();
        let applied = self.connection.execute_batch("BEGIN IMMEDIATE").and_then(|()| {
            batch.iter_mut().try_for_each(|job| {
                job.apply(&mut Writing {
                    connection: &self.connection,
                    now: self.clock.now(),
                    facts: &mut facts,
                })
            })
        });
        let are_messages =
            facts.len() == batch.len() && facts.iter().all(|fact| matches!(fact, Fact::MessageStored { .. }));
        if applied.is_ok() && are_messages {
            for job in batch.drain(..) {
                job.answer(Ok(()));
            }
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        let ended = applied
            .and_then(|()| journal::record(&self.connection, self.last_number, &facts))
            .and_then(|()| self.connection.execute_batch("COMMIT"));
        if ended.is_ok() && !facts.is_empty() {
            let recorded = journal::recorded(self.last_number, facts);
            self.last_number += recorded.len() as i64;
            let _ = self.facts.blocking_send(recorded);
        }
        let committed = ended.map_err(|error| {
            let _ = self.connection.execute_batch("ROLLBACK");
            StoreError::Unavailable(error.to_string())
        });
        for job in batch.drain(..) {
            job.answer(committed.clone());
        }
    }

    /// One transaction; its facts are handed on before this returns.
    fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        let started = Instant::now();
        let mut facts = Vec::with_capacity(jobs.len());
        if let Err(error) = self.run(jobs, &mut facts) {
            // SQLite has rolled back by itself after some errors; this is for the others.
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            self.stats.failed.fetch_add(1, Ordering::Relaxed);
            if jobs.len() == 1 {
                self.trouble.failed(&error, Instant::now());
            }
            return Err(StoreError::Unavailable(error.to_string()));
        }
        self.trouble.succeeded(Instant::now());
        self.stats
            .commit_microseconds
            .observe(started.elapsed().as_micros() as u64);
        self.stats.batch_writes.observe(jobs.len() as u64);
        if !facts.is_empty() {
            let recorded = journal::recorded(self.last_number, facts);
            self.last_number += recorded.len() as i64;
            // Waits while the receiver is slow. Without a receiver nobody wants to know.
            let _ = self.facts.blocking_send(recorded);
        }
        Ok(())
    }

    fn run(&self, jobs: &mut [Box<dyn Job>], facts: &mut Vec<Fact>) -> rusqlite::Result<()> {
        self.connection.statement("BEGIN IMMEDIATE")?.execute([])?;
        for job in jobs {
            job.apply(&mut Writing {
                connection: &self.connection,
                now: self.clock.now(),
                facts,
            })?;
        }
        journal::record(&self.connection, self.last_number, facts)?;
        self.connection.statement("COMMIT")?.execute([])?;
        Ok(())
    }
}
