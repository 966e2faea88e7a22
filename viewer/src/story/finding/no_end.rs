//! The recording ends without a seal: power cut, panic, hang, or the seal itself failed.
//!
//! Found: a recording that broke off. Where our own recorder had been told to stop before, and nothing was written behind
//! that, only the recording is known to have ended: how the machine did is then not said.

use crate::{names, safe, time};

use super::{Case, Finding, Rule, Step, advice, steps, waited_for::LONG_NS};
use crate::story::{
    Story,
    blame::{self, Wait, Why},
    doubt::Confidence,
    fate::{Fate, Told, Verdict},
    service::{Kind, of_rc},
    shutdown::Asked,
    who::words,
    world::{Idx, IdxMap, IdxSet, Means, Mount, NONE, Sig},
};

/// A shorter wait than that says nothing about why it went no further.
const WAITED_NS: u64 = 100_000_000;
/// Of so many who had still to stop is told who had told them to.
const STOPPING: usize = 3;
/// So many commands that had still to end are told of.
const RUNNING: usize = 4;

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let came_to_it = story.shutdown.as_ref().is_some_and(|shutdown| shutdown.ended || shutdown.returned);
    if !story.cut || came_to_it {
        return;
    }
    let last = story.world.last;
    let stopping = stopping(story);
    // Who had told somebody to stop only waits for that one, as do some programs whoever told it.
    let waits = |idx: Idx| {
        stopping.iter().any(|(_, told)| {
            let by = story.world.sig(told.sent).map_or(NONE, |sent| sent.sender);
            by == idx || story.world.ancestors(by).any(|up| up == idx) || blame::only_waits(&story.world, idx)
        })
    };
    let working: Vec<Idx> = story.at_work.iter().copied().filter(|idx| !waits(*idx)).collect();
    let unmounting = unmounting(story);
    let mut finding = Finding::new(Rule::NoEnd, headline(story, &stopping, &working, &unmounting));
    if let Some(asked) = &story.asked_last {
        finding.steps.push(Step::at(asked.at, format!("{} asked for a shutdown", wish(asked))));
        finding.confidence = Confidence::Likely;
    }
    let sysrq = sysrq(story);
    finding.steps.extend(sysrq.iter().cloned());
    for (fate, told) in stopping.iter().take(STOPPING) {
        finding.steps.push(steps::told(story, fate, told));
        finding.steps.extend(killed(story, fate).map(|sent| outlived(story, sent)));
    }
    finding.steps.extend(story.at_work.iter().take(RUNNING).filter_map(|idx| still_ran(story, *idx)));
    finding.steps.extend(unmounting.iter().take(RUNNING).map(|mount| unmounted(story, mount)));
    finding.steps.push(Step::at(
        last,
        match story.unseen {
            true => {
                "the last event that was written: the recorder had been told to stop, and no seal followed; \
                 its hook did not run or could not write, or power cut, panic or hang came first"
            }
            false => "the last event that reached the disk; then power cut, panic or hang",
        },
    ));
    // Our own recorder is nobody whom a shutdown waits for.
    let told = |wait: &&Wait| wait.proc != NONE && wait.ns() >= WAITED_NS && !story.world.is_ours(wait.proc);
    let waited = story.waits.last().filter(told);
    if let Some(wait) = waited {
        let for_what = match wait.why {
            Why::Stopping => "to stop",
            Why::Running | Why::Init => "to end",
        };
        let since = time::duration(wait.ns());
        let text =
            format!("at that moment it had waited {since} for {} {for_what}", story.world.label(wait.proc));
        finding.steps.push(Step { at: Some(last), text, events: Vec::new() });
        finding.procs = vec![wait.proc];
        steps::next_boot(story, &mut finding, wait.proc);
    }
    for (fate, _) in &stopping {
        if !finding.procs.contains(&fate.proc) {
            finding.procs.push(fate.proc);
            steps::next_boot(story, &mut finding, fate.proc);
        }
    }
    finding.procs.extend(&story.at_work);
    finding.procs.extend(unmounting.iter().map(|mount| mount.proc));
    let mut told_of = IdxSet::default();
    finding.procs.retain(|idx| told_of.insert(*idx));
    if story.unseen {
        finding.confidence = Confidence::Likely;
    }
    finding.advice = Some(match sysrq.is_empty() {
        true => against(story, &working, waited, &unmounting),
        false => "look for SysRq in the kernel's log or on the console: e tells everybody to stop, i kills them; then for a reset \
                  button, a power failure or a panic"
            .into(),
    });
    case.add(finding);
}

/// So shortly before the end the kernel told or killed all, among so many signals.
const SYSRQ_NS: u64 = 300_000_000_000;
const SYSRQ_MAX: usize = 65_536;
/// It takes no longer to send them all.
const AT_ONCE_NS: u64 = 100_000_000;

/// What the kernel sent to everybody of its own accord: SysRq e, and i.
fn sysrq(story: &Story) -> Vec<Step> {
    let world = &story.world;
    let from_ns = world.last.ns.saturating_sub(SYSRQ_NS);
    let late = world.sigs.iter().rev().take(SYSRQ_MAX).take_while(|sent| sent.at.ns >= from_ns);
    let of_kernel = |sent: &&Sig| sent.sender == NONE && sent.means == Means::Kernel;
    let late: Vec<&Sig> = late.filter(of_kernel).collect();
    let all = [15, 9].into_iter().filter_map(|sig| {
        let last = late.iter().find(|sent| sent.sig == sig)?;
        let near = |sent: &&&Sig| sent.sig == sig && last.at.ns - sent.at.ns < AT_ONCE_NS;
        let at_once: Vec<&&Sig> = late.iter().filter(near).collect();
        let (first, count) = (at_once.last()?, at_once.len());
        let text = format!(
            "the kernel itself sent {} to {count} processes, as SysRq {} does",
            names::signal(sig),
            if sig == 9 { "i" } else { "e" }
        );
        (count > 1).then(|| Step::at(first.at, text))
    });
    all.collect()
}

/// `systemctl reboot (root)`.
fn wish(asked: &Asked) -> String {
    let person = asked.person();
    if person.is_empty() { format!("`{}`", asked.how) } else { format!("`{}` ({person})", asked.how) }
}

/// The first SIGKILL to who still ran, if there was time to die of it.
fn killed<'a>(story: &'a Story, fate: &Fate) -> Option<&'a Sig> {
    let begin = story.shutdown.as_ref()?.begin;
    let mut sent = story.by_target.to(&story.world, fate.proc).map(|(_, sent)| sent);
    let first = sent.find(|sent| sent.sig == 9 && sent.at > begin)?;
    (story.world.last.ns.saturating_sub(first.at.ns) >= WAITED_NS).then_some(first)
}

/// `systemd sent SIGKILL to app 700, which did not die of it in 1 min 50 s`.
fn outlived(story: &Story, sent: &Sig) -> Step {
    let since = time::duration(story.world.last.ns.saturating_sub(sent.at.ns));
    Step::at(sent.at, format!("{}, which did not die of it in {since}", steps::sentence(story, sent)))
}

/// The last file system that each child of init that was born in the shutdown, and still ran, was to unmount. Who executed
/// something behind that was done with it: systemd makes a sandbox so before it runs a unit's command.
fn unmounting(story: &Story) -> Vec<&Mount> {
    let Some(shutdown) = &story.shutdown else { return Vec::new() };
    let world = &story.world;
    let of_it = |idx: Idx| {
        world.proc_at(idx).is_some_and(|proc| {
            !proc.dead() && proc.born >= shutdown.begin && world.is_init(proc.parent) && proc.ns_level == 0
        })
    };
    let mut last: IdxMap<&Mount> = IdxMap::default();
    for mount in world.mounts.iter().filter(|mount| of_it(mount.proc)) {
        last.insert(mount.proc, mount);
    }
    last.retain(|idx, mount| world.own_images(*idx).all(|image| image.at < mount.at));
    let mut all: Vec<&Mount> = last.into_values().collect();
    all.sort_unstable_by_key(|mount| (mount.at, mount.proc));
    all
}

/// `umount 900 had begun to unmount /mnt/nfs, 59 s before the recording broke off`.
fn unmounted(story: &Story, mount: &Mount) -> Step {
    let world = &story.world;
    let since_ns = world.last.ns.saturating_sub(mount.at.ns);
    let later = match since_ns >= WAITED_NS {
        true => format!(" {} later,", time::duration(since_ns)),
        false => String::new(),
    };
    let text = format!(
        "{} {} had begun to unmount {}, and still ran{later} {}",
        world.name(mount.proc),
        world.pid(mount.proc),
        safe::text(world.strings.get(mount.path)),
        story.at_the_last()
    );
    Step::at(mount.at, text)
}

fn headline(story: &Story, stopping: &[(&Fate, Told)], working: &[Idx], unmounting: &[&Mount]) -> String {
    let Some(shutdown) = &story.shutdown else {
        return match story.unseen {
            true => "how the machine ended was not recorded: the recorder was told to stop before".into(),
            false => match &story.asked_last {
                Some(asked) => format!(
                    "the machine ended {} after {} asked for a shutdown, before that was seen to begin",
                    time::duration(story.world.last.ns.saturating_sub(asked.at.ns)),
                    wish(asked)
                ),
                None => "the machine ended without a shutdown".into(),
            },
        };
    };
    let state = |names: Vec<String>, what: &str| {
        let verb = if names.len() == 1 { "was" } else { "were" };
        (!names.is_empty()).then(|| format!("{} {verb} still {what}", steps::list(&names)))
    };
    // Those that are told of by their command already need no second word.
    let others = unmounting.iter().filter(|mount| !story.at_work.contains(&mount.proc));
    let others = others.filter(|mount| stopping.iter().all(|(fate, _)| fate.proc != mount.proc));
    let others: Vec<String> = others.map(|mount| story.world.name(mount.proc)).collect();
    let stopping = stopping.iter().map(|(fate, _)| story.called(fate.proc)).collect();
    let working = working.iter().map(|idx| command(story, *idx)).collect();
    let both: Vec<String> =
        [state(stopping, "stopping"), state(working, "running"), state(others, "unmounting")]
            .into_iter()
            .flatten()
            .collect();
    let meanwhile = if both.is_empty() { String::new() } else { format!(", while {}", both.join(" and ")) };
    let took = time::duration(story.world.last.ns.saturating_sub(shutdown.begin.ns));
    match story.unseen {
        true => format!(
            "how the shutdown ended was not recorded: the recorder was told to stop, and wrote nothing after {took}{meanwhile}"
        ),
        false => format!("the shutdown never ended: nothing was recorded after {took}{meanwhile}"),
    }
}

/// `rc -> startpar ran /etc/init.d/hang stop, which still ran 3.1 s later, when the recording broke off`.
fn still_ran(story: &Story, idx: Idx) -> Option<Step> {
    let world = &story.world;
    let proc = world.proc_at(idx)?;
    let ran = world.own_images(idx).last().map_or(proc.born, |image| image.at);
    let by = match world.proc_at(proc.parent) {
        Some(_) => world.chain(proc.parent, proc.born.ns),
        None => "somebody".into(),
    };
    let since = time::duration(world.last.ns.saturating_sub(proc.born.ns));
    let text =
        format!("{by} ran {}, which still ran {since} later, {}", command(story, idx), story.at_the_last());
    Some(Step { at: Some(proc.born), text, events: vec![ran.number] })
}

/// `/etc/init.d/hang stop`, `sv force-stop mongod`, `ifdown -a of unit networking.service`.
fn command(story: &Story, idx: Idx) -> String {
    let world = &story.world;
    let ns = world.last.ns;
    let argv = world.image_at(idx, ns).map_or(&b""[..], |image| world.strings.get(image.argv));
    let script: Vec<&[u8]> = words(argv).take(4).skip_while(|word| !of_rc(word)).take(2).collect();
    if let [path, rest @ ..] = script.as_slice() {
        let mut text = safe::text(path);
        for word in rest {
            text.push(' ');
            safe::push(&mut text, word);
        }
        return text;
    }
    let deed = world.deed(idx, ns);
    match story.service(idx).map(|id| story.services.get(id)).filter(|service| service.kind == Kind::Unit) {
        Some(unit) => format!("{deed} of unit {}", unit.name),
        None => deed,
    }
}

fn against(story: &Story, working: &[Idx], waited: Option<&Wait>, unmounting: &[&Mount]) -> String {
    let world = &story.world;
    if story.unseen {
        return "see whether the machine went down all the same: then its last hook did not do its work, and \
                `lastrites doctor` tells whether it can"
            .into();
    }
    if story.shutdown.is_none() {
        return "look for a power failure, a panic or a reset button at that time".into();
    }
    let age = |idx: Idx| world.proc_at(idx).map_or(0, |proc| world.last.ns.saturating_sub(proc.born.ns));
    let stuck = working.first().filter(|idx| age(**idx) >= LONG_NS).map(|idx| command(story, *idx));
    let killed_long_ago = |wait: &&Wait| {
        let sent = story.fate(wait.proc).and_then(|fate| killed(story, fate));
        sent.is_some_and(|sent| world.last.ns.saturating_sub(sent.at.ns) >= LONG_NS)
    };
    let first = match (stuck, waited) {
        _ if unmounting.iter().any(|mount| waited.is_none_or(|wait| wait.proc == mount.proc)) => {
            let paths = unmounting.iter().map(|mount| safe::text(world.strings.get(mount.path)));
            let paths: Vec<String> = paths.collect();
            format!("if it hung, {}; else ", advice::against_unmounting(&steps::list(&paths)))
        }
        (None, Some(wait)) if killed_long_ago(&wait) => {
            format!("if it hung, {}; else ", advice::against_hanging(story, wait.proc, true))
        }
        (Some(command), _) => format!("if it hung, see why {command} did not end; else "),
        (None, Some(wait)) if wait.why == Why::Stopping && wait.ns() >= LONG_NS => {
            format!("if it hung, see why {} did not stop; else ", world.name(wait.proc))
        }
        _ => String::new(),
    };
    format!(
        "{first}look for a power failure, or for a panic or a hung task on the console or in the firmware's log of that time"
    )
}

/// Those that anybody would ask about who had been told to stop, and of whom no end was recorded; who was told first
/// comes first.
fn stopping(story: &Story) -> Vec<(&Fate, Told)> {
    let open = story.fates.iter().filter(|fate| fate.verdict == Verdict::NoEnd && story.matters(fate.proc));
    let mut all: Vec<(&Fate, Told)> = open.filter_map(|fate| Some((fate, fate.told?))).collect();
    all.sort_by_key(|(fate, told)| (told.at(&story.world), fate.proc));
    all
}
