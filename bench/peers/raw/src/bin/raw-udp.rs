//! `raw-udp PORT`: echoes datagrams by `recvmmsg` and `sendmmsg` alone.

use peer_raw::{datagram_socket, port};
use std::{
    io, mem,
    os::fd::{AsRawFd, RawFd},
    ptr,
};

/// Received and sent at once.
const BATCH: usize = 64;
/// Of a datagram.
const LARGEST: usize = 4096;

fn main() -> io::Result<()> {
    let socket = datagram_socket(port()?)?;
    let mut buffers = vec![[0u8; LARGEST]; BATCH];
    // SAFETY: all three are plain data, for which zeros are a value.
    let (mut peers, mut parts, mut messages): (
        [libc::sockaddr_in; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { mem::zeroed() };
    loop {
        for (at, message) in messages.iter_mut().enumerate() {
            parts[at] = libc::iovec { iov_base: buffers[at].as_mut_ptr().cast(), iov_len: LARGEST };
            message.msg_hdr.msg_name = (&raw mut peers[at]).cast();
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            message.msg_hdr.msg_iov = &raw mut parts[at];
            message.msg_hdr.msg_iovlen = 1;
        }
        let count = receive(socket.as_raw_fd(), &mut messages)?;
        for (part, message) in parts.iter_mut().zip(&messages).take(count) {
            part.iov_len = message.msg_len as usize;
        }
        send(socket.as_raw_fd(), &mut messages[..count])?;
    }
}

/// Waits for one datagram, and takes those that are there.
fn receive(socket: RawFd, messages: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let (place, count) = (messages.as_mut_ptr(), messages.len() as u32);
    // SAFETY: every message points to an address, a part and a buffer of `main`, of the lengths that it says.
    let received = unsafe { libc::recvmmsg(socket, place, count, libc::MSG_WAITFORONE, ptr::null_mut()) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

fn send(socket: RawFd, messages: &mut [libc::mmsghdr]) -> io::Result<()> {
    let mut rest = messages;
    while !rest.is_empty() {
        // SAFETY: as for `receive`.
        let sent = unsafe { libc::sendmmsg(socket, rest.as_mut_ptr(), rest.len() as u32, 0) };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        rest = &mut rest[sent..];
    }
    Ok(())
}
