//! The common suite on PostgreSQL, and what only PostgreSQL can be asked.

mod failures;
mod faults;
// Partly for tests/postgres.rs alone.
#[allow(dead_code)]
mod proxy;
pub(in crate::store) mod server;

use std::sync::Arc;

use super::{Options, PostgresStore};
use crate::{
    model::Clock,
    store::{
        Facts,
        conformance::{self, Opened},
    },
};

conformance::suite!(|clock, facts| Box::pin(open_empty(clock, facts)));

async fn open_empty(clock: Arc<dyn Clock>, facts: Facts) -> Opened {
    let url = tokio::task::spawn_blocking(server::new_database)
        .await
        .expect("a database");
    let store = PostgresStore::open(&url, clock, facts, Options::default()).await;
    (Arc::new(store.expect("a store")), Box::new(()))
}
