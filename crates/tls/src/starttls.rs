//! [`StartTls`]: TLS on a connection that is there already.

use crate::{ClientTlsTo, ServerTls, TlsError, TlsLayer};
use trenza_core::{Endpoint, Layer, Result, Transport};

/// One side's TLS: a [`ServerTls`] or a [`ClientTlsTo`].
pub trait Side: sealed::Sealed + Clone + 'static {
    /// The layer of a new connection, to be pushed by hand.
    ///
    /// # Errors
    /// The configuration cannot begin a connection.
    fn layer(&self) -> Result<TlsLayer, TlsError>;

    /// The layer, or one that fails the connection with the reason why there is none.
    fn layer_or_refusal(&self) -> Box<dyn Layer> {
        boxed(self.layer())
    }

    /// Puts TLS over every connection of an endpoint, whatever that is: TCP, a UNIX socket, TLS again.
    fn over(&self, endpoint: Endpoint) -> Endpoint {
        let side = self.clone();
        endpoint.layered(move || vec![side.layer_or_refusal()])
    }
}

impl Side for ServerTls {
    fn layer(&self) -> Result<TlsLayer, TlsError> {
        Self::layer(self)
    }
}

impl Side for ClientTlsTo {
    fn layer(&self) -> Result<TlsLayer, TlsError> {
        Self::layer(self)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else can implement it")]
    pub trait Sealed {}
    impl Sealed for super::ServerTls {}
    impl Sealed for super::ClientTlsTo {}
}

/// TLS on a connection that is there already: what STARTTLS of SMTP, AUTH TLS of FTP and their kind end in.
pub trait StartTls {
    /// Speaks TLS from here on: what was written so far leaves as it is, and what was received but not read goes to
    /// TLS, so that no command that was smuggled in before reaches the protocol, also when the protocol's loop goes
    /// on reading. Nothing above hears of the connection until the handshake is done; then
    /// [`Peer::secured`](trenza_core::Peer::secured) says how it went.
    ///
    /// ```
    /// # use trenza_core::{Input, Protocol, Result, Transport};
    /// # use trenza_tls::{Identity, ServerTls, StartTls};
    /// struct Mail(ServerTls);
    ///
    /// impl Protocol for Mail {
    ///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
    ///         while let Some(command) = input.line(512)? {
    ///             if command == b"STARTTLS" && transport.peer().secured.is_none() {
    ///                 transport.write(b"220 go ahead\r\n");
    ///                 transport.start_tls(&self.0)?; // from here on `input` is empty
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The configuration cannot begin a connection.
    fn start_tls(&self, side: &impl Side) -> Result;
}

impl StartTls for Transport {
    fn start_tls(&self, side: &impl Side) -> Result {
        self.push_layer(side.layer()?);
        Ok(())
    }
}

/// The layer, or one that fails the connection with the reason why there is none.
fn boxed(layer: Result<TlsLayer, TlsError>) -> Box<dyn Layer> {
    match layer {
        Ok(layer) => Box::new(layer),
        Err(error) => refusal(error),
    }
}

/// A layer that fails the connection.
pub(crate) fn refusal(error: TlsError) -> Box<dyn Layer> {
    Box::new(Refusal(Some(error)))
}

/// A layer that was never made.
struct Refusal(Option<TlsError>);

impl Layer for Refusal {
    fn decode(
        &mut self,
        _: &mut trenza_core::Wire<'_>,
        _: &mut trenza_core::Buf,
        _: &mut trenza_core::OutBuf,
    ) -> Result<trenza_core::Flow> {
        self.refuse()?;
        Ok(trenza_core::Flow::More)
    }

    fn encode(&mut self, _: &mut trenza_core::OutBuf, _: &mut trenza_core::OutBuf) -> Result {
        self.refuse()
    }

    fn eof(&mut self, _: &mut trenza_core::Buf, _: &mut trenza_core::OutBuf) -> Result {
        self.refuse()
    }

    fn ready(&self) -> bool {
        false
    }
}

impl Refusal {
    fn refuse(&mut self) -> Result {
        match self.0.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
