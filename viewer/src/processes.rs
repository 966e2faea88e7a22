//! What the processes are called, learnt while streaming through a recording.
//!
//! Invariant: memory is bounded whatever the recording says: by the processes that live at a time
//! plus the last few dead, and never more than [`MOST`].

use std::collections::{HashMap, VecDeque};

use lastrites_traces::{
    event::{Bytes, ProcId, Process, What},
    reader::Item,
    seeded::Seeded,
};

/// Dead processes still known: SIGCHLD and late signals name them.
const DEAD_KEPT: usize = 4096;
/// Linux has at most 4 Mi pids; a recording that claims more at a time than this lies.
const MOST: usize = 1 << 20;

/// What is known of one process.
#[derive(Debug, Clone)]
pub struct Known {
    pub comm: Bytes,
    /// As it was executed.
    pub filename: Bytes,
    pub uid: u32,
    pub tty: Bytes,
    pub ns_level: u32,
}

impl Default for Known {
    fn default() -> Self {
        let empty = Bytes::from([]);
        Self { comm: empty.clone(), filename: empty.clone(), uid: 0, tty: empty, ns_level: 0 }
    }
}

/// A process, with its start to the tick: so those of /proc and those of the kernel meet.
type Key = (u32, u64);

fn key(id: ProcId) -> Key {
    (id.tgid, id.start_ns / ProcId::TICK_NS)
}

#[derive(Debug, Default)]
pub struct Processes {
    /// Two look-ups per event have to be cheap, and a file that chose its keys must not make them dear.
    known: HashMap<Key, Known, Seeded>,
    dead: VecDeque<Key>,
}

impl Processes {
    pub fn get(&self, id: ProcId) -> Option<&Known> {
        self.known.get(&key(id))
    }

    /// Its name; empty if it was never told.
    pub fn comm(&self, id: ProcId) -> &[u8] {
        self.get(id).map_or(b"", |known| &known.comm)
    }

    /// Learns from `item` before it is shown.
    pub fn learn(&mut self, item: &Item) {
        match item {
            Item::Known(process) => self.described(process),
            Item::Event(event) => self.event(&event.what),
            Item::Gap(_) => {}
        }
    }

    /// Learns from an event before it is shown.
    pub fn event(&mut self, what: &What) {
        match what {
            What::Process(process) => self.described(process),
            What::Fork { parent, child, ns_level, .. } => {
                let inherited = self.get(*parent).cloned().unwrap_or_default();
                self.insert(*child, Known { ns_level: *ns_level, ..inherited });
            }
            What::Exec(exec) => {
                let ns_level = self.get(exec.process).map_or(0, |known| known.ns_level);
                let (comm, filename, tty) = (exec.comm.clone(), exec.filename.clone(), exec.tty.clone());
                self.insert(exec.process, Known { comm, filename, uid: exec.uid, tty, ns_level });
            }
            What::Rename { process, comm } => match self.known.get_mut(&key(*process)) {
                Some(known) => known.comm = comm.clone(),
                None => self.insert(*process, Known { comm: comm.clone(), ..Known::default() }),
            },
            What::Exit { process, .. } => {
                self.dead.push_back(key(*process));
                if self.dead.len() > DEAD_KEPT
                    && let Some(oldest) = self.dead.pop_front()
                {
                    self.known.remove(&oldest);
                }
            }
            _ => {}
        }
    }

    fn described(&mut self, process: &Process) {
        let ns_level = self.get(process.process).map_or(0, |known| known.ns_level);
        let (comm, filename, tty) = (process.comm.clone(), process.filename.clone(), process.tty.clone());
        self.insert(process.process, Known { comm, filename, uid: process.uid, tty, ns_level });
    }

    fn insert(&mut self, id: ProcId, known: Known) {
        if self.known.len() >= MOST {
            self.known.clear();
            self.dead.clear();
        }
        self.known.insert(key(id), known);
    }
}

/// The last component of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{exec, exit, fork, id};

    /// The hook of exec may be attached after somebody was born and executed something.
    #[test]
    fn who_executed_something_before_anybody_listened_is_called_what_the_census_says() {
        let mut processes = Processes::default();
        processes.event(&exec(id(1), id(0), "/sbin/init", &["init"]));
        processes.event(&fork(id(1), id(20)));
        let census = crate::testing::one_of_each().into_iter().map(|event| event.what);
        let census = census.filter_map(|what| match what {
            What::Process(process) => {
                Some(Process { process: id(20), comm: b"mongod".as_slice().into(), ..*process })
            }
            _ => None,
        });
        census.for_each(|process| processes.event(&What::Process(Box::new(process))));
        assert_eq!(processes.comm(id(20)), b"mongod");
    }

    #[test]
    fn names_are_inherited_changed_and_outlive_their_process() {
        let mut processes = Processes::default();
        processes.event(&exec(id(1), id(0), "/sbin/init", &["init"]));
        processes.event(&fork(id(1), id(20)));
        assert_eq!(processes.comm(id(20)), b"init");
        processes.event(&exec(id(20), id(1), "/usr/bin/mongod", &["mongod", "-f"]));
        processes.event(&What::Rename { process: id(20), comm: b"conn".as_slice().into() });
        processes.event(&exit(id(20), 0));
        assert_eq!(processes.comm(id(20)), b"conn");
        assert_eq!(
            processes.comm(ProcId { tgid: 20, start_ns: 999_999_999_999 }),
            b"",
            "another of that pid"
        );
    }

    /// Keys that met when they were mixed in a way that everybody knew: `show` took 20 s for 8,000 forks of them.
    #[test]
    fn processes_that_were_chosen_to_meet_are_told_apart_at_once() {
        use std::{collections::BTreeSet, hash::BuildHasher};
        let met = |pid: u32| (pid, u64::from(pid).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(5) ^ 77);
        let processes = Processes::default();
        let places: BTreeSet<u64> =
            (1..4096).map(|pid| processes.known.hasher().hash_one(met(pid)) % (1 << 16)).collect();
        assert!(places.len() > 3_800, "4095 processes share {} places", places.len());
    }

    #[test]
    fn memory_does_not_grow_with_the_recording() {
        let mut processes = Processes::default();
        for at in 0..200_000u64 {
            let child = ProcId { tgid: 100 + (at % 30_000) as u32, start_ns: at * ProcId::TICK_NS };
            processes.event(&What::Fork {
                parent: id(1),
                child,
                child_ppid: 1,
                cgroup: 0,
                ns_level: 0,
                ns_pid: child.tgid,
            });
            processes.event(&exit(child, 0));
        }
        assert!(processes.known.len() <= DEAD_KEPT + 1, "{}", processes.known.len());
    }
}
