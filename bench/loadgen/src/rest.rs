//! The REST side: tokens, a small HTTP client, and making conversations.

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use memchr::memmem;
use sha2::Sha256;

/// The name of a user, by number.
pub fn user(number: usize) -> String {
    format!("u{number}")
}

/// An HS256 token for a user, good for a day.
pub fn token(secret: &str, user_number: usize) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let header = BASE64.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(
        r#"{{"sub":"{}","iat":{now},"exp":{}}}"#,
        user(user_number),
        now + 86_400
    );
    let signed = format!("{header}.{}", BASE64.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// One keep-alive connection, one request at a time.
pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a time limit");
        Http { stream, buffer: vec![] }
    }

    /// Status and body of the answer.
    pub fn call(&mut self, method: &str, path: &str, token: &str, body: &str) -> (u16, Vec<u8>) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).expect("sent");
        self.buffer.clear();
        let mut chunk = [0u8; 65_536];
        loop {
            if let Some(answer) = answer(&self.buffer) {
                return answer;
            }
            let count = self.stream.read(&mut chunk).expect("an answer");
            assert!(count > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }
}

/// The answer, once it is whole.
fn answer(buffer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = memmem::find(buffer, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let status = head[9..12].parse().expect("a status");
    let body = &buffer[end + 4..];
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    match length {
        Some(length) => {
            let length: usize = length.trim().parse().expect("a length");
            Some((status, body.get(..length)?.to_vec()))
        }
        None => Some((status, unchunked(body)?)),
    }
}

/// The body of a chunked answer, once its last chunk is there.
fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = vec![];
    loop {
        let line_end = memmem::find(bytes, b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line_end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        let chunk = &bytes[line_end + 2..];
        if chunk.len() < size + 2 {
            return None;
        }
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
        bytes = &chunk[size + 2..];
    }
}

/// A conversation of `members` users from number `first` on, made by the first.
pub fn create_conversation(port: u16, secret: &str, first: usize, members: usize) -> String {
    thread_local! {
        static CONNECTION: RefCell<Option<Http>> = const { RefCell::new(None) };
    }
    let body = match members {
        2 => format!(r#"{{"otherUserId":"{}"}}"#, user(first + 1)),
        _ => {
            let ids: Vec<_> = (first..first + members)
                .map(|number| format!("\"{}\"", user(number)))
                .collect();
            format!(
                r#"{{"title":"room","isGroup":true,"participantIds":[{}]}}"#,
                ids.join(",")
            )
        }
    };
    CONNECTION.with_borrow_mut(|connection| {
        let http = connection.get_or_insert_with(|| Http::open(port));
        let (status, answer) = http.call("POST", "/api/conversations", &token(secret, first), &body);
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            status == 200 || status == 201,
            "POST /api/conversations: {status} {answer}"
        );
        let id = answer.split_once("\"id\":\"").expect("an id").1;
        id.split('"').next().expect("an id").to_owned()
    })
}
