//! [`send_mail`]: a message in one call.

use super::{Cause, Client, ClientError, ClientOptions, Source, Step};
use crate::smtp::{Mail, Mailbox, Rcpt};
use trenza_core::{Endpoint, IntoEndpoint};

/// A recipient that was not accepted, and why.
pub type Refused = (String, ClientError);

/// Sends a message, header and all, to a server: connects, sends, says goodbye. An empty `from` is nobody, as bounces
/// have it. Gives those of the recipients that were refused.
///
/// ```
/// use trenza_core::Result;
/// use trenza_mail::smtp::client::{ClientOptions, send_mail};
///
/// async fn greet() -> Result {
///     let text = "From: bob@example.org\nTo: ann@example.org\nSubject: hello\n\nHello!\n";
///     let refused =
///         send_mail("tcp:mx:25", ClientOptions::new(), "bob@example.org", ["ann@example.org"], text.as_bytes()).await?;
///     assert!(refused.is_empty());
///     Ok(())
/// }
/// # let net = trenza_sim::Net::new(1);
/// # assert!(net.block_on(&net.host("cli"), greet()).is_err()); // there is no such server
/// ```
///
/// # Errors
/// Nobody has got it: the server is not reached, or has refused all; or an address is none.
///
/// # Panics
/// Outside of a coroutine or callback of a reactor.
pub async fn send_mail<A: AsRef<str>>(
    server: impl IntoEndpoint,
    options: ClientOptions,
    from: &str,
    to: impl IntoIterator<Item = A>,
    message: impl Source,
) -> Result<Vec<Refused>, ClientError> {
    let local = |step, what: String| ClientError::new(&"client".into(), step, Cause::local(what));
    let address = |step, text: &str| {
        Mailbox::parse(text).ok_or_else(|| local(step, format!("{text:?} is no address of mail")))
    };
    let server: Endpoint = server.into_endpoint().map_err(|error| local(Step::Connect, error.to_string()))?;
    let from = if from.is_empty() { None } else { Some(address(Step::Mail, from)?) };
    let to: Vec<Rcpt> =
        to.into_iter().map(|to| address(Step::Rcpt, to.as_ref()).map(Rcpt::new)).collect::<Result<_, _>>()?;
    let mut client = Client::connect(server, options).await?;
    let fates = client.send(&Mail::new(from), &to, message).await;
    // What was answered is answered, however the server takes the goodbye.
    let _ = client.quit().await;
    let sent = fates.iter().any(Result::is_ok);
    let mut refused = Vec::new();
    for (rcpt, fate) in to.iter().zip(fates) {
        match fate {
            Ok(_) => {}
            Err(error) if sent => refused.push((rcpt.to.to_string(), error)),
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}
