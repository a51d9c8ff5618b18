//! What went wrong with a server, as the user reads it, with the exit code for scripts.

use super::url::Url;
use crate::complaint::Complaint;
use trenza::{
    Error,
    ftp::{ClientError, Code, Outcome},
    tls::TlsError,
};

/// What went wrong while something was done with an address.
pub(super) fn of(url: &Url, error: &ClientError) -> Complaint {
    let shown = format!("{url}: {error}");
    match error {
        ClientError::Refused { reply, .. } => refused(url, shown, reply.code()),
        ClientError::Connection { source, .. } if is_distrust(source) => Complaint::new(shown).code(5).remedy(
            "--ca FILE trusts servers that the certificates in FILE have signed; --insecure trusts anybody, \
             and whoever is between",
        ),
        ClientError::Connection { .. } => {
            Complaint::new(shown).code(4).remedy("is the server up, and the port right? --active helps where passive ports are closed")
        }
        ClientError::TimedOut { .. } => {
            Complaint::new(shown).code(4).remedy("--timeout SECONDS waits longer; --active helps where passive ports are closed")
        }
        ClientError::Protocol { .. } => Complaint::new(shown).code(4).remedy("is it a server of FTP that listens there?"),
        _ => Complaint::new(shown),
    }
}

fn refused(url: &Url, shown: String, code: Code) -> Complaint {
    let complaint = Complaint::new(shown);
    match code {
        Code::NOT_LOGGED_IN | Code::WRONG_CREDENTIALS | Code::ACCOUNT_NEEDED if url.user.is_some() => {
            complaint.code(5).remedy("user or password are wrong, or the server wants TLS first: --tls")
        }
        Code::NOT_LOGGED_IN | Code::ACCOUNT_NEEDED => complaint
            .code(5)
            .remedy("nobody may come without a name: ftp://USER@HOST/…; or the server wants TLS: --tls"),
        Code::PROTECTION_NEEDED | Code::POLICY => complaint.code(5).remedy("the server wants TLS: --tls"),
        Code::NOT_UNDERSTOOD | Code::NOT_IMPLEMENTED | Code::SECURITY_UNAVAILABLE => {
            complaint.code(6).remedy("the server does not have this; without TLS it is ftp:// without --tls")
        }
        code if code.number() == 421 || code == Code::NO_DATA_CONNECTION => complaint.code(4),
        Code::FILE_UNAVAILABLE => complaint.code(6).remedy(
            "`trenza ftp ls` shows what is there; `trenza ftp mirror` makes folders that are missing",
        ),
        _ => complaint.code(6),
    }
}

fn is_distrust(error: &Error) -> bool {
    error.is::<TlsError>() || error.to_string().contains("certificate")
}

/// A password that is nowhere.
pub(super) fn no_password(user: &str) -> Complaint {
    Complaint::new(format!("there is no password for {user}, and no terminal to type one at"))
        .remedy("--password-stdin reads it from standard input; FTP_PASSWORD in the environment has it, too")
}

/// A mirror that was done except for some files.
pub(super) fn incomplete(outcome: &Outcome) -> Complaint {
    let what = format!("{} files or folders could not be copied", outcome.failed);
    let complaint = Complaint::new(what).code(3);
    match outcome.failures.iter().any(|failure| failure.error.is_transient()) {
        true => complaint.remedy("the same again copies what is missing, with --continue also within files"),
        false => complaint,
    }
}
