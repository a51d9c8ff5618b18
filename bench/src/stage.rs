//! [`Stage`]: what all tests of a run have in common.

use crate::{
    ground::Ground,
    handshake::Group,
    memory,
    programs::Programs,
    recipe::{Kind, Program, Recipe},
    sample::{median, quantile},
    server::{Pinned, Server},
    start,
    test::{Test, Work},
};
use std::{
    io::{self, Write},
    process::Command,
};

/// How many of ours all are compared with, if nobody says which.
const REFERENCES: usize = 2;
/// How often each server is started.
const STARTS: usize = 30;
/// Timers that are set.
const TIMERS: usize = 1_000_000;
/// Has glibc return what is free at the end of its heap, and keep no small blocks for reuse. By itself it keeps what
/// it likes, up to all small blocks, and then its habits would be measured, not ours.
const TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.trim_threshold=131072:glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0",
);

/// Who takes part, where and how long.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) programs: Programs,
    pub(crate) ground: Ground,
    /// In the order of the tables.
    pub(crate) recipes: Vec<Recipe>,
    /// Names of those that all are compared with.
    pub(crate) references: Vec<String>,
    pub(crate) cores: Pinned,
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
    /// Idle ones.
    pub(crate) connections: usize,
    /// Bytes that an idle connection of ours may cost.
    pub(crate) most: Option<f64>,
}

/// Does it know what the test asks for? OpenSSL, which nginx is built with, knows hybrids from 3.5 on.
pub(crate) fn is_able(recipe: &Recipe, test: &Test) -> bool {
    let hybrid = matches!(test.work, Work::Handshakes { group: Group::Hybrid, .. });
    recipe.kind == test.kind && !(hybrid && recipe.program == Program::Nginx)
}

impl Stage {
    /// Those that take part in a test.
    pub(crate) fn able(&self, test: &Test) -> impl Iterator<Item = &Recipe> {
        self.recipes.iter().filter(|recipe| is_able(recipe, test))
    }

    /// Which cores servers and load of a test are on. What is to use all of them is kept on none.
    pub(crate) fn cores(&self, test: &Test) -> Pinned {
        if test.kind == Kind::Burn { Pinned { servers: None, load: None } } else { self.cores }
    }

    /// Starts one of them.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start(&self, recipe: &Recipe, test: &Test, buffer: usize) -> io::Result<Server> {
        Server::start(recipe, &self.programs, &self.ground, self.cores(test), buffer)
    }

    /// Prints how long servers take until they answer; gives how many have failed. They are started in turn.
    ///
    /// # Errors
    /// Nothing can be printed.
    pub(crate) fn starts(&self, test: &Test, path: &str, out: &mut impl Write) -> io::Result<usize> {
        writeln!(out, "\n### {}\n\n{STARTS} starts of each, in ms\n", test.name)?;
        writeln!(out, "| server | median | a quarter is below | above |\n|---|---:|---:|---:|")?;
        let mut all: Vec<(&Recipe, io::Result<Vec<f64>>)> =
            self.able(test).map(|recipe| (recipe, Ok(Vec::new()))).collect();
        for _ in 0..STARTS {
            for (recipe, times) in &mut all {
                let Ok(so_far) = times else { continue };
                let launched =
                    Server::launch(recipe, &self.programs, &self.ground, self.cores, memory::BUFFER);
                match launched.and_then(|server| start::first_answer(server, path)) {
                    Ok(time) => so_far.push(time.as_secs_f64() * 1e3),
                    Err(error) => *times = Err(error),
                }
            }
        }
        let mut failures = 0;
        for (recipe, times) in all {
            let name = &recipe.name;
            match times {
                Ok(times) => {
                    let (low, high) = (quantile(&times, 0.25), quantile(&times, 0.75));
                    writeln!(out, "| {name} | {:.1} | {low:.1} | {high:.1} |", median(&times))?;
                }
                Err(error) => {
                    failures += 1;
                    writeln!(out, "| {name} | no figures: {error} | | |")?;
                }
            }
        }
        out.flush()?;
        Ok(failures)
    }

    /// Are all compared with this one?
    pub(crate) fn is_reference(&self, kind: Kind, name: &str) -> bool {
        if !self.references.is_empty() {
            return self.references.iter().any(|reference| reference == name);
        }
        let ours = self.recipes.iter().filter(|recipe| recipe.kind == kind && recipe.is_ours());
        ours.take(REFERENCES).any(|recipe| recipe.name == name)
    }

    /// Prints what idle connections cost each server; gives how many have failed.
    ///
    /// # Errors
    /// Nothing can be printed.
    pub(crate) fn idle(&self, test: &Test, path: &str, out: &mut impl Write) -> io::Result<usize> {
        writeln!(out, "\n### {}\n\n{} connections, each answered once\n", test.name, self.connections)?;
        writeln!(out, "| server | bytes each | RSS before, KiB | after, KiB |\n|---|---:|---:|---:|")?;
        let mut failures = Vec::new();
        for recipe in self.able(test) {
            let grown = self
                .start(recipe, test, memory::BUFFER)
                .and_then(|server| memory::measure(&server, &self.ground, path, self.connections));
            match grown {
                Err(error) => failures.push(format!("{}: no figures: {error}", recipe.name)),
                Ok(grown) => {
                    let (name, before, after) = (&recipe.name, grown.before / 1024, grown.after / 1024);
                    writeln!(out, "| {name} | {:.0} | {before} | {after} |", grown.each())?;
                    if let Some(most) = self.most.filter(|most| recipe.is_ours() && grown.each() > *most) {
                        failures.push(format!("{name}: more than {most} bytes"));
                    }
                }
            }
            out.flush()?;
        }
        for failure in &failures {
            writeln!(out, "\n{failure}")?;
        }
        Ok(failures.len())
    }

    /// Has `ours` print what timers cost; gives whether that has failed.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn timers(&self, out: &mut impl Write) -> io::Result<bool> {
        writeln!(out, "\n### timers\n")?;
        out.flush()?;
        let mut command = Command::new(self.programs.path(&Program::Ours("")));
        command.args(["timers", &TIMERS.to_string(), &self.rounds.to_string()]).env(TUNABLES.0, TUNABLES.1);
        Ok(!command.status()?.success())
    }
}
