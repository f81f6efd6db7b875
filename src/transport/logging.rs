//! Logs: for people on a terminal, as JSON everywhere else. `docs/logging.md` says what may stand in them.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter,
    filter::{Directive, LevelFilter},
    fmt,
};

/// Switches logging on for the process, to standard error. `text` as the setting `log` has it.
///
/// # Errors
///
/// A sentence, when the filter cannot be read or logging is on already.
pub fn init(text: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(text).map_err(|error| format!("The log filter cannot be read: {error}."))?;
    let filter = quiet_about_notices(filter, text);
    let begun = fmt().with_env_filter(filter).with_writer(io::stderr);
    let done = if io::stderr().is_terminal() {
        begun.with_target(false).compact().try_init()
    } else {
        begun
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
    done.map_err(|error| format!("Logging could not be switched on: {error}."))
}

/// The library passes on what PostgreSQL remarks on statements (that a schema is there already) as if it were news, with
/// places of its own source. Whoever asks for more than `info`, or for the library by its name, gets it.
fn quiet_about_notices(filter: EnvFilter, text: &str) -> EnvFilter {
    const LIBRARY: &str = "tokio_postgres";
    let asks_for_more = filter.max_level_hint().is_none_or(|level| level > LevelFilter::INFO);
    match format!("{LIBRARY}=warn").parse::<Directive>() {
        Ok(quiet) if !asks_for_more && !text.contains(LIBRARY) => filter.add_directive(quiet),
        _ => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_of_postgresql_are_for_those_who_ask_for_more_than_info() {
        let shown = |text: &str| quiet_about_notices(EnvFilter::new(text), text).to_string();
        assert!(shown("info").contains("tokio_postgres=warn"));
        assert!(shown("doorbell=warn,info").contains("tokio_postgres=warn"));
        assert!(!shown("debug").contains("tokio_postgres"));
        assert_eq!(shown("info,tokio_postgres=info").matches("tokio_postgres").count(), 1);
    }
}
