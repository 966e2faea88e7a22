//! What encoder and decoder both know at any byte of a segment.
//!
//! Invariant: a state is changed by events alone, through the methods here. Its size is bounded
//! by the bytes of the segment that built it.

use std::collections::VecDeque;

use super::Shape;
use crate::event::{Bytes, ProcId, Process};
use crate::wire::Malformed;

/// An index into [`State::processes`].
pub(crate) type Index = u32;
/// An index into [`State::strings`]; 0 is the empty string.
pub(crate) type StringId = u32;

/// Deaths after which a dead process's index is given to another. What its death leads to
/// (SIGCHLD, late signals) can still name it shortly until then.
pub const DEAD_KEPT: usize = 64;

/// What the recording knows of one process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    pub id: ProcId,
    pub ppid: u32,
    pub uid: u32,
    pub session: u32,
    pub cgroup: u64,
    pub comm: StringId,
    pub filename: StringId,
    pub argv: StringId,
    pub env: StringId,
    pub tty: StringId,
    pub cgroup_path: StringId,
    pub dead: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct State {
    pub strings: Vec<Bytes>,
    pub processes: Vec<Known>,
    pub dead: VecDeque<Index>,
    pub shapes: Vec<Shape>,
    pub positions: Vec<u64>,
    pub last_tgid: u32,
    pub last_rss_kib: u64,
    /// Boot time of the newest event before the segment, from its STATE frame.
    pub started_ns: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            strings: vec![Bytes::from([])],
            processes: Vec::new(),
            dead: VecDeque::new(),
            shapes: Vec::new(),
            positions: Vec::new(),
            last_tgid: 0,
            last_rss_kib: 0,
            started_ns: 0,
        }
    }
}

impl State {
    pub fn string(&self, id: StringId) -> &Bytes {
        &self.strings[id as usize]
    }

    pub fn known(&self, index: Index) -> &Known {
        &self.processes[index as usize]
    }

    #[inline]
    pub fn checked(&self, index: u64) -> Result<Index, Malformed> {
        if index < self.processes.len() as u64 {
            Ok(index as Index)
        } else {
            Err(Malformed("a reference to a process that was never defined"))
        }
    }

    /// The index that the next new process takes.
    pub fn next_index(&self) -> Index {
        if self.dead.len() > DEAD_KEPT { self.dead[0] } else { self.processes.len() as Index }
    }

    pub fn add(&mut self, known: Known) -> Index {
        self.last_tgid = known.id.tgid;
        let index = self.next_index();
        if (index as usize) < self.processes.len() {
            self.dead.pop_front();
            self.processes[index as usize] = known;
        } else {
            self.processes.push(known);
        }
        index
    }

    pub fn define(&mut self, id: ProcId) -> Index {
        self.add(Known { id, ..Known::default() })
    }

    pub fn redefine(&mut self, index: Index, start_ns: u64) -> ProcId {
        let id = &mut self.processes[index as usize].id;
        id.start_ns = start_ns;
        *id
    }

    /// What a child inherits.
    pub fn child(parent: &Known, id: ProcId, ppid: u32, cgroup: u64) -> Known {
        let cgroup_path = if cgroup == parent.cgroup { parent.cgroup_path } else { 0 };
        Known { id, ppid, cgroup, cgroup_path, dead: false, ..*parent }
    }

    /// Gives a process that is known already what [`State::child`] says.
    pub fn inherit(&mut self, index: Index, known: Known) {
        let old = &mut self.processes[index as usize];
        *old = Known { id: old.id, dead: old.dead, ..known };
    }

    /// Sets all but identity and death. A cgroup path is kept while the cgroup is the same.
    pub fn set(&mut self, index: Option<Index>, new: Known, keeps_path: bool) {
        let Some(index) = index else { return };
        let old = &mut self.processes[index as usize];
        let same = keeps_path && old.cgroup == new.cgroup;
        let cgroup_path = if same { old.cgroup_path } else { new.cgroup_path };
        *old = Known { id: old.id, dead: old.dead, cgroup_path, ..new };
    }

    pub fn rename(&mut self, index: Option<Index>, comm: StringId) {
        if let Some(index) = index {
            self.processes[index as usize].comm = comm;
        }
    }

    pub fn attach(&mut self, index: Option<Index>, cgroup: u64, hierarchy: u32, path: StringId) {
        if let (Some(index), 0) = (index, hierarchy) {
            let known = &mut self.processes[index as usize];
            known.cgroup = cgroup;
            known.cgroup_path = path;
        }
    }

    #[inline]
    pub fn exit(&mut self, index: Option<Index>, peak_rss_kib: u64) {
        self.last_rss_kib = peak_rss_kib;
        let Some(index) = index else { return };
        let known = &mut self.processes[index as usize];
        if !known.dead {
            known.dead = true;
            self.dead.push_back(index);
        }
    }

    /// The processes that are living as far as the state knows.
    pub fn living(&self) -> impl Iterator<Item = &Known> {
        self.processes.iter().filter(|known| !known.dead)
    }

    /// A process in full.
    pub fn process(&self, known: &Known) -> Process {
        Process {
            process: known.id,
            ppid: known.ppid,
            uid: known.uid,
            session: known.session,
            comm: self.string(known.comm).clone(),
            filename: self.string(known.filename).clone(),
            argv: self.string(known.argv).clone(),
            env: self.string(known.env).clone(),
            tty: self.string(known.tty).clone(),
            cgroup_path: self.string(known.cgroup_path).clone(),
            cgroup: known.cgroup,
        }
    }
}
