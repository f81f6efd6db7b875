//! Users and listings.

use super::*;
use crate::model::{ListingId, User, listing::ListingPatch};

fn named_patch(name: &str) -> UserPatch {
    UserPatch {
        name: Some(Some(name.to_owned())),
        ..UserPatch::default()
    }
}

async fn put(fixture: &Fixture, name: &str, source: UserSource) -> User {
    let put = fixture.store.put_user(user_id("anna"), named_patch(name), source);
    put.await.expect("a user")
}

fn claims(issued_at: i64) -> UserSource {
    UserSource::Claims {
        issued_at: Some(TestClock::START.plus_millis(issued_at)),
    }
}

pub async fn an_entry_is_made_once_and_found_again(fixture: Fixture) {
    let anna = fixture.user("anna").await;
    assert_eq!(fixture.user("anna").await, anna);
    let bea = fixture.user("bea").await;
    assert_ne!(anna, bea);
    assert_ne!(fixture.user("Anna").await, anna, "ids compare by bytes");
    let found = fixture.store.user_by_id(&user_id("anna")).await.unwrap().unwrap();
    assert_eq!((found.key, found.id.as_str()), (anna, "anna"));
    assert_eq!(fixture.store.user_by_id(&user_id("carl")).await.unwrap(), None);
    let mut keys: Vec<_> = fixture.store.users(&[bea, UserKey(999), anna]).await.unwrap();
    keys.sort_by_key(|user| user.key);
    assert_eq!(keys.iter().map(|user| user.key).collect::<Vec<_>>(), [anna, bea]);
}

pub async fn a_patch_keeps_what_it_leaves_out_and_empties_what_it_names(fixture: Fixture) {
    let full = UserPatch {
        name: Some(Some("Anna".into())),
        email: Some(Some("anna@example.org".into())),
        image: Some(Some("https://example.org/a.png".into())),
        role: Some(Some("agent".into())),
    };
    let before = fixture
        .store
        .put_user(user_id("anna"), full, UserSource::Host)
        .await
        .unwrap();
    assert_eq!(before.email.as_deref(), Some("anna@example.org"));
    let patch = UserPatch {
        image: Some(None),
        ..named_patch("Anna B.")
    };
    fixture
        .store
        .put_user(user_id("anna"), patch, UserSource::Host)
        .await
        .unwrap();
    let after = fixture.store.user_by_id(&user_id("anna")).await.unwrap().unwrap();
    assert_eq!(after.name.as_deref(), Some("Anna B."));
    assert_eq!(after.image, None);
    assert_eq!((after.email, after.role), (before.email, before.role));
}

pub async fn the_hosts_word_stands_against_older_tokens(fixture: Fixture) {
    assert_eq!(
        put(&fixture, "by token", claims(-5_000)).await.name.as_deref(),
        Some("by token")
    );
    let host = put(&fixture, "by host", UserSource::Host).await;
    assert_eq!(host.host_put_at, Some(TestClock::START));
    for source in [claims(-1), claims(0), UserSource::Claims { issued_at: None }] {
        assert_eq!(put(&fixture, "older", source).await.name.as_deref(), Some("by host"));
    }
    assert_eq!(put(&fixture, "newer", claims(1)).await.name.as_deref(), Some("newer"));
    // The clock goes back: the host's last word does not get older by that.
    fixture.clock.move_by(-10_000);
    assert_eq!(
        put(&fixture, "host again", UserSource::Host).await.host_put_at,
        Some(TestClock::START)
    );
    assert_eq!(
        put(&fixture, "older", claims(-1)).await.name.as_deref(),
        Some("host again")
    );
}

pub async fn newer_claims_win_over_older_ones_and_equal_ones_apply_again(fixture: Fixture) {
    let undated = UserSource::Claims { issued_at: None };
    assert_eq!(put(&fixture, "undated", undated).await.claims_issued_at, None);
    assert_eq!(
        put(&fixture, "undated again", undated).await.name.as_deref(),
        Some("undated again")
    );
    assert_eq!(put(&fixture, "at 5", claims(5)).await.name.as_deref(), Some("at 5"));
    assert_eq!(put(&fixture, "at 4", claims(4)).await.name.as_deref(), Some("at 5"));
    assert_eq!(put(&fixture, "undated", undated).await.name.as_deref(), Some("at 5"));
    assert_eq!(
        put(&fixture, "at 5 again", claims(5)).await.name.as_deref(),
        Some("at 5 again")
    );
    let last = put(&fixture, "at 6", claims(6)).await;
    assert_eq!(last.claims_issued_at, Some(TestClock::START.plus_millis(6)));
    assert_eq!(fixture.store.user_by_id(&user_id("anna")).await.unwrap(), Some(last));
}

pub async fn a_mention_makes_an_entry_and_changes_nothing(fixture: Fixture) {
    let made = put(&fixture, "made up", UserSource::Mention).await;
    assert_eq!((made.name, made.host_put_at, made.claims_issued_at), (None, None, None));
    put(&fixture, "Anna", UserSource::Host).await;
    assert_eq!(
        put(&fixture, "made up", UserSource::Mention).await.name.as_deref(),
        Some("Anna")
    );
}

pub async fn last_seen_only_rises(fixture: Fixture) {
    let anna = fixture.user("anna").await;
    for (at, expected) in [(5, 5), (9, 9), (7, 9)] {
        fixture.store.put_last_seen(anna, Timestamp(at)).await.unwrap();
        let found = fixture.store.user_by_id(&user_id("anna")).await.unwrap().unwrap();
        assert_eq!(found.last_seen_at, Some(Timestamp(expected)));
    }
}

pub async fn what_was_issued_before_the_end_of_all_sessions_counts_no_more(mut fixture: Fixture) {
    let bea = put(&fixture, "Anna", claims(-5)).await;
    assert!(bea.honours(None) && bea.honours(Some(Timestamp(0))));
    let (user, at) = fixture.store.end_sessions(user_id("anna")).await.unwrap();
    assert_eq!((user, at), (bea.key, TestClock::START));
    let told = fixture.news();
    assert!(
        matches!(told.last(), Some(Fact::SessionsEnded { user, at }) if (*user, *at) == (bea.key, TestClock::START)),
        "{told:?}"
    );
    let anna = fixture.store.user_by_id(&user_id("anna")).await.unwrap().unwrap();
    for (issued_at, counts) in [(None, false), (Some(-1), false), (Some(0), false), (Some(1), true)] {
        let issued_at = issued_at.map(|millis| TestClock::START.plus_millis(millis));
        assert_eq!(anna.honours(issued_at), counts, "{issued_at:?}");
    }
    // Who was shut out says no more what they are like.
    assert_eq!(put(&fixture, "Mallory", claims(0)).await.name.as_deref(), Some("Anna"));
    assert_eq!(
        put(&fixture, "Anna again", claims(1)).await.name.as_deref(),
        Some("Anna again")
    );
    // The clock goes back: nothing that was ended is opened by that.
    fixture.clock.move_by(-10_000);
    let (_, again) = fixture.store.end_sessions(user_id("anna")).await.unwrap();
    assert_eq!(again, TestClock::START);
    // Somebody whom nobody has met: their tokens may come yet.
    let (stranger, _) = fixture.store.end_sessions(user_id("stranger")).await.unwrap();
    let stranger = fixture.store.users(&[stranger]).await.unwrap().pop().unwrap();
    assert!(stranger.id == user_id("stranger") && !stranger.honours(None));
}

pub async fn a_listing_is_changed_and_found(fixture: Fixture) {
    let anna = fixture.user("anna").await;
    let id = ListingId::parse("flat-1").unwrap();
    let bare = fixture
        .store
        .put_listing(id.clone(), ListingPatch::default())
        .await
        .unwrap();
    assert_eq!((&bare.title, bare.owner), (&None, None));
    let patch = ListingPatch {
        title: Some(Some("Two rooms".into())),
        price: Some(Some("950".into())),
        owner: Some(Some(anna)),
        ..ListingPatch::default()
    };
    let full = fixture.store.put_listing(id.clone(), patch).await.unwrap();
    assert_eq!(
        (full.key, full.owner, full.title.as_deref()),
        (bare.key, Some(anna), Some("Two rooms"))
    );
    assert_eq!(
        fixture
            .store
            .put_listing(id.clone(), ListingPatch::default())
            .await
            .unwrap(),
        full
    );
    let patch = ListingPatch {
        title: Some(None),
        ..ListingPatch::default()
    };
    fixture.store.put_listing(id.clone(), patch).await.unwrap();
    let found = fixture.store.listing_by_id(&id).await.unwrap().unwrap();
    assert_eq!(
        (&found.title, found.price.as_deref(), found.owner),
        (&None, Some("950"), Some(anna))
    );
    assert_eq!(fixture.store.listings(&[bare.key]).await.unwrap(), [found]);
    let other = ListingId::parse("flat-2").unwrap();
    assert_eq!(fixture.store.listing_by_id(&other).await.unwrap(), None);
}
