//! Somebody's place in a conversation, as it lies in the database. Every statement for a person starts here; that there
//! is a row is the check of membership.

use tokio_postgres::Row;

use super::{
    connection::{Connection, Done},
    conversations::{self, Locked},
};
use crate::{
    model::{ConversationKey, Seq, Timestamp, UserKey},
    store::rules::participation::{Participation, Span},
};

/// The columns in the order that [`of`] expects.
macro_rules! participation_columns {
    () => {
        "p.from_seq, p.to_seq, p.read_seq, p.sent, p.sent_at_read, p.kept_seq, p.kept_at, p.returns,
         c.last_seq, c.last_message_at, c.latest_at, c.is_active, p.joined_at,
         coalesce(p.left_at, c.updated_at), p.user_key, p.conversation"
    };
}
pub(super) use participation_columns;

const FIND: &str = concat!(
    "SELECT ",
    participation_columns!(),
    " FROM doorbell.participant p JOIN doorbell.conversation c ON c.key = p.conversation
      WHERE p.user_key = $1 AND p.conversation = $2"
);

/// `None` for someone who never was in it, and for a conversation that does not exist.
pub(super) async fn find(
    connection: &Connection,
    user: UserKey,
    conversation: ConversationKey,
) -> Done<Option<Participation>> {
    let row = connection.row(FIND, &[&user.0, &conversation.0]).await?;
    row.as_ref().map(of).transpose()
}

/// Locks the conversation, and finds how it stands then, in one way to the server.
pub(super) async fn lock(
    connection: &Connection,
    user: UserKey,
    conversation: ConversationKey,
) -> Done<(Option<Locked>, Option<Participation>)> {
    tokio::try_join!(
        biased;
        conversations::lock(connection, conversation),
        find(connection, user, conversation),
    )
}

pub(super) fn of(row: &Row) -> Done<Participation> {
    Ok(Participation {
        from_seq: row.try_get(0)?,
        to_seq: row.try_get(1)?,
        read_seq: row.try_get(2)?,
        sent: row.try_get(3)?,
        sent_at_read: row.try_get(4)?,
        kept_seq: row.try_get(5)?,
        kept_at: row.try_get::<_, Option<i64>>(6)?.map(Timestamp),
        returns: row.try_get(7)?,
        last_seq: row.try_get(8)?,
        last_message_at: row.try_get::<_, Option<i64>>(9)?.map(Timestamp),
        latest_at: Timestamp(row.try_get(10)?),
        is_active: row.try_get(11)?,
        joined_at: Timestamp(row.try_get(12)?),
        updated_at: Timestamp(row.try_get(13)?),
        user: UserKey(row.try_get(14)?),
        conversation: ConversationKey(row.try_get(15)?),
    })
}

/// All that this person may see, newest first.
pub(super) async fn spans(connection: &Connection, participation: &Participation) -> Done<Vec<Span>> {
    let mut spans = Vec::with_capacity(1);
    if participation.sees_last_span() {
        spans.push(participation.last_span());
    }
    if participation.returns > 0 {
        let rows = connection
            .rows(
                "SELECT from_seq, to_seq FROM doorbell.earlier_span WHERE user_key = $1 AND conversation = $2
                 ORDER BY from_seq DESC",
                &[&participation.user.0, &participation.conversation.0],
            )
            .await?;
        for row in rows {
            spans.push(Span {
                from: row.try_get(0)?,
                to: row.try_get(1)?,
            });
        }
    }
    Ok(spans)
}

/// May this person see the message?
pub(super) async fn sees(connection: &Connection, participation: &Participation, seq: Seq) -> Done<bool> {
    if participation.last_span().contains(seq) {
        return Ok(true);
    }
    if participation.returns == 0 {
        return Ok(false);
    }
    let spans = spans(connection, participation).await?;
    Ok(spans.into_iter().any(|span| span.contains(seq)))
}
