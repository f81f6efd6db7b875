//! The connection loop: from listening sockets to requests with limits on everything that a client could withhold.
//!
//! `axum::serve` has neither a header timeout nor TCP_NODELAY nor a limit on connections, so hyper is driven here. What
//! comes out is a plain `Request<Incoming>` for one function; an upgrade (`hyper::upgrade::on`) hands over a
//! `TokioIo<TcpStream>`.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    limit::{AddressLimits, OpenConnection},
    metrics::Metrics,
    origin::FORWARDED_PROTO,
};
use crate::config::ListenAddr;
use crate::model::limits;

/// Bounds of the connections. The default is the product's; tests take smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    pub header_time: Duration,
    pub header_bytes: usize,
    /// A client that takes nothing of an answer for so long is closed.
    pub answer_stall_time: Duration,
    /// A client that is still writing when it is answered and closed has so long to take its answer.
    pub linger_time: Duration,
    pub tls_handshake_time: Duration,
    pub open_connections: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            header_time: limits::HEADER_TIME,
            header_bytes: limits::HEADER_BYTES,
            answer_stall_time: limits::ANSWER_STALL_TIME,
            linger_time: limits::LINGER_TIME,
            tls_handshake_time: limits::TLS_HANDSHAKE_TIME,
            open_connections: limits::OPEN_CONNECTIONS,
        }
    }
}

/// A place among the open connections, in the extensions of every request. It is free again when its connection ends and
/// no clone is left: whoever takes a connection over by an upgrade keeps a clone as long as the connection lives.
#[derive(Clone)]
pub struct ConnectionPlace(Arc<Place>);

struct Place {
    _permit: OwnedSemaphorePermit,
    of_address: Mutex<Option<OpenConnection>>,
}

impl ConnectionPlace {
    /// It is another node's, whose clients have been counted where they came, and does not count by its address any more.
    pub fn is_of_node(&self) {
        let mut of_address = self.0.of_address.lock().unwrap_or_else(PoisonError::into_inner);
        *of_address = None;
    }

    /// Does it count by an address? Not so a proxy's, and another node's.
    pub fn is_counted(&self) -> bool {
        let of_address = self.0.of_address.lock().unwrap_or_else(PoisonError::into_inner);
        of_address.as_ref().is_some_and(OpenConnection::is_counted)
    }

    /// The same place, for whoever does not know what it is that they keep.
    pub fn hold(&self) -> Arc<dyn std::any::Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn std::any::Any + Send + Sync>
    }
}

/// A socket to listen on, and the TLS that is spoken there.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// `tls`: `None` for HTTP as it is.
    pub fn new(socket: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        Listener { socket, tls }
    }
}

/// Who watches over connections as they come.
#[derive(Clone)]
pub struct Gate {
    pub addresses: Arc<AddressLimits>,
    pub metrics: Arc<Metrics>,
}

impl Gate {
    /// A place for a connection from `peer`, or what it is told.
    fn place(&self, peer: SocketAddr, places: &Arc<Semaphore>) -> Result<ConnectionPlace, RefusalText> {
        let of_address = self.addresses.open(peer.ip()).ok_or(TOO_MANY_OF_ADDRESS)?;
        let permit = Arc::clone(places).try_acquire_owned().map_err(|_| TOO_MANY)?;
        Ok(ConnectionPlace(Arc::new(Place {
            _permit: permit,
            of_address: Mutex::new(Some(of_address)),
        })))
    }
}

/// Opens the sockets to listen on. The error names the address.
pub async fn bind(addresses: &[ListenAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = match *address {
            ListenAddr::Exactly(address) => listener(address),
            // Linux and macOS take IPv4 on the IPv6 socket; where IPv6 is off, its address cannot be bound at all.
            ListenAddr::AllInterfaces(port) => match listener((Ipv6Addr::UNSPECIFIED, port).into()) {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    listener((Ipv4Addr::UNSPECIFIED, port).into())
                }
                bound => bound,
            },
        };
        listeners.push(bound.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
                io::ErrorKind::PermissionDenied => "this user may not listen there".to_owned(),
                io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
                _ => error.to_string(),
            };
            io::Error::new(error.kind(), format!("Cannot listen on {address}: {why}."))
        })?);
    }
    Ok(listeners)
}

/// As `TcpListener::bind`, which lets 1,024 connections wait: when a server starts again, everybody comes at once, and
/// whom the system has no room for is reset.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::WAITING_CONNECTIONS)
}

/// Raises the limit of open files to what the machine allows, as Node does at its start, and answers how many connections
/// fit under it: never more than `most`.
pub fn connections_that_fit(most: usize) -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).map_or(most, |files| usize::try_from(files).unwrap_or(most));
    files.saturating_sub(limits::RESERVED_FILES).clamp(16, most.max(16))
}

/// Serves until `drain` turns true (or its sender is gone): then accepts no more, lets requests under way finish, and
/// returns when all connections that were not upgraded are closed. How long that may take is the caller's to bound.
pub async fn serve<S, F>(
    listeners: Vec<Listener>,
    service: S,
    limits: HttpLimits,
    gate: Gate,
    drain: watch::Receiver<bool>,
) where
    S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.open_connections));
    let refusals = Arc::new(Semaphore::new(limits::REFUSALS_AT_ONCE));
    // Every connection holds a sender; when the last is gone, `recv` answers.
    let (alive, mut all_closed) = mpsc::channel::<()>(1);
    for Listener { socket, tls } in listeners {
        let (service, places, refusals) = (service.clone(), Arc::clone(&places), Arc::clone(&refusals));
        let (mut drain, alive, gate) = (drain.clone(), alive.clone(), gate.clone());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    biased;
                    () = turned_true(&mut drain) => break,
                    accepted = socket.accept() => accepted,
                };
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        rest_after(&error).await;
                        continue;
                    }
                };
                // Small packets leave at once: a chat waits for each of them. A connection that is already gone again
                // shows itself when it is read.
                let _ = stream.set_nodelay(true);
                // Who is refused by TLS is closed: to be told why they would have to be let in first.
                let place = match gate.place(peer, &places) {
                    Ok(place) => place,
                    Err(refusal) => {
                        if tls.is_none() {
                            refuse(stream, &refusals, refusal);
                        }
                        continue;
                    }
                };
                let (service, drain, alive) = (service.clone(), drain.clone(), alive.clone());
                match tls.clone() {
                    None => {
                        let connection = connection(stream, peer, place, service, limits, drain);
                        tokio::spawn(async move {
                            connection.await;
                            drop(alive);
                        });
                    }
                    Some(tls) => {
                        let metrics = Arc::clone(&gate.metrics);
                        tokio::spawn(async move {
                            match timeout(limits.tls_handshake_time, tls.accept(stream)).await {
                                Ok(Ok(stream)) => {
                                    let service = move |request, peer| service(told_of_tls(request), peer);
                                    connection(stream, peer, place, service, limits, drain).await;
                                }
                                Ok(Err(error)) => {
                                    metrics.tls_failed.inc();
                                    tracing::debug!(%peer, %error, "no TLS with this client");
                                }
                                Err(_) => {
                                    metrics.tls_failed.inc();
                                    tracing::debug!(%peer, "a TLS handshake took too long");
                                }
                            }
                            drop(alive);
                        });
                    }
                }
            }
        });
    }
    drop(alive);
    all_closed.recv().await;
}

/// Waits until it is time to drain.
pub(super) async fn turned_true(drain: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask for more connections.
    let _ = drain.wait_for(|is_draining| *is_draining).await;
}

/// A connection that died while it waited is nobody's trouble. Anything else (no files left, no memory) would repeat at
/// once and spin.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    ) {
        tracing::warn!(%error, "cannot accept connections now; trying again");
        sleep(limits::ACCEPT_REST).await;
    }
}

/// Says of a request that came by TLS what a proxy before this server would say, for all who look for it there.
fn told_of_tls<B>(mut request: Request<B>) -> Request<B> {
    let headers = request.headers_mut();
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
    request
}

/// Status line and body of what a client is told that finds no place.
type RefusalText = (&'static str, &'static str);
const TOO_MANY: RefusalText = (
    "503 Service Unavailable",
    r#"{"error":"Too many connections; try again in 2 s.","code":"UNAVAILABLE","retryAfterMs":2000}"#,
);
const TOO_MANY_OF_ADDRESS: RefusalText = (
    "429 Too Many Requests",
    r#"{"error":"Too many connections from this address; try again in 2 s.","code":"RATE_LIMITED","retryAfterMs":2000}"#,
);

/// Tells a client that there is no place now, and when to come again. Stock clients do.
fn refuse(mut stream: TcpStream, refusals: &Arc<Semaphore>, text: RefusalText) {
    let Ok(permit) = Arc::clone(refusals).try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        // The request is read first, as far as it goes at once: a close over unread bytes would reset the connection and
        // take the answer with it.
        let mut buffer = [0; 4096];
        let _ = timeout(Duration::from_secs(1), async {
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(refusal(text).as_bytes()).await;
            let _ = stream.shutdown().await;
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
        })
        .await;
        drop(permit);
    });
}

fn refusal((status, body): RefusalText) -> String {
    format!(
        "HTTP/1.1 {status}\r\nRetry-After: 2\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn connection<I, S, F>(
    stream: I,
    peer: SocketAddr,
    place: ConnectionPlace,
    service: S,
    limits: HttpLimits,
    mut drain: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let taken = Arc::new(Taken::default());
    let of_answers = Arc::clone(&taken);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(place.clone());
        let taken = Arc::clone(&of_answers);
        taken.set(None);
        let answer = service(request, peer);
        async move { Ok::<_, std::convert::Infallible>(answer.await.map(|body| WatchedBody::new(body, taken))) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        .max_headers(limits::HEADER_COUNT)
        .max_buf_size(limits::HTTP_BUFFER_BYTES.max(limits.header_bytes));
    let mut connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut is_draining = false;
    let mut stall_check = Instant::now() + limits.answer_stall_time;
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = turned_true(&mut drain), if !is_draining => {
                is_draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = tokio::time::sleep_until(stall_check) => {
                if taken.is_stalled_for(limits.answer_stall_time) {
                    tracing::debug!(%peer, "closed a client that does not take its answer");
                    return;
                }
                stall_check = Instant::now() + limits.answer_stall_time / 2;
            }
        }
    };
    if let Err(error) = &ended {
        // A client that goes away, or sends nonsense, is no event of ours.
        tracing::debug!(%peer, %error, "connection ended");
        if error.is_timeout() {
            return;
        }
    }
    // An upgraded connection is somebody else's by now.
    if let Some(parts) = connection.into_parts() {
        linger(parts.io.into_inner(), limits.linger_time).await;
    }
}

/// Ends what is written, and throws away what still comes, until the client ends as well or its time is over.
async fn linger<I: AsyncRead + AsyncWrite + Unpin>(mut stream: I, time: Duration) {
    let rest = async {
        stream.shutdown().await?;
        let mut chunk = vec![0; 16 * 1024];
        let mut left = limits::LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut chunk).await? {
                0 => return Ok(()),
                read => left = left.saturating_sub(read),
            }
        }
        // It writes on and on. What it sends now waits in the kernel's buffers, and it has time to look for its answer.
        std::future::pending::<io::Result<()>>().await
    };
    // However it ends: the answer was written before.
    let _ = timeout(time, rest).await;
}

/// When the connection last took something of an answer; `None` while a request is under way in the server.
///
/// After an answer's end the time stands until the next request. That does no harm to a client that has read it all: it is
/// idle then, and closed by the header timeout long before.
#[derive(Default)]
struct Taken(Mutex<Option<Instant>>);

impl Taken {
    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn is_stalled_for(&self, time: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() >= time)
    }
}

/// A body that notes when the connection asks it for more, and gives it in small slices. hyper asks only when its buffer
/// has room, so a client that reads nothing is one whose answer is not asked on. What waits for the server does not count.
struct WatchedBody {
    body: Body,
    /// The part of a frame that was not yet given.
    rest: Bytes,
    taken: Arc<Taken>,
}

impl WatchedBody {
    const SLICE_BYTES: usize = 16 * 1024;

    fn new(body: Body, taken: Arc<Taken>) -> Self {
        taken.set(Some(Instant::now()));
        WatchedBody {
            body,
            rest: Bytes::new(),
            taken,
        }
    }

    fn slice(&mut self) -> Frame<Bytes> {
        let most = self.rest.len().min(Self::SLICE_BYTES);
        Frame::data(self.rest.split_to(most))
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.taken.set(Some(Instant::now()));
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            self.taken.set(Some(Instant::now()));
            return Poll::Ready(Some(Ok(self.slice())));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.taken.set(frame.is_ready().then(Instant::now));
        frame.map(|frame| {
            Some(frame?.map(|frame| match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    self.slice()
                }
                Err(other) => other,
            }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// 413.
    #[error("The body is longer than 1,000,000 bytes.")]
    TooLarge,
    /// 408; the connection is best closed.
    #[error("The body did not arrive within 30 seconds.")]
    TooSlow,
    /// The same for an upload, which may take longer as long as it comes.
    #[error("The upload came too slowly, or stopped.")]
    Stalled,
    /// 400, where anybody is left to read it.
    #[error("The body ended before its end.")]
    Broken,
}

/// Reads the body of a JSON request: at most 1,000,000 bytes, within 30 seconds.
pub async fn read_json_body<B>(body: B) -> Result<Bytes, BodyFault>
where
    B: HttpBody<Data = Bytes>,
{
    read_body(body, limits::BODY_BYTES, limits::BODY_TIME).await
}

/// Reads a whole body of at most `most_bytes` within `time`. What is longer is thrown away as it comes, up to a limit of its
/// own, so that the client hears of the refusal.
pub async fn read_body<B>(body: B, most_bytes: usize, time: Duration) -> Result<Bytes, BodyFault>
where
    B: HttpBody<Data = Bytes>,
{
    let mut body = pin!(body);
    let announced = body.size_hint().lower();
    let read = timeout(time, async {
        if announced > most_bytes as u64 {
            return Err(BodyFault::TooLarge);
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else {
                continue;
            };
            if first.len() + rest.len() + data.len() > most_bytes {
                return Err(BodyFault::TooLarge);
            }
            // Most bodies come in one piece, which is then the answer as it is.
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    });
    let read = read.await.unwrap_or(Err(BodyFault::TooSlow));
    if read == Err(BodyFault::TooLarge) && announced <= limits::DISCARDED_BODY_BYTES as u64 {
        // Whether it comes to its end makes no difference to the answer.
        let _ = timeout(limits::DISCARDED_BODY_TIME, discard(body)).await;
    }
    read
}

/// Throws away what was not read of a request that is refused, within a bound, so that the refusal arrives.
pub async fn discard_unread(body: Body) {
    if !body.is_end_stream() {
        // Whether it comes to its end makes no difference to the answer.
        let _ = timeout(limits::DISCARDED_BODY_TIME, discard(pin!(body).as_mut())).await;
    }
}

async fn discard<B: HttpBody<Data = Bytes>>(mut body: Pin<&mut B>) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > limits::DISCARDED_BODY_BYTES {
            return;
        }
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
