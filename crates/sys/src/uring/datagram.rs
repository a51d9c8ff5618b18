//! How the driver receives datagrams over UDP: one request for many of them, each into a buffer of its own.

use super::{
    Step, UringDriver,
    buffers::{Buffers, Piece, Shape},
    ring::{Completion, Purpose},
    stream::{Doing, State, Stream},
};
use crate::{
    datagram::{DATAGRAM_MAX, Family, Notes, told},
    poll,
};
use io_uring::{Submitter, opcode, squeue, types::Fd};
use rustix::io::Errno;
use std::{
    fmt, io, mem,
    os::fd::{AsFd, AsRawFd},
    time::Instant,
};
use trenza_core::{
    Addr, Datagram, Outbox,
    driver::{Bound, Token},
};

/// The buffers of datagrams.
pub(super) const GROUP: u16 = 1;
/// What the kernel puts before the bytes of a datagram: four numbers, and room for its sender and control messages.
const NUMBERS: usize = 4 * size_of::<u32>();
const NAME: usize = 32;
const CONTROL: usize = 208;
const HEAD: usize = NUMBERS + NAME + CONTROL;
/// Pages that no datagram has reached are not there.
const SHAPE: Shape = Shape { count: 64, size: (HEAD + DATAGRAM_MAX) as u32 };

/// Where the kernel puts datagrams.
pub(super) struct Inbox {
    pub(super) buffers: Buffers,
    /// What it is to put before each. It looks at this for as long as it receives.
    template: Box<libc::msghdr>,
    /// The datagram that is being lent.
    current: Option<Arrived>,
}

/// A datagram that came.
#[derive(Debug)]
struct Arrived {
    piece: Piece,
    from: Addr,
    notes: Notes,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Inbox {
    /// Gives the kernel buffers for datagrams.
    ///
    /// # Errors
    /// There is no memory for them, or the kernel does not take them.
    pub(super) fn new(submitter: &Submitter<'_>) -> io::Result<Self> {
        Self::of(submitter, SHAPE)
    }

    /// The same, of this shape.
    #[allow(unsafe_code, reason = "the header of a message has no constructor")]
    pub(super) fn of(submitter: &Submitter<'_>, shape: Shape) -> io::Result<Self> {
        // SAFETY: all zero is a header without address, pieces and control data.
        let mut template: Box<libc::msghdr> = Box::new(unsafe { mem::zeroed() });
        template.msg_namelen = NAME as libc::socklen_t;
        template.msg_controllen = CONTROL;
        Ok(Self { buffers: Buffers::of(submitter, GROUP, shape, false)?, template, current: None })
    }

    fn request(&self, fd: Fd) -> squeue::Entry {
        opcode::RecvMsgMulti::new(fd, &raw const *self.template, GROUP).build()
    }

    /// Accounts for a receive, which must be done for every one; true if it has brought a datagram, false if that was
    /// longer than its place.
    fn received(&mut self, completion: &Completion) -> Option<bool> {
        let piece = self.buffers.received(completion)?;
        let (head, _) = self.buffers.bytes(piece).split_at_checked(HEAD)?;
        let (numbers, rest) = head.split_at_checked(NUMBERS)?;
        let (name, control) = rest.split_at_checked(NAME)?;
        let number =
            |at| numbers.get(at..).and_then(|all| all.first_chunk()).map(|all| u32::from_ne_bytes(*all));
        let (control_len, flags) = (number(4)? as usize, number(12)?);
        if flags & libc::MSG_TRUNC as u32 != 0 {
            return Some(false);
        }
        let (from, notes) = told(name, control.get(..control_len).unwrap_or_default())?;
        self.current = Some(Arrived { piece, from, notes });
        Some(true)
    }

    /// The datagram that came last.
    pub(super) fn current(&mut self) -> Option<Datagram<'_>> {
        let Arrived { piece, from, notes } = self.current.as_ref()?;
        let (_, data) = self.buffers.bytes(*piece).split_at_mut_checked(HEAD)?;
        Some(notes.of(data, from))
    }

    /// The kernel may look at the template and write into buffers for ever.
    pub(super) fn leak(mut self) {
        self.buffers.leak();
        mem::forget(self.template);
    }
}

impl UringDriver {
    /// Whether datagrams can be received by the ring.
    pub(super) fn has_inbox(&mut self) -> bool {
        if self.inbox.is_none() {
            self.inbox = Inbox::new(&self.ring.submitter()).ok();
        }
        self.inbox.is_some()
    }

    pub(super) fn open_datagrams(&mut self, bound: Bound) -> io::Result<Token> {
        let fd = poll::descriptor(bound.socket)?;
        let family = Family::of(&bound.addr, &fd);
        self.streams.insert(Stream::to(&bound.addr, fd, State::Datagrams(family)))
    }

    /// Has the kernel receive datagrams.
    pub(super) fn receive_datagrams(&mut self, token: Token) {
        let (Some(stream), Some(inbox)) = (self.streams.get_mut(token), &self.inbox) else { return };
        stream.armed = true;
        self.ring.push(inbox.request(Fd(stream.fd.as_raw_fd())), Purpose::Datagram, token);
    }

    /// A datagram came, or none will.
    pub(super) fn datagram(&mut self, completion: &Completion) -> Option<Step> {
        // For every one: its buffer goes back to the kernel.
        let came = self.inbox.as_mut().and_then(|inbox| inbox.received(completion));
        let token = completion.token;
        let stream = self.streams.get_mut(token)?;
        if !completion.goes_on() {
            (stream.armed, stream.cancelled) = (false, false);
        }
        let State::Datagrams(family) = stream.state else {
            self.bury(token);
            return None;
        };
        match completion.result {
            Ok(_) | Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::NOBUFS) => {
                self.starve(token);
                return None;
            }
            Err(Errno::NOMEM) => {
                self.rests.add(token, Instant::now());
                return None;
            }
            Err(errno) => {
                if let Err(error) = self.mail.failed(token, stream.fd.as_fd(), family, errno.into()) {
                    return self.fail(token, error).map(Step::Event);
                }
            }
        }
        if came == Some(false) {
            self.mail.cut(token);
        }
        self.arm(token);
        (came == Some(true)).then(|| Step::Datagram(super::outer(token)))
    }

    /// Sends what there is room for.
    pub(super) fn send_datagrams(&mut self, token: Token, out: &mut Outbox) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        let State::Datagrams(family) = stream.state else { return };
        if stream.doing != Doing::Nothing {
            return;
        }
        match self.mail.send(token, stream.fd.as_fd(), family, out) {
            Ok(true) => {}
            Ok(false) => self.await_room(token),
            Err(_) => {
                stream.doing = Doing::Resting(None);
                self.rests.add(token, Instant::now());
            }
        }
    }
}
