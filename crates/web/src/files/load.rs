//! What a path stands for: the part of answering that touches the file system, on the thread pool.

use super::{
    FileOptions,
    encoding::Coding,
    listing::{self, ENTRIES_MAX},
    path,
    resource::Resource,
    storage::{Node, Opened, Storage},
};
use bytes::Bytes;
use http::StatusCode;
use std::{ffi::OsString, io, path::Path, sync::Arc, time::SystemTime};

/// What was found at a path.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A file to send.
    File(Arc<Resource>),
    /// A folder that was asked for as if it were a file.
    Folder,
    /// The page of a folder.
    Listing(Bytes),
    /// Nothing that may be sent; the status to say so.
    Nothing(StatusCode),
}

/// Looks up a clean path, when the wall clock shows `wall`. Blocks.
pub(super) fn load(storage: &dyn Storage, options: &FileOptions, clean: &[u8], wall: SystemTime) -> Found {
    find(storage, options, clean, wall).unwrap_or_else(|error| Found::Nothing(status(&error)))
}

fn find(storage: &dyn Storage, options: &FileOptions, clean: &[u8], wall: SystemTime) -> io::Result<Found> {
    let path = path::below_root(clean);
    Ok(match (storage.open(path)?, path::is_folder(clean)) {
        (Node::File(opened), false) => resource(storage, options, path, opened, wall),
        (Node::Folder, false) => Found::Folder,
        (Node::Folder, true) => folder(storage, options, clean, wall)?,
        (Node::File(_) | Node::Other, true) => Found::Nothing(StatusCode::NOT_FOUND),
        (Node::Other, false) => Found::Nothing(StatusCode::FORBIDDEN),
    })
}

/// The first index file of a folder, else its listing.
fn folder(storage: &dyn Storage, options: &FileOptions, clean: &[u8], wall: SystemTime) -> io::Result<Found> {
    let folder = path::below_root(clean);
    for name in &options.index {
        let path = folder.join(name);
        match storage.open(&path) {
            Ok(Node::File(opened)) => {
                return Ok(resource(storage, options, &path, opened, wall));
            }
            Ok(Node::Folder | Node::Other) => {}
            Err(error) if status(&error) == StatusCode::NOT_FOUND => {}
            // An index that may not be read stands for a folder that may not be read: no listing instead.
            Err(error) => return Err(error),
        }
    }
    if !options.listing {
        return Ok(Found::Nothing(StatusCode::FORBIDDEN));
    }
    let list = storage.list(folder, ENTRIES_MAX)?;
    Ok(Found::Listing(listing::page(clean, list, options.hidden).into()))
}

fn resource(
    storage: &dyn Storage,
    options: &FileOptions,
    path: &Path,
    opened: Opened,
    wall: SystemTime,
) -> Found {
    let mut coded = Vec::new();
    if options.precompressed {
        for coding in Coding::ALL {
            coded.extend(sibling(storage, path, &opened, coding).map(|sibling| (coding, sibling)));
        }
    }
    Found::File(Arc::new(Resource::new(path, opened, coded, wall)))
}

/// The compressed form beside a file. One that is older than the file is left alone: somebody changed the
/// file and did not compress it again.
fn sibling(storage: &dyn Storage, path: &Path, plain: &Opened, coding: Coding) -> Option<Opened> {
    let mut name = OsString::from(path);
    name.push(coding.suffix());
    match storage.open(Path::new(&name)) {
        Ok(Node::File(coded)) if coded.stamp.modified >= plain.stamp.modified => Some(coded),
        _ => None,
    }
}

/// How an error of the file system is told to a client. A name that cannot exist is one that does not exist,
/// and a link out of the root is as forbidden as a file that we have no right to read.
fn status(error: &io::Error) -> StatusCode {
    use io::ErrorKind::{
        InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied, ResourceBusy,
    };
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename | InvalidInput => StatusCode::NOT_FOUND,
        PermissionDenied => StatusCode::FORBIDDEN,
        ResourceBusy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::storage::{Folder, tests::make_fifo};
    use http::{HeaderMap, HeaderValue, Method, header};
    use std::{
        fs,
        time::{Duration, UNIX_EPOCH},
    };
    use tempfile::TempDir;

    struct Site {
        dir: TempDir,
        storage: Folder,
        options: FileOptions,
    }

    impl Site {
        fn new(files: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in files {
                let path = dir.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, name).unwrap();
            }
            let storage = Folder::new(dir.path(), false).unwrap();
            Self { dir, storage, options: FileOptions::default() }
        }

        fn date(&self, name: &str, secs: u64) {
            let file = fs::File::options().write(true).open(self.dir.path().join(name)).unwrap();
            let times = fs::FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(secs));
            file.set_times(times).unwrap();
        }

        fn load(&self, path: &str) -> Found {
            load(&self.storage, &self.options, path.as_bytes(), UNIX_EPOCH + Duration::from_secs(1 << 32))
        }

        /// The size of the file found, which is the length of its name here.
        fn size(&self, path: &str, accept: &'static str) -> Option<u64> {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            match self.load(path) {
                Found::File(resource) => resource.answer(&Method::GET, &headers, String::new).body().len(),
                _ => None,
            }
        }
    }

    fn nothing(found: Found) -> u16 {
        match found {
            Found::Nothing(status) => status.as_u16(),
            _ => 0,
        }
    }

    #[test]
    fn errors_have_a_status() {
        use io::ErrorKind::*;
        for (kind, code) in [
            (NotFound, 404),
            (NotADirectory, 404),
            (InvalidFilename, 404),
            (PermissionDenied, 403),
            (ResourceBusy, 503),
            (TimedOut, 500),
        ] {
            assert_eq!(status(&kind.into()), code);
        }
    }

    #[test]
    fn files_folders_and_nothing() {
        let site = Site::new(&["a.txt", "sub/b"]);
        assert_eq!(site.size("/a.txt", ""), Some(5));
        assert_eq!(site.size("/sub/b", ""), Some(5));
        assert!(matches!(site.load("/sub"), Found::Folder));
        assert!(matches!(site.load("/sub/"), Found::Listing(_)));
        assert!(matches!(site.load("/"), Found::Listing(_)));
        for path in ["/none", "/none/", "/a.txt/", "/a.txt/b", "/sub/b/"] {
            assert_eq!(nothing(site.load(path)), 404, "{path}");
        }
        assert_eq!(nothing(site.load(&format!("/{}", "x".repeat(300)))), 404);
    }

    #[test]
    fn links_out_of_the_root_and_devices_are_forbidden() {
        let site = Site::new(&["a"]);
        std::os::unix::fs::symlink("/etc/passwd", site.dir.path().join("out")).unwrap();
        assert_eq!(nothing(site.load("/out")), 403);
        make_fifo(&site.dir.path().join("fifo"));
        assert_eq!(nothing(site.load("/fifo")), 403);
        assert_eq!(nothing(site.load("/fifo/")), 404);
    }

    #[test]
    fn index_files_come_in_order() {
        let mut site =
            Site::new(&["both/index.html", "both/index.htm", "second/index.htm", "folder/index.html/x"]);
        site.options.index = vec!["index.html".into(), "index.htm".into()];
        assert_eq!(site.size("/both/", ""), Some(15));
        assert_eq!(site.size("/second/", ""), Some(16));
        assert!(matches!(site.load("/folder/"), Found::Listing(_)));
        site.options.index.clear();
        assert!(matches!(site.load("/both/"), Found::Listing(_)));
        site.options.listing = false;
        assert_eq!(nothing(site.load("/both/")), 403);
    }

    #[test]
    fn listings_hide_what_is_hidden() {
        let mut site = Site::new(&["a", ".secret"]);
        let text = |found| match found {
            Found::Listing(page) => String::from_utf8(page.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(!text(site.load("/")).contains("secret"));
        site.options.hidden = true;
        assert!(text(site.load("/")).contains("secret"));
    }

    #[test]
    fn siblings_are_sent_unless_they_are_older() {
        let mut site = Site::new(&["a.css", "a.css.br", "a.css.gz", "index.html", "index.html.gz"]);
        for name in ["a.css", "a.css.br", "a.css.gz"] {
            site.date(name, 1000);
        }
        assert_eq!(site.size("/a.css", "br"), Some(8));
        assert_eq!(site.size("/a.css", ""), Some(5));
        site.date("a.css.br", 999);
        assert_eq!(site.size("/a.css", "br"), Some(5));
        assert_eq!(site.size("/a.css", "br, gzip"), Some(8));
        assert_eq!(site.size("/", "gzip"), Some(13), "an index file has siblings too");
        site.options.precompressed = false;
        assert_eq!(site.size("/a.css", "br, gzip"), Some(5));
    }
}
