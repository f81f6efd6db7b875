//! What the writer can be watched by: counters and histograms that whoever serves the metrics reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Upper bounds of the buckets of both histograms: powers of four.
pub const BOUNDS: [u64; 12] = [
    1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304,
];

/// A frame of the write-ahead log, in bytes: a page of the database.
pub const WAL_FRAME_BYTES: u64 = 4_096;

/// Counts by size. Each observation is in one bucket: the first whose bound it does not exceed, or the last, unbounded.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl Histogram {
    pub(in crate::store) fn observe(&self, value: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How many observations each bucket has; the last is unbounded.
    pub fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed))
    }

    /// Of all observations.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

/// What happened since the store was opened.
#[derive(Debug, Default)]
pub struct Stats {
    /// From the begin of a transaction to its flushed commit, in microseconds.
    pub commit_microseconds: Histogram,
    /// Writes in a committed transaction.
    pub batch_writes: Histogram,
    /// Writes that wait for the writer now; those of its transaction under way do not.
    pub queued: AtomicU64,
    /// Writes refused since the queue was full.
    pub refused: AtomicU64,
    /// The store as a whole cannot be written.
    pub is_failing: AtomicBool,
    /// Transactions that failed.
    pub failed: AtomicU64,
    /// Writes that were tried again alone.
    pub retried: AtomicU64,
    /// Frames in the write-ahead log, when it was last looked at; [`WAL_FRAME_BYTES`] each.
    pub wal_frames: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 4, 5, u64::from(u32::MAX)] {
            histogram.observe(value);
        }
        assert_eq!(histogram.counts(), [2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.sum(), 12 + u64::from(u32::MAX));
    }
}
