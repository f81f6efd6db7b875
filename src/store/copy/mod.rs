//! `doorbell copy`: a SQLite installation into an empty PostgreSQL database, and the proof that nothing is missing.
//!
//! [`tables`] says what is copied. The source is read from one moment and held meanwhile, so that no server writes to it
//! (`sqlite/export.rs`). Each batch is one transaction of the target together with the marker of how far the copy is
//! (`postgres/import.rs`); killed anywhere, it goes on behind the last whole batch. At last every row is read back and
//! compared ([`verify`]); only then may a server open the target.

pub(super) mod row;
pub(super) mod tables;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc;

use self::{
    row::{Row, size},
    tables::{TABLES, Table},
};
use super::{
    postgres::import::{Claim, Import, ImportError, Position},
    sqlite::export::{Export, ExportError},
};

/// Rows in one transaction, fewer where they are long.
const BATCH_ROWS: usize = 5_000;
const BATCH_BYTES: usize = 4 << 20;
/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 2;

/// Told of what is done, while it is done.
pub trait Progress: Send {
    /// `rows` in all, of which `done` were done before.
    fn begin(&mut self, step: Step, table: &'static str, rows: u64, done: u64);
    fn advance(&mut self, rows: u64);
    fn end(&mut self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Copying,
    Verifying,
}

/// What was copied.
#[derive(Debug)]
pub struct Copied {
    /// The source's file.
    pub source: PathBuf,
    /// The target, without its password.
    pub database: String,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    /// Copied and verified now: the tables with their rows, and the digest over what was read back.
    Verified(Vec<Verified>),
    /// Copied and verified at this time already; nothing was done.
    Before(String),
}

#[derive(Debug)]
pub struct Verified {
    pub table: &'static str,
    pub rows: u64,
    /// SHA-256 over all rows in the order of their keys, in hexadecimal digits.
    pub digest: String,
}

/// Why there is no copy, or none that can be relied on: one sentence with the mend.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Source(#[from] ExportError),
    #[error(transparent)]
    Target(#[from] ImportError),
    #[error(
        "the copy in {database} is not its source: in {table}, the row with {key} {how}; run DROP SCHEMA doorbell CASCADE in the target, then copy again into it, with nothing else connected to either"
    )]
    Different {
        database: String,
        table: &'static str,
        key: String,
        how: &'static str,
    },
    #[error(
        "{} was written by another program while it was copied: end that program, run DROP SCHEMA doorbell CASCADE in the target, then copy again",
        path.display()
    )]
    Written { path: PathBuf },
    #[error("the copy stopped ({0}): run the same command again; it goes on where it stopped")]
    Stopped(String),
}

impl CopyError {
    /// Was nothing begun, since source or target are not as they must be?
    pub fn is_refusal(&self) -> bool {
        match self {
            CopyError::Source(error) => !matches!(error, ExportError::Unreadable { .. }),
            CopyError::Target(error) => error.is_refusal(),
            CopyError::Different { .. } | CopyError::Written { .. } | CopyError::Stopped(_) => false,
        }
    }
}

/// The source, read by one at a time.
#[derive(Clone)]
struct Source(Arc<Mutex<Export>>);

impl Source {
    async fn open(path: &Path) -> Result<Self, CopyError> {
        let path = path.to_path_buf();
        let export = blocking(move || Export::open(&path)).await??;
        Ok(Source(Arc::new(Mutex::new(export))))
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Export) -> Result<T, ExportError> + Send + 'static,
    ) -> Result<T, CopyError> {
        let export = self.0.clone();
        let answer = blocking(move || question(&export.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(answer.await??)
    }

    /// The rows behind a key, in batches; the last thing that comes may be an error.
    fn batches(&self, table: &'static Table, after: Option<Row>) -> mpsc::Receiver<Result<Vec<Row>, ExportError>> {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let export = self.0.clone();
        tokio::task::spawn_blocking(move || {
            let export = export.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let read = export.read(table, after.as_deref(), |row| {
                bytes += size(&row);
                batch.push(row);
                if batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
                    return true;
                }
                bytes = 0;
                // An error means that nobody wants more.
                sender.blocking_send(Ok(std::mem::take(&mut batch))).is_ok()
            });
            let last = match read {
                Ok(()) if batch.is_empty() => return,
                Ok(()) => Ok(batch),
                Err(error) => Err(error),
            };
            let _ = sender.blocking_send(last);
        });
        receiver
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CopyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CopyError::Stopped(error.to_string()))
}

/// Copies the database at `source` into the one at `target` (`postgres://user:password@host:port/database`), or goes on
/// with it. `run` is a name that no other run has.
pub async fn copy(source: &Path, target: &str, run: String, progress: &mut dyn Progress) -> Result<Copied, CopyError> {
    let source = Source::open(source).await?;
    let (path, fingerprint) = source
        .ask(|export| Ok((export.path().to_path_buf(), export.fingerprint()?)))
        .await?;
    let name = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    let mut import = Import::open(target, run).await?;
    let copied = |database: &str, outcome| Copied {
        source: path.clone(),
        database: database.to_owned(),
        outcome,
    };
    let from = match import.claim(&name.to_string_lossy(), &fingerprint).await? {
        Claim::Begun => Position::default(),
        Claim::Resumed(position) => position,
        Claim::Finished(at) => return Ok(copied(import.database(), Outcome::Before(at))),
    };
    for (place, table) in TABLES.iter().enumerate().skip(from.table) {
        let from = if place == from.table {
            from.clone()
        } else {
            Position::default()
        };
        copy_table(&source, &mut import, table, Position { table: place, ..from }, progress).await?;
    }
    import.settle().await?;
    let mut verified = Vec::new();
    for table in TABLES {
        verified.push(verify::table(&source, &mut import, table, progress).await?);
    }
    if source.ask(Export::was_written).await? {
        return Err(CopyError::Written { path });
    }
    import.finish().await?;
    Ok(copied(import.database(), Outcome::Verified(verified)))
}

async fn copy_table(
    source: &Source,
    import: &mut Import,
    table: &'static Table,
    mut position: Position,
    progress: &mut dyn Progress,
) -> Result<(), CopyError> {
    let rows = source.ask(|export| export.count(table)).await?;
    progress.begin(Step::Copying, table.sqlite, rows, position.rows);
    let mut batches = source.batches(table, position.after.clone());
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        position.rows += batch.len() as u64;
        position.after = batch.last().map(|row| row[..table.key].to_vec());
        import.load(table, &batch, &position).await?;
        progress.advance(batch.len() as u64);
    }
    progress.end();
    Ok(())
}
