//! Trenza: sim.
