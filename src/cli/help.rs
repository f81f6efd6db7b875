//! The commands and their help.

use clap::{Arg, ArgAction, Command};

use crate::config::catalogue::{Group, SETTINGS, Setting};

const EXAMPLES: &str = "\
Examples:
  doorbell demo                       a sample marketplace on http://127.0.0.1:5544, to look at
  doorbell serve                      the server, with its data in ./doorbell-data
  FRONTEND_URL=https://www.example.com DOORBELL_JWT_SECRET=... doorbell serve --listen 0.0.0.0:5544
  doorbell token u1 --name Ann a token to try the API with
  doorbell explain-token              why a token or cookie is taken or refused
  doorbell copy --to postgres://...   from SQLite to PostgreSQL
  doorbell check-config               every setting in force, and where it comes from
  doorbell torture                    nodes and clients of its own, under faults: is anything lost?

Each setting can be a flag (--group-max 800), an environment variable (DOORBELL_GROUP_MAX=800) or a line of doorbell.toml
(group_max = 800). The first of these that is there counts.";

const SERVE_EXAMPLES: &str = "\
Examples:
  doorbell serve
  doorbell serve --listen 0.0.0.0:5544 --frontend-url https://www.example.com
  doorbell serve --config /etc/doorbell.toml

SIGTERM ends it gently, within 10 seconds. Secrets are better given as variables: flags are visible to other users of the
machine.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  doorbell token u1
  doorbell token u1 --name \"Ann Lee\" --role owner --for 7d
  curl -H \"Authorization: Bearer $(doorbell token u1)\" http://127.0.0.1:5544/chat

It is signed with the configured secret (DOORBELL_JWT_SECRET), else with the one that this installation made for itself.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  doorbell explain-token < file-with-the-token       it stays out of the list of processes and of the shell's history
  pbpaste | doorbell explain-token                   a token, an Authorization or Cookie header, a session's value, an API key
  doorbell explain-token --config /etc/doorbell.toml eyJhbGciOi...
  doorbell explain-token --origin https://www.example.com < file-with-the-cookie

It says which rule takes or refuses it with the settings in force, and how to mend a refusal, and shows no secret. Public keys
are asked of their issuer, and sessions in a database of their site. Whether its user's sessions were ended since is read in
Doorbell's database, which is not changed. The exit code is 0 when it is taken, 1 when it is refused, and 2 when the question
or a setting is wrong, or the database cannot be read.";

const COPY_EXAMPLES: &str = "\
Examples:
  doorbell copy --to postgres://doorbell:...@db.example.com:5432/market
  doorbell copy --to - < file-with-the-url        the password stays out of the list of processes
  doorbell copy --database-url sqlite:///var/lib/doorbell.db --to postgres://...

Stop the server first. The SQLite file is only read. If the copy is interrupted, the same command goes on where it stopped.
At the end every row is read back and compared; then set DOORBELL_DATABASE_URL to the new address and start the server.
The exit code is 0 when all is copied and equal, 2 when source or target are refused, and 1 otherwise.";

const CHECK_EXAMPLES: &str = "\
Examples:
  doorbell check-config
  doorbell check-config --print-default > doorbell.toml

The exit code is 0 when all is well, and 2 when a value is refused.";

/// The whole command line.
pub fn command() -> Command {
    let all = &Group::ALL[..];
    Command::new("doorbell")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The chat back end of a marketplace in one binary: Socket.IO and REST over one store")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(with_settings(Command::new("serve").about("Run the server"), all).after_help(SERVE_EXAMPLES))
        .subcommand(
            with_settings(
                Command::new("demo")
                    .about("Run a sample marketplace on this machine, with sign-in as any of its people"),
                &[Group::Addresses, Group::Storage, Group::Logs],
            )
            .after_help("The demo keeps its data in doorbell-data/demo, whatever database is configured."),
        )
        .subcommand(with_settings(
            Command::new("migrate").about("Bring the schema of the database up to date (serve does so, too)"),
            &[Group::Storage, Group::Logs],
        ))
        .subcommand(
            with_settings(
                Command::new("copy")
                    .about("Move a SQLite installation to PostgreSQL")
                    .arg(Arg::new("to").long("to").value_name("URL").required(true).help(
                    "An empty database, as postgres://user:password@host:5432/database; - reads it from standard input",
                )),
                &[Group::Storage, Group::Logs],
            )
            .after_help(COPY_EXAMPLES),
        )
        .subcommand(with_settings(token(), &[Group::Storage, Group::Identity]).after_help(TOKEN_EXAMPLES))
        .subcommand(
            with_settings(
                Command::new("explain-token")
                    .about("Say which rule takes or refuses a token, a session or an API key, and how to mend it")
                    .arg(
                        Arg::new("credential").value_name("CREDENTIAL").help(
                            "What a request would carry; - or nothing reads it from standard input, which is safer",
                        ),
                    )
                    .arg(
                        Arg::new("origin")
                            .long("origin")
                            .value_name("URL")
                            .help("Address of the page that would send it: may such a page use this server?"),
                    ),
                &[Group::Addresses, Group::Storage, Group::Identity],
            )
            .after_help(EXPLAIN_EXAMPLES),
        )
        .subcommand(
            with_settings(
                Command::new("check-config")
                    .about("Check the configuration, and print what is in force")
                    .arg(
                        Arg::new("print-default")
                            .long("print-default")
                            .action(ArgAction::SetTrue)
                            .help("Print a doorbell.toml with every setting, its meaning and its default"),
                    ),
                all,
            )
            .after_help(CHECK_EXAMPLES),
        )
        .subcommand(super::torture::command())
}

fn token() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("token")
        .about("Make a token for a user, as your application would")
        .arg(
            Arg::new("id")
                .value_name("USER")
                .help("The user's id: 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -")
                .required_unless_present("user"),
        )
        .arg(text("user", "USER", "The same, by name").conflicts_with("id"))
        .arg(text("name", "NAME", "The user's name"))
        .arg(text("email", "EMAIL", "The user's e-mail address"))
        .arg(text("image", "URL", "The user's picture"))
        .arg(text("role", "ROLE", "The user's role in your application"))
        .arg(text("for", "DURATION", "How long the token is valid, as 90s, 15m, 24h or 7d").default_value("24h"))
}

/// Adds a flag for each setting. Those outside `shown` are taken as well, so that one set of flags fits every command,
/// but do not fill the help.
fn with_settings(command: Command, shown: &[Group]) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("File of settings [default: doorbell.toml, when it is there] [env: DOORBELL_CONFIG]");
    let settings = Group::ALL
        .iter()
        .flat_map(|group| SETTINGS.iter().filter(move |setting| setting.group == *group))
        .map(|setting| flag(setting).hide(!shown.contains(&setting.group)));
    command.arg(config).args(settings)
}

fn flag(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    Arg::new(setting.key)
        .long(setting.flag())
        .value_name(if setting.is_secret { "SECRET" } else { "VALUE" })
        .help_heading(setting.group.heading())
        .help(format!(
            "{}{default} [env: {}]",
            setting.meaning,
            setting.variables.join(", ")
        ))
        // A value such as -1 is for the setting's own check, which answers in a sentence.
        .allow_hyphen_values(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn the_help_of_serve_names_every_setting_in_every_way() {
        let mut command = command();
        let help = command
            .find_subcommand_mut("serve")
            .expect("serve")
            .render_help()
            .to_string();
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{} ", setting.flag())), "{}", setting.key);
            for variable in setting.variables {
                assert!(help.contains(variable), "{variable}");
            }
        }
    }

    #[test]
    fn a_newcomer_finds_every_command() {
        let help = command().render_help().to_string();
        for name in [
            "serve",
            "demo",
            "migrate",
            "copy",
            "token",
            "explain-token",
            "check-config",
            "torture",
            "Examples:",
        ] {
            assert!(help.contains(name), "{name}");
        }
    }
}
