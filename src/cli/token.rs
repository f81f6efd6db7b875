//! `doorbell token`: a token as the host application would make it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;

use crate::config::{ConfigFault, Secret, Settings, values};
use crate::model::limits;
use crate::server::Fault;
use crate::transport::token;

/// Prints the token alone on standard output, so that a script may take it, and until when it is valid on standard
/// error.
pub fn run(
    arguments: &ArgMatches,
    settings: &Settings,
    kept_secret: impl Fn(&Settings) -> Result<Secret, Fault>,
) -> Result<(), Fault> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let (token, expires_at_ms) = make(arguments, settings, kept_secret, now_ms)?;
    eprintln!("Valid until {}.", jiff::Timestamp::from_millisecond(expires_at_ms)?);
    println!("{token}");
    Ok(())
}

fn make(
    arguments: &ArgMatches,
    settings: &Settings,
    kept_secret: impl Fn(&Settings) -> Result<Secret, Fault>,
    now_ms: i64,
) -> Result<(String, i64), Fault> {
    let argument = |name: &str| arguments.get_one::<String>(name).cloned();
    let user_id = argument("id").or_else(|| argument("user")).unwrap_or_default();
    let asked = argument("for").unwrap_or_default();
    let lifetime = values::duration(Duration::from_secs(1), limits::TOKEN_LIFETIME_MAX)(&asked)
        .map_err(|wrong| ConfigFault::new(format!("--for is {asked:?}, which {}; {}.", wrong.why, wrong.mend)))?;
    // Before a secret is looked for: what is wrong with the command itself comes first.
    if !token::is_user_id(&user_id) {
        return Err(ConfigFault::new(format!("The user is {user_id:?}, but {}.", token::MintFault::UserId)).into());
    }
    let secret = match &settings.jwt.secret {
        Some(secret) => secret.clone(),
        None => kept_secret(settings)?,
    };
    let profile = [
        ("name", argument("name")),
        ("email", argument("email")),
        ("picture", argument("image")),
        ("role", argument("role")),
    ];
    let profile = profile.into_iter().chain(settings.jwt.party());
    let profile = profile.filter_map(|(name, value)| Some((name, value?)));
    Ok(token::mint(&secret, &user_id, profile, now_ms, lifetime)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help::command;
    use crate::config::JwtSettings;
    use crate::config::{Purpose, Sources, load};
    use crate::transport::token::TokenVerifier;
    use futures_util::FutureExt;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn token_of(flags: &[&str], environment: &[(&str, &str)]) -> Result<(String, i64), Fault> {
        let matches = command()
            .try_get_matches_from(["doorbell", "token"].iter().chain(flags))
            .unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let settings = load(
            &Sources {
                environment,
                ..Sources::default()
            },
            Purpose::Serve,
        )
        .unwrap()
        .settings;
        let (_, arguments) = matches.subcommand().unwrap();
        make(
            arguments,
            &settings,
            |_| Ok(Secret::new("kept in the database")),
            NOW_MS,
        )
    }

    #[test]
    fn a_token_carries_what_was_asked_for() {
        let flags = ["--user", "u1", "--name", "Ann Lee", "--role", "owner", "--for", "90s"];
        let environment = [
            ("DOORBELL_JWT_SECRET", "hush"),
            ("DOORBELL_JWT_ISSUER", "me"),
            ("DOORBELL_JWT_AUDIENCE", "chat"),
        ];
        let (token, expires_at_ms) = token_of(&flags, &environment).unwrap();
        let jwt = JwtSettings {
            issuers: vec!["me".into()],
            audiences: vec!["chat".into()],
            ..JwtSettings::default()
        };
        let verifier = TokenVerifier::new([Secret::new("hush")], &jwt).unwrap();
        let claims = verifier.verify(&token, NOW_MS).now_or_never().unwrap().unwrap();
        assert_eq!(
            (claims.user_id.as_str(), claims.name.as_deref()),
            ("u1", Some("Ann Lee"))
        );
        assert_eq!(
            (claims.role.as_deref(), claims.expires_at_ms),
            (Some("owner"), NOW_MS + 90_000)
        );
        assert_eq!(expires_at_ms, NOW_MS + 90_000);
    }

    #[test]
    fn without_a_configured_secret_the_kept_one_signs() {
        let (token, _) = token_of(&["--user", "u1"], &[]).unwrap();
        let verifier = TokenVerifier::new([Secret::new("kept in the database")], &JwtSettings::default()).unwrap();
        assert!(verifier.verify(&token, NOW_MS).now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_wrong_user_or_duration_is_told_in_a_sentence() {
        for (flags, expected) in [
            (
                ["--user", "a b", "--for", "1h"],
                "The user is \"a b\", but a user id must have",
            ),
            (
                ["--user", "a", "--for", "soon"],
                "--for is \"soon\", which is not a duration",
            ),
            (
                ["--user", "a", "--for", "400d"],
                "--for is \"400d\", which is out of range",
            ),
        ] {
            let sentence = token_of(&flags, &[]).unwrap_err().to_string();
            assert!(sentence.starts_with(expected), "{sentence}");
        }
    }
}
