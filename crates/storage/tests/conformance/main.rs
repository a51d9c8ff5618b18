//! What every tree must do: folders of the machine, disks of the simulator, and what is wrapped around them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

mod names;
mod read;
mod trees;
mod write;

use trees::{each, get, kind, names, path, put};
