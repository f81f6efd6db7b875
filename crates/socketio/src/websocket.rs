//! WebSocket framing (RFC 6455), the server's side: masks required, limits checked before anything is buffered.

/// Opcodes (section 5.2).
pub mod opcode {
    pub const CONTINUATION: u8 = 0x0;
    pub const TEXT: u8 = 0x1;
    pub const BINARY: u8 = 0x2;
    pub const CLOSE: u8 = 0x8;
    pub const PING: u8 = 0x9;
    pub const PONG: u8 = 0xa;
}

/// Status codes of a close frame (section 7.4.1).
pub mod close {
    pub const NORMAL: u16 = 1000;
    pub const PROTOCOL: u16 = 1002;
    pub const INVALID_DATA: u16 = 1007;
    pub const TOO_BIG: u16 = 1009;
    /// Registered with IANA since.
    pub const TRY_AGAIN: u16 = 1013;
}

/// Longest header of a server's frame, which has no mask.
pub const LONGEST_HEADER: usize = 10;

/// A violation, as the code of the close frame that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation(pub u16);

/// Header of one of our own frames.
pub struct Header {
    bytes: [u8; LONGEST_HEADER],
    length: usize,
}

impl Header {
    pub fn new(opcode: u8, payload: usize) -> Self {
        let mut bytes = [0; LONGEST_HEADER];
        bytes[0] = 0x80 | opcode;
        let length = match payload {
            0..=125 => {
                bytes[1] = payload as u8;
                2
            }
            126..=65_535 => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, length }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Appends one unmasked frame.
pub fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.extend_from_slice(Header::new(opcode, payload.len()).as_bytes());
    out.extend_from_slice(payload);
}

/// Longest reason in a close frame (section 5.5), in bytes.
const LONGEST_REASON: usize = 123;

/// A close frame with a status code and a reason, where it is short enough.
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let reason = if reason.len() <= LONGEST_REASON { reason } else { "" };
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    let mut frame = Vec::with_capacity(payload.len() + 2);
    write_frame(&mut frame, opcode::CLOSE, &payload);
    frame
}

/// First byte, payload length and header length of a frame that [`write_frame`] or [`Header`] made.
pub fn own_header(frame: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *frame.first()?;
    Some(match *frame.get(1)? {
        126 => (
            first,
            usize::from(u16::from_be_bytes(*frame.get(2..4)?.first_chunk()?)),
            4,
        ),
        127 => (
            first,
            usize::try_from(u64::from_be_bytes(*frame.get(2..10)?.first_chunk()?)).ok()?,
            10,
        ),
        length => (first, usize::from(length), 2),
    })
}

/// A client's frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientHeader {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    header: usize,
    payload: usize,
}

/// Reads a client's frame header; `None` while it is not complete. A length over `limit` is a violation at once, before
/// any of the payload has come.
fn client_header(bytes: &[u8], limit: usize) -> Result<Option<ClientHeader>, Violation> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    if first & 0x70 != 0 {
        // No extension has been agreed on that would give these bits a meaning.
        return Err(Violation(close::PROTOCOL));
    }
    let control = opcode & 0x8 != 0;
    let known = matches!(opcode, 0x0..=0x2 | 0x8..=0xa);
    if !known || second & 0x80 == 0 || (control && (!fin || second & 0x7f > 125)) {
        return Err(Violation(close::PROTOCOL));
    }
    let (length, at) = match second & 0x7f {
        126 => match bytes.get(2..4).and_then(|part| part.first_chunk()) {
            Some(part) => (u64::from(u16::from_be_bytes(*part)), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|part| part.first_chunk()) {
            Some(part) => (u64::from_be_bytes(*part), 10),
            None => return Ok(None),
        },
        length => (u64::from(length), 2),
    };
    if length > limit as u64 {
        return Err(Violation(close::TOO_BIG));
    }
    let Some(mask) = bytes.get(at..at + 4).and_then(|part| part.first_chunk()) else {
        return Ok(None);
    };
    Ok(Some(ClientHeader {
        fin,
        opcode,
        mask: *mask,
        header: at + 4,
        payload: length as usize,
    }))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Some(bytes) = chunk.first_chunk_mut::<8>() {
            *bytes = (u64::from_ne_bytes(*bytes) ^ wide).to_ne_bytes();
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// What a client's frame amounts to.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message, checked to be UTF-8.
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The code to answer with.
    Close(u16),
    /// A part of a message; more follows.
    Part,
}

/// Parts of a message that came in several frames. Most clients never send one, so it is boxed.
#[derive(Debug)]
struct Fragments {
    opcode: u8,
    data: Vec<u8>,
}

/// Cuts a client's bytes into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    // The box keeps the idle decoder at one word.
    fragments: Option<Box<Fragments>>,
    /// The last message out of fragments, lent out until the next call.
    whole: Vec<u8>,
}

impl Decoder {
    /// Takes one frame from the front of `bytes`, unmasking it in place: what it is and how many bytes it took. `None`
    /// while it is not complete. No message is longer than `limit`, in however many frames it comes.
    pub fn next<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        limit: usize,
    ) -> Result<Option<(Incoming<'a>, usize)>, Violation> {
        let Some(frame) = client_header(bytes, limit)? else {
            return Ok(None);
        };
        let total = frame.header + frame.payload;
        if bytes.len() < total {
            return Ok(None);
        }
        let payload = &mut bytes[frame.header..total];
        unmask(payload, frame.mask);
        let payload = &*payload;
        let incoming = match frame.opcode {
            opcode::PING => Incoming::Ping(payload),
            opcode::PONG => Incoming::Pong,
            opcode::CLOSE => Incoming::Close(close_code(payload)?),
            opcode::CONTINUATION => {
                return self
                    .continuation(frame, payload, limit)
                    .map(|found| Some((found, total)));
            }
            _ if self.fragments.is_some() => return Err(Violation(close::PROTOCOL)),
            opcode if frame.fin => message(opcode, payload)?,
            opcode => {
                self.fragments = Some(Box::new(Fragments {
                    opcode,
                    data: payload.to_vec(),
                }));
                Incoming::Part
            }
        };
        Ok(Some((incoming, total)))
    }

    fn continuation(&mut self, frame: ClientHeader, payload: &[u8], limit: usize) -> Result<Incoming<'_>, Violation> {
        let fragments = self.fragments.as_mut().ok_or(Violation(close::PROTOCOL))?;
        if fragments.data.len() + payload.len() > limit {
            return Err(Violation(close::TOO_BIG));
        }
        fragments.data.extend_from_slice(payload);
        if !frame.fin {
            return Ok(Incoming::Part);
        }
        let opcode = fragments.opcode;
        self.whole = self
            .fragments
            .take()
            .map(|fragments| fragments.data)
            .unwrap_or_default();
        message(opcode, &self.whole)
    }

    /// Gives back the memory of the last message out of fragments.
    pub fn release(&mut self) {
        if self.whole.capacity() > 0 {
            self.whole = Vec::new();
        }
    }
}

fn message(opcode: u8, payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    if opcode == opcode::BINARY {
        return Ok(Incoming::Binary(payload));
    }
    simdutf8::basic::from_utf8(payload)
        .map(Incoming::Text)
        .map_err(|_| Violation(close::INVALID_DATA))
}

/// The code to answer a close frame with: its own, if it is one that may be sent (sections 5.5.1, 7.4.1, 7.4.2).
fn close_code(payload: &[u8]) -> Result<u16, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(close::NORMAL),
        [_] => return Err(Violation(close::PROTOCOL)),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation(close::PROTOCOL));
    }
    if simdutf8::basic::from_utf8(reason).is_err() {
        return Err(Violation(close::INVALID_DATA));
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut frame = Header::new(first & 0x0f, payload.len()).as_bytes().to_vec();
        frame[0] = first;
        frame[1] |= 0x80;
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    fn one(frame: &[u8], limit: usize) -> Result<String, u16> {
        let mut bytes = frame.to_vec();
        match Decoder::default().next(&mut bytes, limit) {
            Ok(Some((incoming, taken))) => {
                assert_eq!(taken, frame.len());
                Ok(format!("{incoming:?}"))
            }
            Ok(None) => Ok("incomplete".to_owned()),
            Err(Violation(code)) => Err(code),
        }
    }

    #[test]
    fn frames_are_read_at_every_length_and_wait_until_they_are_whole() {
        for length in [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536] {
            let frame = masked(0x82, &vec![b'x'; length]);
            assert_eq!(
                one(&frame, 100_000),
                Ok(format!("{:?}", Incoming::Binary(&vec![b'x'; length])))
            );
            for cut in (0..frame.len().min(20)).chain([frame.len() - 1]) {
                assert_eq!(one(&frame[..cut], 100_000), Ok("incomplete".to_owned()));
            }
        }
    }

    #[test]
    fn violations_are_told_apart() {
        assert_eq!(one(&[0x81, 0x01, b'x'], 10), Err(close::PROTOCOL), "no mask");
        assert_eq!(one(&masked(0xc1, b"x"), 10), Err(close::PROTOCOL), "reserved bit");
        assert_eq!(one(&masked(0x83, b"x"), 10), Err(close::PROTOCOL), "reserved opcode");
        assert_eq!(
            one(&masked(0x09, b"x"), 10),
            Err(close::PROTOCOL),
            "control frame in parts"
        );
        assert_eq!(
            one(&masked(0x89, &[0; 126]), 1000),
            Err(close::PROTOCOL),
            "long control frame"
        );
        assert_eq!(
            one(&masked(0x80, b"x"), 10),
            Err(close::PROTOCOL),
            "nothing to continue"
        );
        assert_eq!(one(&masked(0x81, &[0xff]), 10), Err(close::INVALID_DATA));
        assert_eq!(
            one(&masked(0x81, &[b'x'; 11])[..2], 10),
            Err(close::TOO_BIG),
            "told by the header alone"
        );
        assert_eq!(
            one(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 10),
            Err(close::TOO_BIG)
        );
        assert_eq!(one(&masked(0x88, &[3]), 10), Err(close::PROTOCOL));
        assert_eq!(one(&masked(0x88, &1005u16.to_be_bytes()), 10), Err(close::PROTOCOL));
        assert_eq!(one(&masked(0x88, &[3, 0xe8, 0xff]), 10), Err(close::INVALID_DATA));
        assert_eq!(one(&masked(0x88, &[]), 10), Ok("Close(1000)".to_owned()));
        assert_eq!(
            one(&masked(0x88, &3001u16.to_be_bytes()), 10),
            Ok("Close(3001)".to_owned())
        );
    }

    #[test]
    fn a_message_may_come_in_parts_with_pings_between() {
        let mut decoder = Decoder::default();
        let mut step = |frame: Vec<u8>, limit| {
            let mut bytes = frame;
            decoder
                .next(&mut bytes, limit)
                .map(|found| format!("{:?}", found.unwrap().0))
        };
        // The parts cut a character of two bytes.
        assert_eq!(step(masked(0x01, &[b'a', 0xc3]), 10).unwrap(), "Part");
        assert_eq!(step(masked(0x89, b"p"), 10).unwrap(), "Ping([112])");
        assert_eq!(step(masked(0x00, &[]), 10).unwrap(), "Part");
        assert_eq!(step(masked(0x80, &[0xa9]), 10).unwrap(), "Text(\"aé\")");
        assert_eq!(step(masked(0x02, &[0; 6]), 10).unwrap(), "Part");
        assert_eq!(step(masked(0x80, &[0; 5]), 10), Err(Violation(close::TOO_BIG)));
        assert_eq!(
            step(masked(0x81, b"x"), 10),
            Err(Violation(close::PROTOCOL)),
            "a message within another"
        );
    }
}
