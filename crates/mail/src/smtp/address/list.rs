//! Addresses in fields of a header.

use super::Mailbox;
use std::mem;

impl Mailbox {
    /// The addresses of a field as From and To have it (RFC 5322 section 3.4), unfolded: without names, comments and names of
    /// groups.
    ///
    /// ```
    /// use trenza_mail::smtp::Mailbox;
    ///
    /// let list = Mailbox::list("Ann <ann@example.org>, friends: bob@example.org (Bob);")?;
    /// assert_eq!(list.iter().map(Mailbox::local).collect::<Vec<_>>(), ["ann", "bob"]);
    /// assert_eq!(Mailbox::list("ann@example.org, Bob"), Err("Bob".into()));
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// The part that is no address.
    pub fn list(field: &str) -> Result<Vec<Self>, String> {
        parse(field)
    }
}

fn parse(field: &str) -> Result<Vec<Mailbox>, String> {
    let mut found = Vec::new();
    let mut list = List::default();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match (c, list.within) {
            ('\\', Within::Quotes | Within::Comment(_)) => {
                list.add([Some(c), chars.next()].into_iter().flatten())
            }
            ('"', Within::Nothing | Within::Quotes) => {
                list.add([c]);
                list.within = if list.within == Within::Quotes { Within::Nothing } else { Within::Quotes };
            }
            ('(', Within::Nothing) => list.within = Within::Comment(1),
            ('(', Within::Comment(depth)) => list.within = Within::Comment(depth + 1),
            (')', Within::Comment(1)) => list.within = Within::Nothing,
            (')', Within::Comment(depth)) => list.within = Within::Comment(depth - 1),
            ('[', Within::Nothing) => {
                list.add([c]);
                list.within = Within::Literal;
            }
            (']', Within::Literal) => {
                list.add([c]);
                list.within = Within::Nothing;
            }
            // Which of two addresses without a comma between is meant?
            ('<', Within::Nothing) if list.in_angles || list.address.is_some() => {
                return Err(field.trim().to_owned());
            }
            // What stood before is a name.
            ('<', Within::Nothing) => (list.text, list.in_angles) = (String::new(), true),
            ('>', Within::Nothing) if mem::take(&mut list.in_angles) => {
                list.address = Some(mem::take(&mut list.text));
            }
            (',' | ';', Within::Nothing) => list.end(&mut found)?,
            (':', Within::Nothing) if !list.in_angles => list.text.clear(),
            _ => list.add([c]),
        }
    }
    list.end(&mut found)?;
    Ok(found)
}

/// A list of addresses that is being read.
#[derive(Default)]
struct List {
    within: Within,
    text: String,
    in_angles: bool,
    /// What stood between angles. Only space and comments may still come of it.
    address: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Within {
    #[default]
    Nothing,
    Quotes,
    Literal,
    /// So many in each other.
    Comment(u32),
}

impl List {
    fn add(&mut self, chars: impl IntoIterator<Item = char>) {
        if !matches!(self.within, Within::Comment(_)) {
            self.text.extend(chars);
        }
    }

    /// An address has ended.
    fn end(&mut self, found: &mut Vec<Mailbox>) -> Result<(), String> {
        let Self { text, address, .. } = mem::take(self);
        let text = match (&address, text.trim()) {
            (Some(address), "") => address.trim(),
            (Some(_), behind) => return Err(behind.to_owned()),
            (None, text) => text,
        };
        if !text.is_empty() {
            found.push(Mailbox::parse(text).ok_or_else(|| text.to_owned())?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> Result<String, String> {
        let found = Mailbox::list(field)?;
        Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_fields_have() {
        for (field, addresses) in [
            ("ann@example.org", "ann@example.org"),
            (
                " Ann <ann@example.org>, bob@example.org (Bob, \\) at (home)) ",
                "ann@example.org bob@example.org",
            ),
            (r#""Lee, \"A\" <x@y>" <ann@example.org>"#, "ann@example.org"),
            (r#""a, b"@example.org"#, r#""a, b"@example.org"#),
            ("friends: ann@a, Bob <bob@b>; carl@c", "ann@a bob@b carl@c"),
            ("undisclosed-recipients:;", ""),
            ("ann@[IPv6:::1], x@[10.0.0.1]", "ann@[IPv6:::1] x@[10.0.0.1]"),
            ("=?utf-8?q?J=C3=B6rg?= <joerg@example.org> (x)", "joerg@example.org"),
            ("", ""),
            (",,", ""),
        ] {
            assert_eq!(shown(field).as_deref(), Ok(addresses), "{field}");
        }
    }

    #[test]
    fn what_is_none_is_said() {
        for (field, part) in
            [("ann", "ann"), ("a@b, Ann Lee", "Ann Lee"), ("<a b@c>", "a b@c"), ("a@b c@d", "a@b c@d")]
        {
            assert_eq!(shown(field), Err(part.to_owned()), "{field}");
        }
        // Comments in comments are counted, not gone into.
        assert_eq!(shown(&("(".repeat(100_000) + "a@b")).as_deref(), Ok(""));
        // Who reads it might take either.
        for two in ["<a@b> <c@d>", "A <a@b> C <c@d>", "<a@b<c@d>>", "<a@b> c@d", "<a@b>.org"] {
            assert!(shown(two).is_err(), "{two}");
        }
    }
}
