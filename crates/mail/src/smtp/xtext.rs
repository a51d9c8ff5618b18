//! Xtext (RFC 3461 section 4): any bytes as printable ASCII, in the parameters of MAIL and RCPT.

use std::fmt::Write as _;

/// What a text of xtext stands for; None: it is none.
///
/// ```
/// use trenza_mail::smtp::xtext;
///
/// assert_eq!(xtext::decode("a+3Db").as_deref(), Some(&b"a=b"[..]));
/// assert_eq!(xtext::encode(b"a=b"), "a+3Db");
/// ```
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match *first {
            b'+' => {
                let [high, low] = *after.get(..2)?.as_array()?;
                bytes.push(digit(high)? * 16 + digit(low)?);
                rest = after.get(2..)?;
            }
            byte @ (b'!'..=b'<' | b'>'..=b'~') => bytes.push(byte),
            _ => return None,
        }
    }
    Some(bytes)
}

/// The bytes as xtext.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match *byte {
            b'+' | b'=' => _ = write!(text, "+{byte:02X}"),
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => _ = write!(text, "+{byte:02X}"),
        }
    }
    text
}

/// A hexadecimal digit, in upper case only.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = encode(&all);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'='));
        assert_eq!(decode(&text), Some(all));
    }

    #[test]
    fn what_is_none() {
        for text in ["a=b", "+", "+3", "+3d", "+G0", "a b", "\u{e4}", "\n"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
