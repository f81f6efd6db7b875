//! MP4 and MOV (ISO/IEC 14496-12; QuickTime File Format): their boxes, walked without being held in memory.
//!
//! Boxes that a player needs are known by name, each in its place. Every other one, and with them all titles, comments,
//! places and hidden copies, becomes a `free` box of the same size filled with zeros: nothing moves, so no table of
//! positions changes. Of those that stay, dates and names become zeros, and what stands behind their last field. Tracks that are neither picture, sound nor words (a camera's, with its positions) go the same way,
//! and so do their samples. The compressed picture and sound are left as they are.

mod boxes;
mod leaves;
mod samples;
#[cfg(test)]
mod tests;
mod tracks;

use self::{
    boxes::{BoxHead, Changes, Row},
    tracks::{Fragments, Track, read_track},
};
use super::{Encoded, Inspected, MediaFault, MediaLimits, image, source::Source, start};
use crate::model::MediaType;

/// Tracks of one file. Cameras write up to six.
const MOST_TRACKS: usize = 64;
/// Longest picture that a file may bring along to stand for it, in bytes.
const COVER_BYTES: u64 = 2 * 1024 * 1024;

/// Boxes of samples in a file of which a track is wiped out: each of its chunks is looked for in all of them.
const MOST_DATA_TO_WIPE: usize = 16;

/// What a walk over a file has found.
#[derive(Default)]
struct Movie {
    /// In units of `timescale` a second; 0 where the fragments alone tell it.
    duration: u64,
    /// The duration with all fragments, where it is told in advance.
    extended: u64,
    timescale: u32,
    tracks: Vec<Track>,
    /// Of a file that goes on in fragments: one for each track.
    fragments: Vec<Fragments>,
    /// Where the picture stands that came along, and its size in bytes.
    cover: Option<(u64, u64)>,
}

pub(super) fn inspect(
    media_type: MediaType,
    source: &mut Source<'_>,
    limits: &MediaLimits,
) -> Result<Inspected, MediaFault> {
    let mut changes = Changes::default();
    let mut movie: Option<Movie> = None;
    let mut data = Vec::new();
    let mut row = Row::of_file(source);
    while let Some(head) = row.next(source, &mut changes)? {
        match &head.kind {
            b"ftyp" | b"styp" if head.body_size() < 512 => {}
            b"moov" if movie.is_none() => movie = Some(read_movie(source, &head, &mut changes)?),
            b"moof" => {
                let movie = movie.as_mut().ok_or_else(damaged)?;
                tracks::read_fragment(source, &head, movie, &mut changes)?;
            }
            b"mdat" => data.push((head.body, head.end)),
            b"sidx" => leaves::clean(source, &head, &mut changes)?,
            b"mfra" => tracks::keep_leaves(source, &head, &[b"tfra", b"mfro"], &mut changes)?,
            b"ftyp" | b"styp" | b"moov" => return Err(damaged()),
            _ => changes.free(&head)?,
        }
    }
    let no_index = || MediaFault::broken("The video has no index (moov): it was cut short, or is damaged.");
    let movie = movie.ok_or_else(no_index)?;
    if !movie.tracks.iter().any(Track::is_kept) || data.is_empty() {
        return Err(MediaFault::unsupported("The file holds neither picture nor sound."));
    }
    // The cover is read before it is wiped out with the rest.
    let cover = movie.cover.and_then(|(at, size)| read_cover(source, at, size, limits));
    for track in movie.tracks.iter().filter(|track| !track.is_kept()) {
        if !movie.fragments.is_empty() || data.len() > MOST_DATA_TO_WIPE {
            return Err(MediaFault::unsupported(
                "The video has a track that is neither picture nor sound; save it without.",
            ));
        }
        samples::wipe(source, track, &data, &mut changes)?;
    }
    let media_type = match (movie.tracks.iter().any(Track::is_picture), media_type) {
        (true, media_type) => media_type,
        (false, MediaType::Mp4) => MediaType::Mp4Audio,
        // QuickTime has no registered type for it.
        (false, _) => {
            return Err(MediaFault::unsupported(
                "The MOV file holds sound alone; save it as MP4 (M4A).",
            ));
        }
    };
    let (width, height) = movie.tracks.iter().find_map(Track::size).unzip();
    let (poster, preview) = cover.unzip();
    Ok(Inspected {
        width,
        height,
        duration_ms: movie.duration_ms(),
        preview,
        poster,
        cleaned: changes.into_cleaned(),
        ..Inspected::of(media_type)
    })
}

impl Movie {
    fn duration_ms(&self) -> Option<u64> {
        let told = milliseconds(self.duration, self.timescale).or_else(|| milliseconds(self.extended, self.timescale));
        let counted = self
            .fragments
            .iter()
            .filter_map(|fragments| fragments.duration_ms(&self.tracks));
        told.into_iter().chain(counted).max()
    }
}

/// `None` for a length that is not told: 0, or more than any recording has.
fn milliseconds(duration: u64, timescale: u32) -> Option<u64> {
    const YEAR_MS: u128 = 366 * 24 * 60 * 60 * 1000;
    let ms = (u128::from(duration) * 1000).checked_div(u128::from(timescale))?;
    let ms = Some(ms).filter(|ms| (1..YEAR_MS).contains(ms))?;
    u64::try_from(ms).ok()
}

fn read_movie(source: &mut Source<'_>, moov: &BoxHead, changes: &mut Changes) -> Result<Movie, MediaFault> {
    let mut movie = Movie::default();
    let mut row = Row::inside(moov);
    while let Some(head) = row.next(source, changes)? {
        match &head.kind {
            b"mvhd" => {
                (movie.timescale, movie.duration) = tracks::read_duration(source, &head)?;
                leaves::clean(source, &head, changes)?;
            }
            b"trak" if movie.tracks.len() < MOST_TRACKS => {
                let mark = changes.mark();
                let track = read_track(source, &head, changes)?;
                // A camera's own notes: where it was, above all.
                if !track.is_kept() {
                    changes.back_to(mark);
                    changes.free(&head)?;
                }
                movie.tracks.push(track);
            }
            b"trak" => return Err(damaged()),
            b"mvex" => tracks::read_extends(source, &head, &mut movie, changes)?,
            // Titles, places, a cover: the last of these is made a poster of, and none is kept.
            b"udta" => {
                movie.cover = movie.cover.or(find_cover(source, &head));
                changes.free(&head)?;
            }
            _ => changes.free(&head)?,
        }
    }
    Ok(movie)
}

/// The picture in `udta/meta/ilst/covr/data`; `None` where any of it is missing or does not hold together.
fn find_cover(source: &mut Source<'_>, udta: &BoxHead) -> Option<(u64, u64)> {
    // All of it goes in any case.
    let mut unused = Changes::default();
    let mut place = udta.clone();
    for kind in [b"meta", b"ilst", b"covr", b"data"] {
        // `meta` has a version and flags before its boxes.
        let start = if &place.kind == b"meta" {
            place.body + 4
        } else {
            place.body
        };
        let mut row = Row::between(start, place.end);
        place = loop {
            let head = row.next(source, &mut unused).ok()??;
            if &head.kind == kind {
                break head;
            }
        };
    }
    // The type and the language of the value.
    let at = place.body + 8;
    let size = place.end.checked_sub(at)?;
    (1..=COVER_BYTES).contains(&size).then_some((at, size))
}

fn read_cover(source: &mut Source<'_>, at: u64, size: u64, limits: &MediaLimits) -> Option<(Encoded, String)> {
    let bytes = source.bytes(at, usize::try_from(size).ok()?).ok()?;
    let media_type = start::judge(&bytes).ok()?;
    // A cover that is damaged is none; the video is what was sent.
    match media_type {
        MediaType::Jpeg | MediaType::Png => image::poster(media_type, &bytes, limits).ok(),
        _ => None,
    }
}

fn damaged() -> MediaFault {
    MediaFault::broken("The video is damaged.")
}
