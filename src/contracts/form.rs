//! Forms (`multipart/form-data`, RFC 7578) as they arrive: texts are collected, files pass through piece by piece.
//!
//! The parser takes in whatever its source gives, so the source gives one piece at a time, and no more than a header's
//! length until the parser gives something back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, header};
use multer::{Field, Multipart};
use percent_encoding::percent_decode_str;

use super::{json::Fields, rest::body_error};
use crate::{
    model::{Error, Result, limits},
    transport::{
        http::BodyFault,
        paced::{Pace, paced},
    },
};

/// The part in which files stand.
const FILE_PART: &str = "file";

/// The boundary of a request that is a form; `None` of any other.
pub fn boundary(headers: &HeaderMap) -> Result<Option<String>> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(content_type) = content_type.filter(|content_type| is_form(content_type)) else {
        return Ok(None);
    };
    let no_boundary = |_| {
        Error::invalid(
            "The Content-Type multipart/form-data names no boundary: leave that header to what makes the form (in a browser, set none).",
        )
    };
    multer::parse_boundary(content_type).map(Some).map_err(no_boundary)
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_form(content_type: &str) -> bool {
    media_type(content_type).eq_ignore_ascii_case("multipart/form-data")
}

/// What a request says it brings, where that is neither a form nor JSON.
pub fn other_type(headers: &HeaderMap) -> Option<&str> {
    let told = media_type(headers.get(header::CONTENT_TYPE)?.to_str().ok()?);
    let is_json = told.eq_ignore_ascii_case("application/json") || told.ends_with("+json");
    (!told.is_empty() && !is_json && !is_form(told)).then_some(told)
}

/// What is wrong with a body of another type that cannot be read as JSON.
pub fn as_other_type(headers: &HeaderMap) -> Option<Error> {
    let told: String = other_type(headers)?.chars().take(100).collect();
    Some(Error::invalid(format!(
        "The body is of the type {told}, which is not taken here: send JSON, or a form (multipart/form-data)."
    )))
}

/// A form that is being read.
pub struct Form {
    parts: Multipart<'static>,
    source: Source,
    texts: Vec<(String, String)>,
    /// Of the texts, in all.
    text_bytes: usize,
    parts_read: usize,
    /// A file input came in which nothing was chosen.
    has_empty_choice: bool,
}

/// A part that is a file.
pub struct FilePart {
    /// As the client calls it; cleaned by whoever keeps it.
    pub name: String,
    /// Was read to see that the part is not empty.
    first: Option<Bytes>,
    field: Field<'static>,
    source: Source,
}

impl Form {
    pub fn new(body: Body, boundary: String) -> Self {
        // Fused: it is asked again after its end when what is left is thrown away.
        let pieces = paced(body, Pace::default())
            .map(|piece| piece.map_err(body_error))
            .fuse();
        let source = Source {
            shared: Arc::new(Shared {
                pieces: Mutex::new(Box::pin(pieces)),
                held: AtomicUsize::new(0),
            }),
            rests: false,
        };
        Form {
            parts: Multipart::new(source.clone(), boundary),
            source,
            texts: Vec::new(),
            text_bytes: 0,
            parts_read: 0,
            has_empty_choice: false,
        }
    }

    /// Reads all of it, within the time of a JSON body; a file is refused.
    pub async fn without_files(mut self) -> Result<Fields> {
        let read = async {
            match self.next_file().await? {
                None => Ok(()),
                Some(_) => Err(Error::unsupported_media("This route takes no files.")),
            }
        };
        let read = tokio::time::timeout(limits::BODY_TIME, read).await;
        match read.unwrap_or_else(|_| Err(body_error(BodyFault::TooSlow))) {
            Ok(()) => self.fields(),
            Err(error) => {
                self.discard().await;
                Err(error)
            }
        }
    }

    /// Reads up to the next file and into it; `None` at the form's end. The file before it must have been read to its end.
    pub async fn next_file(&mut self) -> Result<Option<FilePart>> {
        loop {
            self.source.gave();
            let Some(mut field) = self.parts.next_field().await.map_err(form_error)? else {
                return Ok(None);
            };
            self.parts_read += 1;
            if self.parts_read > limits::FORM_PARTS {
                return Err(Error::invalid("The form has more than 100 parts."));
            }
            let Some(name) = field.name().map(str::to_owned) else {
                return Err(Error::invalid("A part of the form has no name."));
            };
            let Some(file_name) = file_name(&name, &field) else {
                self.text(name, field).await?;
                continue;
            };
            let first = next_bytes(&mut field, &self.source).await?;
            if first.is_none() && file_name.is_empty() {
                // A page's form sends this for a file input in which nothing was chosen.
                self.has_empty_choice = true;
                continue;
            }
            if name != FILE_PART {
                return Err(Error::invalid(format!(
                    "A file must stand in a part with the name {FILE_PART:?}, and this one has the name {:?}.",
                    name.chars().take(100).collect::<String>()
                )));
            }
            return Ok(Some(FilePart {
                name: file_name,
                first,
                field,
                source: self.source.clone(),
            }));
        }
    }

    async fn text(&mut self, name: String, mut field: Field<'static>) -> Result<()> {
        let mut text = Vec::new();
        self.text_bytes += name.len();
        while let Some(bytes) = next_bytes(&mut field, &self.source).await? {
            self.text_bytes += bytes.len();
            if self.text_bytes > limits::BODY_BYTES {
                return Err(Error::too_large(
                    "The texts of the form are longer than 1,000,000 bytes.",
                ));
            }
            text.extend_from_slice(&bytes);
        }
        let text = String::from_utf8(text).map_err(|_| {
            Error::invalid(match name == FILE_PART {
                true => "The part called file has no file name: add filename=\"...\" to its Content-Disposition.",
                false => "The form is not valid UTF-8.",
            })
        })?;
        self.texts.push((name, text));
        Ok(())
    }

    /// Was there a file input in which nothing was chosen, as far as was read?
    pub fn has_empty_choice(&self) -> bool {
        self.has_empty_choice
    }

    /// The texts that were read so far.
    pub fn texts_so_far(&self) -> Vec<(String, String)> {
        self.texts.clone()
    }

    /// The texts, once all was read.
    pub fn fields(&mut self) -> Result<Fields> {
        Fields::from_form(std::mem::take(&mut self.texts))
    }

    /// Reads and throws away what is left, within a bound: who is refused before the end of a request hears of it only
    /// when the rest was taken.
    pub async fn discard(&self) {
        self.source.discard().await;
    }
}

impl FilePart {
    /// The next bytes; `None` at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        next_bytes(&mut self.field, &self.source).await
    }
}

/// The next bytes of a part, at least one; `None` at its end.
async fn next_bytes(field: &mut Field<'static>, source: &Source) -> Result<Option<Bytes>> {
    loop {
        source.gave();
        match field.chunk().await.map_err(form_error)? {
            Some(bytes) if bytes.is_empty() => {}
            next => return Ok(next),
        }
    }
}

/// What a part's file is called; `None`: it is a text.
fn file_name(part: &str, field: &Field<'_>) -> Option<String> {
    if let Some(name) = field.file_name() {
        return Some(unescaped(name));
    }
    // RFC 7578 forbids this, and some libraries write it alone.
    let disposition = field.headers().get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let extended = disposition.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        let is_extended = name.trim().eq_ignore_ascii_case("filename*");
        // A character set, a language and the name (RFC 5987).
        is_extended.then(|| value.trim().splitn(3, '\'').nth(2).unwrap_or_default())
    });
    if let Some(name) = extended {
        return Some(percent_decode_str(name).decode_utf8_lossy().into_owned());
    }
    // From libraries that were given bytes alone. No library gives a type but text/plain to what is a text.
    let is_typed = field
        .content_type()
        .is_some_and(|told| told.essence_str() != "text/plain");
    (part == FILE_PART && is_typed).then(String::new)
}

/// Browsers write a quote and line ends in names as these (HTML, section 4.10.21.8).
fn unescaped(name: &str) -> String {
    name.replace("%22", "\"").replace("%0D", "").replace("%0A", "")
}

fn form_error(error: multer::Error) -> Error {
    match error {
        // What the source refused goes through the parser as it is.
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => Error::invalid("The form cannot be read."),
        },
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
            Error::invalid("The form ended before its end.")
        }
        _ => Error::invalid("The form cannot be read."),
    }
}

/// The body's pieces, for the parser.
struct Source {
    shared: Arc<Shared>,
    /// A piece was given, and the parser must work before there is another.
    rests: bool,
}

struct Shared {
    /// Behind a lock only so that the rest can be thrown away past the parser; nobody ever waits for it.
    pieces: Mutex<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>>,
    /// Bytes that the parser took since it last gave something.
    held: AtomicUsize,
}

impl Clone for Source {
    fn clone(&self) -> Self {
        Source {
            shared: Arc::clone(&self.shared),
            rests: false,
        }
    }
}

impl Source {
    fn gave(&self) {
        self.shared.held.store(0, Relaxed);
    }

    fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let mut pieces = self.shared.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.as_mut().poll_next(context)
    }

    async fn discard(&self) {
        let discarded = async {
            let mut bytes = 0;
            while let Some(Ok(piece)) = std::future::poll_fn(|context| self.poll_piece(context)).await {
                bytes += piece.len();
                if bytes > limits::DISCARDED_BODY_BYTES {
                    return;
                }
            }
        };
        let _: std::result::Result<(), _> = tokio::time::timeout(DISCARD_TIME, discarded).await;
    }
}

const DISCARD_TIME: Duration = limits::DISCARDED_BODY_TIME;

impl Stream for Source {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rests {
            self.rests = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = self.poll_piece(context);
        if let Poll::Ready(Some(Ok(piece))) = &piece {
            self.rests = true;
            let held = self.shared.held.fetch_add(piece.len(), Relaxed) + piece.len();
            if held > limits::FORM_HELD_BYTES {
                return Poll::Ready(Some(Err(Error::invalid(
                    "A part of the form has headers that are too long.",
                ))));
            }
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    fn body(pieces: Vec<Vec<u8>>) -> Body {
        Body::from_stream(futures_util::stream::iter(
            pieces
                .into_iter()
                .map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))),
        ))
    }

    fn text(name: &str, value: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    fn file(name: &str, file_name: &str, content: &str) -> String {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: image/png\r\n\r\n{content}\r\n"
        )
    }

    /// Names and contents of the files, and the texts as JSON.
    async fn read(form: &mut Form) -> Result<(Vec<(String, String)>, Fields)> {
        let mut files = Vec::new();
        while let Some(mut file) = form.next_file().await? {
            let mut content = Vec::new();
            while let Some(bytes) = file.next().await? {
                content.extend_from_slice(&bytes);
            }
            files.push((file.name, String::from_utf8(content).unwrap()));
        }
        Ok((files, form.fields()?))
    }

    async fn read_in_pieces(text: &str, piece: usize) -> Result<(Vec<(String, String)>, Fields)> {
        let pieces = text.as_bytes().chunks(piece).map(<[u8]>::to_vec).collect();
        read(&mut Form::new(body(pieces), "b".to_owned())).await
    }

    #[tokio::test]
    async fn texts_and_files_come_in_any_order_and_in_any_pieces() {
        let form = [
            text("content", "Hallo\r\n--c"),
            file("file", "a \u{fc}%22.png", "first\r\n--not the end"),
            text("type", "image"),
            file("file", "b.png", ""),
            file("file", "", ""),
            file("other", "", ""),
            "--b--\r\n".to_owned(),
        ]
        .concat();
        for piece in [1, 2, 7, 64, 100_000] {
            let (files, fields) = read_in_pieces(&form, piece).await.unwrap();
            assert_eq!(
                files,
                [
                    ("a \u{fc}\".png".to_owned(), "first\r\n--not the end".to_owned()),
                    ("b.png".to_owned(), String::new())
                ]
            );
            assert_eq!(fields.text("content").unwrap(), Some("Hallo\r\n--c"));
            assert_eq!(fields.text("type").unwrap(), Some("image"));
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused_in_a_sentence() {
        let end = "--b--\r\n";
        for (form, code) in [
            ("".to_owned(), Code::Invalid),
            ("not a form".to_owned(), Code::Invalid),
            ("--b\r\n\r\n".to_owned(), Code::Invalid),
            (text("content", "no end"), Code::Invalid),
            (file("file", "a.png", "no end"), Code::Invalid),
            (file("photo", "a.png", "x") + end, Code::Invalid),
            (text("a", "1") + &text("a", "2") + end, Code::Invalid),
            (text("a", &"x".repeat(1_000_001)) + end, Code::TooLarge),
            (
                (0..101).map(|n| text(&n.to_string(), "x")).collect::<String>() + end,
                Code::Invalid,
            ),
            (format!("--b\r\nX: {}", "y".repeat(1_000_000)), Code::Invalid),
            ("y".repeat(1_000_000), Code::Invalid),
        ] {
            let refused = read_in_pieces(&form, 10_000).await.unwrap_err();
            assert_eq!(refused.code, code, "{}: {refused}", &form[..form.len().min(60)]);
        }
    }

    #[tokio::test]
    async fn a_form_may_be_thrown_away_at_any_point_also_at_its_end() {
        let end = "--b--\r\n";
        for whole in [
            text("a", "1") + end,
            file("file", "a.png", "x") + end,
            file("photo", "a.png", "x") + end,
        ] {
            let mut form = Form::new(body(vec![whole.into_bytes()]), "b".to_owned());
            let _ = read(&mut form).await;
            form.discard().await;
            form.discard().await;
        }
    }

    #[tokio::test]
    async fn a_source_that_is_always_ready_is_read_no_faster_than_its_bytes_are_taken() {
        let given = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&given);
        let head = file("file", "endless.png", "");
        let head = Bytes::from(head.trim_end().to_owned() + "\r\n\r\n");
        let endless = futures_util::stream::once(async move { Ok::<_, std::io::Error>(head) }).chain(
            futures_util::stream::repeat_with(move || {
                counted.fetch_add(1, Relaxed);
                Ok(Bytes::from(vec![b'x'; 30_000]))
            }),
        );
        let mut form = Form::new(Body::from_stream(endless), "b".to_owned());
        let mut file = form.next_file().await.unwrap().unwrap();
        let mut taken = 0;
        while taken < 10_000_000 {
            taken += file.next().await.unwrap().unwrap().len();
            let ahead = given.load(Relaxed) * 30_000 - taken.min(given.load(Relaxed) * 30_000);
            assert!(ahead <= limits::FORM_HELD_BYTES, "{ahead} bytes are held");
        }
    }
}
