//! Packets on their way out: encoded once, shared by all who get them.
//!
//! A frame is its bytes on a WebSocket, header included: server frames are not masked (RFC 6455, section 5.1), so one
//! copy fits every connection. Long-polling takes the same bytes apart again ([`messages`]), which costs only those who
//! poll.

use crate::{
    packet::kind,
    websocket::{self, opcode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Borrow;

/// One packet, encoded once. Cloning it copies nothing.
///
/// Payloads are anything that `serde_json` can write. One that it cannot (a map whose keys are no strings, a
/// `Serialize` that fails) becomes `null`, and is logged as an error: it is a mistake in the caller's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub(crate) Bytes);

impl Frame {
    /// An event of the main namespace with one argument.
    pub fn event<T: Serialize + ?Sized>(name: &str, payload: &T) -> Self {
        Self::within("/").event(name, payload)
    }

    /// An event of the main namespace with any number of arguments, each JSON already.
    pub fn event_args<A: Borrow<RawValue>>(name: &str, args: &[A]) -> Self {
        Self::within("/").event_args(name, args)
    }

    /// The answer to an event that asked for one, in the main namespace, with one argument.
    pub fn ack<T: Serialize + ?Sized>(id: u64, payload: &T) -> Self {
        Self::within("/").ack(id, payload)
    }

    /// The same with any number of arguments, each JSON already.
    pub fn ack_args<A: Borrow<RawValue>>(id: u64, args: &[A]) -> Self {
        Self::within("/").ack_args(id, args)
    }

    /// Frames of another namespace than `/`, or with binary attachments.
    pub fn within(namespace: &str) -> FrameBuilder<'_> {
        FrameBuilder {
            namespace,
            attachments: &[],
        }
    }

    /// This event with one more text as its last argument, as connection state recovery has it; a frame that is no event
    /// without attachments stays as it is.
    pub fn with_last_argument(&self, argument: &str) -> Self {
        let mut parts = messages(&self.0);
        let (Some((false, text)), None) = (parts.next(), parts.next()) else {
            return self.clone();
        };
        match text.strip_suffix(b"]") {
            Some(rest) if text.starts_with(&[b'4', kind::EVENT]) => {
                let mut message = Message::new(text.len() + argument.len() + 3);
                message.buffer.extend_from_slice(rest);
                message.buffer.push(b',');
                message.json(argument);
                message.buffer.push(b']');
                message.finish(&[])
            }
            _ => self.clone(),
        }
    }

    /// Bytes that this frame takes on a WebSocket, its header included.
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A text message of the given bytes; `head` is written before them.
    pub(crate) fn text(head: &str, rest: &[u8]) -> Self {
        let mut message = Message::new(head.len() + rest.len());
        message.buffer.extend_from_slice(head.as_bytes());
        message.buffer.extend_from_slice(rest);
        message.finish(&[])
    }

    /// A binary message.
    pub(crate) fn binary(data: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(data.len() + websocket::LONGEST_HEADER);
        websocket::write_frame(&mut buffer, opcode::BINARY, data);
        Self(buffer.into())
    }

    /// A CONNECT packet, which tells the client its socket's id.
    pub(crate) fn connected(namespace: &str, sid: &str, fields: &serde_json::Map<String, serde_json::Value>) -> Self {
        #[derive(Serialize)]
        struct Connected<'a> {
            // First, as the reference has it.
            sid: &'a str,
            #[serde(flatten)]
            fields: &'a serde_json::Map<String, serde_json::Value>,
        }
        let mut message = Message::packet(kind::CONNECT, namespace, None, 0);
        message.json(&Connected { sid, fields });
        message.finish(&[])
    }

    /// A CONNECT_ERROR packet.
    pub(crate) fn refused(namespace: &str, text: &str, data: Option<&serde_json::Value>) -> Self {
        #[derive(Serialize)]
        struct Refusal<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a serde_json::Value>,
        }
        let mut message = Message::packet(kind::CONNECT_ERROR, namespace, None, 0);
        message.json(&Refusal { message: text, data });
        message.finish(&[])
    }

    /// A DISCONNECT packet.
    pub(crate) fn disconnect(namespace: &str) -> Self {
        Message::packet(kind::DISCONNECT, namespace, None, 0).finish(&[])
    }
}

/// Makes frames of one namespace. See [`Frame::within`].
#[derive(Clone, Copy, Debug)]
pub struct FrameBuilder<'a> {
    namespace: &'a str,
    attachments: &'a [Bytes],
}

impl<'a> FrameBuilder<'a> {
    /// Binary attachments. In the arguments, `{"_placeholder":true,"num":0}` stands where the first one belongs.
    pub fn attachments(self, attachments: &'a [Bytes]) -> Self {
        Self { attachments, ..self }
    }

    /// An event with one argument.
    pub fn event<T: Serialize + ?Sized>(self, name: &str, payload: &T) -> Frame {
        let mut message = self.packet(kind::EVENT, kind::BINARY_EVENT, None);
        message.buffer.push(b'[');
        message.json(name);
        message.buffer.push(b',');
        message.json(payload);
        message.buffer.push(b']');
        message.finish(self.attachments)
    }

    /// An event with any number of arguments, each JSON already.
    pub fn event_args<A: Borrow<RawValue>>(self, name: &str, args: &[A]) -> Frame {
        self.event_with_id(None, name, args)
    }

    /// An event that asks the client for an answer with this number.
    pub(crate) fn event_with_id<A: Borrow<RawValue>>(self, id: Option<u64>, name: &str, args: &[A]) -> Frame {
        let mut message = self.packet(kind::EVENT, kind::BINARY_EVENT, id);
        message.buffer.push(b'[');
        message.json(name);
        for arg in args {
            message.buffer.push(b',');
            message.buffer.extend_from_slice(arg.borrow().get().as_bytes());
        }
        message.buffer.push(b']');
        message.finish(self.attachments)
    }

    /// The answer to an event that asked for one, with one argument.
    pub fn ack<T: Serialize + ?Sized>(self, id: u64, payload: &T) -> Frame {
        let mut message = self.packet(kind::ACK, kind::BINARY_ACK, Some(id));
        message.buffer.push(b'[');
        message.json(payload);
        message.buffer.push(b']');
        message.finish(self.attachments)
    }

    /// The same with any number of arguments, each JSON already.
    pub fn ack_args<A: Borrow<RawValue>>(self, id: u64, args: &[A]) -> Frame {
        let mut message = self.packet(kind::ACK, kind::BINARY_ACK, Some(id));
        message.buffer.push(b'[');
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                message.buffer.push(b',');
            }
            message.buffer.extend_from_slice(arg.borrow().get().as_bytes());
        }
        message.buffer.push(b']');
        message.finish(self.attachments)
    }

    fn packet(self, plain: u8, binary: u8, id: Option<u64>) -> Message {
        let kind = if self.attachments.is_empty() { plain } else { binary };
        Message::packet(kind, self.namespace, id, self.attachments.len())
    }
}

/// A text message in the making, with room before it for the header, whose length is known only at the end.
struct Message {
    buffer: Vec<u8>,
}

impl Message {
    fn new(expected: usize) -> Self {
        let mut buffer = Vec::with_capacity(websocket::LONGEST_HEADER + expected);
        buffer.resize(websocket::LONGEST_HEADER, 0);
        Self { buffer }
    }

    /// Engine.IO's `4`, then a packet up to its JSON: `<kind>[<attachments>-][<namespace>,][<id>]`.
    fn packet(kind: u8, namespace: &str, id: Option<u64>, attachments: usize) -> Self {
        let mut message = Self::new(244);
        message.buffer.extend_from_slice(&[b'4', kind]);
        if attachments > 0 {
            message.buffer.extend_from_slice(attachments.to_string().as_bytes());
            message.buffer.push(b'-');
        }
        if namespace != "/" {
            message.buffer.extend_from_slice(namespace.as_bytes());
            message.buffer.push(b',');
        }
        if let Some(id) = id {
            message.buffer.extend_from_slice(id.to_string().as_bytes());
        }
        message
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        let before = self.buffer.len();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, value) {
            tracing::error!(%error, "a payload cannot be written as JSON");
            self.buffer.truncate(before);
            self.buffer.extend_from_slice(b"null");
        }
    }

    /// Writes the header into the room before the text, and the attachments behind it, each a message of its own.
    fn finish(mut self, attachments: &[Bytes]) -> Frame {
        let length = self.buffer.len() - websocket::LONGEST_HEADER;
        let header = websocket::Header::new(opcode::TEXT, length);
        let start = websocket::LONGEST_HEADER - header.as_bytes().len();
        self.buffer[start..websocket::LONGEST_HEADER].copy_from_slice(header.as_bytes());
        for attachment in attachments {
            websocket::write_frame(&mut self.buffer, opcode::BINARY, attachment);
        }
        Frame(Bytes::from(self.buffer).slice(start..))
    }
}

/// The messages in frames of our own making, in order: is it binary, and its bytes.
pub(crate) fn messages(frames: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let (first, length, header) = websocket::own_header(rest)?;
        let data = rest.get(header..header + length)?;
        rest = &rest[header + length..];
        Some((first & 0x0f == opcode::BINARY, data))
    })
}

/// Adds frames to the body of an answer to a poll: messages parted by the record separator, binary ones in base64.
/// <https://github.com/socketio/engine.io-protocol#http-long-polling-1>
pub(crate) fn append_to_payload(body: &mut Vec<u8>, frames: &[u8]) {
    for (binary, data) in messages(frames) {
        if !body.is_empty() {
            body.push(crate::engine::SEPARATOR);
        }
        if binary {
            body.push(b'b');
            let start = body.len();
            body.resize(start + data.len().div_ceil(3) * 4, 0);
            let written = STANDARD.encode_slice(data, &mut body[start..]).unwrap_or(0);
            body.truncate(start + written);
        } else {
            body.extend_from_slice(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(frame: &Frame) -> String {
        let mut body = Vec::new();
        append_to_payload(&mut body, &frame.0);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn events_and_answers_read_as_the_protocol_has_them() {
        assert_eq!(
            payload(&Frame::event("hello", &json!({"a": 1}))),
            r#"42["hello",{"a":1}]"#
        );
        assert_eq!(payload(&Frame::event_args::<&RawValue>("hello", &[])), r#"42["hello"]"#);
        assert_eq!(payload(&Frame::ack(7, "done")), r#"437["done"]"#);
        assert_eq!(payload(&Frame::within("/admin").ack(0, &true)), "43/admin,0[true]");
        let bytes = [Bytes::from_static(&[1, 2, 3, 4])];
        let placeholder = json!({"_placeholder": true, "num": 0});
        assert_eq!(
            payload(&Frame::within("/").attachments(&bytes).event("file", &placeholder)),
            "451-[\"file\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA=="
        );
    }

    #[test]
    fn an_event_takes_one_more_argument_and_nothing_else_does() {
        for length in [1, 110, 130, 65_530, 70_000] {
            let long = "x".repeat(length);
            let event = Frame::event("hello", &long).with_last_argument("0-1");
            assert_eq!(payload(&event), format!(r#"42["hello","{long}","0-1"]"#));
        }
        let none = Frame::event_args::<&RawValue>("hello", &[]);
        assert_eq!(payload(&none.with_last_argument("\"")), r#"42["hello","\""]"#);
        let bytes = [Bytes::from_static(&[1])];
        let binary = Frame::within("/")
            .attachments(&bytes)
            .event("file", &json!({"_placeholder": true, "num": 0}));
        for other in [
            Frame::ack(7, "done"),
            Frame::disconnect("/"),
            Frame::text("2", b""),
            binary,
        ] {
            assert_eq!(other.with_last_argument("0-1"), other);
        }
    }

    #[test]
    fn headers_have_the_three_lengths_of_the_rfc() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (1_000_000, 10)] {
            let frame = Frame::text("", &vec![b'x'; length]);
            assert_eq!(frame.len(), header + length);
            let (binary, data) = messages(&frame.0).next().unwrap();
            assert_eq!((binary, data.len()), (false, length));
        }
    }

    #[test]
    fn a_payload_that_is_no_json_becomes_null() {
        let wrong = std::collections::HashMap::from([((1, 2), 3)]);
        assert_eq!(payload(&Frame::event("hello", &wrong)), r#"42["hello",null]"#);
    }
}
