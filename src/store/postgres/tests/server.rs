//! A PostgreSQL server for the tests, started once a process on a free port of loopback, with a database for each test.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A server that ends with its owner.
pub struct Server {
    pub port: u16,
    child: Child,
    folder: TempDir,
    options: String,
}

/// Never dropped: the shell beside it ends it with the process, and removes its folder ([`start`]).
static SHARED: OnceLock<Server> = OnceLock::new();
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The folder of the server that all tests of this process share.
pub fn shared_folder() -> PathBuf {
    SHARED.get_or_init(Server::start).folder.path().to_path_buf()
}

/// The URL of a new, empty database in the server that all tests of this process share.
pub fn new_database() -> String {
    SHARED.get_or_init(Server::start).new_database()
}

/// Runs statements in the database at `url`, and says what they print: a line a row, `|` between the columns.
pub fn sql_at(url: &str, sql: &str) -> String {
    let output = Command::new(binary("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .output()
        .expect("psql runs");
    assert!(
        output.status.success(),
        "psql: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[], "")
    }

    /// With these files, by name, and more options of `postgres`, in which `{folder}` is the folder of the files.
    pub fn start_with(files: &[(&str, &str)], options: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        give_to_postgres(folder.path());
        give_to_postgres(&data);
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file");
            // A server takes no key that others may read.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file");
            give_to_postgres(&path);
        }
        let options = options.replace("{folder}", &folder.path().display().to_string());
        let made = as_postgres(&binary("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = free_port();
        let child = start(&data, port, &options);
        let server = Server {
            port,
            child,
            folder,
            options,
        };
        server.wait_until_ready();
        server
    }

    /// The server is killed, and nothing is left of it but its files.
    pub fn kill(&mut self) {
        let postmaster = self.postmaster();
        run(Command::new("kill").args(["-QUIT", &postmaster.to_string()]));
        let _ = self.child.wait();
    }

    /// After [`Server::kill`].
    pub fn start_again(&mut self) {
        self.child = start(&self.data(), self.port, &self.options);
        self.wait_until_ready();
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server and all its processes stop in the middle of what they do, and keep their connections.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        // The first one first: it starts no more, or takes care of the others.
        let postmaster = self.postmaster();
        run(Command::new("kill").args([signal, &postmaster.to_string()]));
        for child in children(postmaster) {
            // It may have ended by itself.
            let _ = Command::new("kill").args([signal, &child.to_string()]).output();
        }
    }

    pub fn new_database(&self) -> String {
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs statements in a database, and says what they print.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        sql_at(&format!("postgres://postgres@127.0.0.1:{}/{database}", self.port), sql)
    }

    fn postmaster(&self) -> u32 {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).expect("a running server");
        file.lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a process id")
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        while !Command::new(binary("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .status()
            .is_ok_and(|status| status.success())
        {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "PostgreSQL did not start within a minute"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.thaw();
            self.kill();
        }
    }
}

/// Ends with this process, also when that is killed: a shell beside it watches whether this process is still there, and
/// removes the folder behind it. What interrupts the tests at a terminal must not end the shell before its work.
fn start(data: &Path, port: u16, options: &str) -> Child {
    let script = format!(
        "{} -D {} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
         -c max_connections=400 -c shared_buffers=64MB {options} >{}/log 2>&1 & \
         server=$!; trap '' INT TERM HUP; \
         while kill -0 $server 2>/dev/null && [ -d /proc/{} ]; do sleep 0.2; done; \
         kill -QUIT $server 2>/dev/null; kill -CONT $server 2>/dev/null; wait $server; \
         [ -d /proc/{} ] || rm -rf {}",
        binary("postgres").display(),
        data.display(),
        data.display(),
        std::process::id(),
        std::process::id(),
        data.parent().unwrap_or(data).display()
    );
    let mut command = as_postgres(Path::new("sh"));
    command.args(["-c", &script]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |number: &u32| {
        let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.split_whitespace().eq(["PPid:", &parent.to_string()]))
    };
    numbers.filter(is_child).collect()
}

/// PostgreSQL refuses to run as root; then it runs as the user that its package makes.
pub fn as_postgres(program: &Path) -> Command {
    match is_root() {
        false => Command::new(program),
        true => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
                .arg(program)
                .current_dir("/");
            command
        }
    }
}

pub fn give_to_postgres(folder: &Path) {
    if is_root() {
        let home = fs::metadata("/var/lib/postgresql")
            .expect("PostgreSQL is not installed; install Debian's package postgresql, then try again");
        chown(folder, Some(home.uid()), Some(home.gid())).expect("root may give files away");
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The program of the newest PostgreSQL that is installed.
fn binary(name: &str) -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin").join(name),
            ))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    let newest = found.pop();
    newest
        .unwrap_or_else(|| panic!("{name} is missing; install Debian's package postgresql, then try again"))
        .1
}

/// The first of these places where a program is.
pub fn installed(name: &str, places: &[&str]) -> PathBuf {
    let found = places.iter().map(PathBuf::from).find(|place| place.exists());
    found.unwrap_or_else(|| panic!("{name} is missing; install Debian's package {name}, then try again"))
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn run(command: &mut Command) {
    let status = command.status().expect("it runs");
    assert!(status.success(), "{command:?}");
}
