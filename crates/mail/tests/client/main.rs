//! The client in the simulator: against our own server, and one that follows a script of lies, silence and ends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod hostile;
mod login;
mod ours;
mod remote;
mod server;
mod sessions;
mod tls;

use server::{Script, Shared, Trick};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::Result;
use trenza_mail::smtp::{
    Mail, Mailbox, Rcpt, Reply,
    client::{Client, ClientError, ClientOptions},
};
use trenza_sim::{HostHandle, Net};

/// What each recipient has come to.
type Fates = Vec<Result<Reply, ClientError>>;

/// A network with a server, `srv:25`.
struct Site {
    net: Net,
    script: Shared,
}

impl Site {
    fn new(net: Net) -> Self {
        let script: Shared = Rc::new(RefCell::new(Script::default()));
        net.host("srv").run(|reactor| server::serve(reactor, "tcp:25", &script)).unwrap();
        Self { net, script }
    }

    fn gentle() -> Self {
        Self::new(Net::gentle(1))
    }

    /// With these lines in the reply to EHLO.
    fn with(self, extensions: &[&'static str]) -> Self {
        self.script.borrow_mut().extensions = extensions.to_vec();
        self
    }

    fn change(self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.script.borrow_mut());
        self
    }

    fn trick(self, verb: &'static str, trick: Trick) -> Self {
        self.change(|script| script.tricks.push((verb, trick)))
    }

    fn client(&self) -> HostHandle {
        self.net.host("cli")
    }

    /// Runs a client.
    fn run<T: 'static>(
        &self,
        options: ClientOptions,
        body: impl AsyncFnOnce(&mut Client) -> Result<T> + 'static,
    ) -> Result<T> {
        self.net.block_on(&self.client(), async move {
            let mut client = Client::connect("tcp:srv:25", options).await?;
            let result = body(&mut client).await;
            if client.is_open() {
                client.quit().await?;
            }
            result
        })
    }

    /// Sends a text to these names, and says goodbye.
    fn send(&self, names: &'static [&'static str], text: &[u8]) -> Result<Fates> {
        let text = text.to_vec();
        self.run(ClientOptions::new(), async move |client| Ok(send(client, names, &text).await))
    }

    /// Nothing of the client's is left.
    fn assert_quiet(&self) {
        self.net.advance(Duration::from_secs(60));
        let left = self.client().left();
        assert_eq!((left.connections, left.tasks, left.timers), (0, 0, 0), "{:?}", self.client().leftovers());
    }

    /// The commands that came, by their verbs.
    fn verbs(&self) -> Vec<String> {
        let script = self.script.borrow();
        script.heard.iter().map(|said| said.split(' ').next().unwrap().to_owned()).collect()
    }

    /// Who has which message.
    fn taken(&self) -> Vec<(String, Vec<u8>)> {
        let script = self.script.borrow();
        let each = |taken: &server::Taken| {
            let text = taken.text.clone();
            taken.recipients.iter().map(move |name| (name.clone(), text.clone())).collect::<Vec<_>>()
        };
        script.messages.iter().flat_map(each).collect()
    }
}

fn mailbox(name: &str) -> Mailbox {
    Mailbox::parse(&format!("{name}@example.org")).unwrap()
}

fn rcpts(names: &[&str]) -> Vec<Rcpt> {
    names.iter().map(|name| Rcpt::new(mailbox(name))).collect()
}

async fn send(client: &mut Client, names: &[&str], text: &[u8]) -> Fates {
    client.send(&Mail::new(Some(mailbox("me"))), &rcpts(names), text).await
}

/// The codes of replies, of errors too.
fn codes(fates: &Fates) -> Vec<u16> {
    fates
        .iter()
        .map(|fate| match fate {
            Ok(reply) => reply.code().number(),
            Err(error) => error.reply().code().number(),
        })
        .collect()
}

/// The error of a client.
fn failed<T>(result: Result<T>) -> ClientError {
    match result {
        Ok(_) => panic!("it went well"),
        Err(error) => *error.downcast::<ClientError>().unwrap(),
    }
}
