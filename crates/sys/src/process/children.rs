//! [`Children`]: who was started and lives.

use super::{number, pipes::Pipes, start::start, status};
use rustix::process::{Pid, kill_process, kill_process_group};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io,
    os::fd::OwnedFd,
    process,
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
    thread,
};
use trenza_core::{
    ExitStatus, Signal,
    driver::{Child, Spawn},
};

/// The stack of a thread that waits, in bytes.
const STACK: usize = 64 * 1024;

/// The children of a host. They are reaped when the driver tells that they have exited, and not before: until then a
/// number stands for one process.
#[derive(Debug, Default)]
pub(crate) struct Children {
    live: RefCell<BTreeMap<u32, process::Child>>,
    /// Those that the driver does not watch yet, with what is to be watched.
    newborn: RefCell<Vec<(u32, OwnedFd)>>,
    exits: Arc<Exits>,
    /// Has threads wait although there are descriptors for it.
    #[cfg(test)]
    pub(crate) by_threads: std::cell::Cell<bool>,
}

/// What the threads that wait have found.
#[derive(Debug, Default)]
struct Exits {
    exited: Mutex<VecDeque<u32>>,
    waker: Mutex<Option<Waker>>,
}

impl Exits {
    fn tell(&self, pid: u32) {
        self.exited.lock().unwrap_or_else(PoisonError::into_inner).push_back(pid);
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }
}

impl Children {
    /// Whom the threads that wait wake up.
    pub(crate) fn set_waker(&self, waker: Waker) {
        *self.exits.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    pub(crate) fn spawn(&self, mut how: Spawn) -> io::Result<Child> {
        let mut pipes = Pipes::new(&mut how)?;
        let ours = std::mem::take(&mut pipes.ours);
        let mut child = start(&how, pipes)?;
        let pid = child.id();
        if let Err(error) = self.watch(pid) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        self.live.borrow_mut().insert(pid, child);
        Ok(Child { pid, pipes: ours })
    }

    /// Sees to it that the exit will be noticed.
    fn watch(&self, pid: u32) -> io::Result<()> {
        #[cfg(test)]
        if self.by_threads.get() {
            return self.wait_on_thread(pid);
        }
        match descriptor_of(pid)? {
            Some(fd) => {
                self.newborn.borrow_mut().push((pid, fd));
                Ok(())
            }
            None => self.wait_on_thread(pid),
        }
    }

    /// Waits on a thread, which leaves the reaping to the loop.
    fn wait_on_thread(&self, pid: u32) -> io::Result<()> {
        let exits = self.exits.clone();
        let wait = move || {
            wait_for(pid);
            exits.tell(pid);
        };
        let thread = thread::Builder::new().name("trenza-child".into()).stack_size(STACK);
        thread.spawn(wait).map(drop)
    }

    /// Waits for one that cannot be watched.
    pub(crate) fn wait_otherwise(&self, pid: u32) {
        if self.wait_on_thread(pid).is_err() {
            self.exits.tell(pid);
        }
    }

    /// Those that are to be watched from now on.
    pub(crate) fn take_newborn(&self) -> Vec<(u32, OwnedFd)> {
        self.newborn.take()
    }

    /// A child that a thread has seen exit, reaped.
    pub(crate) fn next_exit(&self) -> Option<(u32, ExitStatus)> {
        loop {
            let pid = self.exits.exited.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
            if let Some(status) = self.reap(pid) {
                return Some((pid, status));
            }
            if self.live.borrow().contains_key(&pid) && self.wait_on_thread(pid).is_err() {
                // Rather looked at again and again than never seen to exit.
                self.exits.tell(pid);
                return None;
            }
        }
    }

    /// Reaps a child; None if it has not exited.
    pub(crate) fn reap(&self, pid: u32) -> Option<ExitStatus> {
        let mut live = self.live.borrow_mut();
        let status = match live.get_mut(&pid)?.try_wait() {
            Ok(None) => return None,
            Ok(Some(exit)) => status(exit),
            Err(_) => ExitStatus::Unknown,
        };
        live.remove(&pid);
        Some(status)
    }

    pub(crate) fn signal(&self, pid: u32, signal: Signal, group: bool) -> io::Result<()> {
        if !self.live.borrow().contains_key(&pid) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("process {pid} has exited")));
        }
        let known = number(signal).and_then(|number| rustix_signal(number).ok());
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("{signal} is no signal here"));
        let signal = known.ok_or_else(invalid)?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(if group { kill_process_group(pid, signal) } else { kill_process(pid, signal) }?)
    }

    /// Who lives is killed, and reaped on a thread: a process that the system cannot end at once must not hold the loop's.
    pub(crate) fn end(&self) {
        self.newborn.take();
        let mut left = self.live.take();
        left.values_mut().for_each(|child| drop(child.kill()));
        left.retain(|_, child| matches!(child.try_wait(), Ok(None)));
        if left.is_empty() {
            return;
        }
        let reap = move || left.values_mut().for_each(|child| drop(child.wait()));
        // Without a thread they are zombies until this program ends.
        let _ = thread::Builder::new().name("trenza-reaper".into()).stack_size(STACK).spawn(reap);
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.end();
    }
}

#[allow(unsafe_code, reason = "the numbers of real-time signals have no names")]
fn rustix_signal(number: i32) -> Result<rustix::process::Signal, ()> {
    if let Some(named) = rustix::process::Signal::from_named_raw(number) {
        return Ok(named);
    }
    let real_time = cfg!(any(target_os = "linux", target_os = "android")) && (35..=64).contains(&number);
    // SAFETY: it is sent only, to another process, and within the numbers that the C library leaves to programs.
    if real_time { Ok(unsafe { rustix::process::Signal::from_raw_unchecked(number) }) } else { Err(()) }
}

/// A descriptor that is readable when the process has exited; None where the system has none.
#[cfg(target_os = "linux")]
fn descriptor_of(pid: u32) -> io::Result<Option<OwnedFd>> {
    use rustix::{
        io::Errno,
        process::{PidfdFlags, pidfd_open},
    };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => Ok(Some(fd)),
        // Kernels before 5.10, and fences that do not know the call. It is gone already where this program was started
        // with SIGCHLD ignored: then the system reaps, and nobody hears how it has exited.
        Err(Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn descriptor_of(_: u32) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

/// Waits until a process has exited, and leaves it to be reaped.
#[cfg(not(target_os = "openbsd"))]
fn wait_for(pid: u32) {
    use rustix::{
        io::Errno,
        process::{WaitId, WaitIdOptions, waitid},
    };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), how), Err(Errno::INTR)) {}
}

/// Without a call that leaves it to be reaped, the loop looks now and then.
#[cfg(target_os = "openbsd")]
fn wait_for(_: u32) {
    thread::sleep(std::time::Duration::from_millis(20));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{task::Wake, time::Duration};
    use trenza_core::driver::Descriptor;

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn shell(script: &str) -> Spawn {
        let mut how = Spawn::new("sh");
        how.arguments = vec!["-c".into(), script.into()];
        how
    }

    fn is_there(pid: u32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn without_descriptors_of_processes_a_thread_waits_and_the_loop_reaps() {
        let children = Children::default();
        children.by_threads.set(true);
        children.set_waker(Arc::new(Unpark(thread::current())).into());
        let quick = children.spawn(shell("exit 3")).unwrap().pid;
        let slow = children.spawn(shell("sleep 1000")).unwrap().pid;
        assert!(children.take_newborn().is_empty());
        let exit = || loop {
            if let Some(exit) = children.next_exit() {
                return exit;
            }
            thread::park_timeout(Duration::from_secs(30));
        };
        assert_eq!(exit(), (quick, ExitStatus::Code(3)));
        assert!(children.signal(quick, Signal::Kill, false).is_err());
        children.signal(slow, Signal::Terminate, false).unwrap();
        assert_eq!(exit(), (slow, Signal::Terminate.into()));
        assert!(!is_there(quick) && !is_there(slow));
    }

    #[test]
    fn whoever_lives_at_the_end_is_killed_and_reaped() {
        let children = Children::default();
        let pids: Vec<u32> = (0..5).map(|_| children.spawn(shell("sleep 1000")).unwrap().pid).collect();
        assert!(pids.iter().all(|pid| is_there(*pid)));
        drop(children);
        let mut patience = 3000;
        while pids.iter().any(|pid| is_there(*pid)) {
            thread::sleep(Duration::from_millis(10));
            patience -= 1;
            assert!(patience > 0, "they are still there");
        }
    }

    #[test]
    fn what_cannot_be_started_says_why_and_leaves_nothing() {
        let children = Children::default();
        let file = tempfile::NamedTempFile::new().unwrap();
        let why = |change: &dyn Fn(&mut Spawn)| {
            let mut how = shell("exit 0");
            // The number of the pipe by which errors come must not be in the way.
            (3..40).for_each(|number| drop(how.descriptors.insert(number, Descriptor::Null)));
            change(&mut how);
            children.spawn(how).unwrap_err()
        };
        let missing = why(&|how| how.program = "/no/such/program".into());
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let refused = why(&|how| how.program = file.path().into());
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let lost = why(&|how| how.directory = Some("/no/such/folder".into()));
        assert!(lost.to_string().contains("its directory \"/no/such/folder\": No such file"), "{lost}");
        let no_program = why(&|how| how.program = "/".into());
        assert_eq!(no_program.kind(), io::ErrorKind::PermissionDenied);
        let inherited = why(&|how| drop(how.descriptors.insert(50, Descriptor::Inherited)));
        assert!(inherited.to_string().contains("only 0, 1 and 2"), "{inherited}");
        assert!(children.live.borrow().is_empty());
        // No zombie was left either.
        let zombies = std::fs::read_dir("/proc/self/task").unwrap().flatten().filter_map(|task| {
            std::fs::read_to_string(task.path().join("children")).ok().filter(|list| !list.trim().is_empty())
        });
        let zombie = zombies.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let dead = zombie.filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
        });
        // Other tests of this process have children too, but those that they have not reaped yet are few and soon gone.
        assert!(dead.count() < 5);
    }

    #[test]
    fn a_missing_signal_is_an_error() {
        let children = Children::default();
        let pid = children.spawn(shell("sleep 1000")).unwrap().pid;
        assert_eq!(
            children.signal(pid, Signal::Other(1000), false).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(children.reap(pid).is_none());
        children.signal(pid, Signal::Other(15), false).unwrap();
        let child = children.live.borrow_mut().remove(&pid).unwrap();
        assert_eq!(status(child.wait_with_output().unwrap().status), Signal::Terminate.into());
    }

    #[test]
    fn one_that_the_system_has_reaped_already_has_exited() {
        // As where SIGCHLD is ignored: its number is nobody's before it could be watched.
        let mut child = process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let children = Children::default();
        children.watch(pid).unwrap();
        children.live.borrow_mut().insert(pid, child);
        assert!(children.take_newborn().is_empty());
        let mut patience = 3000;
        while children.live.borrow().contains_key(&pid) {
            if let Some((exited, _)) = children.next_exit() {
                assert_eq!(exited, pid);
            }
            thread::sleep(Duration::from_millis(1));
            patience -= 1;
            assert!(patience > 0, "nobody heard of it");
        }
    }
}
