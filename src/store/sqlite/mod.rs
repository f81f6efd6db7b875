//! The store in one SQLite file: the default, complete by itself.
//!
//! One thread writes ([`writer`]), a few read ([`readers`]), one moves the log into the database ([`checkpoint`]).
//! The other files hold the statements, a file for each noun. A write is a type with its own `apply`; a read is a
//! function of a connection.

mod attachments;
mod checkpoint;
mod comments;
mod conversations;
mod directory;
pub(super) mod export;
mod history;
mod inbox;
mod journal;
mod marks;
mod members;
mod messages;
mod migrate;
mod open;
mod participation;
mod readers;
mod row_key;
mod sessions;
mod settings;
mod statement;
pub mod stats;
// These tests hold real threads and kill real processes; no runtime's worker waits in them.
#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests;
pub(super) mod trouble;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use self::{
    checkpoint::Checkpoints,
    open::{FileLock, connect_writing},
    readers::Readers,
    writer::{Queue, Writer},
};
pub use self::{
    migrate::{Migrated, migrate},
    open::OpenError,
    settings::{read_sessions_ended, read_setting},
    stats::Stats,
};
use super::{
    Actor, Appended, Changed, Comments, Completed, Draft, Facts, History, Inbox, InboxCursor, JournalEnds, Marked,
    Pending, Result, Store, Window,
    rules::{
        directory::{EndSessions, PutListing, PutUser},
        marks::Mark,
        members::{ChangeConversation, PutMember, RemoveMember},
    },
};
use crate::model::{
    Attachment, AttachmentId, AttachmentKey, Clock, Comment, Conversation, ConversationId, ConversationKey, Cut, Entry,
    FileFacts, Listing, ListingId, ListingKey, Message, NodeKey, Note, Origin, Recorded, Role, Seq, Session, SessionId,
    Timestamp, User, UserId, UserKey,
    attachment::Upload,
    limits,
    listing::ListingPatch,
    session::{Holder, NewSession, Node, SessionChange},
    user::{UserPatch, UserSource},
};

/// How much the store may have in hand. The defaults are measured (`examples/store_bench.rs`).
#[derive(Debug, Clone)]
pub struct Options {
    /// Writes that wait; over it, writes are refused as `Overloaded`.
    pub queue_max: usize,
    /// Writes in one transaction.
    pub batch_max: usize,
    /// Reads that run at the same time, each on its own thread and connection.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            queue_max: limits::WRITER_QUEUE,
            batch_max: limits::WRITER_BATCH,
            readers: std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8)),
        }
    }
}

/// The store in one SQLite file. Dropped without [`Store::close`], it still commits what is queued.
pub struct SqliteStore {
    queue: Queue,
    readers: Readers,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
}

impl SqliteStore {
    /// Opens the database at `path`, making it and its folder where there is none, and brings it to this binary's
    /// schema. No other process can open it as long as this one has it.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, facts: Facts, options: Options) -> Result<Self, OpenError> {
        let lock = FileLock::take(path)?;
        let mut connection = connect_writing(path)?;
        migrate::run(path, &mut connection)?;
        let stats = Arc::new(Stats::default());
        let readers = Readers::start(path, options.readers)?;
        let no_thread = |error: std::io::Error| OpenError::Broken {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        let checkpoints = Checkpoints::start(connect_writing(path)?, stats.clone()).map_err(no_thread)?;
        let last_number = journal::last_number(&connection).map_err(|error| OpenError::new(path, &error))?;
        let writer = Writer {
            connection,
            clock: clock.clone(),
            facts,
            last_number,
            checkpoints,
            stats: stats.clone(),
            trouble: trouble::Trouble::new(stats.clone()),
            batch_max: options.batch_max.max(1),
            lock,
        };
        let queue = writer.start(options.queue_max).map_err(no_thread)?;
        Ok(SqliteStore {
            queue,
            readers,
            clock,
            stats,
        })
    }

    /// What the writer can be watched by.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }
}

#[async_trait]
impl Store for SqliteStore {
    // ---- directory

    fn put_user(&self, id: UserId, patch: UserPatch, source: UserSource) -> Pending<User> {
        self.queue.put(PutUser { id, patch, source })
    }

    async fn user_by_id(&self, id: &UserId) -> Result<Option<User>> {
        let id = id.clone();
        self.readers
            .read(move |connection| directory::user_by_id(connection, &id))
            .await
    }

    async fn users(&self, keys: &[UserKey]) -> Result<Vec<User>> {
        let keys = keys.to_vec();
        self.readers
            .read(move |connection| directory::users(connection, &keys))
            .await
    }

    fn put_last_seen(&self, user: UserKey, at: Timestamp) -> Pending<()> {
        self.queue.put(directory::PutLastSeen { user, at })
    }

    fn end_sessions(&self, id: UserId) -> Pending<(UserKey, Timestamp)> {
        self.queue.put(EndSessions { id })
    }

    fn put_listing(&self, id: ListingId, patch: ListingPatch) -> Pending<Listing> {
        self.queue.put(PutListing { id, patch })
    }

    async fn listing_by_id(&self, id: &ListingId) -> Result<Option<Listing>> {
        let id = id.clone();
        self.readers
            .read(move |connection| directory::listing_by_id(connection, &id))
            .await
    }

    async fn listings(&self, keys: &[ListingKey]) -> Result<Vec<Listing>> {
        let keys = keys.to_vec();
        self.readers
            .read(move |connection| directory::listings(connection, &keys))
            .await
    }

    // ---- conversations

    fn open_one_to_one(
        &self,
        asker: UserKey,
        asked: UserKey,
        listing: Option<ListingKey>,
    ) -> Pending<(Arc<Conversation>, bool)> {
        self.queue.put(conversations::OpenOneToOne { asker, asked, listing })
    }

    fn open_group(&self, creator: UserKey, title: Option<String>, others: Vec<UserKey>) -> Pending<Arc<Conversation>> {
        self.queue.put(conversations::OpenGroup { creator, title, others })
    }

    fn put_member(
        &self,
        actor: Actor,
        conversation: ConversationKey,
        user: UserKey,
        role: Option<Role>,
        group_max: usize,
    ) -> Pending<Changed> {
        self.queue.put(PutMember {
            actor,
            conversation,
            user,
            role,
            group_max,
        })
    }

    fn remove_member(&self, actor: Actor, conversation: ConversationKey, user: UserKey) -> Pending<Changed> {
        self.queue.put(RemoveMember {
            actor,
            conversation,
            user,
        })
    }

    fn change_conversation(
        &self,
        actor: Actor,
        conversation: ConversationKey,
        title: Option<Option<String>>,
        is_active: Option<bool>,
    ) -> Pending<Changed> {
        self.queue.put(ChangeConversation {
            actor,
            conversation,
            title,
            is_active,
        })
    }

    async fn conversation_by_id(&self, id: &ConversationId) -> Result<Option<Arc<Conversation>>> {
        let id = id.clone();
        let found = self
            .readers
            .read(move |connection| conversations::find_by_id(connection, &id))
            .await?;
        Ok(found.map(|loaded| Arc::new(loaded.conversation)))
    }

    async fn conversation(&self, key: ConversationKey) -> Result<Option<Arc<Conversation>>> {
        let found = self
            .readers
            .read(move |connection| conversations::find(connection, key))
            .await?;
        Ok(found.map(|loaded| Arc::new(loaded.conversation)))
    }

    async fn one_to_ones(&self, one: UserKey, other: UserKey) -> Result<Vec<ConversationKey>> {
        self.readers
            .read(move |connection| conversations::one_to_ones(connection, one, other))
            .await
    }

    async fn conversations_of(&self, user: UserKey) -> Result<Vec<ConversationKey>> {
        self.readers
            .read(move |connection| conversations::conversations_of(connection, user))
            .await
    }

    async fn inbox(&self, viewer: UserKey, cursor: Option<InboxCursor>, limit: usize) -> Result<Inbox> {
        self.readers
            .read(move |connection| inbox::inbox(connection, viewer, cursor, limit))
            .await
    }

    async fn entry(&self, conversation: ConversationKey, viewer: UserKey) -> Result<Option<Entry>> {
        self.readers
            .read(move |connection| inbox::entry(connection, conversation, viewer))
            .await
    }

    // ---- messages

    fn append(&self, draft: Draft) -> Pending<Appended> {
        self.queue.put(draft)
    }

    async fn find_sent(
        &self,
        sender: UserKey,
        client_message_id: &str,
        among: &[ConversationKey],
    ) -> Result<Option<ConversationKey>> {
        let (client_message_id, among) = (client_message_id.to_owned(), among.to_vec());
        self.readers
            .read(move |connection| messages::find_sent(connection, sender, &client_message_id, &among))
            .await
    }

    async fn history(&self, conversation: ConversationKey, viewer: UserKey, window: Window) -> Result<Option<History>> {
        self.readers
            .read(move |connection| history::history(connection, conversation, viewer, window))
            .await
    }

    async fn message(&self, conversation: ConversationKey, viewer: UserKey, seq: Seq) -> Result<Option<Message>> {
        self.readers
            .read(move |connection| messages::find_for(connection, conversation, viewer, seq))
            .await
    }

    async fn messages(&self, places: &[(ConversationKey, Seq)]) -> Result<Vec<Message>> {
        let places = places.to_vec();
        self.readers
            .read(move |connection| messages::find_all(connection, &places))
            .await
    }

    fn mark(
        &self,
        conversation: ConversationKey,
        reader: UserKey,
        up_to: Option<Seq>,
        origin: Option<Origin>,
    ) -> Pending<Marked> {
        self.queue.put(Mark {
            conversation,
            reader,
            up_to,
            origin,
        })
    }

    // ---- attachments

    fn begin_attachment(&self, id: AttachmentId, owner: UserKey, name: String) -> Pending<Upload> {
        self.queue.put(attachments::Begin { id, owner, name })
    }

    fn complete_attachment(&self, key: AttachmentKey, facts: FileFacts, quota: Option<u64>) -> Pending<Completed> {
        self.queue.put(attachments::Complete { key, facts, quota })
    }

    fn discard_attachment(&self, key: AttachmentKey) -> Pending<bool> {
        self.queue.put(attachments::Discard { key })
    }

    fn forget_attachment(&self, key: AttachmentKey) -> Pending<()> {
        self.queue.put(attachments::Forget { key })
    }

    async fn attachments_by_id(&self, ids: &[AttachmentId]) -> Result<Vec<Attachment>> {
        let ids = ids.to_vec();
        self.readers
            .read(move |connection| attachments::find_by_id(connection, &ids))
            .await
    }

    async fn attachment_for(
        &self,
        id: &AttachmentId,
        viewer: UserKey,
    ) -> Result<Option<(Attachment, Option<ConversationKey>)>> {
        let id = id.clone();
        self.readers
            .read(move |connection| attachments::find_for(connection, &id, viewer))
            .await
    }

    async fn unused_attachments(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, AttachmentKey)>,
        limit: usize,
    ) -> Result<Vec<Upload>> {
        self.readers
            .read(move |connection| attachments::unused(connection, before, after, limit))
            .await
    }

    async fn attachment_bytes(&self, owner: UserKey) -> Result<u64> {
        self.readers
            .read(move |connection| attachments::bytes_of(connection, owner))
            .await
    }

    // ---- comments

    fn add_comment(&self, post_id: String, author: UserKey, text: String) -> Pending<Arc<Comment>> {
        self.queue.put(comments::AddComment { post_id, author, text })
    }

    async fn comments(&self, post_id: &str, window: Window) -> Result<Comments> {
        let post_id = post_id.to_owned();
        self.readers
            .read(move |connection| comments::comments(connection, &post_id, window))
            .await
    }

    /// The file is locked.
    fn is_shared(&self) -> bool {
        false
    }

    // ---- the journal

    async fn journal(&self, from: &Cut, limit: usize) -> Result<Vec<Recorded<Note>>> {
        let from = from.clone();
        self.readers
            .read(move |connection| journal::journal(connection, &from, limit))
            .await
    }

    async fn journal_ends(&self) -> Result<JournalEnds> {
        self.readers.read(journal::ends).await
    }

    fn prune_journal(&self, up_to: Cut) -> Pending<()> {
        self.queue.put(journal::Prune { up_to })
    }

    // ---- nodes and sessions

    fn enter_node(&self, address: Option<String>) -> Pending<NodeKey> {
        self.queue.put(sessions::EnterNode { address })
    }

    fn beat(&self, node: NodeKey, received: Cut) -> Pending<()> {
        self.queue.put(sessions::Beat { node, received })
    }

    async fn nodes(&self, within: Duration) -> Result<Vec<Node>> {
        let now = self.clock.now();
        self.readers
            .read(move |connection| sessions::nodes(connection, within, now))
            .await
    }

    fn open_session(&self, session: NewSession) -> Pending<()> {
        self.queue.put(session)
    }

    fn resume_session(
        &self,
        id: SessionId,
        user: UserKey,
        holder: Holder,
        window: Duration,
    ) -> Pending<Option<Session>> {
        self.queue.put(sessions::ResumeSession {
            id,
            user,
            holder,
            window,
        })
    }

    fn change_session(&self, id: SessionId, holder: Holder, change: SessionChange) -> Pending<()> {
        self.queue.put(sessions::ChangeSession { id, holder, change })
    }

    fn suspend_session(&self, id: SessionId, holder: Holder, received: Cut) -> Pending<()> {
        self.queue.put(sessions::SuspendSession { id, holder, received })
    }

    fn forget_session(&self, id: SessionId, holder: Holder) -> Pending<()> {
        self.queue.put(sessions::ForgetSession { id, holder })
    }

    fn sweep_sessions(&self, window: Duration) -> Pending<()> {
        self.queue.put(sessions::SweepSessions { window })
    }

    // ---- the installation

    fn keep_setting(&self, name: &'static str, value: String) -> Pending<String> {
        self.queue.put(settings::KeepSetting { name, value })
    }

    async fn check(&self) -> Result<()> {
        self.queue.put(settings::Probe).await?;
        self.readers.read(settings::see_probe).await
    }

    async fn close(&self) {
        self.readers.close();
        self.queue.close().await;
    }
}
