//! Opening conversations: found where there is one, made where there is none.

use std::sync::Arc;

use super::{Caller, Chat};
use crate::model::{Code, Conversation, Error, ListingId, ListingKey, Result, UserId, UserKey, limits};

/// A conversation, and whether this call made it.
#[derive(Debug, Clone)]
pub struct Opened {
    pub conversation: Arc<Conversation>,
    pub created: bool,
}

/// Lets one opening at a time pass for each asker.
#[derive(Default)]
pub struct Opening([tokio::sync::Mutex<()>; 32]);

impl Opening {
    async fn lock(&self, asker: UserKey) -> tokio::sync::MutexGuard<'_, ()> {
        self.0[asker.0 as usize % self.0.len()].lock().await
    }
}

impl Chat {
    /// The one conversation of the caller and `other` about `listing` or none.
    ///
    /// With `other_is_owner` the other side is asked as the listing's owner, and must be the one whom the directory
    /// knows, if it knows one.
    pub async fn open_one_to_one(
        &self,
        caller: Caller,
        other: &str,
        listing: Option<&str>,
        other_is_owner: bool,
    ) -> Result<Opened> {
        let asker = caller.user()?;
        if self.user(asker).await?.id.as_str() == other {
            return Err(Error::invalid("You cannot open a conversation with yourself."));
        }
        let listing = listing.map(ListingId::parse).transpose()?;
        let known = match &listing {
            Some(id) => self.reachable_listing(id).await?,
            None => None,
        };
        if let Some(owner) = known.and_then(|listing| listing.owner).filter(|_| other_is_owner) {
            let owner = self.user(owner).await?;
            if owner.key == asker {
                return Err(Error::invalid("This listing is your own."));
            }
            if owner.id.as_str() != other {
                return Err(Error::invalid("ownerId is not the owner of this listing."));
            }
        }
        let other = UserId::parse(other)?;
        self.find_or_open(asker, &other, listing.as_ref()).await
    }

    /// The pair's direct conversation, found or made: for a send that names only a person.
    pub(crate) async fn open_direct(&self, asker: UserKey, asked: &UserId) -> Result<Arc<Conversation>> {
        Ok(self.find_or_open(asker, asked, None).await?.conversation)
    }

    /// The pair's direct conversation for something that is never refused: `None` where a new one would be too many.
    pub(crate) async fn open_direct_quietly(
        &self,
        asker: UserKey,
        asked: &UserId,
    ) -> Result<Option<Arc<Conversation>>> {
        match self.find_or_open(asker, asked, None).await {
            Ok(opened) => Ok(Some(opened.conversation)),
            Err(error) if error.code == Code::RateLimited => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One at a time for an asker, so that of many racing calls one is counted as a new conversation and the others
    /// find it. That there is only one is the store's promise, not this lock's. Who is not known gets an entry with
    /// their first conversation, so that the rate of those bounds the entries.
    async fn find_or_open(&self, asker: UserKey, asked: &UserId, listing: Option<&ListingId>) -> Result<Opened> {
        let _turn = self.opening.lock(asker).await;
        // `None` is no listing, `Some(None)` one that nobody has named before.
        let known_listing = match listing {
            Some(id) => Some(self.reachable_listing(id).await?.map(|listing| listing.key)),
            None => None,
        };
        if let Some(asked) = self.reachable_user(asked).await?
            && known_listing != Some(None)
            && let Some(conversation) = self.find_one_to_one(asker, asked.key, known_listing.flatten()).await?
        {
            return Ok(Opened {
                conversation,
                created: false,
            });
        }
        self.rates.conversations.take(asker)?;
        let asked = self.mentioned_user(asked.as_str()).await?.key;
        let listing = match listing {
            Some(id) => Some(self.mentioned_listing(id).await?.key),
            None => None,
        };
        let (conversation, created) = self.store.open_one_to_one(asker, asked, listing).await?;
        if !created {
            self.rates.conversations.give_back(asker);
        }
        Ok(Opened { conversation, created })
    }

    async fn find_one_to_one(
        &self,
        one: UserKey,
        other: UserKey,
        listing: Option<ListingKey>,
    ) -> Result<Option<Arc<Conversation>>> {
        for key in self.store.one_to_ones(one, other).await? {
            let conversation = self.conversation(key).await?;
            if conversation.listing() == listing {
                return Ok(Some(conversation));
            }
        }
        Ok(None)
    }

    /// A group of the caller, who becomes its admin, and others.
    pub async fn open_group(&self, caller: Caller, title: Option<String>, others: &[String]) -> Result<Opened> {
        let creator = caller.user()?;
        if others.len() > self.policy.group_max.saturating_mul(2) {
            // Repeats are forgiven, but not without end.
            return Err(self.group_too_large());
        }
        let title = title.map(|title| checked_title(&title)).transpose()?;
        let own_id = self.user(creator).await?.id.clone();
        let mut ids: Vec<&str> = others
            .iter()
            .map(String::as_str)
            .filter(|id| *id != own_id.as_str())
            .collect();
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(*id));
        if ids.is_empty() {
            return Err(Error::invalid("A group needs at least one other participant."));
        }
        if ids.len() + 1 > self.policy.group_max {
            return Err(self.group_too_large());
        }
        // All ids are judged before any entry is made.
        for id in &ids {
            crate::model::UserId::parse(id)?;
        }
        // Somebody unknown is a refusal only where the directory is closed, and a refusal costs nothing; where it is open,
        // only a conversation that counts may make entries.
        if !self.policy.open_directory {
            for id in &ids {
                self.mentioned_user(id).await?;
            }
        }
        self.rates.conversations.take(creator)?;
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            keys.push(self.mentioned_user(id).await?.key);
        }
        let conversation = self.store.open_group(creator, title, keys).await?;
        Ok(Opened {
            conversation,
            created: true,
        })
    }

    fn group_too_large(&self) -> Error {
        Error::invalid(format!("A group has at most {} participants.", self.policy.group_max))
    }
}

/// A title as it is kept: trimmed, without control characters, not empty, not endless.
pub(crate) fn checked_title(title: &str) -> Result<String> {
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    let title = title.trim();
    match title.chars().count() {
        0 => Err(Error::invalid("title must not be empty.")),
        n if n > limits::TITLE_CHARS => Err(Error::too_large(format!(
            "title has {n} characters; at most {} are allowed.",
            limits::TITLE_CHARS
        ))),
        _ => Ok(title.to_owned()),
    }
}
