//! Events of one session in their order: which runs, which waits, and whose answer leaves next.

use crate::{Event, Frame, Handler, Reason, Socket, Turn};
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

/// A packet that is handled in order.
pub(crate) enum Item<H: Handler> {
    Connect(Box<str>, Option<Box<RawValue>>),
    Disconnect(Option<Box<str>>),
    Event(Option<Box<str>>, Event),
    /// This side disconnected the socket.
    Leave(Socket<H>, Reason),
}

/// What later packets wait for.
enum Blocking<H: Handler> {
    Prepare(BoxFuture<'static, Turn>),
    Barrier(BoxFuture<'static, Vec<Frame>>),
    /// The socket's end comes after the answers to its events.
    Leave(Socket<H>, Reason),
}

enum Answer {
    Running(BoxFuture<'static, Vec<Frame>>),
    Ready(Vec<Frame>),
}

/// What [`Turns::step`] found to do.
pub(crate) enum Step<H: Handler> {
    /// Send these.
    Send(Vec<Frame>),
    /// Handle this packet, with the bytes it counts for.
    Handle(Item<H>, usize),
    /// The socket has left.
    Left(Socket<H>, Reason),
    Nothing,
}

/// All that is pending of a session. Most of the time nothing is, so the session keeps it boxed.
pub(crate) struct Turns<H: Handler> {
    waiting: VecDeque<(Item<H>, usize)>,
    blocking: Option<(Blocking<H>, usize)>,
    answers: VecDeque<(Answer, usize)>,
    /// Bytes that pending packets came in as.
    bytes: usize,
}

impl<H: Handler> Turns<H> {
    pub fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            blocking: None,
            answers: VecDeque::new(),
            bytes: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.waiting.len() + self.answers.len() + usize::from(self.blocking.is_some())
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the next packet must wait.
    pub fn blocked(&self) -> bool {
        self.blocking.is_some() || !self.waiting.is_empty()
    }

    pub fn wait(&mut self, item: Item<H>, bytes: usize) {
        self.bytes += bytes;
        self.waiting.push_back((item, bytes));
    }

    pub fn leave(&mut self, socket: Socket<H>, reason: Reason) {
        debug_assert!(self.blocking.is_none(), "only the next packet in order can block");
        self.blocking = Some((Blocking::Leave(socket, reason), 0));
    }

    /// Drops what has not begun.
    pub fn drop_waiting(&mut self) {
        for (_, bytes) in self.waiting.drain(..) {
            self.bytes -= bytes;
        }
    }

    /// Begins a turn that its handler has just returned, for a packet that counts for `bytes`.
    pub fn begin(&mut self, turn: Turn, bytes: usize) {
        match turn {
            Turn::Done => return,
            Turn::Answer(frames) => self.answers.push_back((Answer::Ready(frames), bytes)),
            Turn::Alongside(future) => self.answers.push_back((Answer::Running(future), bytes)),
            Turn::Prepare(future) => self.blocking = Some((Blocking::Prepare(future), bytes)),
            Turn::Barrier(future) => self.blocking = Some((Blocking::Barrier(future), bytes)),
        }
        self.bytes += bytes;
    }

    /// Polls what runs beside. Done once a wake; [`step`](Self::step) polls those that begin later.
    pub fn poll_answers(&mut self, context: &mut Context<'_>) {
        for (answer, _) in &mut self.answers {
            poll_answer(answer, context);
        }
    }

    /// The next thing to do. Called until it finds nothing.
    pub fn step(&mut self, context: &mut Context<'_>) -> Step<H> {
        loop {
            if let Some((Answer::Ready(frames), bytes)) = self.answers.front_mut() {
                let (frames, bytes) = (std::mem::take(frames), *bytes);
                self.answers.pop_front();
                self.bytes -= bytes;
                return Step::Send(frames);
            }
            let Some((blocking, bytes)) = self.blocking.take() else {
                return match self.waiting.pop_front() {
                    Some((item, bytes)) => {
                        self.bytes -= bytes;
                        Step::Handle(item, bytes)
                    }
                    None => Step::Nothing,
                };
            };
            match blocking {
                Blocking::Prepare(mut future) => match future.as_mut().poll(context) {
                    Poll::Ready(turn) => {
                        self.bytes -= bytes;
                        self.begin(turn, bytes);
                        self.poll_last(context);
                        continue;
                    }
                    Poll::Pending => self.blocking = Some((Blocking::Prepare(future), bytes)),
                },
                Blocking::Barrier(mut future) if self.answers.is_empty() => match future.as_mut().poll(context) {
                    Poll::Ready(frames) => {
                        self.bytes -= bytes;
                        return Step::Send(frames);
                    }
                    Poll::Pending => self.blocking = Some((Blocking::Barrier(future), bytes)),
                },
                Blocking::Leave(socket, reason) if self.answers.is_empty() => return Step::Left(socket, reason),
                waits => self.blocking = Some((waits, bytes)),
            }
            return Step::Nothing;
        }
    }

    /// Polls the turn that began last, which nothing would wake the task for otherwise.
    pub fn poll_last(&mut self, context: &mut Context<'_>) {
        if let Some((answer, _)) = self.answers.back_mut() {
            poll_answer(answer, context);
        }
    }
}

fn poll_answer(answer: &mut Answer, context: &mut Context<'_>) {
    if let Answer::Running(future) = answer
        && let Poll::Ready(frames) = future.as_mut().poll(context)
    {
        *answer = Answer::Ready(frames);
    }
}
