use super::super::{Inspected, samples::*};
use crate::model::MediaType;

fn taken(bytes: &[u8]) -> Inspected {
    judged(bytes).expect("it is taken")
}

#[test]
fn a_video_says_how_large_and_how_long_it_is() {
    let upright = taken(&Mp4::default().bytes());
    assert_eq!(
        (upright.width, upright.height, upright.duration_ms),
        (Some(640), Some(360), Some(2500))
    );
    assert_eq!(upright.media_type, MediaType::Mp4);
    assert!(upright.cleaned.is_none(), "nothing is in it that has to go");
    let turned = Mp4 {
        turn: (0, 1),
        ..Mp4::default()
    };
    let turned = taken(&turned.bytes());
    assert_eq!((turned.width, turned.height), (Some(360), Some(640)));
    let apple = Mp4 {
        brand: *b"qt  ",
        ..Mp4::default()
    };
    assert_eq!(taken(&apple.bytes()).media_type, MediaType::Quicktime);
    let sound = Mp4 {
        handler: *b"soun",
        ..Mp4::default()
    };
    let sound = taken(&sound.bytes());
    assert_eq!((sound.width, sound.duration_ms), (None, Some(2500)));
    assert_eq!(sound.media_type, MediaType::Mp4Audio, "sound alone is no video");
    let recorded = taken(&fixture("recorder-opus.mp4"));
    assert_eq!(recorded.media_type, MediaType::Mp4Audio);
}

#[test]
fn what_a_browser_recorded_is_taken_as_it_is() {
    for name in ["recorder-h264.mp4", "recorder-vp9.mp4"] {
        let bytes = fixture(name);
        let inspected = taken(&bytes);
        assert_eq!((inspected.width, inspected.height), (Some(96), Some(64)), "{name}");
        let duration = inspected.duration_ms.expect("a duration");
        assert!((600..2000).contains(&duration), "{name}: {duration} ms");
        let kept = cleaned(&bytes, &inspected);
        assert_eq!(kept.len(), bytes.len(), "{name}: nothing moves");
        for kind in [b"mdat", b"moof", b"trun", b"stsd"] {
            let count = |bytes: &[u8]| bytes.windows(4).filter(|window| window == kind).count();
            assert_eq!(count(&kept), count(&bytes), "{name}");
        }
    }
}

#[test]
fn the_fragments_tell_the_duration_where_nothing_else_does() {
    for name in ["recorder-h264.mp4", "recorder-vp9.mp4"] {
        let mut bytes = fixture(name);
        for (kind, at) in [(b"mvhd", 16), (b"mehd", 4)] {
            if let Some(head) = bytes.windows(4).position(|window| window == kind) {
                // In version 1 the times are of 64 bits, the two before the duration too.
                let (at, size) = match (bytes[head + 4], at) {
                    (1, 16) => (24, 8),
                    (1, at) => (at, 8),
                    (_, at) => (at, 4),
                };
                bytes[head + 4 + at..][..size].fill(0);
            }
        }
        let duration = taken(&bytes).duration_ms.expect("its fragments tell");
        assert!((600..2000).contains(&duration), "{name}: {duration} ms");
    }
}

#[test]
fn nothing_moves_when_something_is_taken_out() {
    let movie = Mp4 {
        in_movie: boxed(b"udta", &[&boxed(b"\xa9xyz", &[PAYLOAD])]),
        in_track: boxed(b"meta", &[PAYLOAD]),
        notes: Some((*b"meta", PAYLOAD.to_vec())),
        ..Mp4::default()
    };
    let bytes = movie.bytes();
    let inspected = taken(&bytes);
    let kept = cleaned(&bytes, &inspected);
    assert_eq!(kept.len(), bytes.len());
    assert!(!holds(&kept, &PAYLOAD[..8]));
    assert!(holds(&kept, SAMPLE), "the picture stays");
    assert_eq!((inspected.width, inspected.duration_ms), (Some(640), Some(2500)));
}

#[test]
fn sizes_of_64_bits_are_read() {
    let large = |kind: &[u8; 4], body: &[u8]| {
        let size = 16 + body.len() as u64;
        [&[0, 0, 0, 1], &kind[..], &size.to_be_bytes(), body].concat()
    };
    let mut bytes = Mp4::default().bytes();
    bytes.extend(large(b"uuid", PAYLOAD));
    bytes.extend(large(b"mdat", b"more"));
    let kept = cleaned(&bytes, &taken(&bytes));
    assert!(!holds(&kept, PAYLOAD));
    assert!(holds(&kept, &large(b"free", &[0; PAYLOAD.len()])));
}

/// What programs for music and films write: a picture in the tags.
#[test]
fn a_cover_becomes_the_poster_and_goes() {
    let cover = |bytes: &[u8]| {
        let data = boxed(b"data", &[&[0, 0, 0, 13, 0, 0, 0, 0], bytes]);
        let list = boxed(b"ilst", &[&boxed(b"\xa9too", &[b"program"]), &boxed(b"covr", &[&data])]);
        boxed(
            b"udta",
            &[&boxed(b"meta", &[&[0; 4], &boxed(b"hdlr", &[&[0; 24]]), &list])],
        )
    };
    let picture = jpeg(&[(0xfe, PAYLOAD)]);
    let movie = Mp4 {
        in_movie: cover(&picture),
        ..Mp4::default()
    };
    let bytes = movie.bytes();
    let inspected = taken(&bytes);
    let poster = inspected.poster.as_ref().expect("a poster");
    assert_eq!((poster.rendition.width, poster.rendition.height), (40, 24));
    assert!(inspected.preview.is_some());
    assert!(!holds(&poster.bytes, PAYLOAD) && !holds(&cleaned(&bytes, &inspected), PAYLOAD));

    let broken = Mp4 {
        in_movie: cover(&picture[..200]),
        ..Mp4::default()
    };
    let inspected = taken(&broken.bytes());
    assert!(
        inspected.poster.is_none(),
        "a damaged cover is none, and the video is taken"
    );
}
