//! What people see of each other, by the clock of the test.

use proptest::prelude::*;

use super::*;

const ANA: UserKey = UserKey(1);
const BEN: UserKey = UserKey(2);
const OWN: NodeId = NodeId(5);
const OTHER: NodeId = NodeId(6);
const THIRD: NodeId = NodeId(7);
const AT: Timestamp = Timestamp(0);

fn people() -> (People, Instant) {
    (People::new(OWN), Instant::now())
}

fn came(user: UserKey) -> Option<(News, bool, Timestamp)> {
    Some((News::Person(user), true, AT))
}

fn went(user: UserKey) -> Option<(News, bool, Timestamp)> {
    Some((News::Person(user), false, AT))
}

fn last(user: UserKey) -> Gone {
    Gone {
        user,
        last_seen_at: AT,
        is_last: true,
    }
}

#[test]
fn who_comes_back_before_being_told_gone_is_told_nothing() {
    let (mut people, start) = people();
    assert!(people.seen(ANA, AT, start, AFTER_SOCKET, 1));
    assert_eq!(people.next_news(), came(ANA));
    people.socket_gone(ANA, AT, start, AFTER_SOCKET);
    assert_eq!(people.note_gone(start + AFTER_SOCKET / 2), []);
    assert_eq!(people.note_gone(start + AFTER_SOCKET), [last(ANA)]);
    assert!(!people.is_online(ANA));
    assert!(people.seen(ANA, AT, start + AFTER_SOCKET, AFTER_SOCKET, 1));
    assert_eq!(people.next_news(), None);
    assert!(people.is_online(ANA));
}

#[test]
fn who_has_gone_leaves_nothing_behind() {
    let (mut people, start) = people();
    people.seen(ANA, AT, start, AFTER_REQUEST, 0);
    assert_eq!(people.next_news(), came(ANA));
    people.note_gone(start + AFTER_REQUEST);
    assert_eq!(people.next_news(), went(ANA));
    assert!(people.is_empty());
}

#[test]
fn who_is_on_two_nodes_and_leaves_one_stays_online() {
    let (mut people, start) = people();
    let now = (start, AT);
    people.seen(ANA, AT, start, AFTER_SOCKET, 1);
    people.heard_presence(OTHER, ANA, true, AT, now);
    assert_eq!(people.next_news(), came(ANA));
    people.socket_gone(ANA, AT, start, AFTER_SOCKET);
    let gone = people.note_gone(start + AFTER_SOCKET);
    assert!(!gone[0].is_last, "the other node stores when they were last seen");
    assert_eq!((people.next_news(), people.is_online(ANA)), (None, true));
    let later = (start + AFTER_SOCKET + Duration::from_secs(3), AT);
    assert_eq!(people.heard_presence(OTHER, ANA, false, AT, later), None);
    assert_eq!((people.next_news(), people.is_online(ANA)), (went(ANA), false));
    // And the other way round.
    people.heard_presence(OTHER, BEN, true, AT, now);
    people.seen(BEN, AT, start, AFTER_SOCKET, 1);
    assert_eq!(people.next_news(), came(BEN));
    people.heard_presence(OTHER, BEN, false, AT, now);
    assert_eq!((people.next_news(), people.is_online(BEN)), (None, true));
}

#[test]
fn who_leaves_two_nodes_at_once_was_last_seen_all_the_same() {
    let (mut people, start) = people();
    people.seen(ANA, AT, start, AFTER_SOCKET, 1);
    people.heard_presence(OTHER, ANA, true, AT, (start, AT));
    people.socket_gone(ANA, AT, start, AFTER_SOCKET);
    let gone_at = start + AFTER_SOCKET;
    assert!(!people.note_gone(gone_at)[0].is_last);
    // The other node told so before it could have heard of this.
    let heard = people.heard_presence(
        OTHER,
        ANA,
        false,
        Timestamp(9),
        (gone_at + Duration::from_millis(5), AT),
    );
    assert_eq!(heard, Some(Timestamp(9)));
    let again = people.heard_presence(
        OTHER,
        ANA,
        false,
        Timestamp(9),
        (gone_at + Duration::from_millis(6), AT),
    );
    assert_eq!(again, None);
}

#[test]
fn the_people_of_a_node_that_was_killed_are_offline_within_30_s() {
    let (mut people, start) = people();
    people.heard_people(OTHER, (1, 0, 1), &[ANA, BEN], (start, Timestamp(7)));
    people.heard_people(THIRD, (1, 0, 1), &[BEN], (start + Duration::from_secs(10), AT));
    assert_eq!(people.note_silent(start + Duration::from_secs(24)), []);
    assert!(people.is_online(ANA) && people.is_online(BEN));
    let silent = people.note_silent(start + Duration::from_secs(29));
    assert_eq!(
        silent,
        [(ANA, Timestamp(7))],
        "this node has the lowest id of those that are left"
    );
    assert!(
        !people.is_online(ANA) && people.is_online(BEN),
        "Ben is on the third node, too"
    );
    assert_eq!(people.next_news(), Some((News::Person(BEN), true, Timestamp(7))));
    assert_eq!(people.next_news(), None, "Ana came and went before anybody was told");
}

#[test]
fn only_one_of_the_nodes_that_are_left_stores_who_was_lost() {
    let (mut people, start) = people();
    let lower = NodeId(1);
    people.heard_people(OTHER, (1, 0, 1), &[ANA], (start, AT));
    people.heard_people(lower, (1, 0, 1), &[], (start + Duration::from_secs(10), AT));
    assert_eq!(people.next_news(), came(ANA));
    assert_eq!(people.note_silent(start + Duration::from_secs(26)), []);
    assert_eq!(people.next_news(), went(ANA));
}

#[test]
fn who_is_missing_in_a_whole_list_has_gone_and_a_list_with_a_hole_says_nothing() {
    let (mut people, start) = people();
    let now = (start, AT);
    people.heard_presence(OTHER, ANA, true, AT, now);
    people.heard_people(OTHER, (1, 0, 2), &[BEN], now);
    assert!(people.is_online(ANA), "the list is not whole yet");
    people.heard_presence(OTHER, ANA, false, AT, now);
    people.heard_presence(OTHER, ANA, true, AT, now);
    people.heard_people(OTHER, (2, 1, 2), &[BEN], now);
    assert!(people.is_online(ANA), "the first part got lost");
    people.heard_people(OTHER, (1, 1, 2), &[ANA], now);
    people.heard_people(OTHER, (3, 0, 2), &[], now);
    people.heard_people(OTHER, (3, 1, 2), &[BEN], now);
    assert!(!people.is_online(ANA) && people.is_online(BEN));
    people.heard_presence(OTHER, ANA, true, AT, now);
    assert!(people.is_online(ANA), "who comes after a list is not missing in it");
}

#[test]
fn who_was_on_a_node_that_stops_has_the_time_of_a_reload_to_come_elsewhere() {
    let (mut people, start) = people();
    people.heard_people(OTHER, (1, 0, 1), &[ANA, BEN], (start, AT));
    assert!(people.next_news().is_some() && people.next_news().is_some());
    people.leaving(OTHER, AFTER_SOCKET, start);
    people.note_silent(start + AFTER_SOCKET / 2);
    assert!(people.is_online(ANA));
    people.seen(ANA, AT, start + AFTER_SOCKET / 2, AFTER_SOCKET, 1);
    people.note_silent(start + AFTER_SOCKET);
    assert_eq!(people.next_news(), went(BEN));
    assert_eq!((people.next_news(), people.is_online(ANA)), (None, true));
}

#[test]
fn peers_are_told_in_the_order_of_what_happened() {
    let (mut people, start) = people();
    people.seen(ANA, AT, start, AFTER_SOCKET, 1);
    people.became_peers(ConversationKey(3), None);
    people.heard_presence(OTHER, BEN, true, AT, (start, AT));
    assert_eq!(people.next_news(), came(ANA));
    let peers = people.next_news().map(|(news, ..)| news);
    assert_eq!(peers, Some(News::Peers(ConversationKey(3), None)));
    assert!(
        people.is_told_online(ANA) && !people.is_told_online(BEN),
        "Ben is told after it"
    );
    assert_eq!(people.next_news(), came(BEN));
}

#[test]
fn made_up_nodes_and_people_fill_no_more_than_their_room() {
    let (mut people, start) = people();
    let users: Vec<UserKey> = (0..limits::PRESENCE_ELSEWHERE as i64 + 10).map(UserKey).collect();
    people.heard_people(OTHER, (1, 0, 1), &users, (start, AT));
    assert!(people.is_online(users[5]));
    assert!(!people.is_online(users[limits::PRESENCE_ELSEWHERE]));
    for node in 0..2 * limits::BUS_NODES as u64 {
        people.heard_people(NodeId(node), (1, 0, 1), &[], (start, AT));
    }
    assert_eq!(people.nodes(), limits::BUS_NODES);
    people.note_silent(start + Duration::from_secs(60));
    while people.next_news().is_some() {}
    assert!(people.is_empty());
}

proptest! {
    /// Whatever gets lost on the bus: after one list of each node all nodes know the same, and it is true.
    #[test]
    fn all_nodes_agree_after_the_next_lists(
        steps in proptest::collection::vec((0..3usize, 1..6i64, any::<bool>(), any::<[bool; 3]>()), 0..60),
    ) {
        let start = Instant::now();
        let mut nodes = [1, 2, 3].map(|id| People::new(NodeId(id)));
        let mut here: [HashSet<UserKey>; 3] = Default::default();
        for (at, user, comes, arrives) in steps {
            let user = UserKey(user);
            let is_change = if comes {
                here[at].insert(user);
                nodes[at].seen(user, AT, start, Duration::ZERO, 1)
            } else if here[at].remove(&user) {
                for _ in 0..60 {
                    nodes[at].socket_gone(user, AT, start, Duration::ZERO);
                }
                !nodes[at].note_gone(start).is_empty()
            } else {
                false
            };
            for other in (0..3).filter(|other| *other != at && is_change && arrives[*other]) {
                nodes[other].heard_presence(NodeId(at as u64 + 1), user, comes, AT, (start, AT));
            }
        }
        for at in 0..3 {
            let list = nodes[at].here();
            let parts: Vec<Vec<UserKey>> = match list.is_empty() {
                true => vec![vec![]],
                false => list.chunks(2).map(<[UserKey]>::to_vec).collect(),
            };
            for other in (0..3).filter(|other| *other != at) {
                for (part, users) in parts.iter().enumerate() {
                    let place = (1, part as u32, parts.len() as u32);
                    nodes[other].heard_people(NodeId(at as u64 + 1), place, users, (start, AT));
                }
            }
        }
        for user in (1..6).map(UserKey) {
            let is_online = here.iter().any(|here| here.contains(&user));
            for node in &mut nodes {
                prop_assert_eq!(node.is_online(user), is_online);
            }
        }
        for node in &mut nodes {
            let mut told = HashSet::new();
            while let Some((News::Person(user), online, _)) = node.next_news() {
                let is_news = if online { told.insert(user) } else { told.remove(&user) };
                prop_assert!(is_news, "nobody is told the same twice");
            }
        }
    }
}
