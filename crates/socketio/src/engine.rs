//! Engine.IO: packet types, session ids, the query of a request, its errors.
//! <https://github.com/socketio/engine.io-protocol>

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;

/// The first character of a packet in a text message.
pub mod kind {
    pub const OPEN: u8 = b'0';
    pub const CLOSE: u8 = b'1';
    pub const PING: u8 = b'2';
    pub const PONG: u8 = b'3';
    pub const MESSAGE: u8 = b'4';
    pub const UPGRADE: u8 = b'5';
    pub const NOOP: u8 = b'6';
    /// Long-polling alone: a binary message, in base64.
    pub const BINARY: u8 = b'b';
}

/// Parts the packets in one body of long-polling.
pub const SEPARATOR: u8 = 0x1e;

/// An error of the protocol, with the reference's numbers and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    UnknownTransport = 0,
    UnknownSession = 1,
    BadMethod = 2,
    BadRequest = 3,
    UnsupportedVersion = 5,
}

impl ProtocolError {
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSession => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::UnsupportedVersion => "Unsupported protocol version",
        })
    }
}

/// 128 random bits, written as 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(u128);

/// Length of an id as text.
pub const ID_LENGTH: usize = 22;

impl Id {
    /// Fails only where the operating system gives no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != ID_LENGTH {
            return None;
        }
        let mut bytes = [0; 18];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == 16).then(|| Self(u128::from_be_bytes(std::array::from_fn(|index| bytes[index]))))
    }

    pub fn to_text(self) -> [u8; ID_LENGTH] {
        let mut text = [b'-'; ID_LENGTH];
        // Sixteen bytes are 22 characters; the slice is as long.
        let _ = URL_SAFE_NO_PAD.encode_slice(self.0.to_be_bytes(), &mut text);
        text
    }
}

/// The parameters of the protocol in a request's query. The last of equal names counts, as in the reference.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    pub version: Option<&'a str>,
    pub transport: Option<&'a str>,
    /// Present also where it is empty or malformed: such a request opens no new session.
    pub sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    pub fn parse(query: &'a str) -> Self {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "EIO" => found.version = Some(value),
                "transport" => found.transport = Some(value),
                "sid" => found.sid = Some(value),
                _ => {}
            }
        }
        found
    }
}

/// One packet out of a body of long-polling or a WebSocket's text message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub kind: u8,
    pub data: &'a str,
}

/// Decodes one packet; `None` for what is none.
pub fn decode(text: &str) -> Option<Packet<'_>> {
    let kind = *text.as_bytes().first()?;
    matches!(kind, kind::OPEN..=kind::NOOP | kind::BINARY).then(|| Packet { kind, data: &text[1..] })
}

/// The next packet of a payload and what follows it. An empty payload is one empty packet.
pub fn split_payload(payload: &str) -> (&str, Option<&str>) {
    match payload.split_once(char::from(SEPARATOR)) {
        Some((packet, rest)) => (packet, Some(rest)),
        None => (payload, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_reads_as_one() {
        let id = Id::random().unwrap();
        let text = String::from_utf8(id.to_text().to_vec()).unwrap();
        assert!(Id::parse(&text) == Some(id));
        for wrong in [
            "",
            "x",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAA/",
            "éééééééééééAAAAAAAAAAA",
        ] {
            assert!(Id::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_query_keeps_an_empty_session_id_apart_from_none() {
        let query = Query::parse("EIO=4&transport=polling&sid=&t=abc");
        assert_eq!(
            query,
            Query {
                version: Some("4"),
                transport: Some("polling"),
                sid: Some("")
            }
        );
        assert_eq!(Query::parse("transport=a&transport=b").transport, Some("b"));
    }
}
