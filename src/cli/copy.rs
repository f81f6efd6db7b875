//! `doorbell copy`: from SQLite to PostgreSQL, with bars on a terminal and lines elsewhere.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use clap::ArgMatches;
use indicatif::{ProgressBar, ProgressStyle};

use super::block_on;
use crate::config::{ConfigFault, DatabaseUrl, Secret, Settings, values, values::DatabaseScheme};
use crate::server::{self, CopyOutcome, CopyProgress, CopyStep, Fault};

const MEND: &str = "write postgres://user:password@host:5432/database";
/// Between two lines where no terminal shows a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Copies, and says at the end what was done and what to do now.
pub fn run(arguments: &ArgMatches, settings: Settings) -> Result<(), Fault> {
    let target = target(arguments.get_one::<String>("to").map_or("", String::as_str))?;
    let mut progress: Box<dyn CopyProgress> = match io::stderr().is_terminal() {
        true => Box::new(Bars::default()),
        false => Box::new(Lines::default()),
    };
    block_on(settings, async |settings| {
        let copied = tokio::select! {
            copied = server::copy(settings, target, &mut *progress) => copied?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Err("The copy was interrupted; run the same command again: it goes on where it stopped.".into());
            }
        };
        let (source, database) = (copied.source.display(), copied.database);
        match copied.outcome {
            CopyOutcome::Verified(tables) => {
                for table in &tables {
                    println!("{:>14} {:>12} rows  sha256 {}", table.table, table.rows, table.digest);
                }
                let rows: u64 = tables.iter().map(|table| table.rows).sum();
                println!("Copied {rows} rows from {source} to {database}, read all of them back and found them equal.");
            }
            CopyOutcome::Before(at) => {
                println!("{source} was copied to {database} and verified on {at}; there is nothing left to do.");
            }
        }
        println!(
            "Now set DOORBELL_DATABASE_URL to that address and start the server. {source} was left as it is: keep it until you \
             are content, and start no server on it."
        );
        Ok(())
    })
}

/// The URL to copy to, from the argument or from a line of standard input.
fn target(argument: &str) -> Result<Secret, Fault> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        io::stdin().read_line(&mut text)?;
    }
    let wrong = |why: &str, mend: &str| Err(ConfigFault::new(format!("--to {why}; {mend}.")).into());
    match values::database_url(&text) {
        Ok(DatabaseScheme::Ours(DatabaseUrl::Postgres(url))) => Ok(url),
        Ok(DatabaseScheme::Ours(DatabaseUrl::Sqlite(_))) => {
            wrong("is a SQLite file, and a copy is made to PostgreSQL", MEND)
        }
        Ok(DatabaseScheme::Foreign(scheme)) => wrong(&format!("begins with {scheme:?}, which is not PostgreSQL"), MEND),
        // What was wrong is told without the value, which may hold a password.
        Err(_) => wrong("is not the URL of a PostgreSQL database", MEND),
    }
}

fn label(step: CopyStep, table: &str) -> String {
    match step {
        CopyStep::Copying => format!("copying {table}"),
        CopyStep::Verifying => format!("verifying {table}"),
    }
}

/// A bar for each table, the earlier ones staying above it.
#[derive(Default)]
struct Bars(Option<ProgressBar>);

impl CopyProgress for Bars {
    fn begin(&mut self, step: CopyStep, table: &'static str, rows: u64, done: u64) {
        const TEMPLATE: &str = "{prefix:>24} {wide_bar} {human_pos} of {human_len} rows, {per_sec}, {eta} left";
        let bar = ProgressBar::new(rows)
            .with_prefix(label(step, table))
            .with_position(done);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        // What was done before this run is no part of its rate.
        bar.reset_eta();
        self.0 = Some(bar);
    }

    fn advance(&mut self, rows: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(rows);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.abandon();
        }
    }
}

/// A line every few seconds, and one at the end of each table.
#[derive(Default)]
struct Lines(Option<Table>);

struct Table {
    label: String,
    rows: u64,
    done: u64,
    done_before: u64,
    began: Instant,
    told: Instant,
}

impl Table {
    fn tell(&self, now: Instant) {
        let seconds = now.duration_since(self.began).as_secs_f64();
        eprintln!("{}", line(&self.label, self.rows, self.done, self.done_before, seconds));
    }
}

/// `seconds` is the time for the rows from `done_before` to `done`.
fn line(label: &str, rows: u64, done: u64, done_before: u64, seconds: f64) -> String {
    let per_second = (done - done_before) as f64 / seconds.max(0.001);
    let left = rows.saturating_sub(done) as f64 / per_second.max(0.001);
    match done < rows {
        true => format!("{label}: {done} of {rows} rows, {per_second:.0} a second, {left:.0} s left"),
        false => format!("{label}: {done} rows in {seconds:.1} s"),
    }
}

impl CopyProgress for Lines {
    fn begin(&mut self, step: CopyStep, table: &'static str, rows: u64, done: u64) {
        let now = Instant::now();
        self.0 = Some(Table {
            label: label(step, table),
            rows,
            done,
            done_before: done,
            began: now,
            told: now,
        });
    }

    fn advance(&mut self, rows: u64) {
        let now = Instant::now();
        if let Some(table) = &mut self.0 {
            table.done += rows;
            if now.duration_since(table.told) >= LINE_EVERY {
                table.tell(now);
                table.told = now;
            }
        }
    }

    fn end(&mut self) {
        if let Some(table) = self.0.take() {
            table.tell(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rate_and_time_left_without_what_an_earlier_run_did() {
        assert_eq!(
            line("copying message", 5_000, 3_000, 2_000, 10.0),
            "copying message: 3000 of 5000 rows, 100 a second, 20 s left"
        );
        assert_eq!(line("copying user", 7, 7, 0, 0.5), "copying user: 7 rows in 0.5 s");
        assert_eq!(line("copying post", 0, 0, 0, 0.0), "copying post: 0 rows in 0.0 s");
    }

    #[test]
    fn a_target_that_is_no_postgresql_is_refused_without_its_password() {
        for url in ["", "sqlite://a.db", "mysql://u:hush@h/d", "postgres:hush", "hush"] {
            let sentence = target(url).unwrap_err().to_string();
            assert!(
                sentence.starts_with("--to ") && sentence.ends_with(&format!("{MEND}.")),
                "{sentence}"
            );
            assert!(!sentence.contains("hush"), "{sentence}");
        }
        assert_eq!(target("postgres://u:p@h/d").unwrap().expose(), "postgres://u:p@h/d");
    }
}
