//! What is offered: a flat, a house, a room ("property" in some contracts).

use super::id::{ListingId, ListingKey, UserKey};

/// A listing as the host application describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub key: ListingKey,
    pub id: ListingId,
    pub title: Option<String>,
    pub image: Option<String>,
    pub url: Option<String>,
    /// As the host gave it: a number or a text with its currency, kept as JSON text.
    pub price: Option<String>,
    pub owner: Option<UserKey>,
}

/// What changes in an entry: an outer `None` keeps a field, `Some(None)` empties it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListingPatch {
    pub title: Option<Option<String>>,
    pub image: Option<Option<String>>,
    pub url: Option<Option<String>>,
    pub price: Option<Option<String>>,
    pub owner: Option<Option<UserKey>>,
}
