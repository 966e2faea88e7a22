//! What is computed of a story once, when it is loaded.
//!
//! Invariant: never changed afterwards; every index is sorted, so that what a screen shows is found by halving.

use std::collections::{HashMap, HashSet};

use lastrites_traces::abi::kind;

use super::{
    Subject,
    lanes::{self, Lane},
    timeline::{Warp, Window},
    worst::Worst,
};
use crate::{
    about::Ending,
    explain::Picked,
    story::{
        Story,
        fate::Verdict,
        finding::{Finding, Rule},
        world::{Idx, NONE, World},
    },
    time::Clocks,
};

/// Whether it is no trouble, and told only so that nobody wonders: somebody who was left alone on purpose.
pub fn is_noted(finding: &Finding) -> bool {
    finding.rule == Rule::Spared && !finding.failed
}

#[derive(Debug)]
pub struct Model {
    pub picked: Picked,
    pub ending: Ending,
    pub clocks: Clocks,
    /// Where times count from: the beginning of the shutdown.
    pub zero_ns: u64,
    /// All that was recorded.
    pub first_ns: u64,
    pub last_ns: u64,
    /// What lanes are about: the finding's own, then the services, and everybody else in order of birth.
    pub story_lanes: Vec<Lane>,
    pub service_lanes: Vec<Lane>,
    pub others: Vec<Idx>,
    /// Where nothing happens.
    pub idle: Warp,
    /// All of the recording was read, not its end alone.
    pub whole: bool,
    /// Not even all of the shutdown was: this is how it ended, until the rest is there.
    pub partial: bool,
    /// Numbers of users by their names, where they are known.
    pub users: HashMap<String, u32>,
    /// The worst that happened: who killed whom.
    pub worst: Option<Worst>,
    by_target: Vec<u32>,
    by_sender: Vec<u32>,
    /// Processes by parent, then by birth.
    children: Vec<Idx>,
    /// What the events are that findings name.
    evidence: HashMap<u64, Subject>,
    finding_of: HashMap<Idx, usize>,
    /// Where an end may be missing: when each such hole begins, in order, and up to when it or one before it goes on.
    blind: Vec<(u64, u64)>,
}

impl Model {
    pub fn new(picked: Picked, ending: Ending) -> Self {
        let story = &picked.story;
        let world = &story.world;
        let clocks = Clocks::new(&picked.summary);
        let started = picked.summary.session.started.boottime_ns;
        let first_ns = world.first.map_or(started, |at| at.ns);
        let last_ns = world.last.ns.max(picked.summary.last_ns).max(first_ns.saturating_add(1));
        let zero_ns = story.shutdown.as_ref().map_or(first_ns, |shutdown| shutdown.begin.ns);
        let order = |key: &dyn Fn(&World, u32) -> Idx| {
            let mut order: Vec<u32> = (0..world.sigs.len() as u32).collect();
            order.sort_by_key(|at| (key(world, *at), *at));
            order
        };
        let by_target = order(&|world, at| world.sigs[at as usize].target);
        let by_sender = order(&|world, at| world.sigs[at as usize].sender);
        let mut children: Vec<Idx> = world.all().map(|(idx, _)| idx).collect();
        children
            .sort_by_key(|idx| (world.procs[*idx as usize].parent, world.procs[*idx as usize].born, *idx));
        let mut finding_of = HashMap::new();
        for (at, finding) in story.findings.iter().enumerate() {
            for idx in &finding.procs {
                finding_of.entry(*idx).or_insert(at);
            }
        }
        let blind = blind(story);
        let evidence = evidence(story);
        let (story_lanes, service_lanes) = lanes::choose(story, &evidence);
        let taken: HashSet<Idx> =
            story_lanes.iter().chain(&service_lanes).flat_map(|lane| lane.procs.iter().copied()).collect();
        let mut others: Vec<Idx> =
            world.all().map(|(idx, _)| idx).filter(|idx| !taken.contains(idx)).collect();
        others.sort_by_key(|idx| (world.procs[*idx as usize].born, *idx));
        let mut model = Self {
            ending,
            clocks,
            zero_ns,
            first_ns,
            last_ns,
            story_lanes,
            service_lanes,
            others,
            whole: world.events >= picked.summary.events,
            partial: false,
            users: HashMap::new(),
            worst: None,
            idle: idle(world, first_ns, last_ns),
            by_target,
            by_sender,
            children,
            evidence,
            finding_of,
            blind,
            picked,
        };
        // What the finding rests on may be older than what was read.
        model.last_ns = model.last_ns.max(model.zero_ns.saturating_add(1));
        model.worst = Worst::of(&model);
        model
    }

    pub fn story(&self) -> &Story {
        &self.picked.story
    }

    pub fn world(&self) -> &World {
        &self.picked.story.world
    }

    /// The shutdown with a little before and after it.
    pub fn whole_shutdown(&self) -> (u64, u64) {
        match &self.story().shutdown {
            Some(shutdown) => {
                let took = shutdown.took_ns().max(1_000_000);
                (shutdown.begin.ns.saturating_sub(took / 40), shutdown.end.ns.saturating_add(took / 12))
            }
            None => self.whole(),
        }
    }

    pub fn whole(&self) -> (u64, u64) {
        let margin = (self.last_ns - self.first_ns) / 100;
        (self.first_ns.saturating_sub(margin), self.last_ns.saturating_add(margin.max(1)))
    }

    pub fn window(&self, warp: &Warp, (from, to): (u64, u64)) -> Window {
        let from = warp.view(from);
        Window { from, to: warp.view(to).max(from.saturating_add(1)) }
    }

    fn of<'a>(&'a self, order: &'a [u32], key: impl Fn(u32) -> Idx, idx: Idx) -> &'a [u32] {
        let from = order.partition_point(|at| key(*at) < idx);
        let to = from + order[from..].partition_point(|at| key(*at) <= idx);
        &order[from..to]
    }

    /// Signals to `idx`, in order of time.
    pub fn to(&self, idx: Idx) -> &[u32] {
        self.of(&self.by_target, |at| self.world().sigs[at as usize].target, idx)
    }

    /// Signals from `idx`, in order of time.
    pub fn from(&self, idx: Idx) -> &[u32] {
        if idx == NONE {
            &[]
        } else {
            self.of(&self.by_sender, |at| self.world().sigs[at as usize].sender, idx)
        }
    }

    pub fn children(&self, idx: Idx) -> &[Idx] {
        self.of(&self.children, |child| self.world().procs[child as usize].parent, idx)
    }

    /// Where `idx` stands among the others, if it is one of them.
    pub fn place_of_other(&self, idx: Idx) -> Option<usize> {
        let world = self.world();
        let born = world.proc_at(idx)?.born;
        let at =
            self.others.partition_point(|other| (world.procs[*other as usize].born, *other) < (born, idx));
        (self.others.get(at) == Some(&idx)).then_some(at)
    }

    pub fn finding_of(&self, idx: Idx) -> Option<usize> {
        self.finding_of.get(&idx).copied()
    }

    /// What an event is about: at once for those that findings name, for others after a look at all.
    pub fn event(&self, number: u64) -> Option<(Subject, u64)> {
        let world = self.world();
        let subject = self.evidence.get(&number).copied().or_else(|| {
            let sig = world.sigs.iter().position(|sent| {
                sent.at.number == number || sent.took().is_some_and(|(at, _)| at.number == number)
            });
            sig.map(|at| Subject::Sig(at as u32)).or_else(|| {
                let image = world.images.iter().find(|image| image.at.number == number);
                image.map(|image| Subject::Proc(image.proc)).or_else(|| {
                    let found = world.all().find(|(_, p)| p.born.number == number || p.exit.number == number);
                    found.map(|(idx, _)| Subject::Proc(idx))
                })
            })
        })?;
        Some((subject, self.moment_of(subject, number)))
    }

    /// What an event is about that a finding names.
    pub fn known_event(&self, number: u64) -> Option<Subject> {
        self.evidence.get(&number).copied()
    }

    /// The number of a user: as a number, `root`, or by a name that is known.
    pub fn uid(&self, name: &str) -> Option<u32> {
        match name {
            "root" => Some(0),
            _ => name.parse().ok().or_else(|| self.users.get(name).copied()),
        }
    }

    fn moment_of(&self, subject: Subject, number: u64) -> u64 {
        let world = self.world();
        match subject {
            Subject::Proc(idx) => world.proc_at(idx).map_or(self.zero_ns, |proc| {
                if proc.exit.number == number { proc.exit.ns } else { proc.born.ns }
            }),
            Subject::Sig(at) => world.sig(at).map_or(self.zero_ns, |sent| sent.at.ns),
            Subject::Finding(_) | Subject::Phase(_) => self.zero_ns,
        }
    }

    /// Whose lane shows `subject`, and when it is about.
    pub fn place(&self, subject: Subject) -> (Option<Idx>, u64) {
        let (story, world) = (self.story(), self.world());
        match subject {
            Subject::Proc(idx) => (Some(idx), self.end_of(idx)),
            Subject::Sig(at) => match world.sig(at) {
                Some(sent) => (Some(sent.target), sent.at.ns),
                None => (None, self.zero_ns),
            },
            Subject::Phase(at) => {
                let phase = story.shutdown.as_ref().and_then(|shutdown| shutdown.phases.get(at));
                (None, phase.map_or(self.zero_ns, |phase| phase.from.ns))
            }
            Subject::Finding(at) => {
                let Some(finding) = story.findings.get(at) else { return (None, self.zero_ns) };
                // Our own recorder is in nobody's way: going to it would unfold everybody for nothing.
                let ours = |idx: &Idx| self.is_ours(*idx);
                match self.victim(at).or(finding.procs.iter().copied().find(|idx| !ours(idx))) {
                    Some(idx) => (Some(idx), self.end_of(idx)),
                    None => {
                        let last = finding.steps.iter().filter_map(|step| step.at).max();
                        (None, last.map_or(self.zero_ns, |at| at.ns))
                    }
                }
            }
        }
    }

    /// Whom a finding tells the killing of: rather what a supervisor looked after than the supervisor.
    pub fn victim(&self, at: usize) -> Option<Idx> {
        let story = self.story();
        let finding = story.findings.get(at)?;
        let named = finding.evidence().into_iter().filter_map(|number| match self.known_event(number)? {
            Subject::Proc(idx) => Some(idx),
            Subject::Sig(at) => self.world().sig(at).map(|sent| sent.target),
            Subject::Finding(_) | Subject::Phase(_) => None,
        });
        let all: Vec<Idx> = named.chain(finding.procs.iter().copied()).collect();
        let killed = |idx: &Idx| story.fate(*idx).is_some_and(|fate| fate.verdict == Verdict::Killed);
        let mut killed = all.into_iter().filter(killed);
        let first = killed.next()?;
        let served = std::iter::once(first).chain(killed).find(|idx| !self.world().is_supervisor(*idx));
        Some(served.unwrap_or(first))
    }

    /// How many findings are of trouble, and how many are only noted.
    pub fn counts(&self) -> (usize, usize) {
        let findings = &self.story().findings;
        let noted = findings.iter().filter(|finding| is_noted(finding)).count();
        (findings.len() - noted, noted)
    }

    /// Whether an end of `idx`, of which nothing was seen, may be among what is missing: a gap or a loss behind the last
    /// moment at which it was seen to live.
    pub fn may_have_ended(&self, idx: Idx) -> bool {
        const LOOKED_AT: usize = 1000;
        let world = self.world();
        let Some(proc) = world.proc_at(idx) else { return false };
        let end_ns = self.end_of(idx);
        let holes = &self.blind[..self.blind.partition_point(|(from_ns, _)| *from_ns <= end_ns)];
        let Some((_, to_ns)) = holes.last().copied() else { return false };
        let sent = self.from(idx).last().and_then(|at| world.sig(*at)).map(|sent| sent.at.ns);
        let got = self.to(idx).iter().rev().take(LOOKED_AT).filter_map(|at| world.sig(*at));
        let took = got.filter_map(|sent| sent.took()).map(|(at, _)| at.ns).next();
        let image = world.own_images(idx).next().map(|image| image.at.ns);
        let seen = [sent, took, image].into_iter().flatten().filter(|ns| *ns <= end_ns).max();
        to_ns >= seen.unwrap_or(0).max(proc.born.ns)
    }

    /// When `idx` ended, or the recording did.
    pub fn end_of(&self, idx: Idx) -> u64 {
        self.story().end_of(idx).ns.min(self.last_ns)
    }
}

/// Idle time of a recording: between births, deaths and signals.
fn idle(world: &World, first_ns: u64, last_ns: u64) -> Warp {
    let procs = world.all().flat_map(|(_, proc)| [proc.born.ns, proc.exit.ns]);
    let times = procs.chain(world.sigs.iter().map(|sent| sent.at.ns)).chain([first_ns, last_ns]);
    Warp::of_unsorted(times.filter(|ns| (first_ns..=last_ns).contains(ns)))
}

/// Holes in which an exit may be missing.
fn blind(story: &Story) -> Vec<(u64, u64)> {
    let holes = story.doubt.near(0, u64::MAX).filter(|hole| matches!(hole.kind, 0 | kind::EXIT));
    let mut blind: Vec<(u64, u64)> = holes.map(|hole| (hole.from_ns, hole.to_ns)).collect();
    blind.sort_unstable();
    let mut most = 0;
    for (_, to_ns) in &mut blind {
        most = most.max(*to_ns);
        *to_ns = most;
    }
    blind
}

/// The subjects of the events that findings name.
fn evidence(story: &Story) -> HashMap<u64, Subject> {
    let world = &story.world;
    let wanted: HashSet<u64> = story.findings.iter().flat_map(|finding| finding.evidence()).collect();
    let mut found = HashMap::new();
    for image in world.images.iter().filter(|image| wanted.contains(&image.at.number)) {
        found.insert(image.at.number, Subject::Proc(image.proc));
    }
    for (idx, proc) in world.all() {
        for at in [proc.born, proc.exit] {
            if wanted.contains(&at.number) {
                found.insert(at.number, Subject::Proc(idx));
            }
        }
    }
    for (sent, number) in world.sigs.iter().zip(0..) {
        let took = sent.took().map(|(at, _)| at.number);
        for number_of in [Some(sent.at.number), took].into_iter().flatten() {
            if wanted.contains(&number_of) {
                found.insert(number_of, Subject::Sig(number));
            }
        }
    }
    found
}
