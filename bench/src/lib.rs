//! Trenza: bench.
