//! [`Complaint`]: an error as the user reads it.

use crate::terminal::{Style, paint, say};
use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    path::Path,
    process::ExitCode,
};
use trenza::{EndpointError, Interrupted, proxy::UsersError};

/// What could not be done and why, what to do about it, and the program's exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    what: String,
    remedy: Option<String>,
    code: u8,
}

impl Complaint {
    /// An error that speaks for itself.
    fn new(what: impl fmt::Display) -> Self {
        Self { what: what.to_string(), remedy: None, code: 1 }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// An endpoint that cannot be listened on.
    pub(crate) fn listen(endpoint: &str, error: &(dyn Error + 'static)) -> Self {
        if error.is::<EndpointError>() {
            let remedy = match endpoint.starts_with("tls") {
                true => {
                    "`trenza cert self localhost` makes a certificate for development: tls:8443:cert=localhost.pem"
                }
                false => "write it like tcp:8080, or tcp:8080:interface=127.0.0.1 for this machine only",
            };
            return Self { code: 2, ..Self::new(error).remedy(remedy) };
        }
        let port = port(endpoint);
        match error.downcast_ref().map(io::Error::kind) {
            Some(ErrorKind::AddrInUse) if port == 0 => {
                Self::new(format!("another program listens on {endpoint}"))
                    .remedy("choose another address, or stop the other program")
            }
            Some(ErrorKind::NotFound) if endpoint.starts_with("unix:") => {
                Self::new(error).remedy("the folder of a socket must be there")
            }
            Some(ErrorKind::AddrInUse) => {
                let other = with_port(endpoint, port.checked_add(1).unwrap_or(8080));
                Self::new(format!("port {port} is taken: another program listens on {endpoint}"))
                    .remedy(format!("choose another one with --listen {other}; port 0 is any that is free"))
            }
            Some(ErrorKind::PermissionDenied) if (1..1024).contains(&port) => {
                let other = with_port(endpoint, port + 8000);
                Self::new(format!("no right to listen on port {port} ({endpoint})")).remedy(format!(
                    "ports below 1024 are for root, or for a program that was given them by \
                     `setcap cap_net_bind_service=+ep FILE`; choose another one with --listen {other}"
                ))
            }
            Some(ErrorKind::AddrNotAvailable) => {
                Self::new(format!("this machine does not have the address of {endpoint}"))
                    .remedy(format!("leave interface= out for all addresses: --listen tcp:{port}"))
            }
            _ => Self::new(error),
        }
    }

    /// A file that cannot be used for what it was named for.
    pub(crate) fn file(path: &Path, why: &str) -> Self {
        Self::new(format!("{} cannot be used: {why}", path.display()))
    }

    /// A file that is there already.
    pub(crate) fn exists(path: &Path) -> Self {
        Self::new(format!("{} exists already", path.display()))
            .remedy("write another file with --out FILE, or replace this one with --force")
    }

    /// Files of a certification authority that are not there.
    pub(crate) fn no_authority(path: &Path) -> Self {
        Self::new(format!("there is no {}, the authority's certificate or key", path.display()))
            .remedy("make an authority with `trenza cert ca`, or name its files with --ca FILE --ca-key FILE")
    }

    /// A certificate that cannot be made.
    pub(crate) fn certificate(why: impl fmt::Display) -> Self {
        Self::new(format!("the certificate cannot be made: {why}"))
    }

    /// Something that was typed wrong.
    pub(crate) fn usage(what: impl fmt::Display) -> Self {
        Self { code: 2, ..Self::new(what) }
    }

    /// An endpoint that cannot be connected to, whatever happens.
    pub(crate) fn target(error: &(dyn Error + 'static)) -> Self {
        Self { code: 2, ..Self::new(error).remedy("write it like tcp:example.org:80 or tcp:[::1]:80") }
    }

    /// A password file that cannot be read; `UnexpectedEof`: there is nobody in it.
    pub(crate) fn password_file(path: &Path, error: &io::Error) -> Self {
        let shown = path.display();
        let remedy = "it has a line of NAME:PASSWORD for each user, or with --user the password alone";
        match error.kind() {
            ErrorKind::NotFound => Self::new(format!("there is no file {shown}")).remedy(remedy),
            ErrorKind::UnexpectedEof => Self::new(format!("there is no user in {shown}")).remedy(remedy),
            _ => Self::new(format!("cannot read the file {shown}: {error}")),
        }
    }

    /// A password file with something wrong in it.
    pub(crate) fn users(path: &Path, error: &UsersError) -> Self {
        Self::new(format!("in {}: {error}", path.display()))
            .remedy("a line is NAME:PASSWORD, of 1 to 255 bytes each, or with --user the password alone")
    }

    /// A folder that cannot be served.
    pub(crate) fn folder(folder: &Path, error: &io::Error) -> Self {
        let shown = folder.display();
        match error.kind() {
            ErrorKind::NotFound => Self::new(format!("there is no folder {shown}"))
                .remedy("name one that exists: trenza web DIR; without DIR it is the current one"),
            ErrorKind::NotADirectory => {
                Self::new(format!("{shown} is not a folder")).remedy("name the folder that it is in")
            }
            ErrorKind::PermissionDenied => Self::new(format!("no right to enter the folder {shown}"))
                .remedy(format!("`ls -ld {shown}` shows who may: run as that user, or change it with chmod")),
            _ => Self::new(format!("cannot read the folder {shown}: {error}")),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Complaint {}

/// Prints why the program ends, and gives the exit code.
pub(crate) fn tell(error: &(dyn Error + 'static)) -> ExitCode {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        // Nobody needs to be told what was just typed.
        return interrupted.exit_code();
    }
    say(&format!("{} {error}", paint(Style::Error, "error:")));
    let Some(complaint) = error.downcast_ref::<Complaint>() else { return ExitCode::FAILURE };
    if let Some(remedy) = &complaint.remedy {
        say(&format!("  {} {remedy}", paint(Style::Hint, "hint:")));
    }
    complaint.code.into()
}

/// The port of an endpoint string that was understood.
fn port(endpoint: &str) -> u16 {
    endpoint.split(':').nth(1).and_then(|port| port.parse().ok()).unwrap_or(0)
}

/// The same endpoint with another port.
fn with_port(endpoint: &str, port: u16) -> String {
    let mut parts = endpoint.splitn(3, ':');
    let kind = parts.next().unwrap_or("tcp");
    let options = parts.nth(1).map(|options| format!(":{options}")).unwrap_or_default();
    format!("{kind}:{port}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_an_endpoint_that_can_be_typed() {
        assert_eq!(
            with_port("tcp:8080:interface=[::1]:backlog=9", 8081),
            "tcp:8081:interface=[::1]:backlog=9"
        );
        assert_eq!(with_port("tcp:65535", 8080), "tcp:8080");
        assert_eq!(with_port("tls:443:cert=a.pem", 8443), "tls:8443:cert=a.pem");
        let taken = Complaint::listen("tcp:65535", &io::Error::from(ErrorKind::AddrInUse));
        assert!(taken.what.starts_with("port 65535 is taken"), "{taken:?}");
        assert!(taken.remedy.is_some_and(|remedy| remedy.contains("--listen tcp:8080;")));
    }

    #[test]
    fn what_has_no_port_is_not_said_to_have_one() {
        for endpoint in ["unix:/run/x.sock", "haproxy:tcp:80"] {
            let taken = Complaint::listen(endpoint, &io::Error::from(ErrorKind::AddrInUse));
            assert_eq!(taken.what, format!("another program listens on {endpoint}"));
            assert!(taken.remedy.is_some());
        }
    }

    #[test]
    fn privileged_ports_are_explained() {
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let remedy = Complaint::listen("tcp:80:interface=127.0.0.1", &denied).remedy.unwrap();
        assert!(
            remedy.contains("below 1024") && remedy.contains("--listen tcp:8080:interface=127.0.0.1"),
            "{remedy}"
        );
        assert_eq!(Complaint::listen("tcp:8080", &denied).remedy, None);
    }

    #[test]
    fn a_folder_without_a_right_says_how_to_find_out() {
        let denied = Complaint::folder(Path::new("/srv/site"), &io::Error::from(ErrorKind::PermissionDenied));
        assert_eq!(denied.code, 1);
        assert!(denied.what.contains("no right") && denied.what.contains("/srv/site"), "{denied:?}");
        assert!(denied.remedy.is_some_and(|remedy| remedy.contains("ls -ld /srv/site")));
    }
}
