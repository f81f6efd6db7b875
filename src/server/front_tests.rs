//! Several nodes, and clients whose every request reaches another one, over TCP.

// The same client as the Socket.IO crate's tests have, of which not all is needed here.
#[allow(dead_code)]
#[path = "../../crates/socketio/tests/it/client.rs"]
mod client;

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
    config::ListenAddr,
    model::limits,
    transport::{
        handover::{ClusterKey, HANDED_OVER, HandoverLimits, Nodes},
        http::{HttpLimits, bind, serve},
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

/// A node in a runtime of its own, so that it can go as by `kill -9`.
struct TestNode {
    address: SocketAddr,
    engine: Server<App>,
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
            let handover = Handover::new(
                addresses,
                ClusterKey::new("shared by the nodes"),
                limits,
                Arc::new(Metrics::new(&mut page)),
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
                handover: Some(Arc::new(handover)),
                upload_name: None,
            };
            let arrived = Arc::<AtomicUsize>::default();
            let counted = Arc::clone(&arrived);
            let answer = move |request, peer| {
                counted.fetch_add(1, SeqCst);
                front.clone().answer(request, peer)
            };
            let served = tokio::spawn(serve(listeners, answer, HttpLimits::default(), draining));
            (address, engine, arrived, page, served)
        });
        let (address, engine, arrived, page, served) = started.await.unwrap();
        TestNode {
            address,
            engine,
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

#[tokio::test]
async fn a_client_that_polls_is_served_whichever_node_its_requests_reach() {
    let cluster = cluster().await;
    let sid = cluster.session().await;
    for round in 0..40 {
        let held = begin(cluster.next(), "GET", &polling(&sid), b"").await;
        cluster
            .post(&sid, &format!("42[\"echo\",{round}]\x1e42[\"echo\",\"ü\"]"))
            .await;
        let mut held = held;
        let mut got = finish(&mut held).await;
        assert_eq!(got.status, 200, "{got:?}");
        if !got.body.contains('ü') {
            got.body.push('\x1e');
            got.body.push_str(&cluster.get(&sid).await.body);
        }
        assert_eq!(got.body, format!("42[\"echo\",{round}]\x1e42[\"echo\",\"ü\"]"));
        // So that polls and POSTs change places.
        if round % 2 == 0 {
            cluster.next();
        }
    }
    assert!(
        cluster.b.handed_over("answered") >= 40,
        "half of the requests reached the other node"
    );
    assert_eq!(cluster.a.handed_over("answered"), 0);
    assert_eq!((cluster.a.engine.connections(), cluster.b.engine.connections()), (1, 0));
}

#[tokio::test]
async fn a_session_moves_to_a_websocket_through_the_other_node() {
    let cluster = cluster().await;
    let mut socket = cluster.upgraded().await;
    for round in 0..100 {
        socket.send(&format!("42[\"echo\",{round}]")).await;
    }
    for round in 0..100 {
        assert_eq!(socket.text().await, format!("42[\"echo\",{round}]"));
    }
    let large = "x".repeat(900_000);
    for _ in 0..2 {
        socket.send(&format!("42[\"echo\",\"{large}\"]")).await;
    }
    for _ in 0..2 {
        assert_eq!(socket.text().await, format!("42[\"echo\",\"{large}\"]"));
    }
    assert_eq!(cluster.b.handed_over("switched"), 1);
}

#[tokio::test]
async fn a_client_that_leaves_its_websocket_leaves_its_session_too() {
    let cluster = cluster().await;
    let socket = cluster.upgraded().await;
    assert!(!cluster.b.is_done());
    drop(socket);
    until("the end of the session", || cluster.a.engine.connections() == 0).await;
    until("its place is free", || cluster.b.is_done()).await;
}

#[tokio::test]
async fn a_websocket_that_the_owner_closes_ends_for_the_client() {
    let cluster = cluster().await;
    let mut socket = cluster.upgraded().await;
    cluster.a.engine.close_all();
    in_time("the end", async { while socket.next().await != Got::End {} }).await;
    until("its place is free", || cluster.b.is_done()).await;
}

#[tokio::test]
async fn when_the_owner_is_killed_its_clients_are_told_at_once_to_begin_anew() {
    let mut cluster = cluster().await;
    let sid = cluster.session().await;
    let mut socket = cluster.upgraded().await;
    let mut held = cluster.held(&sid).await;
    cluster.a.kill();
    let begun = Instant::now();
    is_unknown_session(&finish(&mut held).await);
    assert_eq!(socket.next().await, Got::End);
    for method in ["GET", "POST"] {
        is_unknown_session(&http(cluster.b.address, method, &polling(&sid), b"").await);
    }
    let refused = refused_websocket(cluster.b.address, &sid).await;
    is_unknown_session(&refused);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(cluster.b.handed_over("unreachable") >= 3);
    let fresh = http(cluster.b.address, "GET", "/socket.io/?EIO=4&transport=polling", b"").await;
    assert_eq!(fresh.status, 200);
}

#[tokio::test]
async fn a_machine_that_takes_no_connections_is_given_up_after_a_second() {
    let cluster = cluster().await;
    // A listener whose queue is full: what comes then is not even refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(connected);
    }
    cluster.addresses.put("gone", address);
    let begun = Instant::now();
    is_unknown_session(&http(cluster.b.address, "GET", &polling("AAAAAAAAAAAAAAAAAAAAAAgone"), b"").await);
    let took = begun.elapsed();
    assert!((900..2_000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(cluster.b.handed_over("unreachable"), 1);
}

#[tokio::test]
async fn an_owner_that_stands_still_holds_nobody_for_ever() {
    let limits = HandoverLimits {
        answer_time: Duration::from_millis(300),
        upgrade_time: Duration::from_millis(300),
        ..QUICK
    };
    let cluster = cluster_with(limits, Config::default()).await;
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    cluster.addresses.put("frozen", frozen.local_addr().unwrap());
    let sid = "AAAAAAAAAAAAAAAAAAAAAAfrozen";
    for method in ["GET", "POST"] {
        is_unknown_session(&http(cluster.b.address, method, &polling(sid), b"").await);
    }
    is_unknown_session(&refused_websocket(cluster.b.address, sid).await);
    assert_eq!(cluster.b.handed_over("silent"), 3);
}

#[tokio::test]
async fn a_session_of_a_node_that_nobody_knows_is_unknown() {
    let cluster = cluster().await;
    is_unknown_session(&cluster.get("AAAAAAAAAAAAAAAAAAAAAAzz").await);
    is_unknown_session(&cluster.get("AAAAAAAAAAAAAAAAAAAAAAzz").await);
    assert_eq!(
        (
            cluster.a.handed_over("unknown_node"),
            cluster.b.handed_over("unknown_node")
        ),
        (1, 1)
    );
    // What no node gives as an id is looked up nowhere.
    is_unknown_session(&cluster.get("AAAAAAAAAAAAAAAAAAAAAA%7e").await);
    assert_eq!(cluster.a.handed_over("unknown_node"), 1);
}

#[tokio::test]
async fn a_session_that_its_owner_has_forgotten_is_unknown_through_every_node() {
    let cluster = cluster().await;
    let sid = "AAAAAAAAAAAAAAAAAAAAAAa";
    is_unknown_session(&cluster.get(sid).await);
    is_unknown_session(&cluster.get(sid).await);
    is_unknown_session(&refused_websocket(cluster.b.address, sid).await);
    assert_eq!(cluster.b.handed_over("answered"), 2);
}

#[tokio::test]
async fn what_was_handed_over_is_never_handed_on() {
    let cluster = cluster().await;
    // An address book that is wrong in every way: to another node, to oneself, and each to the other.
    cluster.addresses.put("c", cluster.a.address);
    cluster.addresses.put("self", cluster.b.address);
    is_unknown_session(&http(cluster.b.address, "GET", &polling("AAAAAAAAAAAAAAAAAAAAAAc"), b"").await);
    is_unknown_session(&http(cluster.b.address, "GET", &polling("AAAAAAAAAAAAAAAAAAAAAAself"), b"").await);
    let sockets = ["AAAAAAAAAAAAAAAAAAAAAAc", "AAAAAAAAAAAAAAAAAAAAAAself"];
    for sid in sockets {
        is_unknown_session(&refused_websocket(cluster.b.address, sid).await);
    }
    assert_eq!(cluster.b.handed_over("answered"), 4, "each once");
    assert_eq!(cluster.a.handed_over("answered"), 0);
}

#[tokio::test]
async fn a_client_cannot_pass_for_a_node() {
    let cluster = cluster().await;
    let sid = cluster.session().await;
    cluster.post(&sid, "42[\"echo\",1]").await;
    let forged = ClusterKey::new("guessed");
    let target = polling(&sid);
    let proof = forged.prove(
        &http::Method::GET,
        &target.parse().unwrap(),
        "192.0.2.1:1".parse().unwrap(),
    );
    let proof = proof.unwrap().to_str().unwrap().to_owned();
    // If it were believed, the other node would look for the session at home and find none.
    let mark = HANDED_OVER;
    let headers = [(mark.as_str(), proof.as_str()), ("connection", mark.as_str())];
    let answer = ask(cluster.b.address, &format!("GET {target}"), &headers, b"").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "42[\"echo\",1]"),
        "{answer:?}"
    );
    assert_eq!(cluster.b.handed_over("answered"), 2);
}

#[tokio::test]
async fn the_answer_has_the_headers_of_cors_once_through_every_node() {
    let cluster = cluster().await;
    let sid = cluster.session().await;
    for address in [cluster.a.address, cluster.b.address] {
        for (origin, is_allowed) in [
            ("http://localhost:3000", true),
            ("http://chat.example", true),
            ("https://evil.example", false),
        ] {
            cluster.post(&sid, "42[\"echo\",1]").await;
            let answer = ask(address, &format!("GET {}", polling(&sid)), &[("Origin", origin)], b"").await;
            assert_eq!(answer.status, 200);
            let count = |header: &str| answer.head.lines().filter(|line| line.starts_with(header)).count();
            assert_eq!(count("vary:"), 1, "{answer:?}");
            assert_eq!(
                count("access-control-allow-origin:"),
                usize::from(is_allowed),
                "{answer:?}"
            );
            assert_eq!(
                count("access-control-allow-credentials:"),
                usize::from(is_allowed),
                "{answer:?}"
            );
            assert_eq!(
                (count("cache-control:"), count("date:"), count("content-length:")),
                (1, 1, 1)
            );
            assert_eq!(count(HANDED_OVER.as_str()), 0);
        }
    }
}

#[tokio::test]
async fn a_poll_that_its_client_cancels_is_cancelled_at_the_owner() {
    let cluster = cluster().await;
    let sid = cluster.session().await;
    let held = cluster.held(&sid).await;
    assert_eq!(cluster.a.engine.connections(), 1);
    assert!(!cluster.b.is_done());
    drop(held);
    until("the end of the session", || cluster.a.engine.connections() == 0).await;
    assert_eq!(*cluster.a.engine.handler().ends.lock().unwrap(), ["transport error"]);
    until("its place is free", || cluster.b.is_done()).await;
}

#[tokio::test]
async fn a_post_that_its_client_breaks_off_is_broken_off_at_the_owner() {
    let cluster = cluster().await;
    let sid = cluster.session().await;
    let mut stream = TcpStream::connect(cluster.b.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42[\"echo\"",
        polling(&sid)
    );
    let arrived = cluster.a.arrived.load(SeqCst);
    stream.write_all(head.as_bytes()).await.unwrap();
    until("the POST has reached the owner", || {
        cluster.a.arrived.load(SeqCst) > arrived
    })
    .await;
    assert_eq!(cluster.a.engine.connections(), 1);
    drop(stream);
    until("the end of the session", || cluster.a.engine.connections() == 0).await;
}

#[tokio::test]
async fn a_post_that_is_too_large_is_refused_and_harms_nobody() {
    let cluster = cluster().await;
    let sid = cluster.session().await;
    let fits = format!("42[\"echo\",\"{}\"]", "x".repeat(limits::PACKET_BYTES - 13));
    assert_eq!(fits.len(), limits::PACKET_BYTES);
    let target = polling(&sid);
    let answer = http(cluster.b.address, "POST", &target, fits.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert_eq!(http(cluster.b.address, "GET", &target, b"").await.body, fits);
    let answer = http(cluster.b.address, "POST", &target, format!("{fits}x").as_bytes()).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(cluster.b.handed_over("refused"), 1);
    cluster.post(&sid, "42[\"echo\",2]").await;
    assert_eq!(cluster.get(&sid).await.body, "42[\"echo\",2]");
    // One that does not say in advance how large it is.
    let mut chunked = Vec::new();
    for _ in 0..11 {
        chunked.extend_from_slice(b"186a0\r\n");
        chunked.extend_from_slice(&[b'x'; 100_000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let headers = [("Transfer-Encoding", "chunked")];
    let answer = ask(cluster.b.address, &format!("POST {target}"), &headers, &chunked).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn a_node_that_drains_lets_go_of_what_it_has_handed_over() {
    let mut cluster = cluster().await;
    let mut socket = cluster.upgraded().await;
    let sid = cluster.session().await;
    let mut held = cluster.held(&sid).await;
    cluster.b.drain.send(true).unwrap();
    let answer = finish(&mut held).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    assert_eq!(socket.next().await, Got::End);
    let served = cluster.b.served.take().unwrap();
    in_time("the end of all its connections", served).await.unwrap();
}

#[tokio::test]
async fn more_at_once_than_there_are_places_for_are_sent_away_for_a_moment() {
    let limits = HandoverLimits { at_once: 1, ..QUICK };
    let cluster = cluster_with(limits, Config::default()).await;
    let sid = cluster.session().await;
    let held = cluster.held(&sid).await;
    let answer = http(cluster.b.address, "POST", &polling(&sid), b"3").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    drop(held);
    until("the place is free", || cluster.a.engine.connections() == 0).await;
    is_unknown_session(&http(cluster.b.address, "GET", &polling(&sid), b"").await);
}

#[tokio::test]
async fn a_websocket_lasts_while_its_heart_beats() {
    let limits = HandoverLimits {
        silence: Duration::from_secs(1),
        ..QUICK
    };
    let beating = Config {
        ping_interval: Duration::from_millis(200),
        ping_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let cluster = cluster_with(limits, beating).await;
    let mut socket = cluster.upgraded().await;
    socket.show_pings = true;
    // A ping may have gone by as the session was still polled: the next one waits for its answer.
    socket.send("3").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(socket.text().await, "2");
        socket.send("3").await;
    }
}

#[tokio::test]
async fn a_websocket_whose_ends_say_nothing_is_given_up() {
    let limits = HandoverLimits {
        silence: Duration::from_millis(300),
        ..QUICK
    };
    // The first ping would come after 25 s.
    let cluster = cluster_with(limits, Config::default()).await;
    let mut socket = cluster.upgraded().await;
    assert_eq!(socket.next().await, Got::End);
    until("the end of the session", || cluster.a.engine.connections() == 0).await;
}
