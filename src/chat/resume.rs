//! Uploads that go on after a lost connection: begun with their length, continued in as many pieces as it takes, and then
//! what every upload is.

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{
    attachment::Rated,
    counters::Bounded,
    upload::{Pending, Uploader, Uploads},
};
use crate::{
    files::resumable::{Held, Intent, Progress},
    model::{AttachmentId, AttachmentKey, Code, Error, Result, Timestamp, UserKey, limits},
};

/// How far an upload has come, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    pub id: String,
    /// Bytes that have come, and that are to come in all.
    pub offset: u64,
    pub length: u64,
    /// As the client gave it.
    pub metadata: String,
    pub expires_at: Timestamp,
    /// What it has become.
    pub attachment: Option<AttachmentId>,
}

fn none() -> Error {
    Error::not_found("upload")
}

fn too_many_bytes() -> Error {
    Error::invalid("More bytes came than the upload was begun with.")
}

async fn nothing_more(bytes: impl Stream<Item = Result<Bytes>>) -> Result<()> {
    let mut bytes = pin!(bytes);
    while let Some(piece) = bytes.next().await {
        if !piece?.is_empty() {
            return Err(too_many_bytes());
        }
    }
    Ok(())
}

fn expiry(intent: &Intent) -> Timestamp {
    Timestamp(intent.begun_at).plus_millis(limits::RESUMABLE_TIME.as_millis() as i64)
}

impl Uploads {
    /// Begins an upload of this many bytes. Counts against the rate of uploads.
    pub async fn begin_resumable(
        self: &Arc<Self>,
        user: UserKey,
        name: &str,
        length: u64,
        metadata: String,
    ) -> Result<Resumed> {
        if length == 0 {
            return Err(Error::invalid("The file is empty."));
        }
        self.must_fit(length, self.limits().most())?;
        let _turn = self.beginning(user).await;
        let unfinished = self.resumables().unfinished(user.0);
        if unfinished.of_owner >= limits::RESUMABLES_PER_USER {
            self.chat().counters().count_over(Bounded::UnfinishedUploads);
            // To wait would not help: they are the client's own.
            return Err(Error::invalid(format!(
                "You have begun {} uploads and not finished them; finish or delete one first.",
                unfinished.of_owner
            )));
        }
        if unfinished.in_all >= limits::RESUMABLES {
            return Err(Error::unavailable(
                "Too many uploads were begun here and are not finished. Try again later.",
            ));
        }
        // What is announced counts from now on: else many that are begun at once fill the disk before any of them is whole.
        let announced = unfinished.bytes_of_owner.saturating_add(length);
        let pending = Pending::begin(self, user, name, Rated::Now, announced).await?;
        let id = self.resumable_id()?;
        let intent = Intent {
            key: pending.key.0,
            attachment: pending.id.as_str().to_owned(),
            owner: user.0,
            length,
            metadata,
            begun_at: self.now().0,
            is_complete: false,
            is_stored: false,
        };
        if let Err(fault) = self.resumables().begin(&id, intent).await {
            pending.abandon().await;
            return Err(fault.into());
        }
        pending.keep();
        self.resumable(user, &id)
    }

    /// How far an upload of this user has come. To anybody else it does not exist.
    pub fn resumable(&self, user: UserKey, id: &str) -> Result<Resumed> {
        let Progress { intent, received } = self
            .resumables()
            .progress(id)
            .filter(|progress| progress.intent.owner == user.0)
            .ok_or_else(none)?;
        let expires_at = expiry(&intent);
        if expires_at <= self.now() {
            return Err(none());
        }
        Ok(Resumed {
            id: id.to_owned(),
            offset: received,
            length: intent.length,
            metadata: intent.metadata,
            expires_at,
            attachment: intent.is_stored.then(|| AttachmentId::trusted(intent.attachment)),
        })
    }

    /// The same, and makes an attachment of one whose bytes are all there, if that could not be done before.
    pub async fn look_at_resumable(self: &Arc<Self>, user: UserKey, id: &str) -> Result<Resumed> {
        let resumed = self.resumable(user, id)?;
        if resumed.offset == resumed.length && resumed.attachment.is_none() {
            let held = self.hold(id)?;
            return self.finished(user, held).await;
        }
        Ok(resumed)
    }

    /// Goes on with an upload at `offset`, which must be how far it has come (`CONFLICT`). Whatever has come when the client
    /// goes away is kept. At the end of one whose bytes are all there it answers what the last of them was answered: whoever
    /// missed that asks again.
    pub async fn resume(
        self: &Arc<Self>,
        uploader: impl Into<Uploader>,
        id: &str,
        offset: u64,
        bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Result<Resumed> {
        let uploader = uploader.into();
        let user = uploader.user;
        self.resumable(user, id)?;
        let held = self.hold(id)?;
        let now = self.resumable(user, id)?;
        if now.offset != offset {
            return Err(Error::conflict(format!(
                "Upload-Offset is {offset}, but {} bytes have come; ask with HEAD, and go on from there.",
                now.offset
            )));
        }
        if now.offset == now.length {
            nothing_more(bytes).await?;
            return match now.attachment {
                Some(_) => Ok(now),
                None => self.finished(user, held).await,
            };
        }
        let place = self.place(uploader).await?;
        let bytes = place.watched(bytes);
        // A task of its own: a client that goes away must not leave what has come uncounted.
        let uploads = Arc::clone(self);
        let (gone, is_gone) = tokio::sync::oneshot::channel::<()>();
        let added = tokio::spawn(async move { uploads.added(held, now.length, bytes, is_gone).await });
        let added = added.await;
        drop(gone);
        let held = added.map_err(|_| Error::unavailable("The upload could not go on. Try again."))??;
        let resumed = self.resumable(user, id)?;
        if resumed.offset < resumed.length {
            return Ok(resumed);
        }
        self.finished(user, held).await
    }

    async fn added(
        self: &Arc<Self>,
        held: Held,
        length: u64,
        bytes: impl Stream<Item = Result<Bytes>> + Send,
        mut is_gone: tokio::sync::oneshot::Receiver<()>,
    ) -> Result<Held> {
        let mut incoming = held.resume().await?;
        let mut is_judged = incoming.start_is_whole();
        let mut bytes = pin!(bytes);
        let outcome = loop {
            let next = tokio::select! {
                next = bytes.next() => next,
                _ = &mut is_gone => None,
            };
            let piece = match next {
                None => break Ok(()),
                Some(Err(error)) => break Err(error),
                Some(Ok(piece)) => piece,
            };
            self.count_received(piece.len());
            if incoming.written() + piece.len() as u64 > length {
                break Err(too_many_bytes());
            }
            if let Err(fault) = incoming.write(&piece).await {
                break Err(fault.into());
            }
            if !is_judged && incoming.start_is_whole() {
                is_judged = true;
                let judged = self.most_for(&incoming).and_then(|most| self.must_fit(length, most));
                if let Err(error) = judged {
                    self.drop_resumable(held).await;
                    return Err(error);
                }
            }
        };
        held.pause(incoming).await?;
        outcome.map(|()| held)
    }

    /// Makes an attachment of an upload whose bytes are all there. What keeps it from being one for ever ends it; what is a
    /// matter of time does not.
    async fn finished(self: &Arc<Self>, user: UserKey, held: Held) -> Result<Resumed> {
        let uploads = Arc::clone(self);
        let id = held.id().to_owned();
        let done = tokio::spawn(async move {
            let outcome = uploads.finish(&held).await;
            if outcome.as_ref().is_err_and(|error| error.code != Code::Unavailable) {
                uploads.drop_resumable(held).await;
            }
            uploads.counters().count(&outcome);
            outcome
        });
        done.await
            .map_err(|_| Error::unavailable("The upload could not be finished. Try again."))??;
        self.resumable(user, &id)
    }

    async fn finish(self: &Arc<Self>, held: &Held) -> Result<()> {
        let Some(Progress { intent, .. }) = held.progress() else {
            return Err(none());
        };
        if !intent.is_complete {
            held.note(false).await?;
        }
        let (owner, id) = (UserKey(intent.owner), AttachmentId::trusted(intent.attachment));
        let facts = self.store(owner, &id, held.spooled().await?).await?;
        // It was counted when it began, with all that had been announced before it.
        self.chat()
            .finish_upload(AttachmentKey(intent.key), facts, Rated::Now, 0)
            .await?;
        Ok(held.note(true).await?)
    }

    /// Ends an upload. What it has become goes with it, unless a message names it already.
    pub async fn end_resumable(self: &Arc<Self>, user: UserKey, id: &str) -> Result<()> {
        self.resumable(user, id)?;
        let held = self.hold(id)?;
        // As it is now that nobody else is at it.
        let attachment = held.progress().filter(|progress| progress.intent.is_stored);
        self.drop_resumable(held).await;
        if let Some(Progress { intent, .. }) = attachment {
            self.give_up(AttachmentKey(intent.key), &AttachmentId::trusted(intent.attachment))
                .await;
        }
        Ok(())
    }

    fn hold(&self, id: &str) -> Result<Held> {
        let busy = || Error::locked("Another request is at this upload; try again when it has ended.");
        self.resumables().hold(id).ok_or_else(busy)
    }

    /// Removes its bytes so far, and its row unless it is an attachment.
    async fn drop_resumable(self: &Arc<Self>, held: Held) {
        let Some(Progress { intent, .. }) = held.progress() else {
            return;
        };
        if let Err(fault) = held.remove().await {
            tracing::debug!(%fault, "an upload that has ended could not be removed; trying again within the hour");
        }
        if !intent.is_stored {
            self.give_up(AttachmentKey(intent.key), &AttachmentId::trusted(intent.attachment))
                .await;
        }
    }

    /// Ends those that were begun too long ago.
    pub(super) async fn expire_resumables(self: &Arc<Self>) {
        let before = self.now().plus_millis(-(limits::RESUMABLE_TIME.as_millis() as i64));
        for id in self.resumables().begun_before(before.0) {
            if let Some(held) = self.resumables().hold(&id) {
                self.drop_resumable(held).await;
            }
        }
    }
}
