//! The command line of `doorbell torture`.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::torture::{
    Options,
    kinds::{Kind, Setup},
    plan::Wishes,
    report,
};

const ABOUT: &str = "Start nodes, databases and clients of its own, inject faults, and see that nothing is lost";

const EXAMPLES: &str = "\
Examples:
  doorbell torture
  doorbell torture --setup cluster --minutes 10
  doorbell torture --faults node-kill,client-half --seed 42
  sudo doorbell torture              as root it can fill a disk, too

The seed repeats the workload and the schedule of faults. It touches no data but its own, in a folder below TMPDIR.
PostgreSQL and Redis (or Valkey) are taken from the PATH; they need not run. docs/torture.md says how to read the report.

Exit codes:
    0  every promise held, under every fault
    1  a promise was broken, or the run could not be brought to its end
    2  wrong command line, or what the setup needs is not on this machine
    3  every promise held, but this machine does not let some of the faults be injected; the report names them
  130  interrupted; nothing was judged
";

pub fn command() -> Command {
    let setups = Setup::ALL.map(Setup::name);
    let command = Command::new("torture")
        .about(ABOUT)
        .arg(
            Arg::new("minutes")
                .long("minutes")
                .value_name("N")
                .default_value("2")
                .value_parser(minutes)
                .help("How long, the last 15 seconds without faults; 0.4 to 1440"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .overrides_with("seed")
                .help("Repeats the workload and the faults of the run that printed it"),
        )
        .arg(
            Arg::new("setup")
                .long("setup")
                .value_name("SETUP")
                .default_value("sqlite")
                .value_parser(setups)
                .help("sqlite and postgres: one node; cluster: two nodes, PostgreSQL and Redis"),
        )
        .arg(
            Arg::new("clients")
                .long("clients")
                .value_name("N")
                .default_value("64")
                .value_parser(value_parser!(u64).range(6..=2_000))
                .help("Connected clients"),
        )
        .arg(
            Arg::new("rate")
                .long("rate")
                .value_name("N")
                .default_value("100")
                .value_parser(value_parser!(u32).range(1..=5_000))
                .help("Sends a second, all clients together"),
        )
        .arg(
            Arg::new("faults")
                .long("faults")
                .value_name("KIND,KIND")
                .value_delimiter(',')
                .value_parser(Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>())
                .hide_possible_values(true)
                .help("These kinds alone; the list is below"),
        )
        .arg(
            Arg::new("keep")
                .long("keep")
                .action(ArgAction::SetTrue)
                .help("Leave the folder with ledgers, logs and data, also when all is well"),
        )
        .arg(
            Arg::new("unshared")
                .long("unshared")
                .action(ArgAction::SetTrue)
                .hide(true),
        );
    // In test builds alone.
    #[cfg(feature = "plant")]
    let command = command.arg(
        Arg::new("plant")
            .long("plant")
            .value_name("BUG")
            .value_parser(crate::model::plant::NAMES)
            .help("Build in a known bug, which must be caught"),
    );
    command.after_help(format!("Kinds of faults:\n{}\n{EXAMPLES}", report::kinds()))
}

fn minutes(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of minutes from 0.4 to 1440".to_owned();
    let minutes: f64 = text.parse().map_err(|_| wrong())?;
    if (0.4..=1_440.0).contains(&minutes) {
        Ok((minutes * 60_000.0) as u64)
    } else {
        Err(wrong())
    }
}

/// # Errors
///
/// A sentence, when there is no randomness for a seed.
pub fn options(arguments: &ArgMatches) -> Result<Options, String> {
    let seed = match arguments.get_one::<u64>("seed") {
        Some(seed) => *seed,
        None => {
            // Short enough to be read aloud.
            u64::from(getrandom::u32().map_err(|error| format!("There are no random numbers: {error}."))? % 1_000_000)
        }
    };
    let name = arguments.get_one::<String>("setup").map_or("sqlite", String::as_str);
    let setup = Setup::ALL
        .into_iter()
        .find(|setup| setup.name() == name)
        .unwrap_or(Setup::Sqlite);
    let kinds: Vec<Kind> = match arguments.get_many::<String>("faults") {
        Some(names) => names.filter_map(|name| Kind::named(name)).collect(),
        None => Kind::ALL.iter().copied().filter(|kind| kind.is_of(setup)).collect(),
    };
    if let Some(kind) = kinds.iter().find(|kind| !kind.is_of(setup)) {
        return Err(format!(
            "--faults has {kind}, which there is not with --setup {}; leave it out.",
            setup.name()
        ));
    }
    Ok(Options {
        wishes: Wishes {
            seed,
            setup,
            clients: arguments
                .get_one::<u64>("clients")
                .map_or(64, |clients| *clients as usize),
            rate: arguments.get_one::<u32>("rate").copied().unwrap_or(100),
            length_ms: arguments.get_one::<u64>("minutes").copied().unwrap_or(120_000),
            kinds,
        },
        node_settings: planted(arguments),
        keep: arguments.get_flag("keep"),
        is_unshared: arguments.get_flag("unshared"),
    })
}

#[cfg(feature = "plant")]
fn planted(arguments: &ArgMatches) -> Vec<(String, String)> {
    let bug = arguments.get_one::<String>("plant");
    bug.map(|bug| (crate::model::plant::VARIABLE.to_owned(), bug.clone()))
        .into_iter()
        .collect()
}

#[cfg(not(feature = "plant"))]
fn planted(_: &ArgMatches) -> Vec<(String, String)> {
    Vec::new()
}
