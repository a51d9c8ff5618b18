//! Metadata tell one state of a file from another.

use super::*;
use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    time::{Duration, UNIX_EPOCH},
};

#[test]
fn metadata_differ_after_every_kind_of_change() {
    let dir = tree();
    let at = dir.path().join("root/a.txt");
    let tree = folder(&dir);
    let state = || tree.open(&path("a.txt")).unwrap().opened().clone();
    let first = state();
    assert_eq!(state(), first);
    assert_eq!(tree.metadata(&path("a.txt")).unwrap(), first);

    fs::OpenOptions::new().append(true).open(&at).unwrap().write_all(b"!").unwrap();
    let grown = state();
    assert_ne!(grown, first);

    fs::OpenOptions::new().write(true).open(&at).unwrap().set_len(3).unwrap();
    let cut = state();
    assert_ne!(cut, grown);

    // Another file of the same size and time of modification, moved over it.
    let other = dir.path().join("other");
    fs::write(&other, "xyz").unwrap();
    let times = fs::FileTimes::new().set_modified(cut.modified);
    File::options().write(true).open(&other).unwrap().set_times(times).unwrap();
    fs::rename(&other, &at).unwrap();
    let replaced = state();
    assert_eq!((replaced.size, replaced.modified), (cut.size, cut.modified));
    assert_ne!(replaced, cut);

    let times = fs::FileTimes::new().set_modified(cut.modified + Duration::from_nanos(1));
    File::options().write(true).open(&at).unwrap().set_times(times).unwrap();
    let touched = state();
    assert_ne!(touched, replaced);

    // Other contents of the same size, and the time of modification set back. The clock of the file system may be
    // coarse: until it ticks nobody could tell.
    let times = fs::FileTimes::new().set_modified(touched.modified);
    let changed = touched.changed.duration_since(UNIX_EPOCH).unwrap();
    loop {
        let now = fs::metadata(&at).unwrap();
        if (now.ctime(), now.ctime_nsec()) != (changed.as_secs() as i64, i64::from(changed.subsec_nanos())) {
            break;
        }
        let mut file = File::options().write(true).open(&at).unwrap();
        file.write_all(b"XYZ").unwrap();
        file.set_times(times).unwrap();
    }
    let rewritten = state();
    assert_eq!((rewritten.size, rewritten.modified), (touched.size, touched.modified));
    assert_ne!(rewritten, touched);
}
