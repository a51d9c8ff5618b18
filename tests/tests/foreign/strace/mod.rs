//! The portable driver among system calls that fail: `strace` answers some of the calls of a server in the kernel's
//! place, and clients in another process compare every byte.
//!
//! A call that is answered so was never made. That is what EINTR, EAGAIN, ENOBUFS, ENOMEM and EMFILE mean, so after
//! them nothing may be lost. It is also why short writes are not injected: a made-up count would claim bytes that
//! never left, and no program could pass. They are made for real, by peers with a small window that read slowly, and
//! the log of the calls must show them.

mod server;
mod visit;

use server::{Faulted, INJECTED};
use std::thread;
use visit::{Outcome, visit_all};

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

/// What the calls of the driver may answer, by their manual pages, and whom it may hurt. Those of `sendto` end early:
/// the handler of signals tells its thread by one, and a signal that is lost is lost. Of `futex` there is none, since
/// strace cannot tell a wait, which may be interrupted, from a call that wakes others, which may not.
const FAULTS: &[Fault] = &[
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

/// How many servers are tried at a time.
const AT_A_TIME: usize = 4;

#[test]
fn nothing_is_lost_whatever_a_call_answers() {
    let mut wrong = Vec::new();
    for faults in FAULTS.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let trials: Vec<_> = faults.iter().map(|fault| (fault, scope.spawn(|| trial(fault)))).collect();
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
    let server = Faulted::start("sendto,sendmsg,sendfile", None);
    let outcomes = visit_all(server.addresses());
    let bad: Vec<String> =
        outcomes.iter().filter(|outcome| !outcome.is_whole()).map(Outcome::to_string).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let log = server.stop().log;
    for call in ["sendto", "sendfile"] {
        assert!(log.lines().any(|line| is_short(line, call)), "no {call} took less than it was given");
    }
}

/// True of a logged call that took some of the bytes that it was given: `sendto(7, "…"..., 100, 0, …) = 40`.
fn is_short(line: &str, call: &str) -> bool {
    let Some((_, arguments)) = line.split_once(&format!("{call}(")) else { return false };
    let Some((arguments, taken)) = arguments.rsplit_once(" = ") else { return false };
    let Ok(taken) = taken.trim().parse::<u64>() else { return false };
    // The count is the last number of sendfile, and the one behind the bytes of sendto.
    let behind = arguments.rsplit_once('"').map_or(arguments, |(_, behind)| behind);
    let mut numbers = behind.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    let given = if call == "sendfile" { numbers.next_back() } else { numbers.next() };
    given.is_some_and(|given: u64| 0 < taken && taken < given)
}

/// What was wrong with a server among these faults.
fn trial(fault: &Fault) -> Vec<String> {
    let mut wrong = Vec::new();
    let server = Faulted::start(fault.call, Some(fault));
    let outcomes = visit_all(server.addresses());
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
        && bad.iter().any(|bad| !bad.is_web)
    {
        wrong.push(format!("nobody was told why; it said: {}", end.said));
    }
    if !end.status.success() {
        wrong.push(format!("it ended with {}, and said: {}", end.status, end.said));
    }
    wrong
}
