//! One client of a run, with the manners of a good front end: it comes back with growing pauses, sends again with the same
//! `clientMessageId` until it is answered, and asks for what it missed when its session was not recovered.
//!
//! It deliberately does not mend holes in what is pushed to it: a hole is the server's, and the checker is to see it.

mod answers;
mod asks;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{
    client::{ConnectFault, Incoming, Session, Socket},
    ledger::{Ledger, Record, Seen},
    plan::Speaks,
    proxy::Proxy,
    text::text_of,
    wire::Room,
};

/// As `reconnectionDelay` and `reconnectionDelayMax` of the stock client, which has 1 and 5 s by default.
const RECONNECT_FIRST: Duration = Duration::from_millis(300);
const RECONNECT_MAX: Duration = Duration::from_secs(2);
/// Without an answer for so long a draft is sent again.
const ANSWER_TIME: Duration = Duration::from_secs(5);
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// How many acknowledged drafts a client keeps, to send them again when it is told to.
const REPLAYED: usize = 5;
const PAGE: usize = 200;

/// What a client is told to do.
#[derive(Debug)]
pub enum Command {
    Send {
        draft: String,
        room: Room,
        length: usize,
    },
    Read {
        room: Room,
    },
    Intrude {
        room: Room,
    },
    /// It was brought back into a group.
    Rejoin {
        room: Room,
    },
    /// Sends again what was acknowledged last.
    Replay,
    Stop,
}

#[derive(Debug)]
struct Draft {
    id: String,
    room: Room,
    text: String,
    /// It was handed over on this connection, or is to be, not before this time.
    state: DraftState,
    replay: bool,
}

#[derive(Debug, Clone, Copy)]
enum DraftState {
    Waiting { since: Instant },
    ToSend { not_before: Instant },
}

/// How far a client is in a conversation.
#[derive(Debug)]
struct Position {
    room: Room,
    /// Everything up to here was seen, as far as the client knows.
    seq: i64,
    /// The newest message that was seen in whatever way, and its id: what a reader marks.
    newest: Option<(i64, String)>,
    /// The highest that was pushed while older ones were still being fetched.
    ahead: i64,
    state: Joined,
    marked: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    /// To be asked for, not before this time.
    No {
        not_before: Instant,
    },
    Asked,
    Yes,
    /// Not a participant any more.
    Out,
}

/// What an acknowledgement is about.
#[derive(Debug)]
enum Asked {
    Send { draft: String, conversation: String },
    Join { conversation: String, after: i64 },
    Read { conversation: String, seq: i64 },
    Intrude { conversation: String, way: &'static str },
}

/// A page of history that a tenant-chat client fetched over REST.
struct Fetched {
    connection: u64,
    conversation: String,
    after: i64,
    answer: Result<super::rest::Answer, String>,
}

pub struct Device {
    pub number: usize,
    pub user: String,
    pub contract: Speaks,
    pub token: String,
    pub proxy: Arc<Proxy>,
    pub ledger: Arc<Ledger>,
    pub rooms: Vec<Room>,
    pub seed: u64,
}

/// Starts the client's task.
pub fn start(device: Device) -> (mpsc::Sender<Command>, tokio::task::JoinHandle<()>) {
    // A client that is cut off keeps what it is told meanwhile; the driver never waits for it.
    let (commands, receiver) = mpsc::channel(10_000);
    let (fetched, fetches) = mpsc::channel(64);
    let now = Instant::now();
    device.ledger.write(Record::Client {
        device: device.number,
        user: device.user.clone(),
        contract: device.contract.name().to_owned(),
    });
    let positions = device
        .rooms
        .iter()
        .map(|room| (room.id.clone(), Position::new(room.clone(), now)))
        .collect();
    let live = Live {
        rng: Rng::with_seed(device.seed),
        device,
        commands: receiver,
        fetched,
        fetches,
        session: Session::default(),
        connection: 0,
        drafts: VecDeque::new(),
        acknowledged: VecDeque::new(),
        positions,
        asked: HashMap::new(),
        last_ack: 0,
    };
    (commands, tokio::spawn(live.live()))
}

impl Position {
    fn new(room: Room, now: Instant) -> Self {
        Position {
            room,
            seq: 0,
            newest: None,
            ahead: 0,
            state: Joined::No { not_before: now },
            marked: 0,
        }
    }

    fn saw(&mut self, message: &Seen) {
        if self.newest.as_ref().is_none_or(|(seq, _)| *seq < message.seq) {
            self.newest = Some((message.seq, message.id.clone()));
        }
    }
}

struct Live {
    device: Device,
    rng: Rng,
    commands: mpsc::Receiver<Command>,
    fetched: mpsc::Sender<Fetched>,
    fetches: mpsc::Receiver<Fetched>,
    session: Session,
    connection: u64,
    drafts: VecDeque<Draft>,
    acknowledged: VecDeque<(String, Room, String)>,
    positions: HashMap<String, Position>,
    asked: HashMap<u64, Asked>,
    last_ack: u64,
}

/// Why a connection is over.
enum Over {
    Lost,
    Stopped,
    SentAway(String),
}

impl Live {
    async fn live(mut self) {
        let mut attempt = 0;
        loop {
            let connected = self.connect().await;
            let over = match connected {
                Ok(socket) => {
                    attempt = 0;
                    self.serve(socket).await
                }
                Err(ConnectFault::Transport(_)) => Over::Lost,
                Err(ConnectFault::Refused(why)) => Over::SentAway(why),
            };
            match over {
                Over::Lost => {}
                Over::Stopped => return,
                Over::SentAway(why) => {
                    self.write(Record::SentAway { why });
                    // Until the end of the run; the commands that come have no effect.
                    while let Some(command) = self.commands.recv().await {
                        if matches!(command, Command::Stop) {
                            return;
                        }
                    }
                    return;
                }
            }
            let pause = RECONNECT_MAX
                .min(RECONNECT_FIRST * 2_u32.pow(attempt))
                .mul_f64(0.5 + self.rng.f64());
            attempt = (attempt + 1).min(8);
            if self.rest(pause).await {
                return;
            }
        }
    }

    /// Waits, and takes commands meanwhile. True when told to stop.
    async fn rest(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return false,
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => return true,
                    Some(command) => self.take_unconnected(command),
                },
            }
        }
    }

    async fn connect(&mut self) -> Result<Socket, ConnectFault> {
        let auth = json!({ "token": self.device.token, "contract": self.device.contract.name() });
        let Value::Object(auth) = auth else {
            return Err(ConnectFault::Transport(String::new()));
        };
        let (proxy, number) = (Arc::clone(&self.device.proxy), self.device.number);
        let path = self.device.contract.path();
        Socket::connect(proxy.address, path, auth, &mut self.session, |port| {
            proxy.label(port, number)
        })
        .await
    }

    /// Lives on a connection until it ends.
    async fn serve(&mut self, mut socket: Socket) -> Over {
        self.connection += 1;
        self.asked.clear();
        self.write(Record::Connected {
            connection: self.connection,
            asked: socket.asked,
            recovered: socket.recovered,
        });
        self.come_back(socket.recovered);
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let over = loop {
            tokio::select! {
                incoming = socket.next(&mut self.session) => match incoming {
                    Incoming::Event { name, payload } => self.pushed(&name, &payload),
                    Incoming::Ack { id, answer } => self.answered(id, &answer),
                    Incoming::Closed => break Over::Lost,
                    Incoming::SentAway => break Over::SentAway("a DISCONNECT packet".to_owned()),
                },
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => break Over::Stopped,
                    Some(Command::Read { room }) => self.read(&mut socket, &room).await,
                    Some(Command::Intrude { room }) => self.intrude(&mut socket, &room).await,
                    Some(command) => self.take_unconnected(command),
                },
                Some(fetched) = self.fetches.recv() => self.took(fetched),
                _ = tick.tick() => {}
            }
            if self.send_what_waits(&mut socket).await.is_err() {
                break Over::Lost;
            }
        };
        self.write(Record::Disconnected {
            connection: self.connection,
        });
        for draft in &self.drafts {
            if matches!(draft.state, DraftState::Waiting { .. }) {
                self.write(unknown(draft, "the connection ended"));
            }
        }
        socket.abandon();
        over
    }

    /// On a new connection: everything unanswered is to be handed over again, in its order.
    fn come_back(&mut self, recovered: bool) {
        let now = Instant::now();
        for draft in &mut self.drafts {
            draft.state = DraftState::ToSend { not_before: now };
        }
        for position in self.positions.values_mut() {
            // A recovered socket is in its rooms again, and gets what it missed. A join that nobody answered is asked anew.
            let stands = recovered && position.state == Joined::Yes;
            if !stands && position.state != Joined::Out {
                position.state = Joined::No { not_before: now };
            }
        }
    }

    fn take_unconnected(&mut self, command: Command) {
        let now = Instant::now();
        let to_send = DraftState::ToSend { not_before: now };
        match command {
            Command::Send { draft, room, length } => self.drafts.push_back(Draft {
                text: text_of(&draft, length),
                id: draft,
                room,
                state: to_send,
                replay: false,
            }),
            Command::Rejoin { room } => {
                let position = self
                    .positions
                    .entry(room.id.clone())
                    .or_insert_with(|| Position::new(room, now));
                position.state = Joined::No { not_before: now };
            }
            Command::Replay => {
                self.drafts
                    .extend(self.acknowledged.drain(..).map(|(id, room, text)| Draft {
                        id,
                        room,
                        text,
                        state: to_send,
                        replay: true,
                    }));
            }
            // Without a connection a page does neither.
            Command::Read { .. } | Command::Intrude { .. } | Command::Stop => {}
        }
    }

    fn write(&self, record: Record) {
        self.device.ledger.write(record);
    }
}

fn unknown(draft: &Draft, why: &str) -> Record {
    Record::Unknown {
        draft: draft.id.clone(),
        conversation: draft.room.id.clone(),
        why: why.to_owned(),
    }
}
