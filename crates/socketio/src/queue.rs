//! What waits for one connection, and the state that others than its task may change.
//!
//! Frames are always queued, and the connection's task drains them with vectored writes: a system call for each frame
//! costs five times as much once many come together. A push is one lock, one reference and, if the task sleeps, one
//! wake.
//!
//! Connection state recovery will need an offset of each connection's own as the last argument of a shared event. Such
//! a frame is three slices: an own header (the length differs), the shared text without its last bracket, and the own
//! end; `Queued` is the place for it, since writes are vectored already.

use crate::{Reason, polling::Polling};
use bytes::{Buf, Bytes};
use std::{collections::VecDeque, task::Waker};

/// How a frame counts while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Against the bounds on bytes and age.
    Push,
    /// Against reading from the connection.
    Answer,
}

#[derive(Debug)]
pub(crate) struct Queued {
    /// What is left of the frame to write.
    pub bytes: Bytes,
    /// A part of it has been written.
    pub begun: bool,
    /// When it was queued, in milliseconds of the server's clock.
    pub at: u64,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Takes nothing more; what is queued is still written.
    Closing(Reason),
    /// Nothing more is written.
    Closed(Reason),
}

/// A push that did not fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Everything about a session that is shared under its lock.
#[derive(Debug)]
pub(crate) struct Outbox {
    frames: VecDeque<Queued>,
    /// Bytes of pushes in `frames`, and of answers.
    push_bytes: usize,
    answer_bytes: usize,
    /// Answers in `frames`.
    answers: usize,
    pub phase: Phase,
    /// The session closes, and turns that had begun still answer.
    pub settling: bool,
    /// The session's task.
    pub waker: Option<Waker>,
    /// The task runs, or has been woken: it looks here again before it sleeps.
    pub awake: bool,
    /// The task waits until the connection takes more; that wakes it.
    pub blocked: bool,
    /// `None` once the session is on a WebSocket.
    pub polling: Option<Box<Polling>>,
    /// A socket was disconnected by this side: the task is to call the handler.
    pub leavers: bool,
    pub timers: Timers,
}

/// Points in time, in milliseconds of the server's clock; `u64::MAX` is never.
#[derive(Debug)]
pub(crate) struct Timers {
    pub next_ping: u64,
    pub pong_by: u64,
    pub connect_by: u64,
    /// End of the patience with a connection that closes.
    pub expire_at: u64,
    /// How often that has passed.
    pub expired: u8,
    /// When the wheel looks at this session next.
    pub next_check: u64,
    /// Reading from the connection is paused, so a missing answer to a ping is no fault of the client's...
    pub paused: bool,
    /// ...as long as it takes what is written. When it last did.
    pub progress: u64,
}

impl Outbox {
    pub fn new(timers: Timers, polling: Option<Box<Polling>>) -> Self {
        Self {
            frames: VecDeque::new(),
            push_bytes: 0,
            answer_bytes: 0,
            answers: 0,
            phase: Phase::Open,
            settling: false,
            waker: None,
            awake: true,
            blocked: false,
            polling,
            leavers: false,
            timers,
        }
    }

    /// Queues a push. Over the bounds nothing is queued, and the connection is to be closed.
    pub fn push(&mut self, bytes: Bytes, now: u64, max_bytes: usize, max_age: u64) -> Result<(), Full> {
        if self.push_bytes + bytes.len() > max_bytes || self.too_old(now, max_age) {
            return Err(Full);
        }
        self.push_bytes += bytes.len();
        self.frames.push_back(Queued {
            bytes,
            begun: false,
            at: now,
            kind: Kind::Push,
        });
        Ok(())
    }

    pub fn answer(&mut self, bytes: Bytes, now: u64) {
        self.answer_bytes += bytes.len();
        self.answers += 1;
        self.frames.push_back(Queued {
            bytes,
            begun: false,
            at: now,
            kind: Kind::Answer,
        });
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Memory that waiting answers take: their bytes, and what it costs to keep even the smallest.
    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes + self.answers * size_of::<Queued>()
    }

    pub fn push_bytes(&self) -> usize {
        self.push_bytes
    }

    /// When the oldest push was queued.
    pub fn oldest_push(&self) -> Option<u64> {
        if self.push_bytes == 0 {
            return None;
        }
        self.frames
            .iter()
            .find(|queued| queued.kind == Kind::Push)
            .map(|queued| queued.at)
    }

    pub fn too_old(&self, now: u64, max_age: u64) -> bool {
        // The front is nearly always a push or the queue is short, so this does not search far.
        self.oldest_push().is_some_and(|at| now.saturating_sub(at) > max_age)
    }

    /// Moves frames from the front into `batch`, as many as one vectored write may take.
    pub fn take_batch(&mut self, batch: &mut Vec<Queued>, max_frames: usize) {
        let count = self.frames.len().min(max_frames);
        batch.extend(self.frames.drain(..count));
    }

    /// After a write of `written` bytes out of `batch`: what was not written goes back to the front. How many frames are
    /// done with.
    pub fn settle(&mut self, batch: &mut Vec<Queued>, mut written: usize) -> u64 {
        let mut done = 0;
        for queued in batch.iter_mut() {
            let part = written.min(queued.bytes.len());
            match queued.kind {
                Kind::Push => self.push_bytes -= part,
                Kind::Answer => self.answer_bytes -= part,
            }
            written -= part;
            if part < queued.bytes.len() {
                queued.begun |= part > 0;
                queued.bytes.advance(part);
                break;
            }
            self.answers -= usize::from(queued.kind == Kind::Answer);
            done += 1;
        }
        for queued in batch.drain(done..).rev() {
            self.frames.push_front(queued);
        }
        batch.clear();
        if self.frames.is_empty() && self.frames.capacity() > 16 {
            // A burst leaves no large buffer behind on a connection that is idle most of its life.
            self.frames = VecDeque::new();
        }
        done as u64
    }

    /// No frame has been written in part alone.
    pub fn at_frame_boundary(&self) -> bool {
        self.frames.front().is_none_or(|queued| !queued.begun)
    }

    /// Drops what has not begun to be written.
    pub fn drop_unsent(&mut self) {
        let begun = self.frames.pop_front().filter(|queued| queued.begun);
        self.take_all();
        if let Some(queued) = begun {
            match queued.kind {
                Kind::Push => self.push_bytes = queued.bytes.len(),
                Kind::Answer => (self.answer_bytes, self.answers) = (queued.bytes.len(), 1),
            }
            self.frames.push_back(queued);
        }
    }

    /// Takes everything, for the answer to a poll.
    pub fn take_all(&mut self) -> VecDeque<Queued> {
        (self.push_bytes, self.answer_bytes, self.answers) = (0, 0, 0);
        std::mem::take(&mut self.frames)
    }

    /// The waker to call, if the task must be told of something new in the queue.
    pub fn wake_for_frames(&mut self) -> Option<Waker> {
        if self.blocked { None } else { self.wake() }
    }

    /// The waker to call, if the task must be told of anything else.
    pub fn wake(&mut self) -> Option<Waker> {
        if self.awake {
            return None;
        }
        self.awake = true;
        self.waker.clone()
    }

    pub fn reason(&self) -> Option<Reason> {
        match self.phase {
            Phase::Open => None,
            Phase::Closing(reason) | Phase::Closed(reason) => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        let never = u64::MAX;
        let timers = Timers {
            next_ping: never,
            pong_by: never,
            connect_by: never,
            expire_at: never,
            expired: 0,
            next_check: never,
            paused: false,
            progress: 0,
        };
        Outbox::new(timers, None)
    }

    #[test]
    fn a_partial_write_keeps_order_and_counts() {
        let mut outbox = outbox();
        for (index, text) in ["abc", "defg", "hi"].into_iter().enumerate() {
            if index == 1 {
                outbox.answer(Bytes::from(text), 0);
            } else {
                outbox.push(Bytes::from(text), 0, 100, 100).unwrap();
            }
        }
        let mut batch = Vec::new();
        outbox.take_batch(&mut batch, 2);
        outbox.settle(&mut batch, 5);
        assert_eq!((outbox.push_bytes, outbox.answer_bytes), (2, 2));
        let rest: Vec<_> = outbox.take_all().into_iter().map(|queued| queued.bytes).collect();
        assert_eq!(rest, ["fg", "hi"]);
        assert_eq!((outbox.push_bytes, outbox.answer_bytes), (0, 0));
    }

    #[test]
    fn pushes_are_bounded_in_bytes_and_age_and_answers_are_not() {
        let mut outbox = outbox();
        outbox.answer(Bytes::from(vec![0; 1000]), 0);
        outbox.push(Bytes::from_static(b"12345"), 10, 10, 50).unwrap();
        assert_eq!(outbox.push(Bytes::from_static(b"123456"), 10, 10, 50), Err(Full));
        outbox.push(Bytes::from_static(b"12345"), 60, 10, 50).unwrap();
        assert_eq!(outbox.push(Bytes::new(), 61, 10, 50), Err(Full));
        outbox.answer(Bytes::from(vec![0; 1000]), 1000);
    }
}
