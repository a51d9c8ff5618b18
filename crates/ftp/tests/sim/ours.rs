//! Our client and our server.

use super::{fetch, pattern, put, sessions::tls};
use std::{fs, sync::Arc, time::Duration};
use tempfile::tempdir;
use trenza_auth::{Account, Memory, Portal};
use trenza_core::Result;
use trenza_ftp::{
    Client, ClientOptions, Dial, Folder, FtpServer, Glob, Homes, Mirror, command::TransferType,
};
use trenza_sim::{Net, for_seeds};

/// A network with our server on `srv:21`, whose files are on a simulated disk.
fn site(seed: u64, secured: bool) -> (Net, Dial) {
    let net = Net::new(seed);
    let srv = net.host("srv");
    let users = Memory::new().with(Account::new("ann"), "secret");
    let mut server = FtpServer::new(Portal::new("ftp", users, Homes::of_tree(Arc::new(srv.disk()))));
    let mut options = ClientOptions::new().active(seed % 2 == 1);
    if secured {
        let (theirs, ours) = tls();
        server = server.tls(theirs);
        options = options.explicit_tls(ours);
    }
    srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
    (net, Dial::new("tcp:srv:21", options).unwrap().account("ann", "secret"))
}

/// What is excluded is not deleted, nor are the folders that it is in.
#[test]
fn what_is_excluded_stays_in_folders_that_are_deleted() {
    for_seeds(0..3, |seed| {
        let (net, dial) = site(seed, false);
        let (there, here) = (tempdir().unwrap(), tempdir().unwrap());
        for folder in ["old/deep", "none/at all"] {
            fs::create_dir_all(there.path().join(folder)).unwrap();
        }
        for file in ["old/deep/keep.tmp", "old/gone", "old/deep/gone", "none/gone", "gone"] {
            fs::write(there.path().join(file), "text").unwrap();
        }
        let (from, to) = (Folder::open(there.path()).unwrap(), Folder::open(here.path()).unwrap());
        let (old, root) = (here.path().join("old"), here.path().to_owned());
        net.block_on(&net.host("cli"), async move {
            let mirror = Mirror::new().delete(true);
            mirror.upload(&dial, &from, b".").await?;
            mirror.download(&dial, b".", &to).await?;
            let mirror = mirror.exclude(Glob::new(b"*.tmp")?);
            // At the server first: a folder that has nothing of it.
            let empty = tempdir()?;
            let outcome = mirror.upload(&dial, &Folder::open(empty.path())?, b".").await?;
            assert_eq!((outcome.removed, outcome.failed), (6, 0), "{:?}", outcome.failures);
            let mut client = dial.open().await?;
            assert_eq!(client.nlst(None).await?, [b"old"]);
            assert_eq!(client.nlst(Some(b"old")).await?, [b"deep"]);
            assert_eq!(fetch(&mut client, "old/deep/keep.tmp", 0).await?, b"text");
            client.delete("old/deep/keep.tmp").await?;
            client.rmdir("old/deep").await?;
            client.rmdir("old").await?;
            let outcome = mirror.download(&dial, b".", &to).await?;
            assert_eq!(outcome.failed, 0, "{:?}", outcome.failures);
            Ok(())
        })
        .unwrap();
        let names = |folder: &std::path::Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((names(&root), names(&old), names(&old.join("deep"))), (1, 1, 1));
        assert!(old.join("deep/keep.tmp").exists());
    });
}

#[test]
fn everything_that_a_client_can_ask_for() {
    for_seeds(0..10, |seed| {
        for secured in [false, true] {
            let (net, dial) = site(seed, secured);
            net.block_on(&net.host("cli"), async move { everything(&mut dial.open().await?).await }).unwrap();
        }
    });
}

async fn everything(client: &mut Client) -> Result {
    client.mkdir("a \"b\"").await?;
    client.cwd("a \"b\"").await?;
    assert_eq!(client.pwd().await?, b"/a \"b\"");
    put(client, "one", 0, &pattern(200_000)).await?;
    put(client, "empty", 0, b"").await?;
    assert_eq!(fetch(client, "one", 0).await?, pattern(200_000));
    assert_eq!(fetch(client, "one", 199_999).await?, pattern(200_000)[199_999..]);
    put(client, "one", 200_000, b"end").await?;
    assert_eq!(client.size("one").await?, 200_003);
    let mut more = Some(b"more".to_vec());
    client.append("one", async || Ok(more.take().map(Into::into))).await?;
    assert_eq!(client.entry("one").await?.size, Some(200_007));
    let at = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    client.mfmt("one", at).await?;
    assert_eq!(client.mdtm("one").await?, at);
    client.rename("one", "two").await?;
    let mut names = client.nlst(None).await?;
    names.sort();
    assert_eq!(names, [&b"empty"[..], b"two"]);
    let listed = client.list(None).await?;
    let two = listed.iter().find(|entry| entry.name == b"two").ok_or("it is not listed")?;
    assert_eq!((two.size, two.modified), (Some(200_007), Some(at)));
    client.set_type(TransferType::Ascii);
    put(client, "text", 0, b"x\ny\n").await?;
    assert_eq!(fetch(client, "text", 0).await?, b"x\ny\n");
    client.set_type(TransferType::Image);
    assert_eq!(fetch(client, "text", 0).await?, b"x\ny\n");
    for name in ["two", "empty", "text"] {
        client.delete(name).await?;
    }
    client.cdup().await?;
    client.rmdir("a \"b\"").await?;
    assert!(client.cwd("a \"b\"").await.is_err());
    client.noop().await?;
    Ok(())
}

#[test]
fn trees_go_both_ways() {
    for_seeds(0..5, |seed| {
        let (net, dial) = site(seed, false);
        let (there, back) = (tempdir().unwrap(), tempdir().unwrap());
        for number in 0..40 {
            let folder = there.path().join(format!("d{}", number % 3)).join("e");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!(".f {number}")), pattern(number * 500)).unwrap();
        }
        let (from, to) = (Folder::open(there.path()).unwrap(), Folder::open(back.path()).unwrap());
        let mirror = Mirror::new().parallel(3);
        let both = async move {
            let up = mirror.upload(&dial, &from, b"x/y").await?;
            assert_eq!((up.files, up.failed), (40, 0), "{:?}", up.failures);
            assert_eq!(mirror.upload(&dial, &from, b"x/y").await?.current, 40);
            let down = mirror.download(&dial, b"x/y", &to).await?;
            assert_eq!((down.files, down.failed), (40, 0), "{:?}", down.failures);
            assert_eq!(mirror.download(&dial, b"x/y", &to).await?.current, 40);
            Ok(())
        };
        net.block_on(&net.host("cli"), both).unwrap();
        for number in 0..40 {
            let path = format!("d{}/e/.f {number}", number % 3);
            assert_eq!(fs::read(back.path().join(path)).unwrap(), pattern(number * 500));
        }
    });
}
