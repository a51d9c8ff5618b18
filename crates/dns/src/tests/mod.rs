//! Lookups in the simulator, with name servers that do what a test says.

mod cache;
mod files;
mod hostile;
mod lookups;
mod messages;
mod ns;
