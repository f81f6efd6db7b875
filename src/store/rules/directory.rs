//! What a write makes of an entry of the directory.

use crate::model::{
    Listing, ListingId, ListingKey, Timestamp, User, UserId, UserKey,
    listing::ListingPatch,
    user::{UserPatch, UserSource},
};

pub(in crate::store) struct PutUser {
    pub(in crate::store) id: UserId,
    pub(in crate::store) patch: UserPatch,
    pub(in crate::store) source: UserSource,
}

impl PutUser {
    /// The entry as it is made where there is none.
    pub(in crate::store) fn new_entry(&self, key: UserKey) -> User {
        User {
            key,
            id: self.id.clone(),
            name: None,
            email: None,
            image: None,
            role: None,
            last_seen_at: None,
            host_put_at: None,
            claims_issued_at: None,
            sessions_ended_at: None,
        }
    }

    /// The entry as it is after this write.
    pub(in crate::store) fn applied_to(&self, stored: &User, now: Timestamp) -> User {
        let mut entry = stored.clone();
        if self.counts(stored) {
            self.change(&mut entry, now);
        }
        entry
    }

    /// May the source say what this entry is like?
    fn counts(&self, entry: &User) -> bool {
        match self.source {
            UserSource::Host => true,
            // A token that does not say when it was issued counts as older than any that does.
            UserSource::Claims { issued_at } => {
                // Who was shut out changes nothing any more, also where another node has not heard of it yet.
                entry.honours(issued_at)
                    && (entry.host_put_at.is_none() || issued_at > entry.host_put_at)
                    && issued_at >= entry.claims_issued_at
            }
            UserSource::Mention => false,
        }
    }

    fn change(&self, entry: &mut User, now: Timestamp) {
        let fields = [
            (&mut entry.name, &self.patch.name),
            (&mut entry.email, &self.patch.email),
            (&mut entry.image, &self.patch.image),
            (&mut entry.role, &self.patch.role),
        ];
        for (field, change) in fields {
            if let Some(value) = change {
                field.clone_from(value);
            }
        }
        match self.source {
            // A clock that was set back does not make older tokens count again.
            UserSource::Host => entry.host_put_at = entry.host_put_at.max(Some(now)),
            UserSource::Claims { issued_at } => entry.claims_issued_at = issued_at,
            UserSource::Mention => {}
        }
    }
}

/// Did anything change but the times by which sources are weighed? Those alone are no news: whoever has older ones in
/// memory asks the store once more than they need to, and believes nothing for it.
pub(in crate::store) fn shows_otherwise(stored: &User, entry: &User) -> bool {
    let shown = |user: &User| User {
        host_put_at: None,
        claims_issued_at: None,
        ..user.clone()
    };
    shown(stored) != shown(entry)
}

/// Ends all sessions of a user, who gets an entry if there is none.
pub(in crate::store) struct EndSessions {
    pub(in crate::store) id: UserId,
}

impl EndSessions {
    /// From when on the user's sessions count again. A clock that was set back opens nothing that was ended.
    pub(in crate::store) fn moment(stored: Option<Timestamp>, now: Timestamp) -> Timestamp {
        stored.map_or(now, |stored| stored.max(now))
    }
}

pub(in crate::store) struct PutListing {
    pub(in crate::store) id: ListingId,
    pub(in crate::store) patch: ListingPatch,
}

impl PutListing {
    /// The entry as it is made where there is none.
    pub(in crate::store) fn new_entry(&self, key: ListingKey) -> Listing {
        Listing {
            key,
            id: self.id.clone(),
            title: None,
            image: None,
            url: None,
            price: None,
            owner: None,
        }
    }

    /// The entry as it is after this write.
    pub(in crate::store) fn applied_to(&self, stored: &Listing) -> Listing {
        let mut entry = stored.clone();
        let fields = [
            (&mut entry.title, &self.patch.title),
            (&mut entry.image, &self.patch.image),
            (&mut entry.url, &self.patch.url),
            (&mut entry.price, &self.patch.price),
        ];
        for (field, change) in fields {
            if let Some(value) = change {
                field.clone_from(value);
            }
        }
        entry.owner = self.patch.owner.unwrap_or(entry.owner);
        entry
    }
}
