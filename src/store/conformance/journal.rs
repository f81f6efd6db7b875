//! What the journal tells of what happened. It may have one slot or several: a test looks at each of them by itself.

use std::{collections::BTreeMap, mem::discriminant};

use super::*;
use crate::{
    model::{Cut, ListingId, Note, Origin, Position, Role, journal::Slot, listing::ListingPatch},
    store::JournalEnds,
};

async fn notes_from(fixture: &Fixture, from: &Cut, limit: usize) -> Vec<Recorded<Note>> {
    let mut notes = fixture.store.journal(from, limit).await.expect("the journal");
    notes.sort_by_key(|note| note.position);
    notes
}

async fn all_notes(fixture: &Fixture) -> Vec<Recorded<Note>> {
    notes_from(fixture, &Cut::default(), usize::MAX).await
}

async fn ends(fixture: &Fixture) -> JournalEnds {
    fixture.store.journal_ends().await.expect("the journal's ends")
}

fn cut_of<T>(recorded: &[Recorded<T>]) -> Cut {
    recorded.iter().map(|recorded| recorded.position).collect()
}

/// What the journal must say of these facts.
fn noted(facts: &[Recorded<Fact>]) -> Vec<Recorded<Note>> {
    let mut notes: Vec<_> = facts
        .iter()
        .map(|fact| Recorded {
            position: fact.position,
            after: fact.after,
            what: fact.what.note(),
        })
        .collect();
    notes.sort_by_key(|note| note.position);
    notes
}

/// The numbers of each slot, in the order in which they are given here.
fn numbers<T>(recorded: &[Recorded<T>]) -> BTreeMap<Slot, Vec<i64>> {
    let mut numbers: BTreeMap<Slot, Vec<i64>> = BTreeMap::new();
    for recorded in recorded {
        let slot = numbers.entry(recorded.position.slot).or_default();
        slot.push(recorded.position.number);
    }
    numbers
}

fn assert_gapless<T>(recorded: &[Recorded<T>]) {
    for (slot, numbers) in numbers(recorded) {
        let expected: Vec<i64> = (1..=numbers.len() as i64).collect();
        assert_eq!(numbers, expected, "of slot {slot}");
    }
}

pub async fn every_kind_of_news_leaves_its_note(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let origin = Some(Origin(u64::MAX - 6));
    let group = fixture.group(anna, &[bea]).await;
    let from_a_socket = Draft {
        origin,
        ..draft(group, anna, "hello")
    };
    stored(fixture.append(from_a_socket).await);
    fixture.say(group, anna, "again").await;
    let marked = fixture.store.mark(group, bea, None, origin).await;
    advanced(marked.expect("an answer"));
    advanced(fixture.mark(group, anna, None).await);
    done(fixture.put_member(Actor::Host, group, carl).await);
    fixture.leave(group, bea).await;
    let promoted = fixture
        .store
        .put_member(Actor::Host, group, carl, Some(Role::Admin), 500);
    done(promoted.await.expect("an answer"));
    let named = Some(Some("The flat by the canal".to_owned()));
    done(
        fixture
            .store
            .change_conversation(Actor::Host, group, named, None)
            .await
            .expect("an answer"),
    );
    let commented = fixture.store.add_comment("post, é".into(), anna, "nice".into());
    commented.await.expect("a comment");
    fixture
        .store
        .put_last_seen(anna, TestClock::START)
        .await
        .expect("an answer");
    let flat = ListingId::parse("flat").expect("an id");
    for price in ["900", "950"] {
        let patch = ListingPatch {
            price: Some(Some(price.into())),
            ..ListingPatch::default()
        };
        fixture.store.put_listing(flat.clone(), patch).await.expect("a listing");
    }
    let facts = fixture.recorded();
    let notes = all_notes(&fixture).await;
    assert_eq!(notes, noted(&facts));
    assert_gapless(&facts);
    let mut kinds: Vec<_> = notes.iter().map(|note| discriminant(&note.what)).collect();
    kinds.dedup();
    let is_first = |(index, kind): &(usize, _)| !kinds[..*index].contains(kind);
    let count = kinds.iter().copied().enumerate().filter(is_first).count();
    assert_eq!(count, 8, "a kind of news is missing: {notes:?}");
    assert_eq!(ends(&fixture).await.recorded, cut_of(&facts));
}

pub async fn a_changed_entry_of_the_directory_is_news_and_a_new_one_is_not(mut fixture: Fixture) {
    let put_user = async |fixture: &Fixture, name: &str| {
        let patch = UserPatch {
            name: Some(Some(name.to_owned())),
            ..UserPatch::default()
        };
        let put = fixture.store.put_user(user_id("anna"), patch, UserSource::Host);
        put.await.expect("a user").key
    };
    let anna = put_user(&fixture, "Anna").await;
    assert!(fixture.news().is_empty(), "nobody can have known her");
    put_user(&fixture, "Anna B.").await;
    assert!(matches!(&fixture.news()[..], [Fact::UserChanged(user)] if *user == anna));
    put_user(&fixture, "Anna B.").await;
    assert!(fixture.news().is_empty());
    for (at, is_news) in [(5, true), (5, false), (4, false), (6, true)] {
        let seen = fixture.store.put_last_seen(anna, Timestamp(at));
        seen.await.expect("an answer");
        let news = fixture.news();
        let is_told = matches!(&news[..], [Fact::UserChanged(user)] if *user == anna);
        assert!(if is_news { is_told } else { news.is_empty() }, "{at}: {news:?}");
    }
    let put_listing = async |fixture: &Fixture, title: Option<&str>| {
        let patch = ListingPatch {
            title: title.map(|title| Some(title.to_owned())),
            ..ListingPatch::default()
        };
        let id = ListingId::parse("flat").expect("an id");
        fixture.store.put_listing(id, patch).await.expect("a listing").key
    };
    let flat = put_listing(&fixture, Some("Two rooms")).await;
    put_listing(&fixture, None).await;
    put_listing(&fixture, Some("Two rooms")).await;
    assert!(fixture.news().is_empty());
    put_listing(&fixture, Some("Three rooms")).await;
    assert!(matches!(&fixture.news()[..], [Fact::ListingChanged(listing)] if *listing == flat));
}

pub async fn when_somebody_last_wrote_an_entry_is_no_news(mut fixture: Fixture) {
    let put = async |fixture: &Fixture, name: &str, source: UserSource| {
        let patch = UserPatch {
            name: Some(Some(name.to_owned())),
            ..UserPatch::default()
        };
        let put = fixture.store.put_user(user_id("anna"), patch, source);
        put.await.expect("a user")
    };
    let issued_at = |millis| UserSource::Claims {
        issued_at: Some(TestClock::START.plus_millis(millis)),
    };
    put(&fixture, "Anna", UserSource::Host).await;
    let now = fixture.clock.move_by(1_000);
    assert_eq!(put(&fixture, "Anna", UserSource::Host).await.host_put_at, Some(now));
    assert!(fixture.news().is_empty(), "the host said the same again");
    let entry = put(&fixture, "Anna", issued_at(2_000)).await;
    assert_eq!(entry.claims_issued_at, Some(TestClock::START.plus_millis(2_000)));
    assert!(fixture.news().is_empty(), "a later token says the same");
    let entry = put(&fixture, "Anna B.", issued_at(3_000)).await;
    assert!(matches!(&fixture.news()[..], [Fact::UserChanged(user)] if *user == entry.key));
}

pub async fn what_changes_nothing_leaves_no_note(mut fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    stored(fixture.append(named(direct, anna, "hello", "a")).await);
    advanced(fixture.mark(direct, bea, None).await);
    let before = all_notes(&fixture).await;
    fixture.recorded();
    repeated(fixture.append(named(direct, anna, "hello", "a")).await);
    assert!(matches!(
        fixture.append(draft(direct, carl, "let me in")).await,
        Appended::NotParticipant
    ));
    assert!(matches!(fixture.mark(direct, bea, None).await, Marked::Unchanged));
    assert_eq!(fixture.direct(bea, anna).await, direct);
    fixture.user("anna").await;
    assert!(fixture.recorded().is_empty());
    assert_eq!(all_notes(&fixture).await, before);
    assert_eq!(ends(&fixture).await.recorded, cut_of(&before));
}

pub async fn numbers_rise_by_one_in_commit_order_whoever_writes(mut fixture: Fixture) {
    let [anna, bea, carl, dora] = fixture.users().await;
    let conversations = [
        fixture.direct(anna, bea).await,
        fixture.direct(anna, carl).await,
        fixture.direct(anna, dora).await,
    ];
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = fixture.store.clone();
            tokio::spawn(async move {
                for round in 0..40 {
                    let conversation = conversations[(writer + round) % conversations.len()];
                    let sent = store.append(draft(conversation, anna, "hello"));
                    // Some wait for their answer, some do not: batches of all sizes.
                    if (writer + round) % 3 == 0 {
                        stored(sent.await.expect("an answer"));
                    }
                }
                stored(
                    store
                        .append(draft(conversations[0], anna, "last"))
                        .await
                        .expect("an answer"),
                );
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer that ended well");
    }
    for conversation in conversations {
        fixture.say(conversation, anna, "the very last").await;
    }
    let facts = fixture.recorded();
    assert_eq!(facts.len(), 3 + 8 * 41 + 3);
    // As they were handed on, not sorted: the order of the numbers is the order of the news.
    assert_gapless(&facts);
    assert_eq!(all_notes(&fixture).await, noted(&facts));
    let position_of: BTreeMap<(ConversationKey, Seq), &Recorded<Fact>> = facts
        .iter()
        .filter_map(|fact| match &fact.what {
            Fact::MessageStored { message, .. } => Some(((message.conversation, message.seq), fact)),
            _ => None,
        })
        .collect();
    for ((conversation, seq), later) in &position_of {
        let Some(earlier) = position_of.get(&(*conversation, seq - 1)) else {
            continue;
        };
        // Of one conversation, the message before is told before: by its number, or because this one names it.
        if earlier.position.slot == later.position.slot {
            assert!(earlier.position.number < later.position.number);
        } else {
            assert_eq!(later.after, Some(earlier.position));
        }
    }
}

pub async fn the_journal_is_read_in_steps(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    for _ in 0..4 {
        // Not waited for one by one: several notes in a row of the journal.
        let pending: Vec<_> = (0..5)
            .map(|_| fixture.store.append(draft(direct, anna, "hello")))
            .collect();
        for sent in pending {
            stored(sent.await.expect("an answer"));
        }
    }
    let whole = noted(&fixture.recorded());
    assert_eq!(whole.len(), 21);
    for limit in [1, 2, 3, 7, 21, 1_000] {
        let mut reached = Cut::default();
        let mut read = Vec::new();
        loop {
            let page = notes_from(&fixture, &reached, limit).await;
            if page.is_empty() {
                break;
            }
            for (slot, numbers) in numbers(&page) {
                assert!(numbers.len() <= limit, "{} of slot {slot}", numbers.len());
                assert_eq!(numbers[0], reached.number(slot) + 1, "slot {slot} goes on where it was");
            }
            reached.join(&cut_of(&page));
            read.extend(page);
        }
        read.sort_by_key(|note| note.position);
        assert_eq!(read, whole, "in steps of {limit}");
    }
    assert_eq!(notes_from(&fixture, &Cut::default(), 0).await, []);
    let beyond: Cut = cut_of(&whole)
        .positions()
        .iter()
        .map(|end| Position {
            number: end.number + 100,
            ..*end
        })
        .collect();
    assert_eq!(notes_from(&fixture, &beyond, 100).await, []);
}

pub async fn numbers_go_on_after_a_restart(mut fixture: Fixture) {
    assert_eq!(ends(&fixture).await, JournalEnds::default());
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    fixture.say(direct, anna, "before").await;
    let before = noted(&fixture.recorded());
    for _ in 0..2 {
        fixture.reopen().await;
        assert_eq!(ends(&fixture).await.recorded, cut_of(&before));
    }
    fixture.say(direct, bea, "after").await;
    let after = fixture.recorded();
    assert!(matches!(&after[..], [fact] if !cut_of(&before).holds(fact.position)));
    let whole = all_notes(&fixture).await;
    assert_gapless(&whole);
    assert_eq!(notes_from(&fixture, &cut_of(&before), 100).await, noted(&after));
    assert_eq!(whole.len(), before.len() + 1);
}

pub async fn pruned_notes_are_gone_and_their_numbers_are_not_given_again(mut fixture: Fixture) {
    let [anna, bea] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    for _ in 0..9 {
        fixture.say(direct, anna, "hello").await;
    }
    let whole = noted(&fixture.recorded());
    let recorded = cut_of(&whole);
    let middle: Cut = recorded
        .positions()
        .iter()
        .map(|end| Position {
            number: end.number / 2,
            ..*end
        })
        .collect();
    let prune = async |fixture: &Fixture, up_to: &Cut| {
        fixture.store.prune_journal(up_to.clone()).await.expect("an answer");
        ends(fixture).await
    };
    let expected = JournalEnds {
        pruned: middle.clone(),
        recorded: recorded.clone(),
    };
    assert_eq!(prune(&fixture, &middle).await, expected);
    let rest: Vec<_> = whole.into_iter().filter(|note| !middle.holds(note.position)).collect();
    assert_eq!(all_notes(&fixture).await, rest);
    assert_eq!(
        prune(&fixture, &Cut::default()).await,
        expected,
        "it does not come back"
    );

    let beyond: Cut = recorded
        .positions()
        .iter()
        .map(|end| Position {
            number: end.number + 1_000,
            ..*end
        })
        .collect();
    let all_pruned = prune(&fixture, &beyond).await;
    assert_eq!(all_pruned.recorded, recorded);
    assert!(recorded.covers(&all_pruned.pruned));
    for end in recorded.positions() {
        // The newest may stay, so that the next number is known.
        assert!(all_pruned.pruned.number(end.slot) >= end.number - 1);
    }
    fixture.reopen().await;
    assert_eq!(ends(&fixture).await.recorded, recorded);
    fixture.say(direct, bea, "after it").await;
    let after = fixture.recorded();
    let position = after.first().expect("news").position;
    assert_eq!(position.number, recorded.number(position.slot) + 1);
    assert_eq!(notes_from(&fixture, &recorded, 100).await, noted(&after));
}

pub async fn messages_are_found_by_their_places_and_nothing_else_is(fixture: Fixture) {
    let [anna, bea, carl] = fixture.users().await;
    let direct = fixture.direct(anna, bea).await;
    let group = fixture.group(carl, &[anna]).await;
    for text in ["one", "two", "three"] {
        stored(fixture.append(named(direct, anna, text, text)).await);
    }
    fixture.say(group, carl, "in the group").await;
    advanced(fixture.mark(direct, bea, Some(2)).await);
    let unknown = ConversationKey(group.0 + 1_000);
    let places = [
        (direct, 3),
        (group, 1),
        (direct, 1),
        (direct, 4),
        (direct, 0),
        (direct, -1),
        (group, 2),
        (unknown, 1),
    ];
    let mut found = fixture.store.messages(&places).await.expect("an answer");
    found.sort_by_key(|message| (message.conversation != direct, message.seq));
    let history = fixture.history(direct, anna).await;
    let expected = [&history[0], &history[2], &fixture.history(group, anna).await[0]].map(Message::clone);
    assert!(expected[0].read_at.is_some());
    assert_eq!(found, expected);
    assert_eq!(fixture.store.messages(&[]).await.expect("an answer"), []);
}
