//! A supervisor that was killed before its children: it could not stop them any more.
//!
//! Found: a supervisor killed by SIGKILL while a child of it still ran, and the child died dirty as well.

use super::{Case, Finding, Rule, advice, steps};
use crate::story::{
    Story,
    fate::{Fate, Verdict},
    world::{Idx, IdxMap, IdxSet},
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let killed = |fate: &&Fate| fate.verdict == Verdict::Killed && story.world.is_supervisor(fate.proc);
    let supervisors: Vec<&Fate> = story.fates.iter().filter(killed).collect();
    let mut below = below(story, &supervisors);
    for fate in supervisors {
        if case.is_taken(fate.proc) {
            continue;
        }
        // Of a tree of supervisors the topmost tells of all.
        let above = story.world.ancestors(fate.proc).any(|up| {
            story.world.is_supervisor(up) && story.fate(up).is_some_and(|up| up.verdict == Verdict::Killed)
        });
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
    let headline =
        format!("{} was killed with {verb} still running: {}", world.name(fate.proc), steps::list(&names));
    let mut finding = Finding::new(Rule::SupervisorFirst, headline);
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    finding.steps.extend(steps::end(story, fate));
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
    finding.advice = advice::for_supervisor(story, fate.proc);
    finding
}
