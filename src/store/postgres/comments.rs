//! Comments under a post, numbered like the messages of a conversation.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    connection::{Connection, Done},
    text::text,
    writer::{Write, Writing},
};
use crate::{
    model::{Comment, Fact, Timestamp, UserKey},
    store::{Comments, Window, rules::page::Page},
};

const DESCENDING: &str = "
    SELECT seq, author, created_at, text FROM doorbell.comment
    WHERE post = $1 AND seq > $2 AND seq <= $3 ORDER BY seq DESC LIMIT $4";
const ASCENDING: &str = "
    SELECT seq, author, created_at, text FROM doorbell.comment
    WHERE post = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";

pub(super) async fn comments(connection: &Connection, post_id: &str, window: Window) -> Done<Comments> {
    let post = connection
        .row("SELECT key FROM doorbell.post WHERE id = $1", &[&post_id])
        .await?;
    let Some(post) = post else {
        return Ok(Comments::default());
    };
    let post: i64 = post.try_get(0)?;
    let page = Page::of(window);
    let limit = i64::try_from(page.wanted()).unwrap_or(i64::MAX);
    let statement = if page.newest_first { DESCENDING } else { ASCENDING };
    let rows = connection
        .rows(statement, &[&post, &page.range.from, &page.range.to, &limit])
        .await?;
    let mut comments = Vec::with_capacity(rows.len());
    for row in rows {
        comments.push(Comment {
            post_id: post_id.to_owned(),
            seq: row.try_get(0)?,
            author: UserKey(row.try_get(1)?),
            created_at: Timestamp(row.try_get(2)?),
            text: text(&row, 3)?,
        });
    }
    let has_more = page.finish(&mut comments);
    Ok(Comments { comments, has_more })
}

pub(super) struct AddComment {
    pub(super) post_id: String,
    pub(super) author: UserKey,
    pub(super) text: String,
}

#[async_trait]
impl Write for AddComment {
    type Outcome = Arc<Comment>;

    async fn apply(&self, writing: &mut Writing<'_>) -> Done<Arc<Comment>> {
        let connection = writing.connection;
        let post = connection
            .one(
                "INSERT INTO doorbell.post AS post (id, last_seq, latest_at) VALUES ($1, 1, $2)
                 ON CONFLICT (id) DO UPDATE
                 SET last_seq = post.last_seq + 1, latest_at = greatest(post.latest_at, excluded.latest_at)
                 RETURNING key, last_seq, latest_at",
                &[&self.post_id.as_str(), &writing.now.0],
            )
            .await?;
        let comment = Arc::new(Comment {
            post_id: self.post_id.clone(),
            seq: post.try_get(1)?,
            author: self.author,
            text: self.text.clone(),
            created_at: Timestamp(post.try_get(2)?),
        });
        connection
            .execute(
                "INSERT INTO doorbell.comment (post, seq, author, created_at, text) VALUES ($1, $2, $3, $4, $5)",
                &[
                    &post.try_get::<_, i64>(0)?,
                    &comment.seq,
                    &self.author.0,
                    &comment.created_at.0,
                    &self.text.as_str(),
                ],
            )
            .await?;
        writing.news.tell(None, Fact::CommentAdded(comment.post_id.clone()))?;
        Ok(comment)
    }
}
