//! What the server can do: FEAT, OPTS, HELP, LANG (RFC 959, 2389, 2640), and TYPE, MODE, STRU, REST.

use super::session::{Session, say, say_all};
use crate::{
    Code, Reply,
    command::{Mode, Opts, Structure, TransferType, VERBS},
};
use trenza_core::Transport;

/// How many verbs stand in a line of HELP.
const VERBS_A_LINE: usize = 8;

impl Session {
    pub(super) fn features(&self, at: &Transport) {
        let mut lines = vec![
            "EPRT".to_owned(),
            "EPSV".into(),
            "HASH SHA-256*".into(),
            "HOST".into(),
            "LANG EN*".into(),
            "MDTM".into(),
            "MFMT".into(),
            format!("MLST {}", self.settings.facts.feature()),
            "REST STREAM".into(),
            "SITE CHMOD".into(),
            "SITE UTIME".into(),
            "SIZE".into(),
            "TVFS".into(),
            "UTF8".into(),
        ];
        if self.config().tls.is_some() {
            lines.splice(0..0, ["AUTH TLS".to_owned(), "PBSZ".into(), "PROT".into()]);
        }
        if self.clearing.is_some() {
            lines.insert(0, "CCC".to_owned());
        }
        // RFC 2389 section 3.2: a space before each.
        let lines = lines.iter().map(|line| format!(" {line}"));
        say_all(at, &Reply::of_lines(Code::STATUS, "Features:", lines, "End"));
    }

    pub(super) fn option(&mut self, at: &Transport, option: Opts) {
        match option {
            Opts::Utf8(true) => say(at, Code::OK, "Names are UTF-8"),
            Opts::Utf8(false) => say(at, Code::OK, "Names go as they are"),
            Opts::Mlst(facts) => {
                self.settings.facts = facts;
                // RFC 3659 section 7.9.
                say(at, Code::OK, format!("MLST OPTS {facts}").trim_end());
            }
            Opts::Hash(None) => say(at, Code::OK, "SHA-256"),
            Opts::Hash(Some(name)) if name == "SHA-256" => say(at, Code::OK, "SHA-256"),
            Opts::Hash(Some(_)) => say(at, Code::BAD_PARAMETER, "The only algorithm is SHA-256"),
        }
    }

    pub(super) fn language(&self, at: &Transport, language: Option<&str>) {
        let known = language.is_none_or(|tag| {
            let tag = tag.to_ascii_lowercase();
            tag == "en" || tag.starts_with("en-")
        });
        match known {
            true => say(at, Code::OK, "Replies are in English"),
            false => say(at, Code::BAD_PARAMETER, "Replies are in English only"),
        }
    }

    pub(super) fn help(&self, at: &Transport, about: Option<&str>) {
        let Some(about) = about else {
            let lines = VERBS.chunks(VERBS_A_LINE).map(|verbs| {
                let names: Vec<&str> = verbs.iter().map(|(verb, _)| *verb).collect();
                format!(" {}", names.join(" "))
            });
            return say_all(at, &Reply::of_lines(Code::HELP, "Commands:", lines, "HELP command says more"));
        };
        match VERBS.iter().find(|(verb, _)| *verb == about) {
            Some((verb, argument)) => say(at, Code::HELP, format!("Syntax: {verb} {argument}").trim_end()),
            None => say(at, Code::NOT_IMPLEMENTED, "This is no command"),
        }
    }

    pub(super) fn representation(&mut self, at: &Transport, kind: TransferType) {
        self.settings.kind = kind;
        match kind {
            TransferType::Ascii => say(at, Code::OK, "TYPE is A: text"),
            TransferType::Image => say(at, Code::OK, "TYPE is I: bytes"),
        }
    }

    pub(super) fn mode(&self, at: &Transport, mode: Mode) {
        match mode {
            Mode::Stream => say(at, Code::OK, "MODE is S"),
            _ => say(at, Code::BAD_PARAMETER, "The only mode is S"),
        }
    }

    pub(super) fn structure(&self, at: &Transport, structure: Structure) {
        match structure {
            Structure::File => say(at, Code::OK, "STRU is F"),
            _ => say(at, Code::BAD_PARAMETER, "The only structure is F"),
        }
    }

    pub(super) fn restart(&mut self, at: &Transport, offset: u64) {
        self.settings.restart = offset;
        say(at, Code::PENDING, format!("The next transfer begins at {offset}"));
    }
}
