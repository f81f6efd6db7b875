//! Files in an S3 bucket, of Amazon's or of anything that speaks its protocol.

use std::{fmt, ops::Range, path::Path, time::Duration};

use bytes::Bytes;
use object_store::{
    ClientOptions, Error as S3Error, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    path::Path as Key,
};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};

use super::FilesFault;

/// What is read at a time: larger than from a disk, since each piece is a request.
pub(super) const PIECE_BYTES: u64 = 256 * 1024;
/// Files up to this size go in one request, larger ones in parts of it, one after the other: the smallest parts that S3
/// takes, so that an upload holds no more memory.
const PART_BYTES: usize = 5 * 1024 * 1024;
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Of one request: a part at 170 KB/s.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// A request that failed is tried again within this time, since its client waits.
const RETRY_TIME: Duration = Duration::from_secs(10);
const RETRIES: usize = 3;

pub(super) struct Bucket {
    store: AmazonS3,
    name: String,
    prefix: Key,
}

impl fmt::Debug for Bucket {
    /// The store's own would have more than is anybody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix)
    }
}

impl Bucket {
    /// The bucket that the environment leads to.
    pub(super) fn new(name: &str, prefix: &str) -> Result<Self, FilesFault> {
        // As `AmazonS3Builder::from_env` reads it, but for empty variables: that is how container files leave one out.
        let settings = std::env::vars()
            .filter(|(name, value)| name.starts_with("AWS_") && !value.trim().is_empty())
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
        let builder = settings.fold(AmazonS3Builder::new(), |builder, (key, value)| {
            builder.with_config(key, value.trim())
        });
        Self::from_builder(builder, name, prefix)
    }

    pub(super) fn from_builder(builder: AmazonS3Builder, name: &str, prefix: &str) -> Result<Self, FilesFault> {
        let builder = builder.with_bucket_name(name);
        let is_plain = builder
            .get_config_value(&AmazonS3ConfigKey::Endpoint)
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIME)
            .with_timeout(REQUEST_TIME)
            // Whoever writes http:// means it: a MinIO next door.
            .with_allow_http(is_plain);
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY_TIME,
            ..Default::default()
        };
        let store = builder
            .with_client_options(options)
            .with_retry(retry)
            // Single deletions are what every server of this protocol knows.
            .with_disable_bulk_delete(true)
            .build()
            .map_err(fault)?;
        Ok(Bucket {
            store,
            name: name.to_owned(),
            prefix: Key::parse(prefix).map_err(|error| FilesFault::Unavailable(error.to_string()))?,
        })
    }

    fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    pub(super) async fn put(&self, name: &str, local: &Path) -> Result<(), FilesFault> {
        let mut file = File::open(local).await?;
        let first = next_part(&mut file).await?;
        if first.len() < PART_BYTES {
            return self.put_bytes(name, first).await;
        }
        let mut upload = self.store.put_multipart(&self.key(name)).await.map_err(fault)?;
        let mut part = first;
        let put = async {
            while !part.is_empty() {
                // Given away: two parts at once would be twice the memory.
                upload.put_part(std::mem::take(&mut part).into()).await.map_err(fault)?;
                part = next_part(&mut file).await?;
            }
            upload.complete().await.map_err(fault)
        };
        if let Err(fault) = put.await {
            // Parts of what never was a file cost room, and the bucket's own rules may not clear them away.
            if let Err(error) = upload.abort().await {
                tracing::debug!(%error, "parts of an upload were left in the bucket");
            }
            return Err(fault);
        }
        Ok(())
    }

    pub(super) async fn put_bytes(&self, name: &str, bytes: Bytes) -> Result<(), FilesFault> {
        self.store.put(&self.key(name), bytes.into()).await.map_err(fault)?;
        Ok(())
    }

    pub(super) async fn size(&self, name: &str) -> Result<u64, FilesFault> {
        Ok(self.store.head(&self.key(name)).await.map_err(fault)?.size)
    }

    pub(super) async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, FilesFault> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.store.get_range(&self.key(name), range).await.map_err(fault)?;
        if bytes.len() as u64 != length {
            return Err(FilesFault::Unavailable(
                "the bucket's file is shorter than it was".to_owned(),
            ));
        }
        Ok(bytes)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), FilesFault> {
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(S3Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault(error)),
        }
    }
}

async fn next_part(file: &mut (impl AsyncRead + Unpin)) -> Result<Bytes, FilesFault> {
    let mut part = Vec::with_capacity(PART_BYTES);
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part.into())
}

fn fault(error: S3Error) -> FilesFault {
    match error {
        S3Error::NotFound { .. } => FilesFault::Missing,
        // The first line: S3's answers go on with pages of XML.
        error => {
            let text = error.to_string();
            FilesFault::Unavailable(text.lines().next().unwrap_or_default().chars().take(300).collect())
        }
    }
}
