//! How fast the store is: durable sends at several numbers of senders, and reads at several sizes.
//!
//! `cargo run --release --example store_bench -- [messages=10000,1000000] [senders=1,16,256,2048] [body=107]
//! [seconds=2] [runs=3] [conversations=100000] [folder=<where>]`
//!
//! Each sender waits for its commit before it sends again. Conversations are picked evenly: the worst locality. Bodies
//! have between half and one and a half times `body` bytes. CPU is the whole process, senders included, and counts in
//! steps of 10 ms. Rates are medians of the runs; trust ratios inside one run of this program more than absolute figures.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbell::{
    model::{
        ConversationKey, MessageKind, UserId, UserKey,
        clock::SystemClock,
        user::{UserPatch, UserSource},
    },
    store::{
        Appended, Draft, Store, Window,
        sqlite::{Options, SqliteStore},
    },
};
use tokio::sync::mpsc;
use ulid::Ulid;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many conversations the busiest person has.
const BUSY: usize = 1_000;
const READS: usize = 1_000;

struct Settings {
    messages: Vec<usize>,
    senders: Vec<usize>,
    body: usize,
    duration: Duration,
    runs: usize,
    conversations: usize,
    folder: PathBuf,
}

impl Settings {
    fn from_arguments() -> Self {
        let given: HashMap<String, String> = std::env::args()
            .skip(1)
            .map(|argument| {
                let (name, value) = argument.split_once('=').expect("name=value");
                (name.to_owned(), value.to_owned())
            })
            .collect();
        let list = |name: &str, default: &str| -> Vec<usize> {
            let text = given.get(name).map_or(default, String::as_str);
            text.split(',')
                .map(|number| number.parse().expect("a number"))
                .collect()
        };
        let settings = Settings {
            messages: list("messages", "10000,1000000"),
            senders: list("senders", "1,16,256,2048"),
            body: list("body", "107")[0],
            duration: Duration::from_secs(list("seconds", "2")[0] as u64),
            runs: list("runs", "3")[0],
            conversations: list("conversations", "100000")[0],
            folder: given
                .get("folder")
                .map_or_else(|| std::env::temp_dir().join("doorbell-bench"), PathBuf::from),
        };
        assert!(
            settings.conversations >= BUSY,
            "the busiest person alone has {BUSY} conversations"
        );
        settings
    }
}

/// A small generator of even numbers enough for picking: the same picks in every run.
struct Picks(u64);

impl Picks {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

struct Town {
    store: Arc<SqliteStore>,
    conversations: Vec<(ConversationKey, [UserKey; 2])>,
    busy: UserKey,
    body: usize,
}

impl Town {
    async fn build(settings: &Settings) -> Arc<Self> {
        let (facts, mut news) = mpsc::channel(64);
        tokio::spawn(async move { while news.recv().await.is_some() {} });
        let options = Options {
            queue_max: 8_192,
            ..Options::default()
        };
        let path = settings.folder.join("bench.db");
        let store = Arc::new(SqliteStore::open(&path, Arc::new(SystemClock), facts, options).expect("a store"));
        let mut users = Vec::new();
        for start in (0..=settings.conversations).step_by(2_000) {
            let end = (start + 2_000).min(settings.conversations + 1);
            let pending: Vec<_> = (start..end)
                .map(|number| {
                    let id = UserId::trusted(format!("user-{number}"));
                    store.put_user(id, UserPatch::default(), UserSource::Mention)
                })
                .collect();
            for user in pending {
                users.push(user.await.expect("a user").key);
            }
        }
        let busy = users[0];
        let mut conversations = Vec::new();
        for start in (0..settings.conversations).step_by(2_000) {
            let end = (start + 2_000).min(settings.conversations);
            let pending: Vec<_> = (start..end)
                .map(|number| {
                    // The first ones are the busy person's; all others are between neighbours.
                    let one = if number < BUSY { busy } else { users[number] };
                    let other = users[number + 1];
                    ([one, other], store.open_one_to_one(one, other, None))
                })
                .collect();
            for (pair, opened) in pending {
                conversations.push((opened.await.expect("a conversation").0.key, pair));
            }
        }
        Arc::new(Town {
            store,
            conversations,
            busy,
            body: settings.body,
        })
    }

    fn draft(&self, picks: &mut Picks) -> Draft {
        let (conversation, pair) = self.conversations[picks.below(self.conversations.len())];
        let random = (picks.below(usize::MAX) as u128) << 17 | picks.below(1 << 17) as u128;
        let millis = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64;
        Draft {
            conversation,
            sender: pair[picks.below(2)],
            kind: MessageKind::Text,
            content: "m".repeat(self.body / 2 + picks.below(self.body + 1)),
            attachments: Vec::new(),
            client_message_id: Some(Ulid::from_parts(millis, random).to_string()),
            digest: [7; 16],
            reply_to: None,
            origin: None,
        }
    }

    async fn fill(&self, count: usize) {
        let mut picks = Picks(0x9E37_79B9_7F4A_7C15);
        let mut left = count;
        while left > 0 {
            let now = left.min(4_000);
            let pending: Vec<_> = (0..now).map(|_| self.store.append(self.draft(&mut picks))).collect();
            for outcome in pending {
                outcome.await.expect("stored");
            }
            left -= now;
        }
    }

    /// Sends a second, CPU microseconds a send, and the 50th and 99th percentile of a send's time.
    async fn send(self: &Arc<Self>, senders: usize, duration: Duration) -> [f64; 4] {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (started, cpu) = (Instant::now(), cpu_seconds());
        let tasks: Vec<_> = (1..=senders)
            .map(|number| {
                let (town, stop, sent) = (self.clone(), stop.clone(), sent.clone());
                tokio::spawn(async move {
                    let mut picks = Picks(0x2545_F491_4F6C_DD1D ^ (number as u64) << 20 ^ sent_nanos());
                    let mut times = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        let outcome = town.store.append(town.draft(&mut picks)).await;
                        assert!(matches!(outcome, Ok(Appended::Stored(_))), "{outcome:?}");
                        times.push(begun.elapsed());
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    times
                })
            })
            .collect();
        tokio::time::sleep(duration).await;
        let count = sent.load(Ordering::Relaxed) as f64;
        let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.expect("no panic"));
        }
        times.sort_unstable();
        let percentile = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        [count / seconds, cpu * 1e6 / count, percentile(50), percentile(99)]
    }

    /// CPU microseconds and median microseconds of a read.
    async fn read(&self, what: &str) -> (f64, f64) {
        let mut picks = Picks(0xD1B5_4A32_D192_ED03);
        let mut times = Vec::new();
        let mut cpu = 0.0;
        // The first round warms the cache.
        for round in 0..2 {
            times.clear();
            let before = cpu_seconds();
            for _ in 0..READS {
                let (conversation, pair) = self.conversations[picks.below(self.conversations.len())];
                let begun = Instant::now();
                let found = match what {
                    "history" => self
                        .store
                        .history(conversation, pair[0], Window::Newest { limit: 50 })
                        .await
                        .map(drop),
                    "inbox of 1000" => self.store.inbox(self.busy, None, 50).await.map(drop),
                    _ => self.store.inbox(pair[1], None, 50).await.map(drop),
                };
                found.expect("an answer");
                times.push(begun.elapsed());
            }
            cpu = (cpu_seconds() - before) * 1e6 / READS as f64;
            assert!(round < 2);
        }
        times.sort_unstable();
        (cpu, times[READS / 2].as_secs_f64() * 1e6)
    }
}

/// Differs from run to run, so that client ids do.
fn sent_nanos() -> u64 {
    u64::from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").subsec_nanos())
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("ticks"))
        .sum();
    ticks as f64 / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let settings = Settings::from_arguments();
    // What an earlier run left.
    let _ = std::fs::remove_dir_all(&settings.folder);
    let town = Town::build(&settings).await;
    let mut stored = 0;
    for goal in &settings.messages {
        town.fill(goal.saturating_sub(stored)).await;
        stored = *goal;
        println!(
            "\n{stored} messages of about {} bytes in {} conversations",
            settings.body, settings.conversations
        );
        for what in ["history", "inbox of 1000", "inbox of 2"] {
            let (cpu, time) = town.read(what).await;
            println!("  {what:<14} {cpu:>7.0} us CPU {time:>7.0} us median");
        }
        for senders in &settings.senders {
            let mut runs = Vec::new();
            for _ in 0..settings.runs {
                runs.push(town.send(*senders, settings.duration).await);
            }
            let [rate, cpu, half, most] =
                [0, 1, 2, 3].map(|column| median(runs.iter().map(|run| run[column]).collect()));
            println!(
                "  {senders:>5} senders {rate:>8.0} sends/s {cpu:>6.1} us CPU  p50 {half:.2} ms  p99 {most:.2} ms"
            );
        }
    }
    town.store.close().await;
    let size = std::fs::metadata(settings.folder.join("bench.db"))
        .expect("the file")
        .len();
    println!("\n{} MB", size / 1_000_000);
    std::fs::remove_dir_all(&settings.folder).expect("cleaned up");
}
