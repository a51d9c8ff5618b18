//! Listings: facts (MLST and MLSD, RFC 3659 section 7), and what LIST shows, which no RFC says.
//!
//! [`mlsx`] and [`unix`] write and read, [`dos`] reads only. [`parse_line`] guesses.

pub mod dos;
mod entry;
mod facts;
pub mod mlsx;
#[cfg(test)]
mod tests;
pub mod unix;

pub use entry::{Entry, Kind};
pub use facts::{Fact, FactSet};

use std::time::SystemTime;

/// The longest line of a listing that clients read, in bytes.
pub const LINE_MAX: usize = 8192;

/// Reads a line of a LIST without its end, whoever wrote it. `now` tells the year where a date has none. None: it says nothing of an
/// entry, as the line `total 8` does, or nobody knows what it says.
///
/// ```
/// use std::time::SystemTime;
/// use trenza_ftp::listing::{Kind, parse_line};
///
/// let now = SystemTime::UNIX_EPOCH;
/// let unix = parse_line(b"drwxr-xr-x 2 ann staff 4096 Jan  1  1970 a b", now).expect("it is of UNIX");
/// assert_eq!((unix.kind, &*unix.name), (Kind::Folder, &b"a b"[..]));
/// let dos = parse_line(b"01-01-70  12:00AM                 1024 c", now).expect("it is of DOS");
/// assert_eq!((dos.kind, dos.size), (Kind::File, Some(1024)));
/// assert_eq!(parse_line(b"total 8", now), None);
/// ```
pub fn parse_line(line: &[u8], now: SystemTime) -> Option<Entry> {
    let first = line.first()?;
    if first.is_ascii_digit() { dos::parse(line) } else { unix::parse(line, now) }
}
