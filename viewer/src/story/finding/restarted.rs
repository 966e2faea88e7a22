//! Restarted in the shutdown: something stopped as it was told, and somebody started it again.
//!
//! Found: a restart after the shutdown began. What a restarted supervisor started again itself belongs to the
//! supervisor's finding; a program that stays for what it runs (`su -c mongod`) is in the company of that.

use std::cmp::Reverse;

use crate::time;

use super::{Case, Finding, Rule, Step, advice, crossfire, gave_up, steps};
use crate::story::{
    Story,
    fate::{Fate, Verdict},
    restart::{By, Restart},
    world::{Idx, IdxMap, NONE, Proc},
};

/// What lives no longer may be a command that is run again and again.
const COMMAND_NS: u64 = 30_000_000_000;

/// Of a chain so many are told one by one, if they failed at once.
const TOLD_MAX: usize = 8;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    // Supervisors first: what they start again belongs to them.
    let of_supervisor = |restart: &&Restart| story.world.is_supervisor(restart.new);
    let company = company(story);
    let firsts = firsts(story);
    let (supervisors, mut others): (Vec<_>, Vec<_>) = firsts.partition(of_supervisor);
    // And what people know before what it was run through.
    others.sort_by_cached_key(|first| Reverse(around(story, first).len()));
    for first in supervisors.into_iter().chain(others) {
        // And nothing that a finding tells of already.
        if case.is_taken(first.old) || case.is_taken(first.new) {
            continue;
        }
        if under_heir(story, first) || !worth_telling(story, first) {
            continue;
        }
        let chain = chain(story, first);
        let finding = tell(case, &chain, &company);
        case.add(finding);
    }
}

/// The first restart of each chain, as far as they are of the shutdown.
pub(super) fn firsts(story: &Story) -> impl Iterator<Item = &Restart> {
    let of_it = |restart: &&Restart| story.of_shutdown(restart);
    let is_first =
        move |restart: &&Restart| story.replaces(restart.old).is_none_or(|before| !story.of_shutdown(before));
    story.restarts.iter().filter(of_it).filter(is_first)
}

/// From the first death to the last heir.
pub(super) fn chain<'a>(story: &'a Story, first: &'a Restart) -> Vec<&'a Restart> {
    std::iter::successors(Some(first), |restart| story.replaced(restart.new)).take(64).collect()
}

/// Whether it was started by somebody who was started again himself, or under such a one.
pub(super) fn under_heir(story: &Story, restart: &Restart) -> bool {
    std::iter::once(restart.by).chain(story.world.ancestors(restart.by)).any(|up| {
        !story.world.is_shim(up) && story.replaces(up).is_some_and(|above| above.new != restart.new)
    })
}

/// The restarts of what it was run through, from the one that ran the old one on.
pub(super) fn around<'a>(story: &'a Story, restart: &'a Restart) -> Vec<&'a Restart> {
    let ran_old = |up: Idx| story.world.ancestors(restart.old).any(|old| old == up);
    let above = story.world.ancestors(restart.new).filter_map(|up| story.replaces(up));
    let lines = above.filter(|above| above.by == restart.by).filter_map(|last| {
        let line = std::iter::successors(Some(last), |later| story.replaces(later.old));
        let line: Vec<&Restart> = line.take(64).collect();
        let first = line.iter().position(|above| ran_old(above.old))?;
        Some(line.into_iter().take(first + 1))
    });
    lines.flatten().collect()
}

/// Who went the way of each heir that had run him, without having been told: killed by the same hand, or still there.
fn company(story: &Story) -> IdxMap<Vec<Idx>> {
    let world = &story.world;
    let mut company: IdxMap<Vec<Idx>> = IdxMap::default();
    if story.restarts.is_empty() {
        return company;
    }
    let hand = |fate: &Fate| {
        let sent = fate.killer.and_then(|killer| world.sig(killer));
        sent.filter(|sent| sent.sig == 9).map(|sent| (sent.sender, sent.means))
    };
    let lost = |fate: &&Fate| {
        // Who came again himself is told of with that.
        let is_heir = story.replaces(fate.proc).is_some();
        let killed = fate.verdict == Verdict::Killed && hand(fate).is_some();
        !is_heir
            && fate.told.is_none()
            && (killed || fate.verdict == Verdict::NeverTold)
            && story.matters(fate.proc)
    };
    for fate in story.fates.iter().filter(lost) {
        let mut above = world.ancestors(fate.proc).filter(|up| story.replaces(*up).is_some());
        let same = |heir: &Fate| heir.verdict == fate.verdict && hand(heir) == hand(fate);
        if let Some(heir) = above.next().filter(|up| story.fate(*up).is_some_and(same))
            && !world.is_supervisor(heir)
        {
            company.entry(heir).or_default().push(fate.proc);
        }
    }
    company
}

fn worth_telling(story: &Story, restart: &Restart) -> bool {
    // A shim is started again with its container, which is what people know; and the next one is another container's.
    if story.world.is_shim(restart.new) {
        return false;
    }
    // A command that ended as it should, after another that ended by itself: nothing that anybody keeps running.
    let ends = |idx: Idx| story.fate(idx).is_some_and(|fate| fate.verdict == Verdict::Left);
    let exits_0 = story.world.proc_at(restart.new).is_some_and(|proc| proc.dead() && proc.status == 0);
    let brief = |idx: Idx| {
        let lived = |proc: &Proc| proc.exit.ns.saturating_sub(proc.born.ns);
        story.world.proc_at(idx).is_some_and(|proc| proc.dead() && lived(proc) < COMMAND_NS)
    };
    let by_itself = |idx: Idx| {
        let ended = |fate: &Fate| fate.verdict == Verdict::Left && story.stopper(idx).is_none();
        story.fate(idx).is_none_or(ended) && brief(idx)
    };
    if by_itself(restart.old) && ends(restart.new) && brief(restart.new) && exits_0 {
        return false;
    }
    story.matters(restart.new) || story.matters(restart.old)
}

/// What became of the last heir, for a headline.
fn outcome(story: &Story, restart: &Restart) -> String {
    let last = restart.new;
    let end = story.end_of(last);
    let later = time::duration(end.ns.saturating_sub(restart.at.ns));
    match story.fate(last).map(|fate| fate.verdict) {
        Some(Verdict::Killed) if restart.is_unfinished(&story.world) => {
            format!(", then killed {later} later, while it was starting")
        }
        Some(Verdict::Killed) => format!(", then killed {later} later"),
        Some(Verdict::Stopped) => ", and had to be stopped again".into(),
        Some(Verdict::Left) if story.stopper(last).is_some() => {
            ", and ended after its stop command was run".into()
        }
        Some(Verdict::Left) if !story.is_untold(last) => ", and ended".into(),
        Some(Verdict::Left) => ", and ended by itself".into(),
        Some(Verdict::CutOff | Verdict::NeverTold) => format!(", and still ran {}", story.at_the_end()),
        Some(Verdict::NoEnd) => format!(", and still ran {}", story.at_the_last()),
        None => String::new(),
    }
}

fn tell(case: &Case<'_>, chain: &[&Restart], company: &IdxMap<Vec<Idx>>) -> Finding {
    let story = case.story;
    let world = &story.world;
    let (main, _) = split(story, chain);
    let (first, last) = (main[0], main[main.len() - 1]);
    let times = match main.len() {
        1 => String::new(),
        2 => " twice".into(),
        n => format!(" {n} times"),
    };
    // What it started again in its turn, and what became of that.
    let by_it = |restart: &Restart| {
        std::iter::once(restart.by)
            .chain(world.ancestors(restart.by))
            .any(|up| chain.iter().any(|above| above.new == up))
    };
    let supervises = chain.iter().any(|restart| world.is_supervisor(restart.new));
    let heads: Vec<&Restart> = story
        .restarts
        .iter()
        .filter(|_| supervises)
        .filter(|head| by_it(head) && story.matters(head.new))
        .filter(|head| story.replaces(head.old).is_none_or(|before| !by_it(before)))
        .collect();
    let under: Vec<Vec<&Restart>> = heads.iter().map(|head| self::chain(story, head)).collect();
    let mut headline = format!(
        "{} was restarted{times} during the shutdown{}",
        story.called(first.old),
        outcome(story, last)
    );
    let heir = |chain: &[&Restart]| split(story, chain).0.last().map_or(NONE, |restart| restart.new);
    let of = |heir: Idx| company.get(&heir).map_or(&[][..], Vec::as_slice).iter().copied();
    // What ran it ran others beside it.
    let above: Vec<Idx> = around(story, last).into_iter().map(|above| above.new).collect();
    let above = || above.iter().copied().filter(|up| world.ancestors(last.new).any(|above| above == *up));
    let with = |heir: Idx| of(heir).chain(above().filter(move |_| heir == last.new).flat_map(of));
    let of_heirs = under.iter().map(|chain| heir(chain));
    let of_heirs = of_heirs.filter(|heir| story.dirty(*heir) && !world.is_supervisor(*heir));
    // Workers have its own name, and forks of what ran it that of that.
    let is_known = |program: &[u8]| above().chain([last.new]).any(|known| world.program_of(known) == program);
    // What it ran while it was starting is not what it is there for.
    let beside = with(last.new).filter(|_| !last.is_unfinished(world));
    let beside = beside.filter(|idx| !is_known(world.program_of(*idx)));
    let lost: Vec<String> = of_heirs.chain(beside).map(|idx| world.name(idx)).collect();
    if !lost.is_empty() && story.dirty(last.new) {
        headline.push_str(&format!(", and {} with it", steps::list(&dedup(lost))));
    }
    let mut finding = Finding::new(Rule::Restarted, headline);
    push(story, &mut finding, chain);
    for chain in &under {
        // Supervisors below the supervisor say no more than it does.
        if world.is_supervisor(heir(chain)) {
            finding.procs.extend(chain.iter().flat_map(|restart| [restart.old, restart.new]));
        } else {
            push(story, &mut finding, chain);
        }
    }
    // A child is what matters of a supervisor.
    let victims: Vec<Idx> = under.iter().map(|chain| heir(chain)).chain([last.new]).collect();
    let victims: Vec<Idx> = victims.iter().flat_map(|idx| with(*idx).chain([*idx])).collect();
    let _ = victims.iter().any(|idx| steps::next_boot(story, &mut finding, *idx));
    // Helpers between the supervisor and its child went the same way: they are part of this.
    let between: Vec<Idx> =
        victims.iter().flat_map(|heir| world.ancestors(*heir)).filter(|up| !world.is_init(*up)).collect();
    finding.procs.extend(between);
    finding.procs.extend(victims.into_iter().chain(chain.iter().flat_map(|restart| with(restart.new))));
    // What a spree had to leave alone starts again what the spree has stopped.
    let spared = (first.how == By::Supervisor).then(|| case.omitted.step(story, first.by)).flatten();
    finding.advice = match spared.filter(|step| step.at <= Some(first.at)) {
        Some(step) => {
            finding.steps.push(step);
            Some(advice::against_sparing(story, first.by))
        }
        None => advice::against_restart(story, first),
    };
    // Who told it to stop may have meant another.
    for (step, against) in main.iter().filter_map(|restart| crossfire::beside(case, restart.old)).take(1) {
        finding.steps.push(step);
        finding.advice = Some(match finding.advice.take() {
            Some(advice) => format!("{advice}; and {against}"),
            None => against,
        });
    }
    // That the first still stopped meanwhile, and had to be killed, is more than that those behind it failed.
    let killed = |idx: Idx| story.fate(idx).is_some_and(|fate| fate.verdict == Verdict::Killed);
    if killed(first.old) && story.end_of(first.old) > first.at && !story.dirty(last.new) {
        finding.procs.retain(|idx| *idx != first.old);
    }
    finding
}

/// The restarts up to the one that came to a bad end, and those behind it: which failed at once, or came after the
/// spree that killed it.
fn split<'a, 'b>(story: &Story, chain: &'b [&'a Restart]) -> (&'b [&'a Restart], &'b [&'a Restart]) {
    let is_brief = |restart: &Restart| gave_up::is_brief(story, restart.new);
    // Behind a few that failed one may have come that did not.
    let failing = chain.iter().rev().take_while(|restart| is_brief(restart)).count();
    let brief = match chain.len() - failing {
        last if last <= TOLD_MAX => Some(last),
        _ => chain.iter().position(|restart| is_brief(restart)),
    };
    let killed = chain
        .iter()
        .position(|restart| story.fate(restart.new).is_some_and(|fate| fate.verdict == Verdict::Killed));
    let at = brief.unwrap_or(chain.len()).min(killed.map_or(chain.len(), |at| at + 1));
    chain.split_at(at.max(1))
}

/// Appends the steps of one chain of restarts.
fn push(story: &Story, finding: &mut Finding, chain: &[&Restart]) {
    let (main, tail) = split(story, chain);
    let ended = main.iter().map(|restart| restart.old).chain(main.last().map(|restart| restart.new));
    for fate in ended.filter_map(|idx| story.fate(idx)) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
    }
    finding.steps.extend(main.iter().map(|restart| steps::restart(story, restart)));
    // While it still stopped: then what had run it had ended, and that is what was started again.
    let early = main.iter().filter(|restart| story.end_of(restart.old) > restart.at);
    for fate in early.flat_map(|restart| around(story, restart)).filter_map(|above| story.fate(above.old)) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
    }
    if let (Some(first), Some(last)) = (tail.first(), tail.last()) {
        let pid = story.world.pid(last.new);
        let failed = tail.iter().all(|restart| gave_up::is_brief(story, restart.new));
        let end = match story.fate(last.new).map(|fate| fate.verdict) {
            _ if failed && tail.len() == 1 => ", and failed at once",
            _ if failed => ", and failed each time",
            Some(Verdict::CutOff | Verdict::NeverTold) => ", and ran until the end",
            Some(Verdict::NoEnd) => ", and still ran",
            _ => "",
        };
        let text = match tail.len() {
            1 => format!("{} was started once more, as {pid}{end}", story.world.name(last.new)),
            n => format!(
                "{} was started {n} more times within {}{end}; the last was {pid}",
                story.world.name(last.new),
                time::duration(last.at.ns.saturating_sub(first.at.ns)),
            ),
        };
        finding.steps.push(Step::at(first.at, text).and(last.at));
    }
    finding.procs.extend(chain.iter().flat_map(|restart| [restart.old, restart.new]));
    let around = chain.iter().flat_map(|restart| around(story, restart));
    finding.procs.extend(around.flat_map(|above| [above.old, above.new]));
}

fn dedup(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}
