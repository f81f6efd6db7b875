//! Connections, and traffic over them. Latencies of an open loop count from the time at which a message was due, not
//! from when it left: a server that stands still shows.

use std::{
    fmt::Write,
    net::SocketAddr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};

use crate::{
    arguments::Arguments,
    connection::{Awaited, Connection, Heard, Role},
    json::Json,
    process,
    report::{Counts, Message},
    rest,
};

pub const TIMER: Token = Token(usize::MAX);
/// After this long without anything new, what is still missing counts as lost.
pub const PATIENCE: Duration = Duration::from_secs(5);
const NANOS: f64 = 1e9;

pub struct Load {
    pub arguments: Arguments,
    scenario: String,
    pub server: Vec<u32>,
    /// How many members a room has, and how many of them send or never read.
    pub members: usize,
    senders: usize,
    stalled: usize,
    pub poll: Poll,
    timer: OwnedFd,
    started: Instant,
    pub connections: Vec<Connection>,
    pub rooms: Vec<String>,
    pub messages: Vec<Message>,
    pub counts: Counts,
    /// Nanoseconds after the start from which messages are measured.
    warm_at: u64,
    pub last_news: Instant,
    packet: String,
}

/// Where a closed loop ends, and what it sends.
#[derive(Clone, Copy)]
pub struct ClosedLoop {
    stop: u64,
    payload: usize,
}

impl Load {
    pub fn new(arguments: Arguments, scenario: &str) -> Self {
        // SAFETY: takes no pointers; the descriptor is checked, and nobody else has it.
        let timer = unsafe {
            let timer = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC);
            assert!(timer >= 0, "no timer");
            OwnedFd::from_raw_fd(timer)
        };
        let poll = Poll::new().expect("epoll");
        poll.registry()
            .register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)
            .expect("the timer in epoll");
        let (members, senders) = match scenario {
            "idle" => (0, 0),
            "pairs" => (2, 2),
            _ => {
                let members = arguments.number("members", 100usize);
                (members, arguments.number("senders", 1usize).min(members))
            }
        };
        Load {
            server: process::ids(&arguments.text("pid", "")),
            scenario: scenario.to_owned(),
            members,
            senders,
            stalled: arguments.number("stall", 0usize).min(members),
            arguments,
            poll,
            timer,
            started: Instant::now(),
            connections: vec![],
            rooms: vec![],
            messages: vec![],
            counts: Counts::new(),
            warm_at: 0,
            last_news: Instant::now(),
            packet: String::new(),
        }
    }

    pub fn run(mut self) {
        let count = match self.scenario.as_str() {
            "idle" => self.arguments.number("conns", 1000usize),
            "pairs" => self.arguments.number("convs", 100usize) * 2,
            "comeback" => self.arguments.number("conns", 1000usize) / self.members * self.members,
            _ => self.members,
        };
        self.make_rooms(count);
        let rss_before = process::rss(&self.server);
        let (cpu_before, started) = (process::cpu(&self.server), Instant::now());
        self.connect_all(count);
        let seconds = started.elapsed().as_secs_f64();
        let cpu = process::cpu(&self.server).total() - cpu_before.total();
        let mut json = Json::new();
        json.text("scenario", &self.scenario)
            .text("label", &self.arguments.text("label", ""))
            .number("conns", count as f64)
            .number("connect_s", seconds)
            .number("connect_per_s", count as f64 / seconds)
            .number("server_cpu_ms_per_1000_connects", cpu * 1e6 / count as f64);
        match self.scenario.as_str() {
            "idle" => self.hold(rss_before, json),
            "comeback" => self.come_back(json),
            _ => self.traffic(rss_before, json),
        }
    }

    fn make_rooms(&mut self, count: usize) {
        if self.members == 0 {
            return;
        }
        let (port, secret) = (self.arguments.port(), self.arguments.secret());
        let by_rest = self.arguments.text("setup", "rest") == "rest";
        for room in 0..count / self.members {
            self.rooms.push(match by_rest {
                true => rest::create_conversation(port, &secret, room * self.members, self.members),
                false => format!("c{room}"),
            });
        }
    }

    fn connect_all(&mut self, count: usize) {
        let (path, secret) = (self.path(), self.arguments.secret());
        let at_once = self.arguments.number("inflight", 64usize);
        let deadline = Instant::now() + Duration::from_secs(self.arguments.number("connect_secs", 120));
        let mut events = Events::with_capacity(1024);
        let mut ready = 0usize;
        while ready + (self.counts.closed as usize) < count {
            assert!(
                Instant::now() < deadline,
                "only {ready} of {count} connected, {} closed",
                self.counts.closed
            );
            while self.connections.len() < count
                && self.connections.len() - ready - (self.counts.closed as usize) < at_once
            {
                let number = self.connections.len();
                let token = rest::token(&secret, number);
                let mut connection = Connection::open(self.address(number), &path, token, self.role(number));
                connection.keeps_session = self.scenario == "comeback";
                self.poll
                    .registry()
                    .register(
                        &mut connection.socket,
                        Token(number),
                        Interest::READABLE | Interest::WRITABLE,
                    )
                    .expect("the socket in epoll");
                self.connections.push(connection);
            }
            self.poll
                .poll(&mut events, Some(Duration::from_millis(200)))
                .expect("epoll");
            for event in events.iter().filter(|event| event.token() != TIMER) {
                let number = event.token().0;
                let connection = &mut self.connections[number];
                let was_ready = connection.is_ready;
                if event.is_writable() {
                    connection.flush();
                }
                let rooms = &self.rooms;
                connection.pump(|connection, heard| match heard {
                    Heard::Connected => match rooms.get(connection.room as usize) {
                        Some(room) => connection.emit(&format!("420[\"conversation:join\",\"{room}\"]")),
                        None => connection.is_ready = true,
                    },
                    Heard::Ack { ok: true, .. } => connection.is_ready = true,
                    Heard::Ack { ok: false, .. } => panic!("connection {number}: join refused"),
                    Heard::Refused => panic!("connection {number}: connect refused"),
                    Heard::Delivery { .. } | Heard::Closed => {}
                });
                if connection.is_dead && !connection.is_counted {
                    connection.is_counted = true;
                    self.counts.closed += 1;
                    ready -= usize::from(was_ready);
                } else if connection.is_ready && !was_ready {
                    ready += 1;
                }
            }
        }
        let closed = self.counts.closed;
        assert_eq!(closed, 0, "{closed} connections closed while connecting");
    }

    pub fn path(&self) -> String {
        self.arguments.text("path", "/socket.io/")
    }

    /// The address that the connection with this number goes to.
    pub fn address(&self, number: usize) -> SocketAddr {
        let ports = self.arguments.ports();
        let addresses = self.arguments.number("dsts", 1usize).max(1);
        ([127, 0, 0, (1 + number % addresses) as u8], ports[number % ports.len()]).into()
    }

    pub fn role(&self, number: usize) -> Role {
        let (room, place) = match self.members {
            0 => (u32::MAX, 0),
            members => ((number / members) as u32, number % members),
        };
        Role {
            room,
            place: place as u32,
            senders: self.senders,
            is_stalled: self.members > 0 && place >= self.members - self.stalled,
        }
    }

    /// Connections without traffic.
    fn hold(mut self, rss_before: u64, mut json: Json) {
        let seconds: f64 = self.arguments.number("hold", 5.0);
        let cpu_before = process::cpu(&self.server);
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        let mut events = Events::with_capacity(1024);
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            self.poll
                .poll(&mut events, Some(left.min(Duration::from_millis(500))))
                .expect("epoll");
            self.handle(&events, None);
        }
        let rss = process::rss(&self.server) as f64;
        let cpu = process::cpu(&self.server).total() - cpu_before.total();
        json.number("rss_before_kb", rss_before as f64)
            .number("rss_after_kb", rss)
            .number(
                "rss_kb_per_conn",
                (rss - rss_before as f64) / self.connections.len() as f64,
            )
            .number("hold_s", seconds)
            .number("idle_cpu_s", cpu)
            .number("closed", self.counts.closed as f64)
            .print();
    }

    fn traffic(mut self, rss_before: u64, mut json: Json) {
        let rate: f64 = self.arguments.number("rate", 100.0);
        let seconds: f64 = self.arguments.number("secs", 10.0);
        let warm_up: f64 = self.arguments.number("warm", 2.0);
        let payload = self.arguments.number("payload", 100usize);
        let turns = self.senders_in_mixed_order();
        let begin = self.now() + 10_000_000;
        self.warm_at = begin + (warm_up * NANOS) as u64;
        let stop = self.warm_at + (seconds * NANOS) as u64;
        let closed_loop = (rate <= 0.0).then_some(ClosedLoop { stop, payload });
        let mut cpu_before = process::cpu(&self.server);
        let mut own_cpu_before = process::own_cpu();
        let mut measured_from = Instant::now();
        if closed_loop.is_some() {
            for &sender in &turns {
                self.send(sender, self.now(), payload);
            }
        }
        self.last_news = Instant::now();
        let sockets_before = process::sockets(&self.server);
        let (mut turn, mut is_warm, mut latest) = (0usize, false, 0u64);
        let (mut rss_peak, mut next_rss) = (0, 0u64);
        let mut events = Events::with_capacity(1024);
        loop {
            let now = self.now();
            if now >= next_rss {
                rss_peak = process::rss(&self.server).max(rss_peak);
                next_rss = now + 500_000_000;
            }
            if !is_warm && now >= self.warm_at {
                is_warm = true;
                cpu_before = process::cpu(&self.server);
                own_cpu_before = process::own_cpu();
                measured_from = Instant::now();
            }
            let mut wake_at = if is_warm { stop } else { self.warm_at };
            while closed_loop.is_none() {
                let due = begin + (turn as f64 / rate * NANOS) as u64;
                if due >= stop {
                    break;
                }
                if due > now {
                    wake_at = wake_at.min(due);
                    break;
                }
                latest = latest.max(now - due);
                self.send(turns[turn % turns.len()], due, payload);
                turn += 1;
            }
            if now >= stop {
                if self.has_everything() || self.last_news.elapsed() > PATIENCE {
                    break;
                }
                wake_at = now + 20_000_000;
            }
            self.wake_at(wake_at);
            self.poll
                .poll(&mut events, Some(Duration::from_millis(500)))
                .expect("epoll");
            self.handle(&events, closed_loop);
        }
        let cpu = process::cpu(&self.server);
        let wall = measured_from.elapsed().as_secs_f64();
        let own_cpu = process::own_cpu() - own_cpu_before;
        let server_cpu = cpu.total() - cpu_before.total();
        let (lost, unacked) = self.missing();
        let counts = &self.counts;
        json.number("rooms", self.rooms.len() as f64)
            .number("members", self.members as f64)
            .number("rate", rate)
            .number("secs", seconds)
            .number("payload", payload as f64)
            .number("sends", counts.sends as f64)
            .number("acks", counts.acks as f64)
            .number("deliveries", counts.deliveries as f64)
            .number("nacks", counts.refused as f64)
            .number("unacked", unacked as f64)
            .number("lost", lost as f64)
            .number("dup", counts.duplicates as f64)
            .number("reordered", counts.reordered as f64)
            .number("rooms_order_differs", self.rooms_of_two_minds() as f64)
            .number("closed", counts.closed as f64)
            .number("sends_per_s", counts.sends as f64 / seconds)
            .number("deliveries_per_s", counts.deliveries as f64 / wall)
            .number("wall_s", wall)
            .number("server_cpu_s", server_cpu)
            .number("server_user_s", cpu.user - cpu_before.user)
            .number("server_sys_s", cpu.system - cpu_before.system)
            .number("cpu_ms_per_1000_sends", server_cpu * 1e6 / counts.sends.max(1) as f64)
            .number(
                "cpu_ms_per_1000_deliveries",
                server_cpu * 1e6 / counts.deliveries.max(1) as f64,
            )
            .number("loadgen_cpu_s", own_cpu)
            .number("sched_late_max_ms", latest as f64 / 1e6)
            .number("rss_before_kb", rss_before as f64)
            .number("rss_end_kb", process::rss(&self.server) as f64)
            .number("rss_peak_kb", rss_peak as f64);
        if self.stalled > 0 {
            json.number("stalled", self.stalled as f64)
                .number("stalled_dropped", self.stalled_dropped() as f64)
                .number("server_sockets_start", sockets_before as f64)
                .number("server_sockets_end", process::sockets(&self.server) as f64);
        }
        counts.write_times(&mut json);
        json.print();
    }

    /// Who sends, in an order that does not follow the numbers of connections and is the same in every run.
    fn senders_in_mixed_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.connections.len())
            .filter(|number| number % self.members < self.senders)
            .collect();
        let mut random = 88_172_645_463_325_252u64;
        for last in (1..order.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(last, (random % (last as u64 + 1)) as usize);
        }
        order
    }

    /// Sends one message, due at `due`, unless the connection is gone.
    pub fn send(&mut self, connection: usize, due: u64, payload: usize) {
        let message = self.messages.len();
        let connection = &mut self.connections[connection];
        if connection.is_dead {
            return;
        }
        let (ack, number) = (connection.next_ack, connection.sent);
        connection.next_ack += 1;
        connection.sent += 1;
        self.packet.clear();
        let _ = write!(
            self.packet,
            "42{ack}[\"message:send\",{{\"conversationId\":\"{}\",\"content\":\"L:{message}:{}:{number}:{due}:",
            self.rooms[connection.room as usize], connection.place
        );
        // The numbers in front take about 30 bytes.
        self.packet.extend(std::iter::repeat_n('x', payload.saturating_sub(30)));
        self.packet.push_str("\"}]");
        connection.awaited.push_back(Awaited {
            ack,
            message: message as u32,
            due,
        });
        connection.emit(&self.packet);
        self.messages.push(Message {
            is_acked: false,
            deliveries: 0,
        });
        if due >= self.warm_at {
            self.counts.sends += 1;
        }
    }

    /// Takes in what arrived; in a closed loop a connection that got its acknowledgement sends again at once.
    pub fn handle(&mut self, events: &Events, closed_loop: Option<ClosedLoop>) {
        for event in events {
            if event.token() == TIMER {
                let mut expirations = [0u8; 8];
                // SAFETY: reads at most eight bytes into eight.
                unsafe { libc::read(self.timer.as_raw_fd(), expirations.as_mut_ptr().cast(), 8) };
                continue;
            }
            let number = event.token().0;
            let mut connections = std::mem::take(&mut self.connections);
            let acknowledged = self.take_in(&mut connections[number], event.is_writable());
            self.connections = connections;
            if let Some(closed_loop) = closed_loop {
                for _ in 0..acknowledged {
                    let now = self.now();
                    if now < closed_loop.stop {
                        self.send(number, now, closed_loop.payload);
                    }
                }
            }
        }
    }

    /// How many acknowledgements came.
    fn take_in(&mut self, connection: &mut Connection, is_writable: bool) -> usize {
        if is_writable {
            connection.flush();
        }
        let mut acknowledged = 0;
        if !connection.is_stalled {
            connection.pump(|connection, heard| match heard {
                Heard::Ack { id, ok } => acknowledged += usize::from(self.acknowledge(connection, id, ok)),
                Heard::Delivery {
                    message,
                    sender,
                    number,
                    due,
                } => self.receive(connection, message, sender, number, due),
                Heard::Connected | Heard::Refused | Heard::Closed => {}
            });
        }
        if connection.is_dead && !connection.is_counted {
            connection.is_counted = true;
            self.counts.closed += 1;
        }
        acknowledged
    }

    /// Whether somebody waits for this acknowledgement.
    fn acknowledge(&mut self, connection: &mut Connection, id: u32, ok: bool) -> bool {
        let Some(place) = connection.awaited.iter().position(|awaited| awaited.ack == id) else {
            self.counts.duplicates += 1;
            return false;
        };
        let awaited = connection.awaited.remove(place).expect("just found");
        self.last_news = Instant::now();
        match ok {
            true => self.messages[awaited.message as usize].is_acked = true,
            false => self.counts.refused += 1,
        }
        if awaited.due >= self.warm_at {
            self.counts.acks += 1;
            self.counts.ack_times.saturating_record(self.micros_since(awaited.due));
        }
        true
    }

    pub fn receive(&mut self, connection: &mut Connection, index: usize, sender: usize, number: u32, due: u64) {
        let Some(message) = self.messages.get_mut(index) else {
            return;
        };
        self.last_news = Instant::now();
        let expected = connection.expected[sender];
        if number < expected {
            // Late, if it was skipped before; otherwise it came twice.
            let skipped = connection
                .skipped
                .iter()
                .position(|skipped| *skipped == (sender as u32, number));
            let Some(place) = skipped else {
                self.counts.duplicates += 1;
                return;
            };
            connection.skipped.swap_remove(place);
            self.counts.reordered += 1;
        } else {
            let skipped = (expected..number).map(|number| (sender as u32, number));
            connection.skipped.extend(skipped);
            connection.expected[sender] = number + 1;
        }
        connection.order = (connection.order.rotate_left(5) ^ index as u64).wrapping_mul(0x517c_c1b7_2722_0a95);
        message.deliveries += 1;
        self.counts.all_deliveries += 1;
        if due >= self.warm_at {
            self.counts.deliveries += 1;
            self.counts.delivery_times.saturating_record(self.micros_since(due));
        }
    }

    /// Every message is answered, and those acknowledged are with every member that reads.
    pub fn has_everything(&self) -> bool {
        let is_answered = |connection: &Connection| connection.is_dead || connection.awaited.is_empty();
        let acked = self.messages.iter().filter(|message| message.is_acked).count() as u64;
        self.connections.iter().all(is_answered) && self.counts.all_deliveries >= acked * self.readers()
    }

    /// Members of a room that read.
    fn readers(&self) -> u64 {
        (self.members - self.stalled) as u64
    }

    /// Deliveries that acknowledged messages lack, and messages that were not acknowledged.
    pub fn missing(&self) -> (u64, u64) {
        let (mut lost, mut unacked) = (0, 0);
        for message in &self.messages {
            match message.is_acked {
                true => lost += self.readers().saturating_sub(u64::from(message.deliveries)),
                false => unacked += 1,
            }
        }
        (lost, unacked)
    }

    /// Rooms whose members saw different orders.
    pub fn rooms_of_two_minds(&self) -> usize {
        let is_of_two_minds = |room: &&[Connection]| {
            let mut readers = room.iter().filter(|connection| !connection.is_stalled);
            readers
                .next()
                .is_some_and(|first| readers.any(|other| other.order != first.order))
        };
        self.connections.chunks(self.members).filter(is_of_two_minds).count()
    }

    /// Members that never read, and whose connection the server has given up.
    fn stalled_dropped(&self) -> usize {
        let is_dropped = |connection: &&Connection| {
            let ends = (connection.socket.peer_addr(), connection.socket.local_addr());
            match ends {
                (Ok(server), Ok(own)) => !process::is_held(server.port(), own.port()),
                _ => true,
            }
        };
        let stalled = self.connections.iter().filter(|connection| connection.is_stalled);
        stalled.filter(is_dropped).count()
    }

    /// Nanoseconds after the start.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn micros_since(&self, due: u64) -> u64 {
        self.now().saturating_sub(due) / 1000
    }

    fn wake_at(&self, at: u64) {
        let nanos = at.saturating_sub(self.now()).max(1);
        let timer = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: (nanos / 1_000_000_000) as i64,
                tv_nsec: (nanos % 1_000_000_000) as i64,
            },
        };
        // SAFETY: the timer is open, the setting outlives the call, and a null pointer means that the old one is not
        // wanted.
        unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &raw const timer, std::ptr::null_mut()) };
    }
}
