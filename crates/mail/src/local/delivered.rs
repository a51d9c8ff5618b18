//! [`DeliveredTo`]: whether a message was forwarded for an address before.

/// The name of the field, in lower case.
const NAME: &[u8] = b"delivered-to:";
/// More of a line is not kept: no address is as long.
const LINE_MAX: usize = 1024;

/// Looks for a Delivered-To field with an address, in a message that comes in pieces.
pub(super) struct DeliveredTo<'a> {
    own: &'a str,
    /// The line that is not whole yet.
    line: Vec<u8>,
}

impl<'a> DeliveredTo<'a> {
    pub(super) fn new(own: &'a str) -> Self {
        Self { own, line: Vec::new() }
    }

    /// Looks at more of it; None: it is not known yet.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<bool> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_MAX - self.line.len();
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            if !part.ends_with(b"\n") {
                continue;
            }
            let line = self.line.trim_ascii();
            if line.is_empty() {
                return Some(false);
            }
            if self.is_own(line) {
                return Some(true);
            }
            self.line.clear();
        }
        None
    }

    fn is_own(&self, line: &[u8]) -> bool {
        let value = line.split_at_checked(NAME.len()).filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
        value.is_some_and(|(_, value)| value.trim_ascii().eq_ignore_ascii_case(self.own.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_in_the_header_at_any_split() {
        let long = "x".repeat(3 * LINE_MAX);
        for (text, found) in [
            ("Received: a\r\nDelivered-To: Ann@x\r\n\r\n", Some(true)),
            ("DELIVERED-TO:ann@x  \r\n", Some(true)),
            ("X-Delivered-To: ann@x\r\nDelivered-To: ann@xy\r\n\r\nDelivered-To: ann@x\r\n", Some(false)),
            (&format!("{long}\r\n{long}Delivered-To: ann@x\r\n"), None),
            (&format!("{long}\r\nDelivered-To: ann@x\r\n"), Some(true)),
            ("Delivered-To: ann@x", None),
            ("", None),
        ] {
            for cut in (0..=text.len()).filter(|cut| *cut < 50 || *cut + 50 > text.len()) {
                let (a, b) = text.split_at(cut);
                let mut fields = DeliveredTo::new("ann@x");
                let answer = fields.look(a.as_bytes()).or_else(|| fields.look(b.as_bytes()));
                assert_eq!(answer, found, "{cut} of {text:?}");
            }
        }
    }
}
