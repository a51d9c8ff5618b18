//! [`Workers`]: how many loops a service runs on.

use crate::terminal::say;
use std::num::NonZeroUsize;
use trenza::{Cores, Reactor, Result};

/// More than any machine has use for.
const WORKERS_MAX: usize = 1024;

/// How many loops a service runs on.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Workers {
    /// Threads that share the clients, each with a loop of its own; auto: one for each core. All limits are those of all
    /// together
    #[arg(long, value_name = "N|auto", default_value = "1", value_parser = number)]
    workers: NonZeroUsize,
}

impl Workers {
    /// Runs a service on all of them.
    pub(crate) fn run(&self, setup: impl Fn(&Reactor) -> Result + Send + Sync) -> Result {
        match self.workers.get() {
            1 => trenza::run(setup),
            many => Cores::new(many).run(setup),
        }
    }

    /// Says the last lines of what a service says when it has started.
    pub(crate) fn started(&self) {
        if self.workers.get() > 1 {
            say(&format!("{} workers share the clients.", self.workers));
        }
        say("Ctrl-C stops.");
    }
}

fn number(text: &str) -> Result<NonZeroUsize, String> {
    let number = if text == "auto" { NonZeroUsize::new(Cores::new(0).loops()) } else { text.parse().ok() };
    let fits = number.filter(|number| number.get() <= WORKERS_MAX);
    fits.ok_or_else(|| format!("a number from 1 to {WORKERS_MAX} is wanted, or auto"))
}
