//! The command line: `serve`, `demo`, `migrate`, `copy`, `token`, `explain-token`, `check-config`, `torture`.
//!
//! The flags of settings are made from `config::catalogue`, so a new setting is a flag without a line here.

mod copy;
mod explain_token;
mod help;
mod token;
mod torture;

use std::{collections::BTreeMap, process::ExitCode};

use clap::ArgMatches;

use crate::config::{self, ConfigFault, Loaded, Purpose, Secret, Settings, Sources, catalogue::SETTINGS, print};
use crate::server::{self, Fault};
use crate::transport::{logging, tls::Certificate};

/// Exit code of a wrong configuration or command line.
const WRONG_CONFIGURATION: u8 = 2;

/// Reads the arguments of the process and does what they say. `kept_secret` looks up the secret that this installation
/// made for itself, for `doorbell token` where none is configured.
pub fn run(kept_secret: impl Fn(&Settings) -> Result<Secret, Fault>) -> ExitCode {
    // clap prints its own sentence, and exits with 2 for a mistake and 0 for --help.
    let matches = help::command().get_matches();
    let Some((name, arguments)) = matches.subcommand() else {
        return ExitCode::from(WRONG_CONFIGURATION);
    };
    if name == "check-config" && arguments.get_flag("print-default") {
        print!("{}", print::default_file());
        return ExitCode::SUCCESS;
    }
    if name == "torture" {
        // No setting of this shell: its nodes have their own.
        return match torture::options(arguments) {
            Ok(options) => ExitCode::from(crate::torture::run(&options)),
            Err(sentence) => {
                eprintln!("{sentence}");
                ExitCode::from(WRONG_CONFIGURATION)
            }
        };
    }
    let purpose = if name == "demo" { Purpose::Demo } else { Purpose::Serve };
    let loaded = match load(arguments, purpose) {
        Ok(loaded) => loaded,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    if name == "explain-token" {
        return explain_token::run(arguments, &loaded.settings, kept_secret);
    }
    let done = match name {
        "serve" => block_on(loaded.settings, server::serve),
        "demo" => block_on(loaded.settings, server::demo),
        "migrate" => block_on(loaded.settings, server::migrate),
        "copy" => copy::run(arguments, loaded.settings),
        "token" => token::run(arguments, &loaded.settings, kept_secret),
        _ => check(&loaded),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            // A fault of the configuration that shows itself only now is one all the same.
            if fault.is::<ConfigFault>() {
                ExitCode::from(WRONG_CONFIGURATION)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Shows what is in force, once the files that it names will do.
fn check(loaded: &Loaded) -> Result<(), Fault> {
    if let Some(files) = &loaded.settings.tls {
        Certificate::load(files.clone())?;
    }
    print!("{}", print::in_force(loaded));
    Ok(())
}

fn load(arguments: &ArgMatches, purpose: Purpose) -> Result<Loaded, ConfigFault> {
    let flags: BTreeMap<String, String> = SETTINGS
        .iter()
        .filter_map(|setting| {
            Some((
                setting.key.to_owned(),
                arguments.get_one::<String>(setting.key)?.clone(),
            ))
        })
        .collect();
    let sources = Sources::of_process(flags, arguments.get_one::<String>("config").map(String::as_str))?;
    let loaded = config::load(&sources, purpose)?;
    if let Some(shown) = loaded.in_force.iter().find(|shown| shown.key == "database_url") {
        server::judge_database(&loaded.settings.database, &shown.from)?;
    }
    Ok(loaded)
}

fn block_on<F>(settings: Settings, work: impl FnOnce(Settings) -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>>,
{
    logging::init(&settings.log)?;
    for note in &settings.notes {
        tracing::warn!("{note}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work(settings))
}
