use crate::{canary::CANARIES, judge::Invariant, scenario::Kind, trial};

#[test]
fn one_seed_of_each_kind_is_clean() {
    for seed in 0..Kind::ALL.len() as u64 {
        let breach = trial(seed, None, None).breach;
        assert!(breach.is_none(), "seed {seed}: {breach:#?}");
    }
}

#[test]
fn monkeys_lose_nothing() {
    let kinds = Kind::ALL.len() as u64;
    for seed in (0..20 * kinds).filter(|seed| Kind::of(*seed) == Kind::Monkeys) {
        let breach = trial(seed, None, None).breach;
        assert!(breach.is_none(), "seed {seed}: {breach:#?}");
    }
}

#[test]
fn fewer_steps_replay_the_beginning() {
    let events = |steps| trial(10, Some(steps), None).events;
    assert!(events(2) < events(10) && events(10) < events(40));
}

#[test]
fn every_canary_is_found() {
    let missed: Vec<_> = CANARIES.iter().filter(|canary| canary.find().is_none()).collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[test]
fn every_invariant_has_a_canary() {
    for invariant in Invariant::ALL {
        assert!(CANARIES.iter().any(|canary| canary.breaks == invariant), "nothing breaks {invariant:?}");
    }
}
