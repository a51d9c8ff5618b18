//! What the target of SMTP's client checks; a test of `trenza-mail` replays its corpus with it.

use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_mail::smtp::{
    Mail, Mailbox, Rcpt,
    client::{Client, ClientLimits, ClientOptions},
};
use trenza_sim::Net;

/// Longer than a client waits for all that it may wait for.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// A server says the bytes up to the first zero, those up to the next one when it has heard something, and so on. Whatever they
/// are, the client comes to an end, tells something of each recipient, leaves nothing, and takes nothing for a yes
/// that is none.
pub(crate) fn smtp_client(data: &[u8]) {
    session(data, usize::MAX);
    session(data, 1);
}

/// The server says so many bytes at a time.
fn session(data: &[u8], piece: usize) {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let said: Rc<[u8]> = data.into();
    let served = srv.run(|reactor| {
        reactor.serve("tcp:25", move |mut stream| {
            let said = said.clone();
            async move {
                for part in said.split(|byte| *byte == 0) {
                    for piece in part.chunks(piece) {
                        stream.write_all(piece).await?;
                        stream.flush().await?;
                    }
                    if stream.read().await?.is_none() {
                        break;
                    }
                }
                stream.close().await
            }
        })
    });
    served.expect("nobody else listens");
    let done = Rc::new(RefCell::new(false));
    let place = done.clone();
    let client = async move {
        let limits = ClientLimits { chunking: 3, ..ClientLimits::default() };
        let options = ClientOptions::new().login("ann", "secret").allow_plain_auth(true).limits(limits);
        if let Ok(mut client) = Client::connect("tcp:srv:25", options).await {
            let to: Vec<Rcpt> =
                ["a@b", "c@d"].into_iter().filter_map(Mailbox::parse).map(Rcpt::new).collect();
            for text in [&b"x"[..], b"long\n"] {
                let fates = client.send(&Mail::new(None), &to, text).await;
                assert_eq!(fates.len(), to.len());
                assert!(fates.iter().flatten().all(|reply| reply.code().is_success()));
            }
        }
        *place.borrow_mut() = true;
        Ok(())
    };
    cli.run(|reactor| reactor.spawn(client).detach());
    net.advance(LONG);
    assert!(done.take(), "it never ends");
    let left = cli.left();
    assert_eq!((left.connections, left.tasks, left.timers), (0, 0, 0), "{:?}", cli.leftovers());
}
