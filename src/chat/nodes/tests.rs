//! Two nodes on one store and one Redis, in one process: what people on the one notice of people on the other.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use doorbell_socketio::Frame;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{
    chat::{
        Caller, Claims, MediaPolicy, People, Policy, Render,
        arrive::{Absence, Coming},
        attachment::{LinkKey, Links},
        presence::Departure,
        render::{News, Whose},
        typing::TypingTarget,
    },
    fanout::{Audience, Bus, Farewell, LiveSocket, Outlet, bus::tests::server::Server},
    model::{
        Contract, Conversation, Entry, Message, NodeKey, Role, User, UserId,
        clock::SystemClock,
        conversation::Read,
        limits::{Rate, RateLimits},
    },
    store::{Store, sqlite},
};

use super::*;

/// Tells everybody, in words that a test can read.
pub(in crate::chat) struct Plain;

impl Render for Plain {
    fn audience(&self, _: Contract, _: News, _: Whose) -> Audience {
        Audience::Every
    }
    fn message(&self, _: Contract, _: &Conversation, _: &Message, _: &People, _: Option<UserKey>) -> Frame {
        Frame::event("message", "")
    }
    fn read(&self, _: Contract, _: &Conversation, _: &Read, _: &People) -> Frame {
        Frame::event("read", "")
    }
    fn typing(&self, _: Contract, _: &Conversation, user: UserKey, _: &People, is_typing: bool) -> Frame {
        typing(user, is_typing)
    }
    fn presence(&self, _: Contract, user: &User, online: bool, _: Option<Timestamp>) -> Option<Frame> {
        Some(presence(user.key, online))
    }
    fn list_contract(&self) -> Contract {
        Contract::Conversations
    }
    fn entry(&self, _: &Entry, _: UserKey, _: &People) -> Frame {
        Frame::event("entry", "")
    }
}

fn typing(user: UserKey, is_typing: bool) -> Frame {
    Frame::event("typing", &(user.0, is_typing))
}

fn presence(user: UserKey, online: bool) -> Frame {
    Frame::event("presence", &(user.0, online))
}

/// A socket's screen.
#[derive(Default, Clone)]
pub(in crate::chat) struct Screen(Arc<Mutex<Vec<Frame>>>);

impl Outlet for Screen {
    fn push(&self, frame: &Frame) {
        self.answer(frame.clone());
    }
    fn waiting(&self) -> usize {
        0
    }
    fn answer(&self, frame: Frame) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
    }
    fn announce(&self, _: Farewell) {}
    fn close(&self, _: Farewell) {}
}

impl Screen {
    pub(in crate::chat) fn count(&self, frame: &Frame) -> usize {
        self.0.lock().unwrap().iter().filter(|shown| *shown == frame).count()
    }

    async fn shows(&self, frame: &Frame) {
        until(|| self.count(frame) > 0).await;
    }
}

/// Waits for a condition, for longer than any of them takes on a busy machine.
pub(in crate::chat) async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it did not come to be within 30 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

struct World {
    _folder: TempDir,
    server: Server,
    store: Arc<dyn Store>,
    nodes: [Arc<Chat>; 2],
}

impl World {
    async fn new(rates: RateLimits) -> Self {
        let folder = TempDir::new().unwrap();
        let server = Server::start(&[]);
        let (facts, news) = mpsc::channel(256);
        let clock = Arc::new(SystemClock);
        let path = folder.path().join("doorbell.db");
        let store = sqlite::SqliteStore::open(&path, clock.clone(), facts, sqlite::Options::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let node = async || {
            let policy = Policy {
                open_directory: true,
                group_max: 10,
                rates,
                sockets_per_user: None,
                joined_conversations: None,
                recovery_window: limits::RECOVERY_WINDOW,
                media: MediaPolicy {
                    links: Arc::new(Links::new(LinkKey::new("a key"), String::new(), clock.clone())),
                    quota: None,
                    hosts: Vec::new(),
                },
            };
            let bus = Bus::redis(&server.url(), "chat:").await.unwrap();
            let chat = Chat::new(
                Arc::clone(&store),
                (NodeKey(1), bus),
                clock.clone(),
                Box::new(Plain),
                policy,
            );
            chat.start();
            chat
        };
        let nodes = [node().await, node().await];
        tokio::spawn(Arc::clone(&nodes[0]).publish(news));
        World {
            _folder: folder,
            server,
            store,
            nodes,
        }
    }

    async fn user(&self, id: &str) -> UserKey {
        let claims = Claims {
            user_id: UserId::parse(id).unwrap(),
            name: None,
            email: None,
            image: None,
            role: None,
            issued_at: None,
        };
        self.nodes[0].sign_in(&claims).await.unwrap().key
    }

    async fn direct(&self, one: UserKey, other: &str) -> Arc<Conversation> {
        let opened = self.nodes[0].open_one_to_one(Caller::User(one), other, None, false);
        opened.await.unwrap().conversation
    }

    async fn connect(&self, node: usize, user: UserKey) -> (Arc<LiveSocket>, Screen) {
        let coming = Coming {
            issued_at: None,
            user,
            contract: Some(Contract::TenantChat),
            socket_id: user.0.to_string(),
            recovery: None,
        };
        let socket = self.nodes[node].arrive(coming).await.unwrap().live;
        let screen = Screen::default();
        socket.attach(Box::new(screen.clone()));
        self.nodes[node].connected(Arc::clone(&socket), &Absence::default());
        (socket, screen)
    }

    async fn type_in(&self, node: usize, user: UserKey, conversation: &Conversation, is_typing: bool) {
        let target = TypingTarget::Conversation {
            id: conversation.id.as_str().to_owned(),
            person: None,
        };
        let typed = self.nodes[node].typing(Caller::User(user), target, is_typing);
        typed.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_on_two_nodes_goes_when_they_have_left_both() {
    let world = World::new(RateLimits::OFF).await;
    let (ana, ben, cara) = (
        world.user("ana").await,
        world.user("ben").await,
        world.user("cara").await,
    );
    world.direct(ana, "ben").await;
    world.direct(ana, "cara").await;
    let (_ana, screen) = world.connect(0, ana).await;
    let (there, bens) = world.connect(1, ben).await;
    screen.shows(&presence(ben, true)).await;
    bens.shows(&presence(ana, true)).await;
    let (here, _) = world.connect(0, ben).await;
    world.nodes[1].disconnected(&there, Departure::MayReturn);
    until(|| !world.nodes[1].presence.is_here(ben)).await;
    // What the other node tells after it.
    let _cara = world.connect(1, cara).await;
    screen.shows(&presence(cara, true)).await;
    assert!(world.nodes[0].is_online(ben) && world.nodes[1].is_online(ben));
    // By the telling of it, and perhaps by Ana's greeting as well.
    let told = screen.count(&presence(ben, true));
    world.nodes[0].disconnected(&here, Departure::MayReturn);
    screen.shows(&presence(ben, false)).await;
    until(|| !world.nodes[1].is_online(ben)).await;
    let counts = [true, false].map(|online| screen.count(&presence(ben, online)));
    assert_eq!(counts, [told, 1], "the one change since, once");
    let began = Instant::now();
    while world.store.users(&[ben]).await.unwrap()[0].last_seen_at.is_none() {
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_learns_who_is_there_and_one_that_stops_says_so() {
    let world = World::new(RateLimits::OFF).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    world.direct(ana, "ben").await;
    let (_ben, _) = world.connect(0, ben).await;
    let bus = Bus::redis(&world.server.url(), "chat:").await.unwrap();
    let policy = world.nodes[0].policy.clone();
    let third = Chat::new(
        Arc::clone(&world.store),
        (NodeKey(3), bus),
        Arc::new(SystemClock),
        Box::new(Plain),
        policy,
    );
    let began = Instant::now();
    third.start();
    until(|| third.is_online(ben)).await;
    assert!(
        began.elapsed() < limits::PRESENCE_LIST_INTERVAL / 2,
        "it asked, and did not wait for the next list"
    );
    let (_ana, screen) = world.connect(1, ana).await;
    screen.shows(&presence(ben, true)).await;
    let began = Instant::now();
    world.nodes[0].bus().close().await;
    screen.shows(&presence(ben, false)).await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the node was not missed, it had said so"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_crosses_and_ends_by_itself_when_its_node_is_killed() {
    let world = World::new(RateLimits::OFF).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let conversation = world.direct(ana, "ben").await;
    let (_ana, screen) = world.connect(0, ana).await;
    world.type_in(1, ben, &conversation, true).await;
    screen.shows(&typing(ben, true)).await;
    world.type_in(1, ben, &conversation, false).await;
    screen.shows(&typing(ben, false)).await;
    let told = screen.count(&typing(ben, true));
    until(|| world.nodes[1].typing.is_quiet()).await;
    world.type_in(1, ben, &conversation, true).await;
    until(|| screen.count(&typing(ben, true)) > told).await;
    world.nodes[1].bus().kill();
    let began = Instant::now();
    until(|| screen.count(&typing(ben, false)) == 2).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_holds_over_all_nodes_and_for_each_alone_while_redis_is_gone() {
    let hour = Duration::from_secs(3_600);
    let rates = RateLimits {
        sends: Some(Rate::new(4, hour, 4)),
        ..RateLimits::OFF
    };
    let mut world = World::new(rates).await;
    let [one, two] = world.nodes.clone();
    let (ana, ben) = (UserKey(1), UserKey(2));
    for node in [&one, &two] {
        assert!(node.rates.sends.take(ana).is_ok() && node.rates.sends.take(ana).is_ok());
    }
    until(|| !one.rates.sends.has(ana) && !two.rates.sends.has(ana)).await;
    assert!(one.rates.sends.has(ben) && two.rates.sends.has(ben));
    two.rates.sends.give_back(ana);
    until(|| one.rates.sends.has(ana)).await;
    world.server.kill();
    until(|| !*one.bus().linked().borrow() && !*two.bus().linked().borrow()).await;
    let began = Instant::now();
    for node in [&one, &two] {
        let passed = (0..10).filter(|_| node.rates.sends.take(ben).is_ok()).count();
        assert_eq!(passed, 4, "each node by itself");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for the bus");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_are_online_hear_so_when_they_become_peers() {
    let world = World::new(RateLimits::OFF).await;
    let (ana, ben, cara) = (
        world.user("ana").await,
        world.user("ben").await,
        world.user("cara").await,
    );
    let (_ana, anas) = world.connect(0, ana).await;
    let (_ben, bens) = world.connect(0, ben).await;
    let (_cara, caras) = world.connect(1, cara).await;
    until(|| world.nodes[0].is_online(cara)).await;
    let chat = &world.nodes[0];
    let opened = chat
        .open_group(Caller::User(ana), Some("Flat".into()), &["ben".into()])
        .await
        .unwrap();
    let group = opened.conversation;
    anas.shows(&presence(ben, true)).await;
    bens.shows(&presence(ana, true)).await;
    assert_eq!(
        caras.count(&presence(ana, true)),
        0,
        "she is in no conversation with them"
    );
    let id = group.id.as_str();
    chat.put_member(Caller::User(ana), id, "cara", Some(Role::Member))
        .await
        .unwrap();
    // This world's store tells its first node alone.
    world.nodes[1].became_peer(group.key, cara);
    anas.shows(&presence(cara, true)).await;
    bens.shows(&presence(cara, true)).await;
    let own = [(&anas, ana), (&bens, ben), (&caras, cara)].map(|(screen, user)| screen.count(&presence(user, true)));
    assert_eq!(own, [0, 0, 0], "nobody is told of themselves");
    let others = [(&anas, ben), (&bens, ana)].map(|(screen, user)| screen.count(&presence(user, true)));
    assert_eq!(others, [1, 1], "each once");
}
