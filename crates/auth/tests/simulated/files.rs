//! Accounts of files, which change.

use super::{Door, on_host, peer, seconds};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::PathBuf, time::Duration};
use tempfile::{TempDir, tempdir};
use trenza_auth::{
    Account, AccountsFile, Checker, Credentials, Denied, Mechanism, Rights, Secret,
    users::{AddError, Stored, UsersEditor},
};
use trenza_core::{Certificate, Reactor, Result};
use trenza_sim::Net;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("users")
    }

    fn write(&self, text: &str) -> PathBuf {
        fs::write(self.file(), text).unwrap();
        self.file()
    }

    /// Gives Ann another password, as `trenza user` does.
    fn password(&self, password: &str) {
        let mut users = UsersEditor::open(self.file(), &[1; 32]).unwrap();
        let stored = Stored::of(&Secret::new(password), &[2; 32]);
        if !users.set_password("ann", &stored) {
            let ann = Account::new("ann").root("home").rights(Rights::READ_ONLY).quota(3 << 20);
            assert!(users.add(&ann, &stored).unwrap());
        }
        users.save().unwrap();
    }
}

/// Is that the password of the account, as far as an own portal knows?
async fn fits(reactor: &Reactor, users: &AccountsFile, name: &str, password: &str) -> Result<bool, Denied> {
    match Door::new(reactor, users.clone()).login("192.0.2.7", name, password).await.0 {
        Ok(_) => Ok(true),
        Err(Denied::Refused) => Ok(false),
        Err(other) => Err(other),
    }
}

#[test]
fn what_the_editor_writes_is_read() {
    let folder = Folder::new();
    folder.password("secret");
    let users = AccountsFile::toml(folder.file()).unwrap();
    let mechanisms: Vec<Mechanism> = users.mechanisms().iter().collect();
    assert_eq!(mechanisms, [Mechanism::ScramSha256, Mechanism::Password]);
    on_host(&Net::gentle(1), async move |reactor| {
        let (ann, _) = Door::new(&reactor, users.clone()).login("192.0.2.7", "ann", "secret").await;
        let ann = ann.unwrap();
        assert_eq!(ann.root.as_deref(), Some("home".as_ref()));
        assert_eq!((ann.rights, ann.quota), (Rights::READ_ONLY, Some(3 << 20)));
        let keys = users.scram_keys(&reactor, "ann").await?.unwrap();
        assert!(!keys.is_decoy() && keys.fits(&"secret".into()) && !keys.fits(&"Secret".into()));
        assert!(!fits(&reactor, &users, "ann", "Secret").await?);
        assert!(!fits(&reactor, &users, "ann", &"x".repeat(5000)).await?);
        assert!(!fits(&reactor, &users, "bob", "secret").await?);
        Ok(())
    });
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = Folder::new();
    let folder_of = folder.0.path();
    let fifo = folder_of.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    for path in [&fifo, std::path::Path::new("/dev/zero")] {
        let error = AccountsFile::toml(path).unwrap_err().to_string();
        assert!(error.contains(": it is no file, but a pipe, socket or device"), "{error}");
    }
    let error = AccountsFile::htpasswd(folder_of).unwrap_err().to_string();
    assert!(error.ends_with(": is a directory"), "{error}");
    // A file that becomes one: what was read before stays.
    folder.password("secret");
    let users = AccountsFile::toml(folder.file()).unwrap();
    fs::rename(&fifo, folder.file()).unwrap();
    on_host(&Net::gentle(1), async move |reactor| {
        assert!(fits(&reactor, &users, "ann", "secret").await?);
        Ok(())
    });
}

#[test]
fn a_link_stays_one() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("real", folder.file()).unwrap();
    let error = UsersEditor::open(folder.file(), &[1; 32]).unwrap_err().to_string();
    assert!(error.contains("users: No such file"), "{error}");
    fs::write(folder.0.path().join("real"), "").unwrap();
    folder.password("secret");
    assert!(fs::symlink_metadata(folder.file()).unwrap().is_symlink());
    assert_eq!(AccountsFile::toml(folder.0.path().join("real")).unwrap().len(), 1);
}

#[test]
fn all_that_an_account_has_is_written_or_it_is_not_added() {
    let folder = Folder::new();
    let stored = Stored::of(&Secret::new("secret"), &[2; 32]);
    let mut ann = Account::new("ann").root("a \"b\"").rights(Rights::NONE).quota(1);
    ann.groups = vec!["staff".into(), "a\"b".into()];
    ann.attributes = [("phone nr".into(), "12\n".into()), ("x".into(), String::new())].into();
    let bob = Account::new("bob").root(OsStr::from_bytes(b"caf\xe9"));
    let mut users = UsersEditor::open(folder.file(), &[1; 32]).unwrap();
    assert!(users.add(&ann, &stored).unwrap());
    assert_eq!(users.add(&bob, &stored), Err(AddError::Root));
    assert!(matches!(users.add(&Account::new("a/b"), &stored), Err(AddError::Name(_))));
    users.save().unwrap();
    let accounts = AccountsFile::toml(folder.file()).unwrap().accounts();
    let read: Vec<&Account> = accounts.iter().map(|(account, _)| &**account).collect();
    assert_eq!(read, [&ann]);
}

#[test]
fn a_change_is_seen_within_a_second() {
    let folder = Folder::new();
    folder.password("first");
    on_host(&Net::gentle(1), async move |reactor| {
        let users = AccountsFile::toml(folder.file())?;
        assert!(fits(&reactor, &users, "ann", "first").await?);
        folder.password("second");
        reactor.sleep(seconds(1)).await;
        assert!(!fits(&reactor, &users, "ann", "first").await?);
        assert!(fits(&reactor, &users, "ann", "second").await?);
        Ok(())
    });
}

#[test]
fn a_file_that_is_broken_or_gone_changes_nothing() {
    let folder = Folder::new();
    folder.password("secret");
    on_host(&Net::gentle(1), async move |reactor| {
        let users = AccountsFile::toml(folder.file())?;
        let text = fs::read_to_string(folder.file())?;
        folder.write("[user.ann");
        reactor.sleep(seconds(2)).await;
        assert!(fits(&reactor, &users, "ann", "secret").await?);
        fs::remove_file(folder.file())?;
        reactor.sleep(seconds(2)).await;
        assert!(fits(&reactor, &users, "ann", "secret").await?);
        folder.write(&text.replace("ann", "bob"));
        reactor.sleep(seconds(2)).await;
        assert!(!fits(&reactor, &users, "ann", "secret").await?);
        assert!(fits(&reactor, &users, "bob", "secret").await?);
        Ok(())
    });
}

#[test]
fn htpasswd_in_all_its_kinds() {
    // By `htpasswd -nbB -C 4`, `openssl passwd -apr1`, `htpasswd -nbs` and the `argon2` of the reference.
    let text = "# people\n\
        ann:$2y$04$LwISQajcpWqLYdBYV1qOl.o5i2F6hM53RMJdf98iMRbyDZjdNTmoi\n\
        \n\
        bob:$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0\r\n\
        eve@example.org:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n\
        joe:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n\
        old:$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY\n";
    let folder = Folder::new();
    let users = AccountsFile::htpasswd(folder.write(text)).unwrap();
    assert_eq!(users.mechanisms(), Mechanism::Password.into());
    let own = users.accounts().into_iter().map(|(account, _)| account.rights).collect::<Vec<_>>();
    assert_eq!(own, [Rights::ALL; 5]);
    on_host(&Net::gentle(1), async move |reactor| {
        for (name, right) in [
            ("ann", "secret"),
            ("bob", "password"),
            ("eve@example.org", "password"),
            ("joe", "password"),
            ("old", "password"),
        ] {
            for password in [right, "passwort", "", "Secret"] {
                assert_eq!(
                    fits(&reactor, &users, name, password).await?,
                    password == right,
                    "{name} {password}"
                );
            }
        }
        assert!(users.scram_keys(&reactor, "ann").await?.is_none());
        Ok(())
    });
}

#[test]
fn wrong_lines_are_named() {
    let folder = Folder::new();
    for (text, place) in [
        ("ann:secret\n", "users:1: this is a password as it is, or a hash of crypt"),
        ("\nann:sXv7Sy3TQ6a9I\n", "users:2: this is a password as it is, or a hash of crypt"),
        ("ann:$6$salt$hash\n", "users:1: this kind of hash is not known"),
        ("ann:$2y$31$UuTkLRZZ6QofpDOlMz32MuxxEHA43WOemOYHPz6.SjsVsyO1tDU96", "users:1: the cost of bcrypt"),
        ("ann:$2y$04$short", "users:1: this is no hash as htpasswd -B"),
        ("ann:$apr1$x$y", "users:1: this is no hash as htpasswd -m"),
        ("ann:{SHA}abc", "users:1: {SHA}"),
        (
            "ann:$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
            "users:1: this hash would take too much",
        ),
        ("ann:$argon2id$v=19$m=256,t=2,p=1$c29t$c29tZXNhbHQ", "users:1: salt and hash of argon2"),
        ("ann:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "users:1: this is no hash of argon2"),
        ("ann\n", "users:1: there is no colon"),
        (":{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "users:1: no account can have this name: it is empty"),
        ("a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\na:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "users:2: this name"),
    ] {
        let error = AccountsFile::htpasswd(folder.write(text)).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
    fs::write(folder.file(), b"ann:x\n\xff").unwrap();
    let error = AccountsFile::htpasswd(folder.file()).unwrap_err().to_string();
    assert!(error.contains("users:2: it is no text in UTF-8"), "{error}");
    for (text, place) in [
        ("[user.ann]\nroot = 1\n", "users:2: root is a text"),
        ("[user.ann]\nrights = \"rx\"\n", "users:2: `x` is no right"),
        ("[user.ann]\nquota = \"much\"\n", "users:2: quota is a size"),
        ("[user.ann]\nquota = -1\n", "users:2: quota is a size"),
        ("[user.ann]\n\ngroups = [\n\"a\",\n1]\n", "users:5: groups is a list of texts"),
        ("[user.ann]\ntokens = [\"00\"]\n", "users:2: this is no SHA-256"),
        ("[user.ann]\npublic_keys = [\"ssh-ed25519\"]\n", "users:2: a public key is"),
        ("[user.ann]\nscram = { salt = \"AAAA\" }\n", "users:2: scram has salt, iterations"),
        ("[user.ann]\nattributes = { a = 1 }\n", "users:2: attributes are texts"),
        ("[user]\nann = 1\n", "users:2: an account is [user.NAME]"),
        ("user = 1\n", "users:1: accounts are [user.NAME]"),
        ("seed = \"short\"\n", "users:1: seed is no 32 bytes"),
        ("\n[user.\"a/b\"]\n", "users:2: \"a/b\": no account can have this name"),
    ] {
        let error = AccountsFile::toml(folder.write(text)).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
}

#[test]
fn keys_certificates_and_tokens() {
    let token = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"; // of `token`
    let fingerprint = ["ab"; 32].join(":");
    let text = format!(
        "[user.ann]\npublic_keys = [\"ssh-ed25519 AAECAw== ann@home\"]\ncertificates = [\"{fingerprint}\"]\n\
         [user.bob]\ntokens = [\"{token}\"]\ngroups = [\"staff\"]\nattributes = {{ phone = \"12\" }}\n"
    );
    let folder = Folder::new();
    let users = AccountsFile::toml(folder.write(&text)).unwrap();
    assert!(!users.mechanisms().contains(Mechanism::Password));
    on_host(&Net::gentle(1), async move |reactor| {
        let door = Door::new(&reactor, users);
        let login = async |credentials| {
            let login = door.0.login(&reactor, credentials, &peer("127.0.0.1"));
            login.await.map(|account| account.name.clone()).ok()
        };
        let ann = Some("ann".to_owned());
        let key = |name: &str, key: &[u8]| Credentials::PublicKey { name: name.into(), key: key.into() };
        assert_eq!(login(key("ann", &[0, 1, 2, 3])).await, ann);
        assert_eq!(login(key("ann", &[0, 1, 2])).await, None);
        assert_eq!(login(key("bob", &[0, 1, 2, 3])).await, None);
        let certificate = Certificate::new("CN=ann".into(), [0xab; 32], Vec::new());
        for (name, whose) in [(None, ann.clone()), (Some("ann"), ann), (Some("bob"), None)] {
            let shown = Credentials::certificate(name.map(str::to_owned), &certificate);
            assert_eq!(login(shown).await, whose, "{name:?}");
        }
        let token = |token: &str| Credentials::Token { name: None, token: token.into() };
        assert_eq!(login(token("token")).await, Some("bob".to_owned()));
        assert_eq!(login(token("Token")).await, None);
        // Without a password nobody gets in by one.
        assert_eq!(login(Credentials::password("ann", "")).await, None);
        Ok(())
    });
}

#[test]
fn names_that_nobody_has_cost_what_others_do() {
    let folder = Folder::new();
    folder.password("secret");
    let net = Net::gentle(1);
    net.job_time(Duration::from_millis(100));
    on_host(&net, async move |reactor| {
        let users = AccountsFile::toml(folder.file())?;
        let mut times = Vec::new();
        for name in ["ann", "bob"] {
            reactor.sleep(seconds(2)).await;
            let door = Door::new(&reactor, users.clone());
            times.push(door.refused("192.0.2.7", name).await);
        }
        assert_eq!(times, [Duration::from_millis(200); 2], "a look at the file, and a hashing");
        Ok(())
    });
}
