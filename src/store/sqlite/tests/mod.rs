//! The common suite on SQLite, and what only SQLite can be asked.

mod batches;
mod child;
mod crashes;
mod opening;
pub(super) mod plans;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{OpenError, Options, SqliteStore};
use crate::{
    model::Clock,
    store::{
        Facts, Store,
        conformance::{self, Database, TestClock},
    },
};

conformance::suite!(|| Box::new(Folder(TempDir::new().expect("a folder"))));

/// The folder of a database.
struct Folder(TempDir);

#[async_trait]
impl Database for Folder {
    async fn open(&self, clock: Arc<dyn Clock>, facts: Facts) -> Arc<dyn Store> {
        let store = SqliteStore::open(&self.0.path().join("doorbell.db"), clock, facts, Options::default());
        Arc::new(store.expect("a store"))
    }

    async fn age(&self, _: Duration) {}

    async fn count(&self, table: &str) -> i64 {
        let database = rusqlite::Connection::open(self.0.path().join("doorbell.db")).expect("the database");
        let counted = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        counted.expect("a figure")
    }
}

/// A store at `path` whose news nobody reads.
fn open_at(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path, TestClock::new(), mpsc::channel(1).0, Options::default())
}
