//! One client's ledger, line by line: what can be judged on the way is judged here.

use std::collections::{HashMap, HashSet};

use super::{
    book::{DeviceStory, Had},
    verdict::{Promise, Verdict},
};
use crate::torture::ledger::{Record, Seen};

/// What is known of a client while its file is read.
#[derive(Default)]
pub struct Reading {
    pub story: DeviceStory,
    /// The highest `seq` that this connection got of each conversation.
    last_on_connection: HashMap<String, i64>,
    /// What this session got: a recovered connection goes on with it.
    session: HashSet<(String, i64)>,
    marks: HashMap<(String, String), i64>,
    pub is_client: bool,
}

impl Reading {
    pub fn take(&mut self, at: u64, record: Record, verdict: &mut Verdict) {
        let device = self.story.number;
        match record {
            Record::Connected { asked, recovered, .. } => {
                verdict.figures.connections += 1;
                verdict.figures.asked += usize::from(asked);
                verdict.figures.recovered += usize::from(recovered);
                self.story.connected.push((at, u64::MAX));
                self.last_on_connection.clear();
                self.marks.clear();
                if !recovered {
                    self.session.clear();
                }
            }
            Record::Disconnected { .. } => {
                if let Some(last) = self.story.connected.last_mut() {
                    last.1 = at;
                }
            }
            Record::SentAway { why } => self.story.sent_away = Some(why),
            Record::Page {
                conversation, messages, ..
            } => {
                for message in messages {
                    self.had(at, &conversation, message);
                }
            }
            Record::Pushed {
                connection,
                conversation,
                message,
            } => {
                verdict.figures.pushed += 1;
                let seq = message.seq;
                if !self.session.insert((conversation.clone(), seq)) {
                    verdict.add(Promise::SeenTwice, || {
                        format!("client {device} got {seq} of {conversation} again on its connection {connection}")
                    });
                }
                let last = self.last_on_connection.entry(conversation.clone()).or_insert(0);
                if seq < *last {
                    verdict.add(Promise::OutOfOrder, || {
                        format!(
                            "client {device} got {seq} of {conversation} after {last} on its connection {connection}"
                        )
                    });
                }
                *last = seq.max(*last);
                self.had(at, &conversation, message);
            }
            Record::MarkPushed {
                connection,
                conversation,
                user,
                seq,
            } => {
                let last = self.marks.entry((conversation.clone(), user.clone())).or_insert(seq);
                if seq < *last {
                    verdict.add(Promise::MarkFell, || {
                        format!("client {device} was told {last}, then {seq} for {user} in {conversation} on connection {connection}")
                    });
                }
                *last = seq.max(*last);
            }
            _ => {}
        }
    }

    fn had(&mut self, at: u64, conversation: &str, message: Seen) {
        if !self.story.had.contains_key(conversation) {
            self.story.had.insert(conversation.to_owned(), Had::new());
        }
        if let Some(had) = self.story.had.get_mut(conversation) {
            had.entry(message.seq).or_insert((at, message));
        }
    }
}
