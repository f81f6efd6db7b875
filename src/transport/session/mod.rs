//! Sessions of NextAuth 4 and Auth.js 5: the site's own sign-in identifies its people here.
//!
//! With the site's secret a session is decrypted ([`jwe`], [`key`]); one that is kept in a database is asked of the site
//! ([`site`]). It comes as a cookie ([`cookie`]), or as a token in its place. What is refused that the packages would take
//! stands in docs/sessions.md.

pub mod claims;
pub mod cookie;
mod explain;
pub mod jwe;
pub mod key;
pub mod site;

#[cfg(test)]
mod explain_tests;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod site_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use http::HeaderMap;

use self::{
    cookie::{Candidate, candidates},
    jwe::Jwe,
    key::KeyRing,
    site::{Answer, Site},
};
use super::token::{Claims, TokenFault};
use crate::config::{NamedSecret, SessionSettings};

/// Reads sessions of one site.
pub struct Sessions {
    settings: SessionSettings,
    /// In the order in which they are tried.
    names: Vec<String>,
    keys: KeyRing,
    site: Option<Site>,
}

impl Sessions {
    /// Fails where the site that is to be asked could never be reached from here, in a sentence for the operator.
    pub fn new(settings: SessionSettings) -> Result<Self, String> {
        let names = match settings.cookie_names.as_slice() {
            [] => cookie::DEFAULT_NAMES.map(str::to_owned).to_vec(),
            names => names.to_vec(),
        };
        let salts = match &settings.salt {
            Some(salt) => vec![salt.clone()],
            None => names.clone(),
        };
        let site = match &settings.site {
            Some(address) => Some(Site::new(address, &settings.user_id)?),
            None => None,
        };
        Ok(Sessions {
            keys: KeyRing::new(&settings.secrets, &salts),
            names,
            site,
            settings,
        })
    }

    /// Of the site.
    pub(super) fn secrets(&self) -> &[NamedSecret] {
        &self.settings.secrets
    }

    /// Does this text, which came as a token, have the form of a session, plain or with `%XX` in it?
    pub fn is_session(text: &str) -> bool {
        jwe::is_jwe(text) || (text.contains('%') && cookie::decoded(text).is_some_and(|text| jwe::is_jwe(&text)))
    }

    /// A session that came as a token: its cookie's name is not known, so each may have been its salt.
    pub fn read_token(&self, text: &str, now_ms: i64) -> Result<Claims, TokenFault> {
        if self.keys.is_empty() {
            return Err(TokenFault::Invalid(
                "it is encrypted, and this server was given no NEXTAUTH_SECRET or AUTH_SECRET",
            ));
        }
        let text = cookie::decoded(text).ok_or(TokenFault::Invalid("its parts cannot be read"))?;
        self.decrypt(&text, None, now_ms)
    }

    /// The session of a request's cookies; `None` where there is none, or no setting says how to read one. Of several that
    /// may be one, the first that holds counts: a stale cookie under another name is no reason to refuse a good one. Unless
    /// `may_ask`, the site is not asked, and what is kept of its answers has to do.
    pub async fn read(&self, headers: &HeaderMap, now_ms: i64, may_ask: bool) -> Option<Result<Claims, TokenFault>> {
        if self.keys.is_empty() && self.site.is_none() {
            return None;
        }
        let mut nearest: Option<TokenFault> = None;
        for name in &self.names {
            for found in candidates(name, cookie::pairs(headers)) {
                let outcome = match found {
                    Ok(candidate) => self.read_cookie(&candidate, now_ms, may_ask).await,
                    Err(fault) => Err(TokenFault::Invalid(fault.reason())),
                };
                match outcome {
                    Ok(claims) => return Some(Ok(claims)),
                    Err(fault) => nearest = Some(nearer(nearest, fault)),
                }
            }
        }
        nearest.map(Err)
    }

    async fn read_cookie(&self, candidate: &Candidate<'_>, now_ms: i64, may_ask: bool) -> Result<Claims, TokenFault> {
        let value = candidate.value();
        // Without a secret, the site can read its sessions of either kind.
        let is_for_site = !jwe::is_jwe(&value) || self.keys.is_empty();
        match &self.site {
            Some(site) if is_for_site && !may_ask && !site.knows(&candidate.as_sent(), now_ms) => {
                Err(TokenFault::Unavailable("its site is not asked"))
            }
            Some(site) if is_for_site => match site.ask(&candidate.as_sent(), now_ms).await {
                // It was kept for a moment, in which it may have ended.
                Answer::SignedIn(claims) if claims.expires_at_ms <= now_ms => Err(TokenFault::Expired),
                Answer::SignedIn(claims) => Ok(Claims::clone(&claims)),
                Answer::SignedOut => Err(TokenFault::Invalid("its site says that nobody is signed in by it")),
                Answer::Unfit(fault) => Err(fault),
                Answer::Failed(reason) => Err(TokenFault::Unavailable(reason)),
            },
            None if is_for_site => Err(TokenFault::Invalid(
                "it is a session that only its site can read, and no site is configured",
            )),
            _ => self.decrypt(&value, Some(self.salt_of(candidate.name)), now_ms),
        }
    }

    fn salt_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.settings.salt.as_deref().unwrap_or(name)
    }

    fn decrypt(&self, text: &str, salt: Option<&str>, now_ms: i64) -> Result<Claims, TokenFault> {
        let jwe = Jwe::parse(text).map_err(|fault| TokenFault::Invalid(fault.reason()))?;
        let (_, contents) = self.keys.open(&jwe, salt).ok_or(TokenFault::Invalid(
            "it was encrypted with another secret or for another cookie",
        ))?;
        claims::of_contents(&contents, &self.settings.user_id, now_ms)
    }
}

/// Of several reasons why nobody is signed in, the one that tells a client most.
fn nearer(known: Option<TokenFault>, other: TokenFault) -> TokenFault {
    let rank = |fault: &TokenFault| match fault {
        TokenFault::Missing => 0,
        TokenFault::Invalid(_) => 1,
        TokenFault::Expired => 2,
        TokenFault::Unavailable(_) => 3,
    };
    match known {
        Some(known) if rank(&known) >= rank(&other) => known,
        _ => other,
    }
}
