//! Mail for Trenza: [`smtp`].

pub mod smtp;
