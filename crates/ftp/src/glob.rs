//! [`Glob`]: patterns that names are matched with.

/// A pattern for one name: `*` stands for any bytes, `?` for one, `[a-c_]` for one of a set, `[!a-c]` for one that is
/// not in it; a backslash takes their meaning away. A dot that a name begins with is matched only by a dot.
///
/// Matching takes at most as many steps as pattern and name have bytes multiplied, whatever the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Byte(u8),
    Any,
    Many,
    Set { inverted: bool, ranges: Vec<(u8, u8)> },
}

/// The longest pattern, in bytes.
pub const PATTERN_MAX: usize = 1024;

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It has more than [`PATTERN_MAX`] bytes.
    #[error("the pattern has more than {PATTERN_MAX} bytes")]
    TooLong,
    /// A set has no end.
    #[error("the pattern has a [ without its ]")]
    Unclosed,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is too long, or a set in it has no end.
    ///
    /// ```
    /// use trenza_ftp::Glob;
    ///
    /// let glob = Glob::new(b"*.[ch]")?;
    /// assert!(glob.matches(b"main.c") && !glob.matches(b"main.rs"));
    /// # Ok::<(), trenza_ftp::GlobError>(())
    /// ```
    pub fn new(pattern: &[u8]) -> Result<Self, GlobError> {
        if pattern.len() > PATTERN_MAX {
            return Err(GlobError::TooLong);
        }
        let (mut terms, mut rest) = (Vec::new(), pattern);
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            terms.push(match first {
                b'?' => Term::Any,
                b'*' if terms.last() == Some(&Term::Many) => continue,
                b'*' => Term::Many,
                b'\\' => match rest.split_first() {
                    Some((escaped, after)) => {
                        rest = after;
                        Term::Byte(*escaped)
                    }
                    None => Term::Byte(b'\\'),
                },
                b'[' => {
                    let (set, after) = set(rest).ok_or(GlobError::Unclosed)?;
                    rest = after;
                    set
                }
                byte => Term::Byte(*byte),
            });
        }
        Ok(Self { terms })
    }

    /// Whether `text` has anything in it that a pattern gives a meaning to.
    pub fn is_pattern(text: &[u8]) -> bool {
        text.iter().any(|c| matches!(c, b'*' | b'?' | b'['))
    }

    /// Whether it stands for this name.
    pub fn matches(&self, name: &[u8]) -> bool {
        if name.first() == Some(&b'.') && self.terms.first() != Some(&Term::Byte(b'.')) {
            return false;
        }
        // Where to go on when it does not fit: behind the last `*`, which then takes one byte more. Going back to an
        // earlier one would never help, so two places are enough.
        let (mut term, mut at, mut again) = (0, 0, None);
        while let Some(byte) = name.get(at) {
            match self.terms.get(term) {
                Some(Term::Many) => {
                    again = Some((term + 1, at));
                    term += 1;
                }
                Some(one) if one.fits(*byte) => (term, at) = (term + 1, at + 1),
                _ => {
                    let Some((behind, from)) = again else { return false };
                    again = Some((behind, from + 1));
                    (term, at) = (behind, from + 1);
                }
            }
        }
        self.terms.get(term..).unwrap_or_default().iter().all(|term| *term == Term::Many)
    }
}

impl Term {
    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::Any => true,
            Self::Many => false,
            Self::Set { inverted, ranges } => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&&byte)) != *inverted
            }
        }
    }
}

/// A set, behind its `[`, and what follows its `]`. A `]` that comes first is one of the set.
fn set(text: &[u8]) -> Option<(Term, &[u8])> {
    let inverted = matches!(text.first(), Some(b'!' | b'^'));
    let mut rest = text.get(usize::from(inverted)..)?;
    let mut ranges = Vec::new();
    loop {
        let (from, after) = rest.split_first()?;
        rest = after;
        let from = match from {
            b']' if !ranges.is_empty() => return Some((Term::Set { inverted, ranges }, rest)),
            b'\\' => take(&mut rest)?,
            byte => *byte,
        };
        match rest {
            [b'-', to, ..] if *to != b']' => {
                rest = rest.get(1..)?;
                let to = take(&mut rest)?;
                let to = if to == b'\\' { take(&mut rest)? } else { to };
                ranges.push((from, to));
            }
            _ => ranges.push((from, from)),
        }
    }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("*.tar.*", "a.tar.tar.gz", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[\\]a]", "]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("*", ".hidden", false),
            ("?hidden", ".hidden", false),
            (".*", ".hidden", true),
            ("**a**", "bab", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*ab", "aab", true),
        ] {
            let glob = Glob::new(pattern.as_bytes()).expect(pattern);
            assert_eq!(glob.matches(name.as_bytes()), fits, "{pattern} and {name}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(Glob::new(&[b'a'; PATTERN_MAX + 1]), Err(GlobError::TooLong));
        for unclosed in ["[", "[a", "[]", "[!]", "[a-", "[a\\", "a[b-\\"] {
            assert_eq!(Glob::new(unclosed.as_bytes()), Err(GlobError::Unclosed), "{unclosed}");
        }
        assert!(Glob::is_pattern(b"a*") && !Glob::is_pattern(b"a.b"));
    }

    /// Where matchers go back to every star, this takes longer than anybody waits.
    #[test]
    fn no_pattern_takes_long() {
        let pattern = b"*a".repeat(PATTERN_MAX / 2);
        let glob = Glob::new(&pattern).expect("it is one");
        assert!(!glob.matches(&[b'a'; PATTERN_MAX / 2 - 1]));
        assert!(!glob.matches(&[&[b'a'; 4096][..], b"b"].concat()));
    }
}
