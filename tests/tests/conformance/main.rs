//! What every driver of the engine must show: each case is stated once, as a coroutine over a [`ground::Ground`],
//! and runs on each driver.
//!
//! A case that fails on the simulator prints its seed and the command that replays it. When a case has ended,
//! nothing may be left: no connection, port, timer or task, and on a real system no reference cycle.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

/// States cases, each an `async fn(Ground) -> Result`. A new driver adds a line.
macro_rules! cases {
    (of real systems only: $($case:ident)*) => { $(
        mod $case {
            #[test]
            fn poll() {
                crate::drivers::poll(|ground| Box::pin(super::$case(ground)));
            }
            #[cfg(target_os = "linux")]
            #[test]
            fn uring() {
                crate::drivers::uring(stringify!($case), |ground| Box::pin(super::$case(ground)));
            }
        }
    )* };
    ($($case:ident)*) => { $(
        mod $case {
            #[test]
            fn poll() {
                crate::drivers::poll(|ground| Box::pin(super::$case(ground)));
            }
            #[cfg(target_os = "linux")]
            #[test]
            fn uring() {
                crate::drivers::uring(stringify!($case), |ground| Box::pin(super::$case(ground)));
            }
            #[test]
            fn sim() {
                crate::drivers::sim(|ground| Box::pin(super::$case(ground)));
            }
        }
    )* };
}

mod actor;
mod drivers;
mod ground;
mod keeper;
mod log;
mod post;
mod programs;

mod adopt;
mod build;
mod close;
mod datagram;
mod deferred;
mod descriptors;
mod drops;
mod endpoint;
mod error;
mod exec;
mod exit;
mod file;
mod half;
mod handle;
mod header;
mod io_traits;
mod join;
mod layer;
mod listen;
mod output;
mod pair;
mod pass;
mod policy;
mod port;
mod process;
mod proxied;
mod rate;
mod receive;
mod remote;
mod send;
mod service;
mod slow;
mod starttls;
mod stop;
mod stop_reading;
mod stream;
mod switch;
mod tap;
mod threads;
mod throttle;
mod time;
mod tls;
mod udp;
mod unix;
mod unix_datagram;
mod watch;
