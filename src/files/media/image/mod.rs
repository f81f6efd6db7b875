//! Images: each is taken apart and put together again without what no picture needs, and decoded, which shows that it is
//! whole and gives the small images.

mod gif;
mod icc;
mod jpeg;
mod png;
#[cfg(test)]
mod tests;
pub(super) mod webp;

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageEncoder, ImageResult, Limits,
    codecs::{
        gif::GifDecoder,
        jpeg::{JpegDecoder, JpegEncoder},
        png::{CompressionType, FilterType, PngDecoder, PngEncoder},
        webp::WebPDecoder,
    },
    metadata::Orientation,
};

use super::{Cleaned, Encoded, Inspected, MediaFault, MediaLimits, pdf, source::Source};
use crate::model::{
    MediaType,
    attachment::{PREVIEW_BYTES, Rendition},
};

/// Longest side of a thumbnail, in pixels: a bubble's width on a screen of double density.
const THUMBNAIL_SIDE: u32 = 480;
/// A thumbnail with transparency is made smaller until it has no more bytes than this: it cannot be a JPEG.
const TRANSPARENT_BYTES: usize = 200 * 1024;
/// The preview's longest side, in pixels, and what is tried where that has too many bytes.
const PREVIEW_SIDES: [u32; 4] = [16, 12, 8, 4];
/// JPEG's quality of an image that had to be turned: its loss is not seen.
const TURNED_QUALITY: u8 = 90;
const THUMBNAIL_QUALITY: u8 = 80;
/// Longest colour profile that a thumbnail carries, in bytes.
const THUMBNAIL_PROFILE_BYTES: usize = 4 * 1024;

/// An image's file without what no picture needs.
struct Stripped {
    bytes: Vec<u8>,
    /// In pixels, as they are stored: not yet turned.
    width: u32,
    height: u32,
    /// EXIF's number, 1 to 8, where it was told.
    orientation: Option<u8>,
    /// The cleaned colour profile, which is also in `bytes`.
    profile: Option<Vec<u8>>,
    frames: u32,
}

pub(super) fn inspect(
    media_type: MediaType,
    source: &mut Source<'_>,
    limits: &MediaLimits,
) -> Result<Inspected, MediaFault> {
    let length = usize::try_from(source.length()).map_err(|_| MediaFault::too_large("The image is too large."))?;
    let bytes = source.bytes(0, length)?;
    let (mut stripped, picture) = read(media_type, &bytes, limits)?;
    let orientation = stripped.turn();

    let (thumbnail, preview) = small_images(&picture, orientation, stripped.profile.as_deref())?;
    let (width, height) = match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (stripped.height, stripped.width)
        }
        _ => (stripped.width, stripped.height),
    };
    if orientation != Orientation::NoTransforms {
        stripped.bytes = turned(media_type, picture, orientation, stripped.profile)?;
    }
    if pdf::has_archive_end(&mut Source::new(
        &stripped.bytes.as_slice(),
        stripped.bytes.len() as u64,
    ))? {
        return Err(damaged());
    }
    let cleaned = (stripped.bytes != bytes).then_some(Cleaned::Rewritten(stripped.bytes));
    Ok(Inspected {
        width: Some(width),
        height: Some(height),
        preview: Some(preview),
        cleaned,
        thumbnail: Some(thumbnail),
        ..Inspected::of(media_type)
    })
}

/// The small image that stands for a video, from an image that was found in it, with its preview.
pub(super) fn poster(
    media_type: MediaType,
    bytes: &[u8],
    limits: &MediaLimits,
) -> Result<(Encoded, String), MediaFault> {
    let (stripped, picture) = read(media_type, bytes, limits)?;
    small_images(&picture, stripped.turn(), stripped.profile.as_deref())
}

fn read(media_type: MediaType, bytes: &[u8], limits: &MediaLimits) -> Result<(Stripped, DynamicImage), MediaFault> {
    let stripped = match media_type {
        MediaType::Jpeg => jpeg::strip(bytes, limits)?,
        MediaType::Png => png::strip(bytes, limits)?,
        MediaType::Gif => gif::strip(bytes, limits)?,
        MediaType::Webp => webp::strip(bytes, limits)?,
        _ => return Err(damaged()),
    };
    // The libraries are fuzzed and do not panic as far as is known; an upload is not what should find out.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(media_type, &stripped, limits)));
    let picture = decoded.map_err(|_| damaged())?.map_err(|error| match error {
        image::ImageError::Limits(_) => MediaFault::too_large("The image takes too much memory to be shown."),
        _ => damaged(),
    })?;
    Ok((stripped, picture))
}

impl Stripped {
    /// How the picture is turned to be shown. Animations stay as they are: browsers do not turn them either.
    fn turn(&self) -> Orientation {
        let told = self.orientation.filter(|_| self.frames == 1);
        told.and_then(Orientation::from_exif)
            .unwrap_or(Orientation::NoTransforms)
    }
}

/// The first picture; of a WebP animation each is decoded. Those of GIF and APNG were unpacked when they were counted.
fn decode(media_type: MediaType, stripped: &Stripped, limits: &MediaLimits) -> ImageResult<DynamicImage> {
    let bytes = Cursor::new(stripped.bytes.as_slice());
    match media_type {
        MediaType::Jpeg => bounded(JpegDecoder::new(bytes)?, limits),
        MediaType::Png => bounded(PngDecoder::with_limits(bytes, of_decoder(limits))?, limits),
        MediaType::Gif => bounded(GifDecoder::new(bytes)?, limits),
        _ => {
            let decoder = WebPDecoder::new(bytes)?;
            if !decoder.has_animation() {
                return bounded(decoder, limits);
            }
            let mut frames = decoder.into_frames();
            let first = frames.next().transpose()?.map(|frame| frame.into_buffer());
            frames.try_for_each(|frame| frame.map(drop))?;
            let missing = || image::ImageError::IoError(std::io::ErrorKind::UnexpectedEof.into());
            first.map(DynamicImage::ImageRgba8).ok_or_else(missing)
        }
    }
}

fn bounded(mut decoder: impl ImageDecoder, limits: &MediaLimits) -> ImageResult<DynamicImage> {
    let mut allowed = of_decoder(limits);
    decoder.set_limits(allowed.clone())?;
    // Of 16 bits a channel there may be half as many pixels.
    allowed.max_alloc = Some(limits.pixels.saturating_mul(4));
    allowed.reserve(decoder.total_bytes())?;
    DynamicImage::from_decoder(decoder)
}

fn of_decoder(limits: &MediaLimits) -> Limits {
    let mut allowed = Limits::no_limits();
    allowed.max_image_width = Some(limits.side);
    allowed.max_image_height = Some(limits.side);
    // Four channels of a byte each, and as much again for what a decoder holds beside them.
    allowed.max_alloc = Some(limits.pixels.saturating_mul(8));
    allowed
}

/// EXIF's orientation in a TIFF structure (Exif 3.0, 4.6.5).
fn orientation_of(exif: &[u8]) -> Option<u8> {
    Orientation::from_exif_chunk(exif).map(Orientation::to_exif)
}

/// A picture that its file told to turn, turned, in the file's own format: no EXIF is left that could tell it again.
fn turned(
    media_type: MediaType,
    mut picture: DynamicImage,
    orientation: Orientation,
    profile: Option<Vec<u8>>,
) -> Result<Vec<u8>, MediaFault> {
    picture.apply_orientation(orientation);
    let mut out = Vec::new();
    let result = match media_type {
        MediaType::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut out, TURNED_QUALITY);
            encode(&picture, encoder, profile.as_deref())
        }
        // The other two formats never ask for it.
        _ => encode(&picture, PngEncoder::new(&mut out), profile.as_deref()),
    };
    result.map(|()| out).map_err(|_| damaged())
}

fn encode(picture: &DynamicImage, mut encoder: impl ImageEncoder, profile: Option<&[u8]>) -> ImageResult<()> {
    // A profile of print colours means nothing to the screen colours that were decoded.
    let space: &[u8] = if picture.color().has_color() { b"RGB " } else { b"GRAY" };
    if let Some(profile) = profile.filter(|profile| profile.get(16..20) == Some(space)) {
        // A format that has no place for it shows the image without it.
        drop(encoder.set_icc_profile(profile.to_vec()));
    }
    picture.write_with_encoder(encoder)
}

/// Thumbnail and preview.
fn small_images(
    picture: &DynamicImage,
    orientation: Orientation,
    profile: Option<&[u8]>,
) -> Result<(Encoded, String), MediaFault> {
    let mut small = reduced(picture, THUMBNAIL_SIDE);
    small.apply_orientation(orientation);
    let small = if small.has_alpha() {
        DynamicImage::ImageRgba8(small.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(small.into_rgb8())
    };
    let is_transparent = small
        .as_rgba8()
        .is_some_and(|pixels| pixels.pixels().any(|pixel| pixel.0[3] < 255));
    let small = if is_transparent {
        small
    } else {
        DynamicImage::ImageRgb8(small.into_rgb8())
    };
    let profile = profile.filter(|profile| profile.len() <= THUMBNAIL_PROFILE_BYTES);
    let thumbnail = if is_transparent {
        transparent_thumbnail(&small, profile)?
    } else {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, THUMBNAIL_QUALITY);
        encode(&small, encoder, profile).map_err(|_| damaged())?;
        encoded(MediaType::Jpeg, bytes, &small)
    };
    Ok((thumbnail, preview(&small)?))
}

fn transparent_thumbnail(small: &DynamicImage, profile: Option<&[u8]>) -> Result<Encoded, MediaFault> {
    let mut side = THUMBNAIL_SIDE;
    loop {
        let smaller = reduced(small, side);
        let bytes = png(&smaller, profile)?;
        if bytes.len() <= TRANSPARENT_BYTES || side <= THUMBNAIL_SIDE / 8 {
            return Ok(encoded(MediaType::Png, bytes, &smaller));
        }
        side /= 2;
    }
}

fn encoded(media_type: MediaType, bytes: Vec<u8>, picture: &DynamicImage) -> Encoded {
    Encoded {
        bytes,
        rendition: Rendition {
            media_type,
            width: picture.width(),
            height: picture.height(),
        },
    }
}

/// The picture with no side longer than `side`, and never enlarged.
fn reduced(picture: &DynamicImage, side: u32) -> DynamicImage {
    if picture.width() <= side && picture.height() <= side {
        return picture.clone();
    }
    picture.thumbnail(side, side)
}

fn preview(small: &DynamicImage) -> Result<String, MediaFault> {
    for side in PREVIEW_SIDES {
        let mut tiny = reduced(small, side);
        // What is shown blurred needs few shades, and few shades pack well.
        match &mut tiny {
            DynamicImage::ImageRgb8(pixels) => pixels.iter_mut().for_each(|shade| *shade &= 0xf8),
            DynamicImage::ImageRgba8(pixels) => pixels.iter_mut().for_each(|shade| *shade &= 0xf8),
            _ => {}
        }
        let url = format!("data:image/png;base64,{}", STANDARD.encode(png(&tiny, None)?));
        if url.len() <= PREVIEW_BYTES {
            return Ok(url);
        }
    }
    Err(damaged())
}

fn png(picture: &DynamicImage, profile: Option<&[u8]>) -> Result<Vec<u8>, MediaFault> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    encode(picture, encoder, profile).map_err(|_| damaged())?;
    Ok(bytes)
}

fn damaged() -> MediaFault {
    MediaFault::broken("The image is damaged.")
}
