//! Where files lie, found and tried at the start.

use std::io;

use super::Fault;
use crate::{
    config::{ConfigFault, MediaUrl, Settings},
    files::{Files, FilesFault, resumable::Resumables, spool::Spool},
};

/// Where uploads arrive, in the data folder.
const SPOOL: &str = "uploads";
/// And those of them that may go on later.
const RESUMABLES: &str = "resumable";

/// The files of this installation, and the spool of this node. A place that cannot be used now is a fault of the
/// configuration; but a disk that is full heals, and its readers are served.
pub(super) async fn open(settings: &Settings) -> Result<(Files, (Spool, Resumables)), Fault> {
    let refused = |why: &str, mend: &str| {
        ConfigFault::new(format!(
            "DOORBELL_MEDIA_URL is {}, where no file can be stored ({why}); {mend}.",
            settings.media
        ))
    };
    let (files, mend) = match &settings.media {
        MediaUrl::Folder(path) => (
            Ok(Files::in_folder(path)),
            "let the user of this process write there, or name another folder",
        ),
        MediaUrl::Bucket { name, prefix } => (
            Files::in_bucket(name, prefix),
            "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL, and whether the bucket is there",
        ),
    };
    let files = files.map_err(|fault| refused(&fault.to_string(), mend))?;
    match files.probe().await {
        Ok(()) => {}
        Err(FilesFault::Full) => {
            tracing::warn!(media = %settings.media, "there is no room for files: uploads are refused until there is");
        }
        Err(FilesFault::Missing) => return Err(refused("what was stored there is gone at once", mend).into()),
        Err(FilesFault::Unavailable(why)) => return Err(refused(&why, mend).into()),
    }
    let folder = settings.data_dir.join(SPOOL);
    let refused = |error: io::Error| {
        ConfigFault::new(format!(
            "The folder {} cannot be used for uploads ({error}); let the user of this process write there, or set \
             DOORBELL_DATA_DIR to another folder.",
            folder.display()
        ))
    };
    let spool = Spool::new(&folder);
    match spool.clear() {
        Err(error) if error.kind() != io::ErrorKind::StorageFull => return Err(refused(error).into()),
        _ => {}
    }
    let resumables = Resumables::open(&folder.join(RESUMABLES)).map_err(refused)?;
    Ok((files, (spool, resumables)))
}
