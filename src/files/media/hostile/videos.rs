//! Videos that are no videos, or more than that.

use super::{
    super::samples::*,
    Verdict::{Broken, Unsupported, Without},
    assert_verdicts, text,
};

#[test]
fn what_hides_in_an_mp4_is_gone() {
    let place = boxed(b"udta", &[&boxed(b"\xa9xyz", &[b"\0\x12\x15\xc7+48.1371+011.5761/"])]);
    let keys = boxed(
        b"meta",
        &[b"keys com.apple.quicktime.location.ISO6709 +48.1371+011.5761/"],
    );
    let elst = boxed(b"elst", &[&[0; 7], &[1], &[0; 8], &[0, 1, 0, 0]]);
    let url = |flags: u8| boxed(b"url ", &[&[0, 0, 0, flags], b"http://evil.example/\0"]);
    let alias = boxed(b"alis", &[&[0; 4], b"server:evil"]);
    let positions = Mp4 {
        notes: Some((*b"meta", b"sample +48.1371+011.5761/".to_vec())),
        ..Mp4::default()
    };
    let subtitles = Mp4 {
        notes: Some((*b"sbtl", b"GPS(48.1371,11.5761,19)".to_vec())),
        ..Mp4::default()
    };
    let mut pointing = positions.clone().bytes();
    let at = pointing.windows(4).rposition(|name| name == b"stco").expect("a table") + 12;
    pointing[at..at + 4].copy_from_slice(&4_u32.to_be_bytes());
    let with = |change: &dyn Fn(&mut Mp4)| {
        let mut movie = Mp4::default();
        change(&mut movie);
        movie.bytes()
    };
    let nested = (0..10_000).fold(Vec::new(), |inner, _| boxed(b"moov", &[&inner]));
    let mut overflowing = text(b"\0\0\0\x01mdat");
    overflowing.extend(u64::MAX.to_be_bytes());
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\x02\0isom"]);
    let plain = Mp4::default().bytes();
    assert_verdicts(vec![
        (
            "a place",
            with(&|movie| movie.in_movie = place.clone()),
            Without(b"+48.1371"),
        ),
        (
            "a place in a track",
            with(&|movie| movie.in_track = place.clone()),
            Without(b"+48.1371"),
        ),
        (
            "a place as a phone writes it",
            with(&|movie| movie.in_movie = keys.clone()),
            Without(b"+48.1371"),
        ),
        (
            "a place at the end",
            with(&|movie| movie.at_end = keys.clone()),
            Without(b"+48.1371"),
        ),
        (
            "a 3GPP place",
            with(&|movie| movie.in_movie = boxed(b"loci", &[PAYLOAD])),
            Without(PAYLOAD),
        ),
        (
            "a script in a free box",
            with(&|movie| movie.at_end = boxed(b"free", &[PAYLOAD])),
            Without(PAYLOAD),
        ),
        (
            "a script in an unknown box",
            with(&|movie| movie.at_end = boxed(b"uuid", &[PAYLOAD])),
            Without(PAYLOAD),
        ),
        (
            "when it was recorded",
            with(&|movie| movie.recorded = *b"1971"),
            Without(b"1971"),
        ),
        (
            "what it was made with",
            with(&|movie| movie.made_by = *b"Ada's Go"),
            Without(b"Ada's Go"),
        ),
        (
            "a script behind the fields of its boxes",
            with(&|movie| movie.appended = PAYLOAD.to_vec()),
            Without(PAYLOAD),
        ),
        (
            "a place beside the edits",
            with(&|movie| movie.in_track = boxed(b"edts", &[&elst, &keys])),
            Without(b"+48.1371"),
        ),
        (
            "a script behind the edits",
            with(&|movie| movie.in_track = boxed(b"edts", &[&boxed(b"elst", &[&[0; 8], PAYLOAD])])),
            Without(PAYLOAD),
        ),
        (
            "a script among the references of a track",
            with(&|movie| movie.in_track = boxed(b"tref", &[&boxed(b"chap", &[PAYLOAD])])),
            Without(PAYLOAD),
        ),
        ("a camera's track of places", positions.bytes(), Without(b"+48.1371")),
        ("a drone's subtitles of places", subtitles.bytes(), Without(b"GPS(48")),
        (
            "an address beside the flag",
            with(&|movie| movie.data_reference = url(1)),
            Without(b"evil.example"),
        ),
        (
            "samples at an address",
            with(&|movie| movie.data_reference = url(0)),
            Unsupported,
        ),
        (
            "samples in another file",
            with(&|movie| movie.data_reference = alias.clone()),
            Unsupported,
        ),
        ("a track that points at the index", pointing, Broken),
        (
            "a size of 64 bits that overflows",
            [plain.clone(), overflowing].concat(),
            Broken,
        ),
        (
            "a size smaller than its head",
            [plain.clone(), text(b"\0\0\0\x04free")].concat(),
            Broken,
        ),
        (
            "a size of 0 inside of another box",
            with(&|movie| movie.in_movie = text(b"\0\0\0\0udta")),
            Broken,
        ),
        (
            "10,000 boxes in each other",
            [ftyp.clone(), nested].concat(),
            Unsupported,
        ),
        (
            "millions of boxes",
            [plain.clone(), boxed(b"free", &[]).repeat(300_000)].concat(),
            Unsupported,
        ),
        ("no index", [ftyp.clone(), boxed(b"mdat", &[SAMPLE])].concat(), Broken),
        (
            "an index without tracks",
            [ftyp.clone(), boxed(b"moov", &[])].concat(),
            Unsupported,
        ),
        ("words alone", with(&|movie| movie.handler = *b"text"), Unsupported),
        ("a brand that lies", [ftyp.clone(), PAYLOAD.to_vec()].concat(), Broken),
        (
            "a brand that nobody knows",
            with(&|movie| movie.brand = *b"evil"),
            Unsupported,
        ),
        (
            "an archive behind it",
            [plain.clone(), boxed(b"mdat", &[&zip(b"")])].concat(),
            Unsupported,
        ),
        ("its magic alone", text(b"\0\0\0\x10ftypisom\0\0\0\0"), Broken),
    ]);
}

#[test]
fn what_hides_in_a_webm_is_gone() {
    let tags = element(0x1254_c367, PAYLOAD);
    let open = |id: u32, body: &[u8]| {
        let id: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        [id.as_slice(), &[0x01], &[0xff; 7], body].concat()
    };
    let nested = (0..2_000).fold(Vec::new(), |inner, _| open(0x1f43_b675, &inner));
    let segment = |body: &[u8]| [webm_head(b"webm"), element(0x1853_8067, body)].concat();
    let mut version = webm(&[], &[]);
    let at = version.windows(2).position(|id| id == [0x42, 0xf7]).expect("a version");
    version[at + 6] = 2;
    let words = element(
        0x1654_ae6b,
        &element(0xae, &[element(0xd7, &[2]), element(0x83, &[17])].concat()),
    );
    assert_verdicts(vec![
        ("tags", webm(&tags, &[]), Without(PAYLOAD)),
        (
            "an attachment",
            webm(&element(0x1941_a469, PAYLOAD), &[]),
            Without(PAYLOAD),
        ),
        ("chapters", webm(&element(0x1043_a770, PAYLOAD), &[]), Without(PAYLOAD)),
        (
            "an unknown element",
            webm(&element(0x5555, PAYLOAD), &[]),
            Without(PAYLOAD),
        ),
        ("a void", webm(&element(0xec, PAYLOAD), &[]), Without(PAYLOAD)),
        ("a title", webm(&[], &element(0x7ba9, PAYLOAD)), Without(PAYLOAD)),
        (
            "a script behind it",
            [webm(&[], &[]), element(0xec, PAYLOAD)].concat(),
            Without(PAYLOAD),
        ),
        ("words", webm(&words, &[]), Unsupported),
        ("open tags", webm(&open(0x1254_c367, PAYLOAD), &[]), Broken),
        ("open elements in each other", segment(&nested), Unsupported),
        (
            "an element of 72 petabytes",
            segment(&[0xec, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
            Broken,
        ),
        (
            "an identifier of 8 bytes",
            segment(&[0x01, 2, 3, 4, 5, 6, 7, 8, 0x80]),
            Broken,
        ),
        (
            "a number of 9 bytes",
            segment(&element(0x1549_a966, &element(0x2a_d7b1, &[1; 9]))),
            Broken,
        ),
        ("a version to come", version, Broken),
        ("no tracks", segment(&[]), Unsupported),
        ("its magic alone", text(b"\x1a\x45\xdf\xa3"), Unsupported),
    ]);
}
