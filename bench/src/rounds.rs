//! [`Rounds`]: what came of the rounds of a test, of a server that is no part of a [contest](crate::contest).

use crate::sample::{median, quantile};
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// A server that has had so long for a test takes part in no further round of it, so that all of them end in time.
const BUDGET: Duration = Duration::from_secs(6);

/// What came of a server's rounds of a test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    /// How much a second.
    rates: Vec<f64>,
    /// CPU time, in seconds.
    costs: Vec<f64>,
    /// What it took so far, with all that is not measured.
    spent: Duration,
    /// Why there are no more.
    failure: Option<String>,
}

impl Rounds {
    /// So many rounds of all servers, of so much each. In each round another one is the first, so that a drift hits all.
    pub(crate) fn in_turn<S>(
        servers: &[S],
        rounds: usize,
        amount: f64,
        mut round: impl FnMut(&S) -> io::Result<(Duration, Duration)>,
    ) -> Vec<Self> {
        let mut all = vec![Self::default(); servers.len()];
        for number in 0..rounds {
            for at in 0..servers.len() {
                let at = (at + number) % servers.len();
                if let (Some(server), Some(own)) = (servers.get(at), all.get_mut(at)) {
                    own.one_more(amount, || round(server));
                }
            }
        }
        all
    }

    /// One more, of so much, unless there was enough: `round` says how long it took, and the server's CPU time.
    fn one_more(&mut self, amount: f64, round: impl FnOnce() -> io::Result<(Duration, Duration)>) {
        if self.spent > BUDGET || self.failure.is_some() {
            return;
        }
        let began = Instant::now();
        match round() {
            Ok((took, cost)) => {
                self.rates.push(amount / took.as_secs_f64());
                self.costs.push(cost.as_secs_f64());
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
        self.spent += began.elapsed();
    }

    /// A table of all servers: rates in a unit, and CPU time as it is called, and in what part of a second it is told.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(crate) fn print(
        all: &[(&str, Self)],
        unit: &str,
        (cost, part): (&str, f64),
        out: &mut impl Write,
    ) -> io::Result<()> {
        writeln!(
            out,
            "| server | {unit} | a quarter is below | above | {cost} | rounds |\n|---|---:|---:|---:|---:|---:|"
        )?;
        for (name, Self { rates, costs, .. }) in all {
            let (low, high) = (quantile(rates, 0.25), quantile(rates, 0.75));
            let (rate, cost, rounds) = (median(rates), median(costs) / part, rates.len());
            let digits = if part == 1.0 { 2 } else { 0 };
            writeln!(out, "| {name} | {rate:.0} | {low:.0} | {high:.0} | {cost:.digits$} | {rounds} |")?;
        }
        // What one of them cannot do with these clients is no reason to tell nothing of the others.
        for (name, failure) in all.iter().filter_map(|(name, rounds)| Some((name, rounds.failure.as_ref()?)))
        {
            writeln!(out, "\n{name}: {failure}")?;
        }
        out.flush()
    }
}
