//! Advice about those who look after others.
//!
//! Invariant: what is to be changed is of the init that runs: a unit, a script of rc, a stage of runit's.

use super::{LONG_TIMEOUT, against_its_restart, inittab, job_of, unit_of};
use crate::{
    processes::base_name,
    safe,
    story::{
        Story,
        fate::{Fate, Verdict},
        finding::omitted::KILL_ALL,
        restart::Restart,
        service::{Kind, Service},
        shutdown::Init,
        world::{Idx, NONE},
    },
};

/// A supervisor that starts what the shutdown has stopped has to be stopped first.
pub(super) fn supervised(story: &Story, restart: &Restart, service: Option<&Service>) -> String {
    let world = &story.world;
    let name = world.name(restart.by);
    let program = world.name(restart.new);
    // sv knows it by its directory, which is what runsv was given, whatever it is in beside that.
    let of_runit = service.filter(|service| service.kind == Kind::Runit).map(|service| service.name.clone());
    let of_runit = of_runit.or_else(|| directory(story, restart.by));
    let what = of_runit.as_deref().unwrap_or(&program);
    // rc runs no script for what is a job.
    let job = job_of(story, restart.by).filter(|_| story.init == Init::Upstart);
    if let (Some(job), "monit" | "supervisord") = (job, name.as_str()) {
        return format!(
            "give job {job} a `stop on runlevel [!2345]`: then {name} is stopped before rc stops {what}, and starts it no \
             more{}",
            children_too(&name)
        );
    }
    match (name.as_str(), story.init) {
        ("runsv" | "runsvdir", Init::Systemd) => {
            format!(
                "stop {what} through its supervisor: `sv -w 60 stop {what}` in the stop command of runit's unit"
            )
        }
        ("runsv" | "runsvdir", Init::Runit) => {
            format!(
                "stop {what} through its supervisor (`sv -w 60 stop {what}`) in stage 3, before others are told"
            )
        }
        ("runsv" | "runsvdir", init) if !init.is_rc() => {
            format!(
                "stop {what} through its supervisor (`sv -w 60 stop {what}`) before everybody is told to stop"
            )
        }
        ("runsv" | "runsvdir", _) => format!(
            "stop {what} through its supervisor (`sv -w 60 stop {what}`) before sendsigs, from a script that rc runs with K"
        ),
        ("monit" | "supervisord", Init::Systemd) => {
            let unit = story.service(restart.old).map(|id| story.services.get(id));
            match unit.filter(|unit| {
                unit.kind == Kind::Unit && story.service(restart.old) != story.service(restart.by)
            }) {
                Some(unit) => {
                    format!(
                        "have {name} stopped before {what}: After={} in {name}'s unit stops it first",
                        unit.name
                    )
                }
                None => format!(
                    "see who stops {what} behind {name}'s back; {name}'s own command stops it for good"
                ),
            }
        }
        ("monit" | "supervisord", init) if init.is_rc() => match (story.script(&name), story.script(what)) {
            (Some(its), Some(of)) => format!(
                "have rc stop {name} before {what}: add {of} to Should-Stop in init script {its}, so that it stops before it"
            ),
            (Some(its), None) => format!(
                "have rc run init script {its} with K, before sendsigs: then {name} stops {what} itself, and starts it no more"
            ),
            (None, _) => format!(
                "give {name} an init script that rc runs with K, before sendsigs: then it stops {what} itself, and starts it \
                 no more"
            ),
        },
        // A user's services are no unit of pid 1's.
        _ if world.is_user_manager(restart.by) => format!(
            "see who stops {what} behind the back of {name}: `systemctl --user stop` of its unit stops it for good"
        ),
        ("mysqld_safe" | "mariadbd-safe" | "safe_mysqld", _)
            if killed_by_hand(story, restart.old).is_some() =>
        {
            format!(
                "have {} wait longer before it kills {what}: {name} starts again what is killed, and ends with what has stopped",
                killed_by_hand(story, restart.old).unwrap_or_default()
            )
        }
        _ if name == what => format!(
            "have {} stopped before {}, which it keeps running, or told to stop it itself",
            world.label(restart.by),
            world.label(restart.old)
        ),
        _ => format!("have {name} stopped before {what}, or told to stop it itself"),
    }
}

/// What a runsv was given.
fn directory(story: &Story, idx: Idx) -> Option<String> {
    let world = &story.world;
    let given = world.arguments(idx).into_iter().next().filter(|_| world.program_of(idx) == b"runsv")?;
    let end = given.iter().rposition(|b| *b != b'/')?;
    let name = base_name(&given[..=end]);
    (!matches!(name, b"." | b"..")).then(|| safe::text(name))
}

/// Of a supervisor that stops what it looks after before it ends.
fn children_too(supervisor: &str) -> String {
    match supervisor {
        "supervisord" => format!("; and {LONG_TIMEOUT}, since it stops its programs first"),
        _ => String::new(),
    }
}

/// Who killed it, when it had been told to stop, if that was neither init nor a spree.
fn killed_by_hand(story: &Story, idx: Idx) -> Option<String> {
    let world = &story.world;
    let fate = story.fate(idx).filter(|fate| fate.verdict == Verdict::Killed && fate.told.is_some())?;
    let sent = world.sig(fate.killer?).filter(|sent| sent.sender != NONE && !world.is_init(sent.sender))?;
    let spree = KILL_ALL.contains(&world.program_at(sent.sender, sent.at.ns));
    (!spree).then(|| story.chain(sent.sender, sent.at.ns))
}

/// Against a supervisor that a spree leaves alone.
pub fn against_sparing(story: &Story, supervisor: Idx) -> String {
    let name = story.world.name(supervisor);
    // Init stops what its table does not have at this level, and starts nothing of it anew.
    let entry = story.service(supervisor).and_then(|id| story.services.entry(id));
    if let Some(advice) =
        entry.filter(|_| story.init == Init::Sysvinit).and_then(|entry| inittab(story, entry))
    {
        return advice;
    }
    if let Some(job) = job_of(story, supervisor).filter(|_| story.init == Init::Upstart) {
        return format!(
            "give job {job} a `stop on runlevel [!2345]`: what `initctl list` names sendsigs leaves alone, and it starts \
             again what that has stopped{}",
            children_too(&name)
        );
    }
    format!(
        "take {name}'s pid file out of /run/sendsigs.omit.d, or have rc stop {name} before sendsigs, by an init script that \
         it runs with K"
    )
}

/// For a supervisor that was killed with its children.
pub fn for_supervisor(story: &Story, fate: &Fate) -> Option<String> {
    let supervisor = fate.proc;
    let name = story.world.name(supervisor);
    if let Some(advice) = against_its_restart(story, supervisor) {
        return Some(advice);
    }
    if story.world.is_user_manager(supervisor) {
        let unit = unit_of(story, supervisor).map_or("its unit", |unit| unit.name.as_str());
        return Some(format!(
            "give the user's units a TimeoutStopSec= below that of {unit}, so that {name} ends them itself before it is killed"
        ));
    }
    if let Some(advice) = for_init_of_container(story, fate) {
        return Some(advice);
    }
    let runit = matches!(name.as_str(), "runsvdir" | "runsv");
    Some(match story.init {
        init if init.is_rc() && runit => {
            "have rc stop the services before sendsigs: a script with `sv -w 60 stop /etc/service/*`, run with K".into()
        }
        init if init.is_rc() => {
            format!("have rc stop {name} by an init script of its own, which waits until its children are gone")
        }
        Init::Systemd if runit => {
            "have runit's unit stop its services: ExecStop=sv -w 60 stop /etc/service/*, with time enough".into()
        }
        Init::Systemd => format!("give {name} the time to stop its children, in the unit that runs it"),
        Init::Runit if runit => {
            "stop the services in stage 3, with time enough: `sv -w 60 force-stop /etc/service/*`".into()
        }
        Init::OpenRc if runit => {
            "stop the services before everybody is killed: a service of OpenRC whose stop() runs \
             `sv -w 60 stop /etc/service/*`"
                .into()
        }
        Init::OpenRc => format!(
            "have OpenRC stop {name} by a service of its own, which waits until its children are gone"
        ),
        _ if runit => "stop the services before everybody is killed: `sv -w 60 stop /etc/service/*`".into(),
        _ => format!("have {name} stopped before everybody is killed, and wait until its children are gone"),
    })
}

/// For the systemd of a container: time is given by who looks after that from outside.
fn for_init_of_container(story: &Story, fate: &Fate) -> Option<String> {
    let world = &story.world;
    let inside = world.proc_at(fate.proc).is_some_and(|proc| proc.ns_level > 0);
    let container = story.service(fate.proc).map(|id| story.services.get(id));
    let container = container.filter(|of| inside && of.kind == Kind::Container)?;
    let what = format!("container {}", container.name);
    let sent = world.sig(fate.killer?)?;
    if world.program_at(sent.sender, sent.at.ns) == b"lxc-start" {
        return Some(format!(
            "have lxc-stop wait longer before it has {what} killed (-t SECONDS), or make that stop sooner"
        ));
    }
    let outside = world.ancestors(fate.proc).find_map(|up| unit_of(story, up));
    let outside = outside.filter(|_| story.init == Init::Systemd && world.is_init(sent.sender))?;
    Some(format!(
        "raise TimeoutStopSec= of unit {}, so that {what} has the time to stop, or make that stop sooner",
        outside.name
    ))
}

/// For a supervisor that was stopped and left its children to themselves.
pub fn for_leaver(story: &Story, supervisor: Idx) -> Option<String> {
    let name = story.world.name(supervisor);
    Some(match (name.as_str(), story.init) {
        ("runsvdir", Init::Systemd) => {
            "stop the services with runsvdir, which leaves them on SIGTERM: KillSignal=SIGHUP in its unit has it stop them"
                .into()
        }
        ("runsvdir", Init::Runit) => {
            "stop the services first: `sv -w 60 stop /etc/service/*` in stage 3; runsvdir leaves them on SIGTERM".into()
        }
        ("runsvdir", init) if init.is_rc() => {
            format!("{RUNSVDIR_LEAVES}: `sv -w 60 stop /etc/service/*` in a script that rc runs with K")
        }
        ("runsvdir", _) => {
            format!("{RUNSVDIR_LEAVES}: `sv -w 60 stop /etc/service/*` before everybody is told to stop")
        }
        _ => format!("have what {name} looks after stopped before {name} itself, or by it"),
    })
}

/// What SIGTERM does to runsvdir, for those whom init sends it to.
pub(super) const RUNSVDIR_LEAVES: &str = "stop the services too, which runsvdir leaves on SIGTERM";
