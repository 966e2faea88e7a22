//! Restarted again and again until given up: what cannot start is tried until somebody has had enough.
//!
//! Found: three or more restarts in a row of something that each time lived for a moment and was not told to stop; or
//! any number of them, where it had failed just so before the shutdown: how many fit in says nothing about it then.

use std::cmp::Reverse;

use crate::time;

use super::{Case, Finding, Rule, Step, advice, restarted, steps};
use crate::story::{
    Story,
    fate::{Verdict, tells_to_stop},
    restart::Restart,
    world::{Idx, Sig},
};

/// A run of this length is no failure to start.
pub const BRIEF_NS: u64 = 5_000_000_000;
const STOP: u8 = 19;
/// So many restarts in a row are a loop.
const LOOP: usize = 3;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    // What people know before what it was run through.
    let mut firsts: Vec<&Restart> = restarted::firsts(story).collect();
    firsts.sort_by_cached_key(|first| Reverse(restarted::around(story, first).len()));
    for first in firsts {
        let chain = restarted::chain(story, first);
        let brief = chain.iter().filter(|restart| is_brief(story, restart.new)).count();
        let at_once = is_brief(story, first.new) && !restarted::under_heir(story, first);
        let failing = failed_before(story, first);
        let looped = brief >= LOOP || failing && brief == chain.len();
        if at_once && looped && story.matters(first.new) && !case.is_taken(first.new) {
            case.add(tell(story, &chain, brief, failing));
        }
    }
}

/// It ended by itself, soon.
pub(super) fn is_brief(story: &Story, idx: Idx) -> bool {
    let untold = story.fate(idx).is_some_and(|fate| fate.told.is_none() && fate.killer.is_none());
    untold
        && story.world.proc_at(idx).is_some_and(|proc| {
            proc.dead() && proc.exit.ns.saturating_sub(proc.born.ns) < BRIEF_NS && proc.status != 0
        })
}

/// What could not start before the shutdown either is no work of the shutdown.
fn failed_before(story: &Story, first: &Restart) -> bool {
    story.world.proc_at(first.old).zip(story.shutdown.as_ref()).is_some_and(|(proc, shutdown)| {
        proc.dead()
            && proc.status != 0
            && proc.exit.ns.saturating_sub(proc.born.ns) < BRIEF_NS
            && proc.exit.ns < shutdown.begin.ns.saturating_add(BRIEF_NS)
            && story.fate(first.old).is_none_or(|fate| fate.told.is_none())
    })
}

fn tell(story: &Story, chain: &[&Restart], brief: usize, as_before: bool) -> Finding {
    let world = &story.world;
    let (first, last) = (chain[0], chain[chain.len() - 1]);
    let (started, each) = match chain.len() {
        1 => ("once".to_owned(), String::new()),
        all if brief == all => (format!("{all} times"), " each time".to_owned()),
        all if brief == 1 => (format!("{all} times"), " once".to_owned()),
        all => (format!("{all} times"), format!(" {brief} times")),
    };
    let end = if brief == chain.len() && given_up(story, chain) { ", until it was given up" } else { "" };
    let before = if as_before { ", as it had before" } else { "" };
    let headline = format!(
        "{} was started {started} during the shutdown and failed{each}{before}{end}",
        story.called(first.new)
    );
    let mut finding = Finding::new(Rule::GaveUp, headline);
    if let Some(fate) = story.fate(first.old) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
    }
    finding.steps.push(steps::restart(story, first));
    finding.steps.extend(story.fate(first.new).and_then(|fate| steps::end(story, fate)));
    if chain.len() > 1 {
        let took = time::duration(last.at.ns.saturating_sub(first.at.ns));
        let text = match chain.len() - 1 {
            1 => format!("one more start {took} later, as {}", world.pid(last.new)),
            more => format!("{more} more starts within {took}, the last as {}", world.pid(last.new)),
        };
        finding.steps.push(Step::at(last.at, text));
        finding.steps.extend(story.fate(last.new).and_then(|fate| steps::end(story, fate)));
    }
    finding.procs = chain.iter().flat_map(|restart| [restart.new, restart.old]).collect();
    // That it still stopped meanwhile, and had to be killed, is more than this.
    let killed = story.fate(first.old).is_some_and(|fate| fate.verdict == Verdict::Killed);
    if killed && story.end_of(first.old) > first.at {
        finding.procs.retain(|idx| *idx != first.old);
    }
    let around = chain.iter().flat_map(|restart| restarted::around(story, restart));
    finding.procs.extend(around.flat_map(|above| [above.old, above.new]));
    finding.advice = advice::against_restart(story, first);
    finding
}

/// Whether nobody tried any more, though there was time: for twice the longest pause before. Without that the machine,
/// or whoever restarted it, may just have come to its end first, or have been told to; so is whoever is frozen.
fn given_up(story: &Story, chain: &[&Restart]) -> bool {
    let exit = |idx: Idx| story.world.proc_at(idx).map_or(u64::MAX, |proc| proc.exit.ns);
    let pause =
        chain.iter().map(|restart| restart.at.ns.saturating_sub(exit(restart.old))).max().unwrap_or(0);
    let Some(last) = chain.last() else { return false };
    let world = &story.world;
    let halted = |sent: &Sig| sent.sig == STOP || tells_to_stop(world, sent) && !sent.overflowed();
    let began = story.shutdown.as_ref().map_or(chain[0].at, |shutdown| shutdown.begin);
    // What told pid 1 to end the machine did not end its looking after others.
    let mut those = story.by_target.to(world, last.by).filter(|_| !world.is_init(last.by));
    let halted =
        those.find(|(_, sent)| sent.at >= began && halted(sent)).map_or(u64::MAX, |(_, sent)| sent.at.ns);
    let until = story.end_of(last.by).ns.min(halted);
    until.saturating_sub(exit(last.new)) > pause.saturating_mul(2)
}
