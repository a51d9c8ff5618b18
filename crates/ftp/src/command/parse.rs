//! From a line to a [`Command`].

use super::{
    Command, Epsv, Error, Listed, Mechanism, Mode, Opts, Protection, Secret, Site, Structure, TransferType,
    site::word,
};
use crate::{
    Code, Family,
    address::{Extended, parse_eprt, parse_port},
    listing::FactSet,
    time::{self, number},
};

/// The longest name of a host (RFC 1035), with room for brackets.
const HOST_MAX: usize = 255;

/// The client's fault.
pub(super) fn fault<T>(code: Code, what: &'static str) -> Result<T, Error> {
    Err(Error::Remote { what, reply: code })
}

fn bad<T>(what: &'static str) -> Result<T, Error> {
    fault(Code::BAD_ARGUMENT, what)
}

/// An argument: what stands behind the one space after the verb.
#[derive(Clone, Copy)]
struct Argument<'a>(&'a [u8]);

impl Argument<'_> {
    /// A path, spaces at its ends included.
    fn path(self) -> Result<Vec<u8>, Error> {
        if self.0.is_empty() { bad("a path is missing") } else { Ok(self.0.into()) }
    }

    fn maybe_path(self) -> Option<Vec<u8>> {
        Some(self.0).filter(|path| !path.is_empty()).map(Into::into)
    }

    /// Nothing. Spaces do not matter.
    fn none(self, command: Command) -> Result<Command, Error> {
        if self.0.trim_ascii().is_empty() { Ok(command) } else { bad("this command has no argument") }
    }

    fn upper(self) -> Vec<u8> {
        self.0.trim_ascii().to_ascii_uppercase()
    }

    fn number(self) -> Option<u64> {
        number(self.0.trim_ascii())
    }

    /// A word of ASCII that can be shown; None: there is none.
    fn shown(self) -> Result<Option<String>, Error> {
        let text = self.0.trim_ascii();
        if !text.iter().all(u8::is_ascii_graphic) {
            return bad("the argument is not one word of ASCII");
        }
        let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty());
        Ok(text.map(Into::into))
    }
}

impl Command {
    /// Reads a line without its end, free of Telnet's sequences.
    ///
    /// # Errors
    /// The client's: it is no command, or its argument is wrong.
    pub fn parse(line: &[u8]) -> Result<Self, Error> {
        if line.iter().any(|c| matches!(c, b'\0' | b'\r' | b'\n')) {
            return bad("NUL and CR cannot be in a command");
        }
        let (verb, rest) = word(line);
        let verb = verb.to_ascii_uppercase();
        let argument = Argument(rest);
        if let Some(command) = Self::access(&verb, argument).transpose()? {
            return Ok(command);
        }
        if let Some(command) = Self::parameter(&verb, argument).transpose()? {
            return Ok(command);
        }
        if let Some(command) = Self::file(&verb, argument).transpose()? {
            return Ok(command);
        }
        match &*verb {
            b"" => fault(Code::NOT_UNDERSTOOD, "a command is missing"),
            b"SMNT" | b"ADAT" | b"CONF" | b"ENC" | b"MIC" | b"MFCT" | b"MFF" | b"RANG" | b"LPRT"
            | b"LPSV" => fault(Code::NOT_IMPLEMENTED, "this command is not implemented"),
            _ => fault(Code::NOT_UNDERSTOOD, "this is no command"),
        }
    }

    /// Who is there, what can be done, and how it is protected.
    fn access(verb: &[u8], argument: Argument<'_>) -> Option<Result<Self, Error>> {
        Some(match verb {
            b"USER" => match argument.0 {
                b"" => bad("USER wants a name"),
                name => Ok(Self::User(name.into())),
            },
            b"PASS" => Ok(Self::Pass(Secret::new(argument.0))),
            b"ACCT" => Ok(Self::Acct(Secret::new(argument.0))),
            b"REIN" => argument.none(Self::Rein),
            b"QUIT" => argument.none(Self::Quit),
            b"HOST" => host(argument),
            b"LANG" => argument.shown().map(Self::Lang),
            b"AUTH" => match &*argument.upper() {
                b"TLS" | b"TLS-C" => Ok(Self::Auth(Mechanism::Tls)),
                b"SSL" | b"TLS-P" => Ok(Self::Auth(Mechanism::TlsProtected)),
                b"" => bad("AUTH wants a mechanism"),
                _ => fault(Code::BAD_PARAMETER, "the only mechanism is TLS"),
            },
            b"PBSZ" => match argument.number().and_then(|size| u32::try_from(size).ok()) {
                Some(size) => Ok(Self::Pbsz(size)),
                None => bad("PBSZ wants a number"),
            },
            b"PROT" => match &*argument.upper() {
                b"C" => Ok(Self::Prot(Protection::Clear)),
                b"P" => Ok(Self::Prot(Protection::Private)),
                b"S" | b"E" => fault(Code::PROTECTION_LEVEL, "TLS has the levels C and P"),
                _ => fault(Code::BAD_PARAMETER, "PROT is C or P"),
            },
            b"CCC" => argument.none(Self::Ccc),
            b"FEAT" => argument.none(Self::Feat),
            b"OPTS" => opts(argument.0).map(Self::Opts),
            b"SITE" => Site::parse(argument.0).map(Self::Site),
            b"SYST" => argument.none(Self::Syst),
            b"HELP" => argument.shown().map(|about| Self::Help(about.map(|verb| verb.to_ascii_uppercase()))),
            b"NOOP" => Ok(Self::Noop),
            _ => return None,
        })
    }

    /// How data are transferred.
    fn parameter(verb: &[u8], argument: Argument<'_>) -> Option<Result<Self, Error>> {
        Some(match verb {
            b"TYPE" => transfer_type(&argument.upper()).map(Self::Type),
            b"MODE" => match &*argument.upper() {
                b"S" => Ok(Self::Mode(Mode::Stream)),
                b"B" => Ok(Self::Mode(Mode::Block)),
                b"C" => Ok(Self::Mode(Mode::Compressed)),
                b"Z" => Ok(Self::Mode(Mode::Deflate)),
                b"" => bad("MODE wants a letter"),
                _ => fault(Code::BAD_PARAMETER, "the only mode is S"),
            },
            b"STRU" => match &*argument.upper() {
                b"F" => Ok(Self::Stru(Structure::File)),
                b"R" => Ok(Self::Stru(Structure::Record)),
                b"P" => Ok(Self::Stru(Structure::Page)),
                b"" => bad("STRU wants a letter"),
                _ => fault(Code::BAD_PARAMETER, "the only structure is F"),
            },
            b"PORT" => match parse_port(argument.0).filter(|addr| addr.port() != 0) {
                Some(addr) => Ok(Self::Port(addr.into())),
                None => bad("PORT wants h1,h2,h3,h4,p1,p2"),
            },
            b"EPRT" => match parse_eprt(argument.0) {
                Ok(addr) => Ok(Self::Eprt(addr)),
                Err(Extended::Malformed) => bad("EPRT wants |family|address|port|"),
                Err(Extended::UnknownFamily) => {
                    fault(Code::NETWORK_PROTOCOL, "Network protocol not supported, use (1,2)")
                }
            },
            b"PASV" => argument.none(Self::Pasv),
            b"EPSV" => match &*argument.upper() {
                b"" => Ok(Self::Epsv(Epsv::Any)),
                b"1" => Ok(Self::Epsv(Epsv::Of(Family::V4))),
                b"2" => Ok(Self::Epsv(Epsv::Of(Family::V6))),
                b"ALL" => Ok(Self::Epsv(Epsv::All)),
                other if number(other).is_some() => {
                    fault(Code::NETWORK_PROTOCOL, "Network protocol not supported, use (1,2)")
                }
                _ => bad("EPSV wants nothing, 1, 2 or ALL"),
            },
            b"REST" => match argument.number() {
                Some(offset) => Ok(Self::Rest(offset)),
                None => bad("REST wants an offset"),
            },
            b"ALLO" => allo(argument),
            _ => return None,
        })
    }

    /// Files and folders.
    fn file(verb: &[u8], argument: Argument<'_>) -> Option<Result<Self, Error>> {
        Some(match verb {
            b"RETR" => argument.path().map(Self::Retr),
            b"STOR" => argument.path().map(Self::Stor),
            // Some clients suggest a name, which the server need not look at (RFC 1123 section 4.1.2.9).
            b"STOU" => Ok(Self::Stou),
            b"APPE" => argument.path().map(Self::Appe),
            b"ABOR" => argument.none(Self::Abor),
            b"CWD" | b"XCWD" => argument.path().map(Self::Cwd),
            b"CDUP" | b"XCUP" => argument.none(Self::Cdup),
            b"PWD" | b"XPWD" => argument.none(Self::Pwd),
            b"MKD" | b"XMKD" => argument.path().map(Self::Mkd),
            b"RMD" | b"XRMD" => argument.path().map(Self::Rmd),
            b"DELE" => argument.path().map(Self::Dele),
            b"RNFR" => argument.path().map(Self::Rnfr),
            b"RNTO" => argument.path().map(Self::Rnto),
            b"LIST" => Ok(Self::List(Listed::parse(argument.0))),
            b"NLST" => Ok(Self::Nlst(Listed::parse(argument.0))),
            b"MLST" => Ok(Self::Mlst(argument.maybe_path())),
            b"MLSD" => Ok(Self::Mlsd(argument.maybe_path())),
            b"SIZE" => argument.path().map(Self::Size),
            b"MDTM" => argument.path().map(Self::Mdtm),
            b"MFMT" => match word(argument.0) {
                (_, b"") => bad("MFMT wants a time and a path"),
                (at, path) => match time::parse(at) {
                    Some(at) => Ok(Self::Mfmt(at, path.into())),
                    None => bad("MFMT wants its time as YYYYMMDDHHMMSS"),
                },
            },
            b"HASH" => argument.path().map(Self::Hash),
            b"STAT" => Ok(Self::Stat(argument.maybe_path())),
            _ => return None,
        })
    }
}

/// RFC 959 section 5.3.2: a form or a byte size may follow.
fn transfer_type(text: &[u8]) -> Result<TransferType, Error> {
    let (letter, form) = word(text);
    match (letter, form.trim_ascii_start()) {
        (b"A", b"" | b"N") => Ok(TransferType::Ascii),
        (b"I", b"") | (b"L", b"8") | (b"L8", b"") => Ok(TransferType::Image),
        (b"A", b"T" | b"C") | (b"E", _) | (b"L", _) => {
            fault(Code::BAD_PARAMETER, "the only types are A, A N, I and L 8")
        }
        (b"", _) => bad("TYPE wants a letter"),
        _ => fault(Code::BAD_PARAMETER, "this is no type"),
    }
}

/// RFC 959 section 4.1.3: the size of records may follow; there are none here.
fn allo(argument: Argument<'_>) -> Result<Command, Error> {
    let (size, record) = word(argument.0.trim_ascii());
    let record = record.trim_ascii();
    let (letter, record) = record.split_first().unwrap_or((&b'R', b"0"));
    match number(size) {
        Some(size) if letter.eq_ignore_ascii_case(&b'R') && number(record.trim_ascii()).is_some() => {
            Ok(Command::Allo(size))
        }
        _ => bad("ALLO wants a number of bytes"),
    }
}

/// RFC 7151 section 3.1: a name or an address, an IPv6 one in brackets; no port.
fn host(argument: Argument<'_>) -> Result<Command, Error> {
    let fits = |name: &String| {
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let allowed = |c: u8| match inner {
            Some(_) => c.is_ascii_hexdigit() || matches!(c, b':' | b'.'),
            None => c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'),
        };
        let inner = inner.unwrap_or(name);
        name.len() <= HOST_MAX && !inner.is_empty() && inner.bytes().all(allowed)
    };
    match argument.shown()?.filter(fits) {
        Some(name) => Ok(Command::Host(name.to_ascii_lowercase())),
        None => bad("HOST wants the name of a host"),
    }
}

fn opts(text: &[u8]) -> Result<Opts, Error> {
    let (command, option) = word(text);
    let option = option.trim_ascii();
    match &*command.to_ascii_uppercase() {
        b"UTF8" | b"UTF-8" => match &*option.to_ascii_uppercase() {
            b"" | b"ON" => Ok(Opts::Utf8(true)),
            b"OFF" => Ok(Opts::Utf8(false)),
            _ => bad("OPTS UTF8 is ON or OFF"),
        },
        b"MLST" => Ok(Opts::Mlst(FactSet::parse(option))),
        b"HASH" => {
            let algorithm = Argument(option).shown()?;
            Ok(Opts::Hash(algorithm.map(|algorithm| algorithm.to_ascii_uppercase())))
        }
        b"" => bad("OPTS wants a command"),
        _ => bad("this command has no options"),
    }
}

impl Listed {
    /// Options, each word beginning with `-`, then the path. Behind `--` everything is the path.
    fn parse(text: &[u8]) -> Self {
        let (mut listed, mut rest) = (Self::default(), text);
        while let Some(letters) = rest.strip_prefix(b"-") {
            let (letters, after) = word(letters);
            if letters == b"-" {
                rest = after;
                break;
            }
            if !letters.iter().all(u8::is_ascii_alphanumeric) || letters.is_empty() {
                break;
            }
            for letter in letters {
                match letter {
                    b'a' | b'A' => listed.all = true,
                    b'R' => listed.recursive = true,
                    b'd' => listed.itself = true,
                    _ => {}
                }
            }
            rest = after;
        }
        listed.path = Some(rest).filter(|path| !path.is_empty()).map(Into::into);
        listed
    }
}
