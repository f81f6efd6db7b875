//! The bytes of an attachment on their way out. Whether they may go was judged before, by the link.

use std::ops::Range;

use bytes::Bytes;
use futures_util::Stream;

use super::upload::Uploads;
use crate::{
    files::{FileName, Files, FilesFault},
    model::{Attachment, Error, Result, Variant},
};

/// One part of an attachment, found.
#[derive(Debug)]
pub struct Served {
    files: Files,
    name: FileName,
    /// In bytes.
    pub size: u64,
}

impl Served {
    /// These bytes, each piece read when it is asked for.
    pub fn pieces(
        self,
        range: Range<u64>,
    ) -> impl Stream<Item = std::result::Result<Bytes, FilesFault>> + Send + use<> {
        self.files.stream(self.name, range)
    }
}

impl Uploads {
    /// Finds a part's bytes. `NOT_FOUND` where there is no such part, or the file lies elsewhere.
    pub async fn serve(&self, attachment: &Attachment, variant: Variant) -> Result<Served> {
        let not_here = || Error::not_found("attachment");
        attachment.variant_type(variant).ok_or_else(not_here)?;
        let name = FileName::of(&attachment.id, variant);
        let size = match variant {
            // Known, and a bucket need not be asked.
            Variant::File => attachment.size().ok_or_else(not_here)?,
            Variant::Thumbnail | Variant::Poster => self.files().size(&name).await?,
        };
        Ok(Served {
            files: self.files().clone(),
            name,
            size,
        })
    }
}
