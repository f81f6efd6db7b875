//! Several processes on one database: what each stores, and what the journal tells the others of it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use tokio::sync::mpsc;

use super::{
    super::{Options, PostgresStore, open::Address},
    bouncer::Bouncer,
    server::new_database,
};
use crate::{
    model::{
        ConversationKey, Cut, Fact, Note, Position, Recorded, Seq, UserId, UserKey, journal::Slot, user::UserSource,
    },
    store::{
        Actor, Appended, Store,
        conformance::{TestClock, draft},
    },
};

type News = mpsc::Receiver<Vec<Recorded<Fact>>>;

/// A process that has the database, and what it was told.
pub struct Process {
    pub store: Arc<PostgresStore>,
    pub news: News,
}

impl Process {
    pub async fn start(url: &str, writers: usize) -> Self {
        let options = Options {
            writers,
            readers: 2,
            ..Options::default()
        };
        let (sender, news) = mpsc::channel(100_000);
        let store = PostgresStore::open(url, TestClock::new(), sender, options).await;
        Process {
            store: Arc::new(store.expect("a store")),
            news,
        }
    }

    pub fn news(&mut self) -> Vec<Recorded<Fact>> {
        let mut news = Vec::new();
        while let Ok(batch) = self.news.try_recv() {
            news.extend(batch);
        }
        news
    }
}

/// Everybody of the tests, in some groups of six.
struct Scene {
    users: Vec<UserKey>,
    groups: Vec<ConversationKey>,
}

const USERS: usize = 6;
const GROUPS: usize = 3;
/// Of each process.
const ROUNDS: usize = 60;

impl Scene {
    async fn set(store: &PostgresStore) -> Self {
        let mut users = Vec::new();
        for number in 0..USERS {
            let id = UserId::trusted(format!("user-{number}"));
            let put = store.put_user(id, Default::default(), UserSource::Mention);
            users.push(put.await.expect("a user").key);
        }
        let mut groups = Vec::new();
        for _ in 0..GROUPS {
            let opened = store.open_group(users[0], None, users[1..].to_vec());
            groups.push(opened.await.expect("a group").key);
        }
        Scene { users, groups }
    }

    /// What one process does: it sends by ones and by many, reads, and lets the last two come and go.
    async fn play(self: Arc<Self>, store: Arc<PostgresStore>, mut seed: u64) {
        let mut random = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for round in 0..ROUNDS {
            let group = self.groups[random(GROUPS)];
            let user = self.users[random(USERS)];
            let guest = self.users[USERS - 1 - random(2)];
            match random(8) {
                0 => drop(store.remove_member(Actor::Host, group, guest).await.expect("an answer")),
                1 => drop(
                    store
                        .put_member(Actor::Host, group, guest, None, 10)
                        .await
                        .expect("an answer"),
                ),
                2 => drop(store.mark(group, user, None, None).await.expect("an answer")),
                3 => {
                    let title = Some(Some(format!("round {round}")));
                    let changed = store.change_conversation(Actor::Host, group, title, None);
                    drop(changed.await.expect("an answer"));
                }
                4 => {
                    let many: Vec<_> = (0..12)
                        .map(|_| {
                            store.append(draft(
                                self.groups[random(GROUPS)],
                                self.users[random(USERS)],
                                "one of many",
                            ))
                        })
                        .collect();
                    for sent in many {
                        sent.await.expect("an answer");
                    }
                }
                _ => drop(store.append(draft(group, user, "alone")).await.expect("an answer")),
            }
        }
    }
}

/// Follows the journal as a node does, a few notes at a time, and checks that none is missing or too early.
pub struct Follower {
    pub cut: Cut,
    pub notes: Vec<Recorded<Note>>,
}

impl Follower {
    pub fn new() -> Self {
        Follower {
            cut: Cut::default(),
            notes: Vec::new(),
        }
    }

    /// `false`: there was nothing new.
    pub async fn step(&mut self, store: &PostgresStore, limit: usize) -> bool {
        let notes = store.journal(&self.cut, limit).await.expect("the journal");
        assert!(notes.len() <= limit);
        for note in &notes {
            let Position { slot, number } = note.position;
            assert_eq!(number, self.cut.number(slot) + 1, "in slot {slot}");
            if let Some(after) = note.after {
                assert_ne!(after.slot, slot, "one's own slot has its order anyway");
                assert!(self.cut.holds(after), "{note:?} came before what it builds on");
            }
            self.cut.advance(note.position);
        }
        let any = !notes.is_empty();
        self.notes.extend(notes);
        any
    }

    pub async fn finish(&mut self, store: &PostgresStore) {
        while self.step(store, 7).await {}
        let ends = store.journal_ends().await.expect("the ends");
        assert_eq!(ends.recorded, self.cut);
        assert_eq!(ends.pruned, Cut::default());
    }
}

/// What somebody may see of a conversation: above the one number, up to the other.
type Spans = HashSet<(ConversationKey, UserKey, Seq, Option<Seq>)>;

/// What the notes say of who was in which conversation when, and of its messages, which must come as 1, 2, 3, ...
fn spans_by_notes(notes: &[Recorded<Note>], everybody: &[UserKey]) -> Spans {
    let mut last: HashMap<ConversationKey, Seq> = HashMap::new();
    let mut inside: BTreeMap<(ConversationKey, UserKey), Seq> = BTreeMap::new();
    let mut spans = Spans::new();
    for note in notes {
        match &note.what {
            Note::Opened(conversation) => {
                assert_eq!(last.insert(*conversation, 0), None);
                inside.extend(everybody.iter().map(|user| ((*conversation, *user), 0)));
            }
            Note::MessageStored { conversation, seq, .. } => {
                let last = last.get_mut(conversation).expect("news of its opening came first");
                assert_eq!(*seq, *last + 1);
                *last = *seq;
            }
            Note::Read { read, .. } => assert!(read.to <= last[&read.conversation], "read before it was told"),
            Note::MembershipChanged {
                conversation,
                user,
                is_member,
            } => {
                let at = last[conversation];
                let key = (*conversation, *user);
                match is_member {
                    true => drop(inside.entry(key).or_insert(at)),
                    false => {
                        let from = inside.remove(&key).expect("they were in it");
                        spans.insert((*conversation, *user, from, Some(at)));
                    }
                }
            }
            Note::ConversationChanged(conversation) => assert!(last.contains_key(conversation)),
            other => panic!("nobody did this: {other:?}"),
        }
    }
    spans.extend(
        inside
            .into_iter()
            .map(|((conversation, user), from)| (conversation, user, from, None)),
    );
    spans.retain(|(_, _, from, to)| Some(*from) != *to);
    spans
}

/// The same as the tables have it.
async fn spans_by_tables(url: &str) -> Spans {
    let connection = Address::read(url).unwrap().connect_any().await.unwrap();
    let rows = connection.rows(
        "SELECT conversation, user_key, from_seq, to_seq FROM doorbell.participant
         UNION ALL SELECT conversation, user_key, from_seq, to_seq FROM doorbell.earlier_span",
        &[],
    );
    let mut spans = Spans::new();
    for row in rows.await.unwrap() {
        let (from, to): (Seq, Option<Seq>) = (row.get(2), row.get(3));
        if Some(from) != to {
            spans.insert((ConversationKey(row.get(0)), UserKey(row.get(1)), from, to));
        }
    }
    spans
}

/// Lets processes write the same conversations at once while another follows, and compares all that was told.
async fn all_write_and_one_follows(url: &str, mut processes: Vec<Process>) {
    let scene = Arc::new(Scene::set(&processes[0].store).await);
    let playing: Vec<_> = (1..)
        .zip(&processes)
        .map(|(seed, process)| tokio::spawn(scene.clone().play(process.store.clone(), seed)))
        .collect();
    let mut follower = Follower::new();
    while playing.iter().any(|process| !process.is_finished()) {
        follower.step(&processes[0].store, 7).await;
    }
    for process in playing {
        process.await.expect("no panic");
    }
    follower.finish(&processes[0].store).await;
    assert_eq!(
        spans_by_notes(&follower.notes, &scene.users),
        spans_by_tables(url).await
    );
    let told: HashMap<Position, Recorded<Note>> = follower
        .notes
        .iter()
        .map(|note| (note.position, note.clone()))
        .collect();
    assert_eq!(told.len(), follower.notes.len());
    let mut handed_on: HashSet<Position> = HashSet::new();
    let mut slots: Vec<HashSet<Slot>> = Vec::new();
    let mut waits = 0;
    for process in &mut processes {
        process.store.close().await;
        let news = process.news();
        for fact in &news {
            let note = &told[&fact.position];
            assert_eq!((note.after, &note.what), (fact.after, &fact.what.note()));
            assert!(handed_on.insert(fact.position), "told twice: {:?}", fact.position);
            waits += usize::from(fact.after.is_some());
        }
        slots.push(news.iter().map(|fact| fact.position.slot).collect());
    }
    assert_eq!(handed_on.len(), told.len());
    assert!(waits > 0, "of so many at least one builds on another's");
    assert!(slots.iter().all(|slots| !slots.is_empty()));
}

async fn processes(url: &str, count: usize, writers: usize) -> Vec<Process> {
    let mut processes = Vec::new();
    for _ in 0..count {
        processes.push(Process::start(url, writers).await);
    }
    processes
}

pub async fn database() -> String {
    tokio::task::spawn_blocking(new_database).await.expect("a database")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_the_journal_learns_of_everything_in_its_order() {
    let url = database().await;
    let processes = processes(&url, 3, 2).await;
    all_write_and_one_follows(&url, processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_writers_than_slots_share_them_and_nothing_is_lost() {
    let url = database().await;
    let processes = processes(&url, 5, 4).await;
    all_write_and_one_follows(&url, processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_may_write_through_a_pgbouncer_in_transaction_mode() {
    let url = database().await;
    let bouncer = {
        let url = url.clone();
        tokio::task::spawn_blocking(move || Bouncer::start(&url))
            .await
            .expect("a PgBouncer")
    };
    let processes = processes(&bouncer.url, 3, 2).await;
    all_write_and_one_follows(&url, processes).await;
    tokio::task::spawn_blocking(move || drop(bouncer))
        .await
        .expect("no panic");
}

/// Sends one message, and says where its news stand.
async fn send(process: &mut Process, group: ConversationKey, user: UserKey) -> Position {
    let sent = process
        .store
        .append(draft(group, user, "hello"))
        .await
        .expect("an answer");
    assert!(matches!(sent, Appended::Stored(_)), "{sent:?}");
    process.news().pop().expect("news").position
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_takes_the_lowest_slot_that_nobody_uses() {
    let url = database().await;
    let connection = Address::read(&url).unwrap().connect_any().await.unwrap();
    let mut one = Process::start(&url, 1).await;
    let scene = Scene::set(&one.store).await;
    let (group, user) = (scene.groups[0], scene.users[0]);
    let mut other = Process::start(&url, 1).await;
    assert_eq!(send(&mut one, group, user).await.slot, 0);
    let first = send(&mut other, group, user).await;
    assert_eq!((first.slot, first.number), (1, 1));
    // Given back at the end, and taken again by the next.
    one.store.close().await;
    let mut next = Process::start(&url, 1).await;
    let last = send(&mut next, group, user).await;
    assert_eq!(last.slot, 0);
    // Whoever gives a sign of life keeps a slot that it has not used for long.
    let age = "UPDATE doorbell.writer_slot SET used_at = used_at - 31000";
    let node = next.store.enter_node(None).await.unwrap();
    connection.run(age).await.unwrap();
    next.store.beat(node, Cut::default()).await.unwrap();
    let mut late = Process::start(&url, 1).await;
    assert_eq!(send(&mut late, group, user).await.slot, 1, "that of the silent one");
    // Who lost its slot counts on in it, behind the other, and gets one of its own in time.
    let shared = send(&mut other, group, user).await;
    assert_eq!(shared, Position { slot: 1, number: 3 });
    assert_eq!(send(&mut late, group, user).await, Position { slot: 1, number: 4 });
    let mut follower = Follower::new();
    follower.finish(&late.store).await;
    for process in [next, late, other] {
        process.store.close().await;
    }
}
