//! Whatever may go wrong with a machine and its thread pool while messages are taken and carried.

use crate::{
    HOUR, MINUTE,
    crashes::{self, Run},
    options, run,
};
use std::{sync::Arc, time::Duration};
use trenza_sim::Fault;

#[test]
fn any_fault_at_any_time() {
    for (number, fault) in (0..).zip(Fault::all()) {
        for step in 0..8 {
            let net = fault.net(number * 10 + step);
            let (host, cli) = (net.host("mx"), net.host("cli"));
            let others = crashes::others(&host, || false);
            let queue = run(&host, Arc::new(host.disk()), options(), &others).unwrap();
            let told = crashes::submit(&host, &queue);
            net.advance(Duration::from_millis(step * 17));
            let guard = fault.strike(&net, &host, &cli);
            net.advance(MINUTE);
            drop(guard);
            let told: Vec<usize> = told.borrow().clone();
            if fault.is_harmless() {
                assert_eq!(told, [0, 1, 2], "{fault:?} at {step}");
            } else {
                // Somebody looks after it.
                match host.is_down() {
                    true => host.restart(|_| ()),
                    false => host.kill(),
                }
                run(&host, Arc::new(host.disk()), options(), &others).unwrap();
            }
            net.advance(HOUR);
            let run = crashes::judge(&others, &told, &[], false, 2);
            assert_eq!(run, Run::Crashed, "{fault:?} at {step}");
            let folder = host.disk().folder("messages").unwrap();
            assert!(folder.list().unwrap().is_empty(), "{fault:?} at {step}");
        }
    }
}
