//! The bytes of an upload, read where they are needed: a video is judged without being held in memory.

use std::{fs::File, io};

use super::MediaFault;

/// Small reads are served from a piece of this size: a walk over boxes and blocks asks for a dozen bytes at a time.
const WINDOW_BYTES: usize = 64 * 1024;

/// Reads at a position.
pub(super) trait ReadAt {
    /// As `pread`: may read less than asked for; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, at)
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        Ok(count)
    }
}

/// An upload of a known length.
pub(super) struct Source<'a> {
    from: &'a dyn ReadAt,
    length: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Source<'a> {
    pub fn new(from: &'a dyn ReadAt, length: u64) -> Self {
        Source {
            from,
            length,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from `at` on, exactly `N`; `Broken` when the file ends before.
    pub fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], MediaFault> {
        let mut bytes = [0; N];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes from `at` on; the caller has bounded `count`. `Broken` when the file ends before.
    pub fn bytes(&mut self, at: u64, count: usize) -> Result<Vec<u8>, MediaFault> {
        if at.checked_add(count as u64).is_none_or(|end| end > self.length) {
            return Err(cut_short());
        }
        let mut bytes = vec![0; count];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` from `at` on; `Broken` when the file ends before.
    pub fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), MediaFault> {
        let wanted = buffer.len() as u64;
        if at.checked_add(wanted).is_none_or(|end| end > self.length) {
            return Err(cut_short());
        }
        if buffer.len() > WINDOW_BYTES {
            return self.fill(at, buffer);
        }
        if at < self.window_at || at + wanted > self.window_at + self.window.len() as u64 {
            let size = (self.length - at).min(WINDOW_BYTES as u64);
            let mut window = std::mem::take(&mut self.window);
            window.resize(usize::try_from(size).unwrap_or(WINDOW_BYTES), 0);
            self.fill(at, &mut window)?;
            self.window = window;
            self.window_at = at;
        }
        let start = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        let from = self.window.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or_else(cut_short)?);
        Ok(())
    }

    fn fill(&self, at: u64, buffer: &mut [u8]) -> Result<(), MediaFault> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.from.read_at(rest, at + done as u64) {
                // Somebody cuts the file while it is read.
                Ok(0) => return Err(cut_short()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(MediaFault::Unreadable(error)),
            }
        }
        Ok(())
    }
}

pub(super) fn cut_short() -> MediaFault {
    MediaFault::broken("The file ends before its content does: it was cut short, or is damaged.")
}
