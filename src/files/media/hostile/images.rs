//! Images that are no images, or more than that.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

use super::{
    super::{MediaFault, MediaLimits, inspect_bytes, samples::*},
    Verdict::{Broken, TooLarge, Unsupported, Without},
    assert_verdicts, text,
};

fn packed(count: usize) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..count {
        packed.write_all(&zeros).expect("it packs");
    }
    packed.finish().expect("it packs")
}

#[test]
fn what_hides_in_a_jpeg_is_gone() {
    let profile = [b"ICC_PROFILE\0\x01\x01".as_slice(), PAYLOAD].concat();
    let exif = [b"Exif\0\0".as_slice(), &exif(1)].concat();
    let script = [b"Exif\0\0".as_slice(), PAYLOAD].concat();
    let thumbnail = [
        b"JFIF\0\x01\x02\0\0\x01\0\x01\x05\x05".as_slice(),
        &PAYLOAD.repeat(2)[..75],
    ]
    .concat();
    let mut huge = jpeg(&[]);
    let frame = jpeg_frame(&huge);
    huge[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let mut flat = jpeg(&[]);
    flat[frame + 5..frame + 7].copy_from_slice(&[0, 0]);
    let mut before_its_end = jpeg(&[]);
    let end = before_its_end.len() - 2;
    before_its_end.splice(end..end, zip_of_one());
    let mut arithmetic = jpeg(&[]);
    arithmetic[frame + 1] = 0xc9;
    assert_verdicts(vec![
        (
            "an archive behind it",
            [jpeg(&[]), zip(b"")].concat(),
            Without(b"PK\x05\x06"),
        ),
        ("an archive before its end", before_its_end, Broken),
        ("a page behind it", [&jpeg(&[]), PAYLOAD].concat(), Without(PAYLOAD)),
        (
            "a second picture behind it",
            [jpeg(&[]), jpeg(&[(0xfe, PAYLOAD)])].concat(),
            Without(PAYLOAD),
        ),
        ("a script in a comment", jpeg(&[(0xfe, PAYLOAD)]), Without(PAYLOAD)),
        ("a script in EXIF", jpeg(&[(0xe1, &script)]), Without(PAYLOAD)),
        ("a place in EXIF", jpeg(&[(0xe1, &exif)]), Without(b"GPS 48")),
        ("the name of EXIF", jpeg(&[(0xe1, &exif)]), Without(b"Exif")),
        (
            "XMP",
            jpeg(&[(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")]),
            Without(b"xmpmeta"),
        ),
        (
            "IPTC",
            jpeg(&[(0xed, b"Photoshop 3.0\08BIM by-line")]),
            Without(b"by-line"),
        ),
        (
            "a script as a colour profile",
            jpeg(&[(0xe2, &profile)]),
            Without(PAYLOAD),
        ),
        (
            "a script as JFIF's small picture",
            jpeg(&[(0xe0, &thumbnail)]),
            Without(&PAYLOAD[..40]),
        ),
        (
            "a script in an unknown segment",
            jpeg(&[(0xf5, PAYLOAD)]),
            Without(PAYLOAD),
        ),
        (
            "a script behind Adobe's colours",
            jpeg(&[(0xee, &[b"Adobe\0\x64\0\0\0\0\x01", PAYLOAD].concat())]),
            Without(PAYLOAD),
        ),
        ("65,535 by 65,535", huge, TooLarge),
        ("no height", flat, Broken),
        ("arithmetic coding", arithmetic, Unsupported),
        ("its magic alone", text(b"\xff\xd8\xff"), Broken),
        (
            "nothing but markers",
            [b"\xff\xd8".as_slice(), &[0xff; 5000]].concat(),
            Broken,
        ),
        (
            "a segment without an end",
            text(b"\xff\xd8\xff\xe1\xff\xff1234"),
            Broken,
        ),
        ("a segment of no length", text(b"\xff\xd8\xff\xe1\0\0\xff\xd9"), Broken),
        ("no pixels", text(b"\xff\xd8\xff\xd9"), Broken),
        (
            "a frame too many",
            jpeg(&[(0xc0, &[8, 0, 24, 0, 40, 1, 1, 0x11, 0])]),
            Broken,
        ),
        ("a scan before the frame", jpeg(&[(0xda, &[1, 1, 0, 0, 63, 0])]), Broken),
    ]);
}

#[test]
fn a_jpeg_in_passes_may_have_half_the_pixels() {
    let limits = MediaLimits {
        pixels: 40 * 24,
        ..limits()
    };
    let mut bytes = jpeg(&[]);
    assert!(inspect_bytes(&bytes, &limits).is_ok());
    let frame = jpeg_frame(&bytes);
    bytes[frame + 1] = 0xc2;
    assert!(matches!(inspect_bytes(&bytes, &limits), Err(MediaFault::TooLarge(_))));
}

#[test]
fn a_jpeg_of_a_thousand_passes_is_refused() {
    let mut bytes = jpeg(&[]);
    let scan = bytes
        .windows(2)
        .position(|marker| marker == [0xff, 0xda])
        .expect("a scan");
    let end = bytes.len() - 2;
    let again = bytes[scan..end].repeat(100);
    bytes.splice(end..end, again);
    assert_verdicts(vec![("100 passes more", bytes, Unsupported)]);
}

#[test]
fn what_hides_in_a_png_is_gone() {
    let bomb = [b"Comment\0\0".as_slice(), &packed(50)].concat();
    let profile = [b"icc\0\0".as_slice(), &packed(50)].concat();
    let named = [PAYLOAD, b"\0\0", &packed(1)].concat();
    let in_pixels = {
        let mut bytes = png(&[]);
        let end = bytes.len() - 12;
        bytes.splice(end..end, png_chunk(b"IDAT", PAYLOAD));
        bytes
    };
    let mut wrong_sum = png(&[]);
    wrong_sum[29] ^= 1;
    let mut few = png_header(40, 24);
    few.extend(png_chunk(b"IDAT", &packed(0)));
    few.extend(png_chunk(b"IEND", &[]));
    let mut many = png_header(40, 24);
    many.extend(png_chunk(b"IDAT", &packed(64)));
    many.extend(png_chunk(b"IEND", &[]));
    let frames = |count: u32| png(&[(b"acTL", &[count.to_be_bytes(), [0; 4]].concat())]);
    assert_verdicts(vec![
        ("a script in a text", png(&[(b"tEXt", PAYLOAD)]), Without(PAYLOAD)),
        (
            "a script in a private chunk",
            png(&[(b"prVt", PAYLOAD)]),
            Without(PAYLOAD),
        ),
        ("a bomb in a text", png(&[(b"zTXt", &bomb)]), Without(b"zTXt")),
        (
            "a bomb as a colour profile",
            png(&[(b"iCCP", &profile)]),
            Without(b"iCCP"),
        ),
        (
            "a script as a profile's name",
            png(&[(b"iCCP", &named)]),
            Without(b"<script"),
        ),
        ("a place in EXIF", png(&[(b"eXIf", &exif(1))]), Without(b"GPS 48")),
        ("a date", png(&[(b"tIME", &[7, 0xea, 1, 2, 3, 4, 5])]), Without(b"tIME")),
        (
            "a script behind the end",
            [&png(&[]), PAYLOAD].concat(),
            Without(PAYLOAD),
        ),
        ("a script behind the pixels", in_pixels, Without(PAYLOAD)),
        (
            "a colour palette with a rest",
            png(&[(b"bKGD", PAYLOAD)]),
            Without(PAYLOAD),
        ),
        ("100,000 by 100,000", png_header(100_000, 100_000), TooLarge),
        ("12,000 by 12,000", png_header(12_000, 12_000), TooLarge),
        ("no width", png_header(0, 5), Broken),
        ("a wrong checksum", wrong_sum, Broken),
        ("pixels that unpack to nothing", few, Broken),
        ("pixels that unpack to 64 MiB", many, Broken),
        ("an animation of 100,000 images", frames(100_000), TooLarge),
        ("an animation without its images", frames(3), Broken),
        ("an unknown chunk that matters", png(&[(b"EVIL", PAYLOAD)]), Broken),
        (
            "a chunk of 4 GiB",
            [png_header(4, 4), text(b"\xff\xff\xff\xffIDAT1234")].concat(),
            Broken,
        ),
        ("its magic alone", text(b"\x89PNG\r\n\x1a\n"), Broken),
    ]);
}

#[test]
fn what_hides_in_a_gif_is_gone() {
    let blocks = |data: &[u8]| {
        let pieces = data
            .chunks(200)
            .map(|piece| [&[u8::try_from(piece.len()).expect("short")], piece].concat());
        [pieces.collect::<Vec<_>>().concat(), vec![0]].concat()
    };
    let extension = |label: u8, data: &[u8]| gif_with(&[vec![0x21, label], blocks(data)].concat());
    let application = [b"\x21\xff\x0bXMP DataXMP".as_slice(), &blocks(PAYLOAD)].concat();
    // A palette of 256 colours, then the frame; GifEncoder writes no global palette.
    let screen = |width: u16, height: u16| {
        let mut bytes = gif(1);
        bytes[6..8].copy_from_slice(&width.to_le_bytes());
        bytes[8..10].copy_from_slice(&height.to_le_bytes());
        bytes
    };
    let behind_pixels = {
        let mut bytes = gif(1);
        let end = bytes.len() - 2;
        assert_eq!(&bytes[end..], [0, 0x3b]);
        bytes.splice(
            end..end,
            [&[u8::try_from(PAYLOAD.len()).expect("short")], PAYLOAD].concat(),
        );
        bytes
    };
    let mut animation = gif(1);
    let one = gif_frame(&gif(1));
    animation.pop();
    for _ in 0..3000 {
        animation.extend_from_slice(&one);
    }
    animation.push(0x3b);
    assert_verdicts(vec![
        ("a page in a comment", extension(0xfe, PAYLOAD), Without(PAYLOAD)),
        ("a page in a text", extension(0x01, PAYLOAD), Without(PAYLOAD)),
        ("a page in an unknown block", extension(0x77, PAYLOAD), Without(PAYLOAD)),
        ("XMP", gif_with(&application), Without(PAYLOAD)),
        (
            "an archive behind it",
            [gif(1), zip(b"")].concat(),
            Without(b"PK\x05\x06"),
        ),
        ("a page behind the pixels", behind_pixels, Without(PAYLOAD)),
        ("a frame larger than the screen", screen(1, 1), Broken),
        ("a screen of 65,535 by 65,535", screen(65_535, 65_535), TooLarge),
        ("no screen", screen(0, 0), Broken),
        ("3,000 images", animation, TooLarge),
        ("its magic alone", text(b"GIF89a"), Broken),
        (
            "a script that begins as a GIF",
            text(b"GIF89a/*\0\0\0*/=alert(1)//;"),
            Broken,
        ),
    ]);
}

/// The one frame of a GIF, with what stands before it since the screen.
fn gif_frame(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.windows(2).position(|pair| pair == [0x2c, 0]).expect("a frame");
    bytes[start..bytes.len() - 1].to_vec()
}

#[test]
fn what_hides_in_a_webp_is_gone() {
    let extended = |chunks: &[Vec<u8>]| riff(&[&[canvas(0x0c, 96, 64)], chunks].concat());
    let frames = |frame: &[u8], count: usize| {
        let head = [canvas(0x02, 96, 64), riff_chunk(b"ANIM", &[0; 6])];
        riff(&[&head[..], &vec![frame.to_vec(); count]].concat())
    };
    let picture = webp_picture();
    let in_frame = webp_frame(0, &[picture.clone(), riff_chunk(b"EVIL", PAYLOAD)].concat());
    let mut lying = fixture("canvas.webp");
    lying[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let profile = riff_chunk(b"ICCP", PAYLOAD);
    let still = |chunk: Vec<u8>| extended(&[picture.clone(), chunk]);
    assert_verdicts(vec![
        (
            "a place in EXIF",
            still(riff_chunk(b"EXIF", &exif(1))),
            Without(b"GPS 48"),
        ),
        ("XMP", still(riff_chunk(b"XMP ", PAYLOAD)), Without(PAYLOAD)),
        (
            "a script in an unknown chunk",
            still(riff_chunk(b"EVIL", PAYLOAD)),
            Without(PAYLOAD),
        ),
        (
            "a script as a colour profile",
            extended(&[profile, picture.clone()]),
            Without(PAYLOAD),
        ),
        (
            "a script in an animation's frame",
            frames(&in_frame, 2),
            Without(PAYLOAD),
        ),
        (
            "a script behind it",
            [&fixture("canvas.webp"), PAYLOAD].concat(),
            Without(PAYLOAD),
        ),
        (
            "a canvas that lies",
            riff(&[canvas(0, 97, 64), picture.clone()]),
            Broken,
        ),
        (
            "a canvas of 16 million a side",
            riff(&[canvas(0, 1 << 24, 1 << 24), picture.clone()]),
            TooLarge,
        ),
        ("a frame beyond the canvas", frames(&webp_frame(1, &picture), 1), Broken),
        (
            "an animation of 3,000 images",
            frames(&webp_frame(0, &picture), 3000),
            TooLarge,
        ),
        ("a size that lies", lying, Broken),
        ("no picture", riff(&[canvas(0, 96, 64)]), Broken),
        ("its magic alone", text(b"RIFF\x04\0\0\0WEBP"), Broken),
    ]);
}
