//! PNG (PNG Specification, Third Edition, W3C): its chunks, without those that no decoder needs.
//!
//! Names, dates, texts, EXIF and private chunks go, and so does what stands behind the end of the compressed pixels or of
//! the image. Colour profiles are cleaned. Animations (APNG) stay animations.

use std::io::{Read, Write};

use flate2::{Compression, Crc, Decompress, FlushDecompress, Status, read::ZlibDecoder, write::ZlibEncoder};

use super::{Stripped, icc, orientation_of};
use crate::files::media::{MediaFault, MediaLimits};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
}

#[derive(Default)]
struct Walk {
    header: Option<Header>,
    out: Vec<u8>,
    orientation: Option<u8>,
    profile: Option<Vec<u8>>,
    seen: Vec<[u8; 4]>,
    /// The pixels that are being read: the image's own, or those of an animation's frame.
    pixels: Option<Pixels>,
    has_image: bool,
    is_image_over: bool,
    /// What acTL announces, and what came.
    announced_frames: u32,
    frames: u32,
    frame_pixels: u64,
    next_sequence: u32,
    is_over: bool,
}

#[derive(Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    bits: u64,
    channels: u8,
    is_interlaced: bool,
}

pub(super) fn strip(bytes: &[u8], limits: &MediaLimits) -> Result<Stripped, MediaFault> {
    let mut walk = Walk {
        out: Vec::with_capacity(bytes.len()),
        ..Walk::default()
    };
    walk.out.extend_from_slice(SIGNATURE);
    let mut rest = bytes.strip_prefix(SIGNATURE).ok_or_else(damaged)?;
    while !walk.is_over {
        let chunk;
        (chunk, rest) = next_chunk(rest)?;
        walk.take(&chunk, limits)?;
    }
    let (Some(header), true) = (walk.header, walk.has_image) else {
        return Err(damaged());
    };
    if walk.frames != walk.announced_frames {
        return Err(damaged());
    }
    Ok(Stripped {
        bytes: walk.out,
        width: header.width,
        height: header.height,
        orientation: walk.orientation,
        profile: walk.profile,
        frames: walk.frames.max(1),
    })
}

impl Walk {
    fn take(&mut self, chunk: &Chunk<'_>, limits: &MediaLimits) -> Result<(), MediaFault> {
        if self.header.is_none() && chunk.kind != *b"IHDR" {
            return Err(damaged());
        }
        if !matches!(&chunk.kind, b"IDAT" | b"fdAT") {
            self.end_of_pixels()?;
        }
        match (&chunk.kind, chunk.data.len()) {
            (b"IHDR", 13) if self.header.is_none() => self.header(chunk, limits),
            (b"IDAT", _) => self.image_data(chunk),
            (b"IEND", 0) => {
                self.put(b"IEND", &[]);
                self.is_over = true;
                Ok(())
            }
            (b"PLTE", size) if (3..=768).contains(&size) && size % 3 == 0 => self.keep_once(chunk),
            (b"acTL", 8) => self.animation(chunk, limits),
            (b"fcTL", 26) => self.frame(chunk, limits),
            (b"fdAT", _) => self.frame_data(chunk),
            (b"tRNS", 1..=256)
            | (b"gAMA" | b"cICP", 4)
            | (b"cHRM", 32)
            | (b"bKGD", 1..=6)
            | (b"sRGB", 1)
            | (b"pHYs", 9) => self.keep_once(chunk),
            (b"iCCP", _) => self.colour_profile(chunk),
            (b"eXIf", _) => {
                self.orientation = self.orientation.or_else(|| orientation_of(chunk.data));
                Ok(())
            }
            // A chunk that no decoder may pass over.
            _ if chunk.kind.first().is_some_and(u8::is_ascii_uppercase) => Err(damaged()),
            _ => Ok(()),
        }
    }

    fn header(&mut self, chunk: &Chunk<'_>, limits: &MediaLimits) -> Result<(), MediaFault> {
        let [w1, w2, w3, w4, h1, h2, h3, h4, bits, colour, 0, 0, interlace @ (0 | 1)] = chunk.data else {
            return Err(damaged());
        };
        let (samples, channels) = match (colour, bits) {
            (0, 1 | 2 | 4 | 8 | 16) => (1, 1),
            (3, 1 | 2 | 4 | 8) => (1, 3),
            (2, 8 | 16) => (3, 3),
            (4, 8 | 16) => (2, 1),
            (6, 8 | 16) => (4, 3),
            _ => return Err(damaged()),
        };
        let header = Header {
            width: u32::from_be_bytes([*w1, *w2, *w3, *w4]),
            height: u32::from_be_bytes([*h1, *h2, *h3, *h4]),
            bits: u64::from(*bits) * samples,
            channels,
            is_interlaced: *interlace == 1,
        };
        limits.check_size(header.width, header.height)?;
        self.header = Some(header);
        self.put(b"IHDR", chunk.data);
        Ok(())
    }

    fn image_data(&mut self, chunk: &Chunk<'_>) -> Result<(), MediaFault> {
        let header = self.header.ok_or_else(damaged)?;
        // They stand in a row.
        if self.is_image_over {
            return Err(damaged());
        }
        self.has_image = true;
        let pixels = self
            .pixels
            .get_or_insert_with(|| Pixels::of(&header, header.width, header.height));
        let used = pixels.feed(chunk.data)?;
        self.put_pixels(b"IDAT", &[], used);
        Ok(())
    }

    fn animation(&mut self, chunk: &Chunk<'_>, limits: &MediaLimits) -> Result<(), MediaFault> {
        // Behind the pixels, or a second time, it has no meaning.
        if self.has_image || self.seen.contains(b"acTL") {
            return Ok(());
        }
        let frames = number(chunk.data, 0)?;
        limits.check_frames(u64::from(frames), 0)?;
        self.announced_frames = frames;
        if frames == 0 {
            return Err(damaged());
        }
        self.keep_once(chunk)
    }

    fn frame(&mut self, chunk: &Chunk<'_>, limits: &MediaLimits) -> Result<(), MediaFault> {
        let header = self.header.ok_or_else(damaged)?;
        // Without acTL it is no animation, and a decoder passes over its frames.
        if self.announced_frames == 0 {
            return Ok(());
        }
        let [width, height, x, y] = [4, 8, 12, 16].map(|at| number(chunk.data, at).unwrap_or_default());
        let reaches =
            |start: u32, size: u32, most: u32| size > 0 && start.checked_add(size).is_some_and(|end| end <= most);
        if !reaches(x, width, header.width) || !reaches(y, height, header.height) {
            return Err(damaged());
        }
        self.sequence(chunk)?;
        self.frames += 1;
        self.frame_pixels += u64::from(width) * u64::from(height);
        limits.check_frames(u64::from(self.frames), self.frame_pixels)?;
        // A frame before the image's own pixels is made of those.
        if self.has_image {
            self.pixels = Some(Pixels::of(&header, width, height));
        }
        self.put(b"fcTL", chunk.data);
        Ok(())
    }

    fn frame_data(&mut self, chunk: &Chunk<'_>) -> Result<(), MediaFault> {
        if self.announced_frames == 0 {
            return Ok(());
        }
        if !self.is_image_over {
            return Err(damaged());
        }
        self.sequence(chunk)?;
        let (sequence, data) = chunk.data.split_at_checked(4).ok_or_else(damaged)?;
        let used = self.pixels.as_mut().ok_or_else(damaged)?.feed(data)?;
        self.put_pixels(b"fdAT", sequence, used);
        Ok(())
    }

    /// Frames and their data are numbered in one row.
    fn sequence(&mut self, chunk: &Chunk<'_>) -> Result<(), MediaFault> {
        if number(chunk.data, 0)? != self.next_sequence {
            return Err(damaged());
        }
        self.next_sequence += 1;
        Ok(())
    }

    /// The profile in its cleaned form, under a name that says nothing.
    fn colour_profile(&mut self, chunk: &Chunk<'_>) -> Result<(), MediaFault> {
        if self.has_image || self.profile.is_some() {
            return Ok(());
        }
        let name_end = chunk.data.iter().take(80).position(|byte| *byte == 0);
        let packed = name_end.and_then(|end| chunk.data.get(end + 2..)).unwrap_or_default();
        let mut profile = Vec::new();
        // A profile that does not unpack, or into too much, is left out, as decoders do.
        let most = icc::MOST_BYTES as u64 + 1;
        let is_whole = ZlibDecoder::new(packed).take(most).read_to_end(&mut profile).is_ok();
        let channels = self.header.ok_or_else(damaged)?.channels;
        let Some(profile) = icc::cleaned(&profile, channels).filter(|_| is_whole) else {
            return Ok(());
        };
        let mut packed = ZlibEncoder::new(b"ICC\0\0".to_vec(), Compression::default());
        packed.write_all(&profile)?;
        let packed = packed.finish()?;
        self.put(b"iCCP", &packed);
        self.profile = Some(profile);
        Ok(())
    }

    fn end_of_pixels(&mut self) -> Result<(), MediaFault> {
        self.is_image_over = self.has_image;
        match self.pixels.take() {
            Some(pixels) if !pixels.is_whole() => Err(MediaFault::broken(
                "The PNG image has fewer pixels than it says: it was cut short, or is damaged.",
            )),
            _ => Ok(()),
        }
    }

    fn keep_once(&mut self, chunk: &Chunk<'_>) -> Result<(), MediaFault> {
        if !self.seen.contains(&chunk.kind) {
            self.seen.push(chunk.kind);
            self.put(&chunk.kind, chunk.data);
        }
        Ok(())
    }

    fn put_pixels(&mut self, kind: &[u8; 4], before: &[u8], used: &[u8]) {
        if before.is_empty() {
            self.put(kind, used);
        } else {
            let data: Vec<u8> = before.iter().chain(used).copied().collect();
            self.put(kind, &data);
        }
    }

    fn put(&mut self, kind: &[u8; 4], data: &[u8]) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.out.extend(length.to_be_bytes());
        self.out.extend_from_slice(kind);
        self.out.extend_from_slice(data);
        self.out.extend(checksum(kind, data).to_be_bytes());
    }
}

/// Compressed pixels, unpacked to be counted and then thrown away: neither too few nor too many may come.
struct Pixels {
    unpacker: Decompress,
    wanted: u64,
    is_ended: bool,
}

impl Pixels {
    fn of(header: &Header, width: u32, height: u32) -> Self {
        let (width, height) = (u64::from(width), u64::from(height));
        let rows = |width: u64, height: u64| match width {
            0 => 0,
            _ => height * (1 + (width * header.bits).div_ceil(8)),
        };
        // Start and step of each pass, across and down (PNG, 8.1).
        const PASSES: [[u64; 4]; 7] = [
            [0, 8, 0, 8],
            [4, 8, 0, 8],
            [0, 4, 4, 8],
            [2, 4, 0, 4],
            [0, 2, 2, 4],
            [1, 2, 0, 2],
            [0, 1, 1, 2],
        ];
        let count = |size: u64, start: u64, step: u64| size.saturating_sub(start).div_ceil(step);
        let pass = |[x, by_x, y, by_y]: [u64; 4]| rows(count(width, x, by_x), count(height, y, by_y));
        Pixels {
            unpacker: Decompress::new(true),
            wanted: if header.is_interlaced {
                PASSES.into_iter().map(pass).sum()
            } else {
                rows(width, height)
            },
            is_ended: false,
        }
    }

    /// How much of `data` belongs to the pixels; what follows their end does not.
    fn feed<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], MediaFault> {
        let mut used = 0;
        let mut thrown_away = vec![0; 32 * 1024];
        while let Some(rest) = data.get(used..).filter(|rest| !rest.is_empty() && !self.is_ended) {
            let (taken, made) = (self.unpacker.total_in(), self.unpacker.total_out());
            let status = self.unpacker.decompress(rest, &mut thrown_away, FlushDecompress::None);
            let status = status.map_err(|_| damaged())?;
            let taken = self.unpacker.total_in() - taken;
            used += usize::try_from(taken).map_err(|_| damaged())?;
            self.is_ended = status == Status::StreamEnd;
            if self.unpacker.total_out() > self.wanted {
                return Err(damaged());
            }
            if taken == 0 && self.unpacker.total_out() == made && !self.is_ended {
                return Err(damaged());
            }
        }
        Ok(data.get(..used).unwrap_or(data))
    }

    fn is_whole(&self) -> bool {
        self.is_ended && self.unpacker.total_out() == self.wanted
    }
}

fn next_chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), MediaFault> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let (kind, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut_short())?;
    let (data, rest) = rest.split_at_checked(length).ok_or_else(cut_short)?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
    if !kind.iter().all(u8::is_ascii_alphabetic) || checksum(kind, data) != u32::from_be_bytes(*sum) {
        return Err(damaged());
    }
    Ok((Chunk { kind: *kind, data }, rest))
}

pub(super) fn checksum(kind: &[u8; 4], data: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(data);
    sum.sum()
}

fn number(data: &[u8], at: usize) -> Result<u32, MediaFault> {
    let bytes = data.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or_else(damaged)?;
    Ok(u32::from_be_bytes(*bytes))
}

fn damaged() -> MediaFault {
    MediaFault::broken("The PNG image is damaged.")
}

fn cut_short() -> MediaFault {
    MediaFault::broken("The PNG image has no end: it was cut short, or is damaged.")
}
