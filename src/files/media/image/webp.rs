//! WebP (RFC 9649): its chunks, without those that no decoder needs.
//!
//! Pictures, their transparency and their animation stay; colour profiles are cleaned; EXIF, XMP, unknown chunks and what
//! follows the end go. The compressed pictures themselves are copied as they are. What EXIF says of turning is not followed,
//! since browsers do not follow it in a WebP.

use super::{Stripped, icc};
use crate::files::media::{MediaFault, MediaLimits};

const HAS_PROFILE: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const IS_ANIMATED: u8 = 0x02;

/// The chunks of one picture: the file's only one, or those of a frame.
#[derive(Default)]
struct Picture<'a> {
    alpha: Option<&'a [u8]>,
    /// `VP8 ` or `VP8L`.
    bitstream: Option<(&'a [u8; 4], &'a [u8])>,
}

impl<'a> Picture<'a> {
    /// Takes a chunk that belongs to a picture; the first of each kind counts.
    fn take(&mut self, kind: &'a [u8; 4], data: &'a [u8]) {
        match kind {
            b"ALPH" if self.alpha.is_none() && self.bitstream.is_none() => self.alpha = Some(data),
            b"VP8 " | b"VP8L" if self.bitstream.is_none() => self.bitstream = Some((kind, data)),
            _ => {}
        }
    }

    fn is_transparent(&self) -> bool {
        match self.bitstream {
            // Alpha is used: the bit behind the sizes.
            Some((b"VP8L", data)) => data.get(4).is_some_and(|byte| byte & 0x10 != 0),
            _ => self.alpha.is_some(),
        }
    }

    /// In pixels, as the picture's own header says (RFC 6386, 9.1; RFC 9649, 3.4).
    fn size(&self) -> Result<(u32, u32), MediaFault> {
        match self.bitstream.ok_or_else(damaged)? {
            (b"VP8L", [0x2f, b0, b1, b2, b3, ..]) => {
                let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
                Ok(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
            }
            // A key frame: the lowest bit is 0.
            (b"VP8 ", [tag, _, _, 0x9d, 0x01, 0x2a, w1, w2, h1, h2, ..]) if tag & 1 == 0 => {
                let [width, height] = [[*w1, *w2], [*h1, *h2]].map(u16::from_le_bytes);
                Ok((u32::from(width & 0x3fff), u32::from(height & 0x3fff)))
            }
            _ => Err(damaged()),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        if let Some((kind, data)) = self.bitstream {
            if let Some(alpha) = self.alpha.filter(|_| kind == b"VP8 ") {
                put(out, b"ALPH", alpha);
            }
            put(out, kind, data);
        }
    }
}

pub(super) fn strip(bytes: &[u8], limits: &MediaLimits) -> Result<Stripped, MediaFault> {
    let size = bytes
        .get(4..)
        .and_then(<[u8]>::first_chunk::<4>)
        .ok_or_else(cut_short)?;
    let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| cut_short())?;
    // The size counts from behind itself, and "WEBP" is of it.
    let end = size.checked_add(8).ok_or_else(cut_short)?;
    let mut rest = bytes.get(12..end).ok_or_else(cut_short)?;

    let mut canvas = None;
    let mut picture = Picture::default();
    let mut profile = None;
    let mut animation: Option<&[u8]> = None;
    let mut frames = Frames::default();
    while !rest.is_empty() {
        let (kind, data);
        (kind, data, rest) = next_chunk(rest)?;
        match kind {
            b"VP8X" if canvas.is_none() => canvas = Some(canvas_size(data, limits)?),
            b"ICCP" => profile = profile.or_else(|| icc::cleaned(data, 3)),
            b"ANIM" => animation = animation.or(data.get(..6)),
            b"ANMF" => frames.take(data, canvas.ok_or_else(damaged)?, limits)?,
            _ => picture.take(kind, data),
        }
    }

    let mut body = Vec::with_capacity(bytes.len());
    let flags;
    let (width, height) = match (animation, canvas) {
        (Some(animation), Some(canvas)) if frames.count > 0 => {
            put(&mut body, b"ANIM", animation);
            body.append(&mut frames.chunks);
            flags = IS_ANIMATED | if frames.are_transparent { HAS_ALPHA } else { 0 };
            canvas
        }
        _ => {
            let size = picture.size()?;
            limits.check_size(size.0, size.1)?;
            if canvas.is_some_and(|canvas| canvas != size) {
                return Err(damaged());
            }
            picture.put(&mut body);
            flags = if picture.is_transparent() { HAS_ALPHA } else { 0 };
            size
        }
    };
    Ok(Stripped {
        bytes: assembled((width, height), flags, profile.as_deref(), &body)?,
        width,
        height,
        orientation: None,
        profile,
        frames: u32::try_from(frames.count).unwrap_or(u32::MAX).max(1),
    })
}

/// One key frame of VP8 as an image: a WebP of the simplest kind.
pub(in crate::files::media) fn of_vp8(frame: &[u8]) -> Result<Vec<u8>, MediaFault> {
    let picture = Picture {
        alpha: None,
        bitstream: Some((b"VP8 ", frame)),
    };
    let size = picture.size()?;
    let mut body = Vec::with_capacity(frame.len() + 8);
    picture.put(&mut body);
    assembled(size, 0, None, &body)
}

/// The chunks as a file, with the extended header where it is needed.
fn assembled(canvas: (u32, u32), flags: u8, profile: Option<&[u8]>, body: &[u8]) -> Result<Vec<u8>, MediaFault> {
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    // A lossless picture says itself that it is transparent.
    let is_simple = profile.is_none() && (flags == 0 || body.starts_with(b"VP8L"));
    if !is_simple {
        let flags = flags | if profile.is_some() { HAS_PROFILE } else { 0 };
        let [w1, w2, w3, _] = (canvas.0 - 1).to_le_bytes();
        let [h1, h2, h3, _] = (canvas.1 - 1).to_le_bytes();
        put(&mut out, b"VP8X", &[flags, 0, 0, 0, w1, w2, w3, h1, h2, h3]);
    }
    if let Some(profile) = profile {
        put(&mut out, b"ICCP", profile);
    }
    out.extend_from_slice(body);
    let size = u32::try_from(out.len() - 8).map_err(|_| damaged())?;
    if let Some(place) = out.get_mut(4..8) {
        place.copy_from_slice(&size.to_le_bytes());
    }
    Ok(out)
}

#[derive(Default)]
struct Frames {
    chunks: Vec<u8>,
    count: u64,
    pixels: u64,
    are_transparent: bool,
}

impl Frames {
    /// Takes a frame of an animation, without what does not belong to its picture.
    fn take(&mut self, data: &[u8], canvas: (u32, u32), limits: &MediaLimits) -> Result<(), MediaFault> {
        let (head, mut rest) = data.split_first_chunk::<16>().ok_or_else(damaged)?;
        let [x, y, width, height] = [0, 3, 6, 9].map(|at| small_number(head, at));
        let (x, y, width, height) = (2 * x, 2 * y, width + 1, height + 1);
        let mut picture = Picture::default();
        while !rest.is_empty() {
            let (kind, data);
            (kind, data, rest) = next_chunk(rest)?;
            picture.take(kind, data);
        }
        if picture.size()? != (width, height) || x + width > canvas.0 || y + height > canvas.1 {
            return Err(damaged());
        }
        self.count += 1;
        // Who shows it draws the whole canvas for each frame.
        self.pixels += u64::from(canvas.0) * u64::from(canvas.1);
        limits.check_frames(self.count, self.pixels)?;
        self.are_transparent |= picture.is_transparent();
        let mut frame = head.to_vec();
        if let Some(flags) = frame.last_mut() {
            // How it is blended and disposed of; the other bits are reserved.
            *flags &= 3;
        }
        picture.put(&mut frame);
        put(&mut self.chunks, b"ANMF", &frame);
        Ok(())
    }
}

fn canvas_size(data: &[u8], limits: &MediaLimits) -> Result<(u32, u32), MediaFault> {
    let data = data.first_chunk::<10>().ok_or_else(damaged)?;
    let (width, height) = (small_number(data, 4) + 1, small_number(data, 7) + 1);
    limits.check_size(width, height)?;
    Ok((width, height))
}

/// 24 bits; 0 where there is nothing, which cannot be: the caller has the bytes.
fn small_number(data: &[u8], at: usize) -> u32 {
    match data.get(at..) {
        Some([b0, b1, b2, ..]) => u32::from_le_bytes([*b0, *b1, *b2, 0]),
        _ => 0,
    }
}

type Chunk<'a> = (&'a [u8; 4], &'a [u8], &'a [u8]);

/// Kind, data, and what follows.
fn next_chunk(bytes: &[u8]) -> Result<Chunk<'_>, MediaFault> {
    let (kind, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let (size, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| cut_short())?;
    let (data, rest) = rest.split_at_checked(size).ok_or_else(cut_short)?;
    // Chunks begin at even places; encoders were seen to leave out the last one's padding.
    let rest = rest.get(size % 2..).unwrap_or_default();
    Ok((kind, data, rest))
}

fn put(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(kind);
    out.extend(size.to_le_bytes());
    out.extend_from_slice(data);
    if !data.len().is_multiple_of(2) {
        out.push(0);
    }
}

fn damaged() -> MediaFault {
    MediaFault::broken("The WebP image is damaged.")
}

fn cut_short() -> MediaFault {
    MediaFault::broken("The WebP image has no end: it was cut short, or is damaged.")
}
