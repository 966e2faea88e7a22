//! Killed, or crashed, in the shutdown: after it was asked, and what it had done with that; or never asked.
//!
//! Found: the death of a service by SIGKILL, by a signal of its own making, or by one of such a kind from somebody else.
//! Its workers that went with it are told of with it; so is the script that ran it.

use std::collections::HashMap;

use crate::{names, time};

use super::{Case, Finding, Rule, Step, advice, steps};
use crate::story::{
    Story,
    blame::Why,
    doubt::Confidence,
    fate::{Fate, Reception, Verdict, tells_to_stop},
    restart::By,
    service::{Kind, ServiceId},
    shutdown::Init,
    world::{At, Idx, IdxSet, Means, NONE, Sig},
};

pub(super) fn check(case: &mut Case<'_>) {
    let story = case.story;
    let dead: Vec<&Fate> = story
        .fates
        .iter()
        .filter(|fate| {
            fate.verdict == Verdict::Killed && story.matters(fate.proc) && !case.is_taken(fate.proc)
        })
        .filter(|fate| !is_last_of_kernel(story, fate))
        .collect();
    let idle = idle(case, &dead);
    let dead: Vec<&Fate> = dead.into_iter().filter(|fate| !idle.contains(&fate.proc)).collect();
    // Elders first: who has killed forefathers among these, or an elder of the same service and name, is told of with
    // that one.
    let mut elders: Vec<&Fate> = dead.clone();
    elders.sort_by_key(|fate| (story.world.procs[fate.proc as usize].born, fate.proc));
    let mut head: HashMap<Idx, &Fate> = HashMap::new();
    let mut of_service: HashMap<(ServiceId, &[u8]), Vec<&Fate>> = HashMap::new();
    for fate in elders.iter().copied() {
        // Whoever dies with its parent, by PR_SET_PDEATHSIG, is of the family of that one.
        let sent = fate.killer.and_then(|killer| story.world.sig(killer)).filter(|sent| sent.sender != NONE);
        let of_family = sent.and_then(|sent| head.get(&sent.sender).copied());
        let same = |first: &&Fate| {
            is_same_way(story, first, fate)
                || is_killed_by(story, fate, first)
                || of_family.is_some_and(|family| family.proc == first.proc)
        };
        let above = story.world.ancestors(fate.proc).filter_map(|up| head.get(&up).copied()).find(same);
        let like = story.service(fate.proc).map(|id| (id, story.world.program_of(fate.proc)));
        let beside = || of_service.get(&like?)?.iter().rev().take(WAYS_MAX).copied().find(same);
        let first = above.or_else(beside).unwrap_or(fate);
        head.insert(fate.proc, first);
        let known = like.map(|like| of_service.entry(like).or_default());
        if let Some(known) = known.filter(|known| known.iter().all(|other| other.proc != first.proc)) {
            known.push(first);
        }
    }
    let mut with: HashMap<Idx, Vec<&Fate>> = HashMap::new();
    for fate in &dead {
        let first = head.get(&fate.proc).map_or(fate.proc, |first| first.proc);
        let family = with.entry(first).or_default();
        if first != fate.proc {
            family.push(fate);
        }
    }
    for fate in elders {
        if let Some(with_it) = with.remove(&fate.proc) {
            let (known, with_it) = known_as(story, fate, with_it);
            let finding = tell(story, known, &with_it);
            case.add(finding);
        }
    }
}

/// Who is killed with others is killed as soon behind them.
const TOGETHER_NS: u64 = 1_000_000_000;
/// Of so many whom it had killed itself is told.
const OTHERS_MAX: usize = 3;
/// Of the ways that processes of one program and service went so many are compared.
const WAYS_MAX: usize = 16;

/// Whether two were killed by the same hand with the same signal in the same breath, or each by itself; of whose killer was not
/// recorded the moment says it.
fn is_same_way(story: &Story, one: &Fate, other: &Fate) -> bool {
    let world = &story.world;
    let sig = |fate: &Fate| world.proc_at(fate.proc).map_or(0, |proc| proc.killed_by());
    let sent = |fate: &Fate| fate.killer.and_then(|killer| world.sig(killer));
    let when = |fate: &Fate| sent(fate).map_or(story.end_of(fate.proc).ns, |sent| sent.at.ns);
    let itself = |fate: &Fate, sent: &Sig| sent.sender == fate.proc;
    // A script may run a command for each.
    let parent = |idx: Idx| world.proc_at(idx).map(|proc| proc.parent).filter(|parent| *parent != NONE);
    let of_one = |a: Idx, b: Idx| {
        world.program_of(a) == world.program_of(b) && parent(a).is_some() && parent(a) == parent(b)
    };
    let same_hand = match (sent(one), sent(other)) {
        (Some(a), Some(b)) if itself(one, a) || itself(other, b) => itself(one, a) && itself(other, b),
        (Some(a), Some(b)) => a.means == b.means && (a.sender == b.sender || of_one(a.sender, b.sender)),
        _ => true,
    };
    sig(one) == sig(other) && same_hand && when(one).abs_diff(when(other)) < TOGETHER_NS
}

/// Whether `by` killed it: then that is a part of what became of both.
fn is_killed_by(story: &Story, fate: &Fate, by: &Fate) -> bool {
    fate.proc != by.proc
        && fate.killer.and_then(|killer| story.world.sig(killer)).is_some_and(|sent| sent.sender == by.proc)
}

/// Of `dead`, who is nobody's loss: a shim whose container is told of, which is what people know, and who supervises one
/// service, which had ended before.
fn idle(case: &Case<'_>, dead: &[&Fate]) -> IdxSet {
    let story = case.story;
    let world = &story.world;
    let of_one = |idx: Idx| matches!(world.program_of(idx), b"runsv" | b"s6-supervise" | b"supervise");
    let mut idle: IdxSet = dead.iter().map(|fate| fate.proc).filter(|idx| of_one(*idx)).collect();
    if !idle.is_empty() {
        for fate in story.fates.iter().filter(|fate| !story.is_step(fate.proc)) {
            let Some(proc) = world.proc_at(fate.proc) else { continue };
            if idle.contains(&proc.parent) && proc.exit >= story.end_of(proc.parent) {
                idle.remove(&proc.parent);
            }
        }
    }
    if dead.iter().any(|fate| world.is_shim(fate.proc)) {
        let elsewhere = story.fates.iter().filter(|fate| case.is_taken(fate.proc));
        let above = dead.iter().copied().chain(elsewhere).flat_map(|fate| world.ancestors(fate.proc));
        idle.extend(above.filter(|up| world.is_shim(*up)));
    }
    idle
}

/// Killed with its pid namespace: a container's init took it along, which is that one's matter.
fn is_last_of_kernel(story: &Story, fate: &Fate) -> bool {
    fate.killer.and_then(|killer| story.world.sig(killer)).is_some_and(|sent| sent.means == Means::Namespace)
}

/// Of a script that is there for one program that program is what people know: mysqld_safe is mysqld's.
fn known_as<'a>(story: &Story, head: &'a Fate, mut with_it: Vec<&'a Fate>) -> (&'a Fate, Vec<&'a Fate>) {
    let world = &story.world;
    let began = story.shutdown.as_ref().map_or(At::default(), |shutdown| shutdown.begin);
    let parent = |fate: &Fate| world.proc_at(fate.proc).map_or(NONE, |proc| proc.parent);
    if !story.is_daemon_script(head.proc) {
        return (head, with_it);
    }
    let runs = |fate: &Fate| {
        parent(fate) == head.proc
            && !world.is_script(fate.proc)
            && world.proc_at(fate.proc).is_some_and(|proc| proc.born < began)
    };
    let mut those = (0..with_it.len()).filter(|at| runs(with_it[*at]));
    match (those.next(), those.next()) {
        (Some(at), None) => {
            let known = std::mem::replace(&mut with_it[at], head);
            (known, with_it)
        }
        _ => (head, with_it),
    }
}

/// `; another process of it went the same way`, `; mysqld_safe, which ran it, went the same way`.
fn same_way(story: &Story, fate: &Fate, with_it: &[&Fate]) -> String {
    let parent = story.world.proc_at(fate.proc).map_or(NONE, |proc| proc.parent);
    let above = with_it.iter().any(|other| other.proc == parent);
    let others = match (with_it.len() - usize::from(above), above) {
        (0, false) => return String::new(),
        (0, true) => format!("{}, which ran it,", story.world.name(parent)),
        (1, false) => "another process of it".into(),
        (1, true) => format!("{}, which ran it, and another process of it", story.world.name(parent)),
        (n, false) => format!("{n} other processes of it"),
        (n, true) => format!("{}, which ran it, and {n} other processes of it", story.world.name(parent)),
    };
    format!("; {others} went the same way")
}

/// What init ran for a service when all that had run there before was gone: to start it again, or as what comes behind
/// its end. Nobody sees which.
fn begun_behind(story: &Story, fate: &Fate) -> Option<Step> {
    let world = &story.world;
    let proc = world.proc_at(fate.proc)?;
    let begin = story.shutdown.as_ref()?.begin;
    let id = story.service(fate.proc)?;
    let service = story.services.get(id);
    let by_init = world.is_init(proc.parent) && proc.born >= begin && story.replaces(fate.proc).is_none();
    if !by_init || !matches!(service.kind, Kind::Unit | Kind::Upstart) {
        return None;
    }
    let of_it =
        story.fates.iter().filter(|other| other.proc != fate.proc && story.service(other.proc) == Some(id));
    let before = of_it.filter_map(|other| Some((other.proc, world.proc_at(other.proc)?)));
    let mut before = before.filter(|(_, other)| other.born < proc.born);
    let last = before.try_fold(None, |last: Option<(At, Idx)>, (idx, other)| {
        let gone = other.exit <= proc.born;
        // What init has run since then (pre-start, post-stop) is of the same kind.
        let was_there = (other.born < begin).then_some((other.exit, idx));
        gone.then(|| last.max(was_there))
    })?;
    let (gone, old) = last?;
    let text = format!(
        "{} ran {} for {} {}, {} after {} had ended: to start it again, or as what comes behind its end",
        world.name_at(proc.parent, proc.born.ns),
        world.label(fate.proc),
        service.kind.word(),
        service.name,
        time::duration(proc.born.ns.saturating_sub(gone.ns)),
        world.label(old)
    );
    Some(Step::at(proc.born, text).and(gone))
}

/// Who sent what it died of, if that is no SIGKILL: a death by somebody else's signal is no crash.
fn sent_by_another<'a>(story: &'a Story, fate: &Fate) -> Option<&'a Sig> {
    let sent = story.world.sig(fate.killer?)?;
    let meant = matches!(sent.means, Means::Call | Means::Broadcast | Means::Group | Means::CgroupKill);
    (meant && sent.sig != 9 && sent.sender != NONE && sent.sender != fate.proc).then_some(sent)
}

fn tell(story: &Story, fate: &Fate, with_it: &[&Fate]) -> Finding {
    let world = &story.world;
    let hung = story.stops_its_unit(fate.proc);
    let name = match story.service(fate.proc).filter(|_| hung) {
        Some(id) => format!("{}, a stop command of {},", world.name(fate.proc), story.services.get(id).name),
        None => story.called(fate.proc),
    };
    let sig = world.proc_at(fate.proc).map_or(9, |proc| proc.killed_by());
    let by_another = sent_by_another(story, fate);
    // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: of a fault of its own. SIGPIPE, say, is none.
    let fault = matches!(sig, 4..=8 | 11 | 31);
    let crashed = sig != 9 && by_another.is_none();
    let crash = match fault {
        true => format!("crashed ({})", names::signal(sig)),
        false => format!("died of {}", names::signal(sig)),
    };
    let was_killed = match by_another {
        Some(_) => format!("was killed by {}", names::signal(sig)),
        None => "was killed".into(),
    };
    let since = fate.told.map(|told| {
        let to = fate.killer.and_then(|k| world.sig(k)).map_or(story.end_of(fate.proc).ns, |sent| sent.at.ns);
        time::duration(to.saturating_sub(told.at(world).ns))
    });
    let command = lost_patience(story, fate);
    let after_command = command.and_then(|idx| world.proc_at(idx)).map(|command| {
        let to_ns = fate.killer.and_then(|killer| world.sig(killer)).map_or(0, |sent| sent.at.ns);
        time::duration(to_ns.saturating_sub(command.born.ns))
    });
    let told_by = |told: crate::story::fate::Told| world.sig(told.sent).map_or(15, |sent| sent.sig);
    let headline = match (fate.told, since) {
        _ if crashed && fate.told.is_some() => {
            format!("{name} {crash} when it was told to stop")
        }
        _ if crashed => format!("{name} {crash} during the shutdown"),
        (Some(told), Some(since)) => match told.reception {
            Reception::Ignored => {
                format!("{name} ignores {} and {was_killed} {since} after it", names::signal(told_by(told)))
            }
            Reception::Pending => {
                format!(
                    "{name} was not seen to take {} and {was_killed} {since} after it",
                    names::signal(told_by(told))
                )
            }
            Reception::BeforeExec => {
                format!(
                    "{name} never heard of {}, which came before its exec, and {was_killed} {since} after it",
                    names::signal(told_by(told))
                )
            }
            _ => format!("{name} {was_killed} {since} after it was told to stop"),
        },
        _ if command.is_some() => format!(
            "{name} was killed {} after {} was run to stop it",
            after_command.unwrap_or_default(),
            world.name(command.unwrap_or(NONE))
        ),
        _ => match (by_another, story.doubt.absence(story.stops_from_ns(), story.end_of(fate.proc).ns)) {
            (Some(sent), _) => {
                let sender = world.name_at(sent.sender, sent.at.ns);
                format!("{name} {was_killed} from {sender} during the shutdown")
            }
            (None, true) => format!("{name} was killed without having been asked to stop"),
            (None, false) => {
                format!("{name} was killed; that it was asked to stop before was not seen")
            }
        },
    };
    let unasked = fate.told.is_none() && command.is_none() && sig == 9;
    let rule = if unasked { Rule::NeverAsked } else { Rule::Killed };
    let mut finding = Finding::new(rule, headline);
    if let Some(id) = story.replaces(fate.proc) {
        finding.steps.push(steps::restart(story, id));
    }
    if let Some((idx, proc)) = command.and_then(|idx| Some((idx, world.proc_at(idx)?))) {
        let text = format!("{} was run to stop it", story.chain(idx, story.end_of(fate.proc).ns));
        finding.steps.push(Step::at(proc.born, text));
    }
    finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
    finding.steps.extend(steps::told_again(story, fate));
    finding.steps.extend(steps::end(story, fate));
    let ordered = fate.killer.and_then(|killer| story.ordered_kill(world.sig(killer)?));
    let (same, others): (Vec<&Fate>, Vec<&Fate>) =
        with_it.iter().copied().partition(|other| is_same_way(story, fate, other));
    if let Some(last) = finding.steps.last_mut() {
        last.text.push_str(&same_way(story, fate, &same));
    }
    finding.steps.extend(others.into_iter().take(OTHERS_MAX).filter_map(|other| steps::end(story, other)));
    let anew = executed_anew(story, fate);
    if let Some((at, told_ns)) = anew {
        let since = time::duration(at.ns.saturating_sub(told_ns));
        let text =
            format!("{} executed itself again, {since} after it was told to stop", world.label(fate.proc));
        finding.steps.push(Step::at(at, text));
    }
    if let Some((at, idx)) = ordered {
        let text = format!("{} had systemd send that", story.chain(idx, at.ns));
        finding.steps.push(Step::at(at, text));
    }
    let behind = begun_behind(story, fate);
    // Whichever of them it was that the shutdown waited for.
    let family: IdxSet = with_it.iter().map(|other| other.proc).chain([fate.proc]).chain(command).collect();
    let for_it = story.waits.iter().filter(|wait| family.contains(&wait.proc));
    let waited: u64 = for_it.map(|wait| wait.ns()).sum();
    if waited >= super::waited_for::LONG_NS {
        finding.headline.push_str(&format!("; the shutdown waited {} for it", time::duration(waited)));
    }
    finding.procs = [fate.proc].into_iter().chain(with_it.iter().map(|other| other.proc)).collect();
    finding.procs.extend(command);
    let procs = finding.procs.clone();
    let _ = procs.into_iter().any(|idx| steps::next_boot(story, &mut finding, idx));
    let again = story.replaced(fate.proc).filter(|restart| {
        restart.how == By::Init && fate.told.is_some() && restart.at < story.end_of(fate.proc)
    });
    finding.advice = match by_another.filter(|_| fate.told.is_none()) {
        Some(sent) => Some(against_signal(story, fate, sent)),
        None if behind.is_some() => advice::against_start(story, fate.proc)
            .map(|advice| format!("if it was to start again: {advice}")),
        None if ordered.is_some() => Some(by_hand(story, fate, ordered.map_or(NONE, |(_, idx)| idx))),
        None if fate.told.is_none() && command.is_some() => Some(format!(
            "have {} wait longer before it kills {1}, or make {1} stop sooner",
            world.name(command.unwrap_or(NONE)),
            world.name(fate.proc)
        )),
        None if crashed => fault.then(|| {
            let coredumpctl = if story.init == Init::Systemd { ", or `coredumpctl info`" } else { "" };
            format!("see why {} crashed: its log, its core{coredumpctl}", world.name(fate.proc))
        }),
        None if anew.is_some() => Some(advice::against_reload(story, fate.proc)),
        None if hung => advice::against_waiting(story, fate.proc, Why::Running),
        // Of whom it is not known whether it was asked, what to change is not known either.
        None if rule == Rule::NeverAsked && !story.is_untold(fate.proc) => {
            advice::against_its_restart(story, fate.proc)
        }
        // Init had started it again, as it would whoever tells it.
        None if again.is_some() => again.and_then(|restart| advice::against_restart(story, restart)),
        None => in_login(story, fate.proc).or_else(|| advice::against_kill(story, fate)),
    };
    finding.steps.extend(behind);
    // What asks most daemons for something else may have meant that here as well.
    let by_choice = |sent: &Sig| !tells_to_stop(world, sent) && !world.is_init(sent.sender);
    if fate.told.and_then(|told| world.sig(told.sent)).is_some_and(by_choice) {
        finding.confidence = finding.confidence.min(Confidence::Likely);
    }
    if rule == Rule::NeverAsked {
        let sure = story.doubt.of(story.stops_from_ns(), story.end_of(fate.proc).ns);
        finding.confidence = finding.confidence.min(sure).min(steps::unasked(story, fate.proc));
    }
    finding
}

/// A stop command that kills so much later than it began has asked in its own way before.
const PATIENCE_NS: u64 = 1_000_000_000;

/// The stop command of its own unit that killed it, if that had run for a while by then.
fn lost_patience(story: &Story, fate: &Fate) -> Option<Idx> {
    let world = &story.world;
    let sent = fate.killer.and_then(|killer| world.sig(killer)).filter(|sent| sent.sig == 9)?;
    let line = std::iter::once(sent.sender).chain(world.ancestors(sent.sender));
    let command = line.take_while(|up| !world.is_init(*up)).last()?;
    let ran_ns = sent.at.ns.saturating_sub(world.proc_at(command)?.born.ns);
    let of_unit = story.service(command).is_some() && story.service(command) == story.service(fate.proc);
    let stops = ran_ns >= PATIENCE_NS && of_unit && story.stops_its_unit(sent.sender);
    (stops && command != fate.proc).then_some(command)
}

/// When it executed its own program anew behind the signal that told it, and when that was sent: it took it for a reload.
fn executed_anew(story: &Story, fate: &Fate) -> Option<(At, u64)> {
    let world = &story.world;
    let told = fate.told.filter(|told| told.reception == Reception::Handled)?.at(world);
    let mut images = world.own_images(fate.proc).filter(|image| image.at > told);
    let again = images.find(|image| {
        let before = world.image(image.before).filter(|before| before.proc == fate.proc);
        before.is_some_and(|before| world.program(before) == world.program(image))
    })?;
    Some((again.at, told.ns))
}

/// For who was killed by systemd since somebody had asked it to.
pub(super) fn by_hand(story: &Story, fate: &Fate, command: Idx) -> String {
    let (name, chain) = (story.world.name(fate.proc), story.chain(command, story.end_of(fate.proc).ns));
    match fate.told {
        Some(_) => format!(
            "{chain} came before the time of {name} was over: make {name} stop sooner, or wait for it"
        ),
        None => format!("have {name} asked with SIGTERM before {chain}"),
    }
}

/// For who was started in a login to stay: what ends that ends him.
pub(super) fn in_login(story: &Story, idx: Idx) -> Option<String> {
    let scope = &story.services.get(story.service(idx)?).name;
    let is_login = scope.starts_with("session-") && scope.ends_with(".scope");
    is_login.then(|| {
        let name = story.world.name(idx);
        format!("let a unit of its own run {name}, which can wait for it: {scope} is a login, and goes with all that is in it")
    })
}

/// Against a signal that nobody stops anybody with.
fn against_signal(story: &Story, fate: &Fate, sent: &Sig) -> String {
    let (name, sender) = (story.world.name(fate.proc), story.world.name_at(sent.sender, sent.at.ns));
    let sig = names::signal(sent.sig);
    let unit =
        story.service(fate.proc).map(|id| story.services.get(id)).filter(|unit| unit.kind == Kind::Unit);
    match unit.filter(|_| story.init == Init::Systemd && story.world.is_init(sent.sender)) {
        Some(unit) => format!(
            "see what {name} hung in, if unit {0} has a WatchdogSec=: {sender} sends {sig} when that is over; if not, see \
             whether {sig} is KillSignal= of {0}",
            unit.name
        ),
        None => format!("see why {sender} sends {sig} to {name}"),
    }
}
