//! Conversations: how one is found or made, and how it is loaded with those who are or were in it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{
        Conversation, ConversationId, ConversationKey, Fact, ListingKey, Member, Role, Timestamp, UserKey,
        conversation::Shape,
    },
    store::rules::conversations::{Loaded, new_id},
};

const FIND: &str = "
    SELECT id, lower_user, higher_user, asker, listing, title, is_active, created_at, departures
    FROM conversation WHERE key = ?1";

/// Written for the unique index: longest-standing first.
pub(super) const MEMBERS: &str = "
    SELECT user, is_admin, joined_at, left_at, read_at, from_seq, to_seq FROM participant
    WHERE conversation = ?1 ORDER BY standing";

pub(super) fn find(connection: &Connection, key: ConversationKey) -> rusqlite::Result<Option<Loaded>> {
    let found = connection
        .statement(FIND)?
        .query_row([key.0], |row| conversation_of(key, row))
        .optional()?;
    let Some(mut conversation) = found else { return Ok(None) };
    let mut last_read_at = Vec::new();
    let mut statement = connection.statement(MEMBERS)?;
    let mut rows = statement.query([key.0])?;
    while let Some(row) = rows.next()? {
        conversation.members.push(Member {
            user: UserKey(row.get(0)?),
            role: if row.get(1)? { Role::Admin } else { Role::Member },
            joined_at: Timestamp(row.get(2)?),
            left_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
            from_seq: row.get(5)?,
            to_seq: row.get(6)?,
        });
        last_read_at.push(row.get::<_, Option<i64>>(4)?.map(Timestamp));
    }
    Ok(Some(Loaded {
        conversation,
        last_read_at,
    }))
}

fn conversation_of(key: ConversationKey, row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let pair: Option<(i64, i64)> = row.get::<_, Option<i64>>(1)?.zip(row.get(2)?);
    let shape = match pair {
        None => Shape::Group,
        Some((lower, higher)) => {
            let asker: i64 = row.get(3)?;
            let asked = if asker == lower { higher } else { lower };
            Shape::OneToOne {
                asker: UserKey(asker),
                asked: UserKey(asked),
                listing: Some(row.get(4)?).filter(|listing| *listing != 0).map(ListingKey),
            }
        }
    };
    Ok(Conversation {
        key,
        id: ConversationId::trusted(row.get::<_, String>(0)?),
        shape,
        title: row.get(5)?,
        is_active: row.get(6)?,
        created_at: Timestamp(row.get(7)?),
        departures: row.get(8)?,
        members: Vec::new(),
    })
}

/// One that is known to exist: this transaction has seen or made it.
pub(super) fn get(connection: &Connection, key: ConversationKey) -> rusqlite::Result<Arc<Conversation>> {
    let loaded = find(connection, key)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(Arc::new(loaded.conversation))
}

pub(super) fn find_by_id(connection: &Connection, id: &ConversationId) -> rusqlite::Result<Option<Loaded>> {
    let key = connection
        .statement("SELECT key FROM conversation WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    match key {
        Some(key) => find(connection, ConversationKey(key)),
        None => Ok(None),
    }
}

pub(super) fn one_to_ones(
    connection: &Connection,
    one: UserKey,
    other: UserKey,
) -> rusqlite::Result<Vec<ConversationKey>> {
    connection
        .statement(
            "SELECT key FROM conversation WHERE lower_user = ?1 AND higher_user = ?2
             ORDER BY ifnull(last_message_at, created_at) DESC, key DESC",
        )?
        .query_map([one.min(other).0, one.max(other).0], |row| {
            row.get(0).map(ConversationKey)
        })?
        .collect()
}

pub(super) fn conversations_of(connection: &Connection, user: UserKey) -> rusqlite::Result<Vec<ConversationKey>> {
    connection
        .statement("SELECT conversation FROM participant WHERE user = ?1 AND left_at IS NULL")?
        .query_map([user.0], |row| row.get(0).map(ConversationKey))?
        .collect()
}

/// Lets `user` in, at the end of the line of those who stand in it. They see what comes after `last_seq`.
pub(super) fn insert_member(
    connection: &Connection,
    conversation: ConversationKey,
    user: UserKey,
    role: Role,
    at: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .statement(
            "INSERT INTO participant (user, conversation, from_seq, read_seq, is_admin, joined_at, standing)
             SELECT ?1, key, last_seq, last_seq, ?3, ?4, arrivals FROM conversation WHERE key = ?2",
        )?
        .execute(params![user.0, conversation.0, role == Role::Admin, at.0])?;
    count_arrival(connection, conversation)
}

pub(super) fn count_arrival(connection: &Connection, conversation: ConversationKey) -> rusqlite::Result<()> {
    connection
        .statement("UPDATE conversation SET arrivals = arrivals + 1 WHERE key = ?1")?
        .execute([conversation.0])?;
    Ok(())
}

pub(super) struct OpenOneToOne {
    pub(super) asker: UserKey,
    pub(super) asked: UserKey,
    pub(super) listing: Option<ListingKey>,
}

impl Write for OpenOneToOne {
    type Outcome = (Arc<Conversation>, bool);

    /// There is one writer: between looking and making, nobody else makes one. The unique index watches over it.
    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Self::Outcome> {
        let (connection, now) = (writing.connection, writing.now);
        let lower = self.asker.min(self.asked);
        let higher = self.asker.max(self.asked);
        let listing = self.listing.map_or(0, |listing| listing.0);
        let known = connection
            .statement("SELECT key FROM conversation WHERE lower_user = ?1 AND higher_user = ?2 AND listing = ?3")?
            .query_row([lower.0, higher.0, listing], |row| row.get(0))
            .optional()?;
        if let Some(key) = known {
            return Ok((get(connection, ConversationKey(key))?, false));
        }
        connection
            .statement(
                "INSERT INTO conversation
                    (id, lower_user, higher_user, listing, asker, latest_at, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6)",
            )?
            .execute(params![
                new_id(now).as_str(),
                lower.0,
                higher.0,
                listing,
                self.asker.0,
                now.0
            ])?;
        let key = ConversationKey(connection.last_insert_rowid());
        for user in [self.asker, self.asked] {
            insert_member(connection, key, user, Role::Member, now)?;
        }
        let conversation = get(connection, key)?;
        writing.facts.push(Fact::Opened(conversation.clone()));
        Ok((conversation, true))
    }
}

pub(super) struct OpenGroup {
    pub(super) creator: UserKey,
    pub(super) title: Option<String>,
    pub(super) others: Vec<UserKey>,
}

impl Write for OpenGroup {
    type Outcome = Arc<Conversation>;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Self::Outcome> {
        let (connection, now) = (writing.connection, writing.now);
        connection
            .statement(
                "INSERT INTO conversation (id, title, latest_at, created_at, updated_at) VALUES (?1, ?2, ?3, ?3, ?3)",
            )?
            .execute(params![new_id(now).as_str(), self.title, now.0])?;
        let key = ConversationKey(connection.last_insert_rowid());
        insert_member(connection, key, self.creator, Role::Admin, now)?;
        for user in &self.others {
            insert_member(connection, key, *user, Role::Member, now)?;
        }
        let conversation = get(connection, key)?;
        writing.facts.push(Fact::Opened(conversation.clone()));
        Ok(conversation)
    }
}
