//! How a message comes in.

use super::*;

pub async fn messages_are_numbered_without_gaps_from_one(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let other = fixture.direct(anna, carl).await;
    for seq in 1..=3 {
        assert_eq!(
            fixture
                .say(direct, if seq == 2 { bea } else { anna }, "hello")
                .await
                .seq,
            seq
        );
    }
    assert_eq!(fixture.say(other, anna, "hello").await.seq, 1);
    assert_eq!(fixture.seen(direct, bea).await, [1, 2, 3]);
}

pub async fn a_repeat_is_the_message_that_is_there_already(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let first = stored(fixture.append(named(direct, anna, "hello", "a")).await);
    fixture.say(direct, bea, "in between").await;
    fixture.news();
    let before = fixture.entry(direct, bea).await;
    fixture.clock.move_by(1_000);
    assert_eq!(repeated(fixture.append(named(direct, anna, "hello", "a")).await), first);
    assert!(fixture.news().is_empty());
    assert_eq!(fixture.seen(direct, bea).await, [1, 2]);
    let after = fixture.entry(direct, bea).await;
    assert_eq!((after.unread, after.updated_at), (before.unread, before.updated_at));
}

pub async fn the_same_client_id_with_other_content_is_a_conflict(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    stored(fixture.append(named(direct, anna, "hello", "a")).await);
    assert!(matches!(
        fixture.append(named(direct, anna, "other", "a")).await,
        Appended::Conflict
    ));
    assert_eq!(fixture.seen(direct, anna).await, [1]);
}

pub async fn a_client_id_belongs_to_one_sender_and_one_conversation(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let other = fixture.direct(anna, carl).await;
    for (conversation, sender, text) in [(direct, anna, "one"), (direct, bea, "two"), (other, anna, "three")] {
        stored(fixture.append(named(conversation, sender, text, "same")).await);
    }
    assert_eq!(repeated(fixture.append(named(direct, bea, "two", "same")).await).seq, 2);
}

pub async fn a_repeat_is_known_after_leaving_and_in_a_closed_conversation(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    stored(fixture.append(named(group, bea, "hello", "b")).await);
    stored(fixture.append(named(group, anna, "hello", "a")).await);
    fixture.leave(group, bea).await;
    let closed = fixture.store.change_conversation(Actor::Host, group, None, Some(false));
    done(closed.await.unwrap());
    assert_eq!(repeated(fixture.append(named(group, bea, "hello", "b")).await).seq, 1);
    assert_eq!(repeated(fixture.append(named(group, anna, "hello", "a")).await).seq, 2);
    assert!(matches!(
        fixture.append(named(group, bea, "other", "b")).await,
        Appended::Conflict
    ));
    assert!(matches!(
        fixture.append(named(group, bea, "new", "c")).await,
        Appended::Left
    ));
    assert!(matches!(
        fixture.append(named(group, anna, "new", "c")).await,
        Appended::Closed
    ));
}

pub async fn a_repeat_tells_when_it_was_read(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    stored(fixture.append(named(direct, anna, "hello", "a")).await);
    let at = fixture.clock.move_by(70);
    advanced(fixture.mark(direct, bea, None).await);
    assert_eq!(
        repeated(fixture.append(named(direct, anna, "hello", "a")).await).read_at,
        Some(at)
    );
}

pub async fn a_stranger_a_leaver_and_a_closed_conversation_are_refused(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.leave(group, bea).await;
    fixture.news();
    assert!(matches!(
        fixture.append(draft(group, carl, "hello")).await,
        Appended::NotParticipant
    ));
    let nowhere = draft(ConversationKey(999), anna, "hello");
    assert!(matches!(fixture.append(nowhere).await, Appended::NotParticipant));
    assert!(matches!(
        fixture.append(draft(group, bea, "hello")).await,
        Appended::Left
    ));
    done(
        fixture
            .store
            .change_conversation(Actor::Host, group, None, Some(false))
            .await
            .unwrap(),
    );
    fixture.news();
    assert!(matches!(
        fixture.append(draft(group, anna, "hello")).await,
        Appended::Closed
    ));
    assert!(fixture.news().is_empty());
    assert!(fixture.seen(group, anna).await.is_empty());
}

pub async fn a_reply_names_a_message_that_the_sender_may_see(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.say(group, anna, "before Carl").await;
    done(fixture.put_member(Actor::User(anna), group, carl).await);
    fixture.say(group, anna, "with Carl").await;
    let reply = |sender, reply_to| Draft {
        reply_to: Some(reply_to),
        ..draft(group, sender, "reply")
    };
    for (sender, reply_to) in [(carl, 1), (carl, 3), (carl, 0), (carl, -1), (bea, 99)] {
        let refused = fixture.append(reply(sender, reply_to)).await;
        assert!(matches!(refused, Appended::NoSuchReply), "{reply_to}: {refused:?}");
    }
    assert_eq!(stored(fixture.append(reply(carl, 2)).await).reply_to, Some(2));
    assert_eq!(stored(fixture.append(reply(bea, 1)).await).seq, 4);
}

pub async fn everything_about_a_message_is_kept(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.say(direct, bea, "first").await;
    fixture.news();
    let kinds = [
        MessageKind::Text,
        MessageKind::Image,
        MessageKind::Video,
        MessageKind::File,
    ];
    let contents = ["", "a\0b", "<b>é 🏠\n\t", &"x".repeat(8_000)];
    for (kind, content) in kinds.into_iter().zip(contents) {
        let at = fixture.clock.move_by(1);
        let draft = Draft {
            kind,
            reply_to: Some(1),
            ..named(direct, anna, content, content.get(..10).unwrap_or(content))
        };
        let message = stored(fixture.append(draft.clone()).await);
        assert_eq!(
            (message.kind, &message.content, message.created_at),
            (kind, &draft.content, at)
        );
        assert_eq!(
            (message.sender, message.reply_to, message.read_at),
            (anna, Some(1), None)
        );
        assert_eq!(message.client_message_id, draft.client_message_id);
        let found = fixture.store.message(direct, bea, message.seq).await.unwrap();
        assert_eq!(found.as_ref(), Some(&*message));
        assert_eq!(fixture.history(direct, bea).await.last(), Some(&*message));
        assert!(matches!(&fixture.news()[..], [Fact::MessageStored { message: news, .. }] if *news == message));
    }
}

pub async fn a_sent_message_is_found_among_several_conversations(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let first = fixture.direct(anna, bea).await;
    let second = fixture.direct(anna, carl).await;
    stored(fixture.append(named(second, anna, "hello", "a")).await);
    let find = |sender, id: &'static str, among: Vec<ConversationKey>| {
        let store = fixture.store.clone();
        async move { store.find_sent(sender, id, &among).await.unwrap() }
    };
    assert_eq!(find(anna, "a", vec![first, second]).await, Some(second));
    assert_eq!(find(anna, "a", vec![first]).await, None);
    assert_eq!(find(carl, "a", vec![first, second]).await, None);
    assert_eq!(find(anna, "b", vec![first, second]).await, None);
    assert_eq!(find(anna, "a", vec![]).await, None);
}

pub async fn refused_sends_leave_no_gap(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let mut pending = Vec::new();
    for number in 0..30 {
        pending.push(
            fixture
                .store
                .append(named(direct, anna, "hello", &format!("{}", number / 2))),
        );
        pending.push(fixture.store.append(draft(direct, carl, "stranger")));
        let reply = Draft {
            reply_to: Some(5_000),
            ..draft(direct, bea, "reply")
        };
        pending.push(fixture.store.append(reply));
    }
    for outcome in pending {
        outcome.await.unwrap();
    }
    assert_eq!(fixture.seen(direct, bea).await, (1..=15).collect::<Vec<_>>());
    assert_eq!(fixture.unread(direct, bea).await, 15);
}

pub async fn times_never_go_back_when_the_clock_does(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    let mut latest = fixture.say(group, anna, "now").await.created_at;
    let mut rises = |at: Timestamp, what: &str| {
        assert!(at >= latest, "{what}: {at} after {latest}");
        latest = at;
    };
    for step in [-86_400_000, 5, -3, 86_400_000 * 2, -10] {
        fixture.clock.move_by(step);
        rises(fixture.say(group, anna, "hello").await.created_at, "a message");
        rises(advanced(fixture.mark(group, bea, None).await).at, "a mark");
        fixture.clock.move_by(-7);
        rises(
            fixture.say(group, anna, "after the mark").await.created_at,
            "a message after a mark",
        );
        let joined = done(fixture.put_member(Actor::Host, group, carl).await);
        rises(joined.member(carl).unwrap().joined_at, "an arrival");
        fixture.clock.move_by(-7);
        let left = done(fixture.remove(Actor::Host, group, carl).await);
        rises(left.member(carl).unwrap().left_at.unwrap(), "a leave");
        rises(fixture.entry(group, anna).await.updated_at, "a change");
    }
    let times: Vec<_> = fixture
        .history(group, anna)
        .await
        .iter()
        .map(|message| message.created_at)
        .collect();
    assert!(times.is_sorted());
}
