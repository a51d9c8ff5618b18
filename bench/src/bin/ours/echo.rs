//! Echoes over TCP and UDP.

use trenza::prelude::*;

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

impl DatagramProtocol for Echo {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        port.send(datagram.answer(datagram.data));
        Ok(())
    }
}

async fn echo(mut stream: Stream) -> Result {
    while let Some(data) = stream.read().await? {
        stream.write_bytes(data).await?;
    }
    stream.close().await
}

/// By a protocol.
pub(crate) fn protocol(port: &str) -> Result {
    run(|reactor| reactor.listen(&format!("tcp:{port}:interface=127.0.0.1"), |_| Echo).map(drop))
}

/// By a coroutine for each connection.
pub(crate) fn coroutine(port: &str) -> Result {
    run(|reactor| reactor.serve(&format!("tcp:{port}:interface=127.0.0.1"), echo).map(drop))
}

/// Of datagrams.
pub(crate) fn datagrams(port: &str) -> Result {
    run(|reactor| reactor.udp(&format!("udp:{port}:interface=127.0.0.1"), Echo).map(drop))
}
