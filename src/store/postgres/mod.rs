//! The store in PostgreSQL 13 or later, in a schema of its own (`doorbell`), so that it can live in the site's database.
//!
//! A few tasks write ([`writer`]), each with a connection; reads borrow one of a few others ([`readers`]). The other files
//! hold the statements, a file for each noun. A write is a type with its own `apply`; a read is a function of a
//! connection. What both engines decide alike is in [`super::rules`].
//!
//! Several processes may have the same database: every write locks its conversation's row first, and looks afterwards.
//! What the others have stored stands in the journal ([`journal`]), where every writer counts in a slot of its own
//! ([`slots`]).

mod attachments;
mod batch;
mod comments;
mod connection;
mod conversations;
mod directory;
mod history;
pub(super) mod import;
mod inbox;
mod journal;
mod marks;
mod members;
mod messages;
mod migrate;
mod news;
mod nodes;
mod open;
mod outgrown;
mod participation;
mod queue;
mod readers;
mod rows;
mod sessions;
mod settings;
mod slots;
pub(super) mod text;
mod tls;
mod transaction;
mod trouble;
// These tests start real servers; no runtime's worker waits in them.
#[cfg(test)]
#[allow(clippy::disallowed_methods)]
pub(super) mod tests;
mod writer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use self::{
    connection::{BEGIN_WRITING, BEGIN_WRITING_FLUSHED, Failure},
    nodes::Entered,
    open::Address,
    outgrown::Outgrown,
    queue::Queues,
    readers::{Readers, glance},
    sessions::Asked,
    writer::Work,
};
pub use self::{migrate::migrate, open::OpenError};
use super::{
    Actor, Appended, Changed, Comments, Completed, Draft, Facts, History, Inbox, InboxCursor, JournalEnds, Marked,
    Pending, Result, Store, Window,
    rules::{
        directory::{EndSessions, PutListing, PutUser},
        marks::Mark,
        members::{ChangeConversation, PutMember, RemoveMember},
    },
    sqlite::Stats,
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

/// How much the store may have in hand.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tasks that write, each with a connection of its own. Two to four are best, measured: more wait for each other.
    pub writers: usize,
    /// Writes that wait for each of them; over it, writes are refused as `Overloaded`.
    pub queue_max: usize,
    /// Writes in one transaction.
    pub batch_max: usize,
    /// Reads that run at the same time, each on its own connection.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        Options {
            writers: cores.clamp(2, 4),
            queue_max: limits::WRITER_QUEUE,
            batch_max: limits::WRITER_BATCH,
            readers: cores.clamp(4, 8),
        }
    }
}

/// The store in PostgreSQL. Dropped without [`Store::close`], it still commits what is queued.
pub struct PostgresStore {
    queues: Queues,
    readers: Readers,
    /// What the writers are known by in the database.
    holders: Vec<i64>,
    entered: Arc<Entered>,
    stats: Arc<Stats>,
}

impl PostgresStore {
    /// Opens the database at `url` (`postgres://user:password@host:port/database`) and brings it to this binary's schema.
    /// Must be called within a runtime, which the writers live in.
    pub async fn open(url: &str, clock: Arc<dyn Clock>, facts: Facts, options: Options) -> Result<Self, OpenError> {
        let address = Address::read(url)?;
        let mut first = address.connect().await?;
        migrate::run(&address.shown, &mut first).await?;
        let copied = import::unfinished_source(&first).await;
        if let Some(source_name) = copied.map_err(|failure| OpenError::new(&address.shown, &failure))? {
            return Err(OpenError::Unfinished {
                database: address.shown,
                source_name,
            });
        }
        let flushes = open::flushes(&first).await;
        let flushes = flushes.map_err(|failure: Failure| OpenError::new(&address.shown, &failure))?;
        let mut connections = vec![first];
        while connections.len() < options.writers {
            connections.push(address.connect_any().await?);
        }
        let mut holders = Vec::with_capacity(connections.len());
        while holders.len() < connections.len() {
            let random = getrandom::u64().map_err(|error| OpenError::Broken {
                database: address.shown.clone(),
                reason: format!("the system gives no random numbers: {error}"),
            })?;
            holders.push(random as i64);
        }
        let entered = Arc::new(Entered::new(clock.now().0));
        let stats = Arc::new(Stats::default());
        let outgrown = Arc::<Outgrown>::default();
        let work = Work {
            config: address.config.clone(),
            begin: if flushes { BEGIN_WRITING } else { BEGIN_WRITING_FLUSHED },
            clock,
            facts,
            stats: stats.clone(),
            trouble: Arc::new(trouble::Trouble::new(stats.clone())),
            outgrown: Arc::clone(&outgrown),
            queue_max: options.queue_max.max(1),
            batch_max: options.batch_max.max(1),
        };
        Ok(PostgresStore {
            queues: work.start(holders.iter().copied().zip(connections).collect()),
            readers: Readers::new(address.config, options.readers),
            holders,
            entered,
            stats,
        })
    }

    /// What the writers can be watched by, all of them together.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }
}

/// Can the database's URL be read, and the files that it names? Nobody is asked.
pub fn judge_url(url: &str) -> Result<(), OpenError> {
    Address::read(url).map(|_| ())
}

/// The value kept under `name` in the database at `url`, read beside whoever uses it; `None` also where there is no schema.
pub async fn read_setting(url: &str, name: &str) -> Result<Option<String>, OpenError> {
    let address = Address::read(url)?;
    let connection = address.connect().await?;
    let found = async {
        let made = connection
            .one("SELECT to_regclass('doorbell.setting') IS NOT NULL", &[])
            .await?;
        match made.try_get(0)? {
            true => settings::find(&connection, name).await,
            false => Ok(None),
        }
    };
    found.await.map_err(|failure| OpenError::new(&address.shown, &failure))
}

/// When all sessions of a user were ended last, read in the same way; `None` also of somebody whom nobody knows.
pub async fn read_sessions_ended(url: &str, user_id: &str) -> Result<Option<Timestamp>, OpenError> {
    let address = Address::read(url)?;
    let connection = address.connect().await?;
    let found = directory::sessions_ended(&connection, user_id).await;
    found.map_err(|failure| OpenError::new(&address.shown, &failure))
}

#[async_trait]
impl Store for PostgresStore {
    // ---- directory

    fn put_user(&self, id: UserId, patch: UserPatch, source: UserSource) -> Pending<User> {
        self.queues.put_by(id.clone(), PutUser { id, patch, source })
    }

    async fn user_by_id(&self, id: &UserId) -> Result<Option<User>> {
        glance!(self.readers, connection => directory::user_by_id(connection, id))
    }

    async fn users(&self, keys: &[UserKey]) -> Result<Vec<User>> {
        glance!(self.readers, connection => directory::users(connection, keys))
    }

    fn put_last_seen(&self, user: UserKey, at: Timestamp) -> Pending<()> {
        self.queues.put_by(user, directory::PutLastSeen { user, at })
    }

    fn end_sessions(&self, id: UserId) -> Pending<(UserKey, Timestamp)> {
        self.queues.put_by(id.clone(), EndSessions { id })
    }

    fn put_listing(&self, id: ListingId, patch: ListingPatch) -> Pending<Listing> {
        self.queues.put_by(id.clone(), PutListing { id, patch })
    }

    async fn listing_by_id(&self, id: &ListingId) -> Result<Option<Listing>> {
        glance!(self.readers, connection => directory::listing_by_id(connection, id))
    }

    async fn listings(&self, keys: &[ListingKey]) -> Result<Vec<Listing>> {
        glance!(self.readers, connection => directory::listings(connection, keys))
    }

    // ---- conversations

    fn open_one_to_one(
        &self,
        asker: UserKey,
        asked: UserKey,
        listing: Option<ListingKey>,
    ) -> Pending<(Arc<Conversation>, bool)> {
        let key = (asker.min(asked), asker.max(asked), listing);
        self.queues
            .put_by(key, conversations::OpenOneToOne { asker, asked, listing })
    }

    fn open_group(&self, creator: UserKey, title: Option<String>, others: Vec<UserKey>) -> Pending<Arc<Conversation>> {
        self.queues
            .put_by(creator, conversations::OpenGroup { creator, title, others })
    }

    fn put_member(
        &self,
        actor: Actor,
        conversation: ConversationKey,
        user: UserKey,
        role: Option<Role>,
        group_max: usize,
    ) -> Pending<Changed> {
        self.queues.put_for(
            conversation,
            PutMember {
                actor,
                conversation,
                user,
                role,
                group_max,
            },
        )
    }

    fn remove_member(&self, actor: Actor, conversation: ConversationKey, user: UserKey) -> Pending<Changed> {
        self.queues.put_for(
            conversation,
            RemoveMember {
                actor,
                conversation,
                user,
            },
        )
    }

    fn change_conversation(
        &self,
        actor: Actor,
        conversation: ConversationKey,
        title: Option<Option<String>>,
        is_active: Option<bool>,
    ) -> Pending<Changed> {
        self.queues.put_for(
            conversation,
            ChangeConversation {
                actor,
                conversation,
                title,
                is_active,
            },
        )
    }

    async fn conversation_by_id(&self, id: &ConversationId) -> Result<Option<Arc<Conversation>>> {
        let moment = self.readers.moment().await?;
        let found = conversations::find_by_id(&moment, id).await;
        let found = moment.end(found).await?;
        Ok(found.map(|loaded| Arc::new(loaded.conversation)))
    }

    async fn conversation(&self, key: ConversationKey) -> Result<Option<Arc<Conversation>>> {
        let moment = self.readers.moment().await?;
        let found = conversations::find(&moment, key).await;
        let found = moment.end(found).await?;
        Ok(found.map(|loaded| Arc::new(loaded.conversation)))
    }

    async fn one_to_ones(&self, one: UserKey, other: UserKey) -> Result<Vec<ConversationKey>> {
        glance!(self.readers, connection => conversations::one_to_ones(connection, one, other))
    }

    async fn conversations_of(&self, user: UserKey) -> Result<Vec<ConversationKey>> {
        glance!(self.readers, connection => conversations::conversations_of(connection, user))
    }

    async fn inbox(&self, viewer: UserKey, cursor: Option<InboxCursor>, limit: usize) -> Result<Inbox> {
        let moment = self.readers.moment().await?;
        let found = inbox::inbox(&moment, viewer, cursor, limit).await;
        moment.end(found).await
    }

    async fn entry(&self, conversation: ConversationKey, viewer: UserKey) -> Result<Option<Entry>> {
        let moment = self.readers.moment().await?;
        let found = inbox::entry(&moment, conversation, viewer).await;
        moment.end(found).await
    }

    // ---- messages

    fn append(&self, draft: Draft) -> Pending<Appended> {
        self.queues.append(draft)
    }

    async fn find_sent(
        &self,
        sender: UserKey,
        client_message_id: &str,
        among: &[ConversationKey],
    ) -> Result<Option<ConversationKey>> {
        glance!(self.readers, connection => messages::find_sent(connection, sender, client_message_id, among))
    }

    async fn history(&self, conversation: ConversationKey, viewer: UserKey, window: Window) -> Result<Option<History>> {
        let moment = self.readers.moment().await?;
        let found = history::history(&moment, conversation, viewer, window).await;
        moment.end(found).await
    }

    async fn message(&self, conversation: ConversationKey, viewer: UserKey, seq: Seq) -> Result<Option<Message>> {
        let moment = self.readers.moment().await?;
        let found = messages::find_for(&moment, conversation, viewer, seq).await;
        moment.end(found).await
    }

    async fn messages(&self, places: &[(ConversationKey, Seq)]) -> Result<Vec<Message>> {
        let moment = self.readers.moment().await?;
        let found = messages::messages(&moment, places).await;
        moment.end(found).await
    }

    fn mark(
        &self,
        conversation: ConversationKey,
        reader: UserKey,
        up_to: Option<Seq>,
        origin: Option<Origin>,
    ) -> Pending<Marked> {
        self.queues.put_for(
            conversation,
            Mark {
                conversation,
                reader,
                up_to,
                origin,
            },
        )
    }

    // ---- attachments

    fn begin_attachment(&self, id: AttachmentId, owner: UserKey, name: String) -> Pending<Upload> {
        self.queues.put_by(owner, attachments::Begin { id, owner, name })
    }

    fn complete_attachment(&self, key: AttachmentKey, facts: FileFacts, quota: Option<u64>) -> Pending<Completed> {
        self.queues.put_by(key, attachments::Complete { key, facts, quota })
    }

    fn discard_attachment(&self, key: AttachmentKey) -> Pending<bool> {
        self.queues.put_by(key, attachments::Discard { key })
    }

    fn forget_attachment(&self, key: AttachmentKey) -> Pending<()> {
        self.queues.put_by(key, attachments::Forget { key })
    }

    async fn attachments_by_id(&self, ids: &[AttachmentId]) -> Result<Vec<Attachment>> {
        let moment = self.readers.moment().await?;
        let found = attachments::find_by_id(&moment, ids).await;
        moment.end(found).await
    }

    async fn attachment_for(
        &self,
        id: &AttachmentId,
        viewer: UserKey,
    ) -> Result<Option<(Attachment, Option<ConversationKey>)>> {
        let moment = self.readers.moment().await?;
        let found = attachments::find_for(&moment, id, viewer).await;
        moment.end(found).await
    }

    async fn unused_attachments(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, AttachmentKey)>,
        limit: usize,
    ) -> Result<Vec<Upload>> {
        let moment = self.readers.moment().await?;
        let found = attachments::unused(&moment, before, after, limit).await;
        moment.end(found).await
    }

    async fn attachment_bytes(&self, owner: UserKey) -> Result<u64> {
        let moment = self.readers.moment().await?;
        let found = attachments::bytes_of(&moment, owner).await;
        moment.end(found).await
    }

    // ---- comments

    fn add_comment(&self, post_id: String, author: UserKey, text: String) -> Pending<Arc<Comment>> {
        self.queues
            .put_by(post_id.clone(), comments::AddComment { post_id, author, text })
    }

    async fn comments(&self, post_id: &str, window: Window) -> Result<Comments> {
        let moment = self.readers.moment().await?;
        let found = comments::comments(&moment, post_id, window).await;
        moment.end(found).await
    }

    /// Nothing says how many processes have the database.
    fn is_shared(&self) -> bool {
        true
    }

    // ---- the journal

    async fn journal(&self, from: &Cut, limit: usize) -> Result<Vec<Recorded<Note>>> {
        glance!(self.readers, connection => journal::journal(connection, from, limit))
    }

    async fn journal_ends(&self) -> Result<JournalEnds> {
        glance!(self.readers, connection => journal::ends(connection))
    }

    fn prune_journal(&self, up_to: Cut) -> Pending<()> {
        self.queues.put_by("journal", journal::Prune { up_to })
    }

    // ---- nodes and sessions

    fn enter_node(&self, address: Option<String>) -> Pending<NodeKey> {
        let entered = self.entered.clone();
        self.queues.put_by("node", nodes::EnterNode { address, entered })
    }

    fn beat(&self, node: NodeKey, received: Cut) -> Pending<()> {
        let beat = nodes::Beat {
            node,
            number: self.entered.next_beat(),
            received,
            holders: self.holders.clone(),
            entered: self.entered.clone(),
            outgrown: Arc::clone(self.queues.outgrown()),
        };
        self.queues.put_always(node, beat)
    }

    async fn nodes(&self, within: Duration) -> Result<Vec<Node>> {
        glance!(self.readers, connection => nodes::nodes(connection, within))
    }

    fn open_session(&self, session: NewSession) -> Pending<()> {
        let held_beat = self.entered.last_beat();
        let new = Box::new(session);
        self.queues.put_session(new.id, Asked::Open { new, held_beat })
    }

    fn resume_session(
        &self,
        id: SessionId,
        user: UserKey,
        holder: Holder,
        window: Duration,
    ) -> Pending<Option<Session>> {
        let resume = Asked::Resume {
            user,
            holder,
            held_beat: self.entered.last_beat(),
            window,
        };
        self.queues.ask_session(id, resume)
    }

    fn change_session(&self, id: SessionId, holder: Holder, change: SessionChange) -> Pending<()> {
        self.queues.put_session(id, Asked::Change { holder, change })
    }

    fn suspend_session(&self, id: SessionId, holder: Holder, received: Cut) -> Pending<()> {
        self.queues.put_session(id, Asked::Suspend { holder, received })
    }

    fn forget_session(&self, id: SessionId, holder: Holder) -> Pending<()> {
        self.queues.put_session(id, Asked::Forget { holder })
    }

    fn sweep_sessions(&self, window: Duration) -> Pending<()> {
        self.queues.put_by("sessions", sessions::Sweep { window })
    }

    // ---- the installation

    fn keep_setting(&self, name: &'static str, value: String) -> Pending<String> {
        self.queues.put_by(name, settings::KeepSetting { name, value })
    }

    async fn check(&self) -> Result<()> {
        self.queues.put_by("probe", settings::Probe).await?;
        glance!(self.readers, connection => settings::see_probe(connection))
    }

    async fn close(&self) {
        self.readers.close();
        self.queues.close().await;
    }
}
