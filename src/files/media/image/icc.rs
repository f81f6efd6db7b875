//! Colour profiles (ICC.1:2022): what a screen needs of them. Without its profile a photo of a phone looks pale; but a
//! profile also names devices, people and dates, and has room for anything else.

/// Longest profile that is kept, in bytes. Those of phones and cameras have under 4 KB; those of print up to 2 MB.
pub(super) const MOST_BYTES: usize = 2 * 1024 * 1024;
const HEADER_BYTES: usize = 128;
/// Tags in a profile that is kept. Known ones have up to 20.
const MOST_TAGS: usize = 100;

/// Tags by which colours are computed. Names, dates, measurements and private tags are not among them.
const COLOUR_TAGS: &[&[u8; 4]] = &[
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"chad", b"cicp", b"A2B0",
    b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2",
];

/// The same colours without the words; `None` when it is no profile for an image of so many colour channels, and the
/// image is better shown without it.
pub(super) fn cleaned(profile: &[u8], channels: u8) -> Option<Vec<u8>> {
    let header = profile.first_chunk::<HEADER_BYTES>()?;
    let size = number(profile, 0)?;
    let space: &[u8] = match channels {
        1 => b"GRAY",
        3 => b"RGB ",
        4 => b"CMYK",
        _ => return None,
    };
    let is_sound = size <= profile.len() && profile.len() <= MOST_BYTES && profile.get(36..40)? == b"acsp";
    if !is_sound || profile.get(16..20)? != space {
        return None;
    }
    let count = number(profile, HEADER_BYTES)?;
    if count > MOST_TAGS {
        return None;
    }
    let mut kept: Vec<(&[u8], &[u8])> = Vec::new();
    let mut total = 0;
    for index in 0..count {
        let entry = HEADER_BYTES + 4 + 12 * index;
        let name = profile.get(entry..entry + 4)?;
        let (start, length) = (number(profile, entry + 4)?, number(profile, entry + 8)?);
        let data = profile.get(start..start.checked_add(length)?)?;
        if COLOUR_TAGS.iter().any(|tag| *tag == name) && kept.iter().all(|(known, _)| *known != name) {
            total += data.len();
            kept.push((name, data));
        }
    }
    // Tags may share their data; written out one by one they must not grow beyond all bounds.
    if kept.is_empty() || total > MOST_BYTES {
        return None;
    }
    Some(written(header, &kept))
}

fn written(header: &[u8; HEADER_BYTES], kept: &[(&[u8], &[u8])]) -> Vec<u8> {
    let is_version_4 = header.get(8).is_some_and(|major| *major >= 4);
    let (description, notice) = words(is_version_4);
    let mut tags: Vec<(&[u8], &[u8])> = vec![(b"desc", &description), (b"cprt", &notice)];
    tags.extend_from_slice(kept);

    let mut table = big_endian(tags.len()).to_vec();
    let mut data = Vec::new();
    let start = HEADER_BYTES + 4 + 12 * tags.len();
    for (name, bytes) in tags {
        table.extend_from_slice(name);
        table.extend(big_endian(start + data.len()));
        table.extend(big_endian(bytes.len()));
        data.extend_from_slice(bytes);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let mut out = header.to_vec();
    let total = big_endian(start + data.len());
    // Size; preferred module; date (one that is valid); maker, model; creator, id and what is reserved.
    for (at, bytes) in [
        (0, total.as_slice()),
        (4, &[0; 4]),
        (24, &[0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]),
        (48, &[0; 8]),
        (80, &[0; 48]),
    ] {
        if let Some(place) = out.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    out.extend(table);
    out.extend(data);
    out
}

/// The two texts that a profile must have, in the form of its version.
fn words(is_version_4: bool) -> (Vec<u8>, Vec<u8>) {
    if is_version_4 {
        // One record of 12 bytes, in English: two characters of UTF-16.
        let text = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS\0\0\0\x04\0\0\0\x1c\0I\0C".to_vec();
        return (text.clone(), text);
    }
    let mut description = b"desc\0\0\0\0\0\0\0\x04ICC\0".to_vec();
    // No text in Unicode, none in the script of old Macintosh systems.
    description.resize(description.len() + 4 + 4 + 2 + 1 + 67, 0);
    (description, b"text\0\0\0\0ICC\0".to_vec())
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

fn big_endian(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}
