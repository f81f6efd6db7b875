//! Files that messages carry.

use std::collections::BTreeSet;

use super::*;
use crate::{
    model::{
        Attachment, AttachmentId, AttachmentKey, FileFacts, MediaKind, MediaType,
        attachment::{ExternalFile, Rendition, Source, Upload},
    },
    store::{Completed, DraftAttachment},
};

fn id(number: u128) -> AttachmentId {
    AttachmentId::of_random(number << 64 | number)
}

fn facts(size: u64) -> FileFacts {
    FileFacts {
        media_type: MediaType::Webm,
        size,
        width: Some(1_920),
        height: Some(1_080),
        duration_ms: Some(61_500),
        thumbnail: Some(Rendition {
            media_type: MediaType::Jpeg,
            width: 480,
            height: 270,
        }),
        poster: Some(Rendition {
            media_type: MediaType::Png,
            width: 1_920,
            height: 1_080,
        }),
        preview: Some("data:image/png;base64,AAAA".into()),
    }
}

fn plain(size: u64) -> FileFacts {
    FileFacts {
        media_type: MediaType::Pdf,
        size,
        width: None,
        height: None,
        duration_ms: None,
        thumbnail: None,
        poster: None,
        preview: None,
    }
}

fn carrying(conversation: ConversationKey, sender: UserKey, attachments: &[&Attachment]) -> Draft {
    let attachments = attachments
        .iter()
        .map(|attachment| DraftAttachment::Uploaded(attachment.key));
    Draft {
        kind: MessageKind::File,
        attachments: attachments.collect(),
        ..draft(conversation, sender, "")
    }
}

impl Fixture {
    async fn begin(&self, owner: UserKey, number: u128) -> Upload {
        let begun = self.store.begin_attachment(id(number), owner, "plan\0 é.pdf".into());
        begun.await.expect("a row")
    }

    async fn complete(&self, key: AttachmentKey, facts: FileFacts, quota: Option<u64>) -> Completed {
        self.store
            .complete_attachment(key, facts, quota)
            .await
            .expect("an answer")
    }

    async fn upload(&self, owner: UserKey, number: u128, facts: FileFacts) -> Attachment {
        let upload = self.begin(owner, number).await;
        match self.complete(upload.key, facts, None).await {
            Completed::Ready(attachment) => attachment,
            other => panic!("not ready: {other:?}"),
        }
    }

    async fn discard(&self, key: AttachmentKey) -> bool {
        self.store.discard_attachment(key).await.expect("an answer")
    }

    async fn bytes(&self, owner: UserKey) -> u64 {
        self.store.attachment_bytes(owner).await.expect("an answer")
    }

    async fn seen_by(&self, viewer: UserKey, attachment: &Attachment) -> Option<Option<ConversationKey>> {
        let found = self
            .store
            .attachment_for(&attachment.id, viewer)
            .await
            .expect("an answer");
        found.map(|(found, place)| {
            assert_eq!(&found, attachment);
            place
        })
    }

    async fn unused(&self, before: Timestamp) -> Vec<AttachmentKey> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .store
                .unused_attachments(before, after, 2)
                .await
                .expect("an answer");
            let Some(last) = page.last() else { return all };
            after = Some((last.created_at, last.key));
            all.extend(page.iter().map(|upload| upload.key));
        }
    }
}

pub async fn a_file_can_be_sent_when_it_is_whole_and_not_before(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let upload = fixture.begin(anna, 1).await;
    assert_eq!((upload.owner, upload.name.as_str()), (anna, "plan\0 é.pdf"));
    let early = Draft {
        attachments: vec![DraftAttachment::Uploaded(upload.key)],
        ..draft(direct, anna, "")
    };
    let found = fixture.store.attachments_by_id(&[id(1)]).await.unwrap();
    assert!(found.is_empty());
    fixture.news();
    assert!(matches!(fixture.append(early).await, Appended::NoSuchAttachment));
    let Completed::Ready(attachment) = fixture.complete(upload.key, facts(1_234), None).await else {
        panic!("it is not ready");
    };
    assert_eq!(attachment.source, Source::Stored(facts(1_234)));
    assert_eq!(
        (attachment.key, attachment.id.clone(), attachment.owner),
        (upload.key, id(1), anna)
    );
    assert_eq!(
        fixture.store.attachments_by_id(&[id(2), id(1)]).await.unwrap(),
        std::slice::from_ref(&attachment)
    );
    assert!(fixture.news().is_empty());
    let message = stored(fixture.append(carrying(direct, anna, &[&attachment])).await);
    assert_eq!((message.seq, &message.attachments[..]), (1, &[attachment.clone()][..]));
    assert!(matches!(&fixture.news()[..], [Fact::MessageStored { message: news, .. }] if *news == message));
    // Once more under its key: nothing changes, and nothing is counted twice.
    assert!(matches!(
        fixture.complete(upload.key, plain(9), None).await,
        Completed::Discarded
    ));
    assert_eq!(fixture.bytes(anna).await, 1_234);
    fixture.reopen().await;
    assert_eq!(fixture.history(direct, bea).await, [(*message).clone()]);
}

pub async fn every_way_of_reading_a_message_brings_its_files(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.say(direct, bea, "show me").await;
    let first = fixture.upload(anna, 1, facts(1)).await;
    let second = fixture.upload(anna, 2, plain(2)).await;
    let named_draft = Draft {
        client_message_id: Some("c".into()),
        ..carrying(direct, anna, &[&second, &first])
    };
    let message = stored(fixture.append(named_draft.clone()).await);
    assert_eq!(
        message.attachments[..],
        [second.clone(), first.clone()],
        "in the sender's order"
    );
    fixture.say(direct, bea, "thanks").await;
    let one_more = stored(fixture.append(carrying(direct, anna, &[&first])).await);
    let history = fixture.history(direct, bea).await;
    assert_eq!(history[1], *message);
    assert_eq!(history[3], *one_more);
    assert!(history[0].attachments.is_empty() && history[2].attachments.is_empty());
    let found = fixture.store.message(direct, bea, 2).await.unwrap();
    assert_eq!(found.as_ref(), Some(&*message));
    let mut told = fixture
        .store
        .messages(&[(direct, 4), (direct, 2), (direct, 1)])
        .await
        .unwrap();
    told.sort_by_key(|message| message.seq);
    assert_eq!(told[1..], [(*message).clone(), (*one_more).clone()]);
    assert_eq!(fixture.entry(direct, bea).await.last_message.as_ref(), Some(&*one_more));
    let inbox = fixture.store.inbox(bea, None, 10).await.unwrap();
    assert_eq!(inbox.entries[0].last_message.as_ref(), Some(&*one_more));
    assert_eq!(repeated(fixture.append(named_draft).await), message);
}

pub async fn nobody_sends_anothers_file_and_refusals_leave_nothing(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let (annas, beas) = (
        fixture.upload(anna, 1, plain(1)).await,
        fixture.upload(bea, 2, plain(2)).await,
    );
    fixture.news();
    let external = DraftAttachment::External {
        id: id(9),
        name: "a.jpg".into(),
        file: external_file(),
    };
    for refused in [
        carrying(direct, anna, &[&beas]),
        carrying(direct, anna, &[&annas, &beas]),
        Draft {
            attachments: vec![external, DraftAttachment::Uploaded(AttachmentKey(987_654))],
            ..draft(direct, anna, "")
        },
    ] {
        assert!(matches!(fixture.append(refused).await, Appended::NoSuchAttachment));
    }
    assert!(fixture.news().is_empty());
    assert!(fixture.seen(direct, anna).await.is_empty());
    assert!(fixture.store.attachments_by_id(&[id(9)]).await.unwrap().is_empty());
    let later = fixture.clock.move_by(1);
    assert_eq!(
        fixture.unused(later).await,
        [annas.key, beas.key],
        "both may still be given up"
    );
}

fn external_file() -> ExternalFile {
    ExternalFile {
        url: "https://images.example.com/a.jpg".into(),
        kind: MediaKind::Image,
        size: Some(7),
        file_type: Some("image/jpeg".into()),
    }
}

pub async fn a_file_elsewhere_comes_with_its_message_and_counts_for_nobody(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let untold = ExternalFile {
        size: None,
        file_type: None,
        ..external_file()
    };
    let attachments = [(id(1), external_file()), (id(2), untold)];
    let sent = Draft {
        kind: MessageKind::Image,
        attachments: attachments
            .iter()
            .map(|(id, file)| DraftAttachment::External {
                id: id.clone(),
                name: "a.jpg".into(),
                file: file.clone(),
            })
            .collect(),
        ..draft(direct, anna, "")
    };
    let message = stored(fixture.append(sent).await);
    for (attachment, (id, file)) in message.attachments.iter().zip(&attachments) {
        assert_eq!(
            (&attachment.id, attachment.owner, attachment.name.as_str()),
            (id, anna, "a.jpg")
        );
        assert_eq!(attachment.source, Source::External(file.clone()));
    }
    assert_eq!(fixture.history(direct, bea).await, [(*message).clone()]);
    assert_eq!(fixture.bytes(anna).await, 0);
    assert!(!fixture.discard(message.attachments[0].key).await);
    assert_eq!(fixture.seen_by(bea, &message.attachments[0]).await, Some(Some(direct)));
}

pub async fn a_file_is_seen_where_its_messages_are_and_by_its_owner(fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl]).await;
    let direct = fixture.direct(anna, dora).await;
    let file = fixture.upload(anna, 1, plain(1)).await;
    assert_eq!(fixture.seen_by(anna, &file).await, Some(None));
    assert_eq!(fixture.seen_by(bea, &file).await, None);
    fixture.leave(group, carl).await;
    stored(fixture.append(carrying(group, anna, &[&file])).await);
    assert_eq!(fixture.seen_by(bea, &file).await, Some(Some(group)));
    assert_eq!(fixture.seen_by(carl, &file).await, None, "it came after");
    assert_eq!(fixture.seen_by(dora, &file).await, None, "she is not there");
    stored(fixture.append(carrying(direct, anna, &[&file])).await);
    assert_eq!(fixture.seen_by(dora, &file).await, Some(Some(direct)));
    done(fixture.put_member(Actor::User(anna), group, carl).await);
    assert_eq!(fixture.seen_by(carl, &file).await, None, "nothing of the time between");
    stored(fixture.append(carrying(group, anna, &[&file])).await);
    assert_eq!(fixture.seen_by(carl, &file).await, Some(Some(group)));
    fixture.leave(group, bea).await;
    assert_eq!(
        fixture.seen_by(bea, &file).await,
        Some(Some(group)),
        "the history up to then"
    );
    fixture.leave(group, anna).await;
    assert_eq!(fixture.seen_by(anna, &file).await, Some(None));
}

pub async fn what_was_given_up_is_never_sent_and_what_was_sent_never_given_up(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let kept = fixture.upload(anna, 1, plain(10)).await;
    let given_up = fixture.upload(anna, 2, plain(20)).await;
    let half = fixture.begin(anna, 3).await;
    assert_eq!(fixture.bytes(anna).await, 30);
    stored(fixture.append(carrying(direct, anna, &[&kept])).await);
    assert!(!fixture.discard(kept.key).await);
    for _ in 0..2 {
        assert!(fixture.discard(given_up.key).await && fixture.discard(half.key).await);
        assert_eq!(fixture.bytes(anna).await, 10, "counted back once");
    }
    assert!(matches!(
        fixture.append(carrying(direct, anna, &[&given_up])).await,
        Appended::NoSuchAttachment
    ));
    assert!(matches!(
        fixture.complete(half.key, plain(1), None).await,
        Completed::Discarded
    ));
    assert_eq!(fixture.seen_by(anna, &given_up).await, None);
    for key in [kept.key, given_up.key, half.key, AttachmentKey(987_654)] {
        fixture.store.forget_attachment(key).await.unwrap();
        fixture.store.forget_attachment(key).await.unwrap();
    }
    assert!(!fixture.discard(half.key).await, "it is forgotten");
    assert!(fixture.unused(Timestamp(i64::MAX)).await.is_empty());
    assert_eq!(fixture.history(direct, bea).await[0].attachments[..], [kept]);
    // Keys of forgotten rows are not given again: who still holds one touches nobody else's upload.
    let next = fixture.begin(anna, 4).await;
    assert!(next.key > half.key);
}

pub async fn sending_and_giving_up_at_once_leaves_one_of_the_two(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let mut racing = Vec::new();
    for number in 0..60 {
        let file = fixture.upload(anna, number, plain(1)).await;
        let send = || fixture.store.append(carrying(direct, anna, &[&file]));
        let give_up = || fixture.store.discard_attachment(file.key);
        racing.push(match number % 2 {
            0 => {
                let given_up = give_up();
                (file.clone(), send(), given_up)
            }
            _ => (file.clone(), send(), give_up()),
        });
    }
    let mut sent = 0;
    for (file, appended, given_up) in racing {
        let appended = appended.await.unwrap();
        let was_sent = matches!(appended, Appended::Stored(_));
        assert_ne!(was_sent, given_up.await.unwrap(), "{file:?}: {appended:?}");
        assert_eq!(fixture.seen_by(bea, &file).await.is_some(), was_sent);
        sent += u64::from(was_sent);
    }
    assert_eq!(fixture.bytes(anna).await, sent);
    let history = fixture.history(direct, bea).await;
    assert!(history.iter().all(|message| message.attachments.len() == 1));
    assert_eq!(history.len() as u64, sent);
}

pub async fn two_uploads_that_finish_together_do_not_share_the_same_room(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let mut finishing = Vec::new();
    for number in 0..20 {
        let upload = fixture.begin(anna, number).await;
        finishing.push(fixture.store.complete_attachment(upload.key, plain(10), Some(75)));
    }
    let mut ready = 0;
    for finishing in finishing {
        match finishing.await.unwrap() {
            Completed::Ready(_) => ready += 1,
            Completed::OverQuota => {}
            Completed::Discarded => panic!("nobody gave it up"),
        }
    }
    assert_eq!((ready, fixture.bytes(anna).await, fixture.bytes(bea).await), (7, 70, 0));
}

pub async fn unused_uploads_are_found_in_pages_from_the_oldest(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let mut expected = BTreeSet::new();
    for number in 0..7 {
        let upload = fixture.begin(anna, number).await;
        if number % 3 == 0 {
            let Completed::Ready(file) = fixture.complete(upload.key, plain(1), None).await else {
                panic!("it is not ready");
            };
            if number == 3 {
                stored(fixture.append(carrying(direct, anna, &[&file])).await);
                continue;
            }
        }
        expected.insert(upload.key);
        if number % 2 == 0 {
            fixture.clock.move_by(5);
        }
    }
    let now = fixture.clock.move_by(1);
    fixture.begin(bea, 100).await;
    let found = fixture.unused(now).await;
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    assert!(fixture.unused(TestClock::START).await.is_empty());
}

pub async fn each_departure_is_counted(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl]).await;
    assert_eq!(fixture.conversation(group).await.departures, 0);
    let removed = done(fixture.remove(Actor::User(anna), group, bea).await);
    assert_eq!(removed.departures, 1);
    let back = done(fixture.put_member(Actor::User(anna), group, bea).await);
    assert_eq!(back.departures, 1);
    assert!(matches!(
        fixture.remove(Actor::User(bea), group, carl).await,
        Changed::Forbidden
    ));
    assert_eq!(fixture.conversation(group).await.departures, 1);
    fixture.leave(group, bea).await;
    assert_eq!(fixture.conversation(group).await.departures, 2);
    assert_eq!(fixture.entry(group, carl).await.conversation.departures, 2);
}

pub async fn texts_and_files_of_one_conversation_keep_the_order_of_their_calls(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let file = fixture.upload(anna, 1, plain(1)).await;
    let mut pending = Vec::new();
    for number in 0..60 {
        let next = match number % 7 {
            3 => carrying(direct, anna, &[&file]),
            _ => draft(direct, if number % 2 == 0 { anna } else { bea }, &number.to_string()),
        };
        pending.push(fixture.store.append(next));
    }
    for (number, pending) in pending.into_iter().enumerate() {
        let message = stored(pending.await.unwrap());
        assert_eq!(message.seq, number as i64 + 1);
        assert_eq!(message.attachments.len(), usize::from(number % 7 == 3));
    }
}
