//! A database that is slow, and writers that meet in it.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{
    super::{Address, PostgresStore},
    failures::{blocking, pair, seqs},
    faults::{again, hold, one_writer, open, port_of, through, until},
    proxy::Proxy,
    server::new_database,
};
use crate::{
    model::{Timestamp, UserId, UserKey, limits, user::UserSource},
    store::{
        Marked, Store, StoreError,
        conformance::{draft, named, repeated, stored},
    },
};

/// A store with one writer, and another to which each way to the server takes so much longer.
async fn quick_and_slow(delay: Duration) -> (PostgresStore, PostgresStore) {
    let url = blocking(new_database).await;
    let proxy = Proxy::slow(port_of(&url), delay);
    let quick = open(&url, one_writer()).await;
    (quick, open(&through(&proxy, &url), one_writer()).await)
}

async fn user(store: &PostgresStore, id: String) -> UserKey {
    let put = store.put_user(UserId::trusted(id), Default::default(), UserSource::Mention);
    put.await.unwrap().key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_behind_a_slow_database_drains_and_sends_do_not_wait_for_it() {
    const BACKLOG: usize = 100;
    let (quick, slow) = quick_and_slow(Duration::from_millis(60)).await;
    let (conversation, anna, bea) = pair(&quick).await;
    let mut people = Vec::with_capacity(BACKLOG);
    for number in 0..BACKLOG {
        people.push(user(&quick, format!("person-{number}")).await);
    }
    let began = Instant::now();
    let backlog = people.iter().map(|person| slow.put_last_seen(*person, Timestamp(7)));
    let backlog: Vec<_> = backlog.collect();
    let send = slow.append(draft(conversation, anna, "hello"));
    stored(send.await.unwrap());
    let sent_after = began.elapsed();
    for written in backlog {
        written.await.unwrap();
    }
    let drained_after = began.elapsed();
    assert!(
        sent_after * 2 < drained_after,
        "the send waited {sent_after:?}, the rest {drained_after:?}"
    );
    let seen = quick.users(&people).await.unwrap();
    assert!(seen.iter().all(|person| person.last_seen_at == Some(Timestamp(7))));
    assert_eq!(seqs(&quick, conversation, bea).await, [1]);
    slow.close().await;
    quick.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_closed_over_a_backlog_stores_all_of_it() {
    let (quick, slow) = quick_and_slow(Duration::from_millis(60)).await;
    let mut people = Vec::new();
    for number in 0..40 {
        people.push(user(&quick, format!("person-{number}")).await);
    }
    let backlog = people.iter().map(|person| slow.put_last_seen(*person, Timestamp(7)));
    let backlog: Vec<_> = backlog.collect();
    slow.close().await;
    for written in backlog {
        written.await.unwrap();
    }
    quick.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_repeats_behind_a_slow_database_are_answered_at_once() {
    let (quick, slow) = quick_and_slow(Duration::from_millis(30)).await;
    let (conversation, anna, bea) = pair(&quick).await;
    let drafts: Vec<_> = (0..60)
        .map(|number| named(conversation, anna, "hello", &number.to_string()))
        .collect();
    let first: Vec<_> = drafts.iter().map(|draft| quick.append(draft.clone())).collect();
    for sent in first {
        stored(sent.await.unwrap());
    }
    let marked = quick.mark(conversation, bea, Some(30), None).await.unwrap();
    assert!(matches!(marked, Marked::Advanced(_)));
    let again: Vec<_> = drafts.iter().map(|draft| slow.append(draft.clone())).collect();
    for (sent, seq) in again.into_iter().zip(1..) {
        let message = repeated(sent.await.unwrap());
        assert_eq!((message.seq, message.read_at.is_some()), (seq, seq <= 30));
    }
    assert_eq!(seqs(&quick, conversation, bea).await.len(), 60);
    slow.close().await;
    quick.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_slow_line_carries_in_time_is_stored_when_it_is_sent_again() {
    const SENDS: usize = 240;
    let (quick, slow) = quick_and_slow(Duration::from_millis(50)).await;
    let (conversation, anna, bea) = pair(&quick).await;
    let text = "€".repeat(limits::CONTENT_CHARS);
    let sends = (0..SENDS).map(|number| again(&slow, named(conversation, anna, &text, &number.to_string())));
    let all = futures_util::future::join_all(sends);
    // Half a minute on a busy machine; what is refused again and again never ends.
    let all = tokio::time::timeout(Duration::from_secs(150), all).await;
    assert!(all.is_ok(), "they are refused again and again");
    assert_eq!(seqs(&quick, conversation, bea).await.len(), SENDS);
    slow.close().await;
    quick.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_in_the_same_conversations_never_wait_in_a_circle() {
    const SHARED: usize = 6;
    let url = blocking(new_database).await;
    // Long enough that each has its first conversation before the other comes to its second.
    let proxy = Proxy::slow(port_of(&url), Duration::from_millis(20));
    let quick = open(&url, one_writer()).await;
    let here = open(&through(&proxy, &url), one_writer()).await;
    let there = open(&through(&proxy, &url), one_writer()).await;
    let (_, anna, bea) = pair(&quick).await;
    let mut shared = Vec::with_capacity(SHARED);
    while shared.len() < SHARED {
        shared.push(quick.open_group(anna, None, vec![bea]).await.unwrap().key);
    }
    for conversation in &shared {
        stored(quick.append(draft(*conversation, anna, "hello")).await.unwrap());
    }
    // Each has a batch at hand when it is let go.
    let mut held = Vec::new();
    let mut sends = Vec::new();
    for store in [&here, &there] {
        let own = quick.open_group(anna, None, vec![bea]).await.unwrap().key;
        held.push(hold(&url, own).await);
        sends.push(store.append(draft(own, anna, "under way")));
        until("the writer takes it", || store.stats().queued.load(Relaxed) == 0).await;
    }
    let marks = shared.iter().rev();
    let marks: Vec<_> = marks
        .map(|conversation| here.mark(*conversation, bea, None, None))
        .collect();
    sends.extend(
        shared
            .iter()
            .map(|conversation| there.append(draft(*conversation, anna, "hello"))),
    );
    let keys: Vec<i64> = shared.iter().map(|conversation| conversation.0).collect();
    let free = "SELECT key FROM doorbell.conversation WHERE key = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED";
    held[0].run("COMMIT").await.unwrap();
    while held[0].rows(free, &[&keys]).await.unwrap().len() == SHARED {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    held[1].run("COMMIT").await.unwrap();
    for sent in sends {
        stored(sent.await.unwrap());
    }
    for mark in marks {
        assert!(matches!(mark.await.unwrap(), Marked::Advanced(_)));
    }
    for store in [&here, &there] {
        let failed = store.stats().failed.load(Relaxed);
        assert_eq!(failed, 0, "transactions that the database had to end");
    }
    for store in [here, there, quick] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gave_up_waiting_for_a_conversation_leaves_nothing_locked() {
    let url = blocking(new_database).await;
    let store = open(&url, one_writer()).await;
    let (conversation, anna, _) = pair(&store).await;
    let held = hold(&url, conversation).await;
    let refused = store.append(draft(conversation, anna, "hello")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    // It has the slot of its writer, for which the next transaction would wait.
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let mut observer = Address::read(&url).unwrap().connect().await.unwrap();
    observer.allow(Duration::from_secs(60));
    let began = Instant::now();
    while !observer.rows(waiting, &[]).await.unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(6), "it waits on, for nobody");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    held.run("COMMIT").await.unwrap();
    stored(again(&store, draft(conversation, anna, "hello")).await);
    store.close().await;
}
