//! Opening, the schema's steps, and the sentences that say why not.

use rusqlite::Connection;

use super::{
    super::{migrate, migrate::KNOWN, open},
    child::Child,
    *,
};
use crate::{
    model::{Cut, UserId, UserKey},
    store::JournalEnds,
};

const STEPS: [&str; 2] = [
    "CREATE TABLE small (number INTEGER)",
    // Takes long enough to be killed in the middle.
    "CREATE TABLE large (number INTEGER, text TEXT);
     INSERT INTO large SELECT value, hex(randomblob(20)) FROM (
         WITH RECURSIVE count (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM count WHERE value < 400000)
         SELECT value FROM count);
     CREATE INDEX large_by_text ON large (text);
     DROP TABLE small",
];

fn sentence(outcome: Result<SqliteStore, OpenError>) -> String {
    match outcome {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_database_is_made_with_its_folder_and_migrated_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("not/there/yet/doorbell.db");
    let made = migrate(&path).unwrap();
    assert_eq!((made.from, made.to), (0, KNOWN));
    let again = migrate(&path).unwrap();
    assert_eq!((again.from, again.to), (KNOWN, KNOWN));
    let database = Connection::open(&path).unwrap();
    let header: (i32, i32, String) = database
        .query_row(
            "SELECT * FROM pragma_application_id, pragma_page_size, pragma_journal_mode",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(header, (open::APPLICATION_ID, 4096, "wal".into()));
}

#[tokio::test]
async fn a_database_from_before_the_journal_keeps_what_it_has() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("doorbell.db");
    let mut database = open::connect_writing(&path).unwrap();
    let first = include_str!("../../../../migrations/sqlite/0001_first.sql");
    migrate::run_steps(&path, &mut database, &[first]).unwrap();
    database.execute("INSERT INTO user (id) VALUES ('anna')", []).unwrap();
    drop(database);
    let store = open_at(&path).unwrap();
    let anna = store.user_by_id(&UserId::trusted("anna")).await.unwrap();
    assert_eq!(anna.map(|user| user.key), Some(UserKey(1)));
    assert_eq!(store.journal_ends().await.unwrap(), JournalEnds::default());
    store.put_last_seen(UserKey(1), TestClock::START).await.unwrap();
    let notes = store.journal(&Cut::default(), 10).await.unwrap();
    assert!(matches!(&notes[..], [note] if note.position.number == 1));
    store.close().await;
}

#[tokio::test]
async fn a_damaged_journal_is_said_to_be() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("doorbell.db");
    migrate(&path).unwrap();
    let database = open::connect_writing(&path).unwrap();
    // A later format; two notes announced and none there; one that ends early.
    for (notes, expected) in [
        (
            "7f00",
            "are in format 127, which this binary does not know: run the newest of the versions in use",
        ),
        ("010000", "there are not as many as were written"),
        ("01000104", "they are cut off or garbled"),
    ] {
        let row = format!("INSERT OR REPLACE INTO journal (number, count, notes) VALUES (2, 2, x'{notes}')");
        database.execute(&row, []).unwrap();
        let store = open_at(&path).unwrap();
        let refused = store.journal(&Cut::default(), 10).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        // Writing goes on.
        store.check().await.unwrap();
        store.close().await;
    }
}

#[test]
fn what_an_acknowledgement_rests_on_is_set() {
    let folder = TempDir::new().unwrap();
    let connection = open::connect_writing(&folder.path().join("doorbell.db")).unwrap();
    let setting = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(setting("synchronous"), 2, "FULL");
    assert_eq!((setting("wal_autocheckpoint"), setting("foreign_keys")), (0, 1));
}

#[tokio::test]
async fn two_servers_cannot_open_one_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("doorbell.db");
    let first = open_at(&path).unwrap();
    let refusal = sentence(open_at(&path));
    assert_eq!(
        refusal,
        format!(
            "{} is in use by another Doorbell: stop that one, or name another file",
            path.display()
        )
    );
    assert!(matches!(migrate(&path), Err(OpenError::InUse { .. })));
    first.close().await;
    open_at(&path).unwrap().close().await;
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("doorbell.db");
    migrate(&path).unwrap();
    let database = Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 77).unwrap();
    assert_eq!(
        sentence(open_at(&path)),
        format!(
            "{} has schema 77, and this Doorbell knows those up to {KNOWN}: start the newer Doorbell that wrote it, or restore a backup",
            path.display()
        )
    );
    assert!(matches!(
        migrate(&path),
        Err(OpenError::Newer {
            found: 77,
            known: KNOWN,
            ..
        })
    ));
    let version: i64 = database
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 77);
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("letter.txt");
    let text = "Dear reader, this is no database. ".repeat(40);
    std::fs::write(&path, &text).unwrap();
    assert!(
        sentence(open_at(&path))
            .ends_with("letter.txt is no SQLite database: name another file, or move this one away")
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let path = folder.path().join("prisma.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE message (id TEXT)").unwrap();
    assert!(
        sentence(open_at(&path))
            .ends_with("is a database of another program: name another file, or move this one away")
    );
    let tables: i64 = other
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    // Under a file, and a folder in place of the file: neither can be written by root, who may write anything.
    let below = file.join("doorbell.db");
    let refusal = sentence(open_at(&below));
    assert!(refusal.contains(&below.display().to_string()), "{refusal}");
    assert!(
        refusal.ends_with("give the server's user the right to write the file and its folder"),
        "{refusal}"
    );
    let folder_itself = folder.path().join("folder");
    std::fs::create_dir(&folder_itself).unwrap();
    assert!(sentence(open_at(&folder_itself)).contains("give the server's user the right to write"));
}

#[test]
fn migrates_until_it_is_killed() {
    let Some(path) = Child::path() else { return };
    let mut connection = open::connect_writing(&path).unwrap();
    Child::say("begun");
    migrate::run_steps(&path, &mut connection, &STEPS).unwrap();
    Child::say("ended");
}

#[test]
fn a_migration_that_is_killed_leaves_the_old_schema_or_the_new() {
    let folder = TempDir::new().unwrap();
    let mut killed_in_the_middle = 0;
    for round in 0..8 {
        let path = folder.path().join(format!("{round}.db"));
        let mut connection = open::connect_writing(&path).unwrap();
        migrate::run_steps(&path, &mut connection, &STEPS[..1]).unwrap();
        drop(connection);
        let mut child = Child::start("opening::migrates_until_it_is_killed", &path);
        assert_eq!(child.next_line().as_deref(), Some("begun"));
        std::thread::sleep(std::time::Duration::from_millis(20 + 60 * round));
        let said = child.kill();
        let database = open::connect_writing(&path).unwrap();
        let version: i64 = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        let tables: String = database
            .query_row("SELECT group_concat(name) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        let check: String = database
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        if version == 1 {
            assert_eq!(tables, "small");
            assert!(said.is_empty(), "it had ended, and the new schema is not there");
            killed_in_the_middle += 1;
        } else {
            assert_eq!((version, tables.as_str()), (2, "large,large_by_text"));
        }
    }
    assert!(
        killed_in_the_middle > 0,
        "every migration had ended before it was killed: make the step longer"
    );
}
