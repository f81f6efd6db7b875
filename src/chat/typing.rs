//! Who is typing: told at most once a second, the last state always, and over by itself.
//!
//! What is told here is told to the other nodes, too. They tell their own sockets by the same rules, so that typing of
//! which the end got lost is over there as soon as it would be here.

mod coming_back;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Caller, Chat, render::News};
use crate::{
    fanout::bus::Signal,
    model::{Conversation, ConversationKey, Error, Result, UserId, UserKey, limits},
};
use coming_back::Stops;

#[derive(Default)]
pub struct Typing {
    people: Mutex<HashMap<Typist, State>>,
    stops: Stops,
    wake: Notify,
}

/// Somebody who types in a conversation, on this node or elsewhere.
type Typist = (ConversationKey, UserKey, Place);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Here,
    Elsewhere,
}

struct State {
    is_typing: bool,
    /// When typing stops by itself.
    expires: Instant,
    /// What was told last, and when.
    told: Option<(bool, Instant)>,
    /// A sign of typing has come since: told again, for clients whose own timer runs out.
    refreshed: bool,
}

/// How often the worker looks while somebody types.
const TICK: Duration = Duration::from_millis(50);
const PAUSE: Duration = limits::TYPING_PUSH_INTERVAL;
const EXPIRES: Duration = limits::TYPING_TIME;

impl State {
    /// What to tell now, if anything.
    fn tell(&mut self, now: Instant) -> Option<bool> {
        if self.is_typing && self.expires <= now {
            self.is_typing = false;
        }
        let has_news = match self.told {
            None => self.is_typing,
            Some((told, _)) => told != self.is_typing || (self.is_typing && self.refreshed),
        };
        let may_tell = self
            .told
            .is_none_or(|(_, at)| now.saturating_duration_since(at) >= PAUSE);
        if !has_news || !may_tell {
            return None;
        }
        self.told = Some((self.is_typing, now));
        self.refreshed = false;
        Some(self.is_typing)
    }

    /// Nothing is left to tell, and nothing to hold back.
    fn is_over(&self, now: Instant) -> bool {
        !self.is_typing
            && self
                .told
                .is_none_or(|(told, at)| !told && now.saturating_duration_since(at) >= PAUSE)
    }
}

impl Typing {
    fn lock(&self) -> MutexGuard<'_, HashMap<Typist, State>> {
        self.people.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn note(&self, conversation: ConversationKey, user: UserKey, is_typing: bool, now: Instant) -> Option<bool> {
        let typist = (conversation, user, Place::Here);
        let mut people = self.lock();
        let state = noted(&mut people, typist, is_typing, now);
        let tell = state.tell(now);
        if state.is_over(now) {
            people.remove(&typist);
        }
        if tell == Some(false) {
            self.stops.note(conversation, user, now);
        }
        tell
    }

    #[cfg(test)]
    pub(super) fn is_quiet(&self) -> bool {
        self.lock().is_empty()
    }

    /// What another node tells; the worker tells it to the sockets of this one.
    pub(super) fn note_elsewhere(&self, conversation: ConversationKey, user: UserKey, is_typing: bool, now: Instant) {
        let typist = (conversation, user, Place::Elsewhere);
        let mut people = self.lock();
        if !people.contains_key(&typist) && (!is_typing || people.len() >= limits::TYPING_ELSEWHERE) {
            return;
        }
        noted(&mut people, typist, is_typing, now);
        drop(people);
        self.wake.notify_one();
    }
}

fn noted(people: &mut HashMap<Typist, State>, typist: Typist, is_typing: bool, now: Instant) -> &mut State {
    let state = people.entry(typist).or_insert(State {
        is_typing: false,
        expires: now,
        told: None,
        refreshed: false,
    });
    state.is_typing = is_typing;
    if is_typing {
        state.expires = now + EXPIRES;
        state.refreshed = true;
    }
    state
}

/// Where somebody types.
#[derive(Debug, Clone)]
pub enum TypingTarget {
    /// With a person named beside it, they must be in it.
    Conversation { id: String, person: Option<String> },
    /// The most recently active one-to-one conversation with this person, else their direct one.
    Person(String),
}

impl Chat {
    pub async fn typing(&self, caller: Caller, target: TypingTarget, is_typing: bool) -> Result<()> {
        let user = caller.user()?;
        let conversation = match target {
            TypingTarget::Conversation { id, person } => {
                let conversation = self.conversation_open_to(user, &id).await?;
                self.may_be_beside(&conversation, user, person.as_deref()).await?;
                conversation
            }
            TypingTarget::Person(person) => {
                if self.user(user).await?.id.as_str() == person {
                    return Err(Error::invalid("You have no conversation with yourself."));
                }
                let id = UserId::parse(&person)?;
                let known = match self.reachable_user(&id).await? {
                    Some(person) => self.store.one_to_ones(user, person.key).await?.first().copied(),
                    None => None,
                };
                match known {
                    Some(key) => self.conversation(key).await?,
                    // Typing is never refused; with nobody to tell, it is told to nobody.
                    None => match self.open_direct_quietly(user, &id).await? {
                        Some(conversation) => conversation,
                        None => return Ok(()),
                    },
                }
            }
        };
        let tell = self.typing.note(conversation.key, user, is_typing, Instant::now());
        self.typing.wake.notify_one();
        match tell {
            Some(is_typing) => {
                self.tell_nodes_typing(conversation.key, user, is_typing);
                self.deliver_typing(&conversation, user, is_typing).await
            }
            None => Ok(()),
        }
    }

    fn tell_nodes_typing(&self, conversation: ConversationKey, user: UserKey, is_typing: bool) {
        self.bus.tell(Signal::Typing {
            conversation,
            user,
            is_typing,
        });
    }

    async fn deliver_typing(&self, conversation: &Conversation, user: UserKey, is_typing: bool) -> Result<()> {
        // That somebody who has left types no more is still told, or it would stand there for ever.
        if is_typing && !conversation.is_current_member(user) {
            return Ok(());
        }
        let people = self.people_of(conversation, &[user]).await?;
        let render = |contract| self.render.typing(contract, conversation, user, &people, is_typing);
        self.deliver_news(conversation, News::Typing, user, render);
        Ok(())
    }
}

/// Tells what was held back, and what stops by itself.
pub(super) async fn run(chat: Arc<Chat>) {
    loop {
        let now = Instant::now();
        let mut news = Vec::new();
        let is_quiet = {
            let mut people = chat.typing.lock();
            people.retain(|&(conversation, user, place), state| {
                if let Some(is_typing) = state.tell(now) {
                    // Before it is told: whoever gets their way out in between finds it here.
                    if !is_typing {
                        chat.typing.stops.note(conversation, user, now);
                    }
                    news.push((conversation, user, place, is_typing));
                }
                !state.is_over(now)
            });
            people.is_empty()
        };
        for (conversation, user, place, is_typing) in news {
            if place == Place::Here {
                chat.tell_nodes_typing(conversation, user, is_typing);
            }
            let told = match chat.conversation(conversation).await {
                Ok(conversation) => chat.deliver_typing(&conversation, user, is_typing).await,
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                tracing::debug!(%error, "typing could not be told");
            }
        }
        if is_quiet {
            chat.typing.wake.notified().await;
        }
        tokio::time::sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ConversationKey = ConversationKey(1);
    const ANA: UserKey = UserKey(1);

    fn tick(typing: &Typing, now: Instant) -> Vec<bool> {
        let mut told = Vec::new();
        typing.lock().retain(|_, state| {
            told.extend(state.tell(now));
            !state.is_over(now)
        });
        told
    }

    #[test]
    fn a_flood_of_typing_is_told_once_a_second_and_ends_with_the_last_state() {
        let typing = Typing::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for ms in 0..3_000 {
            let now = start + Duration::from_millis(ms);
            told.extend(typing.note(HERE, ANA, ms % 2 == 0, now));
        }
        told.extend(tick(&typing, start + Duration::from_millis(4_000)));
        assert!(told.len() <= 5, "{told:?}");
        assert_eq!(told.last(), Some(&false));
    }

    #[test]
    fn typing_stops_by_itself_and_leaves_nothing_behind() {
        let typing = Typing::default();
        let start = Instant::now();
        assert_eq!(typing.note(HERE, ANA, true, start), Some(true));
        assert_eq!(tick(&typing, start + Duration::from_millis(5_900)), [true; 0]);
        assert_eq!(tick(&typing, start + Duration::from_millis(6_100)), [false]);
        assert_eq!(tick(&typing, start + Duration::from_millis(7_200)), [true; 0]);
        assert!(typing.lock().is_empty());
    }

    #[test]
    fn typing_elsewhere_stops_by_itself_when_its_end_got_lost() {
        let typing = Typing::default();
        let start = Instant::now();
        typing.note_elsewhere(HERE, ANA, true, start);
        assert_eq!(tick(&typing, start), [true]);
        assert_eq!(tick(&typing, start + Duration::from_millis(5_900)), [true; 0]);
        assert_eq!(tick(&typing, start + Duration::from_millis(6_100)), [false]);
        assert_eq!(tick(&typing, start + Duration::from_millis(7_200)), [true; 0]);
        assert!(typing.lock().is_empty());
        typing.note_elsewhere(HERE, ANA, false, start);
        assert!(typing.lock().is_empty(), "the end of what was never heard of");
    }

    #[test]
    fn a_flood_of_typing_elsewhere_fills_no_more_than_its_room() {
        let typing = Typing::default();
        for user in 0..2 * limits::TYPING_ELSEWHERE as i64 {
            typing.note_elsewhere(HERE, UserKey(user), true, Instant::now());
        }
        assert_eq!(typing.lock().len(), limits::TYPING_ELSEWHERE);
    }

    #[test]
    fn a_stop_without_a_start_tells_nothing() {
        let typing = Typing::default();
        assert_eq!(typing.note(HERE, ANA, false, Instant::now()), None);
        assert!(typing.lock().is_empty());
    }
}
