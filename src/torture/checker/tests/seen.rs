//! What clients saw on the way, and what was so ten seconds after the last fault.

use super::*;

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
