//! The store: batches in, facts out. The database is the log: whatever is on the wire is news of a row that is here.
//!
//! Writes are queued by the call itself, in the order of the calls, and answered after their commit is flushed; the
//! facts of a batch are handed to [`Facts`] in commit order *before* the writers are answered. Reads see every write
//! that was answered before they began.

#[cfg(test)]
pub(crate) mod conformance;
pub mod copy;
pub mod postgres;
mod rules;
pub mod sqlite;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::model::{
    Attachment, AttachmentId, AttachmentKey, Comment, Conversation, ConversationId, ConversationKey, Cut, Entry, Fact,
    FileFacts, Listing, ListingId, ListingKey, Message, MessageKind, NodeKey, Note, Origin, Recorded, Role, Seq,
    Session, SessionId, Timestamp, User, UserId, UserKey,
    attachment::{ExternalFile, Upload},
    conversation::Read,
    listing::ListingPatch,
    session::{Holder, NewSession, Node, SessionChange},
    user::{UserPatch, UserSource},
};

/// Where committed facts go, a batch at a time. Bounded: a slow receiver slows the writer, it loses nothing.
pub type Facts = mpsc::Sender<Vec<Recorded<Fact>>>;

/// Why the store could not do it. Nothing of the failed call was stored, unless it says that this is uncertain.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too many writes wait already; come again.
    #[error("the store has too much to write at the moment")]
    Overloaded,
    /// The disk is full, the file cannot be written, the database does not answer: what the engine said.
    #[error("the store cannot be used at the moment: {0}")]
    Unavailable(String),
    /// The database was asked to commit, and did not say whether it has. Who tries again with the same id finds out.
    #[error("the store did not say whether it was stored: {0}")]
    Uncertain(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A write that is queued. Dropping it does not take the write back.
pub struct Pending<T>(oneshot::Receiver<Result<T>>);

impl<T> Pending<T> {
    /// The pair of a queued write and the place where its outcome goes.
    pub fn channel() -> (oneshot::Sender<Result<T>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Pending(receiver))
    }

    /// A write that was refused before it was queued.
    pub fn refused(error: StoreError) -> Self {
        let (sender, pending) = Self::channel();
        let _ = sender.send(Err(error));
        pending
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|outcome| outcome.unwrap_or(Err(StoreError::Closed)))
    }
}

/// A message on its way in. The sender comes from a verified identity, the content is checked and trimmed.
#[derive(Debug, Clone)]
pub struct Draft {
    pub conversation: ConversationKey,
    pub sender: UserKey,
    pub kind: MessageKind,
    /// Empty only where there are attachments.
    pub content: String,
    pub attachments: Vec<DraftAttachment>,
    /// Unique per sender and conversation, kept for ever.
    pub client_message_id: Option<String>,
    /// Of everything that makes two drafts the same message; compared when `client_message_id` is known already.
    pub digest: [u8; 16],
    /// A `seq` of the same conversation that the sender may see.
    pub reply_to: Option<Seq>,
    /// Handed on to the fact of it.
    pub origin: Option<Origin>,
}

/// A file that a draft carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftAttachment {
    /// Uploaded before.
    Uploaded(AttachmentKey),
    /// Elsewhere: its row is made together with the message.
    External {
        id: AttachmentId,
        name: String,
        file: ExternalFile,
    },
}

/// What became of a draft.
#[derive(Debug, Clone)]
pub enum Appended {
    Stored(Arc<Message>),
    /// The same `client_message_id` and digest: the message that is there already, as it stands now.
    Repeat(Arc<Message>),
    /// The same `client_message_id` with another digest.
    Conflict,
    /// The sender is not in the conversation, or there is none.
    NotParticipant,
    /// The sender has left.
    Left,
    /// The conversation was closed by the host.
    Closed,
    /// `reply_to` names no message that the sender may see.
    NoSuchReply,
    /// One of the attachments is not there, not whole, or not the sender's own.
    NoSuchAttachment,
}

/// What became of an upload whose bytes are all there.
#[derive(Debug, Clone)]
pub enum Completed {
    Ready(Attachment),
    /// With it its owner would have more than they may.
    OverQuota,
    /// It was given up meanwhile, or never begun.
    Discarded,
}

/// What became of a mark.
#[derive(Debug, Clone)]
pub enum Marked {
    Advanced(Read),
    /// The mark stood there, or higher, already.
    Unchanged,
    NotParticipant,
    Left,
    /// `up_to` names no message that the reader may see.
    NoSuchMessage,
}

/// Who may change a conversation's memberships or facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The host application, by its API key.
    Host,
    User(UserKey),
}

/// What became of a change to a conversation.
#[derive(Debug, Clone)]
pub enum Changed {
    /// How it stands now, and whether the call changed anything.
    Done {
        conversation: Arc<Conversation>,
        changed: bool,
    },
    /// There is none, or the actor is not in it.
    NotFound,
    /// The actor has left, or is no admin.
    Forbidden,
    /// The person to remove is not a current member.
    NoSuchMember,
    /// A one-to-one conversation has its two people for good.
    NotAGroup,
    /// The group has as many current members as it may have.
    Full,
}

/// Which part of a history or of comments, ascending by `seq` in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The newest.
    Newest { limit: usize },
    /// The newest of those below `seq`.
    Before { seq: Seq, limit: usize },
    /// The oldest of those above `seq`.
    After { seq: Seq, limit: usize },
}

/// Part of a conversation's history.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Ascending by `seq`, only what the viewer may see.
    pub messages: Vec<Message>,
    /// More in the window's direction: older, or newer with `After`.
    pub has_more: bool,
    /// The highest `seq` that the viewer may see, 0 when there is none: a snapshot up to here.
    pub last_seq: Seq,
}

/// Where a list of conversations goes on: below this activity, and at the same activity below this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxCursor {
    pub activity_at: Timestamp,
    pub conversation: ConversationKey,
}

/// Part of somebody's list of conversations, newest activity first.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    pub entries: Vec<Entry>,
    pub has_more: bool,
}

/// How far the journal goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalEnds {
    /// All up to here has been pruned.
    pub pruned: Cut,
    /// All up to here is recorded.
    pub recorded: Cut,
}

/// Part of the comments under a post.
#[derive(Debug, Clone, Default)]
pub struct Comments {
    pub comments: Vec<Comment>,
    pub has_more: bool,
}

/// One engine. `conformance` is what every engine must pass.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- directory

    /// Makes or changes an entry as far as `source` may, and returns it.
    fn put_user(&self, id: UserId, patch: UserPatch, source: UserSource) -> Pending<User>;
    async fn user_by_id(&self, id: &UserId) -> Result<Option<User>>;
    /// Those that exist, in any order.
    async fn users(&self, keys: &[UserKey]) -> Result<Vec<User>>;
    fn put_last_seen(&self, user: UserKey, at: Timestamp) -> Pending<()>;
    /// Ends all sessions of a user, who gets an entry if there is none: those of live sockets are forgotten, and whatever
    /// was issued up to this moment, which is returned, identifies nobody any more. It only rises.
    fn end_sessions(&self, id: UserId) -> Pending<(UserKey, Timestamp)>;

    /// Makes or changes an entry. With an empty patch: makes one where there is none, and changes nothing.
    fn put_listing(&self, id: ListingId, patch: ListingPatch) -> Pending<Listing>;
    async fn listing_by_id(&self, id: &ListingId) -> Result<Option<Listing>>;
    async fn listings(&self, keys: &[ListingKey]) -> Result<Vec<Listing>>;

    // ---- conversations

    /// Finds or makes the one conversation of two different people about a listing or none. `true`: made by this call.
    fn open_one_to_one(
        &self,
        asker: UserKey,
        asked: UserKey,
        listing: Option<ListingKey>,
    ) -> Pending<(Arc<Conversation>, bool)>;
    /// Makes a group of `creator` (its admin) and `others` (without the creator, no repeats).
    fn open_group(&self, creator: UserKey, title: Option<String>, others: Vec<UserKey>) -> Pending<Arc<Conversation>>;
    /// Adds somebody, brings somebody back, or changes the role of a current member. By an admin or the host.
    /// `role: None` adds as a member and leaves a current member's role alone. `group_max` counts current members.
    fn put_member(
        &self,
        actor: Actor,
        conversation: ConversationKey,
        user: UserKey,
        role: Option<Role>,
        group_max: usize,
    ) -> Pending<Changed>;
    /// Ends a membership: one's own, or another's as an admin or the host. When the last admin leaves, the
    /// longest-standing current member becomes one, in the same transaction.
    fn remove_member(&self, actor: Actor, conversation: ConversationKey, user: UserKey) -> Pending<Changed>;
    /// `title` by the host or a group's admin, `is_active` by the host alone (`Forbidden` otherwise).
    fn change_conversation(
        &self,
        actor: Actor,
        conversation: ConversationKey,
        title: Option<Option<String>>,
        is_active: Option<bool>,
    ) -> Pending<Changed>;

    async fn conversation_by_id(&self, id: &ConversationId) -> Result<Option<Arc<Conversation>>>;
    async fn conversation(&self, key: ConversationKey) -> Result<Option<Arc<Conversation>>>;
    /// All one-to-one conversations of two people, most recent activity first.
    async fn one_to_ones(&self, one: UserKey, other: UserKey) -> Result<Vec<ConversationKey>>;
    /// The conversations that somebody is in now, in any order.
    async fn conversations_of(&self, user: UserKey) -> Result<Vec<ConversationKey>>;
    /// A page of somebody's list, those that they have left included.
    async fn inbox(&self, viewer: UserKey, cursor: Option<InboxCursor>, limit: usize) -> Result<Inbox>;
    /// One conversation as it stands in somebody's list; `None` if they never were in it.
    async fn entry(&self, conversation: ConversationKey, viewer: UserKey) -> Result<Option<Entry>>;

    // ---- messages

    /// Queues a message. The order of the calls is the order of the commits of one conversation.
    fn append(&self, draft: Draft) -> Pending<Appended>;
    /// In which of these conversations did the sender use this `client_message_id`?
    async fn find_sent(
        &self,
        sender: UserKey,
        client_message_id: &str,
        among: &[ConversationKey],
    ) -> Result<Option<ConversationKey>>;
    /// Part of what the viewer may see; `None` if they never were in it.
    async fn history(&self, conversation: ConversationKey, viewer: UserKey, window: Window) -> Result<Option<History>>;
    /// One message, if the viewer may see it.
    async fn message(&self, conversation: ConversationKey, viewer: UserKey, seq: Seq) -> Result<Option<Message>>;
    /// Those of these messages that there are, in any order, for telling the news of them: nobody's eyes are asked for.
    async fn messages(&self, places: &[(ConversationKey, Seq)]) -> Result<Vec<Message>>;
    /// Raises the reader's mark to `up_to`, else to the newest message. It never falls.
    fn mark(
        &self,
        conversation: ConversationKey,
        reader: UserKey,
        up_to: Option<Seq>,
        origin: Option<Origin>,
    ) -> Pending<Marked>;

    // ---- attachments: the row comes before the bytes and goes after them

    /// Begins an upload, under an id that is new.
    fn begin_attachment(&self, id: AttachmentId, owner: UserKey, name: String) -> Pending<Upload>;
    /// The file is complete and flushed: from now on messages may name it. `quota`: as many bytes as its owner may have.
    fn complete_attachment(&self, key: AttachmentKey, facts: FileFacts, quota: Option<u64>) -> Pending<Completed>;
    /// Gives an upload up, if no message names it: from now on none will. `true`: its bytes may go, and then the row.
    fn discard_attachment(&self, key: AttachmentKey) -> Pending<bool>;
    /// Takes the row of a discarded upload away, when its bytes are gone.
    fn forget_attachment(&self, key: AttachmentKey) -> Pending<()>;
    /// Those of these that are ready, in any order, for whoever judges by themselves who may have them.
    async fn attachments_by_id(&self, ids: &[AttachmentId]) -> Result<Vec<Attachment>>;
    /// One that is ready, if the viewer may see it: their own (`None`), or one that a message carries which they may see,
    /// and that message's conversation.
    async fn attachment_for(
        &self,
        id: &AttachmentId,
        viewer: UserKey,
    ) -> Result<Option<(Attachment, Option<ConversationKey>)>>;
    /// Uploads begun before this time that no message names, whatever became of them: the oldest behind `after`.
    async fn unused_attachments(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, AttachmentKey)>,
        limit: usize,
    ) -> Result<Vec<Upload>>;
    /// How many bytes of this person's files are here.
    async fn attachment_bytes(&self, owner: UserKey) -> Result<u64>;

    // ---- comments

    fn add_comment(&self, post_id: String, author: UserKey, text: String) -> Pending<Arc<Comment>>;
    async fn comments(&self, post_id: &str, window: Window) -> Result<Comments>;

    /// Do others write into the same database?
    fn is_shared(&self) -> bool;

    // ---- the journal: every fact leaves a note there, in the transaction that makes it true

    /// The notes above `from`, as of one moment: of each slot the oldest, in its order, at most `limit` of them.
    async fn journal(&self, from: &Cut, limit: usize) -> Result<Vec<Recorded<Note>>>;
    async fn journal_ends(&self) -> Result<JournalEnds>;
    /// Takes the notes up to here away. Positions are never given again.
    fn prune_journal(&self, up_to: Cut) -> Pending<()>;

    // ---- nodes and sessions

    /// A node begins. `address` is where others reach it.
    fn enter_node(&self, address: Option<String>) -> Pending<NodeKey>;
    /// A sign of life. `received`: every client whose session this node has is sure to have got all up to here.
    fn beat(&self, node: NodeKey, received: Cut) -> Pending<()>;
    /// Those that gave a sign of life within this time.
    async fn nodes(&self, within: Duration) -> Result<Vec<Node>>;

    fn open_session(&self, session: NewSession) -> Pending<()>;
    /// Takes a session over for another connection of the same user, if it is there and has not been away for longer than
    /// `window`. From then on its former holder changes nothing.
    fn resume_session(
        &self,
        id: SessionId,
        user: UserKey,
        holder: Holder,
        window: Duration,
    ) -> Pending<Option<Session>>;
    /// Notes what a session does, if this connection still has it.
    fn change_session(&self, id: SessionId, holder: Holder, change: SessionChange) -> Pending<()>;
    /// The connection is gone, and may come back: `received` is what is sure to have reached the client.
    fn suspend_session(&self, id: SessionId, holder: Holder, received: Cut) -> Pending<()>;
    /// The client has gone for good.
    fn forget_session(&self, id: SessionId, holder: Holder) -> Pending<()>;
    /// Forgets the sessions that have been away for longer than `window`, and nodes that are silent and have none left.
    fn sweep_sessions(&self, window: Duration) -> Pending<()>;

    // ---- the installation

    /// The value kept under `name`; when there is none, `value` is kept. One answer for all who race.
    fn keep_setting(&self, name: &'static str, value: String) -> Pending<String>;
    /// Can it be read and written now?
    async fn check(&self) -> Result<()>;
    /// Ends after everything queued is committed and answered.
    async fn close(&self);
}
