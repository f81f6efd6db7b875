//! What comes in: frames and bodies into packets, and packets to whom they are for.

use super::{READS, SCRATCH, Task};
use crate::{
    Event, Frame, Handler, Reason, engine,
    packet::{self, Assembling, Content},
    polling::PollEnd,
    queue::Phase,
    turns::Item,
    websocket::{Incoming, Violation, close, opcode, write_frame},
    wire::{READ_BUFFER, WebSocket, Wire},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use std::{
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
};

impl<H: Handler> Task<H> {
    /// Whether nothing more is to be read for now.
    pub(super) fn pause(&self) -> bool {
        let config = &self.session.server.config;
        self.session.answer_bytes() > config.answer_pause_bytes
            || self
                .turns
                .as_ref()
                .is_some_and(|turns| turns.count() >= config.max_pending_turns || turns.bytes() > config.max_payload)
    }

    /// Tells the session whether a missing answer to a ping is the client's fault.
    pub(super) fn note_pause(&mut self, paused: bool) {
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
    pub(super) fn read(&mut self, context: &mut Context<'_>) -> bool {
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

    pub(super) fn read_socket(&mut self, socket: &mut WebSocket, context: &mut Context<'_>) -> bool {
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
    pub(super) fn handle_frames(
        &mut self,
        socket: &mut WebSocket,
        bytes: &mut [u8],
        context: &mut Context<'_>,
    ) -> usize {
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

    pub(super) fn handle_incoming(
        &mut self,
        incoming: Incoming<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Violation> {
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
    pub(super) fn read_inbox(&mut self, context: &mut Context<'_>) {
        let Some(mut inbox) = self.inbox.take() else { return };
        if inbox.is_too_large {
            // As in the reference the session lives on; the stock client ends it.
            let _ = self.say_farewell(Reason::PacketTooLarge);
            let _ = inbox.done.send(false);
            return;
        }
        loop {
            if !self.session.is_open() {
                // A body may end with the client's own goodbye, which is no fault in it.
                let reason = self.session.with(|outbox| (outbox.reason(), None));
                let _ = inbox.done.send(!reason.is_some_and(Reason::is_bad_packet));
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

    pub(super) fn handle_packet(&mut self, packet: engine::Packet<'_>, context: &mut Context<'_>) {
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

    pub(super) fn inbox_is_source(&self) -> bool {
        self.session.with(|outbox| (outbox.polling.is_some(), None))
    }

    pub(super) fn handle_message(&mut self, text: &str, context: &mut Context<'_>) {
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

    pub(super) fn handle_binary(&mut self, data: &[u8], context: &mut Context<'_>) {
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

    pub(super) fn handle_decoded(
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

    pub(super) fn bad_packet(&mut self, what: &'static str, code: u16) {
        tracing::debug!(what, "closing a connection for a bad packet");
        self.session.server.counters.bad_packets.fetch_add(1, Relaxed);
        self.close_code = code;
        self.session.close(match (what, code) {
            (_, close::TOO_BIG) | (packet::TOO_LARGE, _) => Reason::PacketTooLarge,
            (packet::TOO_MANY_ATTACHMENTS, _) => Reason::TooManyAttachments,
            _ => Reason::BadPacket,
        });
    }
}
