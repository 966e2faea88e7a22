//! Everything that a recording says about processes, in tables.
//!
//! Invariant: filled by [`World::see`] in order of time and never changed afterwards. An index ([`Idx`]) names a
//! process for as long as the world lives; [`NONE`] is the kernel, or nobody known. Memory grows with the events
//! that are kept, about a hundred bytes for each process and fifty for each signal; SIGCHLD and its like are not kept.

mod learn;
mod parts;

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

use lastrites_traces::event::ProcId;

pub use self::parts::{At, Call, Cause, Hole, Image, Means, Mount, Origin, Poll, Proc, Reboot, Sig};
use super::{
    index::{Index, key},
    intern::{Str, Strings},
};

/// Names a process of one [`World`].
pub type Idx = u32;
/// No process: the kernel, or nobody known.
pub const NONE: Idx = u32::MAX;

/// Something of some processes.
pub type IdxMap<T> = HashMap<Idx, T, BuildHasherDefault<Near>>;
/// Some processes.
pub type IdxSet = HashSet<Idx, BuildHasherDefault<Near>>;

/// Keeps neighbours together: indices are given one after another, and so they are asked for. No file can choose
/// them, so no two of them meet more often than others.
#[derive(Debug, Default)]
pub struct Near(u64);

impl Hasher for Near {
    fn finish(&self) -> u64 {
        // Tables find a place by the lower bits, and tell neighbours apart by the upper seven.
        self.0 & u64::MAX >> 7 | self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !(u64::MAX >> 7)
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(u64::from(*byte).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = self.0.wrapping_add(n.into());
    }
}

#[derive(Debug)]
pub struct World {
    pub strings: Strings,
    pub procs: Vec<Proc>,
    /// The dead, as events told of their ends: in order of time, or nearly so.
    pub ended: Vec<Idx>,
    pub images: Vec<Image>,
    /// In order of time. Without those that neither stop nor ask for anything: see [`matters`].
    pub sigs: Vec<Sig>,
    pub calls: Vec<Call>,
    pub polls: Vec<Poll>,
    pub reboots: Vec<Reboot>,
    pub mounts: Vec<Mount>,
    pub ooms: Vec<(At, Idx)>,
    pub holes: Vec<Hole>,
    /// Paths of cgroups by id.
    pub cgroups: HashMap<u64, Str>,
    /// Units' cgroups that were removed, and when.
    pub removed: Vec<(At, Str)>,
    /// The first and the last event of what was read.
    pub first: Option<At>,
    pub last: At,
    pub events: u64,
    index: Index,
    /// Which program a file with its arguments was, of those that were asked for last.
    programs: Vec<Option<(Str, Str, Str)>>,
    /// Whoever was pid 1.
    inits: Vec<Idx>,
    /// The youngest process of each pid, of those whose birth was not recorded.
    youngest: HashMap<u32, Idx>,
    /// Signals that wait to be taken, by target and number.
    waiting: HashMap<(Idx, u8), u32, BuildHasherDefault<Near>>,
    /// Up to where each CPU had told of its losses of each kind.
    told_ns: HashMap<(u32, u8), u64>,
    /// A gap was met, and the event behind it was not yet.
    gap: Option<(u64, u64)>,
    victims: Vec<Idx>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            strings: Strings::default(),
            procs: vec![Proc::nobody()],
            ended: Vec::new(),
            images: Vec::new(),
            sigs: Vec::new(),
            calls: Vec::new(),
            polls: Vec::new(),
            reboots: Vec::new(),
            mounts: Vec::new(),
            ooms: Vec::new(),
            holes: Vec::new(),
            cgroups: HashMap::new(),
            removed: Vec::new(),
            first: None,
            last: At::default(),
            events: 0,
            index: Index::default(),
            programs: vec![None; RECENT],
            inits: Vec::new(),
            youngest: HashMap::new(),
            waiting: HashMap::default(),
            told_ns: HashMap::new(),
            gap: None,
            victims: Vec::new(),
        }
    }
}

/// Whether a signal can stop somebody or ask for something.
pub(super) fn matters(sig: u8) -> bool {
    // Not CHLD, URG, WINCH, ALRM, VTALRM, PROF, IO, PIPE, XFSZ, TTIN, TTOU, TRAP.
    !matches!(sig, 0 | 5 | 13 | 14 | 17 | 20..=23 | 25..=29)
}

impl World {
    /// The program that an image is, as bytes: `mongod`, `sendsigs`, `umountfs`.
    pub fn program(&self, image: &Image) -> &[u8] {
        self.strings.get(image.program)
    }

    /// The image that `idx` runs, its own or its parent's; [`NONE`] if that is not known.
    pub fn image_of(&self, idx: Idx) -> u32 {
        match self.procs.get(idx as usize) {
            Some(proc) if proc.image != NONE => proc.image,
            Some(proc) => proc.inherited,
            None => NONE,
        }
    }

    /// The process at `idx`; nobody for [`NONE`].
    pub fn proc_at(&self, idx: Idx) -> Option<&Proc> {
        self.procs.get(idx as usize).filter(|_| idx != NONE_PROC)
    }

    /// The process that the kernel calls `id`.
    pub fn find(&self, id: ProcId) -> Option<Idx> {
        self.index.find(key(id), |idx| key(self.procs[idx as usize].id))
    }

    pub fn image(&self, number: u32) -> Option<&Image> {
        self.images.get(number as usize)
    }

    /// All processes with their indices.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (Idx, &Proc)> {
        self.procs.iter().enumerate().skip(1).map(|(at, proc)| (at as Idx, proc))
    }

    /// The one with this pid that lived at `ns`, or else the youngest born before.
    pub fn by_pid(&self, pid: u32, ns: u64) -> Option<Idx> {
        let of = self.all().filter(|(_, proc)| proc.id.tgid == pid && proc.born.ns <= ns);
        of.max_by_key(|(_, proc)| (proc.lives(ns), proc.born)).map(|(idx, _)| idx)
    }

    /// The last init of the machine.
    pub fn init(&self) -> Option<Idx> {
        self.inits.iter().copied().max_by_key(|idx| self.procs[*idx as usize].born)
    }

    /// The forefathers of `idx`, nearest first, never more than a file can honestly have.
    pub fn ancestors(&self, idx: Idx) -> impl Iterator<Item = Idx> {
        let next = move |at: &Idx| self.proc_at(*at).map(|p| p.parent).filter(|p| self.proc_at(*p).is_some());
        std::iter::successors(next(&idx), move |at| next(at)).take(64)
    }

    /// Images of `idx`, the last one first, those it was born with included.
    pub fn images_of(&self, idx: Idx) -> impl Iterator<Item = &Image> {
        let first = self.image(self.image_of(idx));
        std::iter::successors(first, |image| self.image(image.before)).take(64)
    }

    /// Images that `idx` executed itself, the last one first.
    pub fn own_images(&self, idx: Idx) -> impl Iterator<Item = &Image> {
        self.images_of(idx).take_while(move |image| image.proc == idx)
    }

    /// The image that `idx` ran at `ns`.
    pub fn image_at(&self, idx: Idx, ns: u64) -> Option<&Image> {
        self.images_of(idx).find(|image| image.at.ns <= ns || image.proc != idx)
    }
}

/// The place of nobody in the table: so that every place of a known process is more than it.
const NONE_PROC: Idx = 0;
/// So long a call to many may take.
pub(super) const CALL_NS: u64 = 2_000_000_000;
/// Places in [`World::programs`]: a power of two.
const RECENT: usize = 4096;
