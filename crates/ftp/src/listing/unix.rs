//! What `ls -l` shows: `-rw-r--r-- 1 ann staff 1024 Jan  1 12:00 name`.

use super::{Entry, Kind};
use crate::time::{civil, number, of_civil};
use jiff::civil::DateTime;
use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Older times are shown with their year (POSIX `ls`: six months).
const RECENT: Duration = Duration::from_secs(182 * 24 * 60 * 60);
/// How far clocks may differ before a date without a year is of last year.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// The latest word of a line at which its date can begin: owner and group may have spaces.
const DATE_WORD_MAX: usize = 12;

/// Appends an entry without a line end, with times in UTC. `now` decides whether the year or the time of day is shown.
pub fn write(entry: &Entry, now: SystemTime, out: &mut Vec<u8>) {
    let letter = match entry.kind {
        Kind::File => '-',
        Kind::Folder | Kind::Current | Kind::Parent => 'd',
        Kind::Link => 'l',
        Kind::Other => 's',
    };
    let mode = entry.mode.unwrap_or_else(|| if entry.is_folder() { 0o755 } else { 0o644 });
    let modified = entry.modified.unwrap_or(SystemTime::UNIX_EPOCH);
    let at = civil(modified);
    let month = usize::try_from(at.month()).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?).copied());
    let recent = now.duration_since(modified).is_ok_and(|age| age < RECENT);
    let clock = match recent {
        true => format!("{:02}:{:02}", at.hour(), at.minute()),
        false => format!("{:>5}", at.year()),
    };
    let head = format!(
        "{letter}{} {:>3} {:<8} {:<8} {:>12} {} {:>2} {clock} ",
        letters(mode),
        entry.links.unwrap_or(1),
        name_of(entry.owner.as_deref()),
        name_of(entry.group.as_deref()),
        entry.size.unwrap_or(0),
        month.unwrap_or("Jan"),
        at.day(),
    );
    out.extend(head.as_bytes());
    out.extend(&entry.name);
    if let Some(target) = entry.target.as_deref().filter(|_| entry.kind == Kind::Link) {
        out.extend(b" -> ");
        out.extend(target);
    }
}

/// A name of one word, as a reader expects it.
fn name_of(owner: Option<&str>) -> &str {
    let fits =
        |name: &&str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    owner.filter(fits).unwrap_or("ftp")
}

/// The nine letters of permissions.
fn letters(mode: u32) -> String {
    let mut text = String::with_capacity(9);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Reads a line. `now` tells the year where a date has none. Owner and group may be missing, numbers, or have spaces;
/// a date is `Jan 1 12:00`, `Jan 1 1970`, `1 Jan 1970` or `1970-01-01 12:00`.
pub fn parse(line: &[u8], now: SystemTime) -> Option<Entry> {
    let (letter, rest) = line.split_first()?;
    let kind = match letter {
        b'-' | b'f' => Kind::File,
        b'd' => Kind::Folder,
        b'l' => Kind::Link,
        b'b' | b'c' | b'p' | b's' | b'D' => Kind::Other,
        _ => return None,
    };
    let mode = mode(rest.get(..9)?)?;
    // An access control list, a security context, extended attributes.
    let rest = rest.get(9..)?;
    let marked = rest.split_first().filter(|(mark, _)| matches!(mark, b'+' | b'.' | b'@'));
    let rest = marked.map_or(rest, |(_, after)| after);
    let words = words(rest.starts_with(b" ").then_some(rest)?);
    // The size stands right before the date, and something before the size.
    let (at, date, next) = (2..words.len().min(DATE_WORD_MAX)).find_map(|at| {
        number(text(rest, words.get(at - 1)?))?;
        let (date, next) = date(rest, words.get(at..)?, now)?;
        Some((at, date, at + next))
    })?;
    let name = rest.get(words.get(next - 1)?.1 + 1..).filter(|name| !name.is_empty())?;
    let size = number(text(rest, words.get(at - 1)?))?;
    let mut entry =
        Entry { size: Some(size), modified: Some(date), mode: Some(mode), ..Entry::new(name, kind) };
    // `major, minor` of a device.
    let device = kind == Kind::Other && text(rest, words.get(at - 2)?).ends_with(b",");
    if device {
        entry.size = None;
    }
    ownership(rest, words.get(..at - if device { 2 } else { 1 })?, &mut entry);
    if kind == Kind::Link
        && let Some(arrow) = memchr::memmem::find(name, b" -> ")
    {
        entry.target = name.get(arrow + 4..).map(Into::into);
        entry.name.truncate(arrow);
    }
    match &*entry.name {
        b"" => return None,
        b"." => entry.kind = Kind::Current,
        b".." => entry.kind = Kind::Parent,
        _ => {}
    }
    Some(entry)
}

/// The number of links, the owner, the group: any of them may be missing.
fn ownership(line: &[u8], words: &[(usize, usize)], entry: &mut Entry) {
    let mut words = words.iter().map(|word| text(line, word)).peekable();
    if let Some(links) = words.peek().and_then(|first| number(first)) {
        entry.links = Some(links);
        words.next();
    }
    let mut named = || words.next().map(|name| String::from_utf8_lossy(name).into_owned());
    entry.owner = named();
    entry.group = named();
}

/// Where words stand: start and end.
fn words(line: &[u8]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, byte) in line.iter().enumerate() {
        match (byte, start) {
            (b' ' | b'\t', Some(from)) => {
                words.push((from, at));
                start = None;
                // Four words more than a date can begin at are enough to read it.
                if words.len() >= DATE_WORD_MAX + 4 {
                    return words;
                }
            }
            (b' ' | b'\t', None) => {}
            (_, None) => start = Some(at),
            (_, Some(_)) => {}
        }
    }
    if let Some(from) = start {
        words.push((from, line.len()));
    }
    words
}

fn text<'a>(line: &'a [u8], word: &(usize, usize)) -> &'a [u8] {
    line.get(word.0..word.1).unwrap_or_default()
}

/// A date at the first words, and how many they are.
fn date(line: &[u8], words: &[(usize, usize)], now: SystemTime) -> Option<(SystemTime, usize)> {
    let word = |at: usize| words.get(at).map(|word| text(line, word));
    if let Some((year, month, day)) = numbers3(word(0)?, b'-').filter(|(year, ..)| *year >= 1000) {
        // `ls --time-style=long-iso`, or full-iso with a zone behind it.
        let (hour, minute, second) = clock(word(1)?)?;
        let zone = word(2).is_some_and(|zone| zone.len() == 5 && matches!(zone.first(), Some(b'+' | b'-')));
        let full = zone && word(1)?.contains(&b'.');
        return Some((moment(year, month, day, hour, minute, second)?, if full { 3 } else { 2 }));
    }
    let (month, day) = match (month(word(0)?), month(word(1)?)) {
        (Some(month), _) => (month, day(word(1)?)?),
        (None, Some(month)) => (month, day(word(0)?)?),
        (None, None) => return None,
    };
    let last = word(2)?;
    if let Some((hour, minute, second)) = clock(last) {
        let this = i64::from(civil(now).year());
        let limit = now.checked_add(AHEAD).unwrap_or(now);
        let years = [this + 1, this, this - 1, this - 2, this - 3, this - 4];
        let mut moments = years
            .into_iter()
            .filter_map(|year| moment(year.try_into().ok()?, month, day, hour, minute, second));
        return Some((moments.find(|moment| *moment <= limit)?, 3));
    }
    let year = number(last).filter(|year| (1000..=9999).contains(year))?;
    Some((moment(year, month, day, 0, 0, 0)?, 3))
}

fn month(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let at = MONTHS.iter().position(|name| text.eq_ignore_ascii_case(name.as_bytes()))?;
    u64::try_from(at + 1).ok()
}

fn day(text: &[u8]) -> Option<u64> {
    let marked = text.split_last().filter(|(mark, _)| matches!(mark, b'.' | b','));
    let text = marked.map_or(text, |(_, before)| before);
    number(text).filter(|day| (1..=31).contains(day))
}

/// `12:00`, `12:00:00`, or with a fraction.
fn clock(text: &[u8]) -> Option<(u64, u64, u64)> {
    let text = text.split(|c| *c == b'.').next()?;
    let mut parts = text.split(|c| *c == b':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    (parts.next().is_none() && hour < 24 && minute < 60 && second < 61).then_some((
        hour,
        minute,
        second.min(59),
    ))
}

/// Three numbers with `between` between them.
pub(super) fn numbers3(text: &[u8], between: u8) -> Option<(u64, u64, u64)> {
    let mut parts = text.split(|c| *c == between).map(number);
    let numbers = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(numbers)
}

/// A moment in UTC.
pub(super) fn moment(
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
) -> Option<SystemTime> {
    let small = |number: u64| i8::try_from(number).ok();
    let year = i16::try_from(year).ok()?;
    let civil =
        DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0)
            .ok()?;
    of_civil(civil)
}

/// The nine letters of permissions as bits.
fn mode(letters: &[u8]) -> Option<u32> {
    let (mut bits, mut specials) = (0, 0);
    for (triple, special) in letters.chunks(3).zip([0o4000, 0o2000, 0o1000]) {
        let [read, write, execute] = *triple else { return None };
        let (execute, special) = match execute {
            b'-' => (0, 0),
            b'x' => (1, 0),
            b's' | b't' => (1, special),
            // Capital: without the right to execute. `l` is mandatory locking.
            b'S' | b'T' | b'l' | b'L' => (0, special),
            _ => return None,
        };
        let flag = |letter: u8, own: u8| match letter {
            b'-' => Some(0),
            letter if letter == own => Some(1),
            _ => None,
        };
        bits = bits << 3 | flag(read, b'r')? << 2 | flag(write, b'w')? << 1 | execute;
        specials |= special;
    }
    Some(specials | bits)
}
