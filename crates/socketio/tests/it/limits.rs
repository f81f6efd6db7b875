//! What a client may not send, and how much.

use crate::{
    client::{Answer, begin, finish, masked},
    server::{Running, start},
};
use doorbell_socketio::Config;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn violations_of_the_rfc_close_with_their_codes() {
    let server = start(Config::default()).await;
    for (bytes, code) in [
        (vec![0x81, 0x01, b'x'], 1002),
        (masked(0xc1, b"x"), 1002),
        (masked(0x83, b"x"), 1002),
        (masked(0x80, b"x"), 1002),
        (masked(0x09, b"x"), 1002),
        (masked(0x81, &[b'4', 0xff]), 1007),
        (masked(0x81, &vec![b'4'; 1_000_001])[..10].to_vec(), 1009),
        (vec![0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009),
        (
            [masked(0x02, &vec![0; 600_000]), masked(0x80, &vec![0; 600_000])].concat(),
            1009,
        ),
    ] {
        let mut socket = server.connected().await;
        socket.send_raw(&bytes).await;
        assert_eq!(socket.closed().await, Some(code), "{:x?}", &bytes[..3]);
    }
    server.until_empty().await;
}

#[tokio::test]
async fn the_largest_message_passes_in_however_many_parts() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    let text = format!("42[\"message\",\"{}\"]", "é".repeat(499_992));
    assert_eq!(text.len(), 1_000_000);
    socket.send(&text).await;
    assert_eq!(socket.text().await.len(), 1_000_005);
    let (first, rest) = text.as_bytes().split_at(500_000);
    let (second, third) = rest.split_at(1);
    for (opcode, part) in [(0x01, first), (0x89, b"ping"), (0x00, second), (0x80, third)] {
        socket.send_frame(opcode, part).await;
    }
    assert_eq!(socket.next().await, crate::client::Got::Pong(b"ping".to_vec()));
    assert_eq!(socket.text().await.len(), 1_000_005);
    // Byte by byte, as a slow network might.
    for byte in masked(0x81, br#"42["message","slow"]"#) {
        socket.send_raw(&[byte]).await;
    }
    assert_eq!(socket.text().await, r#"42["message-back","slow"]"#);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = start(Config::default()).await;
    let sid = server.polling_connected().await;
    assert_eq!(server.post(&sid, &"4".repeat(1_000_001)).await.status, 413);
    assert_eq!(server.post(&sid, "3").await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_session() {
    let server = start(Config {
        body_timeout: Duration::from_millis(100),
        ..Config::default()
    })
    .await;
    let sid = server.polling_connected().await;
    let answer = half_a_post(&server, &sid).await;
    assert_eq!(answer.status, 408);
    server.until_empty().await;
}

async fn half_a_post(server: &Running, sid: &str) -> Answer {
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n42[",
        Running::target(sid)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    finish(&mut stream).await
}

#[tokio::test]
async fn bodies_have_a_limit_together() {
    let server = start(Config {
        max_buffered_bodies: 10,
        ..Config::default()
    })
    .await;
    let sid = server.polling_connected().await;
    let refused = server
        .post(&sid, &format!("42[\"message\",\"{}\"]", "x".repeat(20)))
        .await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after"), "{}", refused.head);
    // The packets are lost, so the session is too.
    server.until_empty().await;
    let sid = server.polling().await;
    assert_eq!(server.post(&sid, "40").await.status, 200);
}

#[tokio::test]
async fn a_second_post_beside_the_first_closes_the_session() {
    let server = start(Config::default()).await;
    let sid = server.polling_connected().await;
    let mut first = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n42[",
        Running::target(&sid)
    );
    first.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(server.post(&sid, "3").await.status, 400);
    server.app.until_noted("disconnected / transport error").await;
    drop(first);
    server.until_empty().await;
}

#[tokio::test]
async fn a_broken_post_closes_the_session() {
    let server = start(Config::default()).await;
    let sid = server.polling_connected().await;
    let mut post = begin(server.address, "POST", &Running::target(&sid), b"").await;
    finish(&mut post).await;
    let sid = server.polling_connected().await;
    let mut first = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n42[",
        Running::target(&sid)
    );
    first.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(first);
    server.until_empty().await;
}

#[tokio::test]
async fn a_body_that_is_no_text_closes_the_session() {
    let server = start(Config::default()).await;
    let sid = server.polling_connected().await;
    let target = Running::target(&sid);
    assert_eq!(
        crate::client::http(server.address, "POST", &target, &[b'4', 0xff])
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_session_may_be_in_so_many_namespaces() {
    let server = start(Config {
        max_namespaces: 3,
        ..Config::default()
    })
    .await;
    let mut socket = server.connected().await;
    for name in ["/a", "/b"] {
        socket.send(&format!("40{name},")).await;
        assert!(socket.text().await.starts_with(&format!("40{name},")));
        socket.text().await;
    }
    socket.send("40/c,").await;
    assert_eq!(socket.text().await, r#"44/c,{"message":"Too many namespaces"}"#);
    socket.send("41/a,").await;
    socket.send("40/c,").await;
    assert!(socket.text().await.starts_with("40/c,"));
}

#[tokio::test]
async fn a_packet_and_its_attachments_have_a_limit_together() {
    let server = start(Config::default()).await;
    let mut socket = server.connected().await;
    socket.send(r#"453-["message"]"#).await;
    for _ in 0..3 {
        socket.send_binary(&vec![0; 900_000]).await;
    }
    socket.closed().await;
    server.app.until_noted("disconnected / parse error").await;
}
