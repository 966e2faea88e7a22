//! Alive at reboot(2): told to stop and not done, never told, spared on purpose, or beyond the reach of SIGKILL.
//!
//! Found: a service that still ran when reboot(2) was called. After a spree that hit others and left it out, it was
//! spared; somebody put it on a list, or it was in the same session as the killer. Nobody did that on purpose where the
//! list is that of Upstart's jobs: then it was never told.

use lastrites_traces::abi::kind;

use crate::time;

use super::{
    Case, Finding, Rule, Step, advice,
    omitted::{self, KILL_ALL},
    steps,
};
use crate::story::{
    Story,
    doubt::Confidence,
    fate::{Fate, Told, Verdict},
    shutdown::{Init, PhaseKind},
    world::{At, Idx, IdxMap, IdxSet, Means, NONE, Sig},
};

/// Whom SIGKILL has hit is gone sooner than that, unless it hangs in the kernel or has much memory to give back: before
/// Linux 6.15 that comes in front of the exit that is recorded.
const DYING_NS: u64 = 2_000_000_000;
/// So long no memory takes to be given back.
const HANGING_NS: u64 = 30_000_000_000;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let Some(shutdown) = story.shutdown.as_ref().filter(|shutdown| shutdown.ended && !shutdown.forced) else {
        return;
    };
    let alive: Vec<&Fate> = story
        .fates
        .iter()
        .filter(|fate| matches!(fate.verdict, Verdict::CutOff | Verdict::NeverTold))
        .filter(|fate| story.matters(fate.proc) && !case.is_taken(fate.proc) && !story.is_missed(fate.proc))
        .collect();
    let kill = |fate: &Fate| {
        let mut sent = story.by_target.to(&story.world, fate.proc).map(|(_, sent)| sent);
        sent.find(|sent| sent.sig == 9 && !sent.ignored() && sent.at < shutdown.end)
    };
    let world = &story.world;
    let mut below = below(story, &alive);
    let elder =
        |fate: &Fate| world.ancestors(fate.proc).any(|up| below.contains_key(&up) && !world.is_shim(up));
    // A shim is there for as long as its container is.
    let holders: IdxSet = alive.iter().flat_map(|other| world.ancestors(other.proc)).collect();
    let has_container = |fate: &Fate| world.is_shim(fate.proc) && holders.contains(&fate.proc);
    // What a supervisor tries that was itself started again is told of with it.
    let tried = |fate: &Fate| {
        let mut above =
            world.ancestors(fate.proc).filter(|up| world.is_supervisor(*up) && !world.is_shim(*up));
        above.any(|up| case.is_taken(up) && story.replaces(up).is_some())
    };
    let heads = alive.iter().filter(|fate| !elder(fate) && !has_container(fate) && !tried(fate));
    let heads: Vec<&&Fate> = heads.collect();
    for fate in heads {
        if is_end_missing(story, fate) && is_gone(story, fate) {
            continue;
        }
        if let Some(sent) = kill(fate) {
            // Whose end is all that is missing is on its way.
            if shutdown.end.ns.saturating_sub(sent.at.ns) >= DYING_NS {
                case.add(stuck(story, fate, sent));
            }
            continue;
        }
        let born_late = story
            .world
            .proc_at(fate.proc)
            .is_some_and(|proc| shutdown.end.ns.saturating_sub(proc.born.ns) < 50_000_000);
        if !born_late {
            let finding = tell(case, fate, below.remove(&fate.proc).unwrap_or_default());
            case.add(finding);
        }
    }
}

/// Whether it may have ended when it was told to, and that may be among what is missing.
pub(super) fn is_end_missing(story: &Story, fate: &Fate) -> bool {
    fate.told.is_some_and(|told| is_exit_missing(story, last_told(story, fate, told)))
}

/// When it was last sent anything that can stop somebody: it was there then.
pub(super) fn last_told(story: &Story, fate: &Fate, told: Told) -> At {
    let end = story.end_of(fate.proc);
    let sent = story.by_target.to(&story.world, fate.proc).map(|(_, sent)| sent.at);
    sent.filter(|at| *at < end).fold(told.at(&story.world), At::max)
}

/// Whether the exit of who lived at `from` may be among what is missing.
fn is_exit_missing(story: &Story, from: At) -> bool {
    let to = story.shutdown.as_ref().map_or(At::NEVER, |shutdown| shutdown.end);
    story.doubt.of_kinds(from.ns, to.ns, &[kind::EXIT]) != Confidence::Certain
}

/// Whether systemd-shutdown, which tells everybody who is left, had nothing to tell this one.
fn is_gone(story: &Story, fate: &Fate) -> bool {
    let world = &story.world;
    let Some(shutdown) = story.shutdown.as_ref().filter(|shutdown| shutdown.called) else { return false };
    let last = world.reboots.iter().rev().find(|call| call.at == shutdown.end).map_or(NONE, |call| call.proc);
    let image = world.image(world.image_of(last)).filter(|image| {
        story.init == Init::Systemd && world.is_init(last) && world.program(image) == b"systemd-shutdown"
    });
    image.is_some_and(|image| {
        let told = story.by_target.to(world, fate.proc).any(|(_, sent)| sent.at >= image.at);
        !told && story.doubt.of_kinds(image.at.ns, shutdown.end.ns, &[kind::SIGNAL]) == Confidence::Certain
    })
}

/// SIGKILL was sent, and it did not die.
fn stuck(story: &Story, fate: &Fate, sent: &Sig) -> Finding {
    let world = &story.world;
    let end = story.end_of(fate.proc);
    let since_ns = end.ns.saturating_sub(sent.at.ns);
    let (since, hangs) = (time::duration(since_ns), since_ns >= HANGING_NS);
    let (name, when) = (story.called(fate.proc), story.at_the_end());
    if is_exit_missing(story, sent.at) {
        let mut finding =
            Finding::new(Rule::CutOff, format!("{name} was sent SIGKILL, and its end was not recorded"));
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.push(Step::at(sent.at, steps::sentence(story, sent)));
        finding.steps.push(unrecorded(story, fate, end));
        finding.procs = vec![fate.proc];
        steps::next_boot(story, &mut finding, fate.proc);
        finding.confidence = Confidence::Likely;
        return finding;
    }
    let headline = match hangs {
        true => format!("{name} did not die of SIGKILL and was still there {when}, {since} later"),
        false => format!("{name} had not died of SIGKILL {when}, {since} later"),
    };
    let mut finding = Finding::new(Rule::CutOff, headline);
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    finding.steps.push(Step::at(sent.at, steps::sentence(story, sent)));
    let why = match hangs {
        true => "it waited in the kernel for something that did not come",
        false => {
            "it was still dying, which takes long where there is much memory to give back, or stuck in the kernel"
        }
    };
    let text = format!("{} was still there {when}, {since} after SIGKILL: {why}", world.label(fate.proc));
    finding.steps.push(Step::at(end, text));
    finding.procs = vec![fate.proc];
    steps::next_boot(story, &mut finding, fate.proc);
    finding.advice = Some(advice::against_hanging(story, fate.proc, hangs));
    if !hangs {
        finding.confidence = Confidence::Likely;
    }
    finding
}

pub(super) fn unrecorded(story: &Story, fate: &Fate, end: At) -> Step {
    let label = story.world.label(fate.proc);
    Step::at(
        end,
        format!("the end of {label} was not recorded; events are missing, and it may be among them"),
    )
}

/// The descendants of each of `alive` of whose ends the story knows.
fn below(story: &Story, alive: &[&Fate]) -> IdxMap<Vec<Idx>> {
    let mut below: IdxMap<Vec<Idx>> = alive.iter().map(|fate| (fate.proc, Vec::new())).collect();
    if below.is_empty() {
        return below;
    }
    for fate in &story.fates {
        for up in story.world.ancestors(fate.proc) {
            if let Some(with_it) = below.get_mut(&up) {
                with_it.push(fate.proc);
            }
        }
    }
    below
}

/// Why the sprees left somebody out, and how sure that is.
struct Spared {
    why: String,
    /// The list that it was on is that of Upstart's jobs.
    job: bool,
    confidence: Confidence,
}

/// Why the sprees left it out, if there was one and it was there.
fn spared(case: &Case<'_>, fate: &Fate) -> Option<Spared> {
    let story = case.story;
    let shutdown = story.shutdown.as_ref()?;
    let world = &story.world;
    let image = world.image(world.image_of(fate.proc))?;
    let born = world.proc_at(fate.proc)?.born;
    let last = shutdown.phase(PhaseKind::KillSpree).or(shutdown.phase(PhaseKind::TermSpree))?;
    let certain = |why: String| Some(Spared { why, job: false, confidence: Confidence::Certain });
    let storage = story.init == Init::Systemd && world.strings.get(image.argv).first() == Some(&b'@');
    if born < last.from && storage {
        return certain(
            "its name begins with @, by which init knows a storage daemon that has to stay".into(),
        );
    }
    // Somebody who kills somebody in that time is no spree.
    let of_spree = |sent: &Sig| {
        let sprees = KILL_ALL.contains(&world.program_at(sent.sender, sent.at.ns));
        matches!(sent.sig, 9 | 15) && (sprees || world.is_init(sent.sender) || sent.means == Means::Broadcast)
    };
    // The last one that hit anybody: where the first left nobody else, the second had nothing to do.
    let spree = [PhaseKind::KillSpree, PhaseKind::TermSpree].into_iter().find_map(|kind| {
        let from = shutdown.phase(kind).map(|phase| phase.from).filter(|from| born < *from)?;
        world.sigs.iter().find(|sent| sent.at >= from && of_spree(sent))
    });
    let killer = spree?.sender;
    let session = |idx: Idx| world.image(world.image_of(idx)).map_or(0, |image| image.session);
    let kills_all = KILL_ALL.contains(&world.program_of(killer));
    if kills_all && session(killer) != 0 && session(killer) == session(fate.proc) {
        return certain("it was in the same session as the killer".into());
    }
    if case.omitted.by(world, killer, fate.proc) {
        let why = format!(
            "{} was told to leave it out (-o {}){}",
            world.name(killer),
            world.pid(fate.proc),
            omitted::from(story, killer, fate.proc)
        );
        return Some(Spared { why, job: omitted::is_job(story, fate.proc), confidence: Confidence::Certain });
    }
    // SurviveFinalKillSignal= is there since systemd 255, and nothing that was recorded shows it.
    let survives = story.init == Init::Systemd && story.systemd().is_none_or(|version| version >= 255);
    Some(match survives {
        true => Spared {
            why: "it was left out, as SurviveFinalKillSignal= of its unit has it".into(),
            job: false,
            confidence: Confidence::Likely,
        },
        false => Spared {
            why: "why it was left out was not seen; it may have been dying already".into(),
            job: false,
            confidence: Confidence::Possible,
        },
    })
}

fn tell(case: &Case<'_>, fate: &Fate, with_it: Vec<Idx>) -> Finding {
    let story = case.story;
    let shutdown_end = story.end_of(fate.proc);
    let name = story.called(fate.proc);
    let spared = spared(case, fate).filter(|_| fate.verdict == Verdict::NeverTold);
    let since = |told: Told| time::duration(shutdown_end.ns.saturating_sub(told.at(&story.world).ns));
    let (rule, headline) = match (fate.told, &spared) {
        (Some(told), _) => {
            (Rule::CutOff, format!("{name} was told to stop and cut off by the reboot {} later", since(told)))
        }
        (None, Some(spared)) if !spared.job => {
            (Rule::Spared, format!("{name} was spared by the sprees and still ran {}", story.at_the_end()))
        }
        (None, _) => {
            (Rule::NeverTold, format!("{name} was never told to stop and still ran {}", story.at_the_end()))
        }
    };
    let mut finding = Finding::new(rule, headline);
    let end_missing = is_end_missing(story, fate);
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    if let (Some(restart), true) = (story.replaces(fate.proc), rule != Rule::Spared) {
        finding.steps.push(steps::restart(story, restart));
    }
    match &spared {
        Some(spared) if matches!(rule, Rule::Spared | Rule::NeverTold) => finding.steps.push(Step {
            at: Some(shutdown_end),
            text: format!("{} got neither SIGTERM nor SIGKILL: {}", story.world.label(fate.proc), spared.why),
            events: vec![shutdown_end.number],
        }),
        _ if end_missing => finding.steps.push(unrecorded(story, fate, shutdown_end)),
        _ => finding.steps.extend(steps::end(story, fate)),
    }
    finding.procs = vec![fate.proc];
    finding.procs.extend(with_it);
    steps::next_boot(story, &mut finding, fate.proc);
    // That nothing was sent is a matter of the whole shutdown.
    if let Some(shutdown) = &story.shutdown {
        let from_ns = if rule == Rule::CutOff { shutdown.begin.ns } else { story.stops_from_ns() };
        finding.confidence = story.doubt.of(from_ns, shutdown.end.ns);
    }
    // Who was on the list was not told by the spree, whatever is missing of it.
    let unseen = rule == Rule::NeverTold && spared.is_none() && !story.saw_beginning();
    if rule == Rule::NeverTold && spared.is_none() {
        finding.confidence = finding.confidence.min(steps::unasked(story, fate.proc));
    }
    if unseen {
        finding.confidence = Confidence::Possible;
    }
    if end_missing {
        finding.confidence = Confidence::Possible;
    }
    if let Some(spared) = spared.filter(|_| rule == Rule::Spared) {
        finding.confidence = finding.confidence.min(spared.confidence);
    }
    // Of whom it is not known whether it was told, what to change is not known either.
    finding.advice = match rule {
        Rule::Spared if !finding.failed => None,
        _ if unseen => advice::against_its_restart(story, fate.proc),
        _ => advice::against_survival(story, fate),
    };
    finding
}
