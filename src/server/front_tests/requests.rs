//! Single requests that are handed over: who may, what they carry, how they are broken off and refused.

use super::*;

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
async fn connections_of_another_node_do_not_use_up_those_of_its_address() {
    let cluster = cluster().await;
    let mut sockets = Vec::new();
    // All clients have come to `b`, and each has a connection of `b` to `a` as well.
    for _ in 0..10 {
        sockets.push(cluster.upgraded().await);
    }
    until("the clients have their WebSockets alone", || {
        cluster.b.of_addresses.open_connections() == sockets.len()
    })
    .await;
    until("nothing but tunnels is left", || {
        cluster.a.of_addresses.open_connections() == 0
    })
    .await;
}
