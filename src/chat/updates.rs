//! "Your list has changed": what stands in somebody's list of conversations, told to the sockets that show it.
//!
//! Each update is rendered for one viewer, from the store, when it is due: at most one a second for a viewer and a
//! conversation, and always the last state.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use tokio::sync::Notify;

use super::Chat;
use crate::model::{ConversationKey, Origin, UserKey, limits};

#[derive(Default)]
pub struct Updates {
    waiting: Mutex<HashMap<(UserKey, ConversationKey), Update>>,
    wake: Notify,
}

/// An update that is due, or was pushed a moment ago and makes the next one wait.
struct Update {
    due: Option<Instant>,
    pushed: Option<Instant>,
    /// Sockets that joined the conversation are told, too.
    to_joined: bool,
    /// The socket that knows already.
    except: Option<Origin>,
}

/// How long the worker lets updates gather when there is a stream of them.
const GATHER: Duration = Duration::from_millis(10);
/// Updates read from the store at a time.
const CONCURRENCY: usize = 8;

impl Updates {
    fn lock(&self) -> MutexGuard<'_, HashMap<(UserKey, ConversationKey), Update>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Those that are due, and when the next one will be.
    fn take_due(&self, now: Instant) -> (Vec<Due>, Option<Instant>) {
        let pause = limits::CONVERSATION_PUSH_INTERVAL;
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        self.lock().retain(|&(user, conversation), update| {
            if update.due.is_some_and(|at| at <= now) {
                due.push(Due {
                    user,
                    conversation,
                    to_joined: update.to_joined,
                    except: update.except,
                });
                *update = Update {
                    due: None,
                    pushed: Some(now),
                    to_joined: false,
                    except: None,
                };
            }
            let wake = update.due.or(update.pushed.map(|at| at + pause));
            let is_over = update.due.is_none() && wake.is_none_or(|at| at <= now);
            if let Some(at) = wake.filter(|_| !is_over) {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
            !is_over
        });
        (due, next)
    }
}

struct Due {
    user: UserKey,
    conversation: ConversationKey,
    to_joined: bool,
    except: Option<Origin>,
}

impl Chat {
    /// Notes that a conversation has changed in somebody's list. Costs nothing for who shows no list here.
    pub(super) fn update_list(
        &self,
        user: UserKey,
        conversation: ConversationKey,
        to_joined: bool,
        except: Option<Origin>,
    ) {
        let now = Instant::now();
        let mut waiting = self.updates.lock();
        let update = waiting.entry((user, conversation)).or_insert(Update {
            due: None,
            pushed: None,
            to_joined: false,
            except,
        });
        // A stream of messages is held to one update a second; what somebody did by hand is told at once.
        let earliest = match update.pushed {
            Some(pushed) if !to_joined => pushed + limits::CONVERSATION_PUSH_INTERVAL,
            _ => now,
        };
        match update.due {
            // Two causes: only a socket that knows of both knows all.
            Some(due) => {
                update.due = Some(due.min(earliest));
                update.except = update.except.filter(|known| Some(*known) == except);
            }
            None => {
                update.due = Some(earliest);
                update.except = except;
            }
        }
        update.to_joined |= to_joined;
        drop(waiting);
        self.updates.wake.notify_one();
    }

    async fn push_update(&self, due: Due) {
        let list_contract = self.render.list_contract();
        let mut sockets = Vec::new();
        self.hub.each_of(due.user, |socket| {
            let is_told = due.to_joined || !socket.has_joined(due.conversation);
            if socket.spoken() == list_contract && is_told && due.except != Some(socket.origin) {
                sockets.push(Arc::clone(socket));
            }
        });
        if sockets.is_empty() {
            return;
        }
        match self.entry(due.user, due.conversation).await {
            Ok((entry, people)) => {
                let frame = self.render.entry(&entry, due.user, &people);
                for socket in sockets {
                    socket.push(&frame);
                }
            }
            Err(error) => tracing::warn!(%error, "an update of a list could not be read"),
        }
    }
}

/// Pushes updates when they are due.
pub(super) async fn run(chat: Arc<Chat>) {
    loop {
        let (due, next) = chat.updates.take_due(Instant::now());
        if due.is_empty() {
            let woken = chat.updates.wake.notified();
            match next {
                Some(at) => drop(tokio::time::timeout_at(at.into(), woken).await),
                None => woken.await,
            }
            continue;
        }
        futures_util::stream::iter(due)
            .for_each_concurrent(CONCURRENCY, |due| chat.push_update(due))
            .await;
        tokio::time::sleep(GATHER).await;
    }
}
