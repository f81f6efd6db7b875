//! Where uploads arrive: each a file of its own until it is judged and put, so that none is ever whole in memory.
//!
//! The spool lies in the node's data folder. A file in it is locked by the process that writes it; one that nobody has
//! locked was left by a process that ended, and is removed at the next start.

use std::{
    fs::{self, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::{
    FilesFault,
    folder::{blocking, must_have_room},
};

/// The free space of the disk is looked at again after so many bytes: all uploads at once may overlook as much each, which
/// stays below the reserve.
const ROOM_LOOKED_AT_BYTES: u64 = 256 * 1024;
/// What an upload's type is judged by while it arrives, in bytes.
const START_BYTES: usize = 4 * 1024;

/// The folder of uploads under way. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: Arc<Path>,
}

impl Spool {
    /// A spool in this folder, which is made where it is missing.
    pub fn new(folder: &Path) -> Self {
        Spool { folder: folder.into() }
    }

    /// Removes what ended processes have left.
    pub fn clear(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "upload") && is_left_over(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// A new, empty file.
    pub async fn begin(&self) -> Result<Incoming, FilesFault> {
        let folder = Arc::clone(&self.folder);
        let (file, path) = blocking(move || {
            fs::create_dir_all(&folder)?;
            must_have_room(&folder, ROOM_LOOKED_AT_BYTES)?;
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|error| FilesFault::Unavailable(error.to_string()))?;
            let path = folder.join(format!("{}.upload", URL_SAFE_NO_PAD.encode(random)));
            let file = fs::File::create_new(&path)?;
            if let Err(error) = file.lock() {
                let _ = fs::remove_file(&path);
                return Err(error.into());
            }
            Ok((file, path))
        })
        .await?;
        Ok(Incoming {
            file: tokio::fs::File::from_std(file),
            path: SpoolPath { path, stays: false },
            start: Vec::new(),
            written: 0,
            room_looked_at: 0,
        })
    }
}

/// Does nobody write this file any more?
fn is_left_over(path: &Path) -> bool {
    match fs::File::open(path).map(|file| file.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock)) => false,
        // A file system without locks: another process' upload would be lost, a left-over one only costs room.
        Ok(Err(TryLockError::Error(_))) | Err(_) => false,
    }
}

/// A file in the spool, which is removed with it, unless it is to stay.
#[derive(Debug)]
struct SpoolPath {
    path: PathBuf,
    stays: bool,
}

impl Drop for SpoolPath {
    fn drop(&mut self) {
        if !self.stays {
            // It may have been taken over by then.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// An upload as far as it has come. Dropped, it is gone, unless it was resumed.
#[derive(Debug)]
pub struct Incoming {
    file: tokio::fs::File,
    path: SpoolPath,
    start: Vec<u8>,
    written: u64,
    room_looked_at: u64,
}

impl Incoming {
    /// Goes on with a file that stays.
    pub(super) async fn resume(path: PathBuf) -> Result<Self, FilesFault> {
        let opened = path.clone();
        let (file, start, written) = blocking(move || {
            let file = fs::File::options().read(true).append(true).open(opened)?;
            let written = file.metadata()?.len();
            let mut start = Vec::new();
            (&file).take(START_BYTES as u64).read_to_end(&mut start)?;
            Ok((file, start, written))
        })
        .await?;
        Ok(Incoming {
            file: tokio::fs::File::from_std(file),
            path: SpoolPath { path, stays: true },
            start,
            written,
            // Room is looked for at once.
            room_looked_at: written.saturating_sub(ROOM_LOOKED_AT_BYTES),
        })
    }

    /// Flushes what has come, and answers how much there is in all.
    pub(super) async fn pause(mut self) -> Result<u64, FilesFault> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        Ok(self.written)
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The first bytes, as many as are kept for judging what it is.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// Would more bytes change [`start`](Self::start)?
    pub fn start_is_whole(&self) -> bool {
        self.start.len() == START_BYTES
    }

    /// Appends. The disk's reserve is kept free.
    pub async fn write(&mut self, bytes: &Bytes) -> Result<(), FilesFault> {
        if self.written - self.room_looked_at >= ROOM_LOOKED_AT_BYTES {
            self.room_looked_at = self.written;
            let folder = self.path.path.parent().unwrap_or(Path::new(".")).to_owned();
            blocking(move || must_have_room(&folder, ROOM_LOOKED_AT_BYTES)).await?;
        }
        let missing = START_BYTES - self.start.len();
        self.start.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        self.file.write_all(bytes).await?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Flushes all of it to the disk.
    pub async fn finish(mut self) -> Result<Spooled, FilesFault> {
        // tokio's file writes behind one's back: an error of the last piece shows here.
        self.file.flush().await?;
        self.file.sync_all().await?;
        Ok(Spooled {
            path: self.path,
            written: self.written,
            _locked: Some(self.file),
        })
    }
}

/// A whole upload, flushed. Dropped, it is gone, unless it was taken over.
#[derive(Debug)]
pub struct Spooled {
    path: SpoolPath,
    written: u64,
    _locked: Option<tokio::fs::File>,
}

impl Spooled {
    /// A whole, flushed file that stays unless it is taken over.
    pub(super) async fn at(path: PathBuf) -> Result<Self, FilesFault> {
        let looked_at = path.clone();
        let written = blocking(move || Ok(fs::metadata(looked_at)?.len())).await?;
        Ok(Spooled {
            path: SpoolPath { path, stays: true },
            written,
            _locked: None,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path.path
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn an_upload_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path());
        let mut upload = spool.begin().await.unwrap();
        upload.write(&Bytes::from(vec![7; 100_000])).await.unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(upload);
        assert!(names(folder.path()).is_empty());

        let mut upload = spool.begin().await.unwrap();
        upload.write(&Bytes::from_static(b"whole")).await.unwrap();
        let spooled = upload.finish().await.unwrap();
        assert_eq!(fs::read(spooled.path()).unwrap(), b"whole");
        assert_eq!(spooled.size(), 5);
        drop(spooled);
        assert!(names(folder.path()).is_empty());
    }

    #[tokio::test]
    async fn a_start_removes_what_a_killed_process_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("left.upload"), b"half").unwrap();
        fs::write(folder.path().join("note.txt"), b"not ours").unwrap();
        let spool = Spool::new(folder.path());
        spool.clear().unwrap();
        assert_eq!(names(folder.path()), ["note.txt"]);
        let under_way = spool.begin().await.unwrap();
        spool.clear().unwrap();
        assert_eq!(
            names(folder.path()).len(),
            2,
            "another process of this folder has it locked"
        );
        drop(under_way);
    }

    #[tokio::test]
    async fn the_start_is_kept_for_judging_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut upload = Spool::new(folder.path()).begin().await.unwrap();
        let all: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for piece in all.chunks(999) {
            upload.write(&Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert!(upload.start_is_whole());
        assert_eq!(upload.start(), &all[..START_BYTES]);
        assert_eq!(upload.written(), 10_000);
    }
}
