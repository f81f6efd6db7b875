//! The directory: users and listings belong to the host application, and to the people's own tokens.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::{Caller, Chat};
use crate::model::{
    Error, Listing, ListingId, ListingKey, Result, Timestamp, User, UserId, UserKey,
    listing::ListingPatch,
    user::{UserPatch, UserSource},
};

/// Entries kept in memory, of each kind.
const CAPACITY: usize = 100_000;

pub struct Directory {
    users: Cache<UserKey, Arc<User>>,
    user_keys: Cache<UserId, UserKey>,
    listings: Cache<ListingKey, Arc<Listing>>,
}

impl Default for Directory {
    fn default() -> Self {
        Directory {
            users: Cache::new(CAPACITY),
            user_keys: Cache::new(CAPACITY),
            listings: Cache::new(CAPACITY),
        }
    }
}

impl Directory {
    /// What is in memory may be older than what others have been told.
    pub(super) fn clear(&self) {
        self.users.clear();
        self.listings.clear();
    }
}

/// What a verified token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub user_id: UserId,
    pub name: Option<String>,
    pub email: Option<String>,
    pub image: Option<String>,
    pub role: Option<String>,
    pub issued_at: Option<Timestamp>,
}

impl Chat {
    pub async fn user(&self, key: UserKey) -> Result<Arc<User>> {
        self.directory
            .users
            .get_or_insert_async(&key, async {
                let found = self.store.users(&[key]).await?.pop();
                found.map(Arc::new).ok_or_else(|| Error::not_found("user"))
            })
            .await
    }

    pub async fn listing(&self, key: ListingKey) -> Result<Arc<Listing>> {
        self.directory
            .listings
            .get_or_insert_async(&key, async {
                let found = self.store.listings(&[key]).await?.pop();
                found.map(Arc::new).ok_or_else(|| Error::not_found("listing"))
            })
            .await
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<Arc<User>>> {
        if let Some(key) = self.directory.user_keys.get(id) {
            return self.user(key).await.map(Some);
        }
        let Some(user) = self.store.user_by_id(id).await? else {
            return Ok(None);
        };
        self.directory.user_keys.insert(id.clone(), user.key);
        self.user(user.key).await.map(Some)
    }

    /// The bearer of a verified token: gets an entry, and their claims update it where they may. `UNAUTHENTICATED` when it
    /// was issued before all of their sessions were ended.
    pub async fn sign_in(&self, claims: &Claims) -> Result<Arc<User>> {
        if let Some(user) = self.find_user(&claims.user_id).await? {
            must_be_honoured(claims.issued_at, &user)?;
            if !claims_change(claims, &user) {
                return Ok(user);
            }
        }
        let patch = UserPatch {
            name: claims.name.clone().map(Some),
            email: claims.email.clone().map(Some),
            image: claims.image.clone().map(Some),
            role: claims.role.clone().map(Some),
        };
        let source = UserSource::Claims {
            issued_at: claims.issued_at,
        };
        let user = self.write_user(claims.user_id.clone(), patch, source).await?;
        // Their sessions may have been ended since the entry was looked at.
        must_be_honoured(claims.issued_at, &user)?;
        Ok(user)
    }

    /// The same for somebody who signed in a while ago: `UNAUTHENTICATED` once all of their sessions were ended. What is in
    /// memory tells, since the entry of whoever is shut out leaves it at once.
    pub async fn must_still_be_honoured(&self, user: UserKey, issued_at: Option<Timestamp>) -> Result<()> {
        must_be_honoured(issued_at, &*self.user(user).await?)
    }

    /// Somebody whom another person names: known, or given a bare entry where the directory is open.
    pub async fn mentioned_user(&self, id: &str) -> Result<Arc<User>> {
        let id = UserId::parse(id)?;
        if let Some(user) = self.find_user(&id).await? {
            return Ok(user);
        }
        if !self.policy.open_directory {
            return Err(Error::not_found("user"));
        }
        self.write_user(id, UserPatch::default(), UserSource::Mention).await
    }

    /// Somebody whom another person names: `None` for a person who gets an entry only when something is stored for them.
    pub async fn reachable_user(&self, id: &UserId) -> Result<Option<Arc<User>>> {
        match self.find_user(id).await? {
            None if !self.policy.open_directory => Err(Error::not_found("user")),
            found => Ok(found),
        }
    }

    /// Somebody whom another person names, without making an entry.
    pub async fn known_user(&self, id: &str) -> Result<Option<Arc<User>>> {
        self.find_user(&UserId::parse(id)?).await
    }

    /// The host application writes a user's entry.
    pub async fn put_user(&self, caller: Caller, id: &str, patch: UserPatch) -> Result<Arc<User>> {
        caller.must_be_host()?;
        self.write_user(UserId::parse(id)?, patch, UserSource::Host).await
    }

    /// What is kept in memory of somebody is out of date.
    pub(super) fn directory_changed(&self, user: UserKey) {
        self.directory.users.remove(&user);
    }

    /// Likewise of a listing.
    pub(super) fn listing_changed(&self, listing: ListingKey) {
        self.directory.listings.remove(&listing);
    }

    async fn write_user(&self, id: UserId, patch: UserPatch, source: UserSource) -> Result<Arc<User>> {
        let user = self.store.put_user(id.clone(), patch, source).await?;
        self.directory.user_keys.insert(id, user.key);
        // Removed, not replaced: of two writers the later answer need not be the later write.
        self.directory_changed(user.key);
        Ok(Arc::new(user))
    }

    /// A listing that somebody names: `None` for one that gets an entry only when something is stored about it.
    pub(super) async fn reachable_listing(&self, id: &ListingId) -> Result<Option<Listing>> {
        match self.store.listing_by_id(id).await? {
            None if !self.policy.open_directory => Err(Error::not_found("listing")),
            found => Ok(found),
        }
    }

    /// A listing that somebody names: known, or given a bare entry where the directory is open.
    pub(super) async fn mentioned_listing(&self, id: &ListingId) -> Result<Listing> {
        match self.reachable_listing(id).await? {
            Some(listing) => Ok(listing),
            None => Ok(self.store.put_listing(id.clone(), ListingPatch::default()).await?),
        }
    }

    /// The host application writes a listing's entry. `owner` is a user id.
    pub async fn put_listing(
        &self,
        caller: Caller,
        id: &str,
        mut patch: ListingPatch,
        owner: Option<Option<String>>,
    ) -> Result<(Arc<Listing>, Option<UserId>)> {
        caller.must_be_host()?;
        let id = ListingId::parse(id)?;
        patch.owner = match owner {
            None => None,
            Some(None) => Some(None),
            Some(Some(owner)) => Some(Some(self.mentioned_user(&owner).await?.key)),
        };
        let listing = self.store.put_listing(id, patch).await?;
        self.listing_changed(listing.key);
        let owner = match listing.owner {
            Some(owner) => Some(self.user(owner).await?.id.clone()),
            None => None,
        };
        Ok((Arc::new(listing), owner))
    }
}

fn must_be_honoured(issued_at: Option<Timestamp>, user: &User) -> Result<()> {
    match user.honours(issued_at) {
        true => Ok(()),
        false => Err(Error::unauthenticated(
            "The token is not valid: all sessions of its user were ended after it was issued. Sign in again.",
        )),
    }
}

/// Do these claims say anything new, and may they? Spares a write at each connection.
fn claims_change(claims: &Claims, user: &User) -> bool {
    let newer_than = |then: Option<Timestamp>| match (claims.issued_at, then) {
        (_, None) => true,
        (Some(issued), Some(then)) => issued > then,
        (None, Some(_)) => false,
    };
    let says = |claim: &Option<String>, known: &Option<String>| claim.is_some() && claim != known;
    newer_than(user.host_put_at)
        && (newer_than(user.claims_issued_at) || claims.issued_at == user.claims_issued_at)
        && (says(&claims.name, &user.name)
            || says(&claims.email, &user.email)
            || says(&claims.image, &user.image)
            || says(&claims.role, &user.role))
}
