//! Trees of files, for servers: what web, FTP and mail serve from and store in.
//!
//! ```text
//!   protocol ──▶ Storage ── jobs, bounded ──▶ thread pool ──▶ dyn Tree
//!                  │                                            │  Quota, Restricted
//!                  ├─ Upload: pushed bytes in                   ▼
//!                  └─ Reader, Listing: pieces out             Folder: a folder of the machine, in a sandbox
//!                                                             trenza_sim::Disk: memory, which crashes and fails by a seed
//! ```
//!
//! [`Tree`] is the interface, blocking and small; a [`Path`] cannot leave it; an [`ErrorKind`] is what protocols choose
//! their replies by. [`Storage`] runs it off the loop.
//!
//! # Durability
//!
//! What is written is there after a loss of power if three things were done in this order: [`Writer::sync`],
//! [`Writer::commit`], and [`Tree::sync`] of the folder. In the simulator the disk of a host is a tree that loses
//! everything else at a crash, in any subset:
//!
//! ```
//! use trenza_storage::{Path, Result, Tree, Write};
//!
//! fn save(tree: &dyn Tree, folder: &Path, name: &str, text: &[u8]) -> Result {
//!     let mut file = tree.write(&folder.join(name)?, Write::Replace)?;
//!     file.write(text)?;
//!     file.sync()?;
//!     file.commit()?;
//!     tree.sync(folder)
//! }
//!
//! trenza_sim::for_seeds(0..100, |seed| {
//!     let net = trenza_sim::Net::new(seed);
//!     let host = net.host("srv");
//!     save(&host.disk(), &Path::root(), "state", b"saved").unwrap();
//!     host.crash();
//!     let file = host.disk().open(&Path::new("state").unwrap()).unwrap();
//!     let mut text = [0; 5];
//!     file.read_at(&mut text, 0).unwrap();
//!     assert_eq!(&text, b"saved");
//! });
//! ```

mod error;
mod folder;
mod metadata;
mod path;
mod quota;
mod reader;
mod restricted;
mod storage;
mod tree;
mod upload;
mod walk;

pub use error::{Error, ErrorKind, Result};
pub use folder::Folder;
pub use metadata::{Entry, FileId, FileKind, Metadata, Space};
pub use path::{DEPTH_MAX, NAME_MAX, PATH_MAX, Path, TEMPORARY};
pub use quota::{Quota, QuotaLimits, Used};
pub use reader::{BATCH, Listing, PIECE, Reader};
pub use restricted::{Allow, Restricted};
pub use storage::{JOBS_MAX, Storage, WAITING_MAX};
pub use tree::{File, List, OpenFolder, Tree, Write, Writer};
pub use upload::{UPLOAD_FULL, UPLOAD_MAX, Upload};
pub use walk::walk;
