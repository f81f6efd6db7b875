//! Delivery: facts become frames on the live sockets of this node, in commit order.
//!
//! One task does it for all conversations: that is what makes every connection see the same order. It renders at most
//! once for each contract that is present, and never waits for a slow reader.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use doorbell_socketio::Frame;
use tokio::sync::{mpsc, oneshot};

use super::{
    Chat,
    counters::Delivered,
    render::{News, Whose},
};
use crate::fanout::{Audience, Pushed};
use crate::model::{Contract, Conversation, Fact, Message, Origin, Recorded, Result, UserKey, conversation::Read};

/// Time for connections to write what waits for them.
const BREATH: Duration = Duration::from_millis(1);

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

    /// Delivers what the store hands over, until the store is closed.
    pub async fn publish(self: Arc<Self>, mut facts: mpsc::Receiver<Vec<Recorded<Fact>>>) {
        let Some(mut waiting) = self.settling.take() else {
            return;
        };
        loop {
            tokio::select! {
                batch = facts.recv() => match batch {
                    Some(batch) => self.deliver_batch(batch).await,
                    None => return,
                },
                Some(done) = waiting.recv() => {
                    // The store hands facts over before it answers, so theirs are in the channel now, or through it.
                    for _ in 0..facts.len() {
                        let Ok(batch) = facts.try_recv() else { break };
                        self.deliver_batch(batch).await;
                    }
                    let _ = done.send(());
                }
            }
        }
    }

    async fn deliver_batch(&self, batch: Vec<Recorded<Fact>>) {
        let batch: Vec<Fact> = batch.into_iter().map(|recorded| recorded.what).collect();
        self.counters.count_facts(&batch);
        for fact in batch {
            // What cannot be delivered can be read: the fact is stored, and the next message shows the gap.
            if let Err(error) = self.deliver(fact).await {
                tracing::warn!(%error, "news could not be delivered; clients will read them from the store");
            }
        }
    }

    async fn deliver(&self, fact: Fact) -> Result<()> {
        match fact {
            Fact::MessageStored { message, origin } => self.deliver_message(&message, origin).await,
            Fact::Read { read, origin } => self.deliver_read(&read, origin).await,
            Fact::Opened(conversation) => {
                self.conversations.put(&conversation);
                self.update_everyone(&conversation);
                Ok(())
            }
            Fact::ConversationChanged(conversation) => {
                self.conversations.put(&conversation);
                self.update_everyone(&conversation);
                Ok(())
            }
            Fact::MembershipChanged {
                conversation,
                user,
                is_member,
            } => {
                self.conversations.put(&conversation);
                if !is_member {
                    self.hub.each_of(user, |socket| socket.leave(conversation.key));
                }
                self.update_everyone(&conversation);
                self.update_list(user, conversation.key, true, None);
                Ok(())
            }
            Fact::CommentAdded(post_id) => {
                self.waiting.posts.ring(post_id.as_str());
                Ok(())
            }
            Fact::UserChanged(user) => {
                self.directory_changed(user);
                Ok(())
            }
            Fact::ListingChanged(listing) => {
                self.listing_changed(listing);
                Ok(())
            }
        }
    }

    async fn deliver_message(&self, message: &Message, origin: Option<Origin>) -> Result<()> {
        let key = message.conversation;
        let conversation = self.conversation(key).await?;
        self.waiting.conversations.ring(&key);
        if !self.anyone_is_connected(&conversation) {
            return Ok(());
        }
        let people = self.people_of(&conversation, &[message.sender]).await?;
        // Their own copy differs only by the e-mail address, which the sender alone may see.
        let sender_sees_more = people.user(message.sender).is_some_and(|sender| sender.email.is_some());
        let mut shared = Frames::default();
        let mut own = Frames::default();
        let mut needs_breath = false;
        let mut delivered = Delivered::default();
        for member in conversation.current_members() {
            let is_sender = member.user == message.sender;
            self.hub.each_of(member.user, |socket| {
                let contract = socket.spoken();
                let audience = self
                    .render
                    .audience(contract, News::Message, whose(is_sender, origin, socket.number));
                if audience == Audience::Nobody {
                    return;
                }
                let (frames, viewer) = if is_sender && sender_sees_more {
                    (&mut own, Some(member.user))
                } else {
                    (&mut shared, None)
                };
                let frame = frames.of(contract, || {
                    self.render.message(contract, &conversation, message, &people, viewer)
                });
                let pushed = socket.push_message(audience, key, message.seq, frame);
                if pushed != Pushed::Not {
                    delivered.one_more(contract);
                }
                needs_breath |= pushed == Pushed::Crowded;
                if contract == self.render.list_contract() && !socket.has_joined(key) {
                    self.update_list(member.user, key, false, None);
                }
            });
        }
        self.counters.count_delivered(delivered);
        if needs_breath {
            // A reader is not slow because this task was faster than the connections' own.
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    async fn deliver_read(&self, read: &Read, origin: Option<Origin>) -> Result<()> {
        if read.updated == 0 {
            return Ok(());
        }
        let conversation = self.conversation(read.conversation).await?;
        if !self.anyone_is_connected(&conversation) {
            return Ok(());
        }
        let people = self.people_of(&conversation, &[read.reader]).await?;
        let render = |contract| self.render.read(contract, &conversation, read, &people);
        self.deliver_news(&conversation, News::Read, read.reader, origin, render);
        self.update_list(read.reader, read.conversation, true, origin);
        Ok(())
    }

    /// Brings news of a conversation to its current members, each contract's rendered once.
    pub(super) fn deliver_news(
        &self,
        conversation: &Conversation,
        news: News,
        cause: UserKey,
        origin: Option<Origin>,
        render: impl Fn(Contract) -> Frame,
    ) {
        let mut frames = Frames::default();
        for member in conversation.current_members() {
            let is_cause = member.user == cause;
            self.hub.each_of(member.user, |socket| {
                let contract = socket.spoken();
                let audience = self
                    .render
                    .audience(contract, news, whose(is_cause, origin, socket.number));
                if audience != Audience::Nobody {
                    socket.push_news(audience, conversation.key, frames.of(contract, || render(contract)));
                }
            });
        }
    }

    /// Everyone who is in it has to see that their list has changed.
    fn update_everyone(&self, conversation: &Conversation) {
        for member in conversation.current_members() {
            self.update_list(member.user, conversation.key, true, None);
        }
    }

    fn anyone_is_connected(&self, conversation: &Conversation) -> bool {
        conversation
            .current_members()
            .any(|member| self.hub.is_connected(member.user))
    }
}

fn whose(is_own: bool, origin: Option<Origin>, socket: Origin) -> Whose {
    match is_own {
        _ if origin == Some(socket) => Whose::Origin,
        true => Whose::Own,
        false => Whose::Others,
    }
}

/// One frame a contract, made when the first socket of that contract needs it.
#[derive(Default)]
struct Frames([Option<Frame>; Contract::ALL.len()]);

impl Frames {
    fn of(&mut self, contract: Contract, render: impl FnOnce() -> Frame) -> &Frame {
        self.0[contract as usize].get_or_insert_with(render)
    }
}
