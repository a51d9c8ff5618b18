//! Whether a copy is up to date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What of a file is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
}

/// What clocks and file systems may differ by.
const SLACK: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A copy is up to date if it has the size of its original and is not older. Where a time is unknown the size decides;
/// without a size nothing is up to date.
pub(super) fn is_current(original: Facts, copy: Facts) -> bool {
    if original.size.is_none() || original.size != copy.size {
        return false;
    }
    let (Some(original), Some(copy)) = (original.modified, copy.modified) else { return true };
    copy.checked_add(slack(copy)).is_none_or(|copy| copy >= original)
}

/// Whether a copy that is too short is the beginning of its original: it was begun after that was changed last.
pub(super) fn is_beginning(original: Facts, copy: Facts) -> bool {
    let shorter = matches!((original.size, copy.size), (Some(all), Some(part)) if part <= all);
    let newer = match (original.modified, copy.modified) {
        (Some(original), Some(copy)) => copy.checked_add(SLACK).is_none_or(|copy| copy >= original),
        _ => true,
    };
    shorter && newer
}

/// LIST shows times to the minute, and older ones to the day: they are rounded down.
fn slack(copy: SystemTime) -> Duration {
    let whole = |unit: Duration| {
        let since = copy.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.subsec_nanos() == 0 && since.as_secs().is_multiple_of(unit.as_secs())
    };
    match () {
        () if whole(DAY) => DAY,
        () if whole(MINUTE) => MINUTE,
        () => SLACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(size: u64, seconds: u64) -> Facts {
        Facts { size: Some(size), modified: Some(UNIX_EPOCH + Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_copy_is_current_if_it_has_the_size_and_is_not_older() {
        let original = facts(5, 1_000_001);
        assert!(is_current(original, original));
        assert!(is_current(original, facts(5, 2_000_001)));
        assert!(!is_current(original, facts(5, 900_001)));
        assert!(!is_current(original, facts(4, 1_000_001)));
        assert!(is_current(original, Facts { modified: None, ..original }));
        assert!(!is_current(Facts { size: None, ..original }, original));
        // Shown to the minute, shown to the day.
        assert!(is_current(original, facts(5, 999_960)));
        assert!(is_current(facts(5, 86_400 * 9 + 5000), facts(5, 86_400 * 9)));
        assert!(!is_current(facts(5, 86_400 * 10 + 5000), facts(5, 86_400 * 9)));
    }

    #[test]
    fn a_beginning_is_shorter_and_was_begun_later() {
        let original = facts(5, 1_000_001);
        assert!(is_beginning(original, facts(3, 1_000_001)));
        assert!(!is_beginning(original, facts(6, 1_000_001)));
        assert!(!is_beginning(original, facts(3, 900_001)));
    }
}
