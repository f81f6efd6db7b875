//! This test program once more, as a process that can be killed: it runs one test, which knows from its environment
//! that it is the child.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
};

const PATH: &str = "DOORBELL_TEST_DATABASE";

pub struct Child {
    process: std::process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    /// In the child: the database to work on.
    pub fn path() -> Option<PathBuf> {
        std::env::var_os(PATH).map(PathBuf::from)
    }

    /// In the child: one whole line to the parent.
    pub fn say(line: &str) {
        let mut out = std::io::stdout().lock();
        // The parent may be gone, and this process is about to be.
        let _ = out.write_all(format!("{SAID}{line}\n").as_bytes());
        let _ = out.flush();
    }

    /// `test` is named from `store::sqlite::tests` on.
    pub fn command(test: &str, path: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg(format!("store::sqlite::tests::{test}"))
            .env(PATH, path);
        command
    }

    pub fn start(test: &str, path: &Path) -> Self {
        let mut process = Self::command(test, path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(process.stdout.take().expect("its output"));
        Child { process, lines }
    }

    /// What the child says next; `None` when it has ended. A line that a kill has cut short was not said.
    pub fn next_line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("text");
            if line.is_empty() {
                return None;
            }
            // The frame of the test program writes as well, and not always whole lines.
            if let Some((_, said)) = line.split_once(SAID)
                && let Some(said) = said.strip_suffix('\n')
            {
                return Some(said.to_owned());
            }
        }
    }

    /// SIGKILL. What it had still said.
    pub fn kill(mut self) -> Vec<String> {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
        std::iter::from_fn(|| self.next_line()).collect()
    }
}

const SAID: &str = "child: ";
