//! A bus that cannot be used at the start is refused in a sentence that says how to mend it.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
};

use tempfile::TempDir;

use super::{
    server::{free_port, make_certificate},
    *,
};

async fn refusal(url: &str) -> String {
    match Bus::redis(url, "x:").await {
        Ok(_) => panic!("{url} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let server = Server::start(&["--requirepass", "open-sesame"]);
    let at = |credentials: &str| format!("redis://{credentials}127.0.0.1:{}", server.port);
    let wrong = refusal(&at(":hush@")).await;
    assert!(wrong.contains("does not accept the user and password"), "{wrong}");
    let unknown = refusal(&at("nobody:hush@")).await;
    assert!(unknown.contains("does not accept the user and password"), "{unknown}");
    let none = refusal(&at("")).await;
    assert!(none.contains("wants a password"), "{none}");
    for sentence in [wrong, unknown, none] {
        assert!(!sentence.contains("hush") && !sentence.contains('\n'), "{sentence}");
        assert!(sentence.contains("DOORBELL_REDIS_URL"), "{sentence}");
    }
    assert!(Bus::redis(&at(":open-sesame@"), "x:").await.is_ok());
}

#[tokio::test]
async fn a_user_who_may_not_use_the_channel_is_told_which() {
    let server = Server::start(&[]);
    server.ask(&[
        "ACL",
        "SETUSER",
        "ann",
        "on",
        ">pass",
        "+@all",
        "resetchannels",
        "&shop:*",
    ]);
    let url = format!("redis://ann:pass@127.0.0.1:{}", server.port);
    let sentence = refusal(&url).await;
    assert!(sentence.contains("the channel x:bus"), "{sentence}");
    assert!(Bus::redis(&url, "shop:").await.is_ok());
}

#[tokio::test]
async fn what_has_no_name_or_is_no_redis_is_told() {
    let sentence = refusal("redis://no-such-host.invalid").await;
    assert!(
        sentence.contains("DOORBELL_REDIS_URL") && sentence.contains("mend the address"),
        "{sentence}"
    );
    let web = fake(|_| "HTTP/1.1 400 Bad Request\r\n\r\n".into());
    let sentence = refusal(&web).await;
    assert!(sentence.contains("is not Redis"), "{sentence}");
    for wrong in ["redis://h:99999", "redis://:p@0.0.0.0"] {
        let sentence = refusal(wrong).await;
        assert!(sentence.contains("not the URL of a Redis server"), "{sentence}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_or_a_replica_is_told() {
    let hello = |version: &str, role: &str| {
        format!(
            "%4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n${}\r\n{version}\r\n$4\r\nrole\r\n${}\r\n{role}\r\n\
             $4\r\nmode\r\n$10\r\nstandalone\r\n",
            version.len(),
            role.len()
        )
    };
    let old = hello("6.0.20", "master");
    let sentence = refusal(&fake(move |_| old.clone())).await;
    assert!(
        sentence.contains("has version 6.0.20") && sentence.contains("6.2"),
        "{sentence}"
    );
    let replica = hello("7.2.5", "replica");
    let sentence = refusal(&fake(move |_| replica.clone())).await;
    assert!(sentence.contains("is a replica"), "{sentence}");
    let very_old = |_: &str| "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n".to_owned();
    let sentence = refusal(&fake(very_old)).await;
    assert!(sentence.contains("older than 6.0"), "{sentence}");
}

/// Something on a port that gives this answer to each command; returns its URL.
fn fake(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut stream, mut line) = (stream, String::new());
            // A command begins with the number of its words.
            while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
                if line.starts_with('*') && stream.write_all(answer(&line).as_bytes()).is_err() {
                    break;
                }
                line.clear();
            }
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// In the child of the test below: where to connect to.
const URL: &str = "DOORBELL_TEST_REDIS_URL";

/// The authorities that the system knows are read once a process, from a variable of it: so this runs as a child.
#[tokio::test]
async fn over_tls_the_server_must_prove_who_it_is() {
    if let Ok(url) = std::env::var(URL) {
        match Bus::redis(&url, "x:").await {
            Ok(bus) if !*bus.linked().borrow() => println!("said: waits"),
            Ok(bus) => {
                let other = Bus::redis(&url, "x:").await.unwrap();
                let mut heard = other.heard().unwrap();
                bus.tell(typing(1));
                assert_eq!(next(&mut heard).await, (bus.node(), typing(1)));
                println!("said: heard");
            }
            Err(error) => println!("said: {error}"),
        }
        return;
    }
    let folder = TempDir::new().unwrap();
    make_certificate(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (port, ca, key) = (free_port().to_string(), file("ca.pem"), file("key.pem"));
    let server = Server::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &ca,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ]);
    let child = |url: String, authorities: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("fanout::bus::tests::refusals::over_tls_the_server_must_prove_who_it_is")
            .env(URL, url)
            .env("SSL_CERT_FILE", authorities)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said
            .lines()
            .find_map(|line| line.split_once("said: "))
            .map(|(_, said)| said.to_owned());
        line.unwrap_or_else(|| panic!("{said}"))
    };
    let others = TempDir::new().unwrap();
    make_certificate(others.path());
    let stranger = others.path().join("ca.pem").to_str().unwrap().to_owned();
    assert_eq!(child(format!("rediss://localhost:{port}"), &ca), "heard");
    let unknown = child(format!("rediss://localhost:{port}"), &stranger);
    assert!(
        unknown.contains("TLS with") && unknown.contains("SSL_CERT_FILE"),
        "{unknown}"
    );
    let misnamed = child(format!("rediss://127.0.0.1:{port}"), &ca);
    assert!(misnamed.contains("TLS with"), "{misnamed}");
    // Where each side waits for the other to speak its own way, it looks like a server that hangs: that is waited for, too,
    // with a warning that names TLS.
    let plain = child(format!("redis://localhost:{port}"), &ca);
    assert!(plain.contains("is not Redis") || plain == "waits", "{plain}");
    let no_tls = child(format!("rediss://localhost:{}", server.port), &ca);
    assert!(no_tls.contains("TLS with") || no_tls == "waits", "{no_tls}");
}
