//! Moves the write-ahead log into the database, in a thread of its own, so that no commit waits for it.
//!
//! A log is only begun anew when all of it was moved and nobody reads it: under steady load that never happens by
//! itself. So past a size the writer stops for the rest of the move, between two batches.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{stats::Stats, trouble::StuckLog};

/// Between two looks at a log that grows.
const EVERY: Duration = Duration::from_millis(50);
/// The log is moved when it holds so many writes, ...
const WRITES: u64 = 2_000;
/// ... or when its oldest write is so old. Moved more often, the same hot pages are copied again and again: at 2,000
/// writes a second twenty times, which was a fifth of all that the store spent.
const OLDEST: Duration = Duration::from_secs(1);
/// Past this size (64 MiB) the writer begins the log anew.
const RESTART_FRAMES: u64 = 16_000;
/// Past this size (256 MiB) the file is cut as well, which happens when somebody read for long.
const TRUNCATE_FRAMES: u64 = 64_000;

#[derive(Default)]
struct Shared {
    /// Something was committed since the last look.
    dirty: AtomicBool,
    stopped: AtomicBool,
    /// Size of the log at the last look, in frames, when it was past the bound and the writer has not acted yet; else 0.
    overgrown: AtomicU64,
}

/// The thread, as the writer knows it.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(connection: Connection, stats: Arc<Stats>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("store-checkpoint".into()).spawn({
            let shared = shared.clone();
            move || work(&shared, &connection, &stats)
        })?;
        Ok(Checkpoints {
            shared,
            thread: Some(thread),
        })
    }

    /// Called by the writer after each batch, on its own connection.
    pub(super) fn after_batch(&self, writer: &Connection) {
        let frames = self.shared.overgrown.swap(0, Ordering::Relaxed);
        if frames > 0 {
            let how = if frames > TRUNCATE_FRAMES {
                "TRUNCATE"
            } else {
                "RESTART"
            };
            // A reader that does not end leaves the log as it is; the next look asks again.
            if let Err(error) = checkpoint(writer, how) {
                tracing::warn!(%error, "the write-ahead log could not be begun anew");
            }
        }
        if !self.shared.dirty.swap(true, Ordering::Release)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }

    pub(super) fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends by itself; a panic in it has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(shared: &Shared, connection: &Connection, stats: &Stats) {
    let mut stuck = StuckLog::default();
    while !shared.stopped.load(Ordering::Acquire) {
        if !shared.dirty.swap(false, Ordering::Acquire) {
            std::thread::park();
            continue;
        }
        let (since, written) = (Instant::now(), stats.batch_writes.sum());
        while !shared.stopped.load(Ordering::Acquire)
            && since.elapsed() < OLDEST
            && stats.batch_writes.sum().saturating_sub(written) < WRITES
        {
            std::thread::park_timeout(EVERY);
        }
        match checkpoint(connection, "PASSIVE") {
            Ok(frames) => {
                stuck.moved();
                stats.wal_frames.store(frames, Ordering::Relaxed);
                if frames > RESTART_FRAMES {
                    shared.overgrown.store(frames, Ordering::Relaxed);
                }
            }
            // A full disk, say: the log keeps everything until it can be moved.
            Err(error) => stuck.failed(&error),
        }
    }
}

/// How many frames the log has now.
fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<u64> {
    let sql = format!("PRAGMA wal_checkpoint({how})");
    connection
        .query_row(&sql, [], |row| row.get::<_, i64>(1))
        .map(|frames| frames.max(0) as u64)
}
