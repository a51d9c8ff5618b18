//! A server that follows a script: files in memory, and at each step what a test wants it to do.

use bytes::Bytes;
use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, rc::Rc, time::Duration};
use trenza_core::{Endpoint, IntoEndpoint, OutBuf, Queue, Reactor, Result, Stream};
use trenza_ftp::{
    Code, Command, Entry, Reply, address,
    command::{Reader, Site},
    listing::{FactSet, Kind, mlsx, unix},
};
use trenza_tls::{ServerTls, StartTls};

/// What a server does at one step instead of what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Waits so long before it answers.
    Delay(Duration),
    /// Resets the control connection.
    Reset,
    /// Closes the control connection.
    Close,
    /// Says this instead.
    Say(&'static str),
    /// Resets the data connection in the middle, and says 426.
    CutData,
    /// Leaves the data connection open for ever in the middle, and says nothing.
    StallData,
    /// Says no in the middle, and leaves the data connection open.
    RefuseData,
    /// Says that all is done before any data move.
    Early,
    /// Answers ABOR once, instead of for the transfer and for itself.
    AbortOnce,
}

/// A server's files, and what it is to do.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) files: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Instead of answering the command of this verb, once for each entry.
    pub(crate) tricks: Vec<(&'static str, Trick)>,
    /// What it does not know.
    pub(crate) unknown: Vec<&'static str>,
    pub(crate) tls: Option<ServerTls>,
    /// The address that a reply to PASV names.
    pub(crate) passive_host: Option<[u8; 4]>,
    /// Lines that stand in every listing.
    pub(crate) lines: Vec<&'static [u8]>,
    /// How many sessions there may be at once; 0: any number.
    pub(crate) sessions_max: usize,
    pub(crate) sessions: usize,
    /// How long it takes to say that there are too many.
    pub(crate) refusal: Duration,
    /// The verbs of the commands that came.
    pub(crate) heard: Vec<String>,
    /// Whether data connections continued a session.
    pub(crate) resumed: Vec<bool>,
}

pub(crate) type Shared = Rc<RefCell<Script>>;

pub(crate) fn serve(reactor: &Reactor, on: impl IntoEndpoint, script: &Shared) -> Result {
    let script = script.clone();
    reactor
        .serve(on, move |mut stream| {
            let script = script.clone();
            async move {
                let max = script.borrow().sessions_max;
                if max > 0 && script.borrow().sessions >= max {
                    let refusal = script.borrow().refusal;
                    stream.transport().reactor().sleep(refusal).await;
                    stream.write_all(b"421 too many\r\n").await?;
                    return stream.close().await;
                }
                script.borrow_mut().sessions += 1;
                let ended = Session::new(stream, script.clone()).run().await;
                script.borrow_mut().sessions -= 1;
                ended
            }
        })
        .map(drop)
}

enum Data {
    Passive(Queue<Stream>, trenza_core::Port),
    Active(SocketAddr),
}

struct Session {
    control: Stream,
    script: Shared,
    reader: Reader,
    data: Option<Data>,
    offset: usize,
    protected: bool,
    tricks: Vec<Trick>,
}

impl Session {
    fn new(control: Stream, script: Shared) -> Self {
        let tricks = Vec::new();
        Self { control, script, reader: Reader::default(), data: None, offset: 0, protected: false, tricks }
    }

    async fn run(mut self) -> Result {
        self.say(220, "ready").await?;
        loop {
            let reader = &mut self.reader;
            let read = self.control.next(|input| Ok(reader.next(input)?)).await;
            let command = match read {
                Ok(Some(command)) => command,
                Ok(None) => return self.control.close().await,
                Err(_) => {
                    self.say(500, "what?").await?;
                    continue;
                }
            };
            let verb = command.verb();
            self.script.borrow_mut().heard.push(verb.to_owned());
            if self.script.borrow().unknown.contains(&verb) {
                self.say(500, "not known").await?;
                continue;
            }
            self.tricks = self.take_tricks(verb);
            let mut said = false;
            for trick in self.tricks.clone() {
                match trick {
                    Trick::Delay(time) => self.control.transport().reactor().sleep(time).await,
                    Trick::Reset => {
                        self.control.transport().abort();
                        return Ok(());
                    }
                    Trick::Close => return self.control.close().await,
                    Trick::Say(line) => {
                        self.control.write_all(line.as_bytes()).await?;
                        said = true;
                    }
                    _ => {}
                }
            }
            if said {
                continue;
            }
            if command == Command::Quit {
                self.say(221, "bye").await?;
                return self.control.close().await;
            }
            self.answer(command).await?;
        }
    }

    fn take_tricks(&self, verb: &str) -> Vec<Trick> {
        let mut script = self.script.borrow_mut();
        let (mine, others) = script.tricks.drain(..).partition(|(of, _)| *of == verb);
        script.tricks = others;
        let mine: Vec<(&str, Trick)> = mine;
        mine.into_iter().map(|(_, trick)| trick).collect()
    }

    fn tricked(&self, trick: Trick) -> bool {
        self.tricks.contains(&trick)
    }

    async fn say(&mut self, code: u16, text: &str) -> Result {
        self.reply(&Reply::new(Code::new(code).ok_or("no code")?, text)).await
    }

    async fn reply(&mut self, reply: &Reply) -> Result {
        let mut out = OutBuf::new();
        reply.write(&mut out);
        self.control.write_all(&out.to_vec()?).await
    }

    async fn answer(&mut self, command: Command) -> Result {
        match command {
            Command::User(_) => self.say(331, "password?").await,
            Command::Pass(secret) if secret.bytes() == b"secret" => self.say(230, "in").await,
            Command::Pass(_) => self.say(530, "wrong").await,
            Command::Feat => {
                let features =
                    [" MLST type;size;modify;", " REST STREAM", " UTF8", " MDTM", " MFMT", " SIZE"];
                self.reply(&Reply::of_lines(Code::STATUS, "Features:", features, "End")).await
            }
            Command::Auth(_) => {
                let tls = self.script.borrow().tls.clone().ok_or("there is no TLS")?;
                self.say(234, "go ahead").await?;
                self.control.transport().start_tls(&tls)
            }
            Command::Prot(_) => {
                self.protected = true;
                self.say(200, "ok").await
            }
            Command::Epsv(_) | Command::Pasv => self.listen(command == Command::Pasv).await,
            Command::Port(addr) | Command::Eprt(addr) => {
                self.data = Some(Data::Active(addr));
                self.say(200, "ok").await
            }
            Command::Rest(offset) => {
                self.offset = usize::try_from(offset)?;
                self.say(350, "go on").await
            }
            Command::Retr(path) => {
                let found = self.script.borrow().files.get(&path).cloned();
                let from = std::mem::take(&mut self.offset);
                match found {
                    Some(file) => self.send(file.get(from..).unwrap_or_default().to_vec()).await,
                    None => self.say(550, "no such file").await,
                }
            }
            Command::Stor(path) => self.take(path, false).await,
            Command::Appe(path) => self.take(path, true).await,
            Command::Mlsd(_) | Command::List(_) | Command::Nlst(_) => {
                let text = self.listing(&command);
                self.send(text).await
            }
            Command::Size(path) => {
                let size = self.script.borrow().files.get(&path).map(Vec::len);
                match size {
                    Some(size) => self.say(213, &size.to_string()).await,
                    None => self.say(550, "no such file").await,
                }
            }
            Command::Dele(path) => {
                let gone = self.script.borrow_mut().files.remove(&path).is_some();
                self.say(if gone { 250 } else { 550 }, "").await
            }
            Command::Pwd => self.say(257, "\"/a \"\"b\"\"\" is it").await,
            Command::Rnfr(_) => self.say(350, "to?").await,
            Command::Mdtm(_) => self.say(213, "20200102030405").await,
            Command::Abor => self.say(226, "aborted").await,
            Command::Site(Site::Other(_)) => self.say(504, "no").await,
            _ => self.say(200, "ok").await,
        }
    }

    fn listing(&self, command: &Command) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, file) in &self.script.borrow().files {
            let entry = Entry { size: Some(file.len() as u64), ..Entry::new(name.clone(), Kind::File) };
            match command {
                Command::Mlsd(_) => mlsx::write(&entry, FactSet::default(), &mut text),
                Command::List(_) => unix::write(&entry, std::time::SystemTime::UNIX_EPOCH, &mut text),
                _ => text.extend(name),
            }
            text.extend(b"\r\n");
        }
        for line in &self.script.borrow().lines {
            text.extend([line, &b"\r\n"[..]].concat());
        }
        text
    }

    async fn listen(&mut self, pasv: bool) -> Result {
        let reactor = self.control.transport().reactor().clone();
        let came = Queue::new(&reactor, 8);
        let offer = came.clone();
        let local = self.control.peer().local.socket().ok_or("no address")?;
        let port = reactor.serve(SocketAddr::new(local.ip(), 0), move |stream| {
            let _ = offer.try_put(stream);
            async { Ok(()) }
        })?;
        let number = port.addr().port().ok_or("no port")?;
        self.data = Some(Data::Passive(came, port));
        let host = self.script.borrow().passive_host.unwrap_or([10, 0, 0, 1]);
        match pasv {
            true => {
                self.say(227, &address::write_227(std::net::SocketAddrV4::new(host.into(), number))).await
            }
            false => self.say(229, &address::write_229(number)).await,
        }
    }

    async fn open(&mut self) -> Result<Stream> {
        let stream = match self.data.take().ok_or("no data connection")? {
            Data::Passive(came, port) => {
                let mut stream = came.get().await?;
                // The end of the port is not that of its connection.
                stream.end_at_stop(false);
                port.stop().detach();
                stream
            }
            Data::Active(addr) => {
                let endpoint: Endpoint = addr.into_endpoint()?;
                self.control.transport().reactor().open(endpoint).await?
            }
        };
        if self.protected {
            let tls = self.script.borrow().tls.clone().ok_or("there is no TLS")?;
            stream.transport().start_tls(&tls)?;
        }
        Ok(stream)
    }

    fn note_session(&self, stream: &Stream) {
        if let Some(secured) = &stream.peer().secured {
            self.script.borrow_mut().resumed.push(secured.resumed);
        }
    }

    async fn send(&mut self, text: Vec<u8>) -> Result {
        self.say(150, "here it comes").await?;
        let Ok(mut stream) = self.open().await else { return self.say(425, "no connection").await };
        let half = text.len() / 2;
        if self.tricked(Trick::Early) {
            self.say(226, "done").await?;
        }
        let sent = stream.write_all(text.get(..half).unwrap_or_default()).await;
        if self.tricked(Trick::CutData) {
            let _ = stream.flush().await;
            stream.transport().abort();
            return self.say(426, "cut").await;
        }
        if self.tricked(Trick::StallData) {
            return self.stall(stream).await;
        }
        if self.tricked(Trick::RefuseData) {
            self.say(451, "the disk is broken").await?;
            return self.stall(stream).await;
        }
        let rest = Bytes::from(text.get(half..).unwrap_or_default().to_vec());
        let all = async {
            sent?;
            stream.write_bytes(rest).await?;
            stream.flush().await?;
            self.note_session(&stream);
            stream.close().await
        };
        let all = all.await;
        match (all, self.tricked(Trick::Early)) {
            (_, true) => Ok(()),
            (Ok(()), false) => self.say(226, "done").await,
            (Err(_), false) => self.say(426, "gone").await,
        }
    }

    /// Holds a data connection until the client gives it up or asks for it.
    async fn stall(&mut self, mut stream: Stream) -> Result {
        let refused = self.tricked(Trick::RefuseData);
        while let Ok(Some(_)) = stream.read().await {}
        if !refused && !self.tricked(Trick::AbortOnce) {
            self.say(426, "given up").await?;
        }
        Ok(())
    }

    async fn take(&mut self, path: Vec<u8>, append: bool) -> Result {
        self.say(150, "give it to me").await?;
        let Ok(mut stream) = self.open().await else { return self.say(425, "no connection").await };
        if self.tricked(Trick::RefuseData) {
            self.say(452, "the disk is full").await?;
            return self.stall(stream).await;
        }
        let offset = std::mem::take(&mut self.offset);
        let mut file = match append {
            true => self.script.borrow().files.get(&path).cloned().unwrap_or_default(),
            false => Vec::new(),
        };
        if offset > 0 {
            file = self.script.borrow().files.get(&path).cloned().unwrap_or_default();
            file.truncate(offset);
        }
        if self.tricked(Trick::CutData) {
            let _ = stream.read().await;
            stream.transport().abort();
            return self.say(426, "cut").await;
        }
        let whole = loop {
            match stream.read().await {
                Ok(Some(piece)) => file.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        self.note_session(&stream);
        if !whole {
            return self.say(426, "cut").await;
        }
        self.script.borrow_mut().files.insert(path, file);
        let _ = stream.close().await;
        self.say(226, "done").await
    }
}

pub(crate) fn serve_on(host: &trenza_sim::HostHandle, script: &Shared) {
    host.run(|reactor| serve(reactor, "tcp:21", script)).expect("the port is free");
}
