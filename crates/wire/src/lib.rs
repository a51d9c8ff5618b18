//! Bytes in, bytes out: what a codec may know of the world.
//!
//! A codec reads from an [`Input`] and writes to an [`OutBuf`]. It can name neither a socket nor a
//! clock, so it runs the same on every driver, in the simulator and under a fuzzer.
//!
//! ```
//! use std::cell::Cell;
//! use trenza_wire::{Input, OutBuf};
//!
//! let frozen = Cell::new(false);
//! let mut input = Input::new(b"HELO there\r\nMAIL", &frozen, 64 * 1024);
//! let mut out = OutBuf::new();
//! while let Some(line) = input.line(512)? {
//!     out.push_slice(line);
//! }
//! assert_eq!(out.to_vec()?, b"HELO there");
//! assert_eq!(input.peek(), b"MAIL"); // half a line: offered again with more behind it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buf;
mod carried;
mod chunks;
mod error;
pub mod framing;
mod input;
mod out;
pub mod reply;
pub mod spare;

pub use buf::{Buf, Wire};
pub use error::{InputError, ProtocolError};
pub use input::Input;
pub use out::{Chunk, OutBuf};
