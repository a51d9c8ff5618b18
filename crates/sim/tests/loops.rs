//! Loops that call each other, on simulated hosts.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use trenza_core::{Reactor, Remote};
use trenza_sim::Net;

/// The number, the random byte, and the time.
type Pass = (u32, u8, Duration);
type Told = Arc<Mutex<Vec<Pass>>>;

/// Passes a number on to the other loop, which passes it back after a time that the seed decides, until it is 0.
fn pass(number: u32, to: Remote, own: Remote, told: Told, reactor: &Reactor) {
    let mut random = [0];
    reactor.random(&mut random);
    told.lock().expect("nobody panicked").push((
        number,
        random[0],
        reactor.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
    ));
    if number == 0 {
        assert!(to.call(Reactor::stop));
        return reactor.stop();
    }
    let later = move || {
        let (there, here) = (to.clone(), own);
        assert!(to.call(move |reactor| pass(number - 1, here, there, told, reactor)));
    };
    reactor.call_later(Duration::from_millis(random[0].into()), later).detach();
}

/// What was passed, by whom, and when.
fn game(seed: u64) -> Vec<Pass> {
    let net = Net::new(seed);
    let (left, right) = (net.host("left"), net.host("right"));
    let told = Told::default();
    let to = right.run(|reactor| reactor.remote());
    left.run(|reactor| pass(9, to, reactor.remote(), told.clone(), reactor));
    net.advance(Duration::from_secs(10));
    assert!(!left.is_running() && !right.is_running());
    let told = told.lock().expect("nobody panicked");
    told.clone()
}

#[test]
fn calls_between_loops_are_replayed_by_their_seed() {
    let told = game(1);
    assert_eq!(told.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert!(
        told.iter()
            .zip(told.iter().skip(1))
            .all(|(one, next)| { next.2 >= one.2 + Duration::from_millis(one.1.into()) })
    );
    assert_eq!(game(1), told);
    assert_ne!(game(2), told);
}
