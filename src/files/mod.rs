//! Bytes of uploaded files, in and out: a folder or an S3 bucket, and the spool in which uploads arrive.
//!
//! What lies here is named by an attachment and one of its parts, never by a user's words. Whatever was put is flushed,
//! and is whole: a reader sees all of a file or none. Whether a file may be seen is asked elsewhere.

mod bucket;
mod folder;
pub mod media;
pub mod resumable;
#[cfg(test)]
mod s3_server;
pub mod spool;
#[cfg(test)]
mod suite;

use std::{fmt, io, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};

use self::{bucket::Bucket, folder::Folder};
use crate::model::{AttachmentId, Error, attachment::Variant};

/// Why bytes could not be put or had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesFault {
    #[error("there is no such file")]
    Missing,
    /// No room, or too little to keep the database writable.
    #[error("no room is left for files")]
    Full,
    /// In the words of the system or of S3, for the operator.
    #[error("{0}")]
    Unavailable(String),
}

impl From<io::Error> for FilesFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => FilesFault::Missing,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FilesFault::Full,
            _ => FilesFault::Unavailable(error.to_string()),
        }
    }
}

impl From<FilesFault> for Error {
    fn from(fault: FilesFault) -> Self {
        match fault {
            FilesFault::Missing => Error::not_found("attachment"),
            FilesFault::Full => Error::unavailable("There is no room for files at the moment; nothing was stored."),
            // What the system said is for the operator.
            FilesFault::Unavailable(why) => {
                tracing::warn!(%why, "files cannot be stored or read");
                Error::unavailable("Files cannot be stored or read at the moment. Try again.")
            }
        }
    }
}

/// What the bytes of one part of an attachment are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// `3f/3f9c2b.file`: no folder holds more than a few per cent of all files.
    pub fn of(id: &AttachmentId, variant: Variant) -> Self {
        let id = id.as_str();
        let folder = id.get(..2).unwrap_or("00");
        FileName(format!("{folder}/{id}.{}", variant.as_str()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the files of this installation lie. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(Arc<Folder>),
    Bucket(Arc<Bucket>),
}

impl Files {
    /// Files in this folder, which is made where it is missing.
    pub fn in_folder(root: &Path) -> Self {
        Files {
            place: Place::Folder(Arc::new(Folder::new(root))),
        }
    }

    /// Files in this bucket, below `prefix` (empty: at its top). Credentials, region and endpoint are those that the
    /// usual `AWS_*` variables tell.
    pub fn in_bucket(bucket: &str, prefix: &str) -> Result<Self, FilesFault> {
        Ok(Files {
            place: Place::Bucket(Arc::new(Bucket::new(bucket, prefix)?)),
        })
    }

    /// Files in a bucket of the server at this address.
    #[cfg(test)]
    pub(crate) fn in_bucket_at(endpoint: String, bucket: &str, prefix: &str) -> Self {
        let builder = object_store::aws::AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_region("eu-central-1")
            .with_access_key_id("test")
            .with_secret_access_key("test");
        let bucket = Bucket::from_builder(builder, bucket, prefix).expect("a bucket");
        Files {
            place: Place::Bucket(Arc::new(bucket)),
        }
    }

    /// Can a file be put, read and deleted now? It is tried.
    pub async fn probe(&self) -> Result<(), FilesFault> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| FilesFault::Unavailable(error.to_string()))?;
        // Of its own, since several nodes may look at the same time.
        let name = FileName(format!("probe/{:016x}", u64::from_le_bytes(random)));
        self.put_bytes(&name, Bytes::from_static(b"doorbell")).await?;
        let read = self.read(&name, 0..8).await;
        self.delete(&name).await?;
        match read?.as_ref() {
            b"doorbell" => Ok(()),
            _ => Err(FilesFault::Unavailable(
                "what was written reads back as something else".to_owned(),
            )),
        }
    }

    /// Stores the local file under this name; it is flushed when this answers. The local file may be gone then: a folder on
    /// the same disk takes it over as it is, so it must have been flushed.
    pub async fn put(&self, name: &FileName, local: &Path) -> Result<(), FilesFault> {
        match &self.place {
            Place::Folder(folder) => folder.put(name.as_str(), local).await,
            Place::Bucket(bucket) => bucket.put(name.as_str(), local).await,
        }
    }

    /// Stores a small file.
    pub async fn put_bytes(&self, name: &FileName, bytes: Bytes) -> Result<(), FilesFault> {
        match &self.place {
            Place::Folder(folder) => folder.put_bytes(name.as_str(), bytes).await,
            Place::Bucket(bucket) => bucket.put_bytes(name.as_str(), bytes).await,
        }
    }

    /// The size of a file in bytes.
    pub async fn size(&self, name: &FileName) -> Result<u64, FilesFault> {
        match &self.place {
            Place::Folder(folder) => folder.size(name.as_str()).await,
            Place::Bucket(bucket) => bucket.size(name.as_str()).await,
        }
    }

    /// These bytes, all of them; they must be few, as they are held in memory.
    pub async fn read(&self, name: &FileName, range: Range<u64>) -> Result<Bytes, FilesFault> {
        match &self.place {
            Place::Folder(folder) => folder.read(name.as_str(), range).await,
            Place::Bucket(bucket) => bucket.read(name.as_str(), range).await,
        }
    }

    /// These bytes, piece by piece: the next is read when it is asked for, so a slow reader holds one piece and no
    /// connection. It ends after the first fault.
    pub fn stream(&self, name: FileName, range: Range<u64>) -> impl Stream<Item = Result<Bytes, FilesFault>> + use<> {
        let files = self.clone();
        let piece = match &self.place {
            Place::Folder(_) => folder::PIECE_BYTES,
            Place::Bucket(_) => bucket::PIECE_BYTES,
        };
        stream::unfold(range, move |left| {
            let (files, name) = (files.clone(), name.clone());
            async move {
                if left.is_empty() {
                    return None;
                }
                let end = left.end.min(left.start.saturating_add(piece));
                match files.read(&name, left.start..end).await {
                    Ok(bytes) => Some((Ok(bytes), end..left.end)),
                    // An answer that has begun can only be cut off.
                    Err(fault) => {
                        tracing::warn!(%fault, "a file could not be read to its end");
                        Some((Err(fault), left.end..left.end))
                    }
                }
            }
        })
    }

    /// Removes a file, and what an interrupted [`put`](Self::put) has left of it. One that is not there is no fault.
    pub async fn delete(&self, name: &FileName) -> Result<(), FilesFault> {
        match &self.place {
            Place::Folder(folder) => folder.delete(name.as_str()).await,
            Place::Bucket(bucket) => bucket.delete(name.as_str()).await,
        }
    }

    /// Removes every part of an attachment.
    pub async fn delete_all(&self, id: &AttachmentId) -> Result<(), FilesFault> {
        for variant in Variant::ALL {
            self.delete(&FileName::of(id, variant)).await?;
        }
        Ok(())
    }
}

/// Shown to operators.
impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => folder.fmt(f),
            Place::Bucket(bucket) => bucket.fmt(f),
        }
    }
}
