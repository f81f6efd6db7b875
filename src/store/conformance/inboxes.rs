//! Somebody's list of conversations.

use super::*;
use crate::store::InboxCursor;

async fn keys(fixture: &Fixture, viewer: UserKey) -> Vec<ConversationKey> {
    let inbox = fixture.store.inbox(viewer, None, 1_000).await.unwrap();
    assert!(!inbox.has_more);
    inbox.entries.iter().map(|entry| entry.conversation.key).collect()
}

pub async fn the_newest_activity_comes_first(fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let with_bea = fixture.direct(anna, bea).await;
    fixture.clock.move_by(1);
    let with_carl = fixture.direct(carl, anna).await;
    fixture.clock.move_by(1);
    let group = fixture.group(dora, &[anna]).await;
    assert_eq!(keys(&fixture, anna).await, [group, with_carl, with_bea]);
    fixture.clock.move_by(1);
    fixture.say(with_bea, bea, "hello").await;
    assert_eq!(keys(&fixture, anna).await, [with_bea, group, with_carl]);
    fixture.clock.move_by(1);
    // Neither a mark nor a title is activity.
    advanced(fixture.mark(with_bea, anna, None).await);
    done(
        fixture
            .store
            .change_conversation(Actor::Host, with_carl, Some(Some("T".into())), None)
            .await
            .unwrap(),
    );
    assert_eq!(keys(&fixture, anna).await, [with_bea, group, with_carl]);
    assert_eq!(keys(&fixture, dora).await, [group]);
}

pub async fn who_joins_late_finds_the_group_among_the_newest(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.say(group, anna, "before Carl").await;
    fixture.clock.move_by(1);
    let direct = fixture.direct(anna, carl).await;
    fixture.say(direct, anna, "hello").await;
    let joined_at = fixture.clock.move_by(1);
    done(fixture.put_member(Actor::User(anna), group, carl).await);
    assert_eq!(fixture.entry(group, carl).await.activity_at, joined_at);
    assert_eq!(keys(&fixture, carl).await, [group, direct]);
    assert_eq!(
        keys(&fixture, anna).await,
        [direct, group],
        "nothing moves for who was there"
    );
    // Gone without having seen a word: it stays where it came in.
    fixture.clock.move_by(1);
    fixture.leave(group, carl).await;
    fixture.clock.move_by(1);
    fixture.say(group, anna, "after Carl").await;
    assert_eq!(fixture.entry(group, carl).await.activity_at, joined_at);
}

pub async fn pages_of_a_list_hold_each_conversation_once(fixture: Fixture) {
    let anna = fixture.user("anna").await;
    let mut all = Vec::new();
    for number in 0..23 {
        let other = fixture.user(&format!("other-{number}")).await;
        all.push(fixture.direct(anna, other).await);
        // Several at the same moment: their order is by key.
        if number % 4 == 0 {
            fixture.clock.move_by(1);
        }
    }
    for conversation in all.iter().step_by(3) {
        fixture.say(*conversation, anna, "hello").await;
    }
    let whole = keys(&fixture, anna).await;
    assert_eq!(whole.len(), 23);
    for limit in [1, 4, 5, 22, 23, 24] {
        let mut cursor = None;
        let mut paged = Vec::new();
        loop {
            let page = fixture.store.inbox(anna, cursor, limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            paged.extend(page.entries.iter().map(|entry| entry.conversation.key));
            assert_eq!(page.has_more, paged.len() < 23);
            if !page.has_more {
                break;
            }
            cursor = page.entries.last().map(|entry| InboxCursor {
                activity_at: entry.activity_at,
                conversation: entry.conversation.key,
            });
        }
        assert_eq!(paged, whole, "by {limit}");
    }
}

pub async fn a_conversation_that_was_left_stays_where_it_was(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let left = fixture.group(anna, &[bea]).await;
    let last = fixture.say(left, anna, "last that Bea sees").await;
    fixture.clock.move_by(1);
    let other = fixture.direct(bea, carl).await;
    fixture.leave(left, bea).await;
    let left_at = fixture.clock.move_by(1).plus_millis(-1);
    fixture.say(left, anna, "unseen").await;
    assert_eq!(keys(&fixture, bea).await, [other, left]);
    assert_eq!(
        fixture.entry(left, bea).await.updated_at,
        left_at,
        "what came later is not told"
    );
    let entry = fixture.entry(left, bea).await;
    assert_eq!(
        (entry.last_message, entry.activity_at),
        (Some((*last).clone()), last.created_at)
    );
    // Back again: still what Bea saw last, until something new comes.
    done(fixture.put_member(Actor::User(anna), left, bea).await);
    assert_eq!(keys(&fixture, bea).await, [other, left]);
    assert_eq!(fixture.entry(left, bea).await.activity_at, last.created_at);
    let new = fixture.say(left, anna, "seen").await;
    assert_eq!(keys(&fixture, bea).await, [left, other]);
    assert_eq!(fixture.entry(left, bea).await.activity_at, new.created_at);
}

pub async fn an_entry_tells_what_its_viewer_may_know(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let empty = fixture.entry(direct, bea).await;
    assert!(empty.last_message.is_none());
    assert_eq!((empty.activity_at, empty.unread), (TestClock::START, 0));
    assert_eq!(empty.last_read_at, [None, None]);
    let at = fixture.clock.move_by(10);
    let message = fixture.say(direct, anna, "hello").await;
    let read_at = fixture.clock.move_by(10);
    let before = fixture.entry(direct, bea).await;
    assert_eq!((before.activity_at, before.updated_at, before.unread), (at, at, 1));
    assert_eq!(before.last_message.as_ref(), Some(&*message));
    advanced(fixture.mark(direct, bea, None).await);
    let after = fixture.entry(direct, anna).await;
    assert_eq!(after.last_read_at, [None, Some(read_at)]);
    assert_eq!((after.activity_at, after.unread), (at, 0));
    assert_eq!(after.last_message.unwrap().read_at, Some(read_at));
    assert_eq!(after.conversation, fixture.conversation(direct).await);
    let inbox = fixture.store.inbox(anna, None, 1).await.unwrap();
    assert_eq!(inbox.entries[0].last_read_at, [None, Some(read_at)]);
}

pub async fn unread_freezes_at_leaving_and_starts_anew(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    for sender in [anna, bea, anna, anna] {
        fixture.say(group, sender, "hello").await;
    }
    advanced(fixture.mark(group, bea, Some(1)).await);
    fixture.leave(group, bea).await;
    fixture.say(group, anna, "unseen").await;
    assert_eq!(fixture.unread(group, bea).await, 2);
    done(fixture.put_member(Actor::User(anna), group, bea).await);
    assert_eq!(fixture.unread(group, bea).await, 0);
    fixture.say(group, bea, "own").await;
    fixture.say(group, anna, "new").await;
    assert_eq!(fixture.unread(group, bea).await, 1);
}
