//! The independent checker. It reads the ledgers, and nothing else, and says which promises they show broken.
//!
//! It knows no node and no database: what it judges is what clients were told, what they saw, and what every history says
//! at the end. Where the ledgers leave something open (no answer came, a change was under way) it goes either way.

mod book;
mod membership;
mod reading;
mod verdict;

use std::{
    collections::{HashMap, HashSet},
    io,
    path::Path,
};

use crate::torture::ledger::Seen;
use book::{Book, DeviceStory, Story};
pub use verdict::{Figures, Promise, Verdict};

/// A message that was acknowledged so shortly before the moment of comparison may still be under way.
const UNDER_WAY_US: u64 = 2_000_000;

/// Judges the ledgers in `folder`.
///
/// # Errors
///
/// They cannot be read; then nothing is proved.
pub fn judge(folder: &Path) -> io::Result<Verdict> {
    let mut verdict = Verdict::default();
    let book = Book::read(folder, &mut verdict)?;
    let judge = Judge {
        logs: book.logs(),
        book: &book,
    };
    judge.histories(&mut verdict);
    judge.drafts(&mut verdict);
    judge.sender_order(&mut verdict);
    judge.devices(&mut verdict);
    judge.unread(&mut verdict);
    Ok(verdict)
}

impl Book {
    /// Of each conversation the longest history that somebody has who was in it from the beginning to the end: what the
    /// others are compared with.
    fn logs(&self) -> HashMap<&str, &[Seen]> {
        let mut logs: HashMap<&str, &[Seen]> = HashMap::new();
        for (conversation, histories) in &self.histories {
            for history in histories {
                let member = self.membership(conversation, &history.user);
                let log = logs.entry(conversation).or_insert(&[]);
                if member.surely_in(0, u64::MAX) && history.messages.len() > log.len() {
                    *log = &history.messages;
                }
            }
        }
        logs
    }
}

struct Judge<'a> {
    book: &'a Book,
    logs: HashMap<&'a str, &'a [Seen]>,
}

impl Judge<'_> {
    fn log(&self, conversation: &str) -> &[Seen] {
        self.logs.get(conversation).copied().unwrap_or_default()
    }

    fn story(&self, message: &Seen) -> Option<&Story> {
        self.book.drafts.get(&message.draft)
    }

    /// Every history at the end: whole, equal for all, nothing that nobody sent, nothing that its reader may not see.
    fn histories(&self, verdict: &mut Verdict) {
        let mut stored = HashSet::new();
        for (conversation, log) in &self.logs {
            for (index, message) in log.iter().enumerate() {
                let Seen { seq, draft, sender, .. } = message;
                if *seq != index as i64 + 1 {
                    verdict.add(Promise::Gap, || {
                        format!("{conversation} has {seq} in place {}", index + 1)
                    });
                }
                match self.story(message) {
                    Some(story) if story.sender == *sender && story.conversation == **conversation => {}
                    _ => verdict.add(Promise::Phantom, || {
                        format!("{conversation} has {draft:?} of {sender} at {seq}")
                    }),
                }
                if !stored.insert(draft.as_str()) {
                    verdict.add(Promise::Doubled, || {
                        format!("{conversation} has {draft} a second time at {seq}")
                    });
                }
                if !message.intact {
                    verdict.add(Promise::Altered, || {
                        format!("{conversation} has another text for {draft} at {seq}")
                    });
                }
            }
        }
        for (conversation, histories) in &self.book.histories {
            let log = self.log(conversation);
            for history in histories {
                let member = self.book.membership(conversation, &history.user);
                let who = || format!("{} on node {}", history.user, history.node);
                if !member.ever_changed() {
                    if history.messages != log {
                        let at = history.messages.iter().zip(log).position(|(one, other)| one != other);
                        let at = at.unwrap_or(history.messages.len().min(log.len())) + 1;
                        verdict.add(Promise::Disagreement, || {
                            format!("{conversation}: {} sees another history, from place {at} on", who())
                        });
                    }
                    continue;
                }
                let seen: HashMap<i64, &Seen> = history.messages.iter().map(|message| (message.seq, message)).collect();
                for message in log {
                    let Some((from, to)) = self.story(message).map(Story::span) else {
                        continue;
                    };
                    match seen.get(&message.seq) {
                        Some(same) if *same != message => verdict.add(Promise::Disagreement, || {
                            format!("{conversation}: {} sees another message at {}", who(), message.seq)
                        }),
                        Some(_) if member.surely_out(from, to) => verdict.add(Promise::Outsider, || {
                            format!("{conversation}: {} has {}, from when they were out", who(), message.seq)
                        }),
                        None if member.surely_in(from, to) => verdict.add(Promise::Disagreement, || {
                            format!(
                                "{conversation}: {} does not have {}, from when they were in",
                                who(),
                                message.seq
                            )
                        }),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Every draft: kept when it was acknowledged, absent when it was refused, answered in the end.
    fn drafts(&self, verdict: &mut Verdict) {
        let mut places: HashMap<(&str, &str), &Seen> = HashMap::new();
        for (conversation, log) in &self.logs {
            places.extend(
                log.iter()
                    .map(|message| ((*conversation, message.draft.as_str()), message)),
            );
        }
        for (draft, story) in &self.book.drafts {
            let Story { conversation, .. } = story;
            let stored = places.get(&(conversation.as_str(), draft.as_str()));
            match (&story.place, stored) {
                (Some((seq, _)), None) => {
                    verdict.add(Promise::Lost, || {
                        format!("{draft} was acknowledged at {seq} of {conversation}")
                    });
                }
                (Some((seq, id)), Some(stored)) if (*seq, id) != (stored.seq, &stored.id) => {
                    verdict.add(Promise::TwoAnswers, || {
                        format!(
                            "{draft} was acknowledged at {seq} of {conversation} and is at {}",
                            stored.seq
                        )
                    });
                }
                (None, Some(stored)) if story.refused_for_good == story.attempts => {
                    verdict.add(Promise::StoredThoughRefused, || {
                        format!("{draft} is at {} of {conversation}", stored.seq)
                    });
                }
                (None, _)
                    if !story.ended_refused
                        && story.first_invoke < self.book.checkpoint.saturating_sub(UNDER_WAY_US) =>
                {
                    verdict.add(Promise::NotAnswered, || {
                        format!(
                            "{draft} of {} to {conversation}, {} times",
                            story.sender, story.attempts
                        )
                    });
                }
                _ => {}
            }
        }
    }

    /// What one connection sent in one conversation stands there in that order.
    fn sender_order(&self, verdict: &mut Verdict) {
        for ((device, connection, conversation), drafts) in self.book.sent_once() {
            for pair in drafts.windows(2) {
                let [(one, first), (other, second)] = pair else {
                    continue;
                };
                if first.place.as_ref().map(|place| place.0) > second.place.as_ref().map(|place| place.0) {
                    verdict.add(Promise::SenderOrder, || {
                        format!("{one} and {other} of client {device} in {conversation}, on connection {connection}")
                    });
                }
            }
        }
    }

    /// Every client: nothing that it may not see, everything else in time.
    fn devices(&self, verdict: &mut Verdict) {
        for device in &self.book.devices {
            let number = device.number;
            for (conversation, had) in &device.had {
                let member = self.book.membership(conversation, &device.user);
                let log = self.log(conversation);
                for (seq, (_, message)) in had {
                    let span = self.story(message).map(Story::span);
                    if span.is_some_and(|(from, to)| member.surely_out(from, to)) {
                        verdict.add(Promise::Outsider, || {
                            format!("client {number} ({}) saw {seq} of {conversation}", device.user)
                        });
                    }
                    let stored = usize::try_from(seq - 1).ok().and_then(|index| log.get(index));
                    if stored != Some(message) {
                        verdict.add(Promise::Disagreement, || {
                            format!(
                                "client {number} saw {} at {seq} of {conversation}, which is not so",
                                message.draft
                            )
                        });
                    }
                }
            }
            if !device.is_connected_at(self.book.checkpoint) {
                let why = device
                    .sent_away
                    .clone()
                    .unwrap_or_else(|| "it could not connect".to_owned());
                verdict.add(Promise::Away, || format!("client {number} ({}): {why}", device.user));
                continue;
            }
            self.everything_in_time(device, verdict);
        }
    }

    fn everything_in_time(&self, device: &DeviceStory, verdict: &mut Verdict) {
        for (conversation, log) in &self.logs {
            let member = self.book.membership(conversation, &device.user);
            if member.in_since().is_none() {
                continue;
            }
            let had = device.had.get(*conversation);
            for message in *log {
                let Some(story) = self.story(message) else { continue };
                let (from, to) = story.span();
                if to > self.book.checkpoint.saturating_sub(UNDER_WAY_US) || !member.surely_in(from, to) {
                    continue;
                }
                // These two contracts do not push a message to the socket that sent it: its acknowledgement is its copy.
                let is_own = story.sender == device.user && device.contract != "conversations";
                match had.and_then(|had| had.get(&message.seq)) {
                    Some((at, _)) if *at <= self.book.checkpoint => {
                        if to <= self.book.healed {
                            let after = at.saturating_sub(self.book.healed) / 1_000;
                            verdict.figures.equal_after_ms = verdict.figures.equal_after_ms.max(after);
                        }
                    }
                    _ if is_own => {}
                    _ => verdict.add(Promise::Missing, || {
                        format!(
                            "client {} ({}) does not have {} of {conversation}",
                            device.number, device.user, message.seq
                        )
                    }),
                }
            }
        }
    }

    /// Unread are the messages of others after one's mark, among those that came while one was in it.
    fn unread(&self, verdict: &mut Verdict) {
        for (node, conversation, user, unread) in &self.book.unread {
            let member = self.book.membership(conversation, user);
            let marks = self
                .book
                .marks
                .get(&(conversation.clone(), user.clone()))
                .copied()
                .unwrap_or_default();
            let log = self.log(conversation);
            let others = |message: &&Seen| message.sender != *user;
            let visible = |message: &&Seen| {
                !self.story(message).is_some_and(|story| {
                    let (from, to) = story.span();
                    member.surely_out(from, to)
                })
            };
            // Who is out, or came back, has at least what surely came after.
            let surely = |message: &&Seen| {
                let since = member.in_since();
                self.story(message)
                    .zip(since)
                    .is_some_and(|(story, since)| since <= story.first_invoke)
            };
            let at_most = log
                .iter()
                .filter(others)
                .filter(visible)
                .filter(|message| message.seq > marks.at_least)
                .count();
            let at_least = log
                .iter()
                .filter(others)
                .filter(surely)
                .filter(|message| message.seq > marks.at_most)
                .count();
            if !(at_least as i64..=at_most as i64).contains(unread) {
                verdict.add(Promise::Unread, || {
                    format!(
                        "{conversation}: {user} has {unread} on node {node}, which should be {at_least} to {at_most}"
                    )
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
