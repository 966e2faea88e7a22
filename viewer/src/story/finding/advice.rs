//! What to change: one line, for this init, and only what is true for it.
//!
//! Invariant: advice names what is there (the entry, the unit, the script) and says what to write where. Where the
//! recording does not tell enough for that, there is none.

mod container;
mod kill;
mod supervisor;

use crate::{
    processes::base_name,
    safe,
    story::{
        NOBODIES, Story,
        blame::Why,
        fate::{Told, Verdict},
        restart::{By, Restart, is_order},
        service::{Entry, Kind, Service, ServiceId, is_mount},
        shutdown::Init,
        who::words,
        world::{Idx, NONE, Sig},
    },
    time,
};

use self::supervisor::{RUNSVDIR_LEAVES, supervised};
pub use self::{
    kill::{against_hanging, against_kill, against_reload, against_survival},
    supervisor::{against_sparing, for_leaver, for_supervisor},
};

/// Against a restart in the shutdown.
pub fn against_restart(story: &Story, restart: &Restart) -> Option<String> {
    if restart.ordered != NONE {
        let (who, command) = caller(story, restart.ordered, restart.at.ns);
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

/// Whose script or configuration calls a command that asks for a restart, and what it calls: the nearest forefather that has a
/// name of its own. `service mongod restart` is a script that calls `start mongod` itself, and what only runs others in a way of
/// its own is not what calls them.
fn caller(story: &Story, ordered: Idx, ns: u64) -> (String, String) {
    let world = &story.world;
    let mut called = ordered;
    for up in world.ancestors(ordered).take_while(|up| !world.is_init(*up)) {
        let program = world.program_at(up, ns);
        if world.image_at(up, ns).is_some_and(|image| is_order(world, image)) {
            called = up;
        } else if !NOBODIES.contains(&program) && !WRAPPERS.contains(&program) && !program.is_empty() {
            return (world.name_at(up, ns), order(story, called, ns));
        }
    }
    let outermost = world.chain(ordered, ns).split_once(" -> ").map(|(who, _)| who.to_owned());
    (outermost.unwrap_or_else(|| "whoever runs it".into()), order(story, called, ns))
}

/// What an order says: its verb and its service, whatever options stand in front of these.
fn order(story: &Story, idx: Idx, ns: u64) -> String {
    let world = &story.world;
    let Some(image) = world.image_at(idx, ns) else { return world.deed(idx, ns) };
    let program = world.program(image);
    let words: Vec<&[u8]> = words(world.strings.get(image.argv)).skip(1).collect();
    let is_option = |word: &&[u8]| word.starts_with(b"-");
    // In front of a script its interpreter stands, with options of its own.
    let first = words.iter().position(|word| !is_option(word)).unwrap_or(0);
    let behind = words.get(first).filter(|word| base_name(word) == program).map_or(0, |_| first + 1);
    let (mut shown, mut left) = (safe::text(program), 2);
    for word in words.iter().skip(behind).take(WORDS_MAX) {
        shown = format!("{shown} {}", safe::text(word));
        left -= usize::from(!is_option(word));
        if left == 0 {
            break;
        }
    }
    shown
}

/// So many words of an order are shown at most.
const WORDS_MAX: usize = 6;

/// Programs that run what their arguments say, in a way of their own.
const WRAPPERS: [&[u8]; 17] = [
    b"timeout", b"flock", b"nice", b"ionice", b"env", b"xargs", b"setsid", b"nohup", b"sudo", b"su",
    b"runuser", b"doas", b"chrt", b"taskset", b"setpriv", b"stdbuf", b"time",
];

/// Against the restart by which `idx` came, or what ran it, if that was one of the shutdown.
pub(super) fn against_its_restart(story: &Story, idx: Idx) -> Option<String> {
    let mut line = std::iter::once(idx).chain(story.world.ancestors(idx));
    let restart = line.find_map(|up| story.replaces(up)).filter(|restart| story.of_shutdown(restart))?;
    against_restart(story, restart)
}

/// The unit of `idx`, if it is of one.
fn unit_of(story: &Story, idx: Idx) -> Option<&Service> {
    let service = story.services.get(story.service(idx)?);
    (service.kind == Kind::Unit).then_some(service)
}

/// The job of Upstart that `idx` is of, without its instance.
fn job_of(story: &Story, idx: Idx) -> Option<&str> {
    let service = story.services.get(story.service(idx)?);
    // Under another init such a name is left over in an environment, or of a session's.
    (service.kind == Kind::Upstart && story.init == Init::Upstart)
        .then(|| service.name.split(' ').next().unwrap_or(&service.name))
}

/// How init is told not to start a service of its own in a shutdown.
fn service_of_init(story: &Story, idx: Idx) -> Option<String> {
    // Also what init starts again with what runs it: with su, or a script.
    let again = story.replaces(idx).or(story.replaced(idx)).is_some_and(|restart| restart.how == By::Init);
    let of_init = again || story.world.proc_at(idx).is_some_and(|proc| story.world.is_init(proc.parent));
    // Of an entry that the recording does not have.
    let by_table = || {
        let (level, name) = (level(story), story.world.name(idx));
        match story.init {
            _ if !of_init => None,
            Init::Sysvinit => {
                let too = if name == "runsvdir" { format!("; {RUNSVDIR_LEAVES}") } else { String::new() };
                Some(format!(
                    "take {level} out of the runlevels of {name}'s entry in inittab; {STOPS_ITSELF}{too}"
                ))
            }
            Init::Finit => Some(format!(
                "take {level} out of the runlevels of {name}'s line in finit.conf (`service [2345] ...`), so that init \
                 stops it and starts it no more"
            )),
            _ => None,
        }
    };
    let Some(id) = story.service(idx) else { return by_table() };
    let service = story.services.get(id);
    match service.kind {
        // An entry that does not have the level is none to be changed.
        Kind::Inittab => return match story.services.entry(id) {
            Some(entry) if story.world.program_of(idx) == b"runsvdir" => {
                inittab(story, entry).map(|advice| format!(
"{advice}; {RUNSVDIR_LEAVES}, with `sv -w 60 stop /etc/service/*` in a script that rc runs with K"))
            }
            Some(entry) => inittab(story, entry),
            None => Some(format!("take {} out of the runlevels of inittab entry {}; {STOPS_ITSELF}", level(story), service.name)),
        },
        Kind::Upstart => Some(format!(
            "give job {} a `stop on runlevel [!2345]`, so that its goal is stop before rc kills it{}",
            service.name.split(' ').next().unwrap_or(&service.name),
            kill_timeout(story, id)
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

/// After so long Upstart kills what it has told to stop, unless the job says otherwise.
const KILL_TIMEOUT_NS: u64 = 5_000_000_000;

/// What a job needs beside its `stop on`, so that it is not killed while it stops: nothing where it was seen to stop well
/// within the default.
fn kill_timeout(story: &Story, id: ServiceId) -> String {
    let told =
        || story.fates.iter().filter(|fate| fate.told.is_some() && story.service(fate.proc) == Some(id));
    let done = told().filter(|fate| fate.verdict == Verdict::Stopped);
    let took = done.map(|fate| fate.took_ns(&story.world, story.end_of(fate.proc))).max();
    let open = || told().any(|fate| matches!(fate.verdict, Verdict::Killed | Verdict::CutOff));
    match took {
        Some(took_ns) if took_ns >= KILL_TIMEOUT_NS / 2 => format!(
            ", and a `kill timeout` longer than it needs (it took {} to stop; {KILLS_IT})",
            time::duration(took_ns)
        ),
        Some(_) if !open() => String::new(),
        _ => format!(", and {LONG_TIMEOUT}"),
    }
}

/// Where it is not known how long something needs.
const LONG_TIMEOUT: &str =
    "a `kill timeout` as long as it may need (after 5 s, unless that is set, init kills it)";
const KILLS_IT: &str = "after 5 s, unless that is set, init kills it";

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

/// Against what was a stop command of `unit`, or a start of it.
pub fn against_command(name: &str, unit: &str) -> String {
    format!(
        "if {name} is a stop command of {unit} (ExecStop=), see what it waited for; TimeoutStopSec= bounds it. If {unit} was \
         started then, Conflicts=shutdown.target and Before=shutdown.target keep it from that"
    )
}

pub fn against_start(story: &Story, idx: Idx) -> Option<String> {
    service_of_init(story, idx)
}

pub fn against_crossfire(deed: &str, whose: &str) -> String {
    format!("have {whose}'s stop script kill by pid file instead of by `{deed}`, which hits others")
}

/// Against being hit for what one has open on a file system that `whose` unmounts.
pub fn against_mount(names: &str, whose: &str, deed: &str) -> String {
    format!("have {names} stopped before {whose}, whose `{deed}` hits all that still use what it unmounts")
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
    if is_mount(&unit.name) {
        return Some(format!(
            "see what {} was mounted from: a server or a disk that was gone by then, or programs that still used it; TimeoutSec= \
             of it bounds the wait",
            unit.name
        ));
    }
    // The last spree has a time of its own.
    let late = |told: Told| story.world.sig(told.sent).is_some_and(|sent| by_shutdown(story, sent));
    match why {
        Why::Stopping if story.fate(idx).and_then(|fate| fate.told).is_some_and(late) => Some(format!(
            "see why systemd did not stop {name} with unit {} (KillMode=, or DefaultDependencies=no): systemd-shutdown told it, \
             and TimeoutStopSec= does not bound that",
            unit.name
        )),
        Why::Stopping => Some(format!(
            "see why {name} takes so long to stop; {} of {} bounds it",
            bound(&unit.name),
            unit.name
        )),
        Why::Running | Why::Init => story
            .stops_its_unit(idx)
            .then(|| format!("see what {name} waits for; {} of {} bounds it", bound(&unit.name), unit.name)),
    }
}

/// Against a file system that did not go.
pub fn against_unmounting(paths: &str) -> String {
    format!("see what {paths} was mounted from: a server or a disk that was gone by then")
}

/// Whether it was sent by systemd-shutdown, which tells and kills what systemd has left behind.
fn by_shutdown(story: &Story, sent: &Sig) -> bool {
    story.init == Init::Systemd
        && story.world.is_init(sent.sender)
        && story.world.program_at(sent.sender, sent.at.ns) == b"systemd-shutdown"
}

/// What bounds how long stopping a unit takes: what only mounts has another name for it.
fn bound(unit: &str) -> &'static str {
    if is_mount(unit) { "TimeoutSec=" } else { "TimeoutStopSec=" }
}
