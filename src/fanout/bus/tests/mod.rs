//! What every kind of bus does, and what becomes of the bus when Redis is in trouble.

mod refusals;
pub mod server;
mod trouble;

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::{memory::Exchange, *};
use server::{Server, programs};

/// Nothing that is waited for takes so long, on a machine however busy.
const LONG: Duration = Duration::from_secs(30);

type Heard = mpsc::Receiver<(NodeId, Signal)>;

async fn next(heard: &mut Heard) -> (NodeId, Signal) {
    let next = timeout(LONG, heard.recv()).await;
    next.expect("something was told").expect("a bus")
}

async fn hinted(bus: &Bus, position: Position) {
    let mut hints = bus.hints();
    let waiting = hints.wait_for(|cut| cut.holds(position));
    timeout(LONG, waiting).await.expect("a hint").expect("a bus");
}

async fn until_linked(bus: &Bus, is_linked: bool) {
    let mut linked = bus.linked();
    let waiting = linked.wait_for(|linked| *linked == is_linked);
    timeout(LONG, waiting).await.expect("a change").expect("a bus");
}

fn typing(user: i64) -> Signal {
    Signal::Typing {
        conversation: ConversationKey(1),
        user: UserKey(user),
        is_typing: true,
    }
}

fn presence(user: i64) -> Signal {
    Signal::Presence {
        user: UserKey(user),
        is_here: true,
        last_seen_at: Timestamp(0),
    }
}

fn at(slot: i64, number: i64) -> Position {
    Position { slot, number }
}

/// What every kind of bus does. `connect` makes buses that hear each other.
async fn suite(connect: impl AsyncFn() -> Bus) {
    let (one, two, three) = (connect().await, connect().await, connect().await);
    assert!(one.node() != two.node() && !one.is_alone());
    let mut heard: Vec<Heard> = [&one, &two, &three]
        .map(|bus| bus.heard().expect("nobody else listens"))
        .into();
    assert!(one.heard().is_none());

    // What one tells, each other one hears, and it does not itself.
    one.tell(typing(1));
    for heard in &mut heard[1..] {
        assert_eq!(next(heard).await, (one.node(), typing(1)));
    }
    two.tell(typing(2));
    assert_eq!(
        next(&mut heard[0]).await,
        (two.node(), typing(2)),
        "and not its own before"
    );
    assert_eq!(next(&mut heard[2]).await, (two.node(), typing(2)));

    // Hints: the newest number of each slot.
    for number in 1..=1_000 {
        one.recorded(at(3, number));
    }
    two.recorded(at(4, 9));
    hinted(&three, at(3, 1_000)).await;
    hinted(&three, at(4, 9)).await;
    assert_eq!(two.hints().borrow().number(4), 0, "its own are no news");

    // Presence keeps its order, however much it is.
    for user in 0..3_000 {
        one.tell(presence(user));
    }
    for user in 0..3_000 {
        assert_eq!(next(&mut heard[1]).await, (one.node(), presence(user)));
        assert_eq!(next(&mut heard[2]).await, (one.node(), presence(user)));
    }

    // What was taken from rates is added up.
    let taken = |count| Signal::Taken {
        kind: RateKind::Sends,
        counts: vec![(UserKey(5), count)],
    };
    (0..50).for_each(|_| two.tell(taken(1)));
    let mut all = 0;
    while all < 50 {
        match next(&mut heard[0]).await.1 {
            Signal::Taken { counts, .. } => all += counts[0].1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(all, 50);

    // A node that goes says so, after everything else.
    one.tell(presence(7));
    one.close().await;
    assert_eq!(next(&mut heard[1]).await, (one.node(), presence(7)));
    assert_eq!(next(&mut heard[1]).await, (one.node(), Signal::Leaving));
    let dropped = [&one, &two, &three].map(|bus| bus.stats().dropped.load(Relaxed));
    assert_eq!(dropped, [0; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_in_memory_does_what_every_bus_does() {
    let exchange = Exchange::default();
    suite(async || exchange.bus()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_over_redis_does_what_every_bus_does() {
    for program in programs() {
        let server = Server::of(&program, &[]);
        suite(async || Bus::redis(&server.url(), "suite:").await.expect("a bus")).await;
    }
}

#[tokio::test]
async fn a_frame_that_comes_twice_is_heard_once() {
    let exchange = Exchange::default();
    exchange.doubles.store(true, Relaxed);
    let (one, two) = (exchange.bus(), exchange.bus());
    let mut heard = two.heard().unwrap();
    one.tell(typing(1));
    assert_eq!(next(&mut heard).await.1, typing(1));
    one.tell(typing(2));
    assert_eq!(next(&mut heard).await.1, typing(2));
    exchange.inject(b"no frame");
    one.tell(typing(3));
    assert_eq!(next(&mut heard).await.1, typing(3));
    // The third may come again only now.
    let repeated = two.stats().repeated.load(Relaxed);
    assert!((2..=3).contains(&repeated), "{repeated}");
    assert_eq!(two.stats().unreadable.load(Relaxed), 1);
}

#[tokio::test]
async fn a_node_that_has_no_others_tells_and_hears_nobody() {
    let bus = Bus::alone();
    bus.recorded(at(1, 1));
    bus.tell(typing(1));
    assert!(bus.is_alone() && !*bus.linked().borrow());
    assert!(bus.heard().unwrap().try_recv().is_err());
    bus.close().await;
}
