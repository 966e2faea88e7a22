//! A supervisor that was killed before its children: it could not stop them any more.
//!
//! Found: a supervisor killed by SIGKILL while a child of it still ran, and the child died dirty as well.

use std::collections::HashSet;

use super::{Case, Finding, Rule, advice, steps};
use crate::story::{
    Story,
    fate::{Fate, Verdict},
    world::Idx,
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    for fate in story.fates.iter().filter(|fate| fate.verdict == Verdict::Killed) {
        if !story.world.is_supervisor(fate.proc) || case.is_taken(fate.proc) {
            continue;
        }
        // Of a tree of supervisors the topmost tells of all.
        let above = story.world.ancestors(fate.proc).any(|up| {
            story.world.is_supervisor(up) && story.fate(up).is_some_and(|up| up.verdict == Verdict::Killed)
        });
        let children = children(story, fate);
        if !above && !children.is_empty() && !children.iter().all(|child| case.is_taken(*child)) {
            case.add(tell(story, fate, &children));
        }
    }
}

/// Its descendants that were left when it died and died dirty.
fn children(story: &Story, fate: &Fate) -> Vec<Idx> {
    let world = &story.world;
    let died = story.end_of(fate.proc);
    let of_it = |child: &&Fate| {
        matches!(child.verdict, Verdict::Killed | Verdict::CutOff | Verdict::NeverTold)
            && world.ancestors(child.proc).any(|up| up == fate.proc)
            && !world.is_supervisor(child.proc)
            // The same spree takes them in any order: within it nobody was first.
            && story.end_of(child.proc).ns.saturating_add(50_000_000) >= died.ns
    };
    let mut children: Vec<Idx> = story.fates.iter().filter(of_it).map(|child| child.proc).collect();
    // Workers of a child are told of with it.
    let all: HashSet<Idx> = children.iter().copied().collect();
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
