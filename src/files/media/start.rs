//! The type of a file by its first bytes, as the MIME Sniffing Standard (mimesniff.spec.whatwg.org) tells them, but
//! stricter: what could be taken for two things is refused.

use super::{MediaFault, text, webm};
use crate::model::{MediaKind, MediaType};

/// So many first bytes decide, or all of a shorter file.
pub const START_BYTES: usize = 1024;

/// What the file is that begins with these bytes, or `None` when it will not be taken. [`START_BYTES`] of them are enough; with
/// fewer the answer is about a file that ends there. It says which limit of size applies, and is no more than a promise:
/// [`inspect`](super::inspect) judges the rest.
pub fn judge_start(first_bytes: &[u8]) -> Option<MediaKind> {
    judge(first_bytes).ok().map(MediaType::kind)
}

pub(super) fn judge(start: &[u8]) -> Result<MediaType, MediaFault> {
    let start = start.get(..START_BYTES).unwrap_or(start);
    if start.is_empty() {
        return Err(MediaFault::broken("The file is empty."));
    }
    if start.starts_with(&[0xff, 0xd8, 0xff]) {
        return Ok(MediaType::Jpeg);
    }
    if start.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(MediaType::Png);
    }
    if start.starts_with(b"GIF87a") || start.starts_with(b"GIF89a") {
        return Ok(MediaType::Gif);
    }
    if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        return Ok(MediaType::Webp);
    }
    if start.get(4..8) == Some(b"ftyp") {
        return judge_brands(start);
    }
    if start.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return match webm::is_named_by(start) {
            true => Ok(MediaType::Webm),
            false => Err(not_allowed()),
        };
    }
    if start.starts_with(b"%PDF-") {
        return Ok(MediaType::Pdf);
    }
    judge_text(start)
}

/// Brands (ISO/IEC 14496-12, 4.3; mp4ra.org) that promise what browsers play as `video/mp4`.
const MP4_BRANDS: &[&[u8; 4]] = &[
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"mp71",
    b"avc1", b"av01", b"M4V ", b"M4VH", b"M4VP", b"f4v ", b"MSNV", b"dash", b"cmfc", b"XAVC",
];

/// Brands of images in the same container.
const IMAGE_BRANDS: &[&[u8; 4]] = &[
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis", b"jpeg", b"crx ",
];

fn judge_brands(start: &[u8]) -> Result<MediaType, MediaFault> {
    let size = start.first_chunk().map_or(0, |size| u32::from_be_bytes(*size));
    let end = usize::try_from(size).unwrap_or(usize::MAX).min(start.len());
    let major = start.get(8..12).unwrap_or_default();
    let compatible = start.get(16..end).unwrap_or_default().chunks_exact(4);
    let brands: Vec<&[u8]> = std::iter::once(major).chain(compatible).collect();
    let is_any = |known: &[&[u8; 4]]| brands.iter().any(|brand| known.iter().any(|name| brand == name));
    if is_any(IMAGE_BRANDS) {
        return Err(MediaFault::unsupported(
            "HEIC and AVIF images are not allowed; JPEG, PNG, GIF and WebP are.",
        ));
    }
    if major == b"qt  " {
        return Ok(MediaType::Quicktime);
    }
    if is_any(MP4_BRANDS) {
        return Ok(MediaType::Mp4);
    }
    Err(not_allowed())
}

/// Beginnings of texts that are programs or documents to other software.
const PROGRAMS: &[&[u8]] = &[b"#!", b"%!PS", b"{\\rtf", b"+/v8", b"+/v9", b"+/v+", b"+/v/", b"+ADw-"];

fn judge_text(start: &[u8]) -> Result<MediaType, MediaFault> {
    if start.starts_with(&[0xfe, 0xff]) || start.starts_with(&[0xff, 0xfe]) {
        return Err(MediaFault::unsupported("The text is in UTF-16; save it as UTF-8."));
    }
    let body = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let is_control = |byte: &u8| text::is_foreign(char::from(*byte)) && *byte < 0x80;
    if body.iter().any(is_control) {
        return Err(not_allowed());
    }
    let body = body.trim_ascii_start();
    // Any tag, declaration or comment, and not only those of the standard's list: a namespace's prefix hides the rest.
    if let [b'<', next, ..] = body
        && (next.is_ascii_alphabetic() || matches!(next, b'!' | b'?' | b'/'))
    {
        return Err(MediaFault::unsupported(
            "Web pages, SVG, XML and whatever else begins with a tag are not allowed.",
        ));
    }
    if PROGRAMS.iter().any(|program| body.starts_with(program)) {
        return Err(not_allowed());
    }
    Ok(MediaType::Text)
}

fn not_allowed() -> MediaFault {
    MediaFault::unsupported(
        "The file is of no type that is allowed: JPEG, PNG, GIF and WebP images, MP4, WebM and MOV videos, PDF and plain \
         text in UTF-8 are.",
    )
}
