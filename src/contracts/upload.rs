//! Files on their way in: `POST /api/upload`, and the files of a message that is sent as a form.

use std::sync::Arc;

use http::{StatusCode, header};
use serde::Serialize;

use super::{
    draft,
    form::{self, FilePart, Form},
    json::Fields,
    rest::{Call, Content, Reply, Route, route},
};
use crate::{
    chat::{
        attachment::{FileReference, Rated},
        send::SendRequest,
        upload::Uploads,
    },
    model::{Attachment, Error, Result, UserKey, Variant, limits},
};

pub fn routes() -> Vec<Route> {
    vec![route!(POST "/api/upload" ByVerb upload)]
}

/// An uploaded file, as it is answered. Its address is of use to its uploader, until a message names the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadBody<'a> {
    id: &'a str,
    url: &'a str,
    file_url: &'a str,
    file_name: &'a str,
    file_size: u64,
    file_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
}

impl<'a> UploadBody<'a> {
    pub fn new(attachment: &'a Attachment, url: &'a str) -> Self {
        let facts = attachment.facts();
        UploadBody {
            id: attachment.id.as_str(),
            url,
            file_url: url,
            file_name: &attachment.name,
            file_size: attachment.size().unwrap_or_default(),
            file_type: attachment.file_type().unwrap_or_default(),
            width: facts.and_then(|facts| facts.width),
            height: facts.and_then(|facts| facts.height),
        }
    }
}

const NO_FILE: &str =
    "There is no file: send a form (multipart/form-data) with the file and its file name in a part called file.";

async fn upload(mut call: Call) -> Result<Reply> {
    let mut received = receive(&mut call, Purpose::Upload).await?;
    draft::must_be_caller(&received.fields, &call.person()?.id)?;
    let Some(attachment) = received.attachments.first() else {
        return Err(Error::invalid(match received.has_empty_choice {
            true => {
                "No file was chosen: the part of the form is empty and its file has no name. Choose one and send it again."
            }
            false => NO_FILE,
        }));
    };
    let url = call.chat().upload_link(attachment, Variant::File);
    let reply = Reply::json(StatusCode::CREATED, &UploadBody::new(attachment, &url));
    received.keep();
    Ok(reply)
}

/// What came with a request: its fields, and its files, which are attachments already. Dropped, the files are removed.
pub struct Received {
    pub fields: Fields,
    pub attachments: Vec<Attachment>,
    /// A file input came in which nothing was chosen.
    has_empty_choice: bool,
    uploads: Arc<Uploads>,
}

impl Received {
    /// The files, for a message to name.
    pub fn references(&self) -> impl Iterator<Item = FileReference> {
        self.attachments
            .iter()
            .map(|attachment| FileReference::Id(attachment.id.to_string()))
    }

    /// The files stay: something names them.
    pub fn keep(&mut self) {
        self.attachments.clear();
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        let attachments = std::mem::take(&mut self.attachments);
        if let (false, Ok(runtime)) = (attachments.is_empty(), tokio::runtime::Handle::try_current()) {
            let uploads = Arc::clone(&self.uploads);
            runtime.spawn(async move { uploads.take_back(&attachments).await });
        }
    }
}

/// What files come for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be named later: one file.
    Upload,
    /// To go out with a message, which may be there already.
    Message,
}

impl Purpose {
    fn most_files(self) -> usize {
        match self {
            Purpose::Upload => 1,
            Purpose::Message => limits::MESSAGE_ATTACHMENTS,
        }
    }

    fn content(self) -> Content {
        match self {
            Purpose::Upload => Content::File,
            Purpose::Message => Content::Words,
        }
    }
}

/// Reads a person's request: a JSON object, or a form with files.
pub async fn receive(call: &mut Call, purpose: Purpose) -> Result<Received> {
    let uploads = Arc::clone(&call.api.uploads);
    call.caller.user()?;
    must_fit(call, &uploads, purpose.most_files())?;
    let Some(boundary) = form::boundary(&call.headers)? else {
        // A file as it is, above all: to read it as JSON would tell its sender nothing.
        if purpose == Purpose::Upload && form::other_type(&call.headers).is_some() {
            return Err(Error::invalid(NO_FILE));
        }
        let fields = call.fields().await?;
        return Ok(Received {
            fields,
            attachments: Vec::new(),
            has_empty_choice: false,
            uploads,
        });
    };
    let mut form = Form::new(call.take_body(), boundary);
    let mut received = Received {
        fields: Fields::default(),
        attachments: Vec::new(),
        has_empty_choice: false,
        uploads,
    };
    let read = async {
        read(call, &mut form, &mut received, purpose).await?;
        call.judge_again(purpose.content()).await
    };
    match read.await {
        Ok(()) => Ok(received),
        Err(error) => {
            form.discard().await;
            Err(error)
        }
    }
}

/// A length that is told and too large is refused before anything is read. One that is not told is counted.
fn must_fit(call: &Call, uploads: &Uploads, most_files: usize) -> Result<()> {
    let told = call.headers.get(header::CONTENT_LENGTH);
    let told: Option<u64> = told.and_then(|length| length.to_str().ok()?.parse().ok());
    let most = uploads.limits().most().saturating_mul(most_files as u64);
    let frame = limits::FORM_FRAME_BYTES.saturating_add(limits::BODY_BYTES as u64);
    if told.is_some_and(|length| length > most.saturating_add(frame)) {
        return Err(Error::too_large("The files are larger than any may be."));
    }
    Ok(())
}

async fn read(call: &Call, form: &mut Form, received: &mut Received, purpose: Purpose) -> Result<()> {
    let user = call.caller.user()?;
    let (most_files, mut counted_now) = (purpose.most_files(), 0);
    loop {
        let Some(file) = form.next_file().await? else {
            break;
        };
        if received.attachments.len() == most_files {
            return Err(Error::invalid(match most_files {
                1 => "The form has more than one file; send the others in requests of their own.".to_owned(),
                _ => format!("The form has more than {most_files} files."),
            }));
        }
        // Whoever may not send is refused before the file is read, where the form says soon enough to whom.
        let fields = Fields::from_form(form.texts_so_far())?;
        must_be_let_in(call, &fields).await?;
        let rated = match purpose {
            Purpose::Upload => Rated::Now,
            Purpose::Message => rated(call, user, &fields).await?,
        };
        counted_now += usize::from(rated == Rated::Now);
        let name = file.name.clone();
        let attachment = received
            .uploads
            .receive(call.uploader()?, &name, rated, pieces(file))
            .await?;
        received.attachments.push(attachment);
    }
    received.fields = form.fields()?;
    received.has_empty_choice = form.has_empty_choice();
    if purpose == Purpose::Message && !received.attachments.is_empty() {
        must_be_let_in(call, &received.fields).await?;
        settle(call, user, received, counted_now).await?;
    }
    Ok(())
}

async fn must_be_let_in(call: &Call, fields: &Fields) -> Result<()> {
    draft::must_be_caller(fields, &call.person()?.id)?;
    draft::must_see_named(call, fields).await
}

/// Whether a file counts before it is read, as far as the texts before it tell. What cannot be read of them yet is judged
/// once the form has ended.
async fn rated(call: &Call, user: UserKey, fields: &Fields) -> Result<Rated> {
    let Ok(request) = draft::decode(fields, &call.headers) else {
        return Ok(Rated::Now);
    };
    // A form that begins with its files has not told yet which message it is.
    let is_told = request.conversation.is_some() || request.person.is_some();
    match !is_told || is_repeat(call, user, &request).await? {
        true => Ok(Rated::Later),
        false => Ok(Rated::Now),
    }
}

/// The whole form tells what its files count as. `counted_now`: how many of them have been counted.
async fn settle(call: &Call, user: UserKey, received: &Received, counted_now: usize) -> Result<()> {
    let repeated = match draft::decode(&received.fields, &call.headers) {
        Ok(request) => is_repeat(call, user, &request).await?,
        // The send says what is wrong with it.
        Err(_) => false,
    };
    match repeated {
        true => call.chat().uncount_uploads(user, counted_now),
        false => {
            let counted_later = received.attachments.len() - counted_now;
            let announced = received.uploads.announced(user);
            call.chat().count_uploads(user, counted_later, announced).await?;
        }
    }
    Ok(())
}

async fn is_repeat(call: &Call, user: UserKey, request: &SendRequest) -> Result<bool> {
    Ok(request.client_message_id.is_some() && call.chat().is_repeat(user, request).await?)
}

fn pieces(file: FilePart) -> impl futures_util::Stream<Item = Result<bytes::Bytes>> + Send {
    futures_util::stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let piece = file.next().await.transpose()?;
        let rest = piece.is_ok().then_some(file);
        Some((piece, rest))
    })
}
