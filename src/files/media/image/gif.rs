//! GIF (GIF89a Specification): its blocks, without those that draw nothing.
//!
//! Screen, palettes, frames, their timing and the number of repeats stay. Comments, texts, other applications' blocks and what
//! stands behind a frame's pixels or the end go.

use weezl::{BitOrder, LzwStatus, decode::Decoder};

use super::Stripped;
use crate::files::media::{MediaFault, MediaLimits};

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], MediaFault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], MediaFault> {
        self.take(N)?.first_chunk().ok_or_else(cut_short)
    }

    fn byte(&mut self) -> Result<u8, MediaFault> {
        self.array().map(|[byte]| *byte)
    }

    /// The next of a row of blocks; `None` at its end.
    fn block(&mut self) -> Result<Option<&'a [u8]>, MediaFault> {
        match self.byte()? {
            0 => Ok(None),
            length => self.take(usize::from(length)).map(Some),
        }
    }

    fn skip_blocks(&mut self) -> Result<(), MediaFault> {
        while self.block()?.is_some() {}
        Ok(())
    }
}

pub(super) fn strip(bytes: &[u8], limits: &MediaLimits) -> Result<Stripped, MediaFault> {
    let mut reader = Reader { rest: bytes };
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(reader.take(6)?);
    let screen = reader.array::<7>()?;
    let [w1, w2, h1, h2, flags, _, _] = screen;
    let width = u32::from(u16::from_le_bytes([*w1, *w2]));
    let height = u32::from(u16::from_le_bytes([*h1, *h2]));
    limits.check_size(width, height)?;
    out.extend_from_slice(screen);
    out.extend_from_slice(reader.take(palette_bytes(*flags))?);

    let (mut frames, mut pixels) = (0, 0);
    // It goes before the frame that it is about, and with whatever else it was about.
    let mut control: Option<[u8; 4]> = None;
    loop {
        match reader.byte()? {
            0x2c => {
                let start = reader.array::<9>()?;
                let size = frame_size(start, width, height)?;
                frames += 1;
                pixels += size;
                limits.check_frames(frames, pixels)?;
                if let Some(control) = control.take() {
                    out.extend([0x21, 0xf9, 4]);
                    out.extend(control);
                    out.push(0);
                }
                out.push(0x2c);
                out.extend_from_slice(start);
                let [.., flags] = start;
                out.extend_from_slice(reader.take(palette_bytes(*flags))?);
                copy_pixels(&mut reader, &mut out, size)?;
            }
            0x21 => match reader.byte()? {
                0xf9 => {
                    let block = reader.block()?.and_then(<[u8]>::first_chunk::<4>);
                    control = Some(*block.ok_or_else(damaged)?);
                    reader.skip_blocks()?;
                }
                0xff => {
                    let application = reader.block()?;
                    let is_loop = matches!(application, Some(b"NETSCAPE2.0" | b"ANIMEXTS1.0"));
                    let repeats = match reader.block()? {
                        Some([1, low, high]) if is_loop => Some([*low, *high]),
                        None => continue,
                        Some(_) => None,
                    };
                    reader.skip_blocks()?;
                    if let Some(repeats) = repeats.filter(|_| frames == 0) {
                        out.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
                        out.extend(repeats);
                        out.push(0);
                    }
                }
                0x01 => {
                    control = None;
                    reader.skip_blocks()?;
                }
                _ => reader.skip_blocks()?,
            },
            0x3b => break,
            _ => return Err(damaged()),
        }
    }
    if frames == 0 {
        return Err(damaged());
    }
    out.push(0x3b);
    Ok(Stripped {
        bytes: out,
        width,
        height,
        orientation: None,
        profile: None,
        frames: u32::try_from(frames).unwrap_or(u32::MAX),
    })
}

fn palette_bytes(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    }
}

/// In pixels; a frame stays inside of the screen, whose size was judged.
fn frame_size(start: &[u8; 9], width: u32, height: u32) -> Result<u64, MediaFault> {
    let [x1, x2, y1, y2, w1, w2, h1, h2, _] = *start;
    let [x, y, w, h] = [[x1, x2], [y1, y2], [w1, w2], [h1, h2]].map(|pair| u32::from(u16::from_le_bytes(pair)));
    if w == 0 || h == 0 || x + w > width || y + h > height {
        return Err(damaged());
    }
    Ok(u64::from(w) * u64::from(h))
}

/// Copies a frame's compressed pixels. They are unpacked to be counted: neither too few nor too many may come, and the
/// blocks behind their end are not copied.
fn copy_pixels(reader: &mut Reader<'_>, out: &mut Vec<u8>, wanted: u64) -> Result<(), MediaFault> {
    let code_bits = reader.byte()?;
    if !(1..=11).contains(&code_bits) {
        return Err(damaged());
    }
    out.push(code_bits);
    let mut decoder = Decoder::new(BitOrder::Lsb, code_bits);
    let mut thrown_away = vec![0; 16 * 1024];
    let (mut made, mut is_ended) = (0, false);
    while let Some(block) = reader.block()? {
        let mut used = 0;
        while let Some(rest) = block.get(used..).filter(|_| !is_ended) {
            let result = decoder.decode_bytes(rest, &mut thrown_away);
            used += result.consumed_in;
            made += result.consumed_out as u64;
            match result.status {
                Ok(LzwStatus::Done) => is_ended = true,
                Ok(LzwStatus::Ok) if result.consumed_in > 0 || result.consumed_out > 0 => {}
                Ok(_) => break,
                Err(_) => return Err(damaged()),
            }
            if made > wanted {
                return Err(damaged());
            }
        }
        if let Some(kept) = block.get(..used).filter(|kept| !kept.is_empty()) {
            out.push(u8::try_from(kept.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(kept);
        }
    }
    out.push(0);
    if made != wanted {
        return Err(MediaFault::broken(
            "The GIF image has fewer pixels than it says: it was cut short, or is damaged.",
        ));
    }
    Ok(())
}

fn damaged() -> MediaFault {
    MediaFault::broken("The GIF image is damaged.")
}

fn cut_short() -> MediaFault {
    MediaFault::broken("The GIF image has no end: it was cut short, or is damaged.")
}
