//! An upgraded connection: its stream, and bytes that are no whole frame yet.

use crate::websocket::{Decoder, Incoming};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Whatever the caller of [`Server::serve`](crate::Server::serve) puts into the extensions of a request as this is kept for
/// as long as the WebSocket lives that the request turns into: a place among its connections, say.
#[derive(Clone)]
pub struct Hold(pub std::sync::Arc<dyn std::any::Any + Send + Sync>);

impl std::fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hold(..)")
    }
}

/// Size of the buffer that each thread reads into. A connection holds bytes of its own only while a frame is incomplete.
pub(crate) const READ_BUFFER: usize = 64 << 10;

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
    pub decoder: Decoder,
    /// Bytes that are no complete frame yet, or were not handled because reading is paused.
    pub pending: Vec<u8>,
    _hold: Option<Hold>,
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl WebSocket {
    pub fn new(upgraded: hyper::upgrade::Upgraded, hold: Option<Hold>) -> Self {
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
                    _hold: hold,
                }
            }
            Err(upgraded) => Self {
                stream: Stream::Other(Box::new(TokioIo::new(upgraded))),
                decoder: Decoder::default(),
                pending: Vec::new(),
                _hold: hold,
            },
        }
    }

    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, &mut buffer),
            Stream::Other(stream) => Pin::new(stream).poll_read(context, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    pub fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
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

    /// Whether what was written has to be flushed.
    pub fn keeps_writes(&self) -> bool {
        matches!(self.stream, Stream::Other(_))
    }

    /// TLS and the like keep what was written until they are flushed; a socket keeps nothing.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(_) => Poll::Ready(Ok(())),
            Stream::Other(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    pub fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Other(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    /// Frees what the kernel still holds for a client that does not read it.
    pub fn reset(&self) {
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

    /// Passes over what a client sends that nobody listens to any more; `true` once its close frame has come.
    pub fn said_goodbye(&mut self, bytes: &[u8], limit: usize) -> bool {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut used = 0;
        let goodbye = loop {
            match self.decoder.next(&mut pending[used..], limit) {
                Ok(Some((Incoming::Close(_), _))) => break true,
                Ok(Some((_, taken))) => used += taken,
                Ok(None) => break false,
                // What breaks the protocol is passed over as well.
                Err(_) => {
                    used = pending.len();
                    break false;
                }
            }
        };
        self.decoder.release();
        self.keep(pending, used);
        goodbye
    }

    /// Keeps the bytes of `buffer` behind `used`, and no memory when there are none.
    pub fn keep(&mut self, mut buffer: Vec<u8>, used: usize) {
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
