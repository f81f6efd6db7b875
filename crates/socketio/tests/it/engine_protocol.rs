//! Engine.IO v4, case by case as its authors check servers. Messages come back.

use crate::{
    client::{Got, WebSocket, begin, finish, http},
    server::{Running, engine, quick, start},
};
use doorbell_socketio::{Config, IdSuffix, Owner};
use serde_json::Value;
use std::time::{Duration, Instant};

fn check_open_packet(packet: &str, upgrades: &[&str]) {
    let value: Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 5);
    assert!(value["sid"].as_str().is_some_and(|sid| sid.len() == 22));
    assert_eq!(value["upgrades"], Value::from(upgrades));
    assert_eq!(
        (&value["pingInterval"], &value["pingTimeout"]),
        (&300.into(), &200.into())
    );
    assert_eq!(value["maxPayload"], 1_000_000);
}

#[tokio::test]
async fn polling_opens_a_session() {
    let server = engine().await;
    let answer = http(server.address, "GET", "/?EIO=4&transport=polling", b"").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; charset=utf-8"));
    check_open_packet(&answer.body, &["websocket"]);
}

#[tokio::test]
async fn a_websocket_opens_a_session() {
    let server = engine().await;
    let mut socket = WebSocket::open(server.address, "/?EIO=4&transport=websocket").await;
    check_open_packet(&socket.text().await, &[]);
}

#[tokio::test]
async fn requests_that_are_not_the_protocol_get_its_errors() {
    let server = engine().await;
    let error = |code, message| format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    for (method, target, expected) in [
        ("GET", "/?transport=polling", error(5, "Unsupported protocol version")),
        (
            "GET",
            "/?EIO=abc&transport=polling",
            error(5, "Unsupported protocol version"),
        ),
        (
            "GET",
            "/?EIO=3&transport=polling",
            error(5, "Unsupported protocol version"),
        ),
        ("GET", "/?EIO=4", error(0, "Transport unknown")),
        ("GET", "/?EIO=4&transport=abc", error(0, "Transport unknown")),
        ("POST", "/?EIO=4&transport=polling", error(2, "Bad handshake method")),
        ("PUT", "/?EIO=4&transport=polling", error(2, "Bad handshake method")),
        ("GET", "/?EIO=4&transport=websocket", error(3, "Bad request")),
        (
            "GET",
            "/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA",
            error(1, "Session ID unknown"),
        ),
    ] {
        let answer = http(server.address, method, target, b"").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (400, expected.as_str()),
            "{method} {target}"
        );
        assert!(answer.head.contains("content-type: application/json"));
    }
    assert_eq!(server.server.connections(), 0);
}

#[tokio::test]
async fn a_websocket_with_a_wrong_query_is_refused() {
    let server = engine().await;
    for target in [
        "/?transport=websocket",
        "/?EIO=abc&transport=websocket",
        "/?EIO=4",
        "/?EIO=4&transport=abc",
        "/?EIO=4&transport=polling",
    ] {
        assert_eq!(
            WebSocket::try_open(server.address, target).await.err().unwrap().status,
            400,
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_polled_message_comes_back() {
    let server = engine().await;
    let sid = server.polling().await;
    let posted = server.post(&sid, "4hello").await;
    assert_eq!((posted.status, posted.body.as_str()), (200, "ok"));
    let polled = server.get(&sid).await;
    assert_eq!((polled.status, polled.body.as_str()), (200, "4hello"));
}

#[tokio::test]
async fn several_polled_messages_come_back_in_one_payload() {
    let server = engine().await;
    let sid = server.polling().await;
    server.post(&sid, "4test1\x1e4test2\x1e4test3").await;
    assert_eq!(server.get(&sid).await.body, "4test1\x1e4test2\x1e4test3");
}

#[tokio::test]
async fn polled_binary_travels_in_base64() {
    let server = engine().await;
    let sid = server.polling().await;
    server.post(&sid, "4hello\x1ebAQIDBA==").await;
    assert_eq!(server.get(&sid).await.body, "4hello\x1ebAQIDBA==");
}

#[tokio::test]
async fn a_poll_that_waits_gets_what_comes_later() {
    let server = engine().await;
    let sid = server.polling().await;
    let mut poll = begin(server.address, "GET", &Running::target(&sid), b"").await;
    server.post(&sid, "4hello").await;
    assert_eq!(finish(&mut poll).await.body, "4hello");
}

#[tokio::test]
async fn a_payload_that_is_no_packet_closes_the_session() {
    let server = engine().await;
    for body in ["abc", "", "4a\x1e", "b$$"] {
        let sid = server.polling().await;
        assert_eq!(server.post(&sid, body).await.status, 400);
        let last = server.get(&sid).await;
        assert!(last.status == 400 || last.body.ends_with('1'), "{last:?}");
        assert_eq!(server.get(&sid).await.status, 400);
    }
}

#[tokio::test]
async fn a_second_poll_beside_the_first_closes_the_session() {
    let server = engine().await;
    let sid = server.polling().await;
    let mut first = begin(server.address, "GET", &Running::target(&sid), b"").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(server.get(&sid).await.status, 400);
    let first = finish(&mut first).await;
    assert_eq!((first.status, first.body.as_str()), (200, "1"));
    assert_eq!(server.get(&sid).await.status, 400);
    server.until_empty().await;
}

#[tokio::test]
async fn a_cancelled_poll_closes_the_session() {
    let server = engine().await;
    let sid = server.polling().await;
    let poll = begin(server.address, "GET", &Running::target(&sid), b"").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(poll);
    assert_eq!(server.get(&sid).await.status, 400);
    server.until_empty().await;
}

#[tokio::test]
async fn websocket_messages_come_back() {
    let server = engine().await;
    let mut socket = server.websocket().await;
    socket.send("4hello").await;
    assert_eq!(socket.text().await, "4hello");
    socket.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(socket.next().await, Got::Binary(vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn a_websocket_message_that_is_no_packet_closes_the_session() {
    let server = engine().await;
    for text in ["abc", "", "7", "2"] {
        let mut socket = server.websocket().await;
        socket.send(text).await;
        socket.closed().await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn pings_keep_a_polling_session() {
    let server = engine().await;
    let sid = server.polling().await;
    for _ in 0..3 {
        assert_eq!(server.get(&sid).await.body, "2");
        assert_eq!(server.post(&sid, "3").await.status, 200);
    }
}

#[tokio::test]
async fn pings_keep_a_websocket() {
    let server = engine().await;
    let mut socket = server.websocket().await;
    socket.show_pings = true;
    let mut last = Instant::now();
    for _ in 0..3 {
        assert_eq!(socket.text().await, "2");
        assert!(last.elapsed() > Duration::from_millis(250), "a ping came early");
        last = Instant::now();
        socket.send("3").await;
    }
}

#[tokio::test]
async fn an_unanswered_ping_closes_a_polling_session() {
    let server = engine().await;
    let sid = server.polling().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.get(&sid).await.status, 400);
    server.until_empty().await;
}

#[tokio::test]
async fn an_unanswered_ping_closes_a_websocket() {
    let server = engine().await;
    let started = Instant::now();
    server.websocket().await.closed().await;
    assert!(
        started.elapsed() >= Duration::from_millis(450),
        "{:?}",
        started.elapsed()
    );
    server.until_empty().await;
}

#[tokio::test]
async fn a_client_may_close_a_polling_session() {
    let server = engine().await;
    // Whichever of the two comes first.
    for poll_first in [true, false] {
        let sid = server.polling().await;
        let target = Running::target(&sid);
        let poll = if poll_first {
            let mut poll = begin(server.address, "GET", &target, b"").await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(server.post(&sid, "1").await.status, 200);
            finish(&mut poll).await
        } else {
            assert_eq!(server.post(&sid, "1").await.status, 200);
            server.get(&sid).await
        };
        assert_eq!((poll.status, poll.body.as_str()), (200, "6"));
        assert_eq!(server.get(&sid).await.status, 400);
    }
    server.until_empty().await;
}

#[tokio::test]
async fn a_client_may_close_a_websocket() {
    let server = engine().await;
    let mut socket = server.websocket().await;
    socket.send("1").await;
    socket.closed().await;
    let mut socket = server.websocket().await;
    socket.send_frame(0x88, &1001u16.to_be_bytes()).await;
    assert_eq!(socket.closed().await, Some(1001));
    server.until_empty().await;
}

async fn probing(server: &Running, sid: &str) -> WebSocket {
    let mut socket = WebSocket::open(server.address, &format!("/?EIO=4&transport=websocket&sid={sid}")).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket
}

#[tokio::test]
async fn a_session_moves_to_a_websocket() {
    let server = engine().await;
    let sid = server.polling().await;
    let mut socket = probing(&server, &sid).await;
    let poll = server.get(&sid).await;
    assert_eq!((poll.status, poll.body.as_str()), (200, "6"));
    // The packet behind the upgrade may come in the same segment.
    socket
        .send_raw(
            &[
                crate::client::masked(0x81, b"5"),
                crate::client::masked(0x81, b"4hello"),
            ]
            .concat(),
        )
        .await;
    assert_eq!(socket.text().await, "4hello");
    socket.send("4again").await;
    assert_eq!(socket.text().await, "4again");
}

#[tokio::test]
async fn a_waiting_poll_ends_when_a_probe_comes() {
    let server = engine().await;
    let sid = server.polling().await;
    let mut poll = begin(server.address, "GET", &Running::target(&sid), b"").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let _socket = probing(&server, &sid).await;
    assert_eq!(finish(&mut poll).await.body, "6");
}

#[tokio::test]
async fn what_was_queued_goes_over_the_new_transport_once() {
    let server = engine().await;
    let sid = server.polling().await;
    server.post(&sid, "4one\x1e4two").await;
    let mut socket = probing(&server, &sid).await;
    server.post(&sid, "4three").await;
    socket.send("5").await;
    socket.send("4four").await;
    for expected in ["4one", "4two", "4three", "4four"] {
        assert_eq!(socket.text().await, expected);
    }
}

#[tokio::test]
async fn after_the_move_polls_are_refused() {
    let server = engine().await;
    let sid = server.polling().await;
    let mut socket = probing(&server, &sid).await;
    socket.send("5").await;
    assert_eq!(server.get(&sid).await.status, 400);
    assert_eq!(server.post(&sid, "4x").await.status, 400);
    socket.send("4hello").await;
    assert_eq!(socket.text().await, "4hello");
}

#[tokio::test]
async fn after_the_move_another_websocket_is_closed() {
    let server = engine().await;
    let sid = server.polling().await;
    let mut socket = probing(&server, &sid).await;
    socket.send("5").await;
    let mut other = WebSocket::open(server.address, &format!("/?EIO=4&transport=websocket&sid={sid}")).await;
    other.closed().await;
    socket.send("4hello").await;
    assert_eq!(socket.text().await, "4hello");
}

#[tokio::test]
async fn a_server_s_suffix_stands_behind_its_session_ids_and_is_a_part_of_them() {
    let server = start(Config {
        engine_echo: true,
        id_suffix: IdSuffix::new("n-7").unwrap(),
        ..quick()
    })
    .await;
    let sid = server.polling().await;
    let random = sid.strip_suffix("n-7").unwrap();
    assert_eq!(random.len(), 22);
    assert_eq!(server.post(&sid, "4hello").await.body, "ok");
    assert_eq!(server.get(&sid).await.body, "4hello");
    for wrong in [
        random,
        &format!("{random}n-8"),
        &format!("{random}n-7n-7"),
        &format!("{random}n-"),
    ] {
        let answer = server.get(wrong).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (400, r#"{"code":1,"message":"Session ID unknown"}"#),
            "{wrong}"
        );
    }
    let mut socket = WebSocket::open(server.address, &format!("/?EIO=4&transport=websocket&sid={sid}")).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    socket.send("4moved").await;
    assert_eq!(socket.text().await, "4moved");
    let mut own = WebSocket::open(server.address, "/?EIO=4&transport=websocket").await;
    let packet: Value = serde_json::from_str(own.text().await.strip_prefix('0').unwrap()).unwrap();
    assert!(packet["sid"].as_str().unwrap().ends_with("n-7"));
    let uri = Running::target(&sid).parse().unwrap();
    assert_eq!(server.server.owner(&uri), Owner::Here);
    let uri = Running::target(&format!("{random}n-8")).parse().unwrap();
    assert_eq!(server.server.owner(&uri), Owner::Elsewhere("n-8"));
}
