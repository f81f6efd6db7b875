//! Files, from their upload to the last link, over a real store on a file.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::SeqCst},
};

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::{
    chat::{
        Caller, Claims, MediaPolicy, Policy,
        history::MessagePage,
        nodes::tests::Plain,
        page::SeqPage,
        send::{SendRequest, Sent},
    },
    fanout::Bus,
    model::{
        Clock, Code, MediaType, MessageKind, NodeKey, Timestamp, UserId,
        limits::{Rate, RateLimits},
    },
    store::{Store, Window, sqlite},
};

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(SeqCst))
    }
}

pub(in crate::chat) const HOUR: i64 = 60 * 60 * 1_000;
const QUOTA: u64 = 1_000_000;

pub(in crate::chat) struct World {
    _folder: TempDir,
    clock: Arc<TestClock>,
    store: Arc<dyn Store>,
    pub(in crate::chat) chat: Arc<Chat>,
}

impl World {
    async fn with(rates: RateLimits) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_790_000_000_000)));
        let (facts, news) = mpsc::channel(64);
        let path = folder.path().join("doorbell.db");
        let store = sqlite::SqliteStore::open(&path, clock.clone(), facts, sqlite::Options::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let links = Arc::new(Links::new(
            LinkKey::new("a key"),
            "https://chat.example.com".into(),
            clock.clone(),
        ));
        let policy = Policy {
            open_directory: true,
            group_max: 10,
            rates,
            sockets_per_user: None,
            joined_conversations: None,
            recovery_window: limits::RECOVERY_WINDOW,
            media: MediaPolicy {
                links: links.clone(),
                quota: Some(QUOTA),
                hosts: vec!["images.example.com".into()],
            },
        };
        let chat = Chat::new(
            store.clone(),
            (NodeKey(1), Bus::alone()),
            clock.clone(),
            Box::new(Plain),
            policy,
        );
        tokio::spawn(Arc::clone(&chat).publish(news));
        World {
            _folder: folder,
            clock,
            store,
            chat,
        }
    }

    pub(in crate::chat) async fn new() -> Self {
        Self::with(RateLimits::OFF).await
    }

    pub(in crate::chat) fn pass(&self, millis: i64) {
        self.clock.0.fetch_add(millis, SeqCst);
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
        self.chat.sign_in(&claims).await.unwrap().key
    }

    pub(in crate::chat) async fn users<const N: usize>(&self) -> [UserKey; N] {
        let mut keys = [UserKey(0); N];
        for (number, key) in keys.iter_mut().enumerate() {
            *key = self.user(&format!("user-{number}")).await;
        }
        keys
    }

    async fn upload_of(&self, owner: UserKey, facts: FileFacts) -> Attachment {
        let upload = self.chat.begin_upload(owner, "beach.jpg", Rated::Now, 0).await.unwrap();
        self.chat.finish_upload(upload.key, facts, Rated::Now, 0).await.unwrap()
    }

    async fn upload(&self, owner: UserKey) -> Attachment {
        self.upload_of(owner, photo(1_000)).await
    }

    pub(in crate::chat) async fn group(&self, creator: UserKey, others: &[&str]) -> String {
        let others: Vec<String> = others.iter().map(|id| (*id).to_owned()).collect();
        let opened = self
            .chat
            .open_group(Caller::User(creator), None, &others)
            .await
            .unwrap();
        opened.conversation.id.to_string()
    }

    async fn send(&self, sender: UserKey, conversation: &str, files: Vec<FileReference>) -> Result<Sent> {
        self.chat.send(sender, request(conversation, files)).await
    }

    pub(in crate::chat) async fn sent(&self, sender: UserKey, conversation: &str, attachment: &Attachment) -> Sent {
        let files = vec![by_id(attachment)];
        self.send(sender, conversation, files).await.unwrap()
    }

    async fn history(&self, viewer: UserKey, conversation: &str) -> MessagePage {
        let page = SeqPage {
            window: Window::Newest { limit: 100 },
            wait: None,
        };
        self.chat
            .history(Caller::User(viewer), conversation, page)
            .await
            .unwrap()
    }

    /// Follows a link as the route does.
    async fn follow(&self, link: &str) -> Result<Linked> {
        let path = link
            .strip_prefix("https://chat.example.com/media/")
            .expect("a link of ours");
        let (path, query) = path.split_once('?').expect("a signature");
        let (id, variant) = path.split_once('/').expect("a variant");
        self.chat.judge_link(id, variant, query).await
    }

    async fn link(&self, sent: &Sent) -> String {
        let conversation = self.chat.conversation(sent.conversation.key).await.unwrap();
        self.chat
            .links()
            .of(&sent.message.attachments[0], Variant::File, &conversation)
    }

    async fn remove(&self, admin: UserKey, conversation: &str, user: &str) {
        let removed = self.chat.remove_member(Caller::User(admin), conversation, user);
        removed.await.unwrap();
    }
}

fn photo(size: u64) -> FileFacts {
    FileFacts {
        media_type: MediaType::Jpeg,
        size,
        width: Some(640),
        height: Some(480),
        duration_ms: None,
        thumbnail: None,
        poster: None,
        preview: None,
    }
}

fn request(conversation: &str, files: Vec<FileReference>) -> SendRequest {
    SendRequest {
        conversation: Some(conversation.to_owned()),
        person: None,
        content: String::new(),
        kind: MessageKind::Text,
        files,
        client_message_id: None,
        reply_to: None,
        origin: None,
    }
}

fn by_id(attachment: &Attachment) -> FileReference {
    FileReference::Id(attachment.id.to_string())
}

fn by_url(url: impl Into<String>) -> FileReference {
    FileReference::Url {
        url: url.into(),
        name: None,
        size: None,
        file_type: None,
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T>) -> Code {
    outcome.expect_err("a refusal").code
}

#[tokio::test]
async fn a_photo_without_a_text_arrives_as_a_photo() {
    let world = World::new().await;
    let [anna, bea] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let photo = world.upload(anna).await;
    let sent = world.sent(anna, &group, &photo).await;
    assert_eq!(
        (sent.message.kind, sent.message.content.as_str()),
        (MessageKind::Image, "")
    );
    let read = world.history(bea, &group).await;
    assert_eq!(read.messages[0].attachments[..], [photo]);
    assert_eq!(
        world.follow(&world.link(&sent).await).await.unwrap().media_type,
        MediaType::Jpeg
    );
}

#[tokio::test]
async fn nobody_sends_what_is_not_their_own_upload() {
    let world = World::new().await;
    let [anna, bea] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let annas = world.upload(anna).await;
    let sent = world.sent(anna, &group, &annas).await;
    let pending = world.chat.begin_upload(bea, "half.jpg", Rated::Now, 0).await.unwrap();
    let given_up = world.upload(bea).await;
    assert!(world.chat.abandon_upload(given_up.key).await.unwrap());
    for file in [
        by_id(&annas),
        by_url(world.link(&sent).await),
        FileReference::Id(pending.id.to_string()),
        by_id(&given_up),
        FileReference::Id("no such id at all".into()),
        by_url("https://elsewhere.example.com/a.jpg"),
        by_url("https://images.example.com:8443/a.jpg"),
    ] {
        let refused = world.send(bea, &group, vec![file.clone()]).await;
        assert_eq!(code(refused), Code::Invalid, "{file:?}");
    }
    assert_eq!(world.history(anna, &group).await.messages.len(), 1);
}

#[tokio::test]
async fn a_link_of_ours_is_known_by_its_id_however_old_it_is() {
    let world = World::new().await;
    let [anna, _] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let photo = world.upload(anna).await;
    let link = world.chat.upload_link(&photo, Variant::File);
    world.pass(1_000 * HOUR);
    for url in [
        link.clone(),
        link.replace("chat.example.com", "old.example.net:8443/chat"),
        link.replace("&s=", "&s=x"),
        format!("/media/{}/thumbnail", photo.id),
        format!("https://chat.example.com/v1/attachments/{}", photo.id),
    ] {
        let sent = world.send(anna, &group, vec![by_url(url.clone())]).await;
        assert_eq!(sent.expect(&url).message.attachments[0].id, photo.id, "{url}");
    }
}

#[tokio::test]
async fn the_file_decides_what_a_message_is_and_without_one_it_is_a_text() {
    let world = World::new().await;
    let [anna, _] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let clip = world.upload_of(
        anna,
        FileFacts {
            media_type: MediaType::Quicktime,
            ..photo(10)
        },
    );
    let clip = clip.await;
    let told_otherwise = SendRequest {
        kind: MessageKind::Image,
        content: "  the stairs\0 ".into(),
        ..request(
            &group,
            vec![
                by_id(&clip),
                by_id(&clip),
                by_url("https://images.example.com/plan.pdf"),
            ],
        )
    };
    let message = world.chat.send(anna, told_otherwise).await.unwrap().message;
    assert_eq!(
        (message.kind, message.content.as_str()),
        (MessageKind::Video, "the stairs")
    );
    let kinds: Vec<&str> = message.attachments.iter().map(|file| file.kind().as_str()).collect();
    assert_eq!(kinds, ["video", "file"], "one that is named twice is sent once");
    let without_file = SendRequest {
        kind: MessageKind::Image,
        content: "look".into(),
        ..request(&group, Vec::new())
    };
    assert_eq!(code(world.chat.send(anna, without_file).await), Code::Invalid);
    assert_eq!(code(world.send(anna, &group, Vec::new()).await), Code::Invalid);
    let many = vec![by_id(&clip); limits::MESSAGE_ATTACHMENTS + 1];
    assert_eq!(code(world.send(anna, &group, many).await), Code::Invalid);
}

#[tokio::test]
async fn a_retry_is_the_same_message_and_another_file_is_a_conflict() {
    let world = World::new().await;
    let [anna, _] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let (one, other) = (world.upload(anna).await, world.upload(anna).await);
    let named = |files| SendRequest {
        client_message_id: Some("c-1".into()),
        ..request(&group, files)
    };
    let first = world.chat.send(anna, named(vec![by_id(&one)])).await.unwrap();
    world.pass(20 * HOUR);
    let again = by_url(world.chat.upload_link(&one, Variant::File));
    let again = world.chat.send(anna, named(vec![again])).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.message, first.message);
    assert_eq!(
        code(world.chat.send(anna, named(vec![by_id(&other)])).await),
        Code::Conflict
    );
    let elsewhere = |name: &str| SendRequest {
        client_message_id: Some("c-2".into()),
        ..request(&group, vec![by_url(format!("https://images.example.com/{name}"))])
    };
    assert!(!world.chat.send(anna, elsewhere("a.jpg")).await.unwrap().repeated);
    assert!(world.chat.send(anna, elsewhere("a.jpg")).await.unwrap().repeated);
    assert_eq!(code(world.chat.send(anna, elsewhere("b.jpg")).await), Code::Conflict);
    assert_eq!(world.history(anna, &group).await.messages.len(), 2);
}

#[tokio::test]
async fn a_link_is_the_same_for_hours_and_then_dies() {
    let world = World::new().await;
    let [anna, _] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let photo = world.upload(anna).await;
    let sent = world.sent(anna, &group, &photo).await;
    // To the beginning of a period.
    let period = limits::LINK_PERIOD.as_millis() as i64;
    world.pass(period - world.clock.now().as_millis() % period);
    let link = world.link(&sent).await;
    assert!(link.starts_with(&format!(
        "https://chat.example.com/media/{}/file?c={group}&v=0&e=",
        photo.id
    )));
    world.pass(period - 1);
    assert_eq!(world.link(&sent).await, link);
    world.pass(1);
    let renewed = world.link(&sent).await;
    assert_ne!(renewed, link);
    world.pass(period - 1);
    assert_eq!(world.follow(&link).await.unwrap().attachment.id, photo.id);
    world.pass(1);
    assert_eq!(code(world.follow(&link).await), Code::Forbidden);
    assert!(world.follow(&renewed).await.is_ok());
}

#[tokio::test]
async fn a_link_that_was_changed_anywhere_is_refused() {
    let world = World::new().await;
    let [anna, _] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let other_group = world.group(anna, &["user-1"]).await;
    let (photo, other) = (world.upload(anna).await, world.upload(anna).await);
    let link = world.link(&world.sent(anna, &group, &photo).await).await;
    world.sent(anna, &group, &other).await;
    let (before, signature) = link.split_once("&s=").unwrap();
    for changed in [
        link.replace(photo.id.as_str(), other.id.as_str()),
        link.replace("/file?", "/thumbnail?"),
        link.replace("/file?", "/original?"),
        link.replace(&group, &other_group),
        link.replace("&v=0", "&v=1"),
        link.replace("&v=0", ""),
        link.replace("&e=1", "&e=2"),
        link.replace(&format!("c={group}&v=0&"), ""),
        format!("{link}&e=9999999999"),
        format!("{before}&s={}", &signature[1..]),
        format!("{before}&s="),
        before.to_owned(),
        format!("{before}&s={}", "A".repeat(43)),
        link.replace("?", "?s=x&"),
    ] {
        assert_eq!(code(world.follow(&changed).await), Code::Forbidden, "{changed}");
    }
    assert!(world.follow(&link).await.is_ok());
}

#[tokio::test]
async fn every_link_of_a_conversation_dies_when_somebody_is_removed_and_is_renewed_when_read_again() {
    let world = World::new().await;
    let [anna, bea, _] = world.users().await;
    let group = world.group(anna, &["user-1", "user-2"]).await;
    let elsewhere = world.group(anna, &["user-1"]).await;
    let photo = world.upload(anna).await;
    let sent = world.sent(anna, &group, &photo).await;
    let unmoved = world.link(&world.sent(anna, &elsewhere, &photo).await).await;
    for round in 0..2 {
        let link = world.link(&sent).await;
        assert!(world.follow(&link).await.is_ok());
        world.remove(anna, &group, "user-2").await;
        assert_eq!(code(world.follow(&link).await), Code::Forbidden, "round {round}");
        assert!(world.follow(&world.link(&sent).await).await.is_ok());
        assert_eq!(world.history(bea, &group).await.messages[0].attachments[0], photo);
        let back = world.chat.put_member(Caller::User(anna), &group, "user-2", None);
        back.await.unwrap();
        assert_eq!(
            code(world.follow(&link).await),
            Code::Forbidden,
            "who comes back revives no link"
        );
    }
    assert!(world.follow(&unmoved).await.is_ok(), "other conversations keep theirs");
}

#[tokio::test]
async fn a_fresh_link_is_for_those_who_see_a_message_with_it_and_for_its_uploader() {
    let world = World::new().await;
    let [anna, bea, carl, dora] = world.users().await;
    let group = world.group(anna, &["user-1", "user-2"]).await;
    let photo = world.upload(anna).await;
    let fresh = async |viewer| world.chat.fresh_link(viewer, photo.id.as_str(), Variant::File).await;
    assert_eq!(code(fresh(bea).await), Code::NotFound);
    assert!(world.follow(&fresh(anna).await.unwrap()).await.is_ok());
    world.remove(anna, &group, "user-2").await;
    world.sent(anna, &group, &photo).await;
    assert!(world.follow(&fresh(bea).await.unwrap()).await.is_ok());
    // Carl was out when it came; Dora never was in.
    assert_eq!(code(fresh(carl).await), Code::NotFound);
    assert_eq!(code(fresh(dora).await), Code::NotFound);
    let back = world.chat.put_member(Caller::User(anna), &group, "user-2", None);
    back.await.unwrap();
    assert_eq!(
        code(fresh(carl).await),
        Code::NotFound,
        "nothing of the time between is seen"
    );
    world.sent(anna, &group, &photo).await;
    assert!(fresh(carl).await.is_ok(), "but what comes after is");
    world.remove(anna, &group, "user-1").await;
    assert!(
        world.follow(&fresh(bea).await.unwrap()).await.is_ok(),
        "the history up to then stays"
    );
    for (id, variant) in [
        ("nothing", Variant::File),
        ("a/b", Variant::File),
        (photo.id.as_str(), Variant::Poster),
    ] {
        assert_eq!(
            code(world.chat.fresh_link(anna, id, variant).await),
            Code::NotFound,
            "{id}"
        );
    }
}

#[tokio::test]
async fn nobody_has_more_files_here_than_they_may() {
    let world = World::new().await;
    let [anna, bea] = world.users().await;
    let large = world.upload_of(anna, photo(QUOTA - 10)).await;
    let upload = world.chat.begin_upload(anna, "more.jpg", Rated::Now, 0).await.unwrap();
    assert_eq!(
        code(world.chat.finish_upload(upload.key, photo(11), Rated::Now, 0).await),
        Code::TooLarge
    );
    assert!(
        world
            .chat
            .finish_upload(upload.key, photo(10), Rated::Now, 0)
            .await
            .is_ok()
    );
    let refused = world
        .chat
        .begin_upload(anna, "more.jpg", Rated::Now, 1)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::TooLarge);
    assert!(refused.message.contains(&size_in_words(QUOTA)), "{refused}");
    assert!(world.chat.begin_upload(bea, "other.jpg", Rated::Now, 0).await.is_ok());
    assert!(world.chat.abandon_upload(large.key).await.unwrap());
    assert!(world.chat.begin_upload(anna, "more.jpg", Rated::Now, 0).await.is_ok());
    // What other uploads of hers are to have counts as if it were there.
    let more = world.chat.begin_upload(anna, "more.jpg", Rated::Now, 1).await.unwrap();
    for (announced, is_taken) in [(QUOTA - 20, false), (QUOTA - 21, true)] {
        let finished = world
            .chat
            .finish_upload(more.key, photo(11), Rated::Now, announced)
            .await;
        assert_eq!(finished.is_ok(), is_taken, "{announced}");
    }
    assert_eq!(
        code(world.chat.count_uploads(anna, 1, QUOTA - 20).await),
        Code::TooLarge
    );
    world.chat.count_uploads(anna, 1, QUOTA - 21).await.unwrap();
}

#[tokio::test]
async fn uploads_have_a_rate_of_their_own() {
    let rates = RateLimits {
        uploads: Some(Rate::new(2, std::time::Duration::from_secs(60), 2)),
        ..RateLimits::OFF
    };
    let world = World::with(rates).await;
    let [anna, bea] = world.users().await;
    for _ in 0..2 {
        world.chat.begin_upload(anna, "a.jpg", Rated::Now, 0).await.unwrap();
    }
    let refused = world.chat.begin_upload(anna, "a.jpg", Rated::Now, 0).await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after.is_some());
    assert!(world.chat.begin_upload(bea, "a.jpg", Rated::Now, 0).await.is_ok());
}

#[tokio::test]
async fn files_that_are_counted_later_are_refused_then_and_are_never_without_a_bound() {
    let rates = RateLimits {
        uploads: Some(Rate::new(3, std::time::Duration::from_secs(60), 3)),
        ..RateLimits::OFF
    };
    let world = World::with(rates).await;
    let [anna, _] = world.users().await;
    let later = async |size| {
        let begun = world.chat.begin_upload(anna, "a.jpg", Rated::Later, 0).await?;
        world.chat.finish_upload(begun.key, photo(size), Rated::Later, 0).await
    };
    let large = later(QUOTA).await.unwrap();
    assert!(
        world.chat.count_uploads(anna, 1, 0).await.is_ok(),
        "it is as much as she may have"
    );
    let over = later(limits::REPEATED_FILES_BYTES).await.unwrap();
    assert_eq!(code(later(1).await), Code::TooLarge, "nor is that without a bound");
    assert_eq!(code(world.chat.count_uploads(anna, 1, 0).await), Code::TooLarge);
    assert!(world.chat.abandon_upload(over.key).await.unwrap());
    assert!(world.chat.abandon_upload(large.key).await.unwrap());
    // Of the three, two were counted. Of two more, none is when there is room for one.
    assert_eq!(code(world.chat.count_uploads(anna, 2, 0).await), Code::RateLimited);
    assert!(world.chat.count_uploads(anna, 1, 0).await.is_ok());
    assert_eq!(code(world.chat.count_uploads(anna, 1, 0).await), Code::RateLimited);
    world.chat.uncount_uploads(anna, 1);
    assert!(world.chat.begin_upload(anna, "a.jpg", Rated::Now, 0).await.is_ok());
}

#[tokio::test]
async fn what_no_message_names_is_found_after_a_day_and_nothing_else_is() {
    let world = World::new().await;
    let [anna, _] = world.users().await;
    let group = world.group(anna, &["user-1"]).await;
    let used = world.upload(anna).await;
    world.sent(anna, &group, &used).await;
    let unused = world.upload(anna).await;
    let half = world.chat.begin_upload(anna, "half.jpg", Rated::Now, 0).await.unwrap();
    world.pass(24 * HOUR + 1);
    let young = world.upload(anna).await;
    let day = Duration::from_millis(24 * HOUR as u64);
    let keys = async || -> Vec<AttachmentKey> {
        let page = world.chat.abandoned_uploads(day, None).await.unwrap();
        let last = page.last().cloned();
        let next = world.chat.abandoned_uploads(day, last.as_ref()).await.unwrap();
        assert!(last.is_none() || next.is_empty());
        page.into_iter().map(|upload| upload.key).collect()
    };
    assert_eq!(keys().await, [unused.key, half.key]);
    // Somebody sends it in the very moment in which the sweep looks at it.
    world.sent(anna, &group, &unused).await;
    assert!(!world.chat.abandon_upload(unused.key).await.unwrap());
    assert!(world.chat.abandon_upload(half.key).await.unwrap());
    assert_eq!(keys().await, [half.key], "until its bytes are gone");
    world.chat.forget_upload(half.key).await.unwrap();
    assert!(keys().await.is_empty());
    assert_eq!(
        code(world.chat.finish_upload(half.key, photo(1), Rated::Now, 0).await),
        Code::NotFound
    );
    world.chat.forget_upload(young.key).await.unwrap();
    assert!(
        world
            .chat
            .fresh_link(anna, young.id.as_str(), Variant::File)
            .await
            .is_ok()
    );
    world.store.close().await;
}

#[test]
fn a_size_is_told_in_the_largest_unit_that_fits_it() {
    for (bytes, words) in [
        (5 << 30, "5 GiB"),
        (1 << 20, "1 MiB"),
        (300 << 10, "300 KiB"),
        (1_000_000, "1000000 bytes"),
    ] {
        assert_eq!(size_in_words(bytes), words);
    }
}
