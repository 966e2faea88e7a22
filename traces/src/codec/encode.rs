//! Events to bytes.

use std::collections::HashMap;

use super::find::Finder;
use super::state::{Index, Known, State, StringId};
use super::{POSITIONS_MAX, SHAPES_MAX, STRING_MAX, Shape, reference, shape, tag};
use crate::event::{Bytes, Disposition, Exec, ProcId, Process, What};
use crate::wire::{put_bytes, put_varint, put_zigzag};

/// Arguments up to this many bytes are told in a snapshot that is more than half full.
const ARGV_SHORT: usize = 256;

/// Most bytes of an event without its strings.
const FIELDS_BOUND: usize = 128;

/// Encodes events, and keeps what it needs to find things in the state by name.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub state: State,
    /// The newest process of each tgid.
    by_tgid: Finder<u32, Index>,
    by_shape: Finder<u64, u8>,
    by_string: HashMap<Bytes, StringId>,
}

impl Encoder {
    /// Goes on with a state that decoding built.
    pub fn resume(state: State) -> Self {
        let (mut by_tgid, mut by_shape) = (Finder::default(), Finder::default());
        for (index, known) in state.processes.iter().enumerate() {
            // Of two with one tgid the living one counts: the other's exit frees its index.
            let index = index as Index;
            if !known.dead || by_tgid.get(known.id.tgid).is_none() {
                by_tgid.insert(known.id.tgid, index);
            }
        }
        for (number, shape) in state.shapes.iter().enumerate() {
            by_shape.insert(shape.key(), number as u8);
        }
        let strings = state.strings.iter().enumerate();
        let by_string = strings.map(|(id, string)| (string.clone(), id as StringId)).collect();
        Self { state, by_tgid, by_shape, by_string }
    }

    /// Begins with processes that were living before.
    pub fn knowing(processes: &[Process]) -> Self {
        let mut encoder = Self::default();
        encoder.by_string.insert(encoder.state.strings[0].clone(), 0);
        let mut nowhere = Vec::new();
        for process in processes {
            let known = encoder.describe(&mut nowhere, process);
            encoder.by_tgid.insert(known.id.tgid, encoder.state.processes.len() as Index);
            encoder.state.processes.push(known);
            nowhere.clear();
        }
        encoder
    }

    /// What is known of a process.
    pub fn find(&self, process: ProcId) -> Option<&Known> {
        let known = self.state.known(self.by_tgid.get(process.tgid)?);
        process.same(known.id).then_some(known)
    }

    /// Begins a new segment: a state with only the living processes, told by SNAPSHOT payloads
    /// of `budget` bytes in all, each handed to `frame` with its number of processes. Where it gets short, each keeps its file,
    /// by which services are known, and loses its arguments: long ones first, and the environment with all of them.
    pub fn restart(&mut self, budget: usize, frame: &mut dyn FnMut(&[u8], u32)) {
        let old = std::mem::take(self);
        self.state.positions = old.state.positions.clone();
        self.by_string.insert(self.state.strings[0].clone(), 0);
        let (mut payload, mut count, mut used) = (Vec::new(), 0, 0);
        for known in old.state.living() {
            let index = old.by_tgid.get(known.id.tgid);
            let newest = index.is_some_and(|index| old.state.known(index).id == known.id);
            let nothing_known = known.comm == 0 && known.filename == 0 && known.cgroup == 0;
            if !newest || nothing_known {
                continue;
            }
            let mut process = old.state.process(known);
            let taken = used + payload.len();
            let most = match () {
                () if taken <= budget / 2 => usize::MAX,
                () if taken <= budget / 4 * 3 => ARGV_SHORT,
                () => 0,
            };
            if process.argv.len() > most {
                process.argv = self.state.strings[0].clone();
            }
            if most == 0 {
                process.env = self.state.strings[0].clone();
            }
            if used + payload.len() + described_bound(&process) > budget {
                break;
            }
            put_varint(&mut payload, process.process.tgid.into());
            put_varint(&mut payload, process.process.start_ns);
            let known = self.describe(&mut payload, &process);
            self.by_tgid.insert(known.id.tgid, self.state.processes.len() as Index);
            self.state.processes.push(known);
            count += 1;
            if payload.len() > super::SNAPSHOT_FRAME {
                frame(&payload, count);
                used += payload.len();
                payload.clear();
                count = 0;
            }
        }
        if count > 0 {
            frame(&payload, count);
        }
    }

    /// The payload of a STATE frame.
    pub fn start(&mut self, last_ns: u64, out: &mut Vec<u8>) {
        self.state.started_ns = last_ns;
        put_varint(out, last_ns);
        put_varint(out, self.state.positions.len() as u64);
        self.state.positions.iter().for_each(|&position| put_varint(out, position));
    }

    /// What follows the events of a batch's last frame; no positions: unchanged.
    pub fn positions(&mut self, positions: &[u64], out: &mut Vec<u8>) {
        let positions = &positions[..positions.len().min(POSITIONS_MAX)];
        put_varint(out, positions.len() as u64);
        if !positions.is_empty() {
            self.state.positions.resize(positions.len(), 0);
        }
        for (old, &new) in self.state.positions.iter_mut().zip(positions) {
            put_varint(out, new.wrapping_sub(*old));
            *old = new;
        }
    }

    /// Most bytes that [`Encoder::event`] may need for `what`.
    #[inline]
    pub fn bound(what: &What) -> usize {
        match what {
            What::Signal(_) | What::Deliver { .. } | What::Exit { .. } | What::Fork { .. } => FIELDS_BOUND,
            _ => FIELDS_BOUND + strings_bound(what),
        }
    }

    /// Appends an event that happened at `time_ns`, `dt_ns` after the one before.
    #[inline]
    pub fn event(&mut self, out: &mut Vec<u8>, dt_ns: u64, time_ns: u64, what: &What) {
        match what {
            What::Signal(signal) => {
                let bits = bit(signal.group, shape::GROUP)
                    | bit(signal.no_info, shape::NO_INFO)
                    | bit(signal.priv_info, shape::PRIV_INFO)
                    | bit(signal.target_tid != signal.target.tgid, shape::OTHER_TID);
                let shape = Shape::Signal { sig: signal.sig, code: signal.code, result: signal.result, bits };
                self.shape(out, dt_ns, shape, tag::SIGNAL);
                self.process(out, time_ns, signal.sender);
                self.process(out, time_ns, signal.target);
                thread(out, signal.target, signal.target_tid);
            }
            What::Deliver { process, tid, sig, disposition } => {
                let bits = bit(*disposition == Disposition::Handled, shape::HANDLED)
                    | bit(*disposition == Disposition::Ignored, shape::IGNORED)
                    | bit(*tid != process.tgid, shape::OTHER_TID);
                self.shape(out, dt_ns, Shape::Deliver { sig: *sig, bits }, tag::DELIVER);
                self.process(out, time_ns, *process);
                thread(out, *process, *tid);
            }
            What::Exit { process, status, cpu_ns, peak_rss_kib } => {
                let told = self.shape(out, dt_ns, Shape::Exit { status: *status }, tag::EXIT);
                let index = self.process(out, time_ns, *process);
                if !told {
                    put_varint(out, (*status).into());
                }
                put_varint(out, *cpu_ns);
                put_zigzag(out, peak_rss_kib.wrapping_sub(self.state.last_rss_kib) as i64);
                self.state.exit(index, *peak_rss_kib);
            }
            What::Fork { parent, child, child_ppid, cgroup, ns_level, ns_pid } => {
                self.fork(out, dt_ns, time_ns, *parent, *child, [*child_ppid, *ns_level, *ns_pid], *cgroup);
            }
            What::Lost { cpu, kind, count, bytes } => {
                head(out, tag::LOST, dt_ns);
                put_varint(out, (*cpu).into());
                out.push(*kind);
                put_varint(out, *count);
                put_varint(out, *bytes);
            }
            _ => self.rare(out, dt_ns, time_ns, what),
        }
    }

    fn rare(&mut self, out: &mut Vec<u8>, dt_ns: u64, time_ns: u64, what: &What) {
        match what {
            What::Process(process) => {
                head(out, tag::PROCESS, dt_ns);
                let index = self.process(out, time_ns, process.process);
                let known = self.describe(out, process);
                self.state.set(index, known, false);
            }
            What::Exec(exec) => self.exec(out, dt_ns, time_ns, exec),
            What::Rename { process, comm } => {
                head(out, tag::RENAME, dt_ns);
                let index = self.process(out, time_ns, *process);
                let comm = self.string(out, comm);
                self.state.rename(index, comm);
            }
            What::Call { process, call, target, tgid_arg, sig, ret } => {
                head(out, tag::CALL, dt_ns);
                self.process(out, time_ns, *process);
                out.push(*call);
                put_zigzag(out, *target);
                put_zigzag(out, (*tgid_arg).into());
                out.push(*sig);
                put_zigzag(out, *ret);
            }
            What::Poll { process, call, target, count, first_ns, last_ret } => {
                head(out, tag::POLL, dt_ns);
                self.process(out, time_ns, *process);
                out.push(*call);
                put_zigzag(out, *target);
                put_varint(out, *count);
                put_zigzag(out, first_ns.wrapping_sub(time_ns) as i64);
                put_zigzag(out, *last_ret);
            }
            What::Reboot { process, cmd, ns_level } => {
                head(out, tag::REBOOT, dt_ns);
                self.process(out, time_ns, *process);
                put_varint(out, (*cmd).into());
                put_varint(out, (*ns_level).into());
            }
            What::Umount { process, path, flags } | What::Remount { process, path, flags } => {
                let remount = matches!(what, What::Remount { .. });
                head(out, if remount { tag::REMOUNT } else { tag::UMOUNT }, dt_ns);
                self.process(out, time_ns, *process);
                self.string(out, path);
                put_varint(out, *flags);
            }
            What::CgroupMkdir { process, id, hierarchy, path }
            | What::CgroupRmdir { process, id, hierarchy, path } => {
                let made = matches!(what, What::CgroupMkdir { .. });
                head(out, if made { tag::CGROUP_MKDIR } else { tag::CGROUP_RMDIR }, dt_ns);
                self.process(out, time_ns, *process);
                put_varint(out, *id);
                put_varint(out, (*hierarchy).into());
                self.string(out, path);
            }
            What::CgroupAttach { process, moved, id, hierarchy, path } => {
                head(out, tag::CGROUP_ATTACH, dt_ns);
                self.process(out, time_ns, *process);
                let index = self.process(out, time_ns, *moved);
                put_varint(out, *id);
                put_varint(out, (*hierarchy).into());
                let path = self.string(out, path);
                self.state.attach(index, *id, *hierarchy, path);
            }
            What::Oom { process, victim } => {
                head(out, tag::OOM, dt_ns);
                self.process(out, time_ns, *process);
                self.process(out, time_ns, *victim);
            }
            What::Signal(_) | What::Deliver { .. } | What::Exit { .. } => {}
            What::Fork { .. } | What::Lost { .. } => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a fork")]
    fn fork(
        &mut self,
        out: &mut Vec<u8>,
        dt_ns: u64,
        time_ns: u64,
        parent: ProcId,
        child: ProcId,
        [child_ppid, ns_level, ns_pid]: [u32; 3],
        cgroup: u64,
    ) {
        let known = self.exact(parent).map(|index| *self.state.known(index));
        let new = self.find(child).is_none() && child != ProcId::KERNEL;
        let usual = new && child_ppid == parent.tgid && ns_level == 0 && ns_pid == child.tgid;
        match known {
            Some(known) if usual && known.cgroup == cgroup => {
                head(out, tag::FORK, dt_ns);
                self.process(out, time_ns, parent);
                put_zigzag(out, i64::from(child.tgid) - i64::from(self.state.last_tgid));
                put_zigzag(out, time_ns.wrapping_sub(child.start_ns) as i64);
                self.add(State::child(&known, child, child_ppid, cgroup));
            }
            _ => {
                head(out, tag::FORK_ODD, dt_ns);
                let index = self.process(out, time_ns, parent);
                let inherited = index.map(|index| *self.state.known(index)).unwrap_or_default();
                let index = self.process(out, time_ns, child);
                put_varint(out, child_ppid.into());
                put_varint(out, cgroup);
                put_varint(out, ns_level.into());
                put_varint(out, ns_pid.into());
                if let Some(index) = index {
                    self.state.inherit(index, State::child(&inherited, child, child_ppid, cgroup));
                }
            }
        }
    }

    fn exec(&mut self, out: &mut Vec<u8>, dt_ns: u64, time_ns: u64, exec: &Exec) {
        head(out, tag::EXEC, dt_ns);
        let index = self.process(out, time_ns, exec.process);
        self.process(out, time_ns, exec.parent);
        put_varint(out, exec.uid.into());
        put_varint(out, exec.session.into());
        put_varint(out, exec.cgroup);
        out.push(exec.flags);
        let known = Known {
            ppid: exec.parent.tgid,
            uid: exec.uid,
            session: exec.session,
            cgroup: exec.cgroup,
            comm: self.string(out, &exec.comm),
            filename: self.string(out, &exec.filename),
            argv: self.string(out, &exec.argv),
            env: self.string(out, &exec.env),
            tty: self.string(out, &exec.tty),
            ..Known::default()
        };
        self.state.set(index, known, true);
    }

    /// What PROCESS and SNAPSHOT say behind the identity.
    fn describe(&mut self, out: &mut Vec<u8>, process: &Process) -> Known {
        put_varint(out, process.ppid.into());
        put_varint(out, process.uid.into());
        put_varint(out, process.session.into());
        put_varint(out, process.cgroup);
        Known {
            id: process.process,
            ppid: process.ppid,
            uid: process.uid,
            session: process.session,
            cgroup: process.cgroup,
            comm: self.string(out, &process.comm),
            filename: self.string(out, &process.filename),
            argv: self.string(out, &process.argv),
            env: self.string(out, &process.env),
            tty: self.string(out, &process.tty),
            cgroup_path: self.string(out, &process.cgroup_path),
            dead: false,
        }
    }

    /// Tells the shape if it is new, then begins an event of it; where no shape can be added,
    /// begins one with `tag` that carries its own (of an exit: not yet), and returns false.
    #[inline]
    fn shape(&mut self, out: &mut Vec<u8>, dt_ns: u64, shape: Shape, tag: u8) -> bool {
        if let Some(number) = self.by_shape.find(shape.key()) {
            head(out, tag::SHAPED + number, dt_ns);
            return true;
        }
        let number = self.state.shapes.len();
        if number == SHAPES_MAX {
            head(out, tag, dt_ns);
            if tag != tag::EXIT {
                shape_body(out, shape);
            }
            return false;
        }
        out.push(tag::SHAPE);
        out.push(match shape {
            Shape::Signal { .. } => shape::SIGNAL,
            Shape::Deliver { .. } => shape::DELIVER,
            Shape::Exit { .. } => shape::EXIT,
        });
        shape_body(out, shape);
        self.state.shapes.push(shape);
        self.by_shape.insert(shape.key(), number as u8);
        head(out, tag::SHAPED + number as u8, dt_ns);
        true
    }

    fn string(&mut self, out: &mut Vec<u8>, string: &Bytes) -> StringId {
        let cut: Bytes;
        let string = if string.len() > STRING_MAX {
            cut = string[..STRING_MAX].into();
            &cut
        } else {
            string
        };
        if let Some(&id) = self.by_string.get(string) {
            put_varint(out, u64::from(id) + 1);
            return id;
        }
        put_varint(out, 0);
        put_bytes(out, string);
        let id = self.state.strings.len() as StringId;
        self.state.strings.push(string.clone());
        self.by_string.insert(string.clone(), id);
        id
    }

    /// The index of exactly this process.
    #[inline]
    fn exact(&self, id: ProcId) -> Option<Index> {
        let index = self.by_tgid.get(id.tgid)?;
        (self.state.known(index).id == id).then_some(index)
    }

    #[inline]
    fn process(&mut self, out: &mut Vec<u8>, time_ns: u64, id: ProcId) -> Option<Index> {
        if id == ProcId::KERNEL {
            put_varint(out, reference::NOBODY);
            return None;
        }
        let start = id.start_ns.wrapping_sub(time_ns) as i64;
        if let Some(index) = self.by_tgid.find(id.tgid) {
            let known = self.state.known(index).id;
            if known == id {
                put_varint(out, reference::FIRST + u64::from(index));
                return Some(index);
            }
            if known.same(id) {
                put_varint(out, reference::REDEFINE);
                put_varint(out, index.into());
                put_zigzag(out, start);
                self.state.redefine(index, id.start_ns);
                return Some(index);
            }
        }
        put_varint(out, reference::DEFINE);
        put_zigzag(out, i64::from(id.tgid) - i64::from(self.state.last_tgid));
        put_zigzag(out, start);
        Some(self.add(Known { id, ..Known::default() }))
    }

    fn add(&mut self, known: Known) -> Index {
        let index = self.state.next_index();
        if let Some(old) = self.state.processes.get(index as usize) {
            let old = old.id.tgid;
            if self.by_tgid.get(old) == Some(index) {
                self.by_tgid.remove(old);
            }
        }
        self.by_tgid.insert(known.id.tgid, index);
        self.state.add(known)
    }
}

/// Most bytes of the strings of an event.
fn strings_bound(what: &What) -> usize {
    let string = |bytes: &Bytes| bytes.len().min(STRING_MAX);
    match what {
        What::Process(process) => described_bound(process),
        What::Exec(exec) => {
            [&exec.comm, &exec.filename, &exec.argv, &exec.env, &exec.tty].map(string).iter().sum()
        }
        What::Rename { comm, .. } => string(comm),
        What::Umount { path, .. }
        | What::Remount { path, .. }
        | What::CgroupMkdir { path, .. }
        | What::CgroupRmdir { path, .. }
        | What::CgroupAttach { path, .. } => string(path),
        _ => 0,
    }
}

fn described_bound(process: &Process) -> usize {
    let Process { comm, filename, argv, env, tty, cgroup_path, .. } = process;
    64 + [comm, filename, argv, env, tty, cgroup_path]
        .map(|bytes| bytes.len().min(STRING_MAX) + 3)
        .iter()
        .sum::<usize>()
}

fn bit(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

#[inline(always)]
fn head(out: &mut Vec<u8>, tag: u8, dt_ns: u64) {
    out.push(tag);
    put_varint(out, dt_ns);
}

#[inline(always)]
fn thread(out: &mut Vec<u8>, process: ProcId, tid: u32) {
    if tid != process.tgid {
        put_zigzag(out, i64::from(tid) - i64::from(process.tgid));
    }
}

fn shape_body(out: &mut Vec<u8>, shape: Shape) {
    match shape {
        Shape::Signal { sig, code, result, bits } => {
            out.push(sig);
            put_zigzag(out, code.into());
            out.extend_from_slice(&[result, bits]);
        }
        Shape::Deliver { sig, bits } => out.extend_from_slice(&[sig, bits]),
        Shape::Exit { status } => put_varint(out, status.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// On a machine with long command lines, from the second segment on nobody knew which program most of the processes
    /// were, pid 1 among them: all that was left of them was the name that a process gives itself.
    #[test]
    fn a_new_segment_drops_no_file_names_and_long_arguments_first() {
        const BUDGET: usize = 128 << 10;
        let text = |text: String| -> Bytes { Arc::from(text.into_bytes()) };
        let processes: Vec<Process> = (1..=400_u32)
            .map(|tgid| Process {
                process: ProcId { tgid, start_ns: u64::from(tgid) },
                ppid: 1,
                uid: 0,
                session: tgid,
                comm: text("service".to_owned()),
                filename: text(format!("/usr/bin/service{}", tgid % 4)),
                argv: text(format!("{tgid}{}", "x".repeat(if tgid % 2 == 0 { 1600 } else { 40 }))),
                env: text(format!("UPSTART_JOB={tgid}")),
                tty: text(String::new()),
                cgroup: 0,
                cgroup_path: text(String::new()),
            })
            .collect();
        let mut encoder = Encoder::knowing(&processes);
        let (mut bytes, mut told) = (0, 0);
        encoder.restart(BUDGET, &mut |payload, count| {
            bytes += payload.len();
            told += count;
        });
        assert!(bytes <= BUDGET, "{bytes}");
        assert_eq!(told, 400);
        let known: Vec<Process> = encoder.state.living().map(|known| encoder.state.process(known)).collect();
        for (process, was) in known.iter().zip(&processes) {
            let tgid = process.process.tgid;
            assert_eq!(process.filename, was.filename, "{tgid}");
            let is_short = was.argv.len() <= ARGV_SHORT;
            assert!(process.argv == was.argv || (process.argv.is_empty() && !is_short), "{tgid}");
            assert_eq!(process.env, was.env, "{tgid}");
        }
        let long = known.iter().filter(|process| process.argv.len() > ARGV_SHORT).count();
        assert!((30..200).contains(&long), "{long}: as many as fit into half of it");
        // What does not fit at all keeps its file still.
        encoder = Encoder::knowing(&processes);
        encoder.restart(BUDGET / 8, &mut |_, _| {});
        let known: Vec<Process> = encoder.state.living().map(|known| encoder.state.process(known)).collect();
        assert!(known.iter().zip(&processes).all(|(process, was)| process.filename == was.filename));
        assert!(known.last().is_some_and(|last| last.argv.is_empty() && last.env.is_empty()));
    }
}
