//! Pipelined events: what overlaps, and in which order the answers leave.

use crate::{
    client::{begin, finish, until},
    server::{Running, start},
};
use doorbell_socketio::Config;

#[tokio::test]
async fn answers_leave_in_the_order_of_the_events() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"421["alongside","a"]"#).await;
    socket.send(r#"422["alongside","b"]"#).await;
    socket.send(r#"423["message-with-ack","c"]"#).await;
    // Both run at one time, and the second is done first.
    server.app.until_noted("begin b").await;
    server.app.open("b");
    server.app.until_noted("end b").await;
    server.app.until_noted("event message-with-ack c").await;
    server.app.open("a");
    for expected in [r#"431["a"]"#, r#"432["b"]"#, r#"433["c"]"#] {
        assert_eq!(socket.text().await, expected);
    }
}

#[tokio::test]
async fn a_prepared_event_holds_back_the_next() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"421["prepare","a"]"#).await;
    socket.send(r#"422["message-with-ack","b"]"#).await;
    server.app.until_noted("begin a").await;
    // Heartbeats and pings of the WebSocket are answered meanwhile.
    socket.send_frame(0x89, b"there?").await;
    assert_eq!(socket.next().await, crate::client::Got::Pong(b"there?".to_vec()));
    assert_eq!(server.app.noted("event message-with-ack b"), 0);
    server.app.open("a");
    assert_eq!(socket.text().await, r#"431["a"]"#);
    assert_eq!(socket.text().await, r#"432["b"]"#);
}

#[tokio::test]
async fn a_barrier_waits_for_all_before_it_and_all_behind_wait_for_it() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    for (id, event) in [(1, "alongside"), (2, "barrier"), (3, "alongside")] {
        socket.send(&format!("42{id}[\"{event}\",\"{id}\"]")).await;
    }
    server.app.until_noted("begin 1").await;
    assert_eq!(server.app.noted("begin 2"), 0);
    server.app.open("1");
    assert_eq!(socket.text().await, r#"431["1"]"#);
    server.app.until_noted("begin 2").await;
    assert_eq!(server.app.noted("event alongside 3"), 0);
    server.app.open("2");
    server.app.open("3");
    assert_eq!(socket.text().await, r#"432["2"]"#);
    assert_eq!(socket.text().await, r#"433["3"]"#);
}

#[tokio::test]
async fn a_prepared_event_may_turn_into_a_barrier() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"421["alongside","a"]"#).await;
    socket.send(r#"422["prepare-barrier","b"]"#).await;
    socket.send(r#"423["message-with-ack","c"]"#).await;
    server.app.open("b 1");
    server.app.until_noted("end b 1").await;
    assert_eq!(server.app.noted("begin b"), 0);
    server.app.open("a");
    server.app.open("b");
    for expected in [r#"431["a"]"#, r#"432["b"]"#, r#"433["c"]"#] {
        assert_eq!(socket.text().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_pipelined_events_stay_in_order_on_both_transports() {
    let server = start(Config::default()).await;
    let events: Vec<String> = (0..2_000)
        .map(|id| {
            format!(
                "42{id}[\"{}\",{id}]",
                ["message-with-ack", "big"][usize::from(id % 500 == 9)]
            )
        })
        .collect();
    let check = |id: usize, text: &str| assert!(text.starts_with(&format!("43{id}[")), "{id}: {text:.40}");

    let mut socket = server.connected().await;
    let frames: Vec<u8> = events
        .iter()
        .flat_map(|event| crate::client::masked(0x81, event.as_bytes()))
        .collect();
    socket.send_raw(&frames).await;
    for id in 0..events.len() {
        check(id, &socket.text().await);
    }

    let sid = server.polling_connected().await;
    // As clients do it, the answers are polled while the POST is under way: it waits for them to drain.
    let mut post = begin(
        server.address,
        "POST",
        &Running::target(&sid),
        events.join("\x1e").as_bytes(),
    )
    .await;
    let mut next = 0;
    while next < events.len() {
        let body = server.get(&sid).await.body;
        for packet in body.split('\x1e').filter(|packet| *packet != "2") {
            check(next, packet);
            next += 1;
        }
    }
    assert_eq!(finish(&mut post).await.status, 200);
}

#[tokio::test]
async fn what_a_client_sent_before_it_went_is_still_handled() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"421["prepare","a"]"#).await;
    socket.send(r#"42["message","last words"]"#).await;
    server.app.until_noted("begin a").await;
    drop(socket);
    until("the socket's end", || !server.app.socket().is_open()).await;
    assert!(!server.app.socket().push(&doorbell_socketio::Frame::event("x", &1)));
    server.app.open("a");
    server.until_empty().await;
    server.app.until_noted("disconnected / transport close").await;
    let journal = server.app.journal();
    assert_eq!(
        journal[journal.len() - 3..],
        ["end a", "event message last words", "disconnected / transport close"]
    );
}

#[tokio::test]
async fn what_has_not_begun_is_dropped_when_the_server_closes() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"421["prepare","a"]"#).await;
    socket.send(r#"42["message","too late"]"#).await;
    server.app.until_noted("begin a").await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    server.app.socket().close();
    server.app.open("a");
    assert_eq!(socket.closed().await, Some(1000));
    server.app.until_noted("disconnected / forced server close").await;
    assert_eq!(server.app.noted("end a"), 1, "a turn that has begun is not cut off");
    assert_eq!(server.app.noted("event message too late"), 0);
}

#[tokio::test]
async fn a_client_that_leaves_gets_its_answers_first() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"421["alongside","a"]"#).await;
    socket.send("41").await;
    socket.send("40").await;
    server.app.until_noted("begin a").await;
    server.app.open("a");
    server
        .app
        .until_noted("disconnected / client namespace disconnect")
        .await;
    assert_eq!(socket.text().await, r#"431["a"]"#);
    assert!(socket.text().await.starts_with("40{"));
    let journal = server.app.journal();
    let at = |line: &str| journal.iter().position(|noted| noted == line).unwrap();
    assert!(at("end a") < at("disconnected / client namespace disconnect"));
}
