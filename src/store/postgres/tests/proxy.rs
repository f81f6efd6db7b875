//! What lies between a client and PostgreSQL in the tests of faults: it hands bytes on, and on demand takes its time,
//! changes what is asked, or keeps the answer to a commit to itself.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

/// A simple query, as `Connection::run` sends it.
const COMMIT: &[u8] = b"COMMIT\0";

/// Ends with the process.
pub struct Proxy {
    pub port: u16,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    /// The answer to the next commit does not arrive: when the server has given it, both connections are cut.
    loses_commit: AtomicBool,
    lost: AtomicU64,
    /// Replaces one text in what is asked by another of the same length.
    rewrites: Option<(Vec<u8>, Vec<u8>)>,
    /// Before each piece of what is asked is handed on, of 64 KiB at most.
    delay: Duration,
}

impl Proxy {
    pub fn start(server: u16) -> Self {
        Self::with(server, Orders::default())
    }

    /// Spaces are added to `to` until it is as long as `from`.
    pub fn rewriting(server: u16, from: &str, to: &str) -> Self {
        assert!(to.len() <= from.len(), "{to} is longer than {from}");
        let to = format!("{to:<width$}", width = from.len());
        let orders = Orders {
            rewrites: Some((from.into(), to.into())),
            ..Orders::default()
        };
        Self::with(server, orders)
    }

    pub fn slow(server: u16, delay: Duration) -> Self {
        let orders = Orders {
            delay,
            ..Orders::default()
        };
        Self::with(server, orders)
    }

    fn with(server: u16, orders: Orders) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let orders = Arc::new(orders);
        let kept = orders.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let orders = orders.clone();
                std::thread::spawn(move || carry(client, server, &orders));
            }
        });
        Proxy { port, orders: kept }
    }

    pub fn lose_the_next_commit(&self) {
        self.orders.loses_commit.store(true, SeqCst);
    }

    /// How many answers to commits were lost.
    pub fn lost(&self) -> u64 {
        self.orders.lost.load(SeqCst)
    }
}

fn carry(client: TcpStream, server: TcpStream, orders: &Arc<Orders>) {
    let cut = Arc::new(AtomicBool::new(false));
    let back = {
        let (mut from, mut to) = (
            server.try_clone().expect("a socket"),
            client.try_clone().expect("a socket"),
        );
        let (cut, orders) = (cut.clone(), orders.clone());
        std::thread::spawn(move || {
            hand_on(&mut from, &mut to, |_| {
                if !cut.load(SeqCst) {
                    return true;
                }
                orders.lost.fetch_add(1, SeqCst);
                false
            });
        })
    };
    let (mut from, mut to) = (client, server);
    hand_on(&mut from, &mut to, |bytes| {
        std::thread::sleep(orders.delay);
        if let Some((asked, instead)) = &orders.rewrites {
            while let Some(at) = find(bytes, asked) {
                bytes[at..at + asked.len()].copy_from_slice(instead);
            }
        }
        if find(bytes, COMMIT).is_some() && orders.loses_commit.swap(false, SeqCst) {
            cut.store(true, SeqCst);
        }
        true
    });
    let _ = back.join();
}

/// Until the end, or until `look` says no; then neither side hears more.
fn hand_on(from: &mut TcpStream, to: &mut TcpStream, mut look: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || !look(&mut buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
