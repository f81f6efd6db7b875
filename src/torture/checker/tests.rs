//! Hand-written ledgers. A run in which all is well is taken, one thing in it is changed, and the checker must name
//! exactly what that breaks: this shows that it bites.

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

#[test]
fn an_acknowledged_message_that_is_gone_is_lost() {
    let mut run = good();
    // The last, so that the numbers are whole without it; nobody saw it but in its acknowledgement.
    run.histories(|_, messages| drop(messages.pop()));
    for client in 0..3 {
        run.without(client, |record| is_push_of(record, 6));
    }
    run.own.retain(|line| !matches!(line.record, Record::Unread { .. }));
    run.breaks(&[Promise::Lost]);
}

#[test]
fn a_message_that_stands_twice_in_the_history_is_doubled() {
    let mut run = good();
    let again = Seen {
        draft: "d6".to_owned(),
        sender: "ben".to_owned(),
        ..seen(7)
    };
    run.histories(|_, messages| messages.push(again.clone()));
    for client in 0..3 {
        run.add(client, 17 * SECOND, pushed(1, again.clone()));
    }
    run.own.retain(|line| !matches!(line.record, Record::Unread { .. }));
    let verdict = run.judged();
    assert!(verdict.count(Promise::Doubled) == 1, "{:#?}", verdict.broken);
}

#[test]
fn a_message_that_nobody_sent_is_a_phantom() {
    let mut run = good();
    let phantom = Seen {
        draft: "nobody".to_owned(),
        ..seen(7)
    };
    run.histories(|_, messages| messages.push(phantom.clone()));
    run.breaks(&[Promise::Phantom]);
}

#[test]
fn a_message_that_was_refused_for_good_and_stored_all_the_same_is_told() {
    let mut run = good();
    run.without(
        1,
        |record| matches!(record, Record::Acknowledged { draft, .. } if draft == "d6"),
    );
    run.add(1, 17 * SECOND, refused("d6", "FORBIDDEN"));
    run.breaks(&[Promise::StoredThoughRefused]);
}

#[test]
fn an_unknown_outcome_may_go_either_way() {
    let mut run = good();
    // Refused at the second try, after a first one that nobody answered: it may be stored or not.
    run.without(
        1,
        |record| matches!(record, Record::Acknowledged { draft, .. } if draft == "d6"),
    );
    run.add(1, 17 * SECOND, invoke("d6", 1));
    run.add(1, 18 * SECOND, refused("d6", "FORBIDDEN"));
    run.breaks(&[]);
    run.histories(|_, messages| drop(messages.pop()));
    for client in 0..3 {
        run.without(client, |record| is_push_of(record, 6));
    }
    run.own.retain(|line| !matches!(line.record, Record::Unread { .. }));
    run.breaks(&[]);
}

#[test]
fn two_acknowledgements_of_one_message_must_say_the_same() {
    let mut run = good();
    run.add(1, 20 * SECOND, invoke("d6", 1));
    run.add(1, 21 * SECOND, acknowledged("d6", 9));
    run.breaks(&[Promise::TwoAnswers]);
}

#[test]
fn a_history_with_a_hole_or_another_text_is_told() {
    let mut run = good();
    run.histories(|_, messages| drop(messages.remove(2)));
    let verdict = run.judged();
    assert!(
        verdict.count(Promise::Gap) > 0 && verdict.count(Promise::Lost) == 1,
        "{:#?}",
        verdict.broken
    );

    let mut run = good();
    let spoilt = Seen {
        intact: false,
        ..seen(3)
    };
    run.histories(|_, messages| messages[2] = spoilt.clone());
    for client in 0..3 {
        run.without(client, |record| is_push_of(record, 3));
        run.add(client, sent_at(3) + SECOND / 2, pushed(1, spoilt.clone()));
    }
    run.breaks(&[Promise::Altered]);
}

#[test]
fn histories_that_differ_are_told() {
    let mut run = good();
    run.histories(|user, messages| {
        if user == "cid" {
            messages.pop();
        }
    });
    run.breaks(&[Promise::Disagreement]);
}

#[test]
fn a_push_of_what_is_not_in_the_history_is_told() {
    let mut run = good();
    run.without(2, |record| is_push_of(record, 5));
    run.add(
        2,
        sent_at(5) + SECOND / 2,
        pushed(
            1,
            Seen {
                draft: "d3".to_owned(),
                ..seen(5)
            },
        ),
    );
    run.breaks(&[Promise::Disagreement]);
}

#[test]
fn the_order_in_which_a_connection_sent_is_the_order_in_the_history() {
    let mut run = good();
    // Ben's second was, by his own ledger, sent before his first.
    run.without(
        1,
        |record| matches!(record, Record::Invoke { draft, .. } if draft == "d4"),
    );
    run.add(1, sent_at(2) - 1, invoke("d4", 1));
    run.breaks(&[Promise::SenderOrder]);
}

#[test]
fn a_message_that_comes_twice_in_one_session_is_told_and_in_two_sessions_is_not() {
    for (recovered, expected) in [(true, &[Promise::SeenTwice][..]), (false, &[])] {
        let mut run = good();
        run.add(2, 20 * SECOND, Record::Disconnected { connection: 1 });
        run.add(2, 21 * SECOND, connected(2, recovered));
        run.add(2, 22 * SECOND, pushed(2, seen(6)));
        run.breaks(expected);
    }
}

#[test]
fn pushes_out_of_order_on_one_connection_are_told() {
    let mut run = good();
    run.without(2, |record| is_push_of(record, 5));
    run.add(2, sent_at(6) + SECOND, pushed(1, seen(5)));
    run.breaks(&[Promise::OutOfOrder]);
}

#[test]
fn what_an_outsider_sees_is_told() {
    let mut run = good();
    run.clients.push(client(3, "eve"));
    run.add(3, sent_at(2) + SECOND, pushed(1, seen(2)));
    run.breaks(&[Promise::Outsider]);
    for (code, expected) in [
        (None, &[Promise::Outsider][..]),
        (Some("FORBIDDEN"), &[Promise::Outsider]),
        (Some("NOT_FOUND"), &[]),
        (Some("UNAVAILABLE"), &[]),
    ] {
        let mut run = good();
        run.clients.push(client(3, "eve"));
        let (conversation, way, code) = (ROOM.to_owned(), "join".to_owned(), code.map(str::to_owned));
        run.add(
            3,
            sent_at(2),
            Record::Tried {
                conversation,
                way,
                code,
            },
        );
        run.breaks(expected);
    }
}

/// Cid is taken out between the second and the third message, and brought back between the fourth and the fifth.
fn with_cid_away() -> Run {
    let mut run = good();
    for (at, record) in [
        (sent_at(2) + SECOND * 6 / 10, member("cid", Change::Removed, false)),
        (sent_at(2) + SECOND * 8 / 10, member("cid", Change::Removed, true)),
        (sent_at(4) + SECOND * 6 / 10, member("cid", Change::Added, false)),
        (sent_at(4) + SECOND * 8 / 10, member("cid", Change::Added, true)),
    ] {
        run.own.push(line(at, record));
    }
    run.own.sort_by_key(|line| line.at);
    run.without(2, |record| is_push_of(record, 3) || is_push_of(record, 4));
    run.histories(|user, messages| {
        if user == "cid" {
            messages.retain(|message| !matches!(message.seq, 3 | 4));
        }
    });
    run.own
        .retain(|line| !matches!(&line.record, Record::Unread { user, .. } if user == "cid"));
    run.own.push(line(CHECKPOINT + 2, unread("cid", 2)));
    run
}

#[test]
fn who_was_taken_out_sees_nothing_of_the_time_between() {
    with_cid_away().breaks(&[]);

    let mut live = with_cid_away();
    live.add(2, sent_at(3) + SECOND / 2, pushed(1, seen(3)));
    live.breaks(&[Promise::Outsider]);

    let mut read = with_cid_away();
    read.histories(|user, messages| {
        if user == "cid" {
            messages.insert(2, seen(3));
        }
    });
    read.breaks(&[Promise::Outsider]);

    let mut robbed = with_cid_away();
    robbed.histories(|user, messages| {
        if user == "cid" {
            messages.remove(0);
        }
    });
    robbed.breaks(&[Promise::Disagreement]);

    let mut forgotten = with_cid_away();
    forgotten.without(2, |record| is_push_of(record, 6));
    forgotten.breaks(&[Promise::Missing]);
}

#[test]
fn a_wrong_unread_count_is_told() {
    for count in [0, 2] {
        let mut run = good();
        run.own
            .retain(|line| !matches!(&line.record, Record::Unread { user, .. } if user == "ann"));
        run.own.push(line(CHECKPOINT + 2, unread("ann", count)));
        run.breaks(&[Promise::Unread]);
    }
    // A read without an answer may have counted or not.
    for (count, expected) in [(1, &[][..]), (2, &[]), (3, &[Promise::Unread])] {
        let mut run = good();
        run.without(0, |record| matches!(record, Record::ReadAcknowledged { .. }));
        run.add(
            0,
            32 * SECOND,
            Record::ReadAcknowledged {
                conversation: ROOM.to_owned(),
                seq: 2,
            },
        );
        run.own
            .retain(|line| !matches!(&line.record, Record::Unread { user, .. } if user == "ann"));
        run.own.push(line(CHECKPOINT + 2, unread("ann", count)));
        run.breaks(expected);
    }
}

#[test]
fn a_mark_that_falls_on_one_connection_is_told() {
    let mark = |connection, seq| Record::MarkPushed {
        connection,
        conversation: ROOM.to_owned(),
        user: "ann".to_owned(),
        seq,
    };
    let mut run = good();
    run.add(2, 30 * SECOND, mark(1, 4));
    run.add(2, 31 * SECOND, mark(1, 3));
    run.breaks(&[Promise::MarkFell]);
}

#[test]
fn who_lacks_a_message_ten_seconds_after_the_last_fault_is_told() {
    let mut run = good();
    run.without(2, |record| is_push_of(record, 4));
    run.breaks(&[Promise::Missing]);
    // Too late is as bad as never.
    run.add(2, CHECKPOINT + SECOND, pushed(2, seen(4)));
    let verdict = run.judged();
    assert_eq!(verdict.count(Promise::Missing), 1, "{:#?}", verdict.broken);
    // A page that the client asked for is as good as a push.
    let mut run = good();
    run.without(2, |record| is_push_of(record, 4));
    run.add(
        2,
        45 * SECOND,
        Record::Page {
            connection: 1,
            conversation: ROOM.to_owned(),
            after: 3,
            messages: vec![seen(4)],
            has_more: false,
        },
    );
    let verdict = run.judged();
    assert!(verdict.holds(), "{:#?}", verdict.broken);
    assert_eq!(verdict.figures.equal_after_ms, 5_000);
}

#[test]
fn a_client_that_is_away_or_unanswered_ten_seconds_after_the_last_fault_is_told() {
    let mut run = good();
    run.add(2, 45 * SECOND, Record::Disconnected { connection: 1 });
    run.breaks(&[Promise::Away]);

    let mut run = good();
    run.add(2, 30 * SECOND, invoke("d7", 1));
    run.breaks(&[Promise::NotAnswered]);
}

#[test]
fn what_befalls_nodes_is_told() {
    for (record, expected) in [
        (
            Record::NodeEnded {
                node: 0,
                milliseconds: 900,
                code: Some(0),
            },
            None,
        ),
        (
            Record::NodeEnded {
                node: 0,
                milliseconds: 900,
                code: Some(1),
            },
            Some(Promise::NodeEnd),
        ),
        (
            Record::NodeEnded {
                node: 0,
                milliseconds: 11_000,
                code: Some(0),
            },
            Some(Promise::NodeEnd),
        ),
        (
            Record::NodeLost {
                node: 0,
                why: "it is gone".to_owned(),
            },
            Some(Promise::NodeLost),
        ),
        (Record::ReadDuringFullDisk { status: 200 }, None),
        (
            Record::ReadDuringFullDisk { status: 503 },
            Some(Promise::ReadsDuringFullDisk),
        ),
    ] {
        let mut run = good();
        run.own.push(line(CHECKPOINT + 3, record));
        run.breaks(&expected.into_iter().collect::<Vec<_>>());
    }
}
