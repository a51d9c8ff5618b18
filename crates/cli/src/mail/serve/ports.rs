//! [`Ports`]: the options that say where to listen for what.

use crate::{
    certificates::{self, Certificates},
    complaint::Complaint,
    passing::shown,
    terminal::{say, warn},
};
use Mode::{Lmtp, Reception, Submission};
use Purpose::{Pop3, Smtp};
use trenza::{Addr, Endpoint, Result, mail::smtp::server::Mode, tls::ServerTls};

/// Where it listens if nothing is said.
const RECEPTION: &str = "tcp:2525:interface=127.0.0.1";
const SUBMISSION: &str = "tcp:2587:interface=127.0.0.1";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Ports")]
pub(super) struct Ports {
    /// Receives mail for the domains from everybody, usually on tcp:25. May be repeated, as those below [default, with
    /// none of them: tcp:2525:interface=127.0.0.1]
    #[arg(long, value_name = "ENDPOINT")]
    smtp: Vec<String>,

    /// Takes mail from those who log in, usually on tcp:587, and on tls:465 with TLS from the start [default, with none and
    /// where they could log in: tcp:2587:interface=127.0.0.1]
    #[arg(long, value_name = "ENDPOINT")]
    submission: Vec<String>,

    /// Takes mail from a server that has received it, usually on unix:/run/trenza/lmtp
    #[arg(long, value_name = "ENDPOINT")]
    lmtp: Vec<String>,

    /// Lets accounts fetch their mail, usually on tls:995, and on tcp:110 with TLS by STLS
    #[arg(long, value_name = "ENDPOINT")]
    pop3: Vec<String>,

    #[command(flatten)]
    pub(super) certificates: Certificates,

    /// Let people log in over connections that are not protected: whoever listens learns their passwords
    #[arg(long, help_heading = "TLS")]
    pub(super) allow_plain_auth: bool,

    /// Let accounts send what says that it is from others in its field From, as lists do: whom it comes back to must be
    /// their own address all the same
    #[arg(long)]
    pub(super) any_author: bool,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Smtp(Mode),
    Pop3,
}

/// A port, before it listens.
pub(super) struct Planned<'a> {
    pub(super) purpose: Purpose,
    /// The option, and what was said to it.
    pub(super) option: &'static str,
    text: &'a str,
}

/// A port that listens.
pub(super) struct Bound {
    purpose: Purpose,
    addr: Addr,
    secured: bool,
}

impl Ports {
    /// Where to listen, for what.
    pub(super) fn planned(&self) -> Vec<Planned<'_>> {
        let all = [
            (Smtp(Reception), "--smtp", &self.smtp),
            (Smtp(Submission), "--submission", &self.submission),
            (Smtp(Lmtp), "--lmtp", &self.lmtp),
            (Pop3, "--pop3", &self.pop3),
        ];
        let ports = all.into_iter().flat_map(|(purpose, option, texts)| {
            texts.iter().map(move |text| Planned { purpose, option, text })
        });
        let mut planned: Vec<_> = ports.collect();
        if planned.is_empty() {
            planned.push(Planned { purpose: Smtp(Reception), option: "--smtp", text: RECEPTION });
            if self.certificates.offers() || self.allow_plain_auth {
                planned.push(Planned { purpose: Smtp(Submission), option: "--submission", text: SUBMISSION });
            }
        }
        planned
    }

    /// Whether somebody can log in at every port that is for those who have.
    pub(super) fn check(&self) -> Result {
        for Planned { purpose, text, .. } in self.planned() {
            let closed = !self.certificates.offers() && !self.allow_plain_auth && !text.contains(":cert");
            if matches!(purpose, Smtp(Submission) | Pop3) && closed {
                let what = format!(
                    "nobody could log in on {text}: passwords are for TLS, and there is no certificate"
                );
                return Err(Complaint::new(what)
                    .code(2)
                    .remedy(
                        "--tls-cert FILE has one, which `trenza cert self` makes to try; \
                         --allow-plain-auth takes passwords that everybody on the way can read",
                    )
                    .into());
            }
        }
        Ok(())
    }

    /// Says what listens where.
    pub(super) fn say(&self, bound: &[Bound]) {
        for Bound { purpose, addr, secured } in bound {
            let scheme = match (purpose, secured) {
                (Smtp(Lmtp), _) => "lmtp://",
                (Pop3, false) => "pop3://",
                (Pop3, true) => "pop3s://",
                (_, false) => "smtp://",
                (_, true) => "smtps://",
            };
            let what = match purpose {
                Smtp(Reception) => "receives",
                Smtp(Submission) => "takes what accounts send",
                Smtp(Lmtp) => "takes what other servers have received",
                Pop3 => "gives accounts their mail",
            };
            let tls = match (secured, self.certificates.offers()) {
                (true, _) => ", with TLS from the start",
                (false, true) if *purpose == Pop3 => ", with TLS by STLS",
                (false, true) => ", with TLS by STARTTLS",
                (false, false) => "",
            };
            say(&format!("{} ({what}{tls})", shown(scheme, addr, "")));
        }
        let outside = |addr: &Addr| addr.ip().is_some_and(|ip| !ip.is_loopback());
        let open =
            |purpose: Purpose| bound.iter().any(|bound| bound.purpose == purpose && outside(&bound.addr));
        if open(Smtp(Lmtp)) {
            warn(
                "whoever reaches a port of LMTP is believed: unix:PATH, or interface=127.0.0.1, is for this machine only",
            );
        }
        if (open(Smtp(Submission)) || open(Pop3)) && self.allow_plain_auth {
            warn("whoever is between can read passwords: without --allow-plain-auth they are for TLS only");
        }
    }
}

impl Planned<'_> {
    /// Where to listen, and what is there then.
    pub(super) fn endpoint(&self, tls: Option<&ServerTls>) -> Result<(Endpoint, bool)> {
        certificates::endpoint(self.option, self.text, tls)
    }

    pub(super) fn bound(&self, addr: Addr, secured: bool) -> Bound {
        Bound { purpose: self.purpose, addr, secured }
    }

    pub(super) fn complaint(&self, error: &(dyn std::error::Error + 'static)) -> Complaint {
        Complaint::listen_by(self.option, self.text, error)
    }
}
