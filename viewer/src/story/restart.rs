//! Who restarted what: a new process in the place of a dead one.
//!
//! Invariant: a restart is a new program run in place of a dead process of the same service, or of the same program
//! started by the same supervisor. A daemon that forks twice, an exec in the same process and a script that runs one
//! command after the other are none. Each dead process has one heir at most, and each heir one forerunner.

mod ordered;

use std::collections::HashMap;

use crate::processes::base_name;

use self::ordered::Orders;

use super::{
    fate::ByTarget,
    service::{Kind, ServiceId, Services},
    who::words,
    world::{At, Idx, IdxMap, Image, NONE, Origin, World},
};

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Init,
    Supervisor,
    /// A script or a command, of whatever kind.
    Script,
}

impl By {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Supervisor => "supervisor",
            Self::Script => "script",
        }
    }
}

/// One restart.
#[derive(Debug, Clone)]
pub struct Restart {
    pub old: Idx,
    pub new: Idx,
    /// Who forked the new one, or had it forked.
    pub by: Idx,
    pub how: By,
    /// The command that asked `by` for it; [`NONE`] where it acted of its own accord, or as its configuration says.
    pub ordered: Idx,
    /// The new one's birth.
    pub at: At,
    /// When it was what the old one had been.
    pub up: At,
    pub service: Option<ServiceId>,
}

/// A restart comes this soon after the death, or is a start of something that had ended long ago.
const WITHIN_NS: u64 = 180_000_000_000;
/// The first process of a daemon leaves within this time.
const DAEMON_NS: u64 = 60_000_000_000;
/// So many dead of one program that have no heir are looked at for the forerunner of a new one.
const LOOK_BACK: usize = 64;

/// Somebody who may have been replaced, or may replace.
#[derive(Debug, Clone, Copy)]
struct Run {
    idx: Idx,
    service: Option<ServiceId>,
    /// Who started it: see [`starter`].
    by: Idx,
    how: By,
}

/// All restarts from `from` on, in order of time.
pub fn restarts(
    world: &World,
    services: &mut Services,
    by_target: &ByTarget,
    from: At,
    until: At,
) -> Vec<Restart> {
    let heirs = heirs(world);
    let daemon = |idx: Idx| {
        std::iter::successors(Some(idx), |idx| heirs.get(idx).copied()).take(4).last().unwrap_or(idx)
    };
    let exit = |idx: Idx| world.proc_at(idx).map_or(At::NEVER, |proc| proc.exit);
    // Few of those born in a shutdown are more than a command of somebody: only with these is anybody compared.
    let mut new: Vec<(Idx, Idx, By)> = Vec::new();
    let mut dead: HashMap<&[u8], Dead> = HashMap::new();
    for (idx, proc) in world.all() {
        let born = proc.born >= from && proc.born <= until && proc.origin == Origin::Forked;
        if !born || world.is_init(idx) {
            continue;
        }
        if let Some((file, _)) = program(world, idx) {
            let (by, how) = starter(world, idx);
            if how != By::Script || is_daemon(world, idx) {
                new.push((idx, by, how));
                dead.entry(file).or_default();
            }
        }
    }
    new.sort_unstable_by_key(|(idx, ..)| (world.procs[*idx as usize].born, *idx));
    for (idx, _) in world.all().filter(|(idx, proc)| proc.born <= until && !world.is_init(*idx)) {
        let last = daemon(idx);
        let near = exit(last) != At::NEVER && exit(last).ns.saturating_add(WITHIN_NS) >= from.ns;
        if near
            && let Some((file, _)) = program(world, idx)
            && let Some(dead) = dead.get_mut(file)
        {
            dead.list.push(Gone { ns: exit(last).ns, idx, last });
        }
    }
    for dead in dead.values_mut() {
        dead.list.sort_unstable_by(|a, b| {
            // Where they ended in the same nanosecond their events say who was first.
            a.ns.cmp(&b.ns).then_with(|| (exit(a.last), a.idx).cmp(&(exit(b.last), b.idx)))
        });
        dead.free = (0..=dead.list.len() as u32).collect();
    }
    let mut found = Vec::new();
    for (idx, by, how) in new {
        let Some((file, up)) = program(world, idx) else { continue };
        let Some(dead) = dead.get_mut(file) else { continue };
        let born = world.procs[idx as usize].born;
        let new = Run { idx, service: services.of(world, idx), by, how };
        let before = |gone: &Gone| gone.ns < up.ns || gone.ns == up.ns && exit(gone.last) <= up;
        let mut at = dead.free(dead.list.partition_point(before));
        for _ in 0..LOOK_BACK {
            let Some(&Gone { ns, idx, last }) = at.checked_sub(1).and_then(|place| dead.list.get(place))
            else {
                break;
            };
            if ns.saturating_add(WITHIN_NS) < born.ns {
                break;
            }
            let (by, how) = starter(world, idx);
            let old = Run { idx, service: services.of(world, idx), by, how };
            if idx != new.idx && takes_place(world, services, &old, &new) {
                dead.take(at);
                let service = new.service.or(old.service);
                found.push(Restart {
                    old: last,
                    new: daemon(new.idx),
                    by: new.by,
                    how: new.how,
                    ordered: NONE,
                    at: born,
                    up,
                    service,
                });
                break;
            }
            at = dead.free(at - 1);
        }
    }
    if !found.is_empty() {
        let orders = Orders::new(world, from);
        for restart in found.iter_mut().filter(|restart| restart.how != By::Script) {
            restart.ordered = orders.of(world, services, by_target, restart).unwrap_or(NONE);
        }
    }
    found
}

/// Somebody who ended.
#[derive(Debug, Clone, Copy)]
struct Gone {
    /// When whoever went on for it ended: kept here, since looking it up costs more than all that is done with it.
    ns: u64,
    idx: Idx,
    /// Who went on for it; itself, if nobody did.
    last: Idx,
}

/// The dead of one program.
#[derive(Debug, Default)]
struct Dead {
    /// In order of their ends.
    list: Vec<Gone>,
    /// By place, from 1: itself while nobody took that one's place, else a place below.
    free: Vec<u32>,
}

impl Dead {
    /// The last place up to `at` whose dead has no heir; 0 if there is none.
    fn free(&mut self, mut at: usize) -> usize {
        while self.free[at] as usize != at {
            let below = self.free[at] as usize;
            self.free[at] = self.free[below];
            at = below;
        }
        at
    }

    fn take(&mut self, at: usize) {
        self.free[at] = at as u32 - 1;
    }
}

/// Who goes on for whom: a daemon forks, and its first process leaves soon. The child executes nothing itself.
fn heirs(world: &World) -> IdxMap<Idx> {
    let mut heirs: IdxMap<Idx> = IdxMap::default();
    for (idx, proc) in world.all() {
        let Some(parent) = world.proc_at(proc.parent).filter(|_| proc.image == NONE) else { continue };
        let left = parent.dead()
            && parent.status == 0
            && parent.exit > proc.born
            && parent.exit.ns.saturating_sub(parent.born.ns) < DAEMON_NS
            && proc.exit.ns.saturating_sub(parent.exit.ns) > 100_000_000;
        let longer = |other: &Idx| world.procs[*other as usize].exit < proc.exit;
        if left && !world.is_init(proc.parent) && heirs.get(&proc.parent).is_none_or(longer) {
            heirs.insert(proc.parent, idx);
        }
    }
    heirs
}

/// The program that `idx` executed itself, by the name of its file, and when.
fn program(world: &World, idx: Idx) -> Option<(&[u8], At)> {
    let image = world.image(world.proc_at(idx)?.image)?;
    let file = world.strings.get(image.filename);
    // An init script is called like its service, and is none.
    let script = file.starts_with(b"/etc/init.d/") || file.starts_with(b"/etc/rc");
    let own = image.proc == idx && !file.is_empty() && !script;
    own.then(|| (base_name(file), image.at))
}

/// Who had it started: the supervisor or init above it, or the script that is a forefather of it.
fn starter(world: &World, idx: Idx) -> (Idx, By) {
    let parent = world.proc_at(idx).map_or(NONE, |proc| proc.parent);
    if world.is_init(parent) {
        return (parent, By::Init);
    }
    // What a script does before it becomes a supervisor is no supervision.
    let born_ns = world.proc_at(idx).map_or(0, |proc| proc.born.ns);
    if world.is_supervisor(parent) && world.program_at(parent, born_ns) == world.program_of(parent) {
        return (parent, By::Supervisor);
    }
    // A supervisor may start things through scripts and helpers of its own.
    for up in world.ancestors(parent).take(4) {
        // What such a script runs on the way ends before it does.
        let through = world.is_supervisor(up) && outlives(world, idx, parent);
        if through && !matches!(world.program_of(up), b"runsvdir" | b"s6-svscan" | b"svscan") {
            return (up, By::Supervisor);
        }
        if world.is_init(up) && outlives(world, idx, parent) && is_init_child_shell(world, parent) {
            return (up, By::Init);
        }
    }
    (parent, By::Script)
}

/// Whether `idx` went on when its parent had left: what the parent was there for.
fn outlives(world: &World, idx: Idx, parent: Idx) -> bool {
    let exit = |idx: Idx| world.proc_at(idx).map_or(At::NEVER, |proc| proc.exit);
    exit(parent) < exit(idx)
}

/// A child of init that only starts something and goes: `expect fork`, a shell of an `exec` line.
fn is_init_child_shell(world: &World, idx: Idx) -> bool {
    world.proc_at(idx).is_some_and(|proc| {
        world.is_init(proc.parent)
            && !matches!(world.program_of(idx), b"rc" | b"rcS" | b"openrc" | b"rc.shutdown")
    })
}

fn takes_place(world: &World, services: &Services, old: &Run, new: &Run) -> bool {
    // A daemon that forks, and whose first process leaves: the child goes on, nobody restarted it.
    let related = world.ancestors(new.idx).any(|up| up == old.idx);
    if related {
        return false;
    }
    // One service may go by two kinds: started by its init script, started again by monit.
    let name = |run: &Run| run.service.map(|id| services.get(id).name.as_str());
    let same_service = new.service.is_some() && (new.service == old.service || name(new) == name(old));
    // What a supervisor starts is in the cgroup of the supervisor, wherever it was before.
    let of_supervisor =
        new.how == By::Supervisor && new.service.is_some() && new.service == services.known(new.by);
    match new.how {
        // Init restarts what it started itself, under whatever name that goes.
        By::Init | By::Supervisor => {
            same_starter(world, old, new)
                && (same_service || of_supervisor || new.service.is_none() || old.service.is_none())
                && same_program(world, old.idx, new.idx)
        }
        // A script that starts a daemon in place of another: both have to be daemons.
        By::Script => {
            is_daemon(world, old.idx) && is_daemon(world, new.idx) && same_program(world, old.idx, new.idx)
        }
    }
}

fn same_starter(world: &World, old: &Run, new: &Run) -> bool {
    if old.by == new.by && old.by != NONE {
        return true;
    }
    // The supervisor itself was restarted, or was running before and its children's parent with it.
    let program = |idx: Idx| world.program_of(idx);
    if new.how == old.how && program(old.by) == program(new.by) && new.how == By::Supervisor {
        return true;
    }
    // Whom a daemon's supervisor started through a script is a child of init by now; and a supervisor may watch what
    // an init script had started.
    is_daemon(world, old.idx) && (world.is_init(old.by) || new.how == By::Supervisor)
}

/// The same program with the same arguments. Of what was running before recording began, /proc tells arguments
/// that the program may have written over.
fn same_program(world: &World, old: Idx, new: Idx) -> bool {
    let of = |idx: Idx| -> Option<&Image> { world.image(world.image_of(idx)) };
    let (Some(a), Some(b)) = (of(old), of(new)) else { return false };
    let overwritten = world.proc_at(old).is_some_and(|old| old.origin == Origin::Running);
    let file = |image: &Image| base_name(world.strings.get(image.filename));
    file(a) == file(b) && (overwritten || same_words(world, a, b))
}

/// Words but the first, which is a name and may have a path or not.
fn same_words(world: &World, a: &Image, b: &Image) -> bool {
    let of =
        |image: &Image| words(world.strings.get(image.argv)).skip(1).map(<[u8]>::to_vec).collect::<Vec<_>>();
    a.argv == b.argv || of(a) == of(b)
}

/// Somebody who stayed when whoever started it left.
fn is_daemon(world: &World, idx: Idx) -> bool {
    let Some(proc) = world.proc_at(idx) else { return false };
    if world.is_init(proc.parent) || proc.origin == Origin::Running && proc.parent == NONE {
        return true;
    }
    // Its parent was gone before it.
    world.proc_at(proc.parent).is_some_and(|parent| {
        parent.dead() && parent.exit < proc.exit && proc.exit.ns.saturating_sub(parent.exit.ns) > 100_000_000
    })
}

impl Restart {
    /// Whether init's own table or unit is what had it restarted.
    pub fn of_kind(&self, services: &Services, kind: Kind) -> bool {
        self.service.is_some_and(|id| services.get(id).kind == kind)
    }
}
