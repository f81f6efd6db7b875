//! Pages of a history.

use super::*;
use crate::store::History;

async fn page(fixture: &Fixture, conversation: ConversationKey, viewer: UserKey, window: Window) -> History {
    fixture
        .store
        .history(conversation, viewer, window)
        .await
        .unwrap()
        .unwrap()
}

/// Walks over everything in pages, backward and forward, with several limits.
async fn assert_pages(fixture: &Fixture, conversation: ConversationKey, viewer: UserKey, expected: &[Seq]) {
    for limit in [1, 2, 3, 7, 100] {
        let mut window = Window::Newest { limit };
        let mut backward = Vec::new();
        loop {
            let page = page(fixture, conversation, viewer, window).await;
            assert_eq!(page.last_seq, expected.last().copied().unwrap_or(0));
            let mut seqs = seqs(&page.messages);
            assert!(seqs.len() <= limit && seqs.is_sorted());
            assert_eq!(page.has_more, backward.len() + seqs.len() < expected.len());
            let Some(first) = seqs.first().copied() else { break };
            seqs.append(&mut backward);
            backward = seqs;
            window = Window::Before { seq: first, limit };
        }
        assert_eq!(backward, expected, "backward by {limit}");
        let mut forward = Vec::new();
        loop {
            let seq = forward.last().copied().unwrap_or(0);
            let page = page(fixture, conversation, viewer, Window::After { seq, limit }).await;
            forward.extend(seqs(&page.messages));
            assert_eq!(page.has_more, forward.len() < expected.len());
            if !page.has_more {
                break;
            }
        }
        assert_eq!(forward, expected, "forward by {limit}");
    }
}

pub async fn pages_go_back_and_forth_without_a_hole(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    assert_pages(&fixture, direct, anna, &[]).await;
    for _ in 0..20 {
        fixture.say(direct, anna, "hello").await;
    }
    assert_pages(&fixture, direct, bea, &(1..=20).collect::<Vec<_>>()).await;
    let limit = 5;
    for (window, expected, has_more) in [
        (Window::Before { seq: 4, limit }, vec![1, 2, 3], false),
        (Window::Before { seq: 1, limit }, vec![], false),
        (Window::Before { seq: -9, limit }, vec![], false),
        (Window::Before { seq: Seq::MAX, limit }, vec![16, 17, 18, 19, 20], true),
        (Window::After { seq: 20, limit }, vec![], false),
        (Window::After { seq: Seq::MAX, limit }, vec![], false),
        (Window::After { seq: -9, limit }, vec![1, 2, 3, 4, 5], true),
        (Window::Newest { limit: 0 }, vec![], true),
    ] {
        let page = page(&fixture, direct, bea, window).await;
        assert_eq!(
            (seqs(&page.messages), page.has_more),
            (expected, has_more),
            "{window:?}"
        );
    }
}

pub async fn pages_step_over_what_was_not_seen(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[carl]).await;
    let mut expected = Vec::new();
    for round in 0..4 {
        for _ in 0..3 {
            fixture.say(group, anna, "unseen").await;
        }
        done(fixture.put_member(Actor::User(anna), group, bea).await);
        for _ in 0..=round {
            expected.push(fixture.say(group, carl, "seen").await.seq);
        }
        fixture.leave(group, bea).await;
    }
    fixture.say(group, anna, "unseen").await;
    assert_pages(&fixture, group, bea, &expected).await;
    done(fixture.put_member(Actor::User(anna), group, bea).await);
    assert_pages(&fixture, group, bea, &expected).await;
    for seq in 1..=30 {
        let seen = fixture.store.message(group, bea, seq).await.unwrap();
        assert_eq!(seen.is_some(), expected.contains(&seq), "{seq}");
    }
}

pub async fn a_stranger_has_no_history(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.say(direct, anna, "secret").await;
    let window = Window::Newest { limit: 50 };
    assert!(fixture.store.history(direct, carl, window).await.unwrap().is_none());
    assert!(
        fixture
            .store
            .history(ConversationKey(999), anna, window)
            .await
            .unwrap()
            .is_none()
    );
    assert!(fixture.store.entry(direct, carl).await.unwrap().is_none());
    assert!(fixture.store.inbox(carl, None, 50).await.unwrap().entries.is_empty());
}

pub async fn one_message_is_seen_by_those_who_may(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let message = fixture.say(direct, anna, "hello").await;
    for (viewer, seq, seen) in [
        (anna, 1, true),
        (bea, 1, true),
        (carl, 1, false),
        (bea, 2, false),
        (bea, 0, false),
    ] {
        let found = fixture.store.message(direct, viewer, seq).await.unwrap();
        assert_eq!(found.as_ref(), seen.then_some(&*message));
    }
}
