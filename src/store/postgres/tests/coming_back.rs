//! Clients that come back to another process than they left.

use std::{collections::HashSet, time::Duration};

use super::{
    super::open::Address,
    together::{Process, database},
};
use crate::{
    model::{
        ConversationKey, Cut, Position, SessionId, UserKey,
        session::{Holder, NewSession, SessionChange},
    },
    store::Store,
};

const WINDOW: Duration = Duration::from_secs(120);

fn up_to(number: i64) -> Cut {
    Cut::from_iter([Position { slot: 0, number }])
}

async fn holder(process: &Process) -> Holder {
    let node = process.store.enter_node(None).await.unwrap();
    Holder { node, connection: 1 }
}

fn session(id: u128, holder: Holder) -> NewSession {
    NewSession {
        id: SessionId(id),
        user: UserKey(1),
        contract: None,
        holder,
        received: up_to(1),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_come_back_to_another_node_in_few_transactions() {
    const CLIENTS: u128 = 1_000;
    let url = database().await;
    let (one, other) = (Process::start(&url, 2).await, Process::start(&url, 2).await);
    let (first, second) = (holder(&one).await, holder(&other).await);
    let room = |id: u128| ConversationKey(id as i64 + 7);
    let opening: Vec<_> = (0..CLIENTS)
        .flat_map(|id| {
            let joined = SessionChange::Joined {
                conversation: room(id),
                end: 3,
            };
            // Behind the opening, without waiting for it.
            [
                one.store.open_session(session(id, first)),
                one.store.change_session(SessionId(id), first, joined),
            ]
        })
        .collect();
    for opened in opening {
        opened.await.unwrap();
    }
    one.store.beat(first.node, up_to(20)).await.unwrap();
    let commits = || other.store.stats().batch_writes.counts().iter().sum::<u64>();
    let before = commits();
    let resuming: Vec<_> = (0..CLIENTS)
        .map(|id| other.store.resume_session(SessionId(id), UserKey(1), second, WINDOW))
        .collect();
    for (id, resumed) in (0..CLIENTS).zip(resuming) {
        let resumed = resumed.await.unwrap().expect("a session");
        assert_eq!((resumed.id, resumed.joined), (SessionId(id), vec![(room(id), 3)]));
        assert_eq!((resumed.received, resumed.away), (up_to(20), Duration::ZERO));
    }
    let transactions = commits() - before;
    assert!(transactions < 50, "{transactions} transactions");
    // Whoever had them notes their ends in vain.
    for id in 0..CLIENTS {
        drop(one.store.suspend_session(SessionId(id), first, up_to(99)));
    }
    one.store.close().await;
    let again = other
        .store
        .resume_session(SessionId(5), UserKey(1), second, WINDOW)
        .await;
    assert_eq!(again.unwrap().expect("a session").received, up_to(20));
    other.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_take_a_session_over_at_once_one_has_it() {
    let url = database().await;
    let (one, other) = (Process::start(&url, 2).await, Process::start(&url, 2).await);
    let holders = [holder(&one).await, holder(&other).await];
    for id in 0..40 {
        one.store.open_session(session(id, holders[0])).await.unwrap();
        let (here, there) = tokio::join!(
            one.store.resume_session(SessionId(id), UserKey(1), holders[0], WINDOW),
            other
                .store
                .resume_session(SessionId(id), UserKey(1), holders[1], WINDOW),
        );
        // Each gets it in its turn, and whoever comes later keeps it.
        assert!(here.unwrap().is_some() && there.unwrap().is_some());
        for (process, holder) in [(&one, holders[0]), (&other, holders[1])] {
            let joined = SessionChange::Joined {
                conversation: ConversationKey(holder.node.0),
                end: 1,
            };
            let changed = process.store.change_session(SessionId(id), holder, joined);
            changed.await.unwrap();
        }
        let last = one.store.resume_session(SessionId(id), UserKey(1), holders[0], WINDOW);
        assert_eq!(last.await.unwrap().unwrap().joined.len(), 1);
    }
    one.store.close().await;
    other.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_of_life_before_a_client_came_says_nothing_of_it_whichever_is_stored_first() {
    let url = database().await;
    let process = Process::start(&url, 4).await;
    let (first, second) = (holder(&process).await, holder(&process).await);
    let ids: HashSet<u128> = (0..200).collect();
    for id in &ids {
        process.store.open_session(session(*id, first)).await.unwrap();
        process
            .store
            .suspend_session(SessionId(*id), first, up_to(1))
            .await
            .unwrap();
    }
    for id in ids {
        let beat = process.store.beat(second.node, up_to(50));
        let resumed = process.store.resume_session(SessionId(id), UserKey(1), second, WINDOW);
        let (beat, resumed) = tokio::join!(beat, resumed);
        beat.unwrap();
        assert_eq!(resumed.unwrap().expect("a session").received, up_to(1));
        let again = process
            .store
            .resume_session(SessionId(id), UserKey(1), first, WINDOW)
            .await;
        assert_eq!(again.unwrap().expect("a session").received, up_to(1));
    }
    process.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_halted_until_it_was_forgotten_is_back_with_its_address() {
    let url = database().await;
    let process = Process::start(&url, 1).await;
    let address = Some("http://10.0.0.7:3000".to_owned());
    let node = process.store.enter_node(address.clone()).await.unwrap();
    let connection = Address::read(&url).unwrap().connect_any().await.unwrap();
    connection
        .run("UPDATE doorbell.node SET beat_at = beat_at - 3600000")
        .await
        .unwrap();
    process.store.sweep_sessions(WINDOW).await.unwrap();
    assert_eq!(process.store.nodes(Duration::MAX).await.unwrap(), []);
    process.store.beat(node, Cut::default()).await.unwrap();
    let nodes = process.store.nodes(WINDOW).await.unwrap();
    assert_eq!((nodes.len(), nodes[0].key, &nodes[0].address), (1, node, &address));
    process.store.close().await;
}
