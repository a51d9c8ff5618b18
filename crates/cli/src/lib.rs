//! Trenza: cli.
