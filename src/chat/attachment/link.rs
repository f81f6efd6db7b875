//! Links to files: of use to whoever was given one, for some hours.
//!
//! `{public url}/media/{attachment}/{variant}?c={conversation}&v={departures}&e={expiry}&s={signature}`. A link is one for
//! all members of a conversation, and the same for hours, so that browsers keep what they have loaded. It is signed over
//! how many memberships of the conversation have ended: who goes out of it takes no link along that works. Without `c` it
//! is for the uploader, before any message names the file.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac, digest::Key};
use sha2::{Digest, Sha256};

use crate::model::{
    Attachment, AttachmentId, Clock, Conversation, Error, MediaType, Result, Timestamp, Variant, attachment::Source,
    limits,
};

/// What signs links: one for all nodes, kept in the database.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

impl LinkKey {
    /// A key from a secret text.
    pub fn new(secret: &str) -> Self {
        // The digest is shorter than the hash's block, so it is a key as it is, filled up with zeros (RFC 2104, section 2).
        let digest = Sha256::digest(secret);
        let mut key = Key::<Hmac<Sha256>>::default();
        for (place, byte) in key.iter_mut().zip(digest) {
            *place = byte;
        }
        LinkKey(Hmac::new(&key))
    }
}

/// Makes links, and knows them again.
pub struct Links {
    key: LinkKey,
    /// Where browsers reach this server, without a slash at its end.
    base: String,
    clock: Arc<dyn Clock>,
}

/// Shows no key.
impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// Where a good link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    pub attachment: Attachment,
    pub variant: Variant,
    /// Of that part's bytes.
    pub media_type: MediaType,
    /// When the link ends.
    pub expires_at: Timestamp,
}

/// What a link says whose signature is good.
pub(super) struct Claim {
    pub(super) id: AttachmentId,
    pub(super) variant: Variant,
    /// Its conversation's id, and how many memberships of it had ended.
    pub(super) conversation: Option<(String, i64)>,
    pub(super) expires_at: Timestamp,
}

/// One sentence for whatever is wrong with a link.
pub(super) fn dead() -> Error {
    Error::forbidden("This link was changed or works no longer; read the message again for a fresh one.")
}

/// What is signed. None of the parts can hold a line break.
struct Signed<'a> {
    id: &'a str,
    variant: Variant,
    /// Empty: the uploader's own.
    conversation: &'a str,
    departures: i64,
    /// In seconds since the Unix epoch.
    expiry: i64,
}

impl Signed<'_> {
    fn over(&self, key: &LinkKey) -> Hmac<Sha256> {
        let Signed {
            id,
            variant,
            conversation,
            departures,
            expiry,
        } = self;
        let signed = format!("{id}\n{}\n{conversation}\n{departures}\n{expiry}", variant.as_str());
        key.0.clone().chain_update(signed)
    }
}

impl Links {
    /// `base`: where browsers reach this server, without a slash at its end.
    pub fn new(key: LinkKey, base: String, clock: Arc<dyn Clock>) -> Self {
        Links { key, base, clock }
    }

    /// The link to a part of an attachment for the members of a conversation; of an external file its address.
    pub fn of(&self, attachment: &Attachment, variant: Variant, conversation: &Conversation) -> String {
        self.made(
            attachment,
            variant,
            Some((conversation.id.as_str(), conversation.departures)),
        )
    }

    /// The link for the uploader alone.
    pub(super) fn of_upload(&self, attachment: &Attachment, variant: Variant) -> String {
        self.made(attachment, variant, None)
    }

    fn made(&self, attachment: &Attachment, variant: Variant, conversation: Option<(&str, i64)>) -> String {
        if let Source::External(file) = &attachment.source {
            return file.url.clone();
        }
        let (conversation, departures) = conversation.unwrap_or_default();
        let id = attachment.id.as_str();
        let expiry = self.expiry();
        let signed = Signed {
            id,
            variant,
            conversation,
            departures,
            expiry,
        };
        let signature = URL_SAFE_NO_PAD.encode(signed.over(&self.key).finalize().into_bytes());
        let place = match conversation {
            "" => String::new(),
            conversation => format!("c={conversation}&v={departures}&"),
        };
        format!(
            "{}/media/{id}/{}?{place}e={expiry}&s={signature}",
            self.base,
            variant.as_str()
        )
    }

    /// Between one and two of these periods from now: the same for everybody who asks within one.
    fn expiry(&self) -> i64 {
        let period = limits::LINK_PERIOD.as_secs() as i64;
        let now = self.clock.now().as_millis().div_euclid(1_000);
        (now.div_euclid(period) + 2) * period
    }

    /// What a link says, if it is to the letter as it was made and has not expired.
    pub(super) fn verified(&self, id: &str, variant: &str, query: &str) -> Result<Claim> {
        let id = AttachmentId::parse(id).map_err(|_| dead())?;
        let variant = Variant::parse(variant).map_err(|_| dead())?;
        let (conversation, expiry, signature) = parts(query).ok_or_else(dead)?;
        let (place, departures) = conversation.unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| dead())?;
        let signed = Signed {
            id: id.as_str(),
            variant,
            conversation: place,
            departures,
            expiry,
        };
        let over = signed.over(&self.key);
        // In constant time.
        over.verify_slice(&signature).map_err(|_| dead())?;
        let expires_at = Timestamp(expiry.saturating_mul(1_000));
        if expires_at <= self.clock.now() {
            return Err(dead());
        }
        Ok(Claim {
            id,
            variant,
            conversation: conversation.map(|(id, departures)| (id.to_owned(), departures)),
            expires_at,
        })
    }
}

/// A conversation's id, and how many memberships of it had ended.
type Place<'a> = (&'a str, i64);

/// The conversation with its departures, the expiry and the signature of a link's query, in the one way in which links are
/// written: one that says the same in other words, or more, is another address to caches, and no link of ours.
fn parts(query: &str) -> Option<(Option<Place<'_>>, i64, &str)> {
    let (place, rest) = match query.strip_prefix("c=") {
        None => (None, query),
        Some(rest) => {
            let (conversation, rest) = rest
                .split_once("&v=")
                .filter(|(conversation, _)| !conversation.is_empty())?;
            let (departures, rest) = rest.split_once('&')?;
            (Some((conversation, number(departures)?)), rest)
        }
    };
    let (expiry, signature) = rest.strip_prefix("e=")?.split_once("&s=")?;
    Some((place, number(expiry)?, signature))
}

/// A number as `Display` writes it: `+1` and `01` are not.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// The attachment that an address of ours names, whatever is signed in it, whether it has expired, and wherever this
/// server was reached when it was made. `None` for any other address.
pub(super) fn named_by(url: &str) -> Option<AttachmentId> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    let (last, before, first) = (parts.next()?, parts.next()?, parts.next()?);
    let id = match (first, before, last) {
        ("media", id, variant) if Variant::parse(variant).is_ok() => id,
        ("v1", "attachments", id) => id,
        _ => return None,
    };
    let is_ours = id.len() == limits::ATTACHMENT_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_ours.then(|| AttachmentId::trusted(id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::clock::SystemClock;

    fn links() -> Links {
        Links::new(
            LinkKey::new("a key"),
            "https://chat.example.com".into(),
            Arc::new(SystemClock),
        )
    }

    const ID: &str = "7n42dgm5tflk9n8mt7fhc7fh9x";

    #[test]
    fn a_link_is_good_to_the_letter_and_not_in_other_words() {
        let links = links();
        let signed = |conversation: &str, expiry: i64| {
            let signed = Signed {
                id: ID,
                variant: Variant::File,
                conversation,
                departures: 0,
                expiry,
            };
            URL_SAFE_NO_PAD.encode(signed.over(&links.key).finalize().into_bytes())
        };
        let expiry = links.expiry();
        let (own, shared) = (signed("", expiry), signed("con", expiry));
        let is_good = |query: &str| links.verified(ID, "file", query).is_ok();
        assert!(is_good(&format!("e={expiry}&s={own}")));
        assert!(is_good(&format!("c=con&v=0&e={expiry}&s={shared}")));
        for other in [
            format!("e={expiry}&s={own}&x=1"),
            format!("x=1&e={expiry}&s={own}"),
            format!("e={expiry}&s={own}&"),
            format!("&e={expiry}&s={own}"),
            format!("e=+{expiry}&s={own}"),
            format!("e=0{expiry}&s={own}"),
            format!("s={own}&e={expiry}"),
            format!("e={expiry}&s={own}="),
            format!("c=&v=0&e={expiry}&s={own}"),
            format!("v=0&e={expiry}&s={own}"),
            format!("c=con&v=+0&e={expiry}&s={shared}"),
            format!("c=con&v=-0&e={expiry}&s={shared}"),
            format!("c=con&c=con&v=0&e={expiry}&s={shared}"),
            format!("v=0&c=con&e={expiry}&s={shared}"),
        ] {
            assert!(!is_good(&other), "{other}");
        }
    }

    #[test]
    fn an_address_of_ours_is_known_wherever_it_was_made() {
        for ours in [
            format!("https://chat.example.com/media/{ID}/file?c=x&v=0&e=1&s=y"),
            format!("http://old.example.net:8443/chat/media/{ID}/thumbnail#x"),
            format!("/media/{ID}/poster"),
            format!("https://chat.example.com/v1/attachments/{ID}?variant=file"),
        ] {
            assert_eq!(named_by(&ours), Some(AttachmentId::trusted(ID)), "{ours}");
        }
        for other in [
            ID.to_owned(),
            format!("https://chat.example.com/media/{ID}"),
            format!("https://chat.example.com/media/{ID}/original"),
            format!("https://chat.example.com/media/{ID}/file/"),
            format!("https://chat.example.com/?/media/{ID}/file"),
            format!("https://chat.example.com/media/{ID}x/file"),
            "https://chat.example.com/media/../file".into(),
            "/media//file".into(),
            String::new(),
        ] {
            assert_eq!(named_by(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_no_link_is_good_by_chance(
            id in ".{0,40}", variant in "file|poster|.{0,8}", query in "([cves]=[-_0-9a-zA-Z%]{0,24}&?){0,6}|.{0,80}"
        ) {
            prop_assert!(links().verified(&id, &variant, &query).is_err());
            prop_assert!(links().verified(ID, "file", &query).is_err());
        }

        #[test]
        fn any_text_may_be_sent_as_an_address(url in ".{0,80}|(/|media|file|v1|attachments|[a-z0-9]{26}|[?#]){0,8}") {
            if let Some(id) = named_by(&url) {
                prop_assert!(AttachmentId::parse(id.as_str()).is_ok());
            }
        }
    }
}
