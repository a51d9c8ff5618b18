//! From a [`Command`] to a line.

use super::{
    Command, Epsv, Error, Listed, Mechanism, Mode, Opts, Protection, Structure, TransferType, reader::IAC,
};
use crate::{
    address::{Bars, Commas},
    time,
};
use std::net::SocketAddr;
use trenza_wire::OutBuf;

impl Command {
    /// Appends the command with its line end.
    ///
    /// # Errors
    /// Ours: an argument holds NUL, CR or LF, which no line can; PORT has an IPv6 address.
    pub fn write(&self, out: &mut OutBuf) -> Result<(), Error> {
        let (verb, argument) = self.line()?;
        if argument.iter().any(|c| matches!(c, b'\0' | b'\r' | b'\n')) {
            return Err(Error::Local("NUL, CR and LF cannot be in a command"));
        }
        out.push_slice(verb.as_bytes());
        if !argument.is_empty() {
            out.push_slice(b" ");
            for piece in argument.split_inclusive(|c| *c == IAC) {
                out.push_slice(piece);
                if piece.ends_with(&[IAC]) {
                    out.push_slice(&[IAC]);
                }
            }
        }
        out.push_slice(b"\r\n");
        Ok(())
    }

    /// The verb, in upper case.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Acct(_) => "ACCT",
            Self::Rein => "REIN",
            Self::Quit => "QUIT",
            Self::Host(_) => "HOST",
            Self::Lang(_) => "LANG",
            Self::Cwd(_) => "CWD",
            Self::Cdup => "CDUP",
            Self::Pwd => "PWD",
            Self::Mkd(_) => "MKD",
            Self::Rmd(_) => "RMD",
            Self::Dele(_) => "DELE",
            Self::Rnfr(_) => "RNFR",
            Self::Rnto(_) => "RNTO",
            Self::Type(_) => "TYPE",
            Self::Mode(_) => "MODE",
            Self::Stru(_) => "STRU",
            Self::Port(_) => "PORT",
            Self::Eprt(_) => "EPRT",
            Self::Pasv => "PASV",
            Self::Epsv(_) => "EPSV",
            Self::Retr(_) => "RETR",
            Self::Stor(_) => "STOR",
            Self::Stou => "STOU",
            Self::Appe(_) => "APPE",
            Self::Allo(_) => "ALLO",
            Self::Rest(_) => "REST",
            Self::Abor => "ABOR",
            Self::List(_) => "LIST",
            Self::Nlst(_) => "NLST",
            Self::Mlst(_) => "MLST",
            Self::Mlsd(_) => "MLSD",
            Self::Size(_) => "SIZE",
            Self::Mdtm(_) => "MDTM",
            Self::Mfmt(..) => "MFMT",
            Self::Hash(_) => "HASH",
            Self::Stat(_) => "STAT",
            Self::Auth(_) => "AUTH",
            Self::Pbsz(_) => "PBSZ",
            Self::Prot(_) => "PROT",
            Self::Ccc => "CCC",
            Self::Feat => "FEAT",
            Self::Opts(_) => "OPTS",
            Self::Site(_) => "SITE",
            Self::Syst => "SYST",
            Self::Help(_) => "HELP",
            Self::Noop => "NOOP",
        }
    }

    fn line(&self) -> Result<(&'static str, Vec<u8>), Error> {
        let argument = match self {
            Self::User(bytes)
            | Self::Cwd(bytes)
            | Self::Mkd(bytes)
            | Self::Rmd(bytes)
            | Self::Dele(bytes)
            | Self::Rnfr(bytes)
            | Self::Rnto(bytes)
            | Self::Retr(bytes)
            | Self::Stor(bytes)
            | Self::Appe(bytes)
            | Self::Size(bytes)
            | Self::Mdtm(bytes)
            | Self::Hash(bytes) => bytes.clone(),
            Self::Mlst(path) | Self::Mlsd(path) | Self::Stat(path) => path.clone().unwrap_or_default(),
            Self::Pass(secret) | Self::Acct(secret) => secret.bytes().into(),
            Self::Host(name) => name.clone().into(),
            Self::Lang(text) | Self::Help(text) => text.clone().unwrap_or_default().into(),
            Self::List(listed) | Self::Nlst(listed) => listed.write(),
            Self::Mfmt(at, path) => [time::write(*at).as_bytes(), b" ", path].concat(),
            Self::Allo(number) | Self::Rest(number) => number.to_string().into(),
            Self::Pbsz(number) => number.to_string().into(),
            Self::Port(SocketAddr::V4(addr)) => Commas(*addr).to_string().into(),
            Self::Port(SocketAddr::V6(_)) => return Err(Error::Local("PORT has no IPv6 addresses")),
            Self::Eprt(addr) => Bars(*addr).to_string().into(),
            Self::Opts(opts) => opts.write(),
            Self::Site(site) => site.write(),
            _ => self.letter().into(),
        };
        Ok((self.verb(), argument))
    }

    /// The argument of commands whose arguments are letters or words of the protocol.
    fn letter(&self) -> &'static [u8] {
        match self {
            Self::Type(TransferType::Ascii) => b"A",
            Self::Type(TransferType::Image) => b"I",
            Self::Mode(Mode::Stream) => b"S",
            Self::Mode(Mode::Block) => b"B",
            Self::Mode(Mode::Compressed) => b"C",
            Self::Mode(Mode::Deflate) => b"Z",
            Self::Stru(Structure::File) => b"F",
            Self::Stru(Structure::Record) => b"R",
            Self::Stru(Structure::Page) => b"P",
            Self::Epsv(Epsv::Of(crate::Family::V4)) => b"1",
            Self::Epsv(Epsv::Of(crate::Family::V6)) => b"2",
            Self::Epsv(Epsv::All) => b"ALL",
            Self::Auth(Mechanism::Tls) => b"TLS",
            Self::Auth(Mechanism::TlsProtected) => b"SSL",
            Self::Prot(Protection::Clear) => b"C",
            Self::Prot(Protection::Private) => b"P",
            _ => b"",
        }
    }
}

impl Listed {
    fn write(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (on, letter) in [(self.all, b'a'), (self.recursive, b'R'), (self.itself, b'd')] {
            if on {
                text.extend([b'-', letter, b' ']);
            }
        }
        let path = self.path.as_deref().unwrap_or_default();
        if path.starts_with(b"-") {
            text.extend(b"-- ");
        }
        text.extend(path);
        if path.is_empty() {
            text.pop();
        }
        text
    }
}

impl Opts {
    fn write(&self) -> Vec<u8> {
        match self {
            Self::Utf8(true) => b"UTF8 ON".to_vec(),
            Self::Utf8(false) => b"UTF8 OFF".to_vec(),
            Self::Mlst(facts) => format!("MLST {facts}").trim_end().into(),
            Self::Hash(Some(algorithm)) => format!("HASH {algorithm}").into(),
            Self::Hash(None) => b"HASH".to_vec(),
        }
    }
}
