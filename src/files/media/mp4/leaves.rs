//! Boxes without boxes in them: where their fields end, and which of them tell when and with what a video was made.

use super::{
    boxes::{BoxHead, Changes},
    tracks::{number, version},
};
use crate::files::media::{MediaFault, source::Source};

/// Zeros what no player needs of such a box: dates, names, and whatever stands behind its last field. A kind of which that
/// is not known stays as it is.
pub(super) fn clean(source: &mut Source<'_>, head: &BoxHead, changes: &mut Changes) -> Result<(), MediaFault> {
    match &head.kind {
        // When it was recorded, and when it was changed last.
        b"mvhd" | b"tkhd" | b"mdhd" => {
            let size = if version(source, head)? == 1 { 16 } else { 8 };
            blank_within(source, head, 4, size, changes)?;
        }
        // Behind the handler's kind: who made it (QuickTime), and its name.
        b"hdlr" => return blank_from(source, head, 12, changes),
        _ => {}
    }
    match fields_end(source, head)? {
        Some(end) => blank_from(source, head, end, changes),
        None => Ok(()),
    }
}

/// Zeros everything from this place of the content on.
pub(super) fn blank_from(
    source: &mut Source<'_>,
    head: &BoxHead,
    at: u64,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    blank_within(source, head, at, u64::MAX, changes)
}

/// Zeros so many bytes at this place of the content, as far as it reaches.
pub(super) fn blank_within(
    source: &mut Source<'_>,
    head: &BoxHead,
    at: u64,
    count: u64,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let count = count.min(head.body_size().saturating_sub(at));
    changes.blank(source, head.body.saturating_add(at), count)
}

/// Where the last field of the content ends, in bytes from its start (ISO/IEC 14496-12, 8).
fn fields_end(source: &mut Source<'_>, head: &BoxHead) -> Result<Option<u64>, MediaFault> {
    let is_long = match &head.kind {
        b"sdtp" | b"elng" => return Ok(None),
        _ => version(source, head)? == 1,
    };
    let either = |long, short| if is_long { long } else { short };
    let mut count = |at| number(source, head, at).map(u64::from);
    Ok(Some(match &head.kind {
        b"mvhd" => either(112, 100),
        b"tkhd" => either(96, 84),
        b"mdhd" => either(36, 24),
        b"vmhd" => 12,
        b"smhd" | b"mfhd" | b"mfro" => 8,
        b"trex" => 24,
        b"mehd" | b"tfdt" => either(12, 8),
        b"cslg" => either(44, 24),
        b"elst" => 8 + count(4)? * either(20, 12),
        b"stts" | b"ctts" | b"co64" => 8 + count(4)? * 8,
        b"stss" | b"stps" | b"stco" => 8 + count(4)? * 4,
        b"stsc" => 8 + count(4)? * 12,
        b"stsz" => 12 + if count(4)? == 0 { count(8)? * 4 } else { 0 },
        b"stz2" => 12 + (count(8)? * (count(4)? & 0xff)).div_ceil(8),
        b"sbgp" => either(16, 12) + count(either(12, 8))? * 8,
        b"sgpd" if is_long && count(8)? != 0 => 16 + count(8)? * count(12)?,
        b"saio" => {
            let at = auxiliary(count(0)?);
            at + 4 + count(at)? * either(8, 4)
        }
        b"saiz" => {
            let at = auxiliary(count(0)?);
            // The size that all have is one byte, and the first of the count's four stand behind it.
            let is_same = count(at)? >> 24 != 0;
            at + 5 + if is_same { 0 } else { count(at + 1)? }
        }
        b"sidx" => either(32, 24) + (count(either(28, 20))? & 0xffff) * 12,
        b"tfra" => {
            let sizes = count(8)?;
            let numbers = 3 + (sizes >> 4 & 3) + (sizes >> 2 & 3) + (sizes & 3);
            16 + count(12)? * (either(16, 8) + numbers)
        }
        b"tfhd" => {
            let flags = count(0)?;
            8 + [(0x01, 8), (0x02, 4), (0x08, 4), (0x10, 4), (0x20, 4)]
                .iter()
                .filter(|(flag, _)| flags & flag != 0)
                .map(|(_, size)| size)
                .sum::<u64>()
        }
        _ => return Ok(None),
    }))
}

/// Where the numbers of `saio` and `saiz` begin: a kind of information may stand before them.
fn auxiliary(flags: u64) -> u64 {
    if flags & 1 == 0 { 4 } else { 12 }
}
