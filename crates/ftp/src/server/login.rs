//! Who is there, and how the connection is protected: USER to HOST (RFC 959, 7151), AUTH to PROT (RFC 4217).

use super::{
    Home,
    channel::Channel,
    cleared::Clearable,
    session::{Access, Session, User, leave, say},
};
use crate::{
    Code,
    command::{Mechanism, Protection, Secret},
};
use std::rc::Rc;
use trenza_auth::{Credentials, Denied};
use trenza_core::{Result, Transport};
use trenza_storage::{Path, Storage};
use trenza_tls::{Side, StartTls};

/// The names of nobody in particular.
const ANONYMOUS: [&[u8]; 2] = [b"anonymous", b"ftp"];

impl Session {
    /// Names and passwords would be seen by anybody on the way, and that is not allowed.
    fn lacks_tls(&self, at: &Transport) -> bool {
        let lacks = self.config().tls_required && at.peer().secured.is_none();
        if lacks {
            say(at, Code::NOT_LOGGED_IN, "Protect the connection first, with AUTH TLS");
        }
        lacks
    }

    pub(super) fn name(&mut self, at: &Transport, name: Vec<u8>) {
        if self.lacks_tls(at) {
            return;
        }
        self.log_out(at);
        self.access = Access::Named(name);
        // The same for every name: who has an account is nobody's business.
        say(at, Code::PASSWORD_NEEDED, "The password, please");
    }

    pub(super) fn password(&mut self, at: &Transport, password: Secret) {
        if self.lacks_tls(at) {
            return;
        }
        if self.user().is_some() {
            return say(at, Code::SUPERFLUOUS, "You are logged in");
        }
        let Access::Named(name) = std::mem::replace(&mut self.access, Access::Nobody) else {
            return say(at, Code::BAD_SEQUENCE, "USER comes first");
        };
        let is_anonymous = ANONYMOUS.iter().any(|own| name.eq_ignore_ascii_case(own));
        let credentials = if is_anonymous && self.config().logins.is_anonymous() {
            let trace = String::from_utf8_lossy(password.bytes()).into_owned();
            Credentials::Anonymous { trace }
        } else {
            Credentials::password(String::from_utf8_lossy(&name), password.into_bytes())
        };
        let login = self.config().logins.login(at.reactor(), credentials, &at.peer());
        self.wait(at, login, |session, at, home| {
            match home {
                Ok(home) => session.let_in(at, home),
                Err(error) => session.turn_away(at, Denied::of(&error)),
            }
            Ok(())
        });
    }

    fn let_in(&mut self, at: &Transport, home: Home) {
        let config = self.config();
        let name = &home.account.name;
        let rates = &config.rates;
        let shared = || config.pipes.within(rates.account_in, rates.account_out);
        let entered = config.seats.enter_account(name, config.limits.per_account, shared);
        let Some((place, pipes)) = entered else {
            return leave(at, Code::UNAVAILABLE, "Too many sessions of this account");
        };
        let pipes = pipes.within(rates.session_in, rates.session_out);
        let user = User {
            storage: Storage::over(at.reactor(), home.tree),
            account: home.account,
            folder: Path::root(),
            pipes,
            _place: place,
        };
        self.access = Access::In(Box::new(user));
        self.before_login = 0;
        at.set_deadline(None);
        say(at, Code::LOGGED_IN, "Logged in");
    }

    fn turn_away(&mut self, at: &Transport, denied: Denied) {
        match denied {
            Denied::Refused | Denied::Mechanism(_) => {
                self.refused += 1;
                if self.refused >= self.config().limits.login_tries {
                    return leave(at, Code::UNAVAILABLE, "Wrong name or password, too many times");
                }
                say(at, Code::NOT_LOGGED_IN, "Wrong name or password");
            }
            Denied::Busy => leave(at, Code::UNAVAILABLE, "Too many logins, try again later"),
            _ => leave(at, Code::UNAVAILABLE, "Logins do not work just now"),
        }
    }

    /// The user is forgotten, and has as long to log in again as at the beginning.
    fn log_out(&mut self, at: &Transport) {
        if self.user().is_some() {
            at.set_deadline(Some(self.config().limits.login));
        }
        self.access = Access::Nobody;
        self.settings.restart = 0;
        self.settings.renamed = None;
        std::mem::take(&mut self.channel).close();
    }

    pub(super) fn reinitialize(&mut self, at: &Transport) {
        self.log_out(at);
        self.settings.reset();
        say(at, Code::READY, "Ready for a new user");
    }

    pub(super) fn host(&self, at: &Transport, name: &str) {
        let hosts = &self.config().hosts;
        if !matches!(self.access, Access::Nobody) {
            // RFC 7151 section 3.3.
            say(at, Code::BAD_SEQUENCE, "HOST comes before USER");
        } else if hosts.is_empty() || hosts.iter().any(|own| own == name) {
            say(at, Code::READY, &self.config().banner);
        } else {
            say(at, Code::BAD_PARAMETER, "No such host here");
        }
    }

    pub(super) fn protect(&mut self, at: &Transport, mechanism: Mechanism) -> Result {
        let Some(tls) = self.config().tls.clone() else {
            say(at, Code::NOT_IMPLEMENTED, "TLS is not offered");
            return Ok(());
        };
        if at.peer().secured.is_some() {
            say(at, Code::BAD_SEQUENCE, "The connection is protected already");
            return Ok(());
        }
        self.log_out(at);
        self.settings.reset();
        if mechanism == Mechanism::TlsProtected {
            self.settings.sized = true;
            self.settings.protection = Protection::Private;
        }
        say(at, Code::SECURITY_ACCEPTED, "TLS from here on");
        if self.config().tls_clearable {
            let clearing = self.clearing.insert(Rc::default()).clone();
            at.push_layer(Clearable::new(tls.layer()?, clearing));
            return Ok(());
        }
        at.start_tls(&tls)
    }

    /// RFC 2228 section 3: from here on commands are not protected.
    pub(super) fn clear(&self, at: &Transport) {
        let config = self.config();
        match &self.clearing {
            _ if at.peer().secured.is_none() => say(at, Code::BAD_SEQUENCE, "There is no TLS to leave"),
            Some(clearing) if !config.tls_required => {
                if self.user().is_none() {
                    return say(at, Code::NOT_LOGGED_IN, "Log in first, while nobody can read it");
                }
                if clearing.replace(true) {
                    return say(at, Code::BAD_SEQUENCE, "TLS is over already");
                }
                say(at, Code::OK, "Commands are not protected from here on");
            }
            _ => say(at, Code::POLICY, "TLS cannot be left again"),
        }
    }

    pub(super) fn buffer_size(&mut self, at: &Transport) {
        if at.peer().secured.is_none() {
            return say(at, Code::BAD_SEQUENCE, "AUTH TLS comes first");
        }
        self.settings.sized = true;
        say(at, Code::OK, "PBSZ=0");
    }

    pub(super) fn protection(&mut self, at: &Transport, protection: Protection) {
        let config = self.config();
        if !self.settings.sized {
            return say(at, Code::BAD_SEQUENCE, "PBSZ comes first");
        }
        match protection {
            Protection::Private if config.tls.is_none() => {
                return say(at, Code::PROTECTION_LEVEL, "Data connections cannot be protected");
            }
            Protection::Clear if config.tls_required => {
                return say(at, Code::POLICY, "Data connections must be protected");
            }
            _ => {}
        }
        self.settings.protection = protection;
        let text = if self.settings.is_private() { "Data are protected" } else { "Data are not protected" };
        // What waits was asked for under the other setting.
        std::mem::replace(&mut self.channel, Channel::None).close();
        say(at, Code::OK, text);
    }
}
