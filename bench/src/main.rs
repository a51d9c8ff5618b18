//! Trenza beside its peers: CPU time, throughput and memory of servers, in interleaved rounds, as Markdown.
//!
//! `cargo run --release -p trenza-bench -- GROUP...`; `--list` says what there is. It builds what it needs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it is the outside world")]

mod contest;
mod echo;
mod exchange;
mod family;
mod ftp;
mod ground;
mod handshake;
mod instructions;
mod load;
mod machine;
mod mail;
mod memory;
mod programs;
mod recipe;
mod rounds;
mod sample;
mod server;
mod stage;
mod start;
mod summary;
mod test;
mod wrk;

use clap::Parser;
use contest::Contest;
use ftp::Ftp;
use ground::Ground;
use instructions::Instructions;
use mail::Mail;
use programs::Programs;
use recipe::{Program, Recipe};
use server::Pinned;
use stage::{Stage, is_able};
use std::{
    collections::BTreeSet,
    error::Error,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use summary::Summary;
use test::{GROUPS, Test, Work};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Descriptors that are needed beside those of idle connections.
const DESCRIPTORS: u64 = 3000;

/// Measures Trenza beside its peers: all servers of a test run at once and take turns, one core for them and one for
/// the load. Ratios are medians of those of the same round; in brackets the quartiles. Name a server twice to see what is
/// noise.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// What to measure, see --list; `all` for everything
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,
    /// Show groups, tests and servers
    #[arg(long)]
    list: bool,
    /// Only tests whose names begin so
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    tests: Vec<String>,
    /// Only these servers
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    servers: Vec<String>,
    /// Servers that all are compared with [default: the first two of ours in each test]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    ours: Vec<String>,
    /// One more server: KIND:NAME=PROGRAM ARGUMENTS, with {port}, {site}, {pem} and {buffer} in the arguments
    #[arg(long, value_name = "SERVER")]
    also: Vec<Recipe>,
    /// The program `trenza` to measure [default: it is built]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Rounds of each test
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
    /// Length of a round
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Idle connections
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    connections: u32,
    /// Fail when an idle connection of ours costs more than this
    #[arg(long, value_name = "BYTES")]
    most: Option<f64>,
    /// Core of the servers
    #[arg(long, value_name = "N", default_value_t = 0)]
    server_core: usize,
    /// Core of the load
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_core: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if args.list {
        return Ok(list(&args.also)?);
    }
    let (groups, tests, recipes) = (args.groups()?, args.tests(), args.recipes()?);
    let chosen = || tests.iter().filter(|test| groups.contains(test.group));
    let alone = |group| groups.contains(group) && args.tests.is_empty();
    let (timers, instructions) = (alone("timers"), alone("instructions"));
    let ftp = Some("ftp").filter(|group| groups.contains(group));
    let ftp = ftp.and_then(|_| ftp::Choice::of(&args.tests, &args.servers));
    let mail = Some("mail").filter(|group| groups.contains(group));
    let mail = mail.and_then(|_| mail::Choice::of(&args.tests, &args.servers));
    let mut needed: Vec<&Recipe> =
        recipes.iter().filter(|recipe| chosen().any(|test| is_able(recipe, test))).collect();
    let ours = recipe::all();
    let is_ours = |recipe: &&Recipe| matches!(recipe.program, Program::Ours(_));
    needed.extend(ours.iter().filter(is_ours).filter(|_| timers || instructions));
    let serves =
        ftp.as_ref().is_some_and(ftp::Choice::has_ours) || mail.as_ref().is_some_and(mail::Choice::has_ours);
    needed.extend(ours.iter().filter(|recipe| serves && matches!(recipe.program, Program::Trenza(_))));
    if needed.is_empty() && ftp.is_none() && mail.is_none() {
        return Err("nothing is left to measure: see --list".into());
    }
    let programs = Programs::build(&needed, chosen().any(|test| test.work.is_echo()), args.program.clone())?;
    machine::allow_descriptors(u64::from(args.connections) + DESCRIPTORS)?;
    let stage = Stage {
        programs,
        ground: Ground::new()?,
        recipes,
        references: args.ours.clone(),
        cores: Pinned { servers: Some(args.server_core), load: Some(args.load_core) },
        rounds: args.rounds,
        seconds: args.seconds,
        connections: args.connections as usize,
        most: args.most,
    };
    let mut out = io::stdout().lock();
    let (server, load) = (args.server_core, args.load_core);
    writeln!(out, "{}; servers on core {server}, load on core {load}", machine::describe()?)?;
    machine::pin(Some(args.load_core))?;
    let mut failures = 0;
    for (group, _) in GROUPS {
        let mut summary = Summary::default();
        for test in chosen().filter(|test| test.group == *group) {
            machine::pin(stage.cores(test).load)?;
            failures += match test.work {
                Work::Starts { path } => stage.starts(test, path, &mut out)?,
                Work::Idle { path } => stage.idle(test, path, &mut out)?,
                _ => Contest::new(&stage, test).run(&mut summary, &mut out)?,
            };
        }
        summary.print(group, &mut out)?;
    }
    if timers {
        failures += usize::from(stage.timers(&mut out)?);
    }
    if instructions {
        failures += Instructions::count(&stage.programs.path(&Program::Ours("")))?.compare(&mut out)?;
    }
    if let Some(choice) = ftp {
        let trenza = stage.programs.path(&Program::Trenza(""));
        Ftp::new(trenza, args.rounds, (server, load), choice)?.run(&mut out)?;
    }
    if let Some(choice) = mail {
        let (trenza, pem) = (stage.programs.path(&Program::Trenza("")), stage.ground.pem().to_owned());
        Mail::new(trenza, pem, args.rounds, (server, load), choice)?.run(&mut out)?;
    }
    if failures > 0 { Err(format!("{failures} failures, see above").into()) } else { Ok(()) }
}

impl Args {
    fn groups(&self) -> Result<BTreeSet<&str>, String> {
        let all = || GROUPS.iter().map(|(name, _)| *name);
        if self.groups.iter().any(|name| name == "all") || self.groups.is_empty() && !self.tests.is_empty() {
            return Ok(all().collect());
        }
        if self.groups.is_empty() {
            return Err(format!("which groups? {} or all", all().collect::<Vec<_>>().join(", ")));
        }
        let known =
            |name: &String| all().find(|group| group == name).ok_or_else(|| format!("no group {name:?}"));
        self.groups.iter().map(known).collect()
    }

    fn tests(&self) -> Vec<Test> {
        let is_meant = |test: &Test| self.tests.iter().any(|start| test.name.starts_with(start.as_str()));
        test::all().into_iter().filter(|test| self.tests.is_empty() || is_meant(test)).collect()
    }

    /// In the order in which they were named, if they were.
    fn recipes(&self) -> Result<Vec<Recipe>, String> {
        let mut all = recipe::all();
        all.extend(self.also.iter().cloned());
        if self.servers.is_empty() {
            return Ok(all);
        }
        let mut named = Vec::new();
        for name in &self.servers {
            let before = named.len();
            named.extend(all.iter().filter(|recipe| recipe.name == *name).cloned());
            let is_other = ftp::servers().chain(mail::servers()).any(|server| server == name);
            if named.len() == before && !is_other {
                return Err(format!("no server {name:?}"));
            }
        }
        Ok(named)
    }
}

fn list(also: &[Recipe]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (tests, mut recipes) = (test::all(), recipe::all());
    recipes.extend_from_slice(also);
    for (group, asks) in GROUPS {
        writeln!(out, "{group}: {asks}")?;
        for test in tests.iter().filter(|test| test.group == *group) {
            let able = recipes.iter().filter(|recipe| is_able(recipe, test));
            let names: Vec<&str> = able.map(|recipe| &*recipe.name).collect();
            writeln!(out, "  {:18} {}", test.name, names.join(" "))?;
        }
        for test in ftp::tests().filter(|_| *group == "ftp") {
            writeln!(out, "  {test:18} {}", ftp::servers().collect::<Vec<_>>().join(" "))?;
        }
        for (test, servers) in mail::tests().filter(|_| *group == "mail") {
            writeln!(out, "  {test:18} {}", servers.join(" "))?;
        }
    }
    Ok(())
}
