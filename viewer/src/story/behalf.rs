//! On whose behalf somebody acted.
//!
//! Invariant: a command that pid 1 runs has no forefather that people know; the unit whose cgroup it is in says whose it
//! is. That it stops that unit is said only where the unit was seen to run before.

use std::collections::{HashMap, HashSet};

use super::{
    Story, alike,
    intern::Str,
    service::{Kind, ServiceId, is_mount, of_cgroup},
    stopper::says_stop,
    who::words,
    world::{At, Idx, IdxSet, Image, Means, NONE, Origin, Proc, Sig, World},
};
use crate::{names, processes::base_name, safe};

/// Units that had a process before the shutdown began.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    units: HashMap<String, Ran>,
    /// What had begun to stop one by then, and was not done with it.
    underway: IdxSet,
}

/// What ran in a unit.
#[derive(Debug, Default)]
struct Ran {
    /// The command lines that were executed in it.
    lines: HashSet<Str>,
    /// When the last of its processes ended.
    until_ns: u64,
}

/// What comes so soon behind a unit's end is not yet its next start: RestartSec= is 100 ms, if nobody has set it.
const BEHIND_NS: u64 = 80_000_000;
/// So soon behind a stop command what it stopped has ended.
const SOON_NS: u64 = 5_000_000_000;

/// What ended a unit before the shutdown, when it was restarted: children of init that began beside an older one, which
/// ended while they ran or soon after them. Of what still ran when the shutdown began its words have to say it.
pub(super) fn stop_commands(world: &World, begin: At) -> IdxSet {
    let mut by_cgroup: HashMap<u64, Vec<(At, At, Idx)>> = HashMap::new();
    // Whose parent is not known, and who was there, may be a child of init that was not recorded itself.
    let of_init = |proc: &Proc| {
        world.is_init(proc.parent)
            || proc.parent == NONE && proc.origin == Origin::Running && proc.cgroup != 0
    };
    for (idx, proc) in world.all().filter(|(_, proc)| proc.born < begin && of_init(proc)) {
        by_cgroup.entry(proc.cgroup).or_default().push((proc.born, proc.exit, idx));
    }
    let mut stops = IdxSet::default();
    for lives in by_cgroup.values_mut().filter(|lives| lives.len() > 1) {
        lives.sort_unstable();
        let mut next: HashMap<Str, At> = HashMap::new();
        for (born, exit, idx) in lives.iter_mut().rev() {
            let last = world.own_images(*idx).next().filter(|image| !is_launcher(world, image));
            let Some(line) = last.map(|image| image.argv) else { continue };
            // Whose end was missed had ended when the same was executed again.
            let again = next.insert(line, *born);
            if *exit == At::NEVER {
                *exit = again.unwrap_or(At::NEVER);
            }
        }
        // Of those that began before, the one that lived longest: who stops it sees its end.
        let mut main = lives[0].1;
        for (born, exit, idx) in &lives[1..] {
            let done = *exit < begin || says_its_stop(world, *idx);
            if *born < main && main.ns <= exit.ns.saturating_add(SOON_NS) && done {
                stops.insert(*idx);
            } else {
                main = main.max(*exit);
            }
        }
    }
    stops
}

/// Whether what it was executed as is a stop command by its words.
fn says_its_stop(world: &World, idx: Idx) -> bool {
    world.own_images(idx).any(|image| says_stop(world.strings.get(image.argv)))
}

/// What ran a stop command when the shutdown began, if anything did: it is asked of every recording.
pub(super) fn underway(world: &World, begin: At) -> IdxSet {
    let runs = |(idx, proc): (Idx, &Proc)| {
        proc.born < begin && proc.exit >= begin && world.is_init(proc.parent) && says_its_stop(world, idx)
    };
    match world.all().any(runs) {
        true => Earlier::of(world, begin).underway,
        false => IdxSet::default(),
    }
}

/// Whether it is only the way to what is executed then: systemd 255 and later run each command of each unit by the same program,
/// whose arguments say nothing of it. It is executed by its descriptor.
pub(super) fn is_launcher(world: &World, image: &Image) -> bool {
    let zeroth = words(world.strings.get(image.argv)).next().unwrap_or_default();
    [zeroth, world.strings.get(image.filename)].iter().any(|file| base_name(file) == b"systemd-executor")
}

/// systemd answers a command sooner than that.
const ANSWERED_NS: u64 = 10_000_000_000;

/// A unit's name as commands may have it: without `.service`.
fn bare(unit: &str) -> Option<&[u8]> {
    unit.strip_suffix(".service").map(str::as_bytes)
}

impl Earlier {
    pub fn of(world: &World, begin: At) -> Self {
        let mut by_cgroup: HashMap<u64, Ran> = HashMap::new();
        let stops = stop_commands(world, begin);
        let before = |(_, proc): &(Idx, &Proc)| proc.born < begin;
        for (idx, proc) in world.all().filter(before) {
            let ran = by_cgroup.entry(proc.cgroup).or_default();
            ran.until_ns = ran.until_ns.max(proc.exit.ns);
            if std::iter::once(idx).chain(world.ancestors(idx)).any(|up| stops.contains(&up)) {
                continue;
            }
            let own = world.own_images(idx).filter(|image| image.at < begin && !is_launcher(world, image));
            ran.lines.extend(own.map(|image| image.argv));
        }
        let mut units: HashMap<String, Ran> = HashMap::new();
        for (cgroup, ran) in by_cgroup {
            let path = world.cgroups.get(&cgroup);
            if let Some((_, name)) = path.and_then(|path| of_cgroup(world.strings.get(*path))) {
                let unit = units.entry(safe::text(name)).or_default();
                unit.lines.extend(ran.lines);
                unit.until_ns = unit.until_ns.max(ran.until_ns);
            }
        }
        let underway = stops.into_iter().filter(|idx| world.procs[*idx as usize].exit >= begin).collect();
        Self { units, underway }
    }

    /// Whether something of that still ran in `unit` at `ns`, or had ended right before: what init ran for it then was not
    /// there to start it.
    pub fn ran_at(&self, unit: &str, ns: u64) -> bool {
        self.units.get(unit).is_some_and(|ran| ran.until_ns.saturating_add(BEHIND_NS) >= ns)
    }

    /// Whether what `idx` executes in `unit` was not what the unit ran before: then it is not what the unit is there for.
    /// None: the unit did not run before.
    pub fn is_new_in(&self, world: &World, idx: Idx, unit: &str) -> Option<bool> {
        let lines = &self.units.get(unit)?.lines;
        Some(!world.own_images(idx).any(|image| lines.contains(&image.argv)))
    }
}

impl Story {
    /// Like [`World::chain`], with the unit that it is of where no name in it says that:
    /// `killall mongod (stop command of backup.service)`.
    pub fn chain(&self, idx: Idx, ns: u64) -> String {
        let chain = self.world.chain(idx, ns);
        match self.behalf(idx) {
            Some(behalf) => format!("{chain} ({behalf})"),
            None => chain,
        }
    }

    /// Like [`World::sender`], with the unit that it is of where no name in it says that.
    pub fn sender(&self, sent: &Sig) -> String {
        let sender = self.world.sender(sent);
        let meant = matches!(sent.means, Means::Call | Means::Broadcast | Means::Group | Means::CgroupKill);
        match self.behalf(sent.sender).filter(|_| meant && sent.sender != NONE) {
            Some(behalf) => format!("{sender} ({behalf})"),
            None => sender,
        }
    }

    /// `stop command of backup.service`, `unit mariadb.service`: of whom no forefather has a name that says it.
    pub fn behalf(&self, idx: Idx) -> Option<String> {
        let world = &self.world;
        let line = || std::iter::once(idx).chain(world.ancestors(idx)).take_while(|up| !world.is_init(*up));
        let top = line().last()?;
        if !world.proc_at(top).is_some_and(|proc| world.is_init(proc.parent)) {
            return None;
        }
        let id = self.service(idx)?;
        let unit = self.services.get(id);
        let of_person = unit.name.ends_with(".scope") || unit.name.starts_with("user@");
        if unit.kind != Kind::Unit || of_person || line().any(|up| alike(&unit.name, &world.name(up))) {
            return None;
        }
        Some(match self.is_command(top) {
            true if self.is_stop_command(top, id) => format!("stop command of {}", unit.name),
            true => format!("command of {}", unit.name),
            false => format!("unit {}", unit.name),
        })
    }

    /// Whether it is a stop command of its unit, or runs in one.
    pub fn stops_its_unit(&self, idx: Idx) -> bool {
        let world = &self.world;
        let line = std::iter::once(idx).chain(world.ancestors(idx)).take_while(|up| !world.is_init(*up));
        let of_unit = self.service(idx).filter(|id| self.services.get(*id).kind == Kind::Unit);
        let top = line.last().filter(|top| self.is_command(*top));
        top.zip(of_unit).is_some_and(|(top, id)| self.is_stop_command(top, id))
    }

    /// Whether pid 1 ran it, or what runs it, for its unit in the shutdown, to stop it as far as one knows.
    pub(super) fn is_run_for_its_unit(&self, idx: Idx) -> bool {
        let line = std::iter::once(idx).chain(self.world.ancestors(idx));
        line.take_while(|up| !self.world.is_init(*up)).last().is_some_and(|top| self.is_command(top))
    }

    /// Whether its unit ran before the shutdown, and then something else: None where the unit was not seen to run.
    pub(super) fn is_new_in_unit(&self, idx: Idx) -> Option<bool> {
        let unit = &self.services.get(self.service(idx)?).name;
        self.earlier().is_new_in(&self.world, idx, unit)
    }

    /// Whether a stop command of the unit of `idx` ran when it ended: nobody sees how such a one speaks to it.
    pub(super) fn stop_command_beside(&self, idx: Idx) -> bool {
        let Some(id) = self.service(idx).filter(|id| self.services.get(*id).kind == Kind::Unit) else {
            return false;
        };
        let end = self.end_of(idx);
        let lives = self.stop_lives.get_or_init(|| {
            let begin = self.shutdown.as_ref().map_or(At::NEVER, |shutdown| shutdown.begin);
            let mut lives: HashMap<ServiceId, Vec<(At, At)>> = HashMap::new();
            let born_in_it = |idx: Idx| self.world.proc_at(idx).filter(|proc| proc.born >= begin);
            for (fate, proc) in self.fates.iter().filter_map(|fate| Some((fate, born_in_it(fate.proc)?))) {
                if let Some(id) = self.service(fate.proc).filter(|_| self.stops_its_unit(fate.proc)) {
                    lives.entry(id).or_default().push((proc.born, proc.exit));
                }
            }
            lives
        });
        lives.get(&id).is_some_and(|all| all.iter().any(|(born, exit)| *born < end && *exit > end))
    }

    /// The `systemctl kill` that had systemd send `sent`: it names the unit of the target, and waits for the answer.
    pub(super) fn ordered_kill(&self, sent: &Sig) -> Option<(At, Idx)> {
        let world = &self.world;
        let unit = self.service(sent.target).map(|id| self.services.get(id));
        let unit = unit.filter(|unit| unit.kind == Kind::Unit && world.is_init(sent.sender))?;
        let kills = self.kill_commands.get_or_init(|| {
            let says = |argv| words(world.strings.get(argv)).skip(1).any(|word| word == b"kill");
            let kills = world.images.iter().filter(|image| world.program(image) == b"systemctl");
            let mut kills: Vec<(At, Idx)> =
                kills.filter(|image| says(image.argv)).map(|image| (image.at, image.proc)).collect();
            kills.sort_unstable();
            kills
        });
        let before = kills.partition_point(|(at, _)| *at < sent.at);
        let near = kills[..before].iter().rev().take_while(|(at, _)| sent.at.ns - at.ns < ANSWERED_NS);
        let names = |word: &[u8]| word == unit.name.as_bytes() || Some(word) == bare(&unit.name);
        let mut near = near.filter(|(at, idx)| {
            let image = world.image_at(*idx, at.ns);
            let argv = image.map_or(&b""[..], |image| world.strings.get(image.argv));
            let lives = world.proc_at(*idx).is_some_and(|proc| proc.exit > sent.at);
            lives && words(argv).skip(2).any(names) && asked_signal(argv) == Some(sent.sig)
        });
        near.next().copied()
    }

    fn earlier(&self) -> &Earlier {
        let begin = self.shutdown.as_ref().map_or(At::NEVER, |shutdown| shutdown.begin);
        self.earlier.get_or_init(|| Earlier::of(&self.world, begin))
    }

    /// Whether pid 1 ran it for its unit in the shutdown, or to stop it before that, and not as what the unit is there for.
    pub(super) fn is_command(&self, idx: Idx) -> bool {
        let born = self.world.proc_at(idx).map(|proc| proc.born);
        let begin = self.shutdown.as_ref().map(|shutdown| shutdown.begin);
        let in_it = born.zip(begin).is_some_and(|(born, begin)| born >= begin);
        (in_it || self.earlier().underway.contains(&idx)) && self.replaces(idx).is_none()
    }

    /// Whether a command that pid 1 ran for a unit that ran before is there to stop it: it is none that was executed for it
    /// before, and none between an end of the unit and its next start.
    fn is_stop_command(&self, top: Idx, unit: ServiceId) -> bool {
        let world = &self.world;
        let born = world.proc_at(top).map_or(At::NEVER, |proc| proc.born);
        // What comes between two of its lives prepares the second.
        let started = || {
            self.restarts.iter().any(|restart| {
                self.service(restart.new) == Some(unit)
                    && world.proc_at(restart.new).is_some_and(|proc| proc.born > born)
                    && world.proc_at(restart.old).is_some_and(|proc| proc.dead() && proc.exit <= born)
            })
        };
        let (earlier, name) = (self.earlier(), &self.services.get(unit).name);
        let says = || world.own_images(top).any(|image| says_stop(world.strings.get(image.argv)));
        if is_mount(name) {
            return true;
        }
        let stops = match earlier.is_new_in(world, top, name) {
            Some(true) => earlier.ran_at(name, born.ns) || says(),
            Some(false) => false,
            // A unit that only does something at its start and at its end.
            None => says(),
        };
        stops && !started()
    }
}

/// The signal that a `systemctl kill` asks for, if it is one that is known by name or number.
fn asked_signal(argv: &[u8]) -> Option<u8> {
    let mut words = words(argv).skip(1);
    while let Some(word) = words.next() {
        let value = match word {
            b"-s" | b"--signal" => words.next()?,
            _ => match word.strip_prefix(b"--signal=").or_else(|| word.strip_prefix(b"-s")) {
                Some(value) => value,
                None => continue,
            },
        };
        return names::parse_signal(std::str::from_utf8(value).ok()?);
    }
    Some(15)
}
