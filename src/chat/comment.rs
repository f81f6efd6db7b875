//! Comments under a post: there for every signed-in user, with the limits and rates of messages.

use std::{sync::Arc, time::Instant};

use super::{
    Caller, Chat, People,
    page::{SeqPage, next_cursor},
};
use crate::model::{Comment, Error, Result, content, limits};

/// Part of the comments under a post, ascending.
#[derive(Debug, Clone)]
pub struct CommentPage {
    pub comments: Vec<Comment>,
    pub has_more: bool,
    pub next_cursor: Option<String>,
    pub people: People,
}

impl Chat {
    pub async fn comment(&self, caller: Caller, post_id: &str, text: &str) -> Result<(Arc<Comment>, People)> {
        let author = caller.user()?;
        check_post_id(post_id)?;
        let text = content::checked(text, "text")?;
        self.rates.sends.take(author)?;
        let comment = self.store.add_comment(post_id.to_owned(), author, text).await?;
        let people = self.people(&[author], &[]).await?;
        Ok((comment, people))
    }

    pub async fn comments(&self, caller: Caller, post_id: &str, page: SeqPage) -> Result<CommentPage> {
        let reader = caller.user()?;
        check_post_id(post_id)?;
        let _held = page.wait.map(|_| self.waiting.hold(reader)).transpose()?;
        let until = page.wait.map(|wait| Instant::now() + wait);
        let found = loop {
            let bell = until.map(|until| (self.waiting.posts.listen(&post_id.to_owned()), until));
            let found = self.store.comments(post_id, page.window).await?;
            let is_answer = !found.comments.is_empty() || self.waiting.is_over();
            match bell {
                Some((bell, until)) if !is_answer => {
                    if !bell.rung_before(until).await {
                        break found;
                    }
                }
                _ => break found,
            }
        };
        let authors: Vec<_> = found.comments.iter().map(|comment| comment.author).collect();
        let people = self.people(&authors, &[]).await?;
        let (first, last) = (
            found.comments.first().map(|c| c.seq),
            found.comments.last().map(|c| c.seq),
        );
        let next_cursor = next_cursor(page.window, first, last, found.has_more);
        Ok(CommentPage {
            comments: found.comments,
            has_more: found.has_more,
            next_cursor,
            people,
        })
    }
}

/// Any text names a post, as long as it is one.
fn check_post_id(post_id: &str) -> Result<()> {
    let characters = post_id.chars().count();
    if characters == 0 || characters > limits::ID_CHARS || post_id.chars().any(char::is_control) {
        return Err(Error::invalid("postId must have 1 to 128 characters."));
    }
    Ok(())
}
