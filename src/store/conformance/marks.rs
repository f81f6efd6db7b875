//! How far each has read, and when a message was read.

use super::*;

pub async fn a_mark_rises_and_never_falls(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    for _ in 0..5 {
        fixture.say(direct, anna, "hello").await;
    }
    fixture.news();
    let at = fixture.clock.move_by(4);
    let read = advanced(fixture.mark(direct, bea, Some(3)).await);
    let expected = Read {
        conversation: direct,
        reader: bea,
        from: 0,
        to: 3,
        at,
        updated: 3,
        newest: 3,
    };
    assert_eq!(read, expected);
    assert!(matches!(&fixture.news()[..], [Fact::Read { read: news, .. }] if *news == expected));
    assert_eq!(fixture.unread(direct, bea).await, 2);
    for lower in [1, 3] {
        assert!(matches!(
            fixture.mark(direct, bea, Some(lower)).await,
            Marked::Unchanged
        ));
    }
    assert!(fixture.news().is_empty());
    let read = advanced(fixture.mark(direct, bea, None).await);
    assert_eq!((read.from, read.to, read.updated), (3, 5, 2));
    assert!(matches!(fixture.mark(direct, bea, None).await, Marked::Unchanged));
    assert_eq!(fixture.unread(direct, bea).await, 0);
}

pub async fn a_mark_counts_the_messages_of_others_alone(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    // Bea's own are 2, 3, 6, 7, 8.
    for sender in [anna, bea, bea, anna, anna, bea, bea, bea, anna, anna] {
        fixture.say(direct, sender, "hello").await;
    }
    assert_eq!(fixture.unread(direct, bea).await, 5);
    for (up_to, updated, unread) in [(2, 1, 4), (4, 1, 3), (7, 1, 2), (9, 1, 1), (10, 1, 0)] {
        assert_eq!(
            advanced(fixture.mark(direct, bea, Some(up_to)).await).updated,
            updated,
            "{up_to}"
        );
        assert_eq!(fixture.unread(direct, bea).await, unread, "{up_to}");
    }
}

pub async fn a_mark_names_a_message_that_the_reader_may_see(fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let group = fixture.group(anna, &[bea]).await;
    fixture.say(group, anna, "one").await;
    done(fixture.put_member(Actor::User(anna), group, carl).await);
    fixture.say(group, anna, "two").await;
    for (reader, up_to) in [(bea, 0), (bea, -1), (bea, 3), (carl, 1), (carl, Seq::MAX)] {
        assert!(matches!(
            fixture.mark(group, reader, Some(up_to)).await,
            Marked::NoSuchMessage
        ));
    }
    assert!(matches!(fixture.mark(group, dora, None).await, Marked::NotParticipant));
    assert!(matches!(
        fixture.mark(ConversationKey(999), anna, None).await,
        Marked::NotParticipant
    ));
    assert_eq!(advanced(fixture.mark(group, carl, Some(2)).await).updated, 1);
    fixture.leave(group, carl).await;
    assert!(matches!(fixture.mark(group, carl, None).await, Marked::Left));
}

pub async fn read_at_is_the_first_other_participants(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl]).await;
    for sender in [anna, bea, anna] {
        fixture.say(group, sender, "hello").await;
    }
    let read_at = |seq: Seq| {
        let store = fixture.store.clone();
        async move { store.message(group, anna, seq).await.unwrap().unwrap().read_at }
    };
    fixture.clock.move_by(10);
    advanced(fixture.mark(group, anna, None).await);
    assert_eq!(read_at(1).await, None, "one's own mark does not count");
    assert_eq!(read_at(2).await, Some(TestClock::START.plus_millis(10)));
    fixture.clock.move_by(10);
    advanced(fixture.mark(group, bea, Some(1)).await);
    fixture.clock.move_by(10);
    advanced(fixture.mark(group, carl, None).await);
    fixture.clock.move_by(10);
    advanced(fixture.mark(group, bea, None).await);
    assert_eq!(read_at(1).await, Some(TestClock::START.plus_millis(20)));
    assert_eq!(read_at(2).await, Some(TestClock::START.plus_millis(10)));
    assert_eq!(read_at(3).await, Some(TestClock::START.plus_millis(30)));
    let entry = fixture.entry(group, bea).await;
    assert_eq!(
        entry.last_read_at,
        [10, 40, 30].map(|after| Some(TestClock::START.plus_millis(after)))
    );
    assert_eq!(entry.last_message.unwrap().read_at, read_at(3).await);
}

pub async fn read_at_is_right_over_a_page_of_many_advances(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let mut expected = Vec::new();
    for round in 0..60 {
        let (sender, reader) = if round % 3 == 0 { (bea, anna) } else { (anna, bea) };
        let sent = 1 + round % 4;
        for _ in 0..sent {
            fixture.say(direct, sender, "hello").await;
        }
        let at = fixture.clock.move_by(100);
        advanced(fixture.mark(direct, reader, None).await);
        expected.extend(std::iter::repeat_n(Some(at), sent));
    }
    fixture.say(direct, anna, "unread").await;
    expected.push(None);
    let whole: Vec<_> = fixture
        .history(direct, anna)
        .await
        .iter()
        .map(|message| message.read_at)
        .collect();
    assert_eq!(whole, expected);
    for seq in [1, 20, 77, 120] {
        let window = Window::After { seq, limit: 10 };
        let page = fixture.store.history(direct, bea, window).await.unwrap().unwrap();
        let read: Vec<_> = page.messages.iter().map(|message| message.read_at).collect();
        assert_eq!(read, expected[seq as usize..seq as usize + 10]);
    }
}

pub async fn reading_in_a_group_of_hundreds_leaves_little_behind(fixture: Fixture) {
    let mut everyone = Vec::new();
    for number in 0..200 {
        everyone.push(fixture.user(&format!("member-{number}")).await);
    }
    let group = fixture.group(everyone[0], &everyone[1..]).await;
    for round in 0..20 {
        fixture.say(group, everyone[round], "hello").await;
        fixture.clock.move_by(1);
        let marks: Vec<_> = everyone
            .iter()
            .map(|reader| fixture.store.mark(group, *reader, None, None))
            .collect();
        for mark in marks {
            advanced(mark.await.unwrap());
        }
    }
    let history = fixture.history(group, everyone[7]).await;
    assert_eq!(history.len(), 20);
    for (place, message) in history.iter().enumerate() {
        assert_eq!(message.read_at, Some(TestClock::START.plus_millis(place as i64 + 1)));
    }
    // Of 4,000 advances: the first two over each message, whatever the size of the group. A page reads no more than that.
    let rows = fixture.count("passed").await;
    assert!(rows <= 40, "{rows} rows are over 20 messages");
}

pub async fn sending_marks_nothing(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.say(direct, anna, "question").await;
    fixture.say(direct, bea, "answer").await;
    assert_eq!(fixture.unread(direct, bea).await, 1);
    let question = fixture.store.message(direct, anna, 1).await.unwrap().unwrap();
    assert_eq!(question.read_at, None);
}
