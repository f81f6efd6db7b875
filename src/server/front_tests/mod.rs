//! Several nodes, and clients whose every request reaches another one, over TCP.

// The same client as the Socket.IO crate's tests have, of which not all is needed here.
#[allow(dead_code)]
#[path = "../../../crates/socketio/tests/it/client.rs"]
mod client;
mod requests;
mod sessions;

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use doorbell_socketio::{Accept, Config, Connecting, Event, Frame, IdSuffix, Reason, Refusal, Refused, Socket, Turn};
use futures_util::future::BoxFuture;
use http::request::Parts;
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

use self::client::{Answer, Got, WebSocket, begin, finish, http, in_time, until};
use super::*;
use crate::{
    config::{ListenAddr, TrustedProxies},
    model::limits::{self, RateLimits},
    transport::{
        handover::{ClusterKey, HANDED_OVER, HandoverLimits, Nodes},
        http::{Gate, HttpLimits, Listener, bind, serve},
        limit::AddressLimits,
        metrics::{Metrics, Page},
    },
};

/// Sends each event back, and notes the ends of its sockets.
#[derive(Default)]
struct App {
    ends: Mutex<Vec<String>>,
}

impl Handler for App {
    type Session = ();
    type Socket = ();

    fn handshake(self: &Arc<Self>, _request: &Parts, _peer: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn connect(self: &Arc<Self>, _connecting: Connecting<()>) -> BoxFuture<'static, Result<Accept<()>, Refused>> {
        Box::pin(async { Ok(Accept::new(())) })
    }

    fn connected(self: &Arc<Self>, _socket: &Socket<Self>) {}

    fn event(self: &Arc<Self>, socket: &Socket<Self>, event: Event) -> Turn {
        Turn::Answer(vec![
            Frame::within(socket.namespace()).event_args(&event.name, &event.args),
        ])
    }

    fn disconnected(self: &Arc<Self>, _socket: &Socket<Self>, reason: Reason) {
        self.ends.lock().unwrap().push(reason.to_string());
    }
}

/// The address book of the tests.
#[derive(Default)]
struct Addresses(Mutex<HashMap<String, String>>);

impl Addresses {
    fn put(&self, name: &str, address: SocketAddr) {
        self.0
            .lock()
            .unwrap()
            .insert(name.to_owned(), format!("http://{address}"));
    }
}

#[async_trait]
impl Nodes for Addresses {
    async fn address(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap().get(name).cloned()
    }
}

/// Above what a test has open at once.
const CONNECTIONS_OF_ADDRESS: usize = 200;

/// A node in a runtime of its own, so that it can go as by `kill -9`.
struct TestNode {
    address: SocketAddr,
    engine: Server<App>,
    of_addresses: Arc<AddressLimits>,
    /// Requests that have reached it.
    arrived: Arc<AtomicUsize>,
    page: Page,
    drain: watch::Sender<bool>,
    served: Option<tokio::task::JoinHandle<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl TestNode {
    async fn start(name: &str, addresses: &Arc<Addresses>, limits: HandoverLimits, engine: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (name, addresses) = (name.to_owned(), Arc::clone(addresses));
        let (drain, draining) = watch::channel(false);
        let started = runtime.spawn(async move {
            let listeners = bind(&[ListenAddr::Exactly((Ipv4Addr::LOCALHOST, 0).into())])
                .await
                .unwrap();
            let address = listeners[0].local_addr().unwrap();
            addresses.put(&name, address);
            let mut page = Page::new();
            let metrics = Arc::new(Metrics::new(&mut page));
            let of_addresses = Arc::new(AddressLimits::new(
                TrustedProxies::default(),
                &RateLimits::OFF,
                CONNECTIONS_OF_ADDRESS,
                Arc::clone(&metrics),
            ));
            let handover = Handover::new(
                addresses,
                ClusterKey::new("shared by the nodes"),
                limits,
                Arc::clone(&metrics),
                draining.clone(),
            );
            let config = Config {
                id_suffix: IdSuffix::new(&name).unwrap(),
                ..engine
            };
            let engine = Server::new(config, Arc::<App>::default());
            let front = Front {
                router: Router::new(),
                engine: engine.clone(),
                origins: Arc::new(OriginPolicy::new(None, None)),
                addresses: Arc::clone(&of_addresses),
                handover: Some(Arc::new(handover)),
                upload_name: None,
            };
            let arrived = Arc::<AtomicUsize>::default();
            let counted = Arc::clone(&arrived);
            let answer = move |request, peer| {
                counted.fetch_add(1, SeqCst);
                front.clone().answer(request, peer)
            };
            let gate = Gate {
                addresses: Arc::clone(&of_addresses),
                metrics,
            };
            let listeners = listeners
                .into_iter()
                .map(|socket| Listener::new(socket, None))
                .collect();
            let served = tokio::spawn(serve(listeners, answer, HttpLimits::default(), gate, draining));
            (address, engine, of_addresses, arrived, page, served)
        });
        let (address, engine, of_addresses, arrived, page, served) = started.await.unwrap();
        TestNode {
            address,
            engine,
            of_addresses,
            arrived,
            page,
            drain,
            served: Some(served),
            runtime: Some(runtime),
        }
    }

    /// Its sockets and its port are gone from one moment to the next.
    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Nothing that was handed over is under way any more.
    fn is_done(&self) -> bool {
        self.page
            .render()
            .lines()
            .any(|line| line == "doorbell_handovers_open 0")
    }

    /// How many requests were handed over with this outcome.
    fn handed_over(&self, outcome: &str) -> u64 {
        let page = self.page.render();
        let prefix = format!("doorbell_requests_handed_over_total{{outcome=\"{outcome}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("no {outcome} in {page}"))
            .parse()
            .unwrap()
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two nodes, and a balancer that sends each request to the other one than the last.
struct Cluster {
    a: TestNode,
    b: TestNode,
    addresses: Arc<Addresses>,
    requests: AtomicUsize,
}

const QUICK: HandoverLimits = HandoverLimits {
    at_once: 100,
    connect_time: Duration::from_secs(1),
    answer_time: Duration::from_secs(5),
    upgrade_time: Duration::from_secs(2),
    silence: Duration::from_secs(30),
    farewell: Duration::from_millis(200),
};

async fn cluster() -> Cluster {
    cluster_with(QUICK, Config::default()).await
}

async fn cluster_with(limits: HandoverLimits, engine: Config) -> Cluster {
    let addresses = Arc::<Addresses>::default();
    Cluster {
        a: TestNode::start("a", &addresses, limits, engine.clone()).await,
        b: TestNode::start("b", &addresses, limits, engine).await,
        addresses,
        requests: AtomicUsize::new(0),
    }
}

fn polling(sid: &str) -> String {
    format!("/socket.io/?EIO=4&transport=polling&sid={sid}")
}

fn websocket(sid: &str) -> String {
    format!("/socket.io/?EIO=4&transport=websocket&sid={sid}")
}

impl Cluster {
    fn next(&self) -> SocketAddr {
        [self.a.address, self.b.address][self.requests.fetch_add(1, SeqCst) % 2]
    }

    async fn get(&self, sid: &str) -> Answer {
        http(self.next(), "GET", &polling(sid), b"").await
    }

    async fn post(&self, sid: &str, body: &str) {
        let answer = http(self.next(), "POST", &polling(sid), body.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }

    /// A session on `a`, connected to the main namespace.
    async fn session(&self) -> String {
        let answer = http(self.a.address, "GET", "/socket.io/?EIO=4&transport=polling", b"").await;
        let packet: Value = serde_json::from_str(answer.body.strip_prefix('0').unwrap()).unwrap();
        let sid = packet["sid"].as_str().unwrap().to_owned();
        assert!(sid.ends_with('a'), "{sid}");
        self.post(&sid, "40").await;
        let answer = self.get(&sid).await;
        assert!(answer.body.starts_with("40{"), "{answer:?}");
        sid
    }

    /// A poll through `b` that the owner holds.
    async fn held(&self, sid: &str) -> TcpStream {
        let arrived = self.a.arrived.load(SeqCst);
        let held = begin(self.b.address, "GET", &polling(sid), b"").await;
        until("the poll has reached the owner", || {
            self.a.arrived.load(SeqCst) > arrived
        })
        .await;
        held
    }

    /// A session on `a` that has moved to a WebSocket through `b`.
    async fn upgraded(&self) -> WebSocket {
        let sid = self.session().await;
        let held = begin(self.next(), "GET", &polling(&sid), b"").await;
        let mut socket = WebSocket::open(self.b.address, &websocket(&sid)).await;
        socket.send("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        let mut held = held;
        assert_eq!(finish(&mut held).await.body, "6");
        socket.send("5").await;
        socket
    }
}

fn is_unknown_session(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#),
        "{answer:?}"
    );
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
}

/// A request with headers of its own.
async fn ask(address: SocketAddr, head: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!("{head} HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    finish(&mut stream).await
}

/// The whole answer to the handshake of a WebSocket that is refused.
async fn refused_websocket(address: SocketAddr, sid: &str) -> Answer {
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    ask(address, &format!("GET {}", websocket(sid)), &headers, b"").await
}
