//! Who everybody waited for: a process that alone kept the shutdown from going on for long.

use crate::{names, safe, time};

use super::{Case, Finding, Rule, Step, advice, killed, left_alive, steps};
use crate::story::{
    Story,
    blame::{self, Why},
    doubt::Confidence,
    fate::{Fate, Reception, Verdict, tells_to_stop},
    shutdown::{Init, PhaseKind},
    who::SHELLS,
    world::{Idx, Mount, NONE, Sig},
};

/// Waiting of this length is worth a sentence.
pub const LONG_NS: u64 = 3_000_000_000;

const HUP: u8 = 1;

/// A command of the shutdown does something meanwhile.
const LONG_STEP_NS: u64 = 8_000_000_000;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let world = &story.world;
    if let Some(finding) = held(story) {
        case.add(finding);
    }
    for (proc, ns, why) in blame::totals(&story.waits) {
        let long = if why == Why::Stopping { LONG_NS } else { LONG_STEP_NS };
        if ns < long || proc == NONE {
            continue;
        }
        // Of somebody that is told of already, that was said there.
        if case.is_taken(proc) {
            continue;
        }
        // Of whose end may be missing no more is known than that it was there when it was told the last time.
        let open = story.fate(proc).filter(|fate| fate.verdict == Verdict::CutOff);
        let open = open.filter(|fate| left_alive::is_end_missing(story, fate)).and_then(|fate| {
            let told = fate.told?;
            Some(left_alive::last_told(story, fate, told).ns.saturating_sub(told.at(world).ns))
        });
        if open.is_some_and(|open_ns| open_ns < long) {
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
            Why::Stopping => match open {
                Some(open_ns) => {
                    format!(
                        "the shutdown waited at least {} for {name} to stop",
                        time::duration(open_ns.min(ns))
                    )
                }
                None => format!("the shutdown waited {} for {name} to stop", time::duration(ns)),
            },
            Why::Running | Why::Init => {
                format!("the shutdown waited {} for {}{until}", time::duration(ns), command(story, proc))
            }
        };
        let mut finding = Finding::new(Rule::WaitedFor, headline);
        // What systemd-shutdown forks for that executes nothing: nobody sees more of it.
        let mount = last_unmounted(story, proc);
        match fate.filter(|_| why == Why::Stopping) {
            Some(fate) => {
                finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
                if is_told_otherwise(story, fate) || open.is_some() {
                    finding.steps.extend(steps::told_again(story, fate));
                }
                finding.steps.extend(match open {
                    Some(_) => Some(left_alive::unrecorded(story, fate, story.end_of(proc))),
                    None => steps::end(story, fate),
                });
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
        if let Some(mount) = mount {
            let path = safe::text(world.strings.get(mount.path));
            let text = format!("{} had begun to unmount {path}", world.label(proc));
            finding.steps.insert(0, Step::at(mount.at, text));
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
        .or_else(|| deaf_in_login(story, proc))
        .or_else(|| killed::in_login(story, proc))
        .or_else(|| advice::against_waiting(story, proc, why))
        .or_else(|| {
            mount.map(|mount| advice::against_unmounting(&safe::text(world.strings.get(mount.path))))
        });
        case.add(finding);
    }
}

/// Who ended so shortly before anything was stopped may have been what held it.
const HELD_NS: u64 = 1_000_000_000;
const HELD_MAX: usize = 64;

/// That systemd began to stop things only long after it was asked to: logind waits for who holds a delay lock. Nobody sees who does,
/// but he may have ended with it.
fn held(story: &Story) -> Option<Finding> {
    let (world, shutdown) = (&story.world, story.shutdown.as_ref().filter(|_| story.init == Init::Systemd)?);
    let asked = shutdown.asked.as_ref().filter(|asked| asked.now && asked.at == shutdown.begin)?;
    let stopping = shutdown.stopping();
    let first = story.waits.first().filter(|wait| wait.proc == NONE && wait.from_ns == asked.at.ns)?;
    let seen = story.doubt.absence(asked.at.ns, stopping.ns);
    // Where no unit was stopped, it may have been none that was there.
    let spree = shutdown.phase(PhaseKind::TermSpree);
    let of_units = spree.is_none_or(|spree| spree.from > stopping);
    // Before that he may have been asked for a password, or by molly-guard.
    let made_ns = world.proc_at(asked.by).map_or(asked.at.ns, |proc| match proc.exit < stopping {
        true => proc.exit.ns,
        false => world.own_images(asked.by).map(|image| image.at.ns).max().unwrap_or(asked.at.ns),
    });
    let took_ns = first.to_ns.saturating_sub(made_ns.max(asked.at.ns));
    if !seen || !of_units || took_ns < LONG_STEP_NS || first.to_ns.abs_diff(stopping.ns) >= HELD_NS {
        return None;
    }
    let took = time::duration(took_ns);
    let headline = format!("the shutdown waited {took} before anything was stopped");
    let mut finding = Finding::new(Rule::WaitedFor, headline);
    finding.steps.push(Step::at(asked.at, format!("{} asked for it", asked.chain)));
    let before = world.ended.partition_point(|idx| world.procs[*idx as usize].exit < stopping);
    let ended = world.ended[..before].iter().rev().take(HELD_MAX);
    let held = ended.copied().find(|idx| {
        let proc = &world.procs[*idx as usize];
        proc.exit < stopping
            && stopping.ns - proc.exit.ns < HELD_NS
            && proc.born < shutdown.begin
            && world.is_init(proc.parent)
    });
    if let Some((idx, proc)) = held.and_then(|idx| Some((idx, world.proc_at(idx)?))) {
        let text = format!(
            "{} ended {} after that, and {} before anything was stopped",
            world.label(idx),
            time::duration(proc.exit.ns.saturating_sub(asked.at.ns)),
            time::duration(stopping.ns.saturating_sub(proc.exit.ns))
        );
        finding.steps.push(Step::at(proc.exit, text));
        finding.procs.push(idx);
    }
    finding.steps.push(Step::at(stopping, "systemd began to stop things"));
    finding.confidence = Confidence::Likely;
    finding.advice = Some(
        "see who holds a delay lock (`systemd-inhibit --list`): logind waits for that, as long as InhibitDelayMaxSec= of \
         logind.conf says"
            .into(),
    );
    Some(finding)
}

/// What a child of systemd-shutdown was to unmount last.
fn last_unmounted(story: &Story, idx: Idx) -> Option<&Mount> {
    let world = &story.world;
    let proc = world.proc_at(idx)?;
    let of_shutdown =
        world.is_init(proc.parent) && world.program_at(proc.parent, proc.born.ns) == b"systemd-shutdown";
    world.mounts.iter().rfind(|mount| of_shutdown && mount.proc == idx)
}

/// Whether it was told by another signal later: the first had not been enough.
fn is_told_otherwise(story: &Story, fate: &Fate) -> bool {
    let world = &story.world;
    let Some(first) = fate.told.and_then(|told| world.sig(told.sent)) else { return false };
    let other = |sent: &Sig| sent.at > first.at && sent.sig != first.sig && sent.sig != HUP;
    story.by_target.to(world, fate.proc).any(|(_, sent)| other(sent) && tells_to_stop(world, sent))
}

/// For who ignores in a login what ends that: a unit would wait for it in vain as well.
fn deaf_in_login(story: &Story, idx: Idx) -> Option<String> {
    let told = story.fate(idx)?.told.filter(|told| told.reception == Reception::Ignored)?;
    let sig = names::signal(story.world.sig(told.sent)?.sig);
    killed::in_login(story, idx)?;
    // A shell that somebody types into ignores it on purpose, and goes when it is hung up.
    if SHELLS.contains(&story.world.program_of(idx)) {
        return None;
    }
    let name = story.world.name(idx);
    Some(format!(
        "have {name} end on {sig}, which it ignores, or let a unit of its own run it, with a KillSignal= that it obeys"
    ))
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
