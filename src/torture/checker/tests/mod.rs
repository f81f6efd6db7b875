//! Hand-written ledgers. A run in which all is well is taken, one thing in it is changed, and the checker must name
//! exactly what that breaks: this shows that it bites.

mod seen;
mod stored;

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::torture::ledger::{Change, Line, Record, Way};

const ROOM: &str = "room";
const SECOND: u64 = 1_000_000;
/// When the last fault was over, and when everybody had to be equal.
const HEALED: u64 = 40 * SECOND;
const CHECKPOINT: u64 = 50 * SECOND;

/// The lines of each file.
struct Run {
    own: Vec<Line>,
    clients: Vec<Vec<Line>>,
}

fn line(at: u64, record: Record) -> Line {
    Line { at, record }
}

fn seen(seq: i64) -> Seen {
    Seen {
        seq,
        id: format!("{ROOM}-{seq}"),
        draft: format!("d{seq}"),
        sender: sender(seq).to_owned(),
        intact: true,
    }
}

/// Ann sends the odd ones, Ben the even ones.
fn sender(seq: i64) -> &'static str {
    if seq % 2 == 1 { "ann" } else { "ben" }
}

fn client(device: usize, user: &str) -> Vec<Line> {
    let (user, contract) = (user.to_owned(), "conversations".to_owned());
    vec![
        line(1, Record::Client { device, user, contract }),
        line(SECOND, connected(1, false)),
    ]
}

fn connected(connection: u64, recovered: bool) -> Record {
    Record::Connected {
        connection,
        asked: connection > 1,
        recovered,
    }
}

fn invoke(draft: &str, connection: u64) -> Record {
    Record::Invoke {
        draft: draft.to_owned(),
        conversation: ROOM.to_owned(),
        way: Way::Socket,
        connection,
        replay: false,
    }
}

fn acknowledged(draft: &str, seq: i64) -> Record {
    Record::Acknowledged {
        draft: draft.to_owned(),
        conversation: ROOM.to_owned(),
        connection: 1,
        id: format!("{ROOM}-{seq}"),
        seq,
    }
}

fn refused(draft: &str, code: &str) -> Record {
    Record::Refused {
        draft: draft.to_owned(),
        conversation: ROOM.to_owned(),
        code: code.to_owned(),
    }
}

fn pushed(connection: u64, message: Seen) -> Record {
    Record::Pushed {
        connection,
        conversation: ROOM.to_owned(),
        message,
    }
}

fn history(user: &str, messages: Vec<Seen>) -> Record {
    Record::History {
        node: 0,
        conversation: ROOM.to_owned(),
        user: user.to_owned(),
        messages,
    }
}

fn unread(user: &str, unread: i64) -> Record {
    Record::Unread {
        node: 0,
        conversation: ROOM.to_owned(),
        user: user.to_owned(),
        unread,
    }
}

fn member(user: &str, change: Change, is_answer: bool) -> Record {
    let (conversation, user) = (ROOM.to_owned(), user.to_owned());
    if is_answer {
        Record::MemberAcknowledged {
            conversation,
            user,
            change,
        }
    } else {
        Record::MemberInvoke {
            conversation,
            user,
            change,
        }
    }
}

/// The time at which message `seq` was sent; it was acknowledged and seen half a second later.
fn sent_at(seq: i64) -> u64 {
    (10 + seq as u64) * SECOND
}

/// Ann, Ben and Cid are in a group; six messages are sent, all get them, Ann has read four.
fn good() -> Run {
    let all: Vec<Seen> = (1..=6).map(seen).collect();
    let mut clients = vec![client(0, "ann"), client(1, "ben"), client(2, "cid")];
    for seq in 1..=6 {
        let (draft, from) = (format!("d{seq}"), usize::from(seq % 2 == 0));
        clients[from].push(line(sent_at(seq), invoke(&draft, 1)));
        clients[from].push(line(sent_at(seq) + SECOND / 2, acknowledged(&draft, seq)));
        for client in &mut clients {
            client.push(line(sent_at(seq) + SECOND / 2, pushed(1, seen(seq))));
        }
    }
    let mark = |conversation: &str| (conversation.to_owned(), 4);
    let (conversation, seq) = mark(ROOM);
    clients[0].push(line(30 * SECOND, Record::ReadInvoke { conversation, seq }));
    let (conversation, seq) = mark(ROOM);
    clients[0].push(line(31 * SECOND, Record::ReadAcknowledged { conversation, seq }));
    let members = ["ann", "ben", "cid"].map(str::to_owned).to_vec();
    let mut own = vec![
        line(
            0,
            Record::Opened {
                conversation: ROOM.to_owned(),
                members,
            },
        ),
        line(CHECKPOINT, Record::Checkpoint { since_heal: HEALED }),
    ];
    for user in ["ann", "ben", "cid"] {
        own.push(line(CHECKPOINT + 1, history(user, all.clone())));
    }
    // Ann: message 6 of Ben's; Ben: 1, 3, 5; Cid: all.
    own.extend([("ann", 1), ("ben", 3), ("cid", 6)].map(|(user, count)| line(CHECKPOINT + 2, unread(user, count))));
    Run { own, clients }
}

impl Run {
    fn judged(&self) -> Verdict {
        let folder = TempDir::new().unwrap();
        let write = |name: String, lines: &[Line]| {
            let text: String = lines
                .iter()
                .map(|line| serde_json::to_string(line).unwrap() + "\n")
                .collect();
            fs::write(folder.path().join(name), text).unwrap();
        };
        write("0-run.jsonl".to_owned(), &self.own);
        for (number, lines) in self.clients.iter().enumerate() {
            let mut lines = lines.clone();
            lines.sort_by_key(|line| line.at);
            write(format!("client-{number}.jsonl"), &lines);
        }
        judge(folder.path()).unwrap()
    }

    /// The histories of all who have one.
    fn histories(&mut self, mut change: impl FnMut(&str, &mut Vec<Seen>)) {
        for line in &mut self.own {
            if let Record::History { user, messages, .. } = &mut line.record {
                change(user, messages);
            }
        }
    }

    fn without(&mut self, client: usize, matches: impl Fn(&Record) -> bool) {
        let before = self.clients[client].len();
        self.clients[client].retain(|line| !matches(&line.record));
        assert!(self.clients[client].len() < before, "nothing was taken out");
    }

    fn add(&mut self, client: usize, at: u64, record: Record) {
        self.clients[client].push(line(at, record));
    }

    #[track_caller]
    fn breaks(&self, expected: &[Promise]) {
        let verdict = self.judged();
        assert_eq!(
            verdict.broken.keys().copied().collect::<Vec<_>>(),
            expected,
            "{:#?}",
            verdict.broken
        );
    }
}

fn is_push_of(record: &Record, wanted: i64) -> bool {
    matches!(record, Record::Pushed { message, .. } if message.seq == wanted)
}

#[test]
fn a_run_in_which_all_is_well_breaks_nothing() {
    let verdict = good().judged();
    assert!(verdict.holds(), "{:#?}", verdict.broken);
    assert_eq!(
        (
            verdict.figures.acknowledged,
            verdict.figures.pushed,
            verdict.figures.clients
        ),
        (6, 18, 3)
    );
}
