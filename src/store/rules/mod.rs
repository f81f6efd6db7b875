//! What every engine decides alike, told apart from where its rows lie.

pub(super) mod attachments;
pub(super) mod conversations;
pub(super) mod directory;
pub(super) mod journal;
pub(super) mod marks;
pub(super) mod members;
pub(super) mod page;
pub(super) mod participation;
pub(super) mod passed;
pub(super) mod sessions;
