//! [`Complaint`]: an error as the user reads it.

use crate::{
    endpoint::{Place, is_secured},
    terminal::{Style, paint, say},
};
use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    path::Path,
    process::ExitCode,
};
use trenza::{
    EndpointError, Interrupted, auth::FileError, mail::local::AliasError, proxy::UsersError, tls::TlsError,
};

/// What could not be done and why, what to do about it, and the program's exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    what: String,
    remedy: Option<String>,
    code: u8,
}

impl Complaint {
    /// An error that speaks for itself.
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self { what: what.to_string(), remedy: None, code: 1 }
    }

    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The same, told in other words.
    pub(crate) fn described(self, what: impl fmt::Display) -> Self {
        Self { what: what.to_string(), ..self }
    }

    /// With another exit code than 1.
    pub(crate) fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// An endpoint of `--listen` that cannot be listened on.
    pub(crate) fn listen(endpoint: &str, error: &(dyn Error + 'static)) -> Self {
        Self::listen_by("--listen", endpoint, error)
    }

    /// An endpoint of another option.
    pub(crate) fn listen_by(option: &str, endpoint: &str, error: &(dyn Error + 'static)) -> Self {
        if let Some(error) = error.downcast_ref() {
            return Self::endpoint(error);
        }
        let Some(kind) = error.downcast_ref().map(io::Error::kind) else { return Self::new(error) };
        match Place::of(endpoint) {
            Some(place) => Self::port(kind, option, endpoint, &place),
            None if endpoint.contains("unix:") => Self::socket(kind, endpoint, error),
            None => None,
        }
        .unwrap_or_else(|| Self::new(error))
    }

    /// A string that is wrong, or that names a file that is. It shows the place, and says what would be right; where
    /// certificates come from is another question.
    fn endpoint(error: &EndpointError) -> Self {
        let complaint = Self { code: if error.cause.is_some() { 1 } else { 2 }, ..Self::new(error) };
        let of_tls = error.cause.as_ref().is_some_and(|cause| cause.is::<TlsError>());
        let before = error.endpoint.get(..error.at.start).unwrap_or_default();
        if of_tls && before.ends_with(":client-ca=") {
            return complaint.remedy(
                "`trenza cert ca` makes an authority for clients, ca.pem; \
                 `trenza cert sign --client NAME` makes the certificate of one of them",
            );
        }
        if of_tls || is_secured(&error.endpoint) && !error.endpoint.contains(":cert") {
            return complaint.remedy(
                "`trenza cert self` makes a certificate with its key to develop with: \
                 tls:8443:cert=localhost.pem",
            );
        }
        complaint
    }

    /// A port that cannot be listened on; None: the error says all there is to say.
    fn port(kind: ErrorKind, option: &str, endpoint: &str, place: &Place<'_>) -> Option<Self> {
        let port = place.port;
        match kind {
            ErrorKind::AddrInUse => {
                let other = place.with(port.checked_add(1).unwrap_or(8080));
                let what = format!("port {port} is taken: another program listens on {endpoint}");
                let remedy = format!("choose another one with {option} {other}; port 0 is any that is free");
                Some(Self::new(what).remedy(remedy))
            }
            ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
                let other = place.with(port + 8000);
                let what = format!("no right to listen on port {port} ({endpoint})");
                Some(Self::new(what).remedy(format!(
                    "ports below 1024 are for root, or for a program that was given them by \
                     `setcap cap_net_bind_service=+ep FILE`; choose another one with {option} {other}"
                )))
            }
            ErrorKind::AddrNotAvailable => {
                let what = format!("this machine does not have the address of {endpoint}");
                let remedy = "leave interface= out for all addresses:";
                Some(Self::new(what).remedy(format!("{remedy} {option} {}{port}", place.before)))
            }
            _ => None,
        }
    }

    /// A UNIX socket that cannot be listened on; None: the error says all there is to say.
    fn socket(kind: ErrorKind, endpoint: &str, error: &(dyn Error + 'static)) -> Option<Self> {
        let remedy = match kind {
            ErrorKind::AddrInUse => {
                let what = format!("another program listens on {endpoint}");
                return Some(Self::new(what).remedy("choose another path, or stop the other program"));
            }
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                "the folder of a socket must be there: make it, or choose another path"
            }
            ErrorKind::PermissionDenied => {
                "choose a folder where you may make files: `ls -ld FOLDER` shows who may"
            }
            ErrorKind::AlreadyExists => "choose another path, or remove the file",
            ErrorKind::InvalidInput => "choose a shorter path, or start the program in the socket's folder",
            _ => return None,
        };
        Some(Self::new(error).remedy(remedy))
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

    /// A certificate that may not sign others.
    pub(crate) fn not_authority(path: &Path) -> Self {
        Self::new(format!("{} is no authority's certificate: it may not sign others", path.display()))
            .remedy("`trenza cert ca` makes an authority, and --ca FILE --ca-key FILE name its files")
    }

    /// An authority that is worth nothing any more.
    pub(crate) fn expired_authority(path: &Path) -> Self {
        Self::new(format!("{} has expired: nobody trusts what it signs", path.display())).remedy(
            "`trenza cert ca --force` makes another one; who trusts the old one must be given its certificate",
        )
    }

    /// A file that cannot be written.
    pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Self {
        let complaint = Self::new(format!("cannot write {}: {error}", path.display()));
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                complaint.remedy("--out FILE writes it elsewhere; the folder must be there")
            }
            _ => complaint,
        }
    }

    /// A certificate that cannot be made.
    pub(crate) fn certificate(why: impl fmt::Display) -> Self {
        Self::new(format!("the certificate cannot be made: {why}"))
    }

    /// An endpoint that cannot be connected to, whatever happens: its string is wrong, or a file that it names.
    pub(crate) fn target(endpoint: &str, error: &(dyn Error + 'static)) -> Self {
        match error.is::<TlsError>() {
            true => Self::new(format!("nobody can be connected to {endpoint}: {error}")).remedy(
                "ca=FILE has the certificate of who has signed the server's, as ca.pem of `trenza cert ca`; \
                 cert=FILE is one's own, as `trenza cert sign --client NAME` makes it",
            ),
            false => Self { code: 2, ..Self::new(error) },
        }
    }

    /// An endpoint for datagrams where connections are to go.
    pub(crate) fn datagrams(endpoint: &str) -> Self {
        let what = format!("{endpoint} is for datagrams, and connections do not go there");
        Self { code: 2, ..Self::new(what).remedy("write it like tcp:example.org:80 or tcp:[::1]:80") }
    }

    /// A password file that cannot be read; `UnexpectedEof`: there is nobody in it.
    pub(crate) fn password_file(path: &Path, error: &io::Error) -> Self {
        let shown = path.display();
        let remedy = "it has a line of NAME:PASSWORD for each user, or with --user the password alone";
        match error.kind() {
            ErrorKind::NotFound => Self::new(format!("there is no file {shown}")).remedy(remedy),
            ErrorKind::UnexpectedEof => Self::new(format!("there is no user in {shown}")).remedy(remedy),
            ErrorKind::IsADirectory => Self::new(format!("{shown} is a folder")).remedy("name a file in it"),
            ErrorKind::InvalidData => Self::new(format!("{shown} is no text in UTF-8")).remedy(remedy),
            ErrorKind::PermissionDenied => Self::new(format!("no right to read the file {shown}"))
                .remedy(format!("`ls -l {shown}` shows who may: run as that user, or change it with chmod")),
            _ => Self::new(format!("cannot read the file {shown}: {error}")),
        }
    }

    /// A password file with something wrong in it.
    pub(crate) fn users(path: &Path, error: &UsersError) -> Self {
        Self::new(format!("in {}: {error}", path.display()))
            .remedy("a line is NAME:PASSWORD, of 1 to 255 bytes each, or with --user the password alone")
    }

    /// The only user, whose name or password cannot be one.
    pub(crate) fn only_user(path: &Path, name: &str) -> Self {
        Self::new(format!(
            "the user {name:?} and the first line of {}, the password, are no pair",
            path.display()
        ))
        .remedy("name and password have 1 to 255 bytes each")
    }

    /// A file of accounts that cannot be used.
    pub(crate) fn accounts(error: &FileError, option: &str) -> Self {
        let complaint = Self::new(error);
        match error {
            FileError::Io { path, error } if error.kind() == ErrorKind::NotFound => {
                let shown = path.display();
                Self::new(format!("there is no file {shown}")).remedy(format!(
                    "`trenza user add NAME --file {shown}` makes one; {option} names another one"
                ))
            }
            FileError::Io { path, error } if error.kind() == ErrorKind::PermissionDenied => complaint.remedy(
                format!("`ls -l {}` shows who may read and change it: run as that user", path.display()),
            ),
            FileError::Content { .. } => {
                complaint.remedy("mend that line; `trenza user --help` shows what a file looks like")
            }
            _ => complaint,
        }
    }

    /// A file of aliases that cannot be used.
    pub(crate) fn aliases(error: &AliasError) -> Self {
        match error {
            AliasError::Io { path, error } if error.kind() == ErrorKind::NotFound => {
                Self::new(format!("there is no file {}", path.display()))
                    .remedy("it has a line of NAME: ADDRESS, ADDRESS for each alias")
            }
            AliasError::Content { .. } => Self::new(error)
                .remedy("mend that line; `trenza mail serve --help` shows what a file looks like"),
            _ => Self::new(error),
        }
    }

    /// An account that is there already.
    pub(crate) fn account_exists(name: &str, path: &Path) -> Self {
        Self::new(format!("there is an account {name:?} in {} already", path.display()))
            .remedy("`trenza user passwd` gives it another password, `trenza user remove` takes it away")
    }

    /// An account that is not there.
    pub(crate) fn no_account(name: &str, path: &Path) -> Self {
        Self::new(format!("there is no account {name:?} in {}", path.display()))
            .remedy(format!("`trenza user list --file {}` shows which there are", path.display()))
    }

    /// A password that cannot be one, or is not there.
    pub(crate) fn password(why: &str) -> Self {
        Self::new(why).remedy(
            "the password is typed twice, or with --password-stdin it is the first line of standard input",
        )
    }

    /// A key that everybody could fetch.
    pub(crate) fn exposed(key: &str, folder: &Path) -> Self {
        let what = format!(
            "{key} lies in {}, which is served: everybody could fetch the key in it",
            folder.display()
        );
        Self::new(what).remedy(
            "serve another folder, `trenza web DIR`, or keep the key elsewhere; a name that begins with a dot is not served",
        )
    }

    /// A folder that cannot be served.
    pub(crate) fn folder(folder: &Path, error: &io::Error) -> Self {
        let shown = folder.display();
        match error.kind() {
            ErrorKind::NotFound => {
                Self::new(format!("there is no folder {shown}")).remedy("name one that exists, or make it")
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(endpoint: &str, kind: ErrorKind) -> String {
        let complaint = Complaint::listen(endpoint, &io::Error::from(kind));
        assert!(complaint.what.contains(endpoint), "{complaint:?}");
        complaint.remedy.unwrap()
    }

    #[test]
    fn the_remedy_is_an_endpoint_that_can_be_typed() {
        for (endpoint, other) in [
            ("tcp:8080:interface=[::1]:backlog=9", "tcp:8081:interface=[::1]:backlog=9"),
            ("tcp:65535", "tcp:8080;"),
            ("tls:443:cert=a.pem", "tls:444:cert=a.pem"),
            ("udp:7007", "udp:7008"),
            ("haproxy:version=2:tcp:80:idle=3", "haproxy:version=2:tcp:81:idle=3"),
        ] {
            let remedy = remedy(endpoint, ErrorKind::AddrInUse);
            assert!(remedy.contains(&format!("--listen {other}")), "{remedy}");
        }
        assert!(remedy("udp:7:interface=192.0.2.1", ErrorKind::AddrNotAvailable).ends_with("--listen udp:7"));
    }

    #[test]
    fn what_has_no_port_is_not_said_to_have_one() {
        for endpoint in ["unix:/run/x.sock", "haproxy:unix:/run/tcp:80"] {
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
