//! Elements of EBML (RFC 8794): finding them, and taking them out without moving anything.

use super::damaged;
use crate::files::media::{
    Cleaned, MediaFault, Overwrite,
    source::{Source, cut_short},
};

/// Elements of one file that are looked at. Four hours of picture and sound have 1.2 million blocks.
const MOST_ELEMENTS: u32 = 2_000_000;
/// Places of one file that are overwritten: what holds them stays below 4 MiB.
const MOST_CHANGES: usize = 50_000;

/// The element that every reader passes over, and its content (11.3.2).
pub(super) const VOID: u32 = 0xec;
/// A checksum of what its parent holds (11.3.1), which no longer fits what was changed.
pub(super) const CRC_32: u32 = 0xbf;

#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    pub id: u32,
    /// Where it begins, where its content does, and where it ends, in bytes from the file's start.
    pub at: u64,
    pub body: u64,
    pub end: u64,
    /// It says no size: it ends where its parent does, or something else begins.
    pub is_open: bool,
}

impl Element {
    /// In bytes.
    pub fn body_size(&self) -> u64 {
        self.end - self.body
    }
}

#[derive(Default)]
pub(super) struct Changes {
    elements: u32,
    places: Vec<Overwrite>,
}

impl Changes {
    /// Makes the element one of zeros that every reader passes over. An element without a size cannot be taken out.
    pub fn void(&mut self, element: &Element) -> Result<(), MediaFault> {
        let total = element.end - element.at;
        if element.is_open {
            return Err(damaged());
        }
        if self.places.len() == MOST_CHANGES {
            return Err(too_scattered());
        }
        // The identifier, and a size of one byte or of eight.
        let head = match total {
            0..2 => return Err(damaged()),
            2..9 => vec![0xec, 0x80 | u8::try_from(total - 2).unwrap_or_default()],
            _ => std::iter::once(0xec)
                .chain(((1 << 56) | (total - 9)).to_be_bytes())
                .collect(),
        };
        self.places.push(Overwrite {
            at: element.at,
            zeros: total - head.len() as u64,
            head,
        });
        Ok(())
    }

    pub fn into_cleaned(self) -> Option<Cleaned> {
        (!self.places.is_empty()).then_some(Cleaned::Overwritten(self.places))
    }
}

/// The elements between two places, one after the other.
pub(super) struct Row {
    pub at: u64,
    end: u64,
    is_file: bool,
}

impl Row {
    pub fn of_file(source: &Source<'_>) -> Self {
        Row {
            at: 0,
            end: source.length(),
            is_file: true,
        }
    }

    pub fn inside(parent: &Element) -> Self {
        Row {
            at: parent.body,
            end: parent.end,
            is_file: false,
        }
    }

    pub fn next(&mut self, source: &mut Source<'_>, changes: &mut Changes) -> Result<Option<Element>, MediaFault> {
        if self.at >= self.end {
            return Ok(None);
        }
        changes.elements += 1;
        if changes.elements > MOST_ELEMENTS {
            return Err(too_scattered());
        }
        let at = self.at;
        let (id, behind_id) = read_id(source, at)?;
        let (size, body) = read_size(source, behind_id)?;
        let end = match size {
            Some(size) => body.checked_add(size).ok_or_else(damaged)?,
            None => self.end,
        };
        // Without a size it ends where its parent does, which may be before its own head has ended.
        if end.max(body) > self.end {
            return Err(if self.end == source.length() || self.is_file {
                cut_short()
            } else {
                damaged()
            });
        }
        self.at = end;
        Ok(Some(Element {
            id,
            at,
            body,
            end,
            is_open: size.is_none(),
        }))
    }
}

/// An identifier with its length marker, up to 4 bytes (5).
fn read_id(source: &mut Source<'_>, at: u64) -> Result<(u32, u64), MediaFault> {
    let [first] = source.array::<1>(at)?;
    let length = first.leading_zeros() + 1;
    if length > 4 {
        return Err(damaged());
    }
    let mut id = 0;
    for index in 0..u64::from(length) {
        let [byte] = source.array::<1>(at + index)?;
        id = (id << 8) | u32::from(byte);
    }
    Ok((id, at + u64::from(length)))
}

/// A size without its length marker, up to 8 bytes (6.2), or `None` where all its bits are 1; and where it ends.
fn read_size(source: &mut Source<'_>, at: u64) -> Result<(Option<u64>, u64), MediaFault> {
    let (value, end, is_all_ones) = read_number(source, at)?;
    Ok(((!is_all_ones).then_some(value), end))
}

/// A number of variable length (4): its value, where it ends, and whether all its bits are 1.
pub(super) fn read_number(source: &mut Source<'_>, at: u64) -> Result<(u64, u64, bool), MediaFault> {
    let [first] = source.array::<1>(at)?;
    let length = first.leading_zeros() + 1;
    if length > 8 {
        return Err(damaged());
    }
    let mut value = u64::from(first) & ((1 << (8 - length)) - 1);
    for index in 1..u64::from(length) {
        let [byte] = source.array::<1>(at + index)?;
        value = (value << 8) | u64::from(byte);
    }
    let is_all_ones = value == (1 << (7 * length)) - 1;
    Ok((value, at + u64::from(length), is_all_ones))
}

/// An unsigned integer (7.2).
pub(super) fn unsigned(source: &mut Source<'_>, element: &Element) -> Result<u64, MediaFault> {
    let size = usize::try_from(element.body_size()).unwrap_or(usize::MAX);
    if element.is_open || size > 8 {
        return Err(damaged());
    }
    let bytes = source.bytes(element.body, size)?;
    Ok(bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

/// A number with a fraction (7.3).
pub(super) fn float(source: &mut Source<'_>, element: &Element) -> Result<f64, MediaFault> {
    match element.body_size() {
        4 => Ok(f64::from(f32::from_be_bytes(source.array(element.body)?))),
        8 => Ok(f64::from_be_bytes(source.array(element.body)?)),
        0 => Ok(0.0),
        _ => Err(damaged()),
    }
}

/// A short text (7.4), without the zeros that may end it.
pub(super) fn text(source: &mut Source<'_>, element: &Element) -> Result<Vec<u8>, MediaFault> {
    let size = usize::try_from(element.body_size()).unwrap_or(usize::MAX);
    if element.is_open || size > 64 {
        return Err(damaged());
    }
    let mut bytes = source.bytes(element.body, size)?;
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(size));
    Ok(bytes)
}

fn too_scattered() -> MediaFault {
    MediaFault::unsupported("The video consists of more pieces than any browser or program writes.")
}
