//! Rights, roots and quotas of accounts.

use crate::Site;
use std::{path::PathBuf, sync::Arc, time::Duration};
use trenza_auth::{Account, Anonymous, Chain, Memory, Portal, Rights};
use trenza_ftp::{FtpServer, Homes};
use trenza_sim::{Disk, DiskFate, DiskOpen, HostHandle, Net, Probe};
use trenza_storage::{ErrorKind, Path, Tree, Write};

fn serve(disk: Disk, users: Memory) -> FtpServer {
    let tree: Arc<dyn Tree> = Arc::new(disk);
    let homes = Homes::new(move |_| Ok((PathBuf::from("/"), tree.clone())));
    FtpServer::new(Portal::new("ftp", Chain::new().with(users).with(Anonymous::new()), homes))
}

fn site(users: Memory) -> Site {
    let net = Net::gentle(1);
    let disk = net.host("srv").disk();
    Site::new(net, |_| serve(disk, users))
}

fn log_in(site: &Site, name: &str) {
    site.ask(format!("USER {name}"), "331");
    site.ask("PASS p", "230");
    site.ask("TYPE I", "200");
}

#[test]
fn nobody_in_particular_may_look_and_read() {
    let site = site(Memory::new());
    site.write("a", "hello");
    site.expect("220");
    log_in(&site, "anonymous");
    assert_eq!(site.get("RETR a"), b"hello");
    assert_eq!(site.get("NLST"), b"a\r\n");
    assert!(String::from_utf8(site.get("MLSD")).unwrap().contains("perm=r;"));
    for command in ["STOR b", "STOR a", "APPE a", "STOU", "DELE a", "MKD d", "SITE CHMOD 600 a"] {
        let _data = site.passive();
        site.ask(command, "55");
    }
    site.ask("MFMT 20200101000000 a", "550");
    site.ask("RNFR a", "350");
    site.ask("RNTO b", "553");
    assert_eq!((site.names(), site.read("a").unwrap()), (vec!["a".to_owned()], b"hello".to_vec()));
    site.leaves_nothing();
}

#[test]
fn a_letter_box() {
    let users = Memory::new().with(Account::new("in").rights("a".parse::<Rights>().unwrap()), "p");
    let site = site(users);
    site.expect("220");
    log_in(&site, "in");
    site.put("STOR letter", "hello");
    for command in ["STOR letter", "RETR letter", "NLST"] {
        let _data = site.passive();
        site.ask(command, "55");
    }
    assert_eq!(site.read("letter").unwrap(), b"hello");
}

#[test]
fn a_quota_holds_over_all_sessions() {
    let users =
        Memory::new().with(Account::new("ann").quota(1000), "p").with(Account::new("bob").quota(1000), "p");
    let site = site(users);
    site.write("old", vec![b'x'; 300]);
    site.expect("220");
    log_in(&site, "ann");
    site.put("STOR a", vec![b'x'; 400]);
    let data = site.passive();
    site.ask("STOR b", "150");
    data.send(vec![b'x'; 301]);
    data.close_write();
    site.expect("552");
    // What was given up, and what is removed, gives its room back, to others too.
    site.ask("DELE old", "250");
    let other = site.cli.probe("tcp:srv:21");
    other.send("USER bob\r\nPASS p\r\nTYPE I\r\nPASV\r\n");
    site.net.advance(Duration::from_secs(1));
    let replies = String::from_utf8(other.take_received()).unwrap();
    let to = trenza_ftp::address::parse_227(replies.lines().last().unwrap().as_bytes()).unwrap();
    let data = site.cli.probe_to(std::net::SocketAddr::from(to));
    other.send("STOR c\r\n");
    data.send(vec![b'x'; 601]);
    data.close_write();
    site.net.advance(Duration::from_secs(1));
    assert!(String::from_utf8(other.take_received()).unwrap().contains("\r\n552"));
    site.put("STOR c", vec![b'x'; 600]);
    assert_eq!(site.names(), ["a", "c"]);
    other.close();
    site.leaves_nothing();
}

/// What `name` gets with PWD and NLST.
fn files_of(host: &HostHandle, net: &Net, name: &str) -> String {
    let control: Probe = host.probe("tcp:srv:21");
    control.send(format!("USER {name}\r\nPASS p\r\nPASV\r\n"));
    net.advance(Duration::from_secs(2));
    let replies = String::from_utf8(control.take_received()).unwrap();
    let Some(to) = trenza_ftp::address::parse_227(replies.lines().last().unwrap().as_bytes()) else {
        return replies;
    };
    let data = host.probe_to(std::net::SocketAddr::from(to));
    control.send("NLST\r\n");
    net.advance(Duration::from_secs(2));
    String::from_utf8(data.received()).unwrap()
}

#[test]
fn folders_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all"), "").unwrap();
    std::fs::create_dir(dir.path().join("ann")).unwrap();
    std::fs::write(dir.path().join("ann/own"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("ann/out")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("there"), "").unwrap();
    let users = Memory::new()
        .with(Account::new("all"), "p")
        .with(Account::new("ann").root("ann"), "p")
        .with(Account::new("new").root("made/here").quota(10), "p")
        .with(Account::new("far").root(elsewhere.path()), "p");
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let homes = Homes::of_folder(dir.path());
    let server = FtpServer::new(Portal::new("ftp", users, homes));
    srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
    let cli = net.host("cli");
    assert_eq!(files_of(&cli, &net, "all"), "all\r\nann\r\n");
    assert_eq!(files_of(&cli, &net, "ann"), "out\r\nown\r\n");
    assert_eq!(files_of(&cli, &net, "new"), "");
    assert_eq!(files_of(&cli, &net, "far"), "there\r\n");
    let control = cli.probe("tcp:srv:21");
    control.send(
        "USER ann\r\nPASS p\r\nTYPE I\r\nSIZE out\r\nCWD /ann\r\nMDTM /../all\r\nSIZE own\r\nDELE out\r\n",
    );
    net.advance(Duration::from_secs(2));
    let replies = String::from_utf8(control.received()).unwrap();
    let codes: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["220", "331", "230", "200", "550", "550", "550", "213", "250"]);
    assert!(std::fs::exists("/etc/passwd").unwrap());
}

#[test]
fn a_folder_that_cannot_be_opened_keeps_nobody_else_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let users = Memory::new()
        .with(Account::new("ann").root("file"), "p")
        .with(Account::new("bob").root("file/below"), "p")
        .with(Account::new("zoe"), "p");
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let server = FtpServer::new(Portal::new("ftp", users, Homes::of_folder(dir.path())));
    srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
    let cli = net.host("cli");
    for name in ["ann", "bob"] {
        let replies = files_of(&cli, &net, name);
        let last = replies.lines().last().unwrap();
        // Neither the folder's name nor what is wrong with it is anybody's business.
        assert_eq!(last, "421 Logins do not work just now", "{name}");
    }
    assert_eq!(files_of(&cli, &net, "zoe"), "file\r\n");
}

/// As when `users.toml` is edited: sessions that are there already are bound by it, too.
#[test]
fn a_quota_that_was_changed_holds_from_the_next_login_on() {
    let tree: Arc<dyn Tree> = Arc::new(Disk::alone(1));
    let homes = Homes::new(move |_| Ok((PathBuf::from("/"), tree.clone())));
    let home = |name: &str, quota: Option<u64>| {
        let mut account = Account::new(name);
        account.quota = quota;
        homes.home(Arc::new(account)).unwrap().tree
    };
    let free = |tree: &Arc<dyn Tree>| tree.space().unwrap().free;
    let ann = home("ann", Some(1000));
    assert_eq!(free(&ann), 1000);
    assert_eq!(free(&home("bob", Some(5))), 1000, "it is that of the first");
    let more = home("ann", Some(2000));
    assert_eq!((free(&ann), free(&more)), (2000, 2000));
    let endless = home("ann", None);
    assert!(free(&endless) > 2000 && free(&ann) == free(&endless));
}

#[test]
fn a_folder_is_counted_once() {
    let users = Memory::new().with(Account::new("ann").quota(1000), "p");
    let net = Net::gentle(1);
    net.job_time(Duration::from_secs(1));
    let srv = net.host("srv");
    srv.disk().root().open("a", DiskOpen::CreateNew).unwrap();
    let server = serve(srv.disk(), users);
    srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
    let cli = net.host("cli");
    let sessions: Vec<_> = (0..3)
        .map(|_| {
            let control = cli.probe("tcp:srv:21");
            control.send("USER ann\r\nPASS p\r\n");
            control
        })
        .collect();
    net.advance(Duration::from_secs(10));
    for control in sessions {
        let replies = String::from_utf8(control.received()).unwrap();
        let last = &replies.lines().last().unwrap()[..3];
        assert!(last == "230" || last == "421", "{replies}");
    }
}

#[test]
fn who_has_no_quota_is_counted_where_another_one_has() {
    let tree: Arc<dyn Tree> = Arc::new(Disk::alone(1));
    let homes = Homes::new(move |_| Ok((PathBuf::from("/"), tree.clone())))
        .counted_for(|account| account.root.is_none());
    let home = |account: Account| homes.home(Arc::new(account)).unwrap().tree;
    let bob = home(Account::new("bob"));
    let mut file = bob.write(&Path::new("a").unwrap(), Write::Create).unwrap();
    file.write(&[0; 600]).unwrap();
    let ann = home(Account::new("ann").quota(1000));
    assert_eq!(ann.space().unwrap().free, 400, "what was begun before counts");
    assert_eq!(file.write(&[0; 401]).unwrap_err().kind(), ErrorKind::Quota);
    file.commit().unwrap();
    assert_eq!((ann.space().unwrap().free, bob.space().unwrap().free), (400, 400));
}

#[test]
fn a_count_that_failed_is_made_again() {
    let disk = Disk::alone(1);
    disk.root().open("a", DiskOpen::CreateNew).unwrap();
    let tree: Arc<dyn Tree> = Arc::new(disk.clone());
    let homes = Homes::new(move |_| Ok((PathBuf::from("/"), tree.clone())));
    let home = || homes.home(Arc::new(Account::new("ann").quota(1000)));
    let failing = disk.rule(|_| DiskFate::Fail);
    assert_eq!(home().unwrap_err().kind(), ErrorKind::Io);
    drop(failing);
    let broken = disk.rule(|_| panic!("a bug of the tree"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(home)).is_err());
    drop(broken);
    assert_eq!(home().unwrap().tree.space().unwrap().free, 1000);
}
