//! How a session ends: what is queued is written, both sides say goodbye, and the application is told.

use super::{Leaving, READS, SCRATCH, Task};
use crate::{
    Handler, Reason, engine, polling,
    queue::Phase,
    websocket::{close, close_frame},
    wire::{READ_BUFFER, Wire},
};
use std::{
    io::IoSlice,
    task::{Context, Poll},
};

impl<H: Handler> Task<H> {
    pub(super) fn leave(&mut self, context: &mut Context<'_>, phase: Phase, reason: Reason, expired: u8) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Flushing;
            self.deciding = Vec::new();
            self.assembling = None;
            self.inbox = None;
            if reason == Reason::SlowConsumer {
                // They would stand before the reason, and the client is to come back and ask for them.
                (self.close_code, self.close_text) = (close::TRY_AGAIN, reason.as_str().to_owned());
                self.session.with(|outbox| (outbox.drop_unsent(), None));
            }
            if !reason.by_peer()
                && let Some(turns) = &mut self.turns
            {
                turns.drop_waiting();
            }
        }
        self.advance_turns(context);
        let settling = matches!(phase, Phase::Closing(_)) && self.turns.is_some() && expired == 0;
        if !settling && !self.told && reason.is_noticed_here() && !self.said_farewell {
            self.said_farewell = self.say_farewell(reason);
        }
        if !self.told && (self.turns.is_none() || expired >= 2) {
            self.tell(reason);
        }
        if settling {
            // What had begun is answered before the goodbye.
            self.flush(context);
            return;
        }
        self.session.with(|outbox| {
            outbox.settling = false;
            ((), None)
        });
        if self.leaving != Leaving::Gone && (self.end_wire(context, phase) || expired >= 1) {
            self.leaving = Leaving::Gone;
            if let (Wire::WebSocket(socket), Reason::SlowConsumer, 1..) = (&self.wire, reason, expired) {
                socket.reset();
            }
            self.wire = Wire::None;
            self.session.with(|outbox| {
                outbox.take_all();
                // A poll or a POST that still waits finds its channel closed.
                outbox.polling = None;
                ((), None)
            });
            self.session.server.remove(self.session.id);
        }
        // A client of long-polling that has no poll here now has been told before, and its next one may find nobody.
        let has_all = self.leaving == Leaving::Lingering || matches!(self.wire, Wire::Polling);
        if reason == Reason::ShuttingDown && has_all {
            self.session.hurry();
        }
    }

    /// Has the application say why, if a socket is left to hear it.
    pub(super) fn say_farewell(&self, reason: Reason) -> bool {
        let socket = self.socket_in(None).filter(|socket| socket.marked_open());
        let frame = socket.and_then(|socket| self.session.server.handler.farewell(socket, reason));
        let has_word = frame.is_some();
        if let Some(frame) = frame {
            self.session.answer(frame);
        }
        has_word
    }

    /// Calls `disconnected` for every socket that is left.
    pub(super) fn tell(&mut self, reason: Reason) {
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
    pub(super) fn end_wire(&mut self, context: &mut Context<'_>, phase: Phase) -> bool {
        if let Wire::WebSocket(_) = self.wire {
            return self.end_socket(context, phase);
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
                polling::flush(&self.session.server.counters, outbox, Some(engine::kind::CLOSE));
                return (true, None);
            }
            if self.said_farewell && !outbox.is_empty() {
                // The stock client passes over what stands before the end in one payload.
                polling::flush(&self.session.server.counters, outbox, None);
                return (false, None);
            }
            (
                polling::flush(&self.session.server.counters, outbox, Some(engine::kind::CLOSE)),
                None,
            )
        })
    }

    pub(super) fn end_socket(&mut self, context: &mut Context<'_>, phase: Phase) -> bool {
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
            // A goodbye in the middle of a frame would be none.
            let whole = self.session.with(|outbox| (outbox.at_frame_boundary(), None));
            if whole {
                // Best effort: so few bytes fit unless the connection is stuck, and then they would not help.
                let goodbye = close_frame(self.close_code, &self.close_text);
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
        // Closing with unread bytes would reset the connection, and the client would lose what it was last told. After its own
        // close frame it sends nothing more.
        let limit = self.session.server.config.max_payload;
        let Wire::WebSocket(socket) = &mut self.wire else {
            return true;
        };
        if socket.said_goodbye(&[], limit) {
            return true;
        }
        let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; READ_BUFFER].into());
        for _ in 0..READS {
            match socket.poll_read(context, &mut scratch) {
                Poll::Ready(Ok(read)) if read > 0 && !socket.said_goodbye(&scratch[..read], limit) => continue,
                Poll::Ready(_) => {}
                Poll::Pending => {
                    SCRATCH.set(Some(scratch));
                    return false;
                }
            }
            break;
        }
        SCRATCH.set(Some(scratch));
        // A client that is still sending after so much is not waiting for our word.
        true
    }
}
