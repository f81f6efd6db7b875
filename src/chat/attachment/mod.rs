//! Attachments: uploads that become them, and who may have which.
//!
//! The row of an upload is there before its first byte, and goes after its last. So whoever finds bytes finds whose they
//! are, and no message names bytes that are not whole.

mod link;
mod named;
#[cfg(test)]
pub(in crate::chat) mod tests;

use std::time::Duration;

pub use link::{LinkKey, Linked, Links};
pub use named::FileReference;
pub(super) use named::hash_files;

use super::Chat;
use crate::{
    model::{
        Attachment, AttachmentId, AttachmentKey, Error, FileFacts, Result, UserKey, Variant,
        attachment::{Source, Upload, clean_name},
        limits,
    },
    store::Completed,
};

/// When an upload counts against its owner's rate and against what they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rated {
    Now,
    /// Its message may be there already, which its form has not told yet or has still to confirm, and a repeat is refused for
    /// neither. It is [counted](Chat::count_uploads) when it turns out to be none.
    Later,
}

/// A new id, which nobody can guess.
fn new_id() -> Result<AttachmentId> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|_| Error::unavailable("This server has no random numbers at the moment; nothing was stored."))?;
    Ok(AttachmentId::of_random(u128::from_ne_bytes(bits)))
}

impl Chat {
    /// Begins the upload of a file that its owner calls `name`; afterwards its bytes may be written. Counts against the
    /// rate of uploads. `TOO_LARGE` for who has as much as they may, `announced` bytes counted: those that are still to
    /// come, of this file and of others, as far as that is known.
    pub async fn begin_upload(&self, owner: UserKey, name: &str, rated: Rated, announced: u64) -> Result<Upload> {
        if rated == Rated::Now {
            self.rates.uploads.take(owner)?;
        }
        if let Some(quota) = self.quota(rated) {
            let stored = self.store.attachment_bytes(owner).await?;
            if stored.saturating_add(announced) > quota {
                return Err(self.over_quota());
            }
        }
        let begun = self.store.begin_attachment(new_id()?, owner, clean_name(name));
        Ok(begun.await?)
    }

    /// Makes an attachment of an upload whose bytes are complete and flushed, and were judged. `TOO_LARGE` when its owner
    /// would have more than they may, with `announced` bytes of other uploads that are still to come, `NOT_FOUND` when it was
    /// given up meanwhile: its bytes are then the caller's to delete, by [`abandon_upload`](Self::abandon_upload).
    pub async fn finish_upload(
        &self,
        key: AttachmentKey,
        facts: FileFacts,
        rated: Rated,
        announced: u64,
    ) -> Result<Attachment> {
        let quota = self.quota(rated).map(|quota| quota.saturating_sub(announced));
        match self.store.complete_attachment(key, facts, quota).await? {
            Completed::Ready(attachment) => Ok(attachment),
            Completed::OverQuota => Err(self.over_quota()),
            Completed::Discarded => Err(Error::not_found("attachment")),
        }
    }

    /// What its owner may have, in bytes, with this upload.
    fn quota(&self, rated: Rated) -> Option<u64> {
        let quota = self.policy.media.quota?;
        Some(match rated {
            Rated::Now => quota,
            Rated::Later => quota.saturating_add(limits::REPEATED_FILES_BYTES),
        })
    }

    /// Counts uploads that were to be counted [later](Rated::Later): all of them, or refuses as their beginning would have,
    /// with `announced` bytes of other uploads that are still to come.
    pub async fn count_uploads(&self, owner: UserKey, uploads: usize, announced: u64) -> Result<()> {
        for taken in 0..uploads {
            if let Err(error) = self.rates.uploads.take(owner) {
                self.uncount_uploads(owner, taken);
                return Err(error);
            }
        }
        let Some(quota) = self.policy.media.quota.filter(|_| uploads > 0) else {
            return Ok(());
        };
        let stored = self.store.attachment_bytes(owner).await?;
        match stored.saturating_add(announced) > quota {
            true => Err(self.over_quota()),
            false => Ok(()),
        }
    }

    fn over_quota(&self) -> Error {
        let quota = self.policy.media.quota.unwrap_or_default();
        Error::too_large(format!(
            "With this file you would have more here than you may: {}, with what your unfinished uploads will have.",
            size_in_words(quota)
        ))
    }

    /// Takes back that uploads were counted: their message is there already.
    pub fn uncount_uploads(&self, owner: UserKey, uploads: usize) {
        for _ in 0..uploads {
            self.rates.uploads.give_back(owner);
        }
    }

    /// Gives an upload up. `true`: no message will ever name it, and its bytes may be deleted; then it is to be
    /// [forgotten](Self::forget_upload). `false`: a message names it, or it is forgotten already.
    pub async fn abandon_upload(&self, key: AttachmentKey) -> Result<bool> {
        Ok(self.store.discard_attachment(key).await?)
    }

    /// Forgets an upload that was given up, when its bytes are gone.
    pub async fn forget_upload(&self, key: AttachmentKey) -> Result<()> {
        Ok(self.store.forget_attachment(key).await?)
    }

    /// A page of the uploads that were begun longer ago than `older_than` and that no message names: whole or not, given
    /// up or not. The next page begins after the last of this one; an empty page is the end. Each is to be
    /// [abandoned](Self::abandon_upload) first: a message may name it in this very moment.
    pub async fn abandoned_uploads(&self, older_than: Duration, after: Option<&Upload>) -> Result<Vec<Upload>> {
        let millis = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let before = self.clock.now().plus_millis(millis.saturating_neg());
        let after = after.map(|upload| (upload.created_at, upload.key));
        let page = self.store.unused_attachments(before, after, limits::ABANDONED_PAGE);
        Ok(page.await?)
    }

    /// The link to a part of an attachment that no message need name yet: for its uploader alone.
    pub fn upload_link(&self, attachment: &Attachment, variant: Variant) -> String {
        self.policy.media.links.of_upload(attachment, variant)
    }

    /// How links to files are made.
    pub fn links(&self) -> &Links {
        &self.policy.media.links
    }

    /// A fresh link to a part of an attachment, for somebody who may see it: its uploader, and whoever sees a message that
    /// carries it. To anyone else there is none (`NOT_FOUND`).
    pub async fn fresh_link(&self, viewer: UserKey, id: &str, variant: Variant) -> Result<String> {
        let nothing = || Error::not_found("attachment");
        let id = AttachmentId::parse(id).map_err(|_| nothing())?;
        let found = self.store.attachment_for(&id, viewer).await?;
        let (attachment, place) = found.ok_or_else(nothing)?;
        if matches!(attachment.source, Source::Stored(_)) && attachment.variant_type(variant).is_none() {
            return Err(nothing());
        }
        let Some(place) = place else {
            return Ok(self.upload_link(&attachment, variant));
        };
        let conversation = self.conversation(place).await?;
        Ok(self.links().of(&attachment, variant, &conversation))
    }

    /// The part of an attachment that a link leads to. `FORBIDDEN` for a link that was changed, has expired, or is of a
    /// conversation out of which somebody went since.
    pub async fn judge_link(&self, id: &str, variant: &str, query: &str) -> Result<Linked> {
        let claim = self.links().verified(id, variant, query)?;
        if let Some((conversation, departures)) = &claim.conversation {
            let is_as_signed = |conversation: &crate::model::Conversation| match conversation.departures == *departures
            {
                true => Ok(()),
                false => Err(link::dead()),
            };
            self.conversation_where(conversation, is_as_signed).await?;
        }
        let found = self.store.attachments_by_id(std::slice::from_ref(&claim.id)).await?;
        let attachment = found.into_iter().next().ok_or_else(|| Error::not_found("attachment"))?;
        let media_type = attachment
            .variant_type(claim.variant)
            .ok_or_else(|| Error::not_found("attachment"))?;
        Ok(Linked {
            attachment,
            variant: claim.variant,
            media_type,
            expires_at: claim.expires_at,
        })
    }
}

/// A size in bytes, in the largest unit of which it is a whole number.
fn size_in_words(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}
