//! What happened lately, by conversation: enough to know what a client missed that was away for a while.
//!
//! Only places are kept, no contents; those are read from the store, for the client's own eyes. After a restart the
//! journal fills it again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::model::{ConversationKey, Cut, Note, Origin, Position, Seq, UserKey, conversation::Read, limits};

#[derive(Default)]
pub struct Recent(Mutex<State>);

#[derive(Default)]
struct State {
    conversations: HashMap<ConversationKey, VecDeque<Noted>>,
    /// Whose membership changed: they may not be in the conversation any more.
    members: HashMap<UserKey, VecDeque<(Position, ConversationKey)>>,
    /// How far each reader was told to have read, and by which fact: as long as that is remembered.
    marks: HashMap<(ConversationKey, UserKey), (Seq, Position)>,
    /// What is forgotten next, the oldest first.
    order: VecDeque<Kept>,
    told: u64,
    /// Everything up to here may have been forgotten.
    forgotten: Cut,
    /// How far things had come at certain times, the oldest first.
    samples: VecDeque<(Instant, Cut)>,
}

enum Kept {
    Conversation(ConversationKey),
    Member(UserKey),
}

/// One fact of a conversation.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Facts are told in this order on this node.
    pub turn: u64,
    pub position: Position,
    /// Coarse: as of the last sample.
    pub at: Instant,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Message {
        seq: Seq,
        origin: Option<Origin>,
    },
    Read(Box<(Read, Option<Origin>)>),
    /// Something that shows in the list of conversations alone.
    Changed,
}

/// How often the time is noted.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// A process that was not run for so long, or whose machine slept.
const STANDSTILL: Duration = Duration::from_secs(10);
/// A list is told of its changes at most so long after the fact; twice that, to be sure.
const LISTS_LAG: Duration = limits::CONVERSATION_PUSH_INTERVAL.saturating_mul(2);

/// What somebody missed.
#[derive(Debug, Default)]
pub struct Missed {
    /// In the order in which it was told.
    pub news: Vec<(ConversationKey, Noted)>,
    /// Where the list of conversations may show something older.
    pub changed: Vec<ConversationKey>,
}

impl Recent {
    /// Begins anew: nothing before this cut is remembered.
    pub fn begin(&self, forgotten: Cut) {
        *self.lock() = State {
            forgotten,
            ..State::default()
        };
    }

    /// `false`: nobody needs to hear of it, since a later mark of the same reader has been told. No fact builds on a mark,
    /// so those that two nodes made come in either order, and a mark only rises.
    pub fn note(&self, position: Position, note: &Note) -> bool {
        let mut state = self.lock();
        state.told += 1;
        let (conversation, what) = match note {
            Note::MessageStored {
                conversation,
                seq,
                origin,
            } => (
                *conversation,
                What::Message {
                    seq: *seq,
                    origin: *origin,
                },
            ),
            Note::Read { read, origin } => {
                let mark = (read.conversation, read.reader);
                if state.marks.get(&mark).is_some_and(|(told, _)| *told > read.to) {
                    return false;
                }
                state.marks.insert(mark, (read.to, position));
                (read.conversation, What::Read(Box::new((read.clone(), *origin))))
            }
            Note::Opened(conversation) | Note::ConversationChanged(conversation) => (*conversation, What::Changed),
            Note::MembershipChanged { conversation, user, .. } => {
                let of_user = state.members.entry(*user).or_default();
                of_user.push_back((position, *conversation));
                state.order.push_back(Kept::Member(*user));
                (*conversation, What::Changed)
            }
            Note::CommentAdded { .. } | Note::UserChanged(_) | Note::ListingChanged(_) | Note::SessionsEnded { .. } => {
                return true;
            }
        };
        let noted = Noted {
            turn: state.told,
            position,
            at: state.samples.back().map_or_else(Instant::now, |(at, _)| *at),
            what,
        };
        state.conversations.entry(conversation).or_default().push_back(noted);
        state.order.push_back(Kept::Conversation(conversation));
        while state.order.len() > limits::RECENT_FACTS {
            state.forget_one();
        }
        true
    }

    /// Notes the time, and forgets what is older than `keep`. Returns what everyone has got for certain by now, and up to
    /// where all is forgotten, as far as either is known.
    pub fn sample(&self, now: Instant, told: Cut, keep: Duration) -> Sampled {
        let mut state = self.lock();
        if state
            .samples
            .back()
            .is_some_and(|(at, _)| now.duration_since(*at) > STANDSTILL)
        {
            // Nobody was asked for a sign of life meanwhile: nothing is known of who got what.
            state.samples.clear();
        }
        let is_due = state
            .samples
            .back()
            .is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE_INTERVAL);
        if is_due {
            state.samples.push_back((now, told));
        }
        let older_than = |age: Duration| {
            let newer = state.samples.partition_point(|(at, _)| now.duration_since(*at) >= age);
            newer
                .checked_sub(1)
                .and_then(|at| state.samples.get(at))
                .map(|(_, cut)| cut.clone())
        };
        let sampled = Sampled {
            received: older_than(limits::SURELY_RECEIVED).unwrap_or_default(),
            outdated: older_than(keep),
        };
        if let Some(outdated) = &sampled.outdated {
            while state.is_front_within(outdated) {
                state.forget_one();
            }
            while state
                .samples
                .get(1)
                .is_some_and(|(at, _)| now.duration_since(*at) >= keep)
            {
                state.samples.pop_front();
            }
        }
        sampled
    }

    /// The newest message of a conversation that was told, as far as that is remembered; else 0.
    pub fn newest(&self, conversation: ConversationKey) -> Seq {
        let state = self.lock();
        let noted = state.conversations.get(&conversation).into_iter().flatten();
        let seqs = noted.rev().filter_map(|noted| match noted.what {
            What::Message { seq, .. } => Some(seq),
            _ => None,
        });
        // They rise within a conversation.
        seqs.take(1).sum()
    }

    /// What was told after `from`, up to `to`, in these conversations, and of memberships of this person; `None` when
    /// some of it may be forgotten, or it is more than may be replayed.
    pub fn missed(&self, user: UserKey, conversations: &[ConversationKey], from: &Cut, to: &Cut) -> Option<Missed> {
        let state = self.lock();
        if !from.covers(&state.forgotten) {
            return None;
        }
        let of_these = || {
            conversations
                .iter()
                .filter_map(|key| Some((*key, state.conversations.get(key)?)))
        };
        // Lists are told a moment after the fact, without an offset.
        let lists_from = of_these()
            .filter_map(|(_, noted)| noted.iter().rev().find(|noted| from.holds(noted.position)))
            .map(|noted| noted.at)
            .max()
            .and_then(|at| at.checked_sub(LISTS_LAG));
        let mut missed = Missed::default();
        for (key, noted) in of_these() {
            let mut has_changed = false;
            for noted in noted {
                if from.holds(noted.position) {
                    has_changed |= lists_from.is_some_and(|since| noted.at >= since);
                } else if to.holds(noted.position) && !state.is_overtaken(key, &noted.what, from) {
                    missed.news.push((key, noted.clone()));
                    has_changed = true;
                }
            }
            if has_changed {
                missed.changed.push(key);
            }
            if missed.news.len() > limits::REPLAYED_NEWS {
                return None;
            }
        }
        for (position, conversation) in state.members.get(&user).into_iter().flatten() {
            if !from.holds(*position) && !missed.changed.contains(conversation) {
                missed.changed.push(*conversation);
            }
        }
        drop(state);
        missed.news.sort_by_key(|(_, noted)| noted.turn);
        Some(missed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What the time tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    pub received: Cut,
    /// Nobody can come back any more who missed this.
    pub outdated: Option<Cut>,
}

impl State {
    fn front_position(&self) -> Option<Position> {
        match self.order.front()? {
            Kept::Conversation(key) => self.conversations.get(key)?.front().map(|noted| noted.position),
            Kept::Member(user) => self.members.get(user)?.front().map(|(position, _)| *position),
        }
    }

    /// Is this a mark, and did whoever has come so far get a later one of the same reader, from another node?
    fn is_overtaken(&self, conversation: ConversationKey, what: &What, from: &Cut) -> bool {
        let What::Read(read) = what else { return false };
        let newest = self.marks.get(&(conversation, read.0.reader));
        newest.is_some_and(|(to, by)| *to > read.0.to && from.holds(*by))
    }

    fn is_front_within(&self, cut: &Cut) -> bool {
        self.front_position().is_some_and(|position| cut.holds(position))
    }

    fn forget_one(&mut self) {
        let position = match self.order.pop_front() {
            None => return,
            Some(Kept::Conversation(key)) => pop(&mut self.conversations, &key).map(|noted| {
                if let What::Read(read) = &noted.what {
                    let mark = (key, read.0.reader);
                    if self.marks.get(&mark).is_some_and(|(_, by)| *by == noted.position) {
                        self.marks.remove(&mark);
                    }
                }
                noted.position
            }),
            Some(Kept::Member(user)) => pop(&mut self.members, &user).map(|(position, _)| position),
        };
        if let Some(position) = position {
            self.forgotten.advance(position);
        }
    }
}

fn pop<K: std::hash::Hash + Eq, T>(queues: &mut HashMap<K, VecDeque<T>>, key: &K) -> Option<T> {
    let queue = queues.get_mut(key)?;
    let first = queue.pop_front();
    if queue.is_empty() {
        queues.remove(key);
    } else if queue.capacity() > 64 && queue.len() < queue.capacity() / 4 {
        queue.shrink_to_fit();
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    const HERE: ConversationKey = ConversationKey(1);
    const ELSEWHERE: ConversationKey = ConversationKey(2);
    const ANA: UserKey = UserKey(1);
    const KEEP: Duration = Duration::from_secs(300);

    fn at(number: i64) -> Position {
        Position { slot: 0, number }
    }

    fn cut(number: i64) -> Cut {
        [at(number)].into_iter().collect()
    }

    fn message(recent: &Recent, conversation: ConversationKey, number: i64) {
        let note = Note::MessageStored {
            conversation,
            seq: number,
            origin: None,
        };
        recent.note(at(number), &note);
    }

    fn mark(recent: &Recent, position: Position, to: Seq) -> bool {
        let read = Read {
            conversation: HERE,
            reader: ANA,
            from: to - 1,
            to,
            at: Timestamp(0),
            updated: 1,
            newest: to,
        };
        recent.note(position, &Note::Read { read, origin: None })
    }

    fn numbers(missed: &Missed) -> Vec<i64> {
        missed.news.iter().map(|(_, noted)| noted.position.number).collect()
    }

    #[test]
    fn what_was_missed_comes_in_the_order_in_which_it_was_told() {
        let recent = Recent::default();
        for (conversation, number) in [(HERE, 1), (ELSEWHERE, 2), (HERE, 3), (ELSEWHERE, 4), (HERE, 5)] {
            message(&recent, conversation, number);
        }
        let missed = recent.missed(ANA, &[ELSEWHERE, HERE], &cut(1), &cut(4)).unwrap();
        assert_eq!(numbers(&missed), [2, 3, 4]);
        let missed = recent.missed(ANA, &[HERE], &cut(1), &cut(4)).unwrap();
        assert_eq!(numbers(&missed), [3]);
        assert_eq!((recent.newest(HERE), recent.newest(ConversationKey(9))), (5, 0));
    }

    #[test]
    fn what_somebody_has_read_never_falls_though_two_nodes_tell_it_in_either_order() {
        let other = |number| Position { slot: 1, number };
        let (here, there) = (Recent::default(), Recent::default());
        assert!(mark(&here, at(1), 3) && mark(&here, other(1), 5));
        assert!(!mark(&here, at(2), 4), "5 has been told");
        assert!(mark(&here, at(3), 6));
        assert!(mark(&there, at(1), 3) && mark(&there, at(2), 4) && mark(&there, other(1), 5));
        // Told 3 and 5 by the one node, somebody comes back to the other, which told 4 in between.
        let (from, to) = (
            [at(1), other(1)].into_iter().collect(),
            [at(2), other(1)].into_iter().collect(),
        );
        assert_eq!(there.missed(ANA, &[HERE], &from, &to).unwrap().news.len(), 0);
        let missed = there.missed(ANA, &[HERE], &cut(1), &to).unwrap();
        assert_eq!(missed.news.len(), 2, "who got neither is told both");
    }

    #[test]
    fn marks_are_forgotten_with_their_facts() {
        let recent = Recent::default();
        mark(&recent, at(1), 3);
        mark(&recent, at(2), 4);
        let state = &mut *recent.lock();
        state.forget_one();
        assert_eq!(state.marks.len(), 1, "the newest is remembered");
        state.forget_one();
        assert!(state.marks.is_empty());
    }

    #[test]
    fn who_was_away_for_too_long_is_told_so() {
        let recent = Recent::default();
        let start = Instant::now();
        recent.sample(start, cut(0), KEEP);
        message(&recent, HERE, 1);
        recent.sample(start + Duration::from_secs(1), cut(1), KEEP);
        message(&recent, HERE, 2);
        let mut sampled = Sampled::default();
        let mut pass = |recent: &Recent, until: u64, from: u64| {
            for second in from..=until {
                sampled = recent.sample(start + Duration::from_secs(second), cut(2), KEEP);
            }
            (sampled.received.clone(), sampled.outdated.clone())
        };
        assert_eq!(pass(&recent, 71, 2), (cut(1), None));
        assert!(recent.missed(ANA, &[HERE], &cut(0), &cut(2)).is_some());
        assert_eq!(pass(&recent, 301, 72).1, Some(cut(1)));
        assert!(
            recent.missed(ANA, &[HERE], &cut(0), &cut(2)).is_none(),
            "1 is forgotten"
        );
        assert_eq!(numbers(&recent.missed(ANA, &[HERE], &cut(1), &cut(2)).unwrap()), [2]);
    }

    #[test]
    fn after_a_standstill_nobody_is_thought_to_have_got_anything() {
        let recent = Recent::default();
        let start = Instant::now();
        recent.sample(start, cut(1), KEEP);
        let sampled = recent.sample(start + Duration::from_secs(100), cut(1), KEEP);
        assert_eq!(sampled, Sampled::default());
    }

    #[test]
    fn a_removal_shows_in_the_list_of_who_is_gone() {
        let recent = Recent::default();
        let note = Note::MembershipChanged {
            conversation: HERE,
            user: ANA,
            is_member: false,
        };
        recent.note(at(1), &note);
        let missed = recent.missed(ANA, &[], &Cut::default(), &cut(1)).unwrap();
        assert_eq!((missed.changed, missed.news.len()), (vec![HERE], 0));
    }

    #[test]
    fn more_than_can_be_remembered_is_forgotten_oldest_first() {
        let recent = Recent::default();
        let most = limits::RECENT_FACTS as i64;
        for number in 1..=most + 10 {
            message(&recent, HERE, number);
        }
        assert!(recent.missed(ANA, &[HERE], &cut(9), &cut(most)).is_none());
        let missed = recent.missed(ANA, &[HERE], &cut(most), &cut(most + 10)).unwrap();
        assert_eq!(missed.news.len(), 10);
    }
}
