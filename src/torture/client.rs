//! A Socket.IO client that does on the wire what the stock `socket.io-client` does: Engine.IO v4 over a WebSocket,
//! Socket.IO v5, and its side of connection state recovery.
//! <https://socket.io/docs/v4/socket-io-protocol/>, <https://socket.io/docs/v4/engine-io-protocol/>

use std::{net::SocketAddr, time::Duration};

use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// The stock client's `timeout` is 20 s by default; a chat front end sets it lower, and 10 s after a fault is the goal.
const CONNECT_TIME: Duration = Duration::from_secs(4);
/// Bytes of one packet from the server; a page of history is far smaller.
const PACKET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A server that takes no bytes for so long counts as gone.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// What a stock client keeps between connections.
#[derive(Debug, Default)]
pub struct Session {
    pid: Option<String>,
    offset: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// Worth another try.
    #[error("{0}")]
    Transport(String),
    /// A `connect_error`: a stock client does not try again by itself.
    #[error("{0}")]
    Refused(String),
}

#[derive(Debug)]
pub enum Incoming {
    Event {
        name: String,
        payload: Value,
    },
    Ack {
        id: u64,
        answer: Value,
    },
    /// The connection is over; a stock client comes back.
    Closed,
    /// A DISCONNECT of the server: a stock client stays away.
    SentAway,
}

#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The server must ping within this time.
    ping_within: Duration,
    last_ping: Instant,
    keeps_offsets: bool,
    pub asked: bool,
    pub recovered: bool,
}

fn transport(error: impl std::fmt::Display) -> ConnectFault {
    ConnectFault::Transport(error.to_string())
}

impl Socket {
    /// Connects and waits until the server has accepted the client. `opened` is told the port that this end has.
    pub async fn connect(
        address: SocketAddr,
        path: &str,
        auth: Map<String, Value>,
        session: &mut Session,
        opened: impl FnOnce(u16),
    ) -> Result<Socket, ConnectFault> {
        let connecting = async {
            let stream = TcpStream::connect(address).await.map_err(transport)?;
            stream.set_nodelay(true).map_err(transport)?;
            opened(stream.local_addr().map_err(transport)?.port());
            Self::shake_hands(stream, address, path, auth, session).await
        };
        tokio::time::timeout(CONNECT_TIME, connecting)
            .await
            .map_err(transport)?
    }

    async fn shake_hands(
        stream: TcpStream,
        address: SocketAddr,
        path: &str,
        auth: Map<String, Value>,
        session: &mut Session,
    ) -> Result<Socket, ConnectFault> {
        let url = format!("ws://{address}{path}/?EIO=4&transport=websocket");
        let limits = WebSocketConfig::default()
            .max_message_size(Some(PACKET_BYTES_MAX))
            .max_frame_size(Some(PACKET_BYTES_MAX))
            .max_write_buffer_size(PACKET_BYTES_MAX);
        let (stream, _) = client_async_with_config(url, stream, Some(limits))
            .await
            .map_err(transport)?;
        let mut socket = Socket {
            stream,
            ping_within: CONNECT_TIME,
            last_ping: Instant::now(),
            keeps_offsets: false,
            asked: session.pid.is_some(),
            recovered: false,
        };
        let open = socket
            .packet()
            .await
            .ok_or_else(|| transport("closed at the handshake"))?;
        let open: Value = match open.strip_prefix('0') {
            Some(open) => serde_json::from_str(open).map_err(transport)?,
            None => return Err(transport("no open packet")),
        };
        let milliseconds = |name: &str| open[name].as_u64().unwrap_or(20_000);
        socket.ping_within = Duration::from_millis(milliseconds("pingInterval") + milliseconds("pingTimeout"));
        let mut connect = Map::new();
        if let Some(pid) = &session.pid {
            connect.insert("pid".to_owned(), json!(pid));
            if let Some(offset) = &session.offset {
                connect.insert("offset".to_owned(), json!(offset));
            }
        }
        connect.extend(auth);
        socket
            .write(format!("40{}", Value::Object(connect)))
            .await
            .map_err(transport)?;
        let answer = socket.packet().await.ok_or_else(|| transport("closed at CONNECT"))?;
        if let Some(refusal) = answer.strip_prefix("44") {
            return Err(ConnectFault::Refused(refusal.to_owned()));
        }
        let answer = answer
            .strip_prefix("40")
            .ok_or_else(|| transport("CONNECT was answered by something else"))?;
        let answer: Value = serde_json::from_str(answer).map_err(transport)?;
        let pid = answer["pid"].as_str().map(str::to_owned);
        socket.recovered = pid.is_some() && pid == session.pid;
        socket.keeps_offsets = pid.is_some();
        session.pid = pid;
        Ok(socket)
    }

    /// The next thing that concerns the application. Can be dropped at any await without losing anything.
    pub async fn next(&mut self, session: &mut Session) -> Incoming {
        while let Some(packet) = self.packet().await {
            let Some(packet) = packet.strip_prefix('4') else {
                continue;
            };
            if packet.starts_with('1') {
                return Incoming::SentAway;
            }
            let Some((kind, rest)) = packet.split_at_checked(1) else {
                continue;
            };
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let id = rest[..digits].parse().ok();
            let Ok(Value::Array(mut arguments)) = serde_json::from_str(&rest[digits..]) else {
                continue;
            };
            match (kind, id) {
                ("2", _) if !arguments.is_empty() => {
                    // As the stock client does: whatever string comes last is the offset.
                    if let (true, true, Some(Value::String(offset))) =
                        (self.keeps_offsets, arguments.len() > 1, arguments.last())
                    {
                        session.offset = Some(offset.clone());
                    }
                    let payload = if arguments.len() > 1 {
                        arguments.swap_remove(1)
                    } else {
                        Value::Null
                    };
                    let Value::String(name) = arguments.swap_remove(0) else {
                        continue;
                    };
                    return Incoming::Event { name, payload };
                }
                ("3", Some(id)) => {
                    let answer = if arguments.is_empty() {
                        Value::Null
                    } else {
                        arguments.swap_remove(0)
                    };
                    return Incoming::Ack { id, answer };
                }
                _ => {}
            }
        }
        Incoming::Closed
    }

    /// Emits an event with one payload, and an acknowledgement that is told apart by `id`.
    ///
    /// # Errors
    ///
    /// The connection is over; whether the event arrived is not known.
    pub async fn emit(&mut self, name: &str, payload: &Value, id: u64) -> Result<(), String> {
        self.write(format!("42{id}{}", json!([name, payload]))).await
    }

    /// Without a word to the server, as a phone that loses its network.
    pub fn abandon(self) {
        drop(self);
    }

    async fn write(&mut self, packet: String) -> Result<(), String> {
        use futures_util::SinkExt;
        let writing = self.stream.send(Message::text(packet));
        match tokio::time::timeout(WRITE_TIME, writing).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err("the server took nothing for 10 s".to_owned()),
        }
    }

    /// The next Engine.IO packet but pings, which are answered here. `None` when the connection is over.
    async fn packet(&mut self) -> Option<String> {
        loop {
            let message = tokio::time::timeout_at(self.last_ping + self.ping_within, self.stream.next()).await;
            match message {
                Ok(Some(Ok(Message::Text(text)))) => {
                    if text.as_str() == "2" {
                        self.last_ping = Instant::now();
                        self.write("3".to_owned()).await.ok()?;
                        continue;
                    }
                    return Some(text.as_str().to_owned());
                }
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
                Ok(Some(Ok(_))) => {}
            }
        }
    }
}
