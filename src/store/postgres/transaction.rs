//! What one transaction of a writer consists of, and in which order it is applied.
//!
//! All writers lock in one order, so that no two of them wait for each other in a circle: their slot, then all the
//! conversations by their keys, then what the other writes are bound to by its hash, then the sessions by their ids.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{
    batch,
    connection::{Connection, Done, TRANSACTION_TIME},
    conversations::lock_all,
    news::News,
    queue::{Keyed, Order},
    sessions::{self, SessionWrite},
    slots::Lease,
    writer::{Work, Write, Writing},
};
use crate::{
    model::{ConversationKey, Session},
    store::{Draft, Result},
};

/// Singles are begun for so long; the others come in the next transaction. What is left of the transaction's time is for
/// the one under way: each takes several ways to the server, and a slow one could not end all of them in time. It is short,
/// since nobody else writes in these conversations meanwhile.
const SINGLES_TIME: Duration = Duration::from_millis(500);

/// Told apart by how they are applied, in this order, which keeps that of each conversation and each session.
pub(super) struct Transaction {
    /// Sends before which nothing else of their conversation waits: all of them in a few statements.
    together: Vec<Keyed>,
    /// Each with statements of its own.
    singles: Vec<Keyed>,
    sessions: Vec<Keyed>,
    /// How many of the singles there was time for.
    applied: usize,
}

impl Transaction {
    /// Of these orders, with so many singles at most; what is put off until the next one.
    pub(super) fn of(orders: Vec<Keyed>, singles_max: usize) -> (Self, Vec<Keyed>) {
        let (mut together, mut singles, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
        let mut touched = HashSet::new();
        for keyed in orders {
            match &keyed.order {
                // Those with attachments are few.
                Order::Append(queued)
                    if queued.write.attachments.is_empty() && !touched.contains(&queued.write.conversation) =>
                {
                    together.push(keyed);
                }
                Order::Session(_) => sessions.push(keyed),
                order => {
                    touched.extend(order.conversation());
                    singles.push(keyed);
                }
            }
        }
        // A few sends are cheaper by themselves; with others at hand they would wait behind those.
        if singles.is_empty() && together.len() < batch::WORTH_IT {
            std::mem::swap(&mut singles, &mut together);
        }
        let put_off = singles.split_off(singles_max.min(singles.len()));
        singles.sort_by_key(|keyed| keyed.key);
        let transaction = Transaction {
            together,
            singles,
            sessions,
            applied: 0,
        };
        (transaction, put_off)
    }

    pub(super) fn len(&self) -> usize {
        self.together.len() + self.singles.len() + self.sessions.len()
    }

    pub(super) fn singles(&self) -> usize {
        self.singles.len()
    }

    /// How many of its orders were applied.
    pub(super) fn applied(&self) -> usize {
        self.together.len() + self.applied + self.sessions.len()
    }

    /// Takes out the singles for which there was no time.
    pub(super) fn take_late(&mut self) -> Vec<Keyed> {
        self.singles.split_off(self.applied)
    }

    pub(super) fn answer(self, committed: &Result<()>) {
        for keyed in self.into_orders() {
            keyed.order.answer(committed.clone());
        }
    }

    /// In an order in which they can be applied one by one.
    pub(super) fn into_orders(self) -> impl Iterator<Item = Keyed> {
        self.together.into_iter().chain(self.singles).chain(self.sessions)
    }

    fn orders(&self) -> impl Iterator<Item = &Order> {
        let all = self.together.iter().chain(&self.singles).chain(&self.sessions);
        all.map(|keyed| &keyed.order)
    }

    /// Begins the transaction and applies it. Its news, and the statement that ends it.
    pub(super) async fn apply(
        &mut self,
        connection: &mut Connection,
        lease: &mut Lease,
        work: &Work,
    ) -> Done<(News, String)> {
        connection.allow(TRANSACTION_TIME);
        let slot = lease.slot(connection).await?;
        connection.allow(TRANSACTION_TIME);
        let began = Instant::now();
        let mut news = if self.orders().any(Order::has_news) {
            let last = lease.begin(connection, work.begin, slot).await?;
            News::new(slot, Some(last))
        } else {
            connection.run(work.begin).await?;
            News::new(slot, None)
        };
        let connection = &*connection;
        self.apply_sends(connection, &mut news, work).await?;
        self.applied = 0;
        for keyed in &mut self.singles {
            if self.applied > 0 && began.elapsed() >= SINGLES_TIME {
                break;
            }
            let mut writing = Writing {
                connection,
                now: work.clock.now(),
                news: &mut news,
            };
            match &mut keyed.order {
                Order::Append(queued) => queued.outcome = Some(queued.write.apply(&mut writing).await?),
                Order::Other(_, job) => job.apply(&mut writing).await?,
                Order::Session(_) | Order::Close => {}
            }
            self.applied += 1;
        }
        let mut of_sessions: Vec<(&SessionWrite, &mut Option<Session>)> = Vec::with_capacity(self.sessions.len());
        for keyed in &mut self.sessions {
            if let Order::Session(queued) = &mut keyed.order {
                let queued = &mut **queued;
                of_sessions.push((&queued.write, &mut queued.outcome));
            }
        }
        if !of_sessions.is_empty() {
            sessions::apply(connection, &mut of_sessions).await?;
        }
        let end = news.commit(lease.is_held())?;
        Ok((news, end))
    }

    /// Stores the sends that go together, once all conversations are locked. One alone is locked by its own write.
    async fn apply_sends(&mut self, connection: &Connection, news: &mut News, work: &Work) -> Done<()> {
        let conversations: HashSet<ConversationKey> = self.orders().filter_map(Order::conversation).collect();
        let mut queued = Vec::with_capacity(self.together.len());
        for keyed in &mut self.together {
            if let Order::Append(append) = &mut keyed.order {
                queued.push(append);
            }
        }
        if queued.is_empty() {
            if conversations.len() > 1 {
                lock_all(connection, &conversations).await?;
            }
            return Ok(());
        }
        let drafts: Vec<&Draft> = queued.iter().map(|append| &append.write).collect();
        let outcomes = batch::append(connection, news, &drafts, &conversations, work.clock.now()).await?;
        for (append, outcome) in queued.into_iter().zip(outcomes) {
            append.outcome = Some(outcome);
        }
        Ok(())
    }
}
