//! A folder as an HTML page.

use super::path;
use crate::page::{document, escape};
use jiff::{Timestamp, tz::TimeZone};
use std::{fmt::Write, os::unix::ffi::OsStrExt, time::SystemTime};
use trenza_storage::{Entry, FileKind, List, Result};

/// The most names of a folder that are looked at, so that a page stays under a megabyte or so. One that
/// leaves names out says so.
pub(super) const ENTRIES_MAX: usize = 5_000;

/// Some or all of the names in a folder.
#[derive(Debug)]
pub(super) struct Names {
    /// Files and folders that may be opened.
    entries: Vec<Entry>,
    /// There are more names.
    cut: bool,
}

impl Names {
    /// The first [`ENTRIES_MAX`] of a list. Blocks.
    pub(super) fn first(list: &mut dyn List) -> Result<Self> {
        let mut entries = list.next(ENTRIES_MAX)?;
        let cut = !list.next(1)?.is_empty();
        // A link that may not be followed is not shown.
        entries.retain(|entry| matches!(entry.metadata.kind, FileKind::File | FileKind::Folder));
        Ok(Self { entries, cut })
    }
}

/// The page of the folder at a clean path. Folders come first, each group sorted by name without regard to
/// case; hidden names are left out unless they are asked for. Times are in UTC.
pub(super) fn page(folder: &[u8], names: Names, hidden: bool) -> String {
    let Names { mut entries, cut } = names;
    if !hidden {
        entries.retain(|entry| !entry.name.as_bytes().starts_with(b"."));
    }
    entries.sort_by_cached_key(|entry| {
        (!entry.metadata.is_folder(), entry.name.to_string_lossy().to_lowercase(), entry.name.clone())
    });
    let name = escape(&String::from_utf8_lossy(folder));
    let mut body = format!(
        "<h1><bdi>{name}</bdi></h1>\n<table>\n<thead><tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr></thead>\n\
         <tbody>\n"
    );
    if folder != b"/" {
        body.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for entry in &entries {
        body.push_str(&row(entry));
    }
    body.push_str("</tbody>\n</table>\n");
    if cut {
        let _ = writeln!(body, "<p>Only the first {ENTRIES_MAX} names of this folder are shown.</p>");
    }
    if entries.is_empty() && !cut {
        body.push_str("<p>This folder is empty.</p>\n");
    }
    document(&format!("Folder {name}"), &body)
}

fn row(entry: &Entry) -> String {
    let folder = entry.metadata.is_folder();
    let slash = if folder { "/" } else { "" };
    let link = path::encode(entry.name.as_bytes());
    let name = escape(&entry.name.to_string_lossy());
    let size = if folder { String::new() } else { human(entry.metadata.size) };
    let time = minute(entry.metadata.modified).unwrap_or_default();
    format!(
        "<tr><td><a href=\"{link}{slash}\"><bdi>{name}</bdi>{slash}</a></td><td>{size}</td><td>{time}</td></tr>\n"
    )
}

/// A number of bytes as people read it: three digits or so, and a binary unit.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut units = UNITS.into_iter().peekable();
    let mut unit = units.next().unwrap_or_default();
    // From here on "1024.0" would be printed.
    while size >= 1023.95
        && let Some(next) = units.next()
    {
        size /= 1024.0;
        unit = next;
    }
    format!("{size:.1} {unit}")
}

/// A time to the minute, in UTC; None for years that no calendar of ours reaches.
fn minute(time: SystemTime) -> Option<String> {
    let zoned = Timestamp::try_from(time).ok()?.to_zoned(TimeZone::UTC);
    Some(zoned.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        ffi::OsString,
        os::unix::ffi::OsStringExt,
        time::{Duration, UNIX_EPOCH},
    };
    use trenza_storage::{FileId, Folder, Metadata, Path, Tree as _};

    fn entry(name: &[u8], folder: bool) -> Entry {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let metadata = Metadata {
            kind: if folder { FileKind::Folder } else { FileKind::File },
            size: 1536,
            modified: time,
            changed: time,
            mode: 0o644,
            links: 1,
            owner: 0,
            group: 0,
            id: FileId { device: 0, inode: 1 },
        };
        Entry { name: OsString::from_vec(name.to_vec()), is_link: false, metadata }
    }

    fn list(entries: Vec<Entry>) -> Names {
        Names { entries, cut: false }
    }

    #[test]
    fn names_are_bounded_and_what_cannot_be_opened_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Folder::new(dir.path()).unwrap();
        let names = || Names::first(&mut *tree.list(&Path::root()).unwrap()).unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        for (to, link) in [("/etc/passwd", "out"), ("folder", "in"), ("none", "dangling")] {
            std::os::unix::fs::symlink(to, dir.path().join(link)).unwrap();
        }
        let few = names();
        assert_eq!((few.entries.len(), few.cut), (2, false));
        for n in 4..ENTRIES_MAX {
            std::fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        assert_eq!((names().entries.len(), names().cut), (ENTRIES_MAX - 2, false));
        std::fs::write(dir.path().join("one more"), "").unwrap();
        assert!(names().cut);
    }

    fn links(page: &str) -> Vec<&str> {
        page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn folders_first_then_by_name() {
        let entries = list(vec![
            entry(b"b.txt", false),
            entry(b"Z", true),
            entry(b"A.txt", false),
            entry(b"c.txt", false),
            entry(b"a", true),
        ]);
        let page = page(b"/dir/", entries, false);
        assert_eq!(links(&page), ["../", "a/", "Z/", "A.txt", "b.txt", "c.txt"]);
        assert!(page.contains("<td>1.5 KiB</td><td>1994-11-06 08:49</td>"), "{page}");
        assert!(page.contains("<title>Folder /dir/</title>"));
    }

    #[test]
    fn the_root_has_no_parent_and_hidden_names_are_asked_for() {
        let entries = || list(vec![entry(b".git", true), entry(b"a", false)]);
        assert_eq!(links(&page(b"/", entries(), false)), ["a"]);
        assert_eq!(links(&page(b"/", entries(), true)), [".git/", "a"]);
        let empty = page(b"/", list(Vec::new()), false);
        assert!(empty.contains("empty") && links(&empty).is_empty());
    }

    #[test]
    fn names_cannot_write_html_or_links() {
        let names: [&[u8]; 5] =
            [b"<script>alert(1)", b"\" onclick=\"x", b"javascript:alert(1)", b"a b?c#d&e%20", b"caf\xe9\n"];
        let page = page(b"/<b>\"/", list(names.iter().map(|name| entry(name, false)).collect()), false);
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("\" onclick"), "{page}");
        let mut linked: Vec<_> = links(&page)[1..]
            .iter()
            .inspect(|link| assert!(!link.contains([':', '?', '#', ' ', '/']), "{link}"))
            .map(|link| path::clean(&format!("/{link}")).unwrap()[1..].to_vec())
            .collect();
        let mut expected = names.map(<[u8]>::to_vec);
        linked.sort();
        expected.sort();
        assert_eq!(linked, expected, "links lead to the names that are shown");
        assert!(page.contains("caf\u{fffd}"), "shown as far as it can be");
    }

    #[test]
    fn a_page_that_was_cut_says_so() {
        let cut = Names { entries: vec![entry(b"a", false)], cut: true };
        assert!(page(b"/", cut, false).contains("Only the first 5000 names"));
        assert!(!page(b"/", list(vec![entry(b"a", false)]), false).contains("Only the first"));
    }

    #[test]
    fn sizes_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (10 << 20, "10.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn times_that_cannot_be_written_are_left_out() {
        assert_eq!(minute(UNIX_EPOCH).as_deref(), Some("1970-01-01 00:00"));
        assert_eq!(minute(UNIX_EPOCH - Duration::from_secs(60)).as_deref(), Some("1969-12-31 23:59"));
        assert_eq!(UNIX_EPOCH.checked_add(Duration::from_secs(1 << 55)).and_then(minute), None);
    }
}
