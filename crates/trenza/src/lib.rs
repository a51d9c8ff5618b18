//! Trenza: trenza.
