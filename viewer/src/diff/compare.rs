//! What is different between two shutdowns.
//!
//! Invariant: pure. A pid, a moment or an event number never makes a
//! difference; a process is its service and its program. Lists are in an order that is the same on every run.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::order::{self, Reordered};
use crate::{
    explain::Picked,
    names,
    story::{
        Story,
        blame::{self, Why},
        doubt::Confidence,
        fate::{Fate, Verdict},
        finding::{Finding, Rule},
        restart::By,
        service::{self, Kind},
        world::{Idx, Means, NONE, Sig},
    },
};

/// Less than so much is no difference.
const LEAST_NS: u64 = 500_000_000;
/// Who lives for less than this was no daemon.
const PASSING_NS: u64 = 10_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    A,
    B,
}

impl Which {
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// A process as it is matched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// Kind and name.
    pub service: Option<(Kind, String)>,
    pub program: String,
    /// What a person calls it.
    pub label: String,
}

/// A length of time on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Took {
    pub who: Who,
    pub a_ns: u64,
    pub b_ns: u64,
}

/// How one process ended, without its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Of its own recording: no part of what is compared.
    pub proc: Idx,
    pub verdict: Verdict,
    /// As wait(2) gives it; None if it never ended.
    pub status: Option<u32>,
    pub told: Option<Sent>,
    /// That no signal told it to stop is known: nothing is missing of the time in which one could have.
    pub untold: bool,
    pub killer: Option<Sent>,
    /// Which of the lives this is that one thing had in the shutdown, restarts included, and how many those are.
    pub life: (usize, usize),
}

/// A signal, and from whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub signal: String,
    /// The sender's program.
    pub by: String,
    /// From a name that a person knows down to the sender.
    pub chain: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub who: Who,
    pub a: End,
    pub b: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    pub which: Which,
    pub who: Who,
    pub how: By,
    /// The program that started it again.
    pub by: String,
}

/// A service, or a program without one, that is there on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    pub which: Which,
    pub who: Who,
}

/// The same program under another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub program: String,
    pub a: (Kind, String),
    pub b: (Kind, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub which: Which,
    /// As `explain` numbers it.
    pub number: usize,
    pub rule: Rule,
    pub headline: String,
    pub confidence: Confidence,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// Services that took longer, or less long, to stop: those that grew most first.
    pub stops: Vec<Took>,
    /// What else B had to wait for longer: scripts and commands of the shutdown, and init itself.
    pub waits: Vec<Took>,
    pub ended: Vec<Ended>,
    pub restarted: Vec<Restarted>,
    pub only: Vec<Only>,
    pub moved: Vec<Moved>,
    pub reordered: Vec<Reordered>,
    /// Those of B first: they are what is new.
    pub findings: Vec<Found>,
}

impl Diff {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What processes are matched by. A container's name is another one each time.
type Key = (Option<(Kind, String)>, String);

/// The processes of one service that run one program.
#[derive(Debug)]
struct Group<'a> {
    who: Who,
    fates: Vec<&'a Fate>,
}

/// Compares the shutdown of `a` with that of `b`; a recording without one has nothing to compare.
pub fn compare(a: &Picked, b: &Picked) -> Diff {
    let (a, b) = (&a.story, &b.story);
    let (pairs, alone) = pairs(groups(a), groups(b));
    let mut diff = Diff { only: only(a, b, alone), ..Diff::default() };
    for (in_a, in_b) in &pairs {
        diff.pair(a, in_a, b, in_b);
    }
    diff.waits = waits(a, b);
    diff.restarted = restarted(a, b);
    diff.reordered = order::reordered(a, b);
    diff.findings = findings(a, b, Which::B);
    diff.findings.extend(findings(b, a, Which::A));
    let grew =
        |took: &Took| (std::cmp::Reverse(i128::from(took.b_ns) - i128::from(took.a_ns)), took.who.clone());
    diff.stops.sort_by_key(grew);
    diff.waits.sort_by_key(grew);
    diff
}

impl Diff {
    /// Those that are there on both sides.
    fn pair(&mut self, a: &Story, in_a: &Group<'_>, b: &Story, in_b: &Group<'_>) {
        let who = &in_b.who;
        if let Some((a_ns, b_ns)) = stop_ns(a, in_a).zip(stop_ns(b, in_b))
            && differs(a_ns, b_ns)
        {
            self.stops.push(Took { who: who.clone(), a_ns, b_ns });
        }
        // Who runs commands tells of how it went for them.
        let main = |story: &Story, group: &Group<'_>| {
            main(story, group).filter(|fate| !is_helper(story, fate)).map(|fate| end(story, fate))
        };
        if let Some((a, b)) = main(a, in_a).zip(main(b, in_b))
            && !alike(&a, &b)
        {
            self.ended.push(Ended { who: who.clone(), a, b });
        }
        if let Some((a, b)) = in_a.who.service.as_ref().zip(who.service.as_ref())
            && key_of(a) != key_of(b)
        {
            self.moved.push(Moved { program: who.program.clone(), a: a.clone(), b: b.clone() });
        }
    }
}

/// Of those without a match the ones to be told of: a service once, and no helper that came and went.
fn only(a: &Story, b: &Story, alone: Vec<(Which, Group<'_>)>) -> Vec<Only> {
    let (of_a, of_b) = ((services(a), running(a)), (services(b), running(b)));
    let mut told: BTreeSet<(Which, (Kind, String))> = BTreeSet::new();
    let mut all = Vec::new();
    for (which, Group { who, fates }) in alone {
        let (here, there, (services, running)) = match which {
            Which::A => (a, b, &of_b),
            Which::B => (b, a, &of_a),
        };
        let dirty = fates.iter().any(|fate| here.dirty(fate.proc));
        if !dirty && (!lived_before(here, &fates) || only_passed(here, &fates)) {
            continue;
        }
        // Of a shutdown that was cut off those who still ran have no end, so their services are not known.
        let ended = there.shutdown.as_ref().is_some_and(|shutdown| shutdown.ended);
        let is_new = match who.service.as_ref().map(key_of) {
            _ if !ended && running.contains(&who.program) => false,
            None => !running.contains(&who.program),
            Some(service) => (dirty || !services.contains(&service)) && told.insert((which, service)),
        };
        if is_new {
            all.push(Only { which, who });
        }
    }
    all
}

fn services(story: &Story) -> HashSet<(Kind, String)> {
    let ids = story.fates.iter().filter_map(|fate| story.service(fate.proc));
    ids.map(|id| key_of(&named(story, id))).collect()
}

/// Half a second, and half as much again.
fn differs(a_ns: u64, b_ns: u64) -> bool {
    let (less, more) = (a_ns.min(b_ns), a_ns.max(b_ns));
    more - less >= LEAST_NS && more >= less.saturating_add(less / 2)
}

fn named(story: &Story, id: service::ServiceId) -> (Kind, String) {
    let service = story.services.get(id);
    (service.kind, service.name.clone())
}

/// A service's name without what is another one each time.
fn key_of((kind, name): &(Kind, String)) -> (Kind, String) {
    let bare = match kind {
        Kind::Container => "",
        // Transient units, and one per connection or crash: the number counts them.
        Kind::Unit if name.starts_with("run-") => "run-",
        Kind::Unit if name.starts_with("systemd-coredump@") => "systemd-coredump@",
        Kind::Unit => match name.split_once('@') {
            Some((template, instance)) if instance.contains(':') => template,
            _ => name,
        },
        _ => name,
    };
    (*kind, bare.to_owned())
}

fn who(story: &Story, idx: Idx) -> Who {
    Who {
        service: story.service(idx).map(|id| named(story, id)),
        program: story.world.name(idx),
        label: story.called(idx),
    }
}

fn key(who: &Who) -> Key {
    (who.service.as_ref().map(key_of), who.program.clone())
}

fn groups(story: &Story) -> BTreeMap<Key, Group<'_>> {
    let mut groups: BTreeMap<Key, Group<'_>> = BTreeMap::new();
    for fate in &story.fates {
        if story.matters(fate.proc) && !story.world.program_of(fate.proc).is_empty() {
            let who = who(story, fate.proc);
            let group = groups.entry(key(&who)).or_insert_with(|| Group { who, fates: Vec::new() });
            group.fates.push(fate);
        }
    }
    groups
}

type Pairs<'a, 'b> = (Vec<(Group<'a>, Group<'b>)>, Vec<(Which, Group<'a>)>);

/// Those that are there on both sides, and the others. What has no namesake goes with the only one of its program:
/// which service somebody is of is not always seen.
fn pairs<'a>(mut of_a: BTreeMap<Key, Group<'a>>, mut of_b: BTreeMap<Key, Group<'a>>) -> Pairs<'a, 'a> {
    let both: Vec<Key> = of_a.keys().filter(|key| of_b.contains_key(key)).cloned().collect();
    let mut pairs = Vec::new();
    for key in both {
        pairs.extend(of_a.remove(&key).zip(of_b.remove(&key)));
    }
    let only = |groups: &BTreeMap<Key, Group<'a>>, program: &str| {
        let mut of_it = groups.keys().filter(|(_, name)| name == program);
        of_it.next().filter(|_| of_it.next().is_none()).cloned()
    };
    let programs: BTreeSet<String> = of_a.keys().map(|(_, program)| program.clone()).collect();
    for program in programs {
        if let Some((a, b)) = only(&of_a, &program).zip(only(&of_b, &program)) {
            pairs.extend(of_a.remove(&a).zip(of_b.remove(&b)));
        }
    }
    let alone = of_b.into_values().map(|group| (Which::B, group));
    (pairs, alone.chain(of_a.into_values().map(|group| (Which::A, group))).collect())
}

/// The longest that one of them took over its stop.
fn stop_ns(story: &Story, group: &Group<'_>) -> Option<u64> {
    let end = story.shutdown.as_ref()?.end;
    group.fates.iter().filter(|fate| fate.told.is_some()).map(|fate| fate.took_ns(&story.world, end)).max()
}

/// The one that stands for the others: of those that none of the others has forked the last one, and if there are
/// some that ended badly the last of them.
fn main<'a>(story: &Story, group: &Group<'a>) -> Option<&'a Fate> {
    let members: HashSet<Idx> = group.fates.iter().map(|fate| fate.proc).collect();
    let born = |idx: Idx| story.world.proc_at(idx).map(|proc| proc.born);
    let is_root = |idx: Idx| story.world.proc_at(idx).is_some_and(|proc| !members.contains(&proc.parent));
    // To be killed is worse than to be there to the end.
    let badness = |fate: &Fate| (story.dirty(fate.proc), fate.verdict == Verdict::Killed);
    let rank = |fate: &&Fate| (is_root(fate.proc), badness(fate), born(fate.proc), fate.proc);
    group.fates.iter().copied().max_by_key(rank)
}

fn lived_before(story: &Story, fates: &[&Fate]) -> bool {
    let Some(shutdown) = &story.shutdown else { return false };
    let born = |fate: &Fate| story.world.proc_at(fate.proc).map(|proc| proc.born);
    fates.iter().any(|fate| born(fate).is_some_and(|born| born < shutdown.begin))
}

/// Whether all of them came and went by themselves within seconds: a command of a timer, of a boot that had not settled.
fn only_passed(story: &Story, fates: &[&Fate]) -> bool {
    let short = |fate: &Fate| {
        let proc = story.world.proc_at(fate.proc);
        proc.is_some_and(|proc| proc.exit.ns.saturating_sub(proc.born.ns) < PASSING_NS)
    };
    fates.iter().all(|fate| fate.verdict == Verdict::Left && short(fate))
}

/// Whether `fate` is that of a command that another one of its service has run in the shutdown.
fn is_helper(story: &Story, fate: &Fate) -> bool {
    let Some(shutdown) = &story.shutdown else { return false };
    let Some(proc) = story.world.proc_at(fate.proc) else { return false };
    let service = story.service(fate.proc);
    proc.born >= shutdown.begin
        && service.is_some()
        && story.service(proc.parent) == service
        && !story.world.is_supervisor(proc.parent)
}

/// Programs that ran when the shutdown began, whatever became of them.
fn running(story: &Story) -> HashSet<String> {
    let Some(shutdown) = &story.shutdown else { return HashSet::new() };
    let lived = story.world.all().filter(|(_, proc)| proc.lives(shutdown.begin.ns));
    lived.map(|(idx, _)| story.world.name(idx)).collect()
}

fn end(story: &Story, fate: &Fate) -> End {
    let world = &story.world;
    let sent = |number: u32| world.sig(number).map(|sig| sent(story, sig));
    End {
        proc: fate.proc,
        verdict: fate.verdict,
        status: world.proc_at(fate.proc).filter(|proc| proc.dead()).map(|proc| proc.status.into()),
        told: fate.told.and_then(|told| sent(told.sent)),
        untold: fate.told.is_none() && story.is_untold(fate.proc),
        killer: fate.killer.and_then(sent),
        life: life(story, fate.proc),
    }
}

/// Most restarts that are followed: a hostile file could have them in a ring.
const LIVES_MAX: usize = 10_000;

fn life(story: &Story, idx: Idx) -> (usize, usize) {
    let before = std::iter::successors(story.replaces(idx), |restart| story.replaces(restart.old));
    let after = std::iter::successors(story.replaced(idx), |restart| story.replaced(restart.new));
    let before = before.take(LIVES_MAX).count();
    (before + 1, before + 1 + after.take(LIVES_MAX).count())
}

fn sent(story: &Story, sig: &Sig) -> Sent {
    let world = &story.world;
    let kernel = match sig.means {
        Means::Oom => Some("the kernel, out of memory"),
        Means::Timer => Some("a timer of its own"),
        Means::Hangup => Some("the kernel, at the end of its session"),
        Means::Namespace => Some("the kernel, at the end of its pid namespace"),
        Means::ParentDeath => Some("the kernel, at its parent's end"),
        _ if sig.sender == NONE => Some("the kernel"),
        _ => None,
    };
    let (by, chain) = match kernel {
        Some(kernel) => (kernel.to_owned(), kernel.to_owned()),
        None => (world.name_at(sig.sender, sig.at.ns), story.chain(sig.sender, sig.at.ns)),
    };
    Sent { signal: names::signal(sig.sig).into_owned(), by, chain }
}

/// Whether two ends are the same to somebody who looks after the machine.
fn alike(a: &End, b: &End) -> bool {
    let same = |a: &Option<Sent>, b: &Option<Sent>| match (a, b) {
        (Some(a), Some(b)) => a.by == b.by && a.signal == b.signal,
        (a, b) => a.is_some() == b.is_some(),
    };
    let exits = |end: &End| matches!(end.verdict, Verdict::Stopped | Verdict::Left);
    if exits(a) && exits(b) {
        // Who is told in more than one way may be gone before the second.
        let told = a.told.is_none() || b.told.is_none() || same(&a.told, &b.told);
        return a.status == b.status && told;
    }
    let told = a.told.is_some() == b.told.is_some();
    a.verdict == b.verdict && a.status == b.status && told && same(&a.killer, &b.killer)
}

/// What else B was kept waiting by longer than A, by name. Scripts of two inits, and of one that was cut off, are not
/// to be compared.
fn waits(a: &Story, b: &Story) -> Vec<Took> {
    let ended = |story: &Story| story.shutdown.as_ref().is_some_and(|shutdown| shutdown.ended);
    if a.init != b.init {
        return Vec::new();
    }
    let totals = |story: &Story| {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (idx, ns, why) in blame::totals(&story.waits) {
            let name = if idx == NONE { "init itself".to_owned() } else { story.world.name(idx) };
            // A daemon that was restarted is no step.
            if why != Why::Stopping && story.replaces(idx).is_none() {
                *sums.entry(name).or_default() += ns;
            }
        }
        sums
    };
    let (of_a, of_b) = (totals(a), totals(b));
    let took = |(name, b_ns): (&String, &u64)| {
        let a_ns = of_a.get(name).copied();
        let who = Who { service: None, program: name.clone(), label: name.clone() };
        (a_ns.is_some() || ended(a)).then(|| Took { who, a_ns: a_ns.unwrap_or(0), b_ns: *b_ns })
    };
    let all = of_b.iter().filter_map(took);
    all.filter(|took| took.b_ns > took.a_ns && differs(took.a_ns, took.b_ns)).collect()
}

fn restarted(a: &Story, b: &Story) -> Vec<Restarted> {
    let of = |story: &Story, which: Which| {
        let mut found: BTreeMap<Key, Restarted> = BTreeMap::new();
        for restart in &story.restarts {
            if story.matters(restart.new) || story.matters(restart.old) {
                let who = who(story, restart.new);
                let by = story.world.name_at(restart.by, restart.at.ns);
                found.entry(key(&who)).or_insert(Restarted { which, who, how: restart.how, by });
            }
        }
        found
    };
    let (of_a, of_b) = (of(a, Which::A), of(b, Which::B));
    // Which service it is of may be seen on one side only.
    let missing = |one: &Restarted, others: &BTreeMap<Key, Restarted>| {
        !others.values().any(|other| {
            key(&other.who) == key(&one.who)
                || other.who.program == one.who.program
                    && (other.who.service.is_none() || one.who.service.is_none())
        })
    };
    let mut all: Vec<Restarted> = of_b.values().filter(|one| missing(one, &of_a)).cloned().collect();
    all.extend(of_a.values().filter(|one| missing(one, &of_b)).cloned());
    all
}

/// Findings of `here`, which is `which`, that `there` has not: of the same rule about somebody of the same name.
fn findings(there: &Story, here: &Story, which: Which) -> Vec<Found> {
    let told = |finding: &&Finding| finding.rule != Rule::Spared || finding.failed;
    let theirs: Vec<&Finding> = there.findings.iter().filter(told).collect();
    let mine = here.findings.iter().enumerate().filter(|(_, finding)| told(finding));
    mine.filter(|(_, finding)| {
        !theirs.iter().any(|other| other.rule == finding.rule && same_people(here, finding, there, other))
    })
    .map(|(at, finding)| Found {
        which,
        number: at + 1,
        rule: finding.rule,
        headline: finding.headline.clone(),
        confidence: finding.confidence,
    })
    .collect()
}

/// Whether the one that `finding` is about first is among those of `other`.
fn same_people(here: &Story, finding: &Finding, there: &Story, other: &Finding) -> bool {
    let Some(mine) = finding.procs.first().map(|idx| who(here, *idx)) else { return other.procs.is_empty() };
    let (service, program) = key(&mine);
    other.procs.iter().any(|idx| {
        let (other, name) = key(&who(there, *idx));
        name == program && (service == other || service.is_none() || other.is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_length_differs_by_half_a_second_and_half_as_much_again() {
        for (a_ns, b_ns, expected) in [
            (0, S / 2, true),
            (0, S / 2 - 1, false),
            (S, S * 3 / 2, true),
            (2 * S, 2 * S + S / 2, false),
            (2 * S, 3 * S, true),
            (10 * S, 14 * S, false),
            (u64::MAX, 0, true),
            (u64::MAX, u64::MAX - 1, false),
        ] {
            assert_eq!(differs(a_ns, b_ns), expected, "{a_ns} {b_ns}");
            assert_eq!(differs(b_ns, a_ns), expected, "{b_ns} {a_ns}");
        }
    }

    #[test]
    fn what_counts_up_is_no_part_of_a_name() {
        let same = |kind, a: &str, b: &str| key_of(&(kind, a.into())) == key_of(&(kind, b.into()));
        assert!(same(Kind::Unit, "run-u12.service", "run-u873.service"));
        assert!(same(
            Kind::Unit,
            "sshd@3-10.0.0.1:22-10.0.0.9:4711.service",
            "sshd@9-10.0.0.1:22-10.0.0.7:1.service"
        ));
        assert!(same(Kind::Unit, "systemd-coredump@1-77-0.service", "systemd-coredump@2-99-0.service"));
        assert!(same(Kind::Container, "0123456789ab", "ba9876543210"));
        assert!(!same(Kind::Unit, "postgresql@14-main.service", "postgresql@15-main.service"));
        assert!(!same(Kind::Unit, "cron.service", "ssh.service"));
        assert!(!same(Kind::Runit, "run-a", "run-b"));
    }

    fn end(verdict: Verdict, status: u32, told: Option<&str>, killer: Option<&str>) -> End {
        let sent = |signal: &str, by: &str| Sent {
            signal: signal.into(),
            by: by.into(),
            chain: format!("sh -> {by}"),
        };
        let never = matches!(verdict, Verdict::CutOff | Verdict::NeverTold);
        End {
            proc: NONE,
            verdict,
            status: (!never).then_some(status),
            told: told.map(|by| sent("SIGTERM", by)),
            untold: told.is_none(),
            killer: killer.map(|by| sent("SIGKILL", by)),
            life: (1, 1),
        }
    }

    #[test]
    fn an_end_is_another_by_verdict_status_or_who_did_it() {
        let stopped = end(Verdict::Stopped, 0, Some("init"), None);
        let left = end(Verdict::Left, 0, None, None);
        let killed = end(Verdict::Killed, 9, Some("init"), Some("killall5"));
        assert!(alike(&stopped, &stopped) && alike(&killed, &killed));
        // Told by its own stop command, and by a signal when it was gone or not quite: a race.
        assert!(alike(&stopped, &left));
        for other in [
            &killed,
            &end(Verdict::Stopped, 1 << 8, Some("init"), None),
            &end(Verdict::Stopped, 0, Some("killall5"), None),
            &end(Verdict::CutOff, 0, Some("init"), None),
        ] {
            assert!(!alike(&stopped, other) && !alike(other, &stopped), "{other:?}");
        }
        for other in [
            &end(Verdict::Killed, 9, None, Some("killall5")),
            &end(Verdict::Killed, 9, Some("init"), Some("init")),
            &end(Verdict::Killed, 9, Some("init"), None),
            &end(Verdict::Killed, 11, Some("init"), None),
        ] {
            assert!(!alike(&killed, other) && !alike(other, &killed), "{other:?}");
        }
    }
}
