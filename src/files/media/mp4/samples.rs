//! Wiping the samples of a track that does not stay: without its tables nobody would find them, but they would be there.

use super::{
    boxes::{BoxHead, Changes},
    damaged,
    tracks::{Track, long_number, number},
};
use crate::files::media::{MediaFault, source::Source};

/// Samples of such a track. An hour with 200 positions a second has 720,000.
const MOST_SAMPLES: u64 = 1_000_000;

/// Overwrites all samples of `track` with zeros. They must lie in `data`, the places of the file's `mdat` boxes: a table
/// that points elsewhere would destroy what it likes.
pub(super) fn wipe(
    source: &mut Source<'_>,
    track: &Track,
    data: &[(u64, u64)],
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let (Some(sizes), Some(chunks), Some(offsets)) = (&track.sizes, &track.chunks, &track.offsets) else {
        return Err(damaged());
    };
    let mut sizes = Sizes::of(source, sizes)?;
    let mut runs = Runs::of(source, chunks)?;
    let is_long = &offsets.kind == b"co64";
    let width = if is_long { 8 } else { 4 };
    for chunk in 0..counted(source, offsets, 4, width)? {
        let at = match is_long {
            true => long_number(source, offsets, 8 + chunk * width)?,
            false => u64::from(number(source, offsets, 8 + chunk * width)?),
        };
        let mut size = 0;
        for _ in 0..runs.samples_of(source, chunk + 1)? {
            match sizes.next(source)? {
                Some(sample) => size += sample,
                None => break,
            }
        }
        let end = at.checked_add(size).ok_or_else(damaged)?;
        if size > 0 && !data.iter().any(|(from, to)| *from <= at && end <= *to) {
            return Err(damaged());
        }
        changes.zero(at, size)?;
    }
    Ok(())
}

/// The number of entries at `at`, which must be there, each of `width` bytes.
fn counted(source: &mut Source<'_>, head: &BoxHead, at: u64, width: u64) -> Result<u64, MediaFault> {
    let count = u64::from(number(source, head, at)?);
    if count > MOST_SAMPLES || at + 4 + count * width > head.body_size() {
        return Err(damaged());
    }
    Ok(count)
}

/// `stsz` and `stz2` (8.7.3): the size of each sample.
struct Sizes<'a> {
    table: &'a BoxHead,
    /// In bits; 0: all are of one size.
    bits: u64,
    same: u64,
    count: u64,
    next: u64,
}

impl<'a> Sizes<'a> {
    fn of(source: &mut Source<'_>, table: &'a BoxHead) -> Result<Self, MediaFault> {
        let (bits, same) = if &table.kind == b"stz2" {
            (u64::from(number(source, table, 4)? & 0xff), 0)
        } else {
            match number(source, table, 4)? {
                0 => (32, 0),
                same => (0, u64::from(same)),
            }
        };
        let count = u64::from(number(source, table, 8)?);
        let is_known = matches!(bits, 0 | 4 | 8 | 16 | 32);
        if !is_known || count > MOST_SAMPLES || 12 + (count * bits).div_ceil(8) > table.body_size() {
            return Err(damaged());
        }
        Ok(Sizes {
            table,
            bits,
            same,
            count,
            next: 0,
        })
    }

    fn next(&mut self, source: &mut Source<'_>) -> Result<Option<u64>, MediaFault> {
        if self.next == self.count {
            return Ok(None);
        }
        let at = self.table.body + 12 + self.next * self.bits / 8;
        let size = match self.bits {
            0 => self.same,
            32 => u64::from(u32::from_be_bytes(source.array(at)?)),
            16 => u64::from(u16::from_be_bytes(source.array(at)?)),
            bits => {
                let [byte] = source.array::<1>(at)?;
                // Two of 4 bits share a byte, the first in its upper half.
                u64::from(match (bits, self.next % 2) {
                    (4, 0) => byte >> 4,
                    (4, _) => byte & 0xf,
                    _ => byte,
                })
            }
        };
        self.next += 1;
        Ok(Some(size))
    }
}

/// `stsc` (8.7.4): how many samples a chunk has, in runs of chunks that are alike.
struct Runs<'a> {
    table: &'a BoxHead,
    count: u64,
    next: u64,
    samples: u64,
}

impl<'a> Runs<'a> {
    fn of(source: &mut Source<'_>, table: &'a BoxHead) -> Result<Self, MediaFault> {
        Ok(Runs {
            table,
            count: counted(source, table, 4, 12)?,
            next: 0,
            samples: 0,
        })
    }

    /// Chunks are counted from 1 and asked for in their order.
    fn samples_of(&mut self, source: &mut Source<'_>, chunk: u64) -> Result<u64, MediaFault> {
        while self.next < self.count && u64::from(number(source, self.table, 8 + 12 * self.next)?) <= chunk {
            self.samples = u64::from(number(source, self.table, 12 + 12 * self.next)?);
            self.next += 1;
        }
        Ok(self.samples)
    }
}
