//! The proxy that stands before every link of a run, and does to it what networks do: close, reset, stall, delay, narrow,
//! cut to slices, end in the middle, and drop or double the messages of Redis.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::AbortHandle,
    time::Instant,
};

use super::frames::Frames;

/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;
/// Chunks under way in one direction; more wait at the sender's end.
const CHUNKS_UNDER_WAY: usize = 64;
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Time for a half to be read before its connection is reset.
const HALF_TIME: Duration = Duration::from_millis(20);
const HALVING_TIME: Duration = Duration::from_secs(1);

/// How bytes go, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// Nothing goes; what came is kept.
    pub is_stalled: bool,
    pub delay_ms: u64,
    /// 0: as fast as it goes.
    pub bytes_per_second: u64,
    /// Bytes of one write; 0: as they come.
    pub slice: usize,
    /// Of a hundred messages of Redis, so many are dropped, and so many doubled.
    pub dropped_percent: u8,
    pub doubled_percent: u8,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// FIN to both sides.
    Close,
    /// RST to both sides.
    Reset,
    /// Half of the next chunk goes through, then RST.
    Half,
}

/// Which connections a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Struck {
    All,
    /// Those with one of these labels.
    Labelled(HashSet<usize>),
}

impl Struck {
    fn has(&self, label: Option<usize>) -> bool {
        match self {
            Struck::All => true,
            Struck::Labelled(labels) => label.is_some_and(|label| labels.contains(&label)),
        }
    }
}

#[derive(Debug)]
struct Link {
    /// The client's port, by which it is labelled.
    port: u16,
    label: Option<usize>,
    weather: watch::Sender<Weather>,
    ending: mpsc::Sender<Ending>,
}

#[derive(Debug, Default)]
struct State {
    links: HashMap<u64, Link>,
    weather: Option<(Struck, Weather)>,
    /// Labels that came before their link was known.
    labels: HashMap<u16, usize>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    upstreams: Vec<SocketAddr>,
    /// What comes from upstream is taken apart into Redis' messages, from the first byte on.
    is_redis: bool,
    next_upstream: AtomicUsize,
    next_link: AtomicU64,
}

/// A listener on loopback that hands on to one of its upstreams.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.lock().links.clear();
    }
}

impl Proxy {
    /// Each connection goes to the next upstream that accepts it.
    pub async fn start(upstreams: Vec<SocketAddr>) -> io::Result<Proxy> {
        Self::begin(upstreams, false).await
    }

    /// The same before Redis, whose messages can be dropped and doubled.
    pub async fn before_redis(upstream: SocketAddr) -> io::Result<Proxy> {
        Self::begin(vec![upstream], true).await
    }

    async fn begin(upstreams: Vec<SocketAddr>, is_redis: bool) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            upstreams,
            is_redis,
            next_upstream: AtomicUsize::new(0),
            next_link: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Proxy {
            address,
            shared,
            accepting,
        })
    }

    /// Says whose connection it is that came from `port`.
    pub fn label(&self, port: u16, label: usize) {
        let mut state = self.shared.lock();
        let weather = state.weather.clone();
        match state.links.values_mut().find(|link| link.port == port) {
            Some(link) => {
                link.label = Some(label);
                if let Some((struck, weather)) = weather
                    && struck.has(Some(label))
                {
                    link.weather.send_replace(weather);
                }
            }
            None => {
                state.labels.insert(port, label);
            }
        }
    }

    /// For the connections that are there, and those that come.
    pub fn set(&self, struck: Struck, weather: Weather) {
        let mut state = self.shared.lock();
        for link in state.links.values().filter(|link| struck.has(link.label)) {
            link.weather.send_replace(weather);
        }
        state.weather = Some((struck, weather));
    }

    /// Everything goes as it comes again, what was kept first.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.weather = None;
        for link in state.links.values() {
            link.weather.send_replace(Weather::default());
        }
    }

    /// Ends the connections that are there; answers how many.
    pub fn end(&self, struck: &Struck, ending: Ending) -> usize {
        let state = self.shared.lock();
        let ended = state.links.values().filter(|link| struck.has(link.label));
        // A link that is told to end already needs no second word.
        ended.filter(|link| link.ending.try_send(ending).is_ok()).count()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn upstream(&self) -> Option<TcpStream> {
        for _ in 0..self.upstreams.len() {
            let next = self.next_upstream.fetch_add(1, Ordering::Relaxed) % self.upstreams.len();
            let connect = TcpStream::connect(self.upstreams[next]);
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_TIME, connect).await {
                return Some(stream);
            }
        }
        None
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(carry(stream, peer.port(), Arc::clone(&shared)));
            }
            // Out of files, most likely: some will close.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn carry(near: TcpStream, port: u16, shared: Arc<Shared>) {
    let number = shared.next_link.fetch_add(1, Ordering::Relaxed);
    let (weather, watched) = watch::channel(Weather::default());
    let (ending, mut endings) = mpsc::channel(1);
    {
        let mut state = shared.lock();
        let label = state.labels.remove(&port);
        if let Some((struck, now)) = &state.weather
            && struck.has(label)
        {
            weather.send_replace(*now);
        }
        let link = Link {
            port,
            label,
            weather,
            ending,
        };
        state.links.insert(number, link);
    }
    match shared.upstream().await {
        Some(far) => {
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            relay(near, far, watched, &mut endings, shared.is_redis).await;
        }
        // As a balancer without a live node does.
        None => {
            let _ = near.set_zero_linger();
        }
    }
    shared.lock().links.remove(&number);
}

async fn relay(
    mut near: TcpStream,
    mut far: TcpStream,
    weather: watch::Receiver<Weather>,
    endings: &mut mpsc::Receiver<Ending>,
    is_redis: bool,
) {
    let is_gentle = {
        let (halve, halved) = watch::channel(false);
        let (near_read, near_write) = near.split();
        let (far_read, far_write) = far.split();
        let upwards = one_way(near_read, far_write, weather.clone(), halved.clone(), None);
        let downwards = one_way(far_read, near_write, weather, halved, is_redis.then(Sieve::default));
        // Both have ended by themselves, or one failed.
        let both = async { tokio::try_join!(upwards, downwards).is_ok() };
        tokio::pin!(both);
        tokio::select! {
            ended = &mut both => ended,
            ending = endings.recv() => match ending {
                // `None`: the proxy is gone.
                Some(Ending::Close) | None => true,
                Some(Ending::Reset) => false,
                Some(Ending::Half) => {
                    halve.send_replace(true);
                    // Where nothing is under way there is nothing to halve.
                    let _ = tokio::time::timeout(HALVING_TIME, &mut both).await;
                    false
                }
            },
        }
    };
    if !is_gentle {
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Carries bytes until their sender closes. `Err` when the connection must be reset.
async fn one_way(
    mut from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    mut weather: watch::Receiver<Weather>,
    halved: watch::Receiver<bool>,
    mut sieve: Option<Sieve>,
) -> Result<(), ()> {
    let (queue, queued) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_UNDER_WAY);
    let reading = {
        let weather = weather.clone();
        async move {
            let mut buffer = vec![0; CHUNK];
            loop {
                let read = from.read(&mut buffer).await.map_err(drop)?;
                if read == 0 {
                    return Ok(());
                }
                let now = *weather.borrow();
                let chunk = match &mut sieve {
                    Some(sieve) => sieve.passed(&buffer[..read], now),
                    None => buffer[..read].to_vec(),
                };
                let due = Instant::now() + Duration::from_millis(now.delay_ms);
                if !chunk.is_empty() && queue.send((due, chunk)).await.is_err() {
                    return Err(());
                }
            }
        }
    };
    let writing = write_queued(queued, to, &mut weather, halved);
    tokio::try_join!(reading, writing).map(drop)
}

async fn write_queued(
    mut queued: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: WriteHalf<'_>,
    weather: &mut watch::Receiver<Weather>,
    halved: watch::Receiver<bool>,
) -> Result<(), ()> {
    while let Some((due, chunk)) = queued.recv().await {
        tokio::time::sleep_until(due).await;
        let mut rest = &chunk[..];
        let mut is_last = false;
        while !rest.is_empty() {
            // An error means that the link was forgotten, and this future is about to be dropped.
            let now = *weather.wait_for(|weather| !weather.is_stalled).await.map_err(drop)?;
            if *halved.borrow() && !is_last {
                rest = &rest[..rest.len() / 2];
                is_last = true;
                continue;
            }
            let mut length = rest.len();
            if now.slice > 0 {
                length = length.min(now.slice);
            }
            if now.bytes_per_second > 0 {
                // At most a tenth of a second's worth at a time.
                length = length.min((now.bytes_per_second as usize / 10).max(1));
            }
            to.write_all(&rest[..length]).await.map_err(drop)?;
            rest = &rest[length..];
            if now.bytes_per_second > 0 {
                tokio::time::sleep(Duration::from_secs_f64(length as f64 / now.bytes_per_second as f64)).await;
            } else if now.slice > 0 && !rest.is_empty() {
                // Long enough for the other side to read each slice by itself.
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
        if is_last {
            // A reset at once could take the half back from a reader who has not come to it.
            tokio::time::sleep(HALF_TIME).await;
            return Err(());
        }
    }
    let _ = to.shutdown().await;
    Ok(())
}

/// Drops and doubles the messages of Redis. A stream is taken apart from its first byte on: nobody can tell where a frame
/// begins in the middle of one.
#[derive(Debug, Default)]
struct Sieve {
    frames: Frames,
    drawn: u64,
}

impl Sieve {
    fn passed(&mut self, bytes: &[u8], weather: Weather) -> Vec<u8> {
        self.frames.push(bytes);
        let mut passed = Vec::with_capacity(bytes.len());
        while let Some(frame) = self.frames.next() {
            // 37 and 100 have no common divisor: each hundred draws every number once.
            let lot = self.drawn * 37 % 100;
            if frame.is_news {
                self.drawn += 1;
                if lot < u64::from(weather.dropped_percent) {
                    continue;
                }
                if lot >= 100 - u64::from(weather.doubled_percent) {
                    passed.extend_from_slice(&frame.bytes);
                }
            }
            passed.extend_from_slice(&frame.bytes);
        }
        passed
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
