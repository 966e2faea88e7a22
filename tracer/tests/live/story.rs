//! What was recorded, and questions about the processes of a test.
//!
//! Invariant: a process is found by its pid *and* by when the test forked it; every answer is about that one
//! process, whatever else had the pid.

use std::{collections::HashMap, path::Path};

use lastrites_traces::{
    abi::{NO_CPU, kind},
    event::{Bytes, Event, Exec, ProcId, Signal, What},
    reader::{Item, Summary, Trace},
};

use crate::child::Child;

/// One session, in order of time.
#[derive(Debug)]
pub struct Story {
    pub events: Vec<Event>,
    pub summary: Summary,
    /// Indices into `events` of all that mention a process.
    about: HashMap<ProcId, Vec<usize>>,
}

/// A call of the kill family, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub call: u8,
    pub target: i64,
    pub tgid_arg: i32,
    pub sig: u8,
    pub ret: i64,
}

/// A fork, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forked {
    pub parent: ProcId,
    pub child: ProcId,
    pub child_ppid: u32,
    pub cgroup: u64,
    pub ns_level: u32,
    pub ns_pid: u32,
}

/// The end of a process, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited {
    pub index: usize,
    pub status: u32,
    pub cpu_ns: u64,
    pub peak_rss_kib: u64,
}

/// Processes that an event is about.
fn mentioned(what: &What) -> [Option<ProcId>; 2] {
    match what {
        What::Process(p) => [Some(p.process), None],
        What::Fork { parent, child, .. } => [Some(*parent), Some(*child)],
        What::Exec(e) => [Some(e.process), None],
        What::Signal(s) => [Some(s.sender), Some(s.target)],
        What::CgroupAttach { process, moved, .. } => [Some(*process), Some(*moved)],
        What::Oom { process, victim } => [Some(*process), Some(*victim)],
        What::Exit { process, .. }
        | What::Rename { process, .. }
        | What::Deliver { process, .. }
        | What::Call { process, .. }
        | What::Poll { process, .. }
        | What::Reboot { process, .. }
        | What::Umount { process, .. }
        | What::Remount { process, .. }
        | What::CgroupMkdir { process, .. }
        | What::CgroupRmdir { process, .. } => [Some(*process), None],
        What::Lost { .. } => [None, None],
    }
}

impl Story {
    /// Reads the only session of `ring`, and sees that nothing of it is missing.
    pub fn read(ring: &Path) -> Self {
        let trace = Trace::open(ring).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(trace.sessions().len(), 1, "one session: {:#?}", trace.sessions());
        Self::of(&trace, 0)
    }

    /// Reads session number `index` of an open recording, oldest first.
    pub fn of(trace: &Trace, index: usize) -> Self {
        let summary = trace.sessions()[index].clone();
        let mut events = Vec::new();
        for item in trace.events(summary.session.id).unwrap_or_else(|e| panic!("{e}")) {
            match item.unwrap_or_else(|e| panic!("{e}")) {
                Item::Event(event) => events.push(event),
                Item::Known(_) => {}
                Item::Gap(gap) => panic!("a gap: {gap:?}"),
            }
        }
        Self::new(events, summary)
    }

    /// A story of events that came another way.
    pub fn new(events: Vec<Event>, summary: Summary) -> Self {
        let mut about: HashMap<ProcId, Vec<usize>> = HashMap::new();
        for (index, event) in events.iter().enumerate() {
            let [first, second] = mentioned(&event.what);
            for id in first.into_iter().chain(second.filter(|s| Some(*s) != first)) {
                about.entry(id).or_default().push(index);
            }
        }
        Self { events, summary, about }
    }

    /// Sees that the recording has all that happened, in order. Counts of signal 0 are told when they are
    /// complete, which may be long after the last of them: in a storm a reader cannot wait for them. And those of this test
    /// may have to make way for what others on this machine ask.
    pub fn must_be_whole(&self) {
        let uncounted = |what: &&What| matches!(what, What::Lost { cpu: NO_CPU, kind: kind::POLL, .. });
        let lost: Vec<&What> = self.lost().into_iter().filter(|what| !uncounted(what)).collect();
        assert_eq!(lost, Vec::<&What>::new());
        let count =
            self.lost().into_iter().map(|what| if let What::Lost { count, .. } = what { *count } else { 0 });
        assert_eq!(self.summary.lost, count.sum::<u64>(), "no others are counted");
        assert_eq!(self.summary.gaps, Vec::new());
        let at_once = self.events.iter().filter(|event| !matches!(event.what, What::Poll { .. }));
        let at_once: Vec<&Event> = at_once.collect();
        let back = at_once.windows(2).find(|pair| pair[0].time_ns > pair[1].time_ns);
        assert_eq!(back, None, "in order of time");
        let mut numbers: Vec<u64> = self.events.iter().map(|event| event.number).collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "every number once, from 0");
    }

    pub fn lost(&self) -> Vec<&What> {
        self.events.iter().map(|e| &e.what).filter(|what| matches!(what, What::Lost { .. })).collect()
    }

    /// Events about a process, with their places in the order of time.
    pub fn about(&self, id: ProcId) -> impl Iterator<Item = (usize, &What)> {
        self.about.get(&id).into_iter().flatten().map(|index| (*index, &self.events[*index].what))
    }

    /// Every fork by `parent`, with its place.
    pub fn forks_by(&self, parent: ProcId) -> Vec<(usize, Forked)> {
        self.about(parent)
            .filter_map(|(index, what)| Some((index, forked(what)?)))
            .filter(|(_, forked)| forked.parent == parent)
            .collect()
    }

    /// The fork that made process `pid` between two boot times.
    pub fn fork_between(&self, pid: i32, born_ns: (u64, u64)) -> (usize, Forked) {
        let found: Vec<_> = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| (born_ns.0..=born_ns.1).contains(&event.time_ns))
            .filter_map(|(index, event)| Some((index, forked(&event.what)?)))
            .filter(|(_, forked)| forked.child.tgid == pid as u32)
            .collect();
        assert_eq!(found.len(), 1, "one fork of {pid}: {found:?}");
        found[0]
    }

    pub fn fork_of(&self, child: &Child) -> Forked {
        self.fork_between(child.pid, child.born_ns).1
    }

    /// Who that was.
    pub fn id(&self, child: &Child) -> ProcId {
        self.fork_of(child).child
    }

    pub fn execs(&self, id: ProcId) -> Vec<(usize, &Exec)> {
        let execs = self.about(id).filter_map(|(index, what)| match what {
            What::Exec(exec) => Some((index, &**exec)),
            _ => None,
        });
        execs.collect()
    }

    /// The one exec of a process.
    pub fn exec(&self, id: ProcId) -> &Exec {
        let execs = self.execs(id);
        assert_eq!(execs.len(), 1, "one exec of {id:?}: {execs:#?}");
        execs[0].1
    }

    /// The one exit of a process.
    pub fn exit(&self, id: ProcId) -> Exited {
        let exits: Vec<_> = self
            .about(id)
            .filter_map(|(index, what)| match what {
                What::Exit { status, cpu_ns, peak_rss_kib, .. } => {
                    Some(Exited { index, status: *status, cpu_ns: *cpu_ns, peak_rss_kib: *peak_rss_kib })
                }
                _ => None,
            })
            .collect();
        assert_eq!(exits.len(), 1, "one exit of {id:?}: {exits:?}");
        exits[0]
    }

    pub fn signals(&self, sender: ProcId, target: ProcId) -> Vec<(usize, Signal)> {
        self.about(sender)
            .filter_map(|(index, what)| if let What::Signal(s) = what { Some((index, *s)) } else { None })
            .filter(|(_, signal)| signal.sender == sender && signal.target == target)
            .collect()
    }

    /// Signals of which `sender` was the occasion, whoever got them.
    pub fn signals_by(&self, sender: ProcId) -> Vec<Signal> {
        self.about(sender)
            .filter_map(|(_, what)| if let What::Signal(s) = what { Some(*s) } else { None })
            .filter(|signal| signal.sender == sender)
            .collect()
    }

    pub fn calls(&self, id: ProcId) -> Vec<Call> {
        self.about(id)
            .filter_map(|(_, what)| match *what {
                What::Call { call, target, tgid_arg, sig, ret, .. } => {
                    Some(Call { call, target, tgid_arg, sig, ret })
                }
                _ => None,
            })
            .collect()
    }

    /// What `pick` makes of the events about a process.
    pub fn pick<'a, T>(&'a self, id: ProcId, pick: impl Fn(&'a What) -> Option<T>) -> Vec<T> {
        self.about(id).filter_map(|(_, what)| pick(what)).collect()
    }

    /// The last name that the recording knows of a process.
    pub fn name(&self, id: ProcId) -> Option<Bytes> {
        let mut name = None;
        for (index, what) in self.about(id) {
            match what {
                What::Process(p) => name = Some(p.comm.clone()),
                What::Exec(e) => name = Some(e.comm.clone()),
                What::Rename { comm, .. } => name = Some(comm.clone()),
                What::Fork { parent, child, .. } if *child == id => name = self.name_at(*parent, index),
                _ => {}
            }
        }
        name
    }

    /// The name that `id` had when event `before` happened.
    fn name_at(&self, id: ProcId, before: usize) -> Option<Bytes> {
        let mut name = None;
        for (index, what) in self.about(id).take_while(|(index, _)| *index < before) {
            match what {
                What::Exec(e) => name = Some(e.comm.clone()),
                What::Rename { comm, .. } => name = Some(comm.clone()),
                What::Fork { parent, child, .. } if *child == id => name = self.name_at(*parent, index),
                _ => {}
            }
        }
        // Who was there before is known from the census, by an identity that is only tick-exact.
        name.or_else(|| {
            self.events.iter().find_map(|event| match &event.what {
                What::Process(p) if p.process.same(id) => Some(p.comm.clone()),
                _ => None,
            })
        })
    }
}

fn forked(what: &What) -> Option<Forked> {
    match *what {
        What::Fork { parent, child, child_ppid, cgroup, ns_level, ns_pid } => {
            Some(Forked { parent, child, child_ppid, cgroup, ns_level, ns_pid })
        }
        _ => None,
    }
}
