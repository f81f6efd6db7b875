//! Commits whose answer never came, and servers that die while the schema changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    super::{
        migrate::{STEPS, run_steps},
        open::Address,
    },
    server::Server,
    together::{Follower, Process, database},
};
use crate::{
    model::{ConversationKey, UserId, UserKey, user::UserSource},
    store::{
        Appended, Store, StoreError,
        conformance::{named, stored},
    },
};

/// A way to the server that loses the answer to a commit when it is told to.
struct LossyWay {
    url: String,
    loses: Arc<AtomicBool>,
}

impl LossyWay {
    async fn to(url: &str) -> Self {
        let (_, server) = url.rsplit_once('@').unwrap();
        let (server, database) = server.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let loses = Arc::new(AtomicBool::new(false));
        let (server, told) = (server.to_owned(), loses.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, told.clone()));
            }
        });
        LossyWay {
            url: format!("postgres://postgres@127.0.0.1:{port}/{database}"),
            loses,
        }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, loses: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let asked = &asked[..length];
                // At the end of a query; "READ COMMITTED" is none.
                let is_commit = asked.windows(7).any(|word| word == b"COMMIT\0");
                if server.write_all(asked).await.is_err() {
                    return;
                }
                if is_commit && loses.swap(false, Ordering::SeqCst) {
                    // Answered is committed; nobody learns of it.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn pair(process: &mut Process) -> (ConversationKey, UserKey) {
    let user = |id| {
        process
            .store
            .put_user(UserId::trusted(id), Default::default(), UserSource::Mention)
    };
    let (anna, bea) = (user("anna").await.unwrap().key, user("bea").await.unwrap().key);
    let opened = process.store.open_one_to_one(anna, bea, None).await.unwrap();
    process.news();
    (opened.0.key, anna)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_stands_in_the_journal_and_its_repeat_is_known() {
    let way = LossyWay::to(&database().await).await;
    let mut process = Process::start(&way.url, 1).await;
    let (conversation, anna) = pair(&mut process).await;
    // By one and by many: both ways end with the same statement.
    for (round, count) in [1, 20].into_iter().enumerate() {
        let drafts = |name: &str| -> Vec<_> {
            (0..count)
                .map(|number| named(conversation, anna, "hello", &format!("{name} {round} {number}")))
                .collect()
        };
        let before = process.store.append(drafts("before").remove(0)).await.unwrap();
        assert!(matches!(before, Appended::Stored(_)));
        let told = process.news().pop().unwrap().position;
        way.loses.store(true, Ordering::SeqCst);
        let lost: Vec<_> = drafts("lost")
            .into_iter()
            .map(|draft| process.store.append(draft))
            .collect();
        let mut unknown = 0;
        for answer in lost {
            match answer.await {
                Err(StoreError::Uncertain(_) | StoreError::Unavailable(_)) => unknown += 1,
                Ok(Appended::Stored(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(!way.loses.load(Ordering::SeqCst), "no commit was asked for");
        assert!(unknown > 0, "round {round}: every answer came");
        for draft in drafts("lost") {
            let again = loop {
                // Whoever is behind it in the queue is told the same.
                match process.store.append(draft.clone()).await {
                    Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
                    answer => break answer.unwrap(),
                }
            };
            assert!(matches!(again, Appended::Repeat(_) | Appended::Stored(_)), "{again:?}");
        }
        stored(process.store.append(drafts("after").remove(0)).await.unwrap());
        let news = process.news();
        let numbers: Vec<_> = news.iter().map(|fact| fact.position.number).collect();
        let last = numbers.last().copied().unwrap();
        assert!(
            last > told.number + numbers.len() as i64,
            "a gap shows what was not told: {numbers:?} after {told:?}"
        );
        let mut follower = Follower::new();
        follower.finish(&process.store).await;
        assert_eq!(follower.cut.number(told.slot), last);
    }
    process.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_the_schema_changes_has_the_old_or_the_new() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    let url = server.new_database();
    let name = url.rsplit_once('/').unwrap().1.to_owned();
    let address = Address::read(&url).unwrap();
    let mut connection = address.connect().await.unwrap();
    run_steps(&address.shown, &mut connection, &STEPS[..1]).await.unwrap();
    connection
        .run("INSERT INTO doorbell.conversation (id, latest_at, created_at, updated_at) VALUES ('old', 1, 1, 1)")
        .await
        .unwrap();
    // All of the step is done but for its end.
    let halted = format!("{}; SELECT pg_sleep(600)", STEPS[1]);
    let changing = tokio::spawn(async move {
        let steps = [STEPS[0], &halted];
        run_steps("it", &mut connection, &steps).await
    });
    let server = tokio::task::spawn_blocking(move || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while server.sql(&name, waiting) != "1" {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut server = server;
        server.kill();
        server.start_again();
        let old = "SELECT max(number), to_regclass('doorbell.journal') IS NULL FROM doorbell.schema_step";
        assert_eq!(server.sql(&name, old), "1|t");
        server
    })
    .await
    .unwrap();
    assert!(changing.await.unwrap().is_err());
    // The next start changes it, and what was there is told of as anything new is.
    let mut process = Process::start(&url, 1).await;
    let connection = Address::read(&url).unwrap().connect().await.unwrap();
    let row = connection.one("SELECT key FROM doorbell.conversation WHERE id = 'old'", &[]);
    let old = ConversationKey(row.await.unwrap().get(0));
    let changed = process
        .store
        .change_conversation(crate::store::Actor::Host, old, Some(Some("new".into())), None);
    changed.await.unwrap();
    let news = process.news();
    assert_eq!((news.len(), news[0].after), (1, None));
    Follower::new().finish(&process.store).await;
    process.store.close().await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
