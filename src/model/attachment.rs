//! Files that messages carry: what is known of one, wherever its bytes are.

use std::{borrow::Cow, fmt};

use super::{
    clock::Timestamp,
    error::{Error, Result},
    id::{AttachmentId, AttachmentKey, UserKey},
    message::MessageKind,
};

/// A file that is there as a whole, and that messages may carry. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub key: AttachmentKey,
    pub id: AttachmentId,
    /// Who uploaded it, or sent its address: nobody else sends it.
    pub owner: UserKey,
    /// The file's name, as it is shown and offered for saving; see [`clean_name`].
    pub name: String,
    pub source: Source,
    pub created_at: Timestamp,
}

/// A file on its way in, or one that no message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub key: AttachmentKey,
    pub id: AttachmentId,
    pub owner: UserKey,
    /// As it will be shown.
    pub name: String,
    /// When it was begun.
    pub created_at: Timestamp,
}

/// Where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here; its parts are found by [`AttachmentId`] and [`Variant`].
    Stored(FileFacts),
    External(ExternalFile),
}

/// What the bytes of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub media_type: MediaType,
    /// In bytes, as it is stored.
    pub size: u64,
    /// As it is shown, in pixels.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub duration_ms: Option<u64>,
    /// A small image of it.
    pub thumbnail: Option<Rendition>,
    /// The image that stands for a video before it plays.
    pub poster: Option<Rendition>,
    /// A blurred, tiny image as a `data:` URL, at most [`PREVIEW_BYTES`] long.
    pub preview: Option<String>,
}

/// Longest [`FileFacts::preview`], in bytes.
pub const PREVIEW_BYTES: usize = 1_000;

/// A file of which only the address is known, on a host that the deployment allows. What is told of it is the sender's
/// word, for display alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalFile {
    pub url: String,
    pub kind: MediaKind,
    /// In bytes.
    pub size: Option<u64>,
    /// As `image/jpeg`.
    pub file_type: Option<String>,
}

/// An image that was made from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendition {
    pub media_type: MediaType,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// The parts of a stored file that have bytes and links of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    File,
    Thumbnail,
    Poster,
}

/// What a file is to whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Image,
    Video,
    File,
}

/// The types of files that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    Jpeg,
    Png,
    Gif,
    Webp,
    Mp4,
    Webm,
    Quicktime,
    /// Sound alone, in the container of MP4.
    Mp4Audio,
    WebmAudio,
    Pdf,
    Text,
}

impl MediaType {
    pub const ALL: [MediaType; 11] = [
        MediaType::Jpeg,
        MediaType::Png,
        MediaType::Gif,
        MediaType::Webp,
        MediaType::Mp4,
        MediaType::Webm,
        MediaType::Quicktime,
        MediaType::Mp4Audio,
        MediaType::WebmAudio,
        MediaType::Pdf,
        MediaType::Text,
    ];

    /// The registered name (RFC 6838), without parameters.
    pub fn as_str(self) -> &'static str {
        match self {
            MediaType::Jpeg => "image/jpeg",
            MediaType::Png => "image/png",
            MediaType::Gif => "image/gif",
            MediaType::Webp => "image/webp",
            MediaType::Mp4 => "video/mp4",
            MediaType::Webm => "video/webm",
            MediaType::Quicktime => "video/quicktime",
            MediaType::Mp4Audio => "audio/mp4",
            MediaType::WebmAudio => "audio/webm",
            MediaType::Pdf => "application/pdf",
            MediaType::Text => "text/plain",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media_type| media_type.as_str() == text)
    }

    /// The endings by which names of such files are known, the usual one first. Of text only those that no system runs or
    /// shows as a page.
    fn endings(self) -> &'static [&'static str] {
        match self {
            MediaType::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            MediaType::Png => &["png"],
            MediaType::Gif => &["gif"],
            MediaType::Webp => &["webp"],
            MediaType::Mp4 => &["mp4", "m4v"],
            MediaType::Webm => &["webm"],
            MediaType::Quicktime => &["mov", "qt"],
            MediaType::Mp4Audio => &["m4a", "mp4"],
            MediaType::WebmAudio => &["weba", "webm"],
            MediaType::Pdf => &["pdf"],
            MediaType::Text => &["txt", "text", "md", "csv", "log"],
        }
    }

    /// The name under which such a file may lie on somebody's disk: what opens it there goes by its ending, which must not
    /// say another type than the bytes do.
    pub fn fitting_name(self, name: &str) -> Cow<'_, str> {
        let endings = self.endings();
        let is_fitting = |ending: &str| endings.iter().any(|known| known.eq_ignore_ascii_case(ending));
        match name.rsplit_once('.') {
            Some((_, ending)) if is_fitting(ending) => Cow::Borrowed(name),
            _ => Cow::Owned(format!("{name}.{}", endings[0])),
        }
    }

    pub fn kind(self) -> MediaKind {
        match self {
            MediaType::Jpeg | MediaType::Png | MediaType::Gif | MediaType::Webp => MediaKind::Image,
            MediaType::Mp4 | MediaType::Webm | MediaType::Quicktime => MediaKind::Video,
            MediaType::Mp4Audio | MediaType::WebmAudio | MediaType::Pdf | MediaType::Text => MediaKind::File,
        }
    }
}

impl MediaKind {
    pub fn as_str(self) -> &'static str {
        MessageKind::from(self).as_str()
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "image" => Some(MediaKind::Image),
            "video" => Some(MediaKind::Video),
            "file" => Some(MediaKind::File),
            _ => None,
        }
    }
}

impl From<MediaKind> for MessageKind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Image => MessageKind::Image,
            MediaKind::Video => MessageKind::Video,
            MediaKind::File => MessageKind::File,
        }
    }
}

impl Variant {
    pub const ALL: [Variant; 3] = [Variant::File, Variant::Thumbnail, Variant::Poster];

    /// As it stands in links.
    pub fn as_str(self) -> &'static str {
        match self {
            Variant::File => "file",
            Variant::Thumbnail => "thumbnail",
            Variant::Poster => "poster",
        }
    }

    /// `NOT_FOUND` for anything but the three.
    pub fn parse(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|variant| variant.as_str() == text);
        known.ok_or_else(|| Error::not_found("attachment"))
    }
}

impl Attachment {
    pub fn kind(&self) -> MediaKind {
        match &self.source {
            Source::Stored(facts) => facts.media_type.kind(),
            Source::External(file) => file.kind,
        }
    }

    /// As `image/jpeg`; of an external file what its sender said.
    pub fn file_type(&self) -> Option<&str> {
        match &self.source {
            Source::Stored(facts) => Some(facts.media_type.as_str()),
            Source::External(file) => file.file_type.as_deref(),
        }
    }

    /// In bytes; of an external file what its sender said.
    pub fn size(&self) -> Option<u64> {
        match &self.source {
            Source::Stored(facts) => Some(facts.size),
            Source::External(file) => file.size,
        }
    }

    /// What its bytes say; `None` of an external file.
    pub fn facts(&self) -> Option<&FileFacts> {
        match &self.source {
            Source::Stored(facts) => Some(facts),
            Source::External(_) => None,
        }
    }

    /// The type of this part's bytes; `None` where there is no such part here.
    pub fn variant_type(&self, variant: Variant) -> Option<MediaType> {
        let facts = self.facts()?;
        match variant {
            Variant::File => Some(facts.media_type),
            Variant::Thumbnail => facts.thumbnail.map(|image| image.media_type),
            Variant::Poster => facts.poster.map(|image| image.media_type),
        }
    }
}

/// `image/jpeg 480x360`, as it is stored.
impl fmt::Display for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.media_type.as_str(), self.width, self.height)
    }
}

impl Rendition {
    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (media_type, size) = text.split_once(' ')?;
        let (width, height) = size.split_once('x')?;
        Some(Rendition {
            media_type: MediaType::parse(media_type)?,
            width: width.parse().ok()?,
            height: height.parse().ok()?,
        })
    }
}

/// Longest name of a file that is kept, in characters: what comes before the ending is cut.
const NAME_CHARS: usize = 200;
/// Longest ending that survives such a cut, in characters, its dot counted.
const ENDING_CHARS: usize = 12;

/// A file's name without folders and without characters that no name needs or that turn the reading direction of what
/// stands beside it; `file` where nothing is left.
pub fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !is_unfit(*c)).collect();
    let kept = kept.trim_matches(|c: char| c.is_whitespace() || c == '.');
    if kept.is_empty() {
        return "file".to_owned();
    }
    let characters = kept.chars().count();
    if characters <= NAME_CHARS {
        return kept.to_owned();
    }
    let ending = kept.rfind('.').map_or("", |dot| &kept[dot..]);
    let ending_characters = ending.chars().count();
    let ending = if ending_characters <= ENDING_CHARS { ending } else { "" };
    let stem = NAME_CHARS - ending.chars().count();
    kept.chars().take(stem).chain(ending.chars()).collect()
}

/// Control characters, and the invisible ones by which `exe.jpg` is made to read `gpj.exe`.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_it_says_and_loses_its_folders() {
        for (given, kept) in [
            ("Küche (2).JPG", "Küche (2).JPG"),
            ("C:\\Users\\me\\plan.pdf", "plan.pdf"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nSet-Cookie: b\0.png", "aSet-Cookie: b.png"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("...", "file"),
            ("", "file"),
            ("folder/", "file"),
            (" .htaccess ", "htaccess"),
        ] {
            assert_eq!(clean_name(given), kept, "{given:?}");
        }
    }

    #[test]
    fn a_file_is_saved_under_an_ending_that_says_what_it_is() {
        for (media_type, name, fitting) in [
            (MediaType::Text, "inv.html", "inv.html.txt"),
            (MediaType::Text, "run.bat", "run.bat.txt"),
            (MediaType::Text, "table.CSV", "table.CSV"),
            (MediaType::Text, "README", "README.txt"),
            (MediaType::Png, "a.html", "a.html.png"),
            (MediaType::Png, "a.PNG", "a.PNG"),
            (MediaType::Png, "a.jpg", "a.jpg.png"),
            (MediaType::Jpeg, "a.jpeg", "a.jpeg"),
            (MediaType::Quicktime, "clip.qt", "clip.qt"),
            (MediaType::Pdf, "plan.pdf.exe", "plan.pdf.exe.pdf"),
        ] {
            assert_eq!(media_type.fitting_name(name), fitting);
        }
        for media_type in MediaType::ALL {
            let name = format!("x.{}", media_type.endings()[0]);
            assert_eq!(media_type.fitting_name(&name), name);
        }
    }

    #[test]
    fn a_name_that_is_too_long_keeps_its_ending() {
        let long = clean_name(&format!("{}.jpeg", "é".repeat(500)));
        assert_eq!(long.chars().count(), NAME_CHARS);
        assert!(long.ends_with("é.jpeg"));
        let all_ending = clean_name(&format!("a.{}", "x".repeat(500)));
        assert_eq!(all_ending.chars().count(), NAME_CHARS);
    }

    #[test]
    fn what_is_stored_as_text_reads_back() {
        for media_type in MediaType::ALL {
            assert_eq!(MediaType::parse(media_type.as_str()), Some(media_type));
            let rendition = Rendition {
                media_type,
                width: 480,
                height: 1,
            };
            assert_eq!(Rendition::parse(&rendition.to_string()), Some(rendition));
        }
        for kind in [MediaKind::Image, MediaKind::Video, MediaKind::File] {
            assert_eq!(MediaKind::parse(kind.as_str()), Some(kind));
        }
        for wrong in ["", "image/jpeg", "image/jpeg 1", "image/svg+xml 1x1", "image/jpeg -1x1"] {
            assert_eq!(Rendition::parse(wrong), None, "{wrong:?}");
        }
    }
}
