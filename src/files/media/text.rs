//! Plain text: UTF-8 and nothing that a terminal or a browser would take for more.

use super::{Inspected, MediaFault, source::Source};
use crate::model::MediaType;

/// Read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Longest rest of a character that a piece may end with.
const REST_BYTES: usize = 3;

pub(super) fn inspect(source: &mut Source<'_>) -> Result<Inspected, MediaFault> {
    let mut at = 0;
    let mut piece = Vec::with_capacity(PIECE_BYTES + REST_BYTES);
    while at < source.length() {
        let count = (source.length() - at).min(PIECE_BYTES as u64);
        piece.extend(source.bytes(at, usize::try_from(count).unwrap_or(PIECE_BYTES))?);
        at += count;
        let rest = check(&piece, at == source.length())?;
        let whole = piece.len() - rest;
        piece.drain(..whole);
    }
    Ok(Inspected::of(MediaType::Text))
}

/// How many bytes at the end of the piece are the beginning of a character that the next piece ends.
fn check(piece: &[u8], is_last: bool) -> Result<usize, MediaFault> {
    let (text, rest) = match std::str::from_utf8(piece) {
        Ok(text) => (text, 0),
        Err(error) => {
            let (whole, rest) = piece.split_at(error.valid_up_to());
            if error.error_len().is_some() || is_last {
                return Err(not_utf8());
            }
            (std::str::from_utf8(whole).map_err(|_| not_utf8())?, rest.len())
        }
    };
    if let Some(control) = text.chars().find(|c| is_foreign(*c)) {
        return Err(MediaFault::unsupported(format!(
            "The file is no plain text: it holds the control character U+{:04X}.",
            u32::from(control)
        )));
    }
    Ok(rest)
}

/// Control characters that no text needs; C1 ones among them, since terminals obey some of those as well.
pub(super) fn is_foreign(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}')
}

fn not_utf8() -> MediaFault {
    MediaFault::unsupported("The file is of no type that is allowed, and no plain text in UTF-8 either.")
}
