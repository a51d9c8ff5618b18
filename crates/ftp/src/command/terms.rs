//! What arguments of commands are made of.

use crate::{Family, listing::FactSet};
use std::fmt;

/// The verbs that are known, each with its argument as HELP shows it.
pub const VERBS: &[(&str, &str)] = &[
    ("ABOR", ""),
    ("ACCT", "account"),
    ("ALLO", "bytes"),
    ("APPE", "file"),
    ("AUTH", "TLS"),
    ("CCC", ""),
    ("CDUP", ""),
    ("CWD", "folder"),
    ("DELE", "file"),
    ("EPRT", "|family|address|port|"),
    ("EPSV", "[1|2|ALL]"),
    ("FEAT", ""),
    ("HASH", "file"),
    ("HELP", "[command]"),
    ("HOST", "name"),
    ("LANG", "[language]"),
    ("LIST", "[path]"),
    ("MDTM", "file"),
    ("MFMT", "YYYYMMDDHHMMSS file"),
    ("MKD", "folder"),
    ("MLSD", "[folder]"),
    ("MLST", "[path]"),
    ("MODE", "S"),
    ("NLST", "[path]"),
    ("NOOP", ""),
    ("OPTS", "command [option]"),
    ("PASS", "password"),
    ("PASV", ""),
    ("PBSZ", "0"),
    ("PORT", "h1,h2,h3,h4,p1,p2"),
    ("PROT", "C|P"),
    ("PWD", ""),
    ("QUIT", ""),
    ("REIN", ""),
    ("REST", "offset"),
    ("RETR", "file"),
    ("RMD", "folder"),
    ("RNFR", "path"),
    ("RNTO", "path"),
    ("SITE", "command"),
    ("SIZE", "file"),
    ("STAT", "[path]"),
    ("STOR", "file"),
    ("STOU", ""),
    ("STRU", "F"),
    ("SYST", ""),
    ("TYPE", "A|I"),
    ("USER", "name"),
];

/// Bytes that logs are not to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps `bytes` from being shown.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be kept by who takes them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How data are represented (RFC 959 section 3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransferType {
    /// A, also with N: text, lines end in CRLF.
    #[default]
    Ascii,
    /// I, also `L 8`: bytes as they are.
    Image,
}

/// How data are sent (RFC 959 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// S: as they are, until the connection ends.
    Stream,
    /// B: in blocks.
    Block,
    /// C: in compressed blocks.
    Compressed,
    /// Z: deflated, which is not in the RFC.
    Deflate,
}

/// What a file is made of (RFC 959 section 3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Structure {
    /// F: bytes.
    File,
    /// R: records.
    Record,
    /// P: pages.
    Page,
}

/// What EPSV asks for (RFC 2428 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Epsv {
    /// A port of the control connection's family.
    Any,
    /// A port of this family.
    Of(Family),
    /// ALL: from now on only EPSV will be used, and all else is to be refused.
    All,
}

/// The mechanisms of AUTH (RFC 4217 section 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// TLS or TLS-C: data connections are unprotected until PROT P.
    Tls,
    /// SSL or TLS-P, of drafts: data connections are protected from the start.
    TlsProtected,
}

/// PROT: how data connections are protected (RFC 2228 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protection {
    /// C: not.
    Clear,
    /// P: nobody can read or change what they carry.
    Private,
}

/// What LIST and NLST are asked for. Options are not in the RFC, and clients send them as if to `ls`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// What to list, which may be a pattern; None: the current folder.
    pub path: Option<Vec<u8>>,
    /// `-a`, `-A`: hidden names, too.
    pub all: bool,
    /// `-R`: folders in folders, too.
    pub recursive: bool,
    /// `-d`: the folder itself, not what is in it.
    pub itself: bool,
}

/// OPTS: an option of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opts {
    /// `OPTS UTF8 ON` or `OFF`: names are UTF-8.
    Utf8(bool),
    /// `OPTS MLST type;size;`: the facts that MLST and MLSD are to show (RFC 3659 section 7.9). Unknown ones are left out.
    Mlst(FactSet),
    /// `OPTS HASH`: the algorithm of HASH, in upper case; None: which one it is.
    Hash(Option<String>),
}
