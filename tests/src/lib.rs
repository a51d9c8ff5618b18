//! Trenza: tests.
