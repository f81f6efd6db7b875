//! Wiring and ordered shutdown.

use crate::config::{Secret, Settings};

/// Why the server could not start, or what stopped it: a sentence for the operator.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Serves until SIGTERM.
pub async fn serve(_settings: Settings) -> Result<(), Fault> {
    Err("The server is not wired here.".into())
}

/// Serves the sample marketplace.
pub async fn demo(_settings: Settings) -> Result<(), Fault> {
    Err("The demo is not wired here.".into())
}

/// Brings the schema of the store up to date.
pub async fn migrate(_settings: Settings) -> Result<(), Fault> {
    Err("The store is not wired here.".into())
}

/// The secret that this installation made for itself and keeps in its database.
pub fn kept_secret(_settings: &Settings) -> Result<Secret, Fault> {
    Err("The store is not wired here.".into())
}
