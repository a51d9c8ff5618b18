//! What DIR of DOS and Windows shows: `01-31-70  12:00PM  <DIR>  name`.

use super::{
    Entry, Kind,
    unix::{moment, numbers3},
};
use crate::time::number;
use std::time::SystemTime;

/// Reads a line. A date is `MM-DD-YY`, `MM-DD-YYYY` or `YYYY-MM-DD`, also with slashes; a time has 12 or 24 hours.
pub fn parse(line: &[u8]) -> Option<Entry> {
    let (first, rest) = word(line)?;
    let (second, rest) = word(rest)?;
    let (third, rest) = word(rest)?;
    let modified = date(first, second)?;
    let kind = match &*third.to_ascii_uppercase() {
        b"<DIR>" => Kind::Folder,
        b"<JUNCTION>" | b"<SYMLINK>" | b"<SYMLINKD>" => Kind::Link,
        _ => Kind::File,
    };
    // Names of folders stand in the column of those of files, which one space precedes.
    let name = match kind {
        Kind::File => rest.strip_prefix(b" ")?,
        _ => rest.trim_ascii_start(),
    };
    let mut entry = Entry { modified: Some(modified), ..Entry::new(name, kind) };
    if kind == Kind::File {
        let digits: Vec<u8> = third.iter().copied().filter(|c| !matches!(c, b',' | b'.')).collect();
        entry.size = Some(number(&digits)?);
    }
    if kind == Kind::Link
        && let Some(open) = name.iter().position(|c| *c == b'[').filter(|_| name.ends_with(b"]"))
    {
        entry.target = name.get(open + 1..name.len() - 1).map(Into::into);
        entry.name = name.get(..open)?.trim_ascii_end().into();
    }
    match &*entry.name {
        b"" => return None,
        b"." => entry.kind = Kind::Current,
        b".." => entry.kind = Kind::Parent,
        _ => {}
    }
    Some(entry)
}

/// The first word, and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|c| *c == b' ')?;
    Some((text.get(..end)?, text.get(end..)?))
}

fn date(day: &[u8], clock: &[u8]) -> Option<SystemTime> {
    let (a, b, c) = numbers3(day, b'-').or_else(|| numbers3(day, b'/'))?;
    let (year, month, day) = if a > 31 { (a, b, c) } else { (c, a, b) };
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        1000.. => year,
        _ => return None,
    };
    let half = clock.get(clock.len().saturating_sub(2)..)?.to_ascii_uppercase();
    let half = matches!(&*half, b"AM" | b"PM").then_some(half);
    let clock = half.as_ref().and_then(|_| clock.get(..clock.len() - 2)).unwrap_or(clock);
    let mut parts = clock.split(|c| *c == b':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let hour = match half.as_deref() {
        Some(b"PM") if (1..12).contains(&hour) => hour + 12,
        Some(b"AM") if hour == 12 => 0,
        _ => hour,
    };
    parts.next().is_none().then(|| moment(year, month, day, hour, minute, 0))?
}
