//! Connections that read. A read is one short transaction: it sees one moment. Connections are made when they are needed,
//! and kept up to the number of readers.

use std::{
    ops::Deref,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use super::connection::{BEGIN_READING, Config, Connection, Done, Failure};
use crate::store::{Result, StoreError};

/// For a read from its call to its answer: whoever asks a database that is gone learns it below 5 s.
const ANSWER_TIME: Duration = Duration::from_millis(4_500);
/// Of it, for the wait until another read has ended.
const WAIT_TIME: Duration = Duration::from_secs(2);

pub(super) struct Readers {
    config: Config,
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new(config: Config, count: usize) -> Self {
        Readers {
            config,
            idle: Mutex::default(),
            free: Semaphore::new(count.max(1)),
            closed: AtomicBool::new(false),
        }
    }

    /// Waits for a free reader and begins a transaction.
    pub(super) async fn moment(&self) -> Result<Moment<'_>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let latest = Instant::now() + ANSWER_TIME;
        let free = tokio::time::timeout(WAIT_TIME, self.free.acquire()).await;
        let Ok(Ok(permit)) = free else {
            return Err(StoreError::Overloaded);
        };
        // One that was idle may have lost its server: then the next is tried, and at last a new one.
        while let Some(mut connection) = self.take_idle() {
            if connection.is_lost() {
                continue;
            }
            match connection.begin_before(BEGIN_READING, latest).await {
                Ok(()) => {
                    return Ok(Moment {
                        readers: self,
                        connection,
                        _permit: permit,
                    });
                }
                // The others would keep silent just as long.
                Err(late @ Failure::TooLate) => {
                    self.idle().clear();
                    return Err(late.into());
                }
                Err(_) => {}
            }
        }
        let mut connection = Connection::open(&self.config).await?;
        connection.begin_before(BEGIN_READING, latest).await?;
        Ok(Moment {
            readers: self,
            connection,
            _permit: permit,
        })
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A list is whole between any two of its calls.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses further reads and closes the connections that are idle; the others close when they are done.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle().clear();
    }
}

/// A transaction that reads. Dropped without [`Moment::end`], it takes its connection along.
pub(super) struct Moment<'a> {
    readers: &'a Readers,
    connection: Connection,
    _permit: SemaphorePermit<'a>,
}

impl Deref for Moment<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Moment<'_> {
    /// Ends the transaction and hands the outcome on. After an error the connection is not used again.
    pub(super) async fn end<T>(self, outcome: Done<T>) -> Result<T> {
        let outcome = outcome?;
        if self.connection.run("COMMIT").await.is_ok() && !self.readers.closed.load(Ordering::Acquire) {
            self.readers.idle().push(self.connection);
        }
        Ok(outcome)
    }
}
