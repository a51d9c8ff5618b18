//! The drivers among system calls that fail: `strace` answers some of the calls of a server in the kernel's place, and
//! clients in another process compare every byte.
//!
//! A call that is answered so was never made. That is what EINTR, EAGAIN, ENOBUFS, ENOMEM and EMFILE mean, so after
//! them nothing may be lost. It is also why short writes are not injected: a made-up count would claim bytes that
//! never left, and no program could pass. They are made for real, by peers with a small window that read slowly, and
//! the log of the calls must show them.

mod durable;
mod mail;
mod mail_queue;
mod server;
mod start;
mod visit;

use server::{Addresses, Faulted, INJECTED};
use std::thread;
use visit::{Outcome, visit_all, visit_one_by_one, visit_programs, visit_slowly};

/// What a fault may do to those who are served meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing at all.
    Nothing,
    /// A connection may be turned away before its first byte.
    Refuses,
    /// It may end the connection that it meets, with the error as the reason; what has arrived was right.
    Ends,
}

/// An error of a system call, and when: the how-many-th call, up to which, and in which steps.
#[derive(Debug, Clone, Copy)]
struct Fault {
    call: &'static str,
    error: &'static str,
    when: &'static str,
    effect: Effect,
}

const fn fault(call: &'static str, error: &'static str, when: &'static str, effect: Effect) -> Fault {
    Fault { call, error, when, effect }
}

use Effect::{Ends, Nothing, Refuses};

/// What the calls of the driver over readiness may answer, by their manual pages, and whom it may hurt. Those of `sendto` end
/// with the [last](FAULTY_SENDS_MAX): the handler of signals tells its thread by one, and a signal that is lost is lost. Of `futex` there is none, since
/// strace cannot tell a wait, which may be interrupted, from a call that wakes others, which may not.
const FAULTS_OF_POLL: &[Fault] = &[
    fault("recvfrom", "EINTR", "1..200+2", Nothing),
    fault("recvfrom", "EAGAIN", "1..200+2", Nothing),
    fault("recvfrom", "ENOBUFS", "1..60+9", Nothing),
    fault("recvfrom", "ENOMEM", "1..60+9", Nothing),
    fault("recvfrom", "ECONNRESET", "3..60+19", Ends),
    fault("recvfrom", "ETIMEDOUT", "3..60+19", Ends),
    fault("sendto", "EINTR", "1..40+2", Nothing),
    fault("sendto", "EAGAIN", "1..40+2", Nothing),
    fault("sendto", "ENOBUFS", "2..60+9", Nothing),
    fault("sendto", "ENOMEM", "2..60+9", Nothing),
    fault("sendto", "ECONNRESET", "3..60+19", Ends),
    fault("sendto", "EPIPE", "3..60+19", Ends),
    fault("sendmsg", "EINTR", "1..20+2", Nothing),
    fault("sendmsg", "EAGAIN", "1..20+2", Nothing),
    fault("sendmsg", "ENOBUFS", "1..20+2", Nothing),
    fault("sendmsg", "ECONNRESET", "1..2", Ends),
    fault("sendfile", "EINTR", "1..40+2", Nothing),
    fault("sendfile", "EAGAIN", "1..40+2", Nothing),
    fault("sendfile", "ENOMEM", "1..40+9", Nothing),
    fault("sendfile", "EINVAL", "1..40+2", Nothing),
    fault("sendfile", "ECONNRESET", "2..3", Ends),
    fault("recvmmsg", "EINTR", "1..20+2", Nothing),
    fault("recvmmsg", "EAGAIN", "1..20+2", Nothing),
    fault("recvmmsg", "ENOBUFS", "1..10+3", Nothing),
    fault("recvmmsg", "ENOMEM", "1..10+3", Nothing),
    fault("recvmmsg", "ECONNREFUSED", "1..10+3", Nothing),
    fault("sendmmsg", "EINTR", "1..20+2", Nothing),
    fault("sendmmsg", "EAGAIN", "1..20+2", Nothing),
    fault("sendmmsg", "ENOBUFS", "1..20+2", Nothing),
    fault("sendmmsg", "ECONNREFUSED", "1..20+2", Nothing),
    fault("accept4", "EINTR", "1..20+2", Nothing),
    fault("accept4", "EAGAIN", "1..20+2", Nothing),
    fault("accept4", "ECONNABORTED", "1..20+2", Nothing),
    fault("accept4", "ENETUNREACH", "1..20+2", Nothing),
    fault("accept4", "ENOBUFS", "1..5+3", Nothing),
    fault("accept4", "ENOMEM", "1..5+3", Nothing),
    fault("accept4", "EMFILE", "1..5+3", Refuses),
    fault("accept4", "ENFILE", "1..5+3", Refuses),
    fault("epoll_wait,epoll_pwait,?epoll_pwait2", "EINTR", "1..200+2", Nothing),
    fault("epoll_ctl", "ENOMEM", "1..200+9", Nothing),
    fault("socket", "EMFILE", "1", Refuses),
    fault("socket", "ENOBUFS", "1", Refuses),
    fault("connect", "EINTR", "1", Nothing),
    fault("connect", "EAGAIN", "1", Refuses),
    fault("connect", "ECONNREFUSED", "1", Refuses),
    fault("connect", "ENETUNREACH", "1", Refuses),
    fault("connect", "EADDRNOTAVAIL", "1", Refuses),
    fault("getsockopt", "ENOBUFS", "1", Refuses),
    fault("setsockopt", "ENOBUFS", "1", Refuses),
    fault("getsockname", "ENOBUFS", "1..2", Refuses),
    fault("shutdown", "ENOTCONN", "1..2", Ends),
    fault("clone3", "EAGAIN", "1..2", Refuses),
    fault("openat", "EMFILE", "1..2", Refuses),
];

/// What those of the driver over io_uring may answer: what is in the ring is no call, but to submit and to wait is, and
/// what leaves from a file does so by a call.
const FAULTS_OF_URING: &[Fault] = &[
    fault("io_uring_enter", "EINTR", "1..200+2", Nothing),
    fault("io_uring_enter", "EAGAIN", "1..200+2", Nothing),
    fault("io_uring_enter", "EBUSY", "1..200+2", Nothing),
    fault("io_uring_enter", "ENOMEM", "1..200+2", Nothing),
    fault("sendfile", "EINTR", "1..40+2", Nothing),
    fault("sendfile", "EAGAIN", "1..40+2", Nothing),
    fault("sendfile", "ENOMEM", "1..40+9", Nothing),
    fault("sendfile", "ECONNRESET", "2..3", Ends),
    fault("sendmmsg", "EAGAIN", "1..20+2", Nothing),
    fault("sendmmsg", "ENOBUFS", "1..20+2", Nothing),
    fault("epoll_wait,epoll_pwait,?epoll_pwait2", "EINTR", "1..200+2", Nothing),
    fault("socket", "EMFILE", "1", Refuses),
    fault("connect", "EINTR", "1", Nothing),
    fault("connect", "ECONNREFUSED", "1", Refuses),
    fault("getpeername", "ENOTCONN", "1..2", Refuses),
    fault("getsockopt", "ENOBUFS", "1", Refuses),
    fault("setsockopt", "ENOBUFS", "1", Refuses),
    fault("shutdown", "ENOTCONN", "1..2", Ends),
];

/// What those may answer by which it sends to one that is alone. They end early, too.
const FAULTS_OF_URING_ALONE: &[Fault] = &[
    fault("sendto", "EINTR", "1..12+2", Nothing),
    fault("sendto", "EAGAIN", "1..12+2", Nothing),
    fault("sendto", "ENOBUFS", "1..12+4", Nothing),
    fault("sendto", "ENOMEM", "1..12+4", Nothing),
    fault("sendto", "ECONNRESET", "3..12+8", Ends),
    fault("sendto", "EPIPE", "3..12+8", Ends),
];

/// What the calls that start programs may answer.
const FAULTS_OF_PROGRAMS: &[Fault] = &[
    fault("clone", "EAGAIN", "1..2", Refuses),
    fault("clone", "ENOMEM", "1..2", Refuses),
    fault("pipe2", "EMFILE", "1..3", Refuses),
    fault("pidfd_open", "EMFILE", "1..2", Refuses),
    fault("pidfd_open", "ENOSYS", "1..3", Nothing),
    fault("socketpair", "EMFILE", "1..2", Refuses),
];

/// Behind how many calls of `sendto` none is answered in the kernel's place any more.
const FAULTY_SENDS_MAX: usize = 60;

/// How many servers are tried at a time.
const AT_A_TIME: usize = 6;

#[test]
fn nothing_is_lost_whatever_a_call_answers() {
    try_all("poll", FAULTS_OF_POLL, visit_all);
}

#[test]
fn nothing_is_lost_on_io_uring_whatever_a_call_answers() {
    if start::has_uring("nothing_is_lost_on_io_uring_whatever_a_call_answers") {
        try_all("uring", FAULTS_OF_URING, visit_all);
        try_all("uring", FAULTS_OF_URING_ALONE, visit_one_by_one);
    }
}

#[test]
fn a_program_that_cannot_be_started_costs_who_asked_for_it() {
    try_all("poll", FAULTS_OF_PROGRAMS, visit_programs);
}

fn try_all(driver: &str, faults: &[Fault], visit: fn(&Addresses) -> Vec<Outcome>) {
    let mut wrong = Vec::new();
    for faults in faults.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let trials: Vec<_> = faults
                .iter()
                .map(|fault| (fault, scope.spawn(move || trial(driver, fault, visit))))
                .collect();
            for (fault, trial) in trials {
                let found = trial.join().unwrap_or_else(|_| vec!["a panic, see above".to_owned()]);
                wrong.extend(found.iter().map(|what| format!("{} {}: {what}", fault.call, fault.error)));
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn short_writes_are_real_and_lose_nothing() {
    let server = Faulted::start("poll", "sendto,sendmsg,sendfile", None);
    let outcomes = visit_slowly(server.addresses());
    let bad: Vec<String> =
        outcomes.iter().filter(|outcome| !outcome.is_whole()).map(Outcome::to_string).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let log = server.stop().log;
    for call in ["send", "sendfile"] {
        assert!(log.lines().any(|line| is_short(line, call)), "no {call} took less than it was given");
    }
}

/// True of a logged call that took some of the bytes that it was given.
fn is_short(line: &str, call: &str) -> bool {
    let Some((before, taken)) = line.rsplit_once(" = ") else { return false };
    let taken = taken.trim().parse().unwrap_or(0);
    0 < taken && taken < given(before, call)
}

/// How many bytes a logged call was given; 0 if it is not the one that is meant. `send` is both of
/// `sendto(7, "…"..., 100, 0, NULL, 0)` and `sendmsg(7, {… msg_iov=[{iov_base="…"..., iov_len=100}, …] …}, 0)`.
fn given(logged: &str, call: &str) -> u64 {
    let number =
        |text: &str| text.split(|c: char| !c.is_ascii_digit()).find_map(|number| number.parse().ok());
    match call {
        "sendfile" if logged.contains("sendfile(") => {
            logged.rsplit_once(", ").and_then(|(_, count)| number(count)).unwrap_or(0)
        }
        "send" if logged.contains("sendmsg(") => {
            // Of very many pieces only the first are logged, which makes it fewer.
            logged.split("iov_len=").skip(1).filter_map(number).sum()
        }
        "send" if logged.contains("sendto(") => {
            logged.rsplit_once('"').and_then(|(_, behind)| number(behind)).unwrap_or(0)
        }
        _ => 0,
    }
}

#[test]
fn short_calls_are_told_from_whole_ones() {
    let (bytes, pieces) = (
        r#"7 sendto(4, "a 9\""..., 100, MSG_NOSIGNAL, NULL, 0)"#,
        "iov_len=60}, {iov_base=\"x\"..., iov_len=40}",
    );
    let pieces =
        format!("7 sendmsg(4, {{msg_name=NULL, msg_iov=[{{iov_base=\"9\"..., {pieces}], msg_iovlen=2}}, 0)");
    let file = "7 sendfile(4, 5, [3] => [43], 100)";
    for (logged, call) in [(bytes, "send"), (&pieces, "send"), (file, "sendfile")] {
        assert_eq!(given(logged, call), 100, "{logged}");
        assert!(is_short(&format!("{logged} = 40"), call), "{logged}");
        assert!(!is_short(&format!("{logged} = 100"), call), "{logged}");
        assert!(
            !is_short(&format!("{logged} = -1 EAGAIN (Resource temporarily unavailable)"), call),
            "{logged}"
        );
    }
}

/// What was wrong with a server among these faults.
fn trial(driver: &str, fault: &Fault, visit: fn(&Addresses) -> Vec<Outcome>) -> Vec<String> {
    let mut wrong = Vec::new();
    let server = Faulted::start(driver, fault.call, Some(fault));
    let outcomes = visit(server.addresses());
    let bad: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.is_whole()).collect();
    for outcome in &bad {
        let allowed = match fault.effect {
            Nothing => false,
            Refuses => outcome.got == 0 && !outcome.hung,
            Ends => outcome.is_right && !outcome.hung,
        };
        if !allowed {
            wrong.push(outcome.to_string());
        }
    }
    if !(0..50).any(|_| visit::echoes(&server.addresses().echo)) {
        wrong.push("it does not serve any more".to_owned());
    }
    if fault.call == "sendto" {
        // How many of them the visits took is for the traffic to say.
        for _ in 0..FAULTY_SENDS_MAX {
            visit::echoes(&server.addresses().echo);
        }
    }
    let busy = server.busy_in_a_quiet_second();
    if busy > server::BUSY_MAX {
        wrong.push(format!("it was busy for {busy:?} of a quiet second"));
    }
    let end = server.stop();
    let injected = end.log.lines().filter(|line| line.contains(INJECTED)).count();
    if injected == 0 {
        wrong.push("the fault was never injected".to_owned());
    }
    // Clients who ask for the same file at once may share what has failed.
    if bad.len() > 2 * injected {
        wrong.push(format!("{} connections were hurt by {injected} faults", bad.len()));
    }
    if fault.effect == Ends
        && !bad.is_empty()
        && !end.said.contains("lost: ")
        && bad.iter().any(|bad| bad.is_told)
    {
        let bad: Vec<String> = bad.iter().map(|bad| bad.to_string()).collect();
        wrong.push(format!("nobody was told why: {bad:?}; it said: {}", end.said));
    }
    if !end.status.success() {
        wrong.push(format!("it ended with {}, and said: {}", end.status, end.said));
    }
    wrong
}
