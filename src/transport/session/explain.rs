//! Why a session is taken or refused, rule by rule, for the operator who set it up. Nothing here decides: the rules are
//! those of the modules beside it.

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};

use super::{
    super::{
        claim::{ObjectWithoutRepeats, judge_times},
        explain::{Explanation, strip},
        token::{Claims, TokenFault},
    },
    Sessions, claims,
    cookie::{self, Candidate, DEFAULT_NAMES, candidates},
    jwe::{self, Jwe, JweFault},
    key::{Key, Package},
    site::Answer,
};
use crate::{
    config::{OTHER_KINDS, is_of_another_kind},
    model::{Timestamp, limits},
};

/// How a JSON header begins in base64: `{"`.
const JSON_IN_BASE64: &str = "eyJ";
const NO_CREDENTIAL: &str = "This is no token, no cookie and no API key that counts here; copy all of it. Where the site keeps \
                             its sessions in a database, set DOORBELL_SESSION_URL to the site's address, or show the cookie with \
                             its name.";

impl Sessions {
    /// `text`: the whole of a `Cookie` header, or a cookie's value alone, which then may be that of any configured name. A
    /// session that only the site can read is asked of the site.
    pub(in super::super) async fn explain(&self, text: &str, told: &mut Explanation, now_ms: i64) {
        let text = text.trim();
        let mut headers = HeaderMap::new();
        let line = strip(text, "cookie:").unwrap_or(text);
        if let Ok(value) = HeaderValue::from_str(line) {
            headers.append(header::COOKIE, value);
        }
        // A header that has a session in it has the form of one, too: five parts.
        let is_header = cookie::pairs(&headers).any(|(_, value)| Self::is_session(value));
        let is_value = !is_header && (Self::is_session(text) || cookie::pairs(&headers).next().is_none());
        // A value of which nothing is known may still be a session that the site knows.
        let may_be_asked = self.site.is_some() && !text.contains(char::is_whitespace);
        if is_value && !Self::is_session(text) && !text.starts_with(JSON_IN_BASE64) && !may_be_asked {
            told.refused("form", NO_CREDENTIAL);
            return;
        }
        if self.keys.is_empty() && self.site.is_none() {
            told.refused(
                "settings",
                "No setting says how to read a session; set NEXTAUTH_SECRET or AUTH_SECRET to the one of the site, or \
                 DOORBELL_SESSION_URL to the site's address.",
            );
            return;
        }
        if is_value {
            self.explain_value(text, told, now_ms).await;
        } else {
            self.explain_header(&headers, told, now_ms).await;
        }
    }

    async fn explain_value(&self, text: &str, told: &mut Explanation, now_ms: i64) {
        told.passed(
            "cookie",
            format!(
                "There is no cookie's name beside the value, so it may be that of {}.",
                self.names.join(", ")
            ),
        );
        let value = cookie::decoded(text).unwrap_or_else(|| text.to_owned());
        if jwe::is_jwe(&value) && !self.keys.is_empty() {
            self.explain_encrypted(&value, None, told, now_ms);
            return;
        }
        for name in &self.names {
            self.explain_opaque(&Candidate::whole(name, text), told, now_ms).await;
            if told.claims.is_some() {
                return;
            }
        }
    }

    async fn explain_header(&self, headers: &HeaderMap, told: &mut Explanation, now_ms: i64) {
        let mut found_any = false;
        for name in &self.names {
            for found in candidates(name, cookie::pairs(headers)) {
                found_any = true;
                let candidate = match found {
                    Ok(candidate) => candidate,
                    Err(fault) => {
                        told.refused(
                            "cookie",
                            format!(
                                "{name} cannot be put together: {}; sign in again, and let proxies pass on all of Cookie.",
                                fault.reason()
                            ),
                        );
                        continue;
                    }
                };
                let pieces = if candidate.is_cut() { ", in pieces" } else { "" };
                told.passed("cookie", format!("There is {name}{pieces}."));
                let value = candidate.value();
                if jwe::is_jwe(&value) && !self.keys.is_empty() {
                    self.explain_encrypted(&value, Some(name), told, now_ms);
                } else {
                    self.explain_opaque(&candidate, told, now_ms).await;
                }
                if told.claims.is_some() {
                    return;
                }
            }
        }
        if !found_any {
            told.refused("cookie", self.advice_without_session(headers));
        }
    }

    fn advice_without_session(&self, headers: &HeaderMap) -> String {
        let sent: Vec<&str> = cookie::pairs(headers).map(|(name, _)| name).collect();
        let wanted = self.names.join(", ");
        let session = cookie::pairs(headers).find(|(_, value)| Self::is_session(value));
        if let Some((name, _)) = session {
            return format!(
                "None of the cookies is {wanted}; {name} is a session: name it in DOORBELL_SESSION_COOKIE."
            );
        }
        let other_name = sent
            .iter()
            .find(|name| DEFAULT_NAMES.iter().any(|default| name.starts_with(default)) || name.contains("session"));
        if let Some(name) = other_name {
            return format!(
                "None of the cookies is {wanted}; if {name} is the session, name it in DOORBELL_SESSION_COOKIE."
            );
        }
        match sent.iter().find(|name| is_of_another_kind(name)) {
            Some(name) => {
                format!("There is {name}, which is no session: nobody is signed in at the site; sign in first.")
            }
            None => format!(
                "None of the cookies is {wanted}; the browser sends the site's session here only where Doorbell has the \
                 site's host, or the site gives its cookie a Domain."
            ),
        }
    }

    async fn explain_opaque(&self, candidate: &Candidate<'_>, told: &mut Explanation, now_ms: i64) {
        let Some(site) = &self.site else {
            if candidate.value().starts_with(JSON_IN_BASE64) {
                told.refused(
                    "form",
                    "It begins as a token and has not the five parts of a session; copy all of it, and leave jwt.encode of the \
                     site as it is (a token that the site signs itself goes into Authorization).",
                );
                return;
            }
            told.refused(
                "form",
                "This is no encrypted session: the site keeps its sessions in a database; set DOORBELL_SESSION_URL to the \
                 site's address, or strategy: \"jwt\" at the site.",
            );
            return;
        };
        told.passed("form", "Only the site can read this session, and is asked.");
        let (name, address) = (candidate.name, site.address());
        match site.ask(&candidate.as_sent(), now_ms).await {
            Answer::SignedIn(claims) => {
                let claims = Claims::clone(&claims);
                told.passed("site", format!("{address} says who it is."));
                self.explain_person(Ok(claims), &Map::new(), told);
            }
            Answer::SignedOut => told.refused(
                "site",
                format!(
                    "{address} says that nobody is signed in by {name}; sign in again, and make sure that the site reads a \
                     cookie of this name when it is asked at that address (behind a proxy: NEXTAUTH_URL or AUTH_URL)."
                ),
            ),
            Answer::Unfit(TokenFault::Expired) => {
                told.refused("end", format!("{address} says that the session has ended; sign in again."));
            }
            Answer::Unfit(fault) => told.refused(
                "user",
                format!(
                    "{address} knows the session, but: {fault} In the site's session callback, set session.user.id = \
                     user.id (or token.sub), or choose another member of user with DOORBELL_SESSION_USER_ID."
                ),
            ),
            Answer::Failed(reason) => told.refused(
                "site",
                format!("{address} gives no clear answer: {reason}; ask for it from this machine, and see what comes."),
            ),
        }
    }

    /// `name`: of the cookie; `None` where it is not known.
    fn explain_encrypted(&self, text: &str, name: Option<&str>, told: &mut Explanation, now_ms: i64) {
        let jwe = match Jwe::parse(text) {
            Ok(jwe) => jwe,
            Err(fault) => {
                told.refused(
                    "header",
                    format!("The session is refused: {}; {}.", fault.reason(), mend(fault)),
                );
                return;
            }
        };
        told.passed(
            "header",
            "It is encrypted as the packages do it, without compression or extensions.",
        );
        let salt = name.map(|name| self.salt_of(name));
        let Some((key, contents)) = self.keys.open(&jwe, salt) else {
            told.refused("key", self.advice_on_key(&jwe, name));
            return;
        };
        let of_name = match key.salt.as_str() {
            "" => String::new(),
            salt => format!(" for the cookie {salt}"),
        };
        let (secret, package) = (&key.secret_name, key.package.name());
        told.passed("key", format!("{secret} decrypts it, as {package} encrypts{of_name}."));
        let Ok(ObjectWithoutRepeats(members)) = serde_json::from_slice(&contents) else {
            told.refused(
                "claims",
                "Its contents are no JSON object, or one in which a name stands twice; look at the site's jwt.encode.",
            );
            return;
        };
        match judge_times(&members, limits::TOKEN_LEEWAY, now_ms) {
            Ok(ends) => told.passed("end", format!("It ends at {}.", Timestamp(ends))),
            Err(TokenFault::Expired) => {
                told.refused(
                    "end",
                    "It has ended; sign in again, and if it was made just now, compare the clocks of both machines.",
                );
                return;
            }
            Err(fault) => {
                told.refused(
                    "end",
                    format!("{fault} Let the site's jwt callback leave exp and nbf alone."),
                );
                return;
            }
        }
        let person = claims::of_contents(&contents, &self.settings.user_id, now_ms);
        self.explain_person(person, &members, told);
    }

    fn explain_person(&self, person: Result<Claims, TokenFault>, members: &Map<String, Value>, told: &mut Explanation) {
        match person {
            Ok(claims) => {
                told.passed("user", format!("It is {}.", claims.user_id));
                told.claims = Some(claims);
            }
            Err(fault) => {
                let claim = &self.settings.user_id;
                let present: Vec<&str> = members.keys().map(String::as_str).collect();
                told.refused(
                    "user",
                    format!(
                        "{fault} The id is taken from {claim}, and the session has {}; let the site's jwt callback set \
                         {claim} to an id of 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -, or choose another claim with \
                         DOORBELL_SESSION_USER_ID.",
                        present.join(", ")
                    ),
                );
            }
        }
    }

    /// Which secret, package and cookie name would have worked.
    fn advice_on_key(&self, jwe: &Jwe, name: Option<&str>) -> String {
        let kinds = |prefix: &'static str| OTHER_KINDS.iter().map(move |kind| format!("{prefix}.{kind}"));
        let secured = |name: String| [format!("__Secure-{name}"), format!("__Host-{name}"), name];
        let others: Vec<String> = ["authjs", "next-auth"]
            .into_iter()
            .flat_map(kinds)
            .flat_map(secured)
            .collect();
        if let Some(key) = self.made_with(jwe, others.iter().map(String::as_str)) {
            return format!(
                "This is the site's {} cookie and no session; send the one that ends in session-token.",
                key.salt
            );
        }
        let sessions = DEFAULT_NAMES.into_iter().chain(self.names.iter().map(String::as_str));
        if let Some(key) = self.made_with(jwe, sessions) {
            let here = name.unwrap_or("a cookie of another name");
            let secret = &key.secret_name;
            return format!(
                "{secret} is right, but the session was made for the cookie {0} and comes here as {here}; let it come under \
                 its own name, or set DOORBELL_SESSION_COOKIE={here} and DOORBELL_SESSION_SALT={0}. A site on https names its \
                 cookie with __Secure- before it.",
                key.salt
            );
        }
        let secrets: Vec<&str> = self
            .settings
            .secrets
            .iter()
            .map(|secret| secret.name.as_str())
            .collect();
        let secrets = secrets.join(", ");
        match &jwe.key_id {
            Some(_) if self.keys.are_named_by(jwe) => {
                "The secret and the cookie's name are right, but the value was changed \
                 or cut off on its way; copy all of it, and look for a proxy that shortens cookies."
                    .to_owned()
            }
            Some(_) => format!(
                "It was made with another secret than {secrets}, or for a cookie of a name that is not known here; compare \
                 the secrets, quotation marks included, and set DOORBELL_SESSION_SALT to the site's cookie name if that is no \
                 default."
            ),
            None => format!(
                "It was made with another secret than {secrets}, for a cookie of a name that is not known here, or was changed \
                 on its way; compare the secrets, quotation marks included."
            ),
        }
    }

    /// The key out of all that the packages would derive for these names, if it is one of them.
    fn made_with<'a>(&self, jwe: &Jwe, names: impl Iterator<Item = &'a str> + Clone) -> Option<Key> {
        self.settings.secrets.iter().find_map(|secret| {
            names
                .clone()
                .flat_map(|name| {
                    [Package::AuthJs, Package::NextAuth]
                        .map(|package| Key::derive(package, jwe.encryption, secret, name))
                })
                .find(|key| key.open(jwe).is_some())
        })
    }
}

fn mend(fault: JweFault) -> &'static str {
    match fault {
        JweFault::TooLong => "let the site's jwt callback put less into it",
        JweFault::Parts | JweFault::Lengths => "copy all of it, and look for a proxy that shortens cookies",
        JweFault::Header => "sign in again",
        JweFault::Algorithm | JweFault::Encryption => {
            "leave jwt.encode of the site as it is, or let the site mint tokens (docs/sessions.md)"
        }
        JweFault::Compressed | JweFault::Extension => {
            "the packages never write that, so somebody else made it; leave jwt.encode of the site as it is"
        }
    }
}
