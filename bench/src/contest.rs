//! [`Contest`]: one test with all servers that take part, in rounds.

use crate::{
    load::Load,
    machine::Cores,
    sample::{median, noise},
    server::Server,
    stage::Stage,
    summary::Summary,
    test::Test,
};
use std::{
    io::{self, Write},
    ptr,
    time::{Duration, Instant},
};
use trenza_bench::cpu;

/// Read buffers of servers that have one for each connection and can choose, in bytes.
const BUFFER: usize = 65536;

/// All of one test.
#[derive(Debug)]
pub(crate) struct Contest<'a> {
    stage: &'a Stage,
    test: &'a Test,
    entrants: Vec<Entrant>,
    /// Why others are none.
    failures: Vec<String>,
    /// CPU time that servers and load have spent in all rounds.
    spent: Duration,
}

/// A server, its clients and what came of them.
#[derive(Debug)]
struct Entrant {
    /// Dropped first.
    load: Load,
    server: Server,
    rounds: Vec<Round>,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    /// Operations a second.
    rate: f64,
    /// The server's CPU time for an operation, in µs.
    cost: f64,
    /// Of one core.
    server_busy: f64,
    load_busy: f64,
    lost: u64,
}

impl<'a> Contest<'a> {
    /// Starts all servers that can do the test, with their clients, and looks whether they answer right.
    pub(crate) fn new(stage: &'a Stage, test: &'a Test) -> Self {
        let mut contest =
            Self { stage, test, entrants: Vec::new(), failures: Vec::new(), spent: Duration::ZERO };
        for recipe in stage.able(test) {
            let start = || {
                let server = stage.start(recipe, test, BUFFER)?;
                let mut load = Load::start(test.work, &server, &stage.programs, &stage.ground)?;
                load.check(&server, &stage.ground)?;
                Ok::<_, io::Error>(Entrant { load, server, rounds: Vec::new() })
            };
            match start() {
                Ok(entrant) => contest.entrants.push(entrant),
                Err(error) => contest.failures.push(format!("{}: no figures: {error}", recipe.name)),
            }
        }
        contest
    }

    /// Runs the rounds and prints the table; gives how many servers have failed. In each round another one is the first,
    /// so that a drift hits all.
    ///
    /// # Errors
    /// Nothing can be printed.
    pub(crate) fn run(mut self, summary: &mut Summary, out: &mut impl Write) -> io::Result<usize> {
        self.round(0); // warm
        self.entrants.iter_mut().for_each(|entrant| entrant.rounds.clear());
        self.spent = Duration::ZERO;
        let cores = Cores::now()?;
        for number in 0..self.stage.rounds {
            self.round(number);
        }
        let others = cores.others(self.spent)?;
        self.print(out, &others)?;
        self.compare(summary);
        Ok(self.failures.len())
    }

    fn round(&mut self, number: usize) {
        let count = self.entrants.len();
        let order: Vec<usize> = (0..count).map(|at| (at + number) % count).collect();
        let mut failed = Vec::new();
        for at in order {
            let Some(entrant) = self.entrants.get_mut(at) else { continue };
            match entrant.run(self.stage.seconds) {
                Ok(spent) => self.spent += spent,
                Err(error) => {
                    self.failures.push(format!("{}: no figures: {error}", entrant.server.name));
                    failed.push(at);
                }
            }
        }
        failed.sort_unstable();
        failed.into_iter().rev().for_each(|at| drop(self.entrants.remove(at)));
    }

    fn print(&self, out: &mut impl Write, others: &str) -> io::Result<()> {
        let Stage { rounds, seconds, .. } = self.stage;
        writeln!(out, "\n### {}\n\n{rounds} rounds of {seconds} s; {others}\n", self.test.name)?;
        writeln!(out, "| server | operations/s | CPU µs each | ± % | busy: server, load |")?;
        writeln!(out, "|---|---:|---:|---:|---:|")?;
        for entrant in &self.entrants {
            writeln!(
                out,
                "| {} | {:.0} | {:.2} | {:.0} | {:.2}, {:.2} |",
                entrant.server.name,
                entrant.median(|round| round.rate),
                entrant.median(|round| round.cost),
                100.0 * noise(&entrant.column(|round| round.cost)),
                entrant.median(|round| round.server_busy),
                entrant.median(|round| round.load_busy),
            )?;
        }
        for failure in &self.failures {
            writeln!(out, "\n{failure}")?;
        }
        for entrant in &self.entrants {
            let lost: u64 = entrant.rounds.iter().map(|round| round.lost).sum();
            if lost > 0 {
                writeln!(out, "\n{}: {lost} datagrams were lost", entrant.server.name)?;
            }
        }
        out.flush()
    }

    /// All others beside those of ours.
    fn compare(&self, summary: &mut Summary) {
        let (kind, test) = (self.test.kind, &self.test.name);
        for ours in self.entrants.iter().filter(|ours| self.stage.is_reference(kind, &ours.server.name)) {
            for theirs in self.entrants.iter().filter(|theirs| !ptr::eq(*theirs, ours)) {
                let (cost, rate) = (|round: &Round| round.cost, |round: &Round| round.rate);
                let (cost, rate) = (ours.against(theirs, cost), ours.against(theirs, rate));
                summary.add(test, &ours.server.name, &theirs.server.name, &cost, &rate);
            }
        }
    }
}

impl Entrant {
    /// One round; gives the CPU time that server and load have spent.
    fn run(&mut self, seconds: u32) -> io::Result<Duration> {
        let (server, load, began) = (cpu(self.server.process())?, self.load.spent()?, Instant::now());
        let done = self.load.run(seconds)?;
        let took = began.elapsed().as_secs_f64();
        let server = cpu(self.server.process())?.saturating_sub(server);
        let load = self.load.spent()?.saturating_sub(load);
        if done.operations == 0 {
            return Err(io::Error::other("nothing was done"));
        }
        self.rounds.push(Round {
            rate: done.rate(),
            cost: server.as_secs_f64() * 1e6 / done.operations as f64,
            server_busy: server.as_secs_f64() / took,
            load_busy: load.as_secs_f64() / took,
            lost: done.lost,
        });
        Ok(server + load)
    }

    fn column(&self, of: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(&self.column(of))
    }

    /// The ratios of this one to another, each of two that were measured in the same round.
    fn against(&self, other: &Self, of: fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().zip(&other.rounds).map(|(ours, theirs)| of(ours) / of(theirs)).collect()
    }
}
