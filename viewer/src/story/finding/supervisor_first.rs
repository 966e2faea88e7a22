//! A supervisor that ended before its children: it could not stop them any more.
//!
//! Found: a supervisor killed by SIGKILL while a child of it still ran, and the child died dirty as well; or one that was
//! told to stop and did, and left a child behind that nobody had told, and that went on for long. A runsv is told by `sv`,
//! through a fifo that nobody sees: that it was is known by what it then does with its own child. Where runit is pid 1 it
//! stops runsvdir first on purpose, so there only what came to a bad end is told.

use crate::time;

use super::{Case, Finding, Rule, Step, advice, killed, steps};
use crate::story::{
    Story,
    fate::{Fate, Verdict, tells_to_stop},
    restart::Restart,
    shutdown::Init,
    who::words,
    world::{At, Idx, IdxMap, IdxSet, Image, World},
};

/// A command that talks to a supervisor may be gone so long when that ends.
const TALKED_NS: u64 = 1_000_000_000;
/// Who is told so much later than its supervisor was not told with it.
const GOES_ON_NS: u64 = 2_000_000_000;
/// More children are not told of one by one.
const TOLD: usize = 4;

pub(super) fn check(case: &mut Case<'_>) {
    killed(case);
    stopped(case);
}

/// Those that obeyed, and left children behind.
fn stopped(case: &mut Case<'_>) {
    let story = case.story;
    let mut left: IdxMap<Vec<Idx>> = IdxMap::default();
    for fate in &story.fates {
        let Some(parent) = story.world.proc_at(fate.proc).map(|proc| proc.parent) else { continue };
        if stops_children(story, parent) && goes_on(story, parent, fate) {
            left.entry(parent).or_default().push(fate.proc);
        }
    }
    if left.is_empty() {
        return;
    }
    let asked = asked_otherwise(story, left.values().flatten().copied().collect());
    let dirty = dirty_below(story, left.values().flatten().copied().collect());
    let of_runit = story.init == Init::Runit;
    for (supervisor, children) in &mut left {
        let later_ns = story.end_of(*supervisor).ns.saturating_add(GOES_ON_NS);
        let asked = |child: &Idx| asked.get(child).map(|at| at.ns);
        children.retain(|child| match of_runit {
            true => asked(child).is_none() && dirty.contains(child),
            false => asked(child).is_none_or(|ns| ns >= later_ns),
        });
    }
    left.retain(|_, children| !children.is_empty());
    for fate in story.fates.iter().filter(|fate| fate.verdict == Verdict::Stopped) {
        let Some(children) = left.remove(&fate.proc) else { continue };
        // What came again, with its supervisor or without, may have the supervisor in its company.
        let told = case.is_subject(fate.proc) || story.replaced(fate.proc).is_some();
        if !told && !children.iter().all(|child| case.is_subject(*child)) {
            case.add(tell_left(story, fate, &children));
        }
    }
}

/// Supervisors whose end is meant to be that of what they look after; containers outlive their engine on purpose.
fn stops_children(story: &Story, idx: Idx) -> bool {
    matches!(
        story.world.program_of(idx),
        b"runsvdir" | b"runsv" | b"s6-svscan" | b"s6-supervise" | b"svscan" | b"supervise" | b"supervisord"
    )
}

/// Whether `child` outlived its supervisor, which had been told to stop, without having been told itself.
fn goes_on(story: &Story, supervisor: Idx, child: &Fate) -> bool {
    let world = &story.world;
    let stopped = story.fate(supervisor).is_some_and(|fate| fate.verdict == Verdict::Stopped);
    let died = story.end_of(supervisor);
    let later_ns = died.ns.saturating_add(GOES_ON_NS);
    let told_later = child.told.is_none_or(|told| told.at(world).ns >= later_ns);
    let born = world.proc_at(child.proc).is_some_and(|proc| proc.born < died);
    let matters = world.is_supervisor(child.proc) || story.matters(child.proc);
    stopped && born && matters && told_later && story.end_of(child.proc).ns >= later_ns
}

/// When each of `those` was told to stop in a way that is no signal: it sent its own child what ends it, or it exited well
/// while a command ran that talks to it.
fn asked_otherwise(story: &Story, those: IdxSet) -> IdxMap<At> {
    let world = &story.world;
    let begin = story.shutdown.as_ref().map_or(At::NEVER, |shutdown| shutdown.begin);
    let mut asked: IdxMap<At> = IdxMap::default();
    let mut note = |idx: Idx, at: At| {
        let known = asked.entry(idx).or_insert(at);
        *known = at.min(*known);
    };
    let from = world.sigs.partition_point(|sent| sent.at < begin);
    for sent in world.sigs[from..].iter().filter(|sent| those.contains(&sent.sender)) {
        let of_it = world.proc_at(sent.target).is_some_and(|target| target.parent == sent.sender);
        if of_it && tells_to_stop(world, sent) {
            note(sent.sender, sent.at);
        }
    }
    let talks = |image: &&Image| image.at >= begin && asks_down(world, image);
    for image in world.images.iter().filter(talks) {
        let gone = world.proc_at(image.proc).map_or(At::NEVER, |proc| proc.exit);
        let talked_to = |idx: &&Idx| {
            let proc = world.proc_at(**idx).filter(|proc| proc.code() == Some(0));
            proc.is_some_and(|proc| image.at < proc.exit && proc.exit.ns <= gone.ns.saturating_add(TALKED_NS))
        };
        for idx in those.iter().filter(talked_to) {
            note(*idx, image.at);
        }
    }
    asked
}

/// Whether a command is one that has a supervisor end what it looks after, or itself: not `sv status`, nor `s6-svc -u`.
fn asks_down(world: &World, image: &Image) -> bool {
    let argv = || words(world.strings.get(image.argv)).skip(1);
    match world.program(image) {
        b"sv" | b"runsvctrl" => argv().filter(|word| !word.starts_with(b"-")).take(2).any(|word| {
            matches!(
                word,
                b"d" | b"down"
                    | b"x"
                    | b"exit"
                    | b"t"
                    | b"term"
                    | b"k"
                    | b"kill"
                    | b"stop"
                    | b"shutdown"
                    | b"force-stop"
                    | b"force-shutdown"
                    | b"try-restart"
                    | b"restart"
                    | b"force-restart"
            )
        }),
        // Flags may stand together: `-dx`.
        b"svc" | b"s6-svc" => argv()
            .filter_map(|word| word.strip_prefix(b"-"))
            .any(|flags| flags.iter().any(|flag| matches!(flag, b'd' | b'x' | b't' | b'k' | b'D' | b'r'))),
        _ => false,
    }
}

/// Those of `those` that came to a bad end, or under which somebody did.
fn dirty_below(story: &Story, those: IdxSet) -> IdxSet {
    let bad = story.fates.iter().filter(|fate| story.dirty(fate.proc));
    let lines = bad.flat_map(|fate| std::iter::once(fate.proc).chain(story.world.ancestors(fate.proc)));
    lines.filter(|idx| those.contains(idx)).collect()
}

fn tell_left(story: &Story, fate: &Fate, children: &[Idx]) -> Finding {
    let world = &story.world;
    let died = story.end_of(fate.proc);
    let names: Vec<String> = children.iter().map(|child| story.called(*child)).collect();
    let longest = children.iter().map(|child| story.end_of(*child).ns.saturating_sub(died.ns)).max();
    let headline = format!(
        "{} was stopped before its {}: {} went on for {}",
        world.name(fate.proc),
        if children.len() == 1 { "child" } else { "children" },
        steps::list(&names),
        time::duration(longest.unwrap_or(0))
    );
    let mut finding = Finding::new(Rule::SupervisorFirst, headline);
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    finding.steps.extend(steps::end(story, fate));
    for child in children.iter().take(TOLD).filter_map(|child| story.fate(*child)) {
        let started: Vec<&Restart> =
            story.restarts.iter().filter(|restart| restart.by == child.proc && restart.at > died).collect();
        if let [first, rest @ ..] = started.as_slice() {
            let mut step = steps::restart(story, first);
            if let Some(last) = rest.last() {
                step.text.push_str(&match rest.len() {
                    1 => ", and once more".to_owned(),
                    n => format!(", and {n} more times"),
                });
                step = step.and(last.at);
            }
            finding.steps.push(step);
        }
        finding.steps.extend(child.told.as_ref().map(|told| steps::told(story, child, told)));
        finding.steps.extend(steps::end(story, child));
    }
    finding.procs = [fate.proc].into_iter().chain(children.iter().copied()).collect();
    for child in children {
        if steps::next_boot(story, &mut finding, *child) {
            break;
        }
    }
    // That nobody told them is a matter of all that time.
    finding.confidence = story.doubt.of(story.stops_from_ns(), died.ns.saturating_add(longest.unwrap_or(0)));
    finding.advice = advice::for_leaver(story, fate.proc);
    finding
}

/// Those that were killed with children still running.
fn killed(case: &mut Case<'_>) {
    let story = case.story;
    // A shim is there as long as its container, and stops nothing in it.
    let supervises = |idx: Idx| story.world.is_supervisor(idx) && !story.world.is_shim(idx);
    let killed = |fate: &&Fate| fate.verdict == Verdict::Killed && supervises(fate.proc);
    let supervisors: Vec<&Fate> = story.fates.iter().filter(killed).collect();
    let mut below = below(story, &supervisors);
    for fate in supervisors {
        if case.is_taken(fate.proc) {
            continue;
        }
        // Of a tree of supervisors the topmost tells of all.
        let above = story
            .world
            .ancestors(fate.proc)
            .any(|up| supervises(up) && story.fate(up).is_some_and(|up| up.verdict == Verdict::Killed));
        let children = children(story, fate, below.remove(&fate.proc).unwrap_or_default());
        if !above && !children.is_empty() && !children.iter().all(|child| case.is_taken(*child)) {
            case.add(tell(story, fate, &children));
        }
    }
}

/// Who died dirty below each of `supervisors`, other supervisors left out.
fn below(story: &Story, supervisors: &[&Fate]) -> IdxMap<Vec<Idx>> {
    let mut below: IdxMap<Vec<Idx>> = supervisors.iter().map(|fate| (fate.proc, Vec::new())).collect();
    if below.is_empty() {
        return below;
    }
    let dirty = |fate: &&Fate| {
        matches!(fate.verdict, Verdict::Killed | Verdict::CutOff | Verdict::NeverTold)
            && !story.world.is_supervisor(fate.proc)
            && !story.is_step(fate.proc)
    };
    for fate in story.fates.iter().filter(dirty) {
        for up in story.world.ancestors(fate.proc) {
            if let Some(children) = below.get_mut(&up) {
                children.push(fate.proc);
            }
        }
    }
    below
}

/// Those of its dirty descendants that were left when it died.
fn children(story: &Story, fate: &Fate, mut children: Vec<Idx>) -> Vec<Idx> {
    let world = &story.world;
    let died = story.end_of(fate.proc);
    // The same spree takes them in any order: within it nobody was first.
    children.retain(|child| story.end_of(*child).ns.saturating_add(50_000_000) >= died.ns);
    // Workers of a child are told of with it.
    let all: IdxSet = children.iter().copied().collect();
    children.retain(|child| !world.ancestors(*child).any(|up| all.contains(&up)));
    children
}

fn tell(story: &Story, fate: &Fate, children: &[Idx]) -> Finding {
    let world = &story.world;
    let names: Vec<String> = children.iter().map(|child| story.called(*child)).collect();
    let verb = if children.len() == 1 { "its child" } else { "its children" };
    // There may be one of each user and each container beside pid 1.
    let name = match world.program_of(fate.proc) == b"systemd" {
        true => story.called(fate.proc),
        false => world.name(fate.proc),
    };
    let headline = format!("{name} was killed with {verb} still running: {}", steps::list(&names));
    let mut finding = Finding::new(Rule::SupervisorFirst, headline);
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    finding.steps.extend(steps::end(story, fate));
    let ordered = fate.killer.and_then(|killer| story.ordered_kill(world.sig(killer)?));
    if let Some((at, idx)) = ordered {
        let text = format!("{} had systemd send that", story.chain(idx, at.ns));
        finding.steps.push(Step::at(at, text));
    }
    for child in children.iter().take(4).filter_map(|child| story.fate(*child)) {
        finding.steps.extend(child.told.as_ref().map(|told| steps::told(story, child, told)));
        finding.steps.extend(steps::end(story, child));
    }
    finding.procs = [fate.proc].into_iter().chain(children.iter().copied()).collect();
    let between: Vec<Idx> = children
        .iter()
        .flat_map(|child| world.ancestors(*child))
        .filter(|up| world.is_supervisor(*up))
        .collect();
    finding.procs.extend(between);
    for child in children {
        if steps::next_boot(story, &mut finding, *child) {
            break;
        }
    }
    finding.advice = match ordered {
        Some((_, idx)) => Some(killed::by_hand(story, fate, idx)),
        None => advice::for_supervisor(story, fate),
    };
    finding
}
