//! A database that a newer version has taken a step with while this one runs, as in a rolling upgrade: what this version
//! would write might not be what the new schema means, so it writes no more. It still reads, and its clients stay until
//! the node is replaced.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{
    connection::{Connection, Done},
    migrate::STEPS,
};
use crate::store::StoreError;

/// The schema of this version.
const KNOWN: u32 = STEPS.len() as u32;

/// What all writers know of it.
#[derive(Default)]
pub(super) struct Outgrown(
    /// The schema that was found, where it is newer; else 0.
    AtomicU32,
);

impl Outgrown {
    /// Looks which schema is there. Said once in the log, and once more when it has become one that is known.
    pub(super) async fn look(&self, connection: &Connection) -> Done<()> {
        let row = connection
            .one("SELECT coalesce(max(number), 0) FROM doorbell.schema_step", &[])
            .await?;
        self.found(row.try_get::<_, i64>(0)? as u32);
        Ok(())
    }

    fn found(&self, schema: u32) {
        let newer = if schema > KNOWN { schema } else { 0 };
        let before = self.0.swap(newer, Relaxed);
        if newer != 0 && before != newer {
            tracing::error!(
                schema,
                known = KNOWN,
                version = env!("CARGO_PKG_VERSION"),
                "the database has a newer schema than this Doorbell knows: it refuses writes from now on; replace it by the \
                 version that brought the schema there, or a later one"
            );
        } else if newer == 0 && before != 0 {
            tracing::warn!(
                schema,
                "the database has a schema that this Doorbell knows again; it writes as before"
            );
        }
    }

    /// Why nothing may be written, where that is so.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        match self.0.load(Relaxed) {
            0 => None,
            found => Some(StoreError::Unavailable(format!(
                "the database has schema {found}, and this Doorbell knows those up to {KNOWN}; run the newer version"
            ))),
        }
    }
}
