//! Static files: GET and HEAD of what lies below a folder.

mod cache;
mod conditional;
mod encoding;
mod listing;
mod load;
mod pages;
mod path;
mod ranges;
mod resource;
mod storage;

/// What [`Files`] shows of its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// A folder without an index file is shown as a page with its names, sizes and times; else it is 403. Default: yes.
    pub listing: bool,
    /// Names that start with a dot are served and listed. Default: no, they are 404, but for `/.well-known` (RFC 8615),
    /// which is served and not listed.
    pub hidden: bool,
    /// Symbolic links may lead out of the folder. Default: no, they are 403; links within it are followed if they
    /// are relative.
    pub outside_symlinks: bool,
    /// The names of a folder's index file, the first that exists is sent. Default: `index.html`, `index.htm`.
    pub index: Vec<String>,
    /// A sibling with `.br` or `.gz` behind the whole name is sent instead, where the client takes that coding and the
    /// sibling is not older than the file. Default: yes.
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

/// A folder that is served over HTTP.
#[derive(Debug)]
pub struct Files;
