//! [`Capabilities`]: what a server can do.

/// What a server can do beyond RFC 1939, as it has said to CAPA (RFC 2449).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(Vec<String>);

impl Capabilities {
    /// The most lines that are read.
    pub(super) const MAX: usize = 256;

    pub(super) fn of(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// Whether it has this one, by its name.
    pub fn has(&self, name: &str) -> bool {
        self.arguments(name).is_some()
    }

    /// What stands behind its name, word by word. None: the server does not have it.
    pub fn arguments(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        let mut lines = self.0.iter().map(|line| line.split_ascii_whitespace());
        lines.find_map(|mut words| {
            words.next().filter(|first| first.eq_ignore_ascii_case(name))?;
            Some(words)
        })
    }

    /// All of them, each as a line.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it can be logged in to by a mechanism of SASL.
    pub fn has_mechanism(&self, name: &str) -> bool {
        self.arguments("SASL").is_some_and(|mut all| all.any(|one| one.eq_ignore_ascii_case(name)))
    }
}
