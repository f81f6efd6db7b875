//! Sessions of live sockets. However many of their writes are in a batch, they take one way to the server to be read
//! and locked, one to be written, and one more where any of them goes on: after a restart all clients come at once.
//!
//! Between the two they are applied here, in their order. All times are the database's own.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    connection::{Connection, Done, Failure, Parameter},
    slots::now,
    text::text_or_null,
    writer::{Write, Writing},
};
use crate::model::{
    Contract, ConversationKey, Cut, NodeKey, Seq, Session, SessionId, UserKey,
    session::{Holder, NewSession, SessionChange},
};

/// A node is taken for alive for so long after its last sign of life.
const ALIVE_MILLIS: i64 = 10_000;
/// A node without sessions is forgotten after so long: one that was only halted finds itself again.
const NODE_KEPT_MILLIS: i64 = 3_600_000;

/// What is asked of one session.
pub(super) struct SessionWrite {
    pub(super) id: SessionId,
    pub(super) asked: Asked,
}

pub(super) enum Asked {
    Open(Box<NewSession>),
    Resume {
        user: UserKey,
        holder: Holder,
        window: Duration,
    },
    Change {
        holder: Holder,
        change: SessionChange,
    },
    Suspend {
        holder: Holder,
        received: Cut,
    },
    Forget {
        holder: Holder,
    },
}

/// A session as it stands within the batch.
struct Kept {
    user: UserKey,
    contract: Option<Contract>,
    holder: Holder,
    user_room: bool,
    received: Cut,
    end: End,
    is_changed: bool,
}

#[derive(Clone, Copy)]
enum End {
    /// Its connection lasts, or nobody noted its end.
    None,
    /// It was noted so long ago, in milliseconds.
    Noted(i64),
    /// Within this batch.
    Now,
}

impl Kept {
    fn is_held_by(&self, holder: Holder) -> bool {
        self.holder == holder && matches!(self.end, End::None)
    }

    /// Milliseconds since it was last known to be connected; `None`: nobody knows any more.
    fn away(&self, silent: Option<i64>) -> Option<i64> {
        match self.end {
            End::Now => Some(0),
            End::Noted(age) => Some(age.max(0)),
            End::None => silent.map(|silent| if silent < ALIVE_MILLIS { 0 } else { silent }),
        }
    }
}

/// A node as it is when a session of its goes on.
struct LastSign {
    /// Milliseconds since then.
    silent: i64,
    received: Cut,
}

/// All that the batch needs of what is stored, and what it makes of it.
#[derive(Default)]
struct Sessions {
    /// In the order of their ids, in which every batch locks them.
    kept: BTreeMap<u128, Kept>,
    nodes: HashMap<NodeKey, LastSign>,
    /// Only of those that may go on.
    rooms: HashMap<u128, HashMap<ConversationKey, Seq>>,
    /// Joined within the batch, with the end of the history, or left (`None`).
    moves: BTreeMap<(u128, ConversationKey), Option<Seq>>,
    forgotten: HashSet<u128>,
}

/// Applies the writes in their order. Only [`Asked::Resume`] has an outcome other than `None`.
pub(super) async fn apply(connection: &Connection, writes: &mut [(&SessionWrite, &mut Option<Session>)]) -> Done<()> {
    let mut sessions = Sessions::load(connection, writes).await?;
    for (write, outcome) in writes {
        **outcome = sessions.apply(write.id.0, &write.asked);
    }
    sessions.store(connection).await
}

impl Sessions {
    async fn load(connection: &Connection, writes: &[(&SessionWrite, &mut Option<Session>)]) -> Done<Self> {
        let mut sessions = Sessions::default();
        let ids = |is_wanted: fn(&Asked) -> bool| -> HashSet<u128> {
            let wanted = writes.iter().filter(|(write, _)| is_wanted(&write.asked));
            wanted.map(|(write, _)| write.id.0).collect()
        };
        let known = Ids::of(ids(|asked| !matches!(asked, Asked::Open(_))));
        let resumed = Ids::of(ids(|asked| matches!(asked, Asked::Resume { .. })));
        if known.0.is_empty() {
            return Ok(sessions);
        }
        for row in connection.rows(LOCK, &[&known.bound()]).await? {
            sessions.kept.insert(id_of(&row)?, kept_of(&row)?);
        }
        if resumed.0.is_empty() {
            return Ok(sessions);
        }
        // Asked after the locks: as it stands once whoever had them is done.
        let resumed = resumed.bound();
        let parameters: [&dyn Parameter; 1] = [&resumed];
        let (nodes, rooms) = tokio::try_join!(connection.rows(NODES, &[]), connection.rows(ROOMS, &parameters))?;
        for row in nodes {
            let sign = LastSign {
                silent: row.try_get(1)?,
                received: cut_of(row.try_get(2)?)?,
            };
            sessions.nodes.insert(NodeKey(row.try_get(0)?), sign);
        }
        for row in rooms {
            let rooms = sessions.rooms.entry(id_of(&row)?).or_default();
            rooms.insert(ConversationKey(row.try_get(1)?), row.try_get(2)?);
        }
        Ok(sessions)
    }

    fn apply(&mut self, id: u128, asked: &Asked) -> Option<Session> {
        if let Asked::Open(new) = asked {
            let opened = Kept {
                user: new.user,
                contract: new.contract,
                holder: new.holder,
                user_room: false,
                received: new.received.clone(),
                end: End::None,
                is_changed: true,
            };
            self.kept.insert(id, opened);
            return None;
        }
        let kept = self.kept.get_mut(&id)?;
        match asked {
            Asked::Open(_) => {}
            Asked::Resume { user, holder, window } => return self.resume(id, *user, *holder, *window),
            Asked::Change { holder, change } if kept.is_held_by(*holder) => match change {
                SessionChange::Contract(contract) => {
                    kept.contract = Some(*contract);
                    kept.is_changed = true;
                }
                SessionChange::JoinedUserRoom => {
                    kept.user_room = true;
                    kept.is_changed = true;
                }
                SessionChange::Joined { conversation, end } => {
                    let joined = self.moves.entry((id, *conversation)).or_default();
                    *joined = (*joined).max(Some(*end));
                }
                SessionChange::Left(conversation) => drop(self.moves.insert((id, *conversation), None)),
            },
            Asked::Suspend { holder, received } if kept.is_held_by(*holder) => {
                kept.received.join(received);
                kept.end = End::Now;
                kept.is_changed = true;
            }
            Asked::Forget { holder } if kept.holder == *holder => {
                self.kept.remove(&id);
                self.forgotten.insert(id);
                self.moves.retain(|(of, _), _| *of != id);
            }
            // Another connection has it.
            Asked::Change { .. } | Asked::Suspend { .. } | Asked::Forget { .. } => {}
        }
        None
    }

    fn resume(&mut self, id: u128, user: UserKey, holder: Holder, window: Duration) -> Option<Session> {
        let kept = self.kept.get_mut(&id).filter(|kept| kept.user == user)?;
        let sign = self.nodes.get(&kept.holder.node);
        let away = kept.away(sign.map(|sign| sign.silent))?;
        if away > millis(window) {
            return None;
        }
        if let (End::None, Some(sign)) = (kept.end, sign) {
            kept.received.join(&sign.received);
        }
        kept.holder = holder;
        kept.end = End::None;
        kept.is_changed = true;
        let mut joined = self.rooms.get(&id).cloned().unwrap_or_default();
        let of_this = (id, ConversationKey(i64::MIN))..=(id, ConversationKey(i64::MAX));
        for ((_, conversation), end) in self.moves.range(of_this) {
            match end {
                Some(end) => {
                    let joined = joined.entry(*conversation).or_default();
                    *joined = (*joined).max(*end);
                }
                None => drop(joined.remove(conversation)),
            }
        }
        Some(Session {
            id: SessionId(id),
            user,
            contract: kept.contract,
            joined: joined.into_iter().collect(),
            user_room: kept.user_room,
            received: kept.received.clone(),
            away: Duration::from_millis(away as u64),
        })
    }

    /// One statement for all that has changed.
    async fn store(self, connection: &Connection) -> Done<()> {
        let changed: Vec<(&u128, &Kept)> = self.kept.iter().filter(|(_, kept)| kept.is_changed).collect();
        if changed.is_empty() && self.moves.is_empty() && self.forgotten.is_empty() {
            return Ok(());
        }
        macro_rules! column {
            ($of:expr) => {
                changed.iter().map(|(_, kept)| $of(kept)).collect::<Vec<_>>()
            };
        }
        let ids = Ids::of(changed.iter().map(|(id, _)| **id));
        let received: Vec<String> = column!(|kept: &Kept| kept.received.to_string());
        let moved = |is_in: bool| self.moves.iter().filter(move |(_, end)| end.is_some() == is_in);
        let ends: Vec<i64> = self.moves.values().filter_map(|end| *end).collect();
        let rooms = |is_in| -> Vec<i64> { moved(is_in).map(|((_, conversation), _)| conversation.0).collect() };
        let rooms_of = |is_in| Ids::of(moved(is_in).map(|((id, _), _)| *id));
        let (joining, leaving) = (rooms_of(true), rooms_of(false));
        let forgotten = Ids::of(self.forgotten.iter().copied());
        connection
            .execute(
                STORE,
                &[
                    &ids.bound(),
                    &column!(|kept: &Kept| kept.user.0),
                    &column!(|kept: &Kept| kept.holder.node.0),
                    &column!(|kept: &Kept| kept.holder.connection),
                    &column!(|kept: &Kept| i64::from(matches!(kept.end, End::Now))),
                    &column!(|kept: &Kept| i64::from(kept.user_room)),
                    &changed
                        .iter()
                        .map(|(_, kept)| kept.contract.map(Contract::as_str))
                        .collect::<Vec<Option<&str>>>(),
                    &received.iter().map(String::as_str).collect::<Vec<&str>>(),
                    &joining.bound(),
                    &rooms(true),
                    &leaving.bound(),
                    &rooms(false),
                    &forgotten.bound(),
                    &ends,
                ],
            )
            .await
    }
}

const LOCK: &str = concat!(
    "SELECT id, user_key, node, connection, ",
    now!(),
    " - ended_at, user_room, contract, received
      FROM doorbell.session WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"
);

/// Few: those that live, and those whose sessions may still go on.
const NODES: &str = concat!("SELECT key, ", now!(), " - beat_at, received FROM doorbell.node");

const ROOMS: &str = "SELECT session, conversation, end_seq FROM doorbell.session_room WHERE session = ANY ($1)";

const STORE: &str = concat!(
    "WITH kept AS (
         INSERT INTO doorbell.session AS old
             (id, user_key, node, connection, ended_at, user_room, contract, received)
         SELECT id, user_key, node, connection, CASE WHEN ends = 1 THEN ",
    now!(),
    " END, user_room = 1, contract, received
         FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
                     $8::text[])
             AS kept (id, user_key, node, connection, ends, user_room, contract, received)
         ON CONFLICT (id) DO UPDATE
         SET user_key = excluded.user_key, node = excluded.node, connection = excluded.connection,
             ended_at = excluded.ended_at, user_room = excluded.user_room, contract = excluded.contract,
             received = excluded.received
     ), joined AS (
         INSERT INTO doorbell.session_room AS room (session, conversation, end_seq)
         SELECT * FROM unnest($9::bytea[], $10::bigint[], $14::bigint[])
         ON CONFLICT (session, conversation) DO UPDATE SET end_seq = greatest(room.end_seq, excluded.end_seq)
     ), no_longer AS (
         DELETE FROM doorbell.session_room room USING unnest($11::bytea[], $12::bigint[]) AS gone (session, conversation)
         WHERE room.session = gone.session AND room.conversation = gone.conversation
     ), emptied AS (
         DELETE FROM doorbell.session_room WHERE session = ANY ($13)
     )
     DELETE FROM doorbell.session WHERE id = ANY ($13)"
);

/// Ids as the database has them, ascending.
struct Ids(Vec<[u8; 16]>);

impl Ids {
    fn of(ids: impl IntoIterator<Item = u128>) -> Self {
        Ids(ids.into_iter().map(u128::to_be_bytes).collect())
    }

    fn bound(&self) -> Vec<&[u8]> {
        self.0.iter().map(|id| &id[..]).collect()
    }
}

fn id_of(row: &Row) -> Done<u128> {
    let bytes: &[u8] = row.try_get(0)?;
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| Failure::Unexpected("a session has an id that is none".into()))?;
    Ok(u128::from_be_bytes(bytes))
}

fn kept_of(row: &Row) -> Done<Kept> {
    Ok(Kept {
        user: UserKey(row.try_get(1)?),
        holder: Holder {
            node: NodeKey(row.try_get(2)?),
            connection: row.try_get(3)?,
        },
        end: row.try_get::<_, Option<i64>>(4)?.map_or(End::None, End::Noted),
        user_room: row.try_get(5)?,
        // A contract that only a later version knows is as good as none.
        contract: text_or_null(row, 6)?.and_then(|name| Contract::parse(&name)),
        received: cut_of(row.try_get(7)?)?,
        is_changed: false,
    })
}

fn cut_of(text: &str) -> Done<Cut> {
    Cut::parse(text).ok_or_else(|| Failure::Unexpected("a session's cut cannot be read".into()))
}

/// As the database counts. Longer than any age is as long as for ever.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Forgets who has been away for longer than the window. A session that goes on at this moment is locked, and stays.
pub(super) struct Sweep {
    pub(super) window: Duration,
}

#[async_trait]
impl Write for Sweep {
    type Outcome = ();
    const HAS_NEWS: bool = false;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<()> {
        let connection = writing.connection;
        let window = millis(self.window);
        connection
            .execute(
                concat!(
                    "WITH gone AS (
                         DELETE FROM doorbell.session WHERE id IN (
                             SELECT id FROM doorbell.session s
                             WHERE CASE WHEN s.ended_at IS NOT NULL THEN ",
                    now!(),
                    "                          - s.ended_at > $1
                                   ELSE NOT EXISTS (SELECT 1 FROM doorbell.node n
                                                    WHERE n.key = s.node AND ",
                    now!(),
                    "                                     - n.beat_at <= greatest($1, $2)) END
                             ORDER BY id FOR UPDATE SKIP LOCKED)
                         RETURNING id
                     )
                     DELETE FROM doorbell.session_room WHERE session IN (SELECT id FROM gone)"
                ),
                &[&window, &(ALIVE_MILLIS - 1)],
            )
            .await?;
        connection
            .execute(
                concat!(
                    "DELETE FROM doorbell.node n WHERE ",
                    now!(),
                    " - n.beat_at > $1 AND NOT EXISTS (SELECT 1 FROM doorbell.session s WHERE s.node = n.key)"
                ),
                &[&window.max(NODE_KEPT_MILLIS)],
            )
            .await
    }
}
