//! A text that never shows itself.

use std::fmt;

/// A secret of the configuration. Neither `Debug` nor anything else prints it; [`expose`](Secret::expose) is the one
/// way to its text, so that a search for that word finds each use.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself: to sign, to verify, to compare. Never to log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(set)")
    }
}
