//! What a run will do: people, conversations, what they do when, and which faults strike when. All of it follows from the
//! seed and the wishes alone, so the same seed repeats it; how it turns out is the server's affair.

use std::collections::HashMap;

use fastrand::Rng;

use super::kinds::{Kind, Place, Setup};

/// Faults begin when the clients have had this long to come.
const CALM_BEFORE_MS: u64 = 2_000;
/// Without faults at the end: everybody must be equal within 10 s of the last one.
pub const CALM_AFTER_MS: u64 = 15_000;
/// Nothing is sent in the last seconds, so that what was sent before can arrive.
const SILENCE_MS: u64 = 7_000;
/// Time for a process that was ended to be up again, before the next fault strikes it.
const RECOVERY_MS: u64 = 3_000;

/// People of each group who are taken out and brought back.
const CHANGING: usize = 3;

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    pub seed: u64,
    pub setup: Setup,
    pub clients: usize,
    /// Sends a second, all clients together.
    pub rate: u32,
    pub length_ms: u64,
    pub kinds: Vec<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// User ids.
    pub people: Vec<String>,
    pub devices: Vec<Device>,
    pub conversations: Vec<Planned>,
    /// By time.
    pub actions: Vec<Action>,
    /// By time.
    pub faults: Vec<Fault>,
}

/// One connection, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Index into `people`.
    pub person: usize,
    pub contract: Speaks,
}

/// The contracts that the clients of a run speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Conversations,
    MediaChat,
    TenantChat,
}

impl Speaks {
    pub fn name(self) -> &'static str {
        match self {
            Speaks::Conversations => "conversations",
            Speaks::MediaChat => "media-chat",
            Speaks::TenantChat => "tenant-chat",
        }
    }
}

/// A conversation to be made. Two members make it a direct one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Indices into `people`; the first makes it.
    pub members: Vec<usize>,
}

impl Planned {
    pub fn is_group(&self) -> bool {
        self.members.len() > 2
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub at_ms: u64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Over the device's socket, or as a REST call of its person.
    Send {
        device: usize,
        conversation: usize,
        draft: u32,
        /// Characters of the text, at least.
        length: usize,
        by_rest: bool,
    },
    /// Marks as read what the device has seen so far.
    Read {
        device: usize,
        conversation: usize,
    },
    /// Somebody who was never in it tries to get in.
    Intrude {
        device: usize,
        conversation: usize,
    },
    Remove {
        conversation: usize,
        person: usize,
    },
    Add {
        conversation: usize,
        person: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub at_ms: u64,
    pub for_ms: u64,
    pub node: usize,
    /// Those whom a fault of clients strikes.
    pub devices: Vec<usize>,
    /// What a kind makes of it: a direction, a narrowness.
    pub twist: u32,
}

impl Plan {
    pub fn of(wishes: &Wishes) -> Plan {
        // One stream of numbers for each part, so that a wish for other faults leaves the workload as it was.
        let mut people = Rng::with_seed(wishes.seed ^ 0x9e37_79b9_7f4a_7c15);
        let mut work = Rng::with_seed(wishes.seed ^ 0xbf58_476d_1ce4_e5b9);
        let mut trouble = Rng::with_seed(wishes.seed ^ 0x94d0_49bb_1331_11eb);
        let mut plan = Plan {
            people: Vec::new(),
            devices: Vec::new(),
            conversations: Vec::new(),
            actions: Vec::new(),
            faults: Vec::new(),
        };
        plan.populate(wishes, &mut people);
        plan.set_to_work(wishes, &mut work);
        plan.trouble(wishes, &mut trouble);
        plan
    }

    /// The `clientMessageId` of a draft.
    pub fn draft_id(seed: u64, draft: u32) -> String {
        format!("s{seed}-{draft}")
    }

    fn populate(&mut self, wishes: &Wishes, rng: &mut Rng) {
        // Every fifth has a second device.
        let people = (wishes.clients * 5).div_ceil(6).max(5);
        self.people = (0..people).map(|number| format!("person-{number}")).collect();
        self.devices = (0..wishes.clients.max(people))
            .map(|number| Device {
                person: number % people,
                contract: match number % 10 {
                    3 => Speaks::MediaChat,
                    7 => Speaks::TenantChat,
                    _ => Speaks::Conversations,
                },
            })
            .collect();
        // The last of them is in nothing, and only ever tries to get in.
        let insiders = people - 1;
        for person in 0..insiders {
            self.conversations.push(Planned {
                members: vec![person, (person + 1) % insiders],
            });
        }
        for _ in 0..insiders.div_ceil(6) {
            let mut members: Vec<usize> = (0..insiders).collect();
            rng.shuffle(&mut members);
            members.truncate(rng.usize(3..=12).min(insiders));
            self.conversations.push(Planned { members });
        }
    }

    fn set_to_work(&mut self, wishes: &Wishes, rng: &mut Rng) {
        let end = wishes.length_ms.saturating_sub(SILENCE_MS);
        let groups: Vec<usize> = (0..self.conversations.len())
            .filter(|index| self.conversations[*index].is_group())
            .collect();
        let sends = u64::from(wishes.rate) * end / 1_000;
        for draft in 0..sends {
            let at_ms = draft * 1_000 / u64::from(wishes.rate.max(1)) + rng.u64(0..20);
            // Half of it in groups, and much of that in one: order is hard where many write at once.
            let conversation = match rng.u32(0..4) {
                0 => groups[0],
                1 => groups[rng.usize(..groups.len())],
                _ => rng.usize(..self.conversations.len()),
            };
            let device = self.device_of_member(conversation, rng);
            let length = if rng.u32(0..50) == 0 {
                rng.usize(2_000..7_500)
            } else {
                rng.usize(20..400)
            };
            self.actions.push(Action {
                at_ms,
                what: What::Send {
                    device,
                    conversation,
                    draft: u32::try_from(draft).unwrap_or(u32::MAX),
                    length,
                    by_rest: rng.u32(0..8) == 0,
                },
            });
            if rng.u32(0..4) == 0 {
                let device = self.device_of_member(conversation, rng);
                self.actions.push(Action {
                    at_ms: at_ms + rng.u64(50..2_000),
                    what: What::Read { device, conversation },
                });
            }
            if rng.u32(0..20) == 0 {
                self.intrusion(at_ms, conversation, rng);
            }
        }
        self.change_groups(&groups, end, rng);
        self.actions.retain(|action| action.at_ms < end);
        self.actions.sort_by_key(|action| action.at_ms);
    }

    fn device_of_member(&self, conversation: usize, rng: &mut Rng) -> usize {
        let members = &self.conversations[conversation].members;
        let person = members[rng.usize(..members.len())];
        // Device n belongs to person n, or is that person's second.
        let second = person + self.people.len();
        if second < self.devices.len() && rng.bool() {
            second
        } else {
            person
        }
    }

    fn intrusion(&mut self, at_ms: u64, conversation: usize, rng: &mut Rng) {
        let device = match rng.u32(0..2) {
            0 => self.people.len() - 1,
            _ => rng.usize(..self.devices.len()),
        };
        if !self.conversations[conversation]
            .members
            .contains(&self.devices[device].person)
        {
            self.actions.push(Action {
                at_ms,
                what: What::Intrude { device, conversation },
            });
        }
    }

    /// Now and then somebody is taken out of a group, and brought back.
    fn change_groups(&mut self, groups: &[usize], end: u64, rng: &mut Rng) {
        for conversation in groups {
            let members = self.conversations[*conversation].members.clone();
            // The maker stays, and at least two with them, who see everything; others, lest too many send in vain.
            for person in members.into_iter().skip(3).take(CHANGING) {
                // Often enough that, in a short run too, somebody is cut off when they are out, and comes back.
                let mut at_ms = rng.u64(2_000..10_000);
                let mut is_in = true;
                while at_ms < end {
                    let conversation = *conversation;
                    let what = if is_in {
                        What::Remove { conversation, person }
                    } else {
                        What::Add { conversation, person }
                    };
                    self.actions.push(Action { at_ms, what });
                    is_in = !is_in;
                    at_ms += rng.u64(3_000..20_000);
                }
            }
        }
    }

    fn trouble(&mut self, wishes: &Wishes, rng: &mut Rng) {
        let kinds: Vec<Kind> = wishes
            .kinds
            .iter()
            .copied()
            .filter(|kind| kind.is_of(wishes.setup))
            .collect();
        let end = wishes.length_ms.saturating_sub(CALM_AFTER_MS);
        let mut free_at: HashMap<Place, u64> = HashMap::new();
        let mut deck = Vec::new();
        // At least one of each, if there is room for that.
        let room = end.saturating_sub(CALM_BEFORE_MS);
        let step = (room / (kinds.len() as u64 + 1)).clamp(700, 3_500);
        let mut at_ms = CALM_BEFORE_MS;
        while at_ms < end && !kinds.is_empty() {
            if deck.is_empty() {
                deck = kinds.clone();
                rng.shuffle(&mut deck);
            }
            let node = rng.usize(..wishes.setup.nodes());
            // The first in the deck whose place is free; when none is, a little later.
            let free = |kind: &Kind| free_at.get(&kind.place(node)).is_none_or(|free| *free <= at_ms);
            let Some(position) = deck.iter().position(free) else {
                at_ms += 500;
                continue;
            };
            let kind = deck.remove(position);
            let (shortest, longest) = kind.holds_ms();
            // Most are short, a few are long.
            let drawn = shortest + (longest - shortest) * rng.u64(0..=100) * rng.u64(0..=100) / 10_000;
            let for_ms = drawn.min(end.saturating_sub(at_ms)).min(room / 3);
            if kind.place(node) != Place::Moment {
                free_at.insert(kind.place(node), at_ms + for_ms + RECOVERY_MS);
            }
            let devices = if kind.strikes_clients() {
                self.struck(rng)
            } else {
                Vec::new()
            };
            let twist = match kind {
                // Forward first, then to and fro: only a clock that is ahead shows at once that it was reached.
                Kind::ClockJump => self.faults.iter().filter(|fault| fault.kind == kind).count() as u32,
                _ => rng.u32(..),
            };
            self.faults.push(Fault {
                kind,
                at_ms,
                for_ms,
                node,
                devices,
                twist,
            });
            at_ms += rng.u64(step / 2..=step * 3 / 2);
        }
    }

    /// One device, some, or all.
    fn struck(&self, rng: &mut Rng) -> Vec<usize> {
        let all = 0..self.devices.len();
        match rng.u32(0..4) {
            0 => all.collect(),
            1 => vec![rng.usize(all)],
            _ => all.filter(|_| rng.u32(0..3) == 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(seed: u64, setup: Setup) -> Wishes {
        Wishes {
            seed,
            setup,
            clients: 60,
            rate: 100,
            length_ms: 120_000,
            kinds: Kind::ALL.to_vec(),
        }
    }

    #[test]
    fn the_same_seed_repeats_the_workload_and_the_faults() {
        for setup in Setup::ALL {
            assert_eq!(Plan::of(&wishes(42, setup)), Plan::of(&wishes(42, setup)));
        }
        let (one, other) = (
            Plan::of(&wishes(42, Setup::Sqlite)),
            Plan::of(&wishes(43, Setup::Sqlite)),
        );
        assert_ne!(one.actions, other.actions);
        assert_ne!(one.faults, other.faults);
    }

    #[test]
    fn other_faults_leave_the_workload_as_it_was() {
        let all = Plan::of(&wishes(7, Setup::Sqlite));
        let few = Plan::of(&Wishes {
            kinds: vec![Kind::NodeKill],
            ..wishes(7, Setup::Sqlite)
        });
        assert_eq!(
            (all.people, all.conversations, all.actions),
            (few.people, few.conversations, few.actions)
        );
        assert!(few.faults.iter().all(|fault| fault.kind == Kind::NodeKill) && few.faults.len() > 5);
    }

    #[test]
    fn two_minutes_hold_every_kind_of_fault_and_end_in_calm() {
        for setup in Setup::ALL {
            for seed in 0..50 {
                let plan = Plan::of(&wishes(seed, setup));
                for kind in Kind::ALL.iter().filter(|kind| kind.is_of(setup)) {
                    assert!(
                        plan.faults.iter().any(|fault| fault.kind == *kind),
                        "{setup:?} {seed}: {kind}"
                    );
                }
                assert!(plan.faults.iter().all(|fault| fault.kind.is_of(setup)));
                let last = plan.faults.iter().map(|fault| fault.at_ms + fault.for_ms).max();
                assert!(last <= Some(120_000 - CALM_AFTER_MS), "{setup:?} {seed}");
            }
        }
    }

    #[test]
    fn two_faults_never_strike_one_place_at_once() {
        for seed in 0..50 {
            let faults = Plan::of(&wishes(seed, Setup::Cluster)).faults;
            for (index, one) in faults.iter().enumerate() {
                for other in &faults[index + 1..] {
                    let place = one.kind.place(one.node);
                    if place != Place::Moment && place == other.kind.place(other.node) {
                        assert!(one.at_ms + one.for_ms < other.at_ms, "{seed}: {one:?} {other:?}");
                    }
                }
            }
        }
    }
}
