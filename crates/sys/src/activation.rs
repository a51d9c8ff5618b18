//! Socket activation: the listening sockets that a service manager has opened for this process.
//!
//! The protocol is `sd_listen_fds(3)`: the sockets are the descriptors from 3 on, `LISTEN_FDS` says how many,
//! `LISTEN_PID` for which process they are, and `LISTEN_FDNAMES` what they are called.

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::{
    env, io,
    os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd},
    process,
    sync::{LazyLock, Mutex, PoisonError},
};
use trenza_core::driver::HandedOver;

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;
/// The most sockets that are taken over.
const SOCKETS_MAX: usize = 1024;
/// The name of a socket that was given none.
const NAMELESS: &str = "unknown";

/// A socket and its name; None: it was taken.
struct Handed {
    name: String,
    socket: Option<OwnedFd>,
}

/// Those of this process: they are claimed once, whatever the number of reactors.
static HANDED: LazyLock<Mutex<Result<Vec<Handed>, String>>> = LazyLock::new(|| Mutex::new(claim()));

/// Takes a socket.
///
/// # Errors
/// `NotFound`: nothing was handed over, or not that. `ResourceBusy`: it was taken before.
pub(crate) fn take(which: HandedOver<'_>) -> io::Result<OwnedFd> {
    let mut handed = HANDED.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *handed {
        Ok(handed) => take_from(handed, which),
        Err(why) => Err(io::Error::new(io::ErrorKind::NotFound, why.clone())),
    }
}

fn take_from(handed: &mut [Handed], which: HandedOver<'_>) -> io::Result<OwnedFd> {
    let fits = |(n, one): &(usize, &mut Handed)| match which {
        HandedOver::Index(index) => *n == index,
        HandedOver::Name(name) => one.name == name,
    };
    let mut known = false;
    for (_, one) in handed.iter_mut().enumerate().filter(fits) {
        known = true;
        if let Some(socket) = one.socket.take() {
            return Ok(socket);
        }
    }
    if known {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "this socket is already being listened on"));
    }
    let all: Vec<_> = handed.iter().enumerate().map(|(n, one)| format!("{n} ({})", one.name)).collect();
    let what = format!("no such socket was handed over; there are: {}", all.join(", "));
    Err(io::Error::new(io::ErrorKind::NotFound, what))
}

/// Takes over what the environment says.
fn claim() -> Result<Vec<Handed>, String> {
    let variable = |name| env::var(name).ok();
    let (pid, count) = (variable("LISTEN_PID"), variable("LISTEN_FDS"));
    let names =
        names(pid.as_deref(), count.as_deref(), variable("LISTEN_FDNAMES").as_deref(), process::id())?;
    (FIRST..).zip(names).map(|(fd, name)| Ok(Handed { name, socket: Some(own(fd)?) })).collect()
}

#[allow(unsafe_code, reason = "descriptors come by number in the environment")]
fn own(fd: RawFd) -> Result<OwnedFd, String> {
    let missing = |error| format!("LISTEN_FDS names descriptor {fd}, which is not open: {error}");
    // SAFETY: it is borrowed for this function only, to see whether it is open at all.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let flags = fcntl_getfd(borrowed).map_err(missing)?;
    // Children get it only if somebody means it.
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC).map_err(missing)?;
    // SAFETY: it is open, and LISTEN_PID says that it was opened for this process, which got it from the service
    // manager and owns it by that protocol. `HANDED` claims each number once, so nothing else here owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The names of the sockets that the environment hands to process `own`; an error says what is missing.
fn names(
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
    own: u32,
) -> Result<Vec<String>, String> {
    let count = count.ok_or(
        "no socket was handed over (LISTEN_FDS is not set): start the program by a socket unit, or by \
         systemd-socket-activate -l PORT PROGRAM",
    )?;
    let pid = pid.ok_or("LISTEN_FDS is set, but LISTEN_PID is not: the sockets are for another process")?;
    if pid.parse() != Ok(own) {
        return Err(format!(
            "the sockets are for another process: LISTEN_PID is {pid}, this is process {own}"
        ));
    }
    let count: usize = count.parse().map_err(|_| format!("LISTEN_FDS is {count:?}, not a number"))?;
    if count == 0 || count > SOCKETS_MAX {
        return Err(format!("LISTEN_FDS is {count}: from 1 to {SOCKETS_MAX} sockets can be handed over"));
    }
    let given = names.into_iter().flat_map(|names| names.split(':')).map(str::to_owned);
    Ok(given.chain(std::iter::repeat_with(|| NAMELESS.to_owned())).take(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_environment_says_what_was_handed_over() {
        let ok = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(Some("7"), Some("2"), Some("http:admin"), 7), ok(&["http", "admin"]));
        assert_eq!(names(Some("7"), Some("3"), Some("a"), 7), ok(&["a", "unknown", "unknown"]));
        assert_eq!(names(Some("7"), Some("1"), Some("a:b"), 7), ok(&["a"]));
        assert_eq!(names(Some("7"), Some("1"), None, 7), ok(&["unknown"]));
        for (pid, count, part) in [
            (None, None, "LISTEN_FDS is not set"),
            (None, Some("1"), "LISTEN_PID is not"),
            (Some("8"), Some("1"), "LISTEN_PID is 8, this is process 7"),
            (Some("x"), Some("1"), "another process"),
            (Some("7"), Some("x"), "not a number"),
            (Some("7"), Some("-1"), "not a number"),
            (Some("7"), Some("0"), "from 1 to 1024"),
            (Some("7"), Some("1025"), "from 1 to 1024"),
        ] {
            let why = names(pid, count, None, 7).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn each_socket_is_taken_once_and_a_name_may_have_several() {
        let socket = |name: &str| {
            let socket = Some(TcpListener::bind("127.0.0.1:0").unwrap().into());
            Handed { name: name.into(), socket }
        };
        let mut handed = [socket("http"), socket("admin"), socket("http")];
        assert!(take_from(&mut handed, HandedOver::Name("http")).is_ok());
        assert!(take_from(&mut handed, HandedOver::Index(1)).is_ok());
        assert!(take_from(&mut handed, HandedOver::Name("http")).is_ok());
        for taken in [HandedOver::Name("http"), HandedOver::Index(0), HandedOver::Name("admin")] {
            let error = take_from(&mut handed, taken).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        }
        for unknown in [HandedOver::Index(3), HandedOver::Name("htt")] {
            let error = take_from(&mut handed, unknown).unwrap_err();
            assert!(error.to_string().contains("there are: 0 (http), 1 (admin), 2 (http)"), "{error}");
        }
    }
}
