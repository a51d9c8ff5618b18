//! [`Ring`]: io_uring with one ring of receive buffers, as calls that cannot go wrong in memory.
//!
//! The settings are those that were the best of all tried: one issuer, work deferred to the wait, and few large buffers
//! that the kernel fills piece by piece (`IOU_PBUF_RING_INC`), so that what is received stays packed in warm memory.

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{BufRingEntry, Fd, Timespec},
};
use std::{
    io, mem,
    net::SocketAddrV4,
    os::fd::{AsRawFd, BorrowedFd},
    ptr, slice,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

/// Operations that are handed over in one system call, and results that wait.
const SUBMISSIONS: u32 = 8192;
const COMPLETIONS: u32 = 32768;
/// The kernel sends all of it or fails; nobody wants a signal.
const SEND: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
/// Pieces of one message; a send of more is split.
const MESSAGE: usize = 16;
/// `IOU_PBUF_RING_INC`, since Linux 6.12.
const INCREMENTAL: u16 = 2;

/// A ring for one thread, which lives as long as the process.
#[allow(clippy::vec_box, reason = "what the kernel is pointed to may not move")]
pub struct Ring {
    uring: IoUring,
    buffers: Buffers,
    /// What operations point to until they are handed over; the kernel has its own copy then.
    messages: Vec<Box<Message>>,
    addresses: Vec<Box<libc::sockaddr_in>>,
    ticks: Vec<Box<Timespec>>,
}

/// What became of an operation.
pub struct Completion {
    /// What the operation was told by.
    pub tag: u64,
    /// Bytes or a descriptor; or the negative number of an error.
    pub result: i32,
    /// What was received.
    pub piece: Option<Piece>,
    /// More will come of this operation.
    pub more: bool,
}

/// Received bytes in a buffer of the ring, which are to be released.
pub struct Piece {
    buffer: u16,
    offset: u32,
    /// How many.
    pub length: u32,
}

struct Message {
    header: libc::msghdr,
    parts: [libc::iovec; MESSAGE],
}

impl Message {
    fn new(parts: [libc::iovec; MESSAGE], count: usize) -> Box<Self> {
        // SAFETY: a header of zeros is one of a message with nothing in it.
        let header = unsafe { mem::zeroed() };
        let mut message = Box::new(Self { header, parts });
        message.header.msg_iov = message.parts.as_mut_ptr();
        message.header.msg_iovlen = count;
        message
    }
}

impl Ring {
    /// A ring with about so many bytes of buffers: for streams `packed` one behind the other, for datagrams each in a
    /// buffer of its own.
    ///
    /// # Errors
    /// The kernel has no io_uring, or does not allow it.
    pub fn new(bytes: usize, packed: bool) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).setup_single_issuer().setup_defer_taskrun();
        let uring: IoUring = builder.build(SUBMISSIONS)?;
        let large = Buffers::new(bytes >> 18, 1 << 18);
        let buffers = if packed && large.register(&uring, INCREMENTAL).is_ok() {
            large
        } else {
            let small = Buffers::new(bytes >> 14, 1 << 14);
            small.register(&uring, 0)?;
            small
        };
        Ok(Self { uring, buffers, messages: Vec::new(), addresses: Vec::new(), ticks: Vec::new() })
    }

    /// Accepts until it fails.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, tag: u64) {
        self.push(opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build(), tag);
    }

    /// Receives until the end, or until there is no buffer left (`ENOBUFS`).
    pub fn receive(&mut self, socket: BorrowedFd<'_>, tag: u64) {
        self.push(opcode::RecvMulti::new(Fd(socket.as_raw_fd()), 0).build(), tag);
    }

    /// Receives once.
    pub fn receive_once(&mut self, socket: BorrowedFd<'_>, tag: u64) {
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), ptr::null_mut(), 0).buf_group(0).build();
        self.push(entry.flags(squeue::Flags::BUFFER_SELECT), tag);
    }

    /// Sends all of this.
    pub fn send(&mut self, socket: BorrowedFd<'_>, data: &'static [u8], tag: u64) {
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), data.as_ptr(), data.len() as u32);
        self.push(entry.flags(SEND).build(), tag);
    }

    /// Sends the first of these pieces as one message, and gives how many they are. They are to be kept until it is done.
    pub fn send_pieces<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        pieces: impl Iterator<Item = &'a Piece>,
        tag: u64,
    ) -> usize {
        let nothing = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let (mut parts, mut count) = ([nothing; MESSAGE], 0);
        for (part, piece) in parts.iter_mut().zip(pieces) {
            part.iov_base = self.buffers.place(piece).cast();
            part.iov_len = piece.length as usize;
            count += 1;
        }
        let socket = Fd(socket.as_raw_fd());
        let entry = if count == 1 {
            opcode::Send::new(socket, parts[0].iov_base.cast(), parts[0].iov_len as u32).flags(SEND).build()
        } else {
            let message = Message::new(parts, count);
            let entry = opcode::SendMsg::new(socket, &raw const message.header).flags(SEND as u32).build();
            self.messages.push(message);
            entry
        };
        self.push(entry, tag);
        count
    }

    /// Connects.
    pub fn connect(&mut self, socket: BorrowedFd<'_>, to: SocketAddrV4, tag: u64) {
        let address = Box::new(libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: to.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
            sin_zero: [0; 8],
        });
        let length = size_of::<libc::sockaddr_in>() as u32;
        let entry =
            opcode::Connect::new(Fd(socket.as_raw_fd()), (&raw const *address).cast(), length).build();
        self.addresses.push(address);
        self.push(entry, tag);
    }

    /// Completes after a time.
    pub fn tick(&mut self, after: Duration, tag: u64) {
        let time = Box::new(Timespec::from(after));
        let entry = opcode::Timeout::new(&raw const *time).build();
        self.ticks.push(time);
        self.push(entry, tag);
    }

    /// The bytes of a piece.
    pub fn bytes(&self, piece: &Piece) -> &[u8] {
        // SAFETY: the kernel has filled these bytes of a buffer that is never freed, and writes to them no more until
        // the piece, which nobody can copy, is released.
        unsafe { slice::from_raw_parts(self.buffers.place(piece), piece.length as usize) }
    }

    /// The kernel may write over these bytes, after the next wait.
    pub fn release(&mut self, piece: Piece) {
        self.buffers.release(piece.buffer);
    }

    /// Hands all operations over, waits for at least one result and gives all that there are.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self, results: &mut Vec<Completion>) -> io::Result<()> {
        self.buffers.publish();
        match self.uring.submit_and_wait(1) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => {
                return Err(error);
            }
            _ => {}
        }
        self.messages.clear();
        self.addresses.clear();
        self.ticks.clear();
        results.clear();
        for entry in self.uring.completion() {
            let (result, flags) = (entry.result(), entry.flags());
            let piece = cqueue::buffer_select(flags)
                .map(|buffer| self.buffers.take(buffer, result.max(0) as u32, cqueue::buffer_more(flags)));
            results.push(Completion { tag: entry.user_data(), result, piece, more: cqueue::more(flags) });
        }
        Ok(())
    }

    fn push(&mut self, entry: squeue::Entry, tag: u64) {
        let entry = entry.user_data(tag);
        // SAFETY: bytes to send are static or in the ring's buffers, which are never freed; buffers to fill are the
        // ring's; all else that an entry points to is kept in `self` until it was handed over.
        while unsafe { self.uring.submission().push(&entry) }.is_err() {
            // Full: what is in it is handed over first. If that fails, `wait` will say why.
            if self.uring.submit().is_err() {
                return;
            }
        }
    }
}

/// The buffers, and the ring in which they are given to the kernel.
struct Buffers {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    size: u32,
    mask: u16,
    tail: u16,
    states: Vec<State>,
}

#[derive(Default, Clone)]
struct State {
    /// Bytes that have been received into it.
    filled: u32,
    /// Pieces of it that were not released.
    held: u32,
    /// The kernel is done with it.
    done: bool,
}

#[repr(align(4096))]
#[derive(Clone)]
struct Page(#[expect(dead_code, reason = "only its address is used")] [u8; 4096]);

/// Memory for ever.
fn pages(bytes: usize) -> *mut u8 {
    vec![Page([0; 4096]); bytes.div_ceil(4096)].leak().as_mut_ptr().cast()
}

impl Buffers {
    fn new(count: usize, size: usize) -> Self {
        let count = count.clamp(1, 1 << 14).next_power_of_two();
        let mut buffers = Self {
            entries: pages(count * size_of::<BufRingEntry>()).cast(),
            memory: pages(count * size),
            size: size as u32,
            mask: (count - 1) as u16,
            tail: 0,
            states: vec![State::default(); count],
        };
        (0..count).for_each(|buffer| buffers.give(buffer as u16));
        buffers.publish();
        buffers
    }

    fn register(&self, uring: &IoUring, flags: u16) -> io::Result<()> {
        let (entries, count) = (self.entries as u64, self.mask + 1);
        // SAFETY: the ring has `count` entries on pages of its own, which are never freed.
        unsafe { uring.submitter().register_buf_ring_with_flags(entries, count, 0, flags) }
    }

    fn place(&self, piece: &Piece) -> *mut u8 {
        self.start(piece.buffer).wrapping_add(piece.offset as usize)
    }

    fn start(&self, buffer: u16) -> *mut u8 {
        self.memory.wrapping_add(usize::from(buffer) * self.size as usize)
    }

    /// What the kernel has put into a buffer.
    fn take(&mut self, buffer: u16, length: u32, more: bool) -> Piece {
        let state = &mut self.states[usize::from(buffer)];
        let offset = state.filled;
        state.filled += length;
        state.held += 1;
        state.done = !more;
        Piece { buffer, offset, length }
    }

    fn release(&mut self, buffer: u16) {
        let state = &mut self.states[usize::from(buffer)];
        state.held -= 1;
        if state.held == 0 && state.done {
            *state = State::default();
            self.give(buffer);
        }
    }

    fn give(&mut self, buffer: u16) {
        let at = usize::from(self.tail & self.mask);
        // SAFETY: the mask keeps it within the ring, and the kernel does not look at entries beyond the published tail.
        let entry = unsafe { &mut *self.entries.add(at) };
        entry.set_addr(self.start(buffer) as u64);
        entry.set_len(self.size);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: the tail is in the ring's first entry, aligned, and read by the kernel atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}
