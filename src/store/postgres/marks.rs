//! Marks: how far each has read, and when a message was first read by somebody else.
//!
//! A mark is one row of its reader. When a message was read is told by `passed`: an advance adds rows for the
//! messages that nobody had passed before (turn 1) or one other had (turn 2), and none for the rest. So a message has
//! at most two rows over it, whatever the size of the group, and a page of history reads few.

use async_trait::async_trait;

use super::{
    connection::{Connection, Done},
    participation,
    writer::{Write, Writing},
};
use crate::{
    model::{ConversationKey, Fact, Message, Seq, Timestamp, UserKey},
    store::{
        Marked,
        rules::{
            marks::{Mark, Own},
            participation::{Participation, Span},
            passed::{self, Passed},
        },
    },
};

#[async_trait]
impl Write for Mark {
    type Outcome = Marked;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Marked> {
        let connection = writing.connection;
        let (locked, participation) = participation::lock(connection, self.reader, self.conversation).await?;
        let Some(participation) = participation else {
            return Ok(Marked::NotParticipant);
        };
        let sees = match self.up_to {
            Some(seq) => participation::sees(connection, &participation, seq).await?,
            None => true,
        };
        let advance = match self.advance(&participation, sees) {
            Ok(advance) => advance,
            Err(marked) => return Ok(marked),
        };
        let own = match Own::of(&participation, advance) {
            Own::Known(own) => own,
            Own::Within(span) => count_own(connection, &participation, span).await?,
            Own::AllBut(all, span) => all - count_own(connection, &participation, span).await?,
        };
        let at = writing.now.max(participation.latest_at);
        let sent_at_read = participation.sent_at_read + own;
        let mark = async {
            connection
                .execute(
                    "UPDATE doorbell.participant SET read_seq = $3, sent_at_read = $4, read_at = $5
                     WHERE user_key = $1 AND conversation = $2",
                    &[&self.reader.0, &self.conversation.0, &advance.to, &sent_at_read, &at.0],
                )
                .await
        };
        // Not `updated_at`: that somebody has read does not change the conversation.
        let pass_time = async {
            match at > participation.latest_at {
                true => {
                    let statement = "UPDATE doorbell.conversation SET latest_at = $2 WHERE key = $1";
                    connection.execute(statement, &[&self.conversation.0, &at.0]).await
                }
                false => Ok(()),
            }
        };
        // None needs what another finds: together they take few ways to the server.
        let ((), (), (), newest) = tokio::try_join!(
            mark,
            pass_time,
            pass(connection, self.conversation, self.reader, advance, at),
            newest_of_others(connection, self.conversation, self.reader, advance),
        )?;
        let read = self.read(advance, own, newest, at);
        let fact = Fact::Read {
            read: read.clone(),
            origin: self.origin,
        };
        // Nothing builds on a mark, and the conversation does not change by it: `news_number` stays.
        writing.news.tell(locked.and_then(|locked| locked.last_news), fact)?;
        Ok(Marked::Advanced(read))
    }
}

/// The newest message of somebody else that the advance passes; 0 when there is none.
async fn newest_of_others(
    connection: &Connection,
    conversation: ConversationKey,
    reader: UserKey,
    advance: Span,
) -> Done<Seq> {
    let newest = connection
        .row(
            "SELECT seq FROM doorbell.message WHERE conversation = $1 AND seq > $2 AND seq <= $3 AND sender <> $4
             ORDER BY seq DESC LIMIT 1",
            &[&conversation.0, &advance.from, &advance.to, &reader.0],
        )
        .await?;
    match newest {
        Some(row) => Ok(row.try_get(0)?),
        None => Ok(0),
    }
}

/// How many of the reader's own messages are in the span.
async fn count_own(connection: &Connection, participation: &Participation, span: Span) -> Done<i64> {
    let counted = connection
        .one(
            "SELECT count(*) FROM doorbell.message WHERE conversation = $1 AND seq > $2 AND seq <= $3 AND sender = $4",
            &[
                &participation.conversation.0,
                &span.from,
                &span.to,
                &participation.user.0,
            ],
        )
        .await?;
    Ok(counted.try_get(0)?)
}

/// The rows of one turn that touch `span`, ascending. They never overlap: the first that reaches beyond it is the last.
async fn passed_within(
    connection: &Connection,
    conversation: ConversationKey,
    turn: i64,
    span: Span,
) -> Done<Vec<Passed>> {
    // Both bounds of `to_seq` are of the index: it ends with the first row that reaches to the span's end.
    let rows = connection
        .rows(
            "SELECT from_seq, to_seq, user_key, at FROM doorbell.passed
             WHERE conversation = $1 AND turn = $2 AND to_seq > $3
               AND to_seq <= coalesce((SELECT min(to_seq) FROM doorbell.passed
                                       WHERE conversation = $1 AND turn = $2 AND to_seq >= $4), $4)
             ORDER BY to_seq",
            &[&conversation.0, &turn, &span.from, &span.to],
        )
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let reached = Span {
            from: row.try_get(0)?,
            to: row.try_get(1)?,
        };
        if reached.from < span.to {
            found.push(Passed {
                span: reached,
                user: UserKey(row.try_get(2)?),
                at: Timestamp(row.try_get(3)?),
            });
        }
    }
    Ok(found)
}

/// Notes that `user` passed the messages of `advance`.
async fn pass(
    connection: &Connection,
    conversation: ConversationKey,
    user: UserKey,
    advance: Span,
    at: Timestamp,
) -> Done<()> {
    let first = passed_within(connection, conversation, 1, advance).await?;
    let second = match first.is_empty() {
        true => Vec::new(),
        false => passed_within(connection, conversation, 2, advance).await?,
    };
    let added = passed::added(advance, &first, &second);
    if added.is_empty() {
        return Ok(());
    }
    let turns: Vec<i64> = added.iter().map(|(turn, _)| *turn).collect();
    let to: Vec<i64> = added.iter().map(|(_, span)| span.to).collect();
    let from: Vec<i64> = added.iter().map(|(_, span)| span.from).collect();
    connection
        .execute(
            "INSERT INTO doorbell.passed (conversation, turn, to_seq, from_seq, user_key, at)
             SELECT $1, added.turn, added.to_seq, added.from_seq, $2, $3
             FROM unnest($4::bigint[], $5::bigint[], $6::bigint[]) AS added (turn, to_seq, from_seq)",
            &[&conversation.0, &user.0, &at.0, &turns, &to, &from],
        )
        .await
}

/// Fills in when each of these ascending messages of one conversation was first passed by another than its sender.
pub(super) async fn fill_read_at(
    connection: &Connection,
    conversation: ConversationKey,
    messages: &mut [Message],
) -> Done<()> {
    let Some(page) = passed::span_of(messages) else {
        return Ok(());
    };
    for turn in [1, 2] {
        passed::fill_from(&passed_within(connection, conversation, turn, page).await?, messages);
    }
    Ok(())
}
