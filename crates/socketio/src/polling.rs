//! Long-polling: GETs that wait for packets, POSTs that bring them.
//! <https://github.com/socketio/engine.io-protocol#http-long-polling>

use crate::{
    Body, Counters, Handler, Reason,
    engine::ProtocolError,
    frame::append_to_payload,
    queue::{Outbox, Phase},
    server::{answer, protocol_error},
    session::{Session, Shared, millis},
    wire::WebSocket,
};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::oneshot;

/// How long a poll waits while an upgrade is being probed, as in the reference. Then it ends with a noop, so that the
/// client, which waits for the end of its poll, can finish the upgrade.
const PROBING_POLL: Duration = Duration::from_millis(100);

/// How long a session that its client has closed by a POST still has an answer for the poll that crossed it, in
/// milliseconds.
const FAREWELL: u64 = 100;

/// The part of a session's state that only long-polling needs.
#[derive(Debug, Default)]
pub(crate) struct Polling {
    /// The poll that waits.
    waiter: Option<oneshot::Sender<PollEnd>>,
    /// A POST is being read or handled.
    posting: bool,
    /// A body for the session's task to handle.
    pub inbox: Option<Inbox>,
    /// A WebSocket is being probed.
    pub probing: bool,
    /// The WebSocket that the probe ended with, for the session's task.
    pub handover: Option<Box<WebSocket>>,
    /// The client has closed the session, and its poll has not been answered yet.
    pub farewell: bool,
}

#[derive(Debug)]
pub(crate) enum PollEnd {
    Body(Vec<u8>),
    /// The session has moved to a WebSocket.
    Moved,
}

/// A POST's body on its way through the session's task.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub body: Bytes,
    /// It was over its limit, and is not here.
    pub is_too_large: bool,
    /// Whether all of it was packets. Dropped when the session ends first.
    pub done: oneshot::Sender<bool>,
}

impl Polling {
    pub fn is_polled(&self) -> bool {
        self.waiter.as_ref().is_some_and(|waiter| !waiter.is_closed())
    }

    /// Ends the waiting poll; `false` if there was none.
    pub fn end_poll(&mut self, end: PollEnd) -> bool {
        match self.waiter.take() {
            Some(waiter) => waiter.send(end).is_ok(),
            None => false,
        }
    }
}

/// Everything that is queued, as one payload, with one more packet behind it.
fn payload(counters: &Counters, outbox: &mut Outbox, last: Option<u8>) -> Vec<u8> {
    let frames = outbox.take_all();
    counters.packets_out.fetch_add(frames.len() as u64, Relaxed);
    let mut body = Vec::with_capacity(frames.iter().map(|queued| queued.bytes.len() + 1).sum());
    for queued in frames {
        append_to_payload(&mut body, &queued.bytes);
    }
    if let Some(packet) = last {
        if !body.is_empty() {
            body.push(crate::engine::SEPARATOR);
        }
        body.push(packet);
    }
    body
}

/// Answers the waiting poll with what is queued, and `last` behind it; without one, only if anything is queued.
pub(crate) fn flush(counters: &Counters, outbox: &mut Outbox, last: Option<u8>) -> bool {
    let polled = outbox.polling.as_ref().is_some_and(|polling| polling.is_polled());
    if !polled || (outbox.is_empty() && last.is_none()) {
        return false;
    }
    let body = payload(counters, outbox, last);
    outbox
        .polling
        .as_mut()
        .is_some_and(|polling| polling.end_poll(PollEnd::Body(body)))
}

/// Keeps a session that its client has closed for the poll that may be under way.
pub(crate) fn linger<H: Handler>(session: &Arc<Session<H>>, outbox: &mut Outbox) {
    outbox.timers.expire_at = session.server.exact_now() + FAREWELL;
    session.check_at(outbox, outbox.timers.expire_at);
}

fn text(body: Vec<u8>) -> Response<Body> {
    respond("text/plain; charset=UTF-8", body.into())
}

pub(crate) fn respond(content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer(StatusCode::OK, headers, body)
}

/// Closes the session if its poll is cancelled: what it would have carried is lost.
struct PollGuard<'a, H: Handler> {
    session: &'a Arc<Session<H>>,
    answered: bool,
}

impl<H: Handler> Drop for PollGuard<'_, H> {
    fn drop(&mut self) {
        if !self.answered {
            self.session.abort(Reason::TransportError);
        }
    }
}

enum Begun {
    Now(Response<Body>),
    Wait(oneshot::Receiver<PollEnd>, bool),
}

/// A GET of an open session.
pub(crate) async fn poll<H: Handler>(session: &Arc<Session<H>>) -> Response<Body> {
    let begun = session.with(|outbox| {
        let now = session.server.exact_now();
        // The wheel may be a tick late; the client must not find a session that has run out of time.
        let mut waker = session.check(outbox, now);
        let (phase, empty) = (outbox.phase, outbox.is_empty());
        let Some(polling) = outbox.polling.as_mut() else {
            return (Begun::Now(protocol_error(ProtocolError::BadRequest)), waker);
        };
        if phase != Phase::Open && std::mem::take(&mut polling.farewell) {
            outbox.timers.expire_at = now;
            return (Begun::Now(text(b"6".to_vec())), waker.or(outbox.wake()));
        }
        if matches!(phase, Phase::Closed(_)) {
            return (Begun::Now(protocol_error(ProtocolError::UnknownSession)), waker);
        }
        if polling.is_polled() {
            let closed = session.shut(outbox, Phase::Closed(Reason::TransportError));
            return (Begun::Now(protocol_error(ProtocolError::BadRequest)), waker.or(closed));
        }
        if polling.handover.is_some() {
            return (Begun::Now(protocol_error(ProtocolError::BadRequest)), waker);
        }
        if phase == Phase::Open && !empty {
            return (Begun::Now(text(payload(&session.server.counters, outbox, None))), waker);
        }
        let (sender, receiver) = oneshot::channel();
        polling.waiter = Some(sender);
        let probing = polling.probing;
        if phase != Phase::Open {
            // The task has an end to send.
            waker = waker.or(outbox.wake());
        }
        (Begun::Wait(receiver, probing), waker)
    });
    let (receiver, probing) = match begun {
        Begun::Now(response) => return response,
        Begun::Wait(receiver, probing) => (receiver, probing),
    };

    let mut guard = PollGuard {
        session,
        answered: false,
    };
    let mut receiver = pin!(receiver);
    let mut end = None;
    if probing {
        match tokio::time::timeout(PROBING_POLL, &mut receiver).await {
            Ok(received) => end = Some(received),
            Err(_) => session.with(|outbox| {
                if let Some(polling) = outbox.polling.as_mut() {
                    polling.end_poll(PollEnd::Body(b"6".to_vec()));
                }
                ((), None)
            }),
        }
    }
    let end = match end {
        Some(end) => end,
        None => receiver.await,
    };
    guard.answered = true;
    match end {
        Ok(PollEnd::Body(body)) => text(body),
        Ok(PollEnd::Moved) => protocol_error(ProtocolError::BadRequest),
        Err(_) => protocol_error(ProtocolError::UnknownSession),
    }
}

/// Closes the session if its POST is cancelled, and lets the next one in.
struct PostGuard<'a, H: Handler> {
    session: &'a Arc<Session<H>>,
    handled: bool,
}

impl<H: Handler> Drop for PostGuard<'_, H> {
    fn drop(&mut self) {
        self.session.with(|outbox| {
            if let Some(polling) = outbox.polling.as_mut() {
                polling.posting = false;
            }
            let closed = if self.handled {
                None
            } else {
                self.session.shut(outbox, Phase::Closed(Reason::TransportError))
            };
            ((), closed)
        });
    }
}

/// A POST to an open session.
pub(crate) async fn post<H: Handler, B>(session: &Arc<Session<H>>, headers: &HeaderMap, body: B) -> Response<Body>
where
    B: hyper::body::Body<Data: Buf>,
{
    let begun = session.with(|outbox| {
        let waker = session.check(outbox, session.server.exact_now());
        if outbox.phase != Phase::Open {
            return (Err(ProtocolError::UnknownSession), waker);
        }
        let Some(polling) = outbox.polling.as_mut() else {
            return (Err(ProtocolError::BadRequest), waker);
        };
        let binary = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/octet-stream");
        if polling.handover.is_some() {
            return (Err(ProtocolError::BadRequest), waker);
        }
        if polling.posting || binary {
            let closed = session.shut(outbox, Phase::Closed(Reason::TransportError));
            return (Err(ProtocolError::BadRequest), waker.or(closed));
        }
        polling.posting = true;
        (Ok(()), waker)
    });
    if let Err(error) = begun {
        return protocol_error(error);
    }

    let mut guard = PostGuard {
        session,
        handled: false,
    };
    let collected = tokio::time::timeout(session.server.config.body_timeout, collect(&session.server, body)).await;
    let (body, is_too_large) = match collected {
        Ok(Ok(body)) => (body, false),
        Ok(Err(StatusCode::PAYLOAD_TOO_LARGE)) => (Bytes::new(), true),
        Ok(Err(status)) => {
            let mut headers = HeaderMap::new();
            let seconds = session.server.config.retry_after.as_secs().max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            return answer(status, headers, Bytes::new());
        }
        Err(_) => return answer(StatusCode::REQUEST_TIMEOUT, HeaderMap::new(), Bytes::new()),
    };

    let (done, handled) = oneshot::channel();
    session.with(|outbox| {
        if outbox.phase == Phase::Open
            && let Some(polling) = outbox.polling.as_mut()
        {
            polling.inbox = Some(Inbox {
                body,
                is_too_large,
                done,
            });
        }
        ((), outbox.wake())
    });
    let is_good = handled.await == Ok(true);
    if is_good {
        guard.handled = true;
        return respond("text/html", Bytes::from_static(b"ok"));
    }
    tokio::time::sleep(session.server.config.farewell_time).await;
    // What the client is still to hear waits for its next poll.
    guard.handled = is_too_large || session.with(|outbox| (!outbox.is_empty(), None));
    match is_too_large {
        true => answer(StatusCode::PAYLOAD_TOO_LARGE, HeaderMap::new(), Bytes::new()),
        false => protocol_error(ProtocolError::BadRequest),
    }
}

/// Bytes that are counted against the limit of all bodies being read.
struct Buffering<'a, H: Handler> {
    server: &'a Shared<H>,
    bytes: usize,
}

impl<H: Handler> Drop for Buffering<'_, H> {
    fn drop(&mut self) {
        self.server.buffered_bodies.fetch_sub(self.bytes, Relaxed);
    }
}

/// Reads a body within the limits, or says with which status it is refused.
async fn collect<H: Handler, B>(server: &Shared<H>, body: B) -> Result<Bytes, StatusCode>
where
    B: hyper::body::Body<Data: Buf>,
{
    let mut body = pin!(body);
    let mut collected = Vec::new();
    let mut buffering = Buffering { server, bytes: 0 };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Ok(mut data) = frame.into_data() else { continue };
        let more = data.remaining();
        if collected.len() + more > server.config.max_payload {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        buffering.bytes += more;
        if server.buffered_bodies.fetch_add(more, Relaxed) + more > server.config.max_buffered_bodies {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            collected.extend_from_slice(chunk);
            let read = chunk.len();
            data.advance(read);
        }
    }
    Ok(collected.into())
}

/// The answer to a handshake over long-polling: its first poll.
pub(crate) fn opened(open_packet: Vec<u8>) -> Response<Body> {
    text(open_packet)
}

/// Milliseconds, for the open packet.
pub(crate) fn open_packet<H: Handler>(session: &Session<H>, upgrades: &[&str]) -> Vec<u8> {
    let config = &session.server.config;
    // In the order in which the reference writes them.
    format!(
        r#"0{{"sid":"{}{}","upgrades":{},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        String::from_utf8_lossy(&session.id.to_text()),
        config.id_suffix.as_str(),
        serde_json::json!(upgrades),
        millis(config.ping_interval),
        millis(config.ping_timeout),
        config.max_payload,
    )
    .into_bytes()
}
