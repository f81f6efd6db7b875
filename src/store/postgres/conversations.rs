//! Conversations: how one is found or made, and how it is loaded with those who are or were in it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    connection::{Connection, Done, Failure},
    text::text_or_null,
    writer::{Write, Writing},
};
use crate::{
    model::{
        Conversation, ConversationId, ConversationKey, Fact, ListingKey, Member, Position, Role, Timestamp, UserKey,
        conversation::Shape,
    },
    store::rules::conversations::{Loaded, new_id},
};

const FIND: &str = "
    SELECT id, lower_user, higher_user, asker, listing, title, is_active, created_at, departures
    FROM doorbell.conversation WHERE key = $1";

/// Longest-standing first.
const MEMBERS: &str = "
    SELECT user_key, is_admin, joined_at, left_at, read_at, from_seq, to_seq FROM doorbell.participant
    WHERE conversation = $1 ORDER BY standing";

const FIND_PAIR: &str = "
    SELECT key FROM doorbell.conversation WHERE lower_user = $1 AND higher_user = $2 AND listing = $3";

pub(super) async fn find(connection: &Connection, key: ConversationKey) -> Done<Option<Loaded>> {
    let Some(row) = connection.row(FIND, &[&key.0]).await? else {
        return Ok(None);
    };
    let mut conversation = conversation_of(key, &row)?;
    let mut last_read_at = Vec::new();
    for row in connection.rows(MEMBERS, &[&key.0]).await? {
        conversation.members.push(Member {
            user: UserKey(row.try_get(0)?),
            role: if row.try_get(1)? { Role::Admin } else { Role::Member },
            joined_at: Timestamp(row.try_get(2)?),
            left_at: row.try_get::<_, Option<i64>>(3)?.map(Timestamp),
            from_seq: row.try_get(5)?,
            to_seq: row.try_get(6)?,
        });
        last_read_at.push(row.try_get::<_, Option<i64>>(4)?.map(Timestamp));
    }
    Ok(Some(Loaded {
        conversation,
        last_read_at,
    }))
}

fn conversation_of(key: ConversationKey, row: &Row) -> Done<Conversation> {
    let pair: Option<(i64, i64)> = row.try_get::<_, Option<i64>>(1)?.zip(row.try_get(2)?);
    let shape = match pair {
        None => Shape::Group,
        Some((lower, higher)) => {
            let asker: i64 = row.try_get(3)?;
            let asked = if asker == lower { higher } else { lower };
            Shape::OneToOne {
                asker: UserKey(asker),
                asked: UserKey(asked),
                listing: Some(row.try_get(4)?).filter(|listing| *listing != 0).map(ListingKey),
            }
        }
    };
    Ok(Conversation {
        key,
        id: ConversationId::trusted(row.try_get::<_, String>(0)?),
        shape,
        title: text_or_null(row, 5)?,
        is_active: row.try_get(6)?,
        created_at: Timestamp(row.try_get(7)?),
        departures: row.try_get(8)?,
        members: Vec::new(),
    })
}

/// One that is known to exist: this transaction has seen or made it.
pub(super) async fn get(connection: &Connection, key: ConversationKey) -> Done<Arc<Conversation>> {
    let loaded = find(connection, key).await?;
    let loaded = loaded.ok_or_else(|| Failure::Unexpected("a conversation that must be there is missing".into()))?;
    Ok(Arc::new(loaded.conversation))
}

pub(super) async fn find_by_id(connection: &Connection, id: &ConversationId) -> Done<Option<Loaded>> {
    let found = connection
        .row("SELECT key FROM doorbell.conversation WHERE id = $1", &[&id.as_str()])
        .await?;
    match found {
        Some(row) => find(connection, ConversationKey(row.try_get(0)?)).await,
        None => Ok(None),
    }
}

pub(super) async fn one_to_ones(connection: &Connection, one: UserKey, other: UserKey) -> Done<Vec<ConversationKey>> {
    let rows = connection
        .rows(
            "SELECT key FROM doorbell.conversation WHERE lower_user = $1 AND higher_user = $2
             ORDER BY coalesce(last_message_at, created_at) DESC, key DESC",
            &[&one.min(other).0, &one.max(other).0],
        )
        .await?;
    rows.iter().map(|row| Ok(ConversationKey(row.try_get(0)?))).collect()
}

pub(super) async fn conversations_of(connection: &Connection, user: UserKey) -> Done<Vec<ConversationKey>> {
    let rows = connection
        .rows(
            "SELECT conversation FROM doorbell.participant WHERE user_key = $1 AND left_at IS NULL",
            &[&user.0],
        )
        .await?;
    rows.iter().map(|row| Ok(ConversationKey(row.try_get(0)?))).collect()
}

/// A conversation that this transaction has to itself.
pub(super) struct Locked {
    /// Its last fact but for marks, on which the next one builds.
    pub(super) last_news: Option<Position>,
}

/// Keeps everybody else from writing in the conversation until this transaction ends. What is read in later statements
/// is how it stands after whoever held it before. `None`: there is none.
pub(super) async fn lock(connection: &Connection, key: ConversationKey) -> Done<Option<Locked>> {
    let locked = connection
        .row(
            "SELECT news_slot, news_number FROM doorbell.conversation WHERE key = $1 FOR NO KEY UPDATE",
            &[&key.0],
        )
        .await?;
    let Some(row) = locked else { return Ok(None) };
    let last_news = position_of(&row)?;
    Ok(Some(Locked { last_news }))
}

/// Locks all of these, in the order of their keys, as every transaction does with all that it writes in: two of them never
/// wait for each other in a circle. The last news of each.
pub(super) async fn lock_all(
    connection: &Connection,
    keys: &HashSet<ConversationKey>,
) -> Done<HashMap<ConversationKey, Position>> {
    let keys: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let rows = connection
        .rows(
            "SELECT news_slot, news_number, key FROM doorbell.conversation WHERE key = ANY ($1)
             ORDER BY key FOR NO KEY UPDATE",
            &[&keys],
        )
        .await?;
    let mut last_news = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Some(position) = position_of(row)? {
            last_news.insert(ConversationKey(row.try_get(2)?), position);
        }
    }
    Ok(last_news)
}

/// The position in the first two columns, if there is one.
fn position_of(row: &Row) -> Done<Option<Position>> {
    let (slot, number): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(slot.zip(number).map(|(slot, number)| Position { slot, number }))
}

/// Lets these in, in this order, at the end of the line of those who stand in it. They see what comes after `last_seq`.
pub(super) async fn insert_members(
    connection: &Connection,
    conversation: ConversationKey,
    members: &[(UserKey, Role)],
    at: Timestamp,
) -> Done<()> {
    let users: Vec<i64> = members.iter().map(|(user, _)| user.0).collect();
    let admins: Vec<i64> = members
        .iter()
        .map(|(_, role)| i64::from(*role == Role::Admin))
        .collect();
    connection
        .execute(
            "INSERT INTO doorbell.participant
                (user_key, conversation, from_seq, read_seq, is_admin, joined_at, standing)
             SELECT m.user_key, c.key, c.last_seq, c.last_seq, m.is_admin = 1, $4, c.arrivals + m.place - 1
             FROM doorbell.conversation c,
                  unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS m (user_key, is_admin, place)
             WHERE c.key = $1",
            &[&conversation.0, &users, &admins, &at.0],
        )
        .await?;
    count_arrivals(connection, conversation, members.len() as i64).await
}

pub(super) async fn count_arrivals(connection: &Connection, conversation: ConversationKey, count: i64) -> Done<()> {
    connection
        .execute(
            "UPDATE doorbell.conversation SET arrivals = arrivals + $2 WHERE key = $1",
            &[&conversation.0, &count],
        )
        .await
}

pub(super) struct OpenOneToOne {
    pub(super) asker: UserKey,
    pub(super) asked: UserKey,
    pub(super) listing: Option<ListingKey>,
}

#[async_trait]
impl Write for OpenOneToOne {
    type Outcome = (Arc<Conversation>, bool);

    /// Another node may make it between looking and making: then nothing is made here, and theirs is read in a new
    /// statement, which sees it.
    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Self::Outcome> {
        let (connection, now) = (writing.connection, writing.now);
        let lower = self.asker.min(self.asked).0;
        let higher = self.asker.max(self.asked).0;
        let listing = self.listing.map_or(0, |listing| listing.0);
        if let Some(known) = connection.row(FIND_PAIR, &[&lower, &higher, &listing]).await? {
            return Ok((get(connection, ConversationKey(known.try_get(0)?)).await?, false));
        }
        let news = writing.news.upcoming(0)?;
        let made = connection
            .row(
                "INSERT INTO doorbell.conversation
                    (id, lower_user, higher_user, listing, asker, latest_at, created_at, updated_at,
                     news_slot, news_number)
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $6, $7, $8)
                 ON CONFLICT (lower_user, higher_user, listing) WHERE lower_user IS NOT NULL DO NOTHING
                 RETURNING key",
                &[
                    &new_id(now).as_str(),
                    &lower,
                    &higher,
                    &listing,
                    &self.asker.0,
                    &now.0,
                    &news.slot,
                    &news.number,
                ],
            )
            .await?;
        let Some(made) = made else {
            let theirs = connection.one(FIND_PAIR, &[&lower, &higher, &listing]).await?;
            return Ok((get(connection, ConversationKey(theirs.try_get(0)?)).await?, false));
        };
        let key = ConversationKey(made.try_get(0)?);
        let members = [(self.asker, Role::Member), (self.asked, Role::Member)];
        insert_members(connection, key, &members, now).await?;
        let conversation = get(connection, key).await?;
        writing.news.tell(None, Fact::Opened(conversation.clone()))?;
        Ok((conversation, true))
    }
}

pub(super) struct OpenGroup {
    pub(super) creator: UserKey,
    pub(super) title: Option<String>,
    pub(super) others: Vec<UserKey>,
}

#[async_trait]
impl Write for OpenGroup {
    type Outcome = Arc<Conversation>;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Self::Outcome> {
        let (connection, now) = (writing.connection, writing.now);
        let news = writing.news.upcoming(0)?;
        let made = connection
            .one(
                "INSERT INTO doorbell.conversation
                    (id, title, latest_at, created_at, updated_at, news_slot, news_number)
                 VALUES ($1, $2, $3, $3, $3, $4, $5) RETURNING key",
                &[
                    &new_id(now).as_str(),
                    &self.title.as_deref(),
                    &now.0,
                    &news.slot,
                    &news.number,
                ],
            )
            .await?;
        let key = ConversationKey(made.try_get(0)?);
        let others = self.others.iter().map(|user| (*user, Role::Member));
        let members: Vec<_> = std::iter::once((self.creator, Role::Admin)).chain(others).collect();
        insert_members(connection, key, &members, now).await?;
        let conversation = get(connection, key).await?;
        writing.news.tell(None, Fact::Opened(conversation.clone()))?;
        Ok(conversation)
    }
}
