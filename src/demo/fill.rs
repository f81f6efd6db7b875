//! Fills the sample marketplace through the chat's own verbs, as its people would have.
//!
//! Every step finds what an earlier run has left: a run that was cut short is taken up again, and a finished one is
//! not repeated.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{future, stream};

use super::{
    clock::SampleClock,
    sample::{LISTINGS, PEOPLE},
    talks::{COMMENTS, PHOTOS, Photo, TALKS, Talk, Way},
};
use crate::{
    chat::{
        Caller, Chat,
        attachment::{FileReference, Rated},
        page::PageQuery,
        read::ReadTarget,
        send::SendRequest,
        upload::Uploads,
    },
    model::{
        Clock, Conversation, Error, MessageId, MessageKind, Result, Seq, Timestamp, UserKey, limits,
        listing::ListingPatch, user::UserPatch,
    },
};

const MINUTE_MS: i64 = 60_000;

/// Makes people, listings, conversations and comments. `clock` is the one that `chat` and its store go by.
pub async fn fill(chat: &Chat, uploads: &Arc<Uploads>, clock: &SampleClock) -> Result<()> {
    let opening = clock.now();
    let filled = fill_until(chat, uploads, clock, opening).await;
    clock.let_go();
    filled
}

async fn fill_until(chat: &Chat, uploads: &Arc<Uploads>, clock: &SampleClock, opening: Timestamp) -> Result<()> {
    // The last comment is the last thing made.
    if has_comment(chat, COMMENTS.len() - 1).await? {
        return Ok(());
    }
    // The marketplace's entries are older than anything that was said about them.
    clock.set(opening.plus_millis(-30 * 24 * 60 * MINUTE_MS));
    for person in &PEOPLE {
        let patch = UserPatch {
            name: Some(Some(person.name.to_owned())),
            email: Some(Some(format!("{}@larkhaven.example", person.id))),
            image: Some(Some(format!("/demo/people/{}.svg", person.id))),
            role: Some(Some(person.role.to_owned())),
        };
        chat.put_user(Caller::Host, person.id, patch).await?;
    }
    for listing in &LISTINGS {
        let patch = ListingPatch {
            title: Some(Some(listing.title.to_owned())),
            image: Some(Some(format!("/demo/listings/{}.svg", listing.id))),
            url: Some(Some(format!("/listing/{}", listing.id))),
            price: Some(Some(serde_json::Value::from(listing.price).to_string())),
            owner: None,
        };
        chat.put_listing(Caller::Host, listing.id, patch, Some(Some(listing.owner.to_owned())))
            .await?;
    }
    for talk in &TALKS {
        hold(chat, uploads, clock, opening, talk).await?;
    }
    for (place, (author, listing, text)) in COMMENTS.iter().enumerate() {
        if !has_comment(chat, place).await? {
            clock.set(opening.plus_millis((place as i64 - 50) * 60 * MINUTE_MS));
            chat.comment(caller(chat, author).await?, listing, text).await?;
        }
    }
    Ok(())
}

/// Opens a conversation and says its lines, each at its time. Who answers has read what stands above.
async fn hold(chat: &Chat, uploads: &Arc<Uploads>, clock: &SampleClock, opening: Timestamp, talk: &Talk) -> Result<()> {
    let length: i64 = talk.lines.iter().map(|(_, after_minutes, _)| after_minutes).sum();
    let mut time = opening.plus_millis(-(talk.ended_minutes_ago + length) * MINUTE_MS);
    clock.set(time);
    let mut conversation = open(chat, talk).await?;
    let mut last_seq = 0;
    for (place, (author, after_minutes, text)) in talk.lines.iter().enumerate() {
        let author = key(chat, author).await?;
        time = time.plus_millis(after_minutes * MINUTE_MS);
        if let Some(conversation) = &conversation {
            clock.set(time.plus_millis(-MINUTE_MS / 4));
            mark(chat, conversation, author, last_seq).await?;
        }
        clock.set(time);
        let photo = PHOTOS
            .iter()
            .find(|photo| photo.talk == talk.name && photo.line == place);
        let files = match (photo, &conversation) {
            (Some(photo), Some(conversation)) => {
                // Sent again with another upload it would be another message.
                if is_said(chat, conversation, author, place).await? {
                    last_seq = place as Seq + 1;
                    continue;
                }
                vec![upload(uploads, author, photo).await?]
            }
            _ => Vec::new(),
        };
        let person = match (&conversation, &talk.way) {
            (None, Way::Message { to, .. }) => Some((*to).to_owned()),
            _ => None,
        };
        let request = SendRequest {
            conversation: conversation.as_ref().map(|conversation| conversation.id.to_string()),
            person,
            content: (*text).to_owned(),
            kind: MessageKind::Text,
            files,
            client_message_id: Some(format!("sample-{}-{place}", talk.name)),
            reply_to: None,
            origin: None,
        };
        let sent = chat.send(author, request).await?;
        last_seq = sent.message.seq;
        conversation = Some((*sent.conversation).clone());
    }
    let Some(conversation) = conversation else {
        return Ok(());
    };
    clock.set(time.plus_millis(MINUTE_MS));
    for person in &PEOPLE {
        let reader = key(chat, person.id).await?;
        let unread = talk
            .unread
            .iter()
            .find(|(reader, _)| *reader == person.id)
            .map_or(0, |(_, count)| *count);
        if conversation.is_current_member(reader) {
            mark(chat, &conversation, reader, last_seq - unread as Seq).await?;
        }
    }
    Ok(())
}

/// Has an earlier run come as far as this line?
async fn is_said(chat: &Chat, conversation: &Conversation, reader: UserKey, place: usize) -> Result<bool> {
    let page = PageQuery::default().seq_page(1)?;
    let page = chat
        .history(Caller::User(reader), conversation.id.as_str(), page)
        .await?;
    Ok(page.last_seq > place as Seq)
}

async fn upload(uploads: &Arc<Uploads>, author: UserKey, photo: &Photo) -> Result<FileReference> {
    let bytes = stream::once(future::ready(Ok(Bytes::from_static(photo.bytes))));
    let attachment = uploads.receive(author, photo.name, Rated::Now, bytes).await?;
    Ok(FileReference::Id(attachment.id.to_string()))
}

/// The conversation as its contract opens it; `None` where the first message does.
async fn open(chat: &Chat, talk: &Talk) -> Result<Option<Conversation>> {
    let opened = match talk.way {
        Way::Listing { renter, listing } => {
            let owner = LISTINGS
                .iter()
                .find(|known| known.id == listing)
                .map_or("", |known| known.owner);
            chat.open_one_to_one(caller(chat, renter).await?, owner, Some(listing), true)
                .await?
        }
        Way::Property { asker, agent, listing } => {
            chat.open_one_to_one(caller(chat, asker).await?, agent, Some(listing), false)
                .await?
        }
        Way::Direct { asker, asked } => {
            chat.open_one_to_one(caller(chat, asker).await?, asked, None, false)
                .await?
        }
        Way::Message { .. } => return Ok(None),
        Way::Group { maker, title, others } => {
            let maker = caller(chat, maker).await?;
            // Groups of one name may be many: so the one of an earlier run is looked for.
            let page = PageQuery::default().inbox_page(limits::HISTORY_PAGE)?;
            let known = chat.inbox(maker, page).await?.entries;
            let known = known
                .into_iter()
                .find(|entry| entry.conversation.title.as_deref() == Some(title));
            if let Some(entry) = known {
                return Ok(Some((*entry.conversation).clone()));
            }
            let others: Vec<String> = others.iter().map(|&other| other.to_owned()).collect();
            chat.open_group(maker, Some(title.to_owned()), &others).await?
        }
    };
    Ok(Some((*opened.conversation).clone()))
}

async fn mark(chat: &Chat, conversation: &Conversation, reader: UserKey, up_to: Seq) -> Result<()> {
    if up_to > 0 {
        let message = MessageId {
            conversation: conversation.id.clone(),
            seq: up_to,
        };
        let target = ReadTarget::Conversation {
            id: conversation.id.to_string(),
            up_to: Some(message.to_string()),
            person: None,
        };
        chat.mark_read(Caller::User(reader), target, None).await?;
    }
    Ok(())
}

async fn has_comment(chat: &Chat, place: usize) -> Result<bool> {
    let (author, listing, text) = COMMENTS[place];
    let Some(author) = chat.known_user(author).await? else {
        return Ok(false);
    };
    let page = PageQuery::default().seq_page(limits::HISTORY_PAGE)?;
    let page = chat.comments(Caller::User(author.key), listing, page).await?;
    Ok(page
        .comments
        .iter()
        .any(|comment| comment.author == author.key && comment.text == text))
}

async fn key(chat: &Chat, person: &str) -> Result<UserKey> {
    Ok(chat
        .known_user(person)
        .await?
        .ok_or_else(|| Error::not_found("user"))?
        .key)
}

async fn caller(chat: &Chat, person: &str) -> Result<Caller> {
    key(chat, person).await.map(Caller::User)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_conversations_and_a_group_are_told_in_order() {
        let groups = TALKS
            .iter()
            .filter(|talk| matches!(talk.way, Way::Group { .. }))
            .count();
        assert_eq!((TALKS.len() - groups, groups), (12, 1));
        let ends: Vec<i64> = TALKS.iter().map(|talk| talk.ended_minutes_ago).collect();
        assert!(ends.is_sorted_by(|earlier, later| earlier > later), "{ends:?}");
        for talk in &TALKS {
            assert!(talk.lines.len() >= 5, "{} is no lively conversation", talk.name);
        }
    }
}
