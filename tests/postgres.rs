//! The binary before a PostgreSQL that is not as it must be: one sentence that names the mend, and exit code 2.

// These tests start real servers and wait for processes; no runtime's worker waits in them.
#![allow(clippy::disallowed_methods)]

#[allow(dead_code)]
#[path = "../src/store/postgres/tests/proxy.rs"]
mod proxy;
#[allow(dead_code)]
#[path = "../src/store/postgres/tests/server.rs"]
mod server;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use proxy::Proxy;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use server::{Server, new_database, sql_at};
use tempfile::TempDir;

fn serve(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorbell"));
    command
        .env_clear()
        .args(["serve"])
        .env("DOORBELL_LISTEN", "127.0.0.1:0")
        .env("DOORBELL_DATABASE_URL", url);
    command
}

/// A server that ends with its test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `doorbell serve` says when it does not start.
#[track_caller]
fn refusal(url: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("log");
    let mut child = serve(url)
        .current_dir(folder.path())
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("the binary runs");
    let began = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if began.elapsed() < Duration::from_secs(20) => std::thread::sleep(Duration::from_millis(20)),
            None => {
                child.kill().expect("killed");
                break child.wait().expect("ended");
            }
        }
    };
    let text = std::fs::read_to_string(&log).expect("a log");
    assert_eq!(status.code(), Some(2), "it starts with {url}: {text}");
    assert!(!text.contains("hush"), "a password is shown: {text}");
    let sentence = text.lines().last().expect("a sentence").to_owned();
    assert!(sentence.ends_with('.'), "{sentence}");
    sentence
}

/// Does the server start, and listen?
fn starts(url: &str) {
    let folder = TempDir::new().expect("a folder");
    let mut child = serve(url)
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let mut said = Vec::new();
    let listens = lines.map_while(Result::ok).any(|line| {
        said.push(line);
        said.last().is_some_and(|line| line.contains("listening"))
    });
    child.kill().expect("killed or ended");
    child.wait().expect("ended");
    assert!(listens, "{}", said.join("\n"));
}

#[track_caller]
fn assert_says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "{part:?} is not in: {sentence}");
    }
}

/// The URL with another user.
fn by(url: &str, user: &str) -> String {
    url.replacen("postgres@", &format!("{user}@"), 1)
}

fn port_of(url: &str) -> u16 {
    let (_, rest) = url.split_once("127.0.0.1:").expect("a port");
    rest.split_once('/').expect("a database").0.parse().expect("a number")
}

#[test]
fn an_address_that_cannot_be_read() {
    assert_says(
        &refusal("postgres://u:hush@host:port/d"),
        &["cannot be read", "write postgres://"],
    );
    let sentence = refusal("postgres://u:hush@host/d?sslmode=verify");
    assert_says(&sentence, &["sslmode is \"verify\"", "verify-full"]);
}

#[test]
fn a_server_that_is_not_there() {
    let sentence = refusal("postgres://u:hush@127.0.0.1:1/d");
    assert_says(
        &sentence,
        &["postgres://127.0.0.1:1/d cannot be reached", "start PostgreSQL"],
    );
    let sentence = refusal("postgres://u:hush@doorbell.invalid/d");
    assert_says(
        &sentence,
        &["doorbell.invalid:5432/d cannot be reached", "correct the host"],
    );
}

#[test]
fn a_wrong_or_a_missing_password() {
    let hba = "host all guarded all scram-sha-256\nhost all all all trust\n";
    let server = Server::start_with(&[("hba", hba)], "-c hba_file={folder}/hba");
    let url = server.new_database();
    server.sql("postgres", "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'right'");
    for wrong in ["guarded:hush", "guarded"] {
        let sentence = refusal(&by(&url, wrong));
        assert_says(
            &sentence,
            &["refuses the sign-in", "password", "correct the user and password"],
        );
    }
    starts(&by(&url, "guarded:right"));
}

#[test]
fn a_database_that_does_not_exist() {
    let sentence = refusal(&format!("{}_not", new_database()));
    assert_says(&sentence, &["does not exist", "createdb"]);
}

#[test]
fn a_server_that_is_too_old() {
    let url = new_database();
    // The server's number of its version, 150000 for 15, as if it were a smaller one.
    let proxy = Proxy::rewriting(port_of(&url), "/ 10000", "/ 20000");
    let old = url.replace(&port_of(&url).to_string(), &proxy.port.to_string());
    assert_says(&refusal(&old), &["and Doorbell needs 13 or later: upgrade it"]);
}

#[test]
fn no_connection_left() {
    let url = new_database();
    sql_at(
        &url,
        "CREATE ROLE crowded LOGIN SUPERUSER CONNECTION LIMIT 0; ALTER ROLE crowded NOSUPERUSER",
    );
    let sentence = refusal(&by(&url, "crowded"));
    assert_says(
        &sentence,
        &["has no room", "too many connections", "free some space or connections"],
    );
}

#[test]
fn no_disk_left() {
    let url = new_database();
    let full = "DO $$BEGIN RAISE disk_full; END$$";
    let proxy = Proxy::rewriting(port_of(&url), "CREATE SCHEMA IF NOT EXISTS doorbell", full);
    let behind = url.replace(&port_of(&url).to_string(), &proxy.port.to_string());
    assert_says(&refusal(&behind), &["has no room (disk_full)", "free some space"]);
}

#[test]
fn a_standby_that_can_only_be_read() {
    let mut server = Server::start();
    let url = server.new_database();
    server.kill();
    std::fs::write(server.data().join("standby.signal"), "").expect("a file");
    server.start_again();
    assert_says(&refusal(&url), &["can only be read", "name the primary server"]);
}

#[test]
fn a_schema_of_a_newer_doorbell() {
    let url = new_database();
    starts(&url);
    sql_at(&url, "INSERT INTO doorbell.schema_step (number) VALUES (99)");
    assert_says(&refusal(&url), &["has schema 99", "start the newer Doorbell"]);
}

#[test]
fn a_schema_of_another_program() {
    let url = new_database();
    sql_at(&url, "CREATE SCHEMA doorbell; CREATE TABLE doorbell.bell (tone bigint)");
    assert_says(&refusal(&url), &["of another program", "name another database"]);
}

#[test]
fn a_user_who_may_not_make_the_schema() {
    let url = new_database();
    sql_at(&url, "CREATE ROLE guest LOGIN");
    assert_says(&refusal(&by(&url, "guest")), &["GRANT CREATE ON DATABASE"]);
    let (_, name) = url.rsplit_once('/').expect("a database");
    sql_at(&url, &format!("GRANT CREATE ON DATABASE {name} TO guest"));
    starts(&by(&url, "guest"));
}

#[test]
fn a_database_that_does_not_keep_unicode() {
    let url = new_database();
    sql_at(
        &url,
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    let (before, _) = url.rsplit_once('/').expect("a database");
    assert_says(
        &refusal(&format!("{before}/latin")),
        &["keeps texts as LATIN1", "needs UTF8"],
    );
}

#[test]
fn tls_where_the_server_has_none() {
    let url = new_database();
    for mode in ["require", "verify-full"] {
        let sentence = refusal(&format!("{url}?sslmode={mode}"));
        assert_says(&sentence, &["speaks no TLS", "sslmode=disable"]);
    }
    starts(&format!("{url}?sslmode=prefer"));
}

/// A server with TLS, whose certificate names `localhost` alone and is signed by a root of its own, and the root's file.
fn server_with_tls() -> (Server, TempDir) {
    let mut root = CertificateParams::new(Vec::new()).expect("names");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().expect("a key")).expect("a root");
    let key = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    let certificate = names.signed_by(&key, &root).expect("a certificate");
    let hba = "hostssl all all all trust\n";
    let files = [
        ("certificate", certificate.pem()),
        ("key", key.serialize_pem()),
        ("hba", hba.to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = Server::start_with(
        &files,
        "-c ssl=on -c ssl_cert_file={folder}/certificate -c ssl_key_file={folder}/key -c hba_file={folder}/hba",
    );
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("root.pem"), root.pem()).expect("a file");
    std::fs::write(folder.path().join("own.pem"), certificate.pem()).expect("a file");
    (server, folder)
}

#[test]
fn tls_is_spoken_and_verified_as_far_as_the_address_asks() {
    let (server, folder) = server_with_tls();
    let by_number = server.new_database();
    let by_name = by_number.replace("127.0.0.1", "localhost");
    let root = format!("sslrootcert={}", folder.path().join("root.pem").display());
    let own = format!("sslrootcert={}", folder.path().join("own.pem").display());

    let sentence = refusal(&format!("{by_number}?sslmode=disable"));
    assert_says(
        &sentence,
        &["takes no such connection without TLS", "leave sslmode=disable out"],
    );
    for good in [
        by_number.clone(),
        format!("{by_number}?sslmode=prefer"),
        format!("{by_number}?sslmode=require"),
        format!("{by_number}?sslmode=verify-ca&{root}"),
        format!("{by_name}?sslmode=verify-full&{root}"),
        format!("{by_name}?sslmode=verify-full&{own}"),
        format!("{by_number}?sslmode=require&{own}"),
    ] {
        starts(&good);
    }
    // The roots of the system know nothing of this one.
    for bad in [
        format!("{by_name}?sslmode=verify-full"),
        format!("{by_name}?sslmode=verify-ca"),
        format!("{by_number}?sslmode=verify-full&{root}"),
        format!("{by_number}?sslmode=verify-full&{own}"),
    ] {
        let sentence = refusal(&bad);
        assert_says(&sentence, &["cannot be trusted", "sslrootcert"]);
    }
    let (other, elsewhere) = server_with_tls();
    drop(other);
    let stranger = elsewhere.path().join("root.pem");
    let sentence = refusal(&format!("{by_name}?sslmode=require&sslrootcert={}", stranger.display()));
    assert_says(&sentence, &["cannot be trusted"]);
    let sentence = refusal(&format!("{by_name}?sslmode=verify-ca&sslrootcert=/not/there.pem"));
    assert_says(&sentence, &["/not/there.pem cannot be used", "certificates in PEM"]);
}

/// What `/readyz` answers, and how long it took.
fn ready(port: u16) -> (bool, Duration) {
    let began = Instant::now();
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        asked
            .and_then(|()| stream.read_to_string(&mut answer))
            .expect("an answer");
    }
    (answer.starts_with("HTTP/1.1 200"), began.elapsed())
}

#[test]
fn a_database_that_goes_away_and_comes_back_is_told_once_each() {
    const IN_TIME: Duration = Duration::from_secs(5);
    let mut server = Server::start();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port")
        .port();
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("log");
    let child = serve(&server.new_database())
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .current_dir(folder.path())
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("the binary runs");
    let _running = Running(child);
    let told = |what: &str| std::fs::read_to_string(&log).expect("a log").matches(what).count();
    let until = |what: &str, limit: Duration, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(
                began.elapsed() < limit,
                "{what}: {}",
                std::fs::read_to_string(&log).expect("a log")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("it starts", Duration::from_secs(30), &|| ready(port).0);
    server.kill();
    for _ in 0..20 {
        let (is_ready, took) = ready(port);
        assert!(!is_ready && took < IN_TIME, "{took:?}");
    }
    server.start_again();
    until("it recovers", IN_TIME, &|| ready(port).0);
    // Over is what was quiet for five seconds.
    let again = "the store can be written again";
    until("it says so", Duration::from_secs(20), &|| {
        ready(port).0 && told(again) == 1
    });
    assert!((0..20).all(|_| ready(port).0));
    assert_eq!((told("the store cannot be written"), told(again)), (1, 1));
    assert_eq!(
        told("\"level\":\"WARN\""),
        told("fsync = off") + 2,
        "nothing else is told"
    );
}
