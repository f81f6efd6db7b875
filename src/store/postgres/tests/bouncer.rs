//! A PgBouncer before a database of the tests, in transaction mode: each transaction may get another connection.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::server::{as_postgres, free_port, give_to_postgres, installed};

pub struct Bouncer {
    pub url: String,
    child: Child,
    _folder: TempDir,
}

impl Bouncer {
    /// Few connections for many that ask: they change hands all the time.
    pub fn start(url: &str) -> Self {
        let (server, database) = url.rsplit_once('/').expect("a URL with a database");
        let (_, address) = server.rsplit_once('@').expect("a URL with a user");
        let (host, server_port) = address.rsplit_once(':').expect("a URL with a port");
        let folder = TempDir::new().expect("a folder");
        give_to_postgres(folder.path());
        let port = free_port();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{database} = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 4\nmax_client_conn = 200\n"
        );
        // With this kind of sign-in every client is the user that the line names.
        let text = text.replace("\n[pgbouncer]", " user=postgres\n[pgbouncer]");
        fs::write(&settings, text).expect("a file");
        let child = as_postgres(&installed("pgbouncer", &["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]))
            .arg("--quiet")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer runs");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "PgBouncer did not start within half a minute"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Bouncer {
            url: format!("postgres://postgres@127.0.0.1:{port}/{database}"),
            child,
            _folder: folder,
        }
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
