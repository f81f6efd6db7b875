//! A naive model of a group, against which the store is compared after every step of random runs.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};
use tokio::runtime::Handle;

use super::*;

const PEOPLE: usize = 5;
const CASES: u32 = 64;

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    /// To a share of the newest `seq`, in percent: the same step fits histories of any length. Over 100 is beyond it.
    Mark(usize, Option<i64>),
    Leave(usize),
    Put(usize),
    MoveClock(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let person = 0..PEOPLE;
    prop_oneof![
        6 => person.clone().prop_map(Step::Send),
        4 => (person.clone(), proptest::option::of(0..110i64)).prop_map(|(who, to)| Step::Mark(who, to)),
        1 => person.clone().prop_map(Step::Leave),
        2 => person.prop_map(Step::Put),
        1 => (-50..100i64).prop_map(Step::MoveClock),
    ]
}

struct Sent {
    sender: usize,
    at: Timestamp,
    seen_by: BTreeSet<usize>,
    /// Whose mark passed it, and when, in order.
    passed: Vec<(usize, Timestamp)>,
}

#[derive(Default)]
struct Model {
    sent: Vec<Sent>,
    /// Of those who ever were in it.
    marks: [Option<Seq>; PEOPLE],
    /// When they came in last.
    joined: [Option<Timestamp>; PEOPLE],
    current: BTreeSet<usize>,
    latest: Option<Timestamp>,
}

impl Model {
    fn at(&mut self, now: Timestamp) -> Timestamp {
        let at = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(at);
        at
    }

    fn seen(&self, who: usize) -> Vec<Seq> {
        let all = (1..).zip(&self.sent);
        all.filter(|(_, sent)| sent.seen_by.contains(&who))
            .map(|(seq, _)| seq)
            .collect()
    }

    fn unread(&self, who: usize) -> i64 {
        let mark = self.marks[who].expect("a member");
        let all = (1..).zip(&self.sent);
        all.filter(|(seq, sent)| *seq > mark && sent.sender != who && sent.seen_by.contains(&who))
            .count() as i64
    }

    fn read_at(&self, seq: Seq) -> Option<Timestamp> {
        let sent = &self.sent[seq as usize - 1];
        sent.passed
            .iter()
            .find(|(who, _)| *who != sent.sender)
            .map(|(_, at)| *at)
    }

    /// The mark's way: `None` when it does not move, else from where, and how many messages of others it passes.
    fn mark(&mut self, who: usize, to: Seq, at: Timestamp) -> (Seq, i64) {
        let from = self.marks[who].replace(to).expect("a member");
        let mut updated = 0;
        for sent in &mut self.sent[from as usize..to as usize] {
            if sent.seen_by.contains(&who) {
                sent.passed.push((who, at));
                updated += i64::from(sent.sender != who);
            }
        }
        (from, updated)
    }
}

struct Run<'a> {
    fixture: &'a Fixture,
    people: [UserKey; PEOPLE],
    group: ConversationKey,
    model: Model,
}

impl Run<'_> {
    async fn take(&mut self, step: &Step) -> TestCaseResult {
        let now = self.fixture.clock.now();
        match *step {
            Step::MoveClock(millis) => {
                self.fixture.clock.move_by(millis);
            }
            Step::Send(who) => {
                let outcome = self.fixture.append(draft(self.group, self.people[who], "hello")).await;
                if self.model.current.contains(&who) {
                    let message = stored(outcome);
                    let at = self.model.at(now);
                    prop_assert_eq!(
                        (message.seq, message.created_at),
                        (self.model.sent.len() as Seq + 1, at)
                    );
                    self.model.sent.push(Sent {
                        sender: who,
                        at,
                        seen_by: self.model.current.clone(),
                        passed: Vec::new(),
                    });
                } else if self.model.marks[who].is_some() {
                    prop_assert!(matches!(outcome, Appended::Left));
                } else {
                    prop_assert!(matches!(outcome, Appended::NotParticipant));
                }
            }
            Step::Mark(who, share) => self.mark(who, share, now).await?,
            Step::Leave(who) => {
                let outcome = self.fixture.remove(Actor::Host, self.group, self.people[who]).await;
                if self.model.current.remove(&who) {
                    done(outcome);
                    self.model.at(now);
                } else {
                    prop_assert!(matches!(outcome, Changed::NoSuchMember));
                }
            }
            Step::Put(who) => {
                let outcome = self.fixture.put_member(Actor::Host, self.group, self.people[who]).await;
                if self.model.current.insert(who) {
                    done(outcome);
                    self.model.joined[who] = Some(self.model.at(now));
                    self.model.marks[who] = Some(self.model.sent.len() as Seq);
                } else {
                    untouched(outcome);
                }
            }
        }
        self.compare().await
    }

    async fn mark(&mut self, who: usize, share: Option<i64>, now: Timestamp) -> TestCaseResult {
        let last = self.model.sent.len() as Seq;
        let up_to = share.map(|percent| (last * percent + 99) / 100);
        let outcome = self.fixture.mark(self.group, self.people[who], up_to).await;
        let Some(mark) = self.model.marks[who] else {
            prop_assert!(matches!(outcome, Marked::NotParticipant));
            return Ok(());
        };
        if !self.model.current.contains(&who) {
            prop_assert!(matches!(outcome, Marked::Left));
            return Ok(());
        }
        let seen = self.model.seen(who);
        let to = up_to.unwrap_or(seen.last().copied().unwrap_or(0));
        if up_to.is_some() && !seen.contains(&to) {
            prop_assert!(matches!(outcome, Marked::NoSuchMessage));
        } else if to <= mark {
            prop_assert!(matches!(outcome, Marked::Unchanged));
        } else {
            let at = self.model.at(now);
            let (from, updated) = self.model.mark(who, to, at);
            let read = advanced(outcome);
            prop_assert_eq!((read.from, read.to, read.updated, read.at), (from, to, updated, at));
        }
        Ok(())
    }

    async fn compare(&self) -> TestCaseResult {
        for who in 0..PEOPLE {
            if self.model.marks[who].is_none() {
                let entry = self.fixture.store.entry(self.group, self.people[who]).await.unwrap();
                prop_assert!(entry.is_none());
                continue;
            }
            let seen = self.model.seen(who);
            let history = self.fixture.history(self.group, self.people[who]).await;
            prop_assert_eq!(&seqs(&history), &seen, "what {} sees", who);
            for message in &history {
                prop_assert_eq!(
                    message.read_at,
                    self.model.read_at(message.seq),
                    "read_at of {}",
                    message.seq
                );
                prop_assert_eq!(message.created_at, self.model.sent[message.seq as usize - 1].at);
            }
            let entry = self.fixture.entry(self.group, self.people[who]).await;
            prop_assert_eq!(entry.unread, self.model.unread(who), "unread of {}", who);
            prop_assert_eq!(entry.last_message.as_ref(), history.last());
            let activity_at = history
                .last()
                .map_or(self.model.joined[who], |message| Some(message.created_at));
            prop_assert_eq!(Some(entry.activity_at), activity_at);
        }
        Ok(())
    }
}

pub async fn what_is_seen_and_unread_agrees_with_a_naive_model(fixture: Fixture) {
    let people: [UserKey; PEOPLE] = fixture.users().await;
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = proptest::collection::vec(step(), 1..40);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&steps, |steps| {
            Handle::current().block_on(async {
                let mut run = Run {
                    fixture: &fixture,
                    people,
                    group: fixture.group(people[0], &people[1..3]).await,
                    model: Model::default(),
                };
                let made_at = run.model.at(fixture.clock.now());
                for who in 0..3 {
                    run.model.current.insert(who);
                    run.model.marks[who] = Some(0);
                    run.model.joined[who] = Some(made_at);
                }
                for step in &steps {
                    run.take(step).await?;
                }
                Ok(())
            })
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
