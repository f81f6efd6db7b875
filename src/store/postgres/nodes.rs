//! The nodes that have this database, and which of them live. All times are the database's own.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    connection::{Connection, Done},
    sessions::millis,
    slots::{keep_leases, now},
    writer::{Write, Writing},
};
use crate::model::{Cut, NodeKey, session::Node};

pub(super) struct EnterNode {
    pub(super) address: Option<String>,
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
        Ok(NodeKey(made.try_get(0)?))
    }
}

/// A sign of life of a node, and of its writers that have nothing to write.
pub(super) struct Beat {
    pub(super) node: NodeKey,
    pub(super) received: Cut,
    pub(super) holders: Vec<i64>,
}

#[async_trait]
impl Write for Beat {
    type Outcome = ();
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        writing
            .connection
            .execute(
                concat!(
                    "UPDATE doorbell.node SET received = $2, beat_at = ",
                    now!(),
                    " WHERE key = $1"
                ),
                &[&self.node.0, &self.received.to_string().as_str()],
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
