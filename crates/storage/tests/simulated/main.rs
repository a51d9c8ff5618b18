//! Trees off the loop, on simulated disks whose calls take time, fail, and crash.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the lint knows tests, not what they share")]

mod calls;
mod pieces;
mod upload;

use trenza_core::{Deferred, Reactor};
use trenza_sim::{Disk, HostHandle, Net};
use trenza_storage::{Error, ErrorKind, Path, Storage, Tree, Write};

fn net(seed: u64) -> (Net, HostHandle) {
    let net = Net::new(seed);
    let host = net.host("srv");
    (net, host)
}

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

fn put(tree: &dyn Tree, at: &str, text: &[u8]) {
    let mut file = tree.write(&path(at), Write::Replace).unwrap();
    file.write(text).unwrap();
    file.commit().unwrap();
}

fn get(disk: &Disk, at: &str) -> Option<Vec<u8>> {
    let file = disk.open(&path(at)).ok()?;
    let mut text = vec![0; file.opened().size as usize];
    assert_eq!(file.read_at(&mut text, 0).unwrap(), text.len());
    Some(text)
}

/// How many names the root has, the hidden ones too.
fn names(disk: &Disk) -> usize {
    disk.root().list().unwrap().len()
}

/// Bytes that differ wherever one looks.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

async fn kind<T>(deferred: Deferred<T>) -> Option<ErrorKind> {
    deferred.await.map_err(Error::from).err().map(|error| error.kind())
}

/// Runs a task of a host with its disk.
fn run<T: 'static>(
    net: &Net,
    host: &HostHandle,
    task: impl AsyncFnOnce(Storage) -> trenza_core::Result<T> + 'static,
) -> T {
    let disk = host.disk();
    let task = async move { task(Storage::new(&Reactor::current(), disk)).await };
    net.block_on(host, task).unwrap()
}
