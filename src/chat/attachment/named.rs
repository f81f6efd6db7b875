//! The files that somebody names in a message to send.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::{link, new_id};
use crate::{
    chat::Chat,
    model::{
        Attachment, AttachmentId, AttachmentKey, Error, MediaKind, MessageKind, Result, UserKey,
        attachment::{ExternalFile, clean_name},
        limits,
    },
    store::DraftAttachment,
};

/// A file as a request names it, nothing checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileReference {
    /// The id that its upload was answered with.
    Id(String),
    /// An address: a link of ours, or one on a host that the deployment allows. What is told of the file counts for the
    /// latter alone.
    Url {
        url: String,
        name: Option<String>,
        /// In bytes.
        size: Option<u64>,
        file_type: Option<String>,
    },
}

/// The files of a draft, and what follows from them.
#[derive(Debug, Default)]
pub(in crate::chat) struct Named {
    pub(in crate::chat) attachments: Vec<DraftAttachment>,
    /// That of the first file, which the contracts with one file a message show.
    pub(in crate::chat) kind: Option<MessageKind>,
}

impl Chat {
    /// The files that a sender names: their own uploads, and addresses on allowed hosts. `INVALID` for anything else. `told`
    /// is what the sender says that the message is.
    pub(in crate::chat) async fn named_files(
        &self,
        sender: UserKey,
        references: &[FileReference],
        told: MessageKind,
    ) -> Result<Named> {
        if references.is_empty() {
            return Ok(Named::default());
        }
        if references.len() > limits::MESSAGE_ATTACHMENTS {
            return Err(Error::invalid(format!(
                "A message carries at most {} files.",
                limits::MESSAGE_ATTACHMENTS
            )));
        }
        let ids: Vec<AttachmentId> = references.iter().filter_map(id_of).collect();
        let own: HashMap<AttachmentId, Attachment> = match ids.is_empty() {
            true => HashMap::new(),
            false => {
                let found = self.store.attachments_by_id(&ids).await?.into_iter();
                let own = found.filter(|attachment| attachment.owner == sender);
                own.map(|attachment| (attachment.id.clone(), attachment)).collect()
            }
        };
        let mut named = Named::default();
        for reference in references {
            let (attachment, kind) = match (id_of(reference).and_then(|id| own.get(&id)), reference) {
                (Some(attachment), _) => (DraftAttachment::Uploaded(attachment.key), attachment.kind()),
                (None, FileReference::Id(_)) => {
                    return Err(Error::invalid("attachmentIds names no file that you have uploaded."));
                }
                (None, FileReference::Url { .. }) => {
                    let (name, file) = external(reference, told, &self.policy.media.hosts)?;
                    let kind = file.kind;
                    let id = new_id()?;
                    (DraftAttachment::External { id, name, file }, kind)
                }
            };
            named.kind.get_or_insert(MessageKind::from(kind));
            if !named.attachments.iter().any(|known| is_same(known, &attachment)) {
                named.attachments.push(attachment);
            }
        }
        Ok(named)
    }
}

fn id_of(reference: &FileReference) -> Option<AttachmentId> {
    match reference {
        FileReference::Id(id) => AttachmentId::parse(id).ok(),
        FileReference::Url { url, .. } => link::named_by(url),
    }
}

fn is_same(one: &DraftAttachment, other: &DraftAttachment) -> bool {
    match (one, other) {
        (DraftAttachment::External { file: one, .. }, DraftAttachment::External { file: other, .. }) => {
            one.url == other.url
        }
        (one, other) => one == other,
    }
}

/// Adds what makes two drafts' files the same: which they are. Drafts without files are hashed as they always were.
pub(in crate::chat) fn hash_files(hash: &mut Sha256, attachments: &[DraftAttachment]) {
    for attachment in attachments {
        match attachment {
            DraftAttachment::Uploaded(AttachmentKey(key)) => {
                hash.update(b"\0uploaded");
                hash.update(key.to_be_bytes());
            }
            // Not the id, which is new each time.
            DraftAttachment::External { name, file, .. } => {
                hash.update(b"\0external");
                for part in [&file.url, name] {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            }
        }
    }
}

const NO_FILE: &str = "fileUrl names no file that you have uploaded.";

/// A file on a host that the deployment allows, by its name and what is told of it.
fn external(reference: &FileReference, told: MessageKind, hosts: &[String]) -> Result<(String, ExternalFile)> {
    let FileReference::Url {
        url,
        name,
        size,
        file_type,
    } = reference
    else {
        return Err(Error::invalid(NO_FILE));
    };
    // Read as browsers read it, and stored as it was read: what is checked here is what they will open.
    let read = Url::parse(url).ok().filter(|_| url.len() <= limits::URL_CHARS);
    let read = read.filter(|url| is_allowed(url, hosts) && url.as_str().len() <= limits::URL_CHARS);
    let url = read.ok_or_else(|| Error::invalid(NO_FILE))?;
    let last = url
        .path_segments()
        .and_then(|mut parts| parts.next_back())
        .unwrap_or_default();
    let last = percent_decode_str(last).decode_utf8_lossy();
    let file_type = file_type.as_deref().and_then(clean_type);
    let kind = kind_of(file_type.as_deref(), &last, told);
    let name = clean_name(name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&last));
    let file = ExternalFile {
        url: url.into(),
        kind,
        size: size.filter(|size| *size <= limits::TOLD_SIZE_MAX),
        file_type,
    };
    Ok((name, file))
}

/// `https:` on exactly one of these hosts, on its usual port, without a name or password before it.
fn is_allowed(url: &Url, hosts: &[String]) -> bool {
    let is_plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    let host = match url.host() {
        Some(Host::Domain(host)) => host.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        None => return false,
    };
    is_plain && url.port().is_none() && hosts.contains(&host)
}

/// A told type in small letters, if it has the form of one (RFC 6838, section 4.2), without parameters.
fn clean_type(told: &str) -> Option<String> {
    let essence = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (family, name) = essence.split_once('/')?;
    let is_name = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=64).contains(&part.len()) && part.bytes().all(fits)
    };
    (is_name(family) && is_name(name)).then_some(essence)
}

/// How a file elsewhere is shown: by its told type, else by its ending, else by what the message is said to be.
fn kind_of(file_type: Option<&str>, file_name: &str, told: MessageKind) -> MediaKind {
    match file_type.and_then(|file_type| file_type.split('/').next()) {
        Some("image") => return MediaKind::Image,
        Some("video") => return MediaKind::Video,
        Some(_) => return MediaKind::File,
        None => {}
    }
    let ending = file_name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("jpg" | "jpeg" | "png" | "gif" | "webp" | "avif") => return MediaKind::Image,
        Some("mp4" | "m4v" | "webm" | "mov") => return MediaKind::Video,
        Some("pdf" | "txt") => return MediaKind::File,
        _ => {}
    }
    match told {
        MessageKind::Image => MediaKind::Image,
        MessageKind::Video => MediaKind::Video,
        MessageKind::Text | MessageKind::File => MediaKind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> FileReference {
        FileReference::Url {
            url: url.into(),
            name: None,
            size: None,
            file_type: None,
        }
    }

    fn hosts() -> Vec<String> {
        vec!["images.example.com".into()]
    }

    #[test]
    fn an_address_is_taken_from_exactly_the_allowed_hosts() {
        let taken = |url: &str| external(&at(url), MessageKind::Text, &hosts()).is_ok();
        for good in [
            "https://images.example.com/a.jpg",
            "https://IMAGES.example.com:443/a.jpg?x=1#y",
        ] {
            assert!(taken(good), "{good}");
        }
        for bad in [
            "http://images.example.com/a.jpg",
            "https://images.example.com:8443/a.jpg",
            "https://evil.images.example.com/a.jpg",
            "https://images.example.com.evil.test/a.jpg",
            "https://images.example.com@evil.test/a.jpg",
            "https://evil@images.example.com/a.jpg",
            "https://images.example.com\\@evil.test/a.jpg"
                .replace('\\', "%5c")
                .as_str(),
            "https://evil.test\\images.example.com/a.jpg",
            "https://images.example.com./a.jpg",
            "//images.example.com/a.jpg",
            "/a.jpg",
            "javascript:alert(1)//images.example.com",
            "data:text/html,images.example.com",
            "",
            &format!("https://images.example.com/{}", "x".repeat(limits::URL_CHARS)),
        ] {
            assert!(!taken(bad), "{bad}");
        }
        assert!(external(&at("https://images.example.com/a"), MessageKind::Text, &[]).is_err());
    }

    #[test]
    fn what_is_told_of_a_file_elsewhere_is_cleaned() {
        let told = FileReference::Url {
            url: "https://images.example.com/a/b%20c.mov".into(),
            name: Some("../x\r\n.png".into()),
            size: Some(u64::MAX),
            file_type: Some("Image/PNG; charset=x".into()),
        };
        let (name, file) = external(&told, MessageKind::Text, &hosts()).unwrap();
        assert_eq!((name.as_str(), file.size), ("x.png", None));
        assert_eq!(
            (file.file_type.as_deref(), file.kind),
            (Some("image/png"), MediaKind::Image)
        );
        let (name, file) = external(
            &at("https://images.example.com/a/b%20c.mov"),
            MessageKind::Image,
            &hosts(),
        )
        .unwrap();
        assert_eq!(
            (name.as_str(), file.kind, file.file_type),
            ("b c.mov", MediaKind::Video, None)
        );
        let (name, file) = external(&at("https://images.example.com/"), MessageKind::Image, &hosts()).unwrap();
        assert_eq!((name.as_str(), file.kind), ("file", MediaKind::Image));
        for wrong in [
            "",
            "image",
            "image/",
            "a b/c",
            "image/<script>",
            &format!("a/{}", "x".repeat(65)),
        ] {
            assert_eq!(clean_type(wrong), None, "{wrong:?}");
        }
    }
}
