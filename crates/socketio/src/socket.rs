//! A connected socket: one namespace of one session, as the application holds it.

use crate::{
    Frame, Handler,
    engine::ID_LENGTH,
    queue::Phase,
    session::{Session, lock},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// A connected socket. Cloning it is cheap; two are equal when they are the same connection.
///
/// All methods return at once, on any thread.
pub struct Socket<H: Handler>(Arc<Inner<H>>);

struct Inner<H: Handler> {
    session: Arc<Session<H>>,
    id: [u8; ID_LENGTH],
    /// `None` is the main namespace.
    namespace: Option<Box<str>>,
    state: H::Socket,
    open: AtomicBool,
    /// Its end is on the way to the handler, or has been told.
    left: AtomicBool,
    /// Most sockets never ask for an answer.
    acks: Mutex<Option<Box<Acks>>>,
}

#[derive(Default)]
struct Acks {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Vec<Box<RawValue>>>>,
}

/// Why there is no answer to [`Socket::emit_with_ack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckError {
    /// It did not come in time.
    Timeout,
    /// The socket is gone.
    Disconnected,
}

impl fmt::Display for AckError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Timeout => "the client did not answer in time",
            Self::Disconnected => "the client is gone",
        })
    }
}

impl std::error::Error for AckError {}

impl<H: Handler> Socket<H> {
    pub(crate) fn new(
        session: Arc<Session<H>>,
        id: [u8; ID_LENGTH],
        namespace: Option<Box<str>>,
        state: H::Socket,
    ) -> Self {
        let (open, left, acks) = (AtomicBool::new(true), AtomicBool::new(false), Mutex::new(None));
        Self(Arc::new(Inner {
            session,
            id,
            namespace,
            state,
            open,
            left,
            acks,
        }))
    }

    /// `socket.id`, as the client knows it too. Not the session's id.
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.0.id).unwrap_or_default()
    }

    /// The namespace, `/` for the main one.
    pub fn namespace(&self) -> &str {
        self.0.namespace.as_deref().unwrap_or("/")
    }

    /// What [`Handler::connect`] made for the socket.
    pub fn state(&self) -> &H::Socket {
        &self.0.state
    }

    /// What [`Handler::handshake`] made for the session.
    pub fn session(&self) -> &Arc<H::Session> {
        &self.0.session.data
    }

    /// Queues a push. The frame must be of this socket's namespace.
    ///
    /// `false` if the socket is not open, or if the push is over the bounds on waiting pushes; then the connection is
    /// closed, so that the client comes back and asks for what it missed.
    pub fn push(&self, frame: &Frame) -> bool {
        self.0.open.load(Relaxed) && self.0.session.push(frame)
    }

    /// Bytes of pushes that wait for this connection, over all its namespaces.
    pub fn waiting_push_bytes(&self) -> usize {
        self.0.session.push_bytes()
    }

    /// Queues an answer. It is not counted as a push is, and never dropped while the connection lives; while too many
    /// bytes of answers wait, nothing is read from the connection.
    pub fn answer(&self, frame: Frame) {
        if self.0.open.load(Relaxed) {
            self.0.session.answer(frame);
        }
    }

    /// Pushes an event and waits for the client's answer to it. Dropping the future forgets the answer.
    ///
    /// # Errors
    ///
    /// [`AckError`], also when the push does not go through.
    pub fn emit_with_ack<T: Serialize + ?Sized>(
        &self,
        name: &str,
        payload: &T,
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<Box<RawValue>>, AckError>> + Send + use<T, H> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut acks = lock(&self.0.acks);
            let acks = acks.get_or_insert_default();
            let id = acks.next;
            acks.next += 1;
            acks.waiting.insert(id, sender);
            id
        };
        let payload = serde_json::value::to_raw_value(payload);
        let forget = Forget {
            socket: self.clone(),
            id,
        };
        let sent = payload
            .is_ok_and(|payload| self.push(&Frame::within(self.namespace()).event_with_id(Some(id), name, &[payload])));
        async move {
            let _forget = forget;
            if !sent {
                return Err(AckError::Disconnected);
            }
            match tokio::time::timeout(timeout, receiver).await {
                Ok(answer) => answer.map_err(|_| AckError::Disconnected),
                Err(_) => Err(AckError::Timeout),
            }
        }
    }

    /// Closes the connection, with every namespace on it. Turns that have begun still answer, and what is queued is
    /// written, for at most [`close_timeout`](crate::Config::close_timeout). No DISCONNECT packet is sent, so the stock client comes back by
    /// itself.
    pub fn close(&self) {
        self.0.session.close(crate::Reason::ServerClose);
    }

    /// Sends a DISCONNECT packet: the stock client stays away until its user connects again. The connection stays.
    pub fn disconnect(&self) {
        if !self.0.open.swap(false, Relaxed) {
            return;
        }
        self.0.session.answer(Frame::disconnect(self.namespace()));
        self.0.session.with(|outbox| {
            outbox.leavers = true;
            (
                (),
                if outbox.phase == Phase::Open {
                    outbox.wake()
                } else {
                    None
                },
            )
        });
    }

    /// Whether a push would go through.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Relaxed) && self.0.session.is_open()
    }

    pub(crate) fn is_in(&self, namespace: Option<&str>) -> bool {
        self.0.namespace.as_deref() == namespace
    }

    pub(crate) fn marked_open(&self) -> bool {
        self.0.open.load(Relaxed)
    }

    /// The first to call this tells the handler.
    pub(crate) fn begin_leaving(&self) -> bool {
        !self.0.left.swap(true, Relaxed)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.0.left.load(Relaxed)
    }

    /// Nothing goes to the client any more, and those who wait for its answers are told.
    pub(crate) fn mark_closed(&self) {
        self.0.open.store(false, Relaxed);
        *lock(&self.0.acks) = None;
    }

    pub(crate) fn acknowledged(&self, id: u64, args: Vec<Box<RawValue>>) {
        let waiting = lock(&self.0.acks).as_mut().and_then(|acks| acks.waiting.remove(&id));
        if let Some(waiting) = waiting {
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(args);
        }
    }
}

/// Takes an answer that is waited for no longer out of the table.
struct Forget<H: Handler> {
    socket: Socket<H>,
    id: u64,
}

impl<H: Handler> Drop for Forget<H> {
    fn drop(&mut self) {
        if let Some(acks) = lock(&self.socket.0.acks).as_mut() {
            acks.waiting.remove(&self.id);
        }
    }
}

impl<H: Handler> Clone for Socket<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> PartialEq for Socket<H> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<H: Handler> Eq for Socket<H> {}

impl<H: Handler> Hash for Socket<H> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl<H: Handler> fmt::Debug for Socket<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Socket")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .finish()
    }
}
