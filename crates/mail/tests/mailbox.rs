//! The messages of a Maildir, which others change at the same time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::{Duration, UNIX_EPOCH};
use trenza_core::{Reactor, Result};
use trenza_mail::maildir::{Flags, Maildir};
use trenza_sim::{Disk, DiskOpen, Net};
use trenza_storage::{Error, ErrorKind, Path, Storage};

fn write(disk: &Disk, path: &str, text: &str) {
    let (folder, name) = path.rsplit_once('/').unwrap();
    disk.folder(folder)
        .unwrap()
        .open(name, DiskOpen::Create)
        .unwrap()
        .write_all_at(text.as_bytes(), 0)
        .unwrap();
}

fn rename(disk: &Disk, from: &str, to: &str) {
    let ((from, old), (to, new)) = (from.rsplit_once('/').unwrap(), to.rsplit_once('/').unwrap());
    disk.folder(from).unwrap().rename(old, &disk.folder(to).unwrap(), new).unwrap();
}

/// Runs `body` with an empty Maildir at `m/ann`.
fn with(body: impl AsyncFnOnce(Maildir, Disk) -> Result + 'static) {
    let net = Net::gentle(1);
    let host = net.host("srv");
    let disk = host.disk();
    net.block_on(&host, async move {
        let storage = Storage::new(&Reactor::current(), disk.clone());
        let maildir = Maildir::new(&storage, Path::new("m/ann")?);
        maildir.make().await?;
        maildir.make().await?;
        body(maildir, disk).await
    })
    .unwrap();
}

#[test]
fn messages_in_their_order() {
    with(async |maildir, disk| {
        write(&disk, "m/ann/new/20.a.h,S=3", "abc");
        write(&disk, "m/ann/cur/10.b.h:2,FSa", "");
        write(&disk, "m/ann/cur/30.c.h", "x");
        write(&disk, "m/ann/cur/.hidden", "x");
        write(&disk, "m/ann/tmp/5.d.h", "x");
        disk.folder("m/ann/cur").unwrap().make_folder("40.e.h").unwrap();
        // As if somebody moved it while it is listed.
        write(&disk, "m/ann/new/10.b.h", "");
        let found = maildir.list().await?;
        let seen: Vec<_> = found.iter().map(|one| (one.id(), one.is_new(), one.size())).collect();
        assert_eq!(seen, [("10.b.h", false, 0), ("20.a.h,S=3", true, 3), ("30.c.h", false, 1)]);
        assert_eq!(found[0].flags(), Flags::SEEN | Flags::FLAGGED | Flags::keyword(0).unwrap());
        assert_eq!(found[0].received(), UNIX_EPOCH + Duration::from_secs(10));
        Ok(())
    });
}

#[test]
fn a_message_is_found_wherever_others_have_put_it() {
    with(async |maildir, disk| {
        write(&disk, "m/ann/new/1.a.h", "abc");
        write(&disk, "m/ann/cur/1.a.hx:2,", "other");
        let message = maildir.list().await?.into_iter().find(|one| one.id() == "1.a.h").unwrap();
        rename(&disk, "m/ann/new/1.a.h", "m/ann/cur/1.a.h:2,R");
        let file = maildir.open(&message).await?;
        let mut text = [0; 8];
        assert_eq!(file.read_at(&mut text, 0)?, 3);
        let seen = maildir.set_flags(&message, Flags::SEEN).await?;
        assert_eq!(disk.folder("m/ann/cur").unwrap().metadata("1.a.h:2,S").unwrap().length, 3);
        assert_eq!(maildir.set_flags(&seen, Flags::SEEN).await?, seen);
        maildir.remove(&message).await?;
        for gone in [&message, &seen] {
            let error = maildir.remove(gone).await.map_err(Error::from).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        assert_eq!(maildir.list().await?.len(), 1);
        Ok(())
    });
}

#[test]
fn what_dead_deliveries_have_left_is_removed_after_36_hours() {
    with(async |maildir, disk| {
        write(&disk, "m/ann/tmp/1.a.h", "x");
        Reactor::current().sleep(Duration::from_secs(35 * 3600)).await;
        assert_eq!(maildir.sweep().await?, 0);
        write(&disk, "m/ann/tmp/2.b.h", "x");
        Reactor::current().sleep(Duration::from_secs(2 * 3600)).await;
        assert_eq!(maildir.sweep().await?, 1);
        assert_eq!(disk.folder("m/ann/tmp").unwrap().list().unwrap()[0].name, "2.b.h");
        Ok(())
    });
}

#[test]
fn folders_beside_each_other() {
    with(async |maildir, disk| {
        let lists = maildir.folder("lists")?;
        let inner = lists.folder("rust.users")?;
        assert_eq!(inner.path().as_bytes(), b"m/ann/.lists.rust.users");
        for folder in [&inner, &lists, &lists] {
            folder.make().await?;
        }
        assert_eq!(maildir.folders().await?, ["lists", "lists.rust.users"]);
        let marked = |folder: &str| disk.folder(folder).unwrap().metadata("maildirfolder").is_ok();
        assert!(marked("m/ann/.lists") && marked("m/ann/.lists.rust.users") && !marked("m/ann"));
        write(&disk, "m/ann/.lists/new/1.a.h", "x");
        assert_eq!((lists.list().await?.len(), maildir.list().await?.len()), (1, 0));
        for wrong in ["", ".", "a.", ".a", "a..b", "../b", "a/b", "a\0"] {
            assert_eq!(maildir.folder(wrong).unwrap_err().kind(), ErrorKind::Name, "{wrong}");
        }
        Ok(())
    });
}
