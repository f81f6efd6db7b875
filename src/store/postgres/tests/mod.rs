//! The common suite on PostgreSQL, and what only PostgreSQL can be asked.

mod bouncer;
mod coming_back;
mod commits;
mod failures;
mod faults;
mod leftovers;
// Partly for tests/postgres.rs alone.
#[allow(dead_code)]
mod proxy;
pub(in crate::store) mod server;
mod slow;
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

conformance::suite!(|| Box::new(AtUrl(server::new_database())));

/// A database by its URL.
struct AtUrl(String);

#[async_trait]
impl Database for AtUrl {
    async fn open(&self, clock: Arc<dyn Clock>, facts: Facts) -> Arc<dyn Store> {
        let store = PostgresStore::open(&self.0, clock, facts, Options::default()).await;
        Arc::new(store.expect("a store"))
    }

    /// The times of nodes and sessions are the server's own.
    async fn age(&self, time: Duration) {
        let millis = time.as_millis();
        let connection = super::open::Address::read(&self.0)
            .unwrap()
            .connect_any()
            .await
            .unwrap();
        connection
            .run(&format!(
                "UPDATE doorbell.node SET beat_at = beat_at - {millis};
                 UPDATE doorbell.session SET held_at = held_at - {millis}, ended_at = ended_at - {millis}"
            ))
            .await
            .unwrap();
    }

    async fn count(&self, table: &str) -> i64 {
        let (url, sql) = (self.0.clone(), format!("SELECT count(*) FROM doorbell.{table}"));
        let counted = tokio::task::spawn_blocking(move || server::sql_at(&url, &sql)).await;
        counted.unwrap().trim().parse().expect("a figure")
    }
}
