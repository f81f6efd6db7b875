//! Doorbell's own routes: the directory, memberships, conversations as the host sees them, tokens.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    api::ConversationBody,
    json::Fields,
    rest::{Call, Reply, Route, route},
    shape::{ListingShape, Person, SharedConversation},
};
use crate::{
    chat::Caller,
    model::{Error, Result, Role, UserId, address, limits, listing::ListingPatch, user::UserPatch},
    transport::auth::Credential,
};

pub fn routes() -> Vec<Route> {
    vec![
        route!(POST "/api/auth/socket-token" AsRequest issue_token, scope Tokens),
        route!(PUT "/v1/users/{id}" AsRequest put_user, scope Directory),
        route!(DELETE "/v1/users/{id}/sessions" AsRequest end_sessions, scope Sessions),
        route!(PUT "/v1/listings/{id}" AsRequest put_listing, scope Directory),
        route!(PATCH "/v1/conversations/{id}" AsRequest change_conversation, scope Conversations),
        route!(POST "/v1/conversations/{id}/participants" AsRequest put_participant, scope Conversations),
        route!(DELETE "/v1/conversations/{id}/participants/{user_id}" AsRequest remove_participant, scope Conversations),
    ]
}

/// A session or the API key gets a token; a token does not get another.
async fn issue_token(mut call: Call) -> Result<Reply> {
    let (token, expires_at) = match &call.credential {
        Credential::Bearer(_) => {
            return Err(Error::forbidden(
                "A token gets no further token; use the session cookie or the API key.",
            ));
        }
        Credential::Cookie(claims) => call.api.issue_session_token(call.person()?, claims.expires_at_ms)?,
        Credential::ApiKey(_) => {
            let id = call.fields().await?.required_id("userId")?;
            let user = call.chat().mentioned_user(&id).await?;
            call.api.issue_token(&user)?
        }
    };
    Ok(Reply::ok(&json!({ "token": token, "expiresAt": expires_at })))
}

/// What is shown to people holds no control characters (C0, DEL, C1): they would reach terminals, logs and mails. A
/// token's claims and the titles of groups are cleaned alike.
fn without_controls(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn shown(patch: Option<Option<String>>) -> Option<Option<String>> {
    patch.map(|change| change.map(|text| without_controls(&text)))
}

/// A change of an address that pages show.
fn shown_address(
    fields: &Fields,
    name: &str,
    (is_one, kinds): (fn(&str) -> bool, &str),
) -> Result<Option<Option<String>>> {
    let patch = shown(fields.text_patch(name, limits::URL_CHARS)?);
    match patch.as_ref().and_then(Option::as_deref) {
        Some(address) if !is_one(address) => Err(Error::invalid(format!("{name} must be {kinds}."))),
        _ => Ok(patch),
    }
}

const PICTURE: (fn(&str) -> bool, &str) = (
    address::is_of_picture,
    "the address of a picture: https:, http:, data:image/ or relative",
);
const PAGE: (fn(&str) -> bool, &str) = (address::is_of_page, "the address of a page: https:, http: or relative");

async fn put_user(mut call: Call) -> Result<Reply> {
    call.caller.must_be_host()?;
    let fields = call.fields().await?;
    let patch = UserPatch {
        name: shown(fields.text_patch("name", limits::NAME_CHARS)?),
        email: shown(fields.text_patch("email", limits::EMAIL_CHARS)?),
        image: shown_address(&fields, "image", PICTURE)?,
        role: shown(fields.text_patch("role", limits::ROLE_CHARS)?),
    };
    let user = call.chat().put_user(call.caller, call.path("id"), patch).await?;
    Ok(Reply::ok(&Person::full(&user)))
}

async fn end_sessions(call: Call) -> Result<Reply> {
    call.chat().end_sessions(call.caller, call.path("id")).await?;
    Ok(Reply::NoContent)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListingBody<'a> {
    #[serde(flatten)]
    listing: ListingShape<'a>,
    owner_id: Option<&'a UserId>,
}

async fn put_listing(mut call: Call) -> Result<Reply> {
    call.caller.must_be_host()?;
    let fields = call.fields().await?;
    let price = match fields.raw("price") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(price @ Value::Number(_)) => Some(Some(price.to_string())),
        Some(Value::String(text)) if text.chars().count() <= limits::PRICE_CHARS => {
            Some(Some(Value::String(without_controls(text)).to_string()))
        }
        Some(_) => return Err(Error::invalid("price must be a number or a short string.")),
    };
    let patch = ListingPatch {
        title: shown(fields.text_patch("title", limits::TITLE_CHARS)?),
        image: shown_address(&fields, "image", PICTURE)?,
        url: shown_address(&fields, "url", PAGE)?,
        price,
        owner: None,
    };
    let owner = fields.id_patch("ownerId")?;
    let (listing, owner) = call
        .chat()
        .put_listing(call.caller, call.path("id"), patch, owner)
        .await?;
    Ok(Reply::ok(&ListingBody {
        listing: ListingShape::new(&listing),
        owner_id: owner.as_ref(),
    }))
}

async fn change_conversation(mut call: Call) -> Result<Reply> {
    let fields = call.fields_to_judge().await?;
    let id = call.path("id").to_owned();
    call.chat().must_see(call.caller, &id).await?;
    let fields = fields?;
    let title = match fields.raw("title") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(_) => fields.text("title")?.map(|title| Some(title.to_owned())),
    };
    let is_active = fields.boolean("isActive")?;
    let conversation = call
        .chat()
        .change_conversation(call.caller, &id, title, is_active)
        .await?;
    conversation_reply(&call, &conversation, false).await
}

async fn put_participant(mut call: Call) -> Result<Reply> {
    let fields = call.fields_to_judge().await?;
    let id = call.path("id").to_owned();
    call.chat().must_see(call.caller, &id).await?;
    let fields = fields?;
    let user = fields.required_id("userId")?;
    let role = fields
        .text("role")?
        .map(|role| Role::parse(role).ok_or_else(|| Error::invalid("role must be member or admin.")));
    let conversation = call
        .chat()
        .put_member(call.caller, &id, &user, role.transpose()?)
        .await?;
    conversation_reply(&call, &conversation, true).await
}

async fn remove_participant(call: Call) -> Result<Reply> {
    call.chat()
        .remove_member(call.caller, call.path("id"), call.path("user_id"))
        .await?;
    Ok(Reply::NoContent)
}

async fn conversation_reply(call: &Call, conversation: &crate::model::Conversation, created: bool) -> Result<Reply> {
    let (entry, people) = call.chat().entry_for(call.caller, conversation).await?;
    let mut conversation = SharedConversation::new(&entry, call.view(&people));
    if call.caller == Caller::Host {
        conversation.forget_viewer();
    }
    Ok(Reply::made(created, &ConversationBody { conversation }))
}
