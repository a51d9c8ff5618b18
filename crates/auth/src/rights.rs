//! [`Rights`]: what an account may do with what is its own.

use std::{
    fmt,
    ops::{BitAnd, BitOr},
    str::FromStr,
};

/// What an account may do: a set of letters, the same in every suite.
///
/// | letter | right | FTP and folders | mail |
/// |---|---|---|---|
/// | `r` | [`READ`](Self::READ) | fetch files | read messages |
/// | `w` | [`WRITE`](Self::WRITE) | replace files that exist, write into them | change flags |
/// | `a` | [`ADD`](Self::ADD) | new files; append to files | store messages |
/// | `d` | [`DELETE`](Self::DELETE) | remove files and folders; renaming takes `d` and `a` | delete messages |
/// | `l` | [`LIST`](Self::LIST) | see names, sizes, times | see folders |
/// | `m` | [`MAKE`](Self::MAKE) | make folders | make folders |
/// | `t` | [`TOUCH`](Self::TOUCH) | set times and modes | |
/// | `s` | [`SEND`](Self::SEND) | | submit messages for others |
///
/// ```
/// use trenza_auth::Rights;
///
/// let rights: Rights = "lr".parse()?;
/// assert!(rights.contains(Rights::READ) && !rights.contains(Rights::READ | Rights::WRITE));
/// assert_eq!(rights.to_string(), "rl");
/// assert_eq!(Rights::ALL.to_string(), "rwadlmts");
/// assert_eq!("rx".parse::<Rights>().unwrap_err().to_string(), "`x` is no right: the letters are rwadlmts");
/// # Ok::<(), trenza_auth::RightsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(u8);

/// The letters, in the order of their bits.
const LETTERS: &str = "rwadlmts";

impl Rights {
    /// None at all; written `-`.
    pub const NONE: Self = Self(0);
    /// `r`: read what is there.
    pub const READ: Self = Self(1);
    /// `w`: change and replace what is there.
    pub const WRITE: Self = Self(1 << 1);
    /// `a`: add what is new, append to what is there.
    pub const ADD: Self = Self(1 << 2);
    /// `d`: remove.
    pub const DELETE: Self = Self(1 << 3);
    /// `l`: see what there is.
    pub const LIST: Self = Self(1 << 4);
    /// `m`: make folders.
    pub const MAKE: Self = Self(1 << 5);
    /// `t`: set times and modes.
    pub const TOUCH: Self = Self(1 << 6);
    /// `s`: send mail to others.
    pub const SEND: Self = Self(1 << 7);
    /// Everything.
    pub const ALL: Self = Self(u8::MAX);
    /// `rl`: look, and touch nothing.
    pub const READ_ONLY: Self = Self(Self::READ.0 | Self::LIST.0);

    /// Are all of `these` among them?
    pub fn contains(self, these: Self) -> bool {
        self.0 & these.0 == these.0
    }

    /// True when there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Default for Rights {
    /// All.
    fn default() -> Self {
        Self::ALL
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// A letter that stands for no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no right: the letters are {LETTERS}", .0.escape_debug())]
pub struct RightsError(
    /// The letter.
    pub char,
);

impl FromStr for Rights {
    type Err = RightsError;

    /// Letters in any order; `-` alone for none.
    fn from_str(text: &str) -> Result<Self, RightsError> {
        if text == "-" {
            return Ok(Self::NONE);
        }
        text.chars().try_fold(Self::NONE, |rights, letter| {
            let bit = LETTERS.find(letter).ok_or(RightsError(letter))?;
            Ok(rights | Self(1 << bit))
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = LETTERS.char_indices().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        let text: String = letters.map(|(_, letter)| letter).collect();
        f.pad(if text.is_empty() { "-" } else { &text })
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}
