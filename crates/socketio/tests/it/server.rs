//! An application that does what its events say, and writes down what it is told.

use crate::client::{Answer, WebSocket, http, until};
use doorbell_socketio::{
    Accept, Body, Config, Connecting, Event, Frame, Handler, Reason, Refusal, Refused, Server, Socket, Turn,
};
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, value::RawValue};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

#[derive(Default)]
pub struct App {
    /// What the application was told, in order: `connected /`, `event a`, `disconnected / <reason>`, ...
    pub journal: Mutex<Vec<String>>,
    pub sockets: Mutex<Vec<Socket<App>>>,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl App {
    pub fn note(&self, line: impl Into<String>) {
        self.journal.lock().unwrap().push(line.into());
    }

    pub fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }

    pub fn noted(&self, line: &str) -> usize {
        self.journal
            .lock()
            .unwrap()
            .iter()
            .filter(|noted| *noted == line)
            .count()
    }

    pub async fn until_noted(&self, line: &str) {
        until(line, || self.noted(line) > 0).await;
    }

    pub fn socket(&self) -> Socket<Self> {
        self.sockets.lock().unwrap().last().cloned().unwrap()
    }

    /// Turns that wait at a gate go through once it has been opened.
    pub fn open(&self, gate: &str) {
        self.gate(gate).add_permits(1_000);
    }

    fn gate(&self, name: &str) -> Arc<Semaphore> {
        Arc::clone(
            self.gates
                .lock()
                .unwrap()
                .entry(name.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(0))),
        )
    }

    fn pass(self: &Arc<Self>, gate: String, ack: Option<u64>) -> BoxFuture<'static, Vec<Frame>> {
        let app = Arc::clone(self);
        Box::pin(async move {
            app.note(format!("begin {gate}"));
            app.gate(&gate).acquire().await.unwrap().forget();
            app.note(format!("end {gate}"));
            ack.map(|id| Frame::ack(id, &gate)).into_iter().collect()
        })
    }
}

fn text(args: &[Box<RawValue>]) -> String {
    args.first()
        .and_then(|arg| serde_json::from_str(arg.get()).ok())
        .unwrap_or_default()
}

impl Handler for App {
    type Session = String;
    type Socket = ();

    fn handshake(self: &Arc<Self>, request: &Parts, _peer: SocketAddr) -> Result<String, Refusal> {
        match request.headers.get("origin") {
            Some(origin) if origin == "http://foreign.example" => Err(Refusal::forbidden("foreign origin")),
            _ if request.uri.query().is_some_and(|query| query.contains("busy")) => {
                Err(Refusal::json(StatusCode::TOO_MANY_REQUESTS, &Value::Null)
                    .with_header(http::header::RETRY_AFTER, 3.into()))
            }
            _ => Ok(request.uri.query().unwrap_or_default().to_owned()),
        }
    }

    fn connect(self: &Arc<Self>, connecting: Connecting<String>) -> BoxFuture<'static, Result<Accept<()>, Refused>> {
        self.note(format!("connect {}", connecting.namespace));
        let app = Arc::clone(self);
        Box::pin(async move {
            let auth = connecting.auth.map_or("{}".to_owned(), |auth| auth.get().to_owned());
            let fields: HashMap<String, Value> = serde_json::from_str(&auth).unwrap();
            if let Some(gate) = fields.get("gate").and_then(Value::as_str) {
                app.gate(gate).acquire().await.unwrap().forget();
            }
            if fields.contains_key("close") {
                return Err(Refused::CloseTransport);
            }
            if fields.contains_key("refuse") {
                let data = Some(serde_json::json!({ "code": "TOKEN_MISSING" }));
                return Err(Refused::Error {
                    message: "Authentication error".to_owned(),
                    data,
                });
            }
            if connecting.namespace == "/random" {
                return Err(Refused::Error {
                    message: "Invalid namespace".to_owned(),
                    data: None,
                });
            }
            let mut accept = Accept::new(());
            let auth = RawValue::from_string(auth).unwrap();
            accept
                .greeting
                .push(Frame::within(&connecting.namespace).event("auth", &auth));
            if fields.contains_key("pid") {
                accept.fields.insert("pid".to_owned(), "private".into());
            }
            Ok(accept)
        })
    }

    fn connected(self: &Arc<Self>, socket: &Socket<Self>) {
        self.note(format!("connected {}", socket.namespace()));
        self.sockets.lock().unwrap().push(socket.clone());
    }

    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn {
        let argument = text(&event.args);
        self.note(format!("event {} {argument}", event.name).trim_end().to_owned());
        let frames = Frame::within(socket.namespace()).attachments(&event.attachments);
        match (event.name.as_str(), event.ack) {
            ("message", _) => Turn::Answer(vec![frames.event_args("message-back", &event.args)]),
            ("message-with-ack", Some(id)) => Turn::Answer(vec![frames.ack_args(id, &event.args)]),
            ("big", Some(id)) => Turn::Answer(vec![Frame::ack(id, &"x".repeat(100_000))]),
            ("alongside", ack) => Turn::Alongside(self.pass(argument, ack)),
            ("barrier", ack) => Turn::Barrier(self.pass(argument, ack)),
            ("prepare", ack) => {
                let turn = self.pass(argument, ack);
                Turn::Prepare(Box::pin(async move { Turn::Answer(turn.await) }))
            }
            ("prepare-barrier", ack) => {
                let (first, second) = (self.pass(format!("{argument} 1"), None), self.pass(argument, ack));
                Turn::Prepare(Box::pin(async move {
                    first.await;
                    Turn::Barrier(second)
                }))
            }
            ("ask", Some(id)) => {
                let question = socket.emit_with_ack("question", "?", Duration::from_secs(5));
                Turn::Prepare(Box::pin(async move {
                    Turn::Answer(match question.await {
                        Ok(answer) => vec![Frame::ack_args(id, &answer)],
                        Err(error) => vec![Frame::ack(id, &error.to_string())],
                    })
                }))
            }
            ("leave", _) => {
                socket.disconnect();
                Turn::Done
            }
            ("panic", _) => panic!("as the test asked"),
            _ => Turn::Done,
        }
    }

    fn farewell(self: &Arc<Self>, _socket: &Socket<Self>, reason: Reason) -> Option<Frame> {
        (reason == Reason::SlowConsumer).then(|| Frame::event("farewell", reason.as_str()))
    }

    fn disconnected(self: &Arc<Self>, socket: &Socket<Self>, reason: Reason) {
        assert!(!socket.is_open());
        self.note(format!("disconnected {} {reason}", socket.namespace()));
    }
}

pub struct Running {
    pub address: SocketAddr,
    pub server: Server<App>,
    pub app: Arc<App>,
}

/// Intervals as the suites expect them.
pub fn quick() -> Config {
    Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        ..Config::default()
    }
}

pub async fn start(config: Config) -> Running {
    start_over(config, |stream| stream).await
}

/// A server over streams that are no plain sockets, as with TLS: they keep what is written until they are flushed.
pub async fn start_buffered(config: Config) -> Running {
    start_over(config, BufStream::new).await
}

async fn start_over<S>(config: Config, wrap: fn(TcpStream) -> S) -> Running
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let app = Arc::<App>::default();
    let server = Server::new(config, Arc::clone(&app));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = server.clone();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let server = accepting.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let server = server.clone();
                    async move { Ok::<Response<Body>, Infallible>(server.serve(request, peer).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(wrap(stream)), service)
                    .with_upgrades();
                let _ = connection.await;
            });
        }
    });
    Running { address, server, app }
}

/// A server of Engine.IO alone, whose messages come back.
pub async fn engine() -> Running {
    start(Config {
        engine_echo: true,
        ..quick()
    })
    .await
}

impl Running {
    /// An open WebSocket; its handshake packet has been read.
    pub async fn websocket(&self) -> WebSocket {
        let mut socket = WebSocket::open(self.address, "/?EIO=4&transport=websocket").await;
        assert!(socket.text().await.starts_with("0{"));
        socket
    }

    /// A WebSocket in the main namespace; the replies have been read.
    pub async fn connected(&self) -> WebSocket {
        let mut socket = self.websocket().await;
        socket.send("40").await;
        assert!(socket.text().await.starts_with("40{\"sid\":"));
        assert_eq!(socket.text().await, "42[\"auth\",{}]");
        socket
    }

    /// Opens a session over long-polling: its id.
    pub async fn polling(&self) -> String {
        let answer = http(self.address, "GET", "/?EIO=4&transport=polling", b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let packet: Value = serde_json::from_str(answer.body.strip_prefix('0').unwrap()).unwrap();
        packet["sid"].as_str().unwrap().to_owned()
    }

    pub fn target(sid: &str) -> String {
        format!("/?EIO=4&transport=polling&sid={sid}")
    }

    pub async fn get(&self, sid: &str) -> Answer {
        http(self.address, "GET", &Self::target(sid), b"").await
    }

    pub async fn post(&self, sid: &str, body: &str) -> Answer {
        http(self.address, "POST", &Self::target(sid), body.as_bytes()).await
    }

    /// A session over long-polling in the main namespace; the replies have been read.
    pub async fn polling_connected(&self) -> String {
        let sid = self.polling().await;
        assert_eq!(self.post(&sid, "40").await.body, "ok");
        let answer = self.get(&sid).await;
        assert!(
            answer.body.starts_with("40{\"sid\":") && answer.body.contains("\x1e42[\"auth\",{}]"),
            "{answer:?}"
        );
        sid
    }

    pub async fn until_empty(&self) {
        until("the end of all sessions", || self.server.connections() == 0).await;
    }
}
