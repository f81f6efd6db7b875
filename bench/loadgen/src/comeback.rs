//! Everybody at once: the server is killed under its connections, whoever started it starts it again, and the clients
//! come back as stock ones do, each with the session and the last offset that it had (Socket.IO's connection state
//! recovery). Meanwhile a message is sent to every room. How long until everybody is back, and has theirs?

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::TcpStream,
    sync::mpsc::{self, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Token};

use crate::{
    connection::{Connection, Heard, Session},
    json::Json,
    load::{Load, PATIENCE, TIMER},
    process,
    report::{Message, histogram},
    rest,
};

/// As socket.io-client has them: the first delay, the longest one, and by which part each may differ.
const FIRST_DELAY: Duration = Duration::from_millis(1000);
const LONGEST_DELAY: Duration = Duration::from_millis(5000);
const JITTER: f64 = 0.5;
/// How long the server may take to start, and the clients to come back.
const LIMIT: Duration = Duration::from_secs(120);
/// Connections that send the messages that are missed.
const SENDERS: usize = 4;

/// One client on its way back.
struct Comer {
    session: Session,
    attempts: u32,
    is_back: bool,
}

/// What became of the return.
#[derive(Default)]
struct Outcome {
    recovered: u64,
    /// Back, but in a new session: such a client must load everything again.
    anew: u64,
    /// Attempts that were refused or cut.
    failed_attempts: u64,
}

impl Load {
    /// Kills the server's process under all connections. Whoever started it must start it again.
    pub fn come_back(mut self, mut json: Json) {
        let all_at_once = self.arguments.text("delays", "stock") == "none";
        self.send_to_all_rooms();
        process::kill(&self.server);
        let killed = Instant::now();
        let count = self.connections.len();
        let mut comers: Vec<Comer> = self.connections.iter_mut().map(Comer::of).collect();
        let mut random = 0x2545_f491_4f6c_dd1d;
        let mut due: BinaryHeap<Reverse<(Instant, usize)>> = (0..count)
            .map(|number| Reverse((killed + delay(0, all_at_once, &mut random), number)))
            .collect();
        let sender = self.send_when_up();
        let (mut up, mut sent_at, mut back_at) = (None, None, killed);
        let (mut times, mut outcome) = (histogram(), Outcome::default());
        let mut events = Events::with_capacity(1024);
        self.counts.closed = 0;
        self.last_news = Instant::now();
        loop {
            loop {
                match sender.try_recv() {
                    Ok(News::Up(at)) => up = Some(at),
                    Ok(News::Sent(index)) => self.messages[index].is_acked = true,
                    Ok(News::AllSent(at)) => sent_at = Some(at),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        assert!(sent_at.is_some(), "a message could not be sent");
                        break;
                    }
                }
                self.last_news = Instant::now();
            }
            let now = Instant::now();
            while due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let Some(Reverse((_, number))) = due.pop() else { break };
                self.reopen(number, &comers[number].session);
            }
            self.poll
                .poll(&mut events, Some(Duration::from_millis(5)))
                .expect("epoll");
            for event in events.iter().filter(|event| event.token() != TIMER) {
                let number = event.token().0;
                self.hear(number, event.is_writable(), &mut comers[number], &mut outcome);
                let connection = &mut self.connections[number];
                let comer = &mut comers[number];
                if connection.is_dead && !connection.is_counted {
                    connection.is_counted = true;
                    outcome.failed_attempts += 1;
                    comer.attempts += 1;
                    comer.keep(connection);
                    let wait = delay(comer.attempts, all_at_once, &mut random).max(Duration::from_millis(20));
                    due.push(Reverse((Instant::now() + wait, number)));
                    if comer.is_back {
                        self.counts.closed += 1;
                        comer.is_back = false;
                    }
                } else if connection.is_ready && !comer.is_back {
                    comer.is_back = true;
                    back_at = Instant::now();
                    let since = back_at.saturating_duration_since(up.unwrap_or(back_at));
                    times.saturating_record(since.as_micros() as u64);
                }
            }
            let all_back = comers.iter().all(|comer| comer.is_back);
            if all_back && sent_at.is_some() && (self.has_everything() || self.last_news.elapsed() > PATIENCE) {
                break;
            }
            assert!(
                killed.elapsed() < LIMIT,
                "{} of {count} came back, {} attempts failed",
                comers.iter().filter(|comer| comer.is_back).count(),
                outcome.failed_attempts
            );
        }
        let up = up.unwrap_or(killed);
        let (lost, unacked) = self.missing();
        json.text("delays", if all_at_once { "none" } else { "stock" })
            .number("rooms", self.rooms.len() as f64)
            .number("members", self.members as f64)
            .number("away_s", (up - killed).as_secs_f64())
            .number("sent_s", sent_at.map_or(0.0, |at| (at - up).as_secs_f64()))
            .number("back_s", back_at.saturating_duration_since(up).as_secs_f64())
            .number(
                "caught_up_s",
                self.last_news.saturating_duration_since(up).as_secs_f64(),
            )
            .number("back_p50_s", times.value_at_quantile(0.5) as f64 / 1e6)
            .number("back_p99_s", times.value_at_quantile(0.99) as f64 / 1e6)
            .number("recovered", outcome.recovered as f64)
            .number("anew", outcome.anew as f64)
            .number("failed_attempts", outcome.failed_attempts as f64)
            .number("deliveries", self.counts.all_deliveries as f64)
            .number("unacked", unacked as f64)
            .number("lost", lost as f64)
            .number("dup", self.counts.duplicates as f64)
            .number("reordered", self.counts.reordered as f64)
            .number("rooms_order_differs", self.rooms_of_two_minds() as f64)
            .number("closed", self.counts.closed as f64)
            .print();
    }

    /// One message by each room's first member, delivered to all, before anything happens.
    fn send_to_all_rooms(&mut self) {
        let mut events = Events::with_capacity(1024);
        for first in (0..self.connections.len()).step_by(self.members) {
            self.send(first, self.now(), 100);
        }
        self.last_news = Instant::now();
        while !self.has_everything() {
            assert!(
                self.last_news.elapsed() < PATIENCE,
                "messages are missing before the fault"
            );
            self.poll
                .poll(&mut events, Some(Duration::from_millis(100)))
                .expect("epoll");
            self.handle(&events, None);
        }
    }

    /// Sends a message to each room over REST as soon as the server listens again: most clients are still away then.
    fn send_when_up(&mut self) -> mpsc::Receiver<News> {
        let (news, heard) = mpsc::channel();
        let (port, secret) = (self.arguments.port(), self.arguments.secret());
        let killed = self.server.clone();
        let first = self.messages.len();
        let mut shares: Vec<Vec<(usize, usize, String)>> = vec![vec![]; SENDERS];
        for (place, room) in self.rooms.iter().enumerate() {
            shares[place % SENDERS].push((first + place, place * self.members, room.clone()));
            self.messages.push(Message {
                is_acked: false,
                deliveries: 0,
            });
        }
        thread::spawn(move || {
            // A killed process listens until the kernel has cleared it away.
            while killed.iter().any(|process| process::is_alive(*process))
                || TcpStream::connect(("127.0.0.1", port)).is_err()
            {
                thread::sleep(Duration::from_millis(2));
            }
            let _ = news.send(News::Up(Instant::now()));
            let senders = shares.into_iter().map(|share| {
                let (news, secret) = (news.clone(), secret.clone());
                thread::spawn(move || {
                    let mut http = rest::Http::open(port);
                    for (index, user, room) in share {
                        let body = format!(
                            r#"{{"conversationId":"{room}","content":"L:{index}:0:1:0:sent while you were away"}}"#
                        );
                        let (status, answer) = http.call("POST", "/api/messages", &rest::token(&secret, user), &body);
                        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
                        let _ = news.send(News::Sent(index));
                    }
                })
            });
            let senders: Vec<_> = senders.collect();
            for sender in senders {
                sender.join().expect("a sender");
            }
            let _ = news.send(News::AllSent(Instant::now()));
        });
        heard
    }

    fn reopen(&mut self, number: usize, session: &Session) {
        let (address, path) = (self.address(number), self.path());
        let token = rest::token(&self.arguments.secret(), number);
        let mut connection = Connection::open(address, &path, token, self.role(number));
        self.connections[number].hand_on(&mut connection);
        connection.session = session.clone();
        let _ = self.poll.registry().register(
            &mut connection.socket,
            Token(number),
            Interest::READABLE | Interest::WRITABLE,
        );
        self.connections[number] = connection;
    }

    fn hear(&mut self, number: usize, is_writable: bool, comer: &mut Comer, outcome: &mut Outcome) {
        let mut connections = std::mem::take(&mut self.connections);
        let connection = &mut connections[number];
        if is_writable {
            connection.flush();
        }
        connection.pump(|connection, heard| match heard {
            Heard::Connected if comer.session.id.is_some() && connection.session.id == comer.session.id => {
                outcome.recovered += 1;
                connection.is_ready = true;
            }
            Heard::Connected => {
                outcome.anew += 1;
                let room = &self.rooms[connection.room as usize];
                connection.emit(&format!("420[\"conversation:join\",\"{room}\"]"));
            }
            Heard::Ack { .. } => connection.is_ready = true,
            Heard::Refused => connection.is_dead = true,
            Heard::Delivery {
                message,
                sender,
                number,
                due,
            } => self.receive(connection, message, sender, number, due),
            Heard::Closed => {}
        });
        self.connections = connections;
    }
}

enum News {
    Up(Instant),
    /// The message with this number is stored.
    Sent(usize),
    AllSent(Instant),
}

impl Comer {
    fn of(connection: &mut Connection) -> Self {
        connection.is_counted = true;
        connection.is_ready = false;
        Comer {
            session: connection.session.clone(),
            attempts: 0,
            is_back: false,
        }
    }

    /// What a client that is cut again comes back with.
    fn keep(&mut self, connection: &Connection) {
        if connection.session.id.is_some() {
            self.session = connection.session.clone();
        }
    }
}

/// How long a client waits before its attempt number `attempts`.
fn delay(attempts: u32, all_at_once: bool, random: &mut u64) -> Duration {
    if all_at_once {
        return Duration::ZERO;
    }
    let base = FIRST_DELAY.as_secs_f64() * f64::from(1u32 << attempts.min(10));
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let part = (*random >> 11) as f64 / (1u64 << 53) as f64;
    let jittered = base * (1.0 + JITTER * (2.0 * part - 1.0));
    Duration::from_secs_f64(jittered).min(LONGEST_DELAY)
}
