//! [`Size`]: numbers of bytes as people write them.

use std::{fmt, str::FromStr};

/// A number of bytes as people write it: `500M`, `2G`; the units K, M, G and T are powers of 1024.
///
/// ```
/// use trenza_auth::Size;
///
/// assert_eq!("2G".parse::<Size>()?.0, 2 << 30);
/// assert_eq!("1536".parse::<Size>()?.to_string(), "1536");
/// assert_eq!(Size(3 << 20).to_string(), "3M");
/// assert!("2 apples".parse::<Size>().is_err());
/// # Ok::<(), trenza_auth::SizeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(
    /// The bytes.
    pub u64,
);

/// No size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no size: write it like 500M or 2G (K, M, G, T)")]
pub struct SizeError;

/// The units with their shifts, the largest first.
const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
        let (digits, shift) = match unit {
            Some((_, shift)) => (text.get(..text.len() - 1).unwrap_or_default(), *shift),
            None => (text, 0),
        };
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = Some(digits).filter(|_| plain).and_then(|digits| digits.parse::<u64>().ok());
        number.and_then(|number| number.checked_mul(1 << shift)).map(Self).ok_or(SizeError)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        let text = match unit {
            Some((unit, shift)) => format!("{}{unit}", self.0 >> shift),
            None => self.0.to_string(),
        };
        f.pad(&text)
    }
}
