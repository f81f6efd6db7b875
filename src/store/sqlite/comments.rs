//! Comments under a post, numbered like the messages of a conversation.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    row_key::{key_range, row_key, seq_of},
    statement::Statements,
    writer::{Write, Writing},
};
use crate::{
    model::{Comment, Fact, Timestamp, UserKey},
    store::{Comments, Window, rules::page::Page},
};

const DESCENDING: &str = "
    SELECT key, author, created_at, text FROM comment WHERE key > ?1 AND key <= ?2 ORDER BY key DESC LIMIT ?3";
const ASCENDING: &str = "
    SELECT key, author, created_at, text FROM comment WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3";

pub(super) fn comments(connection: &Connection, post_id: &str, window: Window) -> rusqlite::Result<Comments> {
    let post: Option<i64> = connection
        .statement("SELECT key FROM post WHERE id = ?1")?
        .query_row([post_id], |row| row.get(0))
        .optional()?;
    let Some(post) = post else {
        return Ok(Comments::default());
    };
    let page = Page::of(window);
    let limit = i64::try_from(page.wanted()).unwrap_or(i64::MAX);
    let (from, to) = key_range(post, page.range);
    let mut comments: Vec<Comment> = connection
        .statement(if page.newest_first { DESCENDING } else { ASCENDING })?
        .query_map([from, to, limit], |row| {
            Ok(Comment {
                post_id: post_id.to_owned(),
                seq: seq_of(row.get(0)?),
                author: UserKey(row.get(1)?),
                created_at: Timestamp(row.get(2)?),
                text: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let has_more = page.finish(&mut comments);
    Ok(Comments { comments, has_more })
}

pub(super) struct AddComment {
    pub(super) post_id: String,
    pub(super) author: UserKey,
    pub(super) text: String,
}

impl Write for AddComment {
    type Outcome = Arc<Comment>;

    fn apply(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Arc<Comment>> {
        let connection = writing.connection;
        let (post, seq, created_at) = connection
            .statement(
                "INSERT INTO post (id, last_seq, latest_at) VALUES (?1, 1, ?2)
                 ON CONFLICT (id) DO UPDATE SET last_seq = last_seq + 1, latest_at = max(latest_at, excluded.latest_at)
                 RETURNING key, last_seq, latest_at",
            )?
            .query_row(params![self.post_id, writing.now.0], |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?, Timestamp(row.get(2)?)))
            })?;
        connection
            .statement("INSERT INTO comment (key, author, created_at, text) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![row_key(post, seq), self.author.0, created_at.0, self.text])?;
        let comment = Arc::new(Comment {
            post_id: self.post_id.clone(),
            seq,
            author: self.author,
            text: self.text.clone(),
            created_at,
        });
        writing.facts.push(Fact::CommentAdded(comment.post_id.clone()));
        Ok(comment)
    }
}
