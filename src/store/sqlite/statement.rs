//! The one way to a statement: prepared once a connection. Under test, each one's plan is looked at before it runs.

use rusqlite::{CachedStatement, Connection};

pub(super) trait Statements {
    /// The statement, ready to be bound. `sql` is a literal: values are bound, never written into it.
    fn statement(&self, sql: &'static str) -> rusqlite::Result<CachedStatement<'_>>;
}

impl Statements for Connection {
    fn statement(&self, sql: &'static str) -> rusqlite::Result<CachedStatement<'_>> {
        #[cfg(test)]
        super::tests::plans::assert_no_scan(self, sql);
        self.prepare_cached(sql)
    }
}
