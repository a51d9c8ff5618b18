//! dovecot, for our client.

use super::{PASSWORD, deliver, messages};
use crate::{run, secure::Certificates};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza::{
    Result, block_on,
    mail::pop3::client::{Cause, Client, ClientOptions, Lack, Part},
    tls::{ClientTls, ClientTlsTo, Trust},
};
use trenza_tests::PATIENCE;

/// dovecot with ann's mailbox, as whoever runs the tests; it ends with this.
struct Dovecot {
    process: Child,
    certificates: Certificates,
    place: TempDir,
    /// The port of POP3, and that of TLS from the start.
    ports: [u16; 2],
}

/// `{}` stands for the folder.
const CONFIGURATION: &str = "\
base_dir = {}/run
log_path = {}/log
protocols = pop3
listen = 127.0.0.1
disable_plaintext_auth = yes
auth_mechanisms = plain login scram-sha-256
first_valid_uid = 0
mail_location = maildir:{}/mail/ann
pop3_no_flag_updates = yes
passdb {
  driver = passwd-file
  args = scheme=PLAIN {}/users
}
userdb {
  driver = static
";

impl Dovecot {
    fn new() -> Self {
        let (certificates, place) = (Certificates::new(), tempfile::tempdir().unwrap());
        deliver(&place.path().join("mail/ann"));
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let id = |arguments: &[&str]| {
            let said = Command::new("id").args(arguments).output().unwrap().stdout;
            String::from_utf8(said).unwrap().trim().to_owned()
        };
        let (user, group, folder) = (id(&["-un"]), id(&["-gn"]), place.path().display().to_string());
        // As root it has users of its own, which must get at its sockets, and serves no mail of root's; otherwise it is
        // whoever runs the tests.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let users = match &*user {
            "root" => String::new(),
            user => format!(
                "default_internal_user = {user}\ndefault_login_user = {user}\ndefault_internal_group = {group}\n\
                 service anvil {{\n chroot =\n}}\n"
            ),
        };
        let (chroot, owner) = if user == "root" { ("", "nobody") } else { ("chroot =\n", &*user) };
        run(Command::new("chown").args(["-R", owner]).arg(place.path().join("mail")));
        let text = CONFIGURATION.replace("{}", &folder)
            + &format!(
                "  args = uid={} gid={} home={folder}/mail\n}}\n{users}",
                id(&["-u", owner]),
                id(&["-g", owner])
            )
            + &format!("ssl = yes\nssl_cert = <{0}\nssl_key = <{0}\n", certificates.shown("localhost.pem"))
            + &format!(
                "service pop3-login {{\n{chroot} inet_listener pop3 {{\n port = {}\n }}\n inet_listener pop3s {{\n port = {}\n \
                 ssl = yes\n }}\n}}\n",
                ports[0], ports[1]
            );
        fs::write(place.path().join("dovecot.conf"), text).unwrap();
        fs::write(place.path().join("users"), format!("ann:{{PLAIN}}{PASSWORD}\n")).unwrap();
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(place.path().join("dovecot.conf")).stdin(Stdio::null());
        let process = command.spawn().unwrap();
        let late = Instant::now() + PATIENCE;
        while !ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
            let log = fs::read_to_string(place.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < late, "dovecot does not listen: {log}");
            thread::sleep(Duration::from_millis(50));
        }
        Self { process, certificates, place, ports }
    }

    fn tls(&self) -> ClientTlsTo {
        let ca = fs::read(self.certificates.path("ca.pem")).unwrap();
        ClientTls::new().trust(Trust::Ca(ca)).build().unwrap().to("localhost").unwrap()
    }

    /// How many messages are left.
    fn left(&self) -> usize {
        let count = |folder| fs::read_dir(self.place.path().join("mail/ann").join(folder)).unwrap().count();
        count("new") + count("cur")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // The master takes its children with it, unless it is killed.
        let _ = Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// Fetches all messages and compares them.
async fn fetch(client: &mut Client) -> Result {
    let wanted = messages();
    let listed = client.list().await?;
    let numbers: Vec<u32> = listed.iter().map(|(number, _)| *number).collect();
    let mut got = vec![(Vec::new(), 0); wanted.len()];
    let sink = async |number: u32, part| {
        let (text, ends) = got.get_mut(number as usize - 1).ok_or("an unknown message")?;
        match part {
            Part::Bytes(bytes) => text.extend_from_slice(&bytes),
            Part::End => *ends += 1,
            Part::Refused(reply) => return Err(reply.into()),
        }
        Ok(())
    };
    client.retrieve_all(numbers, sink).await?;
    // It adds nothing, and its order is that of the names.
    for ((text, ends), wanted) in got.iter().zip(&wanted) {
        assert!(*ends == 1 && text == wanted, "{} of {} bytes", text.len(), wanted.len());
    }
    Ok(())
}

#[test]
fn fetches_over_stls_and_keeps() {
    let dovecot = Dovecot::new();
    let (tls, to) = (dovecot.tls(), format!("tcp:127.0.0.1:{}", dovecot.ports[0]));
    block_on(async move |_| {
        let login = ClientOptions::new().login("ann", PASSWORD);
        // It is not told the password in clear.
        let error = Client::connect(&to, login.clone()).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Lacks(Lack::Tls)), "{error}");
        let mut client = Client::connect(&to, login.starttls(tls)).await?;
        assert!(client.peer().secured.is_some());
        assert_eq!(client.stat().await?.0 as usize, messages().len());
        let uids = client.uids().await?;
        assert_eq!(uids.len(), messages().len());
        fetch(&mut client).await?;
        let mut top = Vec::new();
        let keep = async |piece: bytes::Bytes| {
            top.extend_from_slice(&piece);
            Ok(())
        };
        client.top(1, 1, keep).await?;
        assert_eq!(top, b"Subject: dots\r\n\r\n.\r\n");
        client.delete(1).await?;
        client.reset().await?;
        Ok(client.quit().await?)
    })
    .unwrap();
    assert_eq!(dovecot.left(), messages().len());
}

#[test]
fn fetches_over_tls_and_deletes() {
    let dovecot = Dovecot::new();
    let ca = dovecot.certificates.shown("ca.pem");
    let to = format!("tls:localhost:{}:ca={ca}", dovecot.ports[1]);
    let wrong = dovecot.tls();
    let plain = format!("tcp:127.0.0.1:{}", dovecot.ports[0]);
    block_on(async move |_| {
        let wrong = ClientOptions::new().login("ann", "guess").starttls(wrong);
        let error = Client::connect(&plain, wrong).await.unwrap_err();
        assert!(error.reply().is_some_and(|reply| reply.response_code().is_some()), "{error}");
        let mut client = Client::connect(&to, ClientOptions::new().login("ann", PASSWORD)).await?;
        fetch(&mut client).await?;
        let refused = client.delete_all(1..=messages().len() as u32 + 1).await?;
        assert_eq!(refused.len(), 1);
        Ok(client.quit().await?)
    })
    .unwrap();
    assert_eq!(dovecot.left(), 0);
}
