//! `ours WHAT PORT ...`: Trenza under measurement, as a program of its own. `TRENZA_DRIVER` says which driver it is on.
//!
//! - `echo PORT`, `coroutine PORT`: TCP, by a protocol or a coroutine for each connection
//! - `udp PORT`: datagrams
//! - `http PORT DIR [PEM]`: a hello and the files of DIR, from memory; with PEM over TLS
//! - `burn PORT LOOPS`: HTTP on so many loops, with handlers that work for some time
//! - `timers COUNT ROUNDS`: sets timers and prints what they cost
//! - `path NAME COUNT`: goes a hot path so often

mod burn;
mod echo;
mod path;
mod script;
mod timers;
mod web;

use std::env;
use trenza::Result;

fn main() -> Result {
    let mut args = env::args().skip(1);
    let mut next = || args.next().ok_or("usage: ours echo|coroutine|udp|http|burn|timers|path ...");
    let what = next()?;
    match &*what {
        "echo" => echo::protocol(&next()?),
        "coroutine" => echo::coroutine(&next()?),
        "udp" => echo::datagrams(&next()?),
        "http" => web::serve(&next()?, &next()?, next().ok().as_deref()),
        "burn" => burn::serve(&next()?, next()?.parse()?),
        "timers" => timers::measure(next()?.parse()?, next()?.parse()?),
        "path" => path::go(&next()?, next()?.parse()?),
        _ => Err(format!("there is no {what}").into()),
    }
}
