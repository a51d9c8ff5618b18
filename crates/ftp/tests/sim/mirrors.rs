//! Whole trees, from and to servers that nobody can trust.

use super::{Site, pattern};
use crate::server::Trick;
use std::{fs, path::Path, rc::Rc, time::Duration};
use tempfile::{TempDir, tempdir};
use trenza_ftp::{ClientOptions, Dial, Folder, Glob, Mirror, MirrorLimits, Outcome};
use trenza_sim::{Net, for_seeds};

fn dial() -> Dial {
    Dial::new("tcp:srv:21", ClientOptions::new()).unwrap().account("ann", "secret")
}

fn download(site: &Site, mirror: &Mirror, to: &Path) -> Outcome {
    let (mirror, folder) = (mirror.clone(), Folder::make(to).unwrap());
    let done = async move { Ok(mirror.download(&dial(), b".", &folder).await?) };
    site.net.block_on(&site.client(), done).unwrap()
}

fn upload(site: &Site, mirror: &Mirror, from: &Path) -> Outcome {
    let (mirror, folder) = (mirror.clone(), Folder::open(from).unwrap());
    let done = async move { Ok(mirror.upload(&dial(), &folder, b".").await?) };
    site.net.block_on(&site.client(), done).unwrap()
}

/// What is in a folder, by name, without what is in folders.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// A folder within another one, so that what leaves it is seen.
fn nested() -> (TempDir, std::path::PathBuf) {
    let outer = tempdir().unwrap();
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    (outer, inner)
}

#[test]
fn files_go_both_ways_over_several_connections() {
    for_seeds(0..10, |seed| {
        let mut site = Site::new(Net::new(seed));
        for number in 0..30 {
            site = site.file(&format!("f {number}"), pattern(number * 700));
        }
        let here = tempdir().unwrap();
        let mirror = Mirror::new().parallel(4);
        let outcome = download(&site, &mirror, here.path());
        assert_eq!((outcome.files, outcome.failed, outcome.folders), (30, 0, 1), "{:?}", outcome.failures);
        for number in 0..30 {
            assert_eq!(fs::read(here.path().join(format!("f {number}"))).unwrap(), pattern(number * 700));
        }
        assert_eq!(download(&site, &mirror, here.path()).current, 30);

        site.script.borrow_mut().files.clear();
        let outcome = upload(&site, &mirror, here.path());
        assert_eq!((outcome.files, outcome.failed), (30, 0), "{:?}", outcome.failures);
        assert_eq!(site.stored("f 29"), Some(pattern(29 * 700)));
        site.assert_quiet();
    });
}

#[test]
fn no_name_of_a_server_leads_out_of_the_folder() {
    let site = Site::gentle().file("good", "1");
    site.script.borrow_mut().lines = vec![
        b"type=file;size=1; ../out",
        b"type=file;size=1; /tmp/trenza-out",
        b"type=file;size=1; sub/../../out",
        b"type=file;size=1; nul\0nul",
        b"type=dir; ..",
        b"type=dir; .",
        b"type=dir; ../up",
        b"type=file;size=1; ..",
        b"type=OS.unix=slink:/etc; link",
        b"type=OS.unix=slink:../..; good2",
    ];
    let (outer, inner) = nested();
    let outcome = download(&site, &Mirror::new().delete(true), &inner);
    assert_eq!((names(outer.path()), names(&inner)), (vec!["inner".into()], vec!["good".into()]));
    assert_eq!((outcome.files, outcome.skipped, outcome.failed), (1, 2, 5), "{:?}", outcome.failures);
    assert!(!Path::new("/tmp/trenza-out").exists());
}

/// Also not through links that are in the folder already.
#[test]
fn links_in_the_folder_are_not_followed_out_of_it() {
    let site = Site::gentle();
    site.script.borrow_mut().lines = vec![b"type=dir; link", b"type=file;size=1; file"];
    let (outer, inner) = nested();
    fs::write(outer.path().join("precious"), "1").unwrap();
    std::os::unix::fs::symlink(outer.path(), inner.join("link")).unwrap();
    std::os::unix::fs::symlink(outer.path().join("precious"), inner.join("file")).unwrap();
    let outcome = download(&site, &Mirror::new(), &inner);
    assert_eq!((outcome.files, outcome.failed), (0, 2), "{:?}", outcome.failures);
    assert_eq!(fs::read(outer.path().join("precious")).unwrap(), b"1");
    assert_eq!(names(outer.path()), ["inner", "precious"]);
}

#[test]
fn folders_without_end_come_to_one() {
    let site = Site::gentle().file("a", "1");
    site.script.borrow_mut().lines = vec![b"type=dir; again"];
    let here = tempdir().unwrap();
    let limits = MirrorLimits { depth: 5, ..MirrorLimits::default() };
    let outcome = download(&site, &Mirror::new().limits(limits), here.path());
    assert_eq!((outcome.folders, outcome.failed > 0), (6, true));
    assert!(outcome.failures.last().unwrap().error.to_string().contains("too deep"));

    let limits = MirrorLimits { entries: 3, failures: 2, ..MirrorLimits::default() };
    let outcome = download(&site, &Mirror::new().limits(limits).always(true), here.path());
    assert!(outcome.failed > 0 && outcome.failures.len() <= 2, "{outcome:?}");
}

#[test]
fn errors_are_collected_and_the_rest_goes_on() {
    let mut site = Site::gentle().trick("RETR", Trick::Say("550 no\r\n"));
    for number in 0..10 {
        site = site.file(&format!("f{number}"), "1");
    }
    let here = tempdir().unwrap();
    let told = Rc::new(std::cell::Cell::new(0));
    let count = told.clone();
    let mirror = Mirror::new().on_progress(move |progress| {
        if matches!(progress, trenza_ftp::Progress::Failed { .. }) {
            count.set(count.get() + 1);
        }
    });
    let outcome = download(&site, &mirror, here.path());
    assert_eq!((outcome.files, outcome.failed, outcome.failures.len(), told.get()), (9, 1, 1, 1));
    assert_eq!((&*outcome.failures[0].path, names(here.path()).len()), ("f0", 9));
}

/// A connection that ends is made anew, and what it was at is tried again.
#[test]
fn a_lost_connection_is_made_anew() {
    for_seeds(0..10, |seed| {
        for trick in [
            Trick::Reset,
            Trick::Close,
            Trick::Delay(Duration::from_secs(100)),
            Trick::Say("421 you were idle for too long\r\n"),
        ] {
            let mut site = Site::new(Net::new(seed)).trick("RETR", trick);
            for number in 0..6 {
                site = site.file(&format!("f{number}"), pattern(9000));
            }
            let here = tempdir().unwrap();
            let outcome = download(&site, &Mirror::new().parallel(2), here.path());
            assert_eq!((outcome.files, outcome.failed), (6, 0), "{trick:?} {:?}", outcome.failures);
        }
    });
}

#[test]
fn a_server_that_takes_few_connections_gets_few() {
    let mut site = Site::gentle();
    site.script.borrow_mut().sessions_max = 2;
    for number in 0..20 {
        site = site.file(&format!("f{number}"), pattern(9000));
    }
    let here = tempdir().unwrap();
    let outcome = download(&site, &Mirror::new().parallel(8), here.path());
    assert_eq!((outcome.files, outcome.failed), (20, 0), "{:?}", outcome.failures);
}

/// Whoever has a connection may be done with all there was before another learns that it gets none.
#[test]
fn what_was_meant_for_a_connection_that_is_refused_is_done_by_another() {
    let site = Site::gentle().file("f0", "1").file("f1", "2");
    {
        let mut script = site.script.borrow_mut();
        (script.sessions_max, script.refusal) = (1, Duration::from_secs(20));
    }
    let here = tempdir().unwrap();
    let outcome = download(&site, &Mirror::new().parallel(2), here.path());
    assert_eq!((outcome.files, outcome.failed), (2, 0), "{:?}", outcome.failures);
}

#[test]
fn sizes_that_cannot_be_are_only_what_a_server_says() {
    let site = Site::gentle();
    site.script.borrow_mut().lines =
        vec![b"type=file;size=18446744073709551615; a", b"type=file;size=18446744073709551615; b"];
    let here = tempdir().unwrap();
    let outcome = download(&site, &Mirror::new(), here.path());
    assert_eq!((outcome.files, outcome.failed), (0, 2));
}

/// What a level has in it is in memory: whoever shows folder after folder, each of them full, is stopped.
#[test]
fn folders_without_end_are_not_all_asked_for() {
    let site = Site::gentle();
    let lines = (0..50).map(|number| format!("type=dir; folder {number}").leak().as_bytes());
    site.script.borrow_mut().lines = lines.collect();
    let here = tempdir().unwrap();
    let limits = MirrorLimits { entries: 100, ..MirrorLimits::default() };
    let outcome = download(&site, &Mirror::new().limits(limits), here.path());
    assert!(outcome.failures[0].error.to_string().contains("too many files"));
    assert!(site.heard("MLSD") <= 1 + 2 + 2, "{} folders were listed", site.heard("MLSD"));
}

#[test]
fn a_cut_file_is_gone_on_with() {
    let site = Site::gentle().file("a", pattern(300_000)).trick("RETR", Trick::CutData);
    let here = tempdir().unwrap();
    let mirror = Mirror::new().resume(true);
    let first = download(&site, &mirror, here.path());
    assert_eq!((first.files, first.failed), (0, 1));
    // Of the cut one nothing has the name of a whole one.
    assert_eq!(names(here.path()), [".a.part"]);
    let second = download(&site, &mirror, here.path());
    assert_eq!((second.files, second.failed), (1, 0));
    assert!(second.bytes < 300_000 && site.heard("REST") == 1, "{second:?}");
    assert_eq!(fs::read(here.path().join("a")).unwrap(), pattern(300_000));
    assert_eq!(names(here.path()), ["a"]);
}

/// A listing that says something else than what comes.
#[test]
fn a_file_of_another_size_is_not_taken_for_whole() {
    let site = Site::gentle().file("a", "123");
    site.script.borrow_mut().lines = vec![b"type=file;size=5; a"];
    let here = tempdir().unwrap();
    let outcome = download(&site, &Mirror::new(), here.path());
    assert_eq!((outcome.files, outcome.failed), (0, 1));
    assert!(!here.path().join("a").exists());
}

#[test]
fn what_never_ends_does_not_fill_the_disk() {
    let site = Site::gentle().file("a", pattern(3_000_000));
    site.script.borrow_mut().lines = vec![b"type=file;size=300000; a"];
    let here = tempdir().unwrap();
    let outcome = download(&site, &Mirror::new().resume(true), here.path());
    assert_eq!((outcome.files, outcome.failed), (0, 1));
    assert!(outcome.failures[0].error.to_string().contains("more came"), "{:?}", outcome.failures);
    assert!(fs::metadata(here.path().join(".a.part")).unwrap().len() <= 300_000);
}

#[test]
fn long_names_that_begin_alike_are_two_files() {
    let names = ["a", "b"].map(|end| "x".repeat(254) + end);
    let contents = [pattern(700_000), pattern(700_001)[1..].to_vec()];
    let mut site = Site::gentle();
    for (name, content) in names.iter().zip(&contents) {
        site = site.file(name, content.clone());
    }
    let here = tempdir().unwrap();
    let outcome = download(&site, &Mirror::new().parallel(2), here.path());
    assert_eq!((outcome.files, outcome.failed), (2, 0), "{:?}", outcome.failures);
    for (name, content) in names.iter().zip(contents) {
        assert!(fs::read(here.path().join(name)).unwrap() == content);
    }
}

#[test]
fn what_is_left_over_is_deleted_only_if_asked_for() {
    let site = Site::gentle().file("a", "1").file("b.tmp", "1");
    let here = tempdir().unwrap();
    for name in ["old", "keep.tmp"] {
        fs::write(here.path().join(name), "1").unwrap();
    }
    let tmp = || Glob::new(b"*.tmp").unwrap();
    download(&site, &Mirror::new().exclude(tmp()), here.path());
    assert_eq!(names(here.path()), ["a", "keep.tmp", "old"]);
    let outcome = download(&site, &Mirror::new().exclude(tmp()).delete(true), here.path());
    assert_eq!((outcome.removed, names(here.path())), (1, vec!["a".into(), "keep.tmp".into()]));

    fs::remove_file(here.path().join("keep.tmp")).unwrap();
    let site = Site::gentle().file("old", "1").file("c.tmp", "1");
    let outcome = upload(&site, &Mirror::new().exclude(tmp()).delete(true), here.path());
    assert_eq!((outcome.files, outcome.removed), (1, 1), "{:?}", outcome.failures);
    assert_eq!((site.stored("old"), site.stored("c.tmp")), (None, Some(b"1".to_vec())));
}
