//! Boxes (ISO/IEC 14496-12, 4.2): finding them, and taking them out without moving anything.

use super::damaged;
use crate::files::media::{
    Cleaned, MediaFault, Overwrite,
    source::{Source, cut_short},
};

/// Boxes of one file that are looked at. An hour in fragments of a second has 25,000.
const MOST_BOXES: u32 = 200_000;
/// Places of one file that are overwritten: what holds them stays below 4 MiB.
const MOST_CHANGES: usize = 50_000;

#[derive(Debug, Clone)]
pub(super) struct BoxHead {
    pub kind: [u8; 4],
    /// Where it begins, where its content does, and where it ends, in bytes from the file's start.
    pub at: u64,
    pub body: u64,
    pub end: u64,
}

impl BoxHead {
    /// In bytes.
    pub fn body_size(&self) -> u64 {
        self.end - self.body
    }
}

/// What is found on the way: how many boxes, and what is to change.
#[derive(Default)]
pub(super) struct Changes {
    boxes: u32,
    places: Vec<Overwrite>,
}

impl Changes {
    /// Makes the box one of zeros that every reader passes over.
    pub fn free(&mut self, head: &BoxHead) -> Result<(), MediaFault> {
        let is_empty = head.body == head.end;
        if is_empty && matches!(&head.kind, b"free" | b"skip" | b"wide") {
            return Ok(());
        }
        let mut bytes = b"free".to_vec();
        // A size of 64 bits stands between the name and the content.
        if head.body - head.at == 16 {
            bytes.extend((head.end - head.at).to_be_bytes());
        }
        self.push(Overwrite {
            at: head.at + 4,
            head: bytes,
            zeros: head.body_size(),
        })
    }

    pub fn zero(&mut self, at: u64, count: u64) -> Result<(), MediaFault> {
        // Chunks that follow each other are one place.
        if let Some(last) = self.places.last_mut()
            && last.at + last.head.len() as u64 + last.zeros == at
        {
            last.zeros += count;
            return Ok(());
        }
        if count == 0 {
            return Ok(());
        }
        self.push(Overwrite {
            at,
            head: Vec::new(),
            zeros: count,
        })
    }

    /// Makes zeros of these bytes, unless they are: what is clean already is not written again.
    pub fn blank(&mut self, source: &mut Source<'_>, at: u64, count: u64) -> Result<(), MediaFault> {
        let mut piece = [0; 512];
        let mut looked_at = 0;
        while looked_at < count {
            let size = (count - looked_at).min(piece.len() as u64);
            let piece = piece.get_mut(..size as usize).unwrap_or_default();
            source.read(at + looked_at, piece)?;
            if piece.iter().any(|byte| *byte != 0) {
                return self.zero(at, count);
            }
            looked_at += size;
        }
        Ok(())
    }

    fn push(&mut self, place: Overwrite) -> Result<(), MediaFault> {
        if self.places.len() == MOST_CHANGES {
            return Err(too_scattered());
        }
        self.places.push(place);
        Ok(())
    }

    /// How many places there are, to come back to.
    pub fn mark(&self) -> usize {
        self.places.len()
    }

    /// Forgets what came after the mark: a box around all of it is taken out.
    pub fn back_to(&mut self, mark: usize) {
        self.places.truncate(mark);
    }

    pub fn into_cleaned(self) -> Option<Cleaned> {
        (!self.places.is_empty()).then_some(Cleaned::Overwritten(self.places))
    }
}

/// The boxes between two places, one after the other. It holds no borrow of the file, so that each can be read when it is
/// found.
pub(super) struct Row {
    at: u64,
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

    pub fn between(at: u64, end: u64) -> Self {
        Row {
            at,
            end,
            is_file: false,
        }
    }

    pub fn inside(parent: &BoxHead) -> Self {
        Row::between(parent.body, parent.end)
    }

    pub fn next(&mut self, source: &mut Source<'_>, changes: &mut Changes) -> Result<Option<BoxHead>, MediaFault> {
        if self.at >= self.end {
            return Ok(None);
        }
        if self.end - self.at < 8 {
            // QuickTime ends some rows with a zero; too little for a box, in any case.
            changes.zero(self.at, self.end - self.at)?;
            self.at = self.end;
            return Ok(None);
        }
        changes.boxes += 1;
        if changes.boxes > MOST_BOXES {
            return Err(too_scattered());
        }
        let [s1, s2, s3, s4, k1, k2, k3, k4] = source.array::<8>(self.at)?;
        let (body, size) = match u32::from_be_bytes([s1, s2, s3, s4]) {
            0 if self.is_file => (self.at + 8, self.end - self.at),
            1 => (self.at + 16, u64::from_be_bytes(source.array(self.at + 8)?)),
            size => (self.at + 8, u64::from(size)),
        };
        let end = self
            .at
            .checked_add(size)
            .filter(|end| *end >= body)
            .ok_or_else(damaged)?;
        if end > self.end {
            return Err(if self.is_file { cut_short() } else { damaged() });
        }
        let head = BoxHead {
            kind: [k1, k2, k3, k4],
            at: self.at,
            body,
            end,
        };
        self.at = end;
        Ok(Some(head))
    }
}

fn too_scattered() -> MediaFault {
    MediaFault::unsupported("The video consists of more pieces than any camera or program writes.")
}
