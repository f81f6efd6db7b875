//! The run itself: opens the conversations, lets the clients live by the plan, lets the faults strike, waits until all must
//! be equal, and reads every history.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::Instant,
};

use super::{
    device::{self, Command, Device},
    ledger::{Change, Ledger, Record, Watch, Way},
    plan::{Plan, What, Wishes},
    rest::{Credential, Rest},
    stage::Stage,
    text::text_of,
    trouble::Trouble,
    wire::Room,
};

/// Everybody must be equal so long after the last fault.
const EQUAL_WITHIN: Duration = Duration::from_secs(10);
/// What was sent last may take so long, where the last fault was over long before.
const ARRIVE_WITHIN: Duration = Duration::from_secs(3);
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Longer than a clock jumps.
const TOKEN_SECONDS: u64 = 30 * 24 * 60 * 60;
/// Requests of clients that are on their way when the clients are stopped.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// How far a run is, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    pub sent: AtomicUsize,
    pub faults_now: AtomicUsize,
    pub faults: AtomicUsize,
}

pub struct Run {
    plan: Arc<Plan>,
    wishes: Wishes,
    stage: Arc<Stage>,
    watch: Watch,
    rooms: Vec<String>,
    tokens: Vec<String>,
    ledgers: Vec<Arc<Ledger>>,
    /// Of what no client does: setting up, memberships, faults.
    own: Arc<Ledger>,
    progress: Arc<Progress>,
}

fn token(secret: &str, user: &str) -> Result<String, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let claims = json!({ "sub": user, "name": user, "exp": now + TOKEN_SECONDS });
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| format!("No token can be made: {error}."))
}

impl Run {
    /// Opens ledgers and conversations.
    pub async fn prepare(
        wishes: &Wishes,
        plan: Plan,
        stage: Stage,
        ledgers: &Path,
        progress: Arc<Progress>,
    ) -> Result<Run, String> {
        let words = |error: io::Error| format!("A ledger cannot be written: {error}.");
        let watch = Watch::start();
        let open = |name: String| Ledger::create(&ledgers.join(name), watch).map(Arc::new).map_err(words);
        // Read first, since it says who is in which conversation.
        let own = open("0-run.jsonl".to_owned())?;
        let tokens = plan
            .people
            .iter()
            .map(|user| token(&stage.jwt_secret, user))
            .collect::<Result<Vec<_>, _>>()?;
        let clients = (0..plan.devices.len())
            .map(|number| open(format!("client-{number:04}.jsonl")))
            .collect::<Result<Vec<_>, _>>()?;
        let mut run = Run {
            plan: Arc::new(plan),
            wishes: wishes.clone(),
            stage: Arc::new(stage),
            watch,
            rooms: Vec::new(),
            tokens,
            ledgers: clients,
            own,
            progress,
        };
        run.open_conversations().await?;
        Ok(run)
    }

    async fn open_conversations(&mut self) -> Result<(), String> {
        let plan = Arc::clone(&self.plan);
        let address = self.stage.nodes.first().ok_or("There is no node.")?.address;
        for (number, planned) in plan.conversations.iter().enumerate() {
            let others: Vec<&String> = planned.members[1..]
                .iter()
                .map(|member| &plan.people[*member])
                .collect();
            let body = if planned.is_group() {
                json!({ "isGroup": true, "title": format!("Group {number}"), "participantIds": others })
            } else {
                json!({ "otherUserId": others[0] })
            };
            let maker = Rest {
                address,
                credential: Credential::Token(self.tokens[planned.members[0]].clone()),
            };
            let answer = maker.call("POST", "/api/conversations", Some(&body)).await?;
            let id = answer.body["conversation"]["id"].as_str();
            let id = id
                .filter(|_| answer.is_ok())
                .ok_or_else(|| format!("A conversation cannot be opened: {} {}.", answer.status, answer.body))?;
            self.own.write(Record::Opened {
                conversation: id.to_owned(),
                members: planned
                    .members
                    .iter()
                    .map(|member| plan.people[*member].clone())
                    .collect(),
            });
            self.rooms.push(id.to_owned());
        }
        Ok(())
    }

    fn room(&self, conversation: usize, person: usize) -> Room {
        let planned = &self.plan.conversations[conversation];
        let other = planned.members.iter().find(|member| **member != person);
        Room {
            id: self.rooms[conversation].clone(),
            other: other
                .filter(|_| !planned.is_group())
                .map(|other| self.plan.people[*other].clone()),
        }
    }

    /// Lives the plan, and answers when everything was written.
    ///
    /// # Errors
    ///
    /// A ledger could not be written, or a history not be read.
    pub async fn live(self) -> Result<(), String> {
        let run = Arc::new(self);
        let (devices, tasks): (Vec<_>, Vec<_>) = (0..run.plan.devices.len()).map(|number| run.start(number)).unzip();
        let begun = Instant::now();
        let faults = tokio::spawn(Arc::clone(&run).trouble(devices.clone(), begun));
        let mut side = JoinSet::new();
        run.act(&devices, begun, &mut side).await;
        let last_sent = Instant::now();
        let healed = faults
            .await
            .map_err(|error| format!("The faults ended too early: {error}."))?;
        tokio::time::sleep_until((healed + EQUAL_WITHIN).max(last_sent + ARRIVE_WITHIN)).await;
        let since_heal = run.watch.at(healed.into_std());
        run.own.write(Record::Checkpoint { since_heal });
        for device in &devices {
            // Fails when it has stopped by itself.
            let _ = device.send(Command::Stop).await;
        }
        drop(devices);
        for task in tasks {
            task.await
                .map_err(|error| format!("A client ended too early: {error}."))?;
        }
        side.shutdown().await;
        tokio::time::sleep(LAST_REQUESTS).await;
        super::collect::read_everything(&run.stage, &run.plan, &run.rooms, &run.tokens, &run.own).await?;
        for ledger in run.ledgers.iter().chain([&run.own]) {
            ledger
                .flush()
                .map_err(|error| format!("A ledger could not be written: {error}."))?;
        }
        Ok(())
    }

    fn start(&self, number: usize) -> (mpsc::Sender<Command>, tokio::task::JoinHandle<()>) {
        let planned = &self.plan.devices[number];
        let member_of = (0..self.rooms.len())
            .filter(|conversation| self.plan.conversations[*conversation].members.contains(&planned.person));
        device::start(Device {
            number,
            user: self.plan.people[planned.person].clone(),
            contract: planned.contract,
            token: self.tokens[planned.person].clone(),
            proxy: Arc::clone(&self.stage.clients),
            ledger: Arc::clone(&self.ledgers[number]),
            rooms: member_of
                .map(|conversation| self.room(conversation, planned.person))
                .collect(),
            seed: self.wishes.seed.wrapping_add(number as u64),
        })
    }

    /// Lets the faults strike, and answers when the last one was over.
    async fn trouble(self: Arc<Self>, devices: Vec<mpsc::Sender<Command>>, begun: Instant) -> Instant {
        // Somebody who stays in their group.
        let group = self
            .plan
            .conversations
            .iter()
            .position(|planned| planned.is_group())
            .unwrap_or(0);
        let maker = self.plan.conversations[group].members[0];
        let trouble = Arc::new(Trouble {
            stage: Arc::clone(&self.stage),
            ledger: Arc::clone(&self.own),
            devices,
            reader: (self.tokens[maker].clone(), self.room(group, maker)),
        });
        let mut under_way = JoinSet::new();
        for number in 0..self.plan.faults.len() {
            tokio::time::sleep_until(begun + Duration::from_millis(self.plan.faults[number].at_ms)).await;
            let (run, trouble) = (Arc::clone(&self), Arc::clone(&trouble));
            under_way.spawn(async move {
                run.progress.faults.fetch_add(1, Ordering::Relaxed);
                run.progress.faults_now.fetch_add(1, Ordering::Relaxed);
                trouble.inject(number, &run.plan.faults[number]).await;
                run.progress.faults_now.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while under_way.join_next().await.is_some() {}
        Instant::now()
    }

    async fn act(self: &Arc<Self>, devices: &[mpsc::Sender<Command>], begun: Instant, side: &mut JoinSet<()>) {
        let mut turns: HashMap<(usize, usize), Arc<Mutex<()>>> = HashMap::new();
        for action in &self.plan.actions {
            tokio::time::sleep_until(begun + Duration::from_millis(action.at_ms)).await;
            while side.try_join_next().is_some() {}
            let person_of = |device: usize| self.plan.devices[device].person;
            let (device, command) = match &action.what {
                What::Send {
                    device,
                    conversation,
                    draft,
                    length,
                    by_rest,
                } => {
                    self.progress.sent.fetch_add(1, Ordering::Relaxed);
                    let (draft, room) = (
                        Plan::draft_id(self.wishes.seed, *draft),
                        self.room(*conversation, person_of(*device)),
                    );
                    if *by_rest {
                        side.spawn(Arc::clone(self).send_by_rest(*device, draft, room, *length));
                        continue;
                    }
                    let length = *length;
                    (*device, Command::Send { draft, room, length })
                }
                What::Read { device, conversation } => {
                    let room = self.room(*conversation, person_of(*device));
                    (*device, Command::Read { room })
                }
                What::Intrude { device, conversation } => {
                    let room = self.room(*conversation, person_of(*device));
                    (*device, Command::Intrude { room })
                }
                What::Remove { conversation, person } | What::Add { conversation, person } => {
                    let change = match &action.what {
                        What::Add { .. } => Change::Added,
                        _ => Change::Removed,
                    };
                    // One change of a membership after the other, however long they take.
                    let turn = Arc::clone(turns.entry((*conversation, *person)).or_default());
                    let task = Arc::clone(self).change(*conversation, *person, change, turn, devices.to_vec());
                    side.spawn(task);
                    continue;
                }
            };
            // A client that is cut off keeps what it is told.
            let _ = devices[device].try_send(command);
        }
    }

    /// A send over REST, by the page beside the socket; tried again until it is answered.
    async fn send_by_rest(self: Arc<Self>, device: usize, draft: String, room: Room, length: usize) {
        let ledger = &self.ledgers[device];
        let rest = Rest {
            address: self.stage.clients.address,
            credential: Credential::Token(self.tokens[self.plan.devices[device].person].clone()),
        };
        let body = json!({
            "conversationId": room.id,
            "content": text_of(&draft, length),
            "clientMessageId": draft,
        });
        let conversation = room.id;
        loop {
            ledger.write(Record::Invoke {
                draft: draft.clone(),
                conversation: conversation.clone(),
                way: Way::Rest,
                connection: 0,
                replay: false,
            });
            let answer = rest.call("POST", "/api/messages", Some(&body)).await;
            let message = |body: &Value| {
                Some((
                    body["message"]["id"].as_str()?.to_owned(),
                    body["message"]["seq"].as_i64()?,
                ))
            };
            let (draft, conversation) = (draft.clone(), conversation.clone());
            match answer {
                Ok(answer) if answer.is_ok() => {
                    let (id, seq) = message(&answer.body).unwrap_or_default();
                    return ledger.write(Record::Acknowledged {
                        draft,
                        conversation,
                        connection: 0,
                        id,
                        seq,
                    });
                }
                Ok(answer) => {
                    let code = answer.code();
                    ledger.write(Record::Refused {
                        draft,
                        conversation,
                        code,
                    });
                    if !answer.is_passing() {
                        return;
                    }
                }
                Err(why) => ledger.write(Record::Unknown {
                    draft,
                    conversation,
                    why,
                }),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// The host application takes somebody out of a group, or brings them back, and tries until it is done.
    async fn change(
        self: Arc<Self>,
        conversation: usize,
        person: usize,
        change: Change,
        turn: Arc<Mutex<()>>,
        devices: Vec<mpsc::Sender<Command>>,
    ) {
        let _turn = turn.lock().await;
        let (id, user) = (self.rooms[conversation].clone(), self.plan.people[person].clone());
        let host = Rest {
            address: self.stage.clients.address,
            credential: Credential::ApiKey(self.stage.api_key.clone()),
        };
        let mut is_first = true;
        loop {
            self.own.write(Record::MemberInvoke {
                conversation: id.clone(),
                user: user.clone(),
                change,
            });
            let path = format!("/v1/conversations/{id}/participants");
            let answer = match change {
                Change::Added => host.call("POST", &path, Some(&json!({ "userId": user }))).await,
                Change::Removed => host.call("DELETE", &format!("{path}/{user}"), None).await,
            };
            let is_done = match &answer {
                Ok(answer) if answer.is_ok() => true,
                // The first try did it, and its answer was lost.
                Ok(answer) => !is_first && !answer.is_passing(),
                Err(_) => false,
            };
            if is_done {
                break;
            }
            is_first = false;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        self.own.write(Record::MemberAcknowledged {
            conversation: id,
            user,
            change,
        });
        if change == Change::Added {
            let theirs = self
                .plan
                .devices
                .iter()
                .enumerate()
                .filter(|(_, device)| device.person == person);
            for (number, _) in theirs {
                let room = self.room(conversation, person);
                let _ = devices[number].try_send(Command::Rejoin { room });
            }
        }
    }
}
