//! [`Crowd`]: many sessions at once, in one thread: what they wait for is the server.

use super::{SMALL_SIZE, server::FtpServer, session::Session};
use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    fd::OwnedFd,
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Events at a time.
const EVENTS: usize = 256;

/// Sessions that have logged in.
#[derive(Debug)]
pub(super) struct Crowd {
    poller: OwnedFd,
    members: Vec<Member>,
}

/// A session, and what it waits for.
#[derive(Debug)]
struct Member {
    control: TcpStream,
    /// What has come of a reply that is not whole.
    line: Vec<u8>,
    data: Option<TcpStream>,
    got: usize,
    step: Step,
    /// The final reply has come, which may be before the data have.
    told: bool,
    /// How many files it is still to get, and the number of the next one.
    left: usize,
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// EPSV was said.
    Port,
    /// RETR was said.
    Begin,
    /// The file is on its way.
    End,
    Idle,
}

impl Crowd {
    /// Logs in one after the other.
    pub(super) fn login(server: &FtpServer, sessions: usize) -> io::Result<Self> {
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        let mut members = Vec::with_capacity(sessions);
        for number in 0..sessions {
            let control = Session::login(server)?.into_stream();
            control.set_nonblocking(true)?;
            epoll::add(&poller, &control, EventData::new_u64(2 * number as u64), EventFlags::IN)?;
            members.push(Member {
                control,
                line: Vec::new(),
                data: None,
                got: 0,
                step: Step::Idle,
                told: false,
                left: 0,
                next: number,
            });
        }
        Ok(Self { poller, members })
    }

    /// Each of them gets so many small files, one after the other, all sessions at once.
    pub(super) fn get(&mut self, each: usize) -> io::Result<()> {
        let mut busy = 0;
        for member in &mut self.members {
            member.left = each;
            busy += usize::from(member.begin()?);
        }
        let patience = PATIENCE.try_into().map_err(io::Error::other)?;
        let mut events = Vec::with_capacity(EVENTS);
        while busy > 0 {
            events.clear();
            epoll::wait(&self.poller, rustix::buffer::spare_capacity(&mut events), Some(&patience))?;
            if events.is_empty() {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("{busy} sessions wait for ever")));
            }
            for Event { data, .. } in events.drain(..) {
                let number = data.u64() as usize;
                let Some(member) = self.members.get_mut(number / 2) else { continue };
                if number % 2 == 1 {
                    member.receive()?;
                } else {
                    member.listen(&self.poller, number as u64 + 1)?;
                }
                if member.has_ended()? && !member.begin()? {
                    busy -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Member {
    /// Begins with the next file; false: there is none.
    fn begin(&mut self) -> io::Result<bool> {
        (self.step, self.told, self.got) = (Step::Idle, false, 0);
        let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
        self.left = left;
        self.step = Step::Port;
        self.control.write_all(b"EPSV\r\n")?;
        Ok(true)
    }

    /// Whether data and final reply are both there.
    fn has_ended(&self) -> io::Result<bool> {
        match self.told && self.data.is_none() {
            true if self.got != SMALL_SIZE => Err(io::Error::other("the file is not whole")),
            ended => Ok(ended),
        }
    }

    /// Takes what is on the data connection.
    fn receive(&mut self) -> io::Result<()> {
        let mut piece = [0; 2 * SMALL_SIZE];
        while let Some(data) = &mut self.data {
            match data.read(&mut piece) {
                Ok(0) => self.data = None,
                Ok(count) => self.got += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what is on the control connection.
    fn listen(&mut self, poller: &OwnedFd, token: u64) -> io::Result<()> {
        let mut piece = [0; 512];
        match self.control.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.line.extend(piece.iter().take(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            self.reply(&String::from_utf8_lossy(&line), poller, token)?;
        }
        Ok(())
    }

    fn reply(&mut self, line: &str, poller: &OwnedFd, token: u64) -> io::Result<()> {
        let wrong = || io::Error::other(format!("{line:?}"));
        match self.step {
            Step::Port if line.starts_with("229 ") => {
                let port = line.split('|').nth(3).and_then(|port| port.parse::<u16>().ok());
                let data = TcpStream::connect(("127.0.0.1", port.ok_or_else(wrong)?))?;
                data.set_nonblocking(true)?;
                epoll::add(poller, &data, EventData::new_u64(token), EventFlags::IN)?;
                self.data = Some(data);
                self.control.write_all(format!("RETR small/{}.bin\r\n", self.next).as_bytes())?;
                (self.step, self.next) = (Step::Begin, self.next + 1);
            }
            // Some say 125, since the connection is there already.
            Step::Begin if line.starts_with('1') => self.step = Step::End,
            Step::End if line.starts_with("226 ") => self.told = true,
            _ => return Err(wrong()),
        }
        Ok(())
    }
}
