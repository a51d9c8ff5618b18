//! Certificates for tests, and protocols that tell what they have heard.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519};
use std::{cell::RefCell, rc::Rc};
use trenza_core::{Input, IntoEndpoint, Protocol, Reason, Result, Transport};
use trenza_sim::{HostHandle, Net};
use trenza_tls::{ClientTls, ClientTlsBuilder, Identity, ServerTls, Side, Trust};

/// A CA with which tests sign.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names, or of a person of this name. Ed25519: its sizes are the same in every run.
    pub(crate) fn sign(&self, common: &str, names: &[&str]) -> Identity {
        Identity::from_pem(self.sign_pem(common, names).as_bytes()).unwrap()
    }

    pub(crate) fn sign_pem(&self, common: &str, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap();
        own.pem() + &key.serialize_pem()
    }

    pub(crate) fn client(&self) -> ClientTlsBuilder {
        ClientTls::new().trust(Trust::Ca(self.pem.clone().into_bytes()))
    }
}

/// What protocols have heard.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.0.borrow().iter().any(|line| line.contains(part))
    }
}

/// Sends back what comes; its end is noted.
pub(crate) struct Echo(pub(crate) Log);

impl Protocol for Echo {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        let peer = transport.peer();
        let secured = peer.secured.as_deref().ok_or("nothing is encrypted")?;
        self.0.note(format!("made {:?} {:?} {}", peer.alpn, secured.server_name, secured.version));
        if let Some(certificate) = &secured.certificate {
            self.0.note(format!("of {}", certificate.subject));
        }
        if secured.resumed {
            self.0.note("resumed");
        }
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// Sends what it has to say, notes what comes, and ends when as much has come back.
pub(crate) struct Say {
    pub(crate) what: Vec<u8>,
    pub(crate) heard: Vec<u8>,
    pub(crate) log: Log,
}

impl Say {
    pub(crate) fn new(what: impl Into<Vec<u8>>, log: &Log) -> Self {
        Self { what: what.into(), heard: Vec::new(), log: log.clone() }
    }
}

impl Protocol for Say {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        let secured = transport.peer().secured.clone().ok_or("nothing is encrypted")?;
        if secured.resumed {
            self.log.note("resumed");
        }
        transport.write(&self.what);
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.heard.extend_from_slice(input.rest());
        if self.heard.len() >= self.what.len() {
            transport.close();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        let whole = self.heard == self.what;
        self.log.note(format!("{} lost: {reason}", if whole { "whole," } else { "short," }));
    }
}

/// Has `srv` serve echoes on port 443.
pub(crate) fn serve(srv: &HostHandle, tls: &ServerTls, log: &Log) {
    let (on, log) = (tls.over("tcp:443".into_endpoint().unwrap()), log.clone());
    srv.run(|reactor| reactor.listen(on, move |_| Echo(log.clone())).map(drop)).unwrap();
}

/// Has a client say something to the server of this name on host `srv`, and notes how the connect went.
pub(crate) fn say(net: &Net, tls: &ClientTls, name: &str, what: &[u8], log: &Log) {
    let to = tls.to(name).unwrap().over("tcp:srv:443".into_endpoint().unwrap());
    let (said, told) = (Say::new(what, log), log.clone());
    net.host("cli").run(|reactor| {
        reactor.connect(to, move |_| said).then(move |made| {
            if let Err(error) = made {
                told.note(format!("not connected: {error}"));
            }
        });
    });
}
