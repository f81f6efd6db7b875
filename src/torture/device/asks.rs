//! What goes to the server: drafts in their order, joins, marks, and attempts at what is not allowed.

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ANSWER_TIME, Asked, DraftState, Fetched, Joined, Live, PAGE, Position, unknown};
use crate::torture::{
    client::Socket,
    ledger::{Record, Way},
    plan::Speaks,
    rest::{Credential, Rest},
    wire::Room,
};

impl Live {
    pub(super) async fn send_what_waits(&mut self, socket: &mut Socket) -> Result<(), String> {
        let now = Instant::now();
        for index in 0..self.drafts.len() {
            let draft = &mut self.drafts[index];
            match draft.state {
                DraftState::Waiting { since } if now.duration_since(since) > ANSWER_TIME => {
                    draft.state = DraftState::ToSend { not_before: now };
                    let record = unknown(&self.drafts[index], "no answer within 5 s");
                    self.write(record);
                }
                DraftState::ToSend { not_before } if not_before <= now => {
                    draft.state = DraftState::Waiting { since: now };
                    let (id, conversation) = (draft.id.clone(), draft.room.id.clone());
                    let (event, payload) = self.device.contract.send(&draft.room, &draft.id, &draft.text);
                    let record = Record::Invoke {
                        draft: id.clone(),
                        conversation: conversation.clone(),
                        way: Way::Socket,
                        connection: self.connection,
                        replay: draft.replay,
                    };
                    self.write(record);
                    let asked = Asked::Send {
                        draft: id,
                        conversation,
                    };
                    self.ask(socket, event, &payload, asked).await?;
                }
                _ => {}
            }
        }
        self.join_what_waits(socket, now).await
    }

    async fn join_what_waits(&mut self, socket: &mut Socket, now: Instant) -> Result<(), String> {
        let due = |position: &&mut Position| matches!(position.state, Joined::No { not_before } if not_before <= now);
        let mut wanted: Vec<(Room, i64)> = Vec::new();
        for position in self.positions.values_mut().filter(due) {
            position.state = Joined::Asked;
            wanted.push((position.room.clone(), position.seq));
        }
        for (room, after) in wanted {
            let asked = Asked::Join {
                conversation: room.id.clone(),
                after,
            };
            match self.device.contract.join(&room, after) {
                Some((event, payload)) => self.ask(socket, event, &payload, asked).await?,
                None => self.fetch(room.id, after),
            }
        }
        Ok(())
    }

    /// A client without rooms reads what it missed.
    fn fetch(&self, conversation: String, after: i64) {
        let rest = self.rest_client();
        let path = self.device.contract.history_path(&conversation, after, PAGE);
        let (fetched, connection) = (self.fetched.clone(), self.connection);
        tokio::spawn(async move {
            let answer = rest.get(&path).await;
            let done = Fetched {
                connection,
                conversation,
                after,
                answer,
            };
            // Fails when the client has been stopped.
            let _ = fetched.send(done).await;
        });
    }

    fn rest_client(&self) -> Rest {
        Rest {
            address: self.address(),
            credential: Credential::Token(self.device.token.clone()),
        }
    }

    fn address(&self) -> SocketAddr {
        self.device.proxy.address
    }

    async fn ask(&mut self, socket: &mut Socket, event: &str, payload: &Value, asked: Asked) -> Result<(), String> {
        self.last_ack += 1;
        self.asked.insert(self.last_ack, asked);
        socket.emit(event, payload, self.last_ack).await
    }

    pub(super) async fn read(&mut self, socket: &mut Socket, room: &Room) {
        let Some(position) = self.positions.get_mut(&room.id) else {
            return;
        };
        let Some((seq, message)) = position.newest.clone() else {
            return;
        };
        if position.marked >= seq || position.state == Joined::Out {
            return;
        }
        position.marked = seq;
        let conversation = room.id.clone();
        self.write(Record::ReadInvoke {
            conversation: conversation.clone(),
            seq,
        });
        let (event, payload) = self.device.contract.read(room, &message);
        // When this fails, the connection is found to be over soon enough.
        let _ = self
            .ask(socket, event, &payload, Asked::Read { conversation, seq })
            .await;
    }

    /// Tries what is not allowed, each in its turn.
    pub(super) async fn intrude(&mut self, socket: &mut Socket, room: &Room) {
        let conversation = room.id.clone();
        let payload = json!({ "conversationId": room.id, "afterSeq": 0 });
        let (event, payload, way) = match self.rng.u8(0..5) {
            0 => ("conversation:join", payload, "join"),
            1 => ("join_conversation", payload, "join"),
            2 => (
                "message:send",
                json!({ "conversationId": room.id, "content": "from an outsider" }),
                "send",
            ),
            3 => ("message:read", json!({ "conversationId": room.id }), "read"),
            _ => {
                let (rest, ledger) = (self.rest_client(), Arc::clone(&self.device.ledger));
                let path = Speaks::Conversations.history_path(&room.id, 0, PAGE);
                tokio::spawn(async move {
                    if let Ok(answer) = rest.get(&path).await {
                        let code = (!answer.is_ok()).then(|| answer.code());
                        let way = "history".to_owned();
                        ledger.write(Record::Tried {
                            conversation,
                            way,
                            code,
                        });
                    }
                });
                return;
            }
        };
        let _ = self
            .ask(socket, event, &payload, Asked::Intrude { conversation, way })
            .await;
    }
}
