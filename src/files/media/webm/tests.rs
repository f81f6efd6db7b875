use super::super::{Inspected, MediaFault, MediaLimits, judge_start, samples::*};
use crate::model::{MediaKind, MediaType};

fn taken(bytes: &[u8]) -> Inspected {
    judged(bytes).expect("it is taken")
}

#[test]
fn a_video_says_how_large_and_how_long_it_is() {
    let inspected = taken(&webm(&[], &[]));
    assert_eq!(inspected.media_type, MediaType::Webm);
    assert_eq!(
        (inspected.width, inspected.height, inspected.duration_ms),
        (Some(320), Some(240), Some(1234))
    );
    assert!(inspected.cleaned.is_none(), "nothing is in it that has to go");
    assert!(inspected.poster.is_none());
}

#[test]
fn what_a_browser_recorded_is_taken_and_vp8_has_a_poster() {
    for (name, has_poster) in [
        ("recorder-vp8.webm", true),
        ("recorder-vp8-opus.webm", true),
        ("recorder-vp9.webm", false),
    ] {
        let bytes = fixture(name);
        let inspected = taken(&bytes);
        assert_eq!((inspected.width, inspected.height), (Some(96), Some(64)), "{name}");
        let duration = inspected.duration_ms.expect("its blocks tell");
        assert!((600..2000).contains(&duration), "{name}: {duration} ms");
        assert_eq!(cleaned(&bytes, &inspected).len(), bytes.len(), "{name}: nothing moves");
        assert_eq!(inspected.poster.is_some(), has_poster, "{name}");
        assert_eq!(inspected.preview.is_some(), has_poster, "{name}");
        if let Some(poster) = inspected.poster {
            assert_eq!((poster.rendition.width, poster.rendition.height), (96, 64), "{name}");
            // make.mjs paints a white field there.
            let [red, green, blue] = decoded(&poster.bytes).to_rgb8().get_pixel(20, 16).0;
            assert!(red > 200 && green > 200 && blue > 200, "{name}: {red} {green} {blue}");
        }
    }
}

#[test]
fn the_kind_of_the_file_is_known_however_its_header_writes_lengths() {
    let whole = webm(&[], &[]);
    let body = &whole[webm_head(b"webm").len()..];
    let long = |id: &[u8], text: &[u8]| {
        let mut element = id.to_vec();
        element.extend((0x0100_0000_0000_0000 | u64::try_from(text.len()).expect("short")).to_be_bytes());
        [&element, text].concat()
    };
    let headers: [Vec<u8>; 3] = [
        long(&[0x42, 0x82], b"webm"),
        long(&[0x42, 0x82], b"webm\0\0\0\0"),
        // The type behind more than 64 bytes of others.
        [
            [long(&[0x42, 0x86], &[0, 0, 1]), long(&[0x42, 0xf7], &[1])]
                .concat()
                .repeat(4),
            long(&[0x42, 0x82], b"webm"),
        ]
        .concat(),
    ];
    for header in headers {
        let bytes = [&long(&[0x1a, 0x45, 0xdf, 0xa3], &header)[..], body].concat();
        assert_eq!(taken(&bytes).media_type, MediaType::Webm, "{header:x?}");
        let matroska: Vec<u8> = bytes
            .iter()
            .map(|byte| if *byte == b'w' { b'x' } else { *byte })
            .collect();
        assert!(judged(&matroska).is_err());
    }
}

#[test]
fn an_element_whose_size_stands_behind_the_end_of_its_parent_is_damage() {
    // The header ends within the size of its type, which says that it is not known.
    let start = [
        0x1a, 0x45, 0xdf, 0xa3, 0x83, 0x42, 0x82, 0x7f, 0xff, b'w', b'e', b'b', b'm',
    ];
    assert_eq!(judge_start(&start), None);
    assert!(judged(&start).is_err());
}

#[test]
fn sound_alone_is_no_video() {
    let sound = taken(&fixture("recorder-opus.webm"));
    assert_eq!((sound.media_type, sound.width), (MediaType::WebmAudio, None));
    assert_eq!(sound.media_type.kind(), MediaKind::File);
    let few = MediaLimits {
        image_bytes: 1_000,
        ..limits()
    };
    let refused = super::super::inspect_bytes(&fixture("recorder-opus.webm"), &few).unwrap_err();
    assert!(matches!(refused, MediaFault::TooLarge(_)), "{refused}");
}

#[test]
fn nothing_moves_when_something_is_taken_out() {
    // Of every size that a void can have: with a short and with a long head.
    for size in 0..20 {
        let tags = element(0x1254_c367, &[0x55].repeat(size));
        let short = [
            &[0xbf, 0x80 | u8::try_from(size).expect("short")],
            &[0x66].repeat(size)[..],
        ]
        .concat();
        let bytes = webm(&[tags, short.clone()].concat(), &short);
        let inspected = taken(&bytes);
        let kept = cleaned(&bytes, &inspected);
        assert_eq!(kept.len(), bytes.len());
        assert!(
            size < 4 || (!holds(&kept, &[0x55; 4]) && !holds(&kept, &[0x66; 4])),
            "{size}"
        );
        let again = taken(&kept);
        assert_eq!((again.width, again.duration_ms), (Some(320), Some(1234)));
        assert_eq!(cleaned(&kept, &again), kept, "{size}: what is clean changes again");
    }
}

#[test]
fn where_the_length_is_no_number_the_last_block_tells_it() {
    for duration in [f64::NAN, f64::INFINITY, -5.0, 0.0, 1e300] {
        let bytes = webm(&[], &element(0x4489, &duration.to_be_bytes()));
        assert_eq!(taken(&bytes).duration_ms, Some(7), "{duration}");
    }
}
