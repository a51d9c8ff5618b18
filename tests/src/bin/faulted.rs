//! A server for the runs with injected faults: echo, the same for datagrams, a forwarder to it, lines that threads and programs answer, the bytes of a file
//! at once, and a folder over HTTP. It says the address of each on standard error, and why a connection ended that
//! did not end cleanly.
//!
//! `faulted FOLDER FILE`

use std::{env, fs, path::PathBuf, rc::Rc};
use trenza::{
    Reason, Result, Transport,
    prelude::*,
    run,
    web::{FileOptions, Files, Server},
};

const ANY: &str = "tcp:0:interface=127.0.0.1";
/// How often the bytes of the file are sent at once: more than the system takes for a peer that does not read.
const BULK: usize = 3;
/// The longest line that is answered.
const LINE_MAX: usize = 1000;

fn main() -> Result {
    // Where a process may only be traced by its parent, strace is not that. Elsewhere there is no such rule to lift.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    let mut args = env::args_os().skip(1);
    let (Some(folder), Some(file)) = (args.next().map(PathBuf::from), args.next()) else {
        return Err("faulted FOLDER FILE".into());
    };
    let bulk: Rc<[u8]> = fs::read(folder.join(file))?.repeat(BULK).into();
    run(|reactor| {
        let echo = reactor.listen(ANY, |_| Echo)?.addr().to_string();
        eprintln!("echo {echo}");
        let to = format!("tcp:{echo}");
        let forward = reactor.serve(ANY, move |near| told(forward(near, to.clone())))?;
        eprintln!("forward {}", forward.addr());
        eprintln!("lines {}", reactor.serve(ANY, |stream| told(lines(stream)))?.addr());
        eprintln!("bulk {}", reactor.listen(ANY, move |_| Bulk(bulk.clone()))?.addr());
        eprintln!("programs {}", reactor.serve(ANY, |stream| told(programs(stream)))?.addr());
        eprintln!("udp {}", reactor.udp("udp:0:interface=127.0.0.1", Pong)?.addr());
        let files = Server::with(Files::new(&folder, FileOptions::default())?);
        eprintln!("web {}", reactor.listen_with(ANY, files)?.addr());
        Ok(())
    })
}

/// Says why a coroutine has failed.
async fn told(task: impl Future<Output = Result>) -> Result {
    task.await.inspect_err(|error| eprintln!("lost: {error}"))
}

fn tell(reason: &Reason) {
    if !reason.is_clean() {
        eprintln!("lost: {reason}");
    }
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        tell(reason);
    }
}

/// Sends datagrams back.
struct Pong;

impl DatagramProtocol for Pong {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        port.send(datagram.answer(datagram.data));
        Ok(())
    }
}

/// Writes everything at once.
struct Bulk(Rc<[u8]>);

impl Protocol for Bulk {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(&self.0);
        transport.close();
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        tell(reason);
    }
}

/// One side of a forwarded connection; what comes goes to the other one.
struct Side(Transport);

impl Protocol for Side {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.write(input.rest());
        Ok(())
    }

    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.0.close_write();
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        tell(reason);
        if reason.is_clean() { self.0.close() } else { self.0.abort() }
    }
}

async fn forward(near: Stream, to: String) -> Result {
    let other = near.transport().clone();
    let far = near.transport().reactor().connect(&to, |_| Side(other)).await?;
    far.throttle(near.transport());
    near.transport().throttle(&far);
    near.switch_to(Side(far));
    Ok(())
}

/// Sends each line back, upper case. A thread works on it.
async fn lines(mut stream: Stream) -> Result {
    while let Some(line) = stream.line(LINE_MAX).await? {
        let reactor = stream.transport().reactor();
        let mut upper = reactor.in_thread(move || Ok(line.to_ascii_uppercase())).await?;
        upper.extend_from_slice(b"\r\n");
        stream.write_all(&upper).await?;
    }
    stream.close().await
}

/// Sends each line back. A program says it.
async fn programs(mut stream: Stream) -> Result {
    while let Some(line) = stream.line(LINE_MAX).await? {
        let said = stream.transport().reactor().output(Command::new("echo").arg(String::from_utf8(line)?));
        stream.write_all(&said.await?.stdout).await?;
    }
    stream.close().await
}
