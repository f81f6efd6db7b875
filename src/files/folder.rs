//! Files in a folder of this machine, or of a network share.
//!
//! A file gets its name when it is whole and flushed: by a rename within one disk, which also is the cheapest way to take
//! over an upload. The folder's own entry is flushed as well, or a power cut could lose the name.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::FilesFault;
use crate::model::limits;

/// What is read at a time: one piece is held for each reader.
pub(super) const PIECE_BYTES: u64 = 64 * 1024;
/// What is copied at a time from another disk.
const COPIED_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Folder { root: root.to_owned() }
    }

    pub(super) async fn put(&self, name: &str, local: &Path) -> Result<(), FilesFault> {
        let (root, name, local) = (self.root.clone(), name.to_owned(), local.to_owned());
        blocking(move || {
            let path = made(&root, &name)?;
            match fs::rename(&local, &path) {
                Ok(()) => flush_folder_of(&path)?,
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    let mut source = File::open(&local)?;
                    must_have_room(&root, source.metadata()?.len())?;
                    write_whole(&path, |file| copy(&mut source, file))?;
                }
                Err(error) => return Err(error.into()),
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn put_bytes(&self, name: &str, bytes: Bytes) -> Result<(), FilesFault> {
        let (root, name) = (self.root.clone(), name.to_owned());
        blocking(move || {
            let path = made(&root, &name)?;
            must_have_room(&root, bytes.len() as u64)?;
            Ok(write_whole(&path, |file| file.write_all(&bytes))?)
        })
        .await
    }

    pub(super) async fn size(&self, name: &str) -> Result<u64, FilesFault> {
        let (root, path) = (self.root.clone(), self.root.join(name));
        blocking(move || Ok(fs::metadata(path).map_err(|error| unread(&root, error))?.len())).await
    }

    pub(super) async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, FilesFault> {
        let (root, path) = (self.root.clone(), self.root.join(name));
        blocking(move || {
            let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let file = File::open(path).map_err(|error| unread(&root, error))?;
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), FilesFault> {
        let path = self.root.join(name);
        blocking(move || {
            for path in [unfinished(&path), path] {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file://{}", self.root.display())
    }
}

/// Runs what waits for the disk beside the tasks of the network.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesFault> + Send + 'static,
) -> Result<T, FilesFault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(FilesFault::Unavailable(error.to_string())),
    }
}

/// Without its folder nothing is missing: a disk or a share is not mounted.
fn unread(root: &Path, error: io::Error) -> FilesFault {
    if error.kind() == io::ErrorKind::NotFound && !root.is_dir() {
        return FilesFault::Unavailable(format!("the folder {} is not there", root.display()));
    }
    error.into()
}

/// Where a new file goes; its folders are there, and flushed, afterwards.
fn made(root: &Path, name: &str) -> Result<PathBuf, FilesFault> {
    let path = root.join(name);
    let folder = path.parent().unwrap_or(root);
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        for made in folder.ancestors().take_while(|above| above.starts_with(root)) {
            flush_folder_of(made)?;
        }
    }
    Ok(path)
}

/// Under what name a file is written until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let part = unfinished(path);
    let written = File::create(&part).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        flush_folder_of(path)
    });
    if written.is_err() {
        // The room is needed. What cannot be removed now goes with the attachment.
        let _ = fs::remove_file(&part);
    }
    written
}

fn copy(source: &mut File, target: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; COPIED_BYTES];
    loop {
        match io::Read::read(source, &mut buffer)? {
            0 => return Ok(()),
            read => target.write_all(&buffer[..read])?,
        }
    }
}

/// Flushes the entry of a file or folder.
pub(super) fn flush_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Refuses what would leave less than the reserve on the disk of `folder`: messages must find room when files do not.
pub(super) fn must_have_room(folder: &Path, bytes: u64) -> Result<(), FilesFault> {
    let disk = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
    let (free, whole) = (
        disk.f_bavail.saturating_mul(disk.f_frsize),
        disk.f_blocks.saturating_mul(disk.f_frsize),
    );
    let reserve = limits::FREE_SPACE_BYTES.min(whole / limits::FREE_SPACE_SHARE);
    if free < reserve.saturating_add(bytes) {
        return Err(FilesFault::Full);
    }
    Ok(())
}
