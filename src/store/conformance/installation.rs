//! Comments, settings, and the store as a whole.

use super::*;
use crate::store::StoreError;

pub async fn comments_are_numbered_under_their_post(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let mut latest = TestClock::START;
    for (seq, author) in [(1, anna), (2, bea), (3, anna)] {
        fixture.clock.move_by(if seq == 2 { -1_000 } else { 10 });
        let comment = fixture
            .store
            .add_comment("post".into(), author, format!("comment {seq}"))
            .await
            .unwrap();
        assert_eq!(
            (comment.seq, comment.author, comment.text.as_str()),
            (seq, author, &*format!("comment {seq}"))
        );
        assert!(comment.created_at >= latest);
        latest = comment.created_at;
        assert!(matches!(&fixture.news()[..], [Fact::CommentAdded(post_id)] if *post_id == comment.post_id));
    }
    assert_eq!(
        fixture
            .store
            .add_comment("other post, é".into(), bea, "x".into())
            .await
            .unwrap()
            .seq,
        1
    );
    let page = fixture
        .store
        .comments("post", Window::Newest { limit: 50 })
        .await
        .unwrap();
    assert_eq!(
        page.comments.iter().map(|comment| comment.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let unknown = fixture
        .store
        .comments("no such post", Window::Newest { limit: 50 })
        .await
        .unwrap();
    assert!(unknown.comments.is_empty() && !unknown.has_more);
}

pub async fn comments_are_paged(fixture: Fixture) {
    let anna = fixture.user("anna").await;
    for number in 1..=9 {
        fixture
            .store
            .add_comment("post".into(), anna, number.to_string())
            .await
            .unwrap();
    }
    let limit = 4;
    for (window, expected, has_more) in [
        (Window::Newest { limit }, vec![6, 7, 8, 9], true),
        (Window::Before { seq: 6, limit }, vec![2, 3, 4, 5], true),
        (Window::Before { seq: 2, limit }, vec![1], false),
        (Window::After { seq: 0, limit }, vec![1, 2, 3, 4], true),
        (Window::After { seq: 5, limit }, vec![6, 7, 8, 9], false),
        (Window::After { seq: 9, limit }, vec![], false),
    ] {
        let page = fixture.store.comments("post", window).await.unwrap();
        let seqs: Vec<_> = page.comments.iter().map(|comment| comment.seq).collect();
        assert_eq!((seqs, page.has_more), (expected, has_more), "{window:?}");
    }
}

pub async fn a_setting_is_kept_once(fixture: Fixture) {
    assert_eq!(
        fixture.store.keep_setting("secret", "first".into()).await.unwrap(),
        "first"
    );
    assert_eq!(
        fixture.store.keep_setting("secret", "second".into()).await.unwrap(),
        "first"
    );
    assert_eq!(
        fixture.store.keep_setting("other", "third".into()).await.unwrap(),
        "third"
    );
}

pub async fn a_healthy_store_says_so(mut fixture: Fixture) {
    fixture.store.check().await.unwrap();
    fixture.store.check().await.unwrap();
    assert!(fixture.news().is_empty());
}

pub async fn what_was_queued_before_closing_is_stored(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.news();
    let pending: Vec<_> = (0..300)
        .map(|_| fixture.store.append(draft(direct, anna, "hello")))
        .collect();
    tokio::join!(fixture.store.close(), fixture.store.close());
    for (place, outcome) in pending.into_iter().enumerate() {
        assert_eq!(stored(outcome.await.unwrap()).seq, place as Seq + 1);
    }
    assert_eq!(fixture.news().len(), 300);
}

pub async fn a_closed_store_refuses(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.store.close().await;
    let write = fixture.store.append(draft(direct, anna, "hello")).await;
    assert!(matches!(write, Err(StoreError::Closed)));
    let read = fixture.store.conversation(direct).await;
    assert!(matches!(read, Err(StoreError::Closed)));
    assert!(matches!(fixture.store.check().await, Err(StoreError::Closed)));
}
