//! A live socket comes: as a new session, or back into one that was interrupted, with what it missed.
//! The protocol is Socket.IO's connection state recovery: <https://socket.io/docs/v4/connection-state-recovery>
//!
//! The client hands back its session's private id and the offset of the last fact that it got: how far this or another
//! node had come. It has been authenticated anew by then, and its memberships are judged anew here. What lies between its
//! offset and the present is replayed from the store; what happens meanwhile waits in the socket and follows.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbell_socketio::Frame;
use tokio::sync::Semaphore;

use super::{
    Chat,
    deliver::whose,
    recent::{Missed, What},
    render::News,
};
use crate::{
    fanout::{Farewell, LiveSocket, Who},
    model::{
        Contract, Conversation, ConversationKey, Cut, Error, Message, Origin, Result, Seq, SessionId, Timestamp,
        UserKey, limits,
        plant::{self, Bug},
        session::{Holder, NewSession, Session, SessionChange},
    },
    store::{StoreError, Window},
};

/// Who comes, and what they say of their past.
#[derive(Debug)]
pub struct Coming {
    pub user: UserKey,
    /// When the token was issued by which it comes.
    pub issued_at: Option<Timestamp>,
    /// The contract that it is told to speak, if it is.
    pub contract: Option<Contract>,
    /// Of this connection, where no session goes on.
    pub socket_id: String,
    /// `None`: this client is not to be recovered.
    pub recovery: Option<Past>,
}

/// What a client hands back.
#[derive(Debug, Default)]
pub struct Past {
    /// `None` for a client that comes for the first time.
    pub session: Option<SessionId>,
    /// `None` where it got nothing yet.
    pub offset: Option<Cut>,
}

/// A live socket that takes part in the fan-out, and has not got its way out yet.
pub struct Arrived {
    pub live: Arc<LiveSocket>,
    /// For the greeting; `None` for clients that do not recover.
    pub offset: Option<String>,
    /// Its session goes on.
    pub is_recovered: bool,
    /// What it missed, in order.
    pub missed: Vec<Frame>,
    /// For [`Chat::connected`].
    pub absence: Absence,
}

/// What is told to a client that was away beside what it missed. The default is that of a client that comes for the first
/// time.
#[derive(Debug, Default)]
pub struct Absence {
    /// Lists that may show something older.
    pub changed: Vec<ConversationKey>,
    /// Since when it may not have heard who stopped typing, and the conversations that it may hear of.
    pub typing: Option<(Instant, Vec<ConversationKey>)>,
}

/// What is needed to let sockets come.
pub struct Arriving {
    numbers: AtomicI64,
    turns: Semaphore,
}

impl Default for Arriving {
    fn default() -> Self {
        Arriving {
            numbers: AtomicI64::new(1),
            turns: Semaphore::new(limits::ARRIVALS_AT_ONCE),
        }
    }
}

/// How long a client may be ahead of this node, until it starts anew.
const CATCH_UP_TIME: Duration = Duration::from_secs(3);
const CATCH_UP_PAUSE: Duration = Duration::from_millis(10);
/// Between two tries to give a session up.
const GIVING_UP_PAUSE: Duration = Duration::from_secs(1);

impl Chat {
    /// Lets a socket of a person who has signed in take part. Call [`Chat::connected`] when it has its way out, or
    /// [`Chat::gone_before_connecting`].
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` for a client that may be recovered when the store answers again.
    pub async fn arrive(&self, coming: Coming) -> Result<Arrived> {
        let Some(past) = &coming.recovery else {
            return Ok(self.arrive_without_session(&coming));
        };
        // A crowd that comes at once is served in turns.
        let _turn = self.arriving.turns.acquire().await;
        if let Some(id) = past.session {
            let connection = self.number();
            let mut resumed = self.resume(&coming, id, past.offset.as_ref(), connection).await;
            if let Err(error) = resumed {
                tracing::debug!(%error, "a session could not be resumed");
                // A disk that is full can still be read: then it is served as well as can be. A database that was away for
                // a moment is asked once more.
                self.store.journal_ends().await?;
                resumed = self.resume(&coming, id, past.offset.as_ref(), connection).await;
            }
            self.counters.count_recovery(matches!(resumed, Ok(Some(_))));
            if let Ok(Some(arrived)) = resumed {
                return Ok(arrived);
            }
            // Nobody comes back into it; where it was not taken over, this does nothing.
            drop(self.store.forget_session(id, self.holder(connection)));
        }
        match self.begin_session(&coming).await {
            Ok(arrived) => Ok(arrived),
            Err(error) => {
                // It works without; it just cannot come back into its rooms.
                tracing::debug!(%error, "a session could not be kept");
                Ok(self.arrive_without_session(&coming))
            }
        }
    }

    fn number(&self) -> i64 {
        self.arriving.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn holder(&self, connection: i64) -> Holder {
        Holder {
            node: self.node,
            connection,
        }
    }

    fn arrive_without_session(&self, coming: &Coming) -> Arrived {
        let who = Who {
            number: self.number(),
            user: coming.user,
            issued_at: coming.issued_at,
            origin: Origin::of_socket(&coming.socket_id),
            socket_id: coming.socket_id.clone(),
            session: None,
        };
        let live = Arc::new(LiveSocket::new(who, coming.contract));
        self.hub.add(Arc::clone(&live));
        Arrived {
            live,
            offset: None,
            is_recovered: false,
            missed: Vec::new(),
            absence: Absence::default(),
        }
    }

    fn live(&self, coming: &Coming, session: SessionId, number: i64, contract: Option<Contract>) -> Arc<LiveSocket> {
        let socket_id = session.socket_id();
        let who = Who {
            number,
            user: coming.user,
            issued_at: coming.issued_at,
            origin: Origin::of_socket(&socket_id),
            socket_id,
            session: Some(session),
        };
        Arc::new(LiveSocket::new(who, contract))
    }

    async fn begin_session(&self, coming: &Coming) -> Result<Arrived> {
        let id = SessionId::random().map_err(|error| {
            tracing::error!(%error, "no random numbers");
            Error::unavailable("The system gives no random numbers.")
        })?;
        let live = self.live(coming, id, self.number(), coming.contract);
        let guard = self.take_part(&live);
        // Looked at after it takes part: what is not in here reaches it.
        let received = self.told.begun();
        let session = NewSession {
            id,
            user: coming.user,
            contract: coming.contract,
            holder: self.holder(live.number),
            received: received.clone(),
        };
        live.received_up_to(received.clone());
        self.store.open_session(session).await?;
        guard.keep();
        Ok(Arrived {
            live,
            offset: Some(received.to_string()),
            is_recovered: false,
            missed: Vec::new(),
            absence: Absence::default(),
        })
    }

    /// `None` when the session is not there any more, or too much has happened since.
    async fn resume(
        &self,
        coming: &Coming,
        id: SessionId,
        offset: Option<&Cut>,
        connection: i64,
    ) -> Result<Option<Arrived>> {
        let resumed = self
            .store
            .resume_session(id, coming.user, self.holder(connection), self.policy.recovery_window)
            .await?;
        let Some(session) = resumed else { return Ok(None) };
        // A connection that is dead, and has not been noticed for it.
        self.hub.each_of(coming.user, |socket| {
            if socket.session == Some(id) {
                socket.close(Farewell::TakenOver);
            }
        });
        let live = self.live(coming, id, connection, coming.contract.or(session.contract));
        live.received_up_to(session.received.clone());
        let guard = self.take_part(&live);
        let mut from = session.received.clone();
        if let Some(offset) = offset {
            from.join(offset);
        }
        if !self.caught_up_with(&from).await {
            return Ok(None);
        }
        let conversations = self.put_back(&live, &session).await?;
        // Looked at when it is back in its rooms: what was told before is replayed, what is told from here on is held.
        let to = self.told.begun();
        live.replayed_up_to(to.clone());
        live.received_up_to(from.clone());
        self.beating.returned(Instant::now(), &from);
        let Some(mut missed) = self.recent.missed(coming.user, &conversations, &from, &to) else {
            return Ok(None);
        };
        if plant::is(Bug::ReplayOffByOne) && !missed.news.is_empty() {
            missed.news.remove(0);
        }
        let changed = std::mem::take(&mut missed.changed);
        let frames = self.replay(&live, missed, &from).await?;
        guard.keep();
        Ok(Some(Arrived {
            live,
            offset: Some(from.to_string()),
            is_recovered: true,
            missed: frames,
            absence: Absence {
                changed,
                // Its connection may have been dead for a while before anybody noticed.
                typing: Instant::now()
                    .checked_sub(session.away + limits::RECOVERY_MARGIN)
                    .map(|since| (since, conversations)),
            },
        }))
    }

    /// Waits until this node has told what the client has got elsewhere.
    async fn caught_up_with(&self, from: &Cut) -> bool {
        let until = Instant::now() + CATCH_UP_TIME;
        while !self.told.begun().covers(from) {
            // An offset that nobody gave out is never reached, and soon known for it.
            let is_recorded = self
                .store
                .journal_ends()
                .await
                .is_ok_and(|ends| ends.recorded.covers(from));
            if !is_recorded || Instant::now() > until {
                return false;
            }
            self.hint.notify_one();
            tokio::time::sleep(CATCH_UP_PAUSE).await;
        }
        true
    }

    /// Puts the socket into the rooms that its user may still be in. All conversations that it may hear of are returned.
    async fn put_back(&self, live: &LiveSocket, session: &Session) -> Result<Vec<ConversationKey>> {
        let mut conversations = self.store.conversations_of(session.user).await?;
        if plant::is(Bug::SkipMembershipCheck) {
            let left = session.joined.iter().map(|(key, _)| *key);
            let left: Vec<_> = left.filter(|key| !conversations.contains(key)).collect();
            conversations.extend(left);
        }
        let joined = session.joined.iter().filter(|(key, _)| conversations.contains(key));
        live.put_back(joined.copied(), session.user_room);
        Ok(conversations)
    }

    /// The frames of what was missed.
    async fn replay(&self, live: &LiveSocket, missed: Missed, from: &Cut) -> Result<Vec<Frame>> {
        let contract = live.spoken();
        let mut offset = from.clone();
        let mut frames = Vec::with_capacity(missed.news.len());
        let mut pages = Pages::default();
        for (key, noted) in missed.news {
            let conversation = self.conversation(key).await?;
            let frame = match noted.what {
                What::Message { seq, origin } => {
                    let Some(message) = pages.message(self, &conversation, live.user, seq).await? else {
                        // Before they came, after they left, or erased since: not for them.
                        continue;
                    };
                    let is_own = message.sender == live.user;
                    let audience = self
                        .render
                        .audience(contract, News::Message, whose(is_own, origin, live.origin));
                    if !live.hears(audience, key, Some(seq)) {
                        continue;
                    }
                    let people = self.people_of(&conversation, &[message.sender]).await?;
                    let viewer = is_own.then_some(live.user);
                    self.render.message(contract, &conversation, &message, &people, viewer)
                }
                What::Read(read) => {
                    let (read, origin) = *read;
                    let is_own = read.reader == live.user;
                    let audience = self
                        .render
                        .audience(contract, News::Read, whose(is_own, origin, live.origin));
                    if read.updated == 0 || !live.hears(audience, key, None) {
                        continue;
                    }
                    let people = self.people_of(&conversation, &[read.reader]).await?;
                    self.render.read(contract, &conversation, &read, &people)
                }
                What::Changed => continue,
            };
            // Everything of this slot up to here has been given by now; of the others, what was given before.
            offset.advance(noted.position);
            frames.push(frame.with_last_argument(&offset.to_string()));
        }
        Ok(frames)
    }

    /// Takes part in the fan-out. When the guard is dropped without being kept (the client has gone meanwhile, something
    /// failed), it does no longer, and its session waits for the client as after any end.
    fn take_part<'a>(&'a self, live: &'a Arc<LiveSocket>) -> Part<'a> {
        self.hub.add(Arc::clone(live));
        Part {
            chat: self,
            live,
            is_kept: false,
        }
    }

    /// A socket that arrived has gone without getting its way out.
    pub fn gone_before_connecting(&self, live: &LiveSocket) {
        self.hub.remove(live.user, live.number);
        self.suspend(live);
    }

    /// Its client may come back.
    pub(super) fn suspend(&self, live: &LiveSocket) {
        if let Some(session) = live.session {
            let mut received = live.received();
            received.join(&self.beating.received_since(live.since, Instant::now()));
            // Not waited for: an end that is not noted is the node's last sign of life.
            drop(self.store.suspend_session(session, self.holder(live.number), received));
        }
    }

    /// Its client has gone for good.
    pub(super) fn forget(&self, live: &LiveSocket) {
        if let Some(session) = live.session {
            drop(self.store.forget_session(session, self.holder(live.number)));
        }
    }

    /// Notes what a session does. Whoever acknowledges it waits for this first.
    ///
    /// Where it cannot be noted (a full disk), the socket works on, and its session is given up: its client would come back
    /// into the wrong rooms.
    pub async fn note_session(&self, live: &LiveSocket, change: SessionChange) {
        let Some(session) = live.session else { return };
        let holder = self.holder(live.number);
        if let Err(error) = self.store.change_session(session, holder, change).await {
            tracing::debug!(%error, "what a session does could not be noted; it is given up");
            let store = Arc::clone(&self.store);
            tokio::spawn(async move {
                while let Err(error) = store.forget_session(session, holder).await {
                    if matches!(error, StoreError::Closed) {
                        return;
                    }
                    tokio::time::sleep(GIVING_UP_PAUSE).await;
                }
            });
        }
    }
}

struct Part<'a> {
    chat: &'a Chat,
    live: &'a LiveSocket,
    is_kept: bool,
}

impl Part<'_> {
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.chat.gone_before_connecting(self.live);
        }
    }
}

/// Messages that were read for one viewer, a page of each conversation at a time.
#[derive(Default)]
struct Pages(HashMap<ConversationKey, VecDeque<Message>>);

/// Messages read at once.
const PAGE: usize = 200;

impl Pages {
    /// The message with this `seq`, if the viewer may see it. Must be asked for in rising order.
    async fn message(
        &mut self,
        chat: &Chat,
        conversation: &Arc<Conversation>,
        viewer: UserKey,
        seq: Seq,
    ) -> Result<Option<Message>> {
        if plant::is(Bug::SkipMembershipCheck) {
            return Ok(chat.store.messages(&[(conversation.key, seq)]).await?.pop());
        }
        let page = self.0.entry(conversation.key).or_default();
        while page.front().is_some_and(|message| message.seq < seq) {
            page.pop_front();
        }
        if page.is_empty() {
            let window = Window::After {
                seq: seq - 1,
                limit: PAGE,
            };
            let read = chat.page(Arc::clone(conversation), viewer, window).await?;
            page.extend(read.messages);
        }
        match page.front() {
            Some(message) if message.seq == seq => Ok(page.pop_front()),
            _ => Ok(None),
        }
    }
}
