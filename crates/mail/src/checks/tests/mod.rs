//! Checks with DNS that is a table.

mod delivery;
mod resolver;
mod table;
mod together;

pub(in crate::checks) use table::{Table, at_once};
