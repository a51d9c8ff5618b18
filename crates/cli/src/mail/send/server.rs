//! [`Server`]: the options that say how to talk to the server.

use super::trouble;
use crate::{complaint::Complaint, endpoint::host_and_port, terminal::warn, user::password::first_line};
use std::{
    env,
    fs::{self, File},
    io::BufReader,
    os::unix::ffi::OsStringExt,
    path::PathBuf,
    time::Duration,
};
use trenza::{
    Endpoint, IntoEndpoint, Result,
    auth::Secret,
    mail::smtp::{
        Host,
        client::{ClientLimits, ClientOptions},
    },
    tls::{ClientTls, ClientTlsTo, Trust},
};

/// Where the password may come from.
const PASSWORD: &str = "MAIL_PASSWORD";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Server {
    /// The server that takes it: tcp:HOST:25, tcp:HOST:587 with --starttls, tls:HOST:465, unix:PATH
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp:localhost:25")]
    server: String,

    /// Logs in as this user; the password comes from MAIL_PASSWORD in the environment, or a file
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The first line of this file is the password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// TLS by STARTTLS; a server that does not have it, or is not trusted, gets no message
    #[arg(long)]
    starttls: bool,

    /// Trust servers that these certificates, in PEM, have signed, instead of whom the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,

    /// Verify no certificate: whoever is between can read and change everything
    #[arg(long)]
    insecure: bool,

    /// Whom the server's certificate must be for, where it is not the host of the endpoint
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,

    /// Logs in without TLS, too: who listens learns the password
    #[arg(long)]
    allow_plain_auth: bool,

    /// Speaks LMTP
    #[arg(long)]
    lmtp: bool,

    /// What this machine calls itself. Default: its address
    #[arg(long, value_name = "NAME", value_parser = host)]
    hostname: Option<Host>,

    /// How long the server may be silent; half an hour at most, where RFC 5321 has 2 to 10 minutes
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=1800))]
    timeout: Option<u64>,
}

fn host(text: &str) -> Result<Host, String> {
    Host::parse(text).ok_or_else(|| "this is no domain, and no address in brackets".to_owned())
}

impl Server {
    pub(super) fn of(&self) -> Result<(Endpoint, ClientOptions)> {
        let server = self.endpoint()?;
        let endpoint = (&server).into_endpoint().map_err(|error| Complaint::target(&server, &*error))?;
        let mut options = ClientOptions::new().lmtp(self.lmtp).allow_plain_auth(self.allow_plain_auth);
        if let Some(name) = &self.hostname {
            options = options.name(name.clone());
        }
        if let Some(seconds) = self.timeout {
            options = options.limits(limits(Duration::from_secs(seconds)));
        }
        if self.starttls {
            options = options.starttls(self.tls_to()?);
        }
        if let Some(user) = &self.user {
            options = options.login(user, self.password(user)?);
        }
        Ok((endpoint, options))
    }

    /// The endpoint, with what options say of TLS that begins with the connection.
    fn endpoint(&self) -> Result<String> {
        let options = self.ca.is_some() || self.insecure || self.tls_name.is_some();
        if self.starttls || !options {
            return Ok(self.server.clone());
        }
        if !self.server.starts_with("tls:") {
            let what = format!("{} has no TLS, which --ca, --insecure and --tls-name are about", self.server);
            let remedy = "--starttls begins it; with --server tls:HOST:465 it is there from the start";
            return Err(Complaint::new(what).code(2).remedy(remedy).into());
        }
        let mut server = self.server.clone();
        if let Some(ca) = &self.ca {
            let path = ca.to_str().ok_or_else(|| Complaint::file(ca, "its name must be UTF-8"))?;
            server += &format!(":ca={}", escaped(path));
        }
        if self.insecure {
            warn_of_anybody();
            server += ":dangerously-trust-anybody=yes";
        }
        if let Some(name) = &self.tls_name {
            server += &format!(":server-name={}", escaped(name));
        }
        Ok(server)
    }

    fn password(&self, user: &str) -> Result<Secret> {
        if let Some(path) = &self.password_file {
            let read = File::open(path).and_then(|file| first_line(BufReader::new(file)));
            return read.map_err(|error| Complaint::file(path, &error.to_string()).into());
        }
        let password = env::var_os(PASSWORD).ok_or_else(|| trouble::no_password(user))?;
        Ok(Secret::new(password.into_vec()))
    }

    fn tls_to(&self) -> Result<ClientTlsTo> {
        let of_endpoint = || host_and_port(&self.server).map(|(host, _)| host);
        let name = self.tls_name.as_deref().or_else(of_endpoint);
        let name = name.ok_or_else(|| {
            Complaint::new(format!("whom must the certificate of {} be for?", self.server))
                .code(64)
                .remedy("--tls-name NAME says it")
        })?;
        let trust = match &self.ca {
            _ if self.insecure => {
                warn_of_anybody();
                Trust::DangerouslyAnybody
            }
            Some(path) => {
                Trust::Ca(fs::read(path).map_err(|error| Complaint::file(path, &error.to_string()))?)
            }
            None => Trust::Platform,
        };
        let tls = match (&self.ca, ClientTls::new().trust(trust).build()) {
            (Some(path), Err(error)) => return Err(Complaint::file(path, &error.to_string()).into()),
            (_, tls) => tls?,
        };
        Ok(tls.to(name)?)
    }
}

fn warn_of_anybody() {
    warn("no certificate is verified: whoever is between can read and change everything");
}

/// A value as it stands in an endpoint string.
fn escaped(value: &str) -> String {
    let special = |c| matches!(c, ':' | '\\' | '[' | ']');
    value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The same time for all that is waited for.
fn limits(silent: Duration) -> ClientLimits {
    ClientLimits {
        connect: silent,
        greeting: silent,
        command: silent,
        mail: silent,
        rcpt: silent,
        data: silent,
        block: silent,
        end: silent,
        ..ClientLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Options {
        #[command(flatten)]
        server: Server,
    }

    fn endpoint(options: &str) -> Result<String> {
        Options::try_parse_from(format!("send {options}").split(' '))?.server.endpoint()
    }

    #[test]
    fn what_is_said_of_tls_goes_to_the_endpoint_where_it_begins_there() {
        for (options, wanted) in [
            ("--server tls:mx:465", "tls:mx:465"),
            (
                "--server tls:mx:465 --ca a:b.pem --tls-name x.org",
                r"tls:mx:465:ca=a\:b.pem:server-name=x.org",
            ),
            ("--server tls:[::1]:465 --insecure", "tls:[::1]:465:dangerously-trust-anybody=yes"),
            ("--starttls --ca a.pem --server tcp:mx:587", "tcp:mx:587"),
        ] {
            assert_eq!(endpoint(options).unwrap(), wanted, "{options}");
        }
        assert!(endpoint("--ca a.pem --server tcp:mx:25").is_err());
    }
}
