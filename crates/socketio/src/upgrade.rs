//! The WebSocket handshake (RFC 6455, section 4.2), and the probe by which a session moves to one.
//! <https://github.com/socketio/engine.io-protocol#upgrade>

use crate::{
    Body, Handler,
    engine::ProtocolError,
    frame::Frame,
    polling::PollEnd,
    queue::Phase,
    server::{answer, protocol_error},
    session::Session,
    websocket::{Incoming, close, close_frame},
    wire::{Hold, WebSocket},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use sha1::{Digest, Sha1};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// Section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request asks for a WebSocket.
pub(crate) fn asked(request: &Parts) -> bool {
    listed(&request.headers, header::CONNECTION, "upgrade") && listed(&request.headers, header::UPGRADE, "websocket")
}

fn listed(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

/// The answer that switches to a WebSocket, or the one that says why not.
pub(crate) fn switch(request: &Parts) -> Result<Response<Body>, Box<Response<Body>>> {
    let key = request
        .headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let mut nonce = [0; 18];
    let valid_key = key.len() == 24 && STANDARD.decode_slice(key, &mut nonce) == Ok(16);
    if request.method != Method::GET || !valid_key {
        return Err(Box::new(protocol_error(ProtocolError::BadRequest)));
    }
    if request
        .headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut headers = HeaderMap::new();
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(answer(StatusCode::UPGRADE_REQUIRED, headers, Bytes::new())));
    }
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(answer(StatusCode::SWITCHING_PROTOCOLS, headers, Bytes::new()))
}

/// Claims a session for an upgrade; `false` if one is under way or done.
pub(crate) fn claim<H: Handler>(session: &Arc<Session<H>>) -> bool {
    session.with(|outbox| {
        let open = outbox.phase == Phase::Open;
        let claimed = match outbox.polling.as_mut() {
            Some(polling) if open && !polling.probing => {
                polling.probing = true;
                true
            }
            _ => false,
        };
        (claimed, None)
    })
}

/// Moves a claimed session to the WebSocket that `upgrade` becomes, or gives the claim back.
pub(crate) async fn probe<H: Handler>(
    session: Arc<Session<H>>,
    upgrade: hyper::upgrade::OnUpgrade,
    hold: Option<Hold>,
) {
    let moved = tokio::time::timeout(session.server.config.upgrade_timeout, probed(&session, upgrade, hold)).await;
    if moved != Ok(true) {
        session.with(|outbox| {
            if let Some(polling) = outbox.polling.as_mut() {
                polling.probing = false;
            }
            ((), None)
        });
    }
}

async fn probed<H: Handler>(session: &Arc<Session<H>>, upgrade: hyper::upgrade::OnUpgrade, hold: Option<Hold>) -> bool {
    let Ok(upgraded) = upgrade.await else { return false };
    let mut socket = Box::new(WebSocket::new(upgraded, hold));
    let limit = session.server.config.max_payload;
    loop {
        let text = socket.next(limit, |incoming| match incoming {
            Incoming::Text("2probe") => Some(true),
            Incoming::Text("5") => Some(false),
            _ => None,
        });
        match text.await {
            Some(Some(true)) => {
                if socket.send(&Frame::text("3probe", b"").0).await.is_err() {
                    return false;
                }
                // The client sends `5` when its poll has ended.
                session.with(|outbox| {
                    if let Some(polling) = outbox.polling.as_mut() {
                        polling.end_poll(PollEnd::Body(b"6".to_vec()));
                    }
                    ((), None)
                });
            }
            Some(Some(false)) => return hand_over(session, socket),
            _ => {
                // Best effort: whoever sent something else is not waiting for a reason.
                let _ = socket.send(&close_frame(close::NORMAL, "")).await;
                return false;
            }
        }
    }
}

fn hand_over<H: Handler>(session: &Arc<Session<H>>, socket: Box<WebSocket>) -> bool {
    session.with(|outbox| {
        if outbox.phase != Phase::Open {
            return (false, None);
        }
        let Some(polling) = outbox.polling.as_mut() else {
            return (false, None);
        };
        polling.end_poll(PollEnd::Moved);
        polling.handover = Some(socket);
        session.server.counters.upgrades.fetch_add(1, Relaxed);
        (true, outbox.wake())
    })
}

/// Accepts a WebSocket that has no session to go to, and closes it, as the reference does.
pub(crate) async fn turn_away<H: Handler>(
    session: Arc<Session<H>>,
    upgrade: hyper::upgrade::OnUpgrade,
    hold: Option<Hold>,
) {
    let closed = async {
        if let Ok(upgraded) = upgrade.await {
            let mut socket = WebSocket::new(upgraded, hold);
            let _ = socket.send(&close_frame(close::NORMAL, "")).await;
        }
    };
    let _ = tokio::time::timeout(session.server.config.upgrade_timeout, closed).await;
}
