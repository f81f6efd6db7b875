//! Doorbell: the chat back end of a marketplace in one binary.
//!
//! Nouns in [`model`], verbs in [`chat`]; everything else is a way in (`contracts`, `transport`) or a way out
//! (`store`, `fanout`). `ARCHITECTURE.md` has the map.

pub mod chat;
pub mod fanout;
pub mod model;
pub mod store;
