//! What is changed of an upload before anybody sees it.

use std::{
    fs::OpenOptions,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

/// How a file is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaned {
    /// These bytes take the place of all of the file's.
    Rewritten(Vec<u8>),
    /// In these places, none of which reaches into another, and nowhere else: the length stays.
    Overwritten(Vec<Overwrite>),
}

/// A place of a file: first `head`, then `zeros` bytes of 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overwrite {
    /// In bytes from the file's start.
    pub at: u64,
    pub head: Vec<u8>,
    pub zeros: u64,
}

impl Cleaned {
    /// Changes the file at `path`, which must be the caller's own: who reads it meanwhile sees half of it. It is flushed
    /// when this returns. Blocks. Answers the new length in bytes.
    pub fn apply(&self, path: &Path) -> io::Result<u64> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        match self {
            Cleaned::Rewritten(bytes) => {
                file.set_len(0)?;
                file.write_all(bytes)?;
            }
            Cleaned::Overwritten(places) => write_over(&mut file, places)?,
        }
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }

    /// The same for bytes in memory.
    pub fn applied_to(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Cleaned::Rewritten(rewritten) => Ok(rewritten.clone()),
            Cleaned::Overwritten(places) => {
                let mut copy = io::Cursor::new(bytes.to_vec());
                write_over(&mut copy, places)?;
                Ok(copy.into_inner())
            }
        }
    }
}

fn write_over(to: &mut (impl Write + Seek), places: &[Overwrite]) -> io::Result<()> {
    for place in places {
        to.seek(SeekFrom::Start(place.at))?;
        to.write_all(&place.head)?;
        let mut zeros = io::Read::take(io::repeat(0), place.zeros);
        io::copy(&mut zeros, to)?;
    }
    Ok(())
}
