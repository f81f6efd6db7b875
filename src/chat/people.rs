//! The people and listings that an answer shows.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::Chat;
use crate::model::{Conversation, Listing, ListingKey, Result, User, UserId, UserKey};

/// Everyone and everything that an answer may name, looked up once.
#[derive(Debug, Default, Clone)]
pub struct People {
    users: HashMap<UserKey, Arc<User>>,
    listings: HashMap<ListingKey, Arc<Listing>>,
}

impl People {
    pub fn user(&self, key: UserKey) -> Option<&User> {
        self.users.get(&key).map(Arc::as_ref)
    }

    /// Empty for somebody who was not looked up.
    pub fn id(&self, key: UserKey) -> Option<&UserId> {
        self.user(key).map(|user| &user.id)
    }

    pub fn listing(&self, key: ListingKey) -> Option<&Listing> {
        self.listings.get(&key).map(Arc::as_ref)
    }

    pub fn listing_of(&self, conversation: &Conversation) -> Option<&Listing> {
        conversation.listing().and_then(|key| self.listing(key))
    }
}

impl Chat {
    /// Looks up people and listings, from memory where possible.
    pub async fn people(&self, users: &[UserKey], listings: &[ListingKey]) -> Result<People> {
        let mut people = People::default();
        for &key in users {
            if let Entry::Vacant(place) = people.users.entry(key) {
                place.insert(self.user(key).await?);
            }
        }
        for &key in listings {
            if let Entry::Vacant(place) = people.listings.entry(key) {
                place.insert(self.listing(key).await?);
            }
        }
        Ok(people)
    }

    /// Those whom any rendering of this conversation's messages needs: the two of a one-to-one and its listing, and
    /// `senders`.
    pub async fn people_of(&self, conversation: &Conversation, senders: &[UserKey]) -> Result<People> {
        let mut users = senders.to_vec();
        if !conversation.is_group() {
            users.extend(conversation.members.iter().map(|member| member.user));
        }
        self.people(&users, conversation.listing().as_slice()).await
    }
}
