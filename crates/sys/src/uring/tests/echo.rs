//! Random programs under each fault, and under all of them.

use super::{
    super::faulty::{Fault, Faults},
    Mode, Parts,
    program::run,
};

/// How many programs each fault is tried on.
const SEEDS: u64 = 6;

/// Runs programs with a fault that strikes once in so many times.
fn tried(test: &str, fault: Fault, once_in: usize) {
    let parts = Parts::new((8, 256 * 1024), Mode::Incremental).with(fault, once_in);
    let mut strikes = 0;
    for seed in 0..SEEDS {
        let Some(counts) = run(test, Parts { seed, ..parts }) else { return };
        strikes += counts.of(fault);
    }
    assert!(strikes > 0, "it never struck");
}

#[test]
fn all_goes_well_without_faults() {
    for seed in 0..SEEDS {
        let parts = Parts { seed, ..Parts::new((8, 256 * 1024), Mode::Incremental) };
        let Some(counts) = run("all_goes_well_without_faults", parts) else { return };
        assert!(counts.pieces > 0);
    }
}

#[test]
fn interrupted_calls_lose_nothing() {
    tried("interrupted_calls_lose_nothing", Fault::Interrupted, 2);
}

#[test]
fn receives_without_a_buffer_are_asked_for_again() {
    tried("receives_without_a_buffer_are_asked_for_again", Fault::Dry, 2);
}

#[test]
fn requests_that_the_kernel_cancels_are_asked_for_again() {
    tried("requests_that_the_kernel_cancels_are_asked_for_again", Fault::Cancelled, 2);
}

#[test]
fn short_sends_go_on_where_they_have_ended() {
    tried("short_sends_go_on_where_they_have_ended", Fault::Short, 2);
}

#[test]
fn requests_with_one_completion_are_asked_for_again() {
    tried("requests_with_one_completion_are_asked_for_again", Fault::Single, 2);
}

#[test]
fn requests_without_memory_are_asked_for_again() {
    tried("requests_without_memory_are_asked_for_again", Fault::NoMemory, 2);
}

#[test]
fn requests_that_are_to_be_tried_again_are() {
    tried("requests_that_are_to_be_tried_again_are", Fault::Again, 2);
}

#[test]
fn accepts_without_a_descriptor_cost_one_connection() {
    tried("accepts_without_a_descriptor_cost_one_connection", Fault::NoDescriptor, 2);
}

#[test]
fn completions_may_be_late_and_in_any_order() {
    tried("completions_may_be_late_and_in_any_order", Fault::Late, 2);
}

#[test]
fn all_faults_at_once() {
    let shapes = [
        ((8, 256 * 1024), Mode::Incremental),
        ((2, 4096), Mode::Incremental),
        ((8, 16 * 1024), Mode::Whole),
        ((1, 4096), Mode::Whole),
    ];
    for (seed, (shape, mode)) in (0..2 * SEEDS).zip(shapes.into_iter().cycle()) {
        // Every other time the queues overflow, too.
        let queues = if seed < SEEDS { (512, 4096) } else { (8, 16) };
        run("all_faults_at_once", Parts { faults: Faults::all(), queues, seed, ..Parts::new(shape, mode) });
    }
}
