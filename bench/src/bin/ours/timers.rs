//! What do timers cost, and is their memory given back?
#![allow(clippy::disallowed_methods, reason = "the clock is what is measured with")]

use std::{
    process,
    time::{Duration, Instant},
};
use trenza::{DriverKind, Engine, Reactor, Result, Timer};
use trenza_bench::resident;

/// How much memory a round may leave behind, in bytes.
const LEFT: u64 = 8 << 20;

/// Sets timers, resets half of them, cancels all, and prints how long it took and how much memory it left behind.
pub(crate) fn measure(count: u64, rounds: u32) -> Result {
    let mut engine = Engine::new(DriverKind::from_env()?.driver()?);
    println!(
        "| timers | set, ms | half reset, ms | cancelled, ms | RSS before, KiB | at most, KiB | after, KiB |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for _ in 0..rounds {
        round(&mut engine, count)?;
    }
    Ok(())
}

fn round(engine: &mut Engine, count: u64) -> Result {
    let before = resident(process::id())?;
    let start = Instant::now();
    let timers: Vec<Timer> = engine.enter(|reactor| (0..count).map(|n| set(reactor, n)).collect());
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
        count,
        ms(set),
        ms(reset - set),
        ms(cancelled),
        before / 1024,
        most / 1024,
        after / 1024
    );
    if pending as u64 != count || engine.left().timers != 0 {
        return Err("timers were lost or left".into());
    }
    if after.saturating_sub(before) > LEFT {
        return Err(format!("more than {LEFT} bytes were left").into());
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
