//! What other nodes tell: typing, presence and rates. What is stored is told by the journal, and not here.

#[cfg(test)]
pub(super) mod tests;

use std::{sync::Arc, time::Instant};

use tokio::time::{self, MissedTickBehavior};

use super::Chat;
use crate::{
    fanout::bus::{NodeId, Signal},
    model::{Timestamp, UserKey, limits},
};

/// Lists of this node's people that were asked for are told at most so often, whoever asks.
const LIST_PAUSE: time::Duration = time::Duration::from_secs(1);

/// Hears the other nodes, and tells them this node's people from time to time.
pub(super) async fn hear(chat: Arc<Chat>) {
    let Some(mut heard) = chat.bus.heard() else { return };
    let mut linked = chat.bus.linked();
    // As it stands now is news, too.
    linked.mark_changed();
    let mut lists = time::interval(limits::PRESENCE_LIST_INTERVAL);
    lists.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut list_told_at: Option<time::Instant> = None;
    let mut list_is_due = false;
    loop {
        let due = list_told_at.map_or_else(time::Instant::now, |at| at + LIST_PAUSE);
        tokio::select! {
            signal = heard.recv() => match signal {
                Some((_, Signal::PeopleAsked)) => list_is_due = true,
                Some((node, signal)) => chat.heard(node, signal),
                None => return,
            },
            changed = linked.changed() => {
                if changed.is_err() {
                    return;
                }
                if *linked.borrow_and_update() {
                    // Whoever was missed meanwhile, and whoever missed this node.
                    chat.bus.tell(Signal::PeopleAsked);
                    list_is_due = true;
                }
            }
            _ = lists.tick() => list_is_due = true,
            () = time::sleep_until(due), if list_is_due => {
                list_is_due = false;
                list_told_at = Some(time::Instant::now());
                chat.presence.tell_list();
            }
        }
    }
}

impl Chat {
    fn heard(self: &Arc<Self>, node: NodeId, signal: Signal) {
        match signal {
            Signal::Typing {
                conversation,
                user,
                is_typing,
            } => self
                .typing
                .note_elsewhere(conversation, user, is_typing, Instant::now()),
            Signal::Taken { kind, counts } => self.rates.count_elsewhere(kind, &counts),
            Signal::Presence { user, .. } => {
                let to_store = self.presence.heard(node, &signal, self.clock.now());
                self.directory_changed(user);
                if let Some(at) = to_store {
                    self.store_last_seen_later(user, at);
                }
            }
            Signal::People { .. } | Signal::Leaving => {
                self.presence.heard(node, &signal, self.clock.now());
            }
            // The one is answered where it is heard, the other never comes this way.
            Signal::PeopleAsked | Signal::Recorded(_) => {}
        }
    }

    fn store_last_seen_later(self: &Arc<Self>, user: UserKey, at: Timestamp) {
        let chat = Arc::clone(self);
        tokio::spawn(async move { chat.store_last_seen(vec![(user, at)]).await });
    }
}
