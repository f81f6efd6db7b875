//! Socket.IO packets as they come in. <https://github.com/socketio/socket.io-protocol#packet-format>

use bytes::Bytes;
use serde::{
    Deserializer as _,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// The first character of a packet.
pub mod kind {
    pub const CONNECT: u8 = b'0';
    pub const DISCONNECT: u8 = b'1';
    pub const EVENT: u8 = b'2';
    pub const ACK: u8 = b'3';
    pub const CONNECT_ERROR: u8 = b'4';
    pub const BINARY_EVENT: u8 = b'5';
    pub const BINARY_ACK: u8 = b'6';
}

/// Names that mean something to the client or server libraries themselves; the reference refuses them in packets.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Longest name of a namespace, in bytes. Names are kept for as long as their sockets live.
const LONGEST_NAMESPACE: usize = 256;

/// Most elements of an event's or an answer's array. The reference has no limit; each element is kept on its own, so that
/// a packet of commas alone would take thirty times its size.
const MOST_ARGUMENTS: usize = 256;

/// A packet over its limits.
pub const TOO_MANY_ATTACHMENTS: &str = "too many attachments";
pub const TOO_LARGE: &str = "a packet with too large attachments";

/// Why a packet is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPacket(pub &'static str);

impl fmt::Display for BadPacket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for BadPacket {}

/// What an event carries: its name, its arguments.
pub type EventParts = (String, Vec<Box<RawValue>>);

/// A packet that a client may send, without the attachments that may follow it.
#[derive(Debug)]
pub enum Content {
    Connect(Option<Box<RawValue>>),
    Disconnect,
    Event {
        name: String,
        args: Vec<Box<RawValue>>,
        ack: Option<u64>,
    },
    Ack {
        id: Option<u64>,
        args: Vec<Box<RawValue>>,
    },
}

/// One decoded packet.
#[derive(Debug)]
pub struct Packet {
    /// `None` is the main namespace, `/`, which nearly every packet belongs to.
    pub namespace: Option<Box<str>>,
    /// How many binary messages belong to the packet and follow it.
    pub attachments: usize,
    pub content: Content,
}

/// Decodes the text of a packet (behind Engine.IO's `4`). Whatever is wrong with it, the reference closes the
/// connection, and so should the caller.
pub fn decode(text: &str, max_attachments: usize) -> Result<Packet, BadPacket> {
    let kind = *text.as_bytes().first().ok_or(BadPacket("an empty packet"))?;
    if !kind.is_ascii_digit() {
        return Err(BadPacket("unknown packet type"));
    }
    let mut rest = &text[1..];

    let binary = matches!(kind, kind::BINARY_EVENT | kind::BINARY_ACK);
    let mut attachments = 0;
    if binary {
        let (count, after) = rest.split_once('-').ok_or(BadPacket("illegal attachments"))?;
        attachments = number(count).ok_or(BadPacket("illegal attachments"))? as usize;
        if attachments > max_attachments {
            return Err(BadPacket(TOO_MANY_ATTACHMENTS));
        }
        rest = after;
    }

    let mut namespace = None;
    if rest.starts_with('/') {
        let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
        if name.len() > LONGEST_NAMESPACE {
            return Err(BadPacket("a namespace with too long a name"));
        }
        if name != "/" {
            namespace = Some(name.into());
        }
        rest = after;
    }

    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let id = match digits {
        0 => None,
        _ => Some(number(&rest[..digits]).ok_or(BadPacket("illegal number of an answer"))?),
    };
    let payload = &rest[digits..];

    let content = match kind {
        kind::CONNECT => Content::Connect(match payload {
            "" => None,
            json => Some(object(json)?),
        }),
        kind::DISCONNECT if payload.is_empty() => Content::Disconnect,
        kind::EVENT | kind::BINARY_EVENT => {
            let (name, args) = event(payload)?;
            Content::Event { name, args, ack: id }
        }
        kind::ACK | kind::BINARY_ACK => Content::Ack {
            id,
            args: array(payload)?,
        },
        kind::DISCONNECT => return Err(BadPacket("a disconnect with a payload")),
        _ => return Err(BadPacket("a packet that no client sends")),
    };
    if binary {
        check_placeholders(payload, attachments)?;
    }
    Ok(Packet {
        namespace,
        attachments,
        content,
    })
}

fn number(digits: &str) -> Option<u64> {
    // 2^53 is where the reference's numbers cease to be exact.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|n| *n < 1 << 53)
}

fn object(json: &str) -> Result<Box<RawValue>, BadPacket> {
    let value: Box<RawValue> = serde_json::from_str(json).map_err(|_| BadPacket("a payload that is no JSON"))?;
    if value.get().starts_with('{') {
        Ok(value)
    } else {
        Err(BadPacket("a payload that is no object"))
    }
}

/// An array of at most [`MOST_ARGUMENTS`].
fn array(json: &str) -> Result<Vec<Box<RawValue>>, BadPacket> {
    struct Arguments;

    impl<'de> Visitor<'de> for Arguments {
        type Value = Vec<Box<RawValue>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "an array of at most {MOST_ARGUMENTS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut args = Vec::new();
            while let Some(item) = items.next_element()? {
                if args.len() == MOST_ARGUMENTS {
                    return Err(serde::de::Error::invalid_length(MOST_ARGUMENTS + 1, &self));
                }
                args.push(item);
            }
            Ok(args)
        }
    }

    let mut json = serde_json::Deserializer::from_str(json);
    let args = json
        .deserialize_seq(Arguments)
        .map_err(|_| BadPacket("a payload that is no array, or too long a one"))?;
    json.end().map_err(|_| BadPacket("something behind the payload"))?;
    Ok(args)
}

/// An event's array: first its name (a string, or a number as the reference allows), then its arguments.
fn event(json: &str) -> Result<EventParts, BadPacket> {
    let mut args = array(json)?.into_iter();
    let first = args.next().ok_or(BadPacket("an event without a name"))?;
    let name = match first.get().as_bytes().first() {
        Some(b'"') => {
            serde_json::from_str::<String>(first.get()).map_err(|_| BadPacket("an event's name that is no text"))?
        }
        Some(b'-' | b'0'..=b'9') => first.get().to_owned(),
        _ => return Err(BadPacket("an event without a name")),
    };
    if RESERVED.contains(&name.as_str()) {
        return Err(BadPacket("an event with a reserved name"));
    }
    Ok((name, args.collect()))
}

/// Every `{"_placeholder":true,"num":n}` must name one of the attachments that follow.
fn check_placeholders(json: &str, attachments: usize) -> Result<(), BadPacket> {
    fn check(value: &serde_json::Value, attachments: usize) -> bool {
        match value {
            serde_json::Value::Array(items) => items.iter().all(|item| check(item, attachments)),
            serde_json::Value::Object(fields) if fields.get("_placeholder") == Some(&serde_json::Value::Bool(true)) => {
                fields
                    .get("num")
                    .and_then(serde_json::Value::as_u64)
                    .is_some_and(|num| num < attachments as u64)
            }
            serde_json::Value::Object(fields) => fields.values().all(|item| check(item, attachments)),
            _ => true,
        }
    }
    // serde_json ends at 128 levels, so neither it nor the check runs out of stack.
    let value = serde_json::from_str(json).map_err(|_| BadPacket("a payload that is no JSON"))?;
    if check(&value, attachments) {
        Ok(())
    } else {
        Err(BadPacket("illegal attachments"))
    }
}

/// A packet whose attachments are still coming.
#[derive(Debug)]
pub struct Assembling {
    pub packet: Packet,
    pub attachments: Vec<Bytes>,
    /// Bytes of the packet so far, its text included.
    pub bytes: usize,
}

impl Assembling {
    /// Takes the next attachment; `true` when it was the last.
    pub fn add(&mut self, data: &[u8], max_packet: usize) -> Result<bool, BadPacket> {
        self.bytes += data.len();
        if self.bytes > max_packet {
            return Err(BadPacket(TOO_LARGE));
        }
        self.attachments.push(Bytes::copy_from_slice(data));
        Ok(self.attachments.len() == self.packet.attachments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> &'static str {
        decode(text, 10).expect_err(text).0
    }

    #[test]
    fn a_packet_has_a_namespace_a_number_and_a_payload() {
        let packet = decode(r#"2/admin,12["hi",{"a":[1]},null]"#, 10).unwrap();
        assert_eq!(packet.namespace.as_deref(), Some("/admin"));
        let Content::Event { name, args, ack } = packet.content else {
            panic!("{packet:?}")
        };
        assert_eq!((name.as_str(), ack), ("hi", Some(12)));
        assert_eq!(
            args.iter().map(|arg| arg.get()).collect::<Vec<_>>(),
            [r#"{"a":[1]}"#, "null"]
        );
        assert!(matches!(decode("0", 10).unwrap().content, Content::Connect(None)));
        assert!(matches!(decode("0/x", 10).unwrap().content, Content::Connect(None)));
        assert!(matches!(decode("1/x,", 10).unwrap().content, Content::Disconnect));
        assert_eq!(decode("0/,{}", 10).unwrap().namespace, None);
        let Content::Event { name, .. } = decode("2[5,6]", 10).unwrap().content else {
            panic!()
        };
        assert_eq!(name, "5");
    }

    #[test]
    fn names_that_the_libraries_use_themselves_are_refused() {
        for name in RESERVED {
            assert_eq!(refused(&format!("2[\"{name}\"]")), "an event with a reserved name");
        }
        // Written with an escape it is the same name.
        assert_eq!(refused(r#"2["c\u006fnnect"]"#), "an event with a reserved name");
    }

    #[test]
    fn attachments_are_counted_and_named_rightly() {
        assert_eq!(refused(r#"511-["a"]"#), "too many attachments");
        assert_eq!(refused(r#"599999999999999999999-["a"]"#), "illegal attachments");
        assert_eq!(refused(r#"5-["a"]"#), "illegal attachments");
        assert_eq!(refused(r#"5"#), "illegal attachments");
        assert_eq!(
            refused(r#"51-["a",{"_placeholder":true,"num":1}]"#),
            "illegal attachments"
        );
        assert_eq!(
            refused(r#"51-["a",[{"x":{"_placeholder":true,"num":-1}}]]"#),
            "illegal attachments"
        );
        assert_eq!(refused(r#"51-["a",{"_placeholder":true}]"#), "illegal attachments");
        assert_eq!(
            decode(r#"51-["a",{"_placeholder":true,"num":0}]"#, 10)
                .unwrap()
                .attachments,
            1
        );
        assert_eq!(decode(r#"50-["a"]"#, 10).unwrap().attachments, 0);
    }

    #[test]
    fn arguments_are_bounded_in_number() {
        let packet = |count: usize| format!("2[\"a\"{}]", ",1".repeat(count));
        decode(&packet(MOST_ARGUMENTS - 1), 10).unwrap();
        refused(&packet(MOST_ARGUMENTS));
    }

    #[test]
    fn truncated_and_nested_packets_are_refused_without_a_panic() {
        for text in [
            "",
            "2",
            "2[",
            "2[\"",
            "2[]",
            "2{}",
            "2[null]",
            "2[\"a\"]]",
            "3",
            "3{}",
            "7",
            "é",
            "2/é",
            "0[]",
            "0null",
            "1{}",
            "4{}",
            "40",
        ] {
            refused(text);
        }
        let deep = format!("52-[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        refused(&deep);
        let deep = format!("2[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        decode(&deep, 10).expect("nested JSON is the handler's to judge");
    }
}
