//! Trenza: sys.
