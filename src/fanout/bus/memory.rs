//! A bus within one process, for tests: what it carries and loses is in the test's hands.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::broadcast;

use super::{Bus, Link};

/// Connects the buses that are made from it.
#[derive(Clone)]
pub struct Exchange {
    frames: broadcast::Sender<Arc<Vec<u8>>>,
    /// Frames come twice.
    pub doubles: Arc<AtomicBool>,
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange {
            frames: broadcast::Sender::new(1_024),
            doubles: Arc::default(),
        }
    }
}

impl Exchange {
    pub fn bus(&self) -> Bus {
        let bus = Bus::with_others().expect("random numbers");
        let link = bus.link();
        link.up();
        let worker = tokio::spawn(carry(self.clone(), link, self.frames.subscribe()));
        bus.keep(worker);
        bus
    }

    /// Bytes from somebody else.
    pub fn inject(&self, bytes: &[u8]) {
        let _ = self.frames.send(Arc::new(bytes.to_vec()));
    }
}

async fn carry(exchange: Exchange, link: Link, mut frames: broadcast::Receiver<Arc<Vec<u8>>>) {
    loop {
        tokio::select! {
            frame = link.frame() => {
                let Some(frame) = frame else { return };
                let frame = Arc::new(frame);
                for _ in 0..1 + u32::from(exchange.doubles.load(Relaxed)) {
                    let _ = exchange.frames.send(Arc::clone(&frame));
                }
                link.0.stats.frames_out.fetch_add(1, Relaxed);
            }
            frame = frames.recv() => {
                if let Ok(frame) = frame {
                    link.receive(&frame);
                }
            }
        }
    }
}
