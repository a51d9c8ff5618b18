//! A file of accounts that cannot be opened for a while, in a process of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fs::File, io::Write, sync::Arc, time::Duration};
use trenza_auth::{AccountsFile, Checker, Credentials};
use trenza_core::Reactor;
use trenza_sim::Net;

const ANN: &str = "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";

/// All descriptors that the process may have.
fn exhaust() -> Vec<File> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn a_change_that_cannot_be_read_at_once_is_read_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    let mut file = File::create(&path).unwrap();
    file.write_all(ANN.as_bytes()).unwrap();
    let users = AccountsFile::htpasswd(&path).unwrap();
    let net = Net::gentle(1);
    net.block_on(&net.host("here"), async move {
        let reactor = Reactor::current();
        let ann = Arc::new(Credentials::password("ann", "password"));
        assert!(users.check(&reactor, &ann).await?.is_some());
        let all = exhaust();
        assert!(!all.is_empty());
        // Ann is removed by somebody who has the file open.
        file.set_len(0)?;
        reactor.sleep(Duration::from_secs(2)).await;
        assert!(users.check(&reactor, &ann).await?.is_some(), "what was read before stays");
        drop(all);
        reactor.sleep(Duration::from_secs(2)).await;
        assert_eq!(users.check(&reactor, &ann).await?, None);
        Ok(())
    })
    .unwrap();
}
