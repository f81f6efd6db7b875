//! The common suite on SQLite, and what only SQLite can be asked.

mod batches;
mod child;
mod crashes;
mod opening;
pub(super) mod plans;

use std::{path::Path, sync::Arc};

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{OpenError, Options, SqliteStore};
use crate::{
    model::Clock,
    store::{
        Facts, Store,
        conformance::{self, Opened, TestClock},
    },
};

conformance::suite!(|clock, facts| Box::pin(open_empty(clock, facts)));

async fn open_empty(clock: Arc<dyn Clock>, facts: Facts) -> Opened {
    let folder = TempDir::new().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("doorbell.db"), clock, facts, Options::default());
    (Arc::new(store.expect("a store")), Box::new(folder))
}

/// A store at `path` whose news nobody reads.
fn open_at(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path, TestClock::new(), mpsc::channel(1).0, Options::default())
}
