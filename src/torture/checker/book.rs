//! The ledgers of a run, read and ordered for judgement.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
};

use super::{
    membership::Membership,
    reading::Reading,
    verdict::{Promise, Verdict},
};
use crate::torture::ledger::{self, Line, Record, Seen, Way};

/// Everything that was said about one draft.
#[derive(Debug, Clone, Default)]
pub struct Story {
    pub conversation: String,
    pub sender: String,
    pub first_invoke: u64,
    /// When the first acknowledgement came.
    pub known_by: Option<u64>,
    /// Where the acknowledgement says that it is.
    pub place: Option<(i64, String)>,
    pub attempts: usize,
    pub refused_for_good: usize,
    /// The last word on it was a refusal for good.
    pub ended_refused: bool,
    /// Device and connection of the first attempt.
    first_on: (usize, u64),
    acknowledged_on: Option<(usize, u64)>,
}

impl Story {
    /// It was stored between these two times, if it was.
    pub fn span(&self) -> (u64, u64) {
        (self.first_invoke, self.known_by.unwrap_or(u64::MAX))
    }
}

/// Device, connection and conversation.
pub type Stream<'a> = (usize, u64, &'a str);

/// What a client had of a conversation: by `seq`, the draft and when it was first seen.
pub type Had = BTreeMap<i64, (u64, Seen)>;

#[derive(Debug, Default)]
pub struct DeviceStory {
    pub number: usize,
    pub user: String,
    pub contract: String,
    pub had: HashMap<String, Had>,
    /// Times of connecting and of the end of it.
    pub connected: Vec<(u64, u64)>,
    pub sent_away: Option<String>,
}

impl DeviceStory {
    pub fn is_connected_at(&self, at: u64) -> bool {
        self.connected.iter().any(|(from, to)| *from <= at && at <= *to)
    }
}

/// A history as it was read at the end.
#[derive(Debug)]
pub struct FinalHistory {
    pub node: usize,
    pub user: String,
    pub messages: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// Acknowledged: the mark is at least there.
    pub at_least: i64,
    /// Asked for: it is at most there.
    pub at_most: i64,
}

#[derive(Debug, Default)]
pub struct Book {
    pub drafts: HashMap<String, Story>,
    pub devices: Vec<DeviceStory>,
    /// By conversation and user.
    pub members: HashMap<String, HashMap<String, Membership>>,
    pub marks: HashMap<(String, String), Marks>,
    pub histories: HashMap<String, Vec<FinalHistory>>,
    /// Node, conversation, user, count.
    pub unread: Vec<(usize, String, String, i64)>,
    /// When the last fault was over, and when everybody had to be equal.
    pub healed: u64,
    pub checkpoint: u64,
    acknowledged_at: Vec<u64>,
}

impl Book {
    /// Reads every ledger in `folder`.
    pub fn read(folder: &Path, verdict: &mut Verdict) -> io::Result<Book> {
        let mut files: Vec<_> = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        files.sort_by_key(|file| file.file_name());
        let mut book = Book::default();
        for file in files {
            let mut reading = Reading::default();
            ledger::read(&file.path(), |line| book.take(line, &mut reading, verdict))?;
            if reading.is_client {
                book.devices.push(reading.story);
            }
        }
        verdict.figures.clients = book.devices.len();
        verdict.figures.conversations = book.members.len();
        verdict.figures.drafts = book.drafts.len();
        verdict.figures.acknowledged = book.drafts.values().filter(|story| story.place.is_some()).count();
        verdict.figures.longest_silence_ms = book.longest_silence_ms();
        Ok(book)
    }

    pub fn membership(&self, conversation: &str, user: &str) -> Membership {
        let members = self.members.get(conversation);
        members
            .and_then(|members| members.get(user))
            .cloned()
            .unwrap_or_default()
    }

    fn take(&mut self, line: Line, reading: &mut Reading, verdict: &mut Verdict) {
        let at = line.at;
        match line.record {
            Record::Client { device, user, contract } => {
                reading.is_client = true;
                reading.story = DeviceStory {
                    number: device,
                    user,
                    contract,
                    ..DeviceStory::default()
                };
            }
            Record::Opened { conversation, members } => {
                let members = members.into_iter().map(|user| (user, Membership::from_the_start()));
                self.members.entry(conversation).or_default().extend(members);
            }
            Record::MemberInvoke {
                conversation,
                user,
                change,
            } => {
                self.members
                    .entry(conversation)
                    .or_default()
                    .entry(user)
                    .or_default()
                    .asked(at, change);
            }
            Record::MemberAcknowledged {
                conversation,
                user,
                change,
            } => {
                verdict.figures.removals += usize::from(change == ledger::Change::Removed);
                self.members
                    .entry(conversation)
                    .or_default()
                    .entry(user)
                    .or_default()
                    .answered(at);
            }
            Record::ReadInvoke { conversation, seq } => {
                let marks = self
                    .marks
                    .entry((conversation, reading.story.user.clone()))
                    .or_default();
                marks.at_most = marks.at_most.max(seq);
            }
            Record::ReadAcknowledged { conversation, seq } => {
                let marks = self
                    .marks
                    .entry((conversation, reading.story.user.clone()))
                    .or_default();
                marks.at_least = marks.at_least.max(seq);
            }
            Record::History {
                node,
                conversation,
                user,
                messages,
            } => {
                verdict.figures.histories += 1;
                self.histories
                    .entry(conversation)
                    .or_default()
                    .push(FinalHistory { node, user, messages });
            }
            Record::Unread {
                node,
                conversation,
                user,
                unread,
            } => {
                verdict.figures.lists += 1;
                self.unread.push((node, conversation, user, unread));
            }
            Record::Checkpoint { since_heal } => {
                self.healed = since_heal;
                self.checkpoint = at;
            }
            record @ (Record::Invoke { .. }
            | Record::Acknowledged { .. }
            | Record::Refused { .. }
            | Record::Unknown { .. }) => self.take_send(at, record, reading, verdict),
            Record::Connected { .. }
            | Record::Disconnected { .. }
            | Record::SentAway { .. }
            | Record::Page { .. }
            | Record::Pushed { .. }
            | Record::MarkPushed { .. } => reading.take(at, line.record, verdict),
            Record::Tried {
                conversation,
                way,
                code,
            } => {
                verdict.figures.tried += 1;
                // The same words as for a conversation that was never there, where the server could answer at all.
                let is_kept_out = code
                    .as_deref()
                    .is_some_and(|code| code == "NOT_FOUND" || is_passing(code));
                if !is_kept_out {
                    let user = &reading.story.user;
                    verdict.add(Promise::Outsider, || {
                        format!("{user} tried a {way} in {conversation} and was answered {code:?}")
                    });
                }
            }
            record => note(record, verdict),
        }
    }

    fn take_send(&mut self, at: u64, record: Record, reading: &Reading, verdict: &mut Verdict) {
        let device = reading.story.number;
        match record {
            Record::Invoke {
                draft,
                conversation,
                way,
                connection,
                replay,
            } => {
                verdict.figures.attempts += 1;
                verdict.figures.replays += usize::from(replay);
                let on = if way == Way::Socket {
                    (device, connection)
                } else {
                    (device, 0)
                };
                let story = self.drafts.entry(draft).or_insert_with(|| Story {
                    conversation,
                    sender: reading.story.user.clone(),
                    first_invoke: at,
                    first_on: on,
                    ..Story::default()
                });
                story.attempts += 1;
                story.ended_refused = false;
            }
            Record::Acknowledged {
                draft,
                connection,
                id,
                seq,
                ..
            } => {
                self.acknowledged_at.push(at);
                let Some(story) = self.drafts.get_mut(&draft) else {
                    return;
                };
                story.known_by = Some(story.known_by.map_or(at, |known| known.min(at)));
                story.acknowledged_on.get_or_insert((device, connection));
                let place = (seq, id);
                match &story.place {
                    Some(before) if *before != place => {
                        verdict.add(Promise::TwoAnswers, || {
                            format!(
                                "{draft} in {} is at {} and at {}",
                                story.conversation, before.0, place.0
                            )
                        });
                    }
                    Some(_) => {}
                    None => story.place = Some(place),
                }
            }
            Record::Refused { draft, code, .. } => {
                let is_passing = is_passing(&code);
                verdict.figures.unavailable += usize::from(is_passing);
                verdict.figures.refused += usize::from(!is_passing);
                if let Some(story) = self.drafts.get_mut(&draft)
                    && !is_passing
                {
                    story.refused_for_good += 1;
                    story.ended_refused = true;
                }
            }
            _ => {}
        }
    }

    /// Drafts of one connection that were sent there once and acknowledged there, by conversation, in the order in which
    /// they were sent.
    pub fn sent_once(&self) -> HashMap<Stream<'_>, Vec<(&str, &Story)>> {
        let mut found: HashMap<Stream<'_>, Vec<(&str, &Story)>> = HashMap::new();
        for (draft, story) in &self.drafts {
            let (device, connection) = story.first_on;
            // REST calls of one person may overtake each other on the way.
            if connection > 0 && story.attempts == 1 && story.acknowledged_on == Some(story.first_on) {
                found
                    .entry((device, connection, story.conversation.as_str()))
                    .or_default()
                    .push((draft, story));
            }
        }
        for drafts in found.values_mut() {
            drafts.sort_by_key(|(_, story)| story.first_invoke);
        }
        found
    }

    fn longest_silence_ms(&self) -> u64 {
        let mut times = self.acknowledged_at.clone();
        times.sort_unstable();
        let gaps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one);
        gaps.max().unwrap_or(0) / 1_000
    }
}

/// A refusal for the moment.
fn is_passing(code: &str) -> bool {
    matches!(code, "UNAVAILABLE" | "RATE_LIMITED" | "502" | "503" | "504")
}

/// What concerns nodes and faults.
fn note(record: Record, verdict: &mut Verdict) {
    let figures = &mut verdict.figures;
    match record {
        Record::Fault {
            kind, healed: false, ..
        } => *figures.faults.entry(kind).or_default() += 1,
        Record::NotRun { kind, why } => {
            figures.not_run.insert(kind, why);
        }
        Record::NodeStarted { milliseconds, .. } => {
            figures.slowest_start_ms = figures.slowest_start_ms.max(milliseconds);
        }
        Record::NodeEnded {
            node,
            milliseconds,
            code,
        } => {
            figures.slowest_end_ms = figures.slowest_end_ms.max(milliseconds);
            if code != Some(0) || milliseconds > 10_000 {
                verdict.add(Promise::NodeEnd, || {
                    format!("node {node} took {milliseconds} ms and ended with {code:?}")
                });
            }
        }
        Record::NodeLost { node, why } => verdict.add(Promise::NodeLost, || format!("node {node}: {why}")),
        Record::ReadDuringFullDisk { status } => {
            figures.reads_during_full_disk += 1;
            if status != 200 {
                verdict.add(Promise::ReadsDuringFullDisk, || {
                    format!("a history was answered {status}")
                });
            }
        }
        _ => {}
    }
}
