//! Socket.IO v5, case by case as its authors check servers.

use crate::{
    client::{Got, WebSocket, until},
    server::{quick, start},
};
use doorbell_socketio::Config;
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn a_client_connects_to_the_main_namespace() {
    let server = start(quick()).await;
    let mut socket = server.websocket().await;
    socket.send("40").await;
    let reply: Value = serde_json::from_str(socket.text().await.strip_prefix("40").unwrap()).unwrap();
    assert_eq!(reply.as_object().unwrap().len(), 1);
    assert_eq!(reply["sid"], server.app.socket().id());
    assert_eq!(socket.text().await, "42[\"auth\",{}]");
}

#[tokio::test]
async fn what_a_client_says_of_itself_arrives() {
    let server = start(quick()).await;
    let mut socket = server.websocket().await;
    socket.send(r#"40{"token":"123"}"#).await;
    socket.text().await;
    assert_eq!(socket.text().await, r#"42["auth",{"token":"123"}]"#);
}

#[tokio::test]
async fn a_client_connects_to_another_namespace() {
    let server = start(quick()).await;
    for (sent, auth) in [
        ("40/custom,", "{}"),
        (r#"40/custom,{"token":"abc"}"#, r#"{"token":"abc"}"#),
    ] {
        let mut socket = server.websocket().await;
        socket.send(sent).await;
        let reply = socket.text().await;
        let reply: Value = serde_json::from_str(reply.strip_prefix("40/custom,").unwrap()).unwrap();
        assert!(reply["sid"].is_string());
        assert_eq!(socket.text().await, format!("42/custom,[\"auth\",{auth}]"));
    }
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_the_connection_stays() {
    let server = start(quick()).await;
    let mut socket = server.websocket().await;
    socket.send("40/random").await;
    assert_eq!(socket.text().await, r#"44/random,{"message":"Invalid namespace"}"#);
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"));
}

#[tokio::test]
async fn a_refusal_may_carry_data() {
    let server = start(quick()).await;
    let mut socket = server.websocket().await;
    socket.send(r#"40{"refuse":1}"#).await;
    assert_eq!(
        socket.text().await,
        r#"44{"message":"Authentication error","data":{"code":"TOKEN_MISSING"}}"#
    );
}

#[tokio::test]
async fn a_connect_that_is_no_packet_closes_the_connection() {
    let server = start(quick()).await;
    let mut socket = server.websocket().await;
    socket.send("4abc").await;
    socket.closed().await;
}

#[tokio::test]
async fn a_connection_that_does_not_connect_is_closed() {
    let config = Config {
        connect_timeout: Duration::from_millis(150),
        ..Config::default()
    };
    let server = start(config).await;
    let mut silent = server.websocket().await;
    let mut refused = server.websocket().await;
    refused.send(r#"40{"refuse":1}"#).await;
    let mut undecided = server.websocket().await;
    undecided.send(r#"40{"gate":"never"}"#).await;
    let _connected = server.connected().await;
    silent.closed().await;
    refused.closed().await;
    undecided.closed().await;
    drop((silent, refused, undecided));
    until("their end", || server.server.connections() == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.server.connections(), 1);
}

#[tokio::test]
async fn a_client_leaves_the_main_namespace_and_the_connection_stays() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    socket.show_pings = true;
    socket.send("41").await;
    assert_eq!(socket.text().await, "2");
    assert_eq!(server.app.noted("disconnected / client namespace disconnect"), 1);
}

#[tokio::test]
async fn leaving_one_namespace_leaves_the_other() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    socket.send("40/custom").await;
    assert!(socket.text().await.starts_with("40/custom,"));
    socket.text().await;
    socket.send("41/custom").await;
    socket.send(r#"42["message","message to main namespace"]"#).await;
    assert_eq!(socket.text().await, r#"42["message-back","message to main namespace"]"#);
    assert_eq!(server.app.noted("disconnected /custom client namespace disconnect"), 1);
    socket.send("40/custom").await;
    assert!(socket.text().await.starts_with("40/custom,"));
}

#[tokio::test]
async fn events_and_answers_carry_any_json() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    socket.send(r#"42["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(socket.text().await, r#"42["message-back",1,"2",{"3":[true]}]"#);
    socket.send(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#).await;
    assert_eq!(socket.text().await, r#"43456[1,"2",{"3":[false]}]"#);
}

#[tokio::test]
async fn events_and_answers_carry_attachments() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    for (sent, received) in [
        (
            format!("452-[\"message\",{arguments}]"),
            format!("452-[\"message-back\",{arguments}]"),
        ),
        (
            format!("452-789[\"message-with-ack\",{arguments}]"),
            format!("462-789[{arguments}]"),
        ),
    ] {
        socket.send(&sent).await;
        socket.send_binary(&[1, 2, 3]).await;
        socket.send_binary(&[4, 5, 6]).await;
        assert_eq!(socket.text().await, received);
        assert_eq!(socket.next().await, Got::Binary(vec![1, 2, 3]));
        assert_eq!(socket.next().await, Got::Binary(vec![4, 5, 6]));
    }
}

#[tokio::test]
async fn attachments_travel_over_polling_too() {
    let server = start(quick()).await;
    let sid = server.polling_connected().await;
    let packet = r#"["message",{"_placeholder":true,"num":0}]"#;
    assert_eq!(server.post(&sid, &format!("451-{packet}\x1ebAQID")).await.status, 200);
    assert_eq!(
        server.get(&sid).await.body,
        "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID"
    );
}

#[tokio::test]
async fn packets_that_are_none_close_the_connection() {
    let server = start(quick()).await;
    for text in [
        "4abc",
        "42{}",
        r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#,
        "4",
        "42",
        "48[]",
        "44{}",
    ] {
        let mut socket = server.connected().await;
        socket.send(text).await;
        socket.closed().await;
    }
    server.until_empty().await;
    assert_eq!(server.app.noted("disconnected / parse error"), 7);
}

#[tokio::test]
async fn a_recovered_session_has_its_private_id_in_the_reply() {
    let server = start(quick()).await;
    let mut socket = server.websocket().await;
    socket.send(r#"40{"pid":"old","offset":"x"}"#).await;
    let reply: Value = serde_json::from_str(socket.text().await.strip_prefix("40").unwrap()).unwrap();
    assert_eq!(reply["pid"], "private");
}

#[tokio::test]
async fn the_server_may_ask_and_the_client_answer() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    // Events behind it wait for it, and its own question must get through all the same.
    socket.send(r#"421["ask"]"#).await;
    assert_eq!(socket.text().await, r#"420["question","?"]"#);
    socket.send(r#"42["message","later"]"#).await;
    socket.send(r#"430["yes",2]"#).await;
    assert_eq!(socket.text().await, r#"431["yes",2]"#);
    assert_eq!(socket.text().await, r#"42["message-back","later"]"#);
}

#[tokio::test]
async fn a_disconnected_client_hears_of_it_and_may_come_back() {
    let server = start(quick()).await;
    let mut socket = server.connected().await;
    // What it sent before it knew is passed over.
    socket.send(r#"42["leave"]"#).await;
    socket.send(r#"42["message","late"]"#).await;
    assert_eq!(socket.text().await, "41");
    server
        .app
        .until_noted("disconnected / server namespace disconnect")
        .await;
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"));
    assert_eq!(socket.text().await, "42[\"auth\",{}]");
    socket.send(r#"42["message","back"]"#).await;
    assert_eq!(socket.text().await, r#"42["message-back","back"]"#);
    assert_eq!(server.app.noted("event message late"), 0);
    socket.send("1").await;
    server.until_empty().await;
    assert_eq!(server.app.noted("disconnected / server namespace disconnect"), 1);
    assert_eq!(server.app.noted("disconnected / transport close"), 1);
}

#[tokio::test]
async fn a_handshake_may_be_refused_with_any_answer() {
    let server = start(quick()).await;
    let refused = WebSocket::try_open(server.address, "/?EIO=4&transport=websocket&busy")
        .await
        .err()
        .unwrap();
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 3"), "{}", refused.head);
}
