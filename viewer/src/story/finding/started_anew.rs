//! Started anew in the shutdown: a service that had not run, begun while the machine went down.
//!
//! Found: a service of init or of a supervisor, born after services began to be stopped, that did not end by itself. What
//! systemd runs for a unit of which no process was seen before may as well be the stop command of one that had none, as a
//! oneshot with RemainAfterExit= has: that it was started anew is then only possible.

use std::collections::HashMap;

use crate::time;

use super::{Case, Finding, Rule, Step, advice, steps, waited_for};
use crate::story::{
    Story,
    blame::Wait,
    doubt::Confidence,
    fate::{Fate, Verdict},
    service::{Kind, ServiceId},
    shutdown::{Init, PhaseKind},
    stopper,
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
            let finding = match of_unit(story, fate.proc) {
                Ran::Stop => continue,
                Ran::Either => tell_either(story, fate.proc),
                Ran::Service => tell(story, fate.proc),
            };
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

/// What somebody was run as who is the first of a service that was seen.
enum Ran {
    Service,
    Stop,
    Either,
}

fn of_unit(story: &Story, idx: Idx) -> Ran {
    let world = &story.world;
    let of_init = world.proc_at(idx).is_some_and(|proc| world.is_init(proc.parent));
    let unit = story.service(idx).is_some_and(|id| story.services.get(id).kind == Kind::Unit);
    if story.init != Init::Systemd || !of_init || !unit {
        return Ran::Service;
    }
    let stops = || world.own_images(idx).any(|image| stopper::says_stop(world.strings.get(image.argv)));
    match story.is_new_in_unit(idx) {
        // What the unit ran before, it is there for.
        Some(false) => Ran::Service,
        Some(true) => Ran::Stop,
        None if stops() => Ran::Stop,
        None => Ran::Either,
    }
}

/// Of what may have been a start, or a stop command.
fn tell_either(story: &Story, idx: Idx) -> Finding {
    let mut finding = tell(story, idx);
    let unit = story.service(idx).map_or_else(String::new, |id| story.services.get(id).name.clone());
    let born = story.world.proc_at(idx).map_or_else(Default::default, |proc| proc.born);
    let lived = time::duration(story.end_of(idx).ns.saturating_sub(born.ns));
    let how = match story.fate(idx).map(|fate| fate.verdict) {
        Some(Verdict::Killed) => "killed",
        _ => "still there",
    };
    let name = story.world.name(idx);
    finding.headline =
        format!("{name}, a command of {unit}, was run during the shutdown, and {how} {lived} later");
    let waited: u64 = story.waits.iter().filter(|wait| wait.proc == idx).map(Wait::ns).sum();
    if waited >= waited_for::LONG_NS {
        finding.headline.push_str(&format!("; the shutdown waited {} for it", time::duration(waited)));
    }
    if let Some(step) = finding.steps.iter_mut().find(|step| step.at == Some(born)) {
        step.text.push_str(": its unit had no process before, so it is a stop command, or a start of it");
    }
    finding.confidence = Confidence::Possible;
    finding.advice = Some(advice::against_command(&name, &unit));
    finding
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
