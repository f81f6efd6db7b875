//! Delivery: a fact becomes frames on the live sockets of this node.
//!
//! Each is rendered at most once for each contract that is present. Readers who take what they are sent are waited for, slow
//! ones are not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use doorbell_socketio::Frame;

use super::{
    Chat,
    counters::Delivered,
    render::{News, Whose},
};
use crate::{
    fanout::{self, Audience, Budget, LiveSocket, Pushed},
    model::{
        Contract, Conversation, Cut, Fact, Message, Origin, Position, Result, UserKey, conversation::Read, limits,
    },
};

/// Time for connections to write what waits for them, between two looks.
const BREATH: Duration = Duration::from_millis(1);

/// What is left of the time that everybody may be held up for readers.
#[derive(Default)]
pub struct Pace(Mutex<Budget>);

impl Pace {
    /// Waits until not much waits for these any more, or they turn out to be slow.
    async fn wait_for(&self, mut crowded: Vec<Arc<LiveSocket>>) {
        let mut before = Instant::now();
        while !crowded.is_empty() {
            let now = Instant::now();
            let waited = now.duration_since(before);
            before = now;
            let is_left =
                self.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .spend(now, waited, limits::READERS_WAIT);
            if !is_left {
                return;
            }
            crowded.retain(|socket| socket.is_to_be_waited_for(waited));
            if !crowded.is_empty() {
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

impl Chat {
    /// `cut`: how far things have come with this fact.
    pub(super) async fn deliver(&self, fact: &Fact, cut: &Cut, position: Position) -> Result<()> {
        let telling = Telling { cut, position };
        match fact {
            Fact::MessageStored { message, origin } => self.deliver_message(message, *origin, telling).await,
            Fact::Read { read, origin } => self.deliver_read(read, *origin, telling).await,
            Fact::Opened(conversation) => {
                self.conversations.put(conversation);
                self.update_everyone(conversation);
                self.became_peers(conversation.key);
                Ok(())
            }
            Fact::ConversationChanged(conversation) => {
                self.conversations.put(conversation);
                self.update_everyone(conversation);
                Ok(())
            }
            Fact::MembershipChanged {
                conversation,
                user,
                is_member,
            } => {
                self.conversations.put(conversation);
                if *is_member {
                    self.became_peer(conversation.key, *user);
                } else {
                    self.hub.each_of(*user, |socket| socket.leave(conversation.key));
                }
                self.update_everyone(conversation);
                self.update_list(*user, conversation.key, true, None);
                Ok(())
            }
            Fact::CommentAdded(post_id) => {
                self.waiting.posts.ring(post_id.as_str());
                Ok(())
            }
            Fact::UserChanged(user) => {
                self.directory_changed(*user);
                Ok(())
            }
            Fact::ListingChanged(listing) => {
                self.listing_changed(*listing);
                Ok(())
            }
            Fact::SessionsEnded { user, at } => {
                self.sessions_ended(*user, *at);
                Ok(())
            }
        }
    }

    async fn deliver_message(&self, message: &Message, origin: Option<Origin>, telling: Telling<'_>) -> Result<()> {
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
        let mut crowded = Vec::new();
        let mut delivered = Delivered::default();
        // Also those who have left since: the conversation may be known as it stands by now, not as it stood then.
        for member in conversation
            .members
            .iter()
            .filter(|member| member.was_there(message.seq))
        {
            let is_sender = member.user == message.sender;
            self.hub.each_of(member.user, |socket| {
                let contract = socket.spoken();
                let audience = self
                    .render
                    .audience(contract, News::Message, whose(is_sender, origin, socket.origin));
                if audience == Audience::Nobody {
                    return;
                }
                let (frames, viewer) = if is_sender && sender_sees_more {
                    (&mut own, Some(member.user))
                } else {
                    (&mut shared, None)
                };
                let frame = frames.of(socket, telling, || {
                    self.render.message(contract, &conversation, message, &people, viewer)
                });
                let news = fanout::News {
                    audience,
                    conversation: key,
                    seq: Some(message.seq),
                    position: telling.position,
                };
                let pushed = socket.push_fact(news, frame);
                if pushed != Pushed::Not {
                    delivered.one_more(contract);
                }
                if pushed == Pushed::Crowded {
                    crowded.push(Arc::clone(socket));
                }
                if contract == self.render.list_contract() && !socket.has_joined(key) {
                    self.update_list(member.user, key, false, None);
                }
            });
        }
        self.counters.count_delivered(delivered);
        self.pace.wait_for(crowded).await;
        Ok(())
    }

    async fn deliver_read(&self, read: &Read, origin: Option<Origin>, telling: Telling<'_>) -> Result<()> {
        if read.updated == 0 {
            return Ok(());
        }
        let conversation = self.conversation(read.conversation).await?;
        if !self.anyone_is_connected(&conversation) {
            return Ok(());
        }
        let people = self.people_of(&conversation, &[read.reader]).await?;
        let mut frames = Frames::default();
        for member in conversation.current_members() {
            let is_reader = member.user == read.reader;
            self.hub.each_of(member.user, |socket| {
                let contract = socket.spoken();
                let audience = self
                    .render
                    .audience(contract, News::Read, whose(is_reader, origin, socket.origin));
                if audience == Audience::Nobody {
                    return;
                }
                let frame = frames.of(socket, telling, || {
                    self.render.read(contract, &conversation, read, &people)
                });
                let news = fanout::News {
                    audience,
                    conversation: conversation.key,
                    seq: None,
                    position: telling.position,
                };
                socket.push_fact(news, frame);
            });
        }
        self.update_list(read.reader, read.conversation, true, origin);
        Ok(())
    }

    /// Brings news that are no stored fact to a conversation's current members, each contract's rendered once.
    pub(super) fn deliver_news(
        &self,
        conversation: &Conversation,
        news: News,
        cause: UserKey,
        render: impl Fn(Contract) -> Frame,
    ) {
        let mut frames: [Option<Frame>; Contract::ALL.len()] = Default::default();
        for member in conversation.current_members() {
            let is_cause = member.user == cause;
            self.hub.each_of(member.user, |socket| {
                let contract = socket.spoken();
                let audience = self
                    .render
                    .audience(contract, news, whose(is_cause, None, socket.origin));
                if audience != Audience::Nobody {
                    let frame = frames[contract as usize].get_or_insert_with(|| render(contract));
                    socket.push_news(audience, conversation.key, frame);
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
            .members
            .iter()
            .any(|member| self.hub.is_connected(member.user))
    }
}

pub(super) fn whose(is_own: bool, origin: Option<Origin>, socket: Origin) -> Whose {
    match is_own {
        true if origin == Some(socket) => Whose::Origin,
        true => Whose::Own,
        false => Whose::Others,
    }
}

/// Where the fact stands that is told, and all that is told with it.
#[derive(Clone, Copy)]
struct Telling<'a> {
    cut: &'a Cut,
    position: Position,
}

/// One frame a contract, made when the first socket of that contract needs it; and the same with the offset behind it,
/// for sockets that recover.
#[derive(Default)]
struct Frames {
    plain: [Option<Frame>; Contract::ALL.len()],
    with_offset: [Option<Frame>; Contract::ALL.len()],
}

impl Frames {
    fn of(&mut self, socket: &LiveSocket, telling: Telling<'_>, render: impl FnOnce() -> Frame) -> &Frame {
        let contract = socket.spoken() as usize;
        let plain = self.plain[contract].get_or_insert_with(render);
        match socket.recovers() {
            false => plain,
            true => {
                self.with_offset[contract].get_or_insert_with(|| plain.with_last_argument(&telling.cut.to_string()))
            }
        }
    }
}
