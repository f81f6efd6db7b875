//! The ways in to the writers: one bounded queue for each.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use async_trait::async_trait;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot, watch,
};

use super::{
    connection::Done,
    outgrown::Outgrown,
    sessions::{Asked, SessionWrite},
    writer::{Write, Writing},
};
use crate::{
    model::{ConversationKey, Session, SessionId},
    store::{Appended, Draft, Pending, Result, StoreError, sqlite::Stats},
};

/// A write with the place where its outcome goes.
#[async_trait]
pub(super) trait Job: Send {
    fn has_news(&self) -> bool;
    async fn apply(&mut self, writing: &mut Writing<'_>) -> Done<()>;
    /// After the commit, or after it failed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

pub(super) struct Queued<W: Write> {
    pub(super) write: W,
    pub(super) outcome: Option<W::Outcome>,
    reply: oneshot::Sender<Result<W::Outcome>>,
}

impl<W: Write> Queued<W> {
    fn settle(self, committed: Result<()>) {
        // Whoever asked may have gone: the write stands all the same.
        let _ = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => self.reply.send(Ok(outcome)),
            (Err(error), _) => self.reply.send(Err(error)),
            (Ok(()), None) => return,
        };
    }
}

#[async_trait]
impl<W: Write> Job for Queued<W> {
    fn has_news(&self) -> bool {
        W::HAS_NEWS
    }

    async fn apply(&mut self, writing: &mut Writing<'_>) -> Done<()> {
        self.outcome = Some(self.write.apply(writing).await?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        self.settle(committed);
    }
}

/// A session's write with the place where its outcome goes.
pub(super) struct QueuedSession {
    pub(super) write: SessionWrite,
    pub(super) outcome: Option<Session>,
    reply: SessionReply,
}

enum SessionReply {
    Done(oneshot::Sender<Result<()>>),
    Session(oneshot::Sender<Result<Option<Session>>>),
}

impl QueuedSession {
    fn settle(self, committed: Result<()>) {
        // Whoever asked may have gone.
        match self.reply {
            SessionReply::Done(reply) => drop(reply.send(committed)),
            SessionReply::Session(reply) => drop(reply.send(committed.map(|()| self.outcome))),
        }
    }
}

pub(super) enum Order {
    /// Told apart from the rest, since many go in one statement.
    Append(Box<Queued<Draft>>),
    /// Another write, and the conversation that it is bound to.
    Other(Option<ConversationKey>, Box<dyn Job>),
    /// Told apart likewise.
    Session(Box<QueuedSession>),
    Close,
}

impl Order {
    /// May it have news, whatever it finds?
    pub(super) fn has_news(&self) -> bool {
        match self {
            Order::Append(_) => true,
            Order::Other(_, job) => job.has_news(),
            Order::Session(_) | Order::Close => false,
        }
    }

    /// The conversation that it is bound to.
    pub(super) fn conversation(&self) -> Option<ConversationKey> {
        match self {
            Order::Append(queued) => Some(queued.write.conversation),
            Order::Other(conversation, _) => *conversation,
            Order::Session(_) | Order::Close => None,
        }
    }

    pub(super) fn answer(self, committed: Result<()>) {
        match self {
            Order::Append(queued) => queued.settle(committed),
            Order::Other(_, job) => job.answer(committed),
            Order::Session(queued) => queued.settle(committed),
            Order::Close => {}
        }
    }
}

/// An order, and the hash of what it is bound to: of those with the same hash none overtakes another.
pub(super) struct Keyed {
    pub(super) key: u64,
    pub(super) order: Order,
}

/// The ways in to the writers.
pub(super) struct Queues {
    pub(super) writers: Vec<mpsc::Sender<Keyed>>,
    /// True when the writer has ended.
    pub(super) ended: Vec<watch::Receiver<bool>>,
    pub(super) stats: Arc<Stats>,
    pub(super) outgrown: Arc<Outgrown>,
}

impl Queues {
    pub(super) fn append(&self, draft: Draft) -> Pending<Appended> {
        let key = draft.conversation;
        let (queued, pending) = queued(draft);
        self.put(key, Order::Append(Box::new(queued)), pending)
    }

    /// Queues a write behind those of the same conversation.
    pub(super) fn put_for<W: Write>(&self, conversation: ConversationKey, write: W) -> Pending<W::Outcome> {
        let (queued, pending) = queued(write);
        self.put(
            conversation,
            Order::Other(Some(conversation), Box::new(queued)),
            pending,
        )
    }

    /// Queues a write behind those with the same key.
    pub(super) fn put_by<W: Write>(&self, key: impl Hash, write: W) -> Pending<W::Outcome> {
        let (queued, pending) = queued(write);
        self.put(key, Order::Other(None, Box::new(queued)), pending)
    }

    /// Queues a write behind those of the same session.
    pub(super) fn put_session(&self, id: SessionId, asked: Asked) -> Pending<()> {
        let (reply, pending) = Pending::channel();
        self.put_session_order(id, asked, SessionReply::Done(reply), pending)
    }

    /// Likewise one that is answered with the session.
    pub(super) fn ask_session(&self, id: SessionId, asked: Asked) -> Pending<Option<Session>> {
        let (reply, pending) = Pending::channel();
        self.put_session_order(id, asked, SessionReply::Session(reply), pending)
    }

    fn put_session_order<T>(
        &self,
        id: SessionId,
        asked: Asked,
        reply: SessionReply,
        pending: Pending<T>,
    ) -> Pending<T> {
        let queued = QueuedSession {
            write: SessionWrite { id, asked },
            outcome: None,
            reply,
        };
        self.put(id, Order::Session(Box::new(queued)), pending)
    }

    pub(super) fn outgrown(&self) -> &Arc<Outgrown> {
        &self.outgrown
    }

    /// Also where the schema is newer: a sign of life says no more than that, and looks at the schema.
    pub(super) fn put_always<W: Write>(&self, key: impl Hash, write: W) -> Pending<W::Outcome> {
        let (queued, pending) = queued(write);
        self.push(key, Order::Other(None, Box::new(queued)), pending)
    }

    fn put<T>(&self, key: impl Hash, order: Order, pending: Pending<T>) -> Pending<T> {
        match self.outgrown.refusal() {
            Some(refusal) => Pending::refused(refusal),
            None => self.push(key, order, pending),
        }
    }

    fn push<T>(&self, key: impl Hash, order: Order, pending: Pending<T>) -> Pending<T> {
        // The same in every process: the writers of all of them lock in its order.
        let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let writer = &self.writers[(key % self.writers.len() as u64) as usize];
        // Counted first: the writer may take it before this goes on.
        self.stats.queued.fetch_add(1, Relaxed);
        let refusal = match writer.try_send(Keyed { key, order }) {
            Ok(()) => return pending,
            Err(TrySendError::Full(_)) => {
                self.stats.refused.fetch_add(1, Relaxed);
                StoreError::Overloaded
            }
            Err(TrySendError::Closed(_)) => StoreError::Closed,
        };
        self.stats.queued.fetch_sub(1, Relaxed);
        Pending::refused(refusal)
    }

    /// Ends when all that was queued before is committed and answered, and the connections are closed.
    pub(super) async fn close(&self) {
        for writer in &self.writers {
            // An error means that it has ended already.
            let end = Keyed {
                key: 0,
                order: Order::Close,
            };
            let _ = writer.send(end).await;
        }
        for ended in &self.ended {
            // An error means that the other end is gone, and the task with it.
            let _ = ended.clone().wait_for(|ended| *ended).await;
        }
    }
}

fn queued<W: Write>(write: W) -> (Queued<W>, Pending<W::Outcome>) {
    let (reply, pending) = Pending::channel();
    let queued = Queued {
        write,
        outcome: None,
        reply,
    };
    (queued, pending)
}
