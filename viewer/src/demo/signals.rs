//! Signals for programs that wait.
//!
//! Invariant: a watched signal is blocked except within [`Signals::wait`], so that none is missed
//! between looking and waiting; its handler runs, so that the kernel sees it handled.

use std::{
    os::fd::{AsFd, AsRawFd as _},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// One bit per signal that arrived.
static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(sig: libc::c_int) {
    SEEN.fetch_or(1 << sig, Ordering::Relaxed);
}

/// Proof that signals are watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals(());

impl Signals {
    pub(super) fn watch(signals: &[libc::c_int]) -> Self {
        // SAFETY: all-zero is a valid sigset_t and a valid sigaction (no flags, empty mask).
        let (mut set, mut action): (libc::sigset_t, libc::sigaction) = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        for &sig in signals {
            // SAFETY: `set` and `action` live; the handler only touches an atomic.
            unsafe {
                libc::sigaddset(&raw mut set, sig);
                libc::sigaction(sig, &raw const action, std::ptr::null_mut());
            }
        }
        // SAFETY: `set` lives. Everything else is unblocked, whatever was inherited.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
        Self(())
    }

    /// Waits for a watched signal, for `fd` to become readable, or for the time to pass; true when `fd`
    /// is readable. Returns at once for a signal that was not [forgotten](Self::forget).
    pub(super) fn wait(self, fd: Option<&dyn AsRawFdOf>, most: Option<Duration>) -> bool {
        if SEEN.load(Ordering::Relaxed) != 0 && fd.is_none() {
            return false;
        }
        let mut polled = libc::pollfd { fd: fd.map_or(-1, AsRawFdOf::raw), events: libc::POLLIN, revents: 0 };
        let time = most.map(|most| libc::timespec {
            tv_sec: most.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: most.subsec_nanos().into(),
        });
        // SAFETY: all-zero is a valid, empty sigset_t.
        let empty: libc::sigset_t = unsafe { std::mem::zeroed() };
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `polled`, `time` and `empty` live through the call, and the count is right.
        let ready = unsafe { libc::ppoll(&raw mut polled, 1, time, &raw const empty) };
        ready > 0
    }

    /// Lets signals in that wait, and waits for none.
    pub(super) fn look(self) {
        self.wait(None, Some(Duration::ZERO));
    }

    pub(super) fn seen(self, sig: libc::c_int) -> bool {
        SEEN.load(Ordering::Relaxed) & 1 << sig != 0
    }

    pub(super) fn forget(self, sig: libc::c_int) {
        SEEN.fetch_and(!(1 << sig), Ordering::Relaxed);
    }
}

/// Anything with a descriptor.
pub(super) trait AsRawFdOf {
    fn raw(&self) -> libc::c_int;
}

impl<T: AsFd> AsRawFdOf for T {
    fn raw(&self) -> libc::c_int {
        self.as_fd().as_raw_fd()
    }
}
