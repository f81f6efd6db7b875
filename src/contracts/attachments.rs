//! Attachments by their ids (contracts §4).

use http::HeaderValue;

use super::rest::{Call, Reply, Route, route};
use crate::model::{Error, Result, Variant};

pub fn routes() -> Vec<Route> {
    vec![route!(GET "/v1/attachments/{id}" AsRequest redirect)]
}

/// To a fresh link; `?variant=` names another part than the file itself.
async fn redirect(call: Call) -> Result<Reply> {
    let viewer = call.caller.user()?;
    let query = call.query()?;
    let variant = query.get("variant").map_or(Ok(Variant::File), Variant::parse)?;
    let link = call.chat().fresh_link(viewer, call.path("id"), variant).await?;
    // Addresses are ASCII: ours, and those of others, which were written anew when the message was sent.
    let location = HeaderValue::try_from(link).map_err(|_| Error::not_found("attachment"))?;
    Ok(Reply::Redirect(location))
}
