//! What of a recording gets into the page, and in which order.
//!
//! Invariant: never more than was asked for; who has a lane comes first, and what is left out is counted.

use std::{cmp::Reverse, collections::HashMap};

use crate::{
    story::{
        fate::{Verdict, tells_to_stop},
        world::{Idx, IdxMap, Sig, World},
    },
    view::{Subject, lanes::Lane, model::Model},
};

/// Most that a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    pub procs: usize,
    pub sigs: usize,
    pub findings: usize,
}

#[derive(Debug, Default)]
pub struct Chosen {
    /// Those with lanes, lane by lane, then the others in order of birth. A process is named by its place here.
    pub rows: Vec<Idx>,
    /// So many of them have lanes.
    pub with_lanes: usize,
    /// Indices of signals, in order of time.
    pub sigs: Vec<u32>,
    pub findings: usize,
    row_of: IdxMap<u32>,
    sig_of: HashMap<u32, u32>,
}

impl Chosen {
    pub fn new(model: &Model, most: Most) -> Self {
        let mut chosen =
            Self { findings: model.story().findings.len().min(most.findings), ..Self::default() };
        let lanes = model.story_lanes.iter().chain(&model.service_lanes);
        let in_lanes = lanes.flat_map(|lane| lane.procs.iter().copied());
        chosen.rows.extend(in_lanes.take(most.procs));
        chosen.with_lanes = chosen.rows.len();
        let room = most.procs - chosen.rows.len();
        let mut others = model.others.clone();
        if others.len() > room {
            others.sort_by_cached_key(|idx| (rank(model, *idx), Reverse(model.birth(*idx))));
            others.truncate(room);
            others.sort_by_key(|idx| (model.birth(*idx), *idx));
        }
        chosen.rows.extend(others);
        chosen.row_of = chosen.rows.iter().copied().zip(0..).collect();
        let world = model.world();
        let there = |at: &u32| chosen.row_of.contains_key(&world.sigs[*at as usize].target);
        let mut sigs: Vec<u32> = (0..world.sigs.len() as u32).filter(there).collect();
        if sigs.len() > most.sigs {
            // Those that told somebody to stop, and of them the last.
            sigs.sort_by_key(|at| (!stops(world, &world.sigs[*at as usize]), Reverse(*at)));
            sigs.truncate(most.sigs);
            sigs.sort_unstable();
        }
        chosen.sig_of = sigs.iter().copied().zip(0..).collect();
        chosen.sigs = sigs;
        chosen
    }

    pub fn row(&self, idx: Idx) -> Option<u32> {
        self.row_of.get(&idx).copied()
    }

    pub fn sig(&self, at: u32) -> Option<u32> {
        self.sig_of.get(&at).copied()
    }

    /// What a line leads to, as one number: its kind in the two lowest bits, its place above. None: it is not here.
    pub fn lead(&self, subject: Subject) -> Option<u64> {
        let (kind, place) = match subject {
            Subject::Proc(idx) => (0, u64::from(self.row(idx)?)),
            Subject::Sig(at) => (1, u64::from(self.sig(at)?)),
            Subject::Finding(at) => (2, Some(at).filter(|at| *at < self.findings)? as u64),
            Subject::Phase(at) => (3, at as u64),
        };
        Some(place << 2 | kind)
    }

    /// The processes of a lane that are here.
    pub fn lane(&self, lane: &Lane) -> Vec<u32> {
        lane.procs.iter().filter_map(|idx| self.row(*idx)).collect()
    }
}

/// Whether it asked or forced its target to end.
pub fn stops(world: &World, sent: &Sig) -> bool {
    sent.sig == 9 || tells_to_stop(world, sent)
}

/// How far it is from what happened: less is nearer.
fn rank(model: &Model, idx: Idx) -> u8 {
    let story = model.story();
    match story.fate(idx).map(|fate| fate.verdict) {
        Some(Verdict::Killed | Verdict::CutOff | Verdict::NeverTold | Verdict::NoEnd) => 0,
        _ if !model.from(idx).is_empty() => 1,
        Some(Verdict::Stopped) => 2,
        Some(Verdict::Left) => 3,
        None => 4,
    }
}
