//! PostgreSQL and Redis (or Valkey) of a run: programs of this machine, on data of their own.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};

use super::process::{self, Process, Program, User, found};

const START_TIME: Duration = Duration::from_secs(60);
const END_TIME: Duration = Duration::from_secs(10);

/// Where PostgreSQL's programs are, and as whom they run.
#[derive(Debug, Clone)]
pub struct PostgresPrograms {
    bin: PathBuf,
    user: Option<User>,
}

impl PostgresPrograms {
    /// # Errors
    ///
    /// What is missing, in a sentence.
    pub fn find(is_root: bool) -> Result<Self, String> {
        // A link on the path leads to where the others are.
        let on_path = found("initdb").and_then(|initdb| Some(initdb.canonicalize().ok()?.parent()?.to_owned()));
        let on_path = on_path.filter(|bin| bin.join("postgres").is_file());
        let bin = on_path
            .or_else(packaged)
            .ok_or("PostgreSQL's initdb is not here; install PostgreSQL.")?;
        let user = if is_root {
            if found("setpriv").is_none() {
                return Err("PostgreSQL does not run as root, and setpriv (util-linux) is missing.".to_owned());
            }
            let user = user_named("postgres");
            Some(user.ok_or("PostgreSQL does not run as root, and there is no user \"postgres\".")?)
        } else {
            None
        };
        Ok(PostgresPrograms { bin, user })
    }
}

/// Debian and Red Hat keep the programs in folders that are not on the `PATH`. The newest version counts.
fn packaged() -> Option<PathBuf> {
    let versions = |folder: &str| {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let mut found: Vec<(u32, PathBuf)> = versions("/usr/lib/postgresql")
        .chain(versions("/usr").filter(|path| path.to_string_lossy().contains("/pgsql-")))
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.trim_start_matches("pgsql-").to_owned();
            let bin = path.join("bin");
            bin.join("initdb").is_file().then_some((name.parse().ok()?, bin))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

fn user_named(name: &str) -> Option<User> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(User {
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
    })
}

#[derive(Debug)]
pub struct Postgres {
    pub port: u16,
    data: PathBuf,
    server: Program,
    process: Mutex<Option<Process>>,
}

impl Postgres {
    /// Makes a cluster below `folder` and starts it.
    pub async fn start(programs: PostgresPrograms, folder: &Path) -> Result<Postgres, String> {
        let words = |error: io::Error| format!("PostgreSQL cannot be set up: {error}.");
        let folder = folder.join("postgres");
        std::fs::create_dir_all(&folder).map_err(words)?;
        if let Some(user) = programs.user {
            std::os::unix::fs::chown(&folder, Some(user.uid), Some(user.gid)).map_err(words)?;
        }
        let (data, log) = (folder.join("data"), folder.with_extension("log"));
        let program = |name: &str, arguments: &[&str]| Program {
            path: programs.bin.join(name),
            arguments: arguments.iter().map(Into::into).collect(),
            folder: folder.clone(),
            log: log.clone(),
            user: programs.user,
            ..Program::default()
        };
        let mut initdb = program(
            "initdb",
            &["--username=doorbell", "--auth=trust", "--encoding=UTF8", "--locale=C"],
        );
        initdb
            .arguments
            .extend(["--pgdata".into(), data.clone().into_os_string()]);
        if !initdb.run().await.map_err(words)?.success() {
            return Err(format!("initdb failed. The end of its log:\n{}", process::tail(&log)));
        }
        let port = process::free_port().map_err(words)?;
        let mut server = program(
            "postgres",
            &["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
        );
        server.arguments.extend([
            "-D".into(),
            data.clone().into_os_string(),
            "-p".into(),
            port.to_string().into(),
        ]);
        let postgres = Postgres {
            port,
            data,
            server,
            process: Mutex::new(None),
        };
        postgres.go().await?;
        Ok(postgres)
    }

    async fn go(&self) -> Result<(), String> {
        let begun = Instant::now();
        let mut current = self.process.lock().await;
        loop {
            let mut process = self
                .server
                .start()
                .await
                .map_err(|error| format!("PostgreSQL cannot start: {error}."))?;
            while !process.has_ended() && begun.elapsed() < START_TIME {
                if self.is_ready(&process) {
                    *current = Some(process);
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            if begun.elapsed() > START_TIME {
                return Err(format!(
                    "PostgreSQL was not ready within a minute. The end of its log:\n{}",
                    process::tail(&self.server.log)
                ));
            }
            // Processes of the one before may still be going; it says so and ends.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// As `pg_ctl` finds out: the server writes its number into the first line of this file, and its state into the eighth.
    fn is_ready(&self, process: &Process) -> bool {
        let text = std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next().and_then(|pid| pid.parse().ok()) == Some(process.pid().as_raw_nonzero().get())
            && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }

    /// Ends as `pg_ctl stop -m immediate` does: no checkpoint, every connection gone.
    pub async fn end_at_once(&self) {
        if let Some(mut process) = self.process.lock().await.take() {
            process.signal(Signal::QUIT);
            let _ = process.ended(END_TIME).await;
        }
    }

    pub async fn restart(&self) -> Result<(), String> {
        self.go().await
    }

    /// To the server and all its processes.
    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
            process.signal_children(signal, |_| true);
        }
    }

    /// Terminates the connections of nodes. Answers how many.
    pub async fn terminate_connections(&self) -> usize {
        match &*self.process.lock().await {
            Some(process) => process.signal_children(Signal::TERM, |title| title.contains("postgres: doorbell")),
            None => 0,
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Those that stand still would do so for ever: they do not notice that their server is gone.
        if let Some(process) = self.process.get_mut() {
            process.signal_children(Signal::KILL, |_| true);
        }
    }
}

#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    password: String,
    server: Program,
    process: Mutex<Option<Process>>,
}

impl Redis {
    pub fn program() -> Result<PathBuf, String> {
        found("redis-server")
            .or_else(|| found("valkey-server"))
            .ok_or_else(|| "redis-server or valkey-server is not on the PATH; install Redis or Valkey.".to_owned())
    }

    pub async fn start(program: PathBuf, folder: &Path, password: String) -> Result<Redis, String> {
        let words = |error: io::Error| format!("Redis cannot be set up: {error}.");
        let port = process::free_port().map_err(words)?;
        let server = Program {
            path: program,
            // Its configuration comes from standard input, so that the password is in no list of processes.
            arguments: vec!["-".into()],
            folder: folder.to_owned(),
            log: folder.join("redis.log"),
            input: Some(format!(
                "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndaemonize no\n"
            )),
            ..Program::default()
        };
        let redis = Redis {
            port,
            password,
            server,
            process: Mutex::new(None),
        };
        redis.go().await?;
        Ok(redis)
    }

    pub fn url(&self, port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}", self.password)
    }

    pub async fn go(&self) -> Result<(), String> {
        let begun = Instant::now();
        let mut current = self.process.lock().await;
        loop {
            let mut process = self
                .server
                .start()
                .await
                .map_err(|error| format!("Redis cannot start: {error}."))?;
            while !process.has_ended() && begun.elapsed() < START_TIME {
                if self.told("PING").await.is_ok_and(|answer| answer.contains("+PONG")) {
                    *current = Some(process);
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if begun.elapsed() > START_TIME {
                let log = process::tail(&self.server.log);
                return Err(format!(
                    "Redis was not ready within a minute. The end of its log:\n{log}"
                ));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn kill(&self) {
        if let Some(mut process) = self.process.lock().await.take() {
            let _ = process.kill().await;
        }
    }

    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
        }
    }

    pub async fn flush(&self) -> io::Result<()> {
        self.told("FLUSHALL").await.map(drop)
    }

    async fn told(&self, command: &str) -> io::Result<String> {
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            let words = format!("AUTH {}\r\n{command}\r\nQUIT\r\n", self.password);
            stream.write_all(words.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        tokio::time::timeout(Duration::from_secs(2), exchange).await?
    }
}
