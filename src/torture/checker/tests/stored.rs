//! What stands in the histories at the end.

use super::*;

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
