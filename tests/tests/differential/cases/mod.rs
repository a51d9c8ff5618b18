//! The table.

use crate::case::Case;

mod bodies;
mod chunks;
mod connection;
mod expect;
mod fields;
mod framing;
mod host;
mod line;
mod old;
mod pipelining;
mod upgrade;
mod why;

/// The groups: what they are about, and their cases.
pub(crate) const ALL: &[(&str, &[Case])] = &[
    ("framing conflict", framing::CASES),
    ("chunk syntax", chunks::CASES),
    ("header syntax", fields::CASES),
    ("Host", host::CASES),
    ("request line", line::CASES),
    ("pipelining", pipelining::CASES),
    ("Expect", expect::CASES),
    ("connection options", connection::CASES),
    ("HTTP/1.0", old::CASES),
    ("upgrade", upgrade::CASES),
    ("bodies and limits", bodies::CASES),
];
