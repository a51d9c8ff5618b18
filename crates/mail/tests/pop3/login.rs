//! USER and PASS, AUTH.

use crate::{Site, protected, server};
use base64::{Engine, prelude::BASE64_STANDARD};
use trenza_mail::pop3::{Pop3Limits, Pop3Server};
use trenza_sim::Net;

fn site(server: &Pop3Server) -> Site {
    let site = Site::new(Net::gentle(1), server);
    site.expect("+OK");
    site
}

fn base64(text: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(text)
}

/// What a challenge says.
fn challenge(reply: &str) -> String {
    let text = reply.strip_prefix("+ ").unwrap().trim_end();
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn passwords_are_not_asked_for_in_clear() {
    let site = site(&protected());
    let offered = site.lines("CAPA");
    assert!(!offered.contains("USER") && !offered.contains("SASL"), "{offered}");
    for command in ["USER ann", "PASS secret", "AUTH PLAIN AGFubgBzZWNyZXQ=", "AUTH LOGIN"] {
        site.ask(command, "-ERR Say STLS first");
    }
}

#[test]
fn user_and_pass() {
    let open = site(&server());
    open.ask("USER bob", "+OK");
    // Of a mailbox that is not there, too.
    assert_eq!(open.ask("PASS b b", "+OK"), "+OK 0 messages (0 octets)\r\n");
    assert_eq!(open.lines("LIST"), "");
    open.ask("QUIT", "+OK");

    let again = site(&server());
    again.ask("USER ann", "+OK");
    again.ask("PASS guess", "-ERR [AUTH] ");
    again.ask("PASS secret", "-ERR Say USER first");
    again.ask("USER nobody", "+OK");
    again.ask("PASS guess", "-ERR [AUTH] ");
    again.ask("USER ann", "+OK");
    again.ask("USER bob", "+OK");
    again.ask("PASS b b", "+OK");
}

#[test]
fn plain_and_login() {
    let plain = site(&server());
    plain.ask(format!("AUTH PLAIN {}", base64("\0ann\0secret")), "+OK 3 messages");
    let plain = site(&server());
    assert_eq!(plain.ask("auth plain", "+ "), "+ \r\n");
    plain.ask(base64("ann\0ann\0secret"), "+OK 3 messages");
    plain.ask("RETR 1", "+OK");

    let login = site(&server());
    assert_eq!(challenge(&login.ask("AUTH LOGIN", "+ ")), "Username:");
    assert_eq!(challenge(&login.ask(base64("ann"), "+ ")), "Password:");
    login.ask(base64("secret"), "+OK 3 messages");
}

#[test]
fn logins_that_fail() {
    let site = site(&server());
    site.ask("AUTH CRAM-MD5", "-ERR This mechanism is not offered");
    for wrong in ["ann", "\0ann", "\0\0secret", "bob\0ann\0secret", "\0ann\0secret\0"] {
        site.ask(format!("AUTH PLAIN {}", base64(wrong)), "-ERR This is not of the mechanism");
    }
    site.ask("AUTH LOGIN", "+ ");
    site.ask("*", "-ERR The login is cancelled");
    site.ask("AUTH LOGIN", "+ ");
    site.ask("?", "-ERR This is no base64");
    site.ask("STAT", "-ERR Log in first");
    site.ask(format!("AUTH PLAIN {}", base64("\0eve\0e")), "-ERR [SYS/PERM] You have no mailbox");
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0guess")), "-ERR [AUTH] ");
    site.ask(format!("AUTH PLAIN {}", base64("\0nobody\0guess")), "-ERR [AUTH] ");
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0guess")), "-ERR [AUTH] ");
    site.net.advance(std::time::Duration::from_secs(10));
    assert!(site.client.eof());
}

#[test]
fn an_account_does_what_it_may() {
    let reader = site(&server());
    reader.ask(format!("AUTH PLAIN {}", base64("\0reader\0r")), "+OK 0 messages");
    reader.ask("DELE 1", "-ERR [SYS/PERM] Your account may not delete mail");
    reader.ask("QUIT", "+OK");
    let writer = site(&server());
    writer.ask(
        format!("AUTH PLAIN {}", base64("\0writer\0w")),
        "-ERR [SYS/PERM] Your account may not read mail",
    );
    writer.ask("STAT", "-ERR Log in first");
}

#[test]
fn too_many_errors_end_a_session() {
    let site = site(&server().limits(Pop3Limits { errors: 3, ..Pop3Limits::default() }));
    site.client.send("FOO\r\n".repeat(9));
    site.net.advance(std::time::Duration::from_secs(10));
    assert_eq!(site.client.received(), b"-ERR No such command\r\n".repeat(3));
    assert!(site.client.eof());
}

/// The client's side, as RFC 5802 section 3 has it.
fn scram_last(password: &str, first_bare: &str, server_first: &str) -> String {
    use aws_lc_rs::{digest, hmac, pbkdf2};
    let mut fields = server_first.split(',');
    let nonce = fields.next().unwrap().strip_prefix("r=").unwrap();
    let salt = BASE64_STANDARD.decode(fields.next().unwrap().strip_prefix("s=").unwrap()).unwrap();
    let iterations: u32 = fields.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
    let without = format!("c=biws,r={nonce}");
    let message = format!("{first_bare},{server_first},{without}");
    let mut salted = [0; 32];
    let iterations = iterations.try_into().unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let key = mac(&salted, b"Client Key");
    let stored = digest::digest(&digest::SHA256, key.as_ref());
    let signature = mac(stored.as_ref(), message.as_bytes());
    let proof: [u8; 32] = std::array::from_fn(|at| key.as_ref()[at] ^ signature.as_ref()[at]);
    format!("{without},p={}", base64(proof))
}

#[test]
fn scram() {
    for (password, right) in [("secret", true), ("guess", false)] {
        let site = site(&server());
        let bare = "n=ann,r=abc";
        let first =
            challenge(&site.ask(format!("AUTH SCRAM-SHA-256 {}", base64(format!("n,,{bare}"))), "+ "));
        let last = base64(scram_last(password, bare, &first));
        if right {
            assert!(challenge(&site.ask(last, "+ ")).starts_with("v="));
            site.ask("", "+OK 3 messages");
        } else {
            site.ask(last, "-ERR [AUTH] ");
        }
    }
    let site = site(&server());
    assert_eq!(site.ask("AUTH SCRAM-SHA-256", "+ "), "+ \r\n");
    site.ask(base64("y,,n=ann"), "-ERR This is not of the mechanism");
}
