//! AUTH, and what may be sent by whom.

use crate::{Site, submission};
use base64::{Engine, prelude::BASE64_STANDARD};
use trenza_mail::smtp::SmtpServer;

fn open() -> SmtpServer {
    submission().allow_plain_auth(true)
}

fn base64(text: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(text)
}

/// What a challenge says.
fn challenge(reply: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(reply.strip_prefix("334 ").unwrap().trim()).unwrap()).unwrap()
}

#[test]
fn logins_are_for_protected_connections() {
    let site = Site::greeted(&submission());
    assert!(!site.ask("EHLO x", "250").contains("AUTH"));
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0secret")), "538 5.7.11 ");
}

#[test]
fn plain_and_login() {
    let site = Site::greeted(&open());
    assert!(site.ask("EHLO x", "250").contains("\r\n250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0secret")), "235 2.7.0 ");
    site.ask("AUTH PLAIN", "503 5.5.1 ");

    let site = Site::greeted(&open());
    assert_eq!(site.ask("AUTH PLAIN", "334 "), "334 \r\n");
    site.ask(base64("ann\0ann\0secret"), "235");

    let site = Site::greeted(&open());
    assert_eq!(challenge(&site.ask("AUTH LOGIN", "334 ")), "Username:");
    assert_eq!(challenge(&site.ask(base64("ann"), "334 ")), "Password:");
    site.ask(base64("secret"), "235");

    let site = Site::greeted(&open());
    assert_eq!(challenge(&site.ask(format!("AUTH LOGIN {}", base64("ann")), "334 ")), "Password:");
    site.ask(base64("secret"), "235");
}

#[test]
fn who_has_no_right_to_send_does_not() {
    let site = Site::greeted(&open());
    site.ask(format!("AUTH PLAIN {}", base64("\0reader\0r")), "235");
    site.ask("MAIL FROM:<reader@example.org>", "550 5.7.1 ");
    site.ask("MAIL FROM:<>", "550 5.7.1 ");
}

#[test]
fn a_message_is_from_whoever_sends_it() {
    let all = |server: &SmtpServer, header: &str| {
        let header = format!("{header}\r\n");
        let [data, chunk] = [true, false].map(|by_data| {
            let site = Site::greeted(server);
            site.ask(format!("AUTH PLAIN {}", base64("\0ann\0secret")), "235");
            site.ask("MAIL FROM:<ann@example.org>", "250");
            site.ask("RCPT TO:<bob@example.org>", "250");
            if !by_data {
                return site
                    .ask(format!("BDAT {} LAST\r\n{}", header.len(), &header[..header.len() - 2]), "");
            }
            site.ask("DATA", "354");
            site.client.send(header.as_bytes());
            site.ask("\r\nFrom: body@example.com\r\n.", "")
        });
        assert_eq!(data[..3], chunk[..3], "{header}");
        data
    };
    for fine in [
        "Subject: nobody",
        "From: ann@example.org",
        "from : \"carl@example.org\" <ann+x@EXAMPLE.org> (carl@example.org)",
        "From: ann@example.org,\r\n\tann+x@example.org\r\nFrom: ann@example.org",
        "From: nobody:;",
    ] {
        assert!(all(&open(), fine).starts_with("250 "), "{fine}");
    }
    for wrong in [
        "From: carl@example.org",
        "FROM\t:\r\n carl@example.org",
        "From: ann@example.org, carl@example.org",
        "From: ann@example.org\r\nX: y\r\nFrom: carl@example.org",
        "From: <ann@example.org> <carl@example.org>",
        "From: \"ann@example.org\" <carl@example.org>",
        "From: carl@example.org (ann@example.org)",
        "From: \"ann@example.org",
        "From: Carl",
        "From: \"ann\"@example.com",
        "From: \"ann+\\\"\"@example.com",
    ] {
        assert!(all(&open(), wrong).starts_with("550 5.7.1 "), "{wrong}");
        assert!(all(&open().any_author(true), wrong).starts_with("250 "), "{wrong}");
    }
    let long = format!("X: {}\r\nFrom: carl@example.org", "x".repeat(200_000));
    assert!(all(&open(), &long).starts_with("552 5.3.4 "));
}

#[test]
fn logins_that_fail() {
    let site = Site::greeted(&open());
    site.ask("AUTH CRAM-MD5", "504 5.5.4 ");
    for wrong in ["ann", "\0ann", "\0\0secret", "bob\0ann\0secret", "\0ann\0secret\0", "\0\u{0}"] {
        site.ask(format!("AUTH PLAIN {}", base64(wrong)), "501 5.5.4 ");
    }
    site.ask("AUTH LOGIN", "334");
    site.ask("*", "501 5.7.0 ");
    site.ask("AUTH LOGIN", "334");
    site.ask("?", "501 5.5.2 ");
    site.ask("NOOP", "250");
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0guess")), "535 5.7.8 ");
    site.ask(format!("AUTH PLAIN {}", base64("\0nobody\0guess")), "535 5.7.8 ");
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0guess")), "421 4.7.0 ");
}

/// The client's side, as RFC 5802 section 3 has it.
fn scram_last(password: &str, first_bare: &str, server_first: &str) -> String {
    use trenza_auth::scram::ScramKeys;
    let mut fields = server_first.split(',');
    let nonce = fields.next().unwrap().strip_prefix("r=").unwrap();
    let salt = BASE64_STANDARD.decode(fields.next().unwrap().strip_prefix("s=").unwrap()).unwrap();
    let iterations: u32 = fields.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
    let without = format!("c=biws,r={nonce}");
    let message = format!("{first_bare},{server_first},{without}");
    let proof = ScramProof::of(password, &salt, iterations, &message);
    let keys = ScramKeys::of_password(&password.into(), salt, iterations).unwrap();
    assert!(keys.proven(&message, &proof.to_vec().into()));
    format!("{without},p={}", base64(proof))
}

struct ScramProof;

impl ScramProof {
    fn of(password: &str, salt: &[u8], iterations: u32, message: &str) -> [u8; 32] {
        use aws_lc_rs::{digest, hmac, pbkdf2};
        let mut salted = [0; 32];
        let iterations = iterations.try_into().unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let key = mac(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, key.as_ref());
        let signature = mac(stored.as_ref(), message.as_bytes());
        std::array::from_fn(|at| key.as_ref()[at] ^ signature.as_ref()[at])
    }
}

#[test]
fn scram() {
    for (password, right) in [("secret", true), ("guess", false)] {
        let site = Site::greeted(&open());
        let bare = "n=ann,r=abc";
        let first =
            challenge(&site.ask(format!("AUTH SCRAM-SHA-256 {}", base64(format!("n,,{bare}"))), "334 "));
        let last = scram_last(password, bare, &first);
        if right {
            assert!(challenge(&site.ask(base64(last), "334 ")).starts_with("v="));
            site.ask("MAIL FROM:<ann@example.org>", "501");
        } else {
            site.ask(base64(last), "535 5.7.8 ");
        }
        let site = Site::greeted(&open());
        assert_eq!(site.ask("AUTH SCRAM-SHA-256", "334 "), "334 \r\n");
        site.ask(base64("y,,n=ann"), "501");
    }
    let site = Site::greeted(&open());
    let bare = "n=ann,r=abc";
    let first = challenge(&site.ask(format!("AUTH SCRAM-SHA-256 {}", base64(format!("n,,{bare}"))), "334 "));
    site.ask(base64(scram_last("secret", bare, &first)), "334 ");
    site.ask("", "235 2.7.0 ");
    site.ask("MAIL FROM:<ann@example.org>", "250");
}

#[test]
fn senders_are_the_accounts_own() {
    let site = Site::greeted(&open());
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0secret")), "235");
    for (sender, code) in [
        ("ann@example.org", "250"),
        ("ann+x@example.org", "250"),
        ("", "250"),
        ("bob@example.org", "553 5.7.1 "),
        ("ann@example.com", "553"),
        ("annx@example.org", "553"),
        ("ann@[10.0.0.1]", "553"),
    ] {
        site.ask(format!("MAIL FROM:<{sender}>"), code);
        site.ask("RSET", "250");
    }
    let site = Site::greeted(&open());
    site.ask(format!("AUTH PLAIN {}", base64("\0bob@example.com\0b")), "235");
    site.ask("MAIL FROM:<bob@example.com>", "250");
    // Anybody may be written to.
    site.all("RCPT TO:<ann@elsewhere.example>\r\nDATA\r\n.\r\n", &[250, 354, 250]);
    assert!(site.messages("ann")[0].contains("with ESMTPA id "));
    site.ask("MAIL FROM:<ann@example.org>", "553");

    let site =
        Site::greeted(&open().senders(|account, sender| account.name == "ann" && sender.local() == "sales"));
    site.ask(format!("AUTH PLAIN {}", base64("\0ann\0secret")), "235");
    site.ask("MAIL FROM:<ann@example.org>", "553");
    site.ask("MAIL FROM:<sales@example.org>", "250");
}
