//! Facts, as MLST and MLSD have them: `type=file;size=1; name` (RFC 3659 section 7.2).

use super::{Entry, Fact, FactSet, Kind};
use crate::time::{self, number};
use std::fmt::Write;

/// The most facts of an entry that are read.
const FACTS_MAX: usize = 64;

/// Appends an entry without a line end. In a reply to MLST, a space goes before it.
pub fn write(entry: &Entry, facts: FactSet, out: &mut Vec<u8>) {
    let mut text = String::new();
    for fact in Fact::ALL.into_iter().filter(|fact| facts.has(*fact)) {
        let name = fact.name();
        // Writing to a string cannot fail.
        let _ = match fact {
            Fact::Type => write!(text, "{name}={};", type_of(entry)),
            Fact::Size if !entry.is_folder() => number_fact(&mut text, name, entry.size),
            Fact::Size => Ok(()),
            Fact::Modify => text_fact(&mut text, name, entry.modified.map(time::write).as_deref()),
            Fact::Perm => text_fact(&mut text, name, entry.perm.as_deref()),
            Fact::Unique => text_fact(&mut text, name, entry.unique.as_deref()),
            Fact::Mode => match entry.mode {
                Some(mode) => write!(text, "{name}={mode:04o};"),
                None => Ok(()),
            },
            Fact::Owner => text_fact(&mut text, name, entry.owner.as_deref()),
            Fact::Group => text_fact(&mut text, name, entry.group.as_deref()),
        };
    }
    out.extend(text.as_bytes());
    out.push(b' ');
    out.extend(&entry.name);
}

fn type_of(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::File => "file",
        Kind::Folder => "dir",
        Kind::Current => "cdir",
        Kind::Parent => "pdir",
        Kind::Link => "OS.unix=symlink",
        Kind::Other => "OS.unix=other",
    }
}

fn number_fact(text: &mut String, name: &str, value: Option<u64>) -> std::fmt::Result {
    value.map_or(Ok(()), |value| write!(text, "{name}={value};"))
}

/// A value is left out that would end too early.
fn text_fact(text: &mut String, name: &str, value: Option<&str>) -> std::fmt::Result {
    let fits = |value: &&str| !value.contains(|c: char| c == ';' || c.is_control());
    value.filter(fits).map_or(Ok(()), |value| write!(text, "{name}={value};"))
}

/// Reads a line of MLSD, or of a reply to MLST, without its end. None: it has no name, or is none.
pub fn parse(line: &[u8]) -> Option<Entry> {
    // In a reply to MLST a space stands before the facts.
    let line = line.strip_prefix(b" ").filter(|rest| begins_with_fact(rest)).unwrap_or(line);
    let space = line.iter().position(|c| *c == b' ')?;
    let (facts, name) = (line.get(..space)?, line.get(space + 1..)?);
    if name.is_empty() || !(facts.is_empty() || facts.contains(&b'=')) {
        return None;
    }
    let mut entry = Entry::new(name, Kind::File);
    for fact in facts.split(|c| *c == b';').take(FACTS_MAX) {
        let Some(equals) = fact.iter().position(|c| *c == b'=') else { continue };
        let (name, value) = (fact.get(..equals)?, fact.get(equals + 1..)?);
        read_fact(&name.to_ascii_lowercase(), value, &mut entry);
    }
    Some(entry)
}

/// Whether facts stand here: else the space before it was the one before a name.
fn begins_with_fact(text: &[u8]) -> bool {
    let first = text.iter().find(|c| matches!(c, b' ' | b'='));
    first == Some(&b'=')
}

fn read_fact(name: &[u8], value: &[u8], entry: &mut Entry) {
    let text = || Some(String::from_utf8_lossy(value).into_owned());
    match name {
        b"type" => {
            let value_lower = value.to_ascii_lowercase();
            entry.kind = match &*value_lower {
                b"file" => Kind::File,
                b"dir" => Kind::Folder,
                b"cdir" => Kind::Current,
                b"pdir" => Kind::Parent,
                // `OS.unix=slink:target` or `OS.unix=symlink`.
                other if other.starts_with(b"os.unix=slink") || other.starts_with(b"os.unix=symlink") => {
                    let target = value.iter().position(|c| *c == b':').and_then(|at| value.get(at + 1..));
                    entry.target = target.filter(|target| !target.is_empty()).map(Into::into);
                    Kind::Link
                }
                _ => Kind::Other,
            };
        }
        b"size" => entry.size = number(value),
        // Some say the size of folders so.
        b"sizd" if entry.size.is_none() => entry.size = number(value),
        b"modify" => entry.modified = time::parse(value),
        b"perm" => entry.perm = text(),
        b"unique" => entry.unique = text(),
        b"unix.mode" => {
            let mode = std::str::from_utf8(value).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
            entry.mode = mode.map(|mode| mode & 0o7777);
        }
        b"unix.owner" | b"unix.uid" if entry.owner.is_none() => entry.owner = text(),
        b"unix.ownername" => entry.owner = text(),
        b"unix.group" | b"unix.gid" if entry.group.is_none() => entry.group = text(),
        b"unix.groupname" => entry.group = text(),
        _ => {}
    }
}
