//! A real S3 server for tests: moto, which `bin/test` installs.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::Files;

/// One bucket is there, `photos`. What it keeps is gone when it stops.
pub(super) struct S3Server {
    port: u16,
    process: Option<Child>,
}

fn program() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("tests/s3-server/.venv/bin/moto_server");
    assert!(
        program.exists(),
        "there is no S3 server to test with; `bin/test rust` installs one"
    );
    program
}

impl S3Server {
    pub(super) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = S3Server { port, process: None };
        server.start_again();
        server
    }

    pub(super) fn start_again(&mut self) {
        let process = Command::new(program())
            .args(["-H", "127.0.0.1", "-p", &self.port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the S3 server starts");
        self.process = Some(process);
        let begun = Instant::now();
        while !self.make_bucket() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the S3 server does not answer"
            );
            // Nothing else runs here: the test waits for its server.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn make_bucket(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut answer = String::new();
        let request = "PUT /photos HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        connection.write_all(request.as_bytes()).is_ok()
            && connection.read_to_string(&mut answer).is_ok()
            && answer.contains(" 200 ")
    }

    pub(super) fn files(&self, bucket: &str, prefix: &str) -> Files {
        Files::in_bucket_at(format!("http://127.0.0.1:{}", self.port), bucket, prefix)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}
