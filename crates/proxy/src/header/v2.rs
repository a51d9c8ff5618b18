//! Version 2: a binary block.
//!
//! ```text
//!  0            12        13      14       16            16 + length
//!  ┌────────────┬─────────┬───────┬────────┬───────────┬────────┐
//!  │ signature  │ version │ family│ length │ addresses │ fields │
//!  │            │ command │ type  │        │           │        │
//!  └────────────┴─────────┴───────┴────────┴───────────┴────────┘
//! ```

use super::{Error, Header, Told, Version, wrong};
use std::net::{IpAddr, SocketAddr};

/// The most bytes behind the first 16: addresses and additional fields.
pub const BLOCK_MAX: usize = 4096;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const HEAD: usize = 16;
/// How long the path of a UNIX socket is, with zeros behind it.
const PATH: usize = 108;
/// The type of the field with the checksum.
const CHECKSUM: u8 = 0x03;

pub(super) fn parse(data: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let begin = data.len().min(SIGNATURE.len());
    if data.get(..begin) != SIGNATURE.get(..begin) {
        return Err(wrong("there is no PROXY header before the client's bytes"));
    }
    match data.get(12) {
        None | Some(0x20 | 0x21) => {}
        Some(other) if other >> 4 != 2 => return Err(wrong("the PROXY header is of an unknown version")),
        Some(_) => return Err(wrong("the PROXY header has an unknown command")),
    }
    if data.get(13).is_some_and(|family| family >> 4 > 3 || family & 15 > 2) {
        return Err(wrong("the PROXY header has an unknown family or type of address"));
    }
    let Some(&[command, family, high, low]) = data.get(12..HEAD).and_then(|head| head.first_chunk()) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > BLOCK_MAX {
        return Err(wrong("the PROXY header is longer than 4096 bytes"));
    }
    let Some(whole) = data.get(..HEAD + length) else { return Ok(None) };
    // Of a proxy's own connection all but the length is of no interest.
    let told = if command == 0x20 { Told::Local } else { addresses(family, whole)? };
    Ok(Some((Header { version: Version::V2, told }, whole.len())))
}

/// The addresses of a whole header, when its additional fields are right.
fn addresses(family: u8, whole: &[u8]) -> Result<Told, Error> {
    let mut block = Block(whole.get(HEAD..).unwrap_or_default());
    let told = match family {
        0x11 | 0x12 => {
            let (source, destination) = (block.ip::<4>()?, block.ip::<4>()?);
            block.ports(source, destination)?
        }
        0x21 | 0x22 => {
            let (source, destination) = (block.ip::<16>()?, block.ip::<16>()?);
            block.ports(source, destination)?
        }
        0x31 | 0x32 => Told::Unix { source: block.path()?, destination: block.path()? },
        // A family without a type, or the other way round, says nothing that could be used: its addresses, if there
        // are any, are not told from fields.
        _ => return Ok(Told::Unknown),
    };
    while let Some(kind) = block.take::<1>() {
        let length = block.take().map(|length| usize::from(u16::from_be_bytes(length)));
        let field = length.and_then(|length| block.slice(length));
        let field = field.ok_or_else(|| wrong("a field of the PROXY header is longer than the header"))?;
        if kind == [CHECKSUM] {
            let sum =
                field.try_into().map_err(|_| wrong("the checksum of the PROXY header is not of 4 bytes"))?;
            let behind = block.0.len() + field.len();
            verify(u32::from_be_bytes(sum), whole, whole.len() - behind)?;
        }
    }
    Ok(told)
}

/// The checksum is that of the header with zeros in its place.
fn verify(sum: u32, whole: &[u8], at: usize) -> Result<(), Error> {
    let (before, rest) = whole.split_at(at.min(whole.len()));
    let behind = rest.get(4..).unwrap_or_default();
    match crc32c([before, &[0; 4], behind]) == sum {
        true => Ok(()),
        false => Err(wrong("the checksum of the PROXY header is wrong")),
    }
}

/// CRC-32C (RFC 9260 appendix A), bit by bit: few headers have one, and they are short.
pub(super) fn crc32c<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut sum = u32::MAX;
    for byte in parts.into_iter().flatten() {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82F6_3B78 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

/// What is left of a header.
struct Block<'a>(&'a [u8]);

impl<'a> Block<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn ip<const N: usize>(&mut self) -> Result<IpAddr, Error>
    where
        [u8; N]: Into<IpAddr>,
    {
        self.take::<N>()
            .map(Into::into)
            .ok_or_else(|| wrong("the PROXY header is too short for its addresses"))
    }

    fn ports(&mut self, source: IpAddr, destination: IpAddr) -> Result<Told, Error> {
        let short = || wrong("the PROXY header is too short for its ports");
        let from = u16::from_be_bytes(self.take().ok_or_else(short)?);
        let to = u16::from_be_bytes(self.take().ok_or_else(short)?);
        Ok(Told::Ip { source: SocketAddr::new(source, from), destination: SocketAddr::new(destination, to) })
    }

    /// A path, without the zeros behind it. One of Linux's abstract names begins with a zero.
    fn path(&mut self) -> Result<Vec<u8>, Error> {
        let short = || wrong("the PROXY header is too short for its paths");
        let field = self.slice(PATH).ok_or_else(short)?;
        let end = field.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(field.get(..end).unwrap_or_default().to_vec())
    }
}

pub(super) fn encode(told: &Told) -> Vec<u8> {
    let mut block = Vec::new();
    let (command, family) = match told {
        Told::Local => (0x20, 0x00),
        Told::Ip { source: SocketAddr::V4(source), destination: SocketAddr::V4(destination) } => {
            block.extend([source, destination].map(|end| end.ip().octets()).concat());
            block.extend([source, destination].map(|end| end.port().to_be_bytes()).concat());
            (0x21, 0x11)
        }
        Told::Ip { source: SocketAddr::V6(source), destination: SocketAddr::V6(destination) } => {
            block.extend([source, destination].map(|end| end.ip().octets()).concat());
            block.extend([source, destination].map(|end| end.port().to_be_bytes()).concat());
            (0x21, 0x21)
        }
        Told::Unix { source, destination } => {
            for path in [source, destination] {
                let mut field = [0; PATH];
                field.iter_mut().zip(path).for_each(|(to, from)| *to = *from);
                block.extend(field);
            }
            (0x21, 0x31)
        }
        Told::Unknown | Told::Ip { .. } => (0x21, 0x00),
    };
    let length = u16::try_from(block.len()).unwrap_or_default();
    let head = [&SIGNATURE[..], &[command, family], &length.to_be_bytes()].concat();
    [head, block].concat()
}
