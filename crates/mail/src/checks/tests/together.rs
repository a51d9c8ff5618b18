//! All checks of a message together.

use super::{Table, at_once};
use crate::checks::{Checks, DkimResult, DkimSigner, DmarcResult, Policy, Report, SigningKey, SpfResult};

pub(super) const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

const MESSAGE: &str =
    "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: hello\r\nDate: now\r\n\r\nHello!\r\n";

/// A message of example.org, signed or not, from that address, examined by a host called mx.example.com.
fn report(message: &str, signed: bool, ip: [u8; 4], policy: &str) -> Report {
    let signer = DkimSigner::new("example.org", "sel", SigningKey::from_pem(PEM).unwrap());
    let record = SigningKey::from_pem(PEM).unwrap().record();
    let table = Table::new(&format!(
        "example.org TXT v=spf1 ip4:192.0.2.1 -all\nsel._domainkey.example.org TXT {record}\n_dmarc.example.org TXT {policy}"
    ));
    let net = trenza_sim::Net::gentle(1);
    let message = if signed {
        let mut signing = signer.begin();
        signing.push(message.as_bytes());
        signing.finish(std::time::UNIX_EPOCH).unwrap() + message
    } else {
        message.to_owned()
    };
    net.host("mx").run(|reactor| {
        let checks = Checks::new(reactor, table, "mx.example.com");
        let mut examination = checks.examine(ip.into(), "mail.example.org", "ann@example.org");
        message.as_bytes().chunks(7).for_each(|piece| examination.push(piece));
        at_once(examination.finish())
    })
}

#[test]
fn a_message_that_is_what_it_says() {
    let report = report(MESSAGE, true, [192, 0, 2, 1], "v=DMARC1; p=reject");
    assert_eq!((report.spf.result, report.dmarc.result), (SpfResult::Pass, DmarcResult::Pass));
    assert_eq!(report.dkim.iter().map(|one| one.result).collect::<Vec<_>>(), [DkimResult::Pass]);
    assert!(!report.is_refused());
    let field = report.field.replace("\r\n\t", " ");
    assert!(field.starts_with("Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=ann@example.org; dkim=pass header.d=example.org header.i=@example.org header.s=sel header.a=ed25519-sha256 header.b="), "{field}");
    assert!(field.ends_with("; dmarc=pass (p=reject dis=none) header.from=example.org\r\n"), "{field}");
    assert!(report.field.lines().all(|line| line.len() <= 78), "{}", report.field);
}

#[test]
fn one_of_two_will_do_and_none_will_not() {
    let policy = "v=DMARC1; p=reject";
    let forwarded = report(MESSAGE, true, [198, 51, 100, 1], policy);
    assert_eq!((forwarded.spf.result, forwarded.dmarc.result), (SpfResult::Fail, DmarcResult::Pass));
    let unsigned = report(MESSAGE, false, [192, 0, 2, 1], policy);
    assert_eq!((unsigned.dkim.len(), unsigned.dmarc.result), (0, DmarcResult::Pass));
    let forged = report(MESSAGE, false, [198, 51, 100, 1], policy);
    assert_eq!((forged.dmarc.result, forged.is_refused()), (DmarcResult::Fail, true));
    let changed = report(&MESSAGE.replace("Hello!", "Hello?"), true, [198, 51, 100, 1], policy);
    assert_eq!(changed.dmarc.result, DmarcResult::Pass, "it was signed after it was changed");
    let mild = report(MESSAGE, false, [198, 51, 100, 1], "v=DMARC1; p=none");
    assert_eq!((mild.dmarc.result, mild.dmarc.disposition), (DmarcResult::Fail, Policy::None));
}

#[test]
fn words_of_others_cannot_break_the_field() {
    let net = trenza_sim::Net::gentle(1);
    let report = net.host("mx").run(|reactor| {
        let checks = Checks::new(reactor, Table::new(""), "mx.example.com");
        let sender = "a\r\nEvil: yes\"; dmarc=pass@example.org";
        let mut examination = checks.examine([192, 0, 2, 1].into(), "x", sender);
        examination.push(b"From: <a@x;dkim=pass.example.org>\r\n\r\n");
        at_once(examination.finish())
    });
    assert!(!report.field.contains("\nEvil"), "{}", report.field);
    assert!(
        report.field.contains("smtp.mailfrom=\"a??Evil: yes\\\"; dmarc=pass@example.org\""),
        "{}",
        report.field
    );
}

#[test]
fn results_that_claim_to_be_ours_are_found() {
    let net = trenza_sim::Net::gentle(1);
    net.host("mx").run(|reactor| {
        let checks = Checks::new(reactor, Table::new(""), "mx.example.com");
        for ours in [
            " mx.example.com; spf=pass\r\n",
            " (a comment)\r\n\tMX.Example.com (b) 1;",
            " \"mx.example.com\" ; none",
            "mx.example.com",
        ] {
            assert!(checks.is_forged(ours.as_bytes()), "{ours}");
        }
        for other in
            [" mx.example.org; spf=pass", " (mx.example.com) other.example; spf=pass", "", ";mx.example.com"]
        {
            assert!(!checks.is_forged(other.as_bytes()), "{other}");
        }
    });
}

#[test]
fn a_header_that_never_ends_costs_bounded_memory() {
    let net = trenza_sim::Net::gentle(1);
    let report = net.host("mx").run(|reactor| {
        let checks = Checks::new(reactor, Table::new(""), "mx.example.com");
        let mut examination = checks.examine([192, 0, 2, 1].into(), "x", "");
        for _ in 0..20_000 {
            examination.push(b"Received: from somewhere, and from somewhere else, and so on\r\n");
        }
        at_once(examination.finish())
    });
    assert_eq!(report.dmarc.result, DmarcResult::PermError);
    assert!(report.dkim.is_empty());
}

#[test]
fn name_servers_that_say_nothing_hold_up_nobody_for_long() {
    let net = trenza_sim::Net::gentle(1);
    let _mute = net.host("ns").datagram_probe("udp:53");
    let host = net.host("mx");
    let at = (net.host("ns").ips()[0], 53).into();
    let signed = {
        let mut signing = DkimSigner::new("example.org", "sel", SigningKey::from_pem(PEM).unwrap()).begin();
        signing.push(MESSAGE.as_bytes());
        (signing.finish(std::time::UNIX_EPOCH).unwrap() + MESSAGE).into_bytes()
    };
    let report = net.block_on(&host, async move {
        let reactor = trenza_core::Reactor::current();
        let mut config = trenza_dns::Config::asking([at]);
        config.deadline = std::time::Duration::from_secs(45);
        config.attempts = 100;
        let checks = Checks::new(&reactor, trenza_dns::Resolver::new(&reactor, config), "mx.example.com");
        let mut examination = checks.examine([192, 0, 2, 1].into(), "mail.example.org", "ann@example.org");
        examination.push(&signed);
        Ok(examination.finish().await)
    });
    let report = report.unwrap();
    assert_eq!((report.spf.result, report.dkim[0].result), (SpfResult::TempError, DkimResult::TempError));
    assert_eq!((report.dmarc.result, report.is_refused()), (DmarcResult::TempError, false));
    assert!(
        net.elapsed() < crate::checks::CHECK_TIME + std::time::Duration::from_secs(1),
        "{:?}",
        net.elapsed()
    );
    assert_eq!(host.left().timers, 0);
}
