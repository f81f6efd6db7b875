//! At the end: every history as its members see it, and every list, from the nodes themselves.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{
    ledger::{Ledger, Record, Seen},
    plan::{Plan, Speaks},
    rest::{Answer, Credential, Rest},
    stage::Stage,
    wire::all_seen,
};

const PAGE: usize = 1_000;
/// Requests under way at once.
const AT_ONCE: usize = 4;
const TRIES: usize = 20;
const SETTLING_ROUNDS: usize = 60;
const SETTLING_PAUSE: Duration = Duration::from_secs(1);
const TRY_PAUSE: Duration = Duration::from_millis(250);

/// Writes all of it into the ledger.
///
/// # Errors
///
/// Something could not be read, in a sentence.
pub async fn read_everything(
    stage: &Stage,
    plan: &Plan,
    rooms: &[String],
    tokens: &[String],
    ledger: &Arc<Ledger>,
) -> Result<(), String> {
    settled(stage, plan, rooms, tokens).await?;
    let mut wanted = Vec::new();
    for node in &stage.nodes {
        for (person, token) in tokens.iter().enumerate() {
            wanted.push((node, person, token));
        }
    }
    let reads = wanted.into_iter().map(|(node, person, token)| async move {
        let rest = Rest {
            address: node.address,
            credential: Credential::Token(token.clone()),
        };
        let user = &plan.people[person];
        lists(&rest, node.number, user, ledger).await?;
        for (room, planned) in rooms.iter().zip(&plan.conversations) {
            // All of them on one node; on the others those who are in it from the beginning to the end, and one more.
            let is_wanted = planned
                .members
                .iter()
                .take(if node.number == 0 { usize::MAX } else { 4 });
            if !is_wanted.clone().any(|member| *member == person) {
                continue;
            }
            let messages = history(&rest, room).await?;
            ledger.write(Record::History {
                node: node.number,
                conversation: room.clone(),
                user: user.clone(),
                messages,
            });
        }
        Ok::<(), String>(())
    });
    let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
    while let Some(read) = reads.next().await {
        read?;
    }
    Ok(())
}

/// Waits until nothing is added to any conversation any more: the clients are gone, but what they asked for last may still
/// be under way to the disk, on a busy machine for long.
async fn settled(stage: &Stage, plan: &Plan, rooms: &[String], tokens: &[String]) -> Result<(), String> {
    let Some(node) = stage.nodes.first() else { return Ok(()) };
    let mut last = vec![0; rooms.len()];
    for _ in 0..SETTLING_ROUNDS {
        let mut is_still = true;
        for (number, room) in rooms.iter().enumerate() {
            let rest = Rest {
                address: node.address,
                credential: Credential::Token(tokens[plan.conversations[number].members[0]].clone()),
            };
            let answer = read(&rest, &Speaks::Conversations.history_path(room, last[number], PAGE)).await?;
            let page = all_seen(&answer.body["messages"]).unwrap_or_default();
            if let Some(message) = page.last() {
                last[number] = message.seq;
                is_still = false;
            }
        }
        if is_still {
            return Ok(());
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
    }
    Err("Messages were still being stored long after the last client had gone.".to_owned())
}

async fn history(rest: &Rest, room: &str) -> Result<Vec<Seen>, String> {
    let mut messages: Vec<Seen> = Vec::new();
    loop {
        let after = messages.last().map_or(0, |last| last.seq);
        let answer = read(rest, &Speaks::Conversations.history_path(room, after, PAGE)).await?;
        let page = all_seen(&answer.body["messages"]).ok_or("A history has a message that cannot be read.")?;
        let has_more = answer.body["hasMore"] == Value::Bool(true) && !page.is_empty();
        messages.extend(page);
        if !has_more {
            return Ok(messages);
        }
    }
}

async fn lists(rest: &Rest, node: usize, user: &str, ledger: &Ledger) -> Result<(), String> {
    let mut path = format!("/api/conversations?limit={PAGE}");
    loop {
        let answer = read(rest, &path).await?;
        for entry in answer.body["conversations"].as_array().into_iter().flatten() {
            let (Some(id), Some(unread)) = (entry["id"].as_str(), entry["unreadCount"].as_i64()) else {
                return Err("A list has a conversation that cannot be read.".to_owned());
            };
            ledger.write(Record::Unread {
                node,
                conversation: id.to_owned(),
                user: user.to_owned(),
                unread,
            });
        }
        match answer.body["nextCursor"].as_str() {
            Some(cursor) if answer.body["hasMore"] == Value::Bool(true) => {
                path = format!("/api/conversations?limit={PAGE}&cursor={cursor}");
            }
            _ => return Ok(()),
        }
    }
}

/// Reads, and tries again for a few seconds.
async fn read(rest: &Rest, path: &str) -> Result<Answer, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match rest.get(path).await {
            Ok(answer) if answer.status == 200 => return Ok(answer),
            Ok(answer) => last = format!("{} {}", answer.status, answer.body),
            Err(why) => last = why,
        }
        tokio::time::sleep(TRY_PAUSE).await;
    }
    Err(format!(
        "What the node at {} holds could not be read at the end: {last}.",
        rest.address
    ))
}
