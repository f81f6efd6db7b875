//! Any text as the payload of every event that a contract has, by the same way as from a socket.
#![no_main]

use std::sync::LazyLock;

use doorbell::{
    contracts::{
        event::{Command, Name, decode, recognise},
        json,
    },
    model::{Contract, UserId},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const EVENTS: [&str; 15] = [
    "conversation:join",
    "conversation:leave",
    "message:send",
    "typing:start",
    "typing:stop",
    "message:read",
    "join-conversation",
    "leave-conversation",
    "join_user_room",
    "join_conversation",
    "send_message",
    "typing",
    "mark_read",
    "auth:refresh",
    "no such event",
];

static CALLER: LazyLock<UserId> = LazyLock::new(|| UserId::parse("anna").expect("an id"));

/// Does it name somebody else as the one who acts?
fn speaks_for_another(payload: &Value) -> bool {
    ["senderId", "sender", "userId"].iter().any(|name| {
        payload
            .get(name)
            .is_some_and(|value| !value.is_null() && value != "anna")
    })
}

fuzz_target!(|text: &[u8]| {
    let Ok(payload) = json::parse(text) else { return };
    let again = json::parse(payload.to_string().as_bytes());
    assert!(
        again.is_ok(),
        "what was understood can be written down and is understood again"
    );
    for event in EVENTS {
        let Some(known) = recognise(event, &payload) else {
            assert_eq!(event, EVENTS[14]);
            continue;
        };
        let contracts = known.contract.map_or(Contract::ALL.to_vec(), |contract| vec![contract]);
        for contract in contracts {
            let Ok(command) = decode(known.name, contract, payload.clone(), &CALLER) else {
                continue;
            };
            assert!(!speaks_for_another(&payload), "{event}");
            match (known.name, command) {
                (Name::Join, Command::Join { after, .. }) => assert!(after.is_none_or(|seq| seq >= 0)),
                (Name::Send, Command::Send(request)) => assert_eq!(request.origin, None),
                (Name::TypingStart, Command::Typing { is_typing, .. }) => assert!(is_typing),
                (Name::TypingStop, Command::Typing { is_typing, .. }) => assert!(!is_typing),
                (Name::Leave, Command::Leave { .. })
                | (Name::JoinUserRoom, Command::JoinUserRoom { .. })
                | (Name::Typing, Command::Typing { .. })
                | (Name::MarkRead, Command::MarkRead(_))
                | (Name::Refresh, Command::Refresh(_)) => {}
                (name, command) => panic!("{event} is {name:?} and became {command:?}"),
            }
        }
    }
});
