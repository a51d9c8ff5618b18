//! [`Batch`]: many datagrams in one system call.

use super::{
    DATAGRAM_MAX, Family, NOT_UNIX, Refused, SENDS_MAX, canonical, connect_again,
    control::{Control, Name, Notes, each, told, told_by_network},
    fit, full, is_left,
};
use crate::{rest::is_short_of_memory, unix};
use libc::{c_int, c_uint, c_void};
use rustix::io::Errno;
use socket2::Socket;
use std::{
    io, mem,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
};
use trenza_core::{Addr, Datagram, Outbox, Outgoing};

/// How many datagrams move in one system call.
const BATCH: usize = 32;
/// The most datagrams that the kernel takes in one piece (`UDP_MAX_SEGMENTS`), and their bytes with all headers.
const SEGMENTS_MAX: usize = 64;
const PIECE_MAX: usize = 65_000;
/// What every network carries (RFC 8200, section 5: 1280 with all headers): shorter ones are not refused for their length.
const UNIT_MIN: usize = 1232;

/// The datagrams of one receive, and what a send needs. There is one for all sockets of a driver.
pub(crate) struct Batch {
    /// One after the other; pages that no datagram has reached are not there.
    bytes: Vec<u8>,
    received: Vec<Received>,
    /// How many of them were told; the last one is being lent.
    told: usize,
    /// How many came that were longer than their places.
    too_long: usize,
    /// The kernel takes several datagrams in one piece.
    segments: bool,
    /// The system has told so.
    asked: bool,
    /// Of so many bytes or more they are too long for it: the network's packets are shorter.
    unit_end: usize,
    frames: Box<[Frame; BATCH]>,
}

#[derive(Debug)]
struct Received {
    place: usize,
    len: usize,
    from: Addr,
    notes: Notes,
}

/// What the kernel reads or fills for one message, beside its bytes.
#[derive(Clone, Copy)]
struct Frame {
    name: Name,
    control: Control,
    piece: libc::iovec,
}

impl Frame {
    const EMPTY: Self = Self {
        name: Name::EMPTY,
        control: Control::EMPTY,
        piece: libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 },
    };

    /// The message with so much of name and control. It points at this frame, which must stay where it is.
    fn message(&mut self, name: usize, control: usize) -> libc::mmsghdr {
        let mut message = empty();
        let header = &mut message.msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.name).cast();
        header.msg_namelen = name as libc::socklen_t;
        header.msg_iov = &raw mut self.piece;
        header.msg_iovlen = 1;
        if control > 0 {
            header.msg_control = ptr::from_mut(&mut self.control).cast();
            header.msg_controllen = control as _;
        }
        message
    }
}

#[allow(unsafe_code, reason = "its fields differ from one C library to the other")]
fn empty() -> libc::mmsghdr {
    // SAFETY: all zeros is a message header: null pointers with lengths of zero, no flags.
    unsafe { mem::zeroed() }
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BATCH * DATAGRAM_MAX],
            received: Vec::with_capacity(BATCH),
            told: 0,
            too_long: 0,
            segments: false,
            asked: false,
            unit_end: usize::MAX,
            frames: Box::new([Frame::EMPTY; BATCH]),
        }
    }

    /// Receives what there is; false if that is nothing.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>, family: Family) -> io::Result<bool> {
        // Without room for them the kernel drops the descriptors that come with a datagram.
        let control = if family.is_unix() { 0 } else { size_of::<Control>() };
        self.received.clear();
        self.told = 0;
        let mut messages = [empty(); BATCH];
        let places = self.bytes.chunks_exact_mut(DATAGRAM_MAX);
        for ((frame, message), place) in self.frames.iter_mut().zip(&mut messages).zip(places) {
            frame.name = Name::EMPTY;
            frame.piece = libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: place.len() };
            *message = frame.message(size_of::<Name>(), control);
        }
        let received = loop {
            match receive_many(fd, &mut messages) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                received => break received?,
            }
        };
        for (place, (message, frame)) in messages.iter().zip(&*self.frames).enumerate().take(received) {
            let (header, len) = (&message.msg_hdr, message.msg_len as usize);
            if header.msg_flags & libc::MSG_TRUNC as c_int != 0 {
                self.too_long += 1;
                continue;
            }
            if family.is_unix() {
                let from = frame.name.read_unix(header.msg_namelen as usize).into();
                self.received.push(Received { place, len, from, notes: Notes::default() });
                continue;
            }
            let told = told(&frame.name.0, frame.control.first(header.msg_controllen as _));
            self.received.extend(told.map(|(from, notes)| Received { place, len, from, notes }));
        }
        Ok(received > 0)
    }

    /// How many datagrams were dropped since the last call because they were too long.
    pub(crate) fn take_too_long(&mut self) -> usize {
        mem::take(&mut self.too_long)
    }

    /// Goes to the next datagram; false if there is none.
    pub(crate) fn advance(&mut self) -> bool {
        self.told += 1;
        self.told <= self.received.len()
    }

    /// The datagram that [`Batch::advance`] has gone to.
    pub(crate) fn current(&mut self) -> Option<Datagram<'_>> {
        let Received { place, len, from, notes } = self.received.get(self.told.checked_sub(1)?)?;
        let data = self.bytes.get_mut(place * DATAGRAM_MAX..)?.get_mut(..*len)?;
        Some(notes.of(data, from))
    }

    /// Sends from the front of `out`. True when all has left or was refused; false when there may be room again later.
    ///
    /// # Errors
    /// There was no memory for what a connected UNIX socket sends.
    pub(crate) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        family: Family,
        out: &mut Outbox,
        refused: &mut Vec<Refused>,
    ) -> io::Result<bool> {
        let (mut sent, mut tried, mut single) = (0, false, false);
        while !out.is_empty() {
            if sent >= SENDS_MAX {
                return Ok(false);
            }
            let whole = !single && !family.is_unix() && self.takes_segments(fd);
            let (messages, lens) = self.messages(family, out, whole);
            let mut error = match messages {
                Err(error) => error,
                Ok(mut messages) => match send_many(fd, &mut messages) {
                    Ok(n) => {
                        lens.iter().take(n).for_each(|len| out.advance(*len));
                        (sent, tried) = (sent + n, false);
                        continue;
                    }
                    Err(error) => error,
                },
            };
            match (family, error.kind()) {
                (_, io::ErrorKind::Interrupted) => continue,
                (Family::Unix { connected: false }, io::ErrorKind::WouldBlock) => error = full(),
                (_, io::ErrorKind::WouldBlock) => return Ok(false),
                (Family::Unix { connected: true }, _) if is_short_of_memory(&error) => return Err(error),
                (Family::Unix { connected: true }, _)
                    if is_left(&error) && !mem::replace(&mut tried, true) =>
                {
                    match out.front().map_or(Ok(()), |first| connect_again(fd, first.to)) {
                        Ok(()) => continue,
                        Err(gone) => error = gone,
                    }
                }
                (Family::Unix { .. }, _) => {}
                _ => {
                    let unit = out.runs(self.largest(whole)).next().and_then(|first| first.stride);
                    if unit.is_some_and(|unit| self.must_cut(&error, unit)) {
                        // Not as one piece then.
                        single = true;
                        continue;
                    }
                    // It may be what the network has told of an earlier one: that is over once it was told.
                    self.refusals(fd, refused);
                    if !mem::replace(&mut tried, true) {
                        continue;
                    }
                    if unit.is_some() {
                        // Each is refused for itself.
                        (single, tried) = (true, false);
                        continue;
                    }
                }
            }
            tried = false;
            if let Some(first) = out.front() {
                refused.push(Refused { to: Some(first.to.clone()), error });
            }
            out.discard(lens.first().copied().unwrap_or(usize::MAX));
        }
        Ok(true)
    }

    /// Whether pieces of several datagrams can be sent.
    fn takes_segments(&mut self, fd: BorrowedFd<'_>) -> bool {
        if !mem::replace(&mut self.asked, true) {
            self.segments = set(fd, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        }
        self.segments
    }

    /// A piece of several datagrams was refused as such. EIO: the network card cannot do it, and never will.
    fn must_cut(&mut self, error: &io::Error, unit: usize) -> bool {
        match Errno::from_io_error(error) {
            Some(Errno::IO) => self.segments = false,
            Some(Errno::INVAL | Errno::MSGSIZE) => self.unit_end = self.unit_end.min(unit.max(UNIT_MIN + 1)),
            _ => return false,
        }
        true
    }

    /// The largest piece of datagrams of a length.
    fn largest(&self, whole: bool) -> impl Fn(usize) -> usize + use<> {
        let end = if whole { self.unit_end } else { 0 };
        move |unit| if unit < end { (SEGMENTS_MAX * unit).min(PIECE_MAX) } else { 0 }
    }

    /// The next messages and how long each is. An error is about the first.
    fn messages(
        &mut self,
        family: Family,
        out: &Outbox,
        whole: bool,
    ) -> (io::Result<Vec<libc::mmsghdr>>, Vec<usize>) {
        let (mut messages, mut lens) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let largest = self.largest(whole);
        for (frame, piece) in self.frames.iter_mut().zip(out.runs(largest)) {
            lens.push(piece.data.len());
            match frame.address(family, &piece) {
                Ok(message) => messages.push(message),
                Err(error) if messages.is_empty() => return (Err(error), lens),
                Err(_) => break,
            }
        }
        (Ok(messages), lens)
    }

    /// Takes what the network has told of datagrams that were sent.
    pub(crate) fn refusals(&mut self, fd: BorrowedFd<'_>, refused: &mut Vec<Refused>) {
        let [frame, ..] = &mut *self.frames;
        for _ in 0..SENDS_MAX {
            frame.name = Name::EMPTY;
            frame.piece.iov_len = 0;
            let mut message = frame.message(size_of::<Name>(), size_of::<Control>()).msg_hdr;
            match receive_error(fd, &mut message) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            let mut errno = None;
            each(frame.control.first(message.msg_controllen as _), |kind, data| {
                errno = told_by_network(kind, data).or(errno);
            });
            if let Some(errno) = errno {
                let to = frame.name.read().map(|to| canonical(to).into());
                refused.push(Refused { to, error: io::Error::from_raw_os_error(errno) });
            }
        }
    }
}

impl Frame {
    /// Makes this the message of a datagram.
    fn address(&mut self, family: Family, piece: &Outgoing<'_>) -> io::Result<libc::mmsghdr> {
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let base = piece.data.as_ptr().cast_mut().cast::<c_void>(); // the kernel only reads it
        self.piece = libc::iovec { iov_base: base, iov_len: piece.data.len() };
        let to = match (family, piece.to) {
            // To its peer, whom an address would look up anew.
            (Family::Unix { connected: true }, _) => return Ok(self.message(0, 0)),
            (Family::Unix { .. }, Addr::Unix(to)) => {
                unix::sock_addr(to)?;
                let name = self.name.write_unix(to);
                return Ok(self.message(name, 0));
            }
            (Family::Unix { .. }, _) => return Err(invalid(NOT_UNIX)),
            (_, Addr::Ip(to)) => canonical(*to),
            _ => return Err(invalid("not an IP address")),
        };
        let name = self.name.write(fit(to, family == Family::V6));
        let mut at = 0;
        match (piece.from.map(|from| from.to_canonical()), to.is_ipv4()) {
            (None, _) => {}
            (Some(IpAddr::V4(from)), true) => {
                let info = [[0; 4], from.octets(), [0; 4]].concat();
                at = self.control.push(at, (libc::IPPROTO_IP, libc::IP_PKTINFO), &info);
            }
            (Some(IpAddr::V6(from)), false) => {
                let info = [&from.octets()[..], &[0; 4]].concat();
                at = self.control.push(at, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), &info);
            }
            _ => return Err(invalid("the address to send from is of another family than that to send to")),
        }
        if let Some(ecn) = piece.ecn {
            let kind = match to.is_ipv4() {
                true => (libc::IPPROTO_IP, libc::IP_TOS),
                false => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            };
            at = self.control.push(at, kind, &c_int::from(ecn & 3).to_ne_bytes());
        }
        if let Some(stride) = piece.stride {
            at = self.control.push(at, (libc::SOL_UDP, libc::UDP_SEGMENT), &(stride as u16).to_ne_bytes());
        }
        Ok(self.message(name, at))
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("received", &self.received).finish_non_exhaustive()
    }
}

#[allow(unsafe_code, reason = "no safe function receives many messages at once")]
fn receive_many(fd: BorrowedFd<'_>, messages: &mut [libc::mmsghdr; BATCH]) -> io::Result<usize> {
    // SAFETY: each header points at a name, an iovec and a control buffer within `Batch::frames`, with their sizes,
    // and the iovec at DATAGRAM_MAX bytes of `Batch::bytes` that no other has. `Batch::receive`, the only caller, has
    // made them right before from exclusive references to both, and touches neither until this has returned. The
    // kernel writes within these sizes only, and keeps no pointer.
    let received = unsafe {
        libc::recvmmsg(
            fd.as_raw_fd(),
            messages.as_mut_ptr(),
            BATCH as c_uint,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

#[allow(unsafe_code, reason = "no safe function sends many messages at once")]
fn send_many(fd: BorrowedFd<'_>, messages: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // SAFETY: each header points at a name, an iovec and perhaps a control buffer within `Batch::frames`, whose first
    // bytes, as many as the sizes say, were written; the iovec points at bytes of an `Outbox`. `Batch::send`, the only
    // caller, has made them right before and changes neither until this has returned. The kernel reads only, but for
    // the lengths in `messages`, and keeps no pointer.
    let sent = unsafe {
        libc::sendmmsg(
            fd.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as c_uint,
            (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Takes one message from the queue of errors.
#[allow(unsafe_code, reason = "no safe function gives errors of the network with their address")]
fn receive_error(fd: BorrowedFd<'_>, message: &mut libc::msghdr) -> io::Result<()> {
    // SAFETY: the header points at a name, an iovec of no bytes and a control buffer of one `Frame`, with their sizes.
    // `Batch::refusals`, the only caller, has made it right before from an exclusive reference to that, and does not
    // touch it until this has returned. The kernel writes within these sizes only, and keeps no pointer.
    let received = unsafe { libc::recvmsg(fd.as_raw_fd(), message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if received < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[allow(unsafe_code, reason = "these options have no safe function")]
fn set(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes of `value` as it has, and keeps no pointer.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel tell what it can of datagrams, and keep those back that are for groups which only others have joined. What
/// it does not know is not told.
pub(crate) fn prepare(socket: &Socket, v6: bool) {
    let v4_options = [libc::IP_PKTINFO, libc::IP_RECVTOS, libc::IP_RECVERR];
    let v6_options = [libc::IPV6_RECVPKTINFO, libc::IPV6_RECVTCLASS, libc::IPV6_RECVERR];
    let v4_options = v4_options.map(|option| (libc::IPPROTO_IP, option));
    let v6_options = v6_options.map(|option| (libc::IPPROTO_IPV6, option)).into_iter().filter(|_| v6);
    let all = v4_options.into_iter().chain(v6_options).chain([(libc::SOL_UDP, libc::UDP_GRO)]);
    for (level, option) in all {
        let _ = set(socket.as_fd(), level, option, 1);
    }
    let _ = set(socket.as_fd(), libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0);
    if v6 {
        let _ = set(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{Ipv4Addr, SocketAddr, UdpSocket},
        os::fd::OwnedFd,
    };
    use trenza_core::driver::BindUdp;

    /// A socket of ours, and one of the standard library that is its peer.
    fn pair() -> (OwnedFd, Addr, UdpSocket, Addr) {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (fd, addr, _) = super::super::bind(&BindUdp::at(addr)).unwrap();
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let other = peer.local_addr().unwrap();
        (fd, addr, peer, other.into())
    }

    fn sizes(peer: &UdpSocket, count: usize) -> Vec<usize> {
        let mut buffer = [0; 2000];
        (0..count).map(|_| peer.recv(&mut buffer).unwrap()).collect()
    }

    #[test]
    fn one_call_sends_many_and_strides_in_one_piece_or_cut() {
        let (fd, _, peer, to) = pair();
        for segments in [true, false] {
            let mut batch = Batch::new();
            assert!(batch.takes_segments(fd.as_fd()), "this kernel is newer than 4.18");
            batch.segments = segments;
            let (mut out, data) = (Outbox::new(), vec![7; 1000 * 70 / 2 + 5]);
            out.push(Outgoing { stride: Some(500), ..Outgoing::new(&to, &data) });
            out.push(Outgoing::new(&to, b""));
            let (messages, lens) = batch.messages(Family::V4, &out, segments);
            // The kernel takes 64 at most in one piece.
            let expected = if segments { vec![32_000, 3005, 0] } else { vec![500; BATCH] };
            assert_eq!((messages.unwrap().len(), lens), (expected.len(), expected));
            let mut refused = Vec::new();
            assert!(
                batch.send(fd.as_fd(), Family::V4, &mut out, &mut refused).unwrap() && refused.is_empty()
            );
            assert!(sizes(&peer, 72).into_iter().eq([500; 70].into_iter().chain([5, 0])));
        }
    }

    #[test]
    fn a_piece_that_cannot_be_sent_as_such_is_cut() {
        let (fd, _, peer, to) = pair();
        let (mut batch, mut out, mut refused) = (Batch::new(), Outbox::new(), Vec::new());
        // Larger than what a packet of the loopback interface holds, so that the kernel would have to cut it up.
        let data = vec![1; 65_000];
        out.push(Outgoing { stride: Some(65_000 - 1), ..Outgoing::new(&to, &data) });
        assert!(
            batch.send(fd.as_fd(), Family::V4, &mut out, &mut refused).unwrap() && refused.is_empty(),
            "{refused:?}"
        );
        let mut buffer = vec![0; 70_000];
        let got = [peer.recv(&mut buffer).unwrap(), peer.recv(&mut buffer).unwrap()];
        assert_eq!(got, [64_999, 1]);
        assert!(!batch.must_cut(&Errno::PERM.into(), 9000) && batch.unit_end == usize::MAX);
        assert!(batch.must_cut(&Errno::INVAL.into(), 9000) && batch.segments);
        let most = [9000, 8000].map(|unit| batch.largest(true)(unit));
        assert_eq!(most, [0, PIECE_MAX], "what is so long is not tried in one piece again");
        assert!(batch.must_cut(&Errno::INVAL.into(), 100) && batch.largest(true)(UNIT_MIN) > 0);
        assert!(batch.must_cut(&Errno::IO.into(), 1) && !batch.segments, "the card cannot do it");
    }

    #[test]
    fn what_goes_the_same_way_leaves_in_one_piece_and_is_refused_one_by_one() {
        let (fd, _, peer, to) = pair();
        let (mut batch, mut out, mut refused) = (Batch::new(), Outbox::new(), Vec::new());
        let sends = [100; 70].into_iter().chain([30, 200, 0, 200]);
        sends.clone().for_each(|len| out.push(Outgoing::new(&to, &[1; 200][..len])));
        assert!(batch.takes_segments(fd.as_fd()));
        let (messages, lens) = batch.messages(Family::V4, &out, true);
        assert_eq!((messages.unwrap().len(), lens), (5, vec![6400, 630, 200, 0, 200]));
        assert!(batch.send(fd.as_fd(), Family::V4, &mut out, &mut refused).unwrap() && refused.is_empty());
        assert!(sizes(&peer, 74).into_iter().eq(sends));
        // Nothing can be sent there from a socket that is bound to the loopback interface.
        let unreachable = Addr::from(SocketAddr::from(([192, 0, 2, 1], 9)));
        (0..5).for_each(|_| out.push(Outgoing::new(&unreachable, b"lost")));
        out.push(Outgoing::new(&to, b"not lost"));
        assert!(batch.send(fd.as_fd(), Family::V4, &mut out, &mut refused).unwrap() && out.is_empty());
        assert_eq!(refused.iter().filter(|one| one.to.as_ref() == Some(&unreachable)).count(), 5);
        assert_eq!(sizes(&peer, 1), [8]);
    }

    #[test]
    fn one_call_receives_many() {
        let (fd, own, peer, from) = pair();
        let Addr::Ip(to) = own else { panic!("{own}") };
        let mut batch = Batch::new();
        assert!(
            !batch.receive(fd.as_fd(), Family::V4).unwrap() && !batch.advance() && batch.current().is_none()
        );
        (0..40).for_each(|n| assert_eq!(peer.send_to(&[n; 9], to).unwrap(), 9));
        for count in [BATCH, 40 - BATCH] {
            assert!(batch.receive(fd.as_fd(), Family::V4).unwrap());
            for _ in 0..count {
                assert!(batch.advance());
                let datagram = batch.current().unwrap();
                assert_eq!((datagram.data.len(), datagram.from, datagram.stride), (9, &from, None));
                assert_eq!((datagram.to, datagram.ecn), (Some(Ipv4Addr::LOCALHOST.into()), Some(0)));
            }
            assert!(!batch.advance());
        }
    }

    #[test]
    fn what_is_for_a_group_that_only_others_have_joined_is_not_heard() {
        let group = Ipv4Addr::new(239, 255, 77, 1);
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let (fd, own, _) = super::super::bind(&BindUdp::at(any)).unwrap();
        let (other, port) = (UdpSocket::bind(any).unwrap(), own.port().unwrap());
        other.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        let peer = UdpSocket::bind(any).unwrap();
        socket2::SockRef::from(&peer).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        peer.send_to(b"group", (group, port)).unwrap();
        peer.send_to(b"us", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut batch = Batch::new();
        assert!(batch.receive(fd.as_fd(), Family::V4).unwrap() && batch.advance());
        assert_eq!(batch.current().unwrap().data, b"us");
    }

    #[test]
    fn what_came_in_one_piece_is_told_so() {
        let (fd, own, peer, to) = pair();
        let Addr::Ip(own) = own else { panic!("{own}") };
        let (mut batch, mut out) = (Batch::new(), Outbox::new());
        // From one of ours to itself: the kernel keeps the piece whole.
        let own = Addr::from(own);
        out.push(Outgoing { stride: Some(100), ecn: Some(2), ..Outgoing::new(&own, &[5; 950]) });
        assert!(batch.send(fd.as_fd(), Family::V4, &mut out, &mut Vec::new()).unwrap());
        let mut got = Vec::new();
        while batch.receive(fd.as_fd(), Family::V4).unwrap() {
            while batch.advance() {
                let datagram = batch.current().unwrap();
                assert_eq!((datagram.ecn, datagram.from), (Some(2), &own));
                let stride = datagram.stride.unwrap_or(datagram.data.len());
                got.extend(datagram.data.chunks(stride).map(<[u8]>::len));
            }
        }
        assert!(got.into_iter().eq([100; 9].into_iter().chain([50])));
        drop((peer, to));
    }

    #[test]
    fn refusals_name_the_address_and_are_told_once() {
        let (fd, _, peer, nobody) = pair();
        drop(peer);
        let (mut batch, mut out, mut refused) = (Batch::new(), Outbox::new(), Vec::new());
        (0..3).for_each(|_| out.push(Outgoing::new(&nobody, b"anybody?")));
        assert!(batch.send(fd.as_fd(), Family::V4, &mut out, &mut refused).unwrap());
        batch.refusals(fd.as_fd(), &mut refused);
        assert!((1..=3).contains(&refused.len()), "{refused:?}");
        for Refused { to, error } in refused.drain(..) {
            assert_eq!((to, error.kind()), (Some(nobody.clone()), io::ErrorKind::ConnectionRefused));
        }
        batch.refusals(fd.as_fd(), &mut refused);
        assert!(refused.is_empty() && out.is_empty());
    }
}
