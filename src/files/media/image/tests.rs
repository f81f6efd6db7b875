use std::io::{Cursor, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, Rgba, RgbaImage,
    codecs::{gif::GifDecoder, jpeg::JpegDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::super::{Inspected, samples::*};
use crate::model::{MediaType, attachment::PREVIEW_BYTES};

fn taken(bytes: &[u8]) -> Inspected {
    judged(bytes).expect("it is taken")
}

/// The colours in the middle of the four quarters are the same.
#[track_caller]
fn assert_alike(name: &str, shown: &DynamicImage, wanted: &DynamicImage) {
    assert_eq!(
        (shown.width(), shown.height()),
        (wanted.width(), wanted.height()),
        "{name}"
    );
    let (shown, wanted) = (shown.to_rgb8(), wanted.to_rgb8());
    for (x, y) in [(1, 1), (3, 1), (1, 3), (3, 3)] {
        let (x, y) = (shown.width() * x / 4, shown.height() * y / 4);
        let (is, should) = (shown.get_pixel(x, y).0, wanted.get_pixel(x, y).0);
        let far = is.iter().zip(should).any(|(is, should)| is.abs_diff(should) > 24);
        assert!(!far, "{name}: {is:?} at {x}, {y}, not {should:?}");
    }
}

#[test]
fn a_photo_is_upright_whichever_way_the_camera_was_held() {
    for number in 1..=8_u8 {
        let exif = exif(u16::from(number));
        let files = [
            ("JPEG", jpeg(&[(0xe1, &[b"Exif\0\0".as_slice(), &exif].concat())])),
            ("PNG", png(&[(b"eXIf", &exif)])),
        ];
        let mut wanted = picture(40, 24);
        wanted.apply_orientation(Orientation::from_exif(number).expect("one of eight"));
        for (name, bytes) in files {
            let name = format!("{name}, orientation {number}");
            let inspected = taken(&bytes);
            assert_eq!(
                (inspected.width, inspected.height),
                (Some(wanted.width()), Some(wanted.height())),
                "{name}"
            );
            let kept = cleaned(&bytes, &inspected);
            assert_alike(&name, &decoded(&kept), &wanted);
            let thumbnail = inspected.thumbnail.expect("a thumbnail");
            assert_alike(&name, &decoded(&thumbnail.bytes), &wanted);
            for foreign in [&b"GPS"[..], b"Exif", b"eXIf", b"EXIF"] {
                assert!(!holds(&kept, foreign) && !holds(&thumbnail.bytes, foreign), "{name}");
            }
        }
    }
}

#[test]
fn a_webp_is_shown_as_browsers_show_it() {
    let bytes = riff(&[canvas(0x08, 96, 64), webp_picture(), riff_chunk(b"EXIF", &exif(6))]);
    let inspected = taken(&bytes);
    assert_eq!((inspected.width, inspected.height), (Some(96), Some(64)));
    let thumbnail = inspected.thumbnail.expect("a thumbnail");
    assert_eq!((thumbnail.rendition.width, thumbnail.rendition.height), (96, 64));
}

#[test]
fn cleaning_changes_no_pixel() {
    let exif = [b"Exif\0\0".as_slice(), &exif(1)].concat();
    for (name, bytes) in [
        ("JPEG", jpeg(&[(0xe1, &exif), (0xfe, PAYLOAD)])),
        ("PNG", png(&[(b"tEXt", PAYLOAD)])),
        ("GIF", gif_with(b"\x21\xfe\x03abc\0")),
        (
            "WebP",
            riff(&[canvas(0x04, 96, 64), webp_picture(), riff_chunk(b"XMP ", PAYLOAD)]),
        ),
        ("a browser's JPEG", fixture("canvas.jpg")),
        ("a browser's PNG", fixture("canvas.png")),
        ("a browser's transparent PNG", fixture("canvas-transparent.png")),
        ("a browser's WebP", fixture("canvas.webp")),
        ("a browser's transparent WebP", fixture("canvas-transparent.webp")),
    ] {
        let kept = cleaned(&bytes, &taken(&bytes));
        assert_eq!(decoded(&kept), decoded(&bytes), "{name}");
    }
}

#[test]
fn a_thumbnail_fits_and_is_never_enlarged() {
    for (size, wanted) in [
        ((40, 24), (40, 24)),
        ((480, 480), (480, 480)),
        ((1000, 500), (480, 240)),
        ((30, 960), (15, 480)),
        ((2000, 2), (480, 1)),
    ] {
        let inspected = taken(&encoded(&picture(size.0, size.1), ImageFormat::Jpeg));
        assert_eq!((inspected.width, inspected.height), (Some(size.0), Some(size.1)));
        let thumbnail = inspected.thumbnail.expect("a thumbnail");
        let rendition = thumbnail.rendition;
        assert_eq!((rendition.width, rendition.height), wanted, "of {size:?}");
        assert_eq!(rendition.media_type, MediaType::Jpeg);
        let shown = decoded(&thumbnail.bytes);
        assert_eq!((shown.width(), shown.height()), wanted, "of {size:?}");
    }
}

/// Colours as wild as they can be, which pack worst.
fn noise(width: u32, height: u32, alpha: impl Fn(u32) -> u8) -> DynamicImage {
    let mut state = 1_u32;
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = state.to_be_bytes();
        Rgba([a, b, c, alpha(x)])
    }))
}

#[test]
fn what_is_transparent_stays_so_when_it_is_small() {
    let logo = encoded(&noise(600, 600, |x| if x < 300 { 0 } else { 255 }), ImageFormat::Png);
    let thumbnail = taken(&logo).thumbnail.expect("a thumbnail");
    assert_eq!(thumbnail.rendition.media_type, MediaType::Png);
    assert!(
        thumbnail.bytes.len() <= super::TRANSPARENT_BYTES,
        "{} bytes",
        thumbnail.bytes.len()
    );
    let shown = decoded(&thumbnail.bytes).to_rgba8();
    assert_eq!(shown.get_pixel(0, 0).0[3], 0);
    assert_eq!(shown.get_pixel(shown.width() - 1, 0).0[3], 255);
    // An alpha channel that nothing is seen through is none.
    let solid = encoded(&picture(40, 24), ImageFormat::Png);
    let rendition = taken(&solid).thumbnail.expect("a thumbnail").rendition;
    assert_eq!(rendition.media_type, MediaType::Jpeg);
}

#[test]
fn a_preview_is_a_short_address_that_shows_the_picture() {
    for (name, picture) in [
        ("noise", noise(64, 64, |_| 255)),
        (
            "transparent noise",
            noise(64, 64, |x| u8::try_from(x * 4).expect("small")),
        ),
        ("a line", picture(500, 1)),
        ("quarters", picture(64, 64)),
    ] {
        let preview = taken(&encoded(&picture, ImageFormat::Png)).preview.expect("a preview");
        assert!(preview.len() <= PREVIEW_BYTES, "{name}: {} bytes", preview.len());
        let base64 = preview
            .strip_prefix("data:image/png;base64,")
            .expect("an address with data");
        let shown = decoded(&STANDARD.decode(base64).expect("base64"));
        assert!(shown.width() <= 16 && shown.height() <= 16, "{name}");
        if name == "quarters" {
            assert_alike(name, &shown, &picture.thumbnail(16, 16));
        }
    }
}

#[test]
fn an_animation_stays_one() {
    let bytes = [&gif(3), PAYLOAD].concat();
    let kept = cleaned(&bytes, &taken(&bytes));
    let frames = GifDecoder::new(Cursor::new(&kept))
        .expect("a GIF")
        .into_frames()
        .collect_frames();
    assert_eq!(frames.expect("frames").len(), 3);
    assert!(holds(&kept, b"NETSCAPE2.0\x03\x01\0\0\0"), "it repeats for ever");

    let frame = webp_frame(0, &webp_picture());
    let bytes = riff(&[
        canvas(0x02 | 0x08, 96, 64),
        riff_chunk(b"ANIM", &[0; 6]),
        frame.clone(),
        frame,
    ]);
    let kept = cleaned(&bytes, &taken(&bytes));
    let frames = WebPDecoder::new(Cursor::new(&kept))
        .expect("a WebP")
        .into_frames()
        .collect_frames();
    assert_eq!(frames.expect("frames").len(), 2);

    let bytes = animated_png(2);
    let kept = cleaned(&bytes, &taken(&bytes));
    assert_eq!(kept, bytes, "nothing is in it that has to go");
}

/// As many frames as the image has pixels for: the first is the image itself.
fn animated_png(frames: u32) -> Vec<u8> {
    let plain = encoded(&picture(40, 24), ImageFormat::Png);
    let start = plain.windows(4).position(|kind| kind == b"IDAT").expect("pixels");
    let size = u32::from_be_bytes(plain[start - 4..start].try_into().expect("four bytes"));
    let pixels = &plain[start + 4..][..usize::try_from(size).expect("short")];
    let control = |sequence: u32| {
        let numbers = [sequence, 40, 24, 0, 0].map(u32::to_be_bytes).concat();
        png_chunk(b"fcTL", &[&numbers[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let mut bytes = plain[..33].to_vec();
    bytes.extend(png_chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat()));
    bytes.extend(control(0));
    bytes.extend(png_chunk(b"IDAT", pixels));
    for frame in 1..frames {
        bytes.extend(control(2 * frame - 1));
        bytes.extend(png_chunk(b"fdAT", &[&(2 * frame).to_be_bytes(), pixels].concat()));
    }
    bytes.extend(png_chunk(b"IEND", &[]));
    bytes
}

#[test]
fn pixels_that_come_in_seven_passes_are_counted_right() {
    let mut header = [8_u32.to_be_bytes(), 8_u32.to_be_bytes()].concat();
    header.extend([8, 0, 0, 0, 1]);
    // Rows of the passes: 1 of 1, 1 of 1, 1 of 2, 2 of 2, 2 of 4, 4 of 4, 4 of 8 pixels, each with a byte for its filter.
    for (count, is_whole) in [(78, false), (79, true), (80, false)] {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&vec![0; count]).expect("it packs");
        let pixels = png_chunk(b"IDAT", &packed.finish().expect("it packs"));
        let bytes = [
            &b"\x89PNG\r\n\x1a\n"[..],
            &png_chunk(b"IHDR", &header),
            &pixels,
            &png_chunk(b"IEND", &[]),
        ]
        .concat();
        assert_eq!(judged(&bytes).is_ok(), is_whole, "{count} bytes");
    }
}

/// A profile that names a person, with three tags of colours.
fn profile(version: u8, space: &[u8; 4]) -> Vec<u8> {
    let tags: [(&[u8; 4], &[u8]); 4] = [
        (b"desc", PAYLOAD),
        (b"rXYZ", b"XYZ \0\0\0\0red-colorant"),
        (b"rTRC", b"curv\0\0\0\0\0\0\0\0"),
        (b"mine", PAYLOAD),
    ];
    let mut bytes = vec![0; 128];
    bytes[8] = version;
    bytes[12..16].copy_from_slice(b"mntr");
    bytes[16..20].copy_from_slice(space);
    bytes[20..24].copy_from_slice(b"XYZ ");
    bytes[36..40].copy_from_slice(b"acsp");
    bytes[48..56].copy_from_slice(b"MINEdev1");
    bytes.extend(4_u32.to_be_bytes());
    let mut at = 128 + 4 + 12 * 4;
    for (name, data) in tags {
        bytes.extend_from_slice(name);
        bytes.extend(
            [at, u32::try_from(data.len()).expect("short")]
                .map(u32::to_be_bytes)
                .concat(),
        );
        at += u32::try_from(data.len()).expect("short");
    }
    bytes.extend(tags.iter().flat_map(|(_, data)| data.iter()));
    let size = u32::try_from(bytes.len()).expect("short");
    bytes[..4].copy_from_slice(&size.to_be_bytes());
    bytes
}

#[test]
fn a_colour_profile_keeps_its_colours_and_loses_its_words() {
    for version in [2, 4] {
        let body = [b"ICC_PROFILE\0\x01\x01".as_slice(), &profile(version, b"RGB ")].concat();
        let packed = {
            let mut packed = ZlibEncoder::new(b"my screen\0\0".to_vec(), Compression::default());
            packed.write_all(&profile(version, b"RGB ")).expect("it packs");
            packed.finish().expect("it packs")
        };
        for (name, bytes) in [
            ("JPEG", jpeg(&[(0xe2, &body)])),
            ("PNG", png(&[(b"iCCP", &packed)])),
            (
                "WebP",
                riff(&[
                    canvas(0x20, 96, 64),
                    riff_chunk(b"ICCP", &profile(version, b"RGB ")),
                    webp_picture(),
                ]),
            ),
        ] {
            let inspected = taken(&bytes);
            let kept = cleaned(&bytes, &inspected);
            let format = image::guess_format(&kept).expect("an image");
            let reader = image::ImageReader::with_format(Cursor::new(&kept), format);
            let shown = reader
                .into_decoder()
                .expect("a decoder")
                .icc_profile()
                .expect("readable");
            let shown = shown.unwrap_or_else(|| panic!("{name}: no profile is left"));
            assert!(holds(&shown, b"red-colorant") && holds(&shown, b"rTRC"), "{name}");
            assert!(
                !holds(&shown, PAYLOAD) && !holds(&shown, b"mine") && !holds(&shown, b"MINEdev1"),
                "{name}"
            );
            assert_eq!(
                shown.len(),
                usize::try_from(u32::from_be_bytes([shown[0], shown[1], shown[2], shown[3]])).expect("short")
            );
            assert!(!holds(&kept, b"my screen"), "{name}");
            // The small image shows the same colours.
            let thumbnail = inspected.thumbnail.expect("a thumbnail").bytes;
            let mut decoder = JpegDecoder::new(Cursor::new(thumbnail)).expect("a JPEG");
            assert_eq!(decoder.icc_profile().expect("readable"), Some(shown), "{name}");
        }
    }
    let print = [b"ICC_PROFILE\0\x01\x01".as_slice(), &profile(2, b"CMYK")].concat();
    let bytes = jpeg(&[(0xe2, &print)]);
    assert!(
        !holds(&cleaned(&bytes, &taken(&bytes)), b"ICC_PROFILE"),
        "a profile for other colours goes"
    );
}

#[test]
fn a_file_in_use_is_cleaned_where_it_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upload");
    for bytes in [
        jpeg(&[(0xfe, PAYLOAD)]),
        Mp4 {
            at_end: boxed(b"udta", &[PAYLOAD]),
            ..Mp4::default()
        }
        .bytes(),
    ] {
        std::fs::write(&path, &bytes).expect("it is written");
        let inspected = super::super::inspect(&path, &limits()).expect("it is taken");
        let change = inspected.cleaned.as_ref().expect("something to clean");
        let length = change.apply(&path).expect("it is cleaned");
        let kept = std::fs::read(&path).expect("it is there");
        assert_eq!(kept, cleaned(&bytes, &inspected));
        assert_eq!(kept.len() as u64, length);
        assert!(!holds(&kept, PAYLOAD));
    }
}
