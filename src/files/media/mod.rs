//! What an upload is, judged by its bytes, and what of them is kept.
//!
//! [`judge_start`] tells from the first bytes which limit of size applies; [`inspect`] reads the whole file: it refuses what
//! is not on the list or does not hold together, takes out what nobody meant to send (places, camera and program data,
//! whatever hides behind the end), and makes the small images that stand for it. Neither looks at a name or a header.
//! `docs/media-types.md` says the same to users.

mod cleaned;
#[cfg(test)]
mod hostile;
mod image;
mod mp4;
mod pdf;
#[cfg(test)]
mod samples;
mod source;
mod start;
mod text;
mod webm;

use std::{borrow::Cow, fs::File, io, path::Path};

use self::source::{ReadAt, Source};
pub use self::{
    cleaned::{Cleaned, Overwrite},
    start::{START_BYTES, judge_start},
};
use crate::model::{Error, MediaKind, MediaType, attachment::Rendition, limits};

/// How large uploads may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLimits {
    /// Of an image, in bytes, and of any other file that is no video.
    pub image_bytes: u64,
    /// Of a video, in bytes.
    pub video_bytes: u64,
    /// Of an image, in pixels: of a side, and of all.
    pub side: u32,
    pub pixels: u64,
    /// Of an animation: images, and pixels of all of them.
    pub frames: u32,
    pub animation_pixels: u64,
}

impl MediaLimits {
    /// With these limits of bytes, which operators set, and the limits of pixels that all have.
    pub fn new(image_bytes: u64, video_bytes: u64) -> Self {
        MediaLimits {
            image_bytes,
            video_bytes,
            side: limits::IMAGE_SIDE_PIXELS,
            pixels: limits::IMAGE_PIXELS,
            frames: limits::ANIMATION_FRAMES,
            animation_pixels: limits::ANIMATION_PIXELS,
        }
    }

    /// Most bytes that a file of this kind may have.
    pub fn bytes(&self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Video => self.video_bytes,
            MediaKind::Image | MediaKind::File => self.image_bytes,
        }
    }

    fn check_bytes(&self, kind: MediaKind, length: u64) -> Result<(), MediaFault> {
        if length <= self.bytes(kind) {
            return Ok(());
        }
        let (what, most) = (kind.as_str(), self.bytes(kind));
        Err(MediaFault::too_large(format!(
            "The {what} has {length} bytes; at most {most} are allowed."
        )))
    }

    fn check_size(&self, width: u32, height: u32) -> Result<(), MediaFault> {
        if width == 0 || height == 0 {
            return Err(MediaFault::broken("The image has no width or no height."));
        }
        let pixels = u64::from(width) * u64::from(height);
        if width > self.side || height > self.side || pixels > self.pixels {
            return Err(MediaFault::too_large(format!(
                "The image is {width} by {height} pixels; at most {} a side and {} in all are allowed.",
                self.side, self.pixels
            )));
        }
        Ok(())
    }

    fn check_frames(&self, frames: u64, pixels: u64) -> Result<(), MediaFault> {
        if frames <= u64::from(self.frames) && pixels <= self.animation_pixels {
            return Ok(());
        }
        Err(MediaFault::too_large(format!(
            "The animation has more than {} images, or more than {} pixels in all of them.",
            self.frames, self.animation_pixels
        )))
    }
}

/// Why an upload is not taken. The sentences are for whoever sent it.
#[derive(Debug, thiserror::Error)]
pub enum MediaFault {
    /// A type that is not on the list, or a file that claims one and is another.
    #[error("{0}")]
    Unsupported(Cow<'static, str>),
    #[error("{0}")]
    TooLarge(Cow<'static, str>),
    /// Of a type that is on the list, but damaged or cut short.
    #[error("{0}")]
    Broken(Cow<'static, str>),
    /// The disk, not the file.
    #[error("the upload cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

impl MediaFault {
    fn unsupported(sentence: impl Into<Cow<'static, str>>) -> Self {
        MediaFault::Unsupported(sentence.into())
    }

    fn too_large(sentence: impl Into<Cow<'static, str>>) -> Self {
        MediaFault::TooLarge(sentence.into())
    }

    fn broken(sentence: impl Into<Cow<'static, str>>) -> Self {
        MediaFault::Broken(sentence.into())
    }
}

impl From<MediaFault> for Error {
    fn from(fault: MediaFault) -> Self {
        match fault {
            // A damaged file is of no type that is served.
            MediaFault::Unsupported(sentence) | MediaFault::Broken(sentence) => Error::unsupported_media(sentence),
            MediaFault::TooLarge(sentence) => Error::too_large(sentence),
            MediaFault::Unreadable(why) => {
                tracing::warn!(%why, "an upload cannot be read");
                Error::unavailable("Files cannot be stored or read at the moment. Try again.")
            }
        }
    }
}

/// An upload that is taken.
#[derive(Debug)]
pub struct Inspected {
    pub media_type: MediaType,
    /// As it is shown, in pixels: turned as the file asks for.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub duration_ms: Option<u64>,
    /// A tiny image as a `data:` URL, at most [`PREVIEW_BYTES`](crate::model::attachment::PREVIEW_BYTES) long.
    pub preview: Option<String>,
    /// What must be done to the file before anybody sees it; `None`: it stays as it is.
    pub cleaned: Option<Cleaned>,
    /// Of an image.
    pub thumbnail: Option<Encoded>,
    /// Of a video, where one can be had.
    pub poster: Option<Encoded>,
}

impl Inspected {
    fn of(media_type: MediaType) -> Self {
        Inspected {
            media_type,
            width: None,
            height: None,
            duration_ms: None,
            preview: None,
            cleaned: None,
            thumbnail: None,
            poster: None,
        }
    }
}

/// A small image, made from an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub rendition: Rendition,
}

/// Judges the file at `path`. Blocks: it reads the whole file and decodes images.
///
/// Memory: of an image twice its bytes and up to 8 bytes a pixel; of anything else less than 8 MiB, whatever its size. The
/// caller bounds how many run at once.
pub fn inspect(path: &Path, limits: &MediaLimits) -> Result<Inspected, MediaFault> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    inspect_source(&file, length, limits)
}

/// [`inspect`] for bytes in memory: for tests and fuzzing.
pub fn inspect_bytes(bytes: &[u8], limits: &MediaLimits) -> Result<Inspected, MediaFault> {
    inspect_source(&bytes, bytes.len() as u64, limits)
}

fn inspect_source(from: &dyn ReadAt, length: u64, limits: &MediaLimits) -> Result<Inspected, MediaFault> {
    let mut source = Source::new(from, length);
    let start_length = length.min(START_BYTES as u64);
    let start = source.bytes(0, usize::try_from(start_length).unwrap_or(START_BYTES))?;
    let media_type = start::judge(&start)?;
    limits.check_bytes(media_type.kind(), length)?;
    let inspected = match media_type {
        MediaType::Jpeg | MediaType::Png | MediaType::Gif | MediaType::Webp => {
            image::inspect(media_type, &mut source, limits)
        }
        MediaType::Mp4 | MediaType::Quicktime => mp4::inspect(media_type, &mut source, limits),
        MediaType::Webm => webm::inspect(&mut source, limits),
        // What begins as a video turns out to be sound alone when its tracks are read.
        MediaType::Mp4Audio | MediaType::WebmAudio => return Err(MediaFault::broken("The file holds no picture.")),
        MediaType::Pdf => pdf::inspect(&mut source),
        MediaType::Text => text::inspect(&mut source),
    }?;
    limits.check_bytes(inspected.media_type.kind(), length)?;
    if inspected.media_type.kind() != MediaKind::Image {
        pdf::refuse_archive_end(&mut source)?;
    }
    Ok(inspected)
}
