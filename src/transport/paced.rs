//! The body of an upload, piece by piece, with limits on how slowly it may come.
//!
//! A JSON body is read whole within 30 seconds; an upload may take hours on a poor line. So what counts is that something
//! comes at all, and how fast on the whole. Only the time in which the client is waited for counts, not that in which the
//! server's disk or a place is.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::http::BodyFault;
use crate::model::limits;

/// How slowly a body may come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest time without a byte.
    pub idle: Duration,
    /// After so long the speed is judged.
    pub patience: Duration,
    /// Slowest mean speed, in bytes a second.
    pub slowest: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            idle: limits::UPLOAD_IDLE_TIME,
            patience: limits::UPLOAD_PATIENCE,
            slowest: limits::UPLOAD_SLOWEST_BYTES,
        }
    }
}

struct Paced {
    body: Body,
    pace: Pace,
    waited: Duration,
    came: u64,
}

impl Paced {
    async fn next(&mut self) -> Option<Result<Bytes, BodyFault>> {
        loop {
            let asked = Instant::now();
            let frame = match timeout(self.pace.idle, self.body.frame()).await {
                Ok(frame) => frame?,
                Err(_) => return Some(Err(BodyFault::Stalled)),
            };
            self.waited += asked.elapsed();
            let Ok(frame) = frame else {
                return Some(Err(BodyFault::Broken));
            };
            // Trailers say nothing here.
            let Ok(bytes) = frame.into_data() else { continue };
            self.came += bytes.len() as u64;
            let least = self.pace.slowest.saturating_mul(self.waited.as_secs());
            if self.waited >= self.pace.patience && self.came < least {
                return Some(Err(BodyFault::Stalled));
            }
            return Some(Ok(bytes));
        }
    }
}

/// The pieces of a body. It ends after the first fault.
pub fn paced(body: Body, pace: Pace) -> impl Stream<Item = Result<Bytes, BodyFault>> + Send + use<> {
    let paced = Paced {
        body,
        pace,
        waited: Duration::ZERO,
        came: 0,
    };
    stream::unfold(Some(paced), |paced| async {
        let mut paced = paced?;
        let next = paced.next().await?;
        let rest = next.is_ok().then_some(paced);
        Some((next, rest))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// A client that sends `bytes` each so often, for ever.
    fn dripping(bytes: usize, pause: Duration) -> Body {
        Body::from_stream(stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes])), ()))
        }))
    }

    fn at_once(bytes: usize) -> impl Stream<Item = std::io::Result<Bytes>> {
        stream::repeat_with(move || Ok(Bytes::from(vec![0; bytes])))
    }

    async fn read(body: Body, pace: Pace, enough: u64) -> (u64, Result<(), BodyFault>) {
        let mut pieces = Box::pin(paced(body, pace));
        let mut came = 0;
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(bytes) => came += bytes.len() as u64,
                Err(fault) => {
                    assert!(pieces.next().await.is_none(), "it ends with its fault");
                    return (came, Err(fault));
                }
            }
            if came >= enough {
                break;
            }
        }
        (came, Ok(()))
    }

    const QUICK: Pace = Pace {
        idle: Duration::from_millis(200),
        patience: Duration::from_secs(1),
        slowest: 4_000,
    };

    #[tokio::test]
    async fn a_slow_line_may_take_its_time_and_who_drips_may_not() {
        let modem = dripping(1_000, Duration::from_millis(20));
        let begun = Instant::now();
        let (came, end) = read(modem, QUICK, 100_000).await;
        assert_eq!((came, end), (100_000, Ok(())), "at ten times the slowest speed");
        assert!(begun.elapsed() > QUICK.patience);
        let (came, end) = read(dripping(1, Duration::from_millis(20)), QUICK, 100_000).await;
        assert_eq!(end, Err(BodyFault::Stalled));
        assert!(came <= 51, "{came} bytes in a second");
    }

    #[tokio::test]
    async fn who_sends_nothing_is_given_up() {
        let begun = Instant::now();
        let silent = dripping(1_000_000, Duration::from_secs(40));
        assert_eq!(read(silent, QUICK, 1).await, (0, Err(BodyFault::Stalled)));
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn the_time_in_which_nobody_asks_does_not_count() {
        let mut pieces = Box::pin(paced(Body::from_stream(at_once(1_000)), QUICK));
        for _ in 0..4 {
            tokio::time::sleep(QUICK.patience / 2).await;
            assert!(matches!(pieces.next().await, Some(Ok(_))));
        }
    }
}
