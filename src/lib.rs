//! Doorbell: the chat back end of a marketplace in one binary.
//!
//! Rooms, from the top down; each uses those below it alone (`tests/architecture.rs` keeps it so). Nouns in [`model`],
//! verbs in [`chat`]; everything else is a way in (`contracts`, `transport`) or a way out (`store`, `fanout`, `files`).
//! `ARCHITECTURE.md` has the map.

pub mod chat;
pub mod cli;
pub mod config;
pub mod contracts;
pub mod demo;
pub mod fanout;
pub mod files;
pub mod model;
pub mod observed;
pub mod server;
pub mod store;
pub mod torture;
pub mod transport;
