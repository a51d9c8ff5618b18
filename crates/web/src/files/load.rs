//! What a path stands for: the part of answering that touches the file system, on the thread pool.

use super::{
    FileOptions,
    encoding::Coding,
    listing::{self, Names},
    opened::Opened,
    path,
    resource::Resource,
};
use bytes::Bytes;
use http::StatusCode;
use std::{sync::Arc, time::SystemTime};
use trenza_storage::{ErrorKind, File, Path, Result, Tree};

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
pub(super) fn load(tree: &dyn Tree, options: &FileOptions, clean: &[u8], wall: SystemTime) -> Found {
    find(tree, options, clean, wall).unwrap_or_else(|error| Found::Nothing(status(error.kind())))
}

fn find(tree: &dyn Tree, options: &FileOptions, clean: &[u8], wall: SystemTime) -> Result<Found> {
    let path = path::below_root(clean)?;
    let as_folder = path::is_folder(clean);
    match tree.open(&path) {
        Ok(file) if !as_folder => resource(tree, options, &path, &*file, wall),
        Ok(_) => Ok(Found::Nothing(StatusCode::NOT_FOUND)),
        Err(error) => match error.kind() {
            ErrorKind::IsAFolder if as_folder => folder(tree, options, clean, &path, wall),
            ErrorKind::IsAFolder => Ok(Found::Folder),
            ErrorKind::Special if as_folder => Ok(Found::Nothing(StatusCode::NOT_FOUND)),
            _ => Err(error),
        },
    }
}

/// The first index file of a folder, else its listing.
fn folder(
    tree: &dyn Tree,
    options: &FileOptions,
    clean: &[u8],
    folder: &Path,
    wall: SystemTime,
) -> Result<Found> {
    for name in &options.index {
        let opened = folder.resolve(name).and_then(|path| Ok((tree.open(&path)?, path)));
        match opened {
            Ok((file, path)) => return resource(tree, options, &path, &*file, wall),
            Err(error) => match error.kind() {
                ErrorKind::IsAFolder | ErrorKind::Special => {}
                kind if status(kind) == StatusCode::NOT_FOUND => {}
                // An index that may not be read stands for a folder that may not be read: no listing instead.
                _ => return Err(error),
            },
        }
    }
    if !options.listing {
        return Ok(Found::Nothing(StatusCode::FORBIDDEN));
    }
    let names = Names::first(&mut *tree.list(folder)?)?;
    Ok(Found::Listing(listing::page(clean, names, options.hidden).into()))
}

fn resource(
    tree: &dyn Tree,
    options: &FileOptions,
    path: &Path,
    file: &dyn File,
    wall: SystemTime,
) -> Result<Found> {
    let mut coded = Vec::new();
    if options.precompressed {
        for coding in Coding::ALL {
            coded.extend(sibling(tree, path, file, coding).map(|sibling| (coding, sibling)));
        }
    }
    let plain = Opened::new(file)?;
    Ok(Found::File(Arc::new(Resource::new(path.as_system(), plain, coded, wall))))
}

/// The compressed form beside a file. One that is older than the file is left alone: somebody changed the
/// file and did not compress it again.
fn sibling(tree: &dyn Tree, path: &Path, plain: &dyn File, coding: Coding) -> Option<Opened> {
    let name = [path.as_bytes(), coding.suffix().as_bytes()].concat();
    let coded = tree.open(&Path::new(name).ok()?).ok()?;
    let fresh = coded.opened().modified >= plain.opened().modified;
    fresh.then(|| Opened::new(&*coded).ok())?
}

/// How an error of the file system is told to a client. A name that cannot exist is one that does not exist,
/// and a link out of the root is as forbidden as a file that we have no right to read.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound | ErrorKind::NotAFolder | ErrorKind::Name => StatusCode::NOT_FOUND,
        ErrorKind::Denied | ErrorKind::Escape | ErrorKind::Special => StatusCode::FORBIDDEN,
        ErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::make_fifo;
    use http::{HeaderMap, HeaderValue, Method, header};
    use std::{
        fs,
        time::{Duration, UNIX_EPOCH},
    };
    use tempfile::TempDir;
    use trenza_storage::Folder;

    struct Site {
        dir: TempDir,
        tree: Folder,
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
            let tree = Folder::new(dir.path()).unwrap();
            Self { dir, tree, options: FileOptions::default() }
        }

        fn date(&self, name: &str, secs: u64) {
            let file = fs::File::options().write(true).open(self.dir.path().join(name)).unwrap();
            let times = fs::FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(secs));
            file.set_times(times).unwrap();
        }

        fn load(&self, path: &str) -> Found {
            load(&self.tree, &self.options, path.as_bytes(), UNIX_EPOCH + Duration::from_secs(1 << 32))
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
        for (kind, code) in [
            (ErrorKind::NotFound, 404),
            (ErrorKind::NotAFolder, 404),
            (ErrorKind::Name, 404),
            (ErrorKind::Denied, 403),
            (ErrorKind::Escape, 403),
            (ErrorKind::Busy, 503),
            (ErrorKind::Io, 500),
        ] {
            assert_eq!(status(kind), code);
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
