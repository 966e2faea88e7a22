//! How the tables of a [`World`] are filled, event by event.
//!
//! Invariant: whatever a file says, every index that is stored is one of the tables', and what is looked at again for an
//! event is bounded.

use std::collections::HashMap;

use lastrites_traces::{
    abi::{PIDFD_SIGNAL_PROCESS_GROUP, call},
    event::{Bytes, Disposition, Event, Exec, ProcId, Process, Signal, What},
    reader::Item,
};

use super::{
    At, CALL_NS, Call, Cause, Hole, Idx, Image, Means, Mount, NONE, NONE_PROC, Origin, Poll, Proc, RECENT,
    Reboot, Sig, Str, World, matters, parts::RESULT_IGNORED,
};
use crate::story::{index::key, service, who};

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
            self.unreadable(from_ns, At { ns: u64::MAX, number }, count);
        }
        // What waits to be taken is asked while events come, and no more.
        self.waiting = HashMap::default();
    }

    /// Learns from an event.
    pub fn see(&mut self, event: &Event) {
        let at = At { ns: event.time_ns, number: event.number };
        if let Some((from_ns, count)) = self.gap.take() {
            self.unreadable(from_ns, at, count);
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
                    if proc.dead() {
                        self.ended.push(idx);
                    }
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
            // Some are stopped by SIGWINCH (KillSignal= and STOPSIGNAL of httpd); a window's size tells the kernel.
            What::Signal(signal) if matters(signal.sig) || signal.sig == 28 && !signal.by_kernel() => {
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
                // Two kinds that are told of at once have both been lost since each was last told of.
                let from_ns = self.told_ns.insert((*cpu, *kind), at.ns).unwrap_or(0);
                self.holes.push(Hole {
                    from_ns,
                    to_ns: at.ns,
                    count: *count,
                    number: at.number,
                    kind: *kind,
                    cause: Cause::of(*cpu, *kind),
                });
            }
        }
    }

    /// Up to `to` there is something that cannot be read.
    fn unreadable(&mut self, from_ns: u64, to: At, count: u64) {
        let (to_ns, number) = (to.ns, to.number);
        self.holes.push(Hole { from_ns, to_ns, count, number, kind: 0, cause: Cause::Unreadable });
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
        if let Some(known) = self.find(id) {
            return known;
        }
        let idx = u32::try_from(self.procs.len()).unwrap_or(NONE_PROC);
        self.procs.push(Proc { id, origin, born, ..Proc::nobody() });
        let procs = &self.procs;
        self.index.add(idx, |idx| key(procs[idx as usize].id));
        if id.tgid == 1 {
            self.inits.push(idx);
        }
        if origin != Origin::Forked {
            self.youngest.insert(id.tgid, idx);
        }
        idx
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
            filename: self.strings.add(&Bytes::from(who::as_executed(process))),
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
        let untold = proc.origin != Origin::Forked;
        if untold && (service::is_of_container(&process.cgroup_path) || self.is_below(parent)) {
            self.procs[idx as usize].ns_level = 1;
        }
    }

    /// Whether what `parent` has forked is in a container. The census knows no pid namespace, but who looks after one.
    fn is_below(&self, parent: Idx) -> bool {
        parent != NONE && (self.is_shim(parent) || self.proc_at(parent).is_some_and(|proc| proc.ns_level > 0))
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
        let place = (file.number() ^ argv.number().wrapping_mul(0x9e37_79b1)) as usize % RECENT;
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
            // Since Linux 7 those of a call to many come without their sender's particulars, as at a parent's end.
            let of_call = matches!(sent.means, Means::Call | Means::ParentDeath);
            if sent.sender == proc && sent.sig == sig && of_call {
                sent.means = means;
            }
        }
    }
}

/// The code of a timer's signal.
const SI_TIMER: i32 = -2;
/// So many of the last processes are searched for a parent.
const FORKED_LOOKED_AT: usize = 4096;
/// The out-of-memory killer marks its victim this soon after the signal.
const MARK_NS: u64 = 1_000_000_000;
