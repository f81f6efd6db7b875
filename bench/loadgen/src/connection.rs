//! One client: a TCP socket that never blocks, the WebSocket upgrade, Engine.IO 4 and Socket.IO 5.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    os::fd::AsRawFd,
};

use memchr::memmem;
use mio::net::TcpStream;

/// What a client hears.
pub enum Heard {
    Connected,
    Refused,
    Ack {
        id: u32,
        ok: bool,
    },
    /// A message of this run: its number in the run, its sender's place in the room, its number among that sender's
    /// messages, and when it was due.
    Delivery {
        message: usize,
        sender: usize,
        number: u32,
        due: u64,
    },
    Closed,
}

/// A message that waits for its acknowledgement.
pub struct Awaited {
    pub ack: u32,
    pub message: u32,
    pub due: u64,
}

/// What a stock client keeps of its session, to come back into it.
#[derive(Clone, Default)]
pub struct Session {
    /// `pid` of the CONNECT answer.
    pub id: Option<String>,
    /// The last argument of the last event that ended in a text.
    pub offset: Option<String>,
}

/// What a connection is told to be.
pub struct Role {
    /// `u32::MAX`: none.
    pub room: u32,
    /// Its place among the members of its room.
    pub place: u32,
    /// How many members of the room send.
    pub senders: usize,
    /// Never reads, once the traffic has begun.
    pub is_stalled: bool,
}

pub struct Connection {
    pub socket: TcpStream,
    pub room: u32,
    pub place: u32,
    pub is_stalled: bool,
    /// Connected, and in its room.
    pub is_ready: bool,
    pub is_dead: bool,
    /// Its end was counted.
    pub is_counted: bool,
    pub next_ack: u32,
    pub sent: u32,
    pub awaited: VecDeque<Awaited>,
    /// By sender: the number of the next message due.
    pub expected: Vec<u32>,
    /// Sender and number of what was skipped so far.
    pub skipped: Vec<(u32, u32)>,
    /// A digest of the order in which messages came.
    pub order: u64,
    pub session: Session,
    /// Only those that will come back remember where they were.
    pub keeps_session: bool,
    unparsed: Vec<u8>,
    unsent: Vec<u8>,
    is_upgraded: bool,
    has_greeted: bool,
    token: String,
}

thread_local! {
    /// Read buffer of all connections.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

const READ_BYTES: usize = 64 * 1024;
const CONTENT: &[u8] = b"\"content\":\"L:";

impl Connection {
    pub fn open(address: SocketAddr, path: &str, token: String, role: Role) -> Self {
        let socket = TcpStream::connect(address).expect("connect");
        let _ = socket.set_nodelay(true);
        if role.is_stalled {
            shrink_receive_buffer(&socket);
        }
        let request = format!(
            "GET {path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        Connection {
            socket,
            room: role.room,
            place: role.place,
            is_stalled: role.is_stalled,
            is_ready: false,
            is_dead: false,
            is_counted: false,
            next_ack: 1,
            sent: 0,
            awaited: VecDeque::new(),
            expected: vec![0; role.senders.max(1)],
            skipped: vec![],
            order: 0,
            session: Session::default(),
            keeps_session: false,
            unparsed: vec![],
            unsent: request.into_bytes(),
            is_upgraded: false,
            has_greeted: false,
            token,
        }
    }

    /// What the client knows outlives its connection.
    pub fn hand_on(&mut self, next: &mut Connection) {
        next.next_ack = self.next_ack;
        next.sent = self.sent;
        next.expected = std::mem::take(&mut self.expected);
        next.skipped = std::mem::take(&mut self.skipped);
        next.order = self.order;
        next.keeps_session = self.keeps_session;
    }

    /// Sends one text frame, or as much of it as the socket takes now.
    pub fn emit(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes());
    }

    /// The mask is zero: the protocol allows it, and it costs nothing.
    fn frame(&mut self, first_byte: u8, payload: &[u8]) {
        self.unsent.push(first_byte);
        match payload.len() {
            length if length < 126 => self.unsent.push(0x80 | length as u8),
            length if length < 65_536 => {
                self.unsent.push(0xfe);
                self.unsent.extend((length as u16).to_be_bytes());
            }
            length => {
                self.unsent.push(0xff);
                self.unsent.extend((length as u64).to_be_bytes());
            }
        }
        self.unsent.extend([0; 4]);
        self.unsent.extend(payload);
        self.flush();
    }

    pub fn flush(&mut self) {
        while !self.is_dead && !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_for_later(error.kind()) => break,
                Err(_) => self.is_dead = true,
            }
        }
    }

    /// Reads until the socket would block, and calls `hear` for each thing of interest.
    pub fn pump(&mut self, mut hear: impl FnMut(&mut Connection, Heard)) {
        BUFFER.with_borrow_mut(|buffer| {
            while !self.is_dead {
                let before = self.unparsed.len();
                if buffer.len() < before + READ_BYTES {
                    buffer.resize(before + 2 * READ_BYTES, 0);
                }
                match self.socket.read(&mut buffer[before..]) {
                    Ok(0) => self.end(&mut hear),
                    Ok(count) => {
                        buffer[..before].copy_from_slice(&self.unparsed);
                        self.unparsed.clear();
                        let used = self.parse(&buffer[..before + count], &mut hear);
                        self.unparsed.extend_from_slice(&buffer[used..before + count]);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if is_for_later(error.kind()) => return,
                    Err(_) => self.end(&mut hear),
                }
            }
        });
    }

    fn end(&mut self, hear: &mut impl FnMut(&mut Connection, Heard)) {
        self.is_dead = true;
        hear(self, Heard::Closed);
    }

    /// How many bytes were whole frames.
    fn parse(&mut self, bytes: &[u8], hear: &mut impl FnMut(&mut Connection, Heard)) -> usize {
        let mut at = 0;
        if !self.is_upgraded {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                return 0;
            };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                self.is_dead = true;
                hear(self, Heard::Refused);
                return bytes.len();
            }
            self.is_upgraded = true;
            at = end + 4;
        }
        while let Some((header, length)) = frame_size(&bytes[at..]) {
            let Some(payload) = bytes[at..].get(header..header + length) else {
                break;
            };
            let opcode = bytes[at] & 15;
            at += header + length;
            match opcode {
                1 => self.packet(payload, hear),
                8 => self.end(hear),
                9 => self.frame(0x8a, payload),
                _ => {}
            }
        }
        at
    }

    fn packet(&mut self, packet: &[u8], hear: &mut impl FnMut(&mut Connection, Heard)) {
        if self.keeps_session
            && packet.starts_with(b"42")
            && let Some(offset) = last_text(packet)
        {
            self.session.offset = Some(offset);
        }
        match packet {
            [b'0', ..] if !self.has_greeted => {
                self.has_greeted = true;
                let mut connect = format!("40{{\"token\":\"{}\"", std::mem::take(&mut self.token));
                for (name, value) in [("pid", &self.session.id), ("offset", &self.session.offset)] {
                    if let Some(value) = value {
                        connect.push_str(&format!(",\"{name}\":\"{value}\""));
                    }
                }
                connect.push('}');
                self.emit(&connect);
            }
            [b'2', ..] => self.emit("3"),
            [b'4', b'0', rest @ ..] => {
                if self.keeps_session {
                    self.session.id = text_after(rest, b"\"pid\":\"");
                }
                hear(self, Heard::Connected);
            }
            [b'4', b'4', ..] => hear(self, Heard::Refused),
            [b'4', b'3', rest @ ..] => {
                let (id, rest) = number(rest);
                let ok = rest.starts_with(b"[{\"ok\":true");
                hear(self, Heard::Ack { id: id as u32, ok });
            }
            [b'4', b'2', rest @ ..] if rest.starts_with(b"[\"message:received\"") => {
                let Some(start) = memmem::find(rest, CONTENT) else {
                    return;
                };
                let (message, rest) = number(&rest[start + CONTENT.len()..]);
                let (sender, rest) = number(&rest[1..]);
                let (own_number, rest) = number(&rest[1..]);
                let (due, _) = number(&rest[1..]);
                let delivery = Heard::Delivery {
                    message: message as usize,
                    sender: sender as usize,
                    number: own_number as u32,
                    due,
                };
                hear(self, delivery);
            }
            _ => {}
        }
    }
}

/// The text that begins behind `start`, up to its quotation mark.
fn text_after(bytes: &[u8], start: &[u8]) -> Option<String> {
    let from = memmem::find(bytes, start)? + start.len();
    let length = bytes[from..].iter().position(|byte| *byte == b'"')?;
    String::from_utf8(bytes[from..from + length].to_vec()).ok()
}

/// The last argument of an event, where it is a text.
fn last_text(packet: &[u8]) -> Option<String> {
    let inside = packet.strip_suffix(b"\"]")?;
    let from = memmem::rfind(inside, b",\"")? + 2;
    String::from_utf8(inside[from..].to_vec()).ok()
}

fn is_for_later(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

/// Sizes of the header and the payload of a frame of a server, once its header is whole.
fn frame_size(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? & 127 {
        126 => {
            let length = bytes.get(2..4)?.try_into().expect("two bytes");
            Some((4, u16::from_be_bytes(length) as usize))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().expect("eight bytes");
            Some((10, u64::from_be_bytes(length) as usize))
        }
        length => Some((2, length as usize)),
    }
}

/// The number at the start, and what follows it.
fn number(bytes: &[u8]) -> (u64, &[u8]) {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = bytes[..digits]
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    (value, &bytes[digits..])
}

/// Little fits on the way to a client that never reads, so that the server has to notice.
fn shrink_receive_buffer(socket: &TcpStream) {
    let bytes: libc::c_int = 4096;
    // SAFETY: the pointer is to an int that outlives the call, and the length is an int's.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}
