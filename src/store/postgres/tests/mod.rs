//! The common suite on PostgreSQL, and what only PostgreSQL can be asked.

mod bouncer;
mod failures;
mod faults;
// Partly for tests/postgres.rs alone.
#[allow(dead_code)]
mod proxy;
pub(in crate::store) mod server;
mod together;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Options, PostgresStore};
use crate::{
    model::Clock,
    store::{
        Facts, Store,
        conformance::{self, Database},
    },
};

conformance::suite!(|| Box::new(Address(server::new_database())));

/// The address of a database.
struct Address(String);

#[async_trait]
impl Database for Address {
    async fn open(&self, clock: Arc<dyn Clock>, facts: Facts) -> Arc<dyn Store> {
        let store = PostgresStore::open(&self.0, clock, facts, Options::default()).await;
        Arc::new(store.expect("a store"))
    }

    async fn age(&self, _: Duration) {}
}
