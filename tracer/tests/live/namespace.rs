//! Pid namespaces of the tests' own, where kill(-1) and reboot(2) reach nobody else.
//!
//! Invariant: an [`Inside`] exists only in a process that the kernel itself calls a member of another pid
//! namespace than the one the test began in, below an init that is the test's. Without one there is no way to
//! the calls that would end the machine.

use std::fs;

use crate::{
    child::{Child, die_with_parent, run},
    sys,
};

/// Proof that the running process is in a pid namespace of the tests' own.
#[derive(Debug)]
pub struct Inside {
    /// The namespace of the test itself.
    outside: String,
}

/// The running process's pid namespace, as /proc names it.
fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").expect("/proc names pid namespaces");
    link.to_string_lossy().into_owned()
}

/// Pids of the running process, from the outermost namespace inwards.
fn pids() -> Vec<u32> {
    let status = fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).expect("NSpid, Linux 4.1");
    line.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// The proof, or a panic. `outside` is the test's own namespace.
fn prove(outside: String) -> Inside {
    let inside = Inside { outside };
    inside.again();
    inside
}

impl Inside {
    fn again(&self) {
        assert_ne!(namespace(), self.outside, "still in the namespace of the test");
        let pids = pids();
        assert!(pids.len() >= 2, "one pid only: {pids:?}");
        assert_eq!(pids.last().copied(), Some(sys::getpid() as u32), "{pids:?}");
        // The init itself sees no parent; all others in these tests are its children.
        let (pid, parent) = (sys::getpid(), sys::call(libc::SYS_getppid, &[]));
        assert!(pid == 1 && parent == 0 || pid > 1 && parent == 1, "pid {pid}, parent {parent}");
    }

    /// Forks a child of the namespace's init.
    pub fn fork(&self, f: impl FnOnce(&Self) -> i32) -> Child {
        Child::fork(|| f(&prove(self.outside.clone())))
    }

    /// kill(-1, sig): everybody in this namespace but its init and the caller.
    pub fn kill_everybody(&self, sig: i32) -> i64 {
        self.again();
        sys::kill(-1, sig)
    }

    /// reboot(2): in here it ends the namespace (kernel/pid_namespace.c, `reboot_pid_ns`).
    pub fn reboot(&self, cmd: u32) -> i64 {
        self.again();
        let (magic1, magic2) = (0xfee1_dead_u32, 672_274_793_u32);
        sys::call(libc::SYS_reboot, &[magic1.into(), magic2.into(), cmd.into(), 0])
    }
}

/// A child that makes a pid namespace, and in it an init that does `f`. The child ends when the init
/// has ended, with 0, and hands the init's wait status to `ended`.
pub fn with_init(f: impl FnOnce(&Inside) -> i32, ended: impl FnOnce(i32)) -> Child {
    let outside = namespace();
    Child::fork(move || {
        assert_eq!(sys::call(libc::SYS_unshare, &[libc::CLONE_NEWPID.into()]), 0, "a pid namespace");
        // SAFETY: as in `Child::fork`.
        let init = unsafe { libc::fork() };
        assert!(init >= 0, "fork of an init");
        if init == 0 {
            // It sees no parent that it could ask for.
            die_with_parent();
            run(|| f(&prove(outside)));
        }
        let mut status = 0;
        let waited = sys::call(libc::SYS_wait4, &[init.into(), (&raw mut status) as i64, 0, 0]);
        assert_eq!(waited, i64::from(init));
        ended(status);
        0
    })
}
