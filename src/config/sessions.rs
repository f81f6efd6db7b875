//! How sessions of the host application's own sign-in (NextAuth, Auth.js) are read.

use super::{
    ConfigFault, Reader, Secret, WebOrigin, advice_on_length,
    values::{self, Wrong, list, wrong},
};
use crate::model::limits;

/// A secret, and what its user calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecret {
    /// As `AUTH_SECRET`: fit to be shown.
    pub name: String,
    pub secret: Secret,
}

/// Without a secret and without a site no session is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// In the order in which they are tried.
    pub secrets: Vec<NamedSecret>,
    /// The site that is asked about sessions that no secret decrypts, without a slash at its end.
    pub site: Option<String>,
    /// Empty: the packages' own.
    pub cookie_names: Vec<String>,
    /// `None`: the cookie's name.
    pub salt: Option<String>,
    /// The claim that is the user's id.
    pub user_id: String,
}

/// As Auth.js tries them, the newest first; the one of NextAuth last.
const SECRETS: [&str; 5] = [
    "auth_secret_3",
    "auth_secret_2",
    "auth_secret_1",
    "auth_secret",
    "nextauth_secret",
];

impl Reader<'_> {
    pub(super) fn sessions(&mut self) -> Result<SessionSettings, ConfigFault> {
        let mut secrets: Vec<NamedSecret> = Vec::new();
        for key in SECRETS {
            if let Some((secret, found)) = self.optional_found(key, values::secret)? {
                self.note_on_secret(&secret, &found.name);
                secrets.push(NamedSecret {
                    name: found.name,
                    secret,
                });
            }
        }
        let site = self.optional_found("session_url", site_url)?;
        let is_read = !secrets.is_empty() || site.is_some();
        let cookie_names = self.optional_found("session_cookie", cookie_names)?;
        let salt = self.optional_found("session_salt", cookie_name)?;
        let user_id = match self.optional_found("session_user_id", user_id_claim)? {
            Some((user_id, found)) => {
                self.note_unread(is_read, &found.name);
                user_id
            }
            None => self.with_default("session_user_id", user_id_claim)?,
        };
        for name in [
            cookie_names.as_ref().map(|(_, found)| found.name.clone()),
            salt.as_ref().map(|(_, found)| found.name.clone()),
        ]
        .into_iter()
        .flatten()
        {
            self.note_unread(is_read, &name);
        }
        if let Some((site, found)) = &site
            && WebOrigin::of_page(site).is_some_and(|origin| !origin.is_https() && !origin.is_loopback())
        {
            self.notes.push(format!(
                "{} is not https, so session cookies go there in the clear; use it in a network of your own alone.",
                found.name
            ));
        }
        Ok(SessionSettings {
            secrets,
            site: site.map(|(site, _)| site),
            cookie_names: cookie_names.map(|(names, _)| names).unwrap_or_default(),
            salt: salt.map(|(salt, _)| salt),
            user_id,
        })
    }

    fn note_unread(&mut self, is_read: bool, name: &str) {
        if !is_read {
            self.notes.push(format!(
                "{name} is set, but no session is read; set NEXTAUTH_SECRET or AUTH_SECRET to the one of your application, or \
                 DOORBELL_SESSION_URL to its address."
            ));
        }
    }

    fn note_on_secret(&mut self, secret: &Secret, name: &str) {
        let text = secret.expose();
        let quotes = ['"', '\'', '`'];
        if text.len() < limits::SECRET_BYTES_ADVISED {
            self.notes.push(advice_on_length(name));
        }
        if text.trim() != text || text.starts_with(quotes) || text.ends_with(quotes) {
            self.notes.push(format!(
                "{name} begins or ends with a blank or a quotation mark, which counts as a part of it; your application may \
                 not see it so (docker --env-file keeps quotation marks, dotenv takes them away)."
            ));
        }
    }
}

const COOKIE_MEND: &str = "write the name of your application's session cookie, as __Secure-authjs.session-token";

/// What the packages' cookies of other kinds end in.
pub const OTHER_KINDS: [&str; 6] = [
    "state",
    "nonce",
    "pkce.code_verifier",
    "challenge",
    "csrf-token",
    "callback-url",
];

/// Is this the name of one of the packages' cookies that are no sessions? Before next-auth 4.24.5 some of them were encrypted
/// as sessions are (CVE-2023-48309).
pub fn is_of_another_kind(name: &str) -> bool {
    let bare = name
        .strip_prefix("__Secure-")
        .or_else(|| name.strip_prefix("__Host-"))
        .unwrap_or(name);
    ["authjs.", "next-auth."]
        .iter()
        .filter_map(|package| bare.strip_prefix(package))
        .any(|kind| OTHER_KINDS.contains(&kind))
}

/// An `http:` or `https:` URL of the host application, which is asked about sessions.
fn site_url(text: &str) -> Result<String, Wrong> {
    values::base_url(text).map_err(|wrong| Wrong {
        mend: "write https://www.example.com".into(),
        ..wrong
    })
}

/// Names of cookies (RFC 6265, section 4.1.1), and not those of this product's own.
fn cookie_names(text: &str) -> Result<Vec<String>, Wrong> {
    let mut names: Vec<String> = Vec::new();
    for part in list(text) {
        cookie_name(part)?;
        if !names.iter().any(|name| name == part) {
            names.push(part.to_owned());
        }
    }
    match names.len() {
        1..=limits::SESSION_NAMES => Ok(names),
        0 => wrong("names no cookie", COOKIE_MEND),
        _ => wrong(format!("has more than {} names", limits::SESSION_NAMES), COOKIE_MEND),
    }
}

/// One name of a session cookie.
fn cookie_name(text: &str) -> Result<String, Wrong> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || text.len() > limits::COOKIE_NAME_BYTES || !text.bytes().all(is_of_token) {
        return wrong("is not the name of a cookie", COOKIE_MEND);
    }
    if text.eq_ignore_ascii_case("doorbell_session") {
        return wrong("is the cookie of Doorbell's own sessions", COOKIE_MEND);
    }
    match is_of_another_kind(text) {
        true => wrong(
            "is a cookie of your application's sign-in that is no session",
            COOKIE_MEND,
        ),
        false => Ok(text.to_owned()),
    }
}

/// The name of a claim that can be somebody's id.
fn user_id_claim(text: &str) -> Result<String, Wrong> {
    const MEND: &str = "write sub, id, email or the name of a claim that your application adds";
    let text = text.trim();
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    if text.is_empty() || text.len() > limits::CLAIM_NAME_BYTES || !text.bytes().all(is_of_name) {
        return wrong("is not the name of a claim", MEND);
    }
    if ["iat", "exp", "nbf", "jti", "iss", "aud"].contains(&text) {
        return wrong("is a claim about the session and not about a person", MEND);
    }
    Ok(text.to_owned())
}
