//! A kill at any moment, a disk that is full, and what is on the disk when an answer leaves.

use std::{
    collections::HashSet,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{child::Child, *};
use crate::{
    model::{ConversationKey, Cut, Note, Position, UserId, UserKey, user::UserSource},
    store::{
        Appended, StoreError, Window,
        conformance::{draft, named, stored},
    },
};

/// The same two people and conversation in every life of the database.
async fn pair(store: &SqliteStore) -> (ConversationKey, [UserKey; 2]) {
    let user = |id| store.put_user(UserId::trusted(id), Default::default(), UserSource::Mention);
    let people = [user("anna").await.unwrap().key, user("bea").await.unwrap().key];
    let opened = store.open_one_to_one(people[0], people[1], None).await.unwrap();
    (opened.0.key, people)
}

fn assert_intact(path: &Path) {
    let database = Connection::open(path).unwrap();
    let check: String = database
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let of_conversation = "SELECT count(*) FROM message WHERE message.key >> 32 = conversation.key";
    assert_eq!(
        count(&format!(
            "SELECT count(*) FROM conversation WHERE last_seq <> ({of_conversation})"
        )),
        0
    );
    assert_eq!(
        count("SELECT count(*) FROM message"),
        count("SELECT ifnull(sum(sent), 0) FROM participant")
    );
    let named = "SELECT count(*) FROM message WHERE client_message_id IS NOT NULL";
    assert_eq!(
        count(named),
        count(
            "SELECT count(*) FROM client_message c JOIN message m
             ON m.key = c.conversation << 32 | c.seq AND m.client_message_id = c.client_message_id"
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_until_it_is_killed() {
    let Some(path) = Child::path() else { return };
    let store = Arc::new(open_at(&path).unwrap());
    let (conversation, people) = pair(&store).await;
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let id = format!("{}-{number}-{round}", std::process::id());
                    let sender = people[number % 2];
                    let message = stored(store.append(named(conversation, sender, &id, &id)).await.unwrap());
                    Child::say(&format!("{} {id}", message.seq));
                    if round % 8 == 0 {
                        store.mark(conversation, sender, Some(message.seq), None).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_ten_kills() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("doorbell.db");
    let mut ledger = Vec::new();
    for round in 0..10 {
        let mut child = Child::start("crashes::sends_until_it_is_killed", &path);
        ledger.push(child.next_line().expect("a first acknowledgement"));
        let end = Instant::now() + Duration::from_millis(100 + 37 * round);
        while Instant::now() < end {
            ledger.extend(child.next_line());
        }
        ledger.extend(child.kill());
        assert_intact(&path);
    }
    let store = open_at(&path).unwrap();
    let (conversation, [anna, _]) = pair(&store).await;
    let window = Window::Newest { limit: usize::MAX };
    let history = store
        .history(conversation, anna, window)
        .await
        .unwrap()
        .unwrap()
        .messages;
    for (place, message) in history.iter().enumerate() {
        assert_eq!(message.seq, place as i64 + 1);
    }
    let kept: HashSet<String> = history
        .iter()
        .map(|message| format!("{} {}", message.seq, message.content))
        .collect();
    assert_eq!(kept.len(), history.len());
    for acknowledged in &ledger {
        assert!(kept.contains(acknowledged), "lost: {acknowledged}");
    }
    let notes = store.journal(&Cut::default(), usize::MAX).await.unwrap();
    let mut noted = Vec::new();
    for (number, note) in (1..).zip(notes) {
        assert_eq!(note.position, Position { slot: 0, number });
        if let Note::MessageStored { seq, .. } = note.what {
            noted.push(seq);
        }
    }
    assert_eq!(noted, (1..=history.len() as i64).collect::<Vec<_>>());
    assert!(
        ledger.len() > 500,
        "{} acknowledgements are too few to mean anything",
        ledger.len()
    );
    store.close().await;
}

/// A small disk of its own, gone when dropped.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let disk = SmallDisk {
            folder: TempDir::new().unwrap(),
        };
        disk.run(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size}"), "doorbell-test"],
        );
        disk
    }

    fn grow(&self, size: &str) {
        self.run("mount", &["-o", &format!("remount,size={size}")]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let ran = Command::new(program).args(arguments).arg(self.folder.path()).output();
        let succeeded = ran.as_ref().is_ok_and(|ran| ran.status.success());
        assert!(
            succeeded,
            "this test needs the right to mount a small disk (run it as root): {ran:?}"
        );
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("doorbell.db")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_heals_without_a_restart() {
    let disk = SmallDisk::mount("3m");
    let store = open_at(&disk.path()).unwrap();
    let (conversation, [anna, bea]) = pair(&store).await;
    let text = "m".repeat(4_000);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    while refused < 100 {
        let pending: Vec<_> = (0..50)
            .map(|_| store.append(draft(conversation, anna, &text)))
            .collect();
        for outcome in pending {
            match outcome.await {
                Ok(outcome) => acknowledged.push(stored(outcome).seq),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(acknowledged.len() < 10_000, "the disk never was full");
    }
    for _ in 0..10 {
        let check = store.check().await;
        assert!(
            matches!(check, Err(StoreError::Unavailable(_))),
            "sends are refused, so the store is not ready: {check:?}"
        );
    }
    // Reads go on.
    let window = Window::Newest { limit: 1_000 };
    let seen = store.history(conversation, bea, window).await.unwrap().unwrap();
    assert_eq!(seen.last_seq, acknowledged.len() as i64);
    disk.grow("64m");
    store.check().await.unwrap();
    for _ in 0..100 {
        acknowledged.push(stored(store.append(draft(conversation, bea, &text)).await.unwrap()).seq);
    }
    assert_eq!(acknowledged, (1..=acknowledged.len() as i64).collect::<Vec<_>>());
    store.close().await;
    assert_intact(&disk.path());
}

#[test]
fn a_full_disk_is_named_at_the_start() {
    let disk = SmallDisk::mount("64k");
    std::fs::write(disk.folder.path().join("ballast"), vec![0; 60_000]).unwrap();
    let refusal = match open_at(&disk.path()) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    };
    assert!(
        refusal.ends_with("cannot grow, the disk is full: free some space, then start again"),
        "{refusal}"
    );
}

#[tokio::test]
async fn sends_one_after_the_other() {
    let Some(path) = Child::path() else { return };
    let store = open_at(&path).unwrap();
    let (conversation, [anna, _]) = pair(&store).await;
    for number in 0..100 {
        let outcome = store.append(draft(conversation, anna, "hello")).await.unwrap();
        assert!(matches!(outcome, Appended::Stored(_)));
        Child::say(&format!("acknowledged {number}"));
    }
    store.close().await;
}

/// Watches the system calls: between the last write to the log and the answer there is a flush of it.
#[test]
fn the_log_is_flushed_before_the_answer() {
    let folder = TempDir::new().unwrap();
    let trace = folder.path().join("trace");
    let child = Child::command("crashes::sends_one_after_the_other", &folder.path().join("doorbell.db"));
    let ran = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "40",
            "-e",
            "trace=pwrite64,write,fdatasync,fsync",
            "-o",
        ])
        .arg(&trace)
        .arg(child.get_program())
        .args(child.get_args())
        .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output();
    let succeeded = ran.as_ref().is_ok_and(|ran| ran.status.success());
    assert!(
        succeeded,
        "this test needs strace, and the right to trace a child process: {ran:?}"
    );
    let mut unflushed = false;
    let mut acknowledged = 0;
    let mut flushing = HashSet::new();
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let (process, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        let is_flush = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if call.starts_with("pwrite64(") && call.contains("doorbell.db-wal>") {
            unflushed = true;
        } else if is_flush && call.contains("doorbell.db-wal>") {
            if call.ends_with("= 0") {
                unflushed = false;
            } else {
                flushing.insert(process.to_owned());
            }
        } else if call.contains("sync resumed>") && call.ends_with("= 0") && flushing.remove(process) {
            unflushed = false;
        } else if call.starts_with("write(") && call.contains("child: acknowledged") {
            acknowledged += 1;
            assert!(!unflushed, "acknowledged before the flush: {line}");
            // The next one needs a write and a flush of its own.
            unflushed = true;
        }
    }
    assert_eq!(acknowledged, 100);
}
