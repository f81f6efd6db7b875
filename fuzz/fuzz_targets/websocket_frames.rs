//! Any bytes as a client's frames. Cut differently, they are the same messages.
#![no_main]

use doorbell_socketio::websocket::{Decoder, Incoming, Violation};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 300;

fn messages(data: &[u8], step: usize) -> (Vec<String>, Option<Violation>) {
    let (mut decoder, mut pending, mut found) = (Decoder::default(), Vec::new(), Vec::new());
    for chunk in data.chunks(step.max(1)) {
        pending.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut pending, LIMIT) {
                Ok(None) => break,
                Ok(Some((incoming, taken))) => {
                    if let Incoming::Text(text) = incoming {
                        assert!(text.len() <= LIMIT);
                    }
                    found.push(format!("{incoming:?}"));
                    pending.drain(..taken);
                }
                Err(violation) => return (found, Some(violation)),
            }
        }
        assert!(pending.len() <= LIMIT + 14 + chunk.len());
    }
    (found, None)
}

fuzz_target!(|data: (&[u8], u8)| {
    let (bytes, step) = data;
    assert_eq!(messages(bytes, usize::from(step)), messages(bytes, bytes.len()));
});
