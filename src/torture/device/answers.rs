//! What comes from the server, and what it makes of the client's state: answers, pages of history, pushes.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Asked, DraftState, Fetched, Joined, Live, PAGE, REPLAYED, RETRY_PAUSE};
use crate::torture::{
    ledger::{Record, Seen},
    wire::{Push, all_seen},
};

impl Live {
    pub(super) fn took(&mut self, fetched: Fetched) {
        if fetched.connection != self.connection {
            return;
        }
        match fetched.answer {
            Ok(answer) if answer.status == 200 => {
                let page = all_seen(&answer.body).unwrap_or_default();
                let has_more = page.len() >= PAGE;
                self.page(&fetched.conversation, fetched.after, page, has_more);
            }
            Ok(answer) if !answer.is_passing() => self.set(&fetched.conversation, Joined::Out),
            Ok(_) | Err(_) => self.retry_join(&fetched.conversation),
        }
    }

    pub(super) fn answered(&mut self, id: u64, answer: &Value) {
        let Some(asked) = self.asked.remove(&id) else { return };
        let is_ok = answer["ok"] == json!(true);
        let code = answer["error"]["code"].as_str().unwrap_or("no code").to_owned();
        match asked {
            Asked::Send { draft, conversation } => {
                let message = &answer["message"];
                let id = message["id"]
                    .as_str()
                    .or(message["_id"].as_str())
                    .unwrap_or_default()
                    .to_owned();
                let acknowledged = is_ok.then(|| (id, message["seq"].as_i64().unwrap_or(-1)));
                self.settle(draft, conversation, acknowledged, code);
            }
            Asked::Join { conversation, after } if is_ok => match all_seen(&answer["messages"]) {
                Some(page) => self.page(&conversation, after, page, answer["hasMore"] == json!(true)),
                None => self.retry_join(&conversation),
            },
            Asked::Join { conversation, .. } => match is_passing(&code) {
                true => self.retry_join(&conversation),
                false => self.set(&conversation, Joined::Out),
            },
            Asked::Read { conversation, seq } if is_ok => self.write(Record::ReadAcknowledged { conversation, seq }),
            Asked::Read { .. } => {}
            Asked::Intrude { conversation, way } => self.write(Record::Tried {
                conversation,
                way: way.to_owned(),
                code: (!is_ok).then_some(code),
            }),
        }
    }

    fn settle(&mut self, id: String, conversation: String, acknowledged: Option<(String, i64)>, code: String) {
        let position = self.drafts.iter().position(|draft| draft.id == id);
        if let Some((message, seq)) = acknowledged {
            self.write(Record::Acknowledged {
                draft: id,
                conversation,
                connection: self.connection,
                id: message,
                seq,
            });
            if let Some(draft) = position.and_then(|position| self.drafts.remove(position)) {
                self.acknowledged.push_back((draft.id, draft.room, draft.text));
                if self.acknowledged.len() > REPLAYED {
                    self.acknowledged.pop_front();
                }
            }
            return;
        }
        let retry = is_passing(&code);
        self.write(Record::Refused {
            draft: id,
            conversation,
            code,
        });
        let Some(position) = position else { return };
        if retry {
            self.drafts[position].state = DraftState::ToSend {
                not_before: Instant::now() + RETRY_PAUSE,
            };
        } else {
            self.drafts.remove(position);
        }
    }

    fn page(&mut self, conversation: &str, after: i64, messages: Vec<Seen>, has_more: bool) {
        if let Some(position) = self.positions.get_mut(conversation) {
            if let Some(last) = messages.last() {
                position.seq = position.seq.max(last.seq);
                position.saw(last);
            }
            if has_more {
                // The next page begins where this one ends.
                position.state = Joined::No {
                    not_before: Instant::now(),
                };
            } else {
                position.seq = position.seq.max(position.ahead);
                position.state = Joined::Yes;
            }
        }
        self.write(Record::Page {
            connection: self.connection,
            conversation: conversation.to_owned(),
            after,
            messages,
            has_more,
        });
    }

    pub(super) fn pushed(&mut self, event: &str, payload: &Value) {
        match self.device.contract.push(event, payload) {
            Push::Message { conversation, message } => {
                if let Some(position) = self.positions.get_mut(&conversation) {
                    position.ahead = position.ahead.max(message.seq);
                    if position.state == Joined::Yes {
                        position.seq = position.seq.max(message.seq);
                    }
                    position.saw(&message);
                }
                self.write(Record::Pushed {
                    connection: self.connection,
                    conversation,
                    message,
                });
            }
            Push::Mark {
                conversation,
                user,
                seq,
            } => self.write(Record::MarkPushed {
                connection: self.connection,
                conversation,
                user,
                seq,
            }),
            Push::Changed { conversation } => {
                // Somebody was brought back, and their page opens the conversation again.
                if let Some(position) = self.positions.get_mut(&conversation)
                    && position.state == Joined::Out
                {
                    position.state = Joined::No {
                        not_before: Instant::now(),
                    };
                }
            }
            Push::Other => {}
        }
    }

    fn set(&mut self, conversation: &str, state: Joined) {
        if let Some(position) = self.positions.get_mut(conversation) {
            position.state = state;
        }
    }

    fn retry_join(&mut self, conversation: &str) {
        let not_before = Instant::now() + RETRY_PAUSE;
        self.set(conversation, Joined::No { not_before });
    }
}

/// It may work a little later.
fn is_passing(code: &str) -> bool {
    matches!(code, "UNAVAILABLE" | "RATE_LIMITED")
}
