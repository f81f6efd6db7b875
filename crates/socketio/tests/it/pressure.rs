//! Clients that do not keep up, and servers that go.

use crate::{
    client::{Got, begin, finish, http, masked, until},
    server::{Running, quick, start, start_buffered},
};
use doorbell_socketio::{Config, Frame};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

#[tokio::test]
async fn a_slow_consumer_is_closed_alone_and_never_skipped() {
    let server = start(Config {
        close_timeout: Duration::from_secs(60),
        ..Config::default()
    })
    .await;
    let mut slow = server.connected().await;
    let slow_socket = server.app.socket();
    let mut healthy = server.connected().await;
    let healthy_socket = server.app.socket();

    let reading = tokio::spawn(async move {
        for index in 0..400 {
            assert!(healthy.text().await.starts_with(&format!("42[\"push\",\"{index} ")));
        }
        healthy
    });
    let mut accepted = 0;
    let filler = "x".repeat(50_000);
    for index in 0..400 {
        let frame = Frame::event("push", &format!("{index} {filler}"));
        accepted += usize::from(slow_socket.push(&frame));
        while !healthy_socket.push(&frame) {
            assert!(healthy_socket.is_open(), "the healthy one was closed too");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _healthy = reading.await.unwrap();
    assert!(accepted < 400);
    assert!(!slow_socket.is_open());
    server.app.until_noted("disconnected / slow consumer").await;
    assert_eq!(server.server.counters().slow_consumers.load(Relaxed), 1);
    assert_eq!(server.server.connections(), 2, "it has time to read why");

    // What it can still read has no hole, and ends with the reason.
    let mut expected = 0;
    let last = loop {
        match slow.next().await {
            Got::Text(text) if text.starts_with(&format!("42[\"push\",\"{expected} ")) => expected += 1,
            other => break other,
        }
    };
    assert!(expected < accepted, "what waited was dropped");
    assert_eq!(last, Got::Text(r#"42["farewell","slow consumer"]"#.to_owned()));
    assert_eq!(slow.next().await, Got::Close(1013));
    drop(slow);
    until("its connection is gone", || server.server.connections() == 1).await;
}

#[tokio::test]
async fn a_slow_consumer_that_never_reads_is_gone_after_a_while() {
    let server = start(Config {
        close_timeout: Duration::from_millis(300),
        ..Config::default()
    })
    .await;
    let _deaf = server.connected().await;
    let socket = server.app.socket();
    while socket.push(&Frame::event("push", &"x".repeat(50_000))) {
        tokio::task::yield_now().await;
    }
    until("its connection is gone", || server.server.connections() == 0).await;
}

#[tokio::test]
async fn pushes_that_wait_too_long_close_the_connection() {
    let config = Config {
        push_queue_age: Duration::from_millis(300),
        ..quick()
    };
    let server = start(Config {
        ping_interval: Duration::from_secs(25),
        ..config
    })
    .await;
    let _deaf = server.connected().await;
    let socket = server.app.socket();
    // More than the kernel's buffers hold, and less than the bound on bytes.
    let filler = "x".repeat(100_000);
    while socket.is_open() {
        socket.push(&Frame::event("push", &filler));
        tokio::time::sleep(Duration::from_millis(1)).await;
        if server.app.noted("disconnected / slow consumer") > 0 {
            break;
        }
    }
    server.app.until_noted("disconnected / slow consumer").await;

    // A client that does not come back with a poll is as slow.
    let _sid = server.polling_connected().await;
    assert!(server.app.socket().push(&Frame::event("push", &1)));
    until("the end of the one that does not poll", || {
        server.app.noted("disconnected / slow consumer") == 2
    })
    .await;
}

#[tokio::test]
async fn answers_are_paced_and_none_is_lost() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    // Thirty times what may wait: the server stops reading until the client reads on.
    let events: Vec<u8> = (0..80)
        .flat_map(|id| crate::client::masked(0x81, format!("42{id}[\"big\"]").as_bytes()))
        .collect();
    socket.send_raw(&events).await;
    until("the server to pause", || server.app.noted("event big") > 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for id in 0..80 {
        let text = socket.text().await;
        assert!(text.starts_with(&format!("43{id}[")), "{id}: {text:.40}");
        assert_eq!(text.len(), 100_000 + 6 + id.to_string().len());
    }
    assert!(server.app.socket().is_open());
}

#[tokio::test]
async fn reading_pauses_when_too_many_turns_are_pending() {
    let server = start(Config {
        max_pending_turns: 8,
        ..Config::default()
    })
    .await;
    let mut socket = server.connected().await;
    for id in 0..50 {
        socket.send(&format!("42{id}[\"alongside\",\"gate\"]")).await;
    }
    until("eight to begin", || server.app.noted("begin gate") == 8).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.app.noted("event alongside gate"), 8);
    server.app.open("gate");
    for id in 0..50 {
        assert_eq!(socket.text().await, format!("43{id}[\"gate\"]"));
    }
}

#[tokio::test]
async fn a_client_that_reading_is_paused_for_is_not_blamed_for_silence() {
    let config = Config {
        max_pending_turns: 1,
        ping_timeout: Duration::from_millis(400),
        ..quick()
    };
    let server = start(config).await;
    let mut socket = server.connected().await;
    socket.show_pings = true;
    socket.send(r#"421["prepare","slow"]"#).await;
    assert_eq!(socket.text().await, "2");
    socket.send("3").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.app.open("slow");
    assert_eq!(socket.text().await, r#"431["slow"]"#);
    assert_eq!(socket.text().await, "2");
}

#[tokio::test]
async fn close_writes_what_is_queued_first() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    let sender = server.app.socket();
    for index in 0..20 {
        assert!(sender.push(&Frame::event("push", &"y".repeat(20_000 + index))));
    }
    sender.close();
    assert!(!sender.is_open() && !sender.push(&Frame::event("push", &1)));
    for index in 0..20 {
        assert_eq!(socket.text().await.len(), 20_000 + index + 13);
    }
    assert_eq!(socket.next().await, Got::Close(1000));
    assert_eq!(socket.next().await, Got::End);
    server.app.until_noted("disconnected / forced server close").await;
}

#[tokio::test]
async fn streams_that_are_no_sockets_serve_as_well() {
    let server = start_buffered(Config {
        ping_interval: Duration::from_millis(300),
        ..Config::default()
    })
    .await;
    let mut socket = server.connected().await;
    for id in 0..20 {
        socket.send(&format!("42{id}[\"big\"]")).await;
    }
    for id in 0..20 {
        assert!(socket.text().await.starts_with(&format!("43{id}[")));
    }
    assert!(server.app.socket().push(&Frame::event("push", &1)));
    assert_eq!(socket.text().await, "42[\"push\",1]");
    server.app.socket().close();
    assert_eq!(socket.closed().await, Some(1000));
}

#[tokio::test]
async fn close_ends_a_poll_with_a_close_packet() {
    let server = start(Config::default()).await;
    let sid = server.polling_connected().await;
    let mut poll = begin(server.address, "GET", &Running::target(&sid), b"").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.app.socket().push(&Frame::event("push", &1));
    server.app.socket().close();
    let mut body = finish(&mut poll).await.body;
    if body == "42[\"push\",1]" {
        body = format!("{body}\x1e{}", server.get(&sid).await.body);
    }
    assert_eq!(body, "42[\"push\",1]\x1e1");
    assert_eq!(server.get(&sid).await.status, 400);
}

#[tokio::test]
async fn close_does_not_wait_forever_for_a_client_that_does_not_read() {
    let server = start(Config {
        close_timeout: Duration::from_millis(200),
        ..Config::default()
    })
    .await;
    let _deaf = server.connected().await;
    let sender = server.app.socket();
    for _ in 0..200 {
        sender.answer(Frame::event("answer", &"z".repeat(100_000)));
    }
    sender.close();
    server.until_empty().await;
    let _gone = server.polling_connected().await;
    server.app.socket().close();
    server.until_empty().await;
}

#[tokio::test]
async fn a_refused_connect_may_close_the_transport() {
    let server = start(Config::default()).await;
    let mut socket = server.websocket().await;
    socket.send(r#"40{"close":1}"#).await;
    assert_eq!(socket.closed().await, Some(1000));
    server.until_empty().await;
    assert_eq!(server.app.journal(), ["connect /"]);
}

#[tokio::test]
async fn closing_the_server_closes_all_and_refuses_new_ones() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    let sid = server.polling_connected().await;
    let mut poll = begin(server.address, "GET", &Running::target(&sid), b"").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.server.close_all();
    // No DISCONNECT packet, so that clients come back by themselves.
    assert_eq!(socket.closed().await, Some(1000));
    assert_eq!(finish(&mut poll).await.body, "1");
    server.until_empty().await;
    assert_eq!(server.app.noted("disconnected / server shutting down"), 2);
    let refused = http(server.address, "GET", "/?EIO=4&transport=polling", b"").await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
}

#[tokio::test]
async fn at_the_end_nobody_waits_for_a_client_that_has_said_goodbye() {
    let server = start(Config {
        close_timeout: Duration::from_secs(60),
        goodbye_timeout: Duration::from_secs(60),
        ..Config::default()
    })
    .await;
    let mut open = server.connected().await;
    server.server.close_all();
    assert_eq!(open.next().await, Got::Close(1000));
    // Neither half a frame nor what came before the goodbye is taken for one, and its end of the connection stays open.
    open.send("42[\"too late\"]").await;
    let goodbye = masked(0x88, &1000u16.to_be_bytes());
    let (first, rest) = goodbye.split_at(3);
    open.send_raw(first).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.server.connections(), 1);
    open.send_raw(rest).await;
    server.until_empty().await;
}

#[tokio::test]
async fn at_the_end_whoever_says_no_goodbye_is_not_waited_for_as_long_as_whoever_has_not_got_everything() {
    let server = start(Config {
        close_timeout: Duration::from_secs(60),
        goodbye_timeout: Duration::from_millis(100),
        ..Config::default()
    })
    .await;
    let _silent = server.connected().await;
    let _gone = server.polling_connected().await;
    let mut slow = server.connected().await;
    let sender = server.app.socket();
    for _ in 0..200 {
        sender.answer(Frame::event("answer", &"z".repeat(100_000)));
    }
    server.server.close_all();
    until("the end of the silent ones", || server.server.connections() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.server.connections(), 1, "the slow one still takes its answers");
    for _ in 0..200 {
        assert!(slow.text().await.starts_with("42[\"answer\""));
    }
    assert_eq!(slow.closed().await, Some(1000));
    server.until_empty().await;
}
