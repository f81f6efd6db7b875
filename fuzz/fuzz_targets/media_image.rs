//! Any bytes behind the beginning of an image of each kind: judged in bounded time and memory, and what is kept of them is
//! taken again as it is.
#![no_main]

use doorbell::files::media::{MediaLimits, inspect_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let bytes = match kind % 5 {
        0 => [b"\xff\xd8\xff".as_slice(), bytes].concat(),
        1 => [b"GIF89a\x08\0\x08\0\x80\0\0".as_slice(), bytes].concat(),
        2 => [
            b"RIFF".as_slice(),
            &u32::try_from(bytes.len() + 4).unwrap_or(4).to_le_bytes(),
            b"WEBP",
            bytes,
        ]
        .concat(),
        3 => png(bytes),
        _ => bytes.to_vec(),
    };
    let limits = MediaLimits {
        side: 512,
        pixels: 64 * 1024,
        frames: 16,
        animation_pixels: 256 * 1024,
        ..MediaLimits::new(1 << 20, 1 << 20)
    };
    let Ok(inspected) = inspect_bytes(&bytes, &limits) else {
        return;
    };
    if let Some(cleaned) = &inspected.cleaned {
        let kept = cleaned.applied_to(&bytes).expect("it is changed in memory");
        let again = inspect_bytes(&kept, &limits).expect("what was kept is taken");
        assert_eq!(again.media_type, inspected.media_type);
        assert_eq!((again.width, again.height), (inspected.width, inspected.height));
        if let Some(more) = &again.cleaned {
            assert_eq!(
                more.applied_to(&kept).expect("in memory"),
                kept,
                "what is clean changes again"
            );
        }
    }
});

/// Chunks with checksums that are right, which no fuzzer finds by itself: a byte for the kind, one for the size, the data.
fn png(mut bytes: &[u8]) -> Vec<u8> {
    const KINDS: [&[u8; 4]; 14] = [
        b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"iCCP", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"tEXt", b"gAMA",
        b"pHYs", b"cICP",
    ];
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut put = |kind: &[u8; 4], data: &[u8]| {
        png.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
        png.extend(kind);
        png.extend(data);
        let mut sum = flate2::Crc::new();
        sum.update(kind);
        sum.update(data);
        png.extend(sum.sum().to_be_bytes());
    };
    put(b"IHDR", &[0, 0, 0, 4, 0, 0, 0, 4, 8, 0, 0, 0, 0]);
    while let [kind, size, rest @ ..] = bytes {
        let (data, rest) = rest.split_at(rest.len().min(usize::from(*size)));
        put(KINDS[usize::from(*kind) % KINDS.len()], data);
        bytes = rest;
    }
    png
}
