//! Sessions whose requests reach another node than the one that has them, and their ends.

use super::*;

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

#[tokio::test]
async fn a_websocket_counts_among_the_connections_of_its_address_until_it_ends() {
    let cluster = cluster().await;
    let held = || cluster.a.of_addresses.open_connections();
    // One that began by polling has its place, too.
    let answer = http(cluster.a.address, "GET", "/socket.io/?EIO=4&transport=polling", b"").await;
    let packet: Value = serde_json::from_str(answer.body.strip_prefix('0').unwrap()).unwrap();
    let mut moved = WebSocket::open(cluster.a.address, &websocket(packet["sid"].as_str().unwrap())).await;
    moved.send("2probe").await;
    assert_eq!(moved.text().await, "3probe");
    moved.send("5").await;
    until("the request that began it has ended", || held() == 1).await;
    let mut open = Vec::new();
    for _ in 1..CONNECTIONS_OF_ADDRESS {
        open.push(WebSocket::open(cluster.a.address, "/socket.io/?EIO=4&transport=websocket").await);
    }
    assert_eq!(held(), CONNECTIONS_OF_ADDRESS);
    assert_eq!(http(cluster.a.address, "GET", "/healthz", b"").await.status, 429);
    drop(open.pop());
    until("its place is free", || held() < CONNECTIONS_OF_ADDRESS).await;
    assert_eq!(http(cluster.a.address, "GET", "/healthz", b"").await.status, 404);
}
