//! [`Relay`]: a middlebox that knows nothing of TLS.

use trenza_sim::{HostHandle, Net, Probe, ProbeListener};

/// Between a client, which connects to `tcp:relay:1`, and a server, `tcp:srv:443`. It carries what it is told to.
pub(crate) struct Relay<'a> {
    net: &'a Net,
    host: HostHandle,
    listener: ProbeListener,
}

impl<'a> Relay<'a> {
    pub(crate) fn new(net: &'a Net) -> Self {
        let host = net.host("relay");
        let listener = host.probe_listen("tcp:1");
        Self { net, host, listener }
    }

    /// The connection of a client, and the one to the server.
    pub(crate) fn accept(self) -> Carrier<'a> {
        self.net.run();
        let near = self.listener.accept().expect("a client has come");
        Carrier { net: self.net, near, far: self.host.probe("tcp:srv:443"), carried: [0; 2] }
    }
}

/// Carries bytes to and fro.
pub(crate) struct Carrier<'a> {
    net: &'a Net,
    /// The side of the client, and that of the server.
    pub(crate) near: Probe,
    pub(crate) far: Probe,
    /// How many bytes of the client and of the server it has carried.
    pub(crate) carried: [usize; 2],
}

impl Carrier<'_> {
    /// Carries what has come since, at most until so many bytes of the client and of the server were carried in all.
    pub(crate) fn carry(&mut self, most: [usize; 2]) {
        let ways = [(&self.near, &self.far), (&self.far, &self.near)];
        for (((from, to), most), carried) in ways.into_iter().zip(most).zip(&mut self.carried) {
            let mut data = from.take_received();
            data.truncate(most - *carried);
            *carried += data.len();
            to.send(data);
            self.net.run();
        }
    }

    /// Carries everything until there is what is waited for.
    pub(crate) fn carry_until(&mut self, done: impl Fn() -> bool) {
        for _ in 0..20 {
            if done() {
                return;
            }
            self.carry([usize::MAX; 2]);
        }
        panic!("nothing comes of it");
    }
}
