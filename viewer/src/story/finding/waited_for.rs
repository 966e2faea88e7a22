//! Who everybody waited for: a process that alone kept the shutdown from going on for long.

use crate::time;

use super::{Case, Finding, Rule, Step, advice, steps};
use crate::story::{
    Story,
    blame::{self, Why},
    world::{Idx, NONE},
};

/// Waiting of this length is worth a sentence.
pub const LONG_NS: u64 = 3_000_000_000;

/// A command of the shutdown does something meanwhile.
const LONG_STEP_NS: u64 = 8_000_000_000;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let world = &story.world;
    for (proc, ns, why) in blame::totals(&story.waits) {
        let long = if why == Why::Stopping { LONG_NS } else { LONG_STEP_NS };
        if ns < long || proc == NONE {
            continue;
        }
        // Of somebody that is told of already, that was said there.
        if case.is_taken(proc) {
            continue;
        }
        let name = story.called(proc);
        let headline = match why {
            Why::Stopping => format!("the shutdown waited {} for {name} to stop", time::duration(ns)),
            Why::Running | Why::Init => {
                format!("the shutdown waited {} for {}", time::duration(ns), command(story, proc))
            }
        };
        let mut finding = Finding::new(Rule::WaitedFor, headline);
        match story.fate(proc).filter(|_| why == Why::Stopping) {
            Some(fate) => {
                finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
                finding.steps.extend(steps::end(story, fate));
            }
            None => {
                let Some(of) = world.proc_at(proc) else { continue };
                let chain = story.chain(proc, of.exit.ns.min(story.end_of(proc).ns));
                finding.steps.push(Step::at(of.born, format!("{chain} was started")));
                let lived = time::duration(story.end_of(proc).ns.saturating_sub(of.born.ns));
                finding.steps.push(Step::at(story.end_of(proc), format!("it ended {lived} later")));
            }
        }
        finding.procs = vec![proc];
        finding.advice = advice::against_waiting(story, proc, why);
        case.add(finding);
    }
}

/// `pg_ctlcluster, a stop command of postgresql.service`, `hwclock.sh, a step of it`.
fn command(story: &Story, idx: Idx) -> String {
    let name = story.world.name(idx);
    let unit = story.service(idx).filter(|_| story.stops_its_unit(idx)).map(|id| story.services.get(id));
    match (unit, story.behalf(idx)) {
        (Some(unit), _) => format!("{name}, a stop command of {}", unit.name),
        (None, Some(behalf)) if behalf.starts_with("command") => format!("{name}, a {behalf}"),
        (None, Some(behalf)) => format!("{name} of {behalf}"),
        (None, None) => format!("{name}, a step of it"),
    }
}
