//! `soak`: random programs on hostile simulated networks, seed after seed, checked against what must always hold.

// An index that is wrong here is a panic, which the soak tells like any other breach.
#![allow(clippy::indexing_slicing)]

mod canary;
mod chores;
mod judge;
mod keeper;
mod ledger;
mod mail;
mod panics;
mod progress;
mod roles;
mod scenario;
mod services;
#[cfg(test)]
mod tests;
mod veil;
mod watched;

use canary::{CANARIES, Canary, SEEDS_MAX};
use clap::Parser;
use judge::{Breach, Invariant};
use progress::{Progress, say};
use scenario::{Kind, Outcome};
use std::{ops::Range, process::ExitCode, time::Duration};

/// Every so many seeds one is run a second time, to compare the traces.
const TWICE_EVERY: u64 = 8;
/// How many of the last lines of the trace are told of a breach.
const LINES: usize = 40;

/// Runs random programs on hostile simulated networks and checks what must always hold: no byte lost, callbacks in
/// order, no limit exceeded, nothing left at the end, the same seed the same trace.
#[derive(Debug, Parser)]
#[command(
    name = "soak",
    after_help = "Examples:
  soak                             seeds from 0 on, for 10 seconds
  soak --seed 1000 --for 10m       seeds from 1000 on, for ten minutes
  soak --seeds 0..500              these 500 seeds, however long it takes
  soak --seeds 17..18              replays seed 17
  soak --seeds 17..18 --steps 5    the same, but shorter: what follows the fifth step is left out
  soak --break drop-byte           has the driver lose bytes, which must be found
  soak --break all                 the same with everything that can be broken

Exit codes: 0 all is well, 1 an invariant is broken, 2 wrong usage."
)]
struct Args {
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "seeds")]
    seed: u64,
    /// For how long, as in 60s or 10m
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = duration, conflicts_with = "seeds")]
    time: Duration,
    /// These seeds, the last one left out
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// For how many steps a program is busy, before all ends [default: 40]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Break something on purpose, which must be found; `list` lists what there is, `all` looks for each in turn
    #[arg(long = "break", value_name = "NAME", value_parser = breakage)]
    broken: Option<Break>,
    /// On failure, print the whole trace and not only its last lines
    #[arg(long)]
    trace: bool,
}

impl Args {
    fn canary(&self) -> Option<&'static Canary> {
        match self.broken {
            Some(Break::One(canary)) => Some(canary),
            _ => None,
        }
    }
}

/// What `--break` asks for.
#[derive(Debug, Clone, Copy)]
enum Break {
    List,
    All,
    One(&'static Canary),
}

fn breakage(name: &str) -> Result<Break, String> {
    match name {
        "list" => Ok(Break::List),
        "all" => Ok(Break::All),
        _ => Canary::of(name).map(Break::One).ok_or_else(|| "`--break list` lists what there is".into()),
    }
}

/// Prints what can be broken.
fn list() -> ExitCode {
    for canary in CANARIES {
        say(format_args!("{:27} {}\n{:27} against: {}", canary.name, canary.what, "", canary.breaks));
    }
    ExitCode::SUCCESS
}

/// Breaks everything in turn; fails when something is not found.
fn find_all() -> ExitCode {
    let mut missed = 0;
    for canary in CANARIES {
        match canary.find() {
            Some(seed) => say(format_args!("{:27} found by seed {seed}: {}", canary.name, canary.breaks)),
            None => {
                missed += 1;
                say(format_args!("{:27} NOT FOUND within {SEEDS_MAX} seeds", canary.name));
            }
        }
    }
    say(format_args!("{} of {} found", CANARIES.len() - missed, CANARIES.len()));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("a number and s, m or h, as in 60s".into()),
    };
    let number: u64 = number.parse().map_err(|_| "a number and s, m or h, as in 60s")?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "this is longer than any clock".into())
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    match parsed {
        Some(range) if range.start < range.end => Ok(range),
        _ => Err("two rising numbers, as in 0..500; the last one is left out".into()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.broken {
        Some(Break::List) => return list(),
        Some(Break::All) => return find_all(),
        Some(Break::One(_)) | None => {}
    }
    let seeds = args.seeds.clone().unwrap_or(args.seed..u64::MAX);
    let mut progress = Progress::new(args.seeds.is_none().then_some(args.time));
    for seed in seeds {
        let outcome = trial(seed, args.steps, args.canary());
        progress.add(&outcome);
        if let Some(breach) = &outcome.breach {
            progress.end();
            tell(seed, &args, breach);
            return ExitCode::FAILURE;
        }
        if progress.is_over() {
            break;
        }
    }
    progress.end();
    ExitCode::SUCCESS
}

/// Runs a seed, now and then twice.
fn trial(seed: u64, steps: Option<usize>, canary: Option<&'static Canary>) -> Outcome {
    let run = || {
        canary::sing(canary);
        let outcome = scenario::run(seed, steps);
        canary::sing(None);
        outcome
    };
    let fickle = canary.is_some_and(|canary| canary.breaks == Invariant::SameTrace);
    let mut outcome = run();
    if outcome.breach.is_none() && (fickle || seed.is_multiple_of(TWICE_EVERY)) {
        let again = run();
        if (outcome.events, outcome.fingerprint) != (again.events, again.fingerprint) {
            let what =
                format!("{} and {} events, or the same number of others", outcome.events, again.events);
            outcome.breach = Some(Breach { invariant: Invariant::SameTrace, what, trace: Vec::new() });
        }
    }
    outcome
}

fn tell(seed: u64, args: &Args, breach: &Breach) {
    let first = if args.trace { 0 } else { breach.trace.len().saturating_sub(LINES) };
    for line in breach.trace.iter().skip(first) {
        say(format_args!("  {line}"));
    }
    say(format_args!("\nbroken: {}", breach.invariant));
    say(format_args!("  {}", breach.what));
    say(format_args!("  seed {seed}, {}", Kind::of(seed)));
    let steps = args.steps.map(|steps| format!(" --steps {steps}")).unwrap_or_default();
    let broken = args.canary().map(|canary| format!(" --break {}", canary.name)).unwrap_or_default();
    let end = seed.saturating_add(1);
    say(format_args!(
        "replay: cargo run --release -p trenza-sim --bin soak -- --seeds {seed}..{end}{steps}{broken}"
    ));
}
