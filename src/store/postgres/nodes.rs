//! The nodes that have this database, and which of them live. All times are the database's own.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{
    connection::{Connection, Done},
    outgrown::Outgrown,
    sessions::millis,
    slots::{keep_leases, now},
    writer::{Write, Writing},
};
use crate::model::{Cut, NodeKey, session::Node};

/// What this process remembers of the nodes that entered through it.
pub(super) struct Entered {
    addresses: Mutex<HashMap<NodeKey, String>>,
    beats: AtomicI64,
}

impl Entered {
    /// `begin`: a number that is higher at each start, such as the time.
    pub(super) fn new(begin: i64) -> Self {
        Entered {
            addresses: Mutex::default(),
            beats: AtomicI64::new(begin),
        }
    }

    /// The number of a sign of life. Taken when it is asked for, since several writers store them and sessions.
    pub(super) fn next_beat(&self) -> i64 {
        self.beats.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn last_beat(&self) -> i64 {
        self.beats.load(Relaxed)
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, HashMap<NodeKey, String>> {
        // A map is whole between any two of its calls.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct EnterNode {
    pub(super) address: Option<String>,
    pub(super) entered: Arc<Entered>,
}

#[async_trait]
impl Write for EnterNode {
    type Outcome = NodeKey;
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<NodeKey> {
        let made = writing
            .connection
            .one(
                concat!(
                    "INSERT INTO doorbell.node (beat_at, address, received) VALUES (",
                    now!(),
                    ", $1, $2) RETURNING key"
                ),
                &[&self.address.as_deref(), &Cut::default().to_string().as_str()],
            )
            .await?;
        let key = NodeKey(made.try_get(0)?);
        if let Some(address) = &self.address {
            self.entered.addresses().insert(key, address.clone());
        }
        Ok(key)
    }
}

/// A sign of life of a node, and of its writers that have nothing to write.
pub(super) struct Beat {
    pub(super) node: NodeKey,
    pub(super) number: i64,
    pub(super) received: Cut,
    pub(super) holders: Vec<i64>,
    pub(super) entered: Arc<Entered>,
    pub(super) outgrown: Arc<Outgrown>,
}

#[async_trait]
impl Write for Beat {
    type Outcome = ();
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        self.outgrown.look(writing.connection).await?;
        let address = self.entered.addresses().get(&self.node).cloned();
        // One that was halted for long was forgotten meanwhile.
        writing
            .connection
            .execute(
                concat!(
                    "INSERT INTO doorbell.node AS node (key, beat_at, beat, address, received) OVERRIDING SYSTEM VALUE
                     VALUES ($1, ",
                    now!(),
                    ", $2, $3, $4)
                     ON CONFLICT (key) DO UPDATE
                     SET beat_at = excluded.beat_at, beat = excluded.beat, received = excluded.received"
                ),
                &[
                    &self.node.0,
                    &self.number,
                    &address.as_deref(),
                    &self.received.to_string().as_str(),
                ],
            )
            .await?;
        keep_leases(writing.connection, &self.holders).await
    }
}

pub(super) async fn nodes(connection: &Connection, within: Duration) -> Done<Vec<Node>> {
    let rows = connection
        .rows(
            concat!(
                "SELECT key, address, silent FROM (SELECT key, address, ",
                now!(),
                " - beat_at AS silent FROM doorbell.node) node WHERE silent <= $1 ORDER BY key"
            ),
            &[&millis(within)],
        )
        .await?;
    let mut nodes = Vec::with_capacity(rows.len());
    for row in rows {
        nodes.push(Node {
            key: NodeKey(row.try_get(0)?),
            address: super::text::text_or_null(&row, 1)?,
            silent: Duration::from_millis(row.try_get::<_, i64>(2)?.max(0) as u64),
        });
    }
    Ok(nodes)
}
