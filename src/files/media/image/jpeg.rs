//! JPEG (ITU-T T.81, T.871, T.872): its segments, without those that no decoder needs.
//!
//! What stays is what a picture is decoded from: tables, frame, scans, the two application segments that say how colours
//! are meant (JFIF and Adobe, in their shortest form), and a cleaned colour profile. EXIF, XMP, IPTC, comments, previews
//! and whatever follows the end go. The compressed data itself is copied as it is.

use super::{Stripped, icc, orientation_of};
use crate::files::media::{MediaFault, MediaLimits};

/// Scans of one picture. Encoders write up to a dozen; each costs a pass over all pixels.
const MOST_SCANS: u32 = 64;

const JFIF: &[u8] = b"JFIF\0";
const EXIF: &[u8] = b"Exif\0";
const PROFILE: &[u8] = b"ICC_PROFILE\0";
const ADOBE: &[u8] = b"Adobe";

#[derive(Default)]
struct Walk<'a> {
    frame: Option<(u32, u32, u8)>,
    scans: u32,
    orientation: Option<u8>,
    density: Option<&'a [u8]>,
    adobe: Option<&'a [u8]>,
    /// Pieces of the colour profile by their number.
    profile: Vec<(u8, &'a [u8])>,
    /// Segments that stay, in their order.
    kept: Vec<u8>,
}

pub(super) fn strip(bytes: &[u8], limits: &MediaLimits) -> Result<Stripped, MediaFault> {
    let mut walk = Walk {
        kept: Vec::with_capacity(bytes.len()),
        ..Walk::default()
    };
    // Behind the marker that begins the image, by which it was known as a JPEG.
    let mut at = 2;
    loop {
        let (marker, behind) = next_marker(bytes, at)?;
        at = behind;
        match marker {
            // The end. What follows, be it another picture or an archive, is not this image.
            0xd9 => break,
            // Restarts outside of a scan, and a marker without meaning.
            0x01 | 0xd0..=0xd7 => continue,
            0x00 | 0xd8 => return Err(damaged()),
            _ => {}
        }
        let length = match bytes.get(at..) {
            Some([high, low, ..]) => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return Err(cut_short()),
        };
        let body = bytes.get(at + 2..at + length).ok_or_else(cut_short)?;
        at += length;
        walk.take(marker, body, limits)?;
        if marker == 0xda {
            let end = scan_end(bytes, at)?;
            walk.kept.extend_from_slice(bytes.get(at..end).ok_or_else(cut_short)?);
            at = end;
        }
    }
    walk.finish()
}

impl<'a> Walk<'a> {
    fn take(&mut self, marker: u8, body: &'a [u8], limits: &MediaLimits) -> Result<(), MediaFault> {
        match marker {
            0xc0..=0xc2 => self.frame(marker, body, limits),
            0xc4 if is_huffman_tables(body) => self.keep(marker, body),
            0xdb if is_quantization_tables(body) => self.keep(marker, body),
            0xdd if body.len() == 2 => self.keep(marker, body),
            0xda => self.scan(body),
            0xc4 | 0xdb | 0xdd => Err(damaged()),
            // Lossless, hierarchical and arithmetic frames; a height that comes later.
            0xc3 | 0xc5..=0xcf | 0xdc | 0xde | 0xdf => Err(MediaFault::unsupported(
                "The image is of a kind of JPEG that browsers do not show.",
            )),
            0xe0 if body.starts_with(JFIF) => {
                self.density = self.density.or(body.get(5..12));
                Ok(())
            }
            0xe1 if body.starts_with(EXIF) => {
                self.orientation = self.orientation.or_else(|| orientation_of(body.get(6..)?));
                Ok(())
            }
            0xe2 if body.starts_with(PROFILE) => {
                if let Some([number, _, piece @ ..]) = body.get(PROFILE.len()..)
                    && self.profile.len() < 255
                {
                    self.profile.push((*number, piece));
                }
                Ok(())
            }
            0xee if body.starts_with(ADOBE) => {
                self.adobe = self.adobe.or(body.get(..12));
                Ok(())
            }
            // Other applications, comments, and what no standard defines.
            _ => Ok(()),
        }
    }

    fn keep(&mut self, marker: u8, body: &[u8]) -> Result<(), MediaFault> {
        put(&mut self.kept, marker, body);
        Ok(())
    }

    /// T.81, B.2.2.
    fn frame(&mut self, marker: u8, body: &[u8], limits: &MediaLimits) -> Result<(), MediaFault> {
        let [8, y1, y2, x1, x2, components, rest @ ..] = body else {
            return Err(damaged());
        };
        let (height, width) = (u16::from_be_bytes([*y1, *y2]), u16::from_be_bytes([*x1, *x2]));
        if self.frame.is_some() || !matches!(components, 1 | 3 | 4) || rest.len() != 3 * usize::from(*components) {
            return Err(damaged());
        }
        let (width, height) = (u32::from(width), u32::from(height));
        limits.check_size(width, height)?;
        // In passes it is decoded by way of all its coefficients, which take twice what its pixels do.
        let is_in_passes = marker == 0xc2;
        let most = limits.pixels / 2;
        if is_in_passes && u64::from(width) * u64::from(height) > most {
            return Err(MediaFault::too_large(format!(
                "The image is {width} by {height} pixels; a progressive JPEG may have {most} in all."
            )));
        }
        self.frame = Some((width, height, *components));
        self.keep(marker, body)
    }

    /// T.81, B.2.3.
    fn scan(&mut self, body: &[u8]) -> Result<(), MediaFault> {
        let components = body.first().copied().unwrap_or_default();
        if self.frame.is_none() || !(1..=4).contains(&components) || body.len() != 4 + 2 * usize::from(components) {
            return Err(damaged());
        }
        self.scans += 1;
        if self.scans > MOST_SCANS {
            return Err(MediaFault::unsupported(format!(
                "The image has more than {MOST_SCANS} passes, as no camera and no program writes it."
            )));
        }
        self.keep(0xda, body)
    }

    fn finish(mut self) -> Result<Stripped, MediaFault> {
        let Some((width, height, channels)) = self.frame.filter(|_| self.scans > 0) else {
            return Err(damaged());
        };
        let mut out = Vec::with_capacity(self.kept.len() + 64);
        out.extend([0xff, 0xd8]);
        if let Some(density) = self.density {
            // Without the small picture that may stand here.
            let body: Vec<u8> = JFIF.iter().chain(density).copied().chain([0, 0]).collect();
            put(&mut out, 0xe0, &body);
        }
        self.profile.sort_by_key(|(number, _)| *number);
        let whole: Vec<u8> = self.profile.iter().flat_map(|(_, piece)| *piece).copied().collect();
        let profile = icc::cleaned(&whole, channels);
        put_profile(&mut out, profile.as_deref().unwrap_or_default());
        if let Some(adobe) = self.adobe {
            put(&mut out, 0xee, adobe);
        }
        out.append(&mut self.kept);
        out.extend([0xff, 0xd9]);
        Ok(Stripped {
            bytes: out,
            width,
            height,
            orientation: self.orientation,
            profile,
            frames: 1,
        })
    }
}

/// The colour profile in as many segments as it takes (ICC.1, B.4).
fn put_profile(out: &mut Vec<u8>, profile: &[u8]) {
    let pieces = profile.chunks(65_000);
    let count = u8::try_from(pieces.len()).unwrap_or(u8::MAX);
    for (number, piece) in (1..=count).zip(pieces) {
        let body: Vec<u8> = PROFILE.iter().chain(&[number, count]).chain(piece).copied().collect();
        put(out, 0xe2, &body);
    }
}

fn put(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    // A body came from a segment, or is shorter than one.
    let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(body);
}

/// The marker at `at` and where it ends; any number of fill bytes may stand before it (T.81, B.1.1.2).
fn next_marker(bytes: &[u8], at: usize) -> Result<(u8, usize), MediaFault> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.first().is_some_and(|byte| *byte != 0xff) {
        return Err(damaged());
    }
    let fill = rest.iter().position(|byte| *byte != 0xff).ok_or_else(cut_short)?;
    let marker = rest.get(fill).copied().ok_or_else(cut_short)?;
    Ok((marker, at + fill + 1))
}

/// Where the compressed data from `at` on ends: at the next marker that is no restart.
fn scan_end(bytes: &[u8], mut at: usize) -> Result<usize, MediaFault> {
    loop {
        let rest = bytes.get(at..).ok_or_else(cut_short)?;
        at += rest.iter().position(|byte| *byte == 0xff).ok_or_else(cut_short)?;
        match bytes.get(at + 1) {
            None => return Err(cut_short()),
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(_) => return Ok(at),
        }
    }
}

/// T.81, B.2.4.2: 17 bytes and as many values as their numbers add up to, any number of times.
fn is_huffman_tables(mut body: &[u8]) -> bool {
    while let Some((head, rest)) = body.split_first_chunk::<17>() {
        let values = head.iter().skip(1).map(|count| usize::from(*count)).sum::<usize>();
        match rest.get(values..) {
            Some(next) if values <= 256 => body = next,
            _ => return false,
        }
    }
    body.is_empty()
}

/// T.81, B.2.4.1: tables of 64 numbers of one or two bytes.
fn is_quantization_tables(mut body: &[u8]) -> bool {
    while let Some((head, rest)) = body.split_first() {
        let size = if head >> 4 == 0 { 64 } else { 128 };
        match rest.get(size..) {
            Some(next) => body = next,
            None => return false,
        }
    }
    true
}

fn damaged() -> MediaFault {
    MediaFault::broken("The JPEG image is damaged.")
}

fn cut_short() -> MediaFault {
    MediaFault::broken("The JPEG image has no end: it was cut short, or is damaged.")
}
