//! Everything that a recording says about processes, in tables.
//!
//! Invariant: filled by [`World::see`] in order of time and never changed afterwards. An index ([`Idx`]) names a
//! process for as long as the world lives; [`NONE`] is the kernel, or nobody known. Memory grows with the events
//! that are kept, about a hundred bytes for each process and fifty for each signal; SIGCHLD and its like are not kept.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

use lastrites_traces::{
    abi::{PIDFD_SIGNAL_PROCESS_GROUP, call},
    event::{Bytes, Disposition, Event, Exec, ProcId, Process, Signal, What},
    reader::Item,
};

use super::{
    index::{Free, Index, Key, key},
    intern::{Str, Strings},
    who,
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
    program: Str,
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
    handled: bool,
    /// When it was taken from the queue; [`At::NEVER`] if that was not seen.
    took: At,
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
}

#[derive(Debug)]
pub struct World {
    pub strings: Strings,
    pub procs: Vec<Proc>,
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
    /// What was asked of it last, by [`recent`]: most events are about somebody who was in one just before, and an index of
    /// millions is in no cache.
    recent: Vec<Option<(Key, Idx)>>,
    /// Which program a file with its arguments was, likewise.
    programs: Vec<Option<(Str, Str, Str)>>,
    /// The youngest process of each pid, of those whose birth was not recorded.
    youngest: HashMap<u32, Idx>,
    /// Signals that wait to be taken, by target and number.
    waiting: HashMap<(Idx, u8), u32, BuildHasherDefault<Near>>,
    /// Up to where each CPU had told of its losses.
    told_ns: HashMap<u32, u64>,
    /// A gap was met, and the event behind it was not yet.
    gap: Option<(u64, u64)>,
    victims: Vec<Idx>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            strings: Strings::default(),
            procs: vec![Proc::nobody()],
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
            recent: vec![None; RECENT],
            programs: vec![None; RECENT],
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
    /// Reads all of `items`; an error ends it and is handed on.
    pub fn read<E>(items: impl IntoIterator<Item = Result<Item, E>>) -> Result<Self, E> {
        let mut world = Self::default();
        for item in items {
            world.item(&item?);
        }
        world.close();
        Ok(world)
    }

    /// Learns from what reading yields next.
    pub fn item(&mut self, item: &Item) {
        match item {
            Item::Known(process) => {
                let at = At { ns: process.process.start_ns, number: self.last.number };
                self.described(process, at);
            }
            Item::Gap(gap) => {
                let from_ns = self.gap.map_or(self.last.ns, |(ns, _)| ns);
                self.gap = Some((from_ns, gap.to.saturating_sub(gap.from)));
            }
            Item::Event(event) => self.see(event),
        }
    }

    /// Nothing more comes.
    pub fn close(&mut self) {
        if let Some((from_ns, count)) = self.gap.take() {
            let number = self.last.number;
            self.holes.push(Hole { from_ns, to_ns: u64::MAX, count, number, kind: 0 });
        }
        // What waits to be taken is asked while events come, and no more.
        self.waiting = HashMap::default();
    }

    /// Learns from an event.
    pub fn see(&mut self, event: &Event) {
        let at = At { ns: event.time_ns, number: event.number };
        if let Some((from_ns, count)) = self.gap.take() {
            self.holes.push(Hole { from_ns, to_ns: at.ns, count, number: at.number, kind: 0 });
        }
        self.events += 1;
        if !matches!(event.what, What::Process(_)) {
            self.first.get_or_insert(at);
        }
        self.last = self.last.max(at);
        match &event.what {
            What::Process(process) => self.described(process, at),
            What::Fork { parent, child, cgroup, ns_level, .. } => {
                self.fork(*parent, *child, *cgroup, *ns_level, at)
            }
            What::Exec(exec) => self.exec(exec, at),
            What::Exit { process, status, peak_rss_kib, .. } => {
                let idx = self.proc(*process, at);
                let proc = &mut self.procs[idx as usize];
                // Of two that a hostile file tells, the first is the death.
                if !proc.dead() {
                    let peak_kib = u32::try_from(*peak_rss_kib).unwrap_or(u32::MAX);
                    (proc.exit, proc.status, proc.peak_rss_kib) = (at, *status as u16, peak_kib);
                    // What it died of was not taken in any other way.
                    if proc.killed_by() != 0 {
                        let sig = proc.killed_by();
                        self.waiting.remove(&(idx, sig));
                    }
                }
            }
            What::Rename { process, comm } => {
                let (idx, comm) = (self.proc(*process, at), self.strings.add(comm));
                self.procs[idx as usize].comm = comm;
            }
            // Some units are stopped by SIGWINCH (KillSignal= of httpd).
            What::Signal(signal) if matters(signal.sig) || signal.sig == 28 && signal.sender.tgid == 1 => {
                self.signal(signal, at)
            }
            What::Deliver { process, sig, disposition, .. } if matters(*sig) || *sig == 28 => {
                let idx = self.proc(*process, at);
                if let Some(sent) = self.waiting.remove(&(idx, *sig)) {
                    let sent = &mut self.sigs[sent as usize];
                    match disposition {
                        // It was blocked when it came: what is thrown away later is ignored all the same.
                        Disposition::Ignored => sent.result = RESULT_IGNORED,
                        _ => (sent.took, sent.handled) = (at, *disposition == Disposition::Handled),
                    }
                }
            }
            What::Signal(_) | What::Deliver { .. } => {}
            What::Call { process, call, target, tgid_arg, sig, ret } => {
                let means = match *target {
                    _ if *call == call::PIDFD_SEND_SIGNAL => {
                        (*tgid_arg as u32 & PIDFD_SIGNAL_PROCESS_GROUP != 0).then_some(Means::Group)
                    }
                    -1 => Some(Means::Broadcast),
                    1.. => None,
                    _ => Some(Means::Group),
                };
                // What else a descriptor's number names is nobody by that pid.
                let target = if *call == call::PIDFD_SEND_SIGNAL { 0 } else { *target };
                let proc = self.proc(*process, at);
                self.call(Call { at, proc, target, sig: *sig, ret: *ret }, means);
            }
            What::Poll { process, target, first_ns, .. } => {
                let proc = self.proc(*process, at);
                self.polls.push(Poll { proc, target: *target, from_ns: *first_ns, to_ns: at.ns });
            }
            What::Reboot { process, cmd, ns_level: 0 } => {
                let proc = self.proc(*process, at);
                self.reboots.push(Reboot { at, proc, cmd: *cmd });
            }
            What::Reboot { .. } => {}
            What::Umount { process, path, .. } | What::Remount { process, path, .. } => {
                let (proc, path) = (self.proc(*process, at), self.strings.add(path));
                self.mounts.push(Mount { at, proc, path });
            }
            What::CgroupMkdir { id, hierarchy: 0, path, .. } => self.cgroup(*id, path),
            What::CgroupRmdir { id, hierarchy: 0, path, .. } => {
                self.cgroup(*id, path);
                let path = self.strings.add(path);
                self.removed.push((at, path));
            }
            What::CgroupAttach { moved, id, hierarchy: 0, path, .. } => {
                self.cgroup(*id, path);
                let idx = self.proc(*moved, at);
                self.procs[idx as usize].cgroup = *id;
            }
            What::CgroupMkdir { .. } | What::CgroupRmdir { .. } | What::CgroupAttach { .. } => {}
            What::Oom { victim, .. } => {
                let victim = self.proc(*victim, at);
                self.ooms.push((at, victim));
                self.victims.push(victim);
                // The kernel sends its SIGKILL first, and marks the victim then.
                let near =
                    self.sigs.iter_mut().rev().take_while(|sent| at.ns.saturating_sub(sent.at.ns) < MARK_NS);
                for sent in near {
                    // In a container the one in whose time it came is no more its reason than anywhere.
                    let by_kernel = matches!(sent.means, Means::Kernel | Means::Namespace);
                    if sent.target == victim && sent.sig == 9 && by_kernel {
                        (sent.means, sent.sender) = (Means::Oom, NONE);
                    }
                }
            }
            What::Lost { cpu, kind, count, .. } => {
                let from_ns = self.told_ns.insert(*cpu, at.ns).unwrap_or(0);
                self.holes.push(Hole {
                    from_ns,
                    to_ns: at.ns,
                    count: *count,
                    number: at.number,
                    kind: *kind,
                });
            }
        }
    }

    fn cgroup(&mut self, id: u64, path: &Bytes) {
        let path = self.strings.add(path);
        self.cgroups.insert(id, path);
    }

    /// The process `id`; one nobody has told of becomes known by being mentioned.
    fn proc(&mut self, id: ProcId, at: At) -> Idx {
        if id == ProcId::KERNEL {
            return NONE_PROC;
        }
        self.known_or(id, Origin::Mentioned, At { ns: id.start_ns.min(at.ns), ..at })
    }

    /// The process `id`, which is from now on what `origin` and `born` say if nobody has told of it.
    fn known_or(&mut self, id: ProcId, origin: Origin, born: At) -> Idx {
        let key = key(id);
        let place = recent(key);
        if let Some((of, idx)) = self.recent[place]
            && of == key
        {
            return idx;
        }
        let idx = match self.at_key(key) {
            Ok(known) => known,
            Err(free) => {
                let idx = u32::try_from(self.procs.len()).unwrap_or(NONE_PROC);
                self.procs.push(Proc { id, origin, born, ..Proc::nobody() });
                let procs = &self.procs;
                self.index.add(free, idx, |idx| self::key(procs[idx as usize].id));
                if origin != Origin::Forked {
                    self.youngest.insert(id.tgid, idx);
                }
                idx
            }
        };
        self.recent[place] = Some((key, idx));
        idx
    }

    fn at_key(&self, key: Key) -> Result<Idx, Free> {
        self.index.find(key, |idx| self::key(self.procs[idx as usize].id) == key)
    }

    fn described(&mut self, process: &Process, at: At) {
        let known = self.find(process.process);
        // What events tell of it is newer, or at least as good.
        if known.is_some_and(|idx| self.procs[idx as usize].image != NONE) {
            return;
        }
        let born = At { ns: process.process.start_ns.min(at.ns), ..at };
        let idx = self.known_or(process.process, Origin::Running, born);
        let comm = self.strings.add(&process.comm);
        if !process.cgroup_path.is_empty() && process.cgroup != 0 {
            self.cgroup(process.cgroup, &process.cgroup_path);
        }
        let parent = self.youngest_of(process.ppid).filter(|parent| *parent != idx).unwrap_or(NONE);
        let image = Image {
            proc: idx,
            at: born,
            filename: self.strings.add(&process.filename),
            argv: self.strings.add(&process.argv),
            env: self.strings.add(&process.env),
            tty: self.strings.add(&process.tty),
            comm,
            uid: process.uid,
            session: process.session,
            // Its fork was heard of, and not what it executed then.
            before: self.procs[idx as usize].inherited,
            program: Str::EMPTY,
        };
        let number = self.add_image(image);
        let proc = &mut self.procs[idx as usize];
        if proc.origin == Origin::Mentioned {
            proc.origin = Origin::Running;
        }
        if proc.parent == NONE {
            proc.parent = parent;
        }
        if proc.cgroup == 0 {
            proc.cgroup = process.cgroup;
        }
        (proc.comm, proc.image) = (comm, number);
    }

    /// /proc tells of parents by pid alone.
    fn youngest_of(&self, pid: u32) -> Option<Idx> {
        // Behind a gap parents may have been born before our eyes; few are asked for then.
        let near = || self.all().rev().take(FORKED_LOOKED_AT);
        let forked = || near().find(|(_, proc)| proc.id.tgid == pid).map(|(idx, _)| idx);
        self.youngest.get(&pid).copied().or_else(forked)
    }

    fn fork(&mut self, parent: ProcId, child: ProcId, cgroup: u64, ns_level: u32, at: At) {
        let parent = self.proc(parent, at);
        let idx = self.known_or(child, Origin::Forked, at);
        let (image, comm) = match self.procs.get(parent as usize) {
            Some(proc) => (if proc.image == NONE { proc.inherited } else { proc.image }, proc.comm),
            None => (NONE, Str::EMPTY),
        };
        let proc = &mut self.procs[idx as usize];
        (proc.origin, proc.born, proc.inherited) = (Origin::Forked, at, image);
        proc.parent = if parent == NONE_PROC || parent == idx { NONE } else { parent };
        (proc.cgroup, proc.ns_level) = (cgroup, u8::try_from(ns_level).unwrap_or(u8::MAX));
        if proc.comm.is_empty() {
            proc.comm = comm;
        }
    }

    fn exec(&mut self, exec: &Exec, at: At) {
        let idx = self.proc(exec.process, at);
        let parent = self.proc(exec.parent, at);
        let comm = self.strings.add(&exec.comm);
        let proc = &self.procs[idx as usize];
        let image = Image {
            proc: idx,
            at,
            filename: self.strings.add(&exec.filename),
            argv: self.strings.add(&exec.argv),
            env: self.strings.add(&exec.env),
            tty: self.strings.add(&exec.tty),
            comm,
            uid: exec.uid,
            session: exec.session,
            before: if proc.image == NONE { proc.inherited } else { proc.image },
            program: Str::EMPTY,
        };
        let number = self.add_image(image);
        let proc = &mut self.procs[idx as usize];
        (proc.image, proc.comm) = (number, comm);
        if exec.cgroup != 0 {
            proc.cgroup = exec.cgroup;
        }
        if proc.parent == NONE && parent != NONE_PROC && parent != idx {
            proc.parent = parent;
        }
    }

    /// Adds an image, and says once which program it is: that is asked again and again.
    fn add_image(&mut self, mut image: Image) -> u32 {
        let (file, argv) = (image.filename, image.argv);
        let place = recent((file.number(), argv.number()));
        image.program = match self.programs[place] {
            Some((known, words, program)) if (known, words) == (file, argv) => program,
            _ => {
                let program: Bytes = self.read_program(&image).into();
                let program = self.strings.add(&program);
                // What executes itself is what it was before.
                if who::words(self.strings.get(argv)).next() != Some(who::SELF) {
                    self.programs[place] = Some((file, argv, program));
                }
                program
            }
        };
        let number = self.images.len() as u32;
        self.images.push(image);
        number
    }

    /// The program that an image is, as bytes: `mongod`, `sendsigs`, `umountfs`.
    pub fn program(&self, image: &Image) -> &[u8] {
        self.strings.get(image.program)
    }

    fn signal(&mut self, signal: &Signal, at: At) {
        let target = self.proc(signal.target, at);
        let sender = self.proc(signal.sender, at);
        let image = self.image_of(sender);
        let kernel = signal.by_kernel();
        let means = match signal.sig {
            9 if kernel && self.victims.contains(&target) => Means::Oom,
            _ if signal.code == 128 && signal.sig == 9 && self.is_namespace_init(sender, target) => {
                Means::Namespace
            }
            _ if signal.code == SI_TIMER => Means::Timer,
            1 | 18 if kernel => Means::Hangup,
            _ if kernel => Means::Kernel,
            _ if signal.no_info && !signal.group => Means::CgroupKill,
            _ if signal.no_info && self.procs[target as usize].parent == sender => Means::ParentDeath,
            _ => Means::Call,
        };
        // The kernel acts while somebody happens to run: only where that one is the reason is it named.
        let named = !kernel || matches!(means, Means::Namespace | Means::Hangup);
        let sent = Sig {
            at,
            sender: if named && sender != NONE_PROC { sender } else { NONE },
            image,
            target,
            sig: signal.sig,
            result: signal.result,
            means,
            handled: false,
            took: At::NEVER,
        };
        let number = self.sigs.len() as u32;
        self.sigs.push(sent);
        if matches!(signal.result, 0 | 4) {
            self.waiting.insert((target, signal.sig), number);
        }
    }

    fn is_namespace_init(&self, sender: Idx, target: Idx) -> bool {
        let level = |idx: Idx| self.procs.get(idx as usize).map_or(0, |proc| proc.ns_level);
        // Its exit is recorded before it takes its namespace along.
        let ended = self.procs.get(sender as usize).is_some_and(Proc::dead);
        sender != target && ended && level(target) > 0 && level(sender) > 0
    }

    /// `means` is how it reached those whom it reached, if they can have been several.
    fn call(&mut self, call: Call, means: Option<Means>) {
        let Call { at, proc, sig, ret, .. } = call;
        self.calls.push(call);
        let Some(means) = means.filter(|_| ret >= 0 && matters(sig)) else { return };
        // The signals of one call come right before it returns.
        for sent in self.sigs.iter_mut().rev() {
            if at.ns.saturating_sub(sent.at.ns) > CALL_NS {
                break;
            }
            if sent.sender == proc && sent.sig == sig && sent.means == Means::Call {
                sent.means = means;
            }
        }
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
        self.at_key(key(id)).ok()
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

/// `TRACE_SIGNAL_IGNORED`.
const RESULT_IGNORED: u8 = 1;
/// The code of a timer's signal.
const SI_TIMER: i32 = -2;
/// So many of the last processes are searched for a parent.
const FORKED_LOOKED_AT: usize = 4096;
/// The out-of-memory killer marks its victim this soon after the signal.
const MARK_NS: u64 = 1_000_000_000;
/// So long a call to many may take.
pub(super) const CALL_NS: u64 = 2_000_000_000;
/// The place of nobody in the table: so that every place of a known process is more than it.
const NONE_PROC: Idx = 0;

/// Places in [`World::recent`] and its like: a power of two.
const RECENT: usize = 4096;

fn recent(key: Key) -> usize {
    (key.0 ^ key.1.wrapping_mul(0x9e37_79b1)) as usize % RECENT
}

impl Proc {
    fn nobody() -> Self {
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
