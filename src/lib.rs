//! Doorbell: the chat back end of a marketplace in one binary.
//!
//! Rooms, from the top down; each uses those below it alone (`tests/architecture.rs` keeps it so).

pub mod cli;
pub mod config;
pub mod model;
pub mod server;
pub mod transport;
