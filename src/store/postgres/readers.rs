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
        let (latest, permit) = self.turn().await?;
        // One that was idle may have lost its server: then the next is tried, and at last a new one.
        while let Some(mut connection) = self.take_idle() {
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

    /// A free reader for one statement: it sees one moment by itself, so no transaction is begun and ended for it, which
    /// would be two more ways to the database and back. To be used by [`glance!`].
    pub(super) async fn glance(&self) -> Result<Glance<'_>> {
        let (latest, permit) = self.turn().await?;
        let mut glance = Glance {
            readers: self,
            connection: self.take_idle(),
            was_idle: true,
            latest,
            _permit: permit,
        };
        glance.connect().await?;
        Ok(glance)
    }

    /// Waits until another read may begin; answers until when it must have ended.
    async fn turn(&self) -> Result<(Instant, SemaphorePermit<'_>)> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let latest = Instant::now() + ANSWER_TIME;
        match tokio::time::timeout(WAIT_TIME, self.free.acquire()).await {
            Ok(Ok(permit)) => Ok((latest, permit)),
            _ => Err(StoreError::Overloaded),
        }
    }

    fn keep(&self, connection: Connection) {
        if !connection.is_lost() && !self.closed.load(Ordering::Acquire) {
            self.idle().push(connection);
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.is_lost())
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

/// One statement that reads, on one connection after the other until one has its server. Dropped before its end, it takes
/// the connection along.
pub(super) struct Glance<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
    /// It lay idle, so its server may be gone since.
    was_idle: bool,
    latest: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Glance<'_> {
    async fn connect(&mut self) -> Result<()> {
        if self.connection.is_none() {
            self.was_idle = false;
            self.connection = Some(Connection::open(&self.readers.config).await?);
        }
        if let Some(connection) = &mut self.connection {
            connection.allow_until(self.latest);
        }
        Ok(())
    }

    pub(super) fn connection(&self) -> Result<&Connection> {
        let gone = || StoreError::Unavailable("there is no connection".into());
        self.connection.as_ref().ok_or_else(gone)
    }

    /// `None`: to be asked again, on another connection.
    pub(super) async fn end<T>(&mut self, outcome: Done<T>) -> Option<Result<T>> {
        let connection = self.connection.take();
        match (outcome, connection) {
            (Ok(found), connection) => {
                connection
                    .into_iter()
                    .for_each(|connection| self.readers.keep(connection));
                Some(Ok(found))
            }
            // The others would keep silent just as long.
            (Err(late @ Failure::TooLate), _) => {
                self.readers.idle().clear();
                Some(Err(late.into()))
            }
            (Err(_), Some(connection)) if self.was_idle && connection.is_lost() => {
                self.connection = self.readers.take_idle();
                self.connect().await.err().map(Err)
            }
            (Err(failure), _) => Some(Err(failure.into())),
        }
    }
}

/// What one reading statement finds: `glance!(readers, connection => read(connection, ..))`.
macro_rules! glance {
    ($readers:expr, $connection:ident => $read:expr) => {{
        let mut glance = $readers.glance().await?;
        loop {
            let $connection = glance.connection()?;
            let outcome = $read.await;
            if let Some(ended) = glance.end(outcome).await {
                break ended;
            }
        }
    }};
}
pub(super) use glance;

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
        if self.connection.run("COMMIT").await.is_ok() {
            self.readers.keep(self.connection);
        }
        Ok(outcome)
    }
}
