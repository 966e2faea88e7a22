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
    pub what: What,
}

/// What an event says. Field units are in their names; `status` is as wait(2) gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Already running when recording began, read from /proc: the census.
    Process(Box<Process>),
    Fork {
        parent: ProcId,
        child: ProcId,
        child_ppid: u32,
        cgroup: u64,
        ns_level: u32,
        ns_pid: u32,
    },
    Exec(Box<Exec>),
    Exit {
        process: ProcId,
        status: u32,
        cpu_ns: u64,
        peak_rss_kib: u64,
    },
    Rename {
        process: ProcId,
        comm: Bytes,
    },
    Signal(Signal),
    Deliver {
        process: ProcId,
        tid: u32,
        sig: u8,
        disposition: Disposition,
    },
    /// A call of the kill family that failed, was a broadcast, or of which no signal came (as, on older
    /// kernels, of one to a zombie).
    Call {
        process: ProcId,
        call: u8,
        target: i64,
        tgid_arg: i32,
        sig: u8,
        ret: i64,
    },
    /// Signal 0, counted: how a script waits for a process to go. Its time is that of the last call, but
    /// it is recorded when the caller has been quiet for some seconds: in a storm it may come late.
    Poll {
        process: ProcId,
        call: u8,
        target: i64,
        count: u64,
        first_ns: u64,
        last_ret: i64,
    },
    Reboot {
        process: ProcId,
        cmd: u32,
        ns_level: u32,
    },
    Umount {
        process: ProcId,
        path: Bytes,
        flags: u64,
    },
    Remount {
        process: ProcId,
        path: Bytes,
        flags: u64,
    },
    CgroupMkdir {
        process: ProcId,
        id: u64,
        hierarchy: u32,
        path: Bytes,
    },
    CgroupRmdir {
        process: ProcId,
        id: u64,
        hierarchy: u32,
        path: Bytes,
    },
    CgroupAttach {
        process: ProcId,
        moved: ProcId,
        id: u64,
        hierarchy: u32,
        path: Bytes,
    },
    Oom {
        process: ProcId,
        victim: ProcId,
    },
    /// Events that were not stored, since the last such event: `kind` is one of
    /// [`crate::abi::kind`], or 0 where only the number is known (overwritten in the ring). `cpu` is
    /// [`crate::abi::NO_CPU`] where it is not known on which.
    Lost {
        cpu: u32,
        kind: u8,
        count: u64,
        bytes: u64,
    },
}

/// A process as /proc showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub process: ProcId,
    pub ppid: u32,
    pub uid: u32,
    pub session: u32,
    pub comm: Bytes,
    pub filename: Bytes,
    /// NUL-terminated strings one after another.
    pub argv: Bytes,
    /// Kept environment, `KEY=value` each, NUL-terminated.
    pub env: Bytes,
    pub tty: Bytes,
    /// Path in the unified hierarchy.
    pub cgroup_path: Bytes,
    pub cgroup: u64,
}

/// A successful exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub process: ProcId,
    pub parent: ProcId,
    pub uid: u32,
    pub session: u32,
    pub cgroup: u64,
    pub comm: Bytes,
    pub filename: Bytes,
    /// NUL-terminated strings one after another.
    pub argv: Bytes,
    /// Kept environment, `KEY=value` each, NUL-terminated.
    pub env: Bytes,
    pub tty: Bytes,
    /// `EXEC_FLAG_*` of [`crate::abi`].
    pub flags: u8,
}

/// A generated signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Who was running: the sender, unless [`Signal::by_kernel`]. Nobody where that is chance.
    pub sender: ProcId,
    pub target: ProcId,
    /// The thread it was directed at when not `group`.
    pub target_tid: u32,
    pub sig: u8,
    pub code: i32,
    /// For the whole process rather than one thread.
    pub group: bool,
    /// `TRACE_SIGNAL_*`: 0 delivered, 1 ignored, 2 already pending, 3 overflow, 4 info lost.
    pub result: u8,
    /// No siginfo came with it: sent by the sender from inside the kernel (`cgroup.kill`, say).
    pub no_info: bool,
    /// The kernel sent it of its own accord (`SEND_SIG_PRIV`).
    pub priv_info: bool,
}

impl Signal {
    /// The kernel sent it, for the reason in `code`; the sender is then at most its occasion.
    pub fn by_kernel(&self) -> bool {
        self.priv_info || self.code > 0 || is_of_an_occurrence(self.code)
    }
}

/// What a process does with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    Default,
    Handled,
    /// It waited until it was no longer blocked, and was thrown away then. One that is ignored at once is not
    /// delivered at all, see [`Signal::result`].
    Ignored,
}
