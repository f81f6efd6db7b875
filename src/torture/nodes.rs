//! The nodes of a run: `doorbell serve` of this same executable, each with a folder and a port of its own.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::sync::Mutex;

use super::{
    process::{self, Process, Program},
    rest::{Credential, Rest},
};

/// Longer than any start takes, even on a busy machine and when a database comes back meanwhile.
const START_TIME: Duration = Duration::from_secs(60);
/// A node that ended at its start is started again after this, as by a service manager.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// The exit code of a node whose settings are wrong, to whom another start does not help; or that cannot reach its database
/// when it starts, which another start does help.
const WRONG_SETTINGS: i32 = 2;
/// What a gentle end may take, and a little for the machine.
const END_TIME: Duration = Duration::from_secs(11);

#[derive(Debug)]
pub struct Node {
    pub number: usize,
    pub address: SocketAddr,
    program: Program,
    api_key: String,
    process: Mutex<Option<Process>>,
    /// It was ready once, so its settings are right.
    was_ready: AtomicBool,
    /// The file that libfaketime reads, where its clock can be set.
    clock: Option<PathBuf>,
    /// Numbers of all processes that this node was, by which libfaketime names what it leaves behind.
    pids: std::sync::Mutex<Vec<i32>>,
}

/// What all nodes of a run have in common.
#[derive(Debug, Clone)]
pub struct Common {
    pub executable: PathBuf,
    pub folder: PathBuf,
    pub jwt_secret: String,
    pub api_key: String,
    /// libfaketime.
    pub faketime: Option<PathBuf>,
}

impl Node {
    pub fn new(
        common: &Common,
        number: usize,
        port: u16,
        mut settings: BTreeMap<String, OsString>,
    ) -> io::Result<Node> {
        let folder = common.folder.join(format!("node-{number}"));
        std::fs::create_dir_all(folder.join("data"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        for (name, value) in [
            ("DOORBELL_LISTEN", address.to_string()),
            ("DOORBELL_DATA_DIR", folder.join("data").display().to_string()),
            ("DOORBELL_JWT_SECRET", common.jwt_secret.clone()),
            ("DOORBELL_API_KEY", common.api_key.clone()),
            // What is judged here is not how fast somebody may be.
            ("DOORBELL_RATE_LIMITS", "off".to_owned()),
            ("DOORBELL_LOG", "info".to_owned()),
        ] {
            settings.insert(name.to_owned(), value.into());
        }
        let clock = match &common.faketime {
            Some(library) => {
                let clock = folder.join("clock");
                std::fs::write(&clock, "+0")?;
                for (name, value) in [
                    ("LD_PRELOAD", library.clone().into_os_string()),
                    ("FAKETIME_TIMESTAMP_FILE", clock.clone().into_os_string()),
                    // The file is read again every second.
                    ("FAKETIME_CACHE_DURATION", "1".into()),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
                    // The older name of the same.
                    ("DONT_FAKE_MONOTONIC", "1".into()),
                ] {
                    settings.insert(name.to_owned(), value);
                }
                Some(clock)
            }
            None => None,
        };
        let program = Program {
            path: common.executable.clone(),
            arguments: vec!["serve".into()],
            environment: settings,
            log: folder.join("log"),
            folder,
            ..Program::default()
        };
        Ok(Node {
            number,
            address,
            program,
            api_key: common.api_key.clone(),
            process: Mutex::new(None),
            was_ready: AtomicBool::new(false),
            clock,
            pids: std::sync::Mutex::default(),
        })
    }

    pub fn data_folder(&self) -> PathBuf {
        self.program.folder.join("data")
    }

    pub fn log(&self) -> &Path {
        &self.program.log
    }

    /// The host application's calls to this node, not through a proxy.
    pub fn host(&self) -> Rest {
        Rest {
            address: self.address,
            credential: Credential::ApiKey(self.api_key.clone()),
        }
    }

    /// Starts it and waits until it says that it is ready. Answers how long that took.
    ///
    /// # Errors
    ///
    /// A sentence with the end of its log, when it does not come up within a minute.
    pub async fn start(&self) -> Result<Duration, String> {
        let begun = Instant::now();
        let mut current = self.process.lock().await;
        loop {
            let mut process = self
                .program
                .start()
                .await
                .map_err(|error| format!("It cannot be started: {error}."))?;
            if let Ok(mut pids) = self.pids.lock() {
                pids.push(process.pid().as_raw_nonzero().get());
            }
            while !process.has_ended() {
                if self
                    .host()
                    .get("/readyz")
                    .await
                    .is_ok_and(|answer| answer.status == 200)
                {
                    *current = Some(process);
                    self.was_ready.store(true, Relaxed);
                    return Ok(begun.elapsed());
                }
                if begun.elapsed() > START_TIME {
                    return Err(self.not_up());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if process.code() == Some(WRONG_SETTINGS) && !self.was_ready.load(Relaxed) {
                return Err(format!(
                    "It refuses its settings: {}",
                    process::tail(self.log()).trim_end()
                ));
            }
            if begun.elapsed() > START_TIME {
                return Err(self.not_up());
            }
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    }

    fn not_up(&self) -> String {
        format!(
            "It was not ready within {} s. The end of its log:\n{}",
            START_TIME.as_secs(),
            process::tail(self.log())
        )
    }

    pub async fn kill(&self) {
        if let Some(mut process) = self.process.lock().await.take() {
            // An error means that it has ended.
            let _ = process.kill().await;
        }
    }

    /// SIGTERM. Answers how long the end took, and the exit code; no code when it was killed in the end.
    pub async fn terminate(&self) -> (Duration, Option<i32>) {
        let begun = Instant::now();
        let mut code = None;
        if let Some(mut process) = self.process.lock().await.take() {
            process.signal(Signal::TERM);
            code = process
                .ended(END_TIME)
                .await
                .ok()
                .flatten()
                .and_then(|status| status.code());
        }
        (begun.elapsed(), code)
    }

    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
        }
    }

    /// Sets the clock off by so many seconds.
    pub fn set_clock(&self, seconds: i64) -> io::Result<()> {
        match &self.clock {
            Some(clock) => {
                // As a whole: it must not be read half written.
                let written = clock.with_extension("new");
                std::fs::write(&written, format!("{seconds:+}"))?;
                std::fs::rename(written, clock)
            }
            None => Err(io::Error::other("libfaketime is missing")),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.clock.is_none() {
            return;
        }
        // libfaketime leaves these behind when its process is killed.
        let pids = self.pids.lock().map(|pids| pids.clone()).unwrap_or_default();
        for pid in pids {
            for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
                let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
            }
        }
    }
}
