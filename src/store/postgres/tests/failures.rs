//! What happens when the server goes away, comes back, or cannot be used.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{
    super::{
        Address, OpenError, Options, PostgresStore, migrate,
        migrate::{STEPS, run_steps},
    },
    server::{Server, new_database, sql_at},
};
use crate::{
    model::{ConversationKey, Cut, UserId, UserKey, user::UserSource},
    store::{
        Appended, Store, StoreError, Window,
        conformance::{TestClock, draft, named, stored},
    },
};

async fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(url, TestClock::new(), mpsc::channel(100_000).0, Options::default()).await
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

pub(super) async fn pair(store: &PostgresStore) -> (ConversationKey, UserKey, UserKey) {
    let user = |id| store.put_user(UserId::trusted(id), Default::default(), UserSource::Mention);
    let (anna, bea) = (user("anna").await.unwrap().key, user("bea").await.unwrap().key);
    let opened = store.open_one_to_one(anna, bea, None).await.unwrap();
    (opened.0.key, anna, bea)
}

/// What somebody sees of a conversation.
pub(super) async fn seqs(store: &PostgresStore, conversation: ConversationKey, viewer: UserKey) -> Vec<i64> {
    let window = Window::Newest { limit: 10_000 };
    let history = store.history(conversation, viewer, window).await.unwrap().unwrap();
    history.messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn a_schema_that_a_newer_version_brings_while_this_one_runs_is_read_and_not_written() {
    let url = blocking(new_database).await;
    let store = open(&url).await.unwrap();
    let (conversation, anna, bea) = pair(&store).await;
    stored(store.append(draft(conversation, anna, "1")).await.unwrap());
    let node = store.enter_node(None).await.unwrap();
    let sql = async |sql: &'static str| {
        let url = url.clone();
        blocking(move || sql_at(&url, sql)).await
    };
    sql("INSERT INTO doorbell.schema_step (number) VALUES (99)").await;
    store.beat(node, Cut::default()).await.unwrap();
    let refused = store.append(draft(conversation, anna, "2")).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(reason) if reason.contains("schema 99")),
        "{refused}"
    );
    let unfit = store.check().await.unwrap_err().to_string();
    assert!(
        unfit.contains("schema 99") && unfit.contains("run the newer version"),
        "{unfit}"
    );
    assert_eq!(seqs(&store, conversation, bea).await, [1]);
    // It lives, and whose clients are here are its own, until it is replaced.
    store.beat(node, Cut::default()).await.unwrap();
    sql("DELETE FROM doorbell.schema_step WHERE number = 99").await;
    store.beat(node, Cut::default()).await.unwrap();
    stored(store.append(draft(conversation, anna, "2")).await.unwrap());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_is_unavailable_within_five_seconds_and_the_store_recovers_by_itself() {
    let mut server = blocking(Server::start).await;
    let url = server.new_database();
    let store = open(&url).await.unwrap();
    let (conversation, anna, bea) = pair(&store).await;
    for text in ["1", "2", "3"] {
        stored(store.append(draft(conversation, anna, text)).await.unwrap());
    }
    server = blocking(move || {
        server.kill();
        server
    })
    .await;
    for _ in 0..3 {
        let began = Instant::now();
        let refused = store
            .append(named(conversation, anna, "while it is gone", "gone"))
            .await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let read = store.conversation(conversation).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    server = blocking(move || {
        server.start_again();
        server
    })
    .await;
    let began = Instant::now();
    let back = loop {
        match store
            .append(named(conversation, anna, "while it is gone", "gone"))
            .await
        {
            Ok(outcome) => break stored(outcome),
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(other) => panic!("{other}"),
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it does not recover");
    };
    assert_eq!(back.seq, 4);
    assert_eq!(seqs(&store, conversation, bea).await, [1, 2, 3, 4]);
    store.close().await;
    blocking(move || drop(server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sends_at_once_keep_their_order_and_see_each_others_names() {
    let url = blocking(new_database).await;
    let store = open(&url).await.unwrap();
    let (conversation, anna, bea) = pair(&store).await;
    let pending: Vec<_> = (0..300)
        .map(|number| {
            let text = (number / 2).to_string();
            store.append(named(conversation, anna, &text, &text))
        })
        .collect();
    let mut first = Vec::new();
    for (number, outcome) in pending.into_iter().enumerate() {
        match (number % 2, outcome.await.unwrap()) {
            (0, Appended::Stored(message)) => first.push(message.seq),
            (1, Appended::Repeat(message)) => assert_eq!(Some(&message.seq), first.last()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(first, (1..=150).collect::<Vec<_>>());
    assert_eq!(seqs(&store, conversation, bea).await, first);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_database_number_without_gaps() {
    let url = blocking(new_database).await;
    let (one, other) = (open(&url).await.unwrap(), open(&url).await.unwrap());
    let (conversation, anna, bea) = pair(&one).await;
    let mut pending = Vec::new();
    for number in 0..200 {
        let text = number.to_string();
        for (store, sender) in [(&one, anna), (&other, bea)] {
            pending.push(store.append(named(conversation, sender, &text, &text)));
        }
        tokio::task::yield_now().await;
    }
    let mut numbers = Vec::new();
    for outcome in pending {
        numbers.push(stored(outcome.await.unwrap()).seq);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=400).collect::<Vec<_>>());
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_is_told_in_a_sentence() {
    let url = blocking(new_database).await;
    let missing = url.replace("/test_", "/other_");
    let unreachable = "postgres://u:hush@127.0.0.1:1/d";
    let tls = format!("{url}?sslmode=require");
    let told = async |url: &str| open(url).await.err().expect("an error").to_string();
    assert!(told(&missing).await.contains("does not exist"));
    let sentence = told(unreachable).await;
    assert!(
        sentence.starts_with("postgres://127.0.0.1:1/d cannot be reached"),
        "{sentence}"
    );
    assert!(told(&tls).await.contains("speaks no TLS"));
    assert!(told("postgres://host:port/d").await.contains("cannot be read"));
    let prisma = format!("{url}?schema=public&connection_limit=5&pgbouncer=true&sslmode=prefer");
    open(&prisma)
        .await
        .expect("Prisma's parameters are ignored")
        .close()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_binary_refuses_a_newer_schema_and_steps_are_taken_once() {
    let url = blocking(new_database).await;
    let (one, other) = tokio::join!(migrate(&url), migrate(&url));
    let mut from = [one.unwrap().from, other.unwrap().from];
    from.sort_unstable();
    let known = STEPS.len() as u32;
    assert_eq!(from, [0, known]);
    let address = Address::read(&url).unwrap();
    let mut connection = address.connect().await.unwrap();
    let refused = run_steps(&address.shown, &mut connection, &[]).await;
    assert!(
        matches!(refused, Err(OpenError::Newer { found, known: 0, .. }) if found == known),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_another_program_is_left_alone() {
    let url = blocking(new_database).await;
    let connection = Address::read(&url).unwrap().connect().await.unwrap();
    connection
        .run("CREATE SCHEMA doorbell; CREATE TABLE doorbell.bell (tone bigint)")
        .await
        .unwrap();
    assert!(matches!(migrate(&url).await, Err(OpenError::Foreign { .. })));
}
