//! Nodes, and the sessions of live sockets. Each is written where a client waits for it, so a change is one statement
//! by the session's id, which finds nothing where another connection has it.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{
        Contract, ConversationKey, Cut, NodeKey, Seq, Session, SessionId, Timestamp, UserKey, limits,
        session::{Holder, NewSession, Node, SessionChange},
    },
    store::rules::sessions::{away, since},
};

fn id_of(id: SessionId) -> [u8; 16] {
    id.0.to_be_bytes()
}

/// A column that holds what `parse` reads.
fn parsed<T>(row: &Row<'_>, index: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<Option<T>> {
    let Some(text) = row.get::<_, Option<String>>(index)? else {
        return Ok(None);
    };
    let value = parse(&text).ok_or(rusqlite::Error::InvalidColumnType(index, text, Type::Text))?;
    Ok(Some(value))
}

pub(super) struct EnterNode {
    pub(super) address: Option<String>,
}

impl Write for EnterNode {
    type Outcome = NodeKey;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<NodeKey> {
        writing
            .connection
            .statement("INSERT INTO node (address, seen_at, received) VALUES (?1, ?2, ?3)")?
            .execute(params![self.address, writing.now.0, Cut::default().to_string()])?;
        Ok(NodeKey(writing.connection.last_insert_rowid()))
    }
}

/// A node that gets a session is alive. It may give no other sign as long as it has none, and have been swept for it; then
/// it is there again, if without its address.
fn note_life(writing: &Writing<'_>, node: NodeKey) -> rusqlite::Result<()> {
    writing
        .connection
        .statement(
            "INSERT INTO node (key, seen_at, received) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at WHERE seen_at <> excluded.seen_at",
        )?
        .execute(params![node.0, writing.now.0, Cut::default().to_string()])?;
    Ok(())
}

pub(super) struct Beat {
    pub(super) node: NodeKey,
    pub(super) received: Cut,
}

impl Write for Beat {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        writing
            .connection
            .statement(
                "INSERT INTO node (key, seen_at, beats, received) VALUES (?1, ?2, 1, ?3)
                 ON CONFLICT (key) DO UPDATE
                 SET seen_at = excluded.seen_at, beats = beats + 1, received = excluded.received",
            )?
            .execute(params![self.node.0, writing.now.0, self.received.to_string()])?;
        Ok(())
    }
}

pub(super) fn nodes(connection: &Connection, within: Duration, now: Timestamp) -> rusqlite::Result<Vec<Node>> {
    let mut statement = connection.statement("SELECT key, address, seen_at FROM node WHERE key > 0")?;
    let nodes = statement.query_map([], |row| {
        Ok(Node {
            key: NodeKey(row.get(0)?),
            address: row.get(1)?,
            silent: since(Timestamp(row.get(2)?), now),
        })
    })?;
    nodes
        .filter(|node| node.as_ref().map_or(true, |node| node.silent <= within))
        .collect()
}

impl Write for NewSession {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        note_life(writing, self.holder.node)?;
        writing
            .connection
            .statement(
                "INSERT INTO session (id, user, contract, node, connection, received) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                id_of(self.id),
                self.user.0,
                self.contract.map(Contract::as_str),
                self.holder.node.0,
                self.holder.connection,
                self.received.to_string(),
            ])?;
        Ok(())
    }
}

pub(super) struct ResumeSession {
    pub(super) id: SessionId,
    pub(super) user: UserKey,
    pub(super) holder: Holder,
    pub(super) window: Duration,
}

impl Write for ResumeSession {
    type Outcome = Option<Session>;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Option<Session>> {
        let connection = writing.connection;
        let Some(mut session) = self.find(connection, writing.now)? else {
            return Ok(None);
        };
        if session.away > self.window {
            return Ok(None);
        }
        session.joined = joined(connection, self.id)?;
        note_life(writing, self.holder.node)?;
        connection
            .statement(
                "UPDATE session SET node = ?2, connection = ?3, ended_at = NULL, received = ?4,
                    held_at = (SELECT beats FROM node WHERE key = ?2)
                 WHERE id = ?1",
            )?
            .execute(params![
                id_of(self.id),
                self.holder.node.0,
                self.holder.connection,
                session.received.to_string(),
            ])?;
        Ok(Some(session))
    }
}

impl ResumeSession {
    /// The user's session, without what it has joined.
    fn find(&self, connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<Session>> {
        let found = connection
            .statement(
                "SELECT s.contract, s.user_room, s.received, s.ended_at, n.seen_at,
                    iif(s.ended_at IS NULL AND n.beats > s.held_at, n.received, NULL)
                 FROM session AS s LEFT JOIN node AS n ON n.key = s.node
                 WHERE s.id = ?1 AND s.user = ?2",
            )?
            .query_row(params![id_of(self.id), self.user.0], |row| {
                let mut received = parsed(row, 2, Cut::parse)?.unwrap_or_default();
                received.join(&parsed(row, 5, Cut::parse)?.unwrap_or_default());
                let time = |index| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp)) };
                Ok(Session {
                    id: self.id,
                    user: self.user,
                    contract: parsed(row, 0, Contract::parse)?,
                    joined: Vec::new(),
                    user_room: row.get(1)?,
                    received,
                    away: away(time(3)?, time(4)?, now).unwrap_or(Duration::MAX),
                })
            });
        found.optional()
    }
}

fn joined(connection: &Connection, session: SessionId) -> rusqlite::Result<Vec<(ConversationKey, Seq)>> {
    connection
        .statement("SELECT conversation, history_end FROM session_room WHERE session = ?1")?
        .query_map([id_of(session)], |row| Ok((ConversationKey(row.get(0)?), row.get(1)?)))?
        .collect()
}

pub(super) struct ChangeSession {
    pub(super) id: SessionId,
    pub(super) holder: Holder,
    pub(super) change: SessionChange,
}

impl Write for ChangeSession {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let connection = writing.connection;
        let (id, node, held_by) = (id_of(self.id), self.holder.node.0, self.holder.connection);
        match self.change {
            SessionChange::Contract(contract) => connection
                .statement("UPDATE session SET contract = ?4 WHERE id = ?1 AND node = ?2 AND connection = ?3")?
                .execute(params![id, node, held_by, contract.as_str()]),
            SessionChange::JoinedUserRoom => connection
                .statement("UPDATE session SET user_room = 1 WHERE id = ?1 AND node = ?2 AND connection = ?3")?
                .execute(params![id, node, held_by]),
            SessionChange::Joined { conversation, end } => connection
                .statement(
                    "INSERT INTO session_room (session, conversation, history_end)
                     SELECT id, ?4, ?5 FROM session WHERE id = ?1 AND node = ?2 AND connection = ?3
                     ON CONFLICT DO UPDATE SET history_end = excluded.history_end
                     WHERE history_end < excluded.history_end",
                )?
                .execute(params![id, node, held_by, conversation.0, end]),
            SessionChange::Left(conversation) => connection
                .statement(
                    "DELETE FROM session_room WHERE session = ?1 AND conversation = ?4
                        AND EXISTS (SELECT 1 FROM session WHERE id = ?1 AND node = ?2 AND connection = ?3)",
                )?
                .execute(params![id, node, held_by, conversation.0]),
        }?;
        Ok(())
    }
}

pub(super) struct SuspendSession {
    pub(super) id: SessionId,
    pub(super) holder: Holder,
    pub(super) received: Cut,
}

impl Write for SuspendSession {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let connection = writing.connection;
        let stored = connection
            .statement(
                "SELECT received FROM session WHERE id = ?1 AND node = ?2 AND connection = ?3 AND ended_at IS NULL",
            )?
            .query_row(
                params![id_of(self.id), self.holder.node.0, self.holder.connection],
                |row| parsed(row, 0, Cut::parse),
            )
            .optional()?;
        let Some(stored) = stored else {
            return Ok(());
        };
        let mut received = stored.unwrap_or_default();
        received.join(&self.received);
        connection
            .statement("UPDATE session SET ended_at = ?2, received = ?3 WHERE id = ?1")?
            .execute(params![id_of(self.id), writing.now.0, received.to_string()])?;
        Ok(())
    }
}

pub(super) struct ForgetSession {
    pub(super) id: SessionId,
    pub(super) holder: Holder,
}

impl Write for ForgetSession {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        writing
            .connection
            .statement("DELETE FROM session WHERE id = ?1 AND node = ?2 AND connection = ?3")?
            .execute(params![id_of(self.id), self.holder.node.0, self.holder.connection])?;
        Ok(())
    }
}

pub(super) struct SweepSessions {
    pub(super) window: Duration,
}

impl Write for SweepSessions {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let (connection, now) = (writing.connection, writing.now);
        let window = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        for node in nodes(connection, Duration::MAX, now)? {
            connection
                .statement("DELETE FROM session WHERE node = ?1 AND ended_at < ?2")?
                .execute([node.key.0, now.0.saturating_sub(window)])?;
            if node.silent <= self.window.max(limits::NODE_SILENCE) {
                continue;
            }
            connection
                .statement("DELETE FROM session WHERE node = ?1 AND ended_at IS NULL")?
                .execute([node.key.0])?;
            connection
                .statement("DELETE FROM node WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM session WHERE node = ?1)")?
                .execute([node.key.0])?;
        }
        Ok(())
    }
}
