//! [`Server`]: the options that say how to talk to a server.

use super::{
    trouble,
    url::{Scheme, Url},
};
use crate::{
    complaint::Complaint,
    terminal::warn,
    user::{password::first_line, typed::typed},
};
use std::{
    env, fs,
    io::{self, IsTerminal},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
    time::Duration,
};
use trenza::{
    Result,
    ftp::{ClientLimits, ClientOptions, Dial},
    tls::{ClientTls, ClientTlsTo, Trust},
};

/// Where the password may come from.
const PASSWORD: &str = "FTP_PASSWORD";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Server {
    /// TLS by AUTH TLS, as ftpes:// has it; a server that does not have it gets no password
    #[arg(long)]
    tls: bool,

    /// Trust servers that these certificates, in PEM, have signed, instead of whom the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,

    /// Verify no certificate: whoever is between can read and change everything
    #[arg(long)]
    insecure: bool,

    /// Have the server connect to this machine for data, instead of the other way round
    #[arg(long)]
    active: bool,

    /// Through a proxy: socks5:HOST:PORT, http-proxy:HOST:PORT; data connections, too
    #[arg(long, value_name = "PROXY", conflicts_with = "active")]
    via: Option<String>,

    /// The first line of standard input is the password
    #[arg(long)]
    password_stdin: bool,

    /// How long the server may be silent
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86400))]
    timeout: u64,
}

impl Server {
    /// The server of an address, with the account to use.
    pub(super) fn dial(&self, url: &Url) -> Result<Dial> {
        let silent = Duration::from_secs(self.timeout);
        let limits = ClientLimits { connect: silent, reply: silent, idle: silent, ..ClientLimits::default() };
        let mut options = ClientOptions::new().active(self.active).limits(limits);
        match (url.scheme, self.tls) {
            (Scheme::Implicit, _) => options = options.implicit_tls(self.tls_to(url)?),
            (Scheme::Explicit, _) | (Scheme::Plain, true) => {
                options = options.explicit_tls(self.tls_to(url)?)
            }
            (Scheme::Plain, false) => {}
        }
        let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
        let via = self.via.as_ref().map(|via| format!("{via}:")).unwrap_or_default();
        let endpoint = format!("{via}tcp:{host}:{}:timeout={}", url.port, self.timeout);
        if self.via.is_some() {
            options = options.data_endpoint(move |port| format!("{via}tcp:{host}:{port}"));
        }
        let dial = Dial::new(&endpoint, options)?;
        let Some(user) = &url.user else { return Ok(dial) };
        let password = match &url.password {
            Some(password) => password.clone(),
            None => self.password(user, &url.host)?,
        };
        Ok(dial.account(user.as_bytes(), password))
    }

    fn password(&self, user: &str, host: &str) -> Result<Vec<u8>> {
        if self.password_stdin {
            return Ok(first_line(io::stdin().lock())?.bytes().into());
        }
        if let Some(password) = env::var_os(PASSWORD) {
            return Ok(password.into_vec());
        }
        if !io::stdin().is_terminal() {
            return Err(trouble::no_password(user).into());
        }
        Ok(typed(&format!("Password of {user} at {host}: "))?.bytes().into())
    }

    fn tls_to(&self, url: &Url) -> Result<ClientTlsTo> {
        let trust = match &self.ca {
            _ if self.insecure => {
                warn("no certificate is verified: whoever is between can read and change everything");
                Trust::DangerouslyAnybody
            }
            Some(path) => {
                Trust::Ca(fs::read(path).map_err(|error| Complaint::file(path, &error.to_string()))?)
            }
            None => Trust::Platform,
        };
        let tls = ClientTls::new().trust(trust).build();
        let tls = match (&self.ca, tls) {
            (Some(path), Err(error)) => return Err(Complaint::file(path, &error.to_string()).into()),
            (_, tls) => tls?,
        };
        Ok(tls.to(&url.host)?)
    }
}
