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
/// Between two looks at whether a server is ready, and between two tries to start it.
const LOOK_PAUSE: Duration = Duration::from_millis(30);
const START_PAUSE: Duration = Duration::from_millis(200);

/// A server of the run, and how it is known to be ready.
#[derive(Debug)]
struct Server {
    name: &'static str,
    program: Program,
    ready: Ready,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
enum Ready {
    /// PostgreSQL writes it into this file of its data folder.
    PidFile(PathBuf),
    /// Redis answers.
    Pong(RedisLine),
}

impl Server {
    /// Starts it, and waits until it is ready. When it ends at once it is tried again: what is left of the one before may
    /// still be going, which it says and ends.
    async fn go(&self) -> Result<(), String> {
        let begun = Instant::now();
        let mut current = self.process.lock().await;
        while begun.elapsed() < START_TIME {
            let started = self.program.start().await;
            let mut process = started.map_err(|error| format!("{} cannot start: {error}.", self.name))?;
            while !process.has_ended() && begun.elapsed() < START_TIME {
                if self.is_ready(&process).await {
                    *current = Some(process);
                    return Ok(());
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            tokio::time::sleep(START_PAUSE).await;
        }
        Err(format!(
            "{} was not ready within a minute. The end of its log:\n{}",
            self.name,
            process::tail(&self.program.log)
        ))
    }

    async fn is_ready(&self, process: &Process) -> bool {
        match &self.ready {
            // As `pg_ctl` finds out: its number is in the first line, and its state in the eighth.
            Ready::PidFile(file) => {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                let mut lines = text.lines();
                lines.next().and_then(|pid| pid.parse().ok()) == Some(process.pid().as_raw_nonzero().get())
                    && lines.nth(6).is_some_and(|state| state.trim() == "ready")
            }
            Ready::Pong(line) => line.told("PING").await.is_ok_and(|answer| answer.contains("+PONG")),
        }
    }
}

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
    server: Server,
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
        let mut program = program(
            "postgres",
            &["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
        );
        program.arguments.extend([
            "-D".into(),
            data.clone().into_os_string(),
            "-p".into(),
            port.to_string().into(),
        ]);
        let server = Server {
            name: "PostgreSQL",
            program,
            ready: Ready::PidFile(data.join("postmaster.pid")),
            process: Mutex::new(None),
        };
        server.go().await?;
        Ok(Postgres { port, server })
    }

    /// Ends as `pg_ctl stop -m immediate` does: no checkpoint, every connection gone.
    pub async fn end_at_once(&self) {
        if let Some(mut process) = self.server.process.lock().await.take() {
            process.signal(Signal::QUIT);
            let _ = process.ended(END_TIME).await;
        }
    }

    pub async fn restart(&self) -> Result<(), String> {
        self.server.go().await
    }

    /// To the server and all its processes.
    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.server.process.lock().await {
            process.signal(signal);
            process.signal_children(signal, |_| true);
        }
    }

    /// Terminates the connections of nodes. Answers how many.
    pub async fn terminate_connections(&self) -> usize {
        match &*self.server.process.lock().await {
            Some(process) => process.signal_children(Signal::TERM, |title| title.contains("postgres: doorbell")),
            None => 0,
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Those that stand still would do so for ever: they do not notice that their server is gone.
        if let Some(process) = self.server.process.get_mut() {
            process.signal_children(Signal::KILL, |_| true);
        }
    }
}

#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    line: RedisLine,
    server: Server,
}

/// Where it is told something.
#[derive(Debug, Clone)]
struct RedisLine {
    port: u16,
    password: String,
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
        let line = RedisLine { port, password };
        let program = Program {
            path: program,
            // Its configuration comes from standard input, so that the password is in no list of processes.
            arguments: vec!["-".into()],
            folder: folder.to_owned(),
            log: folder.join("redis.log"),
            input: Some(format!(
                "bind 127.0.0.1\nport {port}\nrequirepass {}\nsave \"\"\nappendonly no\ndaemonize no\n",
                line.password
            )),
            ..Program::default()
        };
        let server = Server {
            name: "Redis",
            program,
            ready: Ready::Pong(line.clone()),
            process: Mutex::new(None),
        };
        server.go().await?;
        Ok(Redis { port, line, server })
    }

    pub fn url(&self, port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}", self.line.password)
    }

    pub async fn go(&self) -> Result<(), String> {
        self.server.go().await
    }

    pub async fn kill(&self) {
        if let Some(mut process) = self.server.process.lock().await.take() {
            let _ = process.kill().await;
        }
    }

    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.server.process.lock().await {
            process.signal(signal);
        }
    }

    pub async fn flush(&self) -> io::Result<()> {
        self.line.told("FLUSHALL").await.map(drop)
    }
}

impl RedisLine {
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
