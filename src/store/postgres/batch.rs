//! Many sends in one go: once their conversations are locked, memberships and known client ids are looked up, what survives
//! is numbered here, and all of it is stored by one statement. Of a send that costs the server 200 us by itself, 30 us are
//! left; and however many they are, new ones or repeats, they take the same few ways to the server.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    connection::{Connection, Done},
    conversations::lock_all,
    messages::{self, message, refusal},
    news::News,
    participation::{self, participation_columns},
};
use crate::{
    model::{ConversationKey, Fact, Message, Position, Seq, Timestamp, UserKey},
    store::{Appended, Draft, rules::participation::Participation},
};

/// From as many sends on the batch is cheaper than each by itself.
pub(super) const WORTH_IT: usize = 5;

type Place = (UserKey, ConversationKey);

/// What was stored under a client's id before this batch.
struct Known {
    digest: Vec<u8>,
    /// `None`: it is there no more.
    message: Option<Arc<Message>>,
}

impl Known {
    fn repeat_of(&self, draft: &Draft) -> Option<Appended> {
        match self.digest == draft.digest {
            true => self.message.clone().map(Appended::Repeat),
            false => Some(Appended::Conflict),
        }
    }
}

/// The names under which senders sent: the client's id, the sender, the conversation.
type Names<'a, T> = HashMap<(&'a str, UserKey, ConversationKey), T>;

/// How far a conversation has come, within the batch.
#[derive(Clone, Copy)]
struct Reached {
    last_seq: Seq,
    latest_at: Timestamp,
}

/// Applies the drafts in their order, and says what became of each. Equal names within the batch see each other.
/// `conversations`: all that the transaction writes in, to be locked.
pub(super) async fn append(
    connection: &Connection,
    news: &mut News,
    drafts: &[&Draft],
    conversations: &HashSet<ConversationKey>,
    now: Timestamp,
) -> Done<Vec<Appended>> {
    // Asked in this order, and answered as it stands once the locks are there; it takes one way to the server.
    let (mut last_news, mut participations, known) = tokio::try_join!(
        biased;
        lock_all(connection, conversations),
        participations(connection, drafts),
        known(connection, drafts),
    )?;
    let mut reached: HashMap<ConversationKey, Reached> = HashMap::new();
    let mut named: Names<(Arc<Message>, [u8; 16])> = HashMap::new();
    let mut stored: Vec<(Arc<Message>, &Draft)> = Vec::with_capacity(drafts.len());
    let mut outcomes = Vec::with_capacity(drafts.len());
    for &draft in drafts {
        let Some(participation) = participations.get_mut(&(draft.sender, draft.conversation)) else {
            outcomes.push(Appended::NotParticipant);
            continue;
        };
        if let Some(reached) = reached.get(&draft.conversation) {
            participation.last_seq = reached.last_seq;
            participation.latest_at = reached.latest_at;
        }
        let name = draft
            .client_message_id
            .as_deref()
            .map(|id| (id, draft.sender, draft.conversation));
        if let Some(known) = name.and_then(|name| known.get(&name))
            && let Some(repeat) = known.repeat_of(draft)
        {
            outcomes.push(repeat);
            continue;
        }
        if let Some((message, digest)) = name.and_then(|name| named.get(&name)) {
            outcomes.push(match *digest == draft.digest {
                true => Appended::Repeat(message.clone()),
                false => Appended::Conflict,
            });
            continue;
        }
        if let Some(refusal) = refusal(connection, draft, participation).await? {
            outcomes.push(refusal);
            continue;
        }
        let message = Arc::new(message(draft, participation, now));
        reached.insert(
            draft.conversation,
            Reached {
                last_seq: message.seq,
                latest_at: message.created_at,
            },
        );
        if let Some(name) = name {
            named.insert(name, (message.clone(), draft.digest));
        }
        stored.push((message.clone(), draft));
        outcomes.push(Appended::Stored(message));
    }
    if !stored.is_empty() {
        insert(connection, &stored, news.upcoming(0)?).await?;
    }
    for (message, draft) in stored {
        // What follows in the same conversation builds on this one, in the same slot.
        let builds_on = last_news.remove(&message.conversation);
        let origin = draft.origin;
        news.tell(builds_on, Fact::MessageStored { message, origin })?;
    }
    Ok(outcomes)
}

async fn participations(connection: &Connection, drafts: &[&Draft]) -> Done<HashMap<Place, Participation>> {
    let mut places: Vec<Place> = drafts.iter().map(|draft| (draft.sender, draft.conversation)).collect();
    places.sort_unstable();
    places.dedup();
    let users: Vec<i64> = places.iter().map(|(user, _)| user.0).collect();
    let conversations: Vec<i64> = places.iter().map(|(_, conversation)| conversation.0).collect();
    let rows = connection
        .rows(
            concat!(
                "SELECT ",
                participation_columns!(),
                " FROM unnest($1::bigint[], $2::bigint[]) AS place (user_key, conversation)
                  JOIN doorbell.participant p
                    ON p.user_key = place.user_key AND p.conversation = place.conversation
                  JOIN doorbell.conversation c ON c.key = p.conversation"
            ),
            &[&users, &conversations],
        )
        .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let participation = participation::of(row)?;
        found.insert((participation.user, participation.conversation), participation);
    }
    Ok(found)
}

async fn known<'a>(connection: &Connection, drafts: &[&'a Draft]) -> Done<Names<'a, Known>> {
    let mut names: Vec<(&'a str, UserKey, ConversationKey)> = drafts
        .iter()
        .filter_map(|draft| Some((draft.client_message_id.as_deref()?, draft.sender, draft.conversation)))
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<&str> = names.iter().map(|(id, _, _)| *id).collect();
    let senders: Vec<i64> = names.iter().map(|(_, sender, _)| sender.0).collect();
    let conversations: Vec<i64> = names.iter().map(|(_, _, conversation)| conversation.0).collect();
    let rows = connection
        .rows(
            "SELECT name.place, known.seq, known.digest
             FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
                  AS name (client_message_id, sender, conversation, place)
             JOIN doorbell.client_message known
               ON known.client_message_id = name.client_message_id AND known.sender = name.sender
              AND known.conversation = name.conversation",
            &[&ids, &senders, &conversations],
        )
        .await?;
    let mut used = Vec::with_capacity(rows.len());
    for row in &rows {
        let place: i64 = row.try_get(0)?;
        if let Some(name) = names.get(place as usize - 1) {
            used.push((*name, row.try_get::<_, Seq>(1)?, row.try_get(2)?));
        }
    }
    if used.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<(ConversationKey, Seq)> = used.iter().map(|(name, seq, _)| (name.2, *seq)).collect();
    let found = messages::messages(connection, &places).await?;
    let found: HashMap<(ConversationKey, Seq), Arc<Message>> = found
        .into_iter()
        .map(|message| ((message.conversation, message.seq), Arc::new(message)))
        .collect();
    let known = used.into_iter().map(|(name, seq, digest)| {
        let message = found.get(&(name.2, seq)).cloned();
        (name, Known { digest, message })
    });
    Ok(known.collect())
}

/// Rows of one conversation lie side by side: their pages are found once. `first`: the place of the first one's news.
async fn insert(connection: &Connection, stored: &[(Arc<Message>, &Draft)], first: Position) -> Done<()> {
    let mut rows: Vec<_> = (first.number..)
        .zip(stored)
        .map(|(number, (message, draft))| (message, draft, number))
        .collect();
    rows.sort_by_key(|(message, _, _)| (message.conversation, message.seq));
    macro_rules! column {
        ($of:expr) => {
            rows.iter().map(|row| $of(row.0)).collect::<Vec<_>>()
        };
    }
    let digests: Vec<&[u8]> = rows.iter().map(|(_, draft, _)| &draft.digest[..]).collect();
    let numbers: Vec<i64> = rows.iter().map(|(_, _, number)| *number).collect();
    connection
        .execute(
            "WITH stored AS MATERIALIZED (
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
                                      $7::text[], $8::text[], $9::bytea[], $11::bigint[])
                     AS stored (conversation, seq, sender, created_at, reply_to, kind, client_message_id, content, digest,
                                number)
             ), messages AS (
                 INSERT INTO doorbell.message
                     (conversation, seq, sender, created_at, reply_to, kind, client_message_id, content)
                 SELECT conversation, seq, sender, created_at, reply_to, kind, client_message_id, content FROM stored
             ), names AS (
                 INSERT INTO doorbell.client_message (client_message_id, sender, conversation, seq, digest)
                 SELECT client_message_id, sender, conversation, seq, digest FROM stored
                 WHERE client_message_id IS NOT NULL
             ), senders AS (
                 UPDATE doorbell.participant p SET sent = p.sent + s.count
                 FROM (SELECT sender, conversation, count(*) AS count FROM stored GROUP BY sender, conversation) s
                 WHERE p.user_key = s.sender AND p.conversation = s.conversation
             )
             UPDATE doorbell.conversation c
             SET last_seq = s.last_seq, last_message_at = s.latest_at, latest_at = s.latest_at, updated_at = s.latest_at,
                 news_slot = $10, news_number = s.number
             FROM (SELECT conversation, max(seq) AS last_seq, max(created_at) AS latest_at, max(number) AS number
                   FROM stored GROUP BY conversation) s
             WHERE c.key = s.conversation",
            &[
                &column!(|message: &Message| message.conversation.0),
                &column!(|message: &Message| message.seq),
                &column!(|message: &Message| message.sender.0),
                &column!(|message: &Message| message.created_at.0),
                &column!(|message: &Message| message.reply_to),
                &rows.iter().map(|row| row.0.kind.as_str()).collect::<Vec<&str>>(),
                &rows.iter().map(|row| row.0.client_message_id.as_deref()).collect::<Vec<Option<&str>>>(),
                &rows.iter().map(|row| row.0.content.as_str()).collect::<Vec<&str>>(),
                &digests,
                &first.slot,
                &numbers,
            ],
        )
        .await
}
