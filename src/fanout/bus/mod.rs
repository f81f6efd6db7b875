//! The bus between nodes: news for other nodes, never the truth.
//!
//! Of what is stored it carries hints alone ("slot 2 has come to 57"); the changes themselves are read from the journal,
//! and whoever misses a hint finds them at the next sweep. Typing, presence and rates travel here and nowhere else: at
//! most once, kept by nobody, and over by themselves. So nothing here waits, and nothing is sent again.
//!
//! [`Bus::alone`] is the bus of a single node: it takes everything and tells nobody.

pub mod frame;
mod inbox;
mod outbox;
mod redis;

#[cfg(test)]
mod memory;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::model::{ConversationKey, Cut, Position, Timestamp, UserKey, limits, rate::RateKind};
use inbox::Inbox;
use outbox::Outbox;

/// A node as it is known on the bus: random, and another one at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        Ok(NodeId(u64::from_be_bytes(bytes)))
    }
}

/// What one node tells the others. A kind that a newer node tells and this one does not know is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The journal has come to these numbers, or further.
    Recorded(Vec<Position>),
    Typing {
        conversation: ConversationKey,
        user: UserKey,
        is_typing: bool,
    },
    /// Somebody came to the node that tells it, or left it. Told again with the same state: when they were last seen is
    /// stored now.
    Presence {
        user: UserKey,
        is_here: bool,
        last_seen_at: Timestamp,
    },
    /// Everyone who is online on the node that tells it, in `parts` parts, told in order and without anything between
    /// them: who is in none of them is not there.
    People {
        /// Rises with each list of a node.
        round: u64,
        /// From 0.
        part: u32,
        parts: u32,
        users: Vec<UserKey>,
    },
    /// A node has come and knows of nobody: tell your people.
    PeopleAsked,
    /// So many were taken from the rates of these people; below 0 they were given back.
    Taken {
        kind: RateKind,
        counts: Vec<(UserKey, i32)>,
    },
    /// The node stops; its people are about to come elsewhere.
    Leaving,
}

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Stats {
    /// Frames of other nodes that were taken.
    pub frames_in: AtomicU64,
    pub frames_out: AtomicU64,
    /// Frames that are none, and signals of kinds that are not known here.
    pub unreadable: AtomicU64,
    /// Signals that found no room on their way in or out, and frames that were on their way when the bus was lost.
    pub dropped: AtomicU64,
    /// Frames that came again, or too late.
    pub repeated: AtomicU64,
    /// How often the connection was lost.
    pub lost: AtomicU64,
}

/// Why the bus cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct BusError {
    /// For the operator, without its full stop.
    sentence: String,
    /// Nothing is wrong with the settings, as far as anybody can tell: the server may come by itself.
    is_passing: bool,
}

impl BusError {
    /// Something that whoever runs the server must mend.
    fn lasting(sentence: String) -> Self {
        BusError {
            sentence,
            is_passing: false,
        }
    }

    fn passing(sentence: String) -> Self {
        BusError {
            sentence,
            is_passing: true,
        }
    }
}

/// The way to the other nodes, shared by all who use it.
#[derive(Clone)]
pub struct Bus(Arc<Shared>);

struct Shared {
    node: NodeId,
    is_alone: bool,
    outbox: Outbox,
    inbox: Inbox,
    is_linked: watch::Sender<bool>,
    stats: Arc<Stats>,
    /// Taken by whoever listens.
    heard: Mutex<Option<mpsc::Receiver<(NodeId, Signal)>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// To say goodbye to the others at the end.
const CLOSE_TIME: Duration = Duration::from_secs(1);

impl Bus {
    /// For a node that has no others.
    pub fn alone() -> Self {
        Self::new(NodeId(0), true)
    }

    /// Connects to Redis or Valkey and stays connected, whatever happens to it; one that cannot be reached now is waited
    /// for, with one warning. `url` is `redis://` or `rediss://`; all nodes with the same `prefix` hear each other.
    ///
    /// # Errors
    ///
    /// What does not pass by waiting: an address that is none, a wrong password, wrong TLS, a right that is missing, a
    /// server that is too old, a replica or no Redis at all.
    pub async fn redis(url: &str, prefix: &str) -> Result<Self, BusError> {
        let bus = Self::with_others()?;
        let redis = redis::Redis::new(url, prefix)?;
        let link = bus.link();
        let session = match redis.connect(&link).await {
            Ok(session) => {
                link.up();
                Some(session)
            }
            Err(error) if error.is_passing => {
                tracing::warn!(
                    reason = %error,
                    "the bus cannot be used yet; this node starts all the same, goes on trying, and learns of other nodes' \
                     messages from the database"
                );
                None
            }
            Err(error) => return Err(error),
        };
        bus.keep(tokio::spawn(redis.run(link, session)));
        Ok(bus)
    }

    fn with_others() -> Result<Self, BusError> {
        let node = NodeId::random()
            .map_err(|error| BusError::lasting(format!("The system gives no random numbers: {error}")))?;
        Ok(Self::new(node, false))
    }

    fn new(node: NodeId, is_alone: bool) -> Self {
        let stats = Arc::<Stats>::default();
        let (signals, heard) = mpsc::channel(limits::BUS_SIGNALS);
        Bus(Arc::new(Shared {
            node,
            is_alone,
            outbox: Outbox::new(Arc::clone(&stats)),
            inbox: Inbox::new(node, signals, Arc::clone(&stats)),
            is_linked: watch::Sender::new(false),
            stats,
            heard: Mutex::new(Some(heard)),
            worker: Mutex::default(),
        }))
    }

    fn link(&self) -> Link {
        Link(Arc::clone(&self.0))
    }

    fn keep(&self, worker: JoinHandle<()>) {
        *self.0.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
    }

    /// As the others know this node.
    pub fn node(&self) -> NodeId {
        self.0.node
    }

    /// There are no other nodes to tell anything.
    pub fn is_alone(&self) -> bool {
        self.0.is_alone
    }

    /// To be called when this node's own writers have recorded a change and it was handed over here: the others are told
    /// that there is something to read up to this number. Cheap, and never waits; of one slot the newest number is told.
    pub fn recorded(&self, position: Position) {
        if !self.0.is_alone {
            self.0.outbox.recorded(position);
        }
    }

    /// How far the other nodes say that the journal goes, woken whenever that rises. It may lag behind, and it may be
    /// wrong: only the journal knows what is there. Never holds more than a store has slots.
    pub fn hints(&self) -> watch::Receiver<Cut> {
        self.0.inbox.hints()
    }

    /// Whether the others can be reached now. When that turns true, hints may have been missed: a good moment to sweep.
    pub fn linked(&self) -> watch::Receiver<bool> {
        self.0.is_linked.subscribe()
    }

    /// Tells the others, unless they cannot be reached now or too much waits already. Never waits.
    pub fn tell(&self, signal: Signal) {
        if !self.0.is_alone {
            self.0.outbox.add(signal);
        }
    }

    /// What the other nodes tell, but for hints; for the first who asks.
    pub fn heard(&self) -> Option<mpsc::Receiver<(NodeId, Signal)>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn stats(&self) -> &Stats {
        &self.0.stats
    }

    /// Tells the others that this node goes, after what waits still.
    pub async fn close(&self) {
        let worker = self.0.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut worker) = worker else { return };
        self.0.outbox.close();
        if tokio::time::timeout(CLOSE_TIME, &mut worker).await.is_err() {
            worker.abort();
        }
    }

    /// Ends as a killed process would: nobody is told.
    #[cfg(test)]
    pub fn kill(&self) {
        if let Some(worker) = self.0.worker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            worker.abort();
        }
    }
}

/// The side of a bus that faces whatever carries its frames.
struct Link(Arc<Shared>);

impl Link {
    /// The others can be reached from now on.
    fn up(&self) {
        self.0.outbox.link_up();
        self.0.is_linked.send_replace(true);
    }

    /// The others cannot be reached any more.
    fn down(&self) {
        self.0.outbox.link_down();
        self.0.is_linked.send_replace(false);
    }

    /// The next frame to carry; `None` when the last one has been given. Losing it costs what is in it.
    async fn frame(&self) -> Option<Vec<u8>> {
        let signals = self.0.outbox.next().await?;
        Some(frame::encode(self.0.node, self.0.outbox.next_number(), &signals))
    }

    /// A frame that says nothing.
    fn greeting(&self) -> Vec<u8> {
        frame::encode(self.0.node, self.0.outbox.next_number(), &[])
    }

    /// Nothing more is to be carried.
    fn is_closed(&self) -> bool {
        self.0.outbox.is_closed()
    }

    /// A second has passed.
    fn tick(&self) {
        self.0.outbox.tick();
    }

    /// A frame that has come, from whomever.
    fn receive(&self, bytes: &[u8]) {
        self.0.inbox.receive(bytes);
    }
}
