//! The shape of a comment.

use serde::Serialize;

use crate::{
    chat::People,
    model::{Comment, Timestamp, UserId},
};

#[derive(Serialize)]
struct Author<'a> {
    id: &'a UserId,
    name: Option<&'a str>,
    image: Option<&'a str>,
}

/// A comment (contracts §6).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentShape<'a> {
    #[serde(rename = "_id")]
    id: String,
    post_id: &'a str,
    author: Option<Author<'a>>,
    text: &'a str,
    created_at: Timestamp,
}

impl<'a> CommentShape<'a> {
    pub fn new(comment: &'a Comment, people: &'a People) -> Self {
        CommentShape {
            id: format!("{}-{}", comment.post_id, comment.seq),
            post_id: &comment.post_id,
            author: people.user(comment.author).map(|user| Author {
                id: &user.id,
                name: user.name.as_deref(),
                image: user.image.as_deref(),
            }),
            text: &comment.text,
            created_at: comment.created_at,
        }
    }
}
