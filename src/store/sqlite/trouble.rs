//! Whether the store can be written, as the operator is told: once when trouble begins, once when it is over.

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rusqlite::ErrorCode;

use super::stats::Stats;

/// So long nothing must have failed before trouble counts as over. On a full disk small writes still succeed between
/// large ones that fail, and each of them would be told as a recovery.
const QUIET: Duration = Duration::from_secs(5);

/// Both engines tell it so: whose logs name a room of the code must not name the wrong one.
const TARGET: &str = "doorbell::store";

/// The writer's memory of failed writes.
#[derive(Default)]
pub(in crate::store) struct Trouble {
    now: Option<Failing>,
    /// Where it is shown.
    stats: Arc<Stats>,
}

struct Failing {
    since: Instant,
    last: Instant,
    refused: u64,
}

impl Trouble {
    pub(in crate::store) fn new(stats: Arc<Stats>) -> Self {
        Trouble { now: None, stats }
    }

    /// A write failed, tried alone.
    pub(super) fn failed(&mut self, error: &rusqlite::Error, at: Instant) {
        if !is_of_the_disk(error) {
            tracing::warn!(%error, "a write failed; others go on");
            return;
        }
        self.refused(error, 1, at);
    }

    /// So many writes were refused, since the store as a whole cannot be written.
    pub(in crate::store) fn refused(&mut self, error: &dyn Display, writes: u64, at: Instant) {
        match &mut self.now {
            Some(failing) => {
                failing.last = at;
                failing.refused += writes;
            }
            None => {
                tracing::warn!(target: TARGET, %error, "the store cannot be written; what is sent is refused until it can");
                self.stats.is_failing.store(true, Relaxed);
                self.now = Some(Failing {
                    since: at,
                    last: at,
                    refused: writes,
                });
            }
        }
    }

    /// Writes were committed.
    pub(in crate::store) fn succeeded(&mut self, at: Instant) {
        let over = self.now.take_if(|failing| at.duration_since(failing.last) >= QUIET);
        if let Some(Failing { since, refused, .. }) = over {
            self.stats.is_failing.store(false, Relaxed);
            let seconds = at.duration_since(since).as_secs();
            tracing::warn!(target: TARGET, seconds, refused, "the store can be written again");
        }
    }
}

/// The checkpoint's memory of failures: it tries again after every batch, and is told once.
#[derive(Default)]
pub(super) struct StuckLog(bool);

impl StuckLog {
    pub(super) fn failed(&mut self, error: &rusqlite::Error) {
        if !std::mem::replace(&mut self.0, true) {
            tracing::warn!(%error, "the write-ahead log cannot be moved into the database; it grows until it can");
        }
    }

    pub(super) fn moved(&mut self) {
        if std::mem::take(&mut self.0) {
            tracing::warn!("the write-ahead log can be moved into the database again");
        }
    }
}

/// Is it the disk, or the file, that refuses? Other errors are of the one write.
fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
        )
    )
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn error(code: i32, words: &str) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(words.to_owned()))
    }

    #[test]
    fn trouble_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut trouble = Trouble::default();
            let begin = Instant::now();
            let after = |seconds| begin + Duration::from_secs(seconds);
            let full = error(rusqlite::ffi::SQLITE_FULL, "database or disk is full");
            trouble.succeeded(begin);
            for second in 0..60 {
                trouble.failed(&full, after(second));
                // Small writes in between.
                trouble.succeeded(after(second));
            }
            for second in 60..90 {
                trouble.succeeded(after(second));
            }
            trouble.failed(&error(rusqlite::ffi::SQLITE_CONSTRAINT, "CHECK failed"), after(90));
            trouble.succeeded(after(100));
            trouble.failed(&error(rusqlite::ffi::SQLITE_IOERR, "disk I/O error"), after(101));
            let mut stuck = StuckLog::default();
            stuck.moved();
            for _ in 0..60 {
                stuck.failed(&full);
            }
            stuck.moved();
            stuck.moved();
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let wanted = [
            "the store cannot be written; what is sent is refused until it can error=database or disk is full",
            "the store can be written again seconds=64 refused=60",
            "a write failed; others go on error=CHECK failed",
            "the store cannot be written; what is sent is refused until it can error=disk I/O error",
            "the write-ahead log cannot be moved into the database; it grows until it can error=database or disk is full",
            "the write-ahead log can be moved into the database again",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), wanted.len(), "{text}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.contains(" WARN ") && line.ends_with(wanted), "{line}");
        }
    }
}
