//! What the operator reads at the end.

use std::fmt::Write;

use super::{
    checker::{Promise, Verdict},
    kinds::Kind,
    plan::Wishes,
};

/// Everything held, and every fault was injected.
pub const ALL_WELL: u8 = 0;
/// A promise was broken, or the run could not be brought to its end.
pub const BROKEN: u8 = 1;
/// Everything held, but some faults could not be injected here.
pub const NOT_ALL_RUN: u8 = 3;

/// The kinds of faults that were wished for, and not injected even once.
fn missed<'a>(wishes: &'a Wishes, verdict: &'a Verdict) -> impl Iterator<Item = (Kind, &'a str)> {
    let figures = &verdict.figures;
    wishes
        .kinds
        .iter()
        .filter_map(|kind| match figures.not_run.get(kind.name()) {
            Some(why) => Some((*kind, why.as_str())),
            None if figures.faults.contains_key(kind.name()) => None,
            None => Some((*kind, "the run is too short for so many kinds")),
        })
}

pub fn exit_code(wishes: &Wishes, verdict: &Verdict) -> u8 {
    if !verdict.holds() {
        BROKEN
    } else if missed(wishes, verdict).next().is_some() {
        NOT_ALL_RUN
    } else {
        ALL_WELL
    }
}

/// The report as plain text.
pub fn text(wishes: &Wishes, verdict: &Verdict) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut text, wishes, verdict);
    text
}

fn write_all(text: &mut String, wishes: &Wishes, verdict: &Verdict) -> std::fmt::Result {
    let figures = &verdict.figures;
    writeln!(text, "Faults")?;
    for (kind, times) in wishes
        .kinds
        .iter()
        .filter_map(|kind| Some((kind, figures.faults.get(kind.name())?)))
    {
        writeln!(text, "  {:<18} {times:>5}  {}", kind.name(), kind.meaning())?;
    }
    for (kind, why) in missed(wishes, verdict) {
        writeln!(text, "  {:<18} not run: {why}", kind.name())?;
    }
    writeln!(text, "\nWork")?;
    for (name, value) in [
        ("clients", figures.clients.to_string()),
        ("conversations", figures.conversations.to_string()),
        (
            "messages sent",
            format!("{} in {} tries", figures.drafts, figures.attempts),
        ),
        ("acknowledged", figures.acknowledged.to_string()),
        (
            "refused for now",
            format!("{} tries, and tried again", figures.unavailable),
        ),
        (
            "refused for good",
            format!("{} tries of people who had been taken out", figures.refused),
        ),
        ("sent once more", format!("{}, though acknowledged", figures.replays)),
        ("pushed to clients", figures.pushed.to_string()),
        ("tries of outsiders", figures.tried.to_string()),
        ("people taken out", figures.removals.to_string()),
        (
            "connections",
            format!(
                "{}; {} asked for their session, {} got it, {} began anew",
                figures.connections,
                figures.asked,
                figures.recovered,
                figures.asked - figures.recovered
            ),
        ),
        (
            "compared at the end",
            format!("{} histories, {} unread counts", figures.histories, figures.lists),
        ),
        (
            "longest silence",
            format!("{} without any acknowledgement", seconds(figures.longest_silence_ms)),
        ),
        ("slowest start", seconds(figures.slowest_start_ms)),
        ("slowest gentle end", seconds(figures.slowest_end_ms)),
        (
            "everyone equal",
            format!("{} after the last fault", seconds(figures.equal_after_ms)),
        ),
    ] {
        writeln!(text, "  {name:<20} {value}")?;
    }
    writeln!(text, "\nPromises")?;
    for promise in Promise::ALL {
        writeln!(text, "  {:>6}  {promise}", verdict.count(*promise))?;
        for case in verdict
            .broken
            .get(promise)
            .map(|cases| &cases.told[..])
            .unwrap_or_default()
        {
            writeln!(text, "            {case}")?;
        }
    }
    let verdict = match exit_code(wishes, verdict) {
        ALL_WELL => "Every promise held, under every fault.".to_owned(),
        NOT_ALL_RUN => match missed(wishes, verdict).count() {
            1 => "Every promise held. One of the kinds of faults was not run.".to_owned(),
            several => format!("Every promise held. {several} of the kinds of faults were not run."),
        },
        _ => "Promises were broken.".to_owned(),
    };
    writeln!(text, "\n{verdict} Seed {}.", wishes.seed)
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03} s", milliseconds / 1_000, milliseconds % 1_000)
}

/// The kinds of faults with their meanings, for the help.
pub fn kinds() -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let _ = writeln!(text, "  {:<18} {}", kind.name(), kind.meaning());
    }
    text
}
