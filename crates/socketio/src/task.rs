//! The task of a session: the one place that reads from it, handles its packets in order, and writes to it.
//!
//! A wake goes through rounds of: what runs, what is queued, what came in; until a round leaves nothing to do. Whoever
//! queues something while the task is awake need not wake it, since it looks at the queue once more before it sleeps.

use crate::{
    Accept, Connecting, Event, Frame, Handler, Reason, Refused, Socket,
    engine::{self, ID_LENGTH, Id},
    packet::{self, Assembling, Content},
    polling::{self, Inbox, PollEnd},
    queue::{Phase, Queued},
    session::Session,
    turns::{Item, Step, Turns},
    websocket::{Decoder, Incoming, Violation, close, close_frame, opcode, write_frame},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper_util::rt::TokioIo;
use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Size of the buffer that each thread reads into. A connection holds bytes of its own only while a frame is incomplete.
const READ_BUFFER: usize = 64 << 10;

/// Most frames in one vectored write.
const WRITE_BATCH: usize = 64;

/// Reads in one round, and rounds in one wake, before others get their turn.
const READS: usize = 4;
const ROUNDS: usize = 8;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static BATCH: Cell<Vec<Queued>> = const { Cell::new(Vec::new()) };
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

enum Stream {
    Tcp(TcpStream),
    /// TLS and the like.
    Other(Box<dyn Duplex>),
}

/// An upgraded connection.
pub(crate) struct WebSocket {
    stream: Stream,
    decoder: Decoder,
    /// Bytes that are no complete frame yet, or were not handled because reading is paused.
    pending: Vec<u8>,
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl WebSocket {
    pub fn new(upgraded: hyper::upgrade::Upgraded) -> Self {
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => {
                let stream = parts.io.into_inner();
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                // hyper's buffer is large; what is in it of ours is small or nothing.
                Self {
                    stream: Stream::Tcp(stream),
                    decoder: Decoder::default(),
                    pending: parts.read_buf.to_vec(),
                }
            }
            Err(upgraded) => Self {
                stream: Stream::Other(Box::new(TokioIo::new(upgraded))),
                decoder: Decoder::default(),
                pending: Vec::new(),
            },
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, &mut buffer),
            Stream::Other(stream) => Pin::new(stream).poll_read(context, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            // The plainer system call, for the most frequent case by far.
            Stream::Tcp(stream) if slices.len() == 1 => Pin::new(stream).poll_write(context, &slices[0]),
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Other(stream) if stream.is_write_vectored() => {
                Pin::new(stream).poll_write_vectored(context, slices)
            }
            Stream::Other(stream) => {
                let first = slices
                    .iter()
                    .find(|slice| !slice.is_empty())
                    .map_or(&[][..], |slice| slice);
                Pin::new(stream).poll_write(context, first)
            }
        }
    }

    /// TLS and the like keep what was written until they are flushed; a socket keeps nothing.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(_) => Poll::Ready(Ok(())),
            Stream::Other(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Other(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    /// Frees what the kernel still holds for a client that does not read it.
    fn reset(&self) {
        if let Stream::Tcp(stream) = &self.stream
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::debug!(%error, "no reset");
        }
    }

    /// Writes all of a frame, for the probe, which has no queue.
    pub async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut rest = frame;
        while !rest.is_empty() {
            let written = std::future::poll_fn(|context| self.poll_write(context, &[IoSlice::new(rest)])).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
        }
        std::future::poll_fn(|context| self.poll_flush(context)).await
    }

    /// The next message, for the probe; `None` when the connection has ended or broken the protocol.
    pub async fn next<T>(&mut self, limit: usize, judge: impl Fn(Incoming<'_>) -> T) -> Option<T> {
        loop {
            let mut pending = std::mem::take(&mut self.pending);
            let found = self.decoder.next(&mut pending, limit);
            if let Some((incoming, taken)) = found.ok()? {
                let judged = judge(incoming);
                pending.drain(..taken);
                self.pending = pending;
                return Some(judged);
            }
            let mut chunk = [0; 128];
            let read = std::future::poll_fn(|context| self.poll_read(context, &mut chunk))
                .await
                .ok()?;
            if read == 0 {
                return None;
            }
            pending.extend_from_slice(&chunk[..read]);
            self.pending = pending;
        }
    }

    /// Keeps the bytes of `buffer` behind `used`, and no memory when there are none.
    fn keep(&mut self, mut buffer: Vec<u8>, used: usize) {
        if used == buffer.len() {
            return;
        }
        buffer.drain(..used);
        if buffer.capacity() > READ_BUFFER && buffer.len() < buffer.capacity() / 4 {
            buffer.shrink_to_fit();
        }
        self.pending = buffer;
    }
}

pub(crate) enum Wire {
    Polling,
    WebSocket(WebSocket),
    /// Gone, or lent out within the task.
    None,
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
            let arrived = awaits_inbox
                && outbox
                    .polling
                    .as_ref()
                    .is_some_and(|polling| polling.inbox.is_some() || polling.handover.is_some());
            if again || outbox.phase != phase || writable || outbox.leavers || (arrived && phase == Phase::Open) {
                return (Round::Again, None);
            }
            outbox.awake = false;
            (Round::Sleep, None)
        })
    }

    // --- What comes in ---

    /// Whether nothing more is to be read for now.
    fn pause(&self) -> bool {
        let config = &self.session.server.config;
        self.session.answer_bytes() > config.answer_pause_bytes
            || self
                .turns
                .as_ref()
                .is_some_and(|turns| turns.count() >= config.max_pending_turns || turns.bytes() > config.max_payload)
    }

    /// Tells the session whether a missing answer to a ping is the client's fault.
    fn note_pause(&mut self, paused: bool) {
        if self.paused != paused {
            self.paused = paused;
            let now = self.session.server.exact_now();
            self.session.with(|outbox| {
                outbox.timers.paused = paused;
                outbox.timers.progress = now;
                ((), None)
            });
        }
    }

    /// Reads and handles what has come; `true` if there may be more at once.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        match std::mem::replace(&mut self.wire, Wire::None) {
            Wire::WebSocket(mut socket) => {
                let again = self.read_socket(&mut socket, context);
                self.wire = Wire::WebSocket(socket);
                again
            }
            other => {
                self.wire = other;
                self.read_inbox(context);
                false
            }
        }
    }

    fn read_socket(&mut self, socket: &mut WebSocket, context: &mut Context<'_>) -> bool {
        for _ in 0..READS {
            if self.pause() {
                self.note_pause(true);
                return false;
            }
            if self.stalled {
                let mut pending = std::mem::take(&mut socket.pending);
                let used = self.handle_frames(socket, &mut pending, context);
                socket.keep(pending, used);
                if !self.session.is_open() {
                    return false;
                }
                continue;
            }
            self.note_pause(false);

            let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; READ_BUFFER].into());
            let read = match socket.poll_read(context, &mut scratch) {
                Poll::Pending => {
                    SCRATCH.set(Some(scratch));
                    return false;
                }
                Poll::Ready(Ok(0)) => {
                    self.session.abort(Reason::TransportClose);
                    0
                }
                Poll::Ready(Ok(read)) => read,
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "cannot read");
                    self.session.abort(Reason::TransportError);
                    0
                }
            };
            if read > 0 && socket.pending.is_empty() {
                let used = self.handle_frames(socket, &mut scratch[..read], context);
                socket.pending = scratch[used..read].to_vec();
            } else if read > 0 {
                let mut pending = std::mem::take(&mut socket.pending);
                pending.extend_from_slice(&scratch[..read]);
                let used = self.handle_frames(socket, &mut pending, context);
                socket.keep(pending, used);
            }
            SCRATCH.set(Some(scratch));
            if !self.session.is_open() {
                return false;
            }
        }
        true
    }

    /// Handles the complete frames in `bytes`: how many bytes they took.
    fn handle_frames(&mut self, socket: &mut WebSocket, bytes: &mut [u8], context: &mut Context<'_>) -> usize {
        let limit = self.session.server.config.max_payload;
        let mut used = 0;
        self.stalled = false;
        while used < bytes.len() && self.session.is_open() {
            if self.pause() {
                self.stalled = true;
                break;
            }
            let result = match socket.decoder.next(&mut bytes[used..], limit) {
                Ok(None) => break,
                Ok(Some((incoming, taken))) => {
                    used += taken;
                    self.handle_incoming(incoming, context)
                }
                Err(violation) => Err(violation),
            };
            socket.decoder.release();
            if let Err(Violation(code)) = result {
                self.bad_packet("a frame that breaks the protocol", code);
                break;
            }
        }
        used
    }

    fn handle_incoming(&mut self, incoming: Incoming<'_>, context: &mut Context<'_>) -> Result<(), Violation> {
        match incoming {
            Incoming::Text(text) => match engine::decode(text) {
                Some(packet) => self.handle_packet(packet, context),
                None => self.bad_packet("an unknown packet type", close::NORMAL),
            },
            Incoming::Binary(data) => self.handle_binary(data, context),
            Incoming::Ping(data) => {
                let mut pong = Vec::with_capacity(data.len() + 2);
                write_frame(&mut pong, opcode::PONG, data);
                self.session.answer(Frame(pong.into()));
            }
            Incoming::Pong | Incoming::Part => {}
            Incoming::Close(code) => {
                self.close_code = code;
                self.session.abort(Reason::TransportClose);
            }
        }
        Ok(())
    }

    /// Handles the packets of a POST, as far as they may be handled now.
    fn read_inbox(&mut self, context: &mut Context<'_>) {
        let Some(mut inbox) = self.inbox.take() else { return };
        loop {
            if !self.session.is_open() {
                // A body may end with the client's own goodbye, which is no fault in it.
                let _ = inbox
                    .done
                    .send(self.session.with(|outbox| (outbox.reason(), None)) != Some(Reason::BadPacket));
                return;
            }
            if self.pause() {
                self.note_pause(true);
                self.inbox = Some(inbox);
                return;
            }
            let Ok(payload) = simdutf8::basic::from_utf8(&inbox.body) else {
                self.bad_packet("a body that is no UTF-8", close::NORMAL);
                continue;
            };
            let (text, rest) = engine::split_payload(payload);
            let next = rest.map(|rest| inbox.body.slice_ref(rest.as_bytes()));
            match engine::decode(text) {
                Some(packet) if packet.kind == engine::kind::BINARY => match STANDARD.decode(packet.data) {
                    Ok(data) => self.handle_binary(&data, context),
                    Err(_) => self.bad_packet("binary that is no base64", close::NORMAL),
                },
                Some(packet) => self.handle_packet(packet, context),
                None => self.bad_packet("an unknown packet type", close::NORMAL),
            }
            match next {
                Some(rest) => inbox.body = rest,
                None if self.session.is_open() => {
                    self.note_pause(false);
                    let _ = inbox.done.send(true);
                    return;
                }
                None => {}
            }
        }
    }

    fn handle_packet(&mut self, packet: engine::Packet<'_>, context: &mut Context<'_>) {
        match packet.kind {
            engine::kind::MESSAGE => self.handle_message(packet.data, context),
            engine::kind::PONG => self.session.pong(),
            engine::kind::CLOSE => {
                let polled = matches!(self.wire, Wire::Polling) || self.inbox_is_source();
                self.session.with(|outbox| {
                    if polled
                        && let Some(polling) = outbox.polling.as_mut()
                        && !polling.end_poll(PollEnd::Body(b"6".to_vec()))
                    {
                        polling.farewell = true;
                    }
                    ((), self.session.shut(outbox, Phase::Closed(Reason::TransportClose)))
                });
            }
            engine::kind::NOOP => {}
            // A client's ping is of an older protocol; the others belong to handshakes that are over.
            _ => self.bad_packet("a packet that does not belong here", close::NORMAL),
        }
    }

    fn inbox_is_source(&self) -> bool {
        self.session.with(|outbox| (outbox.polling.is_some(), None))
    }

    fn handle_message(&mut self, text: &str, context: &mut Context<'_>) {
        let config = &self.session.server.config;
        if config.engine_echo {
            self.session.answer(Frame::text("4", text.as_bytes()));
            return;
        }
        if self.assembling.is_some() {
            return self.bad_packet("text where an attachment was due", close::NORMAL);
        }
        match packet::decode(text, config.max_attachments) {
            Ok(packet) if packet.attachments > 0 => {
                self.assembling = Some(Box::new(Assembling {
                    packet,
                    attachments: Vec::new(),
                    bytes: text.len(),
                }));
            }
            Ok(packet) => self.handle_decoded(packet, Vec::new(), text.len(), context),
            Err(error) => self.bad_packet(error.0, close::NORMAL),
        }
    }

    fn handle_binary(&mut self, data: &[u8], context: &mut Context<'_>) {
        if self.session.server.config.engine_echo {
            self.session.answer(Frame::binary(data));
            return;
        }
        let Some(mut assembling) = self.assembling.take() else {
            return self.bad_packet("an attachment of nothing", close::NORMAL);
        };
        match assembling.add(data, self.session.server.config.max_packet) {
            Ok(true) => {
                let Assembling {
                    packet,
                    attachments,
                    bytes,
                } = *assembling;
                self.handle_decoded(packet, attachments, bytes, context);
            }
            Ok(false) => self.assembling = Some(assembling),
            Err(error) => self.bad_packet(error.0, close::NORMAL),
        }
    }

    fn handle_decoded(
        &mut self,
        packet: packet::Packet,
        attachments: Vec<Bytes>,
        bytes: usize,
        context: &mut Context<'_>,
    ) {
        self.session.server.counters.packets_in.fetch_add(1, Relaxed);
        let namespace = packet.namespace;
        let item = match packet.content {
            Content::Connect(auth) => Item::Connect(namespace.unwrap_or_else(|| "/".into()), auth),
            Content::Disconnect => Item::Disconnect(namespace),
            Content::Event { name, args, ack } => Item::Event(
                namespace,
                Event {
                    name,
                    args,
                    attachments,
                    ack,
                },
            ),
            Content::Ack { id, args } => {
                // Not in order with events: one of them may be waiting for it.
                match (self.socket_in(namespace.as_deref()), id) {
                    (Some(socket), Some(id)) => socket.acknowledged(id, args),
                    (Some(_), None) => {}
                    (None, _) => self.bad_packet("an answer from no namespace", close::NORMAL),
                }
                return;
            }
        };
        match &mut self.turns {
            Some(turns) if turns.blocked() => turns.wait(item, bytes),
            _ => self.handle_item(item, bytes, context),
        }
    }

    fn bad_packet(&mut self, what: &'static str, code: u16) {
        tracing::debug!(what, "closing a connection for a bad packet");
        self.session.server.counters.bad_packets.fetch_add(1, Relaxed);
        self.close_code = code;
        self.session.close(Reason::BadPacket);
    }

    // --- Turns ---

    fn socket_in(&self, namespace: Option<&str>) -> Option<&Socket<H>> {
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
        id: [u8; ID_LENGTH],
        decision: Result<Accept<H::Socket>, Refused>,
    ) {
        let name = namespace.as_deref().unwrap_or("/");
        match decision {
            Ok(accept) => {
                let mut fields = accept.fields;
                fields.insert("sid".to_owned(), String::from_utf8_lossy(&id).into_owned().into());
                let mut frames = vec![Frame::connected(name, &fields)];
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
        }
    }

    // --- What goes out ---

    /// Writes what is queued, as far as the connection takes it.
    fn flush(&mut self, context: &mut Context<'_>) {
        let socket = match &mut self.wire {
            Wire::WebSocket(socket) => socket,
            Wire::Polling => {
                self.session.with(|outbox| (polling::flush(outbox, None), None));
                return;
            }
            Wire::None => return,
        };
        let mut batch = BATCH.take();
        self.session
            .with(|outbox| (outbox.take_batch(&mut batch, WRITE_BATCH), None));
        let mut wrote = false;
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
                        outbox.settle(&mut batch, written);
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
        if matches!(socket.stream, Stream::Other(_)) {
            self.unflushed |= wrote;
            if self.unflushed {
                self.unflushed = socket.poll_flush(context).is_pending();
            }
        }
    }

    // --- The end ---

    fn leave(&mut self, context: &mut Context<'_>, phase: Phase, reason: Reason, expired: u8) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Flushing;
            self.deciding = Vec::new();
            self.assembling = None;
            self.inbox = None;
            if !reason.by_peer()
                && let Some(turns) = &mut self.turns
            {
                turns.drop_waiting();
            }
        }
        self.advance_turns(context);
        if !self.told && (self.turns.is_none() || expired >= 2) {
            self.tell(reason);
        }
        if self.leaving != Leaving::Gone && (self.end_wire(context, phase, reason) || expired >= 1) {
            self.leaving = Leaving::Gone;
            self.wire = Wire::None;
            self.session.with(|outbox| {
                outbox.take_all();
                // A poll or a POST that still waits finds its channel closed.
                outbox.polling = None;
                ((), None)
            });
            self.session.server.remove(self.session.id);
        }
    }

    /// Calls `disconnected` for every socket that is left.
    fn tell(&mut self, reason: Reason) {
        if self.told {
            return;
        }
        self.told = true;
        self.turns = None;
        for socket in std::mem::take(&mut self.sockets) {
            socket.mark_closed();
            if !socket.has_left() {
                self.session.server.handler.disconnected(&socket, reason);
            }
        }
    }

    /// Ends the connection, as far as that can be done now; `true` when it is done.
    fn end_wire(&mut self, context: &mut Context<'_>, phase: Phase, reason: Reason) -> bool {
        if let Wire::WebSocket(_) = self.wire {
            return self.end_socket(context, phase, reason);
        }
        self.session.with(|outbox| {
            let Some(polling) = outbox.polling.as_ref() else {
                return (true, None);
            };
            if polling.farewell {
                polling::linger(&self.session, outbox);
                return (outbox.timers.expired > 0, None);
            }
            if let Phase::Closed(_) = phase {
                // The reference ends the poll that another one overlapped with a close packet.
                outbox.take_all();
                polling::flush(outbox, Some(engine::kind::CLOSE));
                return (true, None);
            }
            (polling::flush(outbox, Some(engine::kind::CLOSE)), None)
        })
    }

    fn end_socket(&mut self, context: &mut Context<'_>, phase: Phase, reason: Reason) -> bool {
        if self.leaving == Leaving::Flushing {
            if let Phase::Closing(_) = phase {
                self.flush(context);
                let waiting = self.session.with(|outbox| (!outbox.is_empty(), None));
                if waiting || self.unflushed {
                    return false;
                }
            }
            let Wire::WebSocket(socket) = &mut self.wire else {
                return true;
            };
            if reason == Reason::SlowConsumer {
                socket.reset();
                return true;
            }
            // A goodbye in the middle of a frame would be none.
            let whole = self.session.with(|outbox| (outbox.at_frame_boundary(), None));
            if whole {
                // Best effort: four bytes fit unless the connection is stuck, and then they would not help.
                let goodbye = close_frame(self.close_code);
                let _ = socket.poll_write(context, &[IoSlice::new(&goodbye)]);
                let _ = socket.poll_flush(context);
            }
            if let Phase::Closed(_) = phase {
                return true;
            }
            if let Poll::Ready(Err(_)) = socket.poll_shutdown(context) {
                return true;
            }
            self.leaving = Leaving::Lingering;
        }
        // Closing with unread bytes would reset the connection, and the client would lose what it was last told.
        let Wire::WebSocket(socket) = &mut self.wire else {
            return true;
        };
        let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; READ_BUFFER].into());
        let mut ended = false;
        for _ in 0..READS {
            match socket.poll_read(context, &mut scratch) {
                Poll::Ready(Ok(read)) if read > 0 => continue,
                Poll::Ready(_) => ended = true,
                Poll::Pending => {
                    SCRATCH.set(Some(scratch));
                    return false;
                }
            }
            break;
        }
        SCRATCH.set(Some(scratch));
        // A client that is still sending after so much is not waiting for our word.
        let _ = ended;
        true
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
