//! From the path of a request target to a path below the root.
//!
//! A *clean* path is what all of this module's callers work with: percent-decoded bytes (UTF-8 or not) that
//! start with `/`, hold no empty, `.` or `..` segment and no NUL, and end with `/` only when the target names
//! a folder. It is the key of the descriptor cache, so every spelling of a name shares one entry.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::borrow::Cow;
use trenza_storage::Path;

/// The longest clean path, in bytes: what Linux takes in one call. Longer ones are answered with 414.
const PATH_BYTES_MAX: usize = 4096;

/// The one hidden name that is served without being asked for (RFC 8615), only directly below the root.
const WELL_KNOWN: &[u8] = b".well-known";

/// Everything but the unreserved characters of RFC 3986 and the slash. A colon is escaped too, so a name can
/// never be read as a scheme.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Why a request target names nothing below the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadPath {
    /// Not a path, a broken percent-escape, or `..` above the root: 400.
    Malformed,
    /// A name that no file can have, because it holds a slash or NUL: 404.
    Impossible,
    /// Over [`PATH_BYTES_MAX`]: 414.
    TooLong,
}

/// The clean path of `path`, the path component of a request target without its query.
///
/// Dot segments are resolved as in RFC 3986 section 5.2.4, but after decoding, so `%2e%2e` is `..` as well,
/// and climbing above the root is an error. Empty segments are dropped: `/a//b` is `/a/b`. A backslash is a
/// byte like any other.
pub(super) fn clean(path: &str) -> Result<Cow<'_, [u8]>, BadPath> {
    if path.len() <= PATH_BYTES_MAX && is_clean(path.as_bytes()) {
        return Ok(Cow::Borrowed(path.as_bytes()));
    }
    let rest = path.strip_prefix('/').ok_or(BadPath::Malformed)?;
    let mut clean = vec![b'/'];
    for segment in rest.split('/') {
        if clean.last() != Some(&b'/') {
            clean.push(b'/');
        }
        let name = decode(segment)?;
        match &*name {
            b"" | b"." => {}
            b".." => climb(&mut clean)?,
            name if memchr::memchr2(b'/', 0, name).is_some() => return Err(BadPath::Impossible),
            name => clean.extend_from_slice(name),
        }
        if clean.len() > PATH_BYTES_MAX {
            return Err(BadPath::TooLong);
        }
    }
    Ok(Cow::Owned(clean))
}

/// True when a path needs no change: the usual case, which costs one look at each byte and no memory.
fn is_clean(path: &[u8]) -> bool {
    let mut before = b'.';
    for &byte in path {
        let dirty = byte == b'%' || byte == 0 || (before == b'/' && (byte == b'/' || byte == b'.'));
        if dirty {
            return false;
        }
        before = byte;
    }
    path.first() == Some(&b'/')
}

/// Removes the last name of `clean`, which ends with a slash.
fn climb(clean: &mut Vec<u8>) -> Result<(), BadPath> {
    clean.pop();
    let parent = memchr::memrchr(b'/', clean).ok_or(BadPath::Malformed)?;
    clean.truncate(parent + 1);
    Ok(())
}

/// Decodes `%XX`; a percent sign without two hexadecimal digits behind it is an error.
fn decode(segment: &str) -> Result<Cow<'_, [u8]>, BadPath> {
    let bytes = segment.as_bytes();
    for at in memchr::memchr_iter(b'%', bytes) {
        match bytes.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(BadPath::Malformed),
        }
    }
    Ok(percent_encoding::percent_decode(bytes).into())
}

/// True when a clean path asks for a folder.
pub(super) fn is_folder(clean: &[u8]) -> bool {
    clean.ends_with(b"/")
}

/// True when a name of a clean path starts with a dot, `/.well-known` excepted.
pub(super) fn is_hidden(clean: &[u8]) -> bool {
    let mut names = clean.split(|&byte| byte == b'/').skip(1);
    names.next().is_some_and(|first| first.starts_with(b".") && first != WELL_KNOWN)
        || names.any(|name| name.starts_with(b"."))
}

/// A clean path as one of a tree, which no file has that is not one.
pub(super) fn below_root(clean: &[u8]) -> Result<Path, trenza_storage::Error> {
    let names = clean.strip_prefix(b"/").unwrap_or(clean);
    Path::new(names.strip_suffix(b"/").unwrap_or(names))
}

/// Bytes of a path, escaped for a URI reference.
pub(super) fn encode(path: &[u8]) -> impl std::fmt::Display + '_ {
    percent_encode(path, ESCAPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_paths_are_taken_as_they_are() {
        for path in ["/", "/a", "/a/", "/a.b/c-d_e~f", "/a./b.", "/a\\b", "/a:b"] {
            assert!(matches!(clean(path), Ok(Cow::Borrowed(same)) if same == path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn dots_escapes_and_empty_segments_are_resolved() {
        for (path, expected) in [
            ("//", "/"),
            ("//host/x", "/host/x"),
            ("/a//b", "/a/b"),
            ("/a//", "/a/"),
            ("/.", "/"),
            ("/a/.", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/..", "/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/%61%20b", "/a b"),
            ("/.x", "/.x"),
            ("/...", "/..."),
            ("/%25", "/%"),
            ("/%252e%252e/x", "/%2e%2e/x"),
            ("/a%5c..%5cb", "/a\\..\\b"),
        ] {
            assert_eq!(clean(path).as_deref(), Ok(expected.as_bytes()), "{path}");
        }
        assert_eq!(clean("/%ff%FE").as_deref(), Ok(&b"/\xff\xfe"[..]));
    }

    #[test]
    fn nothing_climbs_above_the_root() {
        for path in ["/..", "/../", "/../etc", "/a/../..", "/%2e%2e/etc", "/.%2e", "/a/b/../../../c", "//.."]
        {
            assert_eq!(clean(path), Err(BadPath::Malformed), "{path}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for path in ["/a%2fb", "/%2Fetc", "/..%2f..", "/a%00", "/a%00.html"] {
            assert_eq!(clean(path), Err(BadPath::Impossible), "{path}");
        }
        for path in ["", "*", "a", "a/b", "/%", "/%4", "/%4g", "/%zz", "/a%"] {
            assert_eq!(clean(path), Err(BadPath::Malformed), "{path}");
        }
        assert_eq!(clean(&format!("/{}", "a".repeat(PATH_BYTES_MAX))), Err(BadPath::TooLong));
        assert_eq!(clean(&format!("/./{}", "a".repeat(PATH_BYTES_MAX))), Err(BadPath::TooLong));
        assert!(clean(&format!("/{}", "a".repeat(PATH_BYTES_MAX - 1))).is_ok());
    }

    #[test]
    fn clean_paths_are_below_the_root_and_stay_clean() {
        for path in ["/", "/a/", "/a/./b//c/../d", "/%2e/%61", "/a%5c", "/a/b/../../c/"] {
            let once = clean(path).unwrap();
            let below = below_root(&once).unwrap();
            assert_eq!(
                below.to_string().as_bytes(),
                once.strip_suffix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(&once)
            );
            let again = encode(&once).to_string();
            assert_eq!(clean(&again).unwrap(), once);
        }
    }

    #[test]
    fn every_short_path_is_refused_or_below_the_root() {
        const TOKENS: [&str; 9] = ["/", ".", "..", "a", "%2e", "%2E.", "%2f", "%00", "\\"];
        let mut paths = vec![String::from("/")];
        for _ in 0..5 {
            paths = paths.iter().flat_map(|path| TOKENS.map(|token| format!("{path}{token}"))).collect();
            for path in &paths {
                let Ok(clean) = clean(path) else { continue };
                let (first, names) = clean.split_first().unwrap();
                assert_eq!(*first, b'/', "{path}");
                let mut names: Vec<_> = names.split(|byte| *byte == b'/').collect();
                if names.last().is_some_and(|name| name.is_empty()) {
                    names.pop();
                }
                assert!(names.iter().all(|name| !matches!(*name, b"" | b"." | b"..")), "{path}");
                assert!(!clean.contains(&0), "{path}");
            }
        }
    }

    #[test]
    fn hidden_names() {
        for path in
            ["/.a", "/.git/config", "/a/.b", "/a/.b/", "/.well-known/.x", "/a/.well-known/x", "/.well-knownx"]
        {
            assert!(is_hidden(path.as_bytes()), "{path}");
        }
        for path in ["/", "/a.", "/a.b/c.", "/.well-known", "/.well-known/", "/.well-known/acme-challenge/t"]
        {
            assert!(!is_hidden(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn encoded_paths_hold_no_delimiter() {
        assert_eq!(encode(b"/a b/\xff?#:%\\\"<").to_string(), "/a%20b/%FF%3F%23%3A%25%5C%22%3C");
    }
}
