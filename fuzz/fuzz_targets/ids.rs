//! Any text as an id of each kind.
#![no_main]

use doorbell::model::{ConversationId, ListingId, MessageId, UserId, id::is_id};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, i64)| {
    let (text, seq) = data;
    assert_eq!(UserId::parse(text).is_ok(), is_id(text));
    assert_eq!(ListingId::parse(text).is_ok(), is_id(text));
    if let Ok(user) = UserId::parse(text) {
        assert_eq!(user.as_str(), text);
    }
    if let Ok(message) = MessageId::parse(text) {
        assert!(message.seq > 0);
        assert_eq!(message.to_string(), text, "a message has one id, written in one way");
        assert_eq!(message.seq_in(&message.conversation), Ok(message.seq));
    }
    if let Ok(conversation) = ConversationId::parse(text) {
        let message = MessageId {
            conversation,
            seq: seq.saturating_abs().max(1),
        };
        let shown = message.to_string();
        // A conversation's id that nothing can stand behind is none that was given out.
        assert!(!is_id(&shown) || MessageId::parse(&shown) == Ok(message));
    }
});
