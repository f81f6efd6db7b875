//! What many do at the same time.

use std::{collections::HashSet, time::Duration};

use super::*;

/// Runs `count` of them at once and waits for all.
async fn at_once<F, T>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(task(number))).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("no panic"));
    }
    outcomes
}

pub async fn one_conversation_from_64_openings(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let outcomes = at_once(64, |number| {
        let store = fixture.store.clone();
        async move {
            let (asker, asked) = if number % 2 == 0 { (anna, bea) } else { (bea, anna) };
            store.open_one_to_one(asker, asked, None).await.unwrap()
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|(_, made)| *made).count(), 1);
    assert!(outcomes.iter().all(|(conversation, _)| *conversation == outcomes[0].0));
    assert_eq!(fixture.news().len(), 1);
    assert_eq!(fixture.store.one_to_ones(anna, bea).await.unwrap().len(), 1);
}

pub async fn one_entry_from_64_mentions(fixture: Fixture) {
    let keys = at_once(64, |_| {
        let store = fixture.store.clone();
        async move {
            let put = store.put_user(user_id("anna"), UserPatch::default(), UserSource::Mention);
            put.await.unwrap().key
        }
    })
    .await;
    assert_eq!(keys.into_iter().collect::<HashSet<_>>().len(), 1);
}

pub async fn one_message_from_100_sends_with_one_client_id(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.news();
    let outcomes = at_once(100, |_| {
        let store = fixture.store.clone();
        async move { store.append(named(direct, anna, "hello", "once")).await.unwrap() }
    })
    .await;
    let mut first = 0;
    let messages: HashSet<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Appended::Stored(message) => {
                first += 1;
                format!("{message:?}")
            }
            Appended::Repeat(message) => format!("{message:?}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((first, messages.len()), (1, 1));
    assert_eq!(fixture.news().len(), 1);
    assert_eq!(fixture.seen(direct, bea).await, [1]);
}

pub async fn numbers_have_no_gaps_under_many_writers(fixture: Fixture) {
    let everyone: [UserKey; 16] = fixture.users().await;
    let group = fixture.group(everyone[0], &everyone[1..]).await;
    let seqs = at_once(16, |number| {
        let store = fixture.store.clone();
        async move {
            let mut seqs = Vec::new();
            for _ in 0..25 {
                seqs.push(stored(store.append(draft(group, everyone[number], "hello")).await.unwrap()).seq);
            }
            assert!(seqs.is_sorted());
            seqs
        }
    })
    .await;
    let mut all: Vec<_> = seqs.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=400).collect::<Vec<_>>());
    assert_eq!(fixture.seen(group, everyone[3]).await, all);
    assert_eq!(fixture.unread(group, everyone[3]).await, 375);
}

pub async fn the_order_of_calls_is_the_order_of_commits(fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    // Queued by the call, not by the first poll: they are awaited in the other order.
    let mut pending: Vec<_> = (1..=1_000)
        .map(|seq| (seq, fixture.store.append(draft(direct, anna, &format!("{seq}")))))
        .collect();
    while let Some((seq, outcome)) = pending.pop() {
        let message = stored(outcome.await.unwrap());
        assert_eq!((message.seq, &message.content), (seq, &format!("{seq}")));
    }
    drop(fixture.store.append(draft(direct, anna, "nobody waits for this")));
    assert_eq!(fixture.say(direct, anna, "last").await.seq, 1_002);
}

pub async fn news_come_in_order_and_before_the_answer(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.news();
    let store = fixture.store.clone();
    let sender = tokio::spawn(async move {
        for _ in 0..500 {
            drop(store.append(draft(direct, anna, "hello")));
            tokio::task::yield_now().await;
        }
        store.mark(direct, bea, None, None).await.unwrap()
    });
    let mut news = Vec::new();
    for _ in 0..50 {
        let message = fixture.say(direct, bea, "watched").await;
        news.extend(fixture.news());
        let told = news
            .iter()
            .any(|fact| matches!(fact, Fact::MessageStored { message: stored, .. } if *stored == message));
        assert!(told, "the answer was there before the news");
    }
    advanced(sender.await.unwrap());
    news.extend(fixture.news());
    let seqs: Vec<_> = news
        .iter()
        .filter_map(|fact| match fact {
            Fact::MessageStored { message, .. } => Some(message.seq),
            _ => None,
        })
        .collect();
    assert_eq!(seqs, (1..=550).collect::<Vec<_>>());
}

pub async fn one_setting_from_64_proposals(fixture: Fixture) {
    let kept = at_once(64, |number| {
        let store = fixture.store.clone();
        async move { store.keep_setting("secret", number.to_string()).await.unwrap() }
    })
    .await;
    assert_eq!(kept.into_iter().collect::<HashSet<_>>().len(), 1);
}

pub async fn readers_never_see_a_hole_while_others_write(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let group = fixture.group(anna, &[bea, carl]).await;
    let store = fixture.store.clone();
    let follower = tokio::spawn(async move {
        let mut seen: Seq = 0;
        while seen < 600 {
            let window = Window::After { seq: seen, limit: 50 };
            let page = store.history(group, carl, window).await.unwrap().unwrap();
            for message in &page.messages {
                assert_eq!(message.seq, seen + 1);
                seen = message.seq;
            }
            assert!(
                page.has_more || seen == page.last_seq,
                "one moment: the page goes up to the last"
            );
            let entry = store.entry(group, carl).await.unwrap().unwrap();
            assert!(entry.last_message.map_or(0, |message| message.seq) >= seen);
        }
    });
    for sender in [anna, bea] {
        let store = fixture.store.clone();
        tokio::spawn(async move {
            for _ in 0..300 {
                store.append(draft(group, sender, "hello")).await.unwrap();
            }
        });
    }
    let followed = tokio::time::timeout(Duration::from_secs(60), follower).await;
    followed.expect("in time").expect("no hole");
}
