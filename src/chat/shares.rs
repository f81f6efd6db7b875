//! What people have at the same time, so that nobody takes it all: each waits for their own share first, in a line of their
//! own, and only then among the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::UserKey;

/// So many for each person.
pub(super) struct PerPerson {
    most: usize,
    /// Above so many people, those who have none are forgotten.
    people_kept: usize,
    people: Mutex<HashMap<UserKey, Arc<Semaphore>>>,
}

impl PerPerson {
    pub fn new(most: usize, people_kept: usize) -> Self {
        PerPerson {
            most,
            people_kept,
            people: Mutex::default(),
        }
    }

    /// Waits for one of this person's. `None` never happens: nobody closes them.
    pub async fn take(&self, user: UserKey) -> Option<OwnedSemaphorePermit> {
        self.of(user).acquire_owned().await.ok()
    }

    fn of(&self, user: UserKey) -> Arc<Semaphore> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() > self.people_kept {
            people.retain(|_, permits| Arc::strong_count(permits) > 1);
        }
        let permits = people
            .entry(user)
            .or_insert_with(|| Arc::new(Semaphore::new(self.most)));
        Arc::clone(permits)
    }
}

/// So many in all, and fewer for each person. They are given in turn: whoever comes waits for as many as everybody else may
/// have, not for as many as somebody has asked for.
pub(super) struct Shares {
    all: Arc<Semaphore>,
    of_person: PerPerson,
}

/// One of them. Dropped, it is somebody else's.
pub(super) struct Share {
    _of_all: OwnedSemaphorePermit,
    _of_person: OwnedSemaphorePermit,
}

impl Shares {
    pub fn new(all: usize, of_person: usize) -> Self {
        Shares {
            all: Arc::new(Semaphore::new(all)),
            of_person: PerPerson::new(of_person, all),
        }
    }

    /// Waits for one. `None` never happens, as above.
    pub async fn take(&self, user: UserKey) -> Option<Share> {
        // In this order: who waits for one's own holds none of the others'.
        let of_person = self.of_person.take(user).await?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Share {
            _of_all: of_all,
            _of_person: of_person,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn however_much_somebody_asks_for_others_have_their_turn() {
        let shares = Arc::new(Shares::new(2, 1));
        let (anna, bea) = (UserKey(1), UserKey(2));
        let held = shares.take(anna).await.unwrap();
        let many: Vec<_> = (0..8)
            .map(|_| {
                let shares = Arc::clone(&shares);
                tokio::spawn(async move { drop(shares.take(anna).await.unwrap()) })
            })
            .collect();
        tokio::task::yield_now().await;
        let beas = tokio::time::timeout(Duration::from_secs(5), shares.take(bea)).await;
        drop(beas.expect("bea waits for nobody").unwrap());
        assert!(many.iter().all(|one| !one.is_finished()), "anna has what she may");
        drop(held);
        for one in many {
            one.await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_is_done_is_forgotten() {
        let shares = Shares::new(4, 1);
        for user in 0..1_000 {
            shares.take(UserKey(user)).await.unwrap();
        }
        assert!(shares.of_person.people.lock().unwrap().len() <= 5);
    }
}
