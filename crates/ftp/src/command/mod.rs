//! Commands: what a client asks for, with its arguments checked.
//!
//! [`Reader`] takes them from a control connection at the server's end; [`Command::write`] writes them at the client's.
//! Names of files are bytes: UTF-8 by RFC 2640, and whatever else older clients send.

mod parse;
mod reader;
mod site;
mod terms;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use reader::IAC;
pub use reader::{LINE_MAX, Reader};
pub use site::Site;
pub use terms::{Epsv, Listed, Mechanism, Mode, Opts, Protection, Secret, Structure, TransferType, VERBS};

use crate::Code;
use std::{net::SocketAddr, time::SystemTime};

/// What can be wrong with a command: ours, when its argument cannot be said in a line; else the client's, with the code
/// to answer it with. The text of the error is fit for the reply.
pub type Error = trenza_wire::ProtocolError<Code>;

/// A command. A path is never empty, and holds neither NUL nor CR nor LF.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// USER: who wants in.
    User(Vec<u8>),
    /// PASS: the password, which may be empty.
    Pass(Secret),
    /// ACCT: an account beside user and password.
    Acct(Secret),
    /// REIN: as if the connection had just begun.
    Rein,
    /// QUIT: the end, after the transfer that goes on.
    Quit,
    /// HOST: which of several sites is meant (RFC 7151); lower case, an IPv6 address in its brackets.
    Host(String),
    /// LANG: the language of replies, None for the default (RFC 2640).
    Lang(Option<String>),

    /// CWD: into a folder.
    Cwd(Vec<u8>),
    /// CDUP: to the parent folder.
    Cdup,
    /// PWD: which folder is the current one.
    Pwd,
    /// MKD: makes a folder.
    Mkd(Vec<u8>),
    /// RMD: removes a folder.
    Rmd(Vec<u8>),
    /// DELE: removes a file.
    Dele(Vec<u8>),
    /// RNFR: what to rename.
    Rnfr(Vec<u8>),
    /// RNTO: what to rename it to.
    Rnto(Vec<u8>),

    /// TYPE: how data are represented.
    Type(TransferType),
    /// MODE: how data are sent.
    Mode(Mode),
    /// STRU: what a file is made of.
    Stru(Structure),
    /// PORT: an IPv4 address that the server is to connect to.
    Port(SocketAddr),
    /// EPRT: an address that the server is to connect to (RFC 2428).
    Eprt(SocketAddr),
    /// PASV: the server is to listen.
    Pasv,
    /// EPSV: the server is to listen, and to say its port only (RFC 2428).
    Epsv(Epsv),

    /// RETR: sends a file.
    Retr(Vec<u8>),
    /// STOR: takes a file.
    Stor(Vec<u8>),
    /// STOU: takes a file under a new name of the server's choice.
    Stou,
    /// APPE: takes what is to stand at the end of a file.
    Appe(Vec<u8>),
    /// ALLO: how many bytes the next file will have.
    Allo(u64),
    /// REST: the byte at which the next transfer begins.
    Rest(u64),
    /// ABOR: ends the transfer that goes on.
    Abor,

    /// LIST: a listing for people.
    List(Listed),
    /// NLST: names only.
    Nlst(Listed),
    /// MLST: facts of a file or folder, over the control connection (RFC 3659); None: the current folder.
    Mlst(Option<Vec<u8>>),
    /// MLSD: facts of what is in a folder (RFC 3659); None: the current one.
    Mlsd(Option<Vec<u8>>),
    /// SIZE: how many bytes a transfer would send (RFC 3659).
    Size(Vec<u8>),
    /// MDTM: when a file was changed (RFC 3659).
    Mdtm(Vec<u8>),
    /// MFMT: sets when a file was changed.
    Mfmt(SystemTime, Vec<u8>),
    /// HASH: the digest of a file.
    Hash(Vec<u8>),
    /// STAT: status of the server, or a listing over the control connection.
    Stat(Option<Vec<u8>>),

    /// AUTH: which protection to begin (RFC 2228, 4217).
    Auth(Mechanism),
    /// PBSZ: the size of protected pieces, 0 over TLS.
    Pbsz(u32),
    /// PROT: whether data connections are protected.
    Prot(Protection),
    /// CCC: the control connection is to go on unprotected.
    Ccc,

    /// FEAT: what the server can do beyond RFC 959 (RFC 2389).
    Feat,
    /// OPTS: an option of a command (RFC 2389).
    Opts(Opts),
    /// SITE: what this server can do beside the protocol.
    Site(Site),
    /// SYST: the kind of system.
    Syst,
    /// HELP: about a command, in upper case, or about all.
    Help(Option<String>),
    /// NOOP: nothing.
    Noop,
}
