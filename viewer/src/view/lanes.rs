//! Which processes have a lane, and in which order.
//!
//! Invariant: causality reads top-down: init and who asked, then for each finding who sent the signals, the victims,
//! and what took their place. A process has one lane.

use std::collections::{HashMap, HashSet};

use super::{
    Subject,
    model::Model,
    text::{fit, width},
};
use crate::story::{
    Story,
    fate::Verdict,
    finding::Finding,
    world::{At, Idx, NONE},
};

/// One process, or several that are one to a person: runs one after the other, workers of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// In order of birth, never empty.
    pub procs: Vec<Idx>,
}

/// A line of the lanes panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The name of a group, with the number of its processes.
    Group {
        group: Group,
        count: usize,
        open: bool,
    },
    Lane {
        group: Group,
        at: usize,
    },
    Proc {
        idx: Idx,
        depth: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Story,
    Services,
    Others,
}

impl Group {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Story => "what the findings are about",
            Self::Services => "services",
            Self::Others => "other processes",
        }
    }
}

/// So many of a finding's processes get lanes of their own, and so many findings.
const OF_FINDING: usize = 8;
const FINDINGS: usize = 24;
/// So many processes one lane draws.
const OF_LANE: usize = 256;

/// Programs whose arguments say what they did.
const SENDERS: [&[u8]; 11] = [
    b"killall5",
    b"kill",
    b"pkill",
    b"killall",
    b"skill",
    b"fuser",
    b"start-stop-daemon",
    b"systemctl",
    b"initctl",
    b"sv",
    b"rc",
];

struct Chooser<'a> {
    story: &'a Story,
    taken: HashSet<Idx>,
    lanes: Vec<Lane>,
}

impl Chooser<'_> {
    fn add(&mut self, idx: Idx) {
        if self.story.world.proc_at(idx).is_some() && self.taken.insert(idx) {
            self.lanes.push(Lane { procs: vec![idx] });
        }
    }

    /// `idx`, what took its place, and all that took the place of that on one lane.
    fn add_with_heirs(&mut self, idx: Idx) {
        self.add(idx);
        let mut heirs = Vec::new();
        let mut at = idx;
        while let Some(restart) = self.story.replaced(at) {
            at = restart.new;
            if heirs.len() >= OF_LANE || heirs.contains(&at) {
                break;
            }
            heirs.push(at);
        }
        heirs.retain(|heir| !self.taken.contains(heir));
        let mut heirs = heirs.into_iter();
        if let Some(first) = heirs.next() {
            self.add(first);
        }
        let rest: Vec<Idx> = heirs.collect();
        if !rest.is_empty() {
            self.taken.extend(rest.iter().copied());
            self.lanes.push(Lane { procs: rest });
        }
    }
}

/// Lanes of the findings, and of everything else that matters.
pub fn choose(story: &Story, evidence: &HashMap<u64, Subject>) -> (Vec<Lane>, Vec<Lane>) {
    let world = &story.world;
    let mut chooser = Chooser { story, taken: HashSet::new(), lanes: Vec::new() };
    if let Some(init) = world.by_pid(1, u64::MAX) {
        chooser.add(init);
    }
    if let Some(asked) = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref()) {
        chooser.add(asked.by);
    }
    for finding in story.findings.iter().take(FINDINGS) {
        let procs = participants(story, finding, evidence);
        let mut senders: Vec<(bool, u64, Idx)> = Vec::new();
        for idx in &procs {
            if let Some(fate) = story.fate(*idx) {
                let sigs = fate.killer.into_iter().chain(fate.told.map(|told| told.sent));
                let sigs = sigs.filter_map(|at| world.sig(at)).filter(|sent| sent.sender != NONE);
                senders.extend(sigs.map(|sent| (false, sent.at.ns, sent.sender)));
            }
            if let Some(restart) = story.replaces(*idx) {
                senders.push((true, restart.at.ns, restart.by));
            }
        }
        // Who killed, then who started anew.
        senders.sort_unstable();
        // Victims that send, supervisors say, have their places among the victims.
        let signalled = senders.iter().filter(|(restarted, ..)| !restarted).map(|(.., sender)| *sender);
        for sender in signalled.filter(|sender| !procs.contains(sender)) {
            chooser.add(sender);
        }
        let restarted: Vec<Idx> =
            senders.iter().filter(|(restarted, ..)| *restarted).map(|(.., sender)| *sender).collect();
        let mut victims = procs;
        victims.sort_by_key(|idx| (world.name(*idx), world.proc_at(*idx).map(|proc| proc.born)));
        // Who died first comes first; its like go with it.
        let first: HashMap<String, u64> = victims.iter().rev().fold(HashMap::new(), |mut first, idx| {
            let born = story.end_of(*idx).ns;
            first.entry(world.name(*idx)).and_modify(|ns: &mut u64| *ns = born.min(*ns)).or_insert(born);
            first
        });
        // The one that the finding is told for comes before those that looked after it.
        let main = victims.iter().copied().find(|idx| is_killed(story, *idx) && !world.is_supervisor(*idx));
        let main = main.map(|idx| world.name(idx));
        victims.sort_by_key(|idx| {
            let name = world.name(*idx);
            (main.as_ref() != Some(&name), first.get(&name).copied())
        });
        for idx in victims {
            let mut oldest = idx;
            for _ in 0..OF_LANE {
                match story.replaces(oldest) {
                    Some(restart) if !chooser.taken.contains(&restart.old) => oldest = restart.old,
                    _ => break,
                }
            }
            chooser.add_with_heirs(oldest);
            chooser.add(idx);
        }
        for sender in restarted {
            chooser.add(sender);
        }
    }
    let about_findings = std::mem::take(&mut chooser.lanes);
    let services = services(story, &mut chooser.taken);
    (about_findings, services)
}

fn is_killed(story: &Story, idx: Idx) -> bool {
    story.fate(idx).is_some_and(|fate| fate.verdict == Verdict::Killed)
}

/// Whom a finding is about: those that its sentences name before the others.
fn participants(story: &Story, finding: &Finding, evidence: &HashMap<u64, Subject>) -> Vec<Idx> {
    let named = finding.evidence().into_iter().filter_map(|number| match evidence.get(&number)? {
        Subject::Proc(idx) => Some(*idx),
        Subject::Sig(at) => story.world.sig(*at).map(|sent| sent.target),
        Subject::Finding(_) | Subject::Phase(_) => None,
    });
    let mut procs: Vec<Idx> = Vec::new();
    for idx in finding.procs.iter().copied().take(1).chain(named).chain(finding.procs.iter().copied()) {
        let ours = story.world.program_of(idx) == b"lastrites-tracer";
        if procs.len() < OF_FINDING && !procs.contains(&idx) && !ours {
            procs.push(idx);
        }
    }
    procs
}

/// Lanes of what matters: those of one program and one service together, in the order in which they ended.
fn services(story: &Story, taken: &mut HashSet<Idx>) -> Vec<Lane> {
    let world = &story.world;
    // What is born in the shutdown and ends well is a step of it, unless it took somebody's place.
    let begin = story.shutdown.as_ref().map_or(At::default(), |shutdown| shutdown.begin);
    let mut lanes: Vec<Lane> = Vec::new();
    let mut place: HashMap<(Option<u16>, &[u8]), usize> = HashMap::new();
    for fate in &story.fates {
        let idx = fate.proc;
        let wanted = story.matters(idx) || world.is_supervisor(idx);
        let born_in_it = world.proc_at(idx).is_some_and(|proc| proc.born >= begin);
        let well = matches!(fate.verdict, Verdict::Left | Verdict::Stopped);
        let passing = born_in_it && well && story.replaces(idx).is_none();
        if !wanted || passing || taken.contains(&idx) {
            continue;
        }
        let key = (story.service(idx), world.program_of(idx));
        let at = *place.entry(key).or_insert(lanes.len());
        match lanes.get_mut(at) {
            Some(lane) if lane.procs.len() < OF_LANE => lane.procs.push(idx),
            Some(_) => continue,
            None => lanes.push(Lane { procs: vec![idx] }),
        }
        taken.insert(idx);
    }
    for lane in &mut lanes {
        lane.procs.sort_by_key(|idx| (world.procs[*idx as usize].born, *idx));
    }
    lanes
}

impl Model {
    pub fn lane(&self, group: Group, at: usize) -> Option<&Lane> {
        match group {
            Group::Story => self.story_lanes.get(at),
            Group::Services => self.service_lanes.get(at),
            Group::Others => None,
        }
    }

    /// The processes of a row.
    pub fn procs_of<'a>(&'a self, row: &'a Row) -> &'a [Idx] {
        match row {
            Row::Group { .. } => &[],
            Row::Lane { group, at } => self.lane(*group, *at).map_or(&[], |lane| &lane.procs),
            Row::Proc { idx, .. } => std::slice::from_ref(idx),
        }
    }

    /// What is written in front of a row's lane, in at most `room` columns. A long name is cut, its pid is not: that
    /// is what tells two of one name apart.
    pub fn row_label(&self, row: &Row, room: usize) -> String {
        let procs = self.procs_of(row);
        let Some(first) = procs.first() else { return String::new() };
        let indent = " ".repeat(usize::from(row.depth().min(8)) * 2);
        let mores: [String; 3] = match procs.len() {
            1 => Default::default(),
            n if self.is_sequence(procs) => [format!(" … {n} runs"), format!(" ×{n}"), String::new()],
            n => [format!(" +{}", n - 1), format!(" +{}", n - 1), String::new()],
        };
        let label = self.label(*first);
        let wholes = mores.iter().map(|more| format!("{indent}{label}{more}"));
        if let Some(whole) = wholes.into_iter().find(|text| width(text) <= room) {
            return whole;
        }
        // An indent is worth less than a name.
        let [indent, none] = [indent.as_str(), ""];
        let name = self.name(*first);
        let pid = label.strip_prefix(&name).unwrap_or_default();
        let shortened = [(indent, &mores[1]), (none, &mores[1]), (none, &mores[2])].into_iter().find_map(
            |(indent, more)| {
                let left =
                    room.checked_sub(width(indent) + width(pid) + width(more)).filter(|left| *left >= 6)?;
                Some(format!("{indent}{}{pid}{more}", shorten(&name, left)))
            },
        );
        shortened.unwrap_or_else(|| fit(&label, room))
    }

    /// One run after the other, rather than workers beside each other.
    pub fn is_sequence(&self, procs: &[Idx]) -> bool {
        procs.len() > 1 && procs.windows(2).all(|pair| self.end_of(pair[0]) <= self.birth(pair[1]))
    }

    pub fn birth(&self, idx: Idx) -> u64 {
        self.world().proc_at(idx).map_or(self.first_ns, |proc| proc.born.ns)
    }

    /// What `idx` is called, everywhere on the screen: `killall5 -9` for who sends signals, the command for who asked
    /// for the shutdown, the program for all others.
    pub fn name(&self, idx: Idx) -> String {
        let world = self.world();
        if let Some(asked) = self.story().shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref())
            && asked.by == idx
            && !asked.how.contains(" to ")
        {
            return asked.how.clone();
        }
        if world.is_init(idx) {
            return world.name_at(idx, self.zero_ns);
        }
        if SENDERS.contains(&world.program_of(idx)) {
            return world.deed(idx, self.end_of(idx));
        }
        world.name(idx)
    }

    /// The name with its pid: `killall5 -9 1010`.
    pub fn label(&self, idx: Idx) -> String {
        let (name, pid) = (self.name(idx), self.world().pid(idx));
        // Of whom nothing else is known the pid is the name.
        if name == format!("process {pid}") { name } else { format!("{name} {pid}") }
    }

    /// What `idx` was at `ns`; with its label where it goes by another name: `systemd-shutdown (systemd 1)`.
    pub fn deed(&self, idx: Idx, ns: u64) -> String {
        let (deed, name) = (self.world().deed(idx, ns), self.name(idx));
        let program =
            |text: &str| text.split(' ').next().unwrap_or_default().rsplit('/').next().map(str::to_owned);
        if program(&deed) == program(&name) { deed } else { format!("{deed} ({})", self.label(idx)) }
    }

    /// The same, always with its pid.
    pub fn deed_label(&self, idx: Idx, ns: u64) -> String {
        let deed = self.deed(idx, ns);
        if deed.ends_with(')') { deed } else { format!("{deed} {}", self.world().pid(idx)) }
    }

    /// Whether it belongs to our own recorder.
    pub fn is_ours(&self, idx: Idx) -> bool {
        self.world().is_ours(idx)
    }
}

/// A name in at most `room` columns. Of `killall5 -9` the argument stays: it is what tells it from `killall5 -15`.
fn shorten(name: &str, room: usize) -> String {
    match name.rsplit_once(' ') {
        Some((program, word)) if width(name) > room && width(word) <= 4 && room >= width(word) + 4 => {
            format!("{} {word}", fit(program, room - width(word) - 1))
        }
        _ => fit(name, room),
    }
}

impl Row {
    pub const fn depth(&self) -> u8 {
        match self {
            Self::Group { .. } | Self::Lane { .. } => 0,
            Self::Proc { depth, .. } => *depth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn the_argument_that_tells_two_apart_is_not_cut() {
        assert_eq!(shorten("killall5 -15", 12), "killall5 -15");
        assert_eq!(shorten("killall5 -15", 9), "kill… -15");
        assert_eq!(shorten("killall5 -9", 9), "killa… -9");
        assert_eq!(shorten("systemctl reboot", 12), "systemctl r…");
        assert_eq!(shorten("kill -9", 4), "kil…");
    }
}
