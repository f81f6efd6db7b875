//! `doorbell torture` as an operator runs it: short runs of the real thing.
#![allow(clippy::disallowed_methods, reason = "a test waits outside of any runtime")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_doorbell");

fn torture(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .arg("torture")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TMPDIR", temporary);
    command
}

fn run(temporary: &TempDir, arguments: &[&str]) -> Output {
    torture(temporary.path(), arguments).output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[cfg(feature = "plant")]
/// The figure before a line of the report.
fn count(text: &str, of: &str) -> usize {
    let line = text.lines().find(|line| line.ends_with(of));
    let line = line.unwrap_or_else(|| panic!("no line ends with {of:?} in\n{text}"));
    let figure = line.split_whitespace().next().expect("a figure");
    figure.parse().unwrap_or_else(|_| panic!("no figure begins {line:?}"))
}

const SHORT: [&str; 8] = ["--minutes", "0.4", "--seed", "7", "--clients", "24", "--rate", "40"];
/// What makes clients come back into their sessions.
#[cfg(feature = "plant")]
const CUTS: &str = "client-cut,client-reset,client-half";

#[test]
fn a_short_run_finds_nothing_lost() {
    let temporary = TempDir::new().expect("a folder");
    let faults = "node-kill,node-stop,client-reset,client-half,client-replay,client-slice";
    let output = run(&temporary, &[&SHORT[..], &["--faults", faults]].concat());
    let text = text(&output);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{text}");
    assert!(
        text.contains("Seed 7, ") && text.contains("Every promise held"),
        "{text}"
    );
    // That nothing was found means something only where something was done.
    let acknowledged = text
        .lines()
        .find(|line| line.trim_start().starts_with("acknowledged "))
        .expect("a figure");
    let acknowledged: usize = acknowledged
        .split_whitespace()
        .nth(1)
        .expect("a figure")
        .parse()
        .expect("a number");
    assert!(acknowledged > 300, "{text}");
    assert!(
        text.lines()
            .any(|line| line.trim_start().starts_with("node-kill ") && !line.contains("not run")),
        "{text}"
    );
    assert_eq!(
        fs::read_dir(&temporary).expect("a folder").count(),
        0,
        "the run's folder was left"
    );
}

/// A run with a known bug, and one of the same seed without it. The checker must name what the bug breaks, and find nothing
/// where there is none: else it would say no more than that something was going on.
#[cfg(feature = "plant")]
fn is_caught(bug: &str, breach: &str, arguments: &[&str]) {
    let temporary = TempDir::new().expect("a folder");
    let planted = run(&temporary, &[arguments, &["--plant", bug]].concat());
    let said = text(&planted);
    assert_eq!(planted.status.code(), Some(1), "{said}");
    assert!(count(&said, breach) > 0, "{said}");
    let sound = run(&temporary, arguments);
    assert!(
        matches!(sound.status.code(), Some(0 | 3)),
        "without {bug}: {}",
        text(&sound)
    );
}

#[cfg(feature = "plant")]
#[test]
fn an_acknowledgement_before_the_commit_is_caught() {
    is_caught(
        "ack-before-commit",
        "acknowledged messages that are not in the history",
        &[&SHORT[..], &["--faults", "node-kill"]].concat(),
    );
}

#[cfg(feature = "plant")]
#[test]
fn a_recovery_that_begins_one_message_too_late_is_caught() {
    is_caught(
        "replay-off-by-one",
        "messages that a client still had not got 10 s after the last fault",
        &[&SHORT[..], &["--faults", CUTS]].concat(),
    );
}

#[cfg(feature = "plant")]
#[test]
fn a_recovery_that_looks_at_no_membership_is_caught() {
    is_caught(
        "skip-membership-check",
        "messages or conversations that somebody saw who had no right to",
        &[&SHORT[..], &["--faults", CUTS]].concat(),
    );
}

#[cfg(feature = "plant")]
#[test]
fn news_of_the_other_node_that_are_never_told_are_caught() {
    // Two nodes, PostgreSQL and Redis share the machine with those who judge them: fewer clients, who send less.
    let small = "--setup cluster --minutes 0.4 --seed 7 --clients 16 --rate 15 --faults";
    let small: Vec<&str> = small.split(' ').collect();
    is_caught(
        "drop-bus-frame",
        "messages that a client still had not got 10 s after the last fault",
        &[&small[..], &[CUTS]].concat(),
    );
}

#[cfg(not(feature = "plant"))]
#[test]
fn a_release_knows_no_planted_bug() {
    let temporary = TempDir::new().expect("a folder");
    let output = run(&temporary, &["--plant", "ack-before-commit"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("unexpected argument '--plant'"),
        "{}",
        text(&output)
    );
    let binary = fs::read(BINARY).expect("the binary");
    let holds = |word: &str| binary.windows(word.len()).any(|window| window == word.as_bytes());
    for word in ["ack-before-commit", "skip-membership-check", "DOORBELL_PLANT"] {
        assert!(!holds(word), "the binary holds {word:?}");
    }
    // The search finds what is there.
    assert!(holds("client-replay") && holds("DOORBELL_JWT_SECRET"));
}

#[test]
fn a_wrong_wish_is_a_sentence_and_exit_code_2() {
    let temporary = TempDir::new().expect("a folder");
    for (arguments, expected) in [
        (
            &["--faults", "redis-kill"][..],
            "--faults has redis-kill, which there is not with --setup sqlite",
        ),
        (&["--faults", "rain"], "invalid value 'rain'"),
        (&["--minutes", "0.1"], "write a number of minutes from 0.4 to 1440"),
        (&["--setup", "three"], "invalid value 'three'"),
    ] {
        let output = run(&temporary, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output).contains(expected), "{arguments:?}: {}", text(&output));
    }
}

/// A run under way, with the processes that it started.
fn under_way(temporary: &TempDir) -> (Child, Vec<u32>) {
    let arguments = [&SHORT[..], &["--faults", "node-kill"]].concat();
    let mut child = torture(temporary.path(), &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let said = BufReader::new(child.stderr.take().expect("its words"));
    let begun = said
        .lines()
        .map_while(Result::ok)
        .any(|line| line.starts_with("0/24 s"));
    assert!(begun, "the run did not begin");
    let started = children(child.id());
    assert!(!started.is_empty(), "it started nothing");
    (child, started)
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        status
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse::<u32>()
            .ok()
    };
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|pid| of(pid) == Some(parent)).collect()
}

fn is_alive(pid: u32) -> bool {
    // A process that has ended and was not waited for has no command line any more.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn all_end(pids: &[u32]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < deadline, "{pids:?} go on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[test]
fn an_interrupted_run_takes_everything_with_it() {
    let temporary = TempDir::new().expect("a folder");
    let (mut child, started) = under_way(&temporary);
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("its end").code(), Some(130));
    all_end(&started);
    assert_eq!(
        fs::read_dir(&temporary).expect("a folder").count(),
        0,
        "the run's folder was left"
    );
}

#[test]
fn a_killed_run_takes_its_processes_with_it() {
    let temporary = TempDir::new().expect("a folder");
    let (mut child, started) = under_way(&temporary);
    signal(&child, "-KILL");
    child.wait().expect("its end");
    all_end(&started);
}
