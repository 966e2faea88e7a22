//! Started anew in the shutdown: a service that had not run, begun while the machine went down.
//!
//! Found: a service of init or of a supervisor, born after services began to be stopped, that did not end by itself.

use std::collections::HashMap;

use crate::time;

use super::{Case, Finding, Rule, Step, advice, steps};
use crate::story::{
    Story,
    fate::{Fate, Verdict},
    service::{Kind, ServiceId},
    shutdown::PhaseKind,
    world::{At, Idx, Origin},
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = &story.shutdown else { return };
    let from = shutdown.phase(PhaseKind::Stopping).map_or(shutdown.begin, |phase| phase.from);
    // Asked for by few.
    let mut first = None;
    let stayed =
        |fate: &&Fate| matches!(fate.verdict, Verdict::Killed | Verdict::CutOff | Verdict::NeverTold);
    for fate in story.fates.iter().filter(stayed) {
        let Some(proc) = story.world.proc_at(fate.proc) else { continue };
        let own = story.world.image(proc.image).is_some_and(|image| image.proc == fate.proc);
        let anew = proc.born > from && proc.origin == Origin::Forked && own;
        if anew
            && !case.is_taken(fate.proc)
            && is_service(story, fate.proc)
            && !had_run(story, first.get_or_insert_with(|| first_born(story)), fate.proc)
        {
            let finding = tell(story, fate.proc);
            case.add(finding);
        }
    }
}

fn is_service(story: &Story, idx: Idx) -> bool {
    let looked_after = story.service(idx).is_some_and(|id| {
        matches!(
            story.services.get(id).kind,
            Kind::Inittab
                | Kind::Upstart
                | Kind::Runit
                | Kind::S6
                | Kind::Daemontools
                | Kind::Supervisord
                | Kind::Monit
                | Kind::Unit
                | Kind::Container
        )
    });
    looked_after && story.matters(idx) && !story.is_step(idx)
}

/// When the first of each service was born, supervisors left out.
fn first_born(story: &Story) -> HashMap<ServiceId, At> {
    let mut first: HashMap<ServiceId, At> = HashMap::new();
    for fate in &story.fates {
        let Some(id) = story.service(fate.proc).filter(|_| !story.world.is_supervisor(fate.proc)) else {
            continue;
        };
        let born = story.world.proc_at(fate.proc).map_or(At::NEVER, |proc| proc.born);
        first.entry(id).and_modify(|at| *at = born.min(*at)).or_insert(born);
    }
    first
}

/// Whether the service was there already: then this is a command that stops it, or a worker.
fn had_run(story: &Story, first: &HashMap<ServiceId, At>, idx: Idx) -> bool {
    let born = story.world.proc_at(idx).map_or(At::NEVER, |proc| proc.born);
    story.service(idx).and_then(|id| first.get(&id)).is_some_and(|first| *first < born)
}

fn tell(story: &Story, idx: Idx) -> Finding {
    let world = &story.world;
    let born = world.proc_at(idx).map_or_else(Default::default, |proc| proc.born);
    let parent = world.proc_at(idx).map_or(super::super::world::NONE, |proc| proc.parent);
    let lived = time::duration(story.end_of(idx).ns.saturating_sub(born.ns));
    let headline =
        format!("{} was started during the shutdown, and ended with it {lived} later", story.called(idx));
    let mut finding = Finding::new(Rule::StartedAnew, headline);
    let who =
        if world.is_init(parent) { world.name_at(parent, born.ns) } else { story.chain(parent, born.ns) };
    finding.steps.push(Step::at(born, format!("{who} started {}", world.label(idx))));
    if let Some(fate) = story.fate(idx) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
    }
    finding.procs = vec![idx];
    steps::next_boot(story, &mut finding, idx);
    finding.advice = advice::against_start(story, idx);
    finding
}
