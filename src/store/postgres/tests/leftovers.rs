//! The tests' own server leaves nothing behind: its folder is of a gigabyte and more.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::server;

/// In the child: how it ends.
const ENDING: &str = "DOORBELL_TEST_ENDING";
const SAID: &str = "the folder is ";

#[test]
fn a_process_that_has_a_server() {
    let Ok(ending) = env::var(ENDING) else { return };
    println!("\n{SAID}{}", server::shared_folder().display());
    match ending.as_str() {
        "a panic" => panic!("as a test that fails"),
        "a kill" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
}

/// The child, and the folder of its server.
fn child(ending: &str) -> (Child, PathBuf) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("store::postgres::tests::leftovers::a_process_that_has_a_server")
        .env(ENDING, ending)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(SAID).map(PathBuf::from));
    (child, folder.expect("the child says its folder"))
}

#[test]
fn the_folder_of_the_tests_server_goes_with_the_tests_however_they_end() {
    for ending in ["success", "a panic", "a kill"] {
        let (mut child, folder) = child(ending);
        if ending == "a kill" {
            assert!(folder.join("data").exists());
            child.kill().unwrap();
        }
        child.wait().unwrap();
        let ended = Instant::now();
        while folder.exists() {
            assert!(
                ended.elapsed() < Duration::from_secs(30),
                "{} is left by {ending}",
                folder.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
