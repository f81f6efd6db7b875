//! What is told, what melts into one, and what is dropped.

use super::*;
use crate::model::Timestamp;

fn linked() -> Waiting {
    Waiting {
        is_linked: true,
        ..Waiting::default()
    }
}

fn frame(waiting: &mut Waiting, now: Instant) -> Vec<Signal> {
    match waiting.next(now) {
        Next::Frame(signals) => signals,
        other => panic!("{other:?}"),
    }
}

fn typing(is_typing: bool) -> Signal {
    Signal::Typing {
        conversation: ConversationKey(1),
        user: UserKey(1),
        is_typing,
    }
}

fn taken(user: i64, count: i32) -> Signal {
    Signal::Taken {
        kind: RateKind::Sends,
        counts: vec![(UserKey(user), count)],
    }
}

fn presence(user: i64, is_here: bool) -> Signal {
    Signal::Presence {
        user: UserKey(user),
        is_here,
        last_seen_at: Timestamp(0),
    }
}

#[test]
fn the_newest_state_alone_is_told() {
    let outbox = Outbox::new(Arc::default());
    outbox.link_up();
    for number in 1..=1_000 {
        outbox.recorded(Position { slot: 2, number });
    }
    outbox.recorded(Position { slot: 2, number: 7 });
    let mut waiting = outbox.lock();
    (0..100).for_each(|n| assert!(waiting.add(typing(n % 2 == 1))));
    let position = Position { slot: 2, number: 1_000 };
    let now = Instant::now();
    assert_eq!(
        frame(&mut waiting, now),
        [Signal::Recorded(vec![position]), typing(true)]
    );
    assert_eq!(waiting.next(now), Next::Nothing);
}

#[test]
fn the_last_hint_is_told_again_for_a_while() {
    let outbox = Outbox::new(Arc::default());
    outbox.link_up();
    outbox.recorded(Position { slot: 2, number: 5 });
    let told = |outbox: &Outbox| matches!(outbox.lock().next(Instant::now()), Next::Frame(_));
    assert!(told(&outbox));
    let again = (0..10).filter(|_| {
        outbox.tick();
        told(&outbox)
    });
    assert_eq!(again.count(), RECORDED_AGAIN as usize);
}

#[test]
fn what_was_taken_is_added_up_and_told_at_most_every_20_ms() {
    let mut waiting = linked();
    let now = Instant::now();
    (0..5).for_each(|_| assert!(waiting.add(taken(1, 1))));
    assert!(waiting.add(taken(1, -1)) && waiting.add(taken(2, 1)) && waiting.add(taken(2, -1)));
    assert_eq!(frame(&mut waiting, now), [taken(1, 4)]);
    assert!(waiting.add(taken(1, 1)));
    assert_eq!(waiting.next(now), Next::At(now + limits::BUS_RATES_INTERVAL));
    assert!(waiting.add(typing(true)), "others do not wait for it");
    assert_eq!(frame(&mut waiting, now), [typing(true)]);
    assert_eq!(frame(&mut waiting, now + limits::BUS_RATES_INTERVAL), [taken(1, 1)]);
}

#[test]
fn presence_keeps_its_order_over_many_frames() {
    let mut waiting = linked();
    let list = |part| Signal::People {
        round: 1,
        part,
        parts: 3,
        users: (0..FRAME_WEIGHT as i64 - 10).map(UserKey).collect(),
    };
    let told: Vec<Signal> = vec![
        presence(1, true),
        list(0),
        list(1),
        list(2),
        presence(1, false),
        Signal::PeopleAsked,
    ];
    told.iter().for_each(|signal| assert!(waiting.add(signal.clone())));
    let mut heard = Vec::new();
    let mut frames = 0;
    while let Next::Frame(signals) = waiting.next(Instant::now()) {
        let bytes = crate::fanout::bus::frame::encode(crate::fanout::bus::NodeId(u64::MAX), u64::MAX, &signals);
        assert!(bytes.len() <= limits::BUS_FRAME_BYTES);
        heard.extend(signals);
        frames += 1;
    }
    assert_eq!(heard, told);
    assert_eq!((frames, waiting.people_weight), (3, 0));
}

#[test]
fn a_bus_that_takes_nothing_makes_nothing_grow_without_end() {
    let stats = Arc::<Stats>::default();
    let outbox = Outbox::new(Arc::clone(&stats));
    outbox.link_up();
    for user in 0..3 * limits::BUS_PEOPLE as i64 {
        outbox.add(presence(user, true));
        outbox.add(taken(user, 1));
    }
    let waiting = outbox.lock();
    assert_eq!(waiting.people.len(), limits::BUS_PEOPLE);
    assert_eq!(waiting.taken.len(), limits::BUS_SIGNALS);
    let dropped = 6 * limits::BUS_PEOPLE - limits::BUS_PEOPLE - limits::BUS_SIGNALS;
    assert_eq!(stats.dropped.load(Relaxed), dropped as u64);
}

#[test]
fn while_the_bus_is_lost_only_the_last_hint_is_kept() {
    let outbox = Outbox::new(Arc::default());
    outbox.add(typing(true));
    outbox.recorded(Position { slot: 1, number: 3 });
    assert_eq!(outbox.lock().next(Instant::now()), Next::Nothing);
    outbox.link_up();
    let hint = Signal::Recorded(vec![Position { slot: 1, number: 3 }]);
    assert_eq!(frame(&mut outbox.lock(), Instant::now()), std::slice::from_ref(&hint));
    outbox.add(presence(1, true));
    outbox.link_down();
    outbox.link_up();
    assert_eq!(
        frame(&mut outbox.lock(), Instant::now()),
        [hint],
        "told again, and nothing else"
    );
}

#[tokio::test]
async fn the_last_thing_told_is_that_the_node_goes() {
    let outbox = Outbox::new(Arc::default());
    outbox.link_up();
    outbox.add(presence(1, false));
    outbox.close();
    outbox.add(presence(1, true));
    assert_eq!(outbox.next().await, Some(vec![presence(1, false), Signal::Leaving]));
    assert_eq!(outbox.next().await, None);
}
