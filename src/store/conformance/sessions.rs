//! Sessions that outlive their connection, and the nodes that have them.
//!
//! Ages may be taken by another clock than the tests', which goes on while they run: times are compared with room.

use super::*;
use crate::model::{
    Contract, Cut, NodeKey, Position, Session, SessionId,
    session::{Holder, NewSession, SessionChange},
};

const WINDOW: Duration = Duration::from_secs(120);
/// Longer than any test takes.
const A_MINUTE: Duration = Duration::from_secs(60);
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

const ID: SessionId = SessionId(u128::MAX / 7);

async fn enter(fixture: &Fixture) -> NodeKey {
    fixture.store.enter_node(None).await.expect("a node")
}

async fn holder(fixture: &Fixture, connection: i64) -> Holder {
    Holder {
        node: enter(fixture).await,
        connection,
    }
}

fn up_to(number: i64) -> Cut {
    Cut::from_iter([Position { slot: 0, number }])
}

async fn open(fixture: &Fixture, id: SessionId, user: UserKey, holder: Holder) {
    let session = NewSession {
        id,
        user,
        contract: None,
        holder,
        received: up_to(10),
    };
    fixture.store.open_session(session).await.expect("an answer");
}

async fn resume_within(
    fixture: &Fixture,
    id: SessionId,
    user: UserKey,
    holder: Holder,
    window: Duration,
) -> Option<Session> {
    let resumed = fixture.store.resume_session(id, user, holder, window).await;
    let mut session = resumed.expect("an answer")?;
    assert_eq!((session.id, session.user), (id, user));
    session.joined.sort();
    Some(session)
}

async fn resume(fixture: &Fixture, user: UserKey, holder: Holder) -> Option<Session> {
    resume_within(fixture, ID, user, holder, WINDOW).await
}

async fn change(fixture: &Fixture, holder: Holder, change: SessionChange) {
    let changed = fixture.store.change_session(ID, holder, change);
    changed.await.expect("an answer");
}

async fn join(fixture: &Fixture, holder: Holder, conversation: ConversationKey, end: Seq) {
    change(fixture, holder, SessionChange::Joined { conversation, end }).await;
}

async fn suspend(fixture: &Fixture, id: SessionId, holder: Holder, received: Cut) {
    let suspended = fixture.store.suspend_session(id, holder, received);
    suspended.await.expect("an answer");
}

async fn forget(fixture: &Fixture, holder: Holder) {
    fixture.store.forget_session(ID, holder).await.expect("an answer");
}

async fn beat(fixture: &Fixture, node: NodeKey, received: Cut) {
    fixture.store.beat(node, received).await.expect("an answer");
}

async fn sweep(fixture: &Fixture) {
    fixture.store.sweep_sessions(WINDOW).await.expect("an answer");
}

async fn node_keys(fixture: &Fixture, within: Duration) -> Vec<NodeKey> {
    let nodes = fixture.store.nodes(within).await.expect("an answer");
    let mut keys: Vec<_> = nodes.into_iter().map(|node| node.key).collect();
    keys.sort();
    keys
}

fn is_about(time: Duration, expected: Duration) -> bool {
    expected <= time && time < expected + A_MINUTE
}

pub async fn a_session_goes_on_with_its_contract_and_rooms(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let rooms = [fixture.direct(anna, bea).await, fixture.direct(anna, carl).await];
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    change(&fixture, first, SessionChange::Contract(Contract::TenantChat)).await;
    change(&fixture, first, SessionChange::JoinedUserRoom).await;
    join(&fixture, first, rooms[1], 7).await;
    join(&fixture, first, rooms[0], 0).await;
    suspend(&fixture, ID, first, up_to(20)).await;
    fixture.pass(A_MINUTE).await;
    let session = resume(&fixture, anna, holder(&fixture, 2).await)
        .await
        .expect("a session");
    assert!(is_about(session.away, A_MINUTE), "{:?}", session.away);
    let expected = Session {
        id: ID,
        user: anna,
        contract: Some(Contract::TenantChat),
        joined: vec![(rooms[0], 0), (rooms[1], 7)],
        user_room: true,
        received: up_to(20),
        away: session.away,
    };
    assert_eq!(session, expected);

    let other = SessionId(ID.0 + 1);
    let begun = NewSession {
        id: other,
        user: bea,
        contract: Some(Contract::MediaChat),
        holder: first,
        received: Cut::default(),
    };
    fixture.store.open_session(begun).await.expect("an answer");
    let session = resume_within(&fixture, other, bea, first, WINDOW)
        .await
        .expect("a session");
    let bare = (session.contract, session.user_room, session.joined, session.received);
    assert_eq!(bare, (Some(Contract::MediaChat), false, vec![], Cut::default()));
}

pub async fn a_conversation_that_was_left_is_not_joined_again(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let rooms = [fixture.direct(anna, bea).await, fixture.direct(anna, carl).await];
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    for room in rooms {
        join(&fixture, first, room, 1).await;
    }
    change(&fixture, first, SessionChange::Left(rooms[0])).await;
    change(&fixture, first, SessionChange::Left(rooms[0])).await;
    let session = resume(&fixture, anna, holder(&fixture, 2).await)
        .await
        .expect("a session");
    assert_eq!(session.joined, [(rooms[1], 1)]);
}

pub async fn a_conversation_joined_twice_has_the_later_end(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let room = fixture.direct(anna, bea).await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    for end in [5, 9, 7] {
        join(&fixture, first, room, end).await;
    }
    let session = resume(&fixture, anna, holder(&fixture, 2).await)
        .await
        .expect("a session");
    assert_eq!(session.joined, [(room, 9)]);
}

pub async fn nobody_goes_on_with_anothers_session(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let (first, second) = (holder(&fixture, 1).await, holder(&fixture, 2).await);
    open(&fixture, ID, anna, first).await;
    suspend(&fixture, ID, first, up_to(10)).await;
    assert_eq!(resume(&fixture, bea, second).await, None);
    let unknown = SessionId(ID.0 - 1);
    assert_eq!(resume_within(&fixture, unknown, anna, second, WINDOW).await, None);
    // Nor was it taken from its owner by the attempt.
    change(&fixture, second, SessionChange::JoinedUserRoom).await;
    fixture.pass(A_MINUTE).await;
    let session = resume(&fixture, anna, second).await.expect("a session");
    assert!(is_about(session.away, A_MINUTE) && !session.user_room);
}

pub async fn a_session_ends_with_the_window(fixture: Fixture) {
    let [anna] = fixture.users().await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    suspend(&fixture, ID, first, up_to(10)).await;
    // The end counts, not the node's signs of life, and not a second end.
    fixture.pass(WINDOW - A_MINUTE).await;
    beat(&fixture, first.node, up_to(10)).await;
    suspend(&fixture, ID, first, up_to(10)).await;
    fixture.pass(A_MINUTE + Duration::from_secs(1)).await;
    beat(&fixture, first.node, up_to(10)).await;
    let second = holder(&fixture, 2).await;
    assert_eq!(resume(&fixture, anna, second).await, None);
    let longer = WINDOW + A_MINUTE;
    assert!(resume_within(&fixture, ID, anna, second, longer).await.is_some());
}

pub async fn a_session_is_taken_over_from_a_connection_that_lives(fixture: Fixture) {
    let [anna] = fixture.users().await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    fixture.pass(FOR_EVER).await;
    beat(&fixture, first.node, up_to(30)).await;
    // Nothing had noticed that its connection is dead, and its client is back already.
    let second = Holder { connection: 2, ..first };
    let session = resume(&fixture, anna, second).await.expect("a session");
    assert_eq!((session.away, session.received), (Duration::ZERO, up_to(30)));
}

pub async fn a_former_holder_changes_nothing(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let rooms = [fixture.direct(anna, bea).await, fixture.direct(anna, carl).await];
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    join(&fixture, first, rooms[0], 3).await;
    let second = Holder { connection: 2, ..first };
    let third = holder(&fixture, 1).await;
    let taken = resume(&fixture, anna, second).await.expect("a session");
    // The same connection number on another node is another connection.
    for former in [first, third] {
        change(&fixture, former, SessionChange::Contract(Contract::ListingChat)).await;
        change(&fixture, former, SessionChange::JoinedUserRoom).await;
        change(&fixture, former, SessionChange::Left(rooms[0])).await;
        join(&fixture, former, rooms[0], 5).await;
        join(&fixture, former, rooms[1], 5).await;
        suspend(&fixture, ID, former, up_to(99)).await;
        forget(&fixture, former).await;
    }
    assert_eq!(taken.joined, [(rooms[0], 3)]);
    let again = resume(&fixture, anna, third).await;
    assert_eq!(again, Some(taken));
}

pub async fn a_session_goes_on_again_and_again(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let room = fixture.direct(anna, bea).await;
    let mut current = holder(&fixture, 0).await;
    open(&fixture, ID, anna, current).await;
    join(&fixture, current, room, 0).await;
    for round in 1..=5 {
        suspend(&fixture, ID, current, up_to(10 + round)).await;
        fixture.pass(A_MINUTE).await;
        current = holder(&fixture, round).await;
        let session = resume(&fixture, anna, current).await.expect("a session");
        assert!(is_about(session.away, A_MINUTE), "{:?}", session.away);
        assert_eq!(session.received, up_to(10 + round));
        assert_eq!(session.joined, [(room, round - 1)]);
        join(&fixture, current, room, round).await;
    }
}

pub async fn a_session_outlives_a_killed_node(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let room = fixture.direct(anna, bea).await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    join(&fixture, first, room, 2).await;
    beat(&fixture, first.node, up_to(40)).await;
    // A killed node notes no end.
    fixture.reopen().await;
    fixture.pass(A_MINUTE).await;
    let second = holder(&fixture, 1).await;
    assert_ne!(second.node, first.node);
    let session = resume(&fixture, anna, second).await.expect("a session");
    assert!(is_about(session.away, A_MINUTE), "{:?}", session.away);
    assert_eq!((session.joined, session.received), (vec![(room, 2)], up_to(40)));
}

pub async fn a_killed_nodes_sessions_end_with_the_window(mut fixture: Fixture) {
    let [anna] = fixture.users().await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    fixture.reopen().await;
    fixture.pass(WINDOW + Duration::from_secs(1)).await;
    assert_eq!(resume(&fixture, anna, holder(&fixture, 1).await).await, None);
}

pub async fn what_a_node_said_before_it_had_a_session_is_not_about_it(mut fixture: Fixture) {
    let [anna] = fixture.users().await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    suspend(&fixture, ID, first, up_to(10)).await;
    let second = holder(&fixture, 2).await;
    // The clients that it had then: this one was away.
    beat(&fixture, second.node, up_to(50)).await;
    let session = resume(&fixture, anna, second).await.expect("a session");
    assert_eq!(session.received, up_to(10));
    fixture.reopen().await;
    let third = holder(&fixture, 3).await;
    let session = resume(&fixture, anna, third).await.expect("a session");
    assert_eq!(session.received, up_to(10));
    beat(&fixture, third.node, up_to(60)).await;
    // A client that had missed more has come to it, so that all of them together have got less.
    beat(&fixture, third.node, up_to(55)).await;
    fixture.reopen().await;
    let session = resume(&fixture, anna, holder(&fixture, 4).await)
        .await
        .expect("a session");
    assert_eq!(session.received, up_to(55));
}

pub async fn what_was_received_never_becomes_less(fixture: Fixture) {
    let [anna] = fixture.users().await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    let less_and_more: Cut = [(0, 5), (3, 8)]
        .map(|(slot, number)| Position { slot, number })
        .into_iter()
        .collect();
    suspend(&fixture, ID, first, less_and_more.clone()).await;
    let mut joined = less_and_more;
    joined.join(&up_to(10));
    let session = resume(&fixture, anna, first).await.expect("a session");
    assert_eq!(session.received, joined);
    beat(&fixture, first.node, up_to(2)).await;
    let session = resume(&fixture, anna, first).await.expect("a session");
    assert_eq!(session.received, joined);
}

pub async fn a_forgotten_session_is_gone(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let room = fixture.direct(anna, bea).await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    join(&fixture, first, room, 1).await;
    forget(&fixture, first).await;
    assert_eq!(resume(&fixture, anna, first).await, None);
    join(&fixture, first, room, 1).await;
    suspend(&fixture, ID, first, up_to(10)).await;
    forget(&fixture, first).await;
    assert_eq!(resume(&fixture, anna, first).await, None);
    // Nothing of it is left for one that begins anew.
    open(&fixture, ID, anna, first).await;
    assert_eq!(resume(&fixture, anna, first).await.expect("a session").joined, []);
}

pub async fn whoever_comes_back_after_the_end_of_all_sessions_begins_anew(fixture: Fixture) {
    let (anna, bea) = (fixture.user("anna").await, fixture.user("bea").await);
    let conversation = fixture.direct(anna, bea).await;
    let (holder_of_annas, other) = (holder(&fixture, 1).await, SessionId(7));
    open(&fixture, ID, anna, holder_of_annas).await;
    open(&fixture, other, bea, holder_of_annas).await;
    join(&fixture, holder_of_annas, conversation, 3).await;
    suspend(&fixture, ID, holder_of_annas, up_to(11)).await;
    fixture.store.end_sessions(user_id("anna")).await.unwrap();
    assert_eq!(resume(&fixture, anna, holder_of_annas).await, None);
    assert_eq!(fixture.count("session_room").await, 0);
    assert!(
        resume_within(&fixture, other, bea, holder_of_annas, WINDOW)
            .await
            .is_some(),
        "another's goes on"
    );
    // What its connection still asks for changes nothing.
    join(&fixture, holder_of_annas, conversation, 4).await;
    suspend(&fixture, ID, holder_of_annas, up_to(12)).await;
    assert_eq!(resume(&fixture, anna, holder_of_annas).await, None);
}

pub async fn the_sweep_takes_what_is_over_and_nothing_else(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let room = fixture.direct(anna, bea).await;
    let (dead, alive, silent) = (
        holder(&fixture, 1).await,
        holder(&fixture, 2).await,
        holder(&fixture, 3).await,
    );
    let [of_the_dead, long_over, just_over, live, of_the_silent] = [1, 2, 3, 4, 5].map(SessionId);
    open(&fixture, of_the_dead, anna, dead).await;
    open(&fixture, long_over, anna, alive).await;
    open(&fixture, live, anna, alive).await;
    open(&fixture, just_over, anna, alive).await;
    open(&fixture, of_the_silent, anna, silent).await;
    let joined = SessionChange::Joined {
        conversation: room,
        end: 1,
    };
    for (id, holder) in [(of_the_dead, dead), (live, alive)] {
        let changed = fixture.store.change_session(id, holder, joined);
        changed.await.expect("an answer");
    }
    suspend(&fixture, long_over, alive, up_to(10)).await;
    fixture.pass(WINDOW).await;
    suspend(&fixture, just_over, alive, up_to(10)).await;
    suspend(&fixture, of_the_silent, silent, up_to(10)).await;
    fixture.pass(Duration::from_secs(20)).await;
    beat(&fixture, alive.node, up_to(10)).await;
    sweep(&fixture).await;
    let last = holder(&fixture, 9).await;
    // Silent as long as the dead one, but with a session that may still go on.
    assert_eq!(
        node_keys(&fixture, FOR_EVER).await,
        [alive.node, silent.node, last.node]
    );
    for (id, is_left) in [
        (of_the_dead, false),
        (long_over, false),
        (just_over, true),
        (live, true),
        (of_the_silent, true),
    ] {
        let session = resume_within(&fixture, id, anna, last, FOR_EVER).await;
        assert_eq!(session.is_some(), is_left, "{}", id.0);
        if id == live {
            assert_eq!(session.map(|session| session.joined), Some(vec![(room, 1)]));
        }
    }
}

pub async fn a_nodes_number_is_never_given_again(mut fixture: Fixture) {
    let mut given = vec![enter(&fixture).await, enter(&fixture).await];
    for _ in 0..2 {
        fixture.pass(WINDOW + A_MINUTE).await;
        sweep(&fixture).await;
        assert_eq!(node_keys(&fixture, FOR_EVER).await, []);
        fixture.reopen().await;
        let next = enter(&fixture).await;
        assert!(!given.contains(&next), "{next:?} of {given:?}");
        given.push(next);
    }
}

pub async fn nodes_are_known_by_their_signs_of_life(fixture: Fixture) {
    let address = "http://10.0.0.1:3000".to_owned();
    let first = fixture.store.enter_node(Some(address.clone())).await.expect("a node");
    fixture.pass(2 * A_MINUTE).await;
    let second = enter(&fixture).await;
    assert_eq!(node_keys(&fixture, A_MINUTE).await, [second]);
    assert_eq!(node_keys(&fixture, 3 * A_MINUTE).await, [first, second]);
    beat(&fixture, first, up_to(1)).await;
    fixture.pass(A_MINUTE).await;
    beat(&fixture, second, up_to(1)).await;
    let mut nodes = fixture.store.nodes(FOR_EVER).await.expect("an answer");
    nodes.sort_by_key(|node| node.key);
    let [one, other] = &nodes[..] else { panic!("{nodes:?}") };
    assert!(is_about(one.silent, A_MINUTE) && is_about(other.silent, Duration::ZERO));
    assert_eq!((one.key, &one.address), (first, &Some(address)));
    assert_eq!((other.key, &other.address), (second, &None));
}

pub async fn a_node_that_had_no_session_for_long_may_get_one(mut fixture: Fixture) {
    let [anna] = fixture.users().await;
    let quiet = holder(&fixture, 1).await;
    for is_swept in [false, true] {
        fixture.pass(WINDOW + A_MINUTE).await;
        if is_swept {
            sweep(&fixture).await;
        }
        open(&fixture, ID, anna, quiet).await;
        sweep(&fixture).await;
        fixture.reopen().await;
        let session = resume(&fixture, anna, quiet).await.expect("a session");
        assert_eq!(session.away, Duration::ZERO);
        forget(&fixture, quiet).await;
    }
    // Going on with one is a sign of life as well.
    let lively = holder(&fixture, 2).await;
    open(&fixture, ID, anna, lively).await;
    fixture.pass(WINDOW + A_MINUTE).await;
    beat(&fixture, lively.node, up_to(10)).await;
    assert!(resume(&fixture, anna, quiet).await.is_some());
    sweep(&fixture).await;
    assert!(resume(&fixture, anna, lively).await.is_some());
}

pub async fn a_clock_that_is_set_back_ends_no_session(fixture: Fixture) {
    let [anna] = fixture.users().await;
    let first = holder(&fixture, 1).await;
    open(&fixture, ID, anna, first).await;
    for _ in 0..2 {
        fixture.clock.move_by(-3_600_000);
        sweep(&fixture).await;
        let session = resume(&fixture, anna, first).await.expect("a session");
        assert!(session.away < A_MINUTE, "{:?}", session.away);
        suspend(&fixture, ID, first, up_to(10)).await;
    }
    assert_eq!(node_keys(&fixture, A_MINUTE).await, [first.node]);
}
