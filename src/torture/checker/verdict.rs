//! What the checker found: promises that were broken, each with its first cases, and figures.

use std::{collections::BTreeMap, fmt};

/// Cases of one promise that are told in words; more are counted.
const TOLD_MAX: usize = 10;

macro_rules! promises {
    ($($promise:ident $meaning:literal)*) => {
        /// What must hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Promise { $($promise),* }

        impl Promise {
            pub const ALL: &'static [Promise] = &[$(Promise::$promise),*];

            /// What is the case when it is broken.
            pub fn broken(self) -> &'static str {
                match self { $(Promise::$promise => $meaning),* }
            }
        }
    };
}

promises! {
    Lost "acknowledged messages that are not in the history"
    Doubled "messages that are in the history twice"
    Phantom "messages in a history that nobody sent"
    StoredThoughRefused "messages that were refused, and are in the history"
    TwoAnswers "messages that were acknowledged with two different places"
    Altered "messages whose text is not what was sent"
    Gap "histories whose numbers are not 1, 2, 3, ..."
    Disagreement "histories that differ between participants or nodes"
    SenderOrder "messages of one connection that are stored in another order than they were sent"
    SeenTwice "messages that one session got twice"
    OutOfOrder "messages that one connection got out of order"
    Outsider "messages or conversations that somebody saw who had no right to"
    Unread "unread counts that are wrong"
    MarkFell "marks of what is read that fell"
    Missing "messages that a client still had not got 10 s after the last fault"
    NotAnswered "messages that were still not acknowledged 10 s after the last fault"
    Away "clients that were not connected 10 s after the last fault"
    NodeLost "nodes that did not come back"
    NodeEnd "nodes that did not end within 10 s after SIGTERM, with exit code 0"
    ReadsDuringFullDisk "reads that failed because the disk was full"
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.broken())
    }
}

/// Cases of one broken promise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cases {
    pub count: usize,
    /// The first of them, in words.
    pub told: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub broken: BTreeMap<Promise, Cases>,
    pub figures: Figures,
}

/// What happened, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    pub clients: usize,
    pub conversations: usize,
    pub drafts: usize,
    pub attempts: usize,
    pub acknowledged: usize,
    /// Sent again on purpose, though acknowledged.
    pub replays: usize,
    /// Refused for the moment (`UNAVAILABLE`), which a client tries again.
    pub unavailable: usize,
    /// Refused for good, as to somebody who was taken out of the group.
    pub refused: usize,
    /// Messages that live sockets got pushed.
    pub pushed: usize,
    pub connections: usize,
    /// Connections of clients that had a session, and asked to have it back.
    pub asked: usize,
    pub recovered: usize,
    /// Attempts of outsiders to get in.
    pub tried: usize,
    pub removals: usize,
    /// Histories and lists that were compared at the end.
    pub histories: usize,
    pub lists: usize,
    /// Longest time in which no message at all was acknowledged.
    pub longest_silence_ms: u64,
    /// From the end of the last fault until everybody had everything that was acknowledged before.
    pub equal_after_ms: u64,
    pub slowest_start_ms: u64,
    pub slowest_end_ms: u64,
    pub reads_during_full_disk: usize,
    /// By kind: how often it was injected.
    pub faults: BTreeMap<String, usize>,
    /// By kind: why it was not.
    pub not_run: BTreeMap<String, String>,
}

impl Verdict {
    pub fn add(&mut self, promise: Promise, case: impl FnOnce() -> String) {
        let cases = self.broken.entry(promise).or_default();
        cases.count += 1;
        if cases.told.len() < TOLD_MAX {
            cases.told.push(case());
        }
    }

    pub fn count(&self, promise: Promise) -> usize {
        self.broken.get(&promise).map_or(0, |cases| cases.count)
    }

    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}
