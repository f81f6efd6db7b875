//! Why a credential is taken or refused, rule by rule, for the operator who set it up. Nothing here decides: the rules are
//! those of the modules that are asked.

use super::{auth::Authenticator, session::Sessions, token::Claims};
use crate::transport::{auth::SESSION_COOKIE, session::cookie};
use http::{HeaderMap, HeaderValue, header};

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

    /// Did the last rule let it pass? Of several cookies, some may have been refused before.
    pub fn is_taken(&self) -> bool {
        self.steps.last().is_some_and(|step| step.passed)
    }
}

impl Authenticator {
    /// `text`: a token, alone or behind `Authorization: Bearer`; a session's value, or a whole `Cookie` header; or an API
    /// key. `now_ms`: milliseconds since the epoch.
    pub async fn explain(&self, text: &str, now_ms: i64) -> Explanation {
        let text = text.trim();
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
        let token = strip(text, "authorization:").unwrap_or(text);
        let token = strip(token, "bearer ").unwrap_or(token);
        if let Some(own) = own_cookie(text) {
            told.passed(
                "cookie",
                format!("There is {SESSION_COOKIE}, which counts before the cookies of a site."),
            );
            self.verifier().explain(&own, &mut told, now_ms).await;
        } else if !Sessions::is_session(token) && looks_like_jwt(token) {
            self.verifier().explain(token, &mut told, now_ms).await;
        } else {
            told = self.sessions().explain(token, now_ms).await;
        }
        told
    }
}

/// What stands behind this, whatever its letters' case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
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
