//! What to change: one line, for this init, and only what is true for it.
//!
//! Invariant: advice names what is there (the entry, the unit, the script) and says what to write where. Where the
//! recording does not tell enough for that, there is none.

use crate::story::{
    Story,
    blame::Why,
    fate::{Fate, Reception},
    restart::{By, Restart},
    service::{Entry, Kind, Service},
    shutdown::Init,
    world::{Idx, NONE},
};

/// Against a restart in the shutdown.
pub fn against_restart(story: &Story, restart: &Restart) -> Option<String> {
    if restart.ordered != NONE {
        let chain = story.world.chain(restart.ordered, restart.at.ns);
        let (who, command) = match chain.split_once(" -> ") {
            Some((who, _)) => (who, story.world.deed(restart.ordered, restart.at.ns)),
            None => ("whoever runs it", chain.clone()),
        };
        return Some(format!(
            "have {who} not call `{command}` while the machine goes down: check the runlevel or the target first"
        ));
    }
    if restart.how == By::Supervisor {
        // A supervisor that init starts again is what has to be kept from starting.
        let by_init = story.replaces(restart.by).is_some_and(|above| above.how == By::Init);
        let runit = matches!(story.world.program_of(restart.by), b"runsv" | b"runsvdir");
        if by_init && !runit {
            return service_of_init(story, restart.by);
        }
        let service = restart.service.map(|id| story.services.get(id));
        return Some(match service.filter(|service| service.kind == Kind::Container) {
            Some(container) => format!(
                "stop container {} by its engine before everybody is told to stop, so that no restart policy acts",
                container.name
            ),
            None => supervised(story, restart, service),
        });
    }
    if restart.how == By::Script {
        let who = story.world.name_at(restart.by, restart.at.ns);
        return Some(format!(
            "have {who} not start it while the machine goes down: check the runlevel or the target first"
        ));
    }
    service_of_init(story, restart.new).or_else(|| service_of_init(story, restart.old))
}

/// How init is told not to start a service of its own in a shutdown.
fn service_of_init(story: &Story, idx: Idx) -> Option<String> {
    let of_init = story.world.proc_at(idx).is_some_and(|proc| story.world.is_init(proc.parent));
    let by_table = || {
        (story.init == Init::Sysvinit && of_init).then(|| {
            format!(
                "take {} out of the runlevels of {}'s entry in inittab; {STOPS_ITSELF}",
                level(story),
                story.world.name(idx)
            )
        })
    };
    let Some(id) = story.service(idx) else { return by_table() };
    let service = story.services.get(id);
    match service.kind {
        Kind::Inittab => match story.services.entry(id) {
            Some(entry) if story.world.program_of(idx) == b"runsvdir" => inittab(story, entry).map(|advice| {
                format!("{advice}; {RUNSVDIR_LEAVES}, with `sv -w 60 stop /etc/service/*` in a script that rc runs with K")
            }),
            Some(entry) => inittab(story, entry),
            None => Some(format!("take {} out of the runlevels of inittab entry {}; {STOPS_ITSELF}", level(story), service.name)),
        },
        Kind::Upstart => Some(format!(
            "give job {} a `stop on runlevel [!2345]`, so that its goal is stop before rc kills it",
            service.name.split(' ').next().unwrap_or(&service.name)
        )),
        Kind::Unit => Some(format!(
            "give unit {} Conflicts=shutdown.target and Before=shutdown.target (DefaultDependencies=no takes them away), \
             so that Restart= does not act in a shutdown",
            service.name
        )),
        _ => None,
    }
    .or_else(by_table)
}

/// What sysvinit does with an entry that the new runlevel does not have.
const STOPS_ITSELF: &str = "init then stops it itself (SIGTERM, SIGKILL seconds later)";

fn level(story: &Story) -> &'static str {
    story.shutdown.as_ref().map_or("6", |shutdown| shutdown.level())
}

/// `take 6 out of inittab entry md's runlevels (23456), and 0 for power-off`.
fn inittab(story: &Story, entry: &Entry) -> Option<String> {
    let level = level(story);
    let (other, what) = if level == "6" { ("0", "power-off") } else { ("6", "reboot") };
    // No levels at all means every level.
    if entry.levels.is_empty() {
        return Some(format!(
            "give inittab entry {} runlevels (2345); without any it runs in all, 0 and 6 too",
            entry.id
        ));
    }
    if !entry.levels.contains(level) {
        return None;
    }
    let too = if entry.levels.contains(other) { format!(", and {other} for {what}") } else { String::new() };
    Some(format!(
        "take {level} out of inittab entry {}'s runlevels ({}){too}; {STOPS_ITSELF}",
        entry.id, entry.levels
    ))
}

/// A supervisor that starts what the shutdown has stopped has to be stopped first.
fn supervised(story: &Story, restart: &Restart, service: Option<&Service>) -> String {
    let world = &story.world;
    let name = world.name(restart.by);
    let program = world.name(restart.new);
    // sv knows it by its directory.
    let of_runit = service.filter(|service| service.kind == Kind::Runit);
    let what = of_runit.map_or(program.as_str(), |service| &service.name);
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
        _ => format!("have {name} stopped before {what}, or told to stop it itself"),
    }
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
    format!(
        "take {name}'s pid file out of /run/sendsigs.omit.d, or have rc stop {name} before sendsigs, by an init script that \
         it runs with K"
    )
}

/// For a supervisor that was killed with its children.
pub fn for_supervisor(story: &Story, supervisor: Idx) -> Option<String> {
    let name = story.world.name(supervisor);
    if let Some(advice) = story.replaces(supervisor).and_then(|restart| against_restart(story, restart)) {
        return Some(advice);
    }
    Some(match (name.as_str(), story.init.is_rc()) {
        ("runsvdir" | "runsv", true) => {
            "have rc stop the services before sendsigs: a script with `sv -w 60 stop /etc/service/*`, run with K".into()
        }
        (_, true) => format!("have rc stop {name} by an init script of its own, which waits until its children are gone"),
        ("runsvdir" | "runsv", false) => {
            "have runit's unit stop its services: ExecStop=sv -w 60 stop /etc/service/*, with time enough".into()
        }
        _ => format!("give {name} the time to stop its children, in the unit that runs it"),
    })
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
        ("runsvdir", _) => format!("{RUNSVDIR_LEAVES}: `sv -w 60 stop /etc/service/*` in a script that rc runs with K"),
        _ => format!("have what {name} looks after stopped before {name} itself, or by it"),
    })
}

/// What SIGTERM does to runsvdir, for those whom init sends it to.
const RUNSVDIR_LEAVES: &str = "stop the services too, which runsvdir leaves on SIGTERM";

/// Against a kill: time, a handler, or being asked at all.
pub fn against_kill(story: &Story, fate: &Fate) -> Option<String> {
    let world = &story.world;
    let name = world.name(fate.proc);
    let unit = story
        .service(fate.proc)
        .map(|id| story.services.get(id))
        .filter(|service| service.kind == Kind::Unit);
    if let Some(advice) = story.replaces(fate.proc).and_then(|restart| against_restart(story, restart)) {
        return Some(advice);
    }
    let of_init = |number: u32| world.sig(number).is_some_and(|sent| world.is_init(sent.sender));
    let sender_is_init = fate.killer.is_some_and(of_init);
    let job = story
        .service(fate.proc)
        .map(|id| story.services.get(id))
        .filter(|service| service.kind == Kind::Upstart)
        .map(|service| service.name.split(' ').next().unwrap_or(&service.name));
    if let (Some(job), Some(told)) = (job, fate.told.filter(|told| of_init(told.sent)))
        && !matches!(told.reception, Reception::Ignored | Reception::Pending)
    {
        return Some(if sender_is_init {
            format!("give job {job} a longer `kill timeout`, or make {name} stop sooner")
        } else {
            format!("have rc wait for job {job}: a script that it runs with K and that calls `stop {job}`")
        });
    }
    // systemd-shutdown kills what systemd has left behind.
    let late_kill = story.init == Init::Systemd
        && fate.killer.and_then(|k| world.sig(k)).is_some_and(|sent| {
            world.is_init(sent.sender) && world.program_at(sent.sender, sent.at.ns) == b"systemd-shutdown"
        });
    match (fate.told.map(|told| told.reception), unit) {
        (Some(Reception::Ignored), Some(unit)) => Some(format!(
            "set KillSignal= of unit {} to one that {name} obeys, or ExecStop= to its own way of stopping",
            unit.name
        )),
        (Some(Reception::Ignored), None) if story.init.is_rc() => Some(format!(
            "give {name} an init script that stops it its own way: it ignores what sendsigs sends"
        )),
        (Some(Reception::Ignored), None) => {
            Some(format!("stop {name} its own way: it ignores the signal it is sent"))
        }
        (Some(Reception::Pending), Some(unit)) => Some(format!(
            "see why {name} does not take its signal (blocked, or stuck in the kernel); KillSignal= of unit {} may name another",
            unit.name
        )),
        (Some(Reception::Pending), None) => {
            Some(format!("see why {name} does not take its signal: it blocks it, or is stuck in the kernel"))
        }
        (Some(_), Some(unit)) if late_kill => Some(format!(
            "see why unit {} was given up and not killed (SendSIGKILL=, KillMode=), and make {name} stop when told to",
            unit.name
        )),
        (Some(_), Some(unit)) if sender_is_init => {
            Some(format!("give unit {} a longer TimeoutStopSec=, or make {name} stop sooner", unit.name))
        }
        (Some(_), _) if story.init.is_rc() => Some(format!(
            "stop {name} by its init script, which can wait for it; sendsigs waits ten seconds at most"
        )),
        (Some(_), _) => Some(format!("give {name} more time to stop, or make it stop sooner")),
        (None, Some(unit)) if sender_is_init => Some(format!(
            "systemd killed what was left of unit {} when its main process had ended: have that wait for {name}",
            unit.name
        )),
        (None, Some(unit)) => Some(format!(
            "see who kills {name}: unit {} was not stopped by its own KillSignal= first",
            unit.name
        )),
        (None, None) => Some(format!("have {name} asked with SIGTERM before it is killed")),
    }
}

/// Against being alive at reboot(2).
pub fn against_survival(story: &Story, fate: &Fate) -> Option<String> {
    let name = story.world.name(fate.proc);
    if fate.told.is_some() {
        return against_kill(story, fate);
    }
    if let Some(advice) = story.replaces(fate.proc).and_then(|restart| against_restart(story, restart)) {
        return Some(advice);
    }
    Some(match story.init {
        Init::Systemd => {
            format!("let a unit run {name}, with Conflicts=shutdown.target, so that it is stopped")
        }
        Init::Upstart => format!(
            "give {name}'s job a `stop on runlevel [!2345]`: what `initctl list` names sendsigs leaves alone"
        ),
        _ if story.init.is_rc() => {
            format!("give {name} an init script that rc runs with K, so that it is stopped")
        }
        _ => format!("have {name} stopped before the machine goes down"),
    })
}

/// Against not dying of SIGKILL.
pub fn against_hanging(story: &Story, idx: Idx) -> String {
    format!(
        "see what {} used that was gone by then, a network file system or a disk: it has to stay until {0} has stopped",
        story.world.name(idx)
    )
}

pub fn against_start(story: &Story, idx: Idx) -> Option<String> {
    service_of_init(story, idx)
}

pub fn against_crossfire(deed: &str, whose: &str) -> String {
    format!("have {whose}'s stop script kill by pid file instead of by `{deed}`, which hits others")
}

/// `in_root`: it was in no cgroup that could have a limit.
pub fn against_oom(story: &Story, idx: Idx, in_root: bool) -> String {
    let name = story.world.name(idx);
    if in_root {
        return format!("see what took the memory; oom_score_adj spares {name}");
    }
    match story.service(idx).map(|id| story.services.get(id)).filter(|service| service.kind == Kind::Unit) {
        Some(unit) => format!(
            "if unit {0} has a MemoryMax= (or a slice above it), {name} met that: raise it, or see what {name} needs so much \
             for; if not, see what took the machine's memory, and OOMScoreAdjust= of {0} spares {name}",
            unit.name
        ),
        None => format!(
            "if its cgroup has a limit, {name} met that: raise it; if not, see what took the machine's memory, and \
             oom_score_adj spares {name}"
        ),
    }
}

pub fn against_waiting(story: &Story, idx: Idx, why: Why) -> Option<String> {
    let name = story.world.name(idx);
    let unit =
        story.service(idx).map(|id| story.services.get(id)).filter(|service| service.kind == Kind::Unit)?;
    match why {
        Why::Stopping => {
            Some(format!("see why {name} takes so long to stop; TimeoutStopSec= of {} bounds it", unit.name))
        }
        Why::Running | Why::Init => story
            .stops_its_unit(idx)
            .then(|| format!("see what {name} waits for; TimeoutStopSec= of {} bounds it", unit.name)),
    }
}
