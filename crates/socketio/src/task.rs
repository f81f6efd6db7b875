//! The task of a session: the one place that reads from it, handles its packets in order, and writes to it.
//!
//! A wake goes through rounds of: what runs, what is queued, what came in; until a round leaves nothing to do. Whoever
//! queues something while the task is awake need not wake it, since it looks at the queue once more before it sleeps.

mod ending;
mod incoming;

use crate::{
    Accept, Connecting, Frame, Handler, Reason, Refused, Socket,
    engine::{ID_LENGTH, Id},
    packet::Assembling,
    polling::{self, Inbox},
    queue::{Phase, Queued},
    session::Session,
    turns::{Item, Step, Turns},
    websocket::close,
    wire::Wire,
};
use futures_util::future::BoxFuture;
use std::{
    cell::Cell,
    io::IoSlice,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

/// Most frames in one vectored write.
const WRITE_BATCH: usize = 64;

/// Reads in one round, and rounds in one wake, before others get their turn.
const READS: usize = 2;
const ROUNDS: usize = 4;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static BATCH: Cell<Vec<Queued>> = const { Cell::new(Vec::new()) };
}

/// A CONNECT that the application has not decided about.
struct Deciding<H: Handler> {
    namespace: Option<Box<str>>,
    id: [u8; ID_LENGTH],
    future: BoxFuture<'static, Result<Accept<H::Socket>, Refused>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// The session is open.
    No,
    /// What is queued is being written.
    Flushing,
    /// This side has said its last word, and waits for the client's end, so that nothing it has not read is lost.
    Lingering,
    /// There is no connection any more.
    Gone,
}

enum Round {
    Again,
    Sleep,
    Finished,
}

/// The future of a session.
pub(crate) struct Task<H: Handler> {
    session: Arc<Session<H>>,
    wire: Wire,
    /// Connected sockets, and those that this side disconnected, until the client connects to the namespace again: what
    /// it sent before it knew is passed over.
    sockets: Vec<Socket<H>>,
    deciding: Vec<Deciding<H>>,
    turns: Option<Box<Turns<H>>>,
    assembling: Option<Box<Assembling>>,
    inbox: Option<Box<Inbox>>,
    leaving: Leaving,
    /// `disconnected` has been called for all sockets.
    told: bool,
    /// Reading stopped with complete frames at hand.
    stalled: bool,
    /// As last told to the session.
    paused: bool,
    /// Something is written that has to be flushed, on a stream that is no socket.
    unflushed: bool,
    close_code: u16,
    /// Stands behind the code.
    close_text: String,
    /// Whoever is left has been told why.
    said_farewell: bool,
}

impl<H: Handler> Task<H> {
    pub fn new(session: Arc<Session<H>>, wire: Wire) -> Self {
        // A client may send before it has read the answer to its handshake.
        let stalled = matches!(&wire, Wire::WebSocket(socket) if !socket.pending.is_empty());
        Self {
            session,
            wire,
            sockets: Vec::new(),
            deciding: Vec::new(),
            turns: None,
            assembling: None,
            inbox: None,
            leaving: Leaving::No,
            told: false,
            stalled,
            paused: false,
            unflushed: false,
            close_code: close::NORMAL,
            close_text: String::new(),
            said_farewell: false,
        }
    }

    fn round(&mut self, context: &mut Context<'_>) -> Round {
        let (phase, expired, queued, leavers, handover) = self.session.with(|outbox| {
            outbox.awake = true;
            outbox.blocked = false;
            if !outbox
                .waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(context.waker()))
            {
                outbox.waker = Some(context.waker().clone());
            }
            let mut handover = None;
            if self.inbox.is_none()
                && let Some(polling) = outbox.polling.as_mut()
            {
                match polling.inbox.take() {
                    Some(inbox) => self.inbox = Some(Box::new(inbox)),
                    None => handover = polling.handover.take(),
                }
                if handover.is_some() {
                    outbox.polling = None;
                }
            }
            let leavers = std::mem::take(&mut outbox.leavers);
            (
                (
                    outbox.phase,
                    outbox.timers.expired,
                    !outbox.is_empty(),
                    leavers,
                    handover,
                ),
                None,
            )
        });
        if let Some(socket) = handover {
            self.stalled = !socket.pending.is_empty();
            self.wire = Wire::WebSocket(*socket);
        }
        if leavers {
            self.drop_leavers(context);
        }

        let mut again = false;
        match phase {
            Phase::Open => {
                self.advance_deciding(context);
                self.advance_turns(context);
                if queued || self.unflushed {
                    self.flush(context);
                }
                again = self.read(context);
            }
            Phase::Closing(reason) | Phase::Closed(reason) => {
                self.leave(context, phase, reason, expired);
                if self.leaving == Leaving::Gone && self.told {
                    return Round::Finished;
                }
            }
        }

        let websocket = matches!(self.wire, Wire::WebSocket(_));
        let awaits_inbox = self.inbox.is_none();
        self.session.with(|outbox| {
            let writable = !outbox.is_empty()
                && self.leaving != Leaving::Gone
                && if websocket {
                    !outbox.blocked
                } else {
                    outbox.polling.as_ref().is_some_and(|polling| polling.is_polled())
                };
            // A poll that came during this round takes the goodbye.
            let polled =
                self.leaving == Leaving::Flushing && outbox.polling.as_ref().is_some_and(|polling| polling.is_polled());
            let arrived = awaits_inbox
                && outbox
                    .polling
                    .as_ref()
                    .is_some_and(|polling| polling.inbox.is_some() || polling.handover.is_some());
            if again
                || polled
                || outbox.phase != phase
                || writable
                || outbox.leavers
                || (arrived && phase == Phase::Open)
            {
                return (Round::Again, None);
            }
            outbox.awake = false;
            (Round::Sleep, None)
        })
    }

    // --- Turns ---

    pub(super) fn socket_in(&self, namespace: Option<&str>) -> Option<&Socket<H>> {
        self.sockets.iter().find(|socket| socket.is_in(namespace))
    }

    /// Handles a packet whose turn it is.
    fn handle_item(&mut self, item: Item<H>, bytes: usize, context: &mut Context<'_>) {
        match item {
            Item::Connect(namespace, auth) => self.connect(namespace, auth, context),
            Item::Disconnect(namespace) => match self.socket_in(namespace.as_deref()) {
                Some(socket) if socket.marked_open() => {
                    let socket = socket.clone();
                    socket.mark_closed();
                    self.turns
                        .get_or_insert_with(|| Box::new(Turns::new()))
                        .leave(socket, Reason::ClientLeft);
                    self.advance_turns(context);
                }
                // Both sides left at once.
                Some(_) => {}
                None => self.bad_packet("a disconnect from no namespace", close::NORMAL),
            },
            Item::Leave(socket, reason) => {
                self.turns
                    .get_or_insert_with(|| Box::new(Turns::new()))
                    .leave(socket, reason);
            }
            Item::Event(namespace, event) => match self.socket_in(namespace.as_deref()) {
                Some(socket) if socket.marked_open() => {
                    let socket = socket.clone();
                    let turn = self.session.server.handler.event(&socket, event);
                    self.begin(turn, bytes, context);
                }
                Some(_) => {}
                None => self.bad_packet("an event before CONNECT", close::NORMAL),
            },
        }
    }

    fn begin(&mut self, turn: crate::Turn, bytes: usize, context: &mut Context<'_>) {
        use crate::Turn;
        match turn {
            Turn::Done => {}
            Turn::Answer(frames) if self.turns.as_ref().is_none_or(|turns| turns.count() == 0) => self.send(frames),
            turn => {
                let turns = self.turns.get_or_insert_with(|| Box::new(Turns::new()));
                turns.begin(turn, bytes);
                turns.poll_last(context);
                self.step_turns(context);
            }
        }
    }

    fn send(&self, frames: Vec<Frame>) {
        for frame in frames {
            self.session.answer(frame);
        }
    }

    /// Polls what runs, then does all that has become possible.
    fn advance_turns(&mut self, context: &mut Context<'_>) {
        if let Some(turns) = &mut self.turns {
            turns.poll_answers(context);
            self.step_turns(context);
        }
    }

    fn step_turns(&mut self, context: &mut Context<'_>) {
        loop {
            let Some(turns) = &mut self.turns else { return };
            match turns.step(context) {
                Step::Send(frames) => self.send(frames),
                Step::Handle(item, bytes) => {
                    self.handle_item(item, bytes, context);
                }
                Step::Left(socket, reason) => self.left(socket, reason),
                Step::Nothing => {
                    if turns.count() == 0 {
                        self.turns = None;
                    }
                    return;
                }
            }
        }
    }

    fn left(&mut self, socket: Socket<H>, reason: Reason) {
        if reason == Reason::ClientLeft {
            self.sockets.retain(|other| *other != socket);
        }
        self.session.server.handler.disconnected(&socket, reason);
    }

    /// Sockets that this side has disconnected leave when their turns are through.
    fn drop_leavers(&mut self, context: &mut Context<'_>) {
        let leavers: Vec<_> = self
            .sockets
            .iter()
            .filter(|socket| !socket.marked_open() && socket.begin_leaving())
            .cloned()
            .collect();
        for socket in leavers {
            socket.mark_closed();
            let item = Item::Leave(socket, Reason::ServerLeft);
            match &mut self.turns {
                Some(turns) if turns.blocked() => turns.wait(item, 0),
                _ => self.handle_item(item, 0, context),
            }
        }
        self.advance_turns(context);
    }

    // --- Namespaces ---

    fn connect(
        &mut self,
        namespace: Box<str>,
        auth: Option<Box<serde_json::value::RawValue>>,
        context: &mut Context<'_>,
    ) {
        let main = &*namespace == "/";
        let key = (!main).then_some(&*namespace);
        let connected = self.socket_in(key).is_some_and(Socket::marked_open);
        if connected
            || self
                .deciding
                .iter()
                .any(|deciding| deciding.namespace.as_deref() == key)
        {
            return self.bad_packet("a second CONNECT to a namespace", close::NORMAL);
        }
        // One that this side disconnected makes room once its end has been told.
        self.sockets
            .retain(|socket| socket.marked_open() || !socket.is_in(key) || !socket.has_left());
        if self.sockets.len() + self.deciding.len() >= self.session.server.config.max_namespaces {
            return self
                .session
                .answer(Frame::refused(&namespace, "Too many namespaces", None));
        }
        let id = match Id::random() {
            Ok(id) => id.to_text(),
            Err(error) => {
                tracing::error!(%error, "no random numbers");
                return self.session.close(Reason::ServerClose);
            }
        };
        let connecting = Connecting {
            session: Arc::clone(&self.session.data),
            namespace: namespace.to_string(),
            auth,
            socket_id: String::from_utf8_lossy(&id).into_owned(),
        };
        let future = self.session.server.handler.connect(connecting);
        self.deciding.push(Deciding {
            namespace: (!main).then_some(namespace),
            id,
            future,
        });
        self.advance_deciding(context);
    }

    fn advance_deciding(&mut self, context: &mut Context<'_>) {
        let mut index = 0;
        while index < self.deciding.len() {
            match self.deciding[index].future.as_mut().poll(context) {
                Poll::Pending => index += 1,
                Poll::Ready(decision) => {
                    let Deciding { namespace, id, .. } = self.deciding.remove(index);
                    self.decided(namespace, id, decision);
                }
            }
        }
        if self.deciding.is_empty() && self.deciding.capacity() > 0 {
            self.deciding = Vec::new();
        }
    }

    fn decided(
        &mut self,
        namespace: Option<Box<str>>,
        offered: [u8; ID_LENGTH],
        decision: Result<Accept<H::Socket>, Refused>,
    ) {
        let name = namespace.as_deref().unwrap_or("/");
        match decision {
            Ok(accept) => {
                let known = accept.socket_id.as_deref().and_then(Id::parse);
                let id = known.map_or(offered, Id::to_text);
                let sid = String::from_utf8_lossy(&id);
                let mut frames = vec![Frame::connected(name, &sid, &accept.fields)];
                frames.extend(accept.greeting);
                let socket = Socket::new(Arc::clone(&self.session), id, namespace, accept.state);
                let open = self.session.with(|outbox| {
                    outbox.timers.connect_by = u64::MAX;
                    (outbox.phase == Phase::Open, None)
                });
                if !open {
                    return;
                }
                self.send(frames);
                self.sockets.push(socket.clone());
                self.session.server.handler.connected(&socket);
            }
            Err(Refused::Error { message, data }) => {
                self.session.answer(Frame::refused(name, &message, data.as_ref()));
            }
            Err(Refused::CloseTransport) => self.session.close(Reason::ServerClose),
            Err(Refused::CloseTransportFor(reason)) => {
                (self.close_code, self.close_text) = (close::TRY_AGAIN, reason);
                self.session.close(Reason::ServerClose);
            }
        }
    }

    // --- What goes out ---

    /// Writes what is queued, as far as the connection takes it.
    fn flush(&mut self, context: &mut Context<'_>) {
        let socket = match &mut self.wire {
            Wire::WebSocket(socket) => socket,
            Wire::Polling => {
                self.session
                    .with(|outbox| (polling::flush(&self.session.server.counters, outbox, None), None));
                return;
            }
            Wire::None => return,
        };
        let mut batch = BATCH.take();
        self.session
            .with(|outbox| (outbox.take_batch(&mut batch, WRITE_BATCH), None));
        let (mut wrote, mut packets) = (false, 0);
        while !batch.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_BATCH];
            for (slice, queued) in slices.iter_mut().zip(&batch) {
                *slice = IoSlice::new(&queued.bytes);
            }
            let count = batch.len();
            let result = socket.poll_write(context, &slices[..count]);
            let session = &self.session;
            session.with(|outbox| {
                let waker = match result {
                    Poll::Ready(Ok(written)) if written > 0 => {
                        wrote = true;
                        packets += outbox.settle(&mut batch, written);
                        if self.paused {
                            outbox.timers.progress = session.server.now();
                        }
                        None
                    }
                    Poll::Ready(_) => {
                        outbox.settle(&mut batch, 0);
                        session.shut(outbox, Phase::Closed(Reason::TransportError))
                    }
                    Poll::Pending => {
                        outbox.settle(&mut batch, 0);
                        outbox.blocked = true;
                        if let Some(oldest) = outbox.oldest_push() {
                            let age = crate::session::millis(session.server.config.push_queue_age);
                            session.check_at(outbox, oldest + age + 1);
                        }
                        None
                    }
                };
                if !outbox.blocked && outbox.phase != Phase::Closed(Reason::TransportError) {
                    outbox.take_batch(&mut batch, WRITE_BATCH);
                }
                ((), waker)
            });
            session.server.counters.writes.fetch_add(1, Relaxed);
        }
        BATCH.set(batch);
        self.session.server.counters.packets_out.fetch_add(packets, Relaxed);
        if socket.keeps_writes() {
            self.unflushed |= wrote;
            if self.unflushed {
                self.unflushed = socket.poll_flush(context).is_pending();
            }
        }
    }
}

impl<H: Handler> Future for Task<H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            match this.round(context) {
                Round::Again => {}
                Round::Sleep => return Poll::Pending,
                Round::Finished => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<H: Handler> Unpin for Task<H> {}

impl<H: Handler> Drop for Task<H> {
    fn drop(&mut self) {
        // Ends here also when a handler panics or the runtime stops: nothing may stay behind, and every socket that was
        // told to be connected is told to be gone.
        let reason = self.session.with(|outbox| {
            let reason = outbox.reason().unwrap_or(Reason::ServerClose);
            outbox.phase = Phase::Closed(reason);
            outbox.take_all();
            outbox.polling = None;
            outbox.waker = None;
            (reason, None)
        });
        self.session.server.remove(self.session.id);
        self.deciding.clear();
        self.tell(reason);
    }
}
