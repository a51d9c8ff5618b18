//! [`EndpointError`]: an endpoint that cannot be used, and the place in it that is wrong.

use std::{error::Error, fmt, ops::Range, sync::Arc};

/// An endpoint string that cannot be used.
///
/// It is shown with a line that points at the wrong place:
///
/// ```text
/// endpoint "tcp:80:interfaces=lo": unknown option "interfaces" (did you mean interface?); known: interface, backlog, ...
///   tcp:80:interfaces=lo
///          ^^^^^^^^^^
/// ```
///
/// `Debug` shows the same, since that is what a `main` that returns it prints.
#[derive(Clone)]
pub struct EndpointError {
    /// The string. What is a password in it is shown as `***`.
    pub endpoint: String,
    /// What is wrong with it, and what would be right.
    pub what: String,
    /// The wrong part of `endpoint`, in bytes. Where something is missing it is empty, and at the end.
    pub at: Range<usize>,
    /// The string itself is well, but what it names cannot be used, as a file that is not there: why. `what` says it, too.
    pub cause: Option<Cause>,
}

/// Why what an endpoint names cannot be used.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| -> String {
            text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
        };
        let width = |range: Range<usize>| self.endpoint.get(range).unwrap_or_default().chars().count();
        let (before, wrong) = (width(0..self.at.start), width(self.at.clone()).max(1));
        writeln!(f, "endpoint {:?}: {}", self.endpoint, self.what)?;
        writeln!(f, "  {}", shown(&self.endpoint))?;
        write!(f, "  {:before$}{:^<wrong$}", "", "")
    }
}

impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for EndpointError {}

/// That of the known names that somebody may have meant.
pub(crate) fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let tries = known.into_iter().map(|other| (distance(name, other), other));
    let (changes, best) = tries.min_by_key(|(changes, _)| *changes)?;
    (changes <= 2 && changes < best.len().min(name.len())).then_some(best)
}

/// In how many letters two names differ: changed, missing, too many (Levenshtein). Names are short; of a long one only
/// the beginning counts.
fn distance(one: &str, other: &str) -> usize {
    const LETTERS_MAX: usize = 32;
    let other: Vec<char> = other.chars().take(LETTERS_MAX).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.chars().take(LETTERS_MAX).enumerate() {
        let mut next = vec![n + 1];
        for (b, above) in other.iter().zip(row.windows(2)) {
            let [diagonal, up] = above else { break };
            let left = next.last().copied().unwrap_or_default();
            let changed = usize::from(!a.eq_ignore_ascii_case(b));
            next.push((diagonal + changed).min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_wrong_place() {
        let endpoint = "tcp:8ü0:backlog=x\n".to_owned();
        let error = EndpointError { at: 9..16, what: "w".into(), endpoint, cause: None };
        assert_eq!(format!("{error:?}"), error.to_string(), "what main prints");
        assert_eq!(
            error.to_string(),
            "endpoint \"tcp:8ü0:backlog=x\\n\": w\n  tcp:8ü0:backlog=x\u{fffd}\n          ^^^^^^^"
        );
    }

    #[test]
    fn names_that_are_close_are_meant() {
        let known = ["interface", "backlog", "tcp"];
        for (name, means) in [
            ("interfaces", Some("interface")),
            ("Interface", Some("interface")),
            ("backlgo", Some("backlog")),
            ("tpc", Some("tcp")),
            ("x", None),
            ("", None),
            ("timeout", None),
        ] {
            assert_eq!(meant(name, known), means, "{name}");
        }
    }
}
