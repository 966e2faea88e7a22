//! Processes of the tests' own, and how they and the test wait for each other.
//!
//! Invariant: a child is killed and reaped when its [`Child`] goes, so none survives a failing test, and the kernel kills it when
//! the thread that forked it ends in any other way; it is never signalled after it was reaped, when its pid may be another's.

use std::{
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::sys;

/// Exit code of a child that panicked.
const PANICKED: i32 = 101;

/// A forked process.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    /// Boot time before and after fork(2): with the pid, what tells its fork event from all others.
    pub born_ns: (u64, u64),
    status: Option<i32>,
}

/// What wait4(2) said.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// As wait(2) encodes it.
    pub status: i32,
    pub cpu_ns: u64,
    pub max_rss_kib: u64,
}

impl Child {
    /// Forks a process that does `f` and exits with what that returns.
    pub fn fork(f: impl FnOnce() -> i32) -> Self {
        let before = sys::boottime_ns();
        let parent = sys::getpid();
        // SAFETY: the child has one thread, and glibc has its allocator ready after fork(3); it leaves
        // through _exit and never returns into the test.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            die_with_parent();
            if sys::call(libc::SYS_getppid, &[]) != i64::from(parent) {
                // It was gone before that.
                // SAFETY: as in `run`.
                unsafe { libc::_exit(PANICKED) }
            }
            run(f);
        }
        Self { pid, born_ns: (before, sys::boottime_ns()), status: None }
    }

    /// Waits until it has ended, and reaps it.
    pub fn wait(&mut self) -> Ended {
        // SAFETY: all-zero is a valid rusage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let mut status = 0;
        let args = [self.pid.into(), (&raw mut status) as i64, 0, (&raw mut usage) as i64];
        assert_eq!(sys::call(libc::SYS_wait4, &args), i64::from(self.pid), "wait4 for {}", self.pid);
        self.status = Some(status);
        let time = |t: libc::timeval| t.tv_sec as u64 * 1_000_000_000 + t.tv_usec as u64 * 1000;
        Ended {
            status,
            cpu_ns: time(usage.ru_utime) + time(usage.ru_stime),
            max_rss_kib: usage.ru_maxrss as u64,
        }
    }

    /// Waits for it, and for its having exited with 0.
    pub fn succeed(&mut self) {
        assert_eq!(self.wait().status, 0, "wait status of child {}", self.pid);
    }

    /// Waits until it has ended, and leaves it as a zombie.
    pub fn wait_for_zombie(&self) {
        let flags = i64::from(libc::WEXITED | libc::WNOWAIT);
        let args = [libc::P_PID.into(), self.pid.into(), 0, flags, 0];
        assert_eq!(sys::call(libc::SYS_waitid, &args), 0, "waitid for {}", self.pid);
    }

    pub fn kill(&self, sig: i32) {
        assert!(self.status.is_none(), "{} was reaped", self.pid);
        assert_eq!(sys::kill(self.pid, sig), 0, "kill({}, {sig})", self.pid);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.is_none() {
            sys::kill(self.pid, libc::SIGKILL);
            sys::call(libc::SYS_wait4, &[self.pid.into(), 0, 0, 0]);
        }
    }
}

/// Has the kernel kill this process when the thread that forked it ends: a test that is killed runs no destructors.
pub fn die_with_parent() {
    assert_eq!(
        sys::call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG.into(), libc::SIGKILL.into()]),
        0,
        "prctl"
    );
}

/// The rest of a child's life.
pub fn run(f: impl FnOnce() -> i32) -> ! {
    let code = catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        sys::say(&format!("child {} panicked: {text}\n", sys::getpid()));
        PANICKED
    });
    // SAFETY: ends this process at once: nothing of the test that it is a copy of is to run.
    unsafe { libc::_exit(code) }
}

/// Sleeps until a signal ends it.
pub fn sleep_for_ever() -> ! {
    loop {
        sys::call(libc::SYS_pause, &[]);
    }
}

/// Bytes from one process to another, both ends in both until each has dropped the other's.
#[derive(Debug)]
pub struct Channel {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Channel {
    pub fn new() -> Self {
        let (reader, writer) = pipe().expect("a pipe");
        Self { reader, writer }
    }

    pub fn into_ends(self) -> (PipeReader, PipeWriter) {
        (self.reader, self.writer)
    }

    /// The numbers that the others send until they have ended.
    pub fn into_numbers(self) -> impl Iterator<Item = u64> {
        let (mut reader, writer) = self.into_ends();
        drop(writer);
        std::iter::from_fn(move || {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes).ok().map(|()| u64::from_ne_bytes(bytes))
        })
    }

    /// Says that something is so.
    pub fn tell(&self) {
        self.send(0);
    }

    /// Waits until the other has told.
    pub fn await_word(&self) {
        self.receive();
    }

    pub fn send(&self, number: u64) {
        (&self.writer).write_all(&number.to_ne_bytes()).expect("the pipe takes a word");
    }

    /// The next number that was sent.
    pub fn receive(&self) -> u64 {
        let mut bytes = [0; 8];
        (&self.reader).read_exact(&mut bytes).expect("the other side says something");
        u64::from_ne_bytes(bytes)
    }
}

/// A child that waits to be killed, once it is `ready`.
pub fn sleeper(prepare: impl FnOnce()) -> Child {
    let ready = Channel::new();
    let child = Child::fork(|| {
        prepare();
        ready.tell();
        sleep_for_ever()
    });
    receive_or_end(ready);
    child
}

/// Waits for one word, or fails when the child ended without a word.
fn receive_or_end(channel: Channel) {
    let (mut reader, writer) = channel.into_ends();
    drop(writer);
    reader.read_exact(&mut [0; 8]).expect("the child lives until it is ready");
}
