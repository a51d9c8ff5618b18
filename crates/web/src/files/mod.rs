//! Static files: GET and HEAD of what lies below a folder.
//!
//! ```text
//!             path          cache                resource
//! request ──► clean path ──► hit ──────────────► preconditions, coding, ranges ──► response
//!                             │ miss, or older than 1 s     ▲
//!                             ▼                             │
//!                            load on the pool ── Tree ──────┤
//!                                                           └─ listing, redirect, error page
//! ```
//!
//! What RFC 9110 leaves open is decided so: more than 16 ranges are ignored; a file with a `.br` or `.gz`
//! sibling has `Vary: Accept-Encoding` in all its answers and a tag for each form; text is declared to be
//! UTF-8; tags are strong; `..` above the root is 400, a hidden name 404, what may not be read (a link out of
//! the folder, a device, a folder without an index where listings are off) 403.

mod cache;
mod conditional;
mod encoding;
mod listing;
mod load;
mod opened;
mod path;
mod ranges;
mod resource;
#[cfg(test)]
mod tests;

use crate::{Answer, Body, Handler, page};
use cache::{Cache, KEPT_FOR};
use foldhash::fast::FixedState;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use load::{Found, load};
use path::BadPath;
use std::{cell::RefCell, collections::HashMap, io, path::Path, rc::Rc, sync::Arc, time::Instant};
use trenza_core::{Deferred, Reactor, Resolver, Timer};
use trenza_storage::{Folder, Tree};

/// What [`Files`] shows of its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// A folder without an index file is shown as a page with its names, sizes and times; else it is 403.
    /// Default: yes.
    pub listing: bool,
    /// Names that start with a dot are served and listed. Default: no, they are 404, but for `/.well-known`
    /// (RFC 8615), which is served and not listed.
    pub hidden: bool,
    /// Symbolic links may lead out of the folder. Default: no, they are 403; links within it are followed if
    /// they are relative.
    pub outside_symlinks: bool,
    /// The names of a folder's index file, the first that exists is sent. Default: `index.html`, `index.htm`.
    pub index: Vec<String>,
    /// A sibling with `.br` or `.gz` behind the whole name is sent instead, where the client takes that
    /// coding and the sibling is not older than the file. Default: yes.
    pub precompressed: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            listing: true,
            hidden: false,
            outside_symlinks: false,
            index: vec!["index.html".into(), "index.htm".into()],
            precompressed: true,
        }
    }
}

/// A folder that is served over HTTP. Clones share one descriptor cache.
///
/// The file system is touched on the thread pool only. A file that was asked for within the last second is
/// answered from the cache at once, with the contents of a file up to 16 KiB that was left alone for 2 s; longer
/// contents are never kept. A change is seen after one second at the latest.
#[derive(Debug, Clone)]
pub struct Files(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    tree: Arc<dyn Tree>,
    options: Arc<FileOptions>,
    cache: RefCell<Cache>,
    /// Requests that wait for a look at the same path. As many as there are requests under way, which the
    /// server limits.
    waiting: RefCell<HashMap<Vec<u8>, Vec<Resolver<Found>>, FixedState>>,
    /// Runs while the cache holds something.
    sweep: RefCell<Option<Timer>>,
}

/// What a request asks, for an answer that comes later.
struct Question {
    method: Method,
    headers: HeaderMap,
    path: Vec<u8>,
    query: Option<String>,
}

impl Files {
    /// Serves the folder `root`. Blocks for a moment: call it at the start.
    ///
    /// # Errors
    /// The folder does not exist, is not a folder, or may not be opened.
    pub fn new(root: impl AsRef<Path>, options: FileOptions) -> io::Result<Self> {
        let folder = Folder::new(root)?.with_outside_symlinks(options.outside_symlinks);
        Ok(Self::over(Arc::new(folder), options))
    }

    fn over(tree: Arc<dyn Tree>, options: FileOptions) -> Self {
        Self(Rc::new(Shared {
            tree,
            options: Arc::new(options),
            cache: RefCell::default(),
            waiting: RefCell::default(),
            sweep: RefCell::default(),
        }))
    }

    /// Answers a request; its body does not matter. At once for what is in the cache, and for what no look at
    /// the folder can help.
    ///
    /// The answer to a HEAD has the body of the one to a GET: its length is what the head tells, and the
    /// server does not send it.
    ///
    /// # Panics
    /// Outside of the loop, like [`Reactor::current`].
    pub fn answer(&self, request: &Parts) -> Answer {
        match request.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Answer::Now(options()),
            _ => return Answer::Now(method_not_allowed()),
        }
        let path = match path::clean(request.uri.path()) {
            Ok(path) => path,
            Err(bad) => return Answer::Now(page::page(status(bad), None)),
        };
        let reactor = Reactor::current();
        let cached = self.0.cache.borrow_mut().get(&path, reactor.now());
        if let Some(resource) = cached {
            return Answer::Now(resource.answer(&request.method, &request.headers, || boundary(&reactor)));
        }
        if !self.0.options.hidden && path::is_hidden(&path) {
            return Answer::Now(page::page(StatusCode::NOT_FOUND, None));
        }
        let question = Question {
            method: request.method.clone(),
            headers: request.headers.clone(),
            path: path.into_owned(),
            query: request.uri.query().map(str::to_owned),
        };
        let found = self.0.look_up(&question.path, &reactor);
        Answer::Later(Box::pin(async move { Ok(question.answer(found.await?)) }))
    }
}

impl Handler for Files {
    fn handle(&self, request: Request<Body>) -> Answer {
        self.answer(&request.into_parts().0)
    }
}

impl Shared {
    /// Looks up a path on the pool, or joins those who wait for a look at it already. The look goes on when
    /// they all go away.
    fn look_up(self: &Rc<Self>, path: &[u8], reactor: &Reactor) -> Deferred<Found> {
        let (found, resolver) = reactor.deferred();
        if let Some(waiting) = self.waiting.borrow_mut().get_mut(path) {
            waiting.push(resolver);
            return found;
        }
        self.waiting.borrow_mut().insert(path.to_owned(), vec![resolver]);
        let (tree, options) = (self.tree.clone(), self.options.clone());
        let (wall, began, path) = (reactor.wall(), reactor.now(), path.to_owned());
        let (wanted, shared) = (path.clone(), self.clone());
        reactor
            .in_thread(move || Ok(load(&*tree, &options, &wanted, wall)))
            .then(move |found| shared.looked_up(&path, began, found));
        found
    }

    /// Keeps what was found and tells it to all who wait. It counts from `began`, when the look had not
    /// happened yet.
    fn looked_up(self: &Rc<Self>, path: &[u8], began: Instant, found: trenza_core::Result<Found>) {
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot look up a file");
            Found::Nothing(StatusCode::SERVICE_UNAVAILABLE)
        });
        match &found {
            Found::File(resource) => {
                self.cache.borrow_mut().insert(path, resource.clone(), began);
                self.sweep_later();
            }
            // Descriptors may have run out, and the cache's are the ones that can be spared.
            Found::Nothing(StatusCode::SERVICE_UNAVAILABLE) => drop(self.cache.take()),
            _ => self.cache.borrow_mut().remove(path),
        }
        let waiting = self.waiting.borrow_mut().remove(path);
        for resolver in waiting.into_iter().flatten() {
            resolver.fire(Ok(found.clone()));
        }
    }

    /// Closes unused files after a while, again and again until none is left.
    fn sweep_later(self: &Rc<Self>) {
        if self.sweep.borrow().is_some() {
            return;
        }
        let shared = Rc::downgrade(self);
        let timer = Reactor::current().call_later(KEPT_FOR, move || {
            let Some(shared) = shared.upgrade() else { return };
            shared.sweep.take();
            if shared.cache.borrow_mut().expire(Reactor::current().now()) {
                shared.sweep_later();
            }
        });
        self.sweep.replace(Some(timer));
    }
}

impl Question {
    fn answer(&self, found: Found) -> Response<Body> {
        match found {
            Found::File(resource) => {
                resource.answer(&self.method, &self.headers, || boundary(&Reactor::current()))
            }
            Found::Folder => page::page(StatusCode::MOVED_PERMANENTLY, self.location()),
            Found::Listing(page) => page::html(StatusCode::OK, page),
            Found::Nothing(status) => page::page(status, None),
        }
    }

    /// The same address with a slash behind the path. It is built from the clean path, so that it starts with
    /// one slash and can never name another host.
    fn location(&self) -> Option<(HeaderName, HeaderValue)> {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("{}/{query}", path::encode(&self.path));
        Some((header::LOCATION, HeaderValue::try_from(location).ok()?))
    }
}

fn status(bad: BadPath) -> StatusCode {
    match bad {
        BadPath::Malformed => StatusCode::BAD_REQUEST,
        BadPath::Impossible => StatusCode::NOT_FOUND,
        BadPath::TooLong => StatusCode::URI_TOO_LONG,
    }
}

/// A delimiter that no file holds but by a chance of 1 in 2^128.
fn boundary(reactor: &Reactor) -> String {
    let mut random = [0; 16];
    reactor.random(&mut random);
    format!("{:032x}", u128::from_be_bytes(random))
}

/// What is allowed of files.
const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The answer to `OPTIONS`.
fn options() -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(header::ALLOW, ALLOWED);
    page::respond(StatusCode::NO_CONTENT, headers, Body::empty())
}

/// The answer to a method that files do not have.
fn method_not_allowed() -> Response<Body> {
    page::page(StatusCode::METHOD_NOT_ALLOWED, Some((header::ALLOW, ALLOWED)))
}
