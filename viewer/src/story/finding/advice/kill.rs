//! Advice about those who were killed, or never told to stop.
//!
//! Invariant: what gave too little time is named by who sent the SIGKILL, not by the init that runs.

use super::{LONG_TIMEOUT, against_its_restart, bound, by_shutdown, container, job_of, unit_of};
use crate::story::{
    Story,
    fate::{Fate, Reception, Told},
    finding::omitted::KILL_ALL,
    service,
    shutdown::{Aim, Init, PhaseKind},
    world::{At, Idx, NONE, Sig},
};

/// What is left of a unit is killed this soon behind the end of its main process.
const AT_ONCE_NS: u64 = 1_000_000_000;

/// No unit is given up as soon as that.
const GIVEN_UP_NS: u64 = 5_000_000_000;

/// Against a kill: time, a handler, or being asked at all.
pub fn against_kill(story: &Story, fate: &Fate) -> Option<String> {
    let world = &story.world;
    let name = world.name(fate.proc);
    let unit = unit_of(story, fate.proc);
    if let Some(advice) = against_its_restart(story, fate.proc) {
        return Some(advice);
    }
    let of_init = |number: u32| world.sig(number).is_some_and(|sent| world.is_init(sent.sender));
    let sender_is_init = fate.killer.is_some_and(of_init);
    if let (Some(job), Some(told)) = (job_of(story, fate.proc), fate.told.filter(|told| of_init(told.sent)))
        && !told.reception.unheard()
    {
        return Some(if sender_is_init {
            format!("give job {job} a longer `kill timeout`, or make {name} stop sooner")
        } else {
            format!("have rc wait for job {job}: a script that it runs with K and that calls `stop {job}`")
        });
    }
    let by_last = |sent: &Sig| by_shutdown(story, sent);
    let late_kill = fate.killer.and_then(|number| world.sig(number)).is_some_and(by_last);
    let late_told = |told: Told| world.sig(told.sent).is_some_and(by_last);
    if let Some(unit) = unit.filter(|_| sender_is_init && !late_kill && story.stops_its_unit(fate.proc)) {
        return Some(format!("see what {name} waits for; {} of {} bounds it", bound(&unit.name), unit.name));
    }
    if killer_of(story, fate).is_some_and(|sent| sent.sender == fate.proc) {
        return Some(format!("see why {name} kills itself"));
    }
    if let Some(unit) = unit.filter(|_| ends_with_user_space(story, fate)) {
        return Some(format!(
            "see why {name} was left when unit {} had stopped (KillMode=), and have that wait for it: what is left when a \
             soft-reboot ends systemd tells and kills at once, and TimeoutStopSec= does not bound that",
            unit.name
        ));
    }
    let told_by_init = fate.told.is_some_and(|told| of_init(told.sent));
    let of_container = container::more_time(story, fate);
    // Whoever else it was that gave too little time.
    let elsewhere = || {
        of_container.clone().or_else(|| {
            let other = by_another(story, fate) || story.init.is_rc() && fate.killer.is_some();
            managed(story, fate).or_else(|| other.then(|| more_time(story, fate)))
        })
    };
    match (fate.told.map(|told| told.reception), unit) {
        (Some(Reception::Ignored), Some(unit)) if told_by_init => Some(format!(
            "set KillSignal= of unit {} to one that {name} obeys, or ExecStop= to its own way of stopping",
            unit.name
        )),
        // The kernel keeps from the init of a pid namespace what it has no handler for.
        (Some(Reception::Ignored), None) if is_of_shim(story, fate.proc) => Some(format!(
            "run it with an init in its container (`docker run --init`, tini), or with a STOPSIGNAL that {name} handles: \
             without a handler pid 1 of a container gets no signal"
        )),
        (Some(Reception::Ignored), None)
            if story.init.is_rc() && of_spree(story, fate.told.map(|t| t.sent)) =>
        {
            Some(format!(
                "give {name} an init script that stops it its own way: it ignores what sendsigs sends"
            ))
        }
        (Some(Reception::Ignored), Some(_)) => Some(format!(
            "stop {name} its own way: it ignores what {} sends",
            fate.told
                .and_then(|told| world.sig(told.sent))
                .map_or_else(|| "somebody".into(), |sent| story.sender(sent))
        )),
        (Some(Reception::Ignored), None) => {
            Some(format!("stop {name} its own way: it ignores the signal it is sent"))
        }
        (Some(Reception::Pending), _) if !sender_is_init && elsewhere().is_some() => Some(format!(
            "see whether {name} needs more time (then {}), blocks its signal, or is stuck in the kernel: no event shows that a \
             program waits for its signals",
            elsewhere().unwrap_or_default()
        )),
        (Some(Reception::Pending), Some(unit)) => Some(format!(
            "see whether {name} needs more time (TimeoutStopSec= of unit {}), blocks its signal, or is stuck in the kernel: no \
             event shows that a program waits for its signals",
            unit.name
        )),
        (Some(Reception::Pending), None) => Some(format!(
            "see whether {name} needs more time, blocks its signal, or is stuck in the kernel: no event shows that a program \
             waits for its signals"
        )),
        (Some(Reception::BeforeExec), _) => Some(format!(
            "have who stops {name} ask again before it kills: the first signal came before {name} was executed"
        )),
        (Some(_), _) if of_container.is_some() => of_container,
        (Some(_), _) if managed(story, fate).is_some() => managed(story, fate),
        (Some(_), Some(unit)) if late_kill && fate.told.is_some_and(late_told) => Some(format!(
            "see why systemd did not stop {name} with unit {} (KillMode=, or DefaultDependencies=no), and make it stop when \
             told to",
            unit.name
        )),
        (Some(_), Some(unit)) if late_kill && is_cut_short(story, fate) => Some(format!(
            "see why systemd did not wait for {name}: it does not for unit {} without Before=shutdown.target (DefaultDependencies=no \
             takes that away), nor where something ends all by force (a FailureAction= of reboot-force, say)",
            unit.name
        )),
        (Some(_), Some(unit)) if late_kill => Some(format!(
            "see why unit {} was given up and not killed (SendSIGKILL=, KillMode=), and make {name} stop when told to",
            unit.name
        )),
        (Some(_), Some(unit)) if sender_is_init && main_is_gone(story, fate) => Some(format!(
            "have the main process of unit {0} wait for {name}: when that has ended, systemd kills what is left of it \
             (KillMode=mixed)",
            unit.name
        )),
        (Some(_), Some(unit)) if sender_is_init => Some(format!(
            "give unit {} a longer {}, or make {name} stop sooner",
            unit.name,
            bound(&unit.name)
        )),
        (Some(_), _) if story.init.is_rc() || by_another(story, fate) => Some(more_time(story, fate)),
        (Some(_), _) => Some(format!("give {name} more time to stop, or make it stop sooner")),
        (None, Some(unit)) if sender_is_init => Some(format!(
            "systemd killed what was left of unit {} when its main process had ended: have that wait for {name}",
            unit.name
        )),
        (None, Some(_)) if by_another(story, fate) => Some(impatient(story, fate)),
        (None, Some(unit)) => Some(format!(
            "see who kills {name}: unit {} was not stopped by its own KillSignal= first",
            unit.name
        )),
        (None, None) => Some(format!("have {name} asked with SIGTERM before it is killed")),
    }
}

/// For who takes what tells it to stop for a reload.
pub fn against_reload(story: &Story, idx: Idx) -> String {
    let name = story.world.name(idx);
    match unit_of(story, idx) {
        Some(unit) => format!(
            "set KillSignal= of unit {} to one that stops {name}, or have {name} stop when told to: it took the signal for a \
             reload",
            unit.name
        ),
        None => format!("stop {name} its own way: it took the signal for a reload"),
    }
}

/// Whether systemd turned to what comes behind all units so soon after it had told this one that it cannot have given that up.
fn is_cut_short(story: &Story, fate: &Fate) -> bool {
    let world = &story.world;
    let mut images = world.init().into_iter().flat_map(|init| world.own_images(init));
    let turn = images.find(|image| world.program(image) == b"systemd-shutdown");
    // What a main process tells its workers, or a stop command, systemd does not wait for.
    let told = fate.told.and_then(|told| world.sig(told.sent)).filter(|sent| world.is_init(sent.sender));
    // Whom systemd tells once more its time was over for, however short that is (TimeoutStopSec=2s).
    let again = |first: &Sig, turn: At| {
        let mut sent = story.by_target.to(world, fate.proc).map(|(_, sent)| sent);
        sent.any(|sent| sent.at > first.at && sent.at < turn && world.is_init(sent.sender))
    };
    turn.zip(told).is_some_and(|(turn, sent)| {
        sent.at < turn.at && turn.at.ns - sent.at.ns < GIVEN_UP_NS && !again(sent, turn.at)
    })
}

/// Whether what killed it was that the main process of its unit had ended, and not that its time was over.
fn main_is_gone(story: &Story, fate: &Fate) -> bool {
    let world = &story.world;
    let of_init = |idx: Idx| world.proc_at(idx).is_some_and(|proc| world.is_init(proc.parent));
    let Some(sent) = fate.killer.and_then(|number| world.sig(number)).filter(|_| !of_init(fate.proc)) else {
        return false;
    };
    let id = story.service(fate.proc);
    story.fates.iter().any(|other| {
        let gone = story.end_of(other.proc);
        of_init(other.proc)
            && story.service(other.proc) == id
            // What was killed in the same breath did not end of its own accord.
            && world.proc_at(other.proc).is_some_and(|proc| proc.killed_by() != 9)
            && gone < sent.at
            && sent.at.ns.saturating_sub(gone.ns) < AT_ONCE_NS
    })
}

fn killer_of<'a>(story: &'a Story, fate: &Fate) -> Option<&'a Sig> {
    story.world.sig(fate.killer?)
}

/// Whether pid 1 killed it as it does at the end of a soft-reboot, with what its units have left (`finish_remaining_processes()`
/// of systemd).
fn ends_with_user_space(story: &Story, fate: &Fate) -> bool {
    let Some(shutdown) = story.shutdown.as_ref().filter(|shutdown| shutdown.aim == Aim::SoftReboot) else {
        return false;
    };
    let spree = shutdown.phase(PhaseKind::KillSpree).filter(|_| story.init == Init::Systemd);
    let sent = killer_of(story, fate).filter(|sent| sent.sig == 9 && story.world.is_init(sent.sender));
    spree.zip(sent).is_some_and(|(spree, sent)| sent.at >= spree.from)
}

/// For whom a systemd killed that is not pid 1, a user's or a container's: by the unit that this knows it by.
fn managed(story: &Story, fate: &Fate) -> Option<String> {
    let world = &story.world;
    let sent = killer_of(story, fate)?;
    let inside = world.proc_at(sent.sender).is_some_and(|proc| proc.ns_level > 0);
    let program = world.program_at(sent.sender, sent.at.ns);
    // A container's may be any init of that name: then the units of what it runs say that it is a systemd.
    let manager = !world.is_init(sent.sender) && (program == b"systemd" || inside && program == b"init");
    let proc = world.proc_at(fate.proc).filter(|_| manager)?;
    let path = world.cgroups.get(&proc.cgroup).map_or(&b""[..], |path| world.strings.get(*path));
    let mut parts = path.split(|byte| *byte == b'/').rev();
    let unit = parts.find(|part| part.ends_with(b".service"));
    let unit = match unit {
        Some(unit) => format!("unit {}", crate::safe::text(unit)),
        None if program == b"systemd" => "its unit".into(),
        None => return None,
    };
    let whose = match (world.is_user_manager(sent.sender), story.service(sent.sender)) {
        (true, _) => " of its user".into(),
        (false, Some(id)) => {
            format!(" in {} {}", story.services.get(id).kind.word(), story.services.get(id).name)
        }
        (false, None) => String::new(),
    };
    let name = world.name(fate.proc);
    Some(format!("give {unit}{whose} a longer TimeoutStopSec=, or make {name} stop sooner"))
}

/// Whether somebody killed it who is neither init nor itself.
fn by_another(story: &Story, fate: &Fate) -> bool {
    let sent = fate.killer.and_then(|number| story.world.sig(number));
    sent.is_some_and(|sent| {
        sent.sender != NONE && sent.sender != fate.proc && !story.world.is_init(sent.sender)
    })
}

/// For who was killed by such a one.
fn impatient(story: &Story, fate: &Fate) -> String {
    let world = &story.world;
    let name = world.name(fate.proc);
    let Some(sent) = fate.killer.and_then(|number| world.sig(number)) else {
        return format!("see who kills {name}");
    };
    let sender = world.name_at(sent.sender, sent.at.ns);
    match sender.as_str() {
        "earlyoom" | "systemd-oomd" | "oomd" | "nohang" => {
            format!(
                "see what used the memory up: {sender} kills {name} for that, and more time is no help against it"
            )
        }
        _ if fate.told.is_some() => {
            format!(
                "have {} wait longer before it kills {name}, or make that stop sooner",
                story.chain(sent.sender, sent.at.ns)
            )
        }
        _ => format!(
            "have {} ask {name} with SIGTERM before it kills it",
            story.chain(sent.sender, sent.at.ns)
        ),
    }
}

/// Where there was too little time, by who cut it short.
fn more_time(story: &Story, fate: &Fate) -> String {
    let world = &story.world;
    let name = world.name(fate.proc);
    // Whom nobody killed was cut off by the reboot: then who told it did not wait.
    let ended_by = fate.killer.or(fate.told.map(|told| told.sent));
    let Some(sent) = ended_by.and_then(|number| world.sig(number)) else {
        return format!("give {name} more time to stop, or make it stop sooner");
    };
    if of_spree(story, ended_by) {
        let job = world
            .ancestors(fate.proc)
            .any(|up| matches!(world.program_of(up), b"cron" | b"crond" | b"anacron" | b"atd"));
        let sendsigs = world.ancestors(sent.sender).any(|up| world.program_of(up) == b"sendsigs");
        let waits = match sendsigs {
            true => "sendsigs waits ten seconds at most".to_owned(),
            false => format!("{} does not wait long", world.chain(sent.sender, sent.at.ns)),
        };
        return match job {
            true => format!("make {name} stop sooner when told to: {waits}, for a job of cron too"),
            false => format!("stop {name} by its init script, which can wait for it; {waits}"),
        };
    }
    if fate.killer.is_none() {
        return format!("have who stops {name} wait for it, or make it stop sooner");
    }
    let script = || {
        world.ancestors(sent.sender).find_map(|up| {
            world.own_images(up).find_map(|image| service::script(world, image)).map(crate::safe::text)
        })
    };
    match world.program_at(sent.sender, sent.at.ns) {
        _ if world.is_init(sent.sender) && story.init == Init::Sysvinit => format!(
            "give {name} more time: `shutdown -t SECONDS` is how long init waits between SIGTERM and SIGKILL; or make it stop \
             sooner"
        ),
        b"start-stop-daemon" => match script() {
            Some(script) => format!(
                "give start-stop-daemon a longer --retry in init script {script}, or make {name} stop sooner"
            ),
            None => format!("give start-stop-daemon a longer --retry, or make {name} stop sooner"),
        },
        b"runsv" => format!("have `sv` wait longer for {name} (-w SECONDS), or make it stop sooner"),
        b"supervisord" => format!(
            "give {name} a longer stopwaitsecs= in supervisord's configuration, or make it stop sooner"
        ),
        _ => impatient(story, fate),
    }
}

/// Whether a signal is one of sendsigs and its like.
fn of_spree(story: &Story, number: Option<u32>) -> bool {
    let sent = number.and_then(|number| story.world.sig(number));
    sent.is_some_and(|sent| KILL_ALL.contains(&story.world.program_at(sent.sender, sent.at.ns)))
}

/// Whether it was started in its container by who looks after that.
fn is_of_shim(story: &Story, idx: Idx) -> bool {
    story.world.proc_at(idx).is_some_and(|proc| story.world.is_shim(proc.parent))
}

/// Against being alive at reboot(2).
pub fn against_survival(story: &Story, fate: &Fate) -> Option<String> {
    let name = story.world.name(fate.proc);
    if fate.told.is_some() {
        return against_kill(story, fate);
    }
    if let Some(advice) = against_its_restart(story, fate.proc) {
        return Some(advice);
    }
    let unit = unit_of(story, fate.proc).filter(|unit| !unit.name.ends_with(".scope"));
    Some(match (story.init, unit, job_of(story, fate.proc)) {
        (Init::Systemd, Some(unit), _) => format!(
            "see why systemd did not stop {name} with unit {}: KillMode=, or DefaultDependencies=no, which takes \
             Conflicts=shutdown.target away",
            unit.name
        ),
        (Init::Systemd, ..) => {
            format!("let a unit run {name}, with Conflicts=shutdown.target, so that it is stopped")
        }
        (Init::Upstart, _, Some(job)) => format!(
            "give job {job} a `stop on runlevel [!2345]`: what `initctl list` names sendsigs leaves alone; and {LONG_TIMEOUT}"
        ),
        (init, ..) if init.is_rc() => {
            format!("give {name} an init script that rc runs with K, so that it is stopped")
        }
        _ => format!("have {name} stopped before the machine goes down"),
    })
}

/// Against not dying of SIGKILL; `hangs`: for so long that nothing else can be the reason.
pub fn against_hanging(story: &Story, idx: Idx, hangs: bool) -> String {
    let name = story.world.name(idx);
    let what = format!(
        "see what {name} used that was gone by then, a network file system or a disk: it has to stay until {name} has stopped"
    );
    match hangs {
        true => what,
        false => format!(
            "if {name} used much memory, have it stopped earlier, so that there is time to give that back; if not, {what}"
        ),
    }
}
