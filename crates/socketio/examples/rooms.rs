//! Rooms in memory, for measuring the crate: the events that the load generator sends, and no store behind them.
//!
//! `cargo run --release --example rooms [port]`: `conversation:join` (an id) joins, `message:send`
//! (`{conversationId, content}`) is acknowledged and goes to every member as `message:received`.

use doorbell_socketio::{
    Accept, Body, Config, Connecting, Event, Frame, Handler, Reason, Refusal, Refused, Server, Socket, Turn,
};
use futures_util::future::BoxFuture;
use http::{Request, Response, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::net::TcpListener;

#[derive(Default)]
struct Rooms {
    rooms: Mutex<HashMap<String, Arc<Mutex<Room>>>>,
}

#[derive(Default)]
struct Room {
    seq: u64,
    members: Vec<Socket<Rooms>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    conversation_id: String,
    content: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: String,
    conversation_id: &'a str,
    seq: u64,
    sender_id: &'a str,
    content: &'a str,
    message_type: &'static str,
    is_read: bool,
    created_at: &'static str,
    sender: Person<'a>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    name: &'static str,
    image: Option<&'static str>,
}

#[derive(Serialize)]
struct Sent<'a> {
    ok: bool,
    message: &'a Message<'a>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    fn room(&self, id: &str) -> Arc<Mutex<Room>> {
        let mut rooms = lock(&self.rooms);
        match rooms.get(id) {
            Some(room) => Arc::clone(room),
            None => Arc::clone(rooms.entry(id.to_owned()).or_default()),
        }
    }

    fn send(&self, socket: &Socket<Self>, draft: &Draft, ack: Option<u64>) -> Turn {
        let room = self.room(&draft.conversation_id);
        let mut room = lock(&room);
        room.seq += 1;
        let message = Message {
            id: format!("{}-{}", draft.conversation_id, room.seq),
            conversation_id: &draft.conversation_id,
            seq: room.seq,
            sender_id: socket.id(),
            content: &draft.content,
            message_type: "TEXT",
            is_read: false,
            created_at: "2026-11-21T12:00:00.000Z",
            sender: Person {
                id: socket.id(),
                name: "Somebody",
                image: None,
            },
        };
        let frame = Frame::event("message:received", &message);
        for member in &room.members {
            member.push(&frame);
        }
        match ack {
            Some(id) => Turn::Answer(vec![Frame::ack(
                id,
                &Sent {
                    ok: true,
                    message: &message,
                },
            )]),
            None => Turn::Done,
        }
    }
}

impl Handler for Rooms {
    type Session = ();
    type Socket = Mutex<Vec<String>>;

    fn handshake(self: &Arc<Self>, _request: &Parts, _peer: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn connect(
        self: &Arc<Self>,
        _connecting: Connecting<()>,
    ) -> BoxFuture<'static, Result<Accept<Self::Socket>, Refused>> {
        Box::pin(async { Ok(Accept::new(Mutex::default())) })
    }

    fn connected(self: &Arc<Self>, _socket: &Socket<Self>) {}

    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn {
        let first = event.args.first().map_or("null", |arg| arg.get());
        match event.name.as_str() {
            "conversation:join" => {
                let Ok(id) = serde_json::from_str::<String>(first) else {
                    return Turn::Done;
                };
                lock(&self.room(&id)).members.push(socket.clone());
                lock(socket.state()).push(id);
                match event.ack {
                    Some(id) => Turn::Answer(vec![Frame::ack(id, &json!({ "ok": true }))]),
                    None => Turn::Done,
                }
            }
            "message:send" => match serde_json::from_str::<Draft>(first) {
                Ok(draft) => self.send(socket, &draft, event.ack),
                Err(_) => Turn::Done,
            },
            _ => Turn::Done,
        }
    }

    fn disconnected(self: &Arc<Self>, socket: &Socket<Self>, _reason: Reason) {
        for id in lock(socket.state()).drain(..) {
            lock(&self.room(&id)).members.retain(|member| member != socket);
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(3001);
    let server = Server::new(Config::default(), Arc::<Rooms>::default());
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let server = server.clone();
                async move { Ok::<Response<Body>, Infallible>(server.serve(request, peer).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client that goes in the middle is no fault of this server's.
            let _ = connection.await;
        });
    }
}
