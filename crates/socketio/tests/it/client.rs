//! A client that sends whatever a test tells it to, well-formed or not.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longer than anything here takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Looks again and again until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    in_time(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// One request on a connection of its own.
pub async fn http(address: SocketAddr, method: &str, target: &str, body: &[u8]) -> Answer {
    let mut stream = begin(address, method, target, body).await;
    finish(&mut stream).await
}

/// Sends a request and does not wait for its answer.
pub async fn begin(address: SocketAddr, method: &str, target: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

pub async fn finish(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    in_time("an answer", stream.read_to_end(&mut bytes)).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame with its code.
    Close(u16),
    /// The end of the connection, orderly or not.
    End,
}

impl Got {
    pub fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }
}

pub struct WebSocket {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// Engine.IO pings are part of what a test looks at.
    pub show_pings: bool,
}

const HANDSHAKE: &str = "Host: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl WebSocket {
    /// Connects, or tells the status of the refusal.
    pub async fn try_open(address: SocketAddr, target: &str) -> Result<Self, Answer> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .write_all(format!("GET {target} HTTP/1.1\r\n{HANDSHAKE}").as_bytes())
            .await
            .unwrap();
        let mut buffer = Vec::new();
        let end = in_time("a handshake", async {
            loop {
                if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    return end + 4;
                }
                assert_ne!(
                    stream.read_buf(&mut buffer).await.unwrap(),
                    0,
                    "closed in the handshake"
                );
            }
        })
        .await;
        let head = String::from_utf8(buffer.drain(..end).collect()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 101 {
            // Section 1.3 of the RFC has this key and its answer.
            assert!(
                head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
                "{head}"
            );
            Ok(Self {
                stream,
                buffer,
                show_pings: false,
            })
        } else {
            Err(Answer {
                status,
                head,
                body: String::from_utf8(buffer).unwrap(),
            })
        }
    }

    pub async fn open(address: SocketAddr, target: &str) -> Self {
        Self::try_open(address, target).await.unwrap()
    }

    pub async fn send(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes()).await;
    }

    pub async fn send_binary(&mut self, data: &[u8]) {
        self.send_frame(0x82, data).await;
    }

    pub async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send_raw(&masked(first, payload)).await;
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        in_time("room to send", self.stream.write_all(bytes)).await.unwrap();
    }

    pub async fn next(&mut self) -> Got {
        in_time("a message", async {
            loop {
                if let Some(got) = self.take() {
                    if !self.show_pings && got == Got::Text("2".to_owned()) {
                        continue;
                    }
                    return got;
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(read) if read > 0 => {}
                    _ => return Got::End,
                }
            }
        })
        .await
    }

    /// The next message, which must be text.
    pub async fn text(&mut self) -> String {
        self.next().await.text()
    }

    /// Reads on until the connection ends; whether a close frame came before that, and with which code.
    pub async fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        loop {
            match self.next().await {
                Got::Close(found) => code = Some(found),
                Got::End => {
                    // As clients do, so that the server need not wait for it.
                    let _ = self.stream.shutdown().await;
                    return code;
                }
                _ => {}
            }
        }
    }

    fn take(&mut self) -> Option<Got> {
        let (length, header) = match *self.buffer.get(1)? {
            126 => (
                usize::from(u16::from_be_bytes(self.buffer.get(2..4)?.try_into().unwrap())),
                4,
            ),
            127 => (
                u64::from_be_bytes(self.buffer.get(2..10)?.try_into().unwrap()) as usize,
                10,
            ),
            length => (usize::from(length), 2),
        };
        self.buffer.get(..header + length)?;
        let frame: Vec<u8> = self.buffer.drain(..header + length).collect();
        let payload = frame[header..].to_vec();
        Some(match frame[0] {
            0x81 => Got::Text(String::from_utf8(payload).unwrap()),
            0x82 => Got::Binary(payload),
            0x88 => Got::Close(u16::from_be_bytes(*payload.first_chunk().unwrap())),
            0x8a => Got::Pong(payload),
            other => panic!("an unexpected frame: {other:#x}"),
        })
    }
}

/// A frame as clients send it.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 77, 177, 27];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
