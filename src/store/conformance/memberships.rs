//! Who comes, leaves and comes back, and what they see.

use super::*;
use crate::model::Role;

fn role_of(conversation: &Conversation, user: UserKey) -> Role {
    conversation.member(user).expect("a member").role
}

async fn set_role(fixture: &Fixture, actor: Actor, group: ConversationKey, user: UserKey, role: Role) -> Changed {
    let put = fixture.store.put_member(actor, group, user, Some(role), 500);
    put.await.unwrap()
}

pub async fn who_is_added_later_sees_what_comes_after(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.say(group, anna, "before").await;
    fixture.news();
    let at = fixture.clock.move_by(1_000);
    let after = done(fixture.put_member(Actor::User(anna), group, carl).await);
    assert_eq!(
        after.members.last().map(|member| (member.user, member.joined_at)),
        Some((carl, at))
    );
    assert!(
        matches!(&fixture.news()[..], [Fact::MembershipChanged { conversation, user, .. }]
        if *conversation == after && *user == carl)
    );
    assert!(fixture.seen(group, carl).await.is_empty());
    let entry = fixture.entry(group, carl).await;
    assert!(entry.last_message.is_none());
    assert_eq!((entry.unread, entry.activity_at, entry.updated_at), (0, at, at));
    fixture.say(group, bea, "after").await;
    assert_eq!(fixture.seen(group, carl).await, [2]);
    assert_eq!(fixture.unread(group, carl).await, 1);
    assert_eq!(fixture.store.message(group, carl, 1).await.unwrap(), None);
}

pub async fn who_left_keeps_the_history_up_to_then(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl]).await;
    fixture.say(group, anna, "one").await;
    fixture.say(group, anna, "two").await;
    fixture.news();
    let at = fixture.clock.move_by(10);
    fixture.leave(group, bea).await;
    assert!(matches!(&fixture.news()[..], [Fact::MembershipChanged { user, .. }] if *user == bea));
    assert_eq!(fixture.conversation(group).await.member(bea).unwrap().left_at, Some(at));
    fixture.say(group, carl, "three").await;
    assert_eq!(fixture.seen(group, bea).await, [1, 2]);
    assert_eq!(fixture.store.message(group, bea, 3).await.unwrap(), None);
    let window = Window::Newest { limit: 1 };
    let history = fixture.store.history(group, bea, window).await.unwrap().unwrap();
    assert_eq!((history.last_seq, history.has_more), (2, true));
    assert!(matches!(fixture.mark(group, bea, None).await, Marked::Left));
    let again = fixture.remove(Actor::User(bea), group, bea).await;
    assert!(matches!(again, Changed::Forbidden));
    let again = fixture.remove(Actor::Host, group, bea).await;
    assert!(matches!(again, Changed::NoSuchMember));
}

pub async fn who_is_brought_back_sees_nothing_of_the_time_between(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.say(group, anna, "one").await;
    fixture.leave(group, bea).await;
    fixture.say(group, anna, "two").await;
    let at = fixture.clock.move_by(10);
    let after = done(fixture.put_member(Actor::User(anna), group, bea).await);
    let back = after.member(bea).unwrap();
    assert_eq!((back.left_at, back.joined_at), (None, at));
    assert_eq!(fixture.seen(group, bea).await, [1]);
    assert_eq!(fixture.unread(group, bea).await, 0);
    fixture.say(group, anna, "three").await;
    assert_eq!(fixture.seen(group, bea).await, [1, 3]);
    assert_eq!(fixture.unread(group, bea).await, 1);
    assert_eq!(fixture.store.message(group, bea, 2).await.unwrap(), None);
    assert!(matches!(fixture.mark(group, bea, Some(2)).await, Marked::NoSuchMessage));
    let read = advanced(fixture.mark(group, bea, None).await);
    assert_eq!((read.from, read.to, read.updated), (2, 3, 1));
    let of_two = fixture.store.message(group, anna, 2).await.unwrap().unwrap();
    assert_eq!(of_two.read_at, None, "whoever could not see it has not read it");
}

pub async fn who_is_brought_back_twice_sees_three_parts(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    for round in 0..3 {
        fixture.say(group, anna, "seen").await;
        if round < 2 {
            fixture.leave(group, bea).await;
            fixture.say(group, anna, "unseen").await;
            done(fixture.put_member(Actor::User(anna), group, bea).await);
        }
    }
    assert_eq!(fixture.seen(group, bea).await, [1, 3, 5]);
    // Nothing happens between coming and going: nothing is added to what is seen.
    fixture.leave(group, bea).await;
    done(fixture.put_member(Actor::Host, group, bea).await);
    fixture.leave(group, bea).await;
    fixture.say(group, anna, "unseen").await;
    let entry = fixture.entry(group, bea).await;
    assert_eq!(entry.last_message.unwrap().seq, 5);
    assert_eq!(fixture.seen(group, bea).await, [1, 3, 5]);
}

pub async fn the_longest_standing_member_succeeds_the_last_admin(mut fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl, dora]).await;
    done(set_role(&fixture, Actor::User(anna), group, dora, Role::Admin).await);
    // Bea comes back: Carl stands longer now.
    fixture.leave(group, bea).await;
    done(fixture.put_member(Actor::User(anna), group, bea).await);
    fixture.leave(group, anna).await;
    let without_anna = fixture.conversation(group).await;
    assert_eq!(role_of(&without_anna, carl), Role::Member, "Dora is an admin still");
    fixture.news();
    fixture.leave(group, dora).await;
    let after = fixture.conversation(group).await;
    assert_eq!(
        (role_of(&after, carl), role_of(&after, bea)),
        (Role::Admin, Role::Member)
    );
    let told: Vec<_> = fixture
        .news()
        .into_iter()
        .map(|fact| match fact {
            Fact::MembershipChanged { conversation, user, .. } if conversation == after => user,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [dora, carl]);
    for last in [carl, bea] {
        fixture.leave(group, last).await;
    }
    assert_eq!(fixture.conversation(group).await.current_members().count(), 0);
    assert!(fixture.seen(group, anna).await.is_empty());
}

pub async fn an_admin_who_steps_down_alone_is_succeeded(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    let after = done(set_role(&fixture, Actor::User(anna), group, anna, Role::Member).await);
    assert_eq!(
        (role_of(&after, anna), role_of(&after, bea)),
        (Role::Member, Role::Admin)
    );
    fixture.leave(group, anna).await;
    let after = done(set_role(&fixture, Actor::User(bea), group, bea, Role::Member).await);
    assert_eq!(role_of(&after, bea), Role::Admin, "there is nobody else");
}

pub async fn an_emptied_group_that_the_host_fills_has_an_admin(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.leave(group, anna).await;
    fixture.leave(group, bea).await;
    let after = done(fixture.put_member(Actor::Host, group, carl).await);
    assert_eq!(role_of(&after, carl), Role::Admin);
    let after = done(fixture.put_member(Actor::Host, group, anna).await);
    assert_eq!(
        role_of(&after, anna),
        Role::Member,
        "what one was before does not come back"
    );
}

pub async fn a_group_takes_no_more_than_it_may_have(fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    let put = |user, role| fixture.store.put_member(Actor::User(anna), group, user, role, 3);
    done(put(carl, None).await.unwrap());
    assert!(matches!(put(dora, None).await.unwrap(), Changed::Full));
    untouched(put(carl, None).await.unwrap());
    done(put(carl, Some(Role::Admin)).await.unwrap());
    fixture.leave(group, bea).await;
    done(put(dora, None).await.unwrap());
    assert!(
        matches!(put(bea, None).await.unwrap(), Changed::Full),
        "coming back needs room as well"
    );
}

pub async fn only_admins_and_the_host_change_memberships(fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl]).await;
    let is_forbidden = |changed: Changed| matches!(changed, Changed::Forbidden);
    let is_not_found = |changed: Changed| matches!(changed, Changed::NotFound);
    assert!(is_forbidden(fixture.put_member(Actor::User(bea), group, dora).await));
    assert!(is_forbidden(fixture.remove(Actor::User(bea), group, carl).await));
    assert!(is_forbidden(
        set_role(&fixture, Actor::User(bea), group, bea, Role::Admin).await
    ));
    assert!(is_not_found(fixture.put_member(Actor::User(dora), group, dora).await));
    assert!(is_not_found(fixture.remove(Actor::User(dora), group, bea).await));
    assert!(is_not_found(
        fixture.remove(Actor::Host, ConversationKey(999), bea).await
    ));
    let nobody = fixture.remove(Actor::User(anna), group, dora).await;
    assert!(matches!(nobody, Changed::NoSuchMember));
    done(fixture.remove(Actor::User(anna), group, carl).await);
    done(fixture.remove(Actor::Host, group, bea).await);
    assert!(is_forbidden(fixture.put_member(Actor::User(carl), group, carl).await));
}

pub async fn a_one_to_one_conversation_keeps_its_two(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    for actor in [Actor::Host, Actor::User(anna)] {
        assert!(matches!(
            fixture.put_member(actor, direct, carl).await,
            Changed::NotAGroup
        ));
        assert!(matches!(fixture.remove(actor, direct, anna).await, Changed::NotAGroup));
    }
    assert!(matches!(
        fixture.remove(Actor::User(carl), direct, anna).await,
        Changed::NotFound
    ));
}

pub async fn roles_change_and_are_news(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    let put = fixture
        .store
        .put_member(Actor::Host, group, carl, Some(Role::Admin), 500);
    assert_eq!(role_of(&done(put.await.unwrap()), carl), Role::Admin);
    fixture.news();
    let before = fixture.entry(group, bea).await.updated_at;
    let at = fixture.clock.move_by(3);
    assert!(at > before);
    let after = done(set_role(&fixture, Actor::User(carl), group, anna, Role::Member).await);
    assert_eq!(role_of(&after, anna), Role::Member);
    assert!(matches!(&fixture.news()[..], [Fact::MembershipChanged { user, .. }] if *user == anna));
    assert_eq!(fixture.entry(group, bea).await.updated_at, at);
    untouched(set_role(&fixture, Actor::Host, group, anna, Role::Member).await);
}
