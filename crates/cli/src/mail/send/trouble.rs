//! What went wrong, as the user reads it, with the exit code that sendmail would have.

use crate::complaint::Complaint;
use trenza::{
    Result,
    mail::smtp::{
        Rcpt, Reply,
        client::{Cause, ClientError, Lack, Step},
    },
    tls::TlsError,
};

// sysexits.h
const NO_USER: u8 = 67;
const NO_HOST: u8 = 68;
const UNAVAILABLE: u8 = 69;
const TRY_AGAIN: u8 = 75;
const PROTOCOL: u8 = 76;
const NO_PERMISSION: u8 = 77;

/// What went wrong with the server.
pub(super) fn of(error: &ClientError) -> Complaint {
    let complaint = Complaint::new(error);
    match error.cause() {
        Cause::Connection(source) if source.downcast_ref().is_some_and(TlsError::is_local) => complaint,
        // A connection that is lost tells why as text.
        Cause::Connection(source) if source.to_string().contains("certificate") => {
            complaint.code(NO_PERMISSION).remedy(
                "--ca FILE trusts servers that the certificates in FILE have signed; --insecure trusts anybody, and \
                 whoever is between",
            )
        }
        Cause::Connection(source) if source.to_string().contains("not speak TLS") => {
            complaint.code(PROTOCOL).remedy("where TLS does not begin at once it is --server tcp:HOST:PORT --starttls")
        }
        Cause::Connection(_) | Cause::TimedOut(_) => {
            complaint.code(TRY_AGAIN).remedy("is the server up, and the port of --server right?")
        }
        Cause::Protocol(_) => complaint.code(PROTOCOL).remedy("is it a server of SMTP that listens there?"),
        Cause::Lacks(Lack::Tls) if error.step() == Step::Auth => complaint.code(NO_PERMISSION).remedy(
            "--starttls, or --server tls:HOST:465, protects the password; --allow-plain-auth sends it all the same",
        ),
        Cause::Lacks(Lack::Tls | Lack::Auth) => complaint.code(NO_PERMISSION),
        Cause::Refused(_) if error.step() == Step::Auth => {
            complaint.code(NO_PERMISSION).remedy("user or password are wrong")
        }
        Cause::Refused(reply) => refused(complaint, reply),
        Cause::Lacks(_) => complaint.code(UNAVAILABLE),
        // The endpoint is none.
        Cause::Local(_) if error.step() == Step::Connect => complaint.code(2),
        _ => complaint,
    }
}

fn refused(complaint: Complaint, reply: &Reply) -> Complaint {
    let status = reply.status().map(|status| (status.class(), status.subject(), status.detail()));
    match status {
        _ if reply.code().is_transient() => complaint.code(TRY_AGAIN),
        Some((_, 1, 1)) => complaint.code(NO_USER),
        Some((_, 1, 2)) => complaint.code(NO_HOST),
        _ if reply.code().number() == 530 => {
            complaint.code(NO_PERMISSION).remedy("the server wants a login, --user NAME, or TLS, --starttls")
        }
        _ => complaint.code(UNAVAILABLE),
    }
}

/// What came of those who do not have it. Of one who will never have it is told first: trying again does not help.
pub(super) fn of_recipients(failed: &[(&Rcpt, ClientError)], all: usize) -> Result {
    let worst = failed.iter().min_by_key(|(_, error)| error.is_transient());
    let Some((rcpt, error)) = worst else { return Ok(()) };
    let complaint = of(error);
    Err(match failed.len() {
        1 if all == 1 => complaint.described(format!("{}: {error}", rcpt.to)).into(),
        count => complaint.described(format!("{count} of {all} recipients do not have it")).into(),
    })
}

/// An address that is none.
pub(super) fn no_address(text: &str) -> Complaint {
    Complaint::new(format!("{text:?} is no address of mail")).remedy("an address is NAME@DOMAIN")
}

/// A password that is nowhere.
pub(super) fn no_password(user: &str) -> Complaint {
    Complaint::new(format!("there is no password for {user}"))
        .code(NO_PERMISSION)
        .remedy("MAIL_PASSWORD in the environment has it, or the first line of --password-file FILE")
}
