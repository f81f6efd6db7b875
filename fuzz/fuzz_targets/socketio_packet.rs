//! Any text as a Socket.IO packet, and any bytes as its attachments.
#![no_main]

use doorbell_socketio::packet::{Assembling, Content, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, Vec<&[u8]>)| {
    let (text, attachments) = data;
    let Ok(packet) = decode(text, 10) else { return };
    assert!(packet.attachments <= 10);
    assert!(packet.namespace.as_deref().is_none_or(|name| name.starts_with('/') && name != "/"));
    if let Content::Event { name, args, .. } = &packet.content {
        assert_ne!(name, "connect");
        // What was cut apart is JSON, piece by piece.
        assert!(args.iter().all(|arg| arg.get().len() <= text.len()));
    }
    let expected = packet.attachments;
    let mut assembling = Assembling { packet, attachments: Vec::new(), bytes: text.len() };
    for data in attachments.iter().take(expected) {
        match assembling.add(data, 1_000) {
            Ok(done) => assert_eq!(done, assembling.attachments.len() == expected),
            Err(_) => return assert!(assembling.bytes > 1_000),
        }
    }
});
