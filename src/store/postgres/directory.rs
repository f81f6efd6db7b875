//! Users and listings, as the host application and tokens describe them.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    connection::{Connection, Done},
    text::text_or_null,
    writer::{Write, Writing},
};
use crate::{
    model::{Fact, Listing, ListingId, ListingKey, Timestamp, User, UserId, UserKey},
    store::rules::directory::{EndSessions, PutListing, PutUser, shows_otherwise},
};

macro_rules! user_columns {
    () => {
        "SELECT key, id, name, email, image, role, last_seen_at, host_put_at, claims_issued_at, sessions_ended_at
         FROM doorbell.app_user"
    };
}

macro_rules! listing_columns {
    () => {
        "SELECT key, id, title, image, url, price, owner FROM doorbell.listing"
    };
}

const USER: &str = concat!(user_columns!(), " WHERE id = $1");
/// `NO KEY`: memberships that are made meanwhile refer to the key, and need not wait.
const USER_TO_CHANGE: &str = concat!(user_columns!(), " WHERE id = $1 FOR NO KEY UPDATE");
/// False also where there is no schema, or one of before sessions could be ended.
const KNOWS_ENDED: &str = "SELECT EXISTS (SELECT 1 FROM pg_attribute
    WHERE attrelid = to_regclass('doorbell.app_user') AND attname = 'sessions_ended_at' AND NOT attisdropped)";
const LISTING: &str = concat!(listing_columns!(), " WHERE id = $1");
const LISTING_TO_CHANGE: &str = concat!(listing_columns!(), " WHERE id = $1 FOR NO KEY UPDATE");

fn user_of(row: &Row) -> Done<User> {
    Ok(User {
        key: UserKey(row.try_get(0)?),
        id: UserId::trusted(row.try_get::<_, String>(1)?),
        name: text_or_null(row, 2)?,
        email: text_or_null(row, 3)?,
        image: text_or_null(row, 4)?,
        role: text_or_null(row, 5)?,
        last_seen_at: row.try_get::<_, Option<i64>>(6)?.map(Timestamp),
        host_put_at: row.try_get::<_, Option<i64>>(7)?.map(Timestamp),
        claims_issued_at: row.try_get::<_, Option<i64>>(8)?.map(Timestamp),
        sessions_ended_at: row.try_get::<_, Option<i64>>(9)?.map(Timestamp),
    })
}

pub(super) async fn sessions_ended(connection: &Connection, user_id: &str) -> Done<Option<Timestamp>> {
    if !connection.one(KNOWS_ENDED, &[]).await?.try_get(0)? {
        return Ok(None);
    }
    let found = connection.row(USER, &[&user_id]).await?;
    Ok(found
        .map(|row| user_of(&row))
        .transpose()?
        .and_then(|user| user.sessions_ended_at))
}

fn listing_of(row: &Row) -> Done<Listing> {
    Ok(Listing {
        key: ListingKey(row.try_get(0)?),
        id: ListingId::trusted(row.try_get::<_, String>(1)?),
        title: text_or_null(row, 2)?,
        image: text_or_null(row, 3)?,
        url: text_or_null(row, 4)?,
        price: text_or_null(row, 5)?,
        owner: row.try_get::<_, Option<i64>>(6)?.map(UserKey),
    })
}

pub(super) async fn user_by_id(connection: &Connection, id: &UserId) -> Done<Option<User>> {
    let found = connection.row(USER, &[&id.as_str()]).await?;
    found.as_ref().map(user_of).transpose()
}

pub(super) async fn users(connection: &Connection, keys: &[UserKey]) -> Done<Vec<User>> {
    let keys: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let found = connection
        .rows(concat!(user_columns!(), " WHERE key = ANY ($1)"), &[&keys])
        .await?;
    found.iter().map(user_of).collect()
}

pub(super) async fn listing_by_id(connection: &Connection, id: &ListingId) -> Done<Option<Listing>> {
    let found = connection.row(LISTING, &[&id.as_str()]).await?;
    found.as_ref().map(listing_of).transpose()
}

pub(super) async fn listings(connection: &Connection, keys: &[ListingKey]) -> Done<Vec<Listing>> {
    let keys: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let found = connection
        .rows(concat!(listing_columns!(), " WHERE key = ANY ($1)"), &[&keys])
        .await?;
    found.iter().map(listing_of).collect()
}

#[async_trait]
impl Write for PutUser {
    type Outcome = User;
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<User> {
        let (connection, now) = (writing.connection, writing.now);
        let known = user_by_id(connection, &self.id).await?;
        // Most sign-ins say nothing new: then nothing is locked, written or flushed.
        if let Some(stored) = &known
            && self.applied_to(stored, now) == *stored
        {
            return Ok(stored.clone());
        }
        writing.news.lock_slot(connection).await?;
        // Where another node makes it at the same time, it is theirs that is changed.
        let is_new = known.is_none()
            && connection
                .row(
                    "INSERT INTO doorbell.app_user (id) VALUES ($1) ON CONFLICT (id) DO NOTHING RETURNING key",
                    &[&self.id.as_str()],
                )
                .await?
                .is_some();
        let stored = user_of(&connection.one(USER_TO_CHANGE, &[&self.id.as_str()]).await?)?;
        let entry = self.applied_to(&stored, now);
        if entry != stored {
            connection
                .execute(
                    "UPDATE doorbell.app_user SET name = $2, email = $3, image = $4, role = $5, host_put_at = $6,
                        claims_issued_at = $7
                     WHERE key = $1",
                    &[
                        &entry.key.0,
                        &entry.name.as_deref(),
                        &entry.email.as_deref(),
                        &entry.image.as_deref(),
                        &entry.role.as_deref(),
                        &entry.host_put_at.map(Timestamp::as_millis),
                        &entry.claims_issued_at.map(Timestamp::as_millis),
                    ],
                )
                .await?;
        }
        // Nobody can have kept one in memory that this transaction has made.
        if !is_new && shows_otherwise(&stored, &entry) {
            writing.news.tell(None, Fact::UserChanged(entry.key))?;
        }
        Ok(entry)
    }
}

#[async_trait]
impl Write for EndSessions {
    type Outcome = (UserKey, Timestamp);

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<(UserKey, Timestamp)> {
        let (connection, id) = (writing.connection, self.id.as_str());
        connection
            .execute(
                "INSERT INTO doorbell.app_user (id) VALUES ($1) ON CONFLICT (id) DO NOTHING",
                &[&id],
            )
            .await?;
        let stored = user_of(&connection.one(USER_TO_CHANGE, &[&id]).await?)?;
        let (user, at) = (stored.key, Self::moment(stored.sessions_ended_at, writing.now));
        connection
            .execute(
                "UPDATE doorbell.app_user SET sessions_ended_at = $2 WHERE key = $1",
                &[&user.0, &at.0],
            )
            .await?;
        // Whoever comes back begins anew. Locked in the order of their ids, as every batch of sessions does.
        connection
            .execute(
                "WITH gone AS (
                     DELETE FROM doorbell.session WHERE id IN (
                         SELECT id FROM doorbell.session WHERE user_key = $1 ORDER BY id FOR UPDATE)
                     RETURNING id
                 )
                 DELETE FROM doorbell.session_room WHERE session IN (SELECT id FROM gone)",
                &[&user.0],
            )
            .await?;
        writing.news.tell(None, Fact::SessionsEnded { user, at })?;
        Ok((user, at))
    }
}

pub(super) struct PutLastSeen {
    pub(super) user: UserKey,
    pub(super) at: Timestamp,
}

#[async_trait]
impl Write for PutLastSeen {
    type Outcome = ();

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        let risen = writing
            .connection
            .row(
                "UPDATE doorbell.app_user SET last_seen_at = $2 WHERE key = $1 AND coalesce(last_seen_at, $2 - 1) < $2
                 RETURNING 1",
                &[&self.user.0, &self.at.0],
            )
            .await?;
        match risen {
            Some(_) => writing.news.tell(None, Fact::UserChanged(self.user)),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Write for PutListing {
    type Outcome = Listing;
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Listing> {
        let connection = writing.connection;
        let known = listing_by_id(connection, &self.id).await?;
        if let Some(stored) = &known
            && self.applied_to(stored) == *stored
        {
            return Ok(stored.clone());
        }
        writing.news.lock_slot(connection).await?;
        let is_new = known.is_none()
            && connection
                .row(
                    "INSERT INTO doorbell.listing (id) VALUES ($1) ON CONFLICT (id) DO NOTHING RETURNING key",
                    &[&self.id.as_str()],
                )
                .await?
                .is_some();
        let stored = listing_of(&connection.one(LISTING_TO_CHANGE, &[&self.id.as_str()]).await?)?;
        let entry = self.applied_to(&stored);
        if entry != stored {
            connection
                .execute(
                    "UPDATE doorbell.listing SET title = $2, image = $3, url = $4, price = $5, owner = $6
                     WHERE key = $1",
                    &[
                        &entry.key.0,
                        &entry.title.as_deref(),
                        &entry.image.as_deref(),
                        &entry.url.as_deref(),
                        &entry.price.as_deref(),
                        &entry.owner.map(|owner| owner.0),
                    ],
                )
                .await?;
            if !is_new {
                writing.news.tell(None, Fact::ListingChanged(entry.key))?;
            }
        }
        Ok(entry)
    }
}
