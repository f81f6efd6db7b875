//! Reading history over REST: each client asks again as soon as it has its answer.

use std::{
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::{
    arguments::Arguments,
    json::Json,
    process,
    report::histogram,
    rest::{self, Http},
};

pub fn run(arguments: &Arguments) {
    let port = arguments.port();
    let secret = arguments.secret();
    let clients = arguments.number("clients", 8usize);
    let duration = Duration::from_secs_f64(arguments.number("secs", 10.0));
    let depth = arguments.number("depth", 500usize);
    let server = process::ids(&arguments.text("pid", ""));
    let path = arguments.text("get", "/api/messages?conversationId={id}&limit=50&markRead=false");
    let conversations: Vec<String> = (0..arguments.number("convs", 20usize))
        .map(|number| rest::create_conversation(port, &secret, number * 2, 2))
        .collect();
    fill(port, &secret, &conversations, depth);
    let requests: Vec<(String, String)> = conversations
        .iter()
        .enumerate()
        .map(|(number, id)| (path.replace("{id}", id), rest::token(&secret, number * 2)))
        .collect();

    let (server_before, own_before, started) = (process::cpu(&server), process::own_cpu(), Instant::now());
    let mut times = histogram();
    let mut bytes = 0;
    thread::scope(|scope| {
        let readers: Vec<_> = (0..clients)
            .map(|client| {
                let requests = &requests;
                scope.spawn(move || read(port, requests, client, started + duration))
            })
            .collect();
        for reader in readers {
            let (own_times, own_bytes) = reader.join().expect("a reader");
            times.add(own_times).expect("the same bounds");
            bytes += own_bytes;
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let server_cpu = process::cpu(&server).total() - server_before.total();
    let reads = times.len() as f64;
    let milliseconds = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    Json::new()
        .text("scenario", "history")
        .text("label", &arguments.text("label", ""))
        .number("clients", clients as f64)
        .number("depth", depth as f64)
        .number("reads", reads)
        .number("reads_per_s", reads / seconds)
        .number("bytes_per_read", bytes as f64 / reads)
        .number("server_cpu_s", server_cpu)
        .number("cpu_ms_per_1000_reads", server_cpu * 1e6 / reads)
        .number("loadgen_cpu_s", process::own_cpu() - own_before)
        .number("wall_s", seconds)
        .number("p50_ms", milliseconds(0.5))
        .number("p99_ms", milliseconds(0.99))
        .number("max_ms", times.max() as f64 / 1e3)
        .print();
}

/// Gives each conversation its messages.
fn fill(port: u16, secret: &str, conversations: &[String], depth: usize) {
    let mut http = Http::open(port);
    for (number, id) in conversations.iter().enumerate() {
        let token = rest::token(secret, number * 2);
        for message in 0..depth {
            let text = format!("message number {message} {}", "x".repeat(75));
            let body = format!(r#"{{"conversationId":"{id}","content":"{text}"}}"#);
            let (status, _) = http.call("POST", "/api/messages", &token, &body);
            assert!(status == 200 || status == 201, "POST /api/messages: {status}");
        }
    }
}

/// One client; the clients start at different conversations.
fn read(port: u16, requests: &[(String, String)], first: usize, until: Instant) -> (Histogram<u64>, usize) {
    let mut http = Http::open(port);
    let mut times = histogram();
    let mut bytes = 0;
    for (path, token) in requests.iter().cycle().skip(first) {
        let started = Instant::now();
        if started >= until {
            break;
        }
        let (status, body) = http.call("GET", path, token, "");
        assert_eq!(status, 200, "GET {path}");
        bytes += body.len();
        times.saturating_record(started.elapsed().as_micros() as u64);
    }
    (times, bytes)
}
