//! Any text as a query and as a payload of long-polling.
#![no_main]

use doorbell_socketio::engine::{Id, Query, SEPARATOR, decode, split_payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let query = Query::parse(text);
    if let Some(id) = query.sid.and_then(Id::parse) {
        assert_eq!(query.sid.map(str::as_bytes), Some(&id.to_text()[..]));
    }
    let mut packets = 0;
    let mut rest = Some(text);
    while let Some(payload) = rest {
        let (packet, after) = split_payload(payload);
        assert!(!packet.as_bytes().contains(&SEPARATOR));
        if let Some(decoded) = decode(packet) {
            assert_eq!(decoded.data.len() + 1, packet.len());
        }
        packets += 1;
        rest = after;
    }
    assert_eq!(packets, text.bytes().filter(|byte| *byte == SEPARATOR).count() + 1);
});
