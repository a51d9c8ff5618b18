//! AUTH with servers that offer this or that, and with those that only play one.

use super::{Site, failed};
use base64::{Engine, prelude::BASE64_STANDARD};
use trenza_core::Result;
use trenza_mail::smtp::client::{Cause, Client, ClientError, ClientOptions, Step};
use trenza_sim::Net;

/// A server that says one line after the other, one for each that it hears; and what it heard.
fn scripted(lines: &'static [&'static str]) -> (Result<()>, Vec<String>) {
    let net = Net::gentle(1);
    let heard = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let place = heard.clone();
    net.host("srv")
        .run(|reactor| {
            reactor.serve("tcp:25", move |mut stream| {
                let heard = place.clone();
                async move {
                    for line in lines {
                        stream.write_all(line.as_bytes()).await?;
                        stream.write_all(b"\r\n").await?;
                        let Some(said) = stream.line(5000).await? else { break };
                        heard.borrow_mut().push(String::from_utf8(said)?);
                    }
                    stream.close().await
                }
            })
        })
        .unwrap();
    let done = net.block_on(&net.host("cli"), async {
        let options = ClientOptions::new().login("ann", "secret").allow_plain_auth(true);
        Client::connect("tcp:srv:25", options).await?;
        Ok(())
    });
    let heard = heard.take();
    (done, heard)
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

#[test]
fn the_best_that_both_know() {
    let (done, heard) = scripted(&["220 x", "250-x\r\n250 AUTH LOGIN PLAIN X-OTHER", "235 in"]);
    done.unwrap();
    assert_eq!(heard[1], format!("AUTH PLAIN {}", base64("\0ann\0secret")));

    let (done, heard) =
        scripted(&["220 x", "250-x\r\n250 AUTH=LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 in"]);
    done.unwrap();
    assert_eq!(heard[1..4], ["AUTH LOGIN".to_owned(), base64("ann"), base64("secret")]);

    // One that does not work for this account is not the last.
    let (done, heard) =
        scripted(&["220 x", "250-x\r\n250 AUTH SCRAM-SHA-256 PLAIN", "504 not this", "235 in"]);
    done.unwrap();
    assert!(heard[1].starts_with("AUTH SCRAM-SHA-256 ") && heard[2].starts_with("AUTH PLAIN "));
}

fn error(lines: &'static [&'static str]) -> ClientError {
    let error = failed(scripted(lines).0);
    assert_eq!(error.step(), Step::Auth, "{error}");
    error
}

#[test]
fn nobody_is_let_in() {
    assert!(matches!(error(&["220 x", "250 x"]).cause(), Cause::Lacks(_)));
    assert!(matches!(error(&["220 x", "250-x\r\n250 AUTH X-OTHER"]).cause(), Cause::Lacks(_)));
    let (done, heard) = scripted(&["220 x", "250-x\r\n250 AUTH PLAIN LOGIN", "535 5.7.8 wrong", "221 bye"]);
    assert_eq!(failed(done).reply().code().number(), 535);
    // A wrong password is not shown again.
    assert_eq!(heard.len(), 2);
    assert!(matches!(
        error(&["220 x", "250-x\r\n250 AUTH PLAIN", "334 ", "334 "]).cause(),
        Cause::Protocol(_)
    ));
    assert!(matches!(
        error(&["220 x", "250-x\r\n250 AUTH LOGIN", "334 ", "334 ", "334 "]).cause(),
        Cause::Protocol(_)
    ));
}

#[test]
fn a_server_of_scram_has_to_prove_itself() {
    const OFFER: &str = "250-x\r\n250 AUTH SCRAM-SHA-256 PLAIN";
    // It says yes at once.
    assert!(matches!(error(&["220 x", OFFER, "235 in"]).cause(), Cause::Protocol(_)));
    // It does not know our nonce, or asks for as much work as can be.
    for challenge in ["r=x,s=QUFB,i=4096", "nonsense", ""] {
        let line = format!("334 {}", base64(challenge)).leak();
        let lines = vec!["220 x", OFFER, line].leak();
        assert!(matches!(error(lines).cause(), Cause::Protocol(_)), "{challenge}");
    }
    assert!(matches!(error(&["220 x", OFFER, "334 ?", "221"]).cause(), Cause::Protocol(_)));
}

#[test]
fn passwords_stay_out_of_what_is_shown() {
    let site = Site::gentle();
    let options = ClientOptions::new().login("ann", "secret");
    assert!(!format!("{options:?}").contains("secret"));
    let error = failed(site.run(options, async |_| Ok(())));
    assert!(!format!("{error:?}{error}").contains("secret"));
}
