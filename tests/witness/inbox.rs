//! Signals, with who sent them, as a queue.
//!
//! Invariant: the handler only writes one fixed-size record to a pipe (async-signal-safe); everything
//! else happens outside it. Signals arrive by handlers, not by sigwaitinfo, as they do in real daemons.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsRawFd as _, FromRawFd as _},
    sync::atomic::{AtomicI32, Ordering},
    time::{Duration, Instant},
};

static PIPE: AtomicI32 = AtomicI32::new(-1);

/// What a handled signal brought with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Got {
    pub signal: i32,
    pub code: i32,
    pub from: i32,
}

impl Got {
    pub fn words(self) -> String {
        format!("got signal={} from={} code={}", self.signal, self.from, self.code)
    }
}

#[derive(Debug)]
pub struct Inbox {
    pipe: File,
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo with SA_SIGINFO; errno is this thread's own, and is
    // put back as it was for the code that was interrupted.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        let record: [i32; 3] = [signal, (*info).si_code, (*info).si_pid()];
        libc::write(PIPE.load(Ordering::Relaxed), record.as_ptr().cast(), 12);
        *errno = saved;
    }
}

impl Inbox {
    /// Handles `signals` from now on.
    pub fn new(signals: &[i32]) -> Self {
        let mut ends = [-1; 2];
        // SAFETY: fills the two descriptors, which are then owned by us alone.
        let pipe = unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK), 0, "no pipe");
            File::from_raw_fd(ends[0])
        };
        PIPE.store(ends[1], Ordering::Relaxed);
        for &signal in signals {
            // SAFETY: the action is zeroed plain data; the handler is async-signal-safe.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
        Self { pipe }
    }

    /// Blocks what can be blocked: from here on signals stay pending.
    pub fn close() {
        // SAFETY: a set that is ours, filled before it is used.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
        }
    }

    /// The next signal; `None` when `limit` is over first.
    pub fn next(&mut self, limit: Option<Duration>) -> Option<Got> {
        let until = limit.map(|limit| Instant::now() + limit);
        loop {
            let mut record = [0u8; 12];
            if self.pipe.read_exact(&mut record).is_ok() {
                let word = |at: usize| {
                    i32::from_ne_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
                };
                return Some(Got { signal: word(0), code: word(4), from: word(8) });
            }
            let left_ms = match until {
                None => -1,
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    i32::try_from(left.as_millis()).unwrap_or(i32::MAX).saturating_add(1)
                }
            };
            let mut polled = libc::pollfd { fd: self.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd that is ours; EINTR only takes another turn.
            unsafe { libc::poll(&mut polled, 1, left_ms) };
        }
    }
}
