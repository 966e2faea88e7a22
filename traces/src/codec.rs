//! Events as bytes (FORMAT.md, sections 7 and 8).
//!
//! Invariant: `Encoder` and `decode` change the same `State` by the same methods, in the
//! same order. So whoever decodes a segment up to some frame can go on encoding behind it.

mod decode;
mod encode;
mod find;
mod state;

pub(crate) use decode::{decode_event, decode_positions, start_frame};
pub(crate) use encode::Encoder;
pub use state::DEAD_KEPT;
pub(crate) use state::State;

/// Longest string that is kept; what is longer is cut.
pub const STRING_MAX: usize = 4096;
/// Most CPUs whose ring positions are kept.
pub const POSITIONS_MAX: usize = 1024;

/// Bytes at which a SNAPSHOT frame is full.
const SNAPSHOT_FRAME: usize = 32 << 10;

/// First byte of an event.
pub mod tag {
    /// [`What::Process`](crate::event::What::Process).
    pub const PROCESS: u8 = 1;
    /// [`What::Fork`](crate::event::What::Fork) as most are: what the rest would say follows from the parent.
    pub const FORK: u8 = 2;
    /// Any other fork.
    pub const FORK_ODD: u8 = 3;
    /// [`What::Exec`](crate::event::What::Exec).
    pub const EXEC: u8 = 4;
    /// [`What::Exit`](crate::event::What::Exit) of no shape.
    pub const EXIT: u8 = 5;
    /// [`What::Rename`](crate::event::What::Rename).
    pub const RENAME: u8 = 6;
    /// [`What::Signal`](crate::event::What::Signal) of no shape.
    pub const SIGNAL: u8 = 7;
    /// [`What::Deliver`](crate::event::What::Deliver) of no shape.
    pub const DELIVER: u8 = 8;
    /// [`What::Call`](crate::event::What::Call).
    pub const CALL: u8 = 9;
    /// [`What::Poll`](crate::event::What::Poll).
    pub const POLL: u8 = 10;
    /// [`What::Reboot`](crate::event::What::Reboot).
    pub const REBOOT: u8 = 11;
    /// [`What::Umount`](crate::event::What::Umount).
    pub const UMOUNT: u8 = 12;
    /// [`What::Remount`](crate::event::What::Remount).
    pub const REMOUNT: u8 = 13;
    /// [`What::CgroupMkdir`](crate::event::What::CgroupMkdir).
    pub const CGROUP_MKDIR: u8 = 14;
    /// [`What::CgroupRmdir`](crate::event::What::CgroupRmdir).
    pub const CGROUP_RMDIR: u8 = 15;
    /// [`What::CgroupAttach`](crate::event::What::CgroupAttach).
    pub const CGROUP_ATTACH: u8 = 16;
    /// [`What::Oom`](crate::event::What::Oom).
    pub const OOM: u8 = 17;
    /// [`What::Lost`](crate::event::What::Lost).
    pub const LOST: u8 = 18;
    /// No event: a shape, which gets the next number.
    pub const SHAPE: u8 = 19;
    /// This and above: an event of the shape with the number that is left.
    pub const SHAPED: u8 = 40;
    /// With their numbers, as FORMAT.md lists them.
    pub const ALL: [(u8, &str); 20] = [
        (PROCESS, "PROCESS"),
        (FORK, "FORK"),
        (FORK_ODD, "FORK_ODD"),
        (EXEC, "EXEC"),
        (EXIT, "EXIT"),
        (RENAME, "RENAME"),
        (SIGNAL, "SIGNAL"),
        (DELIVER, "DELIVER"),
        (CALL, "CALL"),
        (POLL, "POLL"),
        (REBOOT, "REBOOT"),
        (UMOUNT, "UMOUNT"),
        (REMOUNT, "REMOUNT"),
        (CGROUP_MKDIR, "CGROUP_MKDIR"),
        (CGROUP_RMDIR, "CGROUP_RMDIR"),
        (CGROUP_ATTACH, "CGROUP_ATTACH"),
        (OOM, "OOM"),
        (LOST, "LOST"),
        (SHAPE, "SHAPE"),
        (SHAPED, "SHAPED"),
    ];
}

/// Most shapes: those that fit behind [`tag::SHAPED`].
pub const SHAPES_MAX: usize = 256 - tag::SHAPED as usize;

/// How a process reference begins.
pub mod reference {
    /// The kernel.
    pub const NOBODY: u64 = 0;
    /// A process that is not known yet, and gets an index.
    pub const DEFINE: u64 = 1;
    /// A known process, with a start of another precision.
    pub const REDEFINE: u64 = 2;
    /// This and above: the process with the index that is left.
    pub const FIRST: u64 = 3;
    /// With their numbers, as FORMAT.md lists them.
    pub const ALL: [(u64, &str); 4] =
        [(NOBODY, "NOBODY"), (DEFINE, "DEFINE"), (REDEFINE, "REDEFINE"), (FIRST, "FIRST")];
}

/// What the numbers of a shape's body mean.
pub mod shape {
    /// Kind of a shape: [`What::Signal`](crate::event::What::Signal).
    pub const SIGNAL: u8 = 1;
    /// [`What::Deliver`](crate::event::What::Deliver).
    pub const DELIVER: u8 = 2;
    /// [`What::Exit`](crate::event::What::Exit).
    pub const EXIT: u8 = 3;
    /// With their numbers, as FORMAT.md lists them.
    pub const KINDS: [(u8, &str); 3] = [(SIGNAL, "SIGNAL"), (DELIVER, "DELIVER"), (EXIT, "EXIT")];

    /// Bit of a signal: [`group`](crate::event::Signal::group).
    pub const GROUP: u8 = 1;
    /// Bit of a signal: [`no_info`](crate::event::Signal::no_info).
    pub const NO_INFO: u8 = 2;
    /// Bit of a signal: [`priv_info`](crate::event::Signal::priv_info).
    pub const PRIV_INFO: u8 = 4;
    /// Bit of a signal and of a delivery: the thread is not the group's leader.
    pub const OTHER_TID: u8 = 8;
    /// With their numbers, as FORMAT.md lists them.
    pub const SIGNAL_BITS: [(u8, &str); 4] =
        [(GROUP, "GROUP"), (NO_INFO, "NO_INFO"), (PRIV_INFO, "PRIV_INFO"), (OTHER_TID, "OTHER_TID")];

    /// Bit of a delivery: [`Handled`](crate::event::Disposition::Handled).
    pub const HANDLED: u8 = 1;
    /// Bit of a delivery: [`Ignored`](crate::event::Disposition::Ignored).
    pub const IGNORED: u8 = 2;
    /// With their numbers, as FORMAT.md lists them.
    pub const DELIVER_BITS: [(u8, &str); 3] =
        [(HANDLED, "HANDLED"), (IGNORED, "IGNORED"), (OTHER_TID, "OTHER_TID")];
}

/// What recurs in an event, told once per segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `bits`: [`shape::SIGNAL_BITS`].
    Signal {
        sig: u8,
        code: i32,
        result: u8,
        bits: u8,
    },
    /// `bits`: [`shape::DELIVER_BITS`].
    Deliver {
        sig: u8,
        bits: u8,
    },
    Exit {
        status: u32,
    },
}

impl Shape {
    /// A number of its own.
    fn key(self) -> u64 {
        match self {
            Self::Signal { sig, code, result, bits } => {
                1 << 56
                    | u64::from(bits) << 48
                    | u64::from(result) << 40
                    | u64::from(sig) << 32
                    | u64::from(code as u32)
            }
            Self::Deliver { sig, bits } => 2 << 56 | u64::from(bits) << 8 | u64::from(sig),
            Self::Exit { status } => 3 << 56 | u64::from(status),
        }
    }
}
