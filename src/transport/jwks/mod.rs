//! Public keys of an issuer, as it publishes them (RFC 7517): asked for, kept, and asked for again.
//!
//! They are refreshed in the background, as often as the issuer's answer says. A token that names a key which is not there
//! causes one question more, and then none for a while, whatever tokens come: until its issuer was asked anew nobody says that
//! such a token is wrong. While the issuer does not answer, the keys that are known go on counting.

pub mod keys;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, header};
use reqwest::Client;
use tokio::{sync::Mutex, time::Instant};

use self::keys::{PublicKey, PublicKeys};
use super::{
    outbound::{self, Unanswered},
    token::{TokenFault, Unverified, WRONG_SIGNATURE},
};
use crate::{
    config::{KeySetSettings, values::without_parameters},
    model::limits,
};

/// The keys of one issuer.
pub struct KeySet {
    url: String,
    issuer: Option<String>,
    client: Client,
    known: RwLock<Known>,
    /// Who asks next: however many wait for a key, the issuer is asked once.
    turn: Mutex<()>,
    ask_pause: Duration,
}

#[derive(Clone, Default)]
struct Known {
    /// `None`: the issuer has never answered.
    keys: Option<Arc<PublicKeys>>,
    /// When it was asked last, whatever came of it.
    asked_at: Option<Instant>,
    /// When the question was put that these keys answer.
    answered_of: Option<Instant>,
    /// How long what is known need not be looked at again.
    look_after: Duration,
    /// Since its last answer.
    failures: u32,
}

/// What is said of a token whose key may have been published a moment ago.
const NOT_ASKED: &str = "its issuer cannot be asked at this moment whether its key is a new one";
/// Why no key verifies a token.
const UNKNOWN_KEY: &str = "its key is not among those that its issuer publishes";
const OTHER_ALGORITHM: &str = "its algorithm is not that of its key";

impl KeySet {
    /// Fails where the issuer could never be asked from here, in a sentence for the operator.
    pub fn new(settings: &KeySetSettings) -> Result<Self, String> {
        Self::with_pause(settings, limits::JWKS_ASK_PAUSE)
    }

    fn with_pause(settings: &KeySetSettings, ask_pause: Duration) -> Result<Self, String> {
        let client = outbound::client(&settings.url, limits::JWKS_CONNECT_TIME, limits::JWKS_ASK_TIME);
        let client = client.map_err(|error| {
            format!(
                "The keys at DOORBELL_JWKS_URL cannot be asked for ({error}); install the system's root certificates."
            )
        })?;
        Ok(KeySet {
            url: settings.url.clone(),
            issuer: settings.issuer.clone(),
            client,
            known: RwLock::default(),
            turn: Mutex::default(),
            ask_pause,
        })
    }

    /// Where they are published, without parameters, among which a key may be.
    pub fn url(&self) -> String {
        without_parameters(&self.url)
    }

    /// Whose tokens they verify; `None`: anybody's.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Asks for the keys, again and again, for as long as the process lives.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            let turn = self.turn.lock().await;
            self.ask().await;
            drop(turn);
            let pause = self.known().look_after;
            tokio::time::sleep(pause).await;
        }
    }

    pub(super) async fn check(&self, token: &Unverified<'_>) -> Result<(), TokenFault> {
        self.find(token).await.map(drop)
    }

    /// The key with which a token is signed, and its place in the set.
    pub(super) async fn find(&self, token: &Unverified<'_>) -> Result<(usize, Arc<PublicKeys>), TokenFault> {
        let shown_at = Instant::now();
        let known = self.known().keys;
        if let Some(keys) = known {
            match try_keys(&keys, token) {
                Ok(at) => return Ok((at, keys)),
                // The key that it names is there: another look would change nothing.
                Err(reason) if keys.names(token.key_id.as_deref()) => return Err(TokenFault::Invalid(reason)),
                Err(_) => {}
            }
        }
        self.look_again().await;
        let Known { keys, answered_of, .. } = self.known();
        let Some(keys) = keys else {
            return Err(TokenFault::Unavailable(
                "its issuer does not say now which keys are its own",
            ));
        };
        match try_keys(&keys, token) {
            Ok(at) => Ok((at, keys)),
            // Keys are published before anything is signed with them: so what was asked since the token came is the answer.
            Err(reason) if keys.names(token.key_id.as_deref()) || answered_of >= Some(shown_at) => {
                Err(TokenFault::Invalid(reason))
            }
            Err(_) => Err(TokenFault::Unavailable(NOT_ASKED)),
        }
    }

    /// Asks the issuer, unless it was asked a moment ago. Whoever comes while it is asked waits for that answer.
    async fn look_again(&self) {
        let _turn = self.turn.lock().await;
        let asked_at = self.known().asked_at;
        if asked_at.is_none_or(|at| at.elapsed() >= self.ask_pause) {
            self.ask().await;
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By whoever has the turn.
    async fn ask(&self) {
        let began = Instant::now();
        let asked = self.request().await;
        let mut known = self.known();
        let url = self.url();
        match asked {
            Ok((keys, kept)) => {
                if known.failures > 0 {
                    tracing::info!(%url, "the issuer of tokens says again which keys are its own");
                }
                for (place, reason) in &keys.passed_over {
                    tracing::debug!(%url, place, reason, "a public key is passed over");
                }
                if keys.keys.is_empty() {
                    tracing::warn!(%url, "none of the issuer's public keys can be used; its tokens let nobody in");
                }
                known.keys = Some(Arc::new(keys));
                known.answered_of = Some(began);
                known.failures = 0;
                known.look_after = kept;
            }
            Err(reason) => {
                if known.failures == 0 {
                    let has_keys = known.keys.is_some();
                    tracing::warn!(%url, reason, has_keys, "the issuer of tokens does not say which keys are its own; those that are known go on counting");
                }
                known.look_after =
                    (limits::JWKS_RETRY_MIN * 2u32.pow(known.failures.min(6))).min(limits::JWKS_RETRY_MAX);
                known.failures = known.failures.saturating_add(1);
            }
        }
        known.asked_at = Some(Instant::now());
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    async fn request(&self) -> Result<(PublicKeys, Duration), &'static str> {
        let request = self.client.get(&self.url).header(header::ACCEPT, "application/json");
        let answered = async {
            let response = outbound::ok(request.send().await)?;
            let kept = kept_for(response.headers());
            Ok((outbound::body(response, limits::JWKS_BYTES).await?, kept))
        };
        let (body, kept) = answered.await.map_err(|fault| match fault {
            Unanswered::Late => "it does not answer in time",
            Unanswered::Unreachable => "it cannot be reached",
            Unanswered::Redirection => "it answers with a redirection",
            Unanswered::Status => "it answers with an error",
            Unanswered::BrokenOff => "it breaks its answer off",
            Unanswered::TooLong => "its answer is too long",
        })?;
        Ok((PublicKeys::read(&body)?, kept))
    }
}

/// The place of the key that verifies the token.
fn try_keys(keys: &PublicKeys, token: &Unverified<'_>) -> Result<usize, &'static str> {
    let mut reason = UNKNOWN_KEY;
    for (at, key) in keys.for_id(token.key_id.as_deref()) {
        if key.algorithm != token.algorithm {
            // Else the public key of one algorithm could be taken for the secret of another. A key that could have signed it
            // says more of it.
            if reason == UNKNOWN_KEY {
                reason = OTHER_ALGORITHM;
            }
        } else if token.is_signed_with(&key.key) {
            return Ok(at);
        } else {
            reason = WRONG_SIGNATURE;
        }
    }
    Err(reason)
}

impl PublicKeys {
    /// Is there a key of this very name?
    fn names(&self, id: Option<&str>) -> bool {
        id.is_some() && self.keys.iter().any(|key| key.id.as_deref() == id)
    }

    /// The keys that may have signed a token: those of the name that it gives; where there is none, those without a name;
    /// and all where it gives no name.
    fn for_id(&self, id: Option<&str>) -> impl Iterator<Item = (usize, &PublicKey)> {
        let names = self.names(id);
        self.keys
            .iter()
            .enumerate()
            .filter(move |(_, key)| match (&key.id, id) {
                (_, None) => true,
                (Some(own), Some(id)) => own == id,
                (None, Some(_)) => !names,
            })
    }
}

/// How long an answer need not be asked for again (RFC 9111, section 5.2.2.1).
fn kept_for(headers: &HeaderMap) -> Duration {
    let directives = headers.get_all(header::CACHE_CONTROL).iter();
    let max_age = directives
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|directive| {
            let (name, seconds) = directive.trim().split_once('=')?;
            let seconds = name.eq_ignore_ascii_case("max-age").then_some(seconds)?;
            seconds.trim_matches('"').parse().ok()
        });
    let kept = max_age.map_or(limits::JWKS_KEPT, Duration::from_secs);
    kept.clamp(limits::JWKS_KEPT_MIN, limits::JWKS_KEPT_MAX)
}
