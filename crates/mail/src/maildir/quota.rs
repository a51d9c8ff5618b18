//! How much a Maildir may hold, as Maildir++ counts it: in its file `maildirsize`, which other programs read and write too.
//!
//! The first line is the quota, each other one what was added or taken away: bytes and messages. Whoever finds the file
//! too long, or the quota used up, counts anew, since not everybody who removes a message says so there; but not each time
//! that somebody asks whether there is room.

use super::{trouble::Trouble, walk::each};
use std::time::{Duration, SystemTime};
use trenza_storage::{ErrorKind, File, Path, Result, Tree, Write};

/// Where it is counted.
const FILE: &str = "maildirsize";
/// A file of so many bytes is counted anew.
const FILE_MAX: usize = 5120;

/// Before a message comes a full Maildir is not counted more often: there may be very many files in it, and anybody can ask.
const COUNT_AGAIN: Duration = Duration::from_secs(5);

/// What messages take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Used {
    bytes: i64,
    messages: i64,
}

/// What a file says.
struct Said {
    used: Used,
    /// When it was counted, if nothing was added or taken away since.
    counted: Option<SystemTime>,
}

/// Whether a message of this size fits into a Maildir, which may hold `quota` bytes. `asked`: it has not come yet, and somebody
/// asks at this time; then what was counted a moment ago is believed.
pub(super) fn check(
    tree: &dyn Tree,
    folder: &Path,
    quota: u64,
    size: u64,
    asked: Option<SystemTime>,
) -> Result<(), Trouble> {
    if size > quota {
        return Err(Trouble::TooLarge);
    }
    let fits = |used: Used| u64::try_from(used.bytes).unwrap_or_default().saturating_add(size) <= quota;
    let is_fresh = |at: SystemTime| {
        asked.and_then(|now| now.duration_since(at).ok()).is_some_and(|age| age < COUNT_AGAIN)
    };
    match read(tree, folder, quota)? {
        Some(said) if fits(said.used) => return Ok(()),
        Some(Said { counted: Some(at), .. }) if is_fresh(at) => return Err(Trouble::Full),
        _ => {}
    }
    let used = count(tree, folder)?;
    write(tree, folder, quota, used)?;
    if fits(used) { Ok(()) } else { Err(Trouble::Full) }
}

/// A message of this size was added.
pub(super) fn add(tree: &dyn Tree, folder: &Path, size: u64) {
    note(folder, append(tree, folder, &format!("{size} 1\n")));
}

/// So many messages were removed, of so many bytes in all, from a Maildir or a folder of one. Who delivers need not count then
/// to find that there is room; others may do that only once in a while.
pub(super) fn subtract(tree: &dyn Tree, folder: &Path, bytes: u64, messages: usize) {
    let folder = match folder.name() {
        Some(name) if name.starts_with(b".") => folder.parent().unwrap_or_default(),
        _ => folder.clone(),
    };
    let subtracted = || match tree.metadata(&folder.join(FILE)?) {
        Ok(_) => append(tree, &folder, &format!("-{bytes} -{messages}\n")),
        // Nobody counts here.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    if messages > 0 {
        note(&folder, subtracted());
    }
}

fn append(tree: &dyn Tree, folder: &Path, line: &str) -> Result {
    let mut writer = tree.write(&folder.join(FILE)?, Write::Append)?;
    writer.write(line.as_bytes())?;
    writer.commit().map(drop)
}

/// Nothing hangs on it: what is not said here is found when it is counted anew.
fn note(folder: &Path, written: Result) {
    if let Err(error) = written {
        tracing::warn!(%error, %folder, "what a Maildir holds cannot be written down");
    }
}

/// What the file says. None: there is none, or it is to be counted anew.
fn read(tree: &dyn Tree, folder: &Path, quota: u64) -> Result<Option<Said>> {
    let file = match tree.open(&folder.join(FILE)?) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = [0; FILE_MAX];
    let length = fill(&*file, &mut text)?;
    let text = text.get(..length).filter(|_| length < FILE_MAX).unwrap_or_default();
    let is_counted = text.iter().filter(|byte| **byte == b'\n').count() == 2;
    let counted = Some(file.opened().modified).filter(|_| is_counted);
    Ok(parse(text, quota).map(|used| Said { used, counted }))
}

fn fill(file: &dyn File, into: &mut [u8]) -> Result<usize> {
    let mut at = 0;
    while let Some(rest) = into.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at as u64)? {
            0 => break,
            length => at += length,
        }
    }
    Ok(at)
}

fn parse(text: &[u8], quota: u64) -> Option<Used> {
    let mut lines = str::from_utf8(text).ok()?.lines();
    let right = lines.next()? == format!("{quota}S");
    let mut used = Used::default();
    for line in lines {
        let (bytes, messages) = line.trim().split_once(' ')?;
        used.bytes = used.bytes.checked_add(bytes.parse().ok()?)?;
        used.messages = used.messages.checked_add(messages.trim().parse().ok()?)?;
    }
    Some(used).filter(|used| right && used.bytes >= 0 && used.messages >= 0)
}

fn write(tree: &dyn Tree, folder: &Path, quota: u64, used: Used) -> Result {
    let mut writer = tree.write(&folder.join(FILE)?, Write::Replace)?;
    writer.write(format!("{quota}S\n{} {}\n", used.bytes, used.messages).as_bytes())?;
    writer.commit().map(drop)
}

/// All messages of a Maildir and of its folders.
fn count(tree: &dyn Tree, folder: &Path) -> Result<Used> {
    let mut folders = vec![folder.clone()];
    each(tree, folder, |found| {
        let name = found.name.as_encoded_bytes();
        if found.metadata.is_folder() && name.starts_with(b".") {
            folders.push(folder.join(name)?);
        }
        Ok(())
    })?;
    let mut used = Used::default();
    for place in folders.iter().flat_map(|folder| ["new", "cur"].map(|place| folder.join(place))) {
        let counted = each(tree, &place?, |found| {
            if found.metadata.is_file() {
                used.bytes = used.bytes.saturating_add_unsigned(found.metadata.size);
                used.messages += 1;
            }
            Ok(())
        });
        match counted {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            counted => counted?,
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_say() {
        let used = |bytes, messages| Some(Used { bytes, messages });
        assert_eq!(parse(b"100S\n", 100), used(0, 0));
        assert_eq!(parse(b"100S\n10 1\n  20 2\n-10 -1\n", 100), used(20, 2));
        for wrong in [
            &b"100S\n10 1\n"[..],
            b"",
            b"99S,5C\n",
            b"99S\n-1 0\n",
            b"99S\n1\n",
            b"99S\nx 1\n",
            b"99S\n\xff 1\n",
        ] {
            assert_eq!(parse(wrong, 99), None);
        }
        assert_eq!(parse(b"9S\n9223372036854775807 1\n1 1\n", 9), None);
    }
}
