//! A bus that gets lost comes back by itself, and nothing else stops meanwhile.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

async fn pair(url: &str) -> (Bus, Bus) {
    let connect = || Bus::redis(url, "trouble:");
    (connect().await.expect("a bus"), connect().await.expect("a bus"))
}

/// Both hear each other, and what was told last is the first thing heard: nothing old comes after it.
async fn both_hear(one: &Bus, two: &Bus, heard: &mut [Heard; 2], number: i64) {
    one.tell(presence(number));
    assert_eq!(next(&mut heard[1]).await, (one.node(), presence(number)));
    two.tell(presence(-number));
    assert_eq!(next(&mut heard[0]).await, (two.node(), presence(-number)));
}

fn listen(one: &Bus, two: &Bus) -> [Heard; 2] {
    [one, two].map(|bus| bus.heard().expect("nobody else listens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_starts_again_is_found_again() {
    let mut server = Server::start(&[]);
    let (one, two) = pair(&server.url()).await;
    let mut heard = listen(&one, &two);
    one.recorded(at(1, 5));
    hinted(&two, at(1, 5)).await;
    server.kill();
    until_linked(&one, false).await;
    until_linked(&two, false).await;
    let began = Instant::now();
    for number in 6..=10_000 {
        one.recorded(at(1, number));
        one.tell(presence(number));
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "nobody waits for what is lost"
    );
    server.start_again();
    let began = Instant::now();
    until_linked(&one, true).await;
    until_linked(&two, true).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Whichever came back first: the last hint is told again after a second.
    hinted(&two, at(1, 10_000)).await;
    both_hear(&one, &two, &mut heard, 1).await;
    assert_eq!(one.stats().lost.load(Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_given_up_and_found_again() {
    let server = Server::start(&[]);
    let (one, two) = pair(&server.url()).await;
    let mut heard = listen(&one, &two);
    both_hear(&one, &two, &mut heard, 1).await;
    server.signal("STOP");
    let began = Instant::now();
    until_linked(&one, false).await;
    until_linked(&two, false).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    one.recorded(at(1, 3));
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(began.elapsed())).await;
    server.signal("CONT");
    until_linked(&one, true).await;
    until_linked(&two, true).await;
    hinted(&two, at(1, 3)).await;
    both_hear(&one, &two, &mut heard, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_everything_is_not_even_noticed() {
    let server = Server::start(&[]);
    let (one, two) = pair(&server.url()).await;
    let mut heard = listen(&one, &two);
    both_hear(&one, &two, &mut heard, 1).await;
    assert_eq!(server.ask(&["DBSIZE"]), "0", "nothing is kept there");
    assert_eq!(server.ask(&["FLUSHALL"]), "OK");
    both_hear(&one, &two, &mut heard, 2).await;
    assert_eq!(one.stats().lost.load(Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_are_made_anew() {
    let server = Server::start(&[]);
    let (one, two) = pair(&server.url()).await;
    let mut heard = listen(&one, &two);
    for kind in ["normal", "pubsub"] {
        server.ask(&["CLIENT", "KILL", "TYPE", kind]);
    }
    let lost = |bus: &Bus| bus.stats().lost.load(Relaxed) == 1 && *bus.linked().borrow();
    let began = Instant::now();
    while !(lost(&one) && lost(&two)) {
        assert!(began.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    both_hear(&one, &two, &mut heard, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_reached_at_the_start_is_waited_for() {
    let mut server = Server::start(&[]);
    // Nobody there, then somebody who says nothing.
    server.kill();
    let one = Bus::redis(&server.url(), "trouble:").await.expect("it starts");
    assert!(!*one.linked().borrow());
    server.start_again();
    server.signal("STOP");
    let two = Bus::redis(&server.url(), "trouble:").await.expect("it starts");
    assert!(!*two.linked().borrow());
    server.signal("CONT");
    until_linked(&one, true).await;
    until_linked(&two, true).await;
    let mut heard = listen(&one, &two);
    both_hear(&one, &two, &mut heard, 1).await;
    for bus in [one, two] {
        tokio::time::timeout(LONG, bus.close()).await.expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_never_came_ends_with_its_node() {
    let url = format!("redis://127.0.0.1:{}", server::free_port());
    let bus = Bus::redis(&url, "trouble:").await.expect("it starts");
    tokio::time::timeout(LONG, bus.close()).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_changed_is_waited_for() {
    let mut server = Server::start(&[]);
    let (one, two) = pair(&server.url()).await;
    let mut heard = listen(&one, &two);
    server.ask(&["CONFIG", "SET", "requirepass", "another"]);
    server.ask(&["-a", "another", "CLIENT", "KILL", "TYPE", "pubsub"]);
    until_linked(&one, false).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!*one.linked().borrow(), "it may not sign in");
    server.kill();
    server.start_again();
    until_linked(&one, true).await;
    until_linked(&two, true).await;
    both_hear(&one, &two, &mut heard, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installations_with_different_prefixes_hear_nothing_of_each_other() {
    let server = Server::start(&[]);
    let connect = async |prefix: &str| Bus::redis(&server.url(), prefix).await.expect("a bus");
    let (one, two, other) = (connect("a:").await, connect("a:").await, connect("b:").await);
    let (mut heard_two, mut heard_other) = (two.heard().unwrap(), other.heard().unwrap());
    one.tell(typing(1));
    one.recorded(at(1, 1));
    assert_eq!(next(&mut heard_two).await.1, typing(1));
    hinted(&two, at(1, 1)).await;
    let fourth = connect("b:").await;
    fourth.tell(typing(2));
    assert_eq!(
        next(&mut heard_other).await,
        (fourth.node(), typing(2)),
        "the first thing it hears"
    );
    assert_eq!(other.hints().borrow().positions(), []);
}

/// A connection whose other end is silent without being closed: between them something takes everything and passes
/// nothing on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_noticed_and_replaced() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port).await;
    let one = Bus::redis(&proxy.url, "trouble:").await.expect("a bus");
    let two = Bus::redis(&server.url(), "trouble:").await.expect("a bus");
    let mut heard = listen(&one, &two);
    both_hear(&one, &two, &mut heard, 1).await;
    proxy.is_stalled.store(true, Relaxed);
    let began = Instant::now();
    until_linked(&one, false).await;
    let noticed = began.elapsed();
    assert!(noticed < Duration::from_secs(5), "{noticed:?}");
    assert!(*two.linked().borrow(), "the other node has no trouble");
    proxy.is_stalled.store(false, Relaxed);
    until_linked(&one, true).await;
    both_hear(&one, &two, &mut heard, 2).await;
    assert!(proxy.connections.load(Relaxed) > 1, "over a new connection");
}

struct Proxy {
    url: String,
    is_stalled: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy {
            url: format!("redis://{}", listener.local_addr().unwrap()),
            is_stalled: Arc::default(),
            connections: Arc::default(),
        };
        let (is_stalled, connections) = (Arc::clone(&proxy.is_stalled), Arc::clone(&proxy.connections));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                connections.fetch_add(1, Relaxed);
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, Arc::clone(&is_stalled)));
                tokio::spawn(pass(from_server, to_client, Arc::clone(&is_stalled)));
            }
        });
        proxy
    }
}

/// Passes bytes on; what comes while it is stalled is lost, and so is its connection.
async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, is_stalled: Arc<AtomicBool>) {
    let mut bytes = [0; 4_096];
    let mut is_dead = false;
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        is_dead |= is_stalled.load(Relaxed);
        if !is_dead && to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
