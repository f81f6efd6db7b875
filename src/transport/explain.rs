//! Why a credential is taken or refused, rule by rule, for the operator who set it up. Nothing here decides: the rules are
//! those of the modules that are asked.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{
    auth::{Authenticator, SESSION_COOKIE},
    origin::{OriginPolicy, OriginVerdict},
    session::{Sessions, cookie},
    token::Claims,
};
use crate::{
    config::{Scopes, WebOrigin},
    model::Timestamp,
};

/// One rule, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub rule: &'static str,
    pub passed: bool,
    /// What was found; where the rule refuses, how to mend it. Holds no secret and no contents but the person's id.
    pub sentence: String,
}

/// All rules that were asked, up to the one that decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    pub steps: Vec<Step>,
    /// Who it is, where it is somebody's and taken.
    pub claims: Option<Claims>,
    pub carrier: Carrier,
}

/// What a request carries it in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Carrier {
    #[default]
    Token,
    Cookie,
    ApiKey,
}

impl Explanation {
    pub(super) fn passed(&mut self, rule: &'static str, sentence: impl Into<String>) {
        self.push(rule, true, sentence.into());
    }

    pub(super) fn refused(&mut self, rule: &'static str, sentence: impl Into<String>) {
        self.push(rule, false, sentence.into());
    }

    fn push(&mut self, rule: &'static str, passed: bool, sentence: String) {
        self.steps.push(Step { rule, passed, sentence });
    }

    /// Judges who it is by when their sessions were ended last; `None`: never.
    pub fn judge_ended(&mut self, ended_at: Option<Timestamp>) {
        let Some(claims) = &self.claims else { return };
        let issued_at = claims.issued_at_ms.map(Timestamp);
        match ended_at {
            None => self.passed("sessions", "Its user's sessions were never ended."),
            Some(at) if issued_at > Some(at) => self.passed(
                "sessions",
                format!("It was issued after its user's sessions were ended at {at}."),
            ),
            Some(at) => {
                self.claims = None;
                self.refused(
                    "sessions",
                    format!(
                        "This sign-in was ended at {at}, with all sessions of its user: what was issued up to then, or does \
                         not say when (iat), is refused for good; sign in again."
                    ),
                );
            }
        }
    }

    /// Judges what is taken by the page that would send it; without one, it says which pages may.
    pub fn judge_page(&mut self, policy: &OriginPolicy, page: Option<&WebOrigin>) {
        if !self.is_taken() {
            return;
        }
        match (self.carrier, page) {
            (Carrier::ApiKey, Some(_)) => {
                self.passed(
                    "origin",
                    "It is for servers, which name no page; pages of other addresses cannot send it.",
                );
            }
            (Carrier::Cookie, None) => self.passed(
                "origin",
                format!(
                    "As a cookie it changes something only for pages of {}, or of this server itself; --origin \
                     https://www.example.com says whether those of that address are among them.",
                    policy.pages()
                ),
            ),
            (Carrier::ApiKey | Carrier::Token, None) => {}
            (Carrier::Cookie | Carrier::Token, Some(page)) => self.judge_known_page(policy, page),
        }
    }

    fn judge_known_page(&mut self, policy: &OriginPolicy, page: &WebOrigin) {
        match policy.judge(Some(&page.to_string()), None, "https") {
            OriginVerdict::Own => self.passed("origin", format!("Pages of {page} are this server's own.")),
            OriginVerdict::Allowed => self.passed(
                "origin",
                format!(
                    "Pages of {page} may use this server: it takes those of {}.",
                    policy.pages()
                ),
            ),
            OriginVerdict::Foreign | OriginVerdict::None => {
                let consequence = match self.carrier {
                    Carrier::Cookie => "a cookie changes nothing for them, they open no socket, and see no answer",
                    _ => "they open no socket, and see no answer",
                };
                self.claims = None;
                self.refused(
                    "origin",
                    format!(
                        "Pages of {page} are foreign: {consequence}. Only those of {} are allowed, by scheme, host and port. \
                         Add {page} to FRONTEND_URL, or set DOORBELL_PUBLIC_URL to it if this server itself is reached there.",
                        policy.pages()
                    ),
                );
            }
        }
    }

    /// Did the last rule let it pass? Of several cookies, some may have been refused before.
    pub fn is_taken(&self) -> bool {
        self.steps.last().is_some_and(|step| step.passed)
    }
}

impl Authenticator {
    /// `text`: a token, alone or behind `Authorization: Bearer`; a session's value, or a whole `Cookie` or `Set-Cookie`
    /// header; or an API key; also in quotation marks, or as the JSON that answers a token. `now_ms`: milliseconds since
    /// the epoch.
    pub async fn explain(&self, text: &str, now_ms: i64) -> Explanation {
        let unwrapped = unwrapped(text.trim());
        let text = unwrapped.trim();
        let mut told = Explanation::default();
        if text.is_empty() {
            told.refused(
                "credential",
                "There is nothing to look at; give a token, a cookie or an API key.",
            );
            return told;
        }
        let bare = strip(text, "x-api-key:").unwrap_or(text);
        if let Some((place, scopes)) = self.api_key(bare) {
            told.carrier = Carrier::ApiKey;
            told.passed(
                "key",
                format!(
                    "It is API key number {place} of DOORBELL_API_KEY and DOORBELL_API_KEYS_FILE, and may do: {scopes}."
                ),
            );
            return told;
        }
        if strip(text, "x-api-key:").is_some() {
            told.refused(
                "key",
                "It is no API key that counts here; compare it with DOORBELL_API_KEY and the file of DOORBELL_API_KEYS_FILE.",
            );
            return told;
        }
        if let Some((scopes, key)) = text.split_once(':')
            && Scopes::parse(scopes).is_some()
            && let Some((place, _)) = self.api_key(key.trim())
        {
            told.carrier = Carrier::ApiKey;
            told.refused(
                "key",
                format!("It is API key number {place} with its scopes before it, as settings have it; send what stands behind the colon alone."),
            );
            return told;
        }
        let token = strip(text, "authorization:").unwrap_or(text);
        let token = strip(token, "bearer ").unwrap_or(token);
        if strip(token, "bearer ").is_some() {
            told.refused(
                "form",
                "Bearer stands there twice, so that the second is taken for the token; put one before it.",
            );
            return told;
        }
        let whole = unwrapped_lines(token);
        if whole.is_some() {
            told.passed(
                "lines",
                "It is cut into lines or by blanks, and looked at without them; send it in one piece.",
            );
        }
        let token = whole.as_deref().unwrap_or(token);
        if let Some(own) = own_cookie(text) {
            told.carrier = Carrier::Cookie;
            told.passed(
                "cookie",
                format!("There is {SESSION_COOKIE}, which counts before the cookies of a site."),
            );
            self.verifier()
                .explain(&own, self.sessions().secrets(), &mut told, now_ms)
                .await;
        } else if !Sessions::is_session(token) && looks_like_jwt(token) {
            self.verifier()
                .explain(token, self.sessions().secrets(), &mut told, now_ms)
                .await;
        } else {
            // Behind `Authorization` it is a bearer.
            if whole.is_some() || token == text {
                told.carrier = Carrier::Cookie;
            }
            self.sessions().explain(token, &mut told, now_ms).await;
        }
        told
    }
}

/// The credential out of what is copied along with it: quotation marks, the JSON of an answer, the attributes of cookies
/// that were just set.
fn unwrapped(text: &str) -> Cow<'_, str> {
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => return inner.into(),
        Ok(Value::Object(answer)) => {
            if let Some(token) = answer.get("token").and_then(Value::as_str) {
                return token.to_owned().into();
            }
        }
        _ => {}
    }
    // As curl takes a header.
    if let Some(header) = ["-H ", "--header "].iter().find_map(|option| text.strip_prefix(option)) {
        return unwrapped(header.trim());
    }
    if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return inner.into();
    }
    let pairs: Option<Vec<&str>> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| strip(line, "set-cookie:")?.split(';').next())
        .collect();
    match pairs {
        Some(pairs) if !pairs.is_empty() => format!("Cookie: {}", pairs.join("; ")).into(),
        _ => text.into(),
    }
}

/// A token out of several lines, as terminals and mails cut it.
fn unwrapped_lines(text: &str) -> Option<String> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%".contains(&byte);
    let whole: String = text.split_ascii_whitespace().collect();
    let is_token = text.starts_with("eyJ") && whole.bytes().all(is_of_token);
    (is_token && whole.len() < text.len()).then_some(whole)
}

/// What stands behind this, whatever its letters' case.
pub(super) fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| text[prefix.len()..].trim())
}

fn own_cookie(text: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    let line = strip(text, "cookie:").unwrap_or(text);
    headers.insert(header::COOKIE, HeaderValue::from_str(line).ok()?);
    let own = cookie::pairs(&headers).find(|(name, _)| *name == SESSION_COOKIE);
    own.map(|(_, token)| token.to_owned())
}

/// Three parts, or near to it: who pasted a token that was cut off is told of tokens.
fn looks_like_jwt(text: &str) -> bool {
    let is_of_jwt = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.starts_with("eyJ") || (text.contains('.') && text.bytes().all(is_of_jwt))
}
