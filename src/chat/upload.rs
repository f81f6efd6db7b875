//! A file that a user uploads: its bytes are spooled, judged, put where files lie, and only then it is an attachment.
//!
//! The store's row comes first and becomes an attachment last, so nothing dangles wherever the process ends: a message
//! names complete files alone, and what was put has a row by which the sweep finds it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::available_parallelism,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};

pub use super::places::Uploader;
use super::{
    Chat,
    attachment::Rated,
    places::{Bounds, Place, Places},
    shares::{PerPerson, Shares},
};
use crate::{
    files::{
        FileName, Files,
        media::{self, Encoded, Inspected, MediaFault, MediaLimits},
        resumable::Resumables,
        spool::{Incoming, Spool, Spooled},
    },
    model::{
        Attachment, AttachmentId, AttachmentKey, Code, Error, FileFacts, MediaKind, Result, Timestamp, UserKey,
        Variant,
        attachment::{Rendition, Upload},
        limits,
    },
};

/// How large an upload may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimits {
    /// An image, or a file that is neither image nor video.
    pub image: u64,
    pub video: u64,
}

impl UploadLimits {
    /// The largest of all.
    pub fn most(self) -> u64 {
        self.image.max(self.video)
    }

    fn of(self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Video => self.video,
            MediaKind::Image | MediaKind::File => self.image,
        }
    }
}

/// The uploads of one node.
pub struct Uploads {
    chat: Arc<Chat>,
    files: Files,
    spool: Spool,
    resumables: Resumables,
    /// Ends the ids of resumable uploads: which node has them.
    node: Option<String>,
    limits: UploadLimits,
    places: Arc<Places>,
    /// For whoever judges and stores: what is made of an image, and a part for a bucket, is in memory.
    keeping: Shares,
    /// Decoding an image takes a core and its pixels' memory; storing it takes neither.
    judging: Shares,
    /// For whoever begins one that may go on: what it announces counts for the next.
    beginning: PerPerson,
    counters: UploadCounters,
}

/// What became of uploads since the start.
#[derive(Debug, Default)]
pub struct UploadCounters {
    stored: AtomicU64,
    refused: [AtomicU64; Code::ALL.len()],
    received_bytes: AtomicU64,
    served_bytes: AtomicU64,
    swept: AtomicU64,
}

impl UploadCounters {
    /// Files that became attachments.
    pub fn stored(&self) -> u64 {
        self.stored.load(Relaxed)
    }

    /// Files that did not, by what the client was told.
    pub fn refused(&self) -> [(Code, u64); Code::ALL.len()] {
        Code::ALL.map(|code| (code, self.refused[code as usize].load(Relaxed)))
    }

    /// Bytes of uploads, also of those that were refused in the end.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Relaxed)
    }

    /// Bytes of files that were sent to browsers.
    pub fn served_bytes(&self) -> u64 {
        self.served_bytes.load(Relaxed)
    }

    /// Files that no message named for a day.
    pub fn swept(&self) -> u64 {
        self.swept.load(Relaxed)
    }

    pub fn count_served(&self, bytes: usize) {
        self.served_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count<T>(&self, outcome: &Result<T>) {
        match outcome {
            Ok(_) => self.stored.fetch_add(1, Relaxed),
            Err(error) => self.refused[error.code as usize].fetch_add(1, Relaxed),
        };
    }
}

impl Uploads {
    /// `node` names this one of several.
    pub fn new(
        chat: Arc<Chat>,
        files: Files,
        (spool, resumables): (Spool, Resumables),
        limits: UploadLimits,
        node: Option<String>,
    ) -> Arc<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        Arc::new(Uploads {
            chat,
            files,
            spool,
            resumables,
            node,
            limits,
            places: Places::new(Bounds::default()),
            keeping: Shares::new(limits::UPLOADS_KEPT_AT_ONCE, limits::UPLOADS_KEPT_PER_USER),
            judging: Shares::new(cores, cores.div_ceil(2)),
            beginning: PerPerson::new(1, limits::UPLOADS_AT_ONCE),
            counters: UploadCounters::default(),
        })
    }

    pub fn files(&self) -> &Files {
        &self.files
    }

    pub fn limits(&self) -> UploadLimits {
        self.limits
    }

    pub(super) fn chat(&self) -> &Chat {
        &self.chat
    }

    pub(super) fn resumables(&self) -> &Resumables {
        &self.resumables
    }

    /// A new id of a resumable upload.
    pub(super) fn resumable_id(&self) -> Result<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| went_wrong())?;
        let id = AttachmentId::of_random(u128::from_ne_bytes(random));
        Ok(match &self.node {
            Some(node) => format!("{id}.{node}"),
            None => id.to_string(),
        })
    }

    /// A turn to begin an upload that may go on: one at a time for each person.
    pub(super) async fn beginning(&self, user: UserKey) -> Option<OwnedSemaphorePermit> {
        self.beginning.take(user).await
    }

    /// Bytes that this person's uploads will have, of those that may go on and are not done.
    pub fn announced(&self, user: UserKey) -> u64 {
        self.resumables.unfinished(user.0).bytes_of_owner
    }

    pub(super) fn now(&self) -> Timestamp {
        self.chat.clock.now()
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.counters.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub fn counters(&self) -> &UploadCounters {
        &self.counters
    }

    /// Uploads that were ended so that others had a place, since the start.
    pub fn gave_way(&self) -> u64 {
        self.places.gave_way()
    }

    /// Takes a file in, and makes it an attachment of this user. `name` is as the client calls it.
    ///
    /// A caller that goes away while bytes arrive leaves nothing. Once all have come the rest is done to its end.
    pub async fn receive(
        self: &Arc<Self>,
        uploader: impl Into<Uploader>,
        name: &str,
        rated: Rated,
        bytes: impl Stream<Item = Result<Bytes>> + Send,
    ) -> Result<Attachment> {
        let outcome = self.received(uploader.into(), name, rated, bytes).await;
        self.counters.count(&outcome);
        outcome
    }

    async fn received(
        self: &Arc<Self>,
        uploader: Uploader,
        name: &str,
        rated: Rated,
        bytes: impl Stream<Item = Result<Bytes>> + Send,
    ) -> Result<Attachment> {
        let place = self.place(uploader).await?;
        // Of a length that is not known at least one byte comes.
        let announced = self.announced(uploader.user).saturating_add(1);
        let pending = Pending::begin(self, uploader.user, name, rated, announced).await?;
        let spooled = self.spooled(place.watched(bytes)).await;
        let spooled = match spooled {
            Ok(spooled) => spooled,
            Err(error) => {
                pending.abandon().await;
                return Err(error);
            }
        };
        let uploads = Arc::clone(self);
        let kept = tokio::spawn(async move {
            let kept = uploads.keep(pending, spooled).await;
            drop(place);
            kept
        });
        kept.await.unwrap_or_else(|_| Err(went_wrong()))
    }

    pub(super) async fn place(&self, uploader: Uploader) -> Result<Place> {
        self.places.take(uploader).await
    }

    async fn spooled(&self, bytes: impl Stream<Item = Result<Bytes>> + Send) -> Result<Spooled> {
        let mut upload = self.spool.begin().await?;
        let mut most = None;
        let mut bytes = pin!(bytes);
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            self.count_received(piece.len());
            self.must_fit(
                upload.written() + piece.len() as u64,
                most.unwrap_or(self.limits.most()),
            )?;
            upload.write(&piece).await?;
            if most.is_none() && upload.start_is_whole() {
                most = Some(self.most_for(&upload)?);
            }
        }
        if upload.written() == 0 {
            return Err(Error::invalid("The file is empty."));
        }
        let most = match most {
            Some(most) => most,
            None => self.most_for(&upload)?,
        };
        self.must_fit(upload.written(), most)?;
        Ok(upload.finish().await?)
    }

    /// How large this upload may be, by its first bytes. What cannot be stored at all is refused as soon as they show it.
    pub(super) fn most_for(&self, upload: &Incoming) -> Result<u64> {
        match media::judge_start(upload.start()) {
            Some(kind) => Ok(self.limits.of(kind)),
            None => Err(Error::unsupported_media(
                "This file type is not taken: images (JPEG, PNG, GIF, WebP), videos (MP4, WebM, MOV), PDF and plain text are.",
            )),
        }
    }

    pub(super) fn must_fit(&self, size: u64, most: u64) -> Result<()> {
        if size <= most {
            return Ok(());
        }
        Err(Error::too_large(format!(
            "The file is too large: an image or file may have {} bytes, a video {}.",
            self.limits.image, self.limits.video
        )))
    }

    /// Judges what was spooled, stores it and makes it an attachment.
    async fn keep(&self, pending: Pending, spooled: Spooled) -> Result<Attachment> {
        let stored = self.store(pending.owner, &pending.id, spooled).await;
        let finished = match stored {
            Ok(facts) => {
                let announced = self.announced(pending.owner);
                self.chat
                    .finish_upload(pending.key, facts, pending.rated, announced)
                    .await
            }
            Err(error) => Err(error),
        };
        match finished {
            Ok(_) => pending.keep(),
            Err(_) => pending.abandon().await,
        }
        finished
    }

    pub(super) async fn store(&self, owner: UserKey, id: &AttachmentId, spooled: Spooled) -> Result<FileFacts> {
        // Taken before it is judged: what was made of images must not pile up before a slow place.
        let _kept = self.keeping.take(owner).await.ok_or_else(went_wrong)?;
        let (inspected, size, spooled) = self.judge(owner, spooled).await?;
        let Inspected {
            media_type,
            width,
            height,
            duration_ms,
            preview,
            cleaned: _,
            thumbnail,
            poster,
        } = inspected;
        let thumbnail = self.store_image(id, Variant::Thumbnail, thumbnail).await?;
        let poster = self.store_image(id, Variant::Poster, poster).await?;
        self.files.put(&FileName::of(id, Variant::File), spooled.path()).await?;
        Ok(FileFacts {
            media_type,
            size,
            width,
            height,
            duration_ms,
            thumbnail,
            poster,
            preview,
        })
    }

    async fn judge(&self, owner: UserKey, spooled: Spooled) -> Result<(Inspected, u64, Spooled)> {
        let core = self.judging.take(owner).await.ok_or_else(went_wrong)?;
        let media_limits = MediaLimits::new(self.limits.image, self.limits.video);
        let judged = tokio::task::spawn_blocking(move || {
            let _core = core;
            let mut inspected = media::inspect(spooled.path(), &media_limits)?;
            let size = match inspected.cleaned.take() {
                Some(cleaned) => cleaned.apply(spooled.path())?,
                None => spooled.size(),
            };
            Ok::<_, MediaFault>((inspected, size, spooled))
        });
        Ok(judged.await.map_err(|_| went_wrong())??)
    }

    async fn store_image(
        &self,
        id: &AttachmentId,
        variant: Variant,
        image: Option<Encoded>,
    ) -> Result<Option<Rendition>> {
        let Some(image) = image else {
            return Ok(None);
        };
        let name = FileName::of(id, variant);
        self.files.put_bytes(&name, image.bytes.into()).await?;
        Ok(Some(image.rendition))
    }

    /// Removes what no message names for a day. Safe to run on several nodes at once. Answers how many there were.
    pub async fn sweep(&self) -> Result<u64> {
        let (mut swept, mut last): (u64, Option<Upload>) = (0, None);
        loop {
            let page = self
                .chat
                .abandoned_uploads(limits::UNSENT_FILE_TIME, last.as_ref())
                .await?;
            for unsent in &page {
                if self.remove(unsent.key, &unsent.id).await? {
                    self.counters.swept.fetch_add(1, Relaxed);
                    swept += 1;
                }
            }
            last = page.into_iter().next_back();
            if last.is_none() {
                return Ok(swept);
            }
        }
    }

    /// Removes a file, unless a message names it: first its chance to be named, then its bytes, then its row, so that
    /// nothing dangles wherever this ends.
    async fn remove(&self, key: AttachmentKey, id: &AttachmentId) -> Result<bool> {
        if !self.chat.abandon_upload(key).await? {
            return Ok(false);
        }
        self.files.delete_all(id).await?;
        self.chat.forget_upload(key).await?;
        Ok(true)
    }

    /// Removes an upload that became nothing. What cannot be removed now is found by the sweep.
    pub(super) async fn give_up(&self, key: AttachmentKey, id: &AttachmentId) {
        if let Err(error) = self.remove(key, id).await {
            tracing::debug!(%error, "an upload that was given up is left to the sweep");
        }
    }

    /// Removes files that a message was to name, and that none does.
    pub async fn take_back(&self, attachments: &[Attachment]) {
        for attachment in attachments {
            self.give_up(attachment.key, &attachment.id).await;
        }
    }

    /// Sweeps now and each hour, for ever.
    pub async fn keep_swept(self: Arc<Self>) {
        loop {
            self.expire_resumables().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "removed files that no message named for a day"),
                Err(error) => {
                    tracing::warn!(%error, "files that no message names could not be removed; trying again in an hour")
                }
            }
            tokio::time::sleep(limits::SWEEP_INTERVAL).await;
        }
    }
}

/// The row of an upload that is no attachment yet. Dropped, it is given up.
pub(super) struct Pending {
    uploads: Arc<Uploads>,
    pub(super) key: AttachmentKey,
    pub(super) id: AttachmentId,
    owner: UserKey,
    rated: Rated,
    is_open: bool,
}

impl Pending {
    /// `announced`: as [`Chat::begin_upload`] has it.
    pub(super) async fn begin(
        uploads: &Arc<Uploads>,
        user: UserKey,
        name: &str,
        rated: Rated,
        announced: u64,
    ) -> Result<Self> {
        let begun = uploads.chat.begin_upload(user, name, rated, announced).await?;
        Ok(Pending {
            uploads: Arc::clone(uploads),
            key: begun.key,
            id: begun.id,
            owner: user,
            rated,
            is_open: true,
        })
    }

    pub(super) fn keep(mut self) {
        self.is_open = false;
    }

    pub(super) async fn abandon(mut self) {
        self.is_open = false;
        self.uploads.give_up(self.key, &self.id).await;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // At the end of the process there is nobody left to do it: the sweep will.
        if self.is_open
            && let Ok(runtime) = Handle::try_current()
        {
            let (uploads, key, id) = (Arc::clone(&self.uploads), self.key, self.id.clone());
            runtime.spawn(async move { uploads.give_up(key, &id).await });
        }
    }
}

fn went_wrong() -> Error {
    Error::unavailable("The file could not be looked at. Try again.")
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
