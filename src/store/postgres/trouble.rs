//! Failed writes, as the operator is told of them: a database that is gone once, whatever the number of writers and sends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::connection::Failure;
use crate::store::sqlite::{stats::Stats, trouble};

/// The memory that all writers share.
pub(super) struct Trouble(Mutex<trouble::Trouble>);

impl Trouble {
    pub(super) fn new(stats: Arc<Stats>) -> Self {
        Trouble(Mutex::new(trouble::Trouble::new(stats)))
    }

    /// So many writes were refused.
    pub(super) fn failed(&self, failure: &Failure, writes: u64) {
        match is_of_the_database(failure) {
            true => self.memory().refused(failure, writes, Instant::now()),
            false => tracing::warn!(error = %failure, "a write failed; others go on"),
        }
    }

    /// Writes were committed.
    pub(super) fn succeeded(&self) {
        self.memory().succeeded(Instant::now());
    }

    fn memory(&self) -> MutexGuard<'_, trouble::Trouble> {
        // It is whole between any two of its calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is it the database as a whole that refuses? Other errors are of the one write.
fn is_of_the_database(failure: &Failure) -> bool {
    match failure {
        Failure::TooLate | Failure::Gone(_) => true,
        Failure::Unexpected(_) => false,
        // Without a code it is the connection that failed.
        Failure::Database(error) => error.code().is_none_or(|code| is_of_all_writes(code.code())),
    }
}

/// By the class of a code (PostgreSQL's documentation, Appendix A): connection, authorization, a transaction that can only
/// read, insufficient resources, an operator's intervention, the system, the configuration, the server itself.
fn is_of_all_writes(code: &str) -> bool {
    const CLASSES: [&str; 8] = ["08", "28", "53", "57", "58", "F0", "XX", "25"];
    CLASSES.iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_one_write_is_not_trouble_of_all() {
        for code in ["53100", "53300", "57P01", "25006", "08006", "58030", "XX001"] {
            assert!(is_of_all_writes(code), "{code}");
        }
        for code in ["23514", "23505", "40P01", "22021"] {
            assert!(!is_of_all_writes(code), "{code}");
        }
        assert!(is_of_the_database(&Failure::Gone("gone".into())) && is_of_the_database(&Failure::TooLate));
        assert!(!is_of_the_database(&Failure::Unexpected("odd".into())));
    }
}
