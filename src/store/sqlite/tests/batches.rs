//! The writer's batches: one bad write fails alone, a slow receiver of news loses nothing, a full queue says so.

use std::{
    sync::{Mutex, atomic::Ordering, mpsc as std_mpsc},
    time::Duration,
};

use super::{
    super::{
        statement::Statements,
        writer::{Write, Writing},
    },
    *,
};
use crate::{
    model::{ConversationKey, Fact, Recorded, UserId, UserKey, user::UserSource},
    store::{
        Appended, Pending, StoreError, Window,
        conformance::{draft, named, repeated, stored},
    },
};

/// Keeps the writer until it is let go: what is queued meanwhile is one batch.
struct Gate(Mutex<std_mpsc::Receiver<()>>);

impl Write for Gate {
    type Outcome = ();

    fn apply(&self, _: &mut Writing<'_>) -> rusqlite::Result<()> {
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

/// Writes a message, has news of it, and then breaks a rule of the schema.
struct Bad(ConversationKey);

impl Write for Bad {
    type Outcome = ();

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let connection = writing.connection;
        connection
            .statement("UPDATE conversation SET last_seq = last_seq + 100 WHERE key = ?1")?
            .execute([self.0.0])?;
        writing.facts.push(Fact::CommentAdded("never there".into()));
        connection
            .statement("UPDATE conversation SET is_active = 5 WHERE key = ?1")?
            .execute([self.0.0])?;
        Ok(())
    }
}

struct House {
    store: SqliteStore,
    facts: mpsc::Receiver<Vec<Recorded<Fact>>>,
    conversation: ConversationKey,
    anna: UserKey,
    bea: UserKey,
    _folder: TempDir,
}

impl House {
    async fn build(facts_max: usize, options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let (sender, mut facts) = mpsc::channel(facts_max);
        let path = folder.path().join("doorbell.db");
        let store = SqliteStore::open(&path, TestClock::new(), sender, options).unwrap();
        let user = |id| store.put_user(UserId::trusted(id), Default::default(), UserSource::Mention);
        let (anna, bea) = (user("anna").await.unwrap().key, user("bea").await.unwrap().key);
        let conversation = store.open_one_to_one(anna, bea, None).await.unwrap().0.key;
        facts.recv().await.expect("the opening");
        House {
            store,
            facts,
            conversation,
            anna,
            bea,
            _folder: folder,
        }
    }

    /// Holds the writer; dropping the sender lets it go.
    fn hold(&self) -> (std_mpsc::Sender<()>, Pending<()>) {
        let (let_go, gate) = std_mpsc::channel();
        let held = self.store.queue.put(Gate(Mutex::new(gate)));
        // Long enough for the writer to begin with the gate alone; were it not, nothing below would be less true.
        std::thread::sleep(Duration::from_millis(50));
        (let_go, held)
    }

    fn send(&self, text: &str) -> Pending<Appended> {
        self.store.append(draft(self.conversation, self.anna, text))
    }

    async fn seqs(&self) -> Vec<i64> {
        let window = Window::Newest { limit: 10_000 };
        let history = self
            .store
            .history(self.conversation, self.bea, window)
            .await
            .unwrap()
            .unwrap();
        history.messages.iter().map(|message| message.seq).collect()
    }

    fn news(&mut self) -> Vec<i64> {
        let mut seqs = Vec::new();
        while let Ok(batch) = self.facts.try_recv() {
            seqs.extend(batch.iter().map(|fact| match &fact.what {
                Fact::MessageStored { message, .. } => message.seq,
                other => panic!("{other:?}"),
            }));
        }
        seqs
    }
}

#[tokio::test]
async fn a_bad_write_fails_alone_and_the_rest_keeps_its_order() {
    let mut house = House::build(1_000, Options::default()).await;
    let (let_go, held) = house.hold();
    let again = || {
        house
            .store
            .append(named(house.conversation, house.anna, "same", "same"))
    };
    let first = house.send("1");
    let named_first = again();
    let bad = house.store.queue.put(Bad(house.conversation));
    let named_again = again();
    let last = house.send("3");
    drop(let_go);
    held.await.unwrap();
    assert_eq!(stored(first.await.unwrap()).seq, 1);
    let named_first = stored(named_first.await.unwrap());
    assert_eq!(named_first.seq, 2);
    assert!(matches!(bad.await, Err(StoreError::Unavailable(_))));
    assert_eq!(repeated(named_again.await.unwrap()), named_first);
    assert_eq!(stored(last.await.unwrap()).seq, 3);
    assert_eq!(house.seqs().await, [1, 2, 3]);
    assert_eq!(house.news(), [1, 2, 3], "news of the batch that failed were not told");
    assert_eq!(house.store.stats().retried.load(Ordering::Relaxed), 5);
    house.store.close().await;
}

#[tokio::test]
async fn a_batch_that_fails_takes_no_numbers() {
    let mut house = House::build(1_000, Options::default()).await;
    let before = house.store.journal_ends().await.unwrap().recorded;
    let (let_go, held) = house.hold();
    let pending = [house.send("1"), house.send("2")];
    let bad = house.store.queue.put(Bad(house.conversation));
    let last = house.send("3");
    drop(let_go);
    held.await.unwrap();
    assert!(bad.await.is_err());
    for sent in pending.into_iter().chain([last]) {
        stored(sent.await.unwrap());
    }
    let mut told = Vec::new();
    while let Ok(batch) = house.facts.try_recv() {
        told.extend(batch);
    }
    let first = before.number(0) + 1;
    let numbers: Vec<_> = told.iter().map(|fact| fact.position.number).collect();
    assert_eq!(numbers, (first..first + 3).collect::<Vec<_>>());
    let notes = house.store.journal(&before, 100).await.unwrap();
    let told: Vec<_> = told.iter().map(|fact| (fact.position, fact.what.note())).collect();
    let noted: Vec<_> = notes.into_iter().map(|note| (note.position, note.what)).collect();
    assert_eq!(noted, told);
    house.store.close().await;
}

#[tokio::test]
async fn a_bad_write_by_itself_is_refused_and_the_next_is_stored() {
    let house = House::build(1_000, Options::default()).await;
    let bad = house.store.queue.put(Bad(house.conversation)).await;
    assert!(matches!(bad, Err(StoreError::Unavailable(_))));
    assert_eq!(stored(house.send("1").await.unwrap()).seq, 1);
    house.store.close().await;
}

#[tokio::test]
async fn equal_client_ids_in_one_batch_see_each_other() {
    let house = House::build(1_000, Options::default()).await;
    let (let_go, held) = house.hold();
    let pending: Vec<_> = (0..10)
        .map(|_| {
            house
                .store
                .append(named(house.conversation, house.anna, "same", "same"))
        })
        .collect();
    drop(let_go);
    held.await.unwrap();
    let mut outcomes = Vec::new();
    for outcome in pending {
        outcomes.push(outcome.await.unwrap());
    }
    let first = stored(outcomes.remove(0));
    for outcome in outcomes {
        assert_eq!(repeated(outcome), first);
    }
    let batches = house.store.stats().batch_writes.counts();
    assert_eq!(batches[2], 1, "ten writes are one batch: {batches:?}");
    house.store.close().await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_stores_nothing_of_it() {
    let options = Options {
        queue_max: 10,
        ..Options::default()
    };
    let house = House::build(1_000, options).await;
    let (let_go, held) = house.hold();
    let pending: Vec<_> = (0..15).map(|_| house.send("hello")).collect();
    drop(let_go);
    held.await.unwrap();
    let mut refused = 0;
    for outcome in pending {
        match outcome.await {
            Ok(outcome) => drop(stored(outcome)),
            Err(StoreError::Overloaded) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, 5);
    assert_eq!(house.store.stats().refused.load(Ordering::Relaxed), 5);
    assert_eq!(house.seqs().await, (1..=10).collect::<Vec<_>>());
    house.store.close().await;
}

#[tokio::test]
async fn a_stalled_receiver_of_news_slows_and_loses_nothing() {
    let options = Options {
        batch_max: 8,
        ..Options::default()
    };
    let mut house = House::build(1, options).await;
    let (let_go, held) = house.hold();
    let mut pending: Vec<_> = (0..100).map(|_| house.send("hello")).collect();
    drop(let_go);
    held.await.unwrap();
    // One batch fits into the channel, the next one waits in the writer: not one send of it is answered.
    let eighth = tokio::time::timeout(Duration::from_secs(10), pending.remove(7)).await;
    assert_eq!(stored(eighth.expect("the first batch is answered").unwrap()).seq, 8);
    let seventeenth = tokio::time::timeout(Duration::from_millis(200), &mut pending[15]).await;
    assert!(seventeenth.is_err(), "answered before its news were handed on");
    let mut told = house.news();
    while told.len() < 100 {
        let batch = house.facts.recv().await.expect("more news");
        told.extend(batch.iter().map(|fact| match &fact.what {
            Fact::MessageStored { message, .. } => message.seq,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(told, (1..=100).collect::<Vec<_>>());
    for outcome in pending {
        stored(outcome.await.unwrap());
    }
    house.store.close().await;
}

#[tokio::test]
async fn a_receiver_of_news_that_is_gone_stops_nothing() {
    let mut house = House::build(1, Options::default()).await;
    house.facts.close();
    for seq in 1..=5 {
        assert_eq!(stored(house.send("hello").await.unwrap()).seq, seq);
    }
    house.store.close().await;
}

#[tokio::test]
async fn a_store_that_is_dropped_stores_what_was_queued() {
    let house = House::build(1_000, Options::default()).await;
    let (let_go, held) = house.hold();
    let pending: Vec<_> = (0..20).map(|_| house.send("hello")).collect();
    drop(house.store);
    drop(let_go);
    held.await.unwrap();
    for outcome in pending {
        stored(outcome.await.unwrap());
    }
}
