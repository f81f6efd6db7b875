//! PDF (ISO 32000-2, 7.5): that the file is one and nothing else. Its content is not looked into: it is served for saving,
//! never shown inside a page.

use super::{Inspected, MediaFault, source::Source};
use crate::model::MediaType;

/// `%%EOF` stands within so many bytes of the end, as readers look for it.
const END_BYTES: usize = 1024;
/// What the first bytes are searched for; a reader that judges by content looks no further.
const HEAD_BYTES: usize = 1024;
/// What makes a page of the beginning of a PDF.
const MARKUP: [&[u8]; 6] = [b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<svg"];

pub(super) fn inspect(source: &mut Source<'_>) -> Result<Inspected, MediaFault> {
    let head = piece(source, 0, HEAD_BYTES)?.to_ascii_lowercase();
    if !head.get(5).is_some_and(u8::is_ascii_digit) || head.get(6) != Some(&b'.') {
        return Err(MediaFault::broken("The PDF does not say which version of PDF it is."));
    }
    if MARKUP.iter().any(|tag| find_last(&head, tag).is_some()) {
        return Err(MediaFault::unsupported(
            "The file is a PDF that begins as a web page does, which is not allowed.",
        ));
    }
    let start = source.length().saturating_sub(END_BYTES as u64);
    let end = piece(source, start, END_BYTES)?;
    let Some(at) = find_last(&end, b"%%EOF") else {
        return Err(MediaFault::broken(
            "The PDF has no end: it was cut short, or is damaged.",
        ));
    };
    let behind = end.get(at + 5..).unwrap_or_default();
    if !behind.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(MediaFault::unsupported("Something else follows the end of the PDF."));
    }
    Ok(Inspected::of(MediaType::Pdf))
}

/// How far from its end a ZIP archive is looked for by programs that open one: its last record and the longest comment.
const ARCHIVE_END_BYTES: usize = 22 + 65_535;

/// Refuses a file that is a ZIP archive as well (a JAR, an office file).
pub(super) fn refuse_archive_end(source: &mut Source<'_>) -> Result<(), MediaFault> {
    match has_archive_end(source)? {
        true => Err(MediaFault::unsupported(
            "The file is an archive as well, which is not allowed.",
        )),
        false => Ok(()),
    }
}

/// Does the file end as a ZIP archive, which is found from its end, whatever stands before it (APPNOTE, 4.3.16)?
pub(super) fn has_archive_end(source: &mut Source<'_>) -> Result<bool, MediaFault> {
    let start = source.length().saturating_sub(ARCHIVE_END_BYTES as u64);
    let end = piece(source, start, ARCHIVE_END_BYTES)?;
    for (at, record) in end.windows(22).enumerate() {
        let [
            b'P',
            b'K',
            5,
            6,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            size @ ..,
            o1,
            o2,
            o3,
            o4,
            c1,
            c2,
        ] = record
        else {
            continue;
        };
        let comment = usize::from(u16::from_le_bytes([*c1, *c2]));
        let is_of_64_bits = end
            .get(at.saturating_sub(20)..at)
            .is_some_and(|before| before.starts_with(b"PK\x06\x07"));
        if at + record.len() + comment == end.len() || is_of_64_bits {
            return Ok(true);
        }
        // Readers overlook what follows the record, so it must be told from bytes that look like one: by its list of
        // files, which stands before it or where it says.
        let size = size.try_into().map(u32::from_le_bytes).unwrap_or_default();
        let before = (start + at as u64).checked_sub(size.into());
        let told = u32::from_le_bytes([*o1, *o2, *o3, *o4]).into();
        for list in before.into_iter().chain([told]) {
            if list + 4 <= source.length() && source.array::<4>(list)? == *b"PK\x01\x02" {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn piece(source: &mut Source<'_>, at: u64, most: usize) -> Result<Vec<u8>, MediaFault> {
    let count = (source.length() - at).min(most as u64);
    source.bytes(at, usize::try_from(count).unwrap_or(most))
}

fn find_last(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}
