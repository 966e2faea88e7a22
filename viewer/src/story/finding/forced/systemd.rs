//! A shutdown that systemd itself cut short: it became systemd-shutdown, or called reboot(2), before its units were stopped.
//!
//! Found: somebody came to a bad end by that, and why systemd did so is known: it was asked to (`systemctl reboot -f`, a
//! signal), Ctrl-Alt-Del came too often, the shutdown's own time was over, or nobody had asked at all, as where a unit's failure
//! has that for an answer.

use lastrites_traces::abi::kind;

use super::{is_force, without_force};
use crate::{
    names,
    processes::base_name,
    requests::{Asks, asks},
    story::{
        Story,
        doubt::Confidence,
        fate::{Fate, tells_to_stop},
        finding::{Finding, Rule, Step, steps, waited_for::LONG_NS},
        service::{self, Kind},
        shutdown::{Aim, Asked, Init, Shutdown},
        stopper::says_stop,
        who::words,
        world::{At, Idx, IdxSet, Image, NONE, Sig, World},
    },
    time,
};

/// The ends of so many are told.
const SHOWN: usize = 4;

/// systemd.conf(5): `CtrlAltDelBurstAction=` is for more than seven within two seconds. Of two at once one is merged, so that seven may
/// have been enough.
const BURST: usize = 7;
const BURST_NS: u64 = 2_000_000_000;
/// So long systemd takes at most to become systemd-shutdown then.
const TURNS_NS: u64 = 5_000_000_000;
/// `JobTimeoutSec=` of reboot.target and its like, which have `JobTimeoutAction=reboot-force`, and so much later at most.
const OVERDUE_NS: u64 = 1_800_000_000_000;
const LATE_NS: u64 = 10_000_000_000;
/// Who told nobody for so long stopped no unit.
const UNTOLD_NS: u64 = 100_000_000_000;
/// What is answered with a reboot ended so shortly before it, and among so many.
const FAILED_NS: u64 = 5_000_000_000;
const FAILED_MAX: usize = 1024;

/// When systemd left off.
#[derive(Debug, Clone, Copy)]
struct Turn {
    at: At,
    /// It called reboot(2) then, and did not even become systemd-shutdown.
    at_once: bool,
}

/// A request that skips what stops units.
#[derive(Debug)]
struct Force {
    at: At,
    chain: String,
    /// SIGRTMIN+13 to +17; None: by an option, `systemctl reboot -f`.
    sig: Option<u8>,
    /// It came in the middle of a shutdown that somebody had asked for without.
    late: bool,
}

/// What had it do so.
#[derive(Debug)]
enum Why<'a> {
    Force(Force),
    Burst {
        first: At,
        last: At,
        count: usize,
        by_key: bool,
    },
    Overdue(&'a Asked),
    /// Nobody was seen to ask for anything.
    Unasked,
    Unknown,
}

pub(super) fn forced(story: &Story, shutdown: &Shutdown) -> Option<Finding> {
    if story.init != Init::Systemd {
        return None;
    }
    let world = &story.world;
    let turn = turn(story, shutdown)?;
    let waiting = waiting(story, turn);
    let why = why(story, shutdown, turn, &waiting)?;
    let lived = |fate: &&Fate| world.proc_at(fate.proc).is_some_and(|proc| proc.exit > turn.at);
    let hit: Vec<&Fate> = story
        .fates
        .iter()
        .filter(lived)
        .filter(|fate| story.dirty(fate.proc) && story.matters(fate.proc))
        .collect();
    let mut names: Vec<String> = hit.iter().map(|fate| story.called(fate.proc)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let mut finding = Finding::new(Rule::Forced, headline(shutdown, turn, &why, &names));
    let procs: IdxSet = hit.iter().map(|fate| fate.proc).collect();
    let waits = story.waits.iter().filter(|wait| procs.contains(&wait.proc));
    let waited: u64 = waits.map(|wait| wait.ns()).sum();
    if waited >= LONG_NS {
        let whom = if names.len() == 1 { "it" } else { "them" };
        finding.headline.push_str(&format!("; the shutdown waited {} for {whom}", time::duration(waited)));
    }
    match &why {
        Why::Force(force) => {
            let who = if force.chain.is_empty() { "the kernel" } else { &force.chain };
            let text = match force.sig {
                Some(sig) => {
                    format!("{who} sent {} to systemd, which skips its stop jobs then", names::signal(sig))
                }
                None => format!("{who} asked systemd to skip its stop jobs"),
            };
            finding.steps.push(Step::at(force.at, text));
        }
        Why::Burst { first, last, count, by_key } => {
            let text = format!(
                "{} to systemd {count} times in {}",
                if *by_key { "Ctrl-Alt-Del: the kernel sent SIGINT" } else { "SIGINT was sent" },
                time::duration(last.ns.saturating_sub(first.ns))
            );
            finding.steps.push(Step::at(*first, text).and(*last));
        }
        Why::Overdue(asked) => {
            let text =
                format!("{} asked for it", if asked.chain.is_empty() { &asked.how } else { &asked.chain });
            finding.steps.push(Step::at(asked.at, text));
        }
        Why::Unasked | Why::Unknown => {}
    }
    let culprit = match why {
        Why::Unasked | Why::Unknown => failed_before(story, turn),
        _ => None,
    };
    if let Some((idx, _)) = &culprit
        && let Some(proc) = world.proc_at(*idx)
    {
        let label = world.label(*idx);
        let how = match proc.code() {
            Some(code) => format!("exited {code}"),
            None => format!("was {}", names::status(proc.status.into())),
        };
        finding.steps.push(Step::at(proc.exit, format!("{label} {how}")));
    }
    finding.steps.push(Step::at(
        turn.at,
        match turn.at_once {
            true => "systemd called reboot(2) itself",
            false => "systemd became systemd-shutdown, which tells and kills all at once",
        },
    ));
    for fate in waiting.iter().filter(|fate| !procs.contains(&fate.proc)).take(SHOWN) {
        let since = turn.at.ns.saturating_sub(fate.told.map_or(turn.at.ns, |told| told.at(world).ns));
        let label = world.label(fate.proc);
        let text = format!("{label} had not stopped by then, {} after it was told to", time::duration(since));
        finding.steps.push(Step { at: Some(turn.at), text, events: Vec::new() });
    }
    for fate in hit.iter().take(SHOWN) {
        finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        finding.steps.extend(steps::end(story, fate));
    }
    for fate in &hit {
        if steps::next_boot(story, &mut finding, fate.proc) {
            break;
        }
    }
    finding.procs = hit.iter().map(|fate| fate.proc).collect();
    let may_be = match why {
        Why::Burst { count, .. } => count <= BURST,
        Why::Overdue(_) | Why::Unasked | Why::Unknown => true,
        Why::Force(_) => false,
    };
    if may_be {
        finding.confidence = Confidence::Likely;
    }
    let unit = culprit.and_then(|(_, unit)| unit);
    finding.advice = Some(advice(story, shutdown, turn, &why, &waiting, unit.as_deref()));
    Some(finding)
}

/// When pid 1 turned from its units to the end of everything, if that was seen.
fn turn(story: &Story, shutdown: &Shutdown) -> Option<Turn> {
    let world = &story.world;
    let becomes = |idx: Idx| {
        let mut images = world.own_images(idx);
        images.find(|image| image.at >= shutdown.begin && world.program(image) == b"systemd-shutdown")
    };
    if let Some(image) = world.init().and_then(becomes) {
        return Some(Turn { at: image.at, at_once: false });
    }
    let call = world.reboots.iter().rev().find(|call| shutdown.called && call.at == shutdown.end)?;
    // Which program called it is known only where no exec can be missing.
    let execs = story.doubt.of_kinds(shutdown.begin.ns, call.at.ns, &[kind::EXEC]);
    let as_systemd = world.is_init(call.proc) && world.program_at(call.proc, call.at.ns) == b"systemd";
    (as_systemd && execs == Confidence::Certain).then_some(Turn { at: call.at, at_once: true })
}

/// Those whom systemd had told to stop, and who had not by then; who was told first comes first.
fn waiting(story: &Story, turn: Turn) -> Vec<&Fate> {
    let world = &story.world;
    let of_it = |fate: &&Fate| {
        let told = fate.told.and_then(|told| world.sig(told.sent));
        let by_init = |sent: &Sig| world.is_init(sent.sender) && sent.at < turn.at;
        let killed = fate.killer.and_then(|killer| world.sig(killer)).is_some_and(by_init);
        told.is_some_and(by_init)
            && !killed
            && world.proc_at(fate.proc).is_some_and(|proc| proc.exit > turn.at)
            && story.matters(fate.proc)
    };
    let mut all: Vec<&Fate> = story.fates.iter().filter(of_it).collect();
    all.sort_by_key(|fate| (fate.told.map(|told| told.at(world)), fate.proc));
    all
}

fn why<'a>(story: &Story, shutdown: &'a Shutdown, turn: Turn, waiting: &[&Fate]) -> Option<Why<'a>> {
    let world = &story.world;
    let untold = |from: At| {
        let first = world.sigs.partition_point(|sent| sent.at < from);
        let tells = |sent: &Sig| world.is_init(sent.sender) && tells_to_stop(world, sent);
        let mut between = world.sigs[first..].iter().take_while(|sent| sent.at < turn.at);
        !between.any(tells) && story.doubt.absence(from.ns, turn.at.ns)
    };
    let asked = shutdown.asked.as_ref();
    if let Some(force) = first_force(story, asked).or_else(|| late_force(story, shutdown, turn))
        && untold(force.at)
    {
        return Some(Why::Force(force));
    }
    // Where nobody was waited for, and units were told, systemd was done with them.
    let cut_short = |why: &Why<'_>| match why {
        Why::Burst { first, .. } => !waiting.is_empty() || untold(*first),
        _ => true,
    };
    if let Some(burst) = burst(story, turn).filter(cut_short) {
        return Some(burst);
    }
    let late = |asked: &&Asked| {
        let took = turn.at.ns.saturating_sub(asked.at.ns);
        asked.now && (OVERDUE_NS..OVERDUE_NS + LATE_NS).contains(&took)
    };
    if let Some(asked) = asked.filter(late).filter(|_| !waiting.is_empty()) {
        return Some(Why::Overdue(asked));
    }
    let from = At { ns: turn.at.ns.saturating_sub(UNTOLD_NS), number: 0 };
    // What was told long before, and a stop command, may take longer than that.
    let ended = |idx: Idx| world.proc_at(idx).is_some_and(|proc| proc.exit >= from && proc.exit <= turn.at);
    let stopped = |sent: &Sig| {
        sent.at < turn.at && world.is_init(sent.sender) && tells_to_stop(world, sent) && ended(sent.target)
    };
    let commanded = || {
        world.images.iter().any(|image| {
            image.at < turn.at
                && says_stop(world.strings.get(image.argv))
                && world.proc_at(image.proc).is_some_and(|proc| world.is_init(proc.parent))
                && ended(image.proc)
        })
    };
    let at_work = || world.sigs.iter().any(stopped) || commanded();
    match asked {
        None if untold(from) && !at_work() => Some(Why::Unasked),
        _ => turn.at_once.then_some(Why::Unknown),
    }
}

/// The request itself, if it was one of those.
fn first_force(story: &Story, asked: Option<&Asked>) -> Option<Force> {
    let asked = asked?;
    let force = |sig| Force { at: asked.at, chain: asked.chain.clone(), sig, late: false };
    let called = asked.how.split(' ').next().unwrap_or_default().as_bytes();
    if asked.by != NONE && !is_shutdown(called) && asked.how.split(' ').skip(1).any(is_force) {
        return Some(force(None));
    }
    let world = &story.world;
    let at = world.sigs.partition_point(|sent| sent.at < asked.at);
    let sent = world.sigs.get(at).filter(|sent| sent.at == asked.at && world.is_init(sent.target))?;
    is_forcing(sent.sig).then(|| force(Some(sent.sig)))
}

/// The last such request right before systemd turned, of somebody who had lost patience with the shutdown.
fn late_force(story: &Story, shutdown: &Shutdown, turn: Turn) -> Option<Force> {
    let world = &story.world;
    let near = |at: At| at > shutdown.begin && at < turn.at && turn.at.ns.saturating_sub(at.ns) < TURNS_NS;
    let before = world.sigs.partition_point(|sent| sent.at < turn.at);
    let mut sent = world.sigs[..before].iter().rev().take_while(|sent| near(sent.at));
    let sent = sent.find(|sent| world.is_init(sent.target) && is_forcing(sent.sig));
    let before = world.images.partition_point(|image| image.at < turn.at);
    let mut images = world.images[..before].iter().rev().take_while(|image| near(image.at));
    let image = images.find(|image| is_forcing_command(world, image));
    let by_signal = sent.map(|sent| {
        let nobody = sent.sender == NONE;
        let chain = if nobody { String::new() } else { story.chain(sent.sender, sent.at.ns) };
        Force { at: sent.at, chain, sig: Some(sent.sig), late: true }
    });
    let by_command = image.map(|image| {
        let chain = story.chain(image.proc, image.at.ns);
        Force { at: image.at, chain, sig: None, late: true }
    });
    by_signal.into_iter().chain(by_command).max_by_key(|force| force.at)
}

/// Those of reboot.target and its like are SIGRTMIN+3 to +7.
fn is_forcing(sig: u8) -> bool {
    matches!(sig, 47..=51)
}

/// Whether a command is shutdown(8), whose -f systemd takes and does nothing for it.
fn is_shutdown(command: &[u8]) -> bool {
    base_name(command) == b"shutdown"
}

/// Whether it is a `systemctl reboot -f` that was not refused, or the same by another name. Of two such options it does all by itself.
fn is_forcing_command(world: &World, image: &Image) -> bool {
    let (file, argv) = (world.strings.get(image.filename), world.strings.get(image.argv));
    let given = || words(argv).skip(1).filter_map(|word| std::str::from_utf8(word).ok());
    let proc = world.proc_at(image.proc);
    asks(file, argv) == Asks::End
        && !is_shutdown(words(argv).next().unwrap_or(file))
        && given().any(is_force)
        && image.uid == 0
        && proc.is_some_and(|proc| proc.ns_level == 0 && proc.code().is_none_or(|code| code == 0))
}

/// The signals by which pid 1 hears of Ctrl-Alt-Del, if they came that often right before.
fn burst<'a>(story: &Story, turn: Turn) -> Option<Why<'a>> {
    let world = &story.world;
    let from_ns = turn.at.ns.saturating_sub(TURNS_NS + BURST_NS);
    let first = world.sigs.partition_point(|sent| sent.at.ns < from_ns);
    let before = world.sigs[first..].iter().take_while(|sent| sent.at < turn.at);
    let all: Vec<&Sig> = before.filter(|sent| sent.sig == 2 && world.is_init(sent.target)).collect();
    let near = |some: &[&Sig]| some[BURST - 1].at.ns.saturating_sub(some[0].at.ns) <= BURST_NS;
    let from = all.windows(BURST).position(near)?;
    let within = |sent: &&&Sig| sent.at.ns.saturating_sub(all[from].at.ns) <= BURST_NS;
    let count = all[from..].iter().take_while(within).count();
    let all = &all[from..from + count];
    let (first, last) = (all.first()?, all.last()?);
    let by_key = all.iter().all(|sent| sent.sender == NONE);
    Some(Why::Burst { first: first.at, last: last.at, count: all.len(), by_key })
}

/// Whoever failed last before it, and the unit that was.
fn failed_before(story: &Story, turn: Turn) -> Option<(Idx, Option<String>)> {
    let world = &story.world;
    let ended = world.ended.iter().rev().take(FAILED_MAX).copied();
    let mut ended = ended.filter_map(|idx| Some((idx, world.proc_at(idx)?)));
    let (idx, proc) = ended.find(|(idx, proc)| {
        let near = proc.exit < turn.at && turn.at.ns.saturating_sub(proc.exit.ns) < FAILED_NS;
        near && proc.status != 0 && world.is_init(proc.parent) && !world.is_init(*idx)
    })?;
    let path = world.cgroups.get(&proc.cgroup).map(|path| world.strings.get(*path));
    let unit = path.and_then(service::of_cgroup).filter(|(kind, _)| *kind == Kind::Unit);
    Some((idx, unit.map(|(_, name)| crate::safe::text(name))))
}

fn headline(shutdown: &Shutdown, turn: Turn, why: &Why<'_>, names: &[String]) -> String {
    let because = match why {
        Why::Burst { first, last, count, by_key } => format!(
            "{} came {count} times in {}; ",
            if *by_key { "Ctrl-Alt-Del" } else { "SIGINT to init" },
            time::duration(last.ns.saturating_sub(first.ns))
        ),
        Why::Overdue(asked) => {
            format!("its time was over after {}; ", time::duration(turn.at.ns.saturating_sub(asked.at.ns)))
        }
        Why::Force(Force { late: true, .. }) => "in the middle of it ".into(),
        _ => String::new(),
    };
    let did = match (turn.at_once, why) {
        (true, _) => "called reboot(2) at once, and cut off",
        (false, Why::Burst { .. } | Why::Overdue(_) | Why::Force(Force { late: true, .. })) => {
            "waited for no unit any more, and killed or cut off"
        }
        (false, _) => "stopped no unit, and killed or cut off",
    };
    let aim = shutdown.aim.word();
    format!("the {aim} was forced: {because}systemd {did} what ran: {}", steps::list(names))
}

/// ` (TimeoutStopSec= of app.service bounds that)`, of the first of those who were waited for.
fn bounded(story: &Story, waiting: &[&Fate]) -> String {
    let unit = waiting.first().and_then(|fate| story.service(fate.proc)).map(|id| story.services.get(id));
    match unit.filter(|unit| unit.kind == Kind::Unit) {
        Some(unit) => format!(" (TimeoutStopSec= of {} bounds that)", unit.name),
        None => String::new(),
    }
}

fn advice(
    story: &Story,
    shutdown: &Shutdown,
    turn: Turn,
    why: &Why<'_>,
    waiting: &[&Fate],
    unit: Option<&str>,
) -> String {
    let mut late: Vec<String> = waiting.iter().map(|fate| story.world.name(fate.proc)).collect();
    late.dedup();
    let late = steps::list(&late);
    let (verb, plain) = match shutdown.aim {
        Aim::PowerOff => ("poweroff", "SIGRTMIN+4"),
        Aim::Halt => ("halt", "SIGRTMIN+3"),
        Aim::Kexec => ("kexec", "SIGRTMIN+6"),
        _ => ("reboot", "SIGRTMIN+5"),
    };
    let action = format!("{verb}-{}", if turn.at_once { "immediate" } else { "force" });
    match why {
        Why::Force(Force { late: true, sig, .. }) if !late.is_empty() => {
            let how = match sig {
                Some(sig) => names::signal(*sig),
                None => "-f".into(),
            };
            format!(
                "see why {late} took so long to stop{}: after {how} systemd waits for nobody",
                bounded(story, waiting)
            )
        }
        Why::Force(Force { sig: None, .. }) => {
            format!("{}, so that services are stopped first, each its own way", without_force(shutdown.aim))
        }
        Why::Force(_) => {
            format!(
                "{verb} by `systemctl {verb}`, or by {plain}, so that services are stopped first, each its own way"
            )
        }
        Why::Burst { by_key, .. } => {
            let once = if *by_key { "press Ctrl-Alt-Del once" } else { "send SIGINT to init once" };
            let then = match late.is_empty() {
                true => String::new(),
                false => format!("; see why {late} took so long to stop"),
            };
            format!(
                "{once}: more than seven in two seconds have systemd wait for nobody, unless CtrlAltDelBurstAction= says \
                 otherwise{then}"
            )
        }
        Why::Overdue(_) => {
            let unit =
                waiting.first().and_then(|fate| story.service(fate.proc)).map(|id| story.services.get(id));
            let bound = match unit.filter(|unit| unit.kind == Kind::Unit) {
                Some(unit) => format!("TimeoutStopSec= of {}", unit.name),
                None => "what bounds its stop".into(),
            };
            format!(
                "see why {late} took so long to stop; {bound} has to be shorter than JobTimeoutSec= of {verb}.target, behind \
                 which systemd waits for nobody (JobTimeoutAction={action})"
            )
        }
        Why::Unasked | Why::Unknown => match unit {
            Some(unit) => format!(
                "if unit {unit} has a FailureAction=, StartLimitAction= or SuccessAction= of {action}, set it to {verb}, so that \
                 services are stopped first"
            ),
            None => format!(
                "see which unit has a FailureAction=, StartLimitAction=, SuccessAction= or JobTimeoutAction= of {action}: \
                 {verb} in its place stops services first"
            ),
        },
    }
}
