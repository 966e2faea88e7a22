//! The out-of-memory killer chose somebody during the shutdown.

use super::{Case, Finding, Rule, Step, advice, steps};
use crate::story::{
    Story,
    world::{Idx, Means},
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = &story.shutdown else { return };
    let world = &story.world;
    for &(at, victim) in world.ooms.iter().filter(|(at, _)| *at >= shutdown.begin && *at <= shutdown.end) {
        if case.is_taken(victim) {
            continue;
        }
        let fate = story.fate(victim);
        // Who was dying already is marked as well, so that it gets memory to end: that is not what it died of.
        let of_other = fate.is_some_and(|fate| match fate.killer.and_then(|killer| world.sig(killer)) {
            Some(sent) => sent.means != Means::Oom,
            None => world.proc_at(victim).is_some_and(|proc| proc.dead() && proc.killed_by() != 9),
        });
        if of_other {
            continue;
        }
        let memory = world
            .proc_at(victim)
            .filter(|proc| proc.dead())
            .map_or(String::new(), |proc| format!(" at {} MiB", proc.peak_rss_kib >> 10));
        let headline =
            format!("{} was killed by the kernel during the shutdown: out of memory", story.called(victim));
        let mut finding = Finding::new(Rule::Oom, headline);
        let fate = story.fate(victim);
        // The kernel kills first, and says whom it chose right after it.
        let killed = fate.and_then(|fate| world.sig(fate.killer?)).map(|sent| sent.at);
        // The event does not say whose memory it was: the machine's, or what a cgroup may have.
        let ran_out = match in_root(story, victim) {
            true => "the kernel ran out of memory and",
            false => "there was no memory left, of the machine's or of what its cgroup may have: the kernel",
        };
        let chosen = format!("{ran_out} chose {}{memory}", world.label(victim));
        finding.steps.extend(fate.and_then(|fate| Some(steps::told(story, fate, fate.told.as_ref()?))));
        finding.steps.push(
            match killed.filter(|killed| *killed < at && at.ns.saturating_sub(killed.ns) < 1_000_000_000) {
                Some(killed) => Step::at(killed, chosen).and(at),
                None => Step::at(at, chosen),
            },
        );
        finding.steps.extend(fate.and_then(|fate| steps::end(story, fate)));
        finding.procs = vec![victim];
        // Its own processes that went with it; who else was chosen is told of by itself.
        let family = |other: Idx| {
            world.ancestors(other).any(|up| up == victim)
                || story.service(other).is_some() && story.service(other) == story.service(victim)
        };
        let with_it = story.fates.iter().filter(|fate| {
            fate.proc != victim
                && family(fate.proc)
                && fate.killer.and_then(|k| world.sig(k)).is_some_and(|sent| {
                    sent.means == Means::Oom && sent.at.ns.abs_diff(at.ns) < 1_000_000_000
                })
        });
        finding.procs.extend(with_it.map(|fate| fate.proc));
        steps::next_boot(story, &mut finding, victim);
        finding.advice = Some(advice::against_oom(story, victim, in_root(story, victim)));
        case.add(finding);
    }
}

/// Whether no cgroup but the root, which has no limit, is known of it.
fn in_root(story: &Story, idx: Idx) -> bool {
    let path = story.world.proc_at(idx).and_then(|proc| story.world.cgroups.get(&proc.cgroup));
    path.is_some_and(|path| story.world.strings.get(*path) == b"/")
}
