//! Who is let in: put together from the settings, and kept up to date while the server runs.

use std::sync::Arc;

use tokio::{
    signal::unix::{SignalKind, signal},
    time::MissedTickBehavior,
};

use super::Fault;
use crate::{
    config::{ApiKeySettings, ConfigFault, Secret, Settings},
    model::limits::{self, RateLimits},
    transport::{
        auth::Authenticator,
        limit::AddressLimits,
        metrics::{Metrics, Page},
        session::Sessions,
        token::TokenVerifier,
    },
};

/// By the settings, and by tokens that `secrets` sign. Nobody is asked for anything yet.
pub(super) fn authenticator(
    settings: &Settings,
    secrets: impl IntoIterator<Item = Secret>,
    limits: Arc<AddressLimits>,
) -> Result<Authenticator, Fault> {
    let verifier = TokenVerifier::new(secrets, &settings.jwt)?;
    let sessions = Sessions::new(settings.sessions.clone())?;
    let keys = settings.api_keys.read().map_err(ConfigFault::new)?;
    Ok(Authenticator::new(verifier, sessions, keys, limits))
}

/// The same where no server runs: nobody is limited who asks at the command line.
pub fn lone_authenticator(
    settings: &Settings,
    secrets: impl IntoIterator<Item = Secret>,
) -> Result<Authenticator, Fault> {
    let metrics = Arc::new(Metrics::new(&mut Page::new()));
    let limits = AddressLimits::new(settings.trusted_proxies.clone(), &RateLimits::OFF, usize::MAX, metrics);
    authenticator(settings, secrets, Arc::new(limits))
}

/// Starts what keeps public keys and API keys up to date, for as long as the process lives.
pub(super) fn keep_fresh(authenticator: &Arc<Authenticator>, settings: &Settings) -> Result<(), Fault> {
    for set in authenticator.key_sets() {
        tokio::spawn(Arc::clone(set).keep_fresh());
    }
    if settings.api_keys.file.is_some() {
        let hangups = signal(SignalKind::hangup())?;
        tokio::spawn(read_api_keys(
            Arc::clone(authenticator),
            settings.api_keys.clone(),
            hangups,
        ));
    }
    Ok(())
}

/// Reads the file again and again, as cheap as it is, and at once when the process is told to. While it cannot be used,
/// the keys that were last read go on counting: a file that is half written locks nobody out.
async fn read_api_keys(
    authenticator: Arc<Authenticator>,
    settings: ApiKeySettings,
    mut hangups: tokio::signal::unix::Signal,
) {
    let mut look = tokio::time::interval(limits::API_KEYS_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complaint = None;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = hangups.recv() => {}
        }
        let file = settings.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || file.read()).await else {
            continue;
        };
        match read {
            Ok(keys) => {
                let count = keys.len();
                if authenticator.replace_api_keys(keys) || complaint.take().is_some() {
                    tracing::info!(count, "the API keys were read again");
                }
                complaint = None;
            }
            Err(sentence) => {
                if complaint.as_ref() != Some(&sentence) {
                    tracing::error!(why = %sentence, "the API keys cannot be read again; those of before go on counting");
                    complaint = Some(sentence);
                }
            }
        }
    }
}
