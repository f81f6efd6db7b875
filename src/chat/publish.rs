//! The publisher: brings the facts of all writers into one order and has them delivered, one after the other.
//!
//! One task does it for all conversations: that is what makes every connection of this node see the same order. This
//! node's own writers hand their facts over; what other nodes wrote is read from the journal, when a hint comes that
//! there is more, and every few seconds without one. A gap is filled from the journal in the same way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

use super::{Chat, merge::Merge};
use crate::{
    fanout::Farewell,
    model::{
        Code, ConversationKey, Cut, Error, Fact, Message, Note, Position, Recorded, Result, Seq, limits,
        plant::{self, Bug},
    },
    store::JournalEnds,
};

/// How far this node has told.
#[derive(Default)]
pub struct Told(Mutex<Cut>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, Cut> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What was begun to be told, or is told already. Whoever takes part in the fan-out and looks here afterwards gets
    /// everything that is not in it.
    pub fn begun(&self) -> Cut {
        self.lock().clone()
    }

    /// One more is about to be told: how far things are with it.
    fn begin(&self, position: Position) -> Cut {
        let mut cut = self.lock();
        cut.advance(position);
        cut.clone()
    }
}

/// Verbs that wait for the publisher.
pub struct Settling {
    sender: mpsc::Sender<oneshot::Sender<()>>,
    receiver: Mutex<Option<mpsc::Receiver<oneshot::Sender<()>>>>,
}

impl Default for Settling {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(SETTLING);
        Settling {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl Settling {
    fn take(&self) -> Option<mpsc::Receiver<oneshot::Sender<()>>> {
        self.receiver
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take()
    }
}

/// Verbs that may wait in the channel; more wait in front of it.
const SETTLING: usize = 64;
/// Facts that are told between two looks at what else has come. Those of other nodes are read at once: the longest texts take
/// 4 MB then.
const TOLD_AT_ONCE: usize = 128;
/// Between two tries to tell something while the store does not answer, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Messages of notes, by their place.
type Messages = HashMap<(ConversationKey, Seq), Arc<Message>>;

/// What is to be told: a fact as its writer made it, or a note that is looked up first.
enum Telling {
    Fact(Fact),
    Note(Note),
}

impl Chat {
    /// Waits until everything is published that was committed before this call: from then on the chat's own memory of
    /// who is in what has it, too.
    pub(super) async fn settled(&self) {
        let (done, settled) = oneshot::channel();
        if self.settling.sender.send(done).await.is_ok() {
            // Fails only where the server stops.
            let _ = settled.await;
        }
    }

    /// Learns what happened before this node began, so that clients can be told what they missed. To be called before
    /// [`publish`](Self::publish).
    pub async fn remember(&self) -> Result<()> {
        let ends = self.store.journal_ends().await?;
        self.remember_up_to(&ends).await
    }

    async fn remember_up_to(&self, ends: &JournalEnds) -> Result<()> {
        let most = limits::RECENT_FACTS as i64;
        let mut from: Cut = ends
            .recorded
            .positions()
            .iter()
            .map(|end| Position {
                slot: end.slot,
                number: (end.number - most).max(0),
            })
            .collect();
        from.join(&ends.pruned);
        self.recent.begin(from.clone());
        let mut merge = Merge::after(from);
        while !merge.taken().covers(&ends.recorded) {
            let page = self.store.journal(merge.taken(), limits::JOURNAL_PAGE).await?;
            page.into_iter().for_each(|recorded| merge.put(recorded));
            let notes = merge.take(usize::MAX);
            if notes.is_empty() {
                // What comes next has been pruned since the ends were read. With a hole in what is remembered, somebody who
                // comes back would not be told what stands in it; with nothing remembered, they begin anew and ask.
                tracing::info!("the journal was pruned while it was read; clients of before begin new sessions");
                self.recent.begin(ends.recorded.clone());
                self.told.lock().join(&ends.recorded);
                return Ok(());
            }
            for recorded in notes {
                self.recent.note(recorded.position, &recorded.what);
            }
        }
        // Also what was recorded meanwhile, which is remembered by now.
        self.told.lock().join(merge.taken());
        Ok(())
    }

    /// Delivers what the store hands over, and what other nodes have written, until the store is closed.
    pub async fn publish(self: Arc<Self>, mut facts: mpsc::Receiver<Vec<Recorded<Fact>>>) {
        let Some(mut waiting) = self.settling.take() else {
            return;
        };
        let mut merge = Merge::after(self.told.begun());
        let (mut hints, mut linked) = (self.bus.hints(), self.bus.linked());
        let mut sweep = tokio::time::interval(limits::JOURNAL_SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = facts.recv() => match batch {
                    Some(batch) => self.take_over(&mut merge, batch),
                    None => return,
                },
                Some(done) = waiting.recv() => {
                    // The store hands facts over before it answers, so theirs are in the channel now, or through it.
                    for _ in 0..facts.len() {
                        let Ok(batch) = facts.try_recv() else { break };
                        self.take_over(&mut merge, batch);
                    }
                    self.tell(&mut merge).await;
                    let _ = done.send(());
                }
                _ = self.hint.notified() => self.catch_up(&mut merge).await,
                Ok(()) = hints.changed() => {
                    let is_news = !merge.taken().covers(&hints.borrow_and_update());
                    if is_news {
                        self.catch_up(&mut merge).await;
                    }
                }
                // Hints may have been missed meanwhile.
                Ok(()) = linked.changed() => self.catch_up(&mut merge).await,
                _ = sweep.tick() => {
                    if self.store.is_shared() || merge.len() > 0 {
                        self.catch_up(&mut merge).await;
                        self.step_over_what_was_pruned(&mut merge).await;
                    }
                }
            }
            self.tell(&mut merge).await;
        }
    }

    /// Takes what this node's own writers recorded, and lets the others know that there is something.
    fn take_over(&self, merge: &mut Merge<Telling>, batch: Vec<Recorded<Fact>>) {
        if let Some(last) = batch.last() {
            self.bus.recorded(last.position);
        }
        for Recorded { position, after, what } in batch {
            // Here, since it may have been read from the journal already, and told.
            self.counters.count_fact(&what);
            merge.put(Recorded {
                position,
                after,
                what: Telling::Fact(what),
            });
        }
    }

    /// Tells all that may be told. What is missing in between is read from the journal.
    async fn tell(&self, merge: &mut Merge<Telling>) {
        loop {
            let ready = merge.take(TOLD_AT_ONCE);
            if !ready.is_empty() {
                self.tell_all(ready).await;
            } else if merge.len() == 0 || !self.follow(merge).await {
                return;
            }
        }
    }

    /// Tells everything that has been recorded by now.
    async fn catch_up(&self, merge: &mut Merge<Telling>) {
        while self.follow(merge).await {
            self.tell(merge).await;
        }
    }

    /// Reads what else has been recorded. `false` if there is nothing, or it cannot be read now.
    async fn follow(&self, merge: &mut Merge<Telling>) -> bool {
        let page = match self.store.journal(merge.taken(), limits::JOURNAL_PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "the journal could not be read; tried again soon");
                return false;
            }
        };
        let before = merge.len();
        for recorded in page {
            merge.put(Recorded {
                position: recorded.position,
                after: recorded.after,
                what: Telling::Note(recorded.what),
            });
        }
        merge.len() > before
    }

    /// Where the journal begins behind where this node has come, it was cut off, or stood still, for so long that the others
    /// pruned what it has not told. It goes on behind the gap, with nothing in memory from before, and its clients begin new
    /// sessions and ask for what they missed.
    async fn step_over_what_was_pruned(&self, merge: &mut Merge<Telling>) {
        let pruned = match self.store.journal_ends().await {
            Ok(ends) => ends.pruned,
            Err(error) => {
                tracing::debug!(%error, "the journal's ends could not be read; tried again soon");
                return;
            }
        };
        if merge.taken().covers(&pruned) {
            return;
        }
        tracing::warn!(
            "this node was behind for so long that the others forgot what it has missed; its clients are asked to come anew"
        );
        merge.skip(&pruned);
        self.recent.begin(merge.taken().clone());
        self.told.lock().join(merge.taken());
        self.conversations.clear();
        self.directory.clear();
        // Last: who takes part from here on finds what has been told, and does not wait for what was skipped.
        self.hub.each(|socket| socket.close(Farewell::Behind));
    }

    async fn tell_all(&self, recorded: Vec<Recorded<Telling>>) {
        let mut pause = PAUSE_MIN;
        let read = loop {
            match self.messages_of(&recorded).await {
                Ok(read) => break read,
                Err(error) => tracing::debug!(%error, "news could not be read; tried again soon"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        for Recorded { position, what, .. } in recorded {
            let note = match &what {
                Telling::Fact(fact) => fact.note(),
                Telling::Note(note) => note.clone(),
            };
            let is_news = self.recent.note(position, &note);
            let cut = self.told.begin(position);
            if !is_news {
                continue;
            }
            let mut pause = PAUSE_MIN;
            loop {
                let told = match &what {
                    Telling::Fact(fact) => self.deliver(fact, &cut, position).await,
                    Telling::Note(_) if plant::is(Bug::DropBusFrame) && position.number % 10 == 0 => Ok(()),
                    Telling::Note(note) => match self.fact_of(note, &read).await {
                        Ok(Some(fact)) => self.deliver(&fact, &cut, position).await,
                        // It has been erased since.
                        Ok(None) => Ok(()),
                        Err(error) => Err(error),
                    },
                };
                match told {
                    Ok(()) => break,
                    // Nothing is skipped because the store is away: nobody can write meanwhile, either.
                    Err(error) if error.code == Code::Unavailable => {
                        tracing::debug!(%error, "news could not be told; tried again soon");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "news could not be delivered; clients will read them from the store");
                        break;
                    }
                }
            }
        }
    }

    /// The messages that notes speak of, read at once.
    async fn messages_of(&self, recorded: &[Recorded<Telling>]) -> Result<Messages> {
        let places: Vec<(ConversationKey, Seq)> = recorded
            .iter()
            .filter_map(|recorded| match &recorded.what {
                Telling::Note(Note::MessageStored { conversation, seq, .. }) => Some((*conversation, *seq)),
                _ => None,
            })
            .collect();
        if places.is_empty() {
            return Ok(Messages::new());
        }
        let read = self.store.messages(&places).await?;
        let place = |message: &Message| (message.conversation, message.seq);
        Ok(read
            .into_iter()
            .map(|message| (place(&message), Arc::new(message)))
            .collect())
    }

    /// What a note of another node's change speaks of, as it stands by now.
    async fn fact_of(&self, note: &Note, read: &Messages) -> Result<Option<Fact>> {
        let conversation = async |key| Ok::<_, Error>(self.store.conversation(key).await?);
        Ok(match note {
            Note::MessageStored {
                conversation,
                seq,
                origin,
            } => read.get(&(*conversation, *seq)).map(|message| Fact::MessageStored {
                message: Arc::clone(message),
                origin: *origin,
            }),
            Note::Read { read, origin } => Some(Fact::Read {
                read: read.clone(),
                origin: *origin,
            }),
            Note::Opened(key) => conversation(*key).await?.map(Fact::Opened),
            Note::ConversationChanged(key) => conversation(*key).await?.map(Fact::ConversationChanged),
            Note::MembershipChanged {
                conversation: key,
                user,
                is_member,
            } => conversation(*key).await?.map(|conversation| Fact::MembershipChanged {
                conversation,
                user: *user,
                is_member: *is_member,
            }),
            Note::CommentAdded { post_id } => Some(Fact::CommentAdded(post_id.clone())),
            Note::UserChanged(user) => Some(Fact::UserChanged(*user)),
            Note::ListingChanged(listing) => Some(Fact::ListingChanged(*listing)),
            Note::SessionsEnded { user, at } => Some(Fact::SessionsEnded { user: *user, at: *at }),
        })
    }
}

#[cfg(test)]
mod tests;
