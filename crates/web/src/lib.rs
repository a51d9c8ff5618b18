//! HTTP for Trenza.

pub mod h1;
