//! `listing-chat`: its conversations and messages are those of [`super::api`]; its own are the comments (contracts §6).

use serde::Serialize;

use super::{
    rest::{Call, Reply, Route, route, to_json},
    shape::{CommentShape, Each},
};
use crate::model::{Result, limits};

pub fn routes() -> Vec<Route> {
    vec![
        route!(GET "/api/comments" AsRequest list),
        route!(POST "/api/comments" ByVerb comment),
    ]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommentsBody<'a, C> {
    comments: C,
    has_more: bool,
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct CommentBody<'a> {
    comment: CommentShape<'a>,
}

async fn list(call: Call) -> Result<Reply> {
    let query = call.query()?;
    let page = query.page().seq_page(limits::HISTORY_PAGE)?;
    let page = call
        .chat()
        .comments(call.caller, query.required("postId")?, page)
        .await?;
    let body = to_json(&CommentsBody {
        comments: Each(|| {
            page.comments
                .iter()
                .map(|comment| CommentShape::new(comment, &page.people))
        }),
        has_more: page.has_more,
        next_cursor: page.next_cursor.as_deref(),
    });
    Ok(call.tagged(body, None))
}

async fn comment(mut call: Call) -> Result<Reply> {
    let fields = call.own_fields().await?;
    let post_id = fields.required_id("postId")?;
    let text = match fields.text("text")? {
        Some(text) => text,
        None => fields.required_text("content")?,
    };
    let (comment, people) = call.chat().comment(call.caller, &post_id, text).await?;
    Ok(Reply::made(
        true,
        &CommentBody {
            comment: CommentShape::new(&comment, &people),
        },
    ))
}
