//! Which conversation, and its title and whether it is open.

use super::*;
use crate::model::{ConversationId, ListingId, ListingKey, Role, conversation::Shape, listing::ListingPatch};

async fn listing(fixture: &Fixture, id: &str) -> ListingKey {
    let put = fixture
        .store
        .put_listing(ListingId::parse(id).unwrap(), ListingPatch::default());
    put.await.unwrap().key
}

pub async fn two_people_have_one_conversation_a_listing_and_one_without(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let flat = listing(&fixture, "flat").await;
    let house = listing(&fixture, "house").await;
    let mut keys = Vec::new();
    for about in [None, Some(flat), Some(house)] {
        let (conversation, made) = fixture.store.open_one_to_one(anna, bea, about).await.unwrap();
        assert!(made);
        let shape = Shape::OneToOne {
            asker: anna,
            asked: bea,
            listing: about,
        };
        assert_eq!((conversation.shape, conversation.is_active), (shape, true));
        assert_eq!(conversation.created_at, TestClock::START);
        keys.push(conversation.key);
    }
    let (other, made) = fixture.store.open_one_to_one(carl, bea, Some(flat)).await.unwrap();
    assert!(made && !keys.contains(&other.key));
    keys.dedup();
    assert_eq!(keys.len(), 3);
    let opened: Vec<_> = fixture
        .news()
        .into_iter()
        .filter(|fact| matches!(fact, Fact::Opened(_)))
        .collect();
    assert_eq!(opened.len(), 4);
}

pub async fn whoever_asks_again_finds_what_the_other_opened(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let flat = listing(&fixture, "flat").await;
    let (first, _) = fixture.store.open_one_to_one(anna, bea, Some(flat)).await.unwrap();
    fixture.news();
    for (asker, asked) in [(bea, anna), (anna, bea)] {
        let (again, made) = fixture.store.open_one_to_one(asker, asked, Some(flat)).await.unwrap();
        assert!(!made);
        assert_eq!(again, first, "who asked first stays the asker");
    }
    assert!(fixture.news().is_empty());
}

pub async fn the_most_recently_active_of_a_pair_comes_first(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let flat = listing(&fixture, "flat").await;
    let direct = fixture.direct(anna, bea).await;
    fixture.clock.move_by(1);
    let about_flat = fixture
        .store
        .open_one_to_one(bea, anna, Some(flat))
        .await
        .unwrap()
        .0
        .key;
    fixture.direct(anna, carl).await;
    fixture.group(anna, &[bea]).await;
    assert_eq!(
        fixture.store.one_to_ones(anna, bea).await.unwrap(),
        [about_flat, direct]
    );
    fixture.clock.move_by(1);
    fixture.say(direct, anna, "hello").await;
    assert_eq!(
        fixture.store.one_to_ones(bea, anna).await.unwrap(),
        [direct, about_flat]
    );
    assert_eq!(fixture.store.one_to_ones(bea, carl).await.unwrap(), []);
}

pub async fn a_group_begins_with_its_creator_as_admin(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture
        .store
        .open_group(bea, Some("Viewing".into()), vec![carl, anna])
        .await
        .unwrap();
    let members: Vec<_> = group.members.iter().map(|member| (member.user, member.role)).collect();
    assert_eq!(
        members,
        [(bea, Role::Admin), (carl, Role::Member), (anna, Role::Member)]
    );
    assert!(group.is_group() && group.title.as_deref() == Some("Viewing"));
    assert!(
        group
            .members
            .iter()
            .all(|member| member.joined_at == TestClock::START && member.left_at.is_none())
    );
    assert_eq!(fixture.conversation(group.key).await, group);
    assert!(matches!(&fixture.news()[..], [Fact::Opened(news)] if *news == group));
    let alone = fixture.store.open_group(bea, None, vec![anna]).await.unwrap();
    assert_ne!(alone.key, group.key, "groups are as many as are made");
}

pub async fn a_conversation_is_found_by_its_id_and_nothing_else_is(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let (made, _) = fixture.store.open_one_to_one(anna, bea, None).await.unwrap();
    assert_eq!(made.id.as_str().len(), 26);
    assert_eq!(made.id.as_str(), made.id.as_str().to_lowercase());
    assert_eq!(
        fixture.store.conversation_by_id(&made.id).await.unwrap(),
        Some(made.clone())
    );
    let upper = ConversationId::trusted(made.id.as_str().to_uppercase());
    assert_eq!(fixture.store.conversation_by_id(&upper).await.unwrap(), None);
    assert_eq!(fixture.store.conversation(ConversationKey(999)).await.unwrap(), None);
    let other = fixture.group(anna, &[bea]).await;
    let of_anna = fixture.store.conversations_of(anna).await.unwrap();
    assert_eq!((of_anna.len(), of_anna.contains(&other)), (2, true));
    fixture.leave(other, anna).await;
    assert_eq!(fixture.store.conversations_of(anna).await.unwrap(), [made.key]);
}

async fn change(
    fixture: &Fixture,
    actor: Actor,
    conversation: ConversationKey,
    title: Option<Option<&str>>,
    is_active: Option<bool>,
) -> Changed {
    let title = title.map(|title| title.map(str::to_owned));
    let changed = fixture.store.change_conversation(actor, conversation, title, is_active);
    changed.await.unwrap()
}

pub async fn the_title_is_the_hosts_or_an_admins_to_change(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    let direct = fixture.direct(anna, bea).await;
    fixture.news();
    let at = fixture.clock.move_by(5);
    let renamed = done(change(&fixture, Actor::User(anna), group, Some(Some("Viewing")), None).await);
    assert_eq!(renamed.title.as_deref(), Some("Viewing"));
    assert!(matches!(&fixture.news()[..], [Fact::ConversationChanged(news)] if *news == renamed));
    assert_eq!(fixture.entry(group, bea).await.updated_at, at);
    let emptied = done(change(&fixture, Actor::Host, group, Some(None), None).await);
    assert_eq!(emptied.title, None);
    done(change(&fixture, Actor::Host, direct, Some(Some("By the host")), None).await);
    let refused = change(&fixture, Actor::User(bea), group, Some(Some("No")), None).await;
    assert!(matches!(refused, Changed::Forbidden));
    let refused = change(&fixture, Actor::User(anna), direct, Some(Some("No")), None).await;
    assert!(
        matches!(refused, Changed::Forbidden),
        "a one-to-one conversation has no admin"
    );
    let refused = change(&fixture, Actor::User(carl), group, Some(Some("No")), None).await;
    assert!(matches!(refused, Changed::NotFound));
    let refused = change(&fixture, Actor::Host, ConversationKey(999), Some(None), None).await;
    assert!(matches!(refused, Changed::NotFound));
    fixture.leave(group, anna).await;
    let refused = change(&fixture, Actor::User(anna), group, Some(Some("No")), None).await;
    assert!(matches!(refused, Changed::Forbidden));
}

pub async fn only_the_host_closes_and_reopens(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    let refused = change(&fixture, Actor::User(anna), group, Some(Some("Both")), Some(false)).await;
    assert!(matches!(refused, Changed::Forbidden));
    assert_eq!(
        fixture.conversation(group).await.title,
        None,
        "a refused change changes nothing"
    );
    assert!(!done(change(&fixture, Actor::Host, group, None, Some(false)).await).is_active);
    assert!(matches!(
        fixture.append(draft(group, anna, "hello")).await,
        Appended::Closed
    ));
    assert!(done(change(&fixture, Actor::Host, group, None, Some(true)).await).is_active);
    assert_eq!(fixture.say(group, anna, "hello").await.seq, 1);
}

pub async fn what_changes_nothing_is_no_news(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.news();
    let before = fixture.entry(group, anna).await.updated_at;
    fixture.clock.move_by(5);
    untouched(change(&fixture, Actor::Host, group, Some(None), Some(true)).await);
    untouched(change(&fixture, Actor::User(anna), group, None, None).await);
    untouched(fixture.put_member(Actor::User(anna), group, bea).await);
    assert!(matches!(fixture.mark(group, anna, None).await, Marked::Unchanged));
    assert!(fixture.news().is_empty());
    assert_eq!(fixture.entry(group, anna).await.updated_at, before);
}
