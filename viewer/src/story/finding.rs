//! What is worth telling: sentences with evidence, confidence and advice.
//!
//! Invariant: a finding is one small file: its rule, its evidence, its sentence. Every step that rests on an event
//! names it. A process is the subject of one finding at most; rules that see more of the matter come first.

pub mod advice;
mod crossfire;
mod dirty_failed;
mod forced;
mod gave_up;
mod killed;
mod left_alive;
mod lost;
mod no_end;
mod omitted;
mod oom;
mod restarted;
mod started_anew;
mod steps;
mod supervisor_first;
mod waited_for;

pub use steps::{end as end_step, restart as restart_step};

use super::{
    Story,
    doubt::Confidence,
    fate::Verdict,
    world::{At, Idx, IdxSet},
};

/// Which rule found it. Their order is that of the report, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    NoEnd,
    Forced,
    GaveUp,
    Restarted,
    SupervisorFirst,
    Killed,
    NeverAsked,
    Crossfire,
    CutOff,
    NeverTold,
    Oom,
    StartedAnew,
    DirtyFailed,
    WaitedFor,
    EventsLost,
    Spared,
}

impl Rule {
    pub const ALL: [Self; 16] = [
        Self::NoEnd,
        Self::Forced,
        Self::GaveUp,
        Self::Restarted,
        Self::SupervisorFirst,
        Self::Killed,
        Self::NeverAsked,
        Self::Crossfire,
        Self::CutOff,
        Self::NeverTold,
        Self::Oom,
        Self::StartedAnew,
        Self::DirtyFailed,
        Self::WaitedFor,
        Self::EventsLost,
        Self::Spared,
    ];

    /// Stable, for programs.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NoEnd => "no-end",
            Self::Forced => "forced",
            Self::GaveUp => "gave-up",
            Self::Restarted => "restarted",
            Self::SupervisorFirst => "supervisor-first",
            Self::Killed => "killed",
            Self::NeverAsked => "never-asked",
            Self::Crossfire => "crossfire",
            Self::CutOff => "cut-off",
            Self::NeverTold => "never-told",
            Self::Oom => "oom",
            Self::StartedAnew => "started-anew",
            Self::DirtyFailed => "dirty-failed",
            Self::WaitedFor => "waited-for",
            Self::EventsLost => "events-lost",
            Self::Spared => "spared",
        }
    }
}

/// One line of a finding's evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// None: it is of no single moment, or of another boot.
    pub at: Option<At>,
    pub text: String,
    /// Numbers of the events that it rests on.
    pub events: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub headline: String,
    pub steps: Vec<Step>,
    pub confidence: Confidence,
    /// What to change.
    pub advice: Option<String>,
    /// Whom it is about, the first one first.
    pub procs: Vec<Idx>,
    /// What it was about failed at the next boot.
    pub failed: bool,
    /// How it did: the recording, by its number in the file, and the event in it.
    pub failure: Option<(usize, u64)>,
}

impl Finding {
    pub fn new(rule: Rule, headline: String) -> Self {
        Self {
            rule,
            headline,
            steps: Vec::new(),
            confidence: Confidence::Certain,
            advice: None,
            procs: Vec::new(),
            failed: false,
            failure: None,
        }
    }

    /// Numbers of all events that it rests on, in order.
    pub fn evidence(&self) -> Vec<u64> {
        let mut events: Vec<u64> = self.steps.iter().flat_map(|step| step.events.iter().copied()).collect();
        events.sort_unstable();
        events.dedup();
        events
    }

    /// When it begins.
    pub fn at(&self) -> At {
        self.steps.iter().filter_map(|step| step.at).min().unwrap_or(At::NEVER)
    }
}

/// What rules work with: the story, and whom earlier rules have told of.
#[derive(Debug)]
pub struct Case<'a> {
    pub story: &'a Story,
    taken: IdxSet,
    shots: Vec<crossfire::Shot>,
    omitted: omitted::Omitted,
    found: Vec<Finding>,
}

impl Case<'_> {
    /// Whether a finding is about `idx` already.
    pub fn is_taken(&self, idx: Idx) -> bool {
        self.taken.contains(&idx)
    }

    /// Whether it is the first whom a finding is about, not only in its company.
    pub fn is_subject(&self, idx: Idx) -> bool {
        self.found.iter().any(|finding| finding.procs.first() == Some(&idx))
    }

    pub fn add(&mut self, mut finding: Finding) {
        let mut met = IdxSet::default();
        finding.procs.retain(|idx| met.insert(*idx));
        self.taken.extend(met);
        finding.steps.sort_by_key(|step| step.at.unwrap_or(At::NEVER));
        let story = self.story;
        let span = finding.steps.iter().filter_map(|step| step.at.map(|at| at.ns));
        if let (Some(from), Some(to)) = (span.clone().min(), span.max()) {
            finding.confidence = finding.confidence.min(story.doubt.of(from, to));
        }
        // Who killed it is not known for certain where others may have, or where nobody was seen to.
        let events = finding.evidence();
        let told = finding.procs.iter().filter_map(|idx| story.fate(*idx)).filter(|fate| {
            let proc = story.world.proc_at(fate.proc);
            proc.is_some_and(|proc| events.binary_search(&proc.exit.number).is_ok())
        });
        for fate in told {
            // A step says which of them is likely, and which can only not be excluded.
            let left =
                fate.verdict == Verdict::Left && fate.told.is_none() && story.stopper(fate.proc).is_none();
            if story.rivals(fate).next().is_some()
                || !story.suspects(fate).is_empty()
                || left && !story.is_untold(fate.proc)
            {
                finding.confidence = finding.confidence.min(Confidence::Likely);
            }
        }
        self.found.push(finding);
    }
}

/// All findings, worst first.
pub fn all(story: &Story) -> Vec<Finding> {
    let mut case = Case {
        story,
        taken: IdxSet::default(),
        shots: Vec::new(),
        omitted: omitted::Omitted::default(),
        found: Vec::new(),
    };
    if story.shutdown.is_some() {
        case.shots = crossfire::shots(story);
        case.omitted = omitted::Omitted::of(&story.world);
        forced::check(&mut case);
        gave_up::check(&mut case);
        restarted::check(&mut case);
        supervisor_first::check(&mut case);
        crossfire::check(&mut case);
        oom::check(&mut case);
        started_anew::check(&mut case);
        killed::check(&mut case);
        left_alive::check(&mut case);
    }
    no_end::check(&mut case);
    if story.shutdown.is_some() {
        waited_for::check(&mut case);
        lost::check(&mut case);
    }
    dirty_failed::check(&mut case);
    let mut found = case.found;
    // What failed at the next boot is worse than its like that did not.
    found.sort_by_key(|finding| (weight(story, finding), finding.rule, finding.at()));
    found
}

fn weight(story: &Story, finding: &Finding) -> u8 {
    match finding.rule {
        // That an end was not seen is not the worst that was.
        Rule::NoEnd if story.unseen && !finding.failed => 3,
        Rule::NoEnd | Rule::Forced => 0,
        _ if finding.failed => 1,
        Rule::WaitedFor | Rule::EventsLost => 3,
        Rule::Spared => 4,
        _ => 2,
    }
}
