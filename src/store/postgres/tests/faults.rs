//! What goes wrong while the server runs: lost answers, silence, full queues, rows that cannot be stored.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    super::{Address, Options, PostgresStore, connection::Connection},
    failures::{blocking, pair, seqs},
    proxy::Proxy,
    server::{Server, new_database, sql_at},
};
use crate::{
    model::{ConversationKey, limits},
    store::{
        Appended, Draft, Store, StoreError,
        conformance::{TestClock, draft, named, repeated, stored},
    },
};

const AT_MOST: Duration = Duration::from_secs(5);

pub(super) async fn open(url: &str, options: Options) -> PostgresStore {
    let opened = PostgresStore::open(url, TestClock::new(), mpsc::channel(100_000).0, options);
    opened.await.unwrap()
}

pub(super) fn one_writer() -> Options {
    Options {
        writers: 1,
        ..Options::default()
    }
}

pub(super) fn port_of(url: &str) -> u16 {
    let (server, _) = url.rsplit_once('/').unwrap();
    server.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The database at `url`, by way of the proxy.
pub(super) fn through(proxy: &Proxy, url: &str) -> String {
    let (_, name) = url.rsplit_once('/').unwrap();
    format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", proxy.port)
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends as a client does: again, as long as the store is unavailable.
pub(super) async fn again(store: &PostgresStore, draft: Draft) -> Appended {
    loop {
        match store.append(draft.clone()).await {
            Ok(outcome) => return outcome,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

/// A transaction of somebody else that has the conversation's row.
pub(super) async fn hold(url: &str, conversation: ConversationKey) -> Connection {
    let mut connection = Address::read(url).unwrap().connect().await.unwrap();
    connection.allow(Duration::from_secs(60));
    connection.run("BEGIN").await.unwrap();
    let lock = "SELECT 1 FROM doorbell.conversation WHERE key = $1 FOR UPDATE";
    connection.execute(lock, &[&conversation.0]).await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_unavailable_and_the_retry_finds_the_one_message() {
    let direct = blocking(new_database).await;
    let proxy = Proxy::start(port_of(&direct));
    let store = open(&through(&proxy, &direct), one_writer()).await;
    let (conversation, anna, bea) = pair(&store).await;
    for round in 1..=5 {
        let text = format!("text {round}");
        proxy.lose_the_next_commit();
        let began = Instant::now();
        let lost = store.append(named(conversation, anna, &text, &text)).await;
        assert!(matches!(lost, Err(StoreError::Uncertain(_))), "{lost:?}");
        assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
        assert_eq!(proxy.lost(), round);
        let message = repeated(again(&store, named(conversation, anna, &text, &text)).await);
        assert_eq!((message.seq, message.content.as_str()), (round as i64, text.as_str()));
    }
    assert_eq!(seqs(&store, conversation, bea).await, [1, 2, 3, 4, 5]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_stores_nothing_of_what_it_refused() {
    let url = blocking(new_database).await;
    let options = Options {
        queue_max: 3,
        ..one_writer()
    };
    let store = open(&url, options).await;
    let (conversation, anna, bea) = pair(&store).await;
    let held = hold(&url, conversation).await;
    let mut pending = vec![store.append(draft(conversation, anna, "under way"))];
    let stats = store.stats().clone();
    until("the writer takes it", || stats.queued.load(Ordering::Relaxed) == 0).await;
    for text in ["1", "2", "3"] {
        pending.push(store.append(draft(conversation, anna, text)));
    }
    let refused = store.append(named(conversation, anna, "too many", "too many")).await;
    assert!(matches!(refused, Err(StoreError::Overloaded)), "{refused:?}");
    held.run("COMMIT").await.unwrap();
    for (pending, seq) in pending.into_iter().zip(1..) {
        assert_eq!(stored(pending.await.unwrap()).seq, seq);
    }
    assert_eq!(seqs(&store, conversation, bea).await, [1, 2, 3, 4]);
    let retry = store.append(named(conversation, anna, "too many", "too many")).await;
    assert_eq!(stored(retry.unwrap()).seq, 5, "what was refused was not stored");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_row_that_cannot_be_stored_fails_alone_among_many() {
    let url = blocking(new_database).await;
    let store = open(&url, one_writer()).await;
    let (conversation, anna, bea) = pair(&store).await;
    let check = "ALTER TABLE doorbell.message ADD CHECK (content <> 'bad')";
    let at = url.clone();
    blocking(move || sql_at(&at, check)).await;
    let held = hold(&url, conversation).await;
    let first = store.append(draft(conversation, anna, "first"));
    let stats = store.stats().clone();
    until("the writer takes it", || stats.queued.load(Ordering::Relaxed) == 0).await;
    let pending: Vec<_> = (0..50)
        .map(|number| {
            let text = if number == 20 {
                "bad".to_owned()
            } else {
                number.to_string()
            };
            store.append(named(conversation, anna, &text, &text))
        })
        .collect();
    held.run("COMMIT").await.unwrap();
    assert_eq!(stored(first.await.unwrap()).seq, 1);
    let mut next = 2;
    for (number, outcome) in pending.into_iter().enumerate() {
        match (number, outcome.await) {
            (20, Err(StoreError::Unavailable(_))) => {}
            (_, Ok(outcome)) => {
                assert_eq!(stored(outcome).seq, next, "{number}");
                next += 1;
            }
            (_, other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(seqs(&store, conversation, bea).await, (1..=50).collect::<Vec<_>>());
    assert!(stats.retried.load(Ordering::Relaxed) >= 50, "they were one batch");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_keeps_silent_is_unavailable_in_time_and_back_in_time() {
    let server = blocking(Server::start).await;
    let store = open(&server.new_database(), Options::default()).await;
    let (conversation, anna, bea) = pair(&store).await;
    // As many readers as there may be are connected when it falls silent.
    let reads = (0..32).map(|_| store.conversation(conversation));
    futures_util::future::join_all(reads).await;
    server.freeze();
    let began = Instant::now();
    let alone = store.conversation(conversation).await;
    assert!(matches!(alone, Err(StoreError::Unavailable(_))), "{alone:?}");
    assert!(
        began.elapsed() < AT_MOST,
        "one read tries connection after connection: {:?}",
        began.elapsed()
    );
    for _ in 0..3 {
        let began = Instant::now();
        let sends = (0..8).map(|number| {
            let name = format!("silent {number}");
            store.append(named(conversation, anna, &name, &name))
        });
        let reads = (0..32).map(|_| store.conversation(conversation));
        let (sent, read, check) = tokio::join!(
            futures_util::future::join_all(sends),
            futures_util::future::join_all(reads),
            store.check()
        );
        assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
        for outcome in sent {
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        }
        for outcome in read {
            let is_refused = matches!(outcome, Err(StoreError::Unavailable(_) | StoreError::Overloaded));
            assert!(is_refused, "{outcome:?}");
        }
        assert!(matches!(check, Err(StoreError::Unavailable(_))), "{check:?}");
    }
    server.thaw();
    let began = Instant::now();
    let back = stored(again(&store, named(conversation, anna, "after", "after")).await);
    assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
    store.check().await.unwrap();
    // What was under way when it fell silent may have been stored; nothing twice, and nothing between.
    let seen = seqs(&store, conversation, bea).await;
    assert_eq!(seen, (1..=back.seq).collect::<Vec<_>>());
    assert!(back.seq <= 9, "{}", back.seq);
    store.close().await;
    blocking(move || drop(server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_writes_as_much_as_the_longest_message_and_leaves_one_row() {
    let url = blocking(new_database).await;
    let store = open(&url, Options::default()).await;
    let written = |what: &'static str| {
        let url = url.clone();
        blocking(move || sql_at(&url, what))
    };
    let value = "SELECT count(*), max(octet_length(value)), max(md5(value)) FROM doorbell.setting WHERE name = 'probe'";
    store.check().await.unwrap();
    let first = written(value).await;
    store.check().await.unwrap();
    let second = written(value).await;
    let bytes = limits::CONTENT_CHARS * 4;
    assert!(first.starts_with(&format!("1|{bytes}|")), "{first}");
    assert_ne!(first, second, "what does not change is not written");
    store.close().await;
}
