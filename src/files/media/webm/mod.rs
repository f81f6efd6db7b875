//! WebM (RFC 9559 and the WebM Container Guidelines): its elements, walked without being held in memory.
//!
//! Elements that a player needs are known by their number, each in its place. Every other one (tags, attachments, chapters,
//! titles, dates) becomes a `Void` of the same size filled with zeros: nothing moves. Browsers write open elements, whose
//! end is told by what follows, since they send while they record; the segment and its clusters may be such, nothing else.

mod ebml;
#[cfg(test)]
mod tests;

use self::ebml::{CRC_32, Changes, Element, Row, VOID, float, read_number, text, unsigned};
use super::{Encoded, Inspected, MediaFault, MediaLimits, image, source::Source};
use crate::model::MediaType;

mod id {
    pub const EBML: u32 = 0x1a45_dfa3;
    pub const EBML_READ_VERSION: u32 = 0x42f7;
    pub const EBML_MAX_ID_LENGTH: u32 = 0x42f2;
    pub const EBML_MAX_SIZE_LENGTH: u32 = 0x42f3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114d_9b74;
    pub const CUES: u32 = 0x1c53_bb6b;
    pub const CLUSTER: u32 = 0x1f43_b675;
    pub const INFO: u32 = 0x1549_a966;
    pub const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub const DURATION: u32 = 0x4489;
    pub const MUXING_APP: u32 = 0x4d80;
    pub const WRITING_APP: u32 = 0x5741;
    pub const TRACKS: u32 = 0x1654_ae6b;
    pub const TRACK_ENTRY: u32 = 0xae;
    pub const TRACK_NUMBER: u32 = 0xd7;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const TRACK_NAME: u32 = 0x536e;
    pub const CODEC_ID: u32 = 0x86;
    pub const VIDEO: u32 = 0xe0;
    pub const PIXEL_WIDTH: u32 = 0xb0;
    pub const PIXEL_HEIGHT: u32 = 0xba;
    pub const DISPLAY_WIDTH: u32 = 0x54b0;
    pub const DISPLAY_HEIGHT: u32 = 0x54ba;
    pub const DISPLAY_UNIT: u32 = 0x54b2;
    pub const CLUSTER_TIMESTAMP: u32 = 0xe7;
    pub const SIMPLE_BLOCK: u32 = 0xa3;
    pub const BLOCK_GROUP: u32 = 0xa0;
    pub const BLOCK: u32 = 0xa1;
    pub const BLOCK_DURATION: u32 = 0x9b;
    /// What stands directly in a segment: it ends an open cluster.
    pub const TAGS: u32 = 0x1254_c367;
    pub const CHAPTERS: u32 = 0x1043_a770;
    pub const ATTACHMENTS: u32 = 0x1941_a469;
    pub const OF_SEGMENT: [u32; 8] = [SEEK_HEAD, CUES, CLUSTER, INFO, TRACKS, TAGS, CHAPTERS, ATTACHMENTS];
}

const VIDEO_TRACK: u64 = 1;
const AUDIO_TRACK: u64 = 2;
/// Tracks of one file.
const MOST_TRACKS: usize = 64;
/// Longest frame that is made a poster of, in bytes. A key frame of VP8 has a tenth of it.
const POSTER_FRAME_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Default)]
struct Track {
    number: u64,
    kind: u64,
    is_vp8: bool,
    /// As it is shown, in pixels.
    width: u32,
    height: u32,
}

/// What a walk over a file has found.
#[derive(Default)]
struct Found {
    changes: Changes,
    /// Nanoseconds of a tick; 0: not told, which means a million.
    tick_ns: u64,
    /// In ticks, as the file says.
    duration: f64,
    /// In ticks, where the last block ends.
    end: u64,
    tracks: Vec<Track>,
    /// Where the first key frame of VP8 is, and its size in bytes.
    key_frame: Option<(u64, u64)>,
    has_blocks: bool,
}

pub(super) fn inspect(source: &mut Source<'_>, limits: &MediaLimits) -> Result<Inspected, MediaFault> {
    let mut found = Found::default();
    let mut row = Row::of_file(source);
    let head = row.next(source, &mut found.changes)?.ok_or_else(damaged)?;
    read_head(source, &head, &mut found.changes)?;
    let mut has_segment = false;
    while let Some(element) = row.next(source, &mut found.changes)? {
        match element.id {
            id::SEGMENT if !has_segment => {
                has_segment = true;
                read_segment(source, &element, &mut found)?;
            }
            _ => found.changes.void(&element)?,
        }
    }
    let is_playable = |track: &Track| matches!(track.kind, VIDEO_TRACK | AUDIO_TRACK);
    if !found.tracks.iter().any(is_playable) || !found.has_blocks {
        return Err(MediaFault::unsupported("The file holds neither picture nor sound."));
    }
    if !found.tracks.iter().all(is_playable) {
        return Err(MediaFault::unsupported(
            "The video has a track that is neither picture nor sound; save it without.",
        ));
    }
    let media_type = match found.tracks.iter().any(|track| track.kind == VIDEO_TRACK) {
        true => MediaType::Webm,
        false => MediaType::WebmAudio,
    };
    let size = found.tracks.iter().find(|track| track.width > 0 && track.height > 0);
    let poster = found
        .key_frame
        .and_then(|(at, size)| read_poster(source, at, size, limits));
    let (poster, preview) = poster.unzip();
    Ok(Inspected {
        width: size.map(|track| track.width),
        height: size.map(|track| track.height),
        duration_ms: found.duration_ms(),
        preview,
        poster,
        cleaned: found.changes.into_cleaned(),
        ..Inspected::of(media_type)
    })
}

impl Found {
    fn duration_ms(&self) -> Option<u64> {
        const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;
        let tick_ns = if self.tick_ns == 0 { 1_000_000 } else { self.tick_ns };
        // A float that is no number, negative or beyond all bounds becomes a limit of the integer, and is sorted out below.
        let told = (self.duration * tick_ns as f64 / 1_000_000.0) as u64;
        let counted = u128::from(self.end) * u128::from(tick_ns) / 1_000_000;
        let counted = u64::try_from(counted).unwrap_or(u64::MAX);
        [told, counted].into_iter().find(|ms| (1..YEAR_MS).contains(ms))
    }
}

/// Do the first bytes of a file, which hold more than any header has, say that it is WebM? The walk reads them again, in full.
pub(super) fn is_named_by(start: &[u8]) -> bool {
    let doc_type = || {
        let mut source = Source::new(&start, start.len() as u64);
        let mut changes = Changes::default();
        let head = Row::of_file(&source)
            .next(&mut source, &mut changes)?
            .ok_or_else(damaged)?;
        let mut row = Row::inside(&head);
        while let Some(element) = row.next(&mut source, &mut changes)? {
            if element.id == id::DOC_TYPE {
                return text(&mut source, &element);
            }
        }
        Err(damaged())
    };
    doc_type().is_ok_and(|doc_type| doc_type == b"webm")
}

/// The header (RFC 8794, 11.2): it must say that the file is WebM, and that a reader of today reads it.
fn read_head(source: &mut Source<'_>, head: &Element, changes: &mut Changes) -> Result<(), MediaFault> {
    if head.id != id::EBML || head.is_open || head.body_size() > 1024 {
        return Err(damaged());
    }
    let mut doc_type = None;
    let mut row = Row::inside(head);
    while let Some(element) = row.next(source, changes)? {
        let is_readable = match element.id {
            id::DOC_TYPE => {
                doc_type = Some(text(source, &element)?);
                true
            }
            id::EBML_READ_VERSION => unsigned(source, &element)? == 1,
            id::EBML_MAX_ID_LENGTH => unsigned(source, &element)? == 4,
            id::EBML_MAX_SIZE_LENGTH => unsigned(source, &element)? <= 8,
            _ => true,
        };
        if !is_readable {
            return Err(damaged());
        }
    }
    match doc_type.as_deref() {
        Some(b"webm") => Ok(()),
        _ => Err(MediaFault::unsupported("Of Matroska files only WebM is allowed.")),
    }
}

fn read_segment(source: &mut Source<'_>, segment: &Element, found: &mut Found) -> Result<(), MediaFault> {
    let mut row = Row::inside(segment);
    while let Some(element) = row.next(source, &mut found.changes)? {
        if element.is_open && element.id != id::CLUSTER {
            return Err(damaged());
        }
        match element.id {
            id::SEEK_HEAD | id::CUES => void_checksums(source, &element, found)?,
            id::INFO => read_info(source, &element, found)?,
            id::TRACKS => read_tracks(source, &element, found)?,
            id::CLUSTER => row.at = read_cluster(source, &element, found)?,
            VOID if element.body_size() == 0 => {}
            _ => found.changes.void(&element)?,
        }
    }
    Ok(())
}

fn void_checksums(source: &mut Source<'_>, parent: &Element, found: &mut Found) -> Result<(), MediaFault> {
    let mut row = Row::inside(parent);
    while let Some(element) = row.next(source, &mut found.changes)? {
        if matches!(element.id, CRC_32 | VOID) {
            found.changes.void(&element)?;
        }
    }
    Ok(())
}

fn read_info(source: &mut Source<'_>, info: &Element, found: &mut Found) -> Result<(), MediaFault> {
    let mut row = Row::inside(info);
    while let Some(element) = row.next(source, &mut found.changes)? {
        match element.id {
            id::TIMESTAMP_SCALE => found.tick_ns = unsigned(source, &element)?,
            id::DURATION => found.duration = float(source, &element)?,
            // Both must be there; programs write their names into them.
            id::MUXING_APP | id::WRITING_APP if element.body_size() <= 64 => {}
            _ => found.changes.void(&element)?,
        }
    }
    Ok(())
}

fn read_tracks(source: &mut Source<'_>, tracks: &Element, found: &mut Found) -> Result<(), MediaFault> {
    let mut row = Row::inside(tracks);
    while let Some(element) = row.next(source, &mut found.changes)? {
        if element.id != id::TRACK_ENTRY {
            found.changes.void(&element)?;
            continue;
        }
        if found.tracks.len() == MOST_TRACKS {
            return Err(damaged());
        }
        let track = read_track(source, &element, found)?;
        found.tracks.push(track);
    }
    Ok(())
}

fn read_track(source: &mut Source<'_>, entry: &Element, found: &mut Found) -> Result<Track, MediaFault> {
    let mut track = Track::default();
    let mut row = Row::inside(entry);
    while let Some(element) = row.next(source, &mut found.changes)? {
        match element.id {
            id::TRACK_NUMBER => track.number = unsigned(source, &element)?,
            id::TRACK_TYPE => track.kind = unsigned(source, &element)?,
            id::CODEC_ID => track.is_vp8 = text(source, &element)? == b"V_VP8",
            id::VIDEO => (track.width, track.height) = read_size(source, &element, found)?,
            id::TRACK_NAME | CRC_32 | VOID => found.changes.void(&element)?,
            // What decoders are set up with.
            _ => {}
        }
    }
    Ok(track)
}

/// As the picture is shown: the display's size where that is told in pixels, else the coded one.
fn read_size(source: &mut Source<'_>, video: &Element, found: &mut Found) -> Result<(u32, u32), MediaFault> {
    let (mut coded, mut shown, mut unit) = ((0, 0), (0, 0), 0);
    let mut row = Row::inside(video);
    while let Some(element) = row.next(source, &mut found.changes)? {
        match element.id {
            id::PIXEL_WIDTH => coded.0 = unsigned(source, &element)?,
            id::PIXEL_HEIGHT => coded.1 = unsigned(source, &element)?,
            id::DISPLAY_WIDTH => shown.0 = unsigned(source, &element)?,
            id::DISPLAY_HEIGHT => shown.1 = unsigned(source, &element)?,
            id::DISPLAY_UNIT => unit = unsigned(source, &element)?,
            CRC_32 | VOID => found.changes.void(&element)?,
            _ => {}
        }
    }
    let (width, height) = if unit == 0 && shown.0 > 0 && shown.1 > 0 {
        shown
    } else {
        coded
    };
    // What no screen has is not told.
    let told = |size: u64| {
        u32::try_from(size)
            .ok()
            .filter(|size| *size <= 65_535)
            .unwrap_or_default()
    };
    Ok((told(width), told(height)))
}

/// Reads a cluster, and answers where it ends.
fn read_cluster(source: &mut Source<'_>, cluster: &Element, found: &mut Found) -> Result<u64, MediaFault> {
    let mut start = 0;
    let mut row = Row::inside(cluster);
    while let Some(element) = row.next(source, &mut found.changes)? {
        if cluster.is_open && id::OF_SEGMENT.contains(&element.id) {
            return Ok(element.at);
        }
        if element.is_open {
            return Err(damaged());
        }
        match element.id {
            id::CLUSTER_TIMESTAMP => start = unsigned(source, &element)?,
            id::SIMPLE_BLOCK => read_block(source, &element, start, 0, found)?,
            id::BLOCK_GROUP => read_group(source, &element, start, found)?,
            CRC_32 | VOID => found.changes.void(&element)?,
            _ => {}
        }
    }
    Ok(cluster.end)
}

fn read_group(source: &mut Source<'_>, group: &Element, start: u64, found: &mut Found) -> Result<(), MediaFault> {
    let (mut block, mut length) = (None, 0);
    let mut row = Row::inside(group);
    while let Some(element) = row.next(source, &mut found.changes)? {
        match element.id {
            id::BLOCK => block = Some(element),
            id::BLOCK_DURATION => length = unsigned(source, &element)?,
            CRC_32 | VOID => found.changes.void(&element)?,
            _ => {}
        }
    }
    match block {
        Some(block) => read_block(source, &block, start, length, found),
        None => Ok(()),
    }
}

/// The head of a block (RFC 9559, 10.1 and 10.2): which track, when, and how its frames are packed.
fn read_block(
    source: &mut Source<'_>,
    block: &Element,
    start: u64,
    length: u64,
    found: &mut Found,
) -> Result<(), MediaFault> {
    let (number, at, _) = read_number(source, block.body)?;
    if at + 3 > block.end {
        return Err(damaged());
    }
    let [t1, t2, flags] = source.array::<3>(at)?;
    let relative = i64::from(i16::from_be_bytes([t1, t2]));
    let end = start.saturating_add_signed(relative).saturating_add(length);
    found.end = found.end.max(end);
    found.has_blocks = true;

    let frame = (at + 3, block.end - at - 3);
    let is_unpacked = flags & 0x06 == 0;
    let is_of_interest = found.key_frame.is_none() && is_unpacked && (1..=POSTER_FRAME_BYTES).contains(&frame.1);
    if is_of_interest && found.tracks.iter().any(|track| track.number == number && track.is_vp8) {
        // The lowest bit of a key frame's first byte is 0 (RFC 6386, 9.1).
        let [first] = source.array::<1>(frame.0)?;
        found.key_frame = (first & 1 == 0).then_some(frame);
    }
    Ok(())
}

/// A key frame of VP8 is what a lossy WebP image holds. One that is damaged gives no poster; the video is what was sent.
fn read_poster(source: &mut Source<'_>, at: u64, size: u64, limits: &MediaLimits) -> Option<(Encoded, String)> {
    let frame = source.bytes(at, usize::try_from(size).ok()?).ok()?;
    let bytes = image::webp::of_vp8(&frame).ok()?;
    image::poster(MediaType::Webp, &bytes, limits).ok()
}

fn damaged() -> MediaFault {
    MediaFault::broken("The video is damaged.")
}
