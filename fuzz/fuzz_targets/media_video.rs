//! Any bytes behind the beginning of a video or a file of each kind: judged in bounded time and memory, and what is kept of
//! them is taken again as it is.
#![no_main]

use doorbell::files::media::{MediaLimits, inspect_bytes, judge_start};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let start: &[u8] = match kind % 5 {
        0 => b"\0\0\0\x14ftypisom\0\0\x02\0isom",
        1 => b"\0\0\0\x14ftypqt  \0\0\x02\0qt  ",
        2 => b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
        3 => b"%PDF-1.7\n",
        _ => b"",
    };
    let bytes = [start, bytes].concat();
    let limits = MediaLimits {
        side: 256,
        pixels: 64 * 1024,
        ..MediaLimits::new(1 << 20, 1 << 20)
    };
    let Ok(inspected) = inspect_bytes(&bytes, &limits) else {
        return;
    };
    assert_eq!(judge_start(&bytes), Some(inspected.media_type.kind()));
    if let Some(cleaned) = &inspected.cleaned {
        let kept = cleaned.applied_to(&bytes).expect("it is changed in memory");
        assert_eq!(kept.len(), bytes.len(), "nothing moves");
        let again = inspect_bytes(&kept, &limits).expect("what was kept is taken");
        assert_eq!(
            (again.media_type, again.width, again.duration_ms),
            (inspected.media_type, inspected.width, inspected.duration_ms)
        );
        if let Some(more) = &again.cleaned {
            assert_eq!(
                more.applied_to(&kept).expect("in memory"),
                kept,
                "what is clean changes again"
            );
        }
    }
});
