//! Frames of the bus: whatever somebody puts into the channel is read or refused, and what was read is written again and
//! reads as the same.
#![no_main]

use doorbell::fanout::bus::frame::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = decode(bytes) {
        let again = decode(&encode(frame.node, frame.number, &frame.signals)).expect("what was written reads");
        assert_eq!((again.node, again.number, again.unknown), (frame.node, frame.number, 0));
        assert_eq!(again.signals, frame.signals);
    }
});
