//! [`FactSet`]: which facts MLST and MLSD show.

use std::fmt;

/// A fact of an entry (RFC 3659 section 7.5; those of UNIX are customary).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `type`.
    Type,
    /// `size`, of files.
    Size,
    /// `modify`: when it was changed.
    Modify,
    /// `perm`: what the one who asks may do.
    Perm,
    /// `unique`: the same for the same file.
    Unique,
    /// `UNIX.mode`.
    Mode,
    /// `UNIX.owner`.
    Owner,
    /// `UNIX.group`.
    Group,
}

impl Fact {
    /// All facts, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::Type,
        Self::Size,
        Self::Modify,
        Self::Perm,
        Self::Unique,
        Self::Mode,
        Self::Owner,
        Self::Group,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Perm => "perm",
            Self::Unique => "unique",
            Self::Mode => "UNIX.mode",
            Self::Owner => "UNIX.owner",
            Self::Group => "UNIX.group",
        }
    }

    /// The fact of this name, in whatever case.
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| name.eq_ignore_ascii_case(fact.name().as_bytes()))
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some of the facts. It is shown as OPTS has them: `type;size;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FactSet(u8);

impl Default for FactSet {
    /// All.
    fn default() -> Self {
        Self(u8::MAX)
    }
}

impl FactSet {
    /// No fact.
    pub const NONE: Self = Self(0);

    /// These facts.
    pub fn new(facts: impl IntoIterator<Item = Fact>) -> Self {
        Self(facts.into_iter().fold(0, |set, fact| set | fact.bit()))
    }

    /// Reads `type;size;`; names that are not known are left out (RFC 3659 section 7.9).
    pub fn parse(text: &[u8]) -> Self {
        Self::new(text.split(|c| *c == b';').filter_map(|name| Fact::of(name.trim_ascii())))
    }

    /// Whether a fact is among them.
    pub fn has(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }

    /// Those that are in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What FEAT says behind MLST: the facts that the server can show, those in this set with a star
    /// (RFC 3659 section 7.8).
    pub fn feature(self) -> String {
        let star = |fact| if self.has(fact) { "*" } else { "" };
        Fact::ALL.into_iter().map(|fact| format!("{}{};", fact.name(), star(fact))).collect()
    }
}

impl fmt::Display for FactSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = Fact::ALL.into_iter().filter(|fact| self.has(*fact));
        facts.try_for_each(|fact| write!(f, "{};", fact.name()))
    }
}
