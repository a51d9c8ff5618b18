//! What headers mean, and which are none.

use super::{BLOCK_MAX, Error, Header, LINE_MAX, Told, Version, parse, v2::crc32c};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn block(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn ip(source: &str, destination: &str) -> Told {
    Told::Ip { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// What a header says; none of its prefixes is one, and what follows it is not looked at.
fn told(header: &[u8]) -> Result<Told, Error> {
    for end in 0..header.len() {
        if parse(&header[..end])?.is_some() {
            panic!("{header:?} was taken for whole at {end}");
        }
    }
    let more = [header, b"GET /\r\n"].concat();
    let (found, used) = parse(&more)?.expect("it is whole");
    assert_eq!(used, header.len());
    Ok(found.told)
}

#[test]
fn version_1() {
    for (line, means) in [
        ("TCP4 192.0.2.1 192.0.2.2 5000 80", ip("192.0.2.1:5000", "192.0.2.2:80")),
        ("TCP4 0.0.0.0 255.255.255.255 0 65535", ip("0.0.0.0:0", "255.255.255.255:65535")),
        ("TCP6 2001:db8::1 ::1 5000 80", ip("[2001:db8::1]:5000", "[::1]:80")),
        ("TCP6 ::ffff:192.0.2.1 ::1 5000 80", ip("[::ffff:192.0.2.1]:5000", "[::1]:80")),
        ("UNKNOWN", Told::Unknown),
        ("UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", Told::Unknown),
    ] {
        assert_eq!(told(format!("PROXY {line}\r\n").as_bytes()), Ok(means), "{line}");
    }
}

#[test]
fn what_is_wrong_with_version_1() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_MAX - 15));
    for (line, part) in [
        ("GET / HTTP/1.1\r\n", "no PROXY header"),
        ("PRO", ""),
        ("PROY", "no PROXY header"),
        ("PROXY\tTCP4", "no PROXY header"),
        ("PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "another protocol"),
        ("PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n", "another protocol"),
        ("PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", "another protocol"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", "without CR"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", "two addresses and two ports"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "two addresses and two ports"),
        ("PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n", "two addresses and two ports"),
        ("PROXY TCP4 1.1.1.1 ::1 1 1\r\n", "not of its family"),
        ("PROXY TCP6 1.1.1.1 ::1 1 1\r\n", "not of its family"),
        ("PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n", "not of its family"),
        ("PROXY TCP6 fe80::1%1 ::1 1 1\r\n", "not of its family"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", "port"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n", "port"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n", "port"),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n", "port"),
        (&long, "longer than 107"),
    ] {
        match parse(line.as_bytes()) {
            Ok(found) => assert!(part.is_empty() && found.is_none(), "{line:?} is {found:?}"),
            Err(error) => assert!(!part.is_empty() && error.to_string().contains(part), "{line:?}: {error}"),
        }
    }
    // The longest that may be.
    assert_eq!(
        told(format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_MAX - 16)).as_bytes()),
        Ok(Told::Unknown)
    );
}

#[test]
fn version_2() {
    let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 19, 136, 0, 80];
    let v6 = [&[0; 15][..], &[1], &[0; 15], &[2], &[19, 136, 0, 80]].concat();
    let mut unix = [0; 216];
    unix[..4].copy_from_slice(b"/a.s");
    unix[108..112].copy_from_slice(b"\0abs");
    let paths = Told::Unix { source: b"/a.s".to_vec(), destination: b"\0abs".to_vec() };
    for (header, means) in [
        (block(0x21, 0x11, &v4), ip("192.0.2.1:5000", "192.0.2.2:80")),
        (block(0x21, 0x12, &v4), ip("192.0.2.1:5000", "192.0.2.2:80")),
        (block(0x21, 0x21, &v6), ip("[::1]:5000", "[::2]:80")),
        (block(0x21, 0x31, &unix), paths),
        // Fields behind the addresses: of no length, unknown, and none that matters.
        (
            block(0x21, 0x11, &[&v4[..], &[4, 0, 0, 0xee, 0, 2, 1, 2]].concat()),
            ip("192.0.2.1:5000", "192.0.2.2:80"),
        ),
        (block(0x21, 0x00, &[]), Told::Unknown),
        (block(0x21, 0x00, b"whatever"), Told::Unknown),
        (block(0x21, 0x10, b"whatever"), Told::Unknown),
        (block(0x20, 0x00, &[]), Told::Local),
        // The rest is of no interest, be it right or wrong.
        (block(0x20, 0x11, &v4[..3]), Told::Local),
        (block(0x20, 0x00, &[0; BLOCK_MAX]), Told::Local),
    ] {
        assert_eq!(told(&header), Ok(means), "{header:?}");
    }
}

#[test]
fn what_is_wrong_with_version_2() {
    let v4 = [0; 12];
    for (header, part) in [
        (b"\r\n\r\nQUIT".to_vec(), "no PROXY header"),
        (block(0x11, 0x11, &v4), "unknown version"),
        (block(0x22, 0x11, &v4), "unknown command"),
        (block(0x21, 0x41, &v4), "unknown family"),
        (block(0x21, 0x13, &v4), "unknown family"),
        (block(0x21, 0x11, &v4[1..]), "too short for its ports"),
        (block(0x21, 0x11, &v4[..7]), "too short for its addresses"),
        (block(0x21, 0x21, &v4), "too short for its addresses"),
        (block(0x21, 0x31, &[0; 215]), "too short for its paths"),
        (block(0x21, 0x11, &[&v4[..], &[4]].concat()), "a field"),
        (block(0x21, 0x11, &[&v4[..], &[4, 0, 1]].concat()), "a field"),
        (block(0x21, 0x11, &[&v4[..], &[3, 0, 3, 1, 2, 3]].concat()), "not of 4 bytes"),
        (block(0x21, 0x11, &[&v4[..], &[3, 0, 4, 1, 2, 3, 4]].concat()), "checksum"),
        (block(0x20, 0x11, &[0; BLOCK_MAX + 1]), "longer than 4096"),
    ] {
        let error = parse(&header).unwrap_err();
        assert!(error.to_string().contains(part), "{header:?}: {error}");
    }
}

#[test]
fn a_checksum_that_is_right_is_taken() {
    assert_eq!(crc32c([&b"1234"[..], b"56789"]), 0xE306_9283);
    let fields = [&[0; 12][..], &[4, 0, 1, 7], &[3, 0, 4, 0, 0, 0, 0], &[4, 0, 0]].concat();
    let mut header = block(0x21, 0x11, &fields);
    let sum = crc32c([&header[..]]).to_be_bytes();
    let at = header.len() - 7;
    header[at..at + 4].copy_from_slice(&sum);
    assert_eq!(told(&header), Ok(ip("0.0.0.0:0", "0.0.0.0:0")));
    // Of another type the field is no checksum any more.
    let kind = at - 3;
    for bit in (0..header.len() * 8).filter(|bit| bit / 8 != kind) {
        let mut torn = header.clone();
        torn[bit / 8] ^= 1 << (bit % 8);
        let outcome = parse(&torn);
        // What is said must not change unnoticed; the command is LOCAL in one of these, which says nothing.
        assert!(
            !matches!(&outcome, Ok(Some((found, _))) if found.told != Told::Local && found.told != Told::Unknown),
            "bit {bit}"
        );
    }
}

#[test]
fn what_is_written_is_read() {
    let paths = Told::Unix { source: Vec::new(), destination: b"/run/x".to_vec() };
    let mixed = ip("192.0.2.1:1", "[::1]:2");
    for (version, said, read) in [
        (Version::V1, ip("192.0.2.1:1", "192.0.2.2:65535"), None),
        (Version::V1, ip("[::1]:1", "[2001:db8::1]:2"), None),
        (Version::V1, Told::Unknown, None),
        (Version::V1, Told::Local, Some(Told::Unknown)),
        (Version::V1, paths.clone(), Some(Told::Unknown)),
        (Version::V1, mixed.clone(), Some(Told::Unknown)),
        (Version::V2, ip("192.0.2.1:1", "192.0.2.2:65535"), None),
        (Version::V2, ip("[::1]:1", "[2001:db8::1]:2"), None),
        (Version::V2, Told::Unknown, None),
        (Version::V2, Told::Local, None),
        (Version::V2, paths, None),
        (Version::V2, mixed, Some(Told::Unknown)),
    ] {
        let bytes = Header { version, told: said.clone() }.encode();
        assert_eq!(told(&bytes), Ok(read.unwrap_or(said)), "{bytes:?}");
    }
}
