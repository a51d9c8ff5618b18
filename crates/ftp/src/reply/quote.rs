//! The path in a 257 (RFC 959 appendix II): in quotes, those within it doubled.

/// The path in quotes.
pub fn quote(path: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(path.len() + 2);
    quoted.push(b'"');
    for byte in path {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

/// The path that `text` has between quotes. Some servers quote nothing: then it is the first word that looks like an
/// absolute path.
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let Some(open) = text.iter().position(|c| *c == b'"') else {
        let word = text.split(|c| *c == b' ').find(|word| word.starts_with(b"/"))?;
        return Some(word.into());
    };
    let mut path = Vec::new();
    let mut rest = text.get(open + 1..)?.iter().peekable();
    loop {
        match (*rest.next()?, rest.peek()) {
            (b'"', Some(b'"')) => {
                rest.next();
                path.push(b'"');
            }
            (b'"', _) => return Some(path),
            (byte, _) => path.push(byte),
        }
    }
}
