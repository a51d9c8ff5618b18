//! The whole of [`Files`] in the simulator, on real temporary folders.

use super::{
    resource::tests::{chunks, text},
    *,
};
use http::Request;
use std::{
    cell::RefCell,
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::{
        Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use trenza_sim::{HostHandle, Net};
use trenza_storage::{self as storage, ErrorKind, List, Metadata, Result, Space, Write, Writer};
use trenza_wire::Chunk;

/// A folder that counts how often it is asked for files, and can be out of order.
#[derive(Debug)]
struct Counted {
    folder: Folder,
    opened: AtomicUsize,
    broken: AtomicUsize,
}

impl Tree for Counted {
    fn open(&self, path: &storage::Path) -> Result<Arc<dyn storage::File>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        match self.broken.load(Ordering::Relaxed) {
            0 => self.folder.open(path),
            _ => Err(ErrorKind::Busy.into()),
        }
    }

    fn list(&self, path: &storage::Path) -> Result<Box<dyn List>> {
        self.folder.list(path)
    }

    fn metadata(&self, path: &storage::Path) -> Result<Metadata> {
        self.folder.metadata(path)
    }

    fn symlink_metadata(&self, path: &storage::Path) -> Result<Metadata> {
        self.folder.symlink_metadata(path)
    }

    fn write(&self, path: &storage::Path, how: Write) -> Result<Box<dyn Writer>> {
        self.folder.write(path, how)
    }

    fn make_folder(&self, path: &storage::Path) -> Result {
        self.folder.make_folder(path)
    }

    fn remove_file(&self, path: &storage::Path) -> Result {
        self.folder.remove_file(path)
    }

    fn remove_folder(&self, path: &storage::Path) -> Result {
        self.folder.remove_folder(path)
    }

    fn rename(&self, from: &storage::Path, to: &storage::Path, replace: bool) -> Result {
        self.folder.rename(from, to, replace)
    }

    fn link(&self, from: &storage::Path, to: &storage::Path) -> Result {
        self.folder.link(from, to)
    }

    fn set_modified(&self, path: &storage::Path, time: SystemTime) -> Result {
        self.folder.set_modified(path, time)
    }

    fn set_mode(&self, path: &storage::Path, mode: u32) -> Result {
        self.folder.set_mode(path, mode)
    }

    fn sync(&self, path: &storage::Path) -> Result {
        self.folder.sync(path)
    }

    fn space(&self) -> Result<Space> {
        self.folder.space()
    }

    fn sweep(&self, before: SystemTime) -> Result<u64> {
        self.folder.sweep(before)
    }
}

pub(super) fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

struct Site {
    dir: TempDir,
    storage: Arc<Counted>,
    files: Files,
    net: Net,
    host: HostHandle,
}

type Slot = Rc<RefCell<Option<Response<Body>>>>;

impl Site {
    /// A site on which these files hold their own names.
    fn new(names: &[&str]) -> Self {
        Self::with(names, FileOptions { precompressed: false, ..FileOptions::default() })
    }

    fn with(names: &[&str], options: FileOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let folder = Folder::new(dir.path()).unwrap().with_outside_symlinks(options.outside_symlinks);
        let storage = Arc::new(Counted { folder, opened: AtomicUsize::new(0), broken: AtomicUsize::new(0) });
        let files = Files::over(storage.clone(), options);
        let net = Net::new(1);
        let host = net.host("srv");
        Self { dir, storage, files, net, host }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ask(&self, request: &Parts) -> Answer {
        self.host.run(|_| self.files.answer(request))
    }

    fn wait(&self, answer: Answer) -> Slot {
        self.host.run(|reactor| wait(reactor, answer))
    }

    fn fetch(&self, request: &Parts) -> Response<Body> {
        let slot = self.wait(self.ask(request));
        self.net.run();
        slot.take().expect("an answer")
    }

    fn get(&self, uri: &str) -> Response<Body> {
        self.fetch(&parts("GET", uri))
    }

    fn status(&self, uri: &str) -> u16 {
        self.get(uri).status().as_u16()
    }

    fn looks(&self) -> usize {
        self.storage.opened.load(Ordering::Relaxed)
    }
}

/// Lets a task wait for the answer, which comes into the slot.
fn wait(reactor: &Reactor, answer: Answer) -> Slot {
    let slot = Slot::default();
    let into = slot.clone();
    match answer {
        Answer::Now(response) => drop(into.replace(Some(response))),
        Answer::Later(later) => {
            reactor.spawn(later).then(move |response| drop(into.replace(Some(response.unwrap()))));
        }
    }
    slot
}

fn parts(method: &str, uri: &str) -> Parts {
    Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
}

fn is_now(answer: &Answer) -> bool {
    matches!(answer, Answer::Now(_))
}

#[test]
fn a_second_request_is_answered_at_once() {
    let site = Site::new(&["a.txt"]);
    assert!(!is_now(&site.ask(&parts("GET", "/a.txt"))));
    assert_eq!(text(&mut site.get("/a.txt")), "a.txt");
    let before = site.looks();
    for uri in ["/a.txt", "/%61.txt", "//a.txt", "/x/../a.txt", "/a.txt?query", "http://host/a.txt"] {
        assert!(is_now(&site.ask(&parts("GET", uri))), "{uri}");
        assert_eq!(text(&mut site.get(uri)), "a.txt");
    }
    assert!(is_now(&site.ask(&parts("HEAD", "/a.txt"))));
    assert_eq!(site.looks(), before);
    site.net.advance(Duration::from_millis(1000));
    assert!(!is_now(&site.ask(&parts("GET", "/a.txt"))));
}

#[test]
fn changes_are_seen_after_a_second() {
    let site = Site::new(&["a.txt"]);
    let see = |change: &dyn Fn(&Path), expected: Option<&str>| {
        let before = site.get("/a.txt");
        change(&site.path("a.txt"));
        site.net.advance(Duration::from_secs(1));
        let mut after = site.get("/a.txt");
        match expected {
            Some(expected) => {
                assert_eq!(text(&mut after), expected);
                assert_ne!(after.headers().get("etag"), before.headers().get("etag"));
            }
            None => assert_eq!(after.status(), 404),
        }
    };
    see(&|path| fs::write(path, "longer than before").unwrap(), Some("longer than before"));
    see(&|path| fs::write(path, "short").unwrap(), Some("short"));
    let replacement = site.path("b");
    fs::write(&replacement, "other").unwrap();
    see(&|path| fs::rename(&replacement, path).unwrap(), Some("other"));
    see(&|path| fs::remove_file(path).unwrap(), None);
    see(&|path| fs::write(path, "again").unwrap(), Some("again"));
    see(&|path| fs::remove_file(path).unwrap(), None);
}

#[test]
fn an_unchanged_file_keeps_its_tag() {
    let site = Site::new(&["a.txt"]);
    let first = site.get("/a.txt");
    site.net.advance(Duration::from_secs(5));
    assert_eq!(site.get("/a.txt").headers().get("etag"), first.headers().get("etag"));
    let mut again = parts("GET", "/a.txt");
    again.headers.insert(header::IF_NONE_MATCH, first.headers()["etag"].clone());
    assert_eq!(site.fetch(&again).status(), 304);
    site.net.advance(Duration::from_secs(5));
    assert_eq!(site.fetch(&again).status(), 304, "looked up anew");
}

#[test]
fn requests_for_one_path_share_a_look() {
    let site = Site::new(&["a.txt"]);
    let slots: Vec<_> = (0..20).map(|_| site.wait(site.ask(&parts("GET", "/a.txt")))).collect();
    site.net.run();
    for slot in slots {
        assert_eq!(text(&mut slot.take().unwrap()), "a.txt");
    }
    assert_eq!(site.looks(), 1);
}

#[test]
fn who_goes_away_does_not_take_the_look_along() {
    let site = Site::new(&["a.txt"]);
    let first = site.ask(&parts("GET", "/a.txt"));
    let second = site.wait(site.ask(&parts("GET", "/a.txt")));
    drop(first);
    site.net.run();
    assert_eq!(text(&mut second.take().unwrap()), "a.txt");
    drop(site.ask(&parts("GET", "/")));
    site.net.run();
    assert_eq!(site.status("/"), 200);
}

#[test]
fn unused_files_are_closed() {
    let site = Site::new(&["a.txt", "b.txt"]);
    let weak = |mut response: Response<Body>| -> Weak<File> {
        match &*chunks(&mut response) {
            [Chunk::File(file, _)] => Arc::downgrade(file),
            other => panic!("{other:?}"),
        }
    };
    let (a, b) = (weak(site.get("/a.txt")), weak(site.get("/b.txt")));
    site.net.advance(Duration::from_secs(5));
    let used = weak(site.get("/b.txt"));
    assert!(a.upgrade().is_some() && b.upgrade().is_none() && used.upgrade().is_some());
    site.net.advance(Duration::from_secs(6));
    assert!(a.upgrade().is_none() && used.upgrade().is_some());
    site.net.advance(Duration::from_secs(20));
    assert!(used.upgrade().is_none());
    assert_eq!(text(&mut site.get("/a.txt")), "a.txt");
}

#[test]
fn without_descriptors_the_cache_gives_way() {
    let site = Site::new(&["a.txt", "b.txt"]);
    site.get("/a.txt");
    site.storage.broken.store(1, Ordering::Relaxed);
    assert_eq!(site.status("/b.txt"), 503);
    assert!(site.files.0.cache.borrow_mut().get(b"/a.txt", site.net.now()).is_none());
    site.storage.broken.store(0, Ordering::Relaxed);
    assert_eq!(site.status("/b.txt"), 200);
    assert_eq!(site.status("/a.txt"), 200);
}

#[test]
fn a_pool_without_room_is_no_hang() {
    let site = Site::new(&["a.txt"]);
    let slots: Vec<Slot> = site.host.run(|reactor| {
        for _ in 0..trenza_sim::JOBS_MAX {
            reactor.in_thread(|| Ok(())).detach();
        }
        let requests =
            [site.files.answer(&parts("GET", "/a.txt")), site.files.answer(&parts("GET", "/a.txt"))];
        requests.map(|answer| wait(reactor, answer)).into()
    });
    site.net.run();
    for slot in slots {
        assert_eq!(slot.take().unwrap().status(), 503);
    }
    assert_eq!(site.status("/a.txt"), 200);
}

#[test]
fn nothing_outside_of_the_folder_is_served() {
    let site = Site::new(&["root/a.txt"]);
    fs::write(site.path("secret"), "secret").unwrap();
    let site = Site { files: Files::new(site.path("root"), FileOptions::default()).unwrap(), ..site };
    std::os::unix::fs::symlink("../secret", site.path("root/link")).unwrap();
    for (uri, status) in [
        ("/a.txt", 200),
        ("/../secret", 400),
        ("/%2e%2e/secret", 400),
        ("/.%2E/secret", 400),
        ("/a/../../secret", 400),
        ("/..%2fsecret", 404),
        ("/%2e%2e%2fsecret", 404),
        ("/%2fetc/passwd", 404),
        ("//etc/passwd", 404),
        ("/..%5csecret", 404),
        ("/..\\secret", 404),
        ("/a.txt%00", 404),
        ("/%zz", 400),
        ("/link", 403),
        ("/link/", 403),
        ("/a.txt/", 404),
    ] {
        let Ok(request) = Request::builder().uri(uri).body(()) else { continue };
        assert_eq!(site.fetch(&request.into_parts().0).status(), status, "{uri}");
    }
}

#[test]
fn hidden_names_are_not_there() {
    let names = [".git/config", "sub/.env", ".well-known/acme", ".well-known/.x", "a"];
    let site = Site::new(&names);
    for (uri, status) in [
        ("/.git/config", 404),
        ("/.git/", 404),
        ("/%2egit/config", 404),
        ("/sub/.env", 404),
        ("/.well-known/acme", 200),
        ("/.well-known/.x", 404),
    ] {
        assert_eq!(site.status(uri), status, "{uri}");
    }
    let open = Site::with(&names, FileOptions { hidden: true, ..FileOptions::default() });
    assert_eq!(open.status("/.git/config"), 200);
    assert_eq!(open.status("/sub/.env"), 200);
}

#[test]
fn folders_get_their_slash() {
    let site = Site::new(&["dir/sub/a", "caf\u{e9} x/a", "evil.example/a"]);
    for (uri, location) in [
        ("/dir", "/dir/"),
        ("/dir?a=b&c", "/dir/?a=b&c"),
        ("/dir/sub", "/dir/sub/"),
        ("/dir/./x/../sub", "/dir/sub/"),
        ("//dir", "/dir/"),
        ("//evil.example", "/evil.example/"),
        ("/%2e/%2e//evil.example", "/evil.example/"),
        ("/caf%c3%a9%20x", "/caf%C3%A9%20x/"),
    ] {
        let response = site.get(uri);
        assert_eq!(response.status(), 301, "{uri}");
        assert_eq!(response.headers()["location"], location, "{uri}");
    }
    assert_eq!(site.status("/dir/sub/"), 200);
}

#[test]
fn folders_show_their_index_or_a_listing() {
    let site = Site::new(&["with/index.html", "without/a.txt"]);
    let mut index = site.get("/with/");
    assert_eq!(
        (text(&mut index), index.headers()["content-type"].to_str().unwrap()),
        ("with/index.html".into(), "text/html; charset=utf-8")
    );
    assert!(is_now(&site.ask(&parts("GET", "/with/"))), "an index file is cached");
    let mut listing = site.get("/without/");
    assert_eq!(listing.headers()["content-type"], "text/html; charset=utf-8");
    assert!(listing.headers().contains_key("content-security-policy"));
    assert!(text(&mut listing).contains("href=\"a.txt\""));
    let closed = Site::with(&["dir/a"], FileOptions { listing: false, ..FileOptions::default() });
    assert_eq!(closed.status("/dir/"), 403);
}

#[test]
fn only_reading_is_allowed() {
    let site = Site::new(&["a.txt"]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "PROPFIND"] {
        let answer = site.ask(&parts(method, "/a.txt"));
        assert!(is_now(&answer));
        let response = site.fetch(&parts(method, "/a.txt"));
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
    }
    for uri in ["/a.txt", "*"] {
        let response = site.fetch(&parts("OPTIONS", uri));
        assert_eq!((response.status().as_u16(), response.body().len()), (204, Some(0)));
        assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
    }
    let head = site.fetch(&parts("HEAD", "/a.txt"));
    assert_eq!((head.status().as_u16(), head.body().len()), (200, Some(5)));
    assert_eq!(site.fetch(&parts("HEAD", "/none")).status(), 404);
}

#[test]
fn names_that_are_not_utf8_are_listed_and_served() {
    let site = Site::new(&["a"]);
    fs::write(site.dir.path().join(OsStr::from_bytes(b"caf\xe9.txt")), "latin").unwrap();
    let listing = text(&mut site.get("/"));
    assert!(listing.contains("href=\"caf%E9.txt\""), "{listing}");
    assert_eq!(text(&mut site.get("/caf%E9.txt")), "latin");
    assert_eq!(site.status("/caf%C3%A9.txt"), 404);
}

#[test]
fn parts_are_served_from_the_cache_and_from_the_pool() {
    let site = Site::new(&["a.txt"]);
    let mut request = parts("GET", "/a.txt");
    request.headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0,2-3"));
    let boundary = |response: &Response<Body>| {
        let value = response.headers()["content-type"].to_str().unwrap();
        value.strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned()
    };
    let mut first = site.fetch(&request);
    assert!(is_now(&site.ask(&request)));
    let mut second = site.fetch(&request);
    assert_ne!(boundary(&first), boundary(&second), "nobody can guess the next");
    for response in [&mut first, &mut second] {
        let boundary = boundary(response);
        assert_eq!(response.status(), 206);
        assert_eq!(text(response).matches(&boundary).count(), 3);
    }
}
