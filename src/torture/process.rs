//! The processes that a run starts, and what it does to them. None outlives the run: each is killed when its handle is
//! dropped, and by the kernel when this process ends in whatever way, where `setpriv` is there to ask for that.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    /// The whole environment, but for `PATH`.
    pub environment: BTreeMap<String, OsString>,
    pub folder: PathBuf,
    /// Both outputs are added to this file.
    pub log: PathBuf,
    /// Another user to run as, which takes root and `setpriv`.
    pub user: Option<User>,
    /// Written to its standard input, which is then closed.
    pub input: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
}

impl Program {
    /// Starts it.
    ///
    /// The kernel's promise to kill it holds as long as the thread lives that calls this: it must not be one of those
    /// that a runtime ends when they are idle.
    pub async fn start(&self) -> io::Result<Process> {
        let mut child = self.command()?.spawn()?;
        if let (Some(input), Some(mut stdin)) = (&self.input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).await?;
            stdin.shutdown().await?;
        }
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("the process ended at once"))?;
        Ok(Process { child, pid })
    }

    /// Runs it to its end.
    pub async fn run(&self) -> io::Result<ExitStatus> {
        self.command()?.spawn()?.wait().await
    }

    fn command(&self) -> io::Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = match found("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL"]);
                if let Some(user) = self.user {
                    command.args([
                        "--clear-groups",
                        "--reuid",
                        &user.uid.to_string(),
                        "--regid",
                        &user.gid.to_string(),
                    ]);
                }
                command.arg("--").arg(&self.path);
                command
            }
            None if self.user.is_some() => return Err(io::Error::other("setpriv is missing")),
            None => Command::new(&self.path),
        };
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .kill_on_drop(true);
        Ok(command)
    }
}

impl Process {
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Nothing happens when it has ended already.
    pub fn signal(&self, signal: Signal) {
        // The child was not waited for, or it is a zombie: its number is not another's.
        let _ = kill_process(self.pid, signal);
    }

    /// Waits for the end, and kills it when that takes longer than `within`. `None` when it had to.
    pub async fn ended(&mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => status.map(Some),
            Err(_) => {
                self.child.kill().await?;
                Ok(None)
            }
        }
    }

    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// It has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The exit code, of a process that has ended by itself.
    pub fn code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten()?.code()
    }

    /// Its children, as the kernel has them now.
    pub fn children(&self) -> Vec<(Pid, String)> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let parent = self.pid.as_raw_nonzero().get();
        let child = |entry: io::Result<fs::DirEntry>| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name in brackets may hold anything; behind it stand the state and the parent.
            let of: i32 = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (of == parent).then_some((Pid::from_raw(pid)?, title.replace('\0', " ")))
        };
        entries.filter_map(child).collect()
    }

    /// To all of its children.
    pub fn signal_children(&self, signal: Signal, which: impl Fn(&str) -> bool) -> usize {
        let children = self.children();
        let chosen = children.iter().filter(|(_, title)| which(title));
        chosen.filter(|(pid, _)| kill_process(*pid, signal).is_ok()).count()
    }
}

/// A program on the `PATH`, or in one of the folders of the system's own that often are not on it.
pub fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A port that nobody listens on now.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The end of a log file, for a report.
pub fn tail(log: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    const BYTES: u64 = 1_500;
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        file.take(BYTES).read_to_end(&mut text)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("({}: {error})", log.display()),
    }
}
