//! Carries bytes for the contracts: connections, tokens, origins, metrics, logs. Knows no chat.

pub mod auth;
mod claim;
pub mod client;
pub mod explain;
pub mod handover;
pub mod headers;
pub mod health;
pub mod http;
pub mod jwks;
pub mod limit;
pub mod logging;
pub mod metrics;
pub mod origin;
mod outbound;
pub mod paced;
pub mod session;
pub mod tls;
pub mod token;
pub mod web;
