//! What the tables of a [`World`](super::World) are made of.
//!
//! Invariant: each is small, of one size and names others by number, for there may be millions of them.

use lastrites_traces::{abi, event::ProcId};

use super::{Idx, NONE, Str};

/// When, and which event says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At {
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub ns: u64,
    /// Number of the event.
    pub number: u64,
}

impl At {
    /// Later than everything.
    pub const NEVER: Self = Self { ns: u64::MAX, number: u64::MAX };
}

/// How a process became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Its fork was recorded.
    Forked,
    /// It was running when recording (or what can be read of it) began.
    Running,
    /// Only mentioned by others.
    Mentioned,
}

/// A process, from birth to death.
#[derive(Debug, Clone)]
pub struct Proc {
    pub id: ProcId,
    /// Who forked it; who adopted it, for one that was running already.
    pub parent: Idx,
    pub origin: Origin,
    pub born: At,
    /// Its name (comm) as last told.
    pub comm: Str,
    /// Its last image, [`NONE`] if it has none of its own.
    pub image: u32,
    /// The image it was born with, its parent's at that time.
    pub inherited: u32,
    pub exit: At,
    /// As wait(2) gives it, which has 16 bits; meaningless unless [`Proc::dead`].
    pub status: u16,
    pub peak_rss_kib: u32,
    /// Id of its cgroup in the unified hierarchy, 0 if unknown.
    pub cgroup: u64,
    /// Depth of its pid namespace, of which there are 32 at most.
    pub ns_level: u8,
}

impl Proc {
    pub fn dead(&self) -> bool {
        self.exit != At::NEVER
    }

    /// Whether it lived at `ns`.
    pub fn lives(&self, ns: u64) -> bool {
        self.born.ns <= ns && ns < self.exit.ns
    }

    /// The signal that killed it, 0 if none did.
    pub fn killed_by(&self) -> u8 {
        if self.dead() { (self.status & 0x7f) as u8 } else { 0 }
    }

    /// What it exited with, if it did of its own will.
    pub fn code(&self) -> Option<u8> {
        (self.dead() && self.killed_by() == 0).then_some((self.status >> 8) as u8)
    }
}

/// A program that a process executed, or was running already.
#[derive(Debug, Clone)]
pub struct Image {
    pub proc: Idx,
    pub at: At,
    pub filename: Str,
    pub argv: Str,
    pub env: Str,
    pub tty: Str,
    pub comm: Str,
    pub uid: u32,
    pub session: u32,
    /// The image before it in the same process, or the one it was born with.
    pub before: u32,
    /// The program that it is: see [`World::program`].
    pub(super) program: Str,
}

/// How a signal came to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Means {
    /// kill(2) or its like, to one process.
    Call,
    /// kill(-1).
    Broadcast,
    /// kill(-pgrp).
    Group,
    CgroupKill,
    /// The kernel of its own accord.
    Kernel,
    /// A timer that the receiver itself had set.
    Timer,
    Oom,
    /// `PR_SET_PDEATHSIG`: the parent died.
    ParentDeath,
    /// The terminal went away.
    Hangup,
    /// The init of its pid namespace died.
    Namespace,
}

impl Means {
    /// Stable, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Broadcast => "broadcast",
            Self::Group => "group",
            Self::CgroupKill => "cgroup-kill",
            Self::Kernel => "kernel",
            Self::Timer => "timer",
            Self::Oom => "oom",
            Self::ParentDeath => "parent-death",
            Self::Hangup => "hang-up",
            Self::Namespace => "namespace",
        }
    }
}

/// A signal sent.
#[derive(Debug, Clone, Copy)]
pub struct Sig {
    pub at: At,
    pub sender: Idx,
    /// The sender's image at that moment.
    pub image: u32,
    pub target: Idx,
    pub sig: u8,
    /// `TRACE_SIGNAL_*`; ignored is also what was blocked first and thrown away then.
    pub result: u8,
    pub means: Means,
    /// Whether a handler ran when it was taken.
    pub(super) handled: bool,
    /// When it was taken from the queue; [`At::NEVER`] if that was not seen.
    pub(super) took: At,
}

impl Sig {
    pub fn ignored(&self) -> bool {
        self.result == RESULT_IGNORED
    }

    /// When it was taken from the queue, and whether a handler ran.
    pub fn took(&self) -> Option<(At, bool)> {
        (self.took != At::NEVER).then_some((self.took, self.handled))
    }

    /// It did not even get into the queue.
    pub fn overflowed(&self) -> bool {
        self.result == 3
    }
}

/// A call of the kill family to many, or one that failed.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub at: At,
    pub proc: Idx,
    pub target: i64,
    pub sig: u8,
    pub ret: i64,
}

/// Signal 0, counted: somebody waits for somebody.
#[derive(Debug, Clone, Copy)]
pub struct Poll {
    pub proc: Idx,
    pub target: i64,
    pub from_ns: u64,
    pub to_ns: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Reboot {
    pub at: At,
    pub proc: Idx,
    pub cmd: u32,
}

/// A file system that was unmounted or made read-only.
#[derive(Debug, Clone, Copy)]
pub struct Mount {
    pub at: At,
    pub proc: Idx,
    pub path: Str,
}

/// A time of which something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    pub from_ns: u64,
    pub to_ns: u64,
    /// How many events, 0 if nobody knows.
    pub count: u64,
    /// Number of the event that tells of it, or in front of which it is.
    pub number: u64,
    /// One of [`lastrites_traces::abi::kind`], 0 for any.
    pub kind: u8,
    pub cause: Cause,
}

/// Why something is missing; in front what something can be done about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It was recorded and cannot be read: it made way for newer events, or the file is damaged.
    Unreadable,
    /// It was overwritten in the kernel before the recorder had read it.
    Overwritten,
    /// The probe had no place for it: a CPU without a ring, or (before Linux 5.12) an interrupt at the wrong moment.
    Unstored,
    /// A hook that was at work on that CPU already was not run again. Not each time would have given an event.
    Missed,
    /// A count of signal 0 that made way for others, or found no place.
    Uncounted,
}

impl Cause {
    /// Of a LOST; `FORMAT.md` says which cpu and which kind mean what.
    pub(super) const fn of(cpu: u32, kind: u8) -> Self {
        match (cpu, kind) {
            (_, abi::kind::POLL) => Self::Uncounted,
            (abi::NO_CPU, _) => Self::Missed,
            (_, 0) => Self::Overwritten,
            _ => Self::Unstored,
        }
    }
}

impl Proc {
    pub(super) fn nobody() -> Self {
        Self {
            id: ProcId::KERNEL,
            parent: NONE,
            origin: Origin::Mentioned,
            born: At::default(),
            comm: Str::EMPTY,
            image: NONE,
            inherited: NONE,
            exit: At::NEVER,
            status: 0,
            peak_rss_kib: 0,
            cgroup: 0,
            ns_level: 0,
        }
    }
}

/// `TRACE_SIGNAL_IGNORED`.
pub(super) const RESULT_IGNORED: u8 = 1;
