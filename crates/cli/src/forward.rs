//! `trenza forward`: connections go to another endpoint.

use crate::{
    complaint::Complaint,
    lines::{self, Lines},
    passing::Passing,
    room::Room,
    terminal::say,
};
use trenza::{ConnectTo, Connecting, Interrupted, IntoEndpoint, Reactor, Result, block_on, proxy::Forward};

const EXAMPLES: &str = "\
Examples:
  trenza forward --listen tcp:8080:interface=127.0.0.1 --to tcp:example.org:80
      Port 8080 of this machine, for itself only, is port 80 of example.org
  trenza forward --listen tcp:5432 --to tcp:[fd00::7]:5432 \\
      --log-format json 2>> forward.log
      For every machine that reaches this one; a line of JSON for each connection
  trenza forward --listen unix:/tmp/db.sock \\
      --to socks5:127.0.0.1:1080:tcp:db.example.org:5432
      From a UNIX socket through a SOCKS proxy, which looks up the name
  trenza forward --listen tls:8443:cert=localhost.pem --to tcp:localhost:8080
      TLS in front of a server that has none; `trenza cert self` makes the certificate
  trenza forward --listen tcp:6380:interface=127.0.0.1 --to tls:db.example.org:6379
      The other way round: a client without TLS reaches a server that has it

Each direction ends by itself, and neither side is read faster than the other one takes it. A client \
whose target cannot be reached is reset.

Ctrl-C (or SIGTERM) stops: connections have 10 s to come to their end. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when cut short by a second signal.";

/// Passes connections on to another endpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen: tcp:PORT for all addresses of this machine, tcp:PORT:interface=ADDRESS for one, unix:PATH,
    /// tls:PORT:cert=FILE; port 0 is any that is free. May be repeated
    #[arg(short, long, value_name = "ENDPOINT", required = true)]
    listen: Vec<String>,

    /// Where the connections go: tcp:HOST:PORT, unix:PATH, tls:HOST:PORT, or one of them through a proxy:
    /// socks5:HOST:PORT:ENDPOINT, http-proxy:HOST:PORT:ENDPOINT
    #[arg(short, long, value_name = "ENDPOINT")]
    to: String,

    #[command(flatten)]
    passing: Passing,
}

/// Forwards until it is told to stop.
pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    args.look_at_target()?;
    lines::run(&args.passing.workers, |reactor, lines| args.serve(reactor, lines, descriptors))
}

impl Args {
    /// Whether the target makes sense is known before anybody comes, the files that it names included; whether anybody is
    /// there, when the first client does.
    fn look_at_target(&self) -> Result {
        let target = self.to.clone();
        let looked = block_on(async move |reactor| {
            let endpoint = target.as_str().into_endpoint()?;
            let Connecting { to, first, .. } = endpoint.connecting(&reactor)?;
            if let ConnectTo::Datagrams { .. } | ConnectTo::UnixDatagrams(_) = to {
                return Err(Complaint::datagrams(&endpoint.to_string()).into());
            }
            for prepare in first {
                prepare(&reactor).await?;
            }
            Ok(())
        });
        looked.map_err(|error| match error.is::<Complaint>() || error.is::<Interrupted>() {
            true => error,
            false => Complaint::target(&self.to, &*error).into(),
        })
    }

    fn serve(&self, reactor: &Reactor, lines: &Lines, descriptors: u64) -> Result {
        let to = self.to.as_str().into_endpoint()?;
        let target = to.to_string();
        let forward = Forward::new(to)?;
        let forward = forward.limits(self.passing.limits()).on_end(self.passing.log(reactor, lines));
        // A client has a connection to its target, too.
        let room = Room { descriptors, reserved: 0, each: 2 };
        let all_bound = self.passing.listen(reactor, &self.listen, &forward, lines, room)?;
        if reactor.loop_index() > 0 {
            return Ok(());
        }
        say(&format!("Forwarding to {target}"));
        for bound in &all_bound {
            say(&bound.shown(""));
        }
        self.passing.workers.started();
        Ok(())
    }
}
