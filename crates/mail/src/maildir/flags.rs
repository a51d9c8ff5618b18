//! [`Flags`]: what is known of a message besides its bytes.

use std::{fmt, ops::BitOr};

/// The flags of a message, as its name has them behind `:2,`: letters, those in lower case for keywords of a program's own.
///
/// ```
/// use trenza_mail::maildir::Flags;
///
/// let flags = Flags::SEEN | Flags::FLAGGED;
/// assert_eq!(flags.to_string(), "FS");
/// assert!(flags.contains(Flags::SEEN) && !flags.contains(Flags::DRAFT));
/// assert_eq!(Flags::parse("SF?"), flags);
/// assert_eq!(flags.without(Flags::SEEN), Flags::FLAGGED);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u64);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `D`: it is not finished.
    pub const DRAFT: Self = Self::of(b'D');
    /// `F`: it is marked for attention.
    pub const FLAGGED: Self = Self::of(b'F');
    /// `P`: it was passed on.
    pub const PASSED: Self = Self::of(b'P');
    /// `R`: it was replied to.
    pub const REPLIED: Self = Self::of(b'R');
    /// `S`: it was seen.
    pub const SEEN: Self = Self::of(b'S');
    /// `T`: it is to be removed.
    pub const TRASHED: Self = Self::of(b'T');

    /// That of a letter of ASCII, which is one bit: `@` and the 63 characters behind it.
    const fn of(letter: u8) -> Self {
        Self(1 << (letter & 63))
    }

    /// The keyword of this number, from 0 for `a` to 25 for `z`. None: there are no more.
    pub fn keyword(number: u8) -> Option<Self> {
        (number < 26).then(|| Self::of(b'a' + number))
    }

    /// Those of a text; what is no letter is passed over.
    pub fn parse(text: &str) -> Self {
        let letters = text.bytes().filter(u8::is_ascii_alphabetic);
        letters.fold(Self::NONE, |flags, letter| flags | Self::of(letter))
    }

    /// Whether all of these are among them.
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Without these.
    #[must_use]
    pub fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    /// In the order of ASCII, as names have them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = (b'A'..=b'z').filter(|letter| letter.is_ascii_alphabetic());
        letters
            .filter(|letter| self.contains(Self::of(*letter)))
            .try_for_each(|letter| write!(f, "{}", char::from(letter)))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({self})")
    }
}
