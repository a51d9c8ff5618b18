//! What does a million timers cost, and is their memory given back?
//!
//! `cargo run --release -p trenza-bench --bin timers`
#![allow(clippy::disallowed_methods, reason = "the clock is what is measured with")]

use clap::Parser;
use std::{
    env,
    error::Error,
    process::{self, Command},
    time::{Duration, Instant},
};
use trenza::{Engine, PollDriver, Reactor, Timer};
use trenza_bench::resident;

/// Sets timers, resets half of them, cancels all, and prints how long it took and how much memory it left behind.
#[derive(Debug, Parser)]
struct Args {
    /// How many timers
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    timers: u64,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Fail when a round takes longer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    most: f64,
    /// Fail when a round leaves more than this behind
    #[arg(long, value_name = "MIB", default_value_t = 8)]
    left: u64,
}

/// Has glibc return what is free at the end of its heap, and keep no small blocks for reuse. By itself it keeps what
/// it likes, up to all small blocks, and then its habits would be measured, not ours.
const TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.trim_threshold=131072:glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0",
);

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (name, value) = TUNABLES;
    if env::var_os(name).is_none() {
        let status =
            Command::new(env::current_exe()?).args(env::args_os().skip(1)).env(name, value).status()?;
        return if status.success() { Ok(()) } else { Err("the measured process has failed".into()) };
    }
    let mut engine = Engine::new(Box::new(PollDriver::new()?));
    println!(
        "| timers | set, ms | half reset, ms | cancelled, ms | RSS before, KiB | at most, KiB | after, KiB |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for _ in 0..args.rounds {
        round(&mut engine, &args)?;
    }
    Ok(())
}

fn round(engine: &mut Engine, args: &Args) -> Result<(), Box<dyn Error>> {
    let before = resident(process::id())?;
    let start = Instant::now();
    let timers: Vec<Timer> = engine.enter(|reactor| (0..args.timers).map(|n| set(reactor, n)).collect());
    engine.dispatch();
    let set = start.elapsed();
    for (n, timer) in (0..).zip(&timers).step_by(2) {
        timer.reset(delay(n ^ 0x5555));
    }
    engine.dispatch();
    let reset = start.elapsed();
    let pending = timers.iter().filter(|timer| timer.is_pending()).count();
    let most = resident(process::id())?;
    let cancelling = Instant::now();
    drop(timers);
    engine.dispatch();
    let cancelled = cancelling.elapsed();
    let after = resident(process::id())?;

    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "| {} | {:.0} | {:.0} | {:.0} | {} | {} | {} |",
        args.timers,
        ms(set),
        ms(reset - set),
        ms(cancelled),
        before / 1024,
        most / 1024,
        after / 1024
    );
    if pending as u64 != args.timers || engine.left().timers != 0 {
        return Err("timers were lost or left".into());
    }
    if (reset + cancelled).as_secs_f64() > args.most {
        return Err(format!("more than {} s", args.most).into());
    }
    if after.saturating_sub(before) > args.left * 1024 * 1024 {
        return Err(format!("more than {} MiB were left", args.left).into());
    }
    Ok(())
}

/// With a closure that owns something, as those of programs do.
fn set(reactor: &Reactor, n: u64) -> Timer {
    let owned = [n; 4];
    reactor.call_later(delay(n), move || println!("a timer of an hour ran: {owned:?}"))
}

/// An hour and something, in no order.
fn delay(n: u64) -> Duration {
    Duration::from_secs(3600) + Duration::from_micros(n.wrapping_mul(6_364_136_223_846_793_005) >> 34)
}
