//! What comes from the other nodes: read, each frame once, and handed on without waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{NodeId, Signal, Stats, frame};
use crate::model::{Cut, Position, limits};

pub(super) struct Inbox {
    own: NodeId,
    hints: watch::Sender<Cut>,
    signals: mpsc::Sender<(NodeId, Signal)>,
    /// The number of the last frame of each node, and when it came.
    nodes: Mutex<HashMap<NodeId, (u64, Instant)>>,
    stats: Arc<Stats>,
}

/// A node that was silent for so long is forgotten where room is needed.
const FORGOTTEN: Duration = Duration::from_secs(60);

impl Inbox {
    pub(super) fn new(own: NodeId, signals: mpsc::Sender<(NodeId, Signal)>, stats: Arc<Stats>) -> Self {
        Inbox {
            own,
            hints: watch::Sender::new(Cut::default()),
            signals,
            nodes: Mutex::default(),
            stats,
        }
    }

    pub(super) fn hints(&self) -> watch::Receiver<Cut> {
        self.hints.subscribe()
    }

    /// Takes a frame. Own ones come back from the bus and are nothing new; what came once does not count again.
    pub(super) fn receive(&self, bytes: &[u8]) {
        let frame = match frame::decode(bytes) {
            Ok(frame) => frame,
            Err(reason) => {
                tracing::debug!(%reason, "something on the bus is no frame");
                self.stats.unreadable.fetch_add(1, Relaxed);
                return;
            }
        };
        if frame.node == self.own {
            return;
        }
        if !self.is_next(frame.node, frame.number) {
            self.stats.repeated.fetch_add(1, Relaxed);
            return;
        }
        self.stats.frames_in.fetch_add(1, Relaxed);
        self.stats.unreadable.fetch_add(frame.unknown, Relaxed);
        for signal in frame.signals {
            match signal {
                Signal::Recorded(positions) => self.raise_hints(&positions),
                signal => {
                    if self.signals.try_send((frame.node, signal)).is_err() {
                        self.stats.dropped.fetch_add(1, Relaxed);
                    }
                }
            }
        }
    }

    fn is_next(&self, node: NodeId, number: u64) -> bool {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((last, heard)) = nodes.get_mut(&node) {
            let is_next = number > *last;
            if is_next {
                (*last, *heard) = (number, now);
            }
            return is_next;
        }
        if nodes.len() >= limits::BUS_NODES {
            nodes.retain(|_, (_, heard)| now.saturating_duration_since(*heard) < FORGOTTEN);
        }
        // No installation has so many. Whoever makes them up is not listened to.
        let has_room = nodes.len() < limits::BUS_NODES;
        if has_room {
            nodes.insert(node, (number, now));
        }
        has_room
    }

    fn raise_hints(&self, positions: &[Position]) {
        self.hints.send_if_modified(|hints| {
            let mut has_risen = false;
            for position in positions {
                let has_room = hints.number(position.slot) > 0 || hints.positions().len() < limits::BUS_SLOTS;
                if position.slot >= 0 && position.number > 0 && has_room && !hints.holds(*position) {
                    hints.advance(*position);
                    has_risen = true;
                }
            }
            has_risen
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConversationKey, UserKey};

    const OWN: NodeId = NodeId(1);
    const OTHER: NodeId = NodeId(2);

    fn inbox() -> (Inbox, mpsc::Receiver<(NodeId, Signal)>) {
        let (signals, heard) = mpsc::channel(2);
        (Inbox::new(OWN, signals, Arc::default()), heard)
    }

    fn typing(user: i64) -> Signal {
        Signal::Typing {
            conversation: ConversationKey(1),
            user: UserKey(user),
            is_typing: true,
        }
    }

    fn recorded(slot: i64, number: i64) -> Signal {
        Signal::Recorded(vec![Position { slot, number }])
    }

    #[test]
    fn each_frame_of_another_node_counts_once_and_own_ones_never() {
        let (inbox, mut heard) = inbox();
        for (node, number) in [(OWN, 1), (OTHER, 5), (OTHER, 5), (OTHER, 4)] {
            inbox.receive(&frame::encode(node, number, &[typing(number as i64)]));
        }
        assert_eq!(heard.try_recv().unwrap(), (OTHER, typing(5)));
        assert!(heard.try_recv().is_err(), "nothing else was new");
        assert_eq!(inbox.stats.repeated.load(Relaxed), 2);
        inbox.receive(&frame::encode(NodeId(3), 5, &[typing(9)]));
        assert_eq!(heard.try_recv().unwrap(), (NodeId(3), typing(9)));
    }

    #[test]
    fn hints_rise_and_wake_only_for_what_is_higher() {
        let (inbox, _heard) = inbox();
        let mut hints = inbox.hints();
        let mut tell = |number, signal| {
            inbox.receive(&frame::encode(OTHER, number, &[signal]));
            let woken = hints.has_changed().unwrap();
            let cut = hints.borrow_and_update();
            (woken, cut.to_string())
        };
        assert_eq!(tell(1, recorded(2, 10)), (true, "2-a".into()));
        assert_eq!(tell(2, recorded(2, 10)), (false, "2-a".into()));
        assert_eq!(tell(3, recorded(2, 9)), (false, "2-a".into()));
        assert_eq!(tell(4, recorded(-1, 9)), (false, "2-a".into()));
        assert_eq!(tell(5, recorded(0, 1)), (true, "0-1.2-a".into()));
        let many = (0..10_000).map(|slot| Position { slot, number: 1 }).collect();
        assert!(tell(6, Signal::Recorded(many)).0);
        assert_eq!(hints.borrow().positions().len(), limits::BUS_SLOTS);
    }

    #[test]
    fn what_cannot_be_read_or_finds_no_room_is_counted_and_harms_nobody() {
        let (inbox, mut heard) = inbox();
        inbox.receive(b"nonsense");
        inbox.receive(br#"1{"node":2,"number":1,"signals":[{"revoked":{}}]}"#);
        assert_eq!(inbox.stats.unreadable.load(Relaxed), 2);
        inbox.receive(&frame::encode(OTHER, 2, &[typing(1), typing(2), typing(3)]));
        assert_eq!(inbox.stats.dropped.load(Relaxed), 1);
        assert_eq!(heard.try_recv().unwrap().1, typing(1));
    }

    #[test]
    fn made_up_nodes_fill_no_more_than_their_room() {
        let (inbox, _heard) = inbox();
        for node in 2..2 * limits::BUS_NODES as u64 {
            inbox.receive(&frame::encode(NodeId(node), 1, &[]));
        }
        assert_eq!(inbox.nodes.lock().unwrap().len(), limits::BUS_NODES);
    }
}
