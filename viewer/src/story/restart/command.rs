//! What runs again and again because it is there for that: checks, hooks, helpers, what a timer or D-Bus starts.
//!
//! Invariant: nobody is taken for one who was told to stop, was killed, was ordered, or had come by a restart himself; nor who
//! had lived for long, unless systemd let a while go by before it ran the same again. But what a shim ran beside what its
//! container is there for is one, however it ended.

use std::{cell::OnceCell, collections::HashMap};

use super::{By, LOOK_BACK, Restart, own_image};
use crate::{
    processes::base_name,
    story::{
        behalf::{self, is_launcher},
        fate::{ByTarget, told},
        service::{Kind, Services, is_of_container},
        shutdown::{Init, Shutdown},
        world::{At, Idx, IdxSet, NONE, Proc, World},
    },
};

/// What lives no longer may be a command.
const COMMAND_NS: u64 = 30_000_000_000;
/// Init and supervisors restart what they look after this soon, unless they were told to wait for long.
const RESTART_NS: u64 = 6_000_000_000;

/// Actions of inittab that are taken when something happens.
const EVENTS: [&str; 6] =
    ["powerfail", "powerwait", "powerokwait", "powerfailnow", "ctrlaltdel", "kbrequest"];

/// What a shim has its runtime start is so near below it.
const SHIM_ABOVE: usize = 3;

/// Tells restarts from the next run of a command.
pub(super) struct Commands<'a> {
    world: &'a World,
    by_target: &'a ByTarget,
    shutdown: &'a Shutdown,
    init: Init,
    /// What stopped a unit before, and takes nobody's place when it does it again.
    stops: IdxSet,
    /// By cgroup, in order of birth: what init ran there, and of a container all that ran in it.
    beside: OnceCell<HashMap<u64, Vec<Idx>>>,
}

impl<'a> Commands<'a> {
    pub fn new(world: &'a World, by_target: &'a ByTarget, shutdown: &'a Shutdown, init: Init) -> Self {
        let stops = behalf::stop_commands(world, shutdown.begin);
        Self { world, by_target, shutdown, init, stops, beside: OnceCell::new() }
    }

    /// Whether what ended was a command that had done its work, and what came is the next of the kind. `of_heir`: what ended
    /// had been started again itself.
    pub fn is_next(&self, services: &Services, restart: &Restart, of_heir: bool) -> bool {
        let world = self.world;
        if restart.of_kind(services, Kind::Unit) && self.stops.contains(&restart.old) {
            return true;
        }
        // What an entry of inittab is run for may happen twice: the power fails.
        let entry = restart.service.and_then(|id| services.entry(id));
        if restart.how == By::Init && entry.is_some_and(|entry| EVENTS.contains(&entry.action.as_str())) {
            return true;
        }
        let Some(old) = world.proc_at(restart.old) else { return false };
        // What it became was not seen.
        if world.own_images(restart.new).next().is_some_and(|last| is_launcher(world, last)) {
            return true;
        }
        if restart.ordered != NONE {
            return false;
        }
        // What a shim runs beside what its container is there for are checks, and what somebody has it execute in there: however
        // long that takes, and however it ends.
        let of_container = || restart.of_kind(services, Kind::Container);
        // Whoever starts a container again has another shim for it. That of podman runs each check by one of its own, too.
        let of_one_shim = || world.ancestors(restart.old).any(|up| up == restart.by);
        let beside = || of_container() && self.is_beside_main(restart, old);
        let behind = || self.is_behind_main(restart.new) || self.is_behind_main(restart.old);
        if world.is_shim(restart.by) && (of_one_shim() || beside() || behind()) {
            return true;
        }
        // Tests and hooks may fail as well.
        let may_fail = || world.is_shim(restart.by) || is_hook(world, restart) || is_test(world, restart);
        let ended = old.dead() && old.killed_by() == 0 && (old.status == 0 || may_fail());
        if !ended {
            return false;
        }
        let late = restart.at.ns.saturating_sub(old.exit.ns) > RESTART_NS;
        // A unit that had ended well before the shutdown, and that systemd ran again a while later.
        let of_timer = self.init == Init::Systemd
            && restart.how == By::Init
            && late
            && old.status == 0
            && old.exit < self.shutdown.begin;
        let is_short =
            || !of_heir && lived_ns(old) < COMMAND_NS && self.is_command(services, restart, old, late);
        (of_timer || is_short()) && told(world, self.by_target, restart.old, old.born).is_none()
    }

    fn is_command(&self, services: &Services, restart: &Restart, old: &Proc, late: bool) -> bool {
        let world = self.world;
        // What a loop runs in the background, again and again.
        if self.is_of_loop(restart, old) {
            return true;
        }
        match world.program_of(restart.by) {
            b"runsv" | b"s6-supervise" | b"supervise" => return is_hook(world, restart),
            // It runs nothing but what it looks after.
            b"supervisord" => return false,
            b"monit" => return is_test(world, restart),
            _ => {}
        }
        match restart.service.map(|id| services.get(id).kind) {
            Some(Kind::Inittab | Kind::Supervisord) => false,
            // These have tasks, which events start; one that ended in the shutdown was a service.
            Some(Kind::Upstart | Kind::OpenRc | Kind::Dinit) => late && old.exit < self.shutdown.begin,
            Some(Kind::Script) if restart.how == By::Script => false,
            Some(Kind::Unit | Kind::Container) => late || self.is_beside_main(restart, old),
            _ => late,
        }
    }

    /// Whether one who lived through both had run both, and is none that keeps anybody running.
    fn is_of_loop(&self, restart: &Restart, old: &Proc) -> bool {
        let world = self.world;
        let keeps = |up: Idx| {
            world.is_init(up)
                || up == restart.by && restart.how != By::Script
                || world.is_supervisor(up)
                || matches!(world.program_of(up), b"cron" | b"crond" | b"anacron" | b"atd" | b"fcron")
        };
        let across =
            |up: &Idx| world.proc_at(*up).is_some_and(|up| up.born <= old.born && up.exit >= restart.at);
        // Above somebody who keeps others running is whoever started that one.
        let mut ran_new = world.ancestors(restart.new).take_while(|up| !keeps(*up)).filter(across);
        ran_new.any(|up| world.ancestors(restart.old).any(|other| other == up))
    }

    /// Whether its shim had run somebody in its container before, who was still there when it was what it is: what a container
    /// is there for is the first that is run in it, also where the container itself was started again.
    fn is_behind_main(&self, idx: Idx) -> bool {
        let world = self.world;
        let those = |proc: &Proc| self.beside.get_or_init(|| beside(world)).get(&proc.cgroup);
        let Some(proc) = world.proc_at(idx) else { return false };
        let Some((shim, those)) = world.ancestors(idx).find(|up| world.is_shim(*up)).zip(those(proc)) else {
            return false;
        };
        let born = |idx: Idx| world.proc_at(idx).map_or(At::default(), |proc| proc.born);
        let up = world.own_images(idx).next().map_or(proc.born, |image| image.at);
        let lives = |idx: Idx| world.proc_at(idx).is_some_and(|other| other.exit > up);
        let inside = |idx: Idx| world.proc_at(idx).is_some_and(|other| other.cgroup == proc.cgroup);
        // What somebody in there runs is not run by the shim.
        let mut above = world.ancestors(idx).take_while(|above| *above != shim);
        if above.any(|above| inside(above) && lives(above)) {
            return false;
        }
        let first = those.partition_point(|other| born(*other) < born(shim));
        let before = those[first..].iter().copied().take_while(|other| born(*other) < proc.born);
        before.take(LOOK_BACK).any(|other| lives(other) && world.ancestors(other).any(|up| up == shim))
    }

    /// Whether there was somebody whom the unit or the container is there for, beside or between the two.
    fn is_beside_main(&self, restart: &Restart, old: &Proc) -> bool {
        let world = self.world;
        let beside = self.beside.get_or_init(|| beside(world));
        let Some(those) = beside.get(&old.cgroup) else { return false };
        let of_container = is_container(world, old.cgroup);
        let born = |idx: &Idx| world.proc_at(*idx).map_or(At::default(), |proc| proc.born);
        let before = &those[..those.partition_point(|idx| born(idx) < restart.at)];
        // Who is there for long began long ago.
        let near = before.iter().rev().take(LOOK_BACK).chain(before.iter().take(LOOK_BACK));
        near.filter(|idx| **idx != restart.old).filter_map(|idx| world.proc_at(*idx)).any(|other| {
            // With a container all that runs in it ends.
            let across = other.born <= old.exit && other.exit >= restart.at;
            across || !of_container && other.exit > old.exit && lived_ns(other) > lived_ns(old)
        })
    }
}

/// Whether it is what runsv and its like run beside the service itself.
fn is_hook(world: &World, restart: &Restart) -> bool {
    let of_runsv = matches!(world.program_of(restart.by), b"runsv" | b"s6-supervise" | b"supervise");
    let first = world.own_images(restart.new).last().filter(|_| of_runsv);
    let file = first.map_or(&b""[..], |image| world.strings.get(image.filename));
    // runsv executes `control/t` in the service's directory.
    let dir = file.strip_suffix(base_name(file)).unwrap_or_default();
    dir == b"control/" || dir.ends_with(b"/control/") || matches!(base_name(file), b"finish" | b"check")
}

/// What monit starts leaves whoever started it; what stays its child is a test.
fn is_test(world: &World, restart: &Restart) -> bool {
    world.program_of(restart.by) == b"monit"
        && world.proc_at(restart.new).is_some_and(|new| new.parent == restart.by)
}

fn lived_ns(proc: &Proc) -> u64 {
    proc.exit.ns.saturating_sub(proc.born.ns)
}

fn is_container(world: &World, cgroup: u64) -> bool {
    world.cgroups.get(&cgroup).is_some_and(|path| is_of_container(world.strings.get(*path)))
}

fn beside(world: &World) -> HashMap<u64, Vec<Idx>> {
    let containers: HashMap<u64, bool> =
        world.cgroups.keys().map(|cgroup| (*cgroup, is_container(world, *cgroup))).collect();
    let mut beside: HashMap<u64, Vec<Idx>> = HashMap::new();
    for (idx, proc) in world.all() {
        // A container whose path is not known has a shim.
        let of_shim =
            || proc.cgroup != 0 && world.ancestors(idx).take(SHIM_ABOVE).any(|up| world.is_shim(up));
        let is_of = match containers.get(&proc.cgroup) {
            Some(of_container) => *of_container || world.is_init(proc.parent),
            None => of_shim(),
        };
        if is_of && own_image(world, idx, proc).is_some() {
            beside.entry(proc.cgroup).or_default().push(idx);
        }
    }
    for those in beside.values_mut() {
        those.sort_by_key(|idx| world.procs[*idx as usize].born);
    }
    beside
}
