//! Faults that other servers of these protocols had, and this one must not have.

use crate::{
    client::{WebSocket, http, until},
    server::{Running, quick, start},
};
use doorbell_socketio::{AckError, Config, Frame};
use std::{collections::HashSet, time::Duration};

#[tokio::test]
async fn attachments_are_bounded_in_number() {
    let server = start(Config::default()).await;
    for text in [
        "4511-[\"a\"]",
        "4510000-[\"a\"]",
        "4599999999999999999999-[\"a\"]",
        "45-1-[\"a\"]",
        "45-[\"a\"]",
    ] {
        let mut socket = server.connected().await;
        socket.send(text).await;
        socket.closed().await;
    }
    let mut socket = server.connected().await;
    socket.send("4510-[\"message\"]").await;
    for _ in 0..10 {
        socket.send_binary(b"x").await;
    }
    assert_eq!(socket.text().await, "4510-[\"message-back\"]");
}

#[tokio::test]
async fn packets_cut_anywhere_do_no_harm() {
    let server = start(Config::default()).await;
    let packet = "452-/é,12[\"é\",{\"_placeholder\":true,\"num\":0},\"\u{1F600}\"]";
    for (cut, _) in packet.char_indices() {
        let mut socket = server.connected().await;
        socket.send(&packet[..cut]).await;
        // What is no error yet waits for attachments; this ends it either way.
        socket.send("4").await;
        socket.closed().await;
    }
    server.until_empty().await;
}

#[tokio::test]
async fn deeply_nested_json_does_no_harm() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    let nested = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    socket.send(&format!("42[\"message\",{nested}]")).await;
    assert_eq!(socket.text().await.len(), 400_000 + 19);
    socket.send(&format!("451-[\"message\",{nested}]")).await;
    socket.closed().await;
}

#[tokio::test]
async fn a_second_connect_closes_and_leaves_no_orphan() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send("40").await;
    socket.closed().await;
    server.until_empty().await;
    assert_eq!(
        server.app.journal(),
        ["connect /", "connected /", "disconnected / parse error"]
    );

    // Also while the first has not been decided, which then never is.
    let server = start(Config::default()).await;
    let mut socket = server.websocket().await;
    socket.send(r#"40{"gate":"first"}"#).await;
    socket.send("40").await;
    socket.closed().await;
    server.app.open("first");
    server.until_empty().await;
    assert_eq!(server.app.journal(), ["connect /"]);
}

#[tokio::test]
async fn text_between_attachments_completes_nothing() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send("452-[\"message\"]").await;
    socket.send_binary(b"x").await;
    socket.send("42[\"message\",1]").await;
    socket.closed().await;
    assert_eq!(server.app.noted("event message"), 0);
    let mut socket = server.connected().await;
    socket.send_binary(b"an attachment of nothing").await;
    socket.closed().await;
}

#[tokio::test]
async fn a_malformed_session_id_opens_no_session() {
    let server = start(Config::default()).await;
    for sid in [
        "",
        "x",
        "%00",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "..%2F..",
        "null",
        "AAAAAAAAAAAAAAAAAAAAA%3D",
    ] {
        let answer = server.get(sid).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (400, "{\"code\":1,\"message\":\"Session ID unknown\"}")
        );
        let target = format!("/?EIO=4&transport=websocket&sid={sid}");
        assert_eq!(
            WebSocket::try_open(server.address, &target).await.err().unwrap().status,
            400
        );
    }
    assert_eq!(server.server.connections(), 0);
}

#[tokio::test]
async fn a_socket_that_left_gets_nothing_more() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    let first = server.app.socket();
    socket.send("41").await;
    server
        .app
        .until_noted("disconnected / client namespace disconnect")
        .await;
    assert!(!first.push(&Frame::event("push", &1)));
    first.answer(Frame::event("answer", &1));
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"));
    socket.text().await;
    let second = server.app.socket();
    assert!(first != second && first.id() != second.id());
    assert!(second.push(&Frame::event("push", &2)));
    assert_eq!(socket.text().await, "42[\"push\",2]");
}

#[tokio::test]
async fn an_upgrade_that_never_ends_leaves_nothing() {
    let server = start(Config {
        upgrade_timeout: Duration::from_millis(100),
        ..Config::default()
    })
    .await;
    let sid = server.polling().await;
    let target = format!("/?EIO=4&transport=websocket&sid={sid}");
    // Says nothing; says something else; goes away.
    let mut silent = WebSocket::open(server.address, &target).await;
    silent.closed().await;
    let mut wrong = WebSocket::open(server.address, &target).await;
    wrong.send("4hello").await;
    wrong.closed().await;
    let gone = WebSocket::open(server.address, &target).await;
    drop(gone);
    // The session lives on where it was, and may try again.
    let mut upgraded = None;
    for _ in 0..200 {
        let mut again = WebSocket::open(server.address, &target).await;
        again.send("2probe").await;
        if let crate::client::Got::Text(text) = again.next().await {
            assert_eq!(text, "3probe");
            upgraded = Some(again);
            break;
        }
    }
    let mut upgraded = upgraded.unwrap();
    upgraded.send("5").await;
    upgraded.send("40").await;
    assert!(upgraded.text().await.starts_with("40{"));
    drop(upgraded);
    server.until_empty().await;
    server.app.until_noted("disconnected / transport close").await;
}

#[tokio::test]
async fn a_websocket_handshake_that_is_cut_off_leaves_nothing() {
    let server = start(Config::default()).await;
    for _ in 0..20 {
        let socket = WebSocket::open(server.address, "/?EIO=4&transport=websocket").await;
        drop(socket);
    }
    server.until_empty().await;
    assert!(server.app.journal().is_empty());
}

#[tokio::test]
async fn answers_that_nobody_waits_for_are_forgotten() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    let asker = server.app.socket();
    drop(asker.emit_with_ack("question", "dropped", Duration::from_secs(60)));
    let late = asker.emit_with_ack("question", "late", Duration::from_millis(50)).await;
    assert_eq!(late.unwrap_err(), AckError::Timeout);
    for packet in ["430[1]", "431[1]", "431[2]", "43999[1]", "43[1]"] {
        socket.send(packet).await;
    }
    let pending = asker.emit_with_ack("question", "pending", Duration::from_secs(60));
    for _ in 0..3 {
        assert!(socket.text().await.starts_with("42"));
    }
    drop(socket);
    assert_eq!(pending.await.unwrap_err(), AckError::Disconnected);
    let after = asker.emit_with_ack("question", "after", Duration::from_secs(60)).await;
    assert_eq!(after.unwrap_err(), AckError::Disconnected);
}

#[tokio::test]
async fn an_extra_pong_is_no_timeout() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    socket.show_pings = true;
    for _ in 0..3 {
        socket.send("3").await;
        socket.send("3").await;
        assert_eq!(socket.text().await, "2");
        socket.send("3").await;
    }
    assert!(server.app.socket().is_open());
}

#[tokio::test]
async fn reserved_names_close_the_connection() {
    let server = start(Config::default()).await;
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        let mut socket = server.connected().await;
        socket.send(&format!("42[\"{name}\"]")).await;
        socket.closed().await;
        assert_eq!(server.app.noted(&format!("event {name}")), 0);
    }
}

#[tokio::test]
async fn an_attachment_index_out_of_range_closes_the_connection() {
    let server = start(Config::default()).await;
    for index in ["1", "-1", "\"0\"", "0.5", "null"] {
        let mut socket = server.connected().await;
        socket
            .send(&format!("451-[\"message\",{{\"_placeholder\":true,\"num\":{index}}}]"))
            .await;
        let _ = tokio::time::timeout(Duration::from_millis(20), socket.send_binary(b"x")).await;
        socket.closed().await;
    }
    assert_eq!(server.app.noted("event message"), 0);
}

#[tokio::test]
async fn the_socket_id_is_not_the_session_id_and_both_are_128_random_bits() {
    let server = start(Config::default()).await;
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let sid = server.polling_connected().await;
        let socket = server.app.socket();
        assert_eq!((sid.len(), socket.id().len()), (22, 22));
        assert!(seen.insert(sid) && seen.insert(socket.id().to_owned()));
    }
}

#[tokio::test]
async fn an_event_before_connect_closes_the_connection() {
    let server = start(Config::default()).await;
    for packet in ["42[\"message\"]", "42/other,[\"message\"]", "41", "430[]"] {
        let mut socket = server.websocket().await;
        socket.send(packet).await;
        socket.closed().await;
    }
    let mut undecided = server.websocket().await;
    undecided.send(r#"40{"gate":"never"}"#).await;
    undecided.send("42[\"message\"]").await;
    undecided.closed().await;
    server.until_empty().await;
    assert_eq!(server.app.noted("event message"), 0);
}

#[tokio::test]
async fn an_event_right_behind_connect_is_not_lost() {
    let server = start(Config::default()).await;
    for _ in 0..50 {
        let mut socket = server.websocket().await;
        let frames = [
            crate::client::masked(0x81, b"40"),
            crate::client::masked(0x81, b"421[\"message-with-ack\",5]"),
        ];
        socket.send_raw(&frames.concat()).await;
        assert!(socket.text().await.starts_with("40{"));
        assert_eq!(socket.text().await, "42[\"auth\",{}]");
        assert_eq!(socket.text().await, "431[5]");
    }
}

#[tokio::test]
async fn a_panic_in_the_application_ends_that_connection_alone() {
    let server = start(Config::default()).await;
    let mut other = server.connected().await;
    let mut socket = server.connected().await;
    socket.send("42[\"panic\"]").await;
    socket.closed().await;
    until("its end", || server.server.connections() == 1).await;
    assert_eq!(server.app.noted("disconnected / forced server close"), 1);
    other.send("42[\"message\",1]").await;
    assert_eq!(other.text().await, "42[\"message-back\",1]");
}

#[tokio::test]
async fn every_connected_is_followed_by_one_disconnected() {
    let server = start(quick()).await;
    for round in 0..30 {
        let mut socket = server.connected().await;
        socket.send("40/custom").await;
        match round % 5 {
            0 => drop(socket),
            1 => socket.send("1").await,
            2 => server.app.socket().close(),
            3 => socket.send("4nonsense").await,
            _ => {
                let sid = server.polling_connected().await;
                http(server.address, "POST", &Running::target(&sid), b"1").await;
            }
        }
    }
    server.until_empty().await;
    let journal = server.app.journal();
    for namespace in ["/", "/custom"] {
        let count = |start: String| {
            journal
                .iter()
                .filter(|line| **line == start || line.starts_with(&format!("{start} ")))
                .count()
        };
        assert_eq!(
            count(format!("connected {namespace}")),
            count(format!("disconnected {namespace}")),
            "{journal:#?}"
        );
    }
}
