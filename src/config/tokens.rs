//! How tokens are verified, and by which keys the host's own servers call.

use super::{
    ApiKeySettings, ConfigFault, Reader, Secret, WebOrigin, advice_on_length, api_keys,
    catalogue::setting,
    values::{self, Wrong, list, wrong},
};
use crate::model::limits;

/// How tokens are verified.
#[derive(Debug, Clone, Default)]
pub struct JwtSettings {
    /// `None`: the one that is made at the first start and kept in the database.
    pub secret: Option<Secret>,
    /// A token's `iss` must be one of them; empty: it may be anything.
    pub issuers: Vec<String>,
    /// A token's `aud` must hold one of them; empty: it may be anything.
    pub audiences: Vec<String>,
    pub key_sets: Vec<KeySetSettings>,
}

/// Public keys of an issuer (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetSettings {
    pub url: String,
    /// Its keys verify tokens of this issuer alone. `None`: of any, where no issuer is configured.
    pub issuer: Option<String>,
}

impl JwtSettings {
    /// `iss` and `aud` of tokens that are made here: the issuer that has no public keys, else the first.
    pub fn party(&self) -> [(&'static str, Option<String>); 2] {
        let issuer = self.issuers.get(self.key_sets.len()).or(self.issuers.first());
        [("iss", issuer.cloned()), ("aud", self.audiences.first().cloned())]
    }
}

impl Reader<'_> {
    pub(super) fn jwt(&mut self) -> Result<JwtSettings, ConfigFault> {
        let secret = self.optional("jwt_secret", values::secret)?;
        if secret.as_ref().is_some_and(is_short) {
            self.notes.push(advice_on_length(setting("jwt_secret").variables[0]));
        }
        let urls = self.optional_found("jwks_url", jwks_urls)?;
        let issuers = self.optional_found("jwt_issuer", words)?;
        let audiences = self.optional("jwt_audience", words)?.unwrap_or_default();
        let issuer_name = issuers
            .as_ref()
            .map_or("DOORBELL_JWT_ISSUER", |(_, found)| &found.name)
            .to_owned();
        let issuers = issuers.map(|(issuers, _)| issuers).unwrap_or_default();
        let mut key_sets = Vec::new();
        if let Some((urls, found)) = urls {
            if urls.len() > issuers.len() && (urls.len() > 1 || !issuers.is_empty()) {
                return Err(ConfigFault::new(format!(
                    "{} names {} and {issuer_name} {}, so that nobody can say which keys are whose; name the issuer of each \
                     set in {issuer_name}, in the same order.",
                    found.name,
                    counted(urls.len(), "set of keys", "sets of keys"),
                    counted(issuers.len(), "issuer", "issuers"),
                )));
            }
            if issuers.is_empty() || audiences.is_empty() {
                self.notes.push(format!(
                    "{} is set without {}, so a token that was made for another application may be taken here; set it.",
                    found.name,
                    if issuers.is_empty() {
                        "DOORBELL_JWT_ISSUER"
                    } else {
                        "DOORBELL_JWT_AUDIENCE"
                    },
                ));
            }
            key_sets = urls
                .into_iter()
                .enumerate()
                .map(|(at, url)| KeySetSettings {
                    url,
                    issuer: issuers.get(at).cloned(),
                })
                .collect();
        }
        Ok(JwtSettings {
            secret,
            issuers,
            audiences,
            key_sets,
        })
    }

    pub(super) fn api_keys(&mut self) -> Result<ApiKeySettings, ConfigFault> {
        let fixed = self.optional("api_key", api_keys::api_keys)?.unwrap_or_default();
        let file = self.optional_found("api_keys_file", values::path)?;
        let name = file.as_ref().map(|(_, found)| found.name.clone());
        let settings = ApiKeySettings {
            fixed,
            file: file.map(|(path, _)| path),
        };
        let keys = settings.read().map_err(|sentence| match &name {
            Some(name) => ConfigFault::new(format!("{name} cannot be used: {sentence}")),
            None => ConfigFault::new(sentence),
        })?;
        if let (Some(path), Some(name)) = (&settings.file, &name)
            && api_keys::is_open_to_all(path)
        {
            self.notes.push(format!(
                "{name}: every user of this machine can read {}, and whoever has read a key may use it; take that right away \
                 (chmod o-r).",
                path.display()
            ));
        }
        if keys.iter().any(|key| is_short(&key.key)) {
            self.notes.push(advice_on_length("One of the API keys"));
        }
        Ok(settings)
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

fn is_short(secret: &Secret) -> bool {
    secret.expose().len() < limits::SECRET_BYTES_ADVISED
}

/// Texts with commas between them, each once.
fn words(text: &str) -> Result<Vec<String>, Wrong> {
    const MEND: &str = "write one, or several with commas between them, each once";
    let words: Vec<String> = list(text).into_iter().map(str::to_owned).collect();
    let is_repeated = (1..words.len()).any(|at| words[..at].contains(&words[at]));
    match words.len() {
        0 => wrong("names none", MEND),
        _ if is_repeated => wrong("names one twice", MEND),
        1..=limits::TOKEN_ISSUERS => Ok(words),
        _ => wrong(format!("names more than {}", limits::TOKEN_ISSUERS), MEND),
    }
}

/// `https:` addresses, or `http:` ones of this machine: who can change the keys on their way can be anybody.
fn jwks_urls(text: &str) -> Result<Vec<String>, Wrong> {
    const MEND: &str = "write https://id.example.com/.well-known/jwks.json, several with commas between them";
    let urls = words(text)?;
    for url in &urls {
        let Some(origin) = WebOrigin::of_page(url).filter(|_| !url.contains(['@', '#', ' '])) else {
            return wrong("is not the address of a set of keys", MEND);
        };
        if !origin.is_https() && !origin.is_loopback() {
            return wrong(
                "asks for keys without TLS, which somebody on the way could change",
                MEND,
            );
        }
    }
    Ok(urls)
}
