//! A node that finds a part of the journal gone: one that starts while another prunes, and one that was away for too long.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use doorbell_socketio::Frame;
use tempfile::TempDir;

use super::*;
use crate::{
    chat::{
        MediaPolicy, Policy,
        arrive::{Absence, Coming},
        attachment::{LinkKey, Links},
        nodes::tests::{Plain, until},
    },
    fanout::{Bus, Outlet},
    model::{Contract, MessageKind, NodeKey, UserId, UserKey, clock::SystemClock, limits::RateLimits, user::*},
    store::{Draft, Store, sqlite},
};

/// A chat whose store's facts do not reach it: it hears of everything by the journal, as of what other nodes write.
struct World {
    chat: Arc<Chat>,
    people: [UserKey; 2],
    conversation: ConversationKey,
    _folder: TempDir,
    _facts: mpsc::Receiver<Vec<Recorded<Fact>>>,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (sender, facts) = mpsc::channel(1_000);
        let clock = Arc::new(SystemClock);
        let path = folder.path().join("doorbell.db");
        let store = sqlite::SqliteStore::open(&path, clock.clone(), sender, sqlite::Options::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let user = async |id: &str| {
            let id = UserId::parse(id).unwrap();
            let put = store.put_user(id, UserPatch::default(), UserSource::Mention);
            put.await.unwrap().key
        };
        let people = [user("ana").await, user("ben").await];
        let opened = store.open_one_to_one(people[0], people[1], None).await.unwrap();
        let policy = Policy {
            open_directory: true,
            group_max: 10,
            rates: RateLimits::OFF,
            sockets_per_user: None,
            joined_conversations: None,
            recovery_window: limits::RECOVERY_WINDOW,
            media: MediaPolicy {
                links: Arc::new(Links::new(LinkKey::new("a key"), String::new(), clock.clone())),
                quota: None,
                hosts: Vec::new(),
            },
        };
        let chat = Chat::new(store, (NodeKey(1), Bus::alone()), clock, Box::new(Plain), policy);
        World {
            chat,
            people,
            conversation: opened.0.key,
            _folder: folder,
            _facts: facts,
        }
    }

    async fn say(&self, count: usize) {
        for _ in 0..count {
            let draft = Draft {
                conversation: self.conversation,
                sender: self.people[0],
                kind: MessageKind::Text,
                content: "hello".into(),
                client_message_id: None,
                digest: [0; 16],
                reply_to: None,
                attachments: Vec::new(),
                origin: None,
            };
            self.chat.store.append(draft).await.unwrap();
        }
    }

    async fn recorded(&self) -> Cut {
        self.chat.store.journal_ends().await.unwrap().recorded
    }

    /// What ben missed who had come so far.
    fn missed(&self, from: &Cut) -> Option<usize> {
        let told = self.chat.told.begun();
        let missed = self
            .chat
            .recent
            .missed(self.people[1], &[self.conversation], from, &told);
        missed.map(|missed| missed.news.len())
    }
}

#[tokio::test]
async fn a_node_that_starts_while_the_journal_is_pruned_promises_nobody_what_it_cannot_replay() {
    let world = World::new().await;
    world.say(3).await;
    let early = world.recorded().await;
    world.say(3).await;
    let ends = world.chat.store.journal_ends().await.unwrap();
    let starts_whole = world.chat.remember_up_to(&ends).await;
    assert!(starts_whole.is_ok());
    assert_eq!(world.missed(&early), Some(3));
    // The ends were read, then another node pruned.
    world.chat.store.prune_journal(early.clone()).await.unwrap();
    world.chat.remember_up_to(&ends).await.unwrap();
    assert_eq!(world.missed(&Cut::default()), None, "the first three are gone");
    assert_eq!(world.missed(&early), None, "what was not read is not known");
    assert_eq!(world.missed(&ends.recorded), Some(0), "who has everything goes on");
}

#[tokio::test]
async fn what_is_recorded_while_a_node_starts_is_told_and_remembered_once() {
    let world = World::new().await;
    world.say(2).await;
    let ends = world.chat.store.journal_ends().await.unwrap();
    world.say(2).await;
    world.chat.remember_up_to(&ends).await.unwrap();
    assert_eq!(world.missed(&ends.recorded), Some(2));
    assert_eq!(world.chat.told.begun(), world.recorded().await);
}

/// A way out that notes that it was closed, and what it got before.
#[derive(Clone, Default)]
struct Line(Arc<(AtomicBool, Mutex<usize>)>);

impl Line {
    fn is_closed(&self) -> bool {
        self.0.0.load(SeqCst)
    }

    fn got(&self) -> usize {
        *self.0.1.lock().unwrap()
    }
}

impl Outlet for Line {
    fn push(&self, frame: &Frame) {
        if *frame == Frame::event("message", "") {
            *self.0.1.lock().unwrap() += 1;
        }
    }
    fn waiting(&self) -> usize {
        0
    }
    fn answer(&self, _: Frame) {}
    fn announce(&self, _: Farewell) {}
    fn close(&self, _: Farewell) {
        self.0.0.store(true, SeqCst);
    }
}

impl World {
    async fn connect(&self) -> Line {
        let coming = Coming {
            issued_at: None,
            user: self.people[1],
            contract: Some(Contract::TenantChat),
            socket_id: "a socket".into(),
            recovery: None,
        };
        let live = self.chat.arrive(coming).await.unwrap().live;
        let line = Line::default();
        live.attach(Box::new(line.clone()));
        self.chat.connected(live, &Absence::default());
        line
    }
}

#[tokio::test]
async fn a_node_that_was_away_for_longer_than_the_journal_goes_back_has_its_clients_come_anew_and_goes_on() {
    let world = World::new().await;
    world.chat.remember().await.unwrap();
    let early = world.recorded().await;
    // Nothing is published yet: this node is cut off. The others write, and prune what all of them have.
    let line = world.connect().await;
    world.say(3).await;
    world.chat.store.prune_journal(world.recorded().await).await.unwrap();
    world.say(2).await;
    let (_kept_open, facts) = mpsc::channel(1);
    tokio::spawn(Arc::clone(&world.chat).publish(facts));
    world.chat.hint.notify_one();
    until(|| line.is_closed()).await;
    assert_eq!(world.missed(&early), None, "who was there before begins anew");
    let anew = world.connect().await;
    world.say(1).await;
    world.chat.hint.notify_one();
    until(|| anew.got() > 0).await;
    let recorded = world.recorded().await;
    world.chat.hint.notify_one();
    until(|| world.chat.told.begun() == recorded).await;
    assert!(!anew.is_closed());
}
