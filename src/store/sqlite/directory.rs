//! Users and listings, as the host application and tokens describe them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{Fact, Listing, ListingId, ListingKey, Timestamp, User, UserId, UserKey},
    store::rules::directory::{EndSessions, PutListing, PutUser, shows_otherwise},
};

macro_rules! user_columns {
    () => {
        "SELECT key, id, name, email, image, role, last_seen_at, host_put_at, claims_issued_at, sessions_ended_at FROM user"
    };
}

macro_rules! listing_columns {
    () => {
        "SELECT key, id, title, image, url, price, owner FROM listing"
    };
}

fn user_of(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        key: UserKey(row.get(0)?),
        id: UserId::trusted(row.get::<_, String>(1)?),
        name: row.get(2)?,
        email: row.get(3)?,
        image: row.get(4)?,
        role: row.get(5)?,
        last_seen_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        host_put_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        claims_issued_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        sessions_ended_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
    })
}

fn listing_of(row: &Row<'_>) -> rusqlite::Result<Listing> {
    Ok(Listing {
        key: ListingKey(row.get(0)?),
        id: ListingId::trusted(row.get::<_, String>(1)?),
        title: row.get(2)?,
        image: row.get(3)?,
        url: row.get(4)?,
        price: row.get(5)?,
        owner: row.get::<_, Option<i64>>(6)?.map(UserKey),
    })
}

pub(super) fn user_by_id(connection: &Connection, id: &UserId) -> rusqlite::Result<Option<User>> {
    connection
        .statement(concat!(user_columns!(), " WHERE id = ?1"))?
        .query_row([id.as_str()], user_of)
        .optional()
}

pub(super) fn users(connection: &Connection, keys: &[UserKey]) -> rusqlite::Result<Vec<User>> {
    let mut statement = connection.statement(concat!(user_columns!(), " WHERE key = ?1"))?;
    let found = keys.iter().map(|key| statement.query_row([key.0], user_of).optional());
    found.filter_map(Result::transpose).collect()
}

pub(super) fn listing_by_id(connection: &Connection, id: &ListingId) -> rusqlite::Result<Option<Listing>> {
    connection
        .statement(concat!(listing_columns!(), " WHERE id = ?1"))?
        .query_row([id.as_str()], listing_of)
        .optional()
}

pub(super) fn listings(connection: &Connection, keys: &[ListingKey]) -> rusqlite::Result<Vec<Listing>> {
    let mut statement = connection.statement(concat!(listing_columns!(), " WHERE key = ?1"))?;
    let found = keys
        .iter()
        .map(|key| statement.query_row([key.0], listing_of).optional());
    found.filter_map(Result::transpose).collect()
}

impl Write for PutUser {
    type Outcome = User;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<User> {
        let connection = writing.connection;
        let (stored, is_new) = match user_by_id(connection, &self.id)? {
            Some(stored) => (stored, false),
            None => {
                connection
                    .statement("INSERT INTO user (id) VALUES (?1)")?
                    .execute([self.id.as_str()])?;
                (self.new_entry(UserKey(connection.last_insert_rowid())), true)
            }
        };
        let entry = self.applied_to(&stored, writing.now);
        // Most sign-ins say nothing new: then nothing is written, and nothing flushed.
        if entry != stored {
            connection
                .statement(
                    "UPDATE user SET name = ?2, email = ?3, image = ?4, role = ?5, host_put_at = ?6,
                        claims_issued_at = ?7
                     WHERE key = ?1",
                )?
                .execute(params![
                    entry.key.0,
                    entry.name,
                    entry.email,
                    entry.image,
                    entry.role,
                    entry.host_put_at.map(Timestamp::as_millis),
                    entry.claims_issued_at.map(Timestamp::as_millis),
                ])?;
            // Nobody can have a new one in memory.
            if !is_new && shows_otherwise(&stored, &entry) {
                writing.facts.push(Fact::UserChanged(entry.key));
            }
        }
        Ok(entry)
    }
}

impl Write for EndSessions {
    type Outcome = (UserKey, Timestamp);

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<(UserKey, Timestamp)> {
        let connection = writing.connection;
        connection
            .statement("INSERT INTO user (id) VALUES (?1) ON CONFLICT (id) DO NOTHING")?
            .execute([self.id.as_str()])?;
        let (user, ended_at) = connection
            .statement("SELECT key, sessions_ended_at FROM user WHERE id = ?1")?
            .query_row([self.id.as_str()], |row| {
                Ok((UserKey(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(Timestamp)))
            })?;
        let at = Self::moment(ended_at, writing.now);
        connection
            .statement("UPDATE user SET sessions_ended_at = ?2 WHERE key = ?1")?
            .execute([user.0, at.0])?;
        // Whoever comes back begins anew.
        connection
            .statement("DELETE FROM session WHERE user = ?1")?
            .execute([user.0])?;
        writing.facts.push(Fact::SessionsEnded { user, at });
        Ok((user, at))
    }
}

pub(super) struct PutLastSeen {
    pub(super) user: UserKey,
    pub(super) at: Timestamp,
}

impl Write for PutLastSeen {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let changed = writing
            .connection
            .statement("UPDATE user SET last_seen_at = ?2 WHERE key = ?1 AND ifnull(last_seen_at, ?2 - 1) < ?2")?
            .execute([self.user.0, self.at.0])?;
        if changed > 0 {
            writing.facts.push(Fact::UserChanged(self.user));
        }
        Ok(())
    }
}

impl Write for PutListing {
    type Outcome = Listing;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Listing> {
        let connection = writing.connection;
        let (stored, is_new) = match listing_by_id(connection, &self.id)? {
            Some(stored) => (stored, false),
            None => {
                connection
                    .statement("INSERT INTO listing (id) VALUES (?1)")?
                    .execute([self.id.as_str()])?;
                (self.new_entry(ListingKey(connection.last_insert_rowid())), true)
            }
        };
        let entry = self.applied_to(&stored);
        if entry != stored {
            connection
                .statement(
                    "UPDATE listing SET title = ?2, image = ?3, url = ?4, price = ?5, owner = ?6 WHERE key = ?1",
                )?
                .execute(params![
                    entry.key.0,
                    entry.title,
                    entry.image,
                    entry.url,
                    entry.price,
                    entry.owner.map(|owner| owner.0),
                ])?;
            // Nobody can have a new one in memory.
            if !is_new {
                writing.facts.push(Fact::ListingChanged(entry.key));
            }
        }
        Ok(entry)
    }
}
