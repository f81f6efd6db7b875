//! Where the other nodes are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::{sync::Mutex as AsyncMutex, time::timeout};

use super::Fault;
use crate::{
    model::{NodeKey, limits, session::Node},
    store::{Result as StoreResult, Store},
    transport::handover::{ClusterKey, Nodes},
};

/// The name under which the key that all nodes share is kept.
const CLUSTER_KEY: &str = "cluster_key";

/// The key by which nodes know each other: whichever comes first makes it, and the database keeps it.
pub(super) async fn cluster_key(store: &dyn Store) -> Result<ClusterKey, Fault> {
    let mut bytes = [0; limits::SECRET_BYTES_MADE];
    getrandom::fill(&mut bytes).map_err(|error| format!("The system gives no random numbers: {error}."))?;
    let kept = store.keep_setting(CLUSTER_KEY, URL_SAFE_NO_PAD.encode(bytes)).await?;
    Ok(ClusterKey::new(&kept))
}

/// Under what name the node at this address has its resumable uploads, also after a restart: no key has this form.
pub(super) fn upload_name(address: &str) -> String {
    let digest = Sha256::digest(address);
    let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("node-{digest}")
}

/// Warns once when another node lives at the address of this one, which entered the database just now: what is meant for
/// the one would reach the other.
pub(super) async fn warn_of_a_twin(store: Arc<dyn Store>, own: NodeKey, address: String) {
    let entered = Instant::now();
    // Until every node that lives has given a sign of life since: the row of one that was killed stays silent.
    tokio::time::sleep(limits::NODE_BEAT * 2).await;
    let nodes = match store.nodes(limits::NODE_FORGOTTEN).await {
        Ok(nodes) => nodes,
        Err(error) => {
            tracing::debug!(%error, "nobody knows whether another node has this one's address");
            return;
        }
    };
    if let Some(twin) = twin(&nodes, own, &address, entered.elapsed()) {
        tracing::warn!(
            node = %twin,
            %address,
            "another node lives at the address of this one, so requests of clients go to the wrong one of the two; give each \
             node a DOORBELL_NODE_URL of its own"
        );
    }
}

/// Another node with this address that gave a sign of life within the time for which this one has been here.
fn twin(nodes: &[Node], own: NodeKey, address: &str, here: Duration) -> Option<NodeKey> {
    let is_twin = |node: &&Node| node.key != own && node.address.as_deref() == Some(address) && node.silent < here;
    nodes.iter().find(is_twin).map(|node| node.key)
}

type Read = Box<dyn Fn() -> BoxFuture<'static, StoreResult<Vec<Node>>> + Send + Sync>;

/// Where the nodes are, as the store last said. What is asked of it does not grow with the requests, whatever they name.
pub(super) struct KnownNodes {
    read: Read,
    known: Mutex<Known>,
    /// One reads at a time; the others wait for what it finds.
    reading: AsyncMutex<()>,
}

#[derive(Default)]
struct Known {
    addresses: HashMap<String, String>,
    read_at: Option<Instant>,
}

impl KnownNodes {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self::reading(move || {
            let store = Arc::clone(&store);
            Box::pin(async move { store.nodes(limits::NODE_FORGOTTEN).await })
        })
    }

    fn reading(read: impl Fn() -> BoxFuture<'static, StoreResult<Vec<Node>>> + Send + Sync + 'static) -> Self {
        KnownNodes {
            read: Box::new(read),
            known: Mutex::default(),
            reading: AsyncMutex::default(),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of a name, if it is known well enough. One that is not known may have come a moment ago.
    fn recall(&self, name: &str) -> Option<Option<String>> {
        self.with(|known| {
            let address = known.addresses.get(name);
            let lasts = if address.is_some() {
                limits::NODES_KNOWN
            } else {
                limits::NODES_UNKNOWN
            };
            let is_recent = known.read_at.is_some_and(|at| at.elapsed() < lasts);
            is_recent.then(|| address.cloned())
        })
    }
}

#[async_trait]
impl Nodes for KnownNodes {
    async fn address(&self, name: &str) -> Option<String> {
        if let Some(recalled) = self.recall(name) {
            return recalled;
        }
        let _one_at_a_time = self.reading.lock().await;
        if let Some(recalled) = self.recall(name) {
            return recalled;
        }
        let read = timeout(limits::NODES_READ_TIME, (self.read)()).await;
        self.with(|known| {
            known.read_at = Some(Instant::now());
            match read {
                Ok(Ok(nodes)) => {
                    let found = nodes.into_iter().filter_map(|node| Some((node.key, node.address?)));
                    // By its key, which is new at each start, and by what ends the ids of its resumable uploads.
                    let names = found.flat_map(|(key, address)| {
                        let of_uploads = (upload_name(&address), address.clone());
                        [(key.to_string(), address), of_uploads]
                    });
                    known.addresses = names.collect();
                }
                // What was known goes on being so: a node does not move.
                Ok(Err(error)) => tracing::debug!(%error, "the other nodes' addresses cannot be read"),
                Err(_) => tracing::debug!("the other nodes' addresses cannot be read in time"),
            }
            known.addresses.get(name).cloned()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::store::StoreError;

    fn node(key: i64) -> Node {
        Node {
            key: NodeKey(key),
            address: (key != 3).then(|| format!("http://10.0.0.{key}:5544")),
            silent: Duration::ZERO,
        }
    }

    /// Nodes that are read from `answers` in turn, the last one for ever; and how often they were.
    fn known(answers: Vec<StoreResult<Vec<Node>>>) -> (KnownNodes, Arc<AtomicUsize>) {
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reads);
        let nodes = KnownNodes::reading(move || {
            let at = counted.fetch_add(1, SeqCst).min(answers.len() - 1);
            let answer = answers[at].clone();
            Box::pin(async move { answer })
        });
        (nodes, reads)
    }

    /// As if the last reading were so long ago.
    fn age(nodes: &KnownNodes, by: Duration) {
        nodes.with(|known| known.read_at = known.read_at.and_then(|at| at.checked_sub(by)));
    }

    #[tokio::test]
    async fn a_node_is_found_by_its_name_and_read_once_for_many_requests() {
        let (nodes, reads) = known(vec![Ok(vec![node(1), node(36), node(3)])]);
        for _ in 0..100 {
            assert_eq!(nodes.address("10").await.as_deref(), Some("http://10.0.0.36:5544"));
            assert_eq!(nodes.address("3").await, None, "it gives no address");
            assert_eq!(nodes.address("zz").await, None);
        }
        assert_eq!(reads.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn a_node_that_has_just_come_is_found_and_one_that_is_gone_is_not() {
        let (nodes, reads) = known(vec![Ok(vec![node(1)]), Ok(vec![node(1), node(2)]), Ok(vec![node(2)])]);
        assert_eq!(nodes.address("1").await.as_deref(), Some("http://10.0.0.1:5544"));
        age(&nodes, limits::NODES_UNKNOWN);
        assert_eq!(nodes.address("1").await.as_deref(), Some("http://10.0.0.1:5544"));
        assert_eq!(reads.load(SeqCst), 1, "what is known is not read again so soon");
        assert_eq!(nodes.address("2").await.as_deref(), Some("http://10.0.0.2:5544"));
        age(&nodes, limits::NODES_KNOWN);
        assert_eq!(nodes.address("1").await, None);
    }

    #[test]
    fn a_node_that_lives_at_the_same_address_is_told_from_one_that_was_killed_there() {
        let at = |key: i64, silent: u64| Node {
            silent: Duration::from_secs(silent),
            address: Some("http://10.0.0.1:5544".into()),
            ..node(key)
        };
        let here = Duration::from_secs(4);
        let found = |nodes: &[Node]| twin(nodes, NodeKey(1), "http://10.0.0.1:5544", here);
        assert_eq!(found(&[at(1, 0), node(2), node(3)]), None, "this one and others");
        assert_eq!(
            found(&[at(1, 0), at(2, 4)]),
            None,
            "no sign of life since this one came"
        );
        assert_eq!(found(&[at(1, 0), at(2, 1)]), Some(NodeKey(2)));
    }

    #[tokio::test]
    async fn while_the_store_is_away_nodes_stay_where_they_were() {
        let (nodes, _) = known(vec![Ok(vec![node(1)]), Err(StoreError::Unavailable("gone".into()))]);
        assert!(nodes.address("1").await.is_some());
        age(&nodes, limits::NODES_KNOWN);
        assert_eq!(nodes.address("1").await.as_deref(), Some("http://10.0.0.1:5544"));
    }

    #[tokio::test]
    async fn a_store_that_says_nothing_holds_nobody_up_for_long() {
        let nodes = KnownNodes::reading(|| Box::pin(std::future::pending()));
        let begun = Instant::now();
        let both = futures_util::future::join(nodes.address("1"), nodes.address("2")).await;
        assert_eq!(both, (None, None));
        assert!(begun.elapsed() < limits::NODES_READ_TIME * 2, "{:?}", begun.elapsed());
    }
}
