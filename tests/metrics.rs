//! `docs/metrics.md` and the page of a running node have the same metrics, of the same types.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use doorbell::{
    chat::{Caller, Chat, Claims, read::ReadTarget, send::SendRequest},
    config::{Purpose, Settings, Sources, load},
    model::{MessageKind, UserId, UserKey, clock::SystemClock},
    server::{Node, Site},
};

const TABLE: &str = include_str!("../docs/metrics.md");

fn settings(folder: &std::path::Path) -> Settings {
    let flags = [
        ("listen", "127.0.0.1:0"),
        ("data_dir", folder.to_str().expect("a path in UTF-8")),
        ("rate_limits", "sends=3/h"),
    ];
    let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let sources = Sources {
        flags,
        ..Sources::default()
    };
    load(&sources, Purpose::Serve).expect("settings").settings
}

async fn person(chat: &Chat, id: &str) -> UserKey {
    let claims = Claims {
        user_id: UserId::parse(id).expect("an id"),
        name: None,
        email: None,
        image: None,
        role: None,
        issued_at: None,
    };
    chat.sign_in(&claims).await.expect("signed in").key
}

fn to(person: &str, content: &str, client_message_id: Option<&str>) -> SendRequest {
    SendRequest {
        conversation: None,
        person: Some(person.to_owned()),
        content: content.to_owned(),
        kind: MessageKind::Text,
        files: Vec::new(),
        client_message_id: client_message_id.map(str::to_owned),
        reply_to: None,
        origin: None,
    }
}

/// A page once `wanted` stands there: facts are counted by a task of their own.
async fn page_with(node: &Node, wanted: &[&str]) -> String {
    for _ in 0..200 {
        let page = node.metrics();
        if wanted.iter().all(|line| page.lines().any(|other| other == *line)) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not all of {wanted:#?} came to stand in\n{}", node.metrics());
}

async fn node(folder: &std::path::Path) -> Node {
    Node::start(settings(folder), Arc::new(SystemClock), Site::Inbox, async |_| {
        Ok(Router::new())
    })
    .await
    .expect("a node")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_in_the_chat_stands_on_the_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let chat = &node.api.chat;
    let anna = person(chat, "anna").await;
    let bert = person(chat, "bert").await;
    for _ in 0..2 {
        chat.send(anna, to("bert", "hello", Some("draft-1")))
            .await
            .expect("sent");
    }
    assert!(chat.send(anna, to("bert", "changed", Some("draft-1"))).await.is_err());
    assert!(chat.send(anna, to("bert", "", None)).await.is_err());
    assert!(chat.send(anna, to("anna", "to myself", None)).await.is_err());
    for content in ["two", "three"] {
        chat.send(anna, to("bert", content, None)).await.expect("sent");
    }
    assert!(chat.send(anna, to("bert", "too fast", None)).await.is_err());
    let read = ReadTarget::Person("anna".to_owned());
    assert_eq!(chat.mark_read(Caller::User(bert), read.clone(), None).await, Ok(3));
    assert_eq!(chat.mark_read(Caller::User(bert), read, None).await, Ok(0));

    let page = page_with(
        &node,
        &[
            "doorbell_sends_stored_total 3",
            "doorbell_sends_repeated_total 1",
            "doorbell_sends_refused_total{code=\"UNAVAILABLE\"} 0",
            "doorbell_address_limited_total{kind=\"failures\"} 0",
            "doorbell_over_limit_total{kind=\"sockets\"} 0",
            "doorbell_store_writable 1",
            "doorbell_rate_limited_total{kind=\"sends\"} 1",
            "doorbell_rate_limited_total{kind=\"requests\"} 0",
            "doorbell_conversations_opened_total 1",
            "doorbell_reads_advanced_total 1",
            "doorbell_sockets{contract=\"untold\"} 0",
            "doorbell_writer_queue_depth 0",
            "doorbell_transactions_failed_total 0",
        ],
    )
    .await;
    let value = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("{name}\n{page}"))
    };
    let commits = value("doorbell_commit_seconds_count");
    assert!(commits >= 6.0, "{commits}");
    assert_eq!(commits, value("doorbell_commit_seconds_bucket{le=\"+Inf\"}"));
    assert_eq!(commits, value("doorbell_writer_batch_size_count"));
    assert!(value("doorbell_writer_batch_size_sum") >= commits);
    let seconds = value("doorbell_commit_seconds_sum");
    assert!(
        seconds > 0.0 && seconds < commits * 4.0,
        "{seconds}: seconds, not microseconds"
    );
    assert!(value("doorbell_process_start_time_seconds") > 1.7e9);
}

#[tokio::test]
async fn the_table_has_every_metric_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    // The one that shows itself only when it has counted.
    node.api.metrics.http_answered("GET /chat", 200);
    let page = node.metrics();

    // The samples carry what operators write, the suffixes of their types included.
    let shown: BTreeMap<String, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => (format!("{name}_total"), kind),
            "info" => (format!("{name}_info"), kind),
            _ => (name.to_owned(), kind),
        })
        .collect();
    assert!(shown.keys().all(|name| name.starts_with("doorbell_")), "{shown:#?}");
    let listed: BTreeMap<String, &str> = TABLE
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert!(cells[2..4].iter().all(|cell| cell.len() > 5), "{line}");
            (cells[0].trim_end_matches('`').to_owned(), cells[1])
        })
        .collect();
    // Only Linux tells what a process uses.
    let is_told = |name: &str| cfg!(target_os = "linux") || !name.starts_with("doorbell_process_");
    let missing: Vec<_> = shown.iter().filter(|metric| !listed.contains_key(metric.0)).collect();
    let invented: Vec<_> = listed.iter().filter(|metric| !shown.contains_key(metric.0)).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
    assert!(
        !invented.iter().any(|metric| is_told(metric.0)),
        "not on the page: {invented:?}"
    );
    for (name, kind) in &shown {
        assert_eq!(listed[name], *kind, "{name}");
    }

    // What the text of the document names, its alerts included, is there, too.
    let named: BTreeSet<&str> = TABLE
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("doorbell_"))
        .map(|word| word.trim_end_matches("_bucket"))
        .collect();
    let unknown: Vec<_> = named.into_iter().filter(|name| !listed.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[tokio::test]
async fn every_metric_has_a_help_text_and_is_of_few_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let page = node.metrics();
    let mut samples = 0;
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a text");
            assert!(
                text.len() > 10 && text.ends_with('.') && !text.ends_with(".."),
                "{name}: {text}"
            );
        }
        samples += usize::from(!line.starts_with('#'));
    }
    assert!(samples < 150, "{samples} samples of a node that has done nothing");
    assert!(page.ends_with("# EOF\n"));
}
