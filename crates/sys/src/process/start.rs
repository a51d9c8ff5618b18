//! Starting a program: fork, and what the child does until it is the program.
//!
//! The standard library forks. All that follows is done here rather than by it, for three reasons: it would overwrite its
//! own pipe, by which it reports errors, when a descriptor is to have that number; it closes nothing that another library
//! has left open; and it does not say which of the steps has failed.

use super::{
    pipes::{Pipes, above, pipe},
    plan::Plan,
};
use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::{Child, Command},
};
use trenza_core::driver::{Grouping, Spawn};

/// Where there is no call that marks all descriptors at once, so many are marked one by one.
const MARKED_MAX: libc::c_int = 1 << 16;

/// What a child was at when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    Session,
    Terminal,
    Descriptors,
    User,
    Directory,
    Program,
}

const STEPS: [Step; 6] =
    [Step::Session, Step::Terminal, Step::Descriptors, Step::User, Step::Directory, Step::Program];

/// Starts a program. It runs when this returns, and has the child's ends of the pipes.
pub(super) fn start(spawn: &Spawn, mut pipes: Pipes) -> io::Result<Child> {
    let plan = Plan::new(spawn)?;
    let most = pipes.out_of_the_way()?;
    let (reports, low) = pipe()?;
    let report = above(&low, most)?;
    drop(low);
    let child = fork(plan, &pipes, most, &report)?;
    // The end of the reports is seen when no copy is left but the child's.
    drop((report, pipes));
    judge(spawn, child, reports)
}

/// Reads how it went: nothing, when the child has become the program.
fn judge(spawn: &Spawn, mut child: Child, reports: OwnedFd) -> io::Result<Child> {
    let mut report = Vec::new();
    let read = File::from(reports).read_to_end(&mut report);
    if read.is_ok() && report.is_empty() {
        return Ok(child);
    }
    // It has nothing more to do, and is not left as a zombie.
    let _ = child.kill();
    let _ = child.wait();
    read?;
    let &[step, a, b, c, d] = &report[..] else {
        return Err(io::Error::other("the child process has told nonsense"));
    };
    let error = io::Error::from_raw_os_error(i32::from_ne_bytes([a, b, c, d]));
    let step = STEPS.iter().copied().find(|known| *known as u8 == step);
    Err(explain(spawn, step, error))
}

fn explain(spawn: &Spawn, step: Option<Step>, error: io::Error) -> io::Error {
    let what = match step {
        Some(Step::Directory) => {
            format!("its directory {:?}: {error}", spawn.directory.clone().unwrap_or_default())
        }
        Some(Step::User) => format!("it may not run as another user or group: {error}"),
        Some(Step::Session) => format!("it gets no session or group of its own: {error}"),
        Some(Step::Terminal) => format!("it gets no terminal: {error}"),
        Some(Step::Descriptors) => format!("it gets no descriptors: {error}"),
        Some(Step::Program) | None => return error,
    };
    io::Error::new(error.kind(), what)
}

#[allow(unsafe_code, reason = "only so a child can do something before it is the program")]
fn fork(plan: Plan, pipes: &Pipes, most: u32, report: &OwnedFd) -> io::Result<Child> {
    let moves: Vec<(RawFd, RawFd)> = pipes
        .theirs
        .iter()
        .filter_map(|(number, fd)| Some((fd.as_raw_fd(), RawFd::try_from(*number).ok()?)))
        .collect();
    let most = RawFd::try_from(most).unwrap_or(RawFd::MAX);
    let report = report.as_raw_fd();
    // Its own name is never run: the closure does not return.
    let mut command = Command::new("/");
    // SAFETY: the closure runs in the child between fork and exec, where nothing may be done that takes a lock or memory.
    // It makes system calls only, on memory that was made before; see `become_program`. It does not return, so that the
    // standard library does nothing more in the child.
    unsafe {
        command.pre_exec(move || become_program(&plan, &moves, most, report));
    }
    command.spawn()
}

/// Does one step after another until the child is the program; tells what has failed, and ends.
fn become_program(plan: &Plan, moves: &[(RawFd, RawFd)], most: RawFd, report: RawFd) -> ! {
    let step = steps(plan, moves, most);
    // The system's number of the last error, before anything else is called.
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    let [a, b, c, d] = errno.to_ne_bytes();
    let told = [step as u8, a, b, c, d];
    #[allow(unsafe_code, reason = "system calls of a child")]
    // SAFETY: `told` is as long as is said, and both calls may be made between fork and exec.
    unsafe {
        libc::write(report, told.as_ptr().cast(), told.len());
        libc::_exit(127)
    }
}

/// The step that has failed; there is no other way to come back.
#[allow(unsafe_code, reason = "system calls of a child")]
fn steps(plan: &Plan, moves: &[(RawFd, RawFd)], most: RawFd) -> Step {
    // SAFETY: every call here may be made between fork and exec (signal-safety(7); those that POSIX does not list make one
    // system call and nothing else). All pointers lead to memory of `plan`, which lives as long as the child is not the
    // program, and all texts and arrays end with 0.
    unsafe {
        // What this program blocks or ignores must not stop that one from being ended, or from noticing that nobody reads.
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let session = plan.terminal || plan.grouping == Grouping::Session;
        if session && libc::setsid() < 0 || plan.grouping == Grouping::Group && libc::setpgid(0, 0) < 0 {
            return Step::Session;
        }
        if moves.iter().any(|(from, to)| libc::dup2(*from, *to) < 0) {
            return Step::Descriptors;
        }
        if plan.terminal && libc::ioctl(0, libc::TIOCSCTTY as _, 0) < 0 {
            return Step::Terminal;
        }
        let mut next = 3;
        for to in 3..=most {
            // Between those that it gets lie others.
            if moves.iter().any(|(_, kept)| *kept == to) {
                mark(next, to - 1);
                next = to + 1;
            }
        }
        mark(next, RawFd::MAX);
        if let Some(groups) = &plan.groups
            && (libc::geteuid() == 0 || !groups.is_empty())
            && libc::setgroups(groups.len() as _, groups.as_ptr()) < 0
        {
            return Step::User;
        }
        if plan.group.is_some_and(|group| libc::setgid(group) < 0)
            || plan.user.is_some_and(|user| libc::setuid(user) < 0)
        {
            return Step::User;
        }
        if plan.directory.as_ref().is_some_and(|directory| libc::chdir(directory.as_ptr()) < 0) {
            return Step::Directory;
        }
        run(plan)
    }
}

/// Becomes the program; comes back when no candidate can be run, with the error that says most.
#[allow(unsafe_code, reason = "system calls of a child")]
unsafe fn run(plan: &Plan) -> Step {
    let mut refused = false;
    for path in &plan.candidates {
        // SAFETY: see `steps`.
        unsafe { libc::execve(path.as_ptr(), plan.arguments.pointers(), plan.environment.pointers()) };
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::EACCES) => refused = true,
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            _ => return Step::Program,
        }
    }
    if refused {
        // SAFETY: the place of the last error is this thread's own.
        unsafe { set_errno(libc::EACCES) };
    }
    Step::Program
}

#[allow(unsafe_code, reason = "there is no other way to set it")]
unsafe fn set_errno(errno: libc::c_int) {
    // SAFETY: the pointer is that of this thread's variable.
    unsafe {
        #[cfg(any(target_os = "linux", target_os = "l4re"))]
        let place = libc::__errno_location();
        #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
        let place = libc::__errno();
        #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
        let place = libc::__error();
        #[cfg(target_os = "dragonfly")]
        let place = libc::__errno_location();
        *place = errno;
    }
}

/// Has the descriptors from `first` to `last` closed when the child becomes the program: whatever other code has left
/// open.
#[allow(unsafe_code, reason = "system calls of a child")]
unsafe fn mark(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: it has no pointers; kernels before 5.11 do not know it.
        let marked = unsafe {
            libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC as libc::c_uint)
        };
        if marked == 0 {
            return;
        }
    }
    for fd in first..=last.min(MARKED_MAX) {
        // SAFETY: a number that is no descriptor is refused.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
