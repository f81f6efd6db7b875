//! Where one message of Redis ends and the next begins (RESP2 and RESP3, <https://redis.io/docs/latest/develop/reference/protocol-spec/>),
//! so that whole messages of a subscription can be dropped and doubled, and answers never are.

/// Takes a stream of bytes apart.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
}

/// One whole frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// It is news of a subscription (`message`, `pmessage`, `smessage`), not an answer.
    pub is_news: bool,
}

/// A length in front of something that no server sends is taken for a broken stream.
const LENGTH_MAX: usize = 64 * 1024 * 1024;
/// Arrays within arrays.
const DEPTH_MAX: usize = 16;

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame. What cannot be read as a frame is handed on as it is.
    pub fn next(&mut self) -> Option<Frame> {
        if self.buffer.is_empty() {
            return None;
        }
        let end = match end_of(&self.buffer, 0, 0) {
            End::At(end) => end,
            End::Unknown => return None,
            End::Broken => self.buffer.len(),
        };
        let bytes: Vec<u8> = self.buffer.drain(..end).collect();
        let is_news = is_news(&bytes);
        Some(Frame { bytes, is_news })
    }
}

enum End {
    At(usize),
    /// More bytes are needed.
    Unknown,
    Broken,
}

fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(2).position(|pair| pair == b"\r\n").map(|at| from + at + 2)
}

fn end_of(bytes: &[u8], from: usize, depth: usize) -> End {
    if depth > DEPTH_MAX {
        return End::Broken;
    }
    let Some(line) = line_end(bytes, from) else {
        return End::Unknown;
    };
    let number = || -> Option<i64> { std::str::from_utf8(&bytes[from + 1..line - 2]).ok()?.parse().ok() };
    match bytes[from] {
        b'+' | b'-' | b':' | b',' | b'#' | b'_' | b'(' => End::At(line),
        b'$' | b'=' | b'!' => match number() {
            Some(-1) => End::At(line),
            Some(length) if (0..=LENGTH_MAX as i64).contains(&length) => {
                let end = line + length as usize + 2;
                if end <= bytes.len() { End::At(end) } else { End::Unknown }
            }
            _ => End::Broken,
        },
        kind @ (b'*' | b'>' | b'~' | b'%') => match number() {
            Some(-1) => End::At(line),
            Some(count) if (0..=LENGTH_MAX as i64).contains(&count) => {
                let count = if kind == b'%' { count * 2 } else { count };
                let mut at = line;
                for _ in 0..count {
                    match end_of(bytes, at, depth + 1) {
                        End::At(end) => at = end,
                        other => return other,
                    }
                }
                End::At(at)
            }
            _ => End::Broken,
        },
        _ => End::Broken,
    }
}

fn is_news(frame: &[u8]) -> bool {
    if !matches!(frame.first(), Some(b'*' | b'>')) {
        return false;
    }
    let Some(start) = line_end(frame, 0) else { return false };
    let first = &frame[start..];
    [&b"$7\r\nmessage\r\n"[..], b"$8\r\npmessage\r\n", b"$8\r\nsmessage\r\n"]
        .iter()
        .any(|name| first.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"+OK\r\n*3\r\n$7\r\nmessage\r\n$3\r\nbus\r\n$4\r\na\r\nb\r\n$-1\r\n>3\r\n$9\r\nsubscribe\r\n$3\r\nbus\r\n:1\r\n\
        %1\r\n+server\r\n$5\r\nredis\r\n>3\r\n$7\r\nmessage\r\n$3\r\nbus\r\n$0\r\n\r\n";

    fn apart(step: usize) -> Vec<Frame> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for chunk in STREAM.chunks(step) {
            frames.push(chunk);
            while let Some(frame) = frames.next() {
                found.push(frame);
            }
        }
        found
    }

    #[test]
    fn a_stream_falls_into_the_same_frames_however_it_arrives() {
        for step in 1..STREAM.len() {
            let frames = apart(step);
            assert_eq!(
                frames.iter().flat_map(|frame| frame.bytes.clone()).collect::<Vec<u8>>(),
                STREAM
            );
            assert_eq!(
                frames.iter().map(|frame| frame.is_news).collect::<Vec<_>>(),
                [false, true, false, false, false, true],
                "in pieces of {step}"
            );
        }
    }

    #[test]
    fn what_is_no_frame_is_handed_on_as_it_is() {
        let mut frames = Frames::default();
        frames.push(b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(
            frames.next().map(|frame| frame.bytes),
            Some(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())
        );
    }
}
