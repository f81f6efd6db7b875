//! The five wire contracts, and Doorbell's own: each decodes into the chat's verbs and renders what they return.

pub mod api;
pub mod attachments;
pub mod draft;
pub mod event;
pub mod form;
pub mod history;
pub mod json;
pub mod listing_chat;
pub mod media;
pub mod property_chat;
pub mod query;
pub mod range;
pub mod rest;
pub mod shape;
pub mod socket;
pub mod tenant_chat;
pub mod tus;
pub mod upload;
pub mod v1;
pub mod wire;

use crate::{
    chat,
    model::{Timestamp, UserId},
    transport::token,
};

/// Every route of every contract.
pub fn routes() -> Vec<rest::Route> {
    [
        property_chat::routes(),
        api::routes(),
        tenant_chat::routes(),
        listing_chat::routes(),
        v1::routes(),
        attachments::routes(),
        upload::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the chat takes over of a verified token.
fn claims(claims: &token::Claims) -> chat::Claims {
    chat::Claims {
        user_id: UserId::trusted(claims.user_id.as_str()),
        name: claims.name.clone(),
        email: claims.email.clone(),
        image: claims.image.clone(),
        role: claims.role.clone(),
        issued_at: claims.issued_at_ms.map(Timestamp),
    }
}
