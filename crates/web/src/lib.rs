//! Trenza: web.
