//! An installation with some of everything, and everything that a store tells of it.

use std::fmt::{Debug, Write};

use doorbell::{
    model::{
        Attachment, AttachmentId, ConversationKey, FileFacts, ListingId, MediaKind, MediaType, MessageKind, Role,
        Timestamp, UserId, UserKey,
        attachment::{ExternalFile, Rendition},
        listing::ListingPatch,
        user::{UserPatch, UserSource},
    },
    store::{Actor, Appended, Changed, Completed, Draft, DraftAttachment, Marked, Pending, Store, Window},
};

pub const SECRET: &str = "made-by-this-installation-for-itself";
const PEOPLE: [&str; 5] = ["anna", "bea", "carl", "dora", "emil"];
const POSTS: [&str; 2] = ["post-1", "post-2"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Small,
    /// Enough for several batches of several tables.
    Large,
}

async fn done<T>(pending: Pending<T>) -> T {
    pending.await.expect("an answer")
}

fn draft(conversation: ConversationKey, sender: UserKey, content: &str, id: Option<&str>) -> Draft {
    let mut digest = [7; 16];
    for (place, byte) in content.bytes().enumerate() {
        digest[place % 16] ^= byte;
    }
    Draft {
        conversation,
        sender,
        kind: MessageKind::Text,
        content: content.to_owned(),
        client_message_id: id.map(str::to_owned),
        digest,
        reply_to: None,
        attachments: Vec::new(),
        origin: None,
    }
}

async fn say(store: &impl Store, draft: Draft) -> i64 {
    match done(store.append(draft)).await {
        Appended::Stored(message) => message.seq,
        other => panic!("{other:?}"),
    }
}

fn file_id(number: u128) -> AttachmentId {
    AttachmentId::of_random(number << 100 | number)
}

async fn upload(store: &impl Store, owner: UserKey, number: u128) -> Attachment {
    let facts = FileFacts {
        media_type: MediaType::Mp4,
        size: 1_000 + number as u64,
        width: Some(640),
        height: None,
        duration_ms: Some(1_500),
        thumbnail: None,
        poster: Some(Rendition {
            media_type: MediaType::Jpeg,
            width: 320,
            height: 240,
        }),
        preview: Some("data:image/png;base64,AA==".into()),
    };
    let begun = done(store.begin_attachment(file_id(number), owner, format!("clip\0 {number}.mp4"))).await;
    match done(store.complete_attachment(begun.key, facts, None)).await {
        Completed::Ready(attachment) => attachment,
        other => panic!("{other:?}"),
    }
}

/// Files that were sent, from here and from elsewhere, one that was not, one that never came, and one that is given up.
async fn send_files(store: &impl Store, conversation: ConversationKey, sender: UserKey) {
    let (first, second) = (upload(store, sender, 1).await, upload(store, sender, 2).await);
    let external = DraftAttachment::External {
        id: file_id(3),
        name: "plan\0.pdf".into(),
        file: ExternalFile {
            url: "https://images.example.com/plan.pdf".into(),
            kind: MediaKind::File,
            size: None,
            file_type: Some("application/pdf".into()),
        },
    };
    let sent = Draft {
        kind: MessageKind::Video,
        attachments: vec![
            DraftAttachment::Uploaded(second.key),
            external,
            DraftAttachment::Uploaded(first.key),
        ],
        ..draft(conversation, sender, "", Some("files"))
    };
    say(store, sent).await;
    upload(store, sender, 4).await;
    done(store.begin_attachment(file_id(5), sender, "half.jpg".into())).await;
    let given_up = upload(store, sender, 6).await;
    assert!(done(store.discard_attachment(given_up.key)).await);
    let forgotten = upload(store, sender, 7).await;
    assert!(done(store.discard_attachment(forgotten.key)).await);
    done(store.forget_attachment(forgotten.key)).await;
}

fn changed(outcome: Changed) {
    assert!(matches!(outcome, Changed::Done { changed: true, .. }), "{outcome:?}");
}

fn id(text: &str) -> UserId {
    UserId::parse(text).expect("an id")
}

pub async fn fill(store: &impl Store, size: Size) {
    done(store.keep_setting("jwt_secret", SECRET.into())).await;
    store.check().await.expect("a healthy store");
    let mut people = Vec::new();
    for (number, name) in PEOPLE.iter().enumerate() {
        let patch = UserPatch {
            name: Some(Some(format!("{name} \0 \u{10FFFE} \u{1F6CE}\u{FE0F}"))),
            email: (number % 2 == 0).then(|| Some(format!("{name}@example.com"))),
            ..Default::default()
        };
        let source = match number {
            0 => UserSource::Host,
            _ => UserSource::Claims {
                issued_at: Some(Timestamp(1_700_000_000_000 + number as i64)),
            },
        };
        people.push(done(store.put_user(id(name), patch, source)).await.key);
    }
    let [anna, bea, carl, dora, emil] = people[..] else {
        panic!("five people")
    };
    done(store.put_last_seen(bea, Timestamp(1_700_000_123_456))).await;
    let patch = ListingPatch {
        title: Some(Some("Loft\0 by the canal".into())),
        price: Some(Some("\"1,200 \u{20AC}\"".into())),
        owner: Some(Some(bea)),
        ..Default::default()
    };
    let listing = done(store.put_listing(ListingId::parse("loft").expect("an id"), patch))
        .await
        .key;

    let (direct, _) = done(store.open_one_to_one(anna, bea, None)).await;
    let (about, _) = done(store.open_one_to_one(carl, bea, Some(listing))).await;
    for number in 0..6 {
        let name = format!("direct-{number}");
        say(store, draft(direct.key, anna, &format!("text {number}"), Some(&name))).await;
    }
    for (content, name) in [
        ("a\0b\u{10FFFE}c \u{1F469}\u{200D}\u{1F4BB}", Some("nul-\0")),
        ("nul-1", Some("nul-1")),
        ("other", Some("nul-\u{10FFFE}")),
        ("without a name", None),
    ] {
        say(store, draft(about.key, carl, content, name)).await;
    }
    let reply = Draft {
        reply_to: Some(1),
        kind: MessageKind::Image,
        ..draft(about.key, bea, "an answer", Some("nul-\0"))
    };
    say(store, reply).await;
    send_files(store, about.key, carl).await;
    for (conversation, reader, seq) in [(direct.key, bea, 4), (direct.key, bea, 6), (about.key, bea, 2)] {
        let marked = done(store.mark(conversation, reader, Some(seq), None)).await;
        assert!(matches!(marked, Marked::Advanced(_)), "{marked:?}");
    }

    // Leavers and returners, a title, roles, and a conversation that the host has closed.
    let group = done(store.open_group(anna, Some("Viewing\0s".into()), vec![bea, carl, dora]))
        .await
        .key;
    let put = |user, role| store.put_member(Actor::Host, group, user, role, 500);
    for round in 0..3 {
        say(store, draft(group, anna, &format!("before {round}"), None)).await;
        changed(done(store.remove_member(Actor::User(dora), group, dora)).await);
        say(store, draft(group, bea, &format!("without dora {round}"), None)).await;
        changed(done(put(dora, None)).await);
        say(store, draft(group, dora, &format!("back {round}"), None)).await;
        done(store.mark(group, carl, None, None)).await;
        done(store.mark(group, bea, None, None)).await;
    }
    changed(done(put(emil, Some(Role::Admin))).await);
    changed(done(store.remove_member(Actor::Host, group, anna)).await);
    let title = Some(Some("Viewings of May".into()));
    changed(done(store.change_conversation(Actor::Host, group, title, None)).await);
    changed(done(store.change_conversation(Actor::Host, about.key, None, Some(false))).await);
    for number in 0..4 {
        let post = POSTS[number % 2].to_owned();
        done(store.add_comment(post, [dora, emil][number / 2], format!("comment\0 {number}"))).await;
    }
    if size == Size::Large {
        let busy = done(store.open_group(dora, None, vec![emil])).await.key;
        for round in 0..30 {
            let pending: Vec<_> = (0..1_000)
                .map(|number| {
                    let text = format!("{} {}", round * 1_000 + number, "lorem ipsum ".repeat(number % 20));
                    store.append(draft(
                        busy,
                        [dora, emil][number % 2],
                        &text,
                        Some(&format!("{round:02}-{number}")),
                    ))
                })
                .collect();
            for pending in pending {
                done(pending).await;
            }
            done(store.mark(busy, emil, None, None)).await;
        }
    }
}

/// What is made later, in the copy or in the source, is numbered behind what is there.
pub async fn go_on(store: &impl Store) {
    let new = done(store.put_user(id("newcomer"), UserPatch::default(), UserSource::Mention))
        .await
        .key;
    assert_eq!(new, UserKey(PEOPLE.len() as i64 + 1));
    let anna = store
        .user_by_id(&id("anna"))
        .await
        .expect("an answer")
        .expect("anna")
        .key;
    let (opened, is_new) = done(store.open_one_to_one(new, anna, None)).await;
    assert!(is_new);
    assert_eq!(say(store, draft(opened.key, new, "hello", None)).await, 1);
    let begun = done(store.begin_attachment(file_id(100), new, "later.jpg".into())).await;
    assert!(begun.key.0 > 6, "{begun:?}");
    done(store.put_listing(ListingId::parse("attic").expect("an id"), ListingPatch::default())).await;
    let comment = done(store.add_comment("post-3".into(), new, "first".into())).await;
    assert_eq!(comment.seq, 1);
    let direct = done(store.open_one_to_one(anna, UserKey(2), None)).await.0.key;
    let repeat = done(store.append(draft(direct, anna, "text 3", Some("direct-3")))).await;
    assert!(
        matches!(&repeat, Appended::Repeat(message) if message.seq == 4),
        "{repeat:?}"
    );
    assert_eq!(say(store, draft(direct, anna, "the next", None)).await, 7);
}

/// Everything that the store tells anybody, a line each.
pub async fn everything(store: &impl Store) -> String {
    let mut told = String::new();
    let mut tell = |what: &str, value: &dyn Debug| {
        writeln!(told, "{what}: {value:?}").expect("a text");
    };
    tell(
        "secret",
        &done(store.keep_setting("jwt_secret", "another".into())).await,
    );
    let loft = ListingId::parse("loft").expect("an id");
    tell("listing", &store.listing_by_id(&loft).await.expect("an answer"));
    for name in PEOPLE {
        let user = store.user_by_id(&id(name)).await.expect("an answer").expect("a user");
        tell("user", &user);
        let inbox = store.inbox(user.key, None, 100).await.expect("an answer");
        tell("has more", &inbox.has_more);
        for entry in &inbox.entries {
            tell("entry", entry);
        }
        for number in 1..=10 {
            let key = ConversationKey(number);
            tell("conversation", &store.conversation(key).await.expect("an answer"));
            let window = Window::Newest { limit: 1_000 };
            let history = store.history(key, user.key, window).await.expect("an answer");
            tell(
                "history",
                &history.as_ref().map(|history| (history.has_more, history.last_seq)),
            );
            for message in history.iter().flat_map(|history| &history.messages) {
                tell("message", message);
            }
            for name in ["nul-\0", "nul-1", "direct-3", "29-999", "never used"] {
                let found = store.find_sent(user.key, name, &[key]).await.expect("an answer");
                tell("sent", &found);
            }
        }
        tell("bytes", &store.attachment_bytes(user.key).await.expect("an answer"));
        for number in 1..=7 {
            let seen = store.attachment_for(&file_id(number), user.key).await;
            tell("attachment", &seen.expect("an answer"));
        }
        let mut conversations = store.conversations_of(user.key).await.expect("an answer");
        conversations.sort();
        tell("in", &conversations);
    }
    let unused = store.unused_attachments(Timestamp(i64::MAX), None, 100).await;
    tell("unused", &unused.expect("an answer"));
    for post in POSTS {
        let comments = store
            .comments(post, Window::Newest { limit: 100 })
            .await
            .expect("an answer");
        tell("comments", &comments);
    }
    told
}
