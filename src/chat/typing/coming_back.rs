//! Who comes back sees who is typing now; and of those whom they may still see typing, that they have stopped.
//!
//! This node remembers the stops that it has told. What it did not hear of (before it started, or while the bus was away)
//! nobody is told: typing is promised to nobody.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::{Chat, Typing};
use crate::{
    chat::render::{News, Whose},
    fanout::LiveSocket,
    model::{ConversationKey, Result, UserKey, limits},
};

/// Who stopped typing lately, and when that was told: the last stop of each person in each conversation.
#[derive(Default)]
pub(super) struct Stops(Mutex<Told>);

#[derive(Default)]
struct Told {
    stops: HashMap<ConversationKey, HashMap<UserKey, Instant>>,
    /// Every stop, the oldest first, also those that a later one of the same person has replaced.
    order: VecDeque<(Instant, ConversationKey, UserKey)>,
}

impl Stops {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn note(&self, conversation: ConversationKey, user: UserKey, now: Instant) {
        let mut told = self.lock();
        told.stops.entry(conversation).or_default().insert(user, now);
        told.order.push_back((now, conversation, user));
        while told.order.len() > limits::TYPING_STOPS {
            told.forget_one();
        }
    }

    /// Who stopped in these conversations since then.
    fn since(&self, since: Instant, conversations: &[ConversationKey]) -> Vec<(ConversationKey, UserKey)> {
        let told = self.lock();
        let stops = conversations
            .iter()
            .filter_map(|key| Some((*key, told.stops.get(key)?)));
        stops
            .flat_map(|(key, people)| people.iter().map(move |(user, at)| (key, *user, *at)))
            .filter(|(_, _, at)| *at >= since)
            .map(|(key, user, _)| (key, user))
            .collect()
    }
}

impl Told {
    fn forget_one(&mut self) {
        let Some((at, conversation, user)) = self.order.pop_front() else {
            return;
        };
        if let Entry::Occupied(mut people) = self.stops.entry(conversation) {
            if people.get().get(&user) == Some(&at) {
                people.get_mut().remove(&user);
            }
            if people.get().is_empty() {
                people.remove();
            }
        }
    }
}

impl Typing {
    /// Who was last told to be typing, but for one person.
    fn told_of_others(&self, user: UserKey) -> Vec<(ConversationKey, UserKey)> {
        let people = self.lock();
        let told = people
            .iter()
            .filter(|((_, typist, _), state)| *typist != user && state.told.is_some_and(|(is_typing, _)| is_typing));
        told.map(|((conversation, typist, _), _)| (*conversation, *typist))
            .collect()
    }

    /// Was this person last told to be typing, here or elsewhere?
    fn is_told(&self, conversation: ConversationKey, user: UserKey) -> bool {
        let people = self.lock();
        [super::Place::Here, super::Place::Elsewhere].iter().any(|place| {
            people
                .get(&(conversation, user, *place))
                .and_then(|state| state.told)
                .is_some_and(|(is_typing, _)| is_typing)
        })
    }
}

impl Chat {
    /// Tells a socket that has got its way out who is typing now; and one that was away who has stopped since it may have
    /// heard of it last, in the conversations that are named with that time.
    pub(in crate::chat) async fn push_typing(
        &self,
        socket: &LiveSocket,
        away: Option<(Instant, Vec<ConversationKey>)>,
    ) -> Result<()> {
        let mut typists = self.typing.told_of_others(socket.user);
        if let Some((since, conversations)) = away {
            let stopped = self.typing.stops.since(since, &conversations);
            typists.extend(stopped.into_iter().filter(|(_, user)| *user != socket.user));
        }
        typists.sort_unstable();
        typists.dedup();
        let contract = socket.spoken();
        let audience = self.render.audience(contract, News::Typing, Whose::Others);
        for (key, user) in typists {
            if !socket.hears(audience, key, None) {
                continue;
            }
            let conversation = self.conversation(key).await?;
            if !conversation.is_current_member(socket.user) {
                continue;
            }
            let people = self.people_of(&conversation, &[user]).await?;
            loop {
                let is_typing = self.typing.is_told(key, user);
                let is_shown = is_typing && conversation.is_current_member(user);
                let frame = self.render.typing(contract, &conversation, user, &people, is_shown);
                socket.push_news(audience, key, &frame);
                // Else it was told otherwise meanwhile, perhaps before this.
                if self.typing.is_told(key, user) == is_typing {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: ConversationKey = ConversationKey(1);
    const ELSEWHERE: ConversationKey = ConversationKey(2);
    const ANA: UserKey = UserKey(1);
    const BEN: UserKey = UserKey(2);

    #[test]
    fn the_last_stop_of_each_counts_and_those_of_before_do_not() {
        let stops = Stops::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        stops.note(HERE, ANA, at(1));
        stops.note(HERE, BEN, at(2));
        stops.note(ELSEWHERE, ANA, at(3));
        stops.note(HERE, ANA, at(4));
        assert_eq!(stops.since(at(3), &[HERE]), [(HERE, ANA)]);
        let mut all = stops.since(start, &[ELSEWHERE, HERE, ConversationKey(9)]);
        all.sort_unstable();
        assert_eq!(all, [(HERE, ANA), (HERE, BEN), (ELSEWHERE, ANA)]);
    }

    #[test]
    fn a_flood_of_stops_fills_no_more_than_its_room() {
        let stops = Stops::default();
        let start = Instant::now();
        for number in 0..3 * limits::TYPING_STOPS as i64 {
            // A third of them of one person, again and again.
            let user = if number % 3 == 0 { ANA } else { UserKey(10 + number) };
            stops.note(ConversationKey(number % 7), user, start);
        }
        let told = stops.lock();
        let kept: usize = told.stops.values().map(HashMap::len).sum();
        assert_eq!(told.order.len(), limits::TYPING_STOPS);
        assert!(kept <= limits::TYPING_STOPS, "{kept}");
    }
}
