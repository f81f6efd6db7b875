//! Tracks of a movie and what its fragments add to them.

use super::{
    Movie,
    boxes::{BoxHead, Changes, Row},
    damaged, leaves, milliseconds,
};
use crate::files::media::{MediaFault, source::Source};

/// Tables by which samples are found; every other box of a sample table is about something else.
const SAMPLE_TABLES: &[&[u8; 4]] = &[
    b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"sdtp",
    b"sbgp", b"sgpd", b"saiz", b"saio",
];

/// Longest `elng`, in bytes of its content: a language's tag has at most 35 characters.
const LANGUAGE_BYTES: u64 = 4 + 36;
/// The compressor's name in a picture's description, and where what belongs to every picture ends (12.1.3), in bytes from
/// the content's start.
const COMPRESSOR: (u64, u64) = (42, 32);
const PICTURE_BYTES: u64 = 78;

#[derive(Debug)]
pub(super) struct Track {
    id: u32,
    handler: [u8; 4],
    /// As it is shown, in pixels.
    width: u32,
    height: u32,
    /// Units of its times in a second.
    timescale: u32,
    descriptions: Option<BoxHead>,
    /// `stsz` or `stz2`, `stsc`, `stco` or `co64`.
    pub sizes: Option<BoxHead>,
    pub chunks: Option<BoxHead>,
    pub offsets: Option<BoxHead>,
}

impl Track {
    pub fn is_picture(&self) -> bool {
        &self.handler == b"vide"
    }

    /// Words are not kept: drones write where they were into subtitles.
    pub fn is_kept(&self) -> bool {
        self.is_picture() || &self.handler == b"soun"
    }

    pub fn size(&self) -> Option<(u32, u32)> {
        (self.is_picture() && self.width > 0 && self.height > 0).then_some((self.width, self.height))
    }
}

/// Reads `trak`, and takes out of it what no player needs.
pub(super) fn read_track(source: &mut Source<'_>, trak: &BoxHead, changes: &mut Changes) -> Result<Track, MediaFault> {
    let mut track = Track {
        id: 0,
        handler: [0; 4],
        width: 0,
        height: 0,
        timescale: 0,
        descriptions: None,
        sizes: None,
        chunks: None,
        offsets: None,
    };
    let mut row = Row::inside(trak);
    while let Some(head) = row.next(source, changes)? {
        match &head.kind {
            b"tkhd" => {
                read_track_head(source, &head, &mut track)?;
                leaves::clean(source, &head, changes)?;
            }
            b"mdia" => read_media(source, &head, &mut track, changes)?,
            b"edts" => keep_leaves(source, &head, &[b"elst"], changes)?,
            _ => changes.free(&head)?,
        }
    }
    // Whether it is a picture may be told behind its descriptions.
    if let Some(descriptions) = track.descriptions.take() {
        clean_descriptions(source, &descriptions, track.is_picture(), changes)?;
    }
    Ok(track)
}

/// Takes out of a box all but these, which have none in them.
pub(super) fn keep_leaves(
    source: &mut Source<'_>,
    parent: &BoxHead,
    kept: &[&[u8; 4]],
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let mut row = Row::inside(parent);
    while let Some(head) = row.next(source, changes)? {
        match kept.contains(&&head.kind) {
            true => leaves::clean(source, &head, changes)?,
            false => changes.free(&head)?,
        }
    }
    Ok(())
}

/// `stsd` (8.5.2): how samples are compressed. What that means is left as it is; with what program it was done goes.
fn clean_descriptions(
    source: &mut Source<'_>,
    stsd: &BoxHead,
    is_picture: bool,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let mut row = Row::between((stsd.body + 8).min(stsd.end), stsd.end);
    let mut end = 8;
    for _ in 0..number(source, stsd, 4)? {
        let Some(entry) = row.next(source, changes)? else {
            return Ok(());
        };
        end = entry.end - stsd.body;
        if is_picture && entry.body_size() >= PICTURE_BYTES {
            let (at, count) = COMPRESSOR;
            leaves::blank_within(source, &entry, at, count, changes)?;
        }
    }
    leaves::blank_from(source, stsd, end, changes)
}

/// ISO/IEC 14496-12, 8.3.2.
fn read_track_head(source: &mut Source<'_>, head: &BoxHead, track: &mut Track) -> Result<(), MediaFault> {
    let is_long = version(source, head)? == 1;
    let (id_at, matrix_at) = if is_long { (20, 52) } else { (12, 40) };
    track.id = number(source, head, id_at)?;
    let [a, b, c, d] = [
        number(source, head, matrix_at)?,
        number(source, head, matrix_at + 4)?,
        number(source, head, matrix_at + 12)?,
        number(source, head, matrix_at + 16)?,
    ];
    // Both are fixed-point numbers with 16 bits behind the point.
    let width = number(source, head, matrix_at + 36)? >> 16;
    let height = number(source, head, matrix_at + 40)? >> 16;
    let is_turned = a == 0 && d == 0 && b != 0 && c != 0;
    (track.width, track.height) = if is_turned { (height, width) } else { (width, height) };
    Ok(())
}

fn read_media(
    source: &mut Source<'_>,
    mdia: &BoxHead,
    track: &mut Track,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let mut row = Row::inside(mdia);
    while let Some(head) = row.next(source, changes)? {
        match &head.kind {
            b"mdhd" => {
                track.timescale = read_duration(source, &head)?.0;
                leaves::clean(source, &head, changes)?;
            }
            b"hdlr" => {
                track.handler = number(source, &head, 8)?.to_be_bytes();
                leaves::clean(source, &head, changes)?;
            }
            b"minf" => {
                let mut row = Row::inside(&head);
                while let Some(head) = row.next(source, changes)? {
                    match &head.kind {
                        b"dinf" => read_data_places(source, &head, changes)?,
                        b"stbl" => read_sample_table(source, &head, track, changes)?,
                        b"vmhd" | b"smhd" | b"hdlr" => leaves::clean(source, &head, changes)?,
                        _ => changes.free(&head)?,
                    }
                }
            }
            b"elng" if head.body_size() <= LANGUAGE_BYTES => {}
            _ => changes.free(&head)?,
        }
    }
    Ok(())
}

fn read_sample_table(
    source: &mut Source<'_>,
    stbl: &BoxHead,
    track: &mut Track,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let mut row = Row::inside(stbl);
    while let Some(head) = row.next(source, changes)? {
        if !SAMPLE_TABLES.contains(&&head.kind) {
            changes.free(&head)?;
            continue;
        }
        leaves::clean(source, &head, changes)?;
        match &head.kind {
            b"stsd" => track.descriptions = Some(head),
            b"stsz" | b"stz2" => track.sizes = Some(head),
            b"stsc" => track.chunks = Some(head),
            b"stco" | b"co64" => track.offsets = Some(head),
            _ => {}
        }
    }
    Ok(())
}

/// Where the samples are (8.7.2): in this file, and nowhere else. Whoever plays the video would be made to fetch another
/// one.
fn read_data_places(source: &mut Source<'_>, dinf: &BoxHead, changes: &mut Changes) -> Result<(), MediaFault> {
    let mut row = Row::inside(dinf);
    while let Some(head) = row.next(source, changes)? {
        if &head.kind != b"dref" {
            changes.free(&head)?;
            continue;
        }
        if head.body_size() < 8 {
            return Err(damaged());
        }
        let mut entries = Row::between(head.body + 8, head.end);
        while let Some(entry) = entries.next(source, changes)? {
            let is_here = number(source, &entry, 0)? & 1 == 1;
            if !is_here {
                return Err(MediaFault::unsupported(
                    "The video refers to a file or an address outside of itself.",
                ));
            }
            // An address has no meaning beside the flag, and may stand there all the same.
            changes.zero(entry.body + 4, entry.body_size() - 4)?;
        }
    }
    Ok(())
}

/// Time scale and duration of `mvhd` and `mdhd`, which are alike that far.
pub(super) fn read_duration(source: &mut Source<'_>, head: &BoxHead) -> Result<(u32, u64), MediaFault> {
    if version(source, head)? == 1 {
        return Ok((number(source, head, 20)?, long_number(source, head, 24)?));
    }
    Ok((number(source, head, 12)?, u64::from(number(source, head, 16)?)))
}

/// `mvex`: fragments follow (8.8).
pub(super) fn read_extends(
    source: &mut Source<'_>,
    mvex: &BoxHead,
    movie: &mut Movie,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let mut row = Row::inside(mvex);
    while let Some(head) = row.next(source, changes)? {
        match &head.kind {
            b"mehd" if version(source, &head)? == 1 => movie.extended = long_number(source, &head, 4)?,
            b"mehd" => movie.extended = u64::from(number(source, &head, 4)?),
            b"trex" if movie.fragments.len() < super::MOST_TRACKS => movie.fragments.push(Fragments {
                track: number(source, &head, 4)?,
                default_duration: number(source, &head, 12)?,
                end: 0,
            }),
            b"trex" => return Err(damaged()),
            _ => {
                changes.free(&head)?;
                continue;
            }
        }
        leaves::clean(source, &head, changes)?;
    }
    Ok(())
}

/// What the fragments of one track add up to.
#[derive(Debug)]
pub(super) struct Fragments {
    track: u32,
    default_duration: u32,
    /// In the track's own units.
    end: u64,
}

impl Fragments {
    pub fn duration_ms(&self, tracks: &[Track]) -> Option<u64> {
        let track = tracks.iter().find(|track| track.id == self.track)?;
        milliseconds(self.end, track.timescale)
    }
}

/// Reads `moof` (8.8.4), and takes out of it what no player needs.
pub(super) fn read_fragment(
    source: &mut Source<'_>,
    moof: &BoxHead,
    movie: &mut Movie,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let mut row = Row::inside(moof);
    while let Some(head) = row.next(source, changes)? {
        match &head.kind {
            b"mfhd" => leaves::clean(source, &head, changes)?,
            b"traf" => read_track_fragment(source, &head, movie, changes)?,
            _ => changes.free(&head)?,
        }
    }
    Ok(())
}

fn read_track_fragment(
    source: &mut Source<'_>,
    traf: &BoxHead,
    movie: &mut Movie,
    changes: &mut Changes,
) -> Result<(), MediaFault> {
    let (mut track, mut default, mut start, mut length) = (None, None, None, 0_u64);
    let mut row = Row::inside(traf);
    while let Some(head) = row.next(source, changes)? {
        match &head.kind {
            b"tfhd" => {
                let flags = number(source, &head, 0)?;
                track = Some(number(source, &head, 4)?);
                let before = if flags & 1 == 0 { 0 } else { 8 } + if flags & 2 == 0 { 0 } else { 4 };
                if flags & 8 != 0 {
                    default = Some(number(source, &head, 8 + before)?);
                }
                let known = movie.fragments.iter().find(|known| Some(known.track) == track);
                default = default.or(known.map(|known| known.default_duration));
            }
            b"tfdt" if version(source, &head)? == 1 => start = Some(long_number(source, &head, 4)?),
            b"tfdt" => start = Some(u64::from(number(source, &head, 4)?)),
            b"trun" => {
                let (run, end) = read_run(source, &head, default.unwrap_or_default())?;
                length = length.saturating_add(run);
                leaves::blank_from(source, &head, end, changes)?;
            }
            b"sdtp" | b"sbgp" | b"sgpd" | b"saiz" | b"saio" => {}
            _ => {
                changes.free(&head)?;
                continue;
            }
        }
        leaves::clean(source, &head, changes)?;
    }
    if let Some(known) = movie.fragments.iter_mut().find(|known| Some(known.track) == track) {
        known.end = known.end.max(start.unwrap_or(known.end).saturating_add(length));
    }
    Ok(())
}

/// How long the samples of `trun` (8.8.8) last, in the track's units, and where its last field ends.
fn read_run(source: &mut Source<'_>, head: &BoxHead, default: u32) -> Result<(u64, u64), MediaFault> {
    let flags = number(source, head, 0)?;
    let count = u64::from(number(source, head, 4)?);
    let fields = |mask: u32| 4 * u64::from((flags & mask).count_ones());
    let (start, size) = (8 + fields(0x05), fields(0xf00));
    let end = start + count * size;
    if end > head.body_size() {
        return Err(damaged());
    }
    if flags & 0x100 == 0 {
        return Ok((count * u64::from(default), end));
    }
    let mut length = 0;
    for index in 0..count {
        length += u64::from(number(source, head, start + index * size)?);
    }
    Ok((length, end))
}

pub(super) fn version(source: &mut Source<'_>, head: &BoxHead) -> Result<u8, MediaFault> {
    let [version, ..] = number(source, head, 0)?.to_be_bytes();
    Ok(version)
}

/// A number of 32 bits at this place of the content.
pub(super) fn number(source: &mut Source<'_>, head: &BoxHead, at: u64) -> Result<u32, MediaFault> {
    if at + 4 > head.body_size() {
        return Err(damaged());
    }
    source.array(head.body + at).map(u32::from_be_bytes)
}

pub(super) fn long_number(source: &mut Source<'_>, head: &BoxHead, at: u64) -> Result<u64, MediaFault> {
    if at + 8 > head.body_size() {
        return Err(damaged());
    }
    source.array(head.body + at).map(u64::from_be_bytes)
}
