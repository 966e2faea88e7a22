//! Who everybody waited for: a process that alone kept the shutdown from going on for long.

use crate::time;

use super::{Case, Finding, Rule, Step, advice, killed, steps};
use crate::story::{
    Story,
    blame::{self, Why},
    doubt::Confidence,
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
        let fate = story.fate(proc);
        // Whoever ended it: init, where a stop command takes longer than its unit may.
        let sent = fate.and_then(|fate| world.sig(fate.killer?)).filter(|sent| sent.sender != NONE);
        let until = sent.filter(|_| why == Why::Running).map_or(String::new(), |sent| {
            format!(", until {} ended it", world.name_at(sent.sender, sent.at.ns))
        });
        let headline = match why {
            Why::Stopping => format!("the shutdown waited {} for {name} to stop", time::duration(ns)),
            Why::Running | Why::Init => {
                format!("the shutdown waited {} for {}{until}", time::duration(ns), command(story, proc))
            }
        };
        let mut finding = Finding::new(Rule::WaitedFor, headline);
        match fate.filter(|_| why == Why::Stopping) {
            Some(fate) => {
                finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
                finding.steps.extend(steps::end(story, fate));
            }
            None => {
                let Some(of) = world.proc_at(proc) else { continue };
                let chain = story.chain(proc, of.exit.ns.min(story.end_of(proc).ns));
                finding.steps.push(Step::at(of.born, format!("{chain} was started")));
                match fate.filter(|_| sent.is_some()) {
                    Some(fate) => {
                        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
                        finding.steps.extend(steps::end(story, fate));
                    }
                    None => {
                        let lived = time::duration(story.end_of(proc).ns.saturating_sub(of.born.ns));
                        finding.steps.push(Step::at(story.end_of(proc), format!("it ended {lived} later")));
                    }
                }
                // Of a command that init ended it may not be known that it was there to stop anything.
                if sent.is_some_and(|sent| world.is_init(sent.sender)) && !story.stops_its_unit(proc) {
                    finding.confidence = Confidence::Likely;
                }
            }
        }
        finding.procs = vec![proc];
        // Whom init had started again it waited for because of that.
        let again = story.replaces(proc).filter(|restart| story.of_shutdown(restart));
        if let Some(restart) = again {
            finding.steps.insert(0, steps::restart(story, restart));
        }
        finding.advice = match again {
            Some(restart) => advice::against_restart(story, restart),
            None => None,
        }
        .or_else(|| killed::in_login(story, proc))
        .or_else(|| advice::against_waiting(story, proc, why));
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
