//! Logs: for people on a terminal, as JSON everywhere else. `docs/logging.md` says what may stand in them.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

/// Switches logging on for the process, to standard error. `filter` as the setting `log` has it.
///
/// # Errors
///
/// A sentence, when the filter cannot be read or logging is on already.
pub fn init(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("The log filter cannot be read: {error}."))?;
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
