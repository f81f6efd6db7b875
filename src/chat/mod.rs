//! The one way in: every rule about who may do and see what stands here, one verb a file.
//!
//! A contract decodes a request into a verb's arguments and renders what the verb returns; it decides nothing itself.

pub mod arrive;
pub mod attachment;
mod beat;
pub mod cache;
pub mod comment;
pub mod conversation;
pub mod counters;
mod deliver;
pub mod directory;
pub mod end_sessions;
pub mod history;
pub mod inbox;
pub mod join;
pub mod member;
mod merge;
pub mod nodes;
pub mod open;
pub mod page;
pub mod people;
mod places;
pub mod presence;
pub mod publish;
pub mod rates;
pub mod read;
mod recent;
pub mod render;
mod repeat;
pub mod resume;
pub mod send;
pub mod serve;
mod shares;
pub mod typing;
pub mod updates;
pub mod upload;
pub mod wait;

use std::{sync::Arc, time::Duration};

use counters::Bounded;
pub use directory::Claims;
pub use people::People;
pub use render::Render;

use crate::{
    fanout::{Bus, Hub},
    model::{Clock, Error, NodeKey, Result, UserKey, limits::RateLimits},
    store::{Actor, Store, StoreError},
};

/// What a deployment decides about the chat.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Ids that the directory does not know: accepted with a bare entry, or refused.
    pub open_directory: bool,
    /// Most current participants of a group, its maker counted.
    pub group_max: usize,
    pub rates: RateLimits,
    /// Most sockets of a user on this node; `None`: without limit.
    pub sockets_per_user: Option<usize>,
    /// Most conversations that a socket has joined; `None`: without limit.
    pub joined_conversations: Option<usize>,
    /// For how long a lost connection may come back into its session.
    pub recovery_window: Duration,
    pub media: MediaPolicy,
}

/// What a deployment decides about files.
#[derive(Debug, Clone)]
pub struct MediaPolicy {
    pub links: Arc<attachment::Links>,
    /// How many bytes of files a person may have here; `None`: as many as fit.
    pub quota: Option<u64>,
    /// Hosts whose `https:` addresses a message may carry, in small letters.
    pub hosts: Vec<String>,
}

/// The chat of one node.
pub struct Chat {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Hub,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) render: Box<dyn Render>,
    pub(crate) policy: Policy,
    pub(crate) counters: Arc<counters::Counters>,
    pub(crate) rates: rates::Rates,
    pub(crate) directory: directory::Directory,
    pub(crate) conversations: cache::Conversations,
    pub(crate) node: NodeKey,
    pub(crate) told: publish::Told,
    pub(crate) pace: deliver::Pace,
    pub(crate) recent: recent::Recent,
    pub(crate) hint: tokio::sync::Notify,
    pub(crate) settling: publish::Settling,
    pub(crate) arriving: arrive::Arriving,
    pub(crate) beating: beat::Beating,
    pub(crate) opening: open::Opening,
    pub(crate) sending: send::Sending,
    pub(crate) typing: typing::Typing,
    pub(crate) presence: presence::Presence,
    pub(crate) updates: updates::Updates,
    pub(crate) waiting: wait::Waiting,
}

/// Who calls: a person by a verified identity, or the host application by its API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    User(UserKey),
    Host,
}

impl Caller {
    /// The person; the host application is none.
    pub fn user(self) -> Result<UserKey> {
        match self {
            Caller::User(user) => Ok(user),
            Caller::Host => Err(Error::forbidden(
                "This needs a person's token; the API key speaks for no person.",
            )),
        }
    }

    /// Only the host application may.
    pub fn must_be_host(self) -> Result<()> {
        match self {
            Caller::Host => Ok(()),
            Caller::User(_) => Err(Error::forbidden(
                "Only the host application may do this, with its API key.",
            )),
        }
    }
}

impl From<Caller> for Actor {
    fn from(caller: Caller) -> Self {
        match caller {
            Caller::User(user) => Actor::User(user),
            Caller::Host => Actor::Host,
        }
    }
}

impl Chat {
    /// `render` makes the frames of each contract. Facts must be fed to [`Chat::publish`] by whoever opened the store.
    /// `node` is what the store calls this one; `bus` leads to the others.
    pub fn new(
        store: Arc<dyn Store>,
        (node, bus): (NodeKey, Bus),
        clock: Arc<dyn Clock>,
        render: Box<dyn Render>,
        policy: Policy,
    ) -> Arc<Self> {
        let counters = Arc::default();
        Arc::new(Chat {
            rates: rates::Rates::new(&policy.rates, &counters, &bus),
            presence: presence::Presence::new(bus.clone()),
            bus,
            counters,
            store,
            clock,
            render,
            policy,
            hub: Hub::default(),
            directory: directory::Directory::default(),
            conversations: cache::Conversations::default(),
            node,
            told: publish::Told::default(),
            pace: deliver::Pace::default(),
            recent: recent::Recent::default(),
            hint: tokio::sync::Notify::new(),
            settling: publish::Settling::default(),
            arriving: arrive::Arriving::default(),
            beating: beat::Beating::default(),
            opening: open::Opening::default(),
            sending: send::Sending::default(),
            typing: typing::Typing::default(),
            updates: updates::Updates::default(),
            waiting: wait::Waiting::default(),
        })
    }

    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The way to the other nodes.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &counters::Counters {
        &self.counters
    }

    /// Counts one of the requests that have no rate of their own.
    pub fn count_request(&self, user: UserKey) -> Result<()> {
        self.rates.requests.take(user)
    }

    /// Counts a new connection.
    pub fn count_connection(&self, user: UserKey) -> Result<()> {
        self.rates.connections.take(user)
    }

    /// May a user have one more socket, beside those that take part?
    pub fn has_room_for_socket(&self, user: UserKey) -> bool {
        self.judge_sockets(self.hub.count_of(user) < self.policy.sockets_per_user.unwrap_or(usize::MAX))
    }

    /// Are the sockets of a user that take part no more than may? Several may have come at the same time.
    pub fn has_room_for_sockets(&self, user: UserKey) -> bool {
        self.judge_sockets(self.hub.count_of(user) <= self.policy.sockets_per_user.unwrap_or(usize::MAX))
    }

    fn judge_sockets(&self, has_room: bool) -> bool {
        if !has_room {
            self.counters.count_over(Bounded::Sockets);
        }
        has_room
    }

    /// Answers the requests that are held until something new arrives: the server stops.
    pub fn let_go(&self) {
        self.waiting.let_go();
    }

    /// Can messages be stored now? What the store says where not is for operators.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    /// Starts what runs beside the verbs: typing that stops by itself, people who go offline, updates that were held
    /// back, what other nodes tell. They end with the process.
    pub fn start(self: &Arc<Self>) {
        tokio::spawn(typing::run(Arc::clone(self)));
        tokio::spawn(presence::run(Arc::clone(self)));
        tokio::spawn(presence::tell(Arc::clone(self)));
        tokio::spawn(updates::run(Arc::clone(self)));
        tokio::spawn(beat::run(Arc::clone(self)));
        if !self.bus.is_alone() {
            tokio::spawn(nodes::hear(Arc::clone(self)));
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        // What the engine said is for the operator, and was logged where it happened.
        match error {
            StoreError::Overloaded => {
                Error::unavailable("Too much is being written at the moment; nothing was stored. Try again.")
            }
            StoreError::Uncertain(_) => Error::unavailable(
                "The store did not say whether this was stored. Send it again with the same clientMessageId: it is stored once.",
            ),
            StoreError::Unavailable(_) | StoreError::Closed => {
                Error::unavailable("The store cannot be used at the moment: nothing was read or stored. Try again.")
            }
        }
    }
}
