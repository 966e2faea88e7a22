//! What happened, in the words of the story: the events that a recording is made of.
//!
//! Invariant: an event says only what was observed. Unknown is `None` or a zero that its field
//! documents, never a guess. Strings are bytes as the traced process chose them: hostile until
//! an output has made them safe.

use std::sync::Arc;

use crate::abi::is_of_an_occurrence;

/// Bytes of a traced process's choosing, shared by all events that mention them.
pub type Bytes = Arc<[u8]>;

/// A process: a pid alone is never an identity, for pids are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ProcId {
    /// Thread group id in the initial pid namespace; 0 is the kernel itself.
    pub tgid: u32,
    /// `start_boottime` of the group leader, nanoseconds since boot. A process known only from
    /// /proc has it to the clock tick (10 ms), see [`ProcId::same`].
    pub start_ns: u64,
}

impl ProcId {
    /// Nanoseconds of the ticks in which /proc counts.
    pub const TICK_NS: u64 = 10_000_000;

    /// Nobody: the kernel acted, or the actor is not known.
    pub const KERNEL: Self = Self { tgid: 0, start_ns: 0 };

    /// Whether `self` and `other`, one of which may come from /proc, are one process.
    pub fn same(self, other: Self) -> bool {
        self.tgid == other.tgid && self.start_ns / Self::TICK_NS == other.start_ns / Self::TICK_NS
    }
}

/// One event of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Place in the recording, from 0; `show --event N` takes it.
    pub number: u64,
    /// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`).
    pub time_ns: u64,
    /// What happened.
    pub what: What,
}

/// What an event says. Field units are in their names; `status` is as wait(2) gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Already running when recording began, read from /proc: the census.
    Process(Box<Process>),
    /// A new process, not a thread.
    Fork {
        /// Who called fork.
        parent: ProcId,
        /// The new process.
        child: ProcId,
        /// Its real parent, which is another one under `CLONE_PARENT`.
        child_ppid: u32,
        /// Its cgroup id in the unified hierarchy; 0 if unknown.
        cgroup: u64,
        /// Depth of its pid namespace; 0 for the initial one.
        ns_level: u32,
        /// Its pid in that namespace.
        ns_pid: u32,
    },
    /// A process executes another program.
    Exec(Box<Exec>),
    /// The last thread of a process is gone.
    Exit {
        /// The process.
        process: ProcId,
        /// As wait(2) gives it.
        status: u32,
        /// CPU time of all its threads.
        cpu_ns: u64,
        /// Peak resident memory.
        peak_rss_kib: u64,
    },
    /// A process gave itself another name, other than by exec.
    Rename {
        /// The process.
        process: ProcId,
        /// The new name.
        comm: Bytes,
    },
    /// A signal was generated.
    Signal(Signal),
    /// A signal was taken from the queue by its receiver.
    Deliver {
        /// The receiver.
        process: ProcId,
        /// The thread that took it.
        tid: u32,
        /// Number of the signal (signal(7)).
        sig: u8,
        /// What the process does with it.
        disposition: Disposition,
    },
    /// A call of the kill family that failed, was a broadcast, or of which no signal came (as, on older
    /// kernels, of one to a zombie).
    Call {
        /// The caller.
        process: ProcId,
        /// One of [`crate::abi::call`].
        call: u8,
        /// What the caller named, in its own pid namespace: a pid, 0, -1, -pgrp, a tid, or a pidfd.
        target: i64,
        /// The thread group of tgkill(2) and rt_tgsigqueueinfo(2), the flags of pidfd_send_signal(2); else 0.
        tgid_arg: i32,
        /// Number of the signal (signal(7)).
        sig: u8,
        /// 0 or a negated errno.
        ret: i64,
    },
    /// Signal 0, counted: how a script waits for a process to go. Its time is that of the last call, but
    /// it is recorded when the caller has been quiet for some seconds: in a storm it may come late.
    Poll {
        /// The caller.
        process: ProcId,
        /// One of [`crate::abi::call`].
        call: u8,
        /// As of a call.
        target: i64,
        /// Calls since the last such event of this caller and target.
        count: u64,
        /// Boot time of the first of them.
        first_ns: u64,
        /// What the last one returned: 0 or a negated errno.
        last_ret: i64,
    },
    /// reboot(2) was called.
    Reboot {
        /// The caller.
        process: ProcId,
        /// `LINUX_REBOOT_CMD_*`.
        cmd: u32,
        /// Depth of the caller's pid namespace: above 0 it ends a container.
        ns_level: u32,
    },
    /// umount2(2) was called.
    Umount {
        /// The caller.
        process: ProcId,
        /// As the caller gave it, or as the probe found it (FORMAT.md, section 8).
        path: Bytes,
        /// `MNT_*`.
        flags: u64,
    },
    /// A mount is made read-only.
    Remount {
        /// The caller.
        process: ProcId,
        /// As the caller gave it, or as the probe found it (FORMAT.md, section 8).
        path: Bytes,
        /// `MS_*`, whatever the call.
        flags: u64,
    },
    /// A cgroup was made.
    CgroupMkdir {
        /// Who did it.
        process: ProcId,
        /// Its id: that of its directory's kernfs node.
        id: u64,
        /// 0 for the unified hierarchy, else the kernel's number of a version 1 one.
        hierarchy: u32,
        /// In its hierarchy.
        path: Bytes,
    },
    /// A cgroup was removed.
    CgroupRmdir {
        /// Who did it.
        process: ProcId,
        /// Its id: that of its directory's kernfs node.
        id: u64,
        /// 0 for the unified hierarchy, else the kernel's number of a version 1 one.
        hierarchy: u32,
        /// In its hierarchy.
        path: Bytes,
    },
    /// A process moved to a cgroup.
    CgroupAttach {
        /// Who did it.
        process: ProcId,
        /// Who moved.
        moved: ProcId,
        /// Its id: that of its directory's kernfs node.
        id: u64,
        /// 0 for the unified hierarchy, else the kernel's number of a version 1 one.
        hierarchy: u32,
        /// In its hierarchy.
        path: Bytes,
    },
    /// The out-of-memory killer chose a victim.
    Oom {
        /// The task that ran out of memory.
        process: ProcId,
        /// Who is killed for it.
        victim: ProcId,
    },
    /// Events that were not stored, since the last such event: `kind` is one of
    /// [`crate::abi::kind`], or 0 where only the number is known (overwritten in the ring). `cpu` is
    /// [`crate::abi::NO_CPU`] where it is not known on which.
    Lost {
        /// Of whose ring.
        cpu: u32,
        /// Of what kind.
        kind: u8,
        /// Events.
        count: u64,
        /// What they took of the ring; 0 where they never were in it.
        bytes: u64,
    },
}

/// A process as /proc showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Who it is.
    pub process: ProcId,
    /// Its parent, in the initial pid namespace.
    pub ppid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Session id, in the initial pid namespace.
    pub session: u32,
    /// Its name (`task_struct.comm`).
    pub comm: Bytes,
    /// The executed file.
    pub filename: Bytes,
    /// NUL-terminated strings one after another.
    pub argv: Bytes,
    /// Kept environment, `KEY=value` each, NUL-terminated.
    pub env: Bytes,
    /// Controlling terminal, like `pts/0`; empty if none.
    pub tty: Bytes,
    /// Path in the unified hierarchy.
    pub cgroup_path: Bytes,
    /// Cgroup id in the unified hierarchy; 0 if unknown.
    pub cgroup: u64,
}

/// A successful exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// Who it is.
    pub process: ProcId,
    /// Its real parent.
    pub parent: ProcId,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Session id, in the initial pid namespace.
    pub session: u32,
    /// Cgroup id in the unified hierarchy; 0 if unknown.
    pub cgroup: u64,
    /// Its name (`task_struct.comm`).
    pub comm: Bytes,
    /// The executed file.
    pub filename: Bytes,
    /// NUL-terminated strings one after another.
    pub argv: Bytes,
    /// Kept environment, `KEY=value` each, NUL-terminated.
    pub env: Bytes,
    /// Controlling terminal, like `pts/0`; empty if none.
    pub tty: Bytes,
    /// `EXEC_FLAG_*` of [`crate::abi`].
    pub flags: u8,
}

/// A generated signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Who was running: the sender, unless [`Signal::by_kernel`]. Nobody where that is chance.
    pub sender: ProcId,
    /// Whom it is for.
    pub target: ProcId,
    /// The thread it was directed at when not `group`.
    pub target_tid: u32,
    /// Number of the signal (signal(7)).
    pub sig: u8,
    /// `si_code` (sigaction(2)).
    pub code: i32,
    /// For the whole process rather than one thread.
    pub group: bool,
    /// `TRACE_SIGNAL_*` (include/trace/events/signal.h), see [`Signal::RESULTS`].
    pub result: u8,
    /// No siginfo came with it: sent by the sender from inside the kernel (`cgroup.kill`, say).
    pub no_info: bool,
    /// The kernel sent it of its own accord (`SEND_SIG_PRIV`).
    pub priv_info: bool,
}

impl Signal {
    /// What became of it, in the order of the numbers.
    pub const RESULTS: [&str; 5] = ["delivered", "ignored", "already pending", "overflow", "info lost"];

    /// The kernel sent it, for the reason in `code`; the sender is then at most its occasion.
    pub fn by_kernel(&self) -> bool {
        self.priv_info || self.code > 0 || is_of_an_occurrence(self.code)
    }
}

/// What a process does with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// `SIG_DFL`.
    Default,
    /// A handler of its own takes it.
    Handled,
    /// It waited until it was no longer blocked, and was thrown away then. One that is ignored at once is not
    /// delivered at all, see [`Signal::result`].
    Ignored,
}
