//! `doorbell torture`: starts nodes, databases and clients of its own, makes them suffer, and has an independent checker
//! judge what the clients saw.
//!
//! A black box: it uses no other room. What it knows of Doorbell is its wire contracts and the names of its settings, as
//! any front end and any operator do.

pub mod checker;
mod client;
mod collect;
mod databases;
mod device;
mod disk;
mod drive;
mod frames;
pub mod kinds;
pub mod ledger;
mod nodes;
pub mod plan;
mod process;
mod proxy;
pub mod report;
mod rest;
mod stage;
mod text;
mod trouble;
mod wire;

use std::{
    io::{self, IsTerminal},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use drive::{Progress, Run};
use kinds::{Kind, Setup};
use plan::{Plan, Wishes};
use stage::Stage;

/// A line on standard output. Whoever read it may have gone (`| head`), which is no reason to stop what was begun.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(io::stdout(), $($argument)*);
    }};
}

/// The same on standard error.
macro_rules! complain {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(io::stderr(), $($argument)*);
    }};
}

/// Without a terminal a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time for tasks to end when the run is broken off.
const ENDING_TIME: Duration = Duration::from_secs(3);
/// What a shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;
const CANNOT_RUN: u8 = 2;

/// What the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    pub wishes: Wishes,
    /// More settings for the nodes, by the names of their variables.
    pub node_settings: Vec<(String, String)>,
    /// The run's folder stays.
    pub keep: bool,
    /// This process has a view of what is mounted that is its own.
    pub is_unshared: bool,
}

/// Runs, prints the report on standard output, and answers the exit code.
pub fn run(options: &Options) -> u8 {
    let wishes = &options.wishes;
    if let Err(why) = Stage::is_possible(wishes.setup) {
        complain!("--setup {} cannot be run here. {why}", wishes.setup.name());
        return CANNOT_RUN;
    }
    let needs_mount = wishes.setup == Setup::Sqlite && wishes.kinds.contains(&Kind::DiskFull);
    if needs_mount
        && !options.is_unshared
        && let Some(unshare) = stage::unshare()
    {
        begin_again(&unshare, wishes.seed);
    }
    let folder = match make_folder(wishes.seed) {
        Ok(folder) => folder,
        Err(error) => {
            complain!("No folder can be made for the run: {error}; set TMPDIR to one that can be written.");
            return CANNOT_RUN;
        }
    };
    say!(
        "Seed {}, setup {}, {} clients, {} sends a second, {} s, in {}",
        wishes.seed,
        wishes.setup.name(),
        wishes.clients,
        wishes.rate,
        wishes.length_ms / 1_000,
        folder.display()
    );
    let (code, is_kept) = match in_folder(options, &folder) {
        Ok(Outcome::Judged(verdict)) => {
            say!("{}", report::text(wishes, &verdict).trim_end());
            // What shows a broken promise must not go with the run.
            (report::exit_code(wishes, &verdict), options.keep || !verdict.holds())
        }
        Ok(Outcome::Interrupted) => {
            complain!("Interrupted: nothing was judged.");
            (INTERRUPTED, options.keep)
        }
        Err(why) => {
            complain!("{why}");
            (report::BROKEN, true)
        }
    };
    if is_kept {
        say!("Ledgers and logs are in {}", folder.display());
    } else if let Err(error) = std::fs::remove_dir_all(&folder) {
        complain!("{} could not be removed: {error}.", folder.display());
    }
    code
}

enum Outcome {
    Judged(Box<checker::Verdict>),
    Interrupted,
}

/// Becomes the same run in a view of what is mounted that nobody else has. Returns when that fails.
fn begin_again(unshare: &Path, seed: u64) {
    let Ok(executable) = std::env::current_exe() else {
        return;
    };
    let error = Command::new(unshare)
        .args(["--mount", "--propagation", "private", "--"])
        .arg(executable)
        .args(std::env::args_os().skip(1))
        // The last one counts.
        .args(["--seed", &seed.to_string(), "--unshared"])
        .exec();
    complain!(
        "{} cannot be run ({error}); the run goes on without it.",
        unshare.display()
    );
}

fn make_folder(seed: u64) -> io::Result<PathBuf> {
    let name = format!("doorbell-torture-{seed}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder)?;
    std::fs::create_dir(folder.join("ledgers"))?;
    // PostgreSQL may run as another user, who must get to its folder in here.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn in_folder(options: &Options, folder: &Path) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("No runtime can be started: {error}."))?;
    let lived = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(|error| error.to_string())?;
        tokio::select! {
            lived = live(options, folder) => lived.map(|()| true),
            _ = tokio::signal::ctrl_c() => Ok(false),
            _ = terminate.recv() => Ok(false),
            _ = hang_up.recv() => Ok(false),
        }
    });
    // Whatever was started is dropped with the tasks that hold it, and so killed.
    runtime.shutdown_timeout(ENDING_TIME);
    if !lived? {
        return Ok(Outcome::Interrupted);
    }
    let verdict = checker::judge(&folder.join("ledgers"));
    let verdict = verdict.map_err(|error| format!("The ledgers cannot be read: {error}."))?;
    Ok(Outcome::Judged(Box::new(verdict)))
}

async fn live(options: &Options, folder: &Path) -> Result<(), String> {
    let wishes = &options.wishes;
    let plan = Plan::of(wishes);
    let line = Shown::begin(wishes);
    let stage = Stage::set(wishes, &options.node_settings, folder, |what| line.say(what)).await?;
    let progress = Arc::new(Progress::default());
    line.say("conversations are opened");
    let run = Run::prepare(wishes, plan, stage, &folder.join("ledgers"), Arc::clone(&progress)).await?;
    let outcome = tokio::select! {
        lived = run.live() => lived,
        never = line.show(&progress) => never,
    };
    line.end();
    outcome
}

/// The line that shows how far the run is: a bar on a terminal, plain lines elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    seconds: u64,
}

impl Shown {
    fn begin(wishes: &Wishes) -> Self {
        let seconds = wishes.length_ms / 1_000;
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(seconds);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Shown { bar, seconds }
    }

    fn say(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => complain!("{what}"),
        }
    }

    /// Goes on for ever.
    async fn show(&self, progress: &Progress) -> Result<(), String> {
        let every = if self.bar.is_some() {
            Duration::from_secs(1)
        } else {
            LINE_EVERY
        };
        let mut passed = 0;
        loop {
            let sent = progress.sent.load(Ordering::Relaxed);
            let faults = progress.faults.load(Ordering::Relaxed);
            let now = progress.faults_now.load(Ordering::Relaxed);
            let words = if passed > self.seconds {
                "everybody must be equal; the histories are read".to_owned()
            } else {
                format!("{sent} sends, {faults} faults, {now} of them now")
            };
            match &self.bar {
                Some(bar) => {
                    bar.set_position(passed.min(self.seconds));
                    bar.set_message(words);
                }
                None => complain!("{passed}/{} s  {words}", self.seconds),
            }
            tokio::time::sleep(every).await;
            passed += every.as_secs();
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
