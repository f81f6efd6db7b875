//! Connections that read, each on a thread of its own. A read is one short transaction: it sees one moment, and keeps
//! the log from being begun anew no longer than it must.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    open::{OpenError, connect_reading},
    statement::Statements,
};
use crate::store::{Result, StoreError};

/// Reads that may wait; more are refused.
const QUEUE_MAX: usize = 4_096;

type Job = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // A queue is whole between any two of its calls.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(path: &Path, count: usize) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::default());
        let readers = Readers {
            shared: shared.clone(),
            threads: Mutex::default(),
        };
        for _ in 0..count.max(1) {
            let connection = connect_reading(path)?;
            let thread = std::thread::Builder::new()
                .name("store-reader".into())
                .spawn({
                    let shared = shared.clone();
                    move || work(&shared, &connection)
                })
                .map_err(|error| OpenError::Broken {
                    path: path.to_path_buf(),
                    reason: error.to_string(),
                })?;
            readers
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread);
        }
        Ok(readers)
    }

    /// Runs `read` against one moment of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, outcome) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more.
            if reply.is_closed() {
                return;
            }
            let outcome = in_one_moment(connection, read);
            let _ = reply.send(outcome.map_err(|error| StoreError::Unavailable(error.to_string())));
        });
        {
            let mut waiting = self.shared.waiting();
            if waiting.closed {
                return Err(StoreError::Closed);
            }
            if waiting.jobs.len() >= QUEUE_MAX {
                return Err(StoreError::Overloaded);
            }
            waiting.jobs.push_back(job);
        }
        self.shared.more.notify_one();
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Refuses further reads, answers those that wait, and closes the connections.
    pub(super) fn close(&self) {
        self.shared.waiting().closed = true;
        self.shared.more.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic in it has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    /// Does not wait: the threads end by themselves.
    fn drop(&mut self) {
        self.shared.waiting().closed = true;
        self.shared.more.notify_all();
    }
}

fn in_one_moment<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.statement("BEGIN")?.execute([])?;
    let outcome = read(connection);
    // SQLite has ended the transaction by itself after some errors.
    if !connection.is_autocommit() {
        connection.statement("COMMIT")?.execute([])?;
    }
    outcome
}

fn work(shared: &Shared, connection: &Connection) {
    loop {
        let job = {
            let mut waiting = shared.waiting();
            loop {
                if let Some(job) = waiting.jobs.pop_front() {
                    break job;
                }
                if waiting.closed {
                    return;
                }
                waiting = shared.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        };
        job(connection);
    }
}
