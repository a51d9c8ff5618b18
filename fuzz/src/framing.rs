//! What the target `framing` checks; a test of `trenza-wire` replays its corpus with it.

use std::cell::Cell;
use trenza_wire::{
    Input, OutBuf,
    framing::{Error, Prefix, netstring, write_netstring},
};

/// The longest string: short inputs reach it.
const STRING_MAX: usize = 64;
/// What a connection holds: that and what is around it.
const UNREAD_MAX: usize = STRING_MAX + 32;

const FORMATS: [Format; 4] = [
    Format::Netstring,
    Format::Prefixed(Prefix::U8),
    Format::Prefixed(Prefix::U16),
    Format::Prefixed(Prefix::U32),
];

#[derive(Debug, Clone, Copy)]
enum Format {
    Netstring,
    Prefixed(Prefix),
}

impl Format {
    fn read<'a>(self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, Error> {
        match self {
            Self::Netstring => netstring(input, STRING_MAX),
            Self::Prefixed(prefix) => prefix.read(input, STRING_MAX),
        }
    }

    fn write(self, data: &[u8], out: &mut OutBuf) {
        match self {
            Self::Netstring => write_netstring(data, out),
            Self::Prefixed(prefix) => prefix.write(data, out).expect("it is short enough"),
        }
    }
}

/// The first byte says how the others are cut. What is read does not depend on it, limits are kept, and what is
/// written is read again.
pub(crate) fn framing(data: &[u8]) {
    let Some((size, message)) = data.split_first() else { return };
    let size = usize::from(*size).clamp(1, STRING_MAX);
    for format in FORMATS {
        let whole = strings(format, [message]);
        assert!(whole.0.iter().all(|string| string.len() <= STRING_MAX));
        assert_eq!(strings(format, message.chunks(size)), whole, "{format:?} in pieces of {size}");
        assert_eq!(strings(format, message.chunks(1)), whole, "{format:?} byte for byte");

        let mut out = OutBuf::new();
        message.chunks(size).for_each(|string| format.write(string, &mut out));
        let written = out.to_vec().expect("there is no file");
        let read = (message.chunks(size).map(<[u8]>::to_vec).collect(), None);
        assert_eq!(strings(format, written.chunks(size)), read, "{format:?} written and read");
    }
}

/// The strings in these pieces, and what was wrong after them.
fn strings<'a>(
    format: Format,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<&'static str>) {
    let (frozen, mut unread, mut strings) = (Cell::new(false), Vec::new(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, UNREAD_MAX);
        loop {
            let before = input.taken();
            match format.read(&mut input) {
                Ok(Some(string)) => strings.push(string.to_vec()),
                Ok(None) => break,
                Err(Error::Remote { what, .. }) => {
                    assert_eq!(input.taken(), before, "an error takes nothing");
                    return (strings, Some(what));
                }
                Err(Error::Local(what)) => panic!("the peer's bytes are not our fault: {what}"),
            }
            assert!(input.taken() > before, "a string without bytes");
        }
        let taken = input.taken();
        unread.drain(..taken);
        assert!(unread.len() <= UNREAD_MAX, "a connection would hold too much");
    }
    (strings, None)
}
