//! `doorbell copy` as an operator meets it: a real SQLite file, a real PostgreSQL, the real binary.

// These tests start real servers and wait for processes; no runtime's worker waits in them.
#![allow(clippy::disallowed_methods)]

#[path = "copy/marketplace.rs"]
mod marketplace;
#[allow(dead_code)]
#[path = "../src/store/postgres/tests/server.rs"]
mod server;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use doorbell::{
    model::clock::SystemClock,
    store::{
        Store,
        postgres::{self, PostgresStore},
        sqlite::{self, SqliteStore},
    },
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc};

use marketplace::Size;
use server::{new_database, sql_at};

const DROP: &str = "DROP SCHEMA doorbell CASCADE";

/// A SQLite installation, and the binary to copy it with.
struct Source {
    folder: TempDir,
}

impl Source {
    fn empty() -> Self {
        Source {
            folder: TempDir::new().expect("a folder"),
        }
    }

    /// Filled by the real store and taken away from it as a kill would leave it: with a log that nobody has moved into the
    /// file yet.
    fn filled(size: Size) -> Self {
        let (source, work) = (Self::empty(), Self::empty());
        runtime().block_on(async {
            let store = work.open();
            marketplace::fill(&store, size).await;
            for name in ["doorbell.db", "doorbell.db-wal"] {
                std::fs::copy(work.folder.path().join(name), source.folder.path().join(name)).expect("a file");
            }
            store.close().await;
        });
        source
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("doorbell.db")
    }

    fn open(&self) -> SqliteStore {
        let facts = mpsc::channel(100_000).0;
        SqliteStore::open(&self.path(), Arc::new(SystemClock), facts, sqlite::Options::default()).expect("a store")
    }

    fn command(&self, target: &str) -> Command {
        let mut command = doorbell(self.folder.path(), &self.path());
        command.args(["copy", "--to", target]);
        command
    }

    fn copy(&self, target: &str) -> Output {
        self.command(target).output().expect("the binary runs")
    }

    fn start(&self, target: &str) -> Child {
        let mut command = self.command(target);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary runs")
    }

    /// Is the copy, read through the store, what the source is?
    fn assert_same(&self, target: &str) {
        runtime().block_on(async {
            let (here, there) = (self.open(), open_copy(target).await);
            let (ours, theirs) = (
                marketplace::everything(&here).await,
                marketplace::everything(&there).await,
            );
            for (ours, theirs) in ours.lines().zip(theirs.lines()) {
                assert_eq!(ours, theirs);
            }
            assert!(
                ours.len() == theirs.len() && ours.len() > 10_000,
                "{} bytes",
                ours.len()
            );
            here.close().await;
            there.close().await;
        });
    }
}

fn doorbell(folder: &Path, database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorbell"));
    command
        .current_dir(folder)
        .env_clear()
        .env("DOORBELL_DATABASE_URL", format!("sqlite://{}", database.display()));
    command
}

async fn open_copy(target: &str) -> PostgresStore {
    let facts = mpsc::channel(100_000).0;
    let opened = PostgresStore::open(target, Arc::new(SystemClock), facts, postgres::Options::default());
    opened.await.expect("a store")
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out
}

/// The one sentence of a command that ended with `code`.
#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    let sentence = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{sentence}");
    assert!(sentence.ends_with(".\n"), "{sentence}");
    sentence.lines().last().expect("a sentence").to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the copy into this database stands; `None` before there is a marker.
fn marker(target: &str) -> Option<String> {
    let is_there = sql_at(target, "SELECT to_regclass('doorbell.copy') IS NOT NULL");
    (is_there == "t").then(|| sql_at(target, "SELECT current_table, rows FROM doorbell.copy"))
}

#[test]
fn everything_is_there_afterwards_and_the_server_goes_on_with_it() {
    let source = Source::filled(Size::Small);
    let target = new_database();
    let before = std::fs::read(source.path()).expect("a file");
    let said = succeeded(&source.copy(&target));
    assert!(said.contains("read all of them back and found them equal"), "{said}");
    assert!(said.contains("set DOORBELL_DATABASE_URL"), "{said}");
    assert!(!said.contains("@"), "no user and no password: {said}");
    assert_eq!(
        std::fs::read(source.path()).expect("a file"),
        before,
        "the file is left as it is"
    );
    source.assert_same(&target);
    runtime().block_on(async {
        let store = open_copy(&target).await;
        marketplace::go_on(&store).await;
        store.close().await;
    });
    let again = succeeded(&source.copy(&target));
    assert!(again.contains("there is nothing left to do"), "{again}");
}

#[test]
fn the_secret_that_the_installation_made_for_itself_signs_on() {
    let source = Source::filled(Size::Small);
    let target = new_database();
    succeeded(&source.copy(&target));
    let mut command = doorbell(source.folder.path(), &source.path());
    command.env("DOORBELL_DATABASE_URL", &target).args(["token", "anna"]);
    succeeded(&command.output().expect("the binary runs"));
    assert_eq!(
        sql_at(&target, "SELECT value FROM doorbell.setting"),
        marketplace::SECRET
    );
}

#[test]
fn killed_again_and_again_it_goes_on_to_the_same_end() {
    let source = Source::filled(Size::Large);
    let target = new_database();
    let (mut kills, mut last) = (0, None);
    loop {
        let mut child = source.start(&target);
        let began = Instant::now();
        // Past the last batch of the run before, and then a moment that nobody chose.
        while marker(&target) == last {
            assert!(began.elapsed() < Duration::from_secs(60), "the copy does not go on");
            if child.try_wait().expect("a child").is_some() {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(
            u64::from(began.elapsed().subsec_nanos()) % 150_000,
        ));
        child.kill().expect("killed or ended");
        match child.wait().expect("ended").code() {
            Some(0) => break,
            Some(code) => panic!("after {kills} kills the copy failed with {code}"),
            None => kills += 1,
        }
        last = marker(&target);
        let mut serve = doorbell(source.folder.path(), &source.path());
        serve
            .env("DOORBELL_DATABASE_URL", &target)
            .args(["serve", "--listen", "127.0.0.1:0"]);
        let sentence = refused(&serve.output().expect("the binary runs"), 2);
        assert!(
            sentence.contains("that is not finished: run doorbell copy once more"),
            "{sentence}"
        );
        if sql_at(&target, "SELECT current_table FROM doorbell.copy") == "comment" {
            succeeded(&source.copy(&target));
            break;
        }
    }
    assert!(kills >= 3, "only {kills} kills came before the end");
    source.assert_same(&target);
}

#[test]
fn a_row_that_is_not_as_it_was_is_found_and_named() {
    let source = Source::filled(Size::Small);
    let target = new_database();
    succeeded(&source.copy(&target));
    let again = "UPDATE doorbell.copy SET finished_at = NULL";
    for (tamper, mend, wanted) in [
        (
            "UPDATE doorbell.message SET content = content || '!' WHERE conversation = 1 AND seq = 3",
            "UPDATE doorbell.message SET content = left(content, -1) WHERE conversation = 1 AND seq = 3",
            "in message, the row with conversation 1, seq 3 has other values",
        ),
        (
            "UPDATE doorbell.app_user SET email = '' WHERE key = 2",
            "UPDATE doorbell.app_user SET email = NULL WHERE key = 2",
            "in app_user, the row with key 2 has other values",
        ),
        (
            "INSERT INTO doorbell.earlier_span VALUES (1, 1, 0, 1)",
            "DELETE FROM doorbell.earlier_span WHERE user_key = 1 AND conversation = 1 AND from_seq = 0",
            "in earlier_span, the row with user_key 1, conversation 1, from_seq 0 should not be there",
        ),
        (
            "UPDATE doorbell.attachment SET state = 'ready' WHERE state = 'discarded'",
            "UPDATE doorbell.attachment SET state = 'discarded' WHERE name = 'clip\u{10FFFE}0 6.mp4'",
            "in attachment, the row with key",
        ),
        (
            "UPDATE doorbell.client_message SET digest = '\\x00' WHERE client_message_id = E'nul-\\U0010FFFE0'",
            "SELECT 1",
            "in client_message, the row with client_message_id \"nul-\\0\", sender",
        ),
        (
            "DELETE FROM doorbell.message WHERE conversation = 1 AND seq = 3",
            "SELECT 1",
            "in message, the row with conversation 1, seq 3 is missing",
        ),
    ] {
        sql_at(&target, tamper);
        sql_at(&target, again);
        let sentence = refused(&source.copy(&target), 1);
        assert!(sentence.contains(wanted), "{sentence}");
        sql_at(&target, mend);
    }
}

#[test]
fn what_belongs_to_somebody_else_is_never_overwritten() {
    let (source, other) = (Source::filled(Size::Small), Source::filled(Size::Small));
    let target = new_database();
    runtime().block_on(async {
        let store = open_copy(&target).await;
        let asked = store.keep_setting("jwt_secret", "its own".into());
        asked.await.expect("kept");
        store.close().await;
    });
    let sentence = refused(&source.copy(&target), 2);
    assert!(
        sentence.contains("has data already (in setting), and nothing is ever overwritten"),
        "{sentence}"
    );
    assert_eq!(sql_at(&target, "SELECT value FROM doorbell.setting"), "its own");

    let foreign = new_database();
    sql_at(
        &foreign,
        "CREATE SCHEMA doorbell; CREATE TABLE doorbell.bell (tone bigint)",
    );
    let sentence = refused(&source.copy(&foreign), 2);
    assert!(sentence.contains("of another program"), "{sentence}");

    let copied = new_database();
    succeeded(&other.copy(&copied));
    let sentence = refused(&source.copy(&copied), 2);
    assert!(sentence.contains("has a copy of another installation"), "{sentence}");

    let busy = new_database();
    runtime().block_on(async {
        let store = open_copy(&busy).await;
        let sentence = refused(&source.copy(&busy), 2);
        assert!(sentence.contains("is in use by a Doorbell server"), "{sentence}");
        store.close().await;
    });
}

#[test]
fn a_source_that_went_on_since_its_copy_began_is_not_mixed_into_it() {
    let source = Source::filled(Size::Small);
    let target = new_database();
    succeeded(&source.copy(&target));
    runtime().block_on(async {
        let store = source.open();
        marketplace::go_on(&store).await;
        store.close().await;
    });
    // Also when it was finished: it is this installation's copy, and no other's.
    let sentence = refused(&source.copy(&target), 2);
    assert!(sentence.contains("was written since its copy"), "{sentence}");
    sql_at(&target, "UPDATE doorbell.copy SET finished_at = NULL");
    let sentence = refused(&source.copy(&target), 2);
    assert!(sentence.contains("was written since its copy"), "{sentence}");
    sql_at(&target, DROP);
    succeeded(&source.copy(&target));
    source.assert_same(&target);
}

#[test]
fn a_source_that_is_not_right_is_refused_in_a_sentence() {
    let target = new_database();
    let source = Source::empty();
    let sentence = refused(&source.copy(&target), 2);
    assert!(
        sentence.contains("doorbell.db is not there: name the database"),
        "{sentence}"
    );
    assert_eq!(std::fs::read_dir(source.folder.path()).expect("a folder").count(), 0);

    std::fs::write(source.path(), "no database at all, but long enough to look into").expect("a file");
    let sentence = refused(&source.copy(&target), 2);
    assert!(sentence.contains("is no SQLite database"), "{sentence}");
    std::fs::remove_file(source.path()).expect("a file");

    let known = sqlite::migrate(&source.path()).expect("a schema").to;
    let set = |version: u32| {
        let database = rusqlite::Connection::open(source.path()).expect("a database");
        database
            .pragma_update(None, "user_version", version)
            .expect("a version");
    };
    set(known + 1);
    let sentence = refused(&source.copy(&target), 2);
    assert!(sentence.contains("start the newer Doorbell"), "{sentence}");
    set(known - 1);
    let sentence = refused(&source.copy(&target), 2);
    assert!(sentence.contains("run doorbell migrate, then copy"), "{sentence}");
    set(known);

    let store = runtime().block_on(async { source.open() });
    let sentence = refused(&source.copy(&target), 2);
    assert!(
        sentence.contains("is in use by another Doorbell: stop that one"),
        "{sentence}"
    );
    drop(store);

    let mut command = source.command(&target);
    command.env("DOORBELL_DATABASE_URL", "postgres://u:hush@127.0.0.1/d");
    let sentence = refused(&command.output().expect("the binary runs"), 2);
    assert!(
        sentence.contains("a copy is made from SQLite") && !sentence.contains("hush"),
        "{sentence}"
    );
    assert_eq!(marker(&target), None, "nothing was begun");
}

#[test]
fn an_address_on_standard_input_stays_out_of_the_list_of_processes() {
    use std::io::Write;
    let source = Source::filled(Size::Small);
    let target = new_database();
    let mut command = source.command("-");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    writeln!(child.stdin.take().expect("its input"), "{target}").expect("written");
    let output = child.wait_with_output().expect("ended");
    succeeded(&output);
    let lines = text(&output.stderr);
    assert!(
        lines.contains("copying message: ") && lines.contains("verifying message: "),
        "{lines}"
    );
}
