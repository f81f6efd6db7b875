//! `doorbell explain-token`: which rule takes or refuses a token, a session or an API key.

use std::{
    io::Read,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::ArgMatches;

use super::WRONG_CONFIGURATION;
use crate::config::{ConfigFault, Secret, Settings, WebOrigin};
use crate::model::{Timestamp, limits};
use crate::server::{self, Fault};
use crate::transport::explain::{Explanation, Step};

/// Prints one line for each rule, and the verdict. Exit code 0: it is taken; 1: it is refused; 2: the question is none.
pub fn run(
    arguments: &ArgMatches,
    settings: &Settings,
    kept_secret: impl Fn(&Settings) -> Result<Secret, Fault>,
) -> ExitCode {
    let mut told = Explanation::default();
    let explained = explain(arguments, settings, kept_secret, &mut told);
    print!("{}", steps_of(&told));
    match explained {
        Ok(()) => {
            print!("{}", verdict_of(&told));
            match told.is_taken() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(WRONG_CONFIGURATION)
        }
    }
}

/// `told` has the rules up to where a fault ended it.
fn explain(
    arguments: &ArgMatches,
    settings: &Settings,
    kept_secret: impl Fn(&Settings) -> Result<Secret, Fault>,
    told: &mut Explanation,
) -> Result<(), Fault> {
    let page = arguments
        .get_one::<String>("origin")
        .map(|text| page(text))
        .transpose()?;
    let credential = match arguments.get_one::<String>("credential").map(String::as_str) {
        None | Some("-") => from_standard_input()?,
        Some(credential) => credential.to_owned(),
    };
    if credential.trim().is_empty() {
        return Err("There is nothing to look at; give a token, a cookie or an API key.".into());
    }
    for note in &settings.notes {
        eprintln!("Note: {note}");
    }
    let secret = match &settings.jwt.secret {
        Some(secret) => Some(secret.clone()),
        None => match kept_secret(settings) {
            Ok(secret) => Some(secret),
            // Else a token of the secret that cannot be read would be called wrong.
            Err(fault) if fault.is::<ConfigFault>() => return Err(fault),
            // There is none yet. Public keys, sessions and API keys can be judged without it.
            Err(fault) => {
                eprintln!("Note: {fault}");
                None
            }
        },
    };
    let authenticator = server::lone_authenticator(settings, secret)?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    // It may ask an issuer for its keys, or the site for its sessions.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        *told = authenticator.explain(&credential, now_ms).await;
        if let Some(user) = told.claims.as_ref().map(|claims| claims.user_id.clone()) {
            told.judge_ended(server::sessions_ended(settings, &user).await?);
        }
        told.judge_page(&server::lone_origins(settings), page.as_ref());
        Ok(())
    })
}

/// The origin of a page that is named by any address on it.
fn page(text: &str) -> Result<WebOrigin, Fault> {
    let origin = WebOrigin::of_page(text.trim());
    origin.ok_or_else(|| {
        format!(
            "--origin is {text:?}, which is not the address of a page, and would be foreign everywhere; write \
             https://www.example.com."
        )
        .into()
    })
}

/// A cookie of 64,000 bytes, every one of which may come as `%XX`, and its header's name.
const CREDENTIAL_BYTES: u64 = 4 * limits::SESSION_BYTES as u64;

fn from_standard_input() -> Result<String, Fault> {
    let mut text = String::new();
    let read = std::io::stdin().take(CREDENTIAL_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 <= CREDENTIAL_BYTES => Ok(text),
        Ok(_) => Err(format!(
            "What came on standard input is longer than {CREDENTIAL_BYTES} bytes, and no credential."
        )
        .into()),
        Err(error) => Err(format!("Standard input cannot be read as a credential ({error}).").into()),
    }
}

fn steps_of(told: &Explanation) -> String {
    let line = |step: &Step| {
        let mark = if step.passed { "ok     " } else { "refused" };
        format!("{mark}  {:<10} {}\n", step.rule, step.sentence)
    };
    told.steps.iter().map(line).collect()
}

fn verdict_of(told: &Explanation) -> String {
    match (&told.claims, told.is_taken()) {
        (Some(claims), _) => format!(
            "Taken: it is {} until {}.\n",
            claims.user_id,
            Timestamp(claims.expires_at_ms)
        ),
        (None, true) => "Taken.\n".to_owned(),
        (None, false) => "Refused: the last line says why, and how to mend it.\n".to_owned(),
    }
}
